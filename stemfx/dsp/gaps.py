"""Lower what is left in a stem while its own instrument is silent.

The stem's share of the mixture tells when: a singer who sings is rarely 18 dB below the band in
her own octaves, what a separator left of the band in her pauses mostly is. A share is of power, in
bands of the ear's width, each taken together with four on either side: alone they are too few bins
to tell a gap from a rest between two partials.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.bands import erb_bands
from stemfx.dsp.spectral_cut import (
    EVERY,
    Ballistics,
    CutMeter,
    Cuts,
    Memory,
    Powers,
    cut,
    gains,
    powers_of,
)
from stemfx.dsp.stft import HOP
from stemfx.dsp.units import power_to_db

N_BANDS = 40
BANDS_BESIDE = 4
SLOPE = 2.0
"""dB of cut for each dB that the share is below the threshold: an expander of ratio 3."""

_TINY = np.float32(1e-9)  # an amplitude of -140 dBFS, through the window: silence has no gaps


@dataclass(frozen=True)
class Expansion:
    """When, how far and how fast gaps are turned down.

    Args:
        threshold_db: share of the mixture below which the stem is taken for silent.
        max_cut_db: no more than this.
        look_ahead_ms: how long before the stem comes back the cut goes.
        attack_ms: how fast it goes then.
        release_ms: how fast it comes.
    """

    threshold_db: float = -18.0
    max_cut_db: float = 12.0
    look_ahead_ms: float = 50.0
    attack_ms: float = 10.0
    release_ms: float = 150.0


class GapExpander:
    """Turn gaps down, as often as asked; the first run measures, later ones remember it.

    Args:
        signal: the stem.
        mixture: of which it is a part; of the same rate and length.
        expansion: how far and how fast.
    """

    def __init__(self, signal: Signal, mixture: Signal, expansion: Expansion) -> None:
        self._signal, self._mixture, self._expansion = signal, mixture, expansion
        self._bands = erb_bands(N_BANDS, signal.sample_rate)
        near = np.abs(np.subtract.outer(np.arange(N_BANDS), np.arange(N_BANDS))) <= BANDS_BESIDE
        self._wide = (near @ self._bands).astype(np.float32)
        self._memory = Memory(signal.n_samples, expansion.max_cut_db)
        frame_ms = 1000.0 * EVERY * HOP / signal.sample_rate
        self._ahead = round(expansion.look_ahead_ms / frame_ms)
        self._reset()

    def _reset(self) -> None:
        """Forget what was cut: from the stem, and from the bands and frames to be cut in full."""
        self.stem, self.gaps = CutMeter(), CutMeter()

    def __call__(self) -> Iterator[Block]:
        """Yield the signal with its gaps turned down."""
        expansion = self._expansion
        follow = Ballistics(
            self._signal.sample_rate,
            attack_ms=expansion.attack_ms,
            release_ms=expansion.release_ms,
            n_bins=N_BANDS,
        )

        def aim(start: int, heard: Powers) -> Cuts:
            if not start:
                self._reset()
            share_db = self._share_db(start, heard)
            under_db = np.maximum(expansion.threshold_db - share_db, 0.0)
            wanted = np.minimum(SLOPE * under_db, expansion.max_cut_db).astype(np.float32)
            opened = wanted[: len(heard)]
            for frames in range(1, self._ahead + 1):
                opened = np.minimum(opened, wanted[frames : frames + len(heard)])
            cuts_db: Cuts = follow(opened) @ self._bands
            factors = gains(cuts_db)
            in_gap = (opened >= expansion.max_cut_db).astype(np.float32) @ self._bands
            self.stem.add(heard, factors)
            self.gaps.add(heard * in_gap, factors)
            return cuts_db

        yield from cut(self._signal, aim, self._memory)

    def _share_db(self, start: int, heard: Powers) -> NDArray[np.float64]:
        """Return the stem's share in each band, from `start` up to the end of the look-ahead."""
        own = heard
        if self._ahead:
            ahead = powers_of(self._signal, start + EVERY * len(heard), self._ahead)
            own = np.concatenate((heard, ahead))
        whole = powers_of(self._mixture, start, len(own))
        return power_to_db((own @ self._wide.T + _TINY) / (whole @ self._wide.T + _TINY))
