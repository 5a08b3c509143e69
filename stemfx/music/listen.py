"""One pass over a song: what its rhythm and its harmony are read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.chroma import Pitches, read_pitches
from stemfx.dsp.flux import RATE_HZ, Flux, read_flux
from stemfx.dsp.resample import resample_blocks
from stemfx.dsp.units import Float64s

DRUMS, BASS, OTHER = "drums", "bass", "other"
SILENT = 1e-6
"""Of the mixture's energy: a stem 60 dB below it is empty."""


@dataclass(frozen=True)
class Heard:
    """What a song was found to sound like.

    Args:
        struck: flux of the drums, or of the mixture.
        played: flux of everything else, or of the mixture.
        bass: flux of the bass stem, if there is one.
        pitches: of everything but the drums, or of the mixture.
        bass_pitches: of the bass stem, or of all that has a pitch.
        duration_s: of the mixture.
    """

    struck: Flux
    played: Flux
    bass: Flux | None
    pitches: Pitches
    bass_pitches: Pitches
    duration_s: float


def listen(mixture: Signal, stems: Mapping[str, Signal]) -> Heard:
    """Read the features of a song from its stems where they carry it, else from the mixture.

    A silent or missing drum stem leaves the beat to the others; harmony is read from all but the
    drums if the bass or the rest of the band is among them.
    """
    whole = read_flux(_mono([mixture]))
    least = SILENT * float(whole.cells.sum())
    rest = [stem for name, stem in stems.items() if name != DRUMS]
    struck = read_flux(_mono([stems[DRUMS]])) if DRUMS in stems else whole
    if struck.cells.sum() <= least:
        struck = whole
    played = read_flux(_mono(rest)) if struck is not whole and rest else whole
    if played.cells.sum() <= least:
        played = whole
    band = [stem for stem in rest if BASS in stems or OTHER in stems]
    pitches = read_pitches(_mono(band or [mixture]))
    if not pitches.classes.any():
        pitches = read_pitches(_mono([mixture]))
    bass = read_flux(_mono([stems[BASS]])) if BASS in stems else None
    if bass is None or bass.cells.sum() <= least:
        return Heard(struck, played, None, pitches, pitches, _seconds(mixture))
    return Heard(
        struck, played, bass, pitches, read_pitches(_mono([stems[BASS]])), _seconds(mixture)
    )


def _seconds(signal: Signal) -> float:
    return signal.n_samples / signal.sample_rate


def _mono(signals: list[Signal]) -> Iterator[Block]:
    """Yield the sum of signals at `RATE_HZ`, mono.

    The second channel counts two thirds of the first: so neither what is in phase nor what is in
    opposite phase is lost.
    """
    first = signals[0]

    def summed() -> Iterator[Block]:
        for blocks in zip(*(signal.blocks() for signal in signals), strict=True):
            total = np.zeros((1, blocks[0].shape[1]), np.float32)
            for block in blocks:
                weights = np.array([[0.6, 0.4]] if len(block) == 2 else [[1.0]], np.float32)
                total += weights @ np.nan_to_num(block) if len(block) <= 2 else block.mean(0)
            yield total

    n_out = -(-first.n_samples * RATE_HZ // first.sample_rate)
    return resample_blocks(summed(), first.sample_rate, RATE_HZ, 1, n_out)


def read_chroma(signal: Signal) -> Float64s:
    """Return how strong each pitch class is in a signal, `(12,)` from C up."""
    chroma: Float64s = read_pitches(_mono([signal])).chroma().sum(axis=0)
    return chroma
