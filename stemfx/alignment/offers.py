"""What takes of a song offer to a mashup, and what a proposal is made of: value types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stemfx.music_reading import MusicReading
from stemfx.stage import Finding

PARTS = ("vocals", "drums", "bass", "harmony")
"""What a mashup is made of; each comes from one take."""

STEM_OF = {"vocals": "vocals", "drums": "drums", "bass": "bass", "harmony": "other"}
"""The stem that plays each part."""


@dataclass(frozen=True)
class Offer:
    """The stem that a take has for one part.

    Args:
        score: as it ranks, 0 to 100: what was measured against it is taken off.
        reasons: what that was, in words.
        lufs: its loudness; None where it is silent.
    """

    score: float = 100.0
    reasons: tuple[str, ...] = ()
    lufs: float | None = None


@dataclass(frozen=True)
class Take:
    """One of the songs.

    Args:
        name: the letter that the recipe calls it by.
        label: its file's name; it decides between takes that are alike, whatever their order.
        reading: its music.
        score: of the whole, as it ranks, 0 to 100.
        reasons: what was measured against it.
        lufs: loudness of the whole; None where it is silent.
        offers: its stems, by part; a part that it lacks is not there.
    """

    name: str
    label: str
    reading: MusicReading
    score: float = 100.0
    reasons: tuple[str, ...] = ()
    lufs: float | None = None
    offers: Mapping[str, Offer] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What the producer chose already.

    Args:
        givers: by part, the take that gives it.
        tempo: a take, a tempo in BPM, or `auto`.
        key: a take, a key such as `A minor`, or `auto`.
    """

    givers: Mapping[str, str] = field(default_factory=dict)
    tempo: str | float = "auto"
    key: str = "auto"


@dataclass(frozen=True)
class Move:
    """What the alignment does to a take.

    Args:
        stretch_percent: how much longer it becomes; negative is shorter.
        octave: beats of the mashup for one of its own.
        steps: transposition in whole semitones; drums are not transposed.
        semitones: the same with the difference in tuning.
    """

    stretch_percent: float
    octave: float
    steps: int
    semitones: float


@dataclass(frozen=True)
class Part:
    """One track of the mashup.

    Args:
        part: one of `PARTS`.
        take: who gives it.
        gain_db: brings it to the level that this part has in the take of `Proposal.balance_of`.
        reasons: why this take.
    """

    part: str
    take: str
    gain_db: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Proposal:
    """A mashup.

    Args:
        tempo: the take to follow, or a tempo in BPM.
        bpm: that tempo.
        key: the take to follow, a key, or empty: nothing has one.
        key_name: that key.
        parts: in the order of `PARTS`.
        moves: by take, what is done to it.
        balance_of: the take whose balance the levels follow.
        tempo_reason, key_reason: why.
        findings: what the producer should know.
    """

    tempo: str | float
    bpm: float
    key: str
    key_name: str
    parts: tuple[Part, ...]
    moves: Mapping[str, Move]
    balance_of: str
    tempo_reason: str
    key_reason: str
    findings: tuple[Finding, ...] = ()
