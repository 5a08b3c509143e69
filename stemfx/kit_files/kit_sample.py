"""What a kit is written from: samples, and which drum each one is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stemfx.hits import DRUM_CLASSES, GM_NOTES

_FREE_NOTES = (*range(82, 128), *range(34, -1, -1), *range(60, 82))


@dataclass(frozen=True)
class KitSample:
    """One sample of a kit that is to be written.

    Args:
        file: the audio file.
        drum_class: one of `stemfx.hits.DRUM_CLASSES`.
        low: velocities above this one, in [0, 1).
        high: up to this one, in (0, 1].
        take: its place among those of the same drum and velocities.
        variant: the drum, where a class has several; empty for the usual one.
        choke: drums with the same text here silence each other.
        note: MIDI note; None takes one by the General MIDI map.

    Raises:
        ValueError: the class is unknown, or the velocities are no range.
    """

    file: Path
    drum_class: str
    low: float = 0.0
    high: float = 1.0
    take: int = 0
    variant: str = ""
    choke: str | None = None
    note: int | None = None

    def __post_init__(self) -> None:
        if self.drum_class not in DRUM_CLASSES:
            msg = f"class: {self.drum_class!r} is unknown (known: {', '.join(DRUM_CLASSES)})"
            raise ValueError(msg)
        if not 0.0 <= self.low < self.high <= 1.0:
            msg = f"velocities: ({self.low}, {self.high}] is no range in (0, 1]"
            raise ValueError(msg)


@dataclass(frozen=True)
class WrittenDrum:
    """The samples of one drum, in the order of velocity and take."""

    drum_class: str
    variant: str
    note: int
    choke: str | None
    samples: tuple[KitSample, ...]

    @property
    def label(self) -> str:
        """Its name as `names.read_name` reads it: `hat open`, `kick heavy`."""
        words = {"hat_closed": "hat closed", "hat_open": "hat open"}
        return f"{words.get(self.drum_class, self.drum_class)} {self.variant}".strip()

    def layers(self) -> list[list[KitSample]]:
        """Return the takes by range of velocities, the softest first."""
        ranges = sorted({(sample.low, sample.high) for sample in self.samples})
        return [[s for s in self.samples if (s.low, s.high) == each] for each in ranges]


def drums_to_write(samples: Sequence[KitSample]) -> list[WrittenDrum]:
    """Sort samples into drums, each with a MIDI note of its own.

    Raises:
        ValueError: there is no sample, or there are more drums than notes.
    """
    if not samples:
        msg = "a kit needs a sample"
        raise ValueError(msg)
    groups: dict[tuple[int, str], list[KitSample]] = {}
    for sample in samples:
        key = DRUM_CLASSES.index(sample.drum_class), sample.variant
        groups.setdefault(key, []).append(sample)
    taken = {sample.note for sample in samples if sample.note is not None}
    return list(_numbered(groups, taken))


def _numbered(
    groups: dict[tuple[int, str], list[KitSample]], taken: set[int]
) -> Iterator[WrittenDrum]:
    for (index, variant), group in sorted(groups.items(), key=lambda each: each[0][0]):
        drum_class = DRUM_CLASSES[index]
        note = next((s.note for s in group if s.note is not None), None)
        if note is None:
            free = (n for n in (*GM_NOTES[drum_class], *_FREE_NOTES) if n not in taken)
            note = next(free, None)
        if note is None:
            msg = "more drums than MIDI has notes"
            raise ValueError(msg)
        taken.add(note)
        ordered = sorted(group, key=lambda s: (s.low, s.high, s.take))
        choke = next((s.choke for s in group if s.choke), None)
        yield WrittenDrum(drum_class, variant, note, choke, tuple(ordered))


def choke_numbers(drums: Sequence[WrittenDrum], first: int) -> dict[str, int]:
    """Number the choke groups in the order of their first drum."""
    names = dict.fromkeys(drum.choke for drum in drums if drum.choke)
    return {name: first + i for i, name in enumerate(names)}
