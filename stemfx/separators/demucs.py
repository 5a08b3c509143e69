"""Demucs v3 and v4: published models by name, and files of one's own.

Equal to `demucs.apply.apply_model(shifts=0, split=True, overlap=0.25)` on the whole song, but
block by block, and only with the networks that the wanted stems need.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.errors import ModelError
from stemfx.separator import ModelCard, SeparationContext, Separator, StemBlock, WeightsState
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
from stemfx.separators.threads import flash_attention, in_order, torch_threads
from stemfx.separators.weights import sha256

VERSION = 1  # raise it whenever the sound changes
OVERLAP = 0.25
NO_LICENCE = "no stated licence"

FOUR_STEMS = ("drums", "bass", "other", "vocals")


class Demucs(Separator):
    """A bag of Demucs networks.

    Args:
        card: what is known of it.
        bag: as published, or as found.
        found: its files; looked for by name when None.
        hub_id: where a published model is on the Hugging Face hub.
    """

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

    def fetch(self) -> None:
        """Download from the Hugging Face hub into its own cache.

        Raises:
            ModelError: offline, or what came is not the model.
        """
        demucs_hub.fetch(self.card.name, self._hub_id)

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
        self,
        mixture: Signal,
        wanted: tuple[str, ...],
        context: SeparationContext,  # noqa: ARG002
    ) -> Iterator[StemBlock]:
        """Yield a block for every step of the schedule; memory does not grow with the length.

        Raises:
            ModelError: the weights are missing, or not what they claim to be.
        """
        found = self._files()
        bag = found.bag
        running = sorted(_needed(self._uses(bag), wanted))
        stems = [self.card.stems.index(stem) for stem in self.computes(wanted)]
        counts = np.ones((len(bag.signatures), len(self.card.stems)), np.float32)
        if bag.weights:
            counts[:] = bag.weights
        counts = counts[np.ix_(running, stems)][:, :, np.newaxis, np.newaxis]
        totals = counts.sum(axis=0)
        networks = [self._load(found.files[member], bag.segment) for member in running]
        mean, deviation = _measure(mixture)
        workers, threads = _workers(max(float(network.segment) for network in networks))
        with ThreadPoolExecutor(workers) as pool:
            streams = []
            for network in networks:
                segments = _segments(network, mixture, mean, deviation)
                run = partial(_run, network, stems, threads)
                estimates = in_order(pool, run, segments, ahead=workers)
                streams.append(_joined(estimates, network, mixture.n_samples))
            for blocks in _in_step(streams):
                estimate = sum(count * block for count, block in zip(counts, blocks, strict=True))
                yield estimate / totals * np.float32(deviation) + np.float32(mean)

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


def _measure(mixture: Signal) -> tuple[float, float]:
    """Return mean and standard deviation of the whole file in mono, as demucs takes them."""
    total = squares = 0.0
    for block in mixture.blocks():
        mono = block.mean(axis=0, dtype=np.float64)
        total += mono.sum()
        squares += mono @ mono
    n = mixture.n_samples
    mean = total / max(n, 1)
    variance = max(0.0, squares - n * mean**2) / max(n - 1, 1)
    return mean, math.sqrt(variance) + 1e-8


class _Segment(NamedTuple):
    heard: NDArray[np.float32]
    inside: slice  # the part that is asked for; the rest is context


def _schedule(network: Network) -> tuple[int, int]:
    """Return length and step of a network's segments, in samples."""
    length = int(network.samplerate * network.segment)
    return length, int((1 - OVERLAP) * length)


def _segments(
    network: Network, mixture: Signal, mean: float, deviation: float
) -> Iterator[_Segment]:
    """Cut the normalised mixture.

    Where a network wants more samples than a segment has (the last one is short), it hears
    what comes before, and silence after the end.
    """
    n = mixture.n_samples
    length, step = _schedule(network)
    for start in range(0, n, step):
        here = min(length, n - start)
        wide = network.valid_length(here) if hasattr(network, "valid_length") else here
        first = start - (wide - here) // 2
        near = mixture.read(max(0, first), min(first + wide, n))
        at = max(0, -first)
        heard = np.zeros((2, wide), np.float32)
        heard[:, at : at + near.shape[1]] = (near - np.float32(mean)) / np.float32(deviation)
        yield _Segment(heard, slice(start - first, start - first + here))


def _joined(
    estimates: Iterator[StemBlock], network: Network, n_samples: int
) -> Iterator[StemBlock]:
    """Cross-fade the estimates of segments; yield `(n_stems, 2, up to one step)`.

    Segments overlap by a quarter and are weighted with a triangle.
    """
    length, step = _schedule(network)
    triangle = np.minimum(np.arange(1, length + 1), np.arange(length, 0, -1)).astype(np.float32)
    triangle /= triangle.max()
    total, weight = np.zeros((1, 1, length), np.float32), np.zeros(length, np.float32)
    for start, estimate in zip(range(0, n_samples, step), estimates, strict=True):
        here = estimate.shape[-1]
        total = np.broadcast_to(total, (*estimate.shape[:2], length)).copy()
        total[..., :here] += triangle[:here] * estimate
        weight[:here] += triangle[:here]
        done = min(step, n_samples - start)
        yield total[..., :done] / weight[:done]
        total = np.concatenate([total[..., done:], np.zeros_like(total[..., :done])], axis=-1)
        weight = np.concatenate([weight[done:], np.zeros_like(weight[:done])])


def _workers(segment: float) -> tuple[int, int]:
    """Return how many segments to work on at once, and with how many threads each.

    Two, since a third would cost another 0.8 GB; one where segments are long (hdemucs: 44 s).
    """
    import torch

    cores = torch.get_num_threads()
    workers = 2 if cores > 1 and segment <= 12 else 1
    return workers, cores // workers


def _run(network: Network, stems: list[int], threads: int, segment: _Segment) -> StemBlock:
    import torch

    with flash_attention, torch_threads(threads), torch.inference_mode():
        estimate: StemBlock = network(torch.from_numpy(segment.heard)[None])[0].numpy()
    return estimate[stems, :, segment.inside]


def _in_step(streams: list[Iterator[StemBlock]]) -> Iterator[list[StemBlock]]:
    """Cut streams of equal total length into blocks of equal length."""
    held = [next(stream, None) for stream in streams]
    while held[0] is not None:
        n = min(block.shape[-1] for block in held if block is not None)
        blocks = [block for block in held if block is not None]
        yield [block[..., :n] for block in blocks]
        held = [
            block[..., n:] if block.shape[-1] > n else next(stream, None)
            for block, stream in zip(blocks, streams, strict=True)
        ]


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

    SDR: medians on the MUSDB18-HQ test set by museval, from StemSplit's benchmark of 2026; the
    older models are not in it, and figures of another protocol do not compare.
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
            sdr={"drums": 9.54, "bass": 9.11, "other": 0.22, "vocals": 8.66},
        ),
        _published(
            "hdemucs_mmi",
            Bag(("75fc33f5",), segment=44),
            "the generation before htdemucs, without transformer",
            family="hdemucs",
            realtime_factor=0.7,
        ),
        _published(
            "mdx",
            Bag(("0d19c1c6", "7ecf8ec1", "c511e2ab", "7d865c68"), _MDX, 44),
            "winner of MDX 2021 without extra data: a bag of four",
            family="demucs+hdemucs",
            realtime_factor=2.5,
        ),
        _published(
            "mdx_extra",
            Bag(("e51eebcc", "a1d90b5c", "5d2d6c55", "cfa93e08"), segment=44),
            "the same trained on more songs: a bag of four",
            family="demucs+hdemucs",
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
    )
    return Demucs(card, bag, hub_id=demucs_hub.repository(name))
