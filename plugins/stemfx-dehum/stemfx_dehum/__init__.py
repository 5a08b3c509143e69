"""Mains hum taken out of a stem or a mix, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, Signal
from stemfx.dsp.units import db_to_gain, power_to_db
from stemfx.fixes import instead
from stemfx.hookspecs import hookimpl
from stemfx.stage import Stage, StageContext, StageParams, knob, stage
from stemfx_dehum.finding import SHORTEST_S, find_hum
from stemfx_dehum.hum import LOWEST_HZ, MOST_LINES, TOP_HZ, Hum

_PIECE_S = 0.01


class DehumParams(StageParams):
    """Knobs of `dehum`; the ranges are part of the recipe's schema."""

    freq_hz: float | None = knob(
        None,
        low=LOWEST_HZ,
        high=TOP_HZ,
        unit="Hz",
        help="the hum's fundamental, to 0.5 Hz; unset, it is 50 or 60, as is found",
    )
    harmonics: int = knob(
        MOST_LINES, low=1, high=MOST_LINES, help="how many multiples are looked at, from the first"
    )
    max_reduction_db: float = knob(
        60.0, low=0, high=60, unit="dB", neutral=0.0, help="the hum is turned down by this at most"
    )
    keep_removed: bool = knob(False, help="keep what is taken away as a track")


@stage(DehumParams)
def dehum(signal: Signal, params: DehumParams, context: StageContext) -> Iterator[Block]:
    """Take mains hum away: 50 or 60 Hz and their multiples, and not the bass beside them.

    Hum is told from music by its steadiness. The mains are followed as they drift, and of each
    multiple only what stays the same for 4 to 16 s is subtracted, as most moments have it: a bass
    note or a kick on the same pitch comes and goes, and survives. A multiple at which nothing
    steady is heard is left alone, and a track without hum keeps every bit; so does digital silence.

    Needs 5 s of sound. One note that is held at 50 or 60 Hz, or at a multiple of the hum, for more
    than four fifths of the track *is* hum to it; hum that is switched on and off is music.

    Reports the hum's frequency and how far it drifted, its level, and for each multiple by how
    much it went down in the quiet tenth of the time, when it is heard.
    """
    if not params.max_reduction_db:
        yield from signal.blocks()
        return
    hum = find_hum(signal, params.freq_hz, params.harmonics)
    if hum is None:
        _tell_nothing(signal, params, context)
        yield from signal.blocks()
        return
    amount = 1.0 - db_to_gain(-params.max_reduction_db)
    context.report(**_measured(hum, amount))
    start = 0
    # Blocks of one size, so that the arithmetic has the same bits however the signal comes.
    for block in signal.blocks(BLOCK_SAMPLES):
        away = amount * hum.sound(start, block.shape[1], signal.sample_rate)
        away[_silent(block, round(_PIECE_S * signal.sample_rate))] = 0.0
        start += block.shape[1]
        yield (block - away).astype(np.float32)


def _silent(block: Block, piece: int) -> np.ndarray:
    """Mark the pieces of each channel in which every sample is zero: there is no hum to take."""
    n_samples = block.shape[1]
    padded = np.pad(block, ((0, 0), (0, -n_samples % piece)))
    sounds = padded.reshape(len(block), -1, piece).any(axis=2)
    return ~np.repeat(sounds, piece, axis=1)[:, :n_samples]


def _tell_nothing(signal: Signal, params: DehumParams, context: StageContext) -> None:
    context.report(lines=0)
    if signal.n_samples < SHORTEST_S * signal.sample_rate:
        context.find(
            "info",
            "too_short_for_hum",
            f"hum is told from notes by its steadiness, and that takes {SHORTEST_S:g} s: the track "
            "is as it came",
        )
    elif params.freq_hz is None:
        context.find(
            "info",
            "no_hum",
            "no steady hum at 50 or 60 Hz was found: the track is as it came. If you hear one at "
            "another pitch (off a tape, say), tell its fundamental: - dehum: {freq_hz: 48.7}",
        )
    else:
        context.find(
            "warn",
            "no_hum",
            f"no steady hum was found within 0.5 Hz of {params.freq_hz:g} Hz: the track is as it "
            "came. Leave freq_hz out to have 50 and 60 Hz looked at",
            instead("dehum", params, freq_hz=None),
        )


def _measured(hum: Hum, amount: float) -> dict[str, float | int]:
    taken = [
        k for k, is_taken in enumerate(np.atleast_1d(hum.taken.any(axis=0)), start=1) if is_taken
    ]
    freq_hz = hum.freq_hz
    told: dict[str, float | int] = {
        "hum_hz": round(float(np.median(freq_hz)), 3),
        "hum_drift_hz": round(float(np.ptp(freq_hz)), 3),
        "hum_dbfs": round(power_to_db(hum.power), 1),
        "lines": len(taken),
    }
    for k in taken:
        told[f"line_{k}_dbfs"] = round(power_to_db(hum.line_power(k)), 1)
        told[f"line_{k}_reduction_db"] = round(hum.reduction_db(k, amount), 1)
    return told


@hookimpl
def stemfx_stages() -> list[Stage]:
    """Tell stemfx what this plugin adds."""
    return [dehum]
