"""`trim`: a piece of the track."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from pydantic import model_validator

from stemfx.audio import BLOCK_SAMPLES, Block, Signal
from stemfx.stage import Seconds, StageContext, StageParams, knob, stage


class TrimParams(StageParams):
    """Parameters of `trim`."""

    start_s: Seconds = knob(0.0, low=0, unit="s", help="where the piece begins")
    end_s: Seconds | None = knob(None, low=0, unit="s", help="where it ends; the end if not given")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_s is not None and self.end_s <= self.start_s:
            msg = f"end_s {self.end_s:g} s is not after start_s {self.start_s:g} s"
            raise ValueError(msg)
        return self


@stage(TrimParams, is_linear=True, changes_length=True)
def trim(signal: Signal, params: TrimParams, context: StageContext) -> Iterator[Block]:
    """Keep only what lies from `start_s` up to `end_s`, to the nearest sample.

    The cut is exact and has no fade of its own; put `fade` after it where it would click. An
    `end_s` after the end of the track keeps all that is there. Refuses a piece without any
    sample in it.

    Reports how much was cut from either side.
    """
    rate, n_samples = signal.sample_rate, signal.n_samples
    start = round(params.start_s * rate)
    stop = n_samples if params.end_s is None else min(n_samples, round(params.end_s * rate))
    if start >= stop:
        context.refuse(
            f"start_s: no sample lies between {params.start_s:g} s and the end of the piece, "
            f"{stop / rate:g} s; the track is {n_samples / rate:g} s long"
        )
    for position in range(start, stop, BLOCK_SAMPLES):
        yield signal.read(position, min(stop, position + BLOCK_SAMPLES))
    context.report(
        cut_start_s=round(start / rate, 3), cut_end_s=round((n_samples - stop) / rate, 3)
    )
