"""A drum kit for stemfx, made of formulas: a kick, a snare and a closed hat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from stemfx.audio import Audio
from stemfx.hookspecs import hookimpl
from stemfx.kit import Kit

KICK_HZ = 50.0
"""Where the falling pitch of the kick ends."""

LENGTHS_S = {"kick": 0.6, "snare": 0.4, "hat_closed": 0.15}
SEED = 1


class NewPluginKit(Kit):
    """Three drums. The amplitude of a hit is its velocity."""

    name = "newplugin"
    summary = "A kick, a snare and a closed hat, drawn by formulas"
    licence = "CC0-1.0"

    @property
    def classes(self) -> tuple[str, ...]:
        """The drum classes this kit has."""
        return tuple(LENGTHS_S)

    def sample(
        self,
        drum_class: str,
        velocity: float,
        sample_rate: int,
        *,
        variant: str | None = None,
        take: int = 0,  # noqa: ARG002 - there is one of each drum
    ) -> Audio:
        """Return one hit, mono, as long as it rings.

        Raises:
            KeyError: the kit has no such class or variant.
        """
        if variant:
            raise KeyError(variant)
        t = np.arange(round(LENGTHS_S[drum_class] * sample_rate)) / sample_rate
        hit = {"kick": _kick, "snare": _snare, "hat_closed": _hat}[drum_class](t)
        fade = np.minimum(1.0, (t[-1] - t) / 0.01)  # no click where it stops
        return Audio((velocity * fade * hit)[np.newaxis].astype(np.float32), sample_rate)

    def identity(self) -> str:
        """Return what changes whenever the kit sounds different: raise the number."""
        return f"{self.name}-1"


def _kick(t: NDArray[np.float64]) -> NDArray[np.float64]:
    # The pitch falls from 200 Hz towards KICK_HZ; the phase is its integral.
    cycles = KICK_HZ * t + (200.0 - KICK_HZ) * 0.03 * (1.0 - np.exp(-t / 0.03))
    return np.asarray(0.9 * np.exp(-t / 0.15) * np.cos(2.0 * np.pi * cycles))


def _snare(t: NDArray[np.float64]) -> NDArray[np.float64]:
    head = np.exp(-t / 0.05) * np.cos(2.0 * np.pi * 190.0 * t)
    return np.asarray(0.4 * head + 0.12 * np.exp(-t / 0.08) * _noise(t))


def _hat(t: NDArray[np.float64]) -> NDArray[np.float64]:
    bright = np.diff(_noise(t), prepend=0.0)  # rises by 6 dB an octave
    return np.asarray(0.1 * np.exp(-t / 0.03) * bright)


def _noise(t: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.random.default_rng(SEED).standard_normal(t.size)


@hookimpl
def stemfx_kits() -> list[Kit]:
    """Tell stemfx what this plugin adds."""
    return [NewPluginKit()]
