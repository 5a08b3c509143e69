"""One sample of a library, as plain values: what `library.json` tells of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stemfx.audio import Block, Signal
from stemfx.dsp.windows import Span
from stemfx.slicing.material import Stem
from stemfx.slicing.wav_chunks import Markers
from stemfx.stage import Finding

Dropped = dict[str, Counter[str]]
"""How many were dropped: by class, by reason."""

ONE_SHOT, LOOP = "one-shot", "loop"

_TONICS = ("C", "C# Db", "D", "D# Eb", "E", "F", "F# Gb", "G", "G# Ab", "A", "A# Bb", "B")
TONIC_NOTES = {name: 60 + k for k, names in enumerate(_TONICS) for name in names.split()}
"""MIDI number of a key's tonic from middle C up: the root note of a loop."""


@dataclass(frozen=True)
class Sample:
    """One sample that will be written.

    Args:
        name: of its file, without folder and suffix.
        kind: `ONE_SHOT` or `LOOP`.
        sound_class: a drum class, or the length of a loop such as `2bar`.
        facts: what else `library.json` tells, ready for JSON.
        markers: for the chunks of the file.
        span: the samples of the stem that `cut` wants.
        cut: makes the sound from them.
        velocity: of a one-shot, (0, 1]; 0 for a loop.
        layer: of velocities, 0 for the softest.
        drum: which drum of its class in this stem, 0 for the usual one.
    """

    name: str
    kind: str
    sound_class: str
    facts: dict[str, Any]
    markers: Markers
    span: Span
    cut: Callable[[Block], Block] = field(repr=False)
    velocity: float = 0.0
    layer: int = 0
    drum: int = 0

    @property
    def file(self) -> str:
        """Where it lies in the library, with `/`."""
        folder = "one-shots" if self.kind == ONE_SHOT else "loops"
        return f"{folder}/{self.name}.wav"


@dataclass
class Slices:
    """What is cut out of one stem, and what is not; `signal` is its sound, decoded."""

    stem: Stem
    signal: Signal
    samples: list[Sample] = field(default_factory=list)
    dropped: Dropped = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, samples: Sequence[Sample], dropped: Dropped) -> None:
        """Take what was cut, and the counts of what was not."""
        self.samples += samples
        for name, reasons in dropped.items():
            if reasons:
                self.dropped[name] = self.dropped.get(name, Counter()) + reasons

    def find(self, code: str, message: str) -> None:
        """Keep what the counts alone do not say."""
        self.findings.append(Finding("warn", code, message))
