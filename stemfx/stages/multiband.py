"""`multiband`: each range of the spectrum evened out by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Self

from pydantic import model_validator

from stemfx.audio import Block, Signal
from stemfx.dsp.band_compressor import BandCompressor, Times
from stemfx.dsp.band_split import BandSplit, change_bands, ramps
from stemfx.dsp.loudness import LevelMeter
from stemfx.fixes import instead
from stemfx.stage import StageContext, StageParams, knob, stage
from stemfx.stages._compressing import need_one_threshold

_LOWER_LU = 6.0
_FRAME_MS = 1.45  # 64 samples at 44.1 kHz: shorter than any default attack


class MultibandBand(StageParams):
    """One band of `multiband`; it begins where the one before it ends."""

    high_hz: float | None = knob(
        None, low=30, high=20_000, unit="Hz", help="where it ends; left out: at the top"
    )
    threshold_lu: float | None = knob(
        None, low=-30, high=30, unit="LU", help="above the band's own level; left out: the stage's"
    )
    threshold_db: float | None = knob(
        None, low=-90, high=0, unit="dBFS", help="an rms level, in place of threshold_lu"
    )
    ratio: float | None = knob(None, low=1, high=20, help="of the band; left out: the stage's")
    attack_ms: float | None = knob(
        None, low=0, high=200, unit="ms", help="left out: by frequency, 36 at 70 Hz, 11 at 7 kHz"
    )
    release_ms: float | None = knob(
        None, low=5, high=2000, unit="ms", help="left out: by frequency, 300 at 70 Hz, 65 at 7 kHz"
    )
    gain_db: float = knob(0.0, low=-12, high=12, unit="dB", help="on top; not made up for")

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        need_one_threshold(self.threshold_lu, self.threshold_db)
        return self


class MultibandParams(StageParams):
    """Parameters of `multiband`."""

    ratio: float = knob(
        1.5, low=1, high=20, neutral=1.0, help="dB in for one dB out, above the threshold"
    )
    threshold_lu: float = knob(
        0.0, low=-30, high=30, unit="LU", help="works this far above each band's own level"
    )
    bands: list[MultibandBand] = knob(
        [], help="from low to high; none: up to 120, 800 and 4500 Hz, and the top"
    )
    mix: float = knob(1.0, low=0, high=1, help="wet share; below 1 is parallel compression")

    @model_validator(mode="after")
    def _from_low_to_high(self) -> Self:
        for lower, upper in zip(self.bands, self.bands[1:], strict=False):
            if lower.high_hz is None:
                msg = "bands: only the last one can do without high_hz"
                raise ValueError(msg)
            if upper.high_hz is not None and upper.high_hz <= lower.high_hz:
                msg = f"bands: {upper.high_hz:g} Hz after {lower.high_hz:g} Hz; go from low to high"
                raise ValueError(msg)
        return self

    @property
    def laid_out(self) -> list[MultibandBand]:
        """All bands, up to the top: four if none are given, and one to leave alone if need be."""
        if not self.bands:
            return [MultibandBand(high_hz=hz) for hz in (120.0, 800.0, 4500.0, None)]
        rest = [] if self.bands[-1].high_hz is None else [MultibandBand(ratio=1.0)]
        return [*self.bands, *rest]


@stage(MultibandParams)
def multiband(signal: Signal, params: MultibandParams, context: StageContext) -> Iterator[Block]:
    """Even out each range of the spectrum by itself; tone and loudness stay as they were.

        - multiband                                       # four bands, gently
        - multiband: {bands: [{high_hz: 120, ratio: 3}]}  # the bass alone
        - multiband: {ratio: 2, bands: [{high_hz: 200}, {high_hz: 3000}, {gain_db: 1}]}

    A band begins where the one before it ends; above the last `high_hz` nothing is changed. Each
    works where its rms level is more than `threshold_lu` above its own level over the song,
    gated like loudness (or above an absolute `threshold_db`): so bass, voice and air are treated
    alike, and a quiet mix like a loud one. Knee 8 dB; slow in the bass, fast in the treble, unless
    told otherwise. Both channels get one gain for each band.

    Every band is then brought back to the energy it had, so the song keeps its tonal balance, and
    its loudness within some 0.1 LU. `gain_db` comes on top and is not made up for.

    The bands are linear-phase, 24 dB/octave, and sum to the input: y = x + sum (g - 1) band.
    What no gain is at work on keeps its bits, and a gain on one band goes over into the next
    without a bump. Ahead of a kick, a 6 dB cut below 120 Hz rings 60 dB under it from 10 ms on,
    which the ear does not hear before a hit; steeper bands would ring louder and longer.
    Source of the ballistics: `stemfx.dsp.dynamics`.

    Reports for each band the threshold, the highest reduction, its mean while at work and the
    gain that made up for it; and how much the loudness changed.
    """
    rate, channels = signal.sample_rate, signal.channels
    bands = params.laid_out
    split = BandSplit(rate, [band.high_hz for band in bands if band.high_hz], _FRAME_MS)
    edges_hz = (0.0, *split.edges_hz, rate / 2)  # a low sample rate has fewer bands
    ranges = list(pairwise(edges_hz))
    compressors = [_compressor(band, params, *hz) for band, hz in zip(bands, ranges, strict=False)]
    if all(compressor.is_neutral for compressor in compressors):
        yield from signal.blocks()
        return
    gains = split.powers(signal.blocks(), channels)
    gains /= channels
    highest_db = 0.0
    for compressor, (low_hz, high_hz), row in zip(compressors, ranges, gains, strict=True):
        done = compressor.turn_into_gain(row, rate, split.frame)
        highest_db = max(highest_db, done.max_reduction_db)
        name = f"{low_hz:.0f}_{high_hz:.0f}_hz"
        context.report(
            **{
                f"threshold_{name}_dbfs": done.threshold_dbfs,
                f"max_reduction_{name}_db": done.max_reduction_db,
                f"mean_reduction_{name}_db": done.mean_reduction_db,
                f"makeup_{name}_db": done.makeup_db,
            }
        )
    before, after = (LevelMeter(rate, channels) for _ in range(2))
    position = 0
    for stretch, low in split.low_passes(signal.blocks(), channels):
        curve = ramps(gains, position // split.frame, split.frame, stretch.shape[1])
        out = stretch if curve is None else change_bands(stretch, low, curve)
        before.add(stretch)
        after.add(out)
        position += stretch.shape[1]
        yield out
    context.report(
        max_gain_reduction_db=highest_db,
        loudness_change_lu=round(before.gain_to(after), 2) + 0.0,
    )
    if highest_db == 0 and any(compressor.ratio > 1 for compressor in compressors):
        context.find(
            "info",
            "multiband_idle",
            "nothing was compressed: no band rises over its threshold; lower threshold_lu",
            _lowered(params),
        )


def _lowered(params: MultibandParams) -> str | None:
    """Write the stage with a lower threshold, if there is a band that follows it."""
    usual_lu = float(MultibandParams().threshold_lu)
    threshold_lu = max(-30.0, min(usual_lu, params.threshold_lu - _LOWER_LU))
    follows = any(b.threshold_lu is None and b.threshold_db is None for b in params.laid_out)
    return instead("multiband", params, threshold_lu=threshold_lu) if follows else None


def _compressor(
    band: MultibandBand, params: MultibandParams, low_hz: float, high_hz: float
) -> BandCompressor:
    """Fill in what a band leaves open."""
    own = {"attack_ms": band.attack_ms, "release_ms": band.release_ms}
    times = Times.between(low_hz, high_hz)
    return BandCompressor(
        ratio=params.ratio if band.ratio is None else band.ratio,
        threshold_lu=params.threshold_lu if band.threshold_lu is None else band.threshold_lu,
        threshold_dbfs=band.threshold_db,
        times=replace(times, **{name: ms for name, ms in own.items() if ms is not None}),
        mix=params.mix,
        gain_db=band.gain_db,
    )
