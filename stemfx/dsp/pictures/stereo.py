"""How left and right go together, over time and by bands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.frame_spectra import Spectra, frame_length
from stemfx.dsp.phase import band_readings, correlation, moments
from stemfx.dsp.pictures.codes import base64_of, share_codes


class StereoPicture:
    """Gather correlation second by second, and the bands of `stemfx check` over the whole."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._correlations: list[float] = []
        n_bins = frame_length(sample_rate) // 2 + 1
        self._powers = np.zeros((2, n_bins))
        self._cross = np.zeros(n_bins)

    def add(self, second: Block) -> None:
        """Add `(2, n_samples)`, one second; the last one may be shorter."""
        left, right, cross = (float(value) for value in moments(second[0], second[1]))
        self._correlations.append(correlation(left, right, cross) or 0.0)

    def add_spectra(self, spectra: Spectra, powers: NDArray[np.float32]) -> None:
        """Add frames of both channels, and their powers."""
        left, right = spectra
        self._powers += powers.sum(axis=1)
        self._cross += np.sum(left.real * right.real + left.imag * right.imag, axis=0)

    def picture(self) -> dict[str, Any]:
        """Return the JSON: correlation as base64 of int8 a second (127 is 1), and the bands.

        A second in which a channel is silent has a correlation of 0; a band has None.
        """
        left, right = self._powers
        bands = band_readings(left, right, self._cross.astype(np.complex128), self._rate)
        return {
            "correlation": base64_of(share_codes(np.array(self._correlations))),
            "bands": [
                {
                    "low_hz": band.low_hz,
                    "high_hz": band.high_hz,
                    "correlation": _rounded(band.correlation),
                    "mono_loss_db": _rounded(band.mono_loss_db),
                }
                for band in bands
            ],
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3) + 0.0
