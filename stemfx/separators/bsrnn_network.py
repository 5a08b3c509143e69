"""The network of a Band-Split RNN, with the names of weights that BandSplitRNN-PyTorch has.

Written from the paper and the public layout. It imports torch at once, since its layers are torch
modules: import it only where a network is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from stemfx.separators.bsrnn import Shape

# mypy: disable-error-code="misc"
# torch is unknown to mypy here, and so are its modules, which are subclassed below.


class BandSplitRnn(nn.Module):
    """Makes one stem of a stretch: `(2, n)` to `(1, 2, n)`; n is `shape.length`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        edges = band_edges(shape.bands, shape.sample_rate, shape.n_fft)
        self.shape = shape
        self.bandsplit = _Bands(shape, edges)
        self.bandsequence = _Layers(shape)
        self.maskest = _Masks(shape, edges)
        self.register_buffer("window", torch.hann_window(shape.n_fft), persistent=False)

    def forward(self, heard: Tensor) -> Tensor:
        """Separate a stretch."""
        shape = self.shape
        batch = heard[:, None] if shape.is_mono else heard[None]
        options = {"n_fft": shape.n_fft, "hop_length": shape.hop_length, "window": self.window}
        spectrum = torch.stft(batch.flatten(0, 1), **options, return_complex=True)
        made = self.masked(spectrum.unflatten(0, batch.shape[:2])).flatten(0, 1)
        return torch.istft(made, **options, length=heard.shape[-1])[None]

    def masked(self, spectrum: Tensor) -> Tensor:
        """Multiply a spectrum `(b, channels, bins, t)`, normalised meanwhile, by its mask."""
        mean = spectrum.mean(dim=(1, 2, 3), keepdim=True)
        deviation = spectrum.std(dim=(1, 2, 3), keepdim=True)
        x = (spectrum - mean) / (deviation + 1e-5)
        x = self.maskest(self.bandsequence(self.bandsplit(x))) * x
        return x * deviation + mean


def band_edges(bands: Sequence[tuple[int, int]], sample_rate: int, n_fft: int) -> list[int]:
    """Return the first bin of each band, and the number of bins.

    Args:
        bands: pairs of the frequency up to which bands have which width, in Hz; what is above
            the last one is one more band.
        sample_rate: in Hz.
        n_fft: of the spectrogram.

    Raises:
        ValueError: a band has no bin.
    """
    # In float32, as the layout has it: a bin on an edge belongs to the side it rounds to.
    bins_hz = sample_rate * torch.fft.fftfreq(n_fft)[: n_fft // 2 + 1]
    bins_hz[-1] = sample_rate // 2
    edges, at = [0], 0
    for end, width in bands:
        tops = torch.arange(at + width, end + width, width)
        edges += [int((bins_hz < top).sum()) for top in tops]
        at = end
    edges.append(len(bins_hz))
    if any(a >= b for a, b in pairwise(edges)):
        raise ValueError("some bands are narrower than a bin of the spectrogram")
    return edges


def _widths(shape: Shape, edges: Sequence[int]) -> list[int]:
    """Return how many numbers each band has: channels × (real, imaginary) × bins."""
    return [(2 if shape.is_mono else 4) * (b - a) for a, b in pairwise(edges)]


class _Bands(nn.Module):
    """Makes features of each band: `(b, channels, bins, t)` to `(b, bands, t, features)`."""

    def __init__(self, shape: Shape, edges: Sequence[int]) -> None:
        super().__init__()
        widths = _widths(shape, edges)
        self.edges = edges
        self.layernorms = nn.ModuleList(nn.LayerNorm([w, shape.n_frames]) for w in widths)
        self.fcs = nn.ModuleList(nn.Linear(w, shape.n_features) for w in widths)

    def forward(self, spectrum: Tensor) -> Tensor:
        parts = torch.view_as_real(spectrum).permute(0, 1, 4, 2, 3)
        layers = zip(self.layernorms, self.fcs, pairwise(self.edges), strict=True)
        made = [fc(norm(parts[..., a:b, :].flatten(1, 3)).mT) for norm, fc, (a, b) in layers]
        return torch.stack(made, dim=1)


class _Recurrent(nn.Module):
    """Runs along the third axis of `(b, rows, steps, features)`, then swaps it with the rows."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        kind = {"LSTM": nn.LSTM, "GRU": nn.GRU}[shape.rnn_type]
        n_ways = 2 if shape.is_bidirectional else 1
        n, hidden = shape.n_features, shape.n_hidden
        self.groupnorm = nn.GroupNorm(n, n)
        self.rnn = kind(n, hidden, batch_first=True, bidirectional=shape.is_bidirectional)
        self.fc = nn.Linear(n_ways * hidden, n)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.groupnorm(x.flatten(0, 1).mT).mT
        return (self.fc(self.rnn(rows)[0]).view(x.shape) + x).transpose(1, 2).contiguous()


class _Layers(nn.Module):
    """Alternates along time and along bands."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        layers = range(shape.n_layers)
        self.bsrnn = nn.ModuleList(
            nn.Sequential(_Recurrent(shape), _Recurrent(shape)) for _ in layers
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.bsrnn:
            x = layer(x)
        return x


class _Gate(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.glu(self.linear(x), dim=-1)


class _Mask(nn.Module):
    def __init__(self, n_features: int, hidden: int, width: int) -> None:
        super().__init__()
        layers = (nn.Linear(n_features, hidden), nn.Tanh(), nn.Linear(hidden, width))
        self.mlp = nn.Sequential(*layers, _Gate(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x)


class _Masks(nn.Module):
    """Makes a complex mask `(b, channels, bins, t)` of features `(b, bands, t, features)`."""

    def __init__(self, shape: Shape, edges: Sequence[int]) -> None:
        super().__init__()
        n, frames, hidden = shape.n_features, shape.n_frames, shape.n_mask_hidden
        widths = _widths(shape, edges)
        self.edges, self.is_along_time = edges, shape.has_mask_along_time
        self.layernorms = nn.ModuleList(nn.LayerNorm([frames, n]) for _ in widths)
        self.mlp = nn.ModuleList(_Mask(n, hidden, width) for width in widths)

    def forward(self, x: Tensor) -> Tensor:
        made = []
        layers = zip(self.layernorms, self.mlp, pairwise(self.edges), strict=True)
        for k, (norm, mlp, (a, b)) in enumerate(layers):
            mask = mlp(norm(x[:, k]))  # (b, t, channels × parts × bins)
            if not self.is_along_time:
                mask = mask.mT
            mask = mask.reshape(len(x), -1, 2, b - a, x.shape[2])
            made.append(torch.complex(mask[:, :, 0], mask[:, :, 1]))
        return torch.cat(made, dim=2)
