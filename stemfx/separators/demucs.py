"""Demucs v3 and v4: published models by name, and files of one's own.

What `demucs.apply.apply_model` does with the whole song, but block by block, with segments spread
evenly, and only with the networks that the wanted stems need.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from stemfx.audio import Signal
from stemfx.errors import ModelError
from stemfx.fixes import entries
from stemfx.separator import (
    ModelCard,
    Progress,
    SeparationContext,
    Separator,
    StemBlock,
    WeightsState,
)
from stemfx.separators import demucs_hub
from stemfx.separators.demucs_weights import (
    Bag,
    Found,
    Network,
    find,
    find_in,
    is_demucs,
    load,
    read_header,
)
from stemfx.separators.device import MemoryGuard, resolve, share_cores
from stemfx.separators.htdemucs_fast import faster
from stemfx.separators.stream import measure, read_padded, schedules, side_by_side
from stemfx.separators.threads import torch_threads
from stemfx.separators.weights import sha256

VERSION = 2  # raise it whenever the sound changes
OVERLAP = 0.25
_LEAST_SAMPLES = 4_096  # of a shorter song HDemucs would have nothing to normalise
_LONG_S = 12
_SEGMENT_BYTES = 0.9e9  # of a segment of htdemucs at work
NO_LICENCE = "no stated licence"
STEMSPLIT = "StemSplit benchmark 2026: museval medians, MUSDB18-HQ test set"

FOUR_STEMS = ("drums", "bass", "other", "vocals")


class Demucs(Separator):
    """A bag of Demucs networks.

    Args:
        card: what is known of it.
        bag: as published, or as found.
        found: its files; looked for by name when None.
        hub_id: where a published model is on the Hugging Face hub.
    """

    obeys: ClassVar[frozenset[str]] = frozenset(
        {"overlap", "shifts", "segment_s", "error_db", "device"}
    )
    resumes: ClassVar[bool] = True

    def __init__(
        self, card: ModelCard, bag: Bag, *, found: Found | None = None, hub_id: str = ""
    ) -> None:
        self.card = card
        self._bag = bag
        self._given = found
        self._hub_id = hub_id

    def _find(self) -> Found | None:
        return self._given or find(self.card.name, self._bag, self._hub_id)

    def _files(self) -> Found:
        found = self._find()
        if found is None:
            raise ModelError(f"the weights of {self.card.name!r} are not on this machine")
        return found

    def weights(self) -> WeightsState:
        """Say where the weights are, without opening a connection.

        What is here may be damaged; that is told when it is used.
        """
        try:
            found = self._find()
        except ModelError:
            return "here"
        return "here" if found else "fetchable" if self._hub_id else "missing"

    def files(self) -> tuple[Path, ...]:
        """Return the files of the weights, and the YAML of their bag if there is one."""
        found = self._find()
        if found is None:
            return ()
        listing = found.files[0].with_name(f"{self.card.name}.yaml")
        return (*found.files, *([listing] if listing.is_file() else []))

    def fetch(self, progress: Progress) -> None:
        """Download from the Hugging Face hub into the models folder.

        Raises:
            ModelError: offline, or what came is not the model.
        """
        demucs_hub.fetch(self.card, progress)

    def identity(self) -> str:
        """Name the code, demucs' version and the content of all files."""
        found = self._files()
        parts = [*map(sha256, found.files), repr(found.bag.weights), repr(found.bag.segment)]
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return f"demucs-{VERSION}-{version('demucs')}-{digest[:32]}"

    def computes(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Say which stems are complete once the networks that `wanted` need have run."""
        found = self._find()
        uses = self._uses(found.bag if found else self._bag)
        running = _needed(uses, wanted)
        return tuple(stem for stem, networks in uses.items() if networks <= running)

    def _uses(self, bag: Bag) -> dict[str, frozenset[int]]:
        """Return, for each stem, the networks that it needs."""
        stems = self.card.stems
        everyone = frozenset(range(len(bag.signatures)))
        if bag.weights is None:
            return dict.fromkeys(stems, everyone)
        if len(bag.weights[0]) != len(stems):
            n = len(bag.weights[0])
            raise ModelError(f"{self.card.name}.yaml: weights for {n} stems; it has {len(stems)}")
        columns = zip(*bag.weights, strict=True)
        used = (frozenset(m for m, weight in enumerate(c) if weight) for c in columns)
        return dict(zip(stems, used, strict=True))

    def separate(
        self, mixture: Signal, wanted: tuple[str, ...], context: SeparationContext
    ) -> Iterator[StemBlock]:
        """Yield a block for every segment; memory does not grow with the length.

        Raises:
            ModelError: the weights are missing, or not what they claim to be.
        """
        if not (mixture.n_samples and wanted):
            return
        found = self._files()
        bag = found.bag
        running = sorted(_needed(self._uses(bag), wanted))
        stems = [self.card.stems.index(stem) for stem in self.computes(wanted)]
        counts = np.ones((len(bag.signatures), len(self.card.stems)), np.float32)
        if bag.weights:
            counts[:] = bag.weights
        counts = counts[np.ix_(running, stems)][:, :, np.newaxis, np.newaxis]
        totals = counts.sum(axis=0)
        segment_s = context.effort.segment_s or bag.segment
        networks = [self._load(found.files[member], segment_s) for member in running]
        if segment_s and any(segment_s > network.segment for network in networks):
            context.find(
                "info",
                "segment_as_trained",
                f"segment_s {segment_s:g} s is longer than the network was trained on; it hears "
                f"{float(networks[0].segment):g} s at a time",
                entries("in separate", segment_s=min(float(one.segment) for one in networks)),
            )
        mean, deviation = measure(mixture)
        device = resolve(context.device)
        # Long segments (hdemucs: 44 s) take one after the other, with all threads.
        longest_s = max(float(network.segment) for network in networks)
        at_once = 1 if longest_s > _LONG_S else 2
        workers, threads = share_cores(device, _SEGMENT_BYTES, at_once=at_once)
        guard = MemoryGuard(workers, context)
        arithmetic: dict[str, float] = {}
        heard = []
        for network in networks:
            network.to(device)
            run = faster(network, error_db=context.effort.error_db)
            arithmetic[run.arithmetic] = run.error_db
            hears = _hears(network)
            hear = _Listener(run, hears, stems, mixture, mean, deviation, threads, device)
            length = int(network.samplerate * network.segment)
            rate = self.card.sample_rate
            passes = schedules(mixture.n_samples, length, OVERLAP, rate, context)
            heard.append((passes, partial(guard, hear)))
        del networks, network  # where they were rebuilt, nobody needs them any more
        for blocks in side_by_side(heard, mixture.n_samples, start=context.start, workers=workers):
            estimate = sum(count * block for count, block in zip(counts, blocks, strict=True))
            yield estimate / totals * np.float32(deviation) + np.float32(mean)
        told = {name: error_db for name, error_db in arithmetic.items() if math.isfinite(error_db)}
        if told:
            context.report(arithmetic=", ".join(told), arithmetic_error_db=max(told.values()))

    def _load(self, file: Path, segment: float | None) -> Network:
        network = load(file)
        given = (tuple(network.sources), network.samplerate)
        if given != (self.card.stems, self.card.sample_rate):
            raise ModelError(
                f"gives {', '.join(given[0])} at {given[1]} Hz; {self.card.name!r} "
                f"is {', '.join(self.card.stems)} at {self.card.sample_rate} Hz",
                where=str(file),
            )
        is_transformer = hasattr(network, "use_train_segment")
        if segment is not None and (not is_transformer or segment <= network.segment):
            network.segment = segment  # a transformer cannot hear more than it was trained on
        return network


def _needed(uses: Mapping[str, frozenset[int]], wanted: tuple[str, ...]) -> frozenset[int]:
    """Return the networks that the wanted stems need."""
    return frozenset[int]().union(*(uses[stem] for stem in wanted))


def _hears(network: Any) -> Callable[[int], int]:
    """Return how many samples a network hears of a segment: for most, more than it has.

    What is returned for a transformer does not hold the network, which may have been rebuilt.
    """
    if getattr(network, "use_train_segment", False):
        trained = int(network.samplerate * network.segment)
        return lambda n_samples: max(trained, n_samples)
    valid: Callable[[int], int] = getattr(network, "valid_length", int)
    return lambda n_samples: max(valid(n_samples), valid(_LEAST_SAMPLES))


@dataclass(frozen=True)
class _Listener:
    """Makes stems of a stretch of a mixture with one network."""

    run: Callable[[Any], Any]
    hears: Callable[[int], int]
    stems: Sequence[int]
    mixture: Signal
    mean: float
    deviation: float
    threads: int
    device: str

    def __call__(self, start: int, n_samples: int) -> StemBlock:
        """Return the stems of a segment, normalised as the whole song is.

        Where the network wants more samples than that, it hears what is around them, and
        silence outside the song.
        """
        import torch

        wide = self.hears(n_samples)
        before = (wide - n_samples) // 2
        heard = read_padded(self.mixture, start - before, wide)
        at = max(0, before - start)  # zeros outside the song stay zeros
        end = self.mixture.n_samples - start + before
        heard[:, at:end] = (heard[:, at:end] - np.float32(self.mean)) / np.float32(self.deviation)
        with torch_threads(self.threads):
            estimate = self.run(torch.from_numpy(heard)[None].to(self.device))[0].cpu().numpy()
        return estimate[self.stems, :, before : before + n_samples]  # type: ignore[no-any-return]


def open_model(path: Path) -> Separator | None:
    """Open a `.safetensors`, a `.th`, or a folder with a bag's YAML or with one file of weights.

    Raises:
        ModelError: it is one of these, but damaged or not what it claims to be.
    """
    if path.is_dir():
        return _open_folder(path)
    if path.suffix == ".th" or (path.suffix == ".safetensors" and is_demucs(path)):
        return _opened(path.stem, Found(Bag((path.stem,)), (path,)))
    return None


def _open_folder(folder: Path) -> Separator | None:
    listings = sorted(folder.glob("*.yaml"))
    files = [path for path in sorted(folder.iterdir()) if path.suffix in {".safetensors", ".th"}]
    if len(listings) == 1 and files:
        found = find_in(folder, listings[0].stem, None)
        if found is None:
            raise ModelError(
                "weights that it names are not in the same folder", where=str(listings[0])
            )
        return _opened(listings[0].stem, found)
    return open_model(files[0]) if len(files) == 1 else None


def _opened(name: str, found: Found) -> Separator:
    header = read_header(found.files[0])
    card = ModelCard(
        name=name,
        family=header.class_name.rpartition(".")[2].lower(),
        stems=header.stems,
        sample_rate=header.sample_rate,
        licence="unknown: a file of your own",
        summary="a Demucs model of your own",
        size_bytes=sum(file.stat().st_size for file in found.files),
        realtime_factor=0.5 * len(found.files),
    )
    return Demucs(card, found.bag, found=found)


def published() -> list[Separator]:
    """Return the models that demucs knows by name.

    SDR: the older models are not in that benchmark, and figures of another protocol do not
    compare. Sizes: of demucs' own packages of the same half-precision weights; hub files may
    differ by some kB.
    """
    return [
        _published(
            "htdemucs",
            Bag(("955717e8",)),
            "the usual choice: very good and not slow",
            size_bytes=84_000_000,
            sdr={"drums": 10.01, "bass": 9.78, "other": 6.42, "vocals": 8.53},
        ),
        _published(
            "htdemucs_ft",
            Bag(("f7e0c4bc", "d12395a8", "92cfc3b6", "04573f0d"), _ONE_EACH),
            "one specialist for each stem: best Demucs, runs only those that are wanted",
            size_bytes=336_000_000,
            sdr={"drums": 10.11, "bass": 10.38, "other": 6.34, "vocals": 9.19},
            realtime_factor=2.0,
        ),
        _published(
            "htdemucs_6s",
            Bag(("5c90dfd2",)),
            "adds guitar and a weak piano",
            stems=(*FOUR_STEMS, "guitar", "piano"),
            size_bytes=54_996_327,
            sdr={"drums": 9.54, "bass": 9.11, "other": 0.22, "vocals": 8.66},
        ),
        _published(
            "hdemucs_mmi",
            Bag(("75fc33f5",), segment=44),
            "the generation before htdemucs, without transformer",
            family="hdemucs",
            size_bytes=167_407_275,
            realtime_factor=0.7,
        ),
        _published(
            "mdx",
            Bag(("0d19c1c6", "7ecf8ec1", "c511e2ab", "7d865c68"), _MDX, 44),
            "winner of MDX 2021 without extra data: a bag of four",
            family="demucs+hdemucs",
            size_bytes=691_349_536,
            realtime_factor=2.5,
        ),
        _published(
            "mdx_extra",
            Bag(("e51eebcc", "a1d90b5c", "5d2d6c55", "cfa93e08"), segment=44),
            "the same trained on more songs: a bag of four",
            family="demucs+hdemucs",
            size_bytes=669_581_740,
            realtime_factor=2.5,
        ),
    ]


_ONE_EACH = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
_MDX = ((1.0, 1.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (1.0, 0.0, 1.0, 1.0), (1.0, 0.0, 1.0, 1.0))


def _published(
    name: str,
    bag: Bag,
    summary: str,
    *,
    stems: tuple[str, ...] = FOUR_STEMS,
    family: str = "htdemucs",
    size_bytes: int = 0,
    sdr: Mapping[str, float] | None = None,
    realtime_factor: float = 0.5,
) -> Separator:
    hub_id = demucs_hub.repository(name)
    card = ModelCard(
        name=name,
        family=family,
        stems=stems,
        sample_rate=44_100,
        licence=NO_LICENCE,
        summary=summary,
        size_bytes=size_bytes,
        sdr=sdr or {},
        realtime_factor=realtime_factor,
        source=f"huggingface.co/{hub_id}",
        sdr_source=STEMSPLIT if sdr else "",
    )
    return Demucs(card, bag, hub_id=hub_id)
