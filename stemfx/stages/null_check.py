"""`null_check`: is it still the song."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.units import gain_to_db, power_to_db
from stemfx.fixes import EVERY_TRACK, placed, stage_line
from stemfx.health.stem_reading import read_set
from stemfx.health.stem_solver import Move, Solution, solve
from stemfx.stage import StageContext, StageParams, knob, stage

_SAME_DB = 0.05
_WORTH_TELLING_DB = 6.0  # half of the difference: less is not why
_SAME_MS = 0.01


class NullCheckParams(StageParams):
    """Parameters of `null_check`."""

    max_null_db: float = knob(
        -40.0, low=-150, high=0, unit="dB", help="the difference may be this loud, beside the song"
    )


@stage(NullCheckParams, is_check=True, hears_song=True)
def null_check(signal: Signal, params: NullCheckParams, context: StageContext) -> Iterator[Block]:
    """Check that what comes in is the song itself: the song minus it leaves (almost) nothing.

    Put it first on the mix bus of a recipe whose tracks should add up to the song again. The null
    is 10 log10 of the energy of song minus signal over the song's: -40 dB is a hundredth of the
    amplitude. Where it is louder than `max_null_db`, the gain, delay and speed at which it nulls
    best are looked for, to say why.

    Reports the null; and if that fails the best gain and delay, and the null with them.
    """
    mixture = context.own_song.mixture
    reading = read_set([signal], mixture)
    song = reading.mixture_energy
    if not song:
        context.find("info", "null_of_silence", "the song is silent: there is nothing to null with")
        return
    null_db = power_to_db(reading.residual_energy(np.ones(1)) / song)
    context.report(null_db=round(null_db, 2))
    if null_db > params.max_null_db:
        solution = solve([signal], mixture, reading)
        best_db = min(null_db, power_to_db(solution.residual_energy / song))
        context.report(null_best_db=round(best_db, 2))
        better = null_db - best_db > _WORTH_TELLING_DB
        why = _why(solution, signal.sample_rate, context, better=better)
        fix = _mended(solution.moves[0], signal.sample_rate) if better else None
        context.find(
            "warn",
            "does_not_null",
            f"the song minus this is {abs(null_db):.1f} dB {'above' if null_db > 0 else 'below'} "
            f"the song, and should be {-params.max_null_db:g} dB below it: {why}",
            fix,
        )
    yield from ()


def _mended(move: Move, rate: int) -> str | None:
    """Write what takes gain, delay and polarity back; None where there is none, or a speed."""
    if move.is_lost or move.speed != 1.0:
        return None
    gain_db, delay_ms = gain_to_db(move.gain), 1e3 * move.delay_samples / rate
    lines = [stage_line("polarity")] * (move.gain < 0)
    lines += [stage_line("gain", gain_db=round(gain_db, 2))] * (abs(gain_db) > _SAME_DB)
    if abs(delay_ms) > _SAME_MS:  # only a stem can be moved
        return placed(EVERY_TRACK, stage_line("align", delay_ms=round(-delay_ms, 4)), *lines)
    return "\n".join(lines) or None


def _why(solution: Solution, rate: int, context: StageContext, *, better: bool) -> str:
    move = solution.moves[0]
    if move.is_lost or not better:
        return (
            "no gain or delay makes it null better. A stage before this check changes the sound, "
            "or a stem is missing; put the check right after the faders to see which"
        )
    gain_db, delay_ms = gain_to_db(move.gain), 1e3 * move.delay_samples / rate
    context.report(
        best_gain_db=round(gain_db, 3) + 0.0,
        best_delay_ms=round(-delay_ms, 4) + 0.0,
        best_polarity="inverted" if move.gain < 0 else "kept",
    )
    lines = []
    if move.speed != 1.0:
        lines.append(f"it runs at {100 * move.speed:.4f} % of the song's speed")
    if move.gain < 0:
        lines.append("it is upside down (- polarity: {})")
    if abs(gain_db) > _SAME_DB:
        lines.append(f"at another level (- gain: {{gain_db: {gain_db:.2f}}})")
    if abs(delay_ms) > _SAME_MS:
        late = "late" if delay_ms > 0 else "early"
        lines.append(
            f"{abs(delay_ms):.3f} ms {late} (on each track: - align: {{delay_ms: {-delay_ms:.4f}}})"
        )
    best_db = context.measurements["null_best_db"]
    return f"{', '.join(lines) or 'it differs'}; put right, {best_db} dB are left"
