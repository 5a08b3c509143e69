"""The contract of a drum kit: named sounds that other code can play."""

from __future__ import annotations

from abc import ABC, abstractmethod

from stemfx.audio import Audio


class Kit(ABC):
    """One-shots by drum class (kick, snare, hat_closed, hat_open, tom, crash, clap)."""

    name: str
    summary: str
    licence: str

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """The drum classes this kit has."""

    @abstractmethod
    def sample(self, drum_class: str, velocity: float, sample_rate: int) -> Audio:
        """Return one hit, mono, starting at its attack.

        Args:
            drum_class: one of `classes`.
            velocity: (0, 1]; louder and brighter towards 1.
            sample_rate: in Hz.

        Raises:
            KeyError: the kit has no such class.
        """
