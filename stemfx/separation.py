"""The chores around a separator: rate, channels, length, several models, what no stem explains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import BLOCK_SAMPLES, Block, Signal
from stemfx.dsp.channels import widen
from stemfx.dsp.resample import resample_blocks
from stemfx.errors import PluginError
from stemfx.recipe.document import Combine
from stemfx.separator import SeparationContext, Separator, StemBlock

RESIDUAL = "residual"

MaskName = Literal["ratio", "binary", "complex", "wiener"]

Spectra = NDArray[np.complex64]
"""`(..., channels, n_frames, n_bins)`."""


@dataclass(frozen=True)
class AsStereo:
    """A view of a mono or stereo signal as stereo: mono goes to both sides."""

    signal: Signal

    @property
    def sample_rate(self) -> int:
        """Rate in Hz."""
        return self.signal.sample_rate

    @property
    def channels(self) -> int:
        """Always 2."""
        return 2

    @property
    def n_samples(self) -> int:
        """Length in samples per channel."""
        return self.signal.n_samples

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield stereo blocks."""
        for block in self.signal.blocks(n_samples):
            yield widen(block)

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return a stretch as stereo."""
        return widen(self.signal.read(start, stop))


def estimates(
    heard: Signal, separator: Separator, wanted: tuple[str, ...], context: SeparationContext
) -> Iterator[StemBlock]:
    """Yield `(n_stems, 2, n)` of what a model makes of a mixture at its rate, from `context.start`.

    Raises:
        PluginError: the model broke its contract; the sentence says how.
    """
    name, n_stems = separator.card.name, len(separator.computes(wanted))
    done = context.start
    for block in separator.separate(AsStereo(heard), wanted, context):
        if block.ndim != 3 or block.shape[:2] != (n_stems, 2):
            raise PluginError(
                f"model {name!r} gave a block of shape {block.shape}; ({n_stems}, 2, n) is the "
                "contract"
            )
        if not np.isfinite(block).all():
            raise PluginError(f"model {name!r} gave samples that are not numbers")
        done += block.shape[2]
        if done > heard.n_samples:
            raise PluginError(f"model {name!r} gave more samples than the mixture has")
        yield np.ascontiguousarray(block, dtype=np.float32)
    if done != heard.n_samples:
        raise PluginError(
            f"model {name!r} gave {done} samples for {heard.n_samples} of the mixture"
        )


def together(signals: Sequence[Signal], n_samples: int = BLOCK_SAMPLES) -> Iterator[StemBlock]:
    """Yield `(n_signals, channels, n)` of signals of one length, block by block."""
    for blocks in zip(*(signal.blocks(n_samples) for signal in signals), strict=True):
        yield np.stack(blocks)


def fit(stems: Sequence[Signal], mixture: Signal) -> Iterator[StemBlock]:
    """Yield a model's stems at the rate, with the channels and in the length of the mixture."""
    n_stems, rate = len(stems), stems[0].sample_rate
    blocks: Iterator[Block] = (block.reshape(2 * n_stems, -1) for block in together(stems))
    if rate != mixture.sample_rate:
        blocks = resample_blocks(blocks, rate, mixture.sample_rate, 2 * n_stems, mixture.n_samples)
    for flat in blocks:
        block = flat.reshape(n_stems, 2, -1)
        yield block.mean(axis=1, keepdims=True) if mixture.channels == 1 else block


def combine(stems: Sequence[Signal], method: Combine, weights: Sequence[float]) -> Iterator[Block]:
    """Yield one stem made of several models' estimates of it.

    `average` is the weighted mean and `median` the middle of the samples; `max` and `min` take in
    every bin of the spectrum the estimate of the largest or smallest magnitude, with its phase:
    fuller with more bleed, or cleaner with holes.
    """
    if method == "average":
        shares = (np.array(weights) / sum(weights)).astype(np.float32)
        for block in together(stems):
            yield np.tensordot(shares, block, axes=1)
    elif method == "median":
        for block in together(stems):
            yield np.median(block, axis=0)
    else:
        from stemfx.dsp import stft

        yield from stft.inverse(_extreme(stems, method), stems[0].n_samples)


def _extreme(stems: Sequence[Signal], method: Literal["max", "min"]) -> Iterator[Spectra]:
    from stemfx.dsp import stft

    choose = np.argmax if method == "max" else np.argmin
    for frames in _stretches(stems[0]):
        spectra = np.stack([stft.forward(stem, *frames) for stem in stems])
        best = choose(np.abs(spectra), axis=0)
        yield np.take_along_axis(spectra, best[np.newaxis], axis=0)[0]


FRAMES = 256
"""Frames of spectra at a time: 6 s at 44.1 kHz, 17 MB a stereo stem."""


def _stretches(signal: Signal, shared: int = 0) -> Iterator[tuple[int, int]]:
    """Yield first and last frame of stretches of a signal that have `shared` frames in common."""
    from stemfx.dsp import stft

    total = stft.n_frames(signal.n_samples)
    for start in range(0, max(1, total - shared), FRAMES - shared):
        yield start, min(start + FRAMES, total)


def remask(
    mixture: Signal, stems: Sequence[Signal], mask: MaskName, *, is_complete: bool
) -> Iterator[StemBlock]:
    """Yield the stems again, `(n_stems, channels, n)`, as masks on the mixture's spectrum.

    Where they are not all stems of the mixture, what they leave of it counts as one more.
    """
    from stemfx.dsp import stft

    # EM learns where each stem is from a stretch: neighbours cross-fade over half of it.
    shared = FRAMES // 2 if mask == "wiener" else 0
    spectra: Iterator[Spectra] = (
        _masked(mixture, stems, mask, frames, is_complete=is_complete)
        for frames in _stretches(mixture, shared)
    )
    if shared:
        spectra = _crossfaded(spectra, shared)
    yield from stft.inverse(spectra, mixture.n_samples)


def _masked(
    mixture: Signal,
    stems: Sequence[Signal],
    mask: MaskName,
    frames: tuple[int, int],
    *,
    is_complete: bool,
) -> Spectra:
    from stemfx.dsp import stft
    from stemfx.dsp.masks import masked
    from stemfx.dsp.wiener import wiener

    whole = stft.forward(mixture, *frames)
    estimates = np.stack([stft.forward(stem, *frames) for stem in stems])
    if not is_complete:
        rest = whole - estimates.sum(axis=0)
        estimates = np.concatenate([estimates, rest[np.newaxis]])
    if mask == "wiener":
        again: Spectra = wiener(whole, estimates)
    else:
        again = masked(whole, estimates, mask)
    return again[: len(stems)]


def _crossfaded(spectra: Iterable[Spectra], shared: int) -> Iterator[Spectra]:
    """Join stretches of FRAMES (the last is shorter) that have `shared` frames in common."""
    rise = ((np.arange(shared, dtype=np.float32) + 0.5) / shared)[:, np.newaxis]
    before: Spectra | None = None  # what the last stretch says of the frames in common
    for spectrum in spectra:
        if before is not None:
            spectrum[..., :shared, :] = before + rise * (spectrum[..., :shared, :] - before)
        yield spectrum[..., : FRAMES - shared, :]
        before = spectrum[..., FRAMES - shared :, :]
    if before is not None and before.shape[-2]:
        yield before


def residual_of(
    mixture: Signal, stems: Sequence[Signal]
) -> Iterator[tuple[Block, StemBlock, Block]]:
    """Yield the mixture, the stems and mixture minus their sum, block by block.

    Stems plus residual are the mixture within float32 rounding (about -144 dB), whatever made
    them: what a model cannot see (above its Nyquist frequency, say) is in the residual.
    """
    for whole, parts in zip(mixture.blocks(), together(stems), strict=True):
        rest = whole - parts.sum(axis=0, dtype=np.float64)
        yield whole, parts, rest.astype(np.float32)


def add_residual(host: Signal, residual: Signal) -> Iterator[Block]:
    """Yield one stem with the residual added: the policy `other`."""
    for stem, rest in zip(host.blocks(), residual.blocks(), strict=True):
        yield stem + rest


SPREAD_WINDOW_S = 0.05
"""Stems' shares are measured over 50 ms: short enough to follow a drum hit."""


def spread_residual(stems: Sequence[Signal], residual: Signal) -> Iterator[NDArray[np.float32]]:
    """Yield `(n_stems, channels, n)`: the residual shared out by each stem's momentary power.

    Weights are the stems' mean squares over 50 ms, linearly interpolated from window to window
    and summing to one at every sample (mixture consistency, Wisdom et al., ICASSP 2019), so the
    sum of the stems is the mixture. Where all stems are silent they share equally.
    """
    window = max(1, round(SPREAD_WINDOW_S * residual.sample_rate))
    n_windows = max(1, BLOCK_SAMPLES // window)
    last: NDArray[np.float64] | None = None
    streams = [stem.blocks(n_windows * window) for stem in stems]
    for rest, *parts in zip(residual.blocks(n_windows * window), *streams, strict=True):
        n = rest.shape[1]
        edges = np.arange(0, n, window)
        power = np.stack(
            [np.add.reduceat(np.square(p, dtype=np.float64).sum(axis=0), edges) for p in parts]
        )
        total = power.sum(axis=0)
        shares = np.where(total > 0, power / np.where(total > 0, total, 1), 1 / len(parts))
        first = shares[:, :1] if last is None else last
        # A window's share is reached at its end: interpolation between points keeps the sum.
        points = np.concatenate([first, shares], axis=1)
        at = np.concatenate([[0], np.append(edges[1:], n)])
        weights = np.stack([np.interp(np.arange(n), at, row) for row in points])
        last = shares[:, -1:]
        stacked = np.stack(parts)
        yield (stacked + weights[:, np.newaxis, :] * rest).astype(np.float32)
