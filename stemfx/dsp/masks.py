"""Make stems again as masks on the spectrum of their mixture.

A separator's estimates need not add up to the mixture, and a waveform model's may hold sound that
the mixture has not. A mask can only share out what is there: each of these gives shares that add
up to one in every bin, so the stems add up to the mixture.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Spectra = NDArray[np.complex64]
"""`(n_stems, channels, n_frames, n_bins)`."""

PointwiseMask = Literal["ratio", "binary", "complex"]


def masked(mixture: Spectra, estimates: Spectra, mask: PointwiseMask) -> Spectra:
    """Return the stems as masks on the mixture, bin by bin.

    - `ratio`: shares of power, each within [0, 1]; the stem has the mixture's phase. This is the
      Wiener gain, of all ratio masks the one with the least error for independent stems.
    - `binary`: the loudest estimate takes the bin; no bleed, and holes that are heard.
    - `complex`: each keeps its own phase and takes, in proportion to its power, its part of what
      all together leave of the mixture: the nearest stems that add up to it (mixture
      consistency, Wisdom et al., ICASSP 2019, here per bin). Estimates that add up already stay.

    Where all estimates are silent and the mixture is not, they share it equally (`binary`: the
    first one takes it).

    Shape: `(channels, n_frames, n_bins)` and `(n_stems, channels, n_frames, n_bins)` to the latter.
    """
    if mask == "binary":
        loudest = np.abs(estimates).argmax(axis=0)
        chosen = np.arange(len(estimates))[:, np.newaxis, np.newaxis, np.newaxis] == loudest
        return np.where(chosen, mixture, np.complex64(0))
    shares = _shares(np.square(estimates.real) + np.square(estimates.imag))
    if mask == "ratio":
        return shares * mixture
    rest = mixture - estimates.sum(axis=0)
    consistent: Spectra = estimates + shares * rest
    return consistent


def _shares(amounts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each one's share of the sum over the first axis; equal shares of nothing."""
    total = amounts.sum(axis=0)
    is_silent = total < np.finfo(np.float32).tiny
    shares = amounts / np.where(is_silent, np.float32(1), total)
    return np.where(is_silent, np.float32(1 / len(amounts)), shares).astype(np.float32)
