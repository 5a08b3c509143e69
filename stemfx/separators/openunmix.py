"""Open-Unmix: umx, umxhq and umxl by name, and models of one's own training.

One network a stem guesses magnitudes from those of the mixture; a multichannel Wiener filter makes
stems of them all that add up to the mixture. As `openunmix.umxhq()` does it (one iteration, in
windows of 300 frames), but segment by segment, since a song of an hour would fill all memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.download import cannot_be_fetched, download_all
from stemfx.dsp.wiener import WINDOW_FRAMES, wiener
from stemfx.errors import ModelError
from stemfx.separator import (
    LicenceClass,
    ModelCard,
    Progress,
    SeparationContext,
    Separator,
    StemBlock,
    WeightsState,
)
from stemfx.separators.device import MemoryGuard, resolve, share_cores
from stemfx.separators.openunmix_weights import (
    PUBLISHED,
    SETTINGS_FILE,
    TARGETS,
    Found,
    Spectrogram,
    find,
    find_in,
    is_open_unmix,
    spectrogram_in,
    target_of,
)
from stemfx.separators.stream import Schedule, stream
from stemfx.separators.threads import torch_threads
from stemfx.separators.weights import models_folder, sha256

if TYPE_CHECKING:
    from torch import Tensor

    from stemfx.separators.openunmix_network import Network

VERSION = 1  # raise it whenever the sound changes
SEGMENT_S = 35.0
OVERLAP = 0.1
_SEGMENT_BYTES = 0.8e9  # of a segment of the usual length at work

_REST = {"other", "accompaniment", "instrumental", "noise"}  # targets that are all that is left


class OpenUnmix(Separator):
    """Networks of Open-Unmix, one for each stem.

    Args:
        card: what is known of it.
        found: its files; looked for by the card's name when None.
    """

    obeys: ClassVar[frozenset[str]] = frozenset({"overlap", "segment_s", "device"})
    resumes: ClassVar[bool] = True

    def __init__(self, card: ModelCard, found: Found | None = None) -> None:
        self.card = card
        self._given = found

    def _find(self) -> Found | None:
        return self._given or find(self.card.name)

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
            return "here" if self._find() else "fetchable"
        except ModelError:
            return "here"

    def fetch(self, progress: Progress) -> None:
        """Download from zenodo.org into the models folder.

        Raises:
            ModelError: offline, or what came is not the model.
        """
        name, folder = self.card.name, models_folder() / self.card.name
        files = {folder / file: remote for file, remote in PUBLISHED[name].remote().items()}
        with cannot_be_fetched(name, f"put its files into {folder}"):
            download_all(files, told_bytes=self.card.size_bytes, progress=progress)

    def files(self) -> tuple[Path, ...]:
        """Return the files of the weights, and those beside them that describe them."""
        found = self._find()
        weights = list(found.files.values()) if found else []
        beside = [file.with_name(f"{target_of(file)}.json") for file in weights]
        beside += [file.with_name(SETTINGS_FILE) for file in weights[:1]]
        return (*weights, *(file for file in beside if file.is_file()))

    def identity(self) -> str:
        """Name the code, the transform and the content of all files."""
        found = self._files()
        parts = [*found.files, *map(sha256, found.files.values()), repr(found.spectrogram)]
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return f"openunmix-{VERSION}-{digest[:32]}"

    def separate(
        self,
        mixture: Signal,
        wanted: tuple[str, ...],  # noqa: ARG002 - the filter needs all to know each
        context: SeparationContext,
    ) -> Iterator[StemBlock]:
        """Yield all stems, a block for every segment; memory does not grow with the length.

        Raises:
            ModelError: the weights are missing, or not what they claim to be.
        """
        from stemfx.separators.openunmix_network import load

        if not mixture.n_samples:
            return
        found = self._files()
        networks = [load(file, found.spectrogram) for file in found.files.values()]
        device = resolve(context.device)
        for network in networks:
            network.to(device)
        segment_s = context.effort.segment_s or SEGMENT_S
        workers, threads = share_cores(device, _SEGMENT_BYTES * segment_s / SEGMENT_S)
        hear = _Listener(
            networks, mixture, found.spectrogram, _is_partial(self.card.stems), threads, device
        )
        segment = segment_s * found.spectrogram.sample_rate
        overlap = context.effort.overlap_for(OVERLAP)
        yield from stream(
            [_schedule(mixture.n_samples, segment, overlap, found.spectrogram.hop)],
            partial(MemoryGuard(workers, context), hear),
            mixture.n_samples,
            start=context.start,
            workers=workers,
        )


def _schedule(n_samples: int, segment: float, overlap: float, hop: int) -> Schedule:
    """Place segments of whole windows of the filter, at least two, on whole windows.

    So each window has the frames that it has when the song is heard at once, and what differs
    between two segments is only what their networks remember.
    """
    window = WINDOW_FRAMES * hop
    n_windows = max(2, round(segment / window))
    in_windows = Schedule.even(-(-n_samples // window), n_windows, overlap)
    return Schedule(tuple(at * window for at in in_windows.starts), in_windows.length * window)


def _is_partial(stems: Sequence[str]) -> bool:
    """Say whether the stems leave something over, which the filter then has to know of."""
    return len(stems) == 1 or not _REST & set(stems)


@dataclass(frozen=True)
class _Listener:
    """Makes stems of a stretch of a mixture."""

    networks: Sequence[Network]
    mixture: Signal
    spectrogram: Spectrogram
    is_partial: bool
    threads: int
    device: str

    def __call__(self, start: int, n_samples: int) -> StemBlock:
        """Return the stems of a segment, `(n_stems, 2, n_samples)`.

        Frames are those of `torch.stft` with `center=True`, which the networks were trained on:
        the first one is centred on the first sample. `stemfx.dsp.stft` begins three quarters of a
        frame earlier, with silence where these have the song's mirror image.
        """
        import torch

        n_fft, hop = self.spectrogram.n_fft, self.spectrogram.hop
        before = n_fft // 2
        span = n_samples // hop * hop + n_fft
        heard = torch.from_numpy(_read_mirrored(self.mixture, start - before, span))
        window = torch.hann_window(n_fft, device=self.device)
        with torch_threads(self.threads), torch.inference_mode():
            spectrum = torch.stft(
                heard.to(self.device), n_fft, hop, window=window, center=False, return_complex=True
            ).transpose(1, 2)
            guesses = self._guess(spectrum.abs())
            filtered = self._filter(spectrum.cpu().numpy(), guesses)
            del spectrum, guesses
            stems = np.empty((len(filtered), 2, n_samples), np.float32)
            for stem, frames in zip(stems, filtered, strict=True):
                bins = torch.from_numpy(frames).to(self.device).transpose(1, 2)
                samples = torch.istft(bins, n_fft, hop, window=window, length=n_samples)
                stem[:] = samples.cpu().numpy()
        return stems

    def _guess(self, magnitudes: Tensor) -> NDArray[np.float32]:
        """Return `(n_stems, 2, n_frames, n_bins)` from `(2, n_frames, n_bins)`."""
        by_frame = magnitudes.transpose(0, 1)
        guesses = np.empty((len(self.networks), *magnitudes.shape), np.float32)
        for guess, network in zip(guesses, self.networks, strict=True):
            heard = by_frame if network.channels == 2 else by_frame.mean(dim=1, keepdim=True)
            guess[:] = network(heard).transpose(0, 1).cpu().numpy()
        return guesses

    def _filter(
        self, mixture: NDArray[np.complex64], guesses: NDArray[np.float32]
    ) -> NDArray[np.complex64]:
        """Return the stems' spectra; what they leave over is a stem for the filter only."""
        stems = np.empty((len(guesses), *mixture.shape), np.complex64)
        for low in range(0, mixture.shape[1], WINDOW_FRAMES):
            frames = slice(low, low + WINDOW_FRAMES)
            mix, guess = mixture[:, frames], guesses[:, :, frames]
            filtered = wiener(mix, _with_rest(mix, guess) if self.is_partial else guess)
            stems[:, :, frames] = filtered[: len(stems)]
        return stems


def _with_rest(
    mixture: NDArray[np.complex64], guesses: NDArray[np.float32]
) -> NDArray[np.complex64]:
    """Give magnitudes the mixture's phase, and add what is left of the mixture."""
    magnitude = np.abs(mixture)
    phase = np.divide(mixture, magnitude, out=np.zeros_like(mixture), where=magnitude > 0)
    stems = guesses * phase
    return np.concatenate([stems, (mixture - stems.sum(axis=0))[np.newaxis]])


def _read_mirrored(signal: Signal, start: int, n_samples: int) -> Block:
    """Return `n_samples` from `start` on; what lies outside the signal is its mirror image."""
    near = signal.read(max(0, start), min(start + n_samples, signal.n_samples))
    before = max(0, -start)
    after = n_samples - before - near.shape[1]
    return np.pad(near, ((0, 0), (before, after)), mode="reflect")


def open_model(path: Path) -> Separator | None:
    """Open a `.pth` or `.safetensors` of one target, or a folder of them.

    Raises:
        ModelError: it is one of these, but damaged or not what it claims to be.
    """
    if path.is_dir():
        found = find_in(path)
    elif path.suffix in {".pth", ".safetensors"} and is_open_unmix(path):
        found = Found({target_of(path): path}, spectrogram_in(path.parent))
    else:
        found = None
    return _opened(path, found) if found else None


def _opened(path: Path, found: Found) -> Separator:
    from stemfx.separators.openunmix_network import load

    for file in found.files.values():
        load(file, found.spectrogram)
    card = ModelCard(
        name=path.stem if path.is_file() else path.name,
        family="openunmix",
        stems=tuple(found.files),
        sample_rate=found.spectrogram.sample_rate,
        licence="unknown: a file of your own",
        summary="an Open-Unmix model of your own",
        size_bytes=sum(file.stat().st_size for file in found.files.values()),
        realtime_factor=_REALTIME_FACTOR,
    )
    return OpenUnmix(card, found)


_REALTIME_FACTOR = 0.1
_README = (
    "README of openunmix 1.3.0: museval medians over frames and tracks, test set of MUSDB18 (umx) "
    "or of its uncompressed edition (umxhq, umxl)"
)


def published() -> list[Separator]:
    """Return the models that openunmix knows by name."""
    mit = "MIT (stated at zenodo.org)"
    return [
        _published(
            "umxhq",
            mit,
            "open licence, small and fast; below Demucs in quality",
            {"drums": 6.04, "bass": 5.07, "other": 4.28, "vocals": 6.25},
        ),
        _published(
            "umx",
            mit,
            "the same trained on songs that end at 16 kHz; to compare with older papers",
            {"drums": 5.73, "bass": 5.23, "other": 4.02, "vocals": 6.32},
        ),
        _published(
            "umxl",
            "CC BY-NC-SA 4.0: non-commercial use only",
            "the largest Open-Unmix, trained on more songs; for non-commercial use only",
            {"drums": 7.15, "bass": 6.02, "other": 4.89, "vocals": 7.21},
            licence_class="non-commercial",
            realtime_factor=2 * _REALTIME_FACTOR,
        ),
    ]


def _published(
    name: str,
    licence: str,
    summary: str,
    sdr: Mapping[str, float],
    *,
    licence_class: LicenceClass = "open",
    realtime_factor: float = _REALTIME_FACTOR,
) -> Separator:
    return OpenUnmix(
        ModelCard(
            name=name,
            family="openunmix",
            stems=TARGETS,
            sample_rate=44_100,
            licence=licence,
            licence_class=licence_class,
            source=f"zenodo.org/records/{PUBLISHED[name].record}",
            summary=summary,
            size_bytes=PUBLISHED[name].size_bytes,
            sdr=sdr,
            sdr_source=_README,
            realtime_factor=realtime_factor,
        )
    )
