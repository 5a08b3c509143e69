"""What of a song is used, and how much that suffers from stretching and transposing.

Weights: `methods.md` 5.3 of the project, after listening tests of stretchers: voices give it away
first, sustained harmony next, drums last. A whole song is all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_VOICES = {"vocals", "vocal", "vox", "voice", "voices", "singer", "choir", "acapella", "acappella"}
_DRUMS = {"drums", "drum", "percussion", "perc", "beat", "beats", "kick", "snare", "hat", "hats"}
_DRUMS |= {"hihat", "cymbals", "toms", "tom", "crash", "clap"}
_WHOLE = {"", "mix", "mixture", "master", "song"}

VOCALS_WEIGHT, HARMONIC_WEIGHT, DRUMS_WEIGHT = 2.0, 1.5, 0.7


@dataclass(frozen=True)
class Use:
    """Which kinds of sound of a song are used; none of them: it only leads, or is not there."""

    vocals: bool
    harmonic: bool
    drums: bool

    @property
    def any(self) -> bool:
        """Whether anything of it sounds."""
        return self.vocals or self.harmonic or self.drums

    @property
    def pitched(self) -> bool:
        """Whether any of it has a key."""
        return self.vocals or self.harmonic

    @property
    def stretch_weight(self) -> float:
        """How much it suffers from stretching."""
        return self.pitch_weight + DRUMS_WEIGHT * self.drums

    @property
    def pitch_weight(self) -> float:
        """How much it suffers from transposing; drums are not transposed."""
        return VOCALS_WEIGHT * self.vocals + HARMONIC_WEIGHT * self.harmonic


def use_of(parts: Iterable[str]) -> Use:
    """Sort the names of used stems; an unknown name is an instrument.

    >>> use_of(["lead_vocals", "drums"])
    Use(vocals=True, harmonic=False, drums=True)
    """
    kinds = {_kind(part) for part in parts}
    whole = "whole" in kinds
    return Use(*(whole or kind in kinds for kind in ("vocals", "harmonic", "drums")))


def _kind(part: str) -> str:
    words = set(re.split(r"[^a-z]+", part.lower()))
    if part.lower() in _WHOLE:
        return "whole"
    if words & _VOICES:
        return "vocals"
    return "drums" if words & _DRUMS else "harmonic"


def is_drums(stem: str) -> bool:
    """Tell whether a stem has no pitch to transpose.

    >>> is_drums("drums"), is_drums("Kick 2"), is_drums("bass"), is_drums("")
    (True, True, False, False)
    """
    return _kind(stem) == "drums"


def is_voice(stem: str) -> bool:
    """Tell whether a stem is sung or spoken: what has formants to keep.

    >>> is_voice("vocals"), is_voice("lead vocal"), is_voice("other"), is_voice("")
    (True, True, False, False)
    """
    return _kind(stem) == "vocals"
