"""What stems lack, or have too much, beside the mixture that they came from: by band and minute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.fitted import Fitted
from stemfx.dsp.frame_spectra import (
    FRAMES_PER_S,
    Powers,
    band_powers,
    frame_spectra,
    n_frames,
    powers_of,
)
from stemfx.dsp.resample import rechunk
from stemfx.dsp.units import FLOOR_DB, power_to_db

EDGES_HZ = np.array([20.0, 60, 150, 400, 1000, 2500, 6000, 12_000, 20_000])
"""Edges of eight bands, about an octave and a third each."""

NOTHING_DBFS = -100.0
"""A band of the mixture with less power is empty: 16 bits have as much noise."""

_FRAMES_PER_MINUTE = 60 * FRAMES_PER_S


def null_receipt(mixture: Signal, stems: Sequence[Signal]) -> dict[str, Any]:
    """Measure mixture minus the sum of its stems, relative to the mixture, in one pass.

    Args:
        mixture: of one or two channels.
        stems: at the mixture's rate; a shorter or a mono one is fitted to the mixture.

    Returns:
        null_db: over the whole; None where the mixture is silent.
        bands_hz: low and high edge of each of eight bands.
        minutes: of each minute one number per band; None where the mixture has nothing. Powers
            in dB, never under -200: that is no difference in any bit.
    """
    rate = mixture.sample_rate
    energies = np.zeros(2)  # of the mixture and of the difference
    minutes: list[Powers] = []

    def mixture_and_difference() -> Iterator[Block]:
        signals = [Fitted(one, mixture.channels, mixture.n_samples) for one in (mixture, *stems)]
        seconds = (rechunk(signal.blocks(), rate) for signal in signals)
        for whole, *parts in zip(*seconds, strict=True):
            rest = (whole - np.sum(parts, axis=0, dtype=np.float64)).astype(np.float32)
            energies[:] += [np.sum(np.square(one, dtype=np.float64)) for one in (whole, rest)]
            yield np.concatenate((whole, rest))

    for second, spectra in enumerate(frame_spectra(mixture_and_difference(), rate)):
        bands = band_powers(powers_of(spectra), EDGES_HZ, rate)
        if second % 60 == 0:
            minutes.append(np.zeros((2, len(EDGES_HZ) - 1)))
        minutes[-1] += bands.reshape(2, mixture.channels, *bands.shape[1:]).sum(axis=(1, 2))
    n_last = n_frames(mixture.n_samples, rate) - (len(minutes) - 1) * _FRAMES_PER_MINUTE
    n_of_each = [_FRAMES_PER_MINUTE] * (len(minutes) - 1) + [n_last]
    return {
        "null_db": _ratio_db(*energies) if energies[0] > 0 else None,
        "bands_hz": [list(edges) for edges in pairwise(EDGES_HZ.tolist())],
        "minutes": [
            _row(powers / (n * mixture.channels))
            for powers, n in zip(minutes, n_of_each, strict=False)
        ],
    }


def _row(powers: Powers) -> list[float | None]:
    """Of mean powers `(2, n_bands)`."""
    has_sound = power_to_db(powers[0]) > NOTHING_DBFS
    return [
        _ratio_db(whole, rest) if heard else None
        for heard, whole, rest in zip(has_sound, *powers, strict=True)
    ]


def _ratio_db(whole: float, rest: float) -> float:
    return round(max(power_to_db(float(rest / whole)), FLOOR_DB), 2)
