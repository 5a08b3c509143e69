"""The contract of a drum kit: named sounds that other code can play."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from stemfx.audio import Audio


class Kit(ABC):
    """One-shots by drum class (see `stemfx.hits.DRUM_CLASSES`).

    A class may have several `variants`: different drums, such as two kicks, of which one is
    played. A variant may have several takes at one velocity: recordings of the same drum that are
    played in turn, so that equal hits do not sound like a machine.
    """

    name: str
    summary: str
    licence: str

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """The drum classes this kit has."""

    @property
    def files(self) -> Sequence[Path]:
        """The audio files that it is made of: no result may be written over one of them."""
        return ()

    def variants(self, drum_class: str) -> tuple[str, ...]:
        """Return the names of the drums of one class, the usual one first.

        Raises:
            KeyError: the kit has no such class.
        """
        if drum_class not in self.classes:
            raise KeyError(drum_class)
        return ("",)

    def n_takes(self, drum_class: str, velocity: float, variant: str | None = None) -> int:
        """Return how many recordings there are to choose from for such a hit."""
        return 1

    @abstractmethod
    def sample(
        self,
        drum_class: str,
        velocity: float,
        sample_rate: int,
        *,
        variant: str | None = None,
        take: int = 0,
    ) -> Audio:
        """Return one hit, mono or stereo, as long as it rings; its attack is near its start.

        Args:
            drum_class: one of `classes`.
            velocity: (0, 1]; louder and brighter towards 1.
            sample_rate: in Hz.
            variant: one of `variants(drum_class)`; None is the first.
            take: from 0 to `n_takes(...)` - 1.

        Raises:
            KeyError: the kit has no such class or variant.
        """

    def choke_group(self, drum_class: str) -> str | None:
        """Return the group within which a new hit silences the one before: the hats' is one."""
        return "hats" if drum_class.startswith("hat_") else None

    def identity(self) -> str:
        """Return what changes whenever the kit sounds different: part of the cache key."""
        return self.name
