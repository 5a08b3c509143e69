"""Sort the samples of a class into drums, velocity layers and takes by what their names say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from stemfx.kit_files.names import NameReading
from stemfx.kit_files.parts import Drum, Layer, Source, Take, even_layers, nearest_layers
from stemfx.kit_files.words import DYNAMICS, MACHINES, UNUSUAL, says_how_hard, words_of

MIDI_MAX = 127


@dataclass(frozen=True)
class Named:
    """A sample and what its name says."""

    source: Source
    reading: NameReading

    @property
    def folder(self) -> tuple[str, ...]:
        """The folders that it lies in, without those that only say how hard it was struck."""
        parts = PurePosixPath(self.source.name).parent.parts
        return tuple(part for part in parts if not says_how_hard(words_of(part)))


Unsorted = Callable[[Sequence[Source]], list[tuple[list[Source], Drum]]]
"""Makes drums of samples whose names differ only by a number that says nothing of velocity."""


def drums_of(named: Sequence[Named], unsorted: Unsorted) -> dict[str, list[Drum]]:
    """Return the drums of every class, the usual one first."""
    by_class: dict[str, list[Named]] = {}
    for sample in named:
        if sample.reading.drum_class:
            by_class.setdefault(sample.reading.drum_class, []).append(sample)
    common = _common_words(by_class)
    return {
        name: _drums([_without(common, sample) for sample in samples], unsorted)
        for name, samples in by_class.items()
    }


def _common_words(by_class: Mapping[str, Sequence[Named]]) -> frozenset[str]:
    """Return the words that all names have: the kit's name, not a drum's."""
    names = [set(s.reading.variant) for samples in by_class.values() for s in samples]
    return frozenset(set.intersection(*names)) if len(by_class) > 1 else frozenset()


def _without(words: frozenset[str], sample: Named) -> Named:
    variant = tuple(word for word in sample.reading.variant if word not in words)
    return replace(sample, reading=replace(sample.reading, variant=variant))


def _drums(samples: Sequence[Named], unsorted: Unsorted) -> list[Drum]:
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Named]] = {}
    for sample in samples:
        groups.setdefault((sample.folder, sample.reading.variant), []).append(sample)
    groups = _split_by_lone_words(groups)
    drums: list[tuple[NameReading, Drum]] = []
    names = [" ".join(variant) or group[0].reading.plain for (_, variant), group in groups.items()]
    counts = Counter(names)
    for name, ((folder, _), group) in zip(names, groups.items(), strict=True):
        # Kits beside each other: `Acoustic/kick` and `808/kick`.
        of = " ".join(words_of(folder[-1])) if folder and counts[name] > 1 else ""
        for drum in _layered(group, unsorted):
            full = " ".join(filter(None, (of, name, drum.name)))
            drums.append((group[0].reading, replace(drum, name=full)))
    return sorted_drums(drums)


def _split_by_lone_words(
    groups: Mapping[tuple[tuple[str, ...], tuple[str, ...]], list[Named]],
) -> dict[tuple[tuple[str, ...], tuple[str, ...]], list[Named]]:
    """Take a word such as `soft` for the name of a drum where no other says how hard it was struck.

    `snare_soft` beside `snare_dub` is a soft snare; beside `snare_hard` it is a soft hit.
    """
    split: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Named]] = {}
    for (folder, variant), group in groups.items():
        has_layers = len({s.reading.dynamics for s in group} - {""}) > 1
        for sample in group:
            read = sample.reading
            if read.dynamics and not has_layers:
                read = replace(read, variant=(*variant, read.dynamics), dynamics="")
            elif has_layers and not read.dynamics:  # `Ride-Soft`, `Ride-Hard` and `24Ride-1`
                read = replace(read, variant=(*variant, "numbered"))
            split.setdefault((folder, read.variant), []).append(replace(sample, reading=read))
    return split


def _rank(variant: Sequence[str], name: str) -> tuple[object, ...]:
    """Return what the drums of a class are sorted by: plain before special, then by name."""
    # Beside drums with plain names those of a machine are the odd ones: an 808 is a bass note.
    odd = sum(word in UNUSUAL or word in MACHINES for word in variant)
    return odd, len(variant) > 0, natural(name)


def sorted_drums(
    found: Iterable[tuple[NameReading, Drum]], *, keep_order: bool = False
) -> list[Drum]:
    """Return the drums of a class, the usual one first, each under a name of its own.

    Plain ones come before special ones; among these the order is that of their names, or with
    `keep_order` the one that they are in.
    """
    ranked = sorted(
        found,
        key=lambda pair: _rank(pair[0].variant, pair[1].name)[: 1 if keep_order else None],
    )
    drums: dict[str, Drum] = {}
    counts: Counter[str] = Counter()
    for _, drum in ranked:
        name = plain = drum.name.casefold()
        while name in drums:
            counts[plain] += 1
            name = f"{plain} ({counts[plain] + 1})"
        drums[name] = replace(drum, name=name)
    return list(drums.values())


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts `tom 2` before `tom 10`."""
    parts = re.findall(r"\d+|\D+", name.casefold())
    return [(int(p[:18]), p) if p.isdecimal() else (10**18, p) for p in parts]


def _layered(group: Sequence[Named], unsorted: Unsorted) -> list[Drum]:
    """Return the drum that a group of samples is: its layers by velocity, its takes in order."""
    ordered = sorted(group, key=lambda s: natural(s.source.name))
    columns = _varying(ordered)
    velocity, take = _velocities(ordered), [s.reading.take for s in ordered]
    if velocity is None and columns:
        is_marked = len(columns) > 1 or any(t is not None for t in take) or _like_midi(columns[0])
        if is_marked:
            velocity, columns = [float(n) for n in columns[0]], columns[1:]
    sources = [s.source for s in ordered]
    if velocity is None:
        if columns or (len(ordered) > 1 and len({*take}) == 1):
            found = unsorted(sources)
            numbers = {s.source: " ".join(s.reading.numbers) for s in ordered}
            several = len(found) > 1
            return [replace(drum, name=numbers[of[0]] if several else "") for of, drum in found]
        return [Drum("", (Layer(0.0, 1.0, tuple((s,) for s in sources)),))]
    takes: dict[float, list[Take]] = {}
    for value, source in zip(velocity, sources, strict=True):
        takes.setdefault(value, []).append((source,))
    if max(takes) <= MIDI_MAX and _like_midi([str(int(v)) for v in takes]):
        return [Drum("", nearest_layers({v / MIDI_MAX: t for v, t in takes.items()}))]
    return [Drum("", even_layers([takes[v] for v in sorted(takes)]))]


def _velocities(group: Sequence[Named]) -> list[float] | None:
    """Return how hard each was struck by its marks, or None where not all have one."""
    marked = [s.reading.velocity for s in group]
    if None not in marked and len({*marked}) > 1:
        return [float(v or 0) for v in marked]
    words = [s.reading.dynamics for s in group]
    if "" not in words and len({*words}) > 1:
        return [float(DYNAMICS[word]) for word in words]
    return None


def _varying(group: Sequence[Named]) -> list[list[int]]:
    """Return the numbers in the names, position by position, where they differ."""
    n_numbers = min(len(s.reading.numbers) for s in group)
    columns = [[_rank_of(s.reading.numbers[i]) for s in group] for i in range(n_numbers)]
    return [column for column in columns if len(set(column)) > 1]


def _rank_of(number: str) -> int:
    return int(number[:9]) if number.isdecimal() else ord(number)


def _like_midi(values: Sequence[int | str]) -> bool:
    """Tell velocities from counting: they reach the upper half of 127 and leave gaps."""
    numbers = sorted({int(v) for v in values})
    spread = numbers[-1] - numbers[0]
    return 64 <= numbers[-1] <= MIDI_MAX and spread > 2 * (len(numbers) - 1)
