"""`exciter`: new harmonics for the top, or for the bass of small speakers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal, peak_of
from stemfx.dsp.board import CALL_SAMPLES, ChangeMeter
from stemfx.dsp.filters import FirFilter, filtered
from stemfx.dsp.limiter import CHUNK_SAMPLES, Spool, shape
from stemfx.dsp.loudness import METER_BLOCK_SAMPLES, LevelMeter
from stemfx.dsp.resample import rechunk
from stemfx.dsp.side import band_gain_taps
from stemfx.dsp.units import db_to_gain, power_to_db
from stemfx.stage import StageContext, StageParams, knob, stage
from stemfx.stages._shared import need_below_nyquist

_OVERSAMPLING = 4
_SILENT_PEAK = 1e-6
_GUARD_OCTAVES = 0.2  # so that the skirt of the band ends at its edge
_LOW_OCTAVES = 2.5  # a small speaker gives 120 Hz times six back, and more would be mud
_DEFAULT_HZ = {"high": 3000.0, "low": 120.0}


class ExciterParams(StageParams):
    """Parameters of `exciter`."""

    amount: float = knob(
        0.15, low=0, high=1, neutral=0.0, help="harmonics over the band they come from; 1 is 0 dB"
    )
    band: Literal["high", "low"] = knob(
        "high", help="high: air and edge; low: bass that small speakers can give back"
    )
    freq_hz: float | None = knob(
        None,
        low=40,
        high=16_000,
        unit="Hz",
        help="where the band begins (high; unsaid 3000) or ends (low; unsaid 120)",
    )


@stage(ExciterParams)
def exciter(signal: Signal, params: ExciterParams, context: StageContext) -> Iterator[Block]:
    """Add new harmonics of the treble or of the bass, and nothing else.

    `high`: what lies above `freq_hz` is bent by u tanh(u), a soft rectifier, which makes octaves
    and sums and, being the same for both half-waves, has no copy of the band itself: this is no EQ
    boost. `low`: what lies below `freq_hz` is bent by (1 + u) tanh(u), whose second to sixth
    harmonics tell a small speaker's listener which note the bass plays. u is the band at an active
    rms of 1, so a quiet song is treated as a loud one; quiet moments get less than loud ones.

    Of what was made only that above `freq_hz` is added (`low`: in the two and a half octaves
    above it); all else stays, within -90 dB. `amount` is the level of all that was made over
    that of the band: 0.15, the default, is -16 dB, 0.3 is plain to hear, 1 is an effect. Bands of
    linear phase, at 4 times the rate: nothing is smeared, nothing folds back over -80 dB.

    Reports the level of what was added over the band, and the change of level of the whole.
    """
    freq_hz = params.freq_hz or _DEFAULT_HZ[params.band]
    name = f"freq_hz ({params.band})" if params.freq_hz is None else "freq_hz"
    need_below_nyquist(name, freq_hz, signal, context)
    if not params.amount:
        yield from signal.blocks()
        return
    rate, channels, n_samples = signal.sample_rate, signal.channels, signal.n_samples
    source_taps, added_taps = _bands(params.band, freq_hz, rate)
    band = Spool(filtered(signal.blocks(), FirFilter(source_taps, channels)), rate, channels)
    scale = _scale(band)
    if scale is None:  # nothing to hear of it
        yield from signal.blocks()
        return
    bend = _even if params.band == "high" else _even_and_odd
    make = _maker(band, bend, scale, params.amount)

    def harmonics() -> Iterator[Block]:
        bent = shape(
            band.blocks(), lambda block: block + make(block), channels, n_samples, _OVERSAMPLING
        )
        for block, more in zip(rechunk(band.blocks(), CHUNK_SAMPLES), bent, strict=True):
            yield more - block

    change = ChangeMeter()
    added_power = band_power = 0.0
    for dry, own, added in zip(
        signal.blocks(CALL_SAMPLES),
        band.blocks(CALL_SAMPLES),
        rechunk(filtered(harmonics(), FirFilter(added_taps, channels)), CALL_SAMPLES),
        strict=True,
    ):
        band_power += float(np.sum(np.square(own)))
        added_power += float(np.sum(np.square(added)))
        out = dry + added
        change.add(dry, out)
        yield out
    harmonics_db = power_to_db(added_power) - power_to_db(band_power)
    context.report(harmonics_db=round(harmonics_db, 1), **change.measurements)


def _bands(
    band: str, freq_hz: float, sample_rate: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the taps of the band that harmonics are made of, and of that which they go to."""
    if band == "high":
        taps = band_gain_taps(sample_rate, [freq_hz], [0.0, 1.0], guard_octaves=_GUARD_OCTAVES)
        return taps, taps
    edges_hz = [freq_hz, freq_hz * 2.0**_LOW_OCTAVES]
    return (
        band_gain_taps(sample_rate, edges_hz[:1], [1.0, 0.0]),
        band_gain_taps(sample_rate, edges_hz, [0.0, 1.0, 0.0]),
    )


def _scale(band: Signal) -> np.float32 | None:
    """Return the gain that brings the active rms of a band to 1; None in silence.

    The meter's gate is for whole songs: it would shut a quiet song's treble out.
    """
    peak = peak_of(band)
    level = LevelMeter(band.sample_rate, band.channels, k_weighted=False)
    if peak < _SILENT_PEAK:
        return None
    for block in band.blocks(METER_BLOCK_SAMPLES):
        level.add(block / np.float32(peak))
    rms_dbfs = level.active_rms_dbfs
    return None if rms_dbfs is None else np.float32(db_to_gain(-rms_dbfs) / peak)


def _maker(
    band: Signal, bend: Callable[[Block], Block], scale: np.float32, amount: float
) -> Callable[[Block], Block]:
    """Return the curve that makes of the band its harmonics alone, at their level.

    With g = bend(u), u = scale x, and sums over the whole song: k = sum(g u) / sum(u^2) is what g
    has of the band itself, and g - k u is what is new.
    """
    plain = cross = power = total = 0.0
    n = 0
    for block in band.blocks():
        u = (block * scale).ravel().astype(np.float64)
        g = bend(block * scale).ravel().astype(np.float64)
        plain += float(np.dot(u, u))
        cross += float(np.dot(g, u))
        power += float(np.dot(g, g))
        total += float(np.sum(g))
        n += len(g)
    new_power = power - cross**2 / plain - total**2 / n
    if new_power <= 0.0:
        return np.zeros_like
    level = np.float32(amount * math.sqrt(plain / new_power) / scale)
    linear = np.float32(cross / plain) * scale
    return lambda block: level * (bend(block * scale) - linear * block)


def _even(u: Block) -> Block:
    bent: Block = u * np.tanh(u)
    return bent


def _even_and_odd(u: Block) -> Block:
    bent: Block = (1 + u) * np.tanh(u)
    return bent
