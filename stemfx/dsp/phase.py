"""How two channels go together, and what is lost when they are added up to mono.

Correlation of left and right is rho = sum LR / sqrt(sum L^2 sum R^2): 1 the same, 0 unrelated,
-1 in opposite polarity. The fold-down loss is what (L + R) / 2 lacks beside the mean power of
both,

    loss_db = -10 log10( sum |(L + R) / 2|^2 / (sum (|L|^2 + |R|^2) / 2) ),

for equal levels -10 log10((1 + rho) / 2): 0 dB at rho = 1, 3.01 dB at 0 (normal for a wide
stereo image), 6.02 dB at -0.5. It does not depend on the level, and unlike rho it does not
alarm when one side is all but silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.framing import Framer
from stemfx.dsp.units import power_to_db

Values = NDArray[np.float64]

MAX_LOSS_DB = 100.0
"""What a fold-down to nothing reads as."""

BANDS_HZ = ((20.0, 120.0), (120.0, 500.0), (500.0, 2000.0), (2000.0, 6000.0), (6000.0, 20000.0))
"""Bass, low mids, mids, presence, air. The lowest is what clubs and vinyl want in mono."""

AUDIBLE_BAND_DB = -40.0
"""Bands this far under the loudest one are not judged: what is lost there is not heard."""

ACTIVE_DBFS = -60.0
_CELLS_PER_S = 10  # a window of 400 ms every 100 ms, as meters show it
_WINDOW_CELLS = 4


def correlation(left: float, right: float, cross: float) -> float | None:
    """Return rho of two powers and their cross power; None when one of them is silent."""
    product = left * right
    return float(np.clip(cross / np.sqrt(product), -1.0, 1.0)) if product > 0 else None


def fold_down_loss_db(left: float, right: float, cross: float) -> float | None:
    """Return the fold-down loss in dB, 0 to `MAX_LOSS_DB`; None in silence."""
    both = 2.0 * (left + right)
    if both <= 0:
        return None
    share = max(0.0, (left + right + 2.0 * cross) / both)
    return float(np.clip(-power_to_db(share), 0.0, MAX_LOSS_DB))


@dataclass(frozen=True)
class PhaseReading:
    """How two channels go together over a whole signal.

    Args:
        correlation: rho; None when a channel is silent.
        min_correlation: lowest rho of any active 400 ms.
        low_correlation: the fifth percentile of those.
        negative_share: part of the active time (400 ms above -60 dBFS) in which rho is below 0.
        lossy_share: part of it in which the fold-down loss is above 4 dB.
        mono_loss_db: fold-down loss; None in silence.
        left_dbfs: rms level of the left channel.
        right_dbfs: of the right one.
        side_db: level of (L - R) / 2 beside (L + R) / 2; None in silence.
        is_identical: no sample differs between left and right.
    """

    correlation: float | None
    min_correlation: float | None
    low_correlation: float | None
    negative_share: float
    lossy_share: float
    mono_loss_db: float | None
    left_dbfs: float
    right_dbfs: float
    side_db: float | None
    is_identical: bool


class PhaseMeter:
    """Measure `PhaseReading` block by block.

    Args:
        sample_rate: in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._cell = max(1, round(sample_rate / _CELLS_PER_S))
        self._framer = Framer(2, self._cell)
        self._cells: list[Values] = []
        self._n_samples = 0
        self._is_identical = True

    def add(self, block: Block) -> None:
        """Add `(2, n_samples)`."""
        self._n_samples += block.shape[1]
        if self._is_identical:
            self._is_identical = bool(np.array_equal(block[0], block[1]))
        frames = self._framer(block)
        if frames.shape[1]:
            self._cells.append(moments(frames[0], frames[1]))

    def reading(self) -> PhaseReading:
        """Return what was measured so far."""
        rest = self._framer.rest
        cells = self._sums()
        total = cells.sum(axis=0) + moments(rest[0], rest[1])
        left, right, cross = (float(value) for value in total)
        n_samples = max(1, self._n_samples)
        windows = self._windows(cells)
        rho = _correlations(windows)
        share = (windows[:, :2].sum(axis=1) + 2 * windows[:, 2]) / (
            2 * np.maximum(windows[:, :2].sum(axis=1), 1e-30)
        )
        mid, side = left + right + 2 * cross, left + right - 2 * cross
        return PhaseReading(
            correlation=correlation(left, right, cross),
            min_correlation=float(rho.min()) if len(rho) else None,
            low_correlation=float(np.percentile(rho, 5)) if len(rho) else None,
            negative_share=float(np.mean(rho < 0)) if len(rho) else 0.0,
            lossy_share=float(np.mean(share < 10**-0.4)) if len(rho) else 0.0,
            mono_loss_db=fold_down_loss_db(left, right, cross),
            left_dbfs=power_to_db(left / n_samples),
            right_dbfs=power_to_db(right / n_samples),
            side_db=power_to_db(max(side, 0)) - power_to_db(max(mid, 0)) if left + right else None,
            is_identical=self._is_identical,
        )

    @property
    def cell_s(self) -> float:
        """Length of a cell: 100 ms, or the nearest whole samples."""
        return self._cell / self._rate

    def cell_means(self) -> Values:
        """Return the means of L^2, R^2 and L R of every full 100 ms, `(n, 3)`."""
        return self._sums() / self._cell

    def _sums(self) -> Values:
        return np.concatenate([*self._cells, np.zeros((0, 3))])

    def _windows(self, cells: Values) -> Values:
        """Moments of every active 400 ms in which both channels sound, `(n, 3)`."""
        if len(cells) < _WINDOW_CELLS:
            return np.zeros((0, 3))
        sums = np.lib.stride_tricks.sliding_window_view(cells, _WINDOW_CELLS, axis=0).sum(axis=2)
        floor = 10 ** (ACTIVE_DBFS / 10) * _WINDOW_CELLS * self._cell
        active = (sums[:, 0] + sums[:, 1] > 2 * floor) & (sums[:, 0] * sums[:, 1] > 0)
        windows: Values = sums[active]
        return windows


def moments(left: Block, right: Block) -> Values:
    """Return powers and cross power along the last axis, `(..., 3)`, summed in float64."""
    wide_left, wide_right = left.astype(np.float64), right.astype(np.float64)
    return np.stack(
        [
            np.einsum("...i,...i->...", one, other)
            for one, other in (
                (wide_left, wide_left),
                (wide_right, wide_right),
                (wide_left, wide_right),
            )
        ],
        axis=-1,
    )


def _correlations(moments: Values) -> Values:
    rho: Values = moments[:, 2] / np.sqrt(np.maximum(moments[:, 0] * moments[:, 1], 1e-60))
    return np.clip(rho, -1.0, 1.0)


@dataclass(frozen=True)
class BandReading:
    """How two channels go together in one band.

    Args:
        low_hz: where the band begins.
        high_hz: where it ends.
        level_db: its power beside the loudest band's, <= 0.
        correlation: rho; None when a channel is silent there.
        mono_loss_db: fold-down loss; None in silence.
    """

    low_hz: float
    high_hz: float
    level_db: float
    correlation: float | None
    mono_loss_db: float | None

    @property
    def is_audible(self) -> bool:
        """It is loud enough to be judged."""
        return self.level_db > AUDIBLE_BAND_DB and self.mono_loss_db is not None


def band_readings(
    left: Values,
    right: Values,
    cross: NDArray[np.complexfloating],
    sample_rate: int,
    bands_hz: Sequence[tuple[float, float]] = BANDS_HZ,
) -> list[BandReading]:
    """Read bands off the spectra of two channels; a band above half the rate is left out.

    Args:
        left: power spectrum, `(n_bins,)`, bins from 0 to half the sample rate.
        right: likewise.
        cross: cross spectrum, left times the conjugate of right, `(n_bins,)`.
        sample_rate: in Hz.
        bands_hz: (low, high) of each band.
    """
    freq_hz = np.linspace(0.0, sample_rate / 2, len(left))
    found = []
    for low, high in bands_hz:
        inside = (freq_hz >= low) & (freq_hz < high)
        if inside.any():
            sums = (float(left[inside].sum()), float(right[inside].sum()))
            found.append((low, high, *sums, float(cross[inside].real.sum())))
    loudest = max((a + b for _, _, a, b, _ in found), default=0.0)
    return [
        BandReading(
            low_hz=low,
            high_hz=high,
            level_db=power_to_db(a + b) - power_to_db(loudest),
            correlation=correlation(a, b, c),
            mono_loss_db=fold_down_loss_db(a, b, c),
        )
        for low, high, a, b, c in found
    ]
