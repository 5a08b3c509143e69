"""One pass over a song: what its rhythm and its harmony are read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, Signal
from stemfx.dsp.chroma import Pitches, read_pitches
from stemfx.dsp.flux import RATE_HZ, Flux, read_flux
from stemfx.dsp.resample import rechunk, resample_blocks
from stemfx.dsp.units import Float64s

DRUMS, BASS, OTHER = "drums", "bass", "other"
SILENT = 1e-6
"""Of the mixture's energy: a stem 60 dB below it is empty."""


@dataclass(frozen=True)
class Heard:
    """What a song was found to sound like.

    Args:
        whole: flux of the mixture.
        struck: flux of the drums, or of the mixture.
        played: flux of everything else, or of the mixture.
        bass: flux of the bass stem, if there is one.
        pitches: of everything but the drums, or of the mixture.
        bass_pitches: of the bass stem, or of all that has a pitch.
        duration_s: of the mixture.
    """

    whole: Flux
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
    duration_s = mixture.n_samples / mixture.sample_rate

    def mono(*signals: Signal) -> Iterator[Block]:
        return _mono(signals, duration_s)

    whole = read_flux(mono(mixture))
    least = SILENT * float(whole.cells.sum())
    rest = [stem for name, stem in stems.items() if name != DRUMS]
    struck = read_flux(mono(stems[DRUMS])) if DRUMS in stems else whole
    if struck.cells.sum() <= least:
        struck = whole
    played = read_flux(mono(*rest)) if struck is not whole and rest else whole
    if played.cells.sum() <= least:
        played = whole
    pitches = read_pitches(mono(*rest)) if BASS in stems or OTHER in stems else None
    if pitches is None or not pitches.classes.any():
        pitches = read_pitches(mono(mixture))
    bass = read_flux(mono(stems[BASS])) if BASS in stems else None
    if bass is None or bass.cells.sum() <= least:
        return Heard(whole, struck, played, None, pitches, pitches, duration_s)
    low = read_pitches(mono(stems[BASS]))
    return Heard(whole, struck, played, bass, pitches, low, duration_s)


def _mono(signals: tuple[Signal, ...], duration_s: float) -> Iterator[Block]:
    """Yield the sum of signals at `RATE_HZ`, mono, `duration_s` long.

    The second channel counts two thirds of the first: so neither what is in phase nor what is in
    opposite phase is lost.
    """
    n_out = ceil(duration_s * RATE_HZ)

    def folded(signal: Signal) -> Iterator[Block]:
        for block in signal.blocks():
            weights = np.full((1, len(block)), 1 / len(block), np.float32)
            if len(block) == 2:
                weights[:] = 0.6, 0.4
            yield weights @ np.nan_to_num(block, posinf=0.0, neginf=0.0)

    streams = [
        rechunk(resample_blocks(folded(s), s.sample_rate, RATE_HZ, 1, n_out), BLOCK_SAMPLES)
        for s in signals
    ]
    for blocks in zip(*streams, strict=True):
        yield np.sum(blocks, axis=0, dtype=np.float32)


def read_chroma(signal: Signal) -> Float64s:
    """Return how strong each pitch class is in a signal, `(12,)` from C up."""
    duration_s = signal.n_samples / signal.sample_rate
    chroma: Float64s = read_pitches(_mono((signal,), duration_s)).chroma().sum(axis=0)
    return chroma
