"""Ease bleed: turn a stem down where and when what leaks into it is most of what is there.

With the leaks of `leaks.find_leaks` the power of the bleed in every bin is known,
L = sum_k ratio_k P_k, and the gain with the least error for independent stems is Wiener's,
1 - L / P of the stem's own power P, never below a floor. Four things keep it from chirping: powers
are smoothed over neighbours, the bleed is taken for half as loud again (so that where there is
nothing else the gain lies on the floor and does not flicker about it), the floor is near, and the
gain comes slowly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.bands import ErbBands
from stemfx.dsp.spectral_cut import (
    Ballistics,
    CutMeter,
    Cuts,
    Memory,
    Powers,
    cut,
    gains,
    powers_of,
)
from stemfx.dsp.stft import N_BINS
from stemfx.dsp.units import FLOOR_DB, power_to_db

_OVERESTIMATE = np.float32(1.5)
_BIN_KERNEL = np.array([0.21, 0.58, 0.21], np.float32)  # sigma 0.7 bins
_TINY = np.float32(1e-20)


@dataclass(frozen=True)
class Easing:
    """How far and how fast bleed is turned down.

    Args:
        max_cut_db: no bin loses more.
        attack_ms: how fast the cut goes when the stem itself plays.
        release_ms: how fast it comes.
    """

    max_cut_db: float = 6.0
    attack_ms: float = 15.0
    release_ms: float = 120.0


@dataclass(frozen=True, eq=False)
class Bleed:
    """What leaks into a stem.

    Args:
        stem: the stem; with the others it tells when there is bleed.
        others: what leaks into it; all signals of one rate and length.
        ratios: power of each one's leak relative to itself, `(n_bands,)`.
        bands: of these.
    """

    stem: Signal
    others: Mapping[str, Signal]
    ratios: Mapping[str, NDArray[np.float32]]
    bands: ErbBands


class BleedEq:
    """Turn bleed down, as often as asked; the first run measures, later ones remember it.

    Args:
        bleed: what leaks.
        easing: how far and how fast it is turned down.
    """

    def __init__(self, bleed: Bleed, easing: Easing) -> None:
        self._bleed, self._easing = bleed, easing
        self._at_bins = {name: bleed.ratios[name] @ bleed.bands for name in bleed.others}
        self._memory = Memory(bleed.stem.n_samples, easing.max_cut_db)
        self._reset()

    def _reset(self) -> None:
        self.stem = CutMeter()
        self.leaks = {name: CutMeter() for name in self._at_bins}

    def bleed_db(self, wet: float, name: str | None = None) -> float:
        """Return the level of the bleed, of one stem or all, relative to the stem.

        Args:
            wet: 0 before the cut, 1 after it.
            name: of the stem that leaks.
        """
        meters = list(self.leaks.values()) if name is None else [self.leaks[name]]
        left, whole = sum(meter.after(wet) for meter in meters), self.stem.after(wet)
        return power_to_db(left / whole) if whole > 0 else FLOOR_DB

    def __call__(self, signal: Signal) -> Iterator[Block]:
        """Yield `signal`: the stem, or what earlier stages made of it in the same time."""
        easing, stem = self._easing, self._bleed.stem
        floor = np.float32(10.0 ** (-easing.max_cut_db / 20.0))
        follow = Ballistics(
            signal.sample_rate,
            attack_ms=easing.attack_ms,
            release_ms=easing.release_ms,
            n_bins=N_BINS,
        )

        def aim(start: int, heard: Powers) -> Cuts:
            if not start:
                self._reset()
            own = heard if signal is stem else powers_of(stem, start, len(heard))
            leaks = {
                name: self._at_bins[name] * powers_of(other, start, len(heard))
                for name, other in self._bleed.others.items()
            }
            leaked = sum(leaks.values(), np.zeros_like(own))
            share = _smooth(leaked) / (_smooth(own) + _TINY)
            wanted = np.maximum(1 - _OVERESTIMATE * share, floor)
            cuts_db = follow(np.float32(-20) * np.log10(wanted))
            factors = gains(cuts_db)
            self.stem.add(own, factors)
            for name, leak in leaks.items():
                self.leaks[name].add(leak, factors)
            return cuts_db

        yield from cut(signal, aim, self._memory)


def _smooth(power: Powers) -> Powers:
    """Smooth over neighbouring bins."""
    below, here, above = _BIN_KERNEL
    smooth: Powers = here * power
    smooth[:, 1:] += below * power[:, :-1]
    smooth[:, :-1] += above * power[:, 1:]
    return smooth
