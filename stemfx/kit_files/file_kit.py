"""A drum kit that was read from disk."""

from __future__ import annotations

import hashlib
import json
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock

from stemfx.audio import Audio
from stemfx.hits import DRUM_CLASSES
from stemfx.io import file_sha256
from stemfx.kit import Kit
from stemfx.kit_files.decode import decode_take, power, scaled
from stemfx.kit_files.parts import Drum, Ignored, Layer, Take

CACHE_BYTES = 256 << 20
"""Decoded samples that are kept for the next hit."""

IDENTITY = "stemfx-kit-file-1"
"""Raise the number when the same files come to sound different."""


class FileKit(Kit):
    """One-shots in files. Samples are decoded when they are played, and kept within bounds.

    The level of a hit follows its velocity: at velocity v it is v times (20 log10 v dB) as loud as
    the hardest layer, whatever the layers were recorded at. So nothing jumps where one layer ends
    and the next begins; a layer says how a hit sounds, not how loud it is. Within a layer the
    takes keep their differences, and at velocity 1 the hardest layer is as it is in its files.

    Args:
        name: of the kit.
        drums: by class, the usual one first.
        format: `folder`, `kit.yaml`, `SFZ` or `Hydrogen`.
        licence: as the kit says; empty if it does not.
        author: likewise.
        ignored: what is there and not played.
        named: the files that describe it, and those that these name, where a file describes it.
    """

    def __init__(
        self,
        name: str,
        drums: Mapping[str, Sequence[Drum]],
        *,
        format: str,
        licence: str = "",
        author: str = "",
        ignored: Sequence[Ignored] = (),
        named: Sequence[Path] = (),
    ) -> None:
        self.name = name
        self.drums = {c: tuple(drums[c]) for c in DRUM_CLASSES if drums.get(c)}
        self.format = format
        self.licence = licence
        self.author = author
        self.ignored = tuple(ignored)
        self.named = tuple(named)
        self.summary = f"{len(self.files)} samples ({format})"
        self._decoded: OrderedDict[tuple[Take, int], Audio] = OrderedDict()
        self._powers: dict[Take, float] = {}
        self._lock = Lock()
        self.is_unpacked = False
        """Whether the files are a temporary copy, which goes when the kit does."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The drum classes this kit has."""
        return tuple(self.drums)

    def variants(self, drum_class: str) -> tuple[str, ...]:
        """Return the names of the drums of one class, the usual one first."""
        return tuple(drum.name for drum in self.drums[drum_class])

    def drum(self, drum_class: str, variant: str | None = None) -> Drum:
        """Return one drum.

        Raises:
            KeyError: the kit has no such class or variant.
        """
        drums = self.drums[drum_class]
        if variant is None:
            return drums[0]
        return {drum.name: drum for drum in drums}[variant]

    def n_takes(self, drum_class: str, velocity: float, variant: str | None = None) -> int:
        """Return how many recordings there are to choose from for such a hit."""
        return len(self.drum(drum_class, variant).layer(velocity).takes)

    def sample(
        self,
        drum_class: str,
        velocity: float,
        sample_rate: int,
        *,
        variant: str | None = None,
        take: int = 0,
    ) -> Audio:
        """Return one hit; silence before its attack is cut off but for 1.5 ms.

        Raises:
            KeyError: the kit has no such class or variant.
            ValueError: the velocity lies outside (0, 1].
            IndexError: there is no such take.
            AudioFileError: a file cannot be decoded.
        """
        if not 0.0 < velocity <= 1.0:
            msg = f"velocity must be in (0, 1]; got {velocity}"
            raise ValueError(msg)
        drum = self.drum(drum_class, variant)
        layer = drum.layer(velocity)
        loud, here = self._power(drum.layers[-1]), self._power(layer)
        gain = velocity * (math.sqrt(loud / here) if loud > 0.0 < here else 1.0)
        return scaled(self._decode(layer.takes[take], sample_rate), gain)

    def _power(self, layer: Layer) -> float:
        """Return the mean power of a layer's takes."""
        for take in layer.takes:
            if take not in self._powers:
                self._powers[take] = power(self._decode(take, take[0].info.sample_rate))
        return sum(self._powers[take] for take in layer.takes) / len(layer.takes)

    def _decode(self, take: Take, sample_rate: int) -> Audio:
        key = take, sample_rate
        with self._lock:
            if key in self._decoded:
                self._decoded.move_to_end(key)
                return self._decoded[key]
        audio = decode_take(take, sample_rate)
        with self._lock:
            self._decoded[key] = audio
            total = sum(each.samples.nbytes for each in self._decoded.values())
            while total > CACHE_BYTES and len(self._decoded) > 1:
                total -= self._decoded.popitem(last=False)[1].samples.nbytes
        return audio

    def choke_group(self, drum_class: str) -> str | None:
        """Return the group within which a new hit silences the one before."""
        drums = self.drums.get(drum_class)
        return (drums[0].choke if drums else None) or super().choke_group(drum_class)

    @cached_property
    def files(self) -> list[Path]:
        """Every file once, in the order of its first use."""
        sources = [s for drums in self.drums.values() for drum in drums for s in drum.sources()]
        return list(dict.fromkeys(source.info.path for source in sources))

    @cached_property
    def _identity(self) -> str:
        hashes = {path: file_sha256(path) for path in self.files}
        told = [
            [
                drum_class,
                drum.name,
                drum.choke,
                [
                    [
                        layer.low,
                        layer.high,
                        [[[hashes[s.info.path], *s.facts()] for s in take] for take in layer.takes],
                    ]
                    for layer in drum.layers
                ],
            ]
            for drum_class, drums in self.drums.items()
            for drum in drums
        ]
        return f"{IDENTITY}:{hashlib.sha256(json.dumps(told).encode()).hexdigest()}"

    def identity(self) -> str:
        """Return a hash of all that is heard: the bytes of every file, and how it is played."""
        return self._identity
