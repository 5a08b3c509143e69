"""Separators of networks that hear one stretch at a time, and the stem that is left.

What the families of `pymss` and `bsrnn` share: networks side by side, each for some stems; only
those that are wanted run; where one stem is left, it is the mixture minus the others.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from stemfx.audio import Signal
from stemfx.errors import ModelError
from stemfx.fixes import entries
from stemfx.separator import ModelCard, SeparationContext, Separator, StemBlock, WeightsState
from stemfx.separators.device import MemoryGuard, resolve, share_cores
from stemfx.separators.stream import measure, read_padded, schedules, side_by_side
from stemfx.separators.threads import torch_threads

_SEGMENT_BYTES = 2.7e9  # of a segment of the largest published network at work
LEAST_OVERLAP = 0.1
"""Without any overlap there would be a step where segments meet."""


class Network(Protocol):
    """A torch module that makes stems of a stretch."""

    def __call__(self, heard: Any) -> Any:
        """Separate `(2, n_samples)` into `(n_stems, 2, n_samples)`."""

    def to(self, device: str) -> Any:
        """Move the weights to a device of torch."""


@dataclass(frozen=True)
class Member:
    """One network of a separator, before it is loaded.

    Args:
        stems: names of what it makes, in its order.
        sample_rate: in Hz.
        length: samples that it hears at a time, as trained.
        overlap: share of that which neighbours have in common when nothing else is asked.
        is_normalised: whether it was trained on songs with mean 0 and deviation 1.
        files: its weights and what describes them.
    """

    stems: tuple[str, ...]
    sample_rate: int
    length: int
    overlap: float
    is_normalised: bool
    files: tuple[Path, ...]

    @abstractmethod
    def load(self) -> Network:
        """Read the network.

        Raises:
            ModelError: the weights are not what they claim to be.
        """

    def shorter(self, n_samples: int) -> int:  # noqa: ARG002
        """Return the length nearest to `n_samples`, at most `length`, that it can hear."""
        return self.length


FOUR_STEMS = ("drums", "bass", "other", "vocals")


def left_over(stems: Sequence[str]) -> str:
    """Name what is left of a mixture without `stems`."""
    missing = [stem for stem in FOUR_STEMS if stem not in stems]
    if len(missing) == 1 and len(stems) == 3:
        return missing[0]
    if list(stems) == ["vocals"]:
        return "instrumental"
    return "other" if "rest" in stems else "rest"


class Chunked(Separator):
    """Networks that hear a stretch at a time.

    Args:
        card: what is known of it; its stems are those of the members in their order, then the
            one that is left, if there is one more.
        members: the networks; looked for with `find` when None.
    """

    obeys: ClassVar[frozenset[str]] = frozenset({"overlap", "shifts", "segment_s", "device"})
    resumes: ClassVar[bool] = True

    def __init__(self, card: ModelCard, members: Sequence[Member] | None = None) -> None:
        self.card = card
        self._given = members

    def find(self) -> Sequence[Member] | None:
        """Look for the networks; None where they are not on this machine."""
        return self._given

    def weights(self) -> WeightsState:
        """Say whether the weights are here; what is here may be damaged, and tells so when used."""
        try:
            found = self.find()
        except ModelError:
            return "here"
        return "here" if found else "missing"

    def files(self) -> tuple[Path, ...]:
        """Return settings and checkpoint of each network."""
        return tuple(file for member in self.find() or () for file in member.files)

    def members(self) -> Sequence[Member]:
        """Return the networks.

        Raises:
            ModelError: they are not here, or not what the card says.
        """
        members = self.find()
        if members is None:
            raise ModelError(f"the weights of {self.card.name!r} are not on this machine")
        made = tuple(stem for member in members for stem in member.stems)
        for member in members:
            if member.sample_rate != self.card.sample_rate or made != self.card.stems[: len(made)]:
                raise ModelError(
                    f"gives {', '.join(made)} at {member.sample_rate} Hz; {self.card.name!r} "
                    f"is {', '.join(self.card.stems)} at {self.card.sample_rate} Hz",
                    where=str(member.files[0]),
                )
        return members

    def computes(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Say which stems come out: with all that networks make comes the one that is left."""
        members = self.find() or ()
        running = self._running(members, wanted)
        if len(running) == len(members):
            return self.card.stems
        return tuple(stem for member in running for stem in member.stems)

    def _running(self, members: Sequence[Member], wanted: tuple[str, ...]) -> list[Member]:
        """Return the members that the wanted stems need; all of them for the one that is left."""
        made = {stem for member in members for stem in member.stems}
        if not made.issuperset(wanted):
            return list(members)
        return [member for member in members if not set(member.stems).isdisjoint(wanted)]

    def separate(
        self, mixture: Signal, wanted: tuple[str, ...], context: SeparationContext
    ) -> Iterator[StemBlock]:
        """Yield a block for every segment; memory does not grow with the length.

        Raises:
            ModelError: the weights are missing, or not what they claim to be.
        """
        if not (mixture.n_samples and wanted):
            return
        running = self._running(self.members(), wanted)
        n_made = sum(len(member.stems) for member in running)
        has_left_over = n_made < len(self.computes(wanted))
        device = resolve(context.device)
        workers, threads = share_cores(device, _SEGMENT_BYTES)
        guard = MemoryGuard(workers, context)
        scale = (0.0, 1.0)
        if any(member.is_normalised for member in running):
            scale = measure(mixture)
        heard = []
        for member in running:
            network = member.load()
            network.to(device)
            length = self._length(member, context)
            mean, deviation = scale if member.is_normalised else (0.0, 1.0)
            hear = _Listener(network, mixture, length, mean, deviation, threads, device)
            rate = self.card.sample_rate
            passes = schedules(mixture.n_samples, length, member.overlap, rate, context)
            heard.append((passes, partial(guard, hear)))
        at = context.start
        for blocks in side_by_side(heard, mixture.n_samples, start=at, workers=workers):
            estimate = np.concatenate(blocks)
            if has_left_over:
                n = estimate.shape[-1]
                rest = mixture.read(at, at + n) - estimate.sum(axis=0)
                estimate = np.concatenate([estimate, rest[np.newaxis]])
                at += n
            yield estimate

    def _length(self, member: Member, context: SeparationContext) -> int:
        segment_s = context.effort.segment_s
        if segment_s is None or "segment_s" not in self.obeys:
            return member.length
        wish = round(segment_s * member.sample_rate)
        length = member.shorter(min(wish, member.length))
        if abs(length - wish) > 0.05 * wish:
            context.find(
                "info",
                "segment_as_trained",
                f"segment_s {segment_s:g} s is not what the network can hear; it hears "
                f"{length / member.sample_rate:.3g} s at a time",
                entries("in separate", segment_s=length / member.sample_rate),
            )
        return length


@dataclass(frozen=True)
class _Listener:
    """Makes stems of a stretch of a mixture with one network."""

    network: Network
    mixture: Signal
    length: int
    mean: float
    deviation: float
    threads: int
    device: str

    def __call__(self, start: int, n_samples: int) -> StemBlock:
        """Return the stems of a segment.

        The network always hears its full length: what comes after the segment, and silence
        outside the song.
        """
        import torch

        heard = read_padded(self.mixture, start, self.length)
        inside = slice(max(0, -start), max(0, self.mixture.n_samples - start))
        heard[:, inside] -= np.float32(self.mean)
        heard[:, inside] /= np.float32(self.deviation)
        with torch_threads(self.threads), torch.inference_mode():
            made = self.network(torch.from_numpy(heard).to(self.device)).float().cpu().numpy()
        stems: StemBlock = made[..., :n_samples]
        return stems * np.float32(self.deviation) + np.float32(self.mean)
