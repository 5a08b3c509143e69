"""The contract of a separator: one model that splits a mixture into stems.

The engine does the chores, so a separator stays small: the signal arrives as stereo at
`sample_rate`; the engine resamples, measures the residual, writes the stems and shows
progress from the samples that come out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.stage import Notes

StemBlock = NDArray[np.float32]
"""`(n_stems, 2, n_samples)` float32: the same stretch of every computed stem."""

WeightsState = Literal["here", "fetchable", "missing"]

LicenceClass = Literal["open", "non-commercial", "not stated"]
"""What the licence of the weights lets a producer do: sell the result (`open`), or only use it
for work that earns nothing (`non-commercial`). `not stated` is neither: nobody has said."""

Progress = Callable[[int, int], None]
"""Told `(n_bytes, total_bytes)` of a download so far; the total is 0 while it is unknown."""


def silent(n_bytes: int, total_bytes: int) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Effort:
    """How much work a separation may be.

    Args:
        overlap: share of a segment that it has in common with the next one, within [0, 0.9];
            None is the model's own.
        least_overlap: where the model's own is less, this.
        shifts: how many passes over the song are averaged, each with its segments in other
            places (Demucs' "shift trick"); 0 is one pass with segments from the start.
        segment_s: length of a segment in seconds; None is the model's own, which is also the
            most that a transformer hears.
        error_db: how far the arithmetic may be from the reference implementation's output.
    """

    overlap: float | None = None
    least_overlap: float = 0.0
    shifts: int = 0
    segment_s: float | None = None
    error_db: float = -100.0

    def overlap_for(self, own: float) -> float:
        """Return the overlap for a model whose own is `own`."""
        return max(own, self.least_overlap) if self.overlap is None else self.overlap

    def heeded_by(self, separator: Separator) -> dict[str, float | None]:
        """Return what of it decides the result of a separator."""
        names = set(separator.obeys)
        if "overlap" in names:
            names.add("least_overlap")
        return {name: value for name, value in asdict(self).items() if name in names}


EFFORTS: Mapping[str, Effort] = MappingProxyType(
    {
        "draft": Effort(overlap=0.1, error_db=-60.0),
        "normal": Effort(),
        "best": Effort(least_overlap=0.5, shifts=2),
    }
)
"""What a producer calls quality. Each step costs more time: about 0.7 : 1 : 3 for Demucs."""


@dataclass
class SeparationContext(Notes):
    """What a separator is given beside the signal, and where it says what it did.

    Args:
        effort: how much work to do; a separator minds what it names in `obeys`.
        device: where torch computes: `cpu`, `cuda`, `cuda:1`, `mps`.
        start: the first sample that is wanted; above 0 only for a separator that `resumes`.
        seed: where shifts come from.
    """

    effort: Effort = Effort()
    device: str = "cpu"
    start: int = 0
    seed: int = 0


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model before it is loaded.

    Args:
        name: what a recipe writes after `model:`.
        family: architecture, e.g. `htdemucs`.
        stems: in the order the model gives them.
        sample_rate: in Hz.
        licence: of the *weights*, in plain words; "no stated licence" where none is stated.
        size_bytes: of the weights; 0 when unknown.
        sdr: published median SDR in dB per stem (MUSDB18-HQ test), where known.
        realtime_factor: seconds of work per second of audio, two laptop cores, for `plan`.
        summary: one line for a producer.
        licence_class: what `licence` comes to. `non-commercial` weights are neither used nor
            fetched until the user accepts that; the engine sees to it.
        source: where the weights are published, e.g. `huggingface.co/adefossez/HTDemucs`;
            empty for a file of the user's own.
        sdr_source: who measured `sdr`, when, and by which definition; needed where `sdr` is given.
    """

    name: str
    family: str
    stems: tuple[str, ...]
    sample_rate: int
    licence: str
    summary: str
    size_bytes: int = 0
    sdr: Mapping[str, float] = field(default_factory=dict)
    realtime_factor: float = 1.0
    licence_class: LicenceClass = "not stated"
    source: str = ""
    sdr_source: str = ""


class Separator(ABC):
    """One model. Heavy libraries (torch) are imported inside methods, never at module level."""

    card: ModelCard

    obeys: ClassVar[frozenset[str]] = frozenset()
    """What it minds of `Effort`'s fields and of `device`; the others leave the result as it is."""

    resumes: ClassVar[bool] = False
    """Whether `separate` can begin at `context.start`: an interrupted run then goes on there."""

    @abstractmethod
    def weights(self) -> WeightsState:
        """Say where the weights are, without opening a connection."""

    def files(self) -> tuple[Path, ...]:
        """Return the files of the weights and what describes them, when `weights()` is `here`.

        For people (`stemfx models`), and for the hashes of a model that a user registers. Without
        reading the files; empty where a model is not made of files.
        """
        return ()

    def fetch(self, progress: Progress) -> None:  # noqa: B027 - most have nothing to fetch
        """Download the weights; only called when `weights()` is `fetchable` and the user is online.

        What, how much and under which licence the engine has said before, from the card.
        `stemfx.download.download` does all that a download needs. An interrupted one leaves
        nothing for which `weights()` is `here`.

        Args:
            progress: is told how far the whole of it is.

        Raises:
            ModelError: the download failed; the sentence says why and what to do.
        """

    @abstractmethod
    def identity(self) -> str:
        """Name what makes two results equal: code version and a hash of the weights.

        Part of the cache key; only called when `weights()` is `here`.
        """

    def computes(self, wanted: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG002
        """Say which stems come out when `wanted` are asked for, in the model's order.

        The default is all of them, since most networks compute all at once anyway.
        """
        return self.card.stems

    @abstractmethod
    def separate(
        self, mixture: Signal, wanted: tuple[str, ...], context: SeparationContext
    ) -> Iterator[StemBlock]:
        """Yield blocks of `computes(wanted)`, from `context.start` to the end, in bounded memory.

        What comes from a later start is, bit for bit, what comes there from the first sample on.

        Args:
            mixture: stereo at `card.sample_rate`; can be read several times.
            wanted: names of the stems that the recipe uses.
            context: how to work, and for reports and findings.

        Raises:
            ModelError: the weights are not what they claim to be.
        """
