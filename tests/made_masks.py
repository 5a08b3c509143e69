"""Stems as a separator's masks leave them, with the truth about what lies in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stemfx.audio import Audio
from stemfx.dsp import stft

FLOOR = 0.003
"""Of a mask's neighbours: it never closes entirely, as a network's never does."""


@dataclass(frozen=True)
class Masked:
    """Stems of masks, and the masks.

    Args:
        stems: they add up to the sum of the true ones.
        masks: `(n_frames, N_BINS)` each; what a mask lets through of another true stem is bleed.
    """

    stems: dict[str, Audio]
    masks: dict[str, np.ndarray]


def masked(true: Mapping[str, Audio]) -> Masked:
    """Separate the sum of true stems by ratio masks that are too blurred to be right."""
    from scipy.ndimage import uniform_filter

    some = next(iter(true.values()))
    spectra = {name: spectrum_of(stem) for name, stem in true.items()}
    mixture = np.sum(list(spectra.values()), axis=0)
    whole = np.square(np.abs(mixture)).sum(axis=0)
    powers = {
        name: uniform_filter(np.square(np.abs(x)).sum(axis=0), (7, 21)) + FLOOR * whole + 1e-12
        for name, x in spectra.items()
    }
    total = np.sum(list(powers.values()), axis=0)
    masks = {name: power / total for name, power in powers.items()}
    stems = {}
    for name, mask in masks.items():
        spectrum = (mixture * mask).astype(np.complex64)
        blocks = stft.inverse([spectrum], some.n_samples)
        stems[name] = Audio.from_blocks(blocks, some.sample_rate)
    return Masked(stems, masks)


def spectrum_of(signal: Audio) -> np.ndarray:
    return stft.forward(signal, 0, stft.n_frames(signal.n_samples))
