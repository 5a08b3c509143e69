"""The chores around a separator: rate, channels, length, and what no stem explains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import BLOCK_SAMPLES, Block, Signal
from stemfx.dsp.channels import widen
from stemfx.dsp.resample import resample_blocks
from stemfx.errors import PluginError
from stemfx.separator import SeparationContext, Separator

RESIDUAL = "residual"


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


def separate(
    mixture: Signal,
    heard: Signal,
    separator: Separator,
    wanted: tuple[str, ...],
    context: SeparationContext,
) -> Iterator[NDArray[np.float32]]:
    """Yield `(n_stems + 1, channels, n)`: the computed stems, then mixture minus their sum.

    `heard` is the mixture at the model's rate; the model may read it at any place.
    The stems have the mixture's rate, channels and length. What the model cannot see (above
    its Nyquist frequency, say) is in the residual, so stems plus residual are the mixture to
    float32 rounding (about -144 dB), whatever the model.
    """
    card = separator.card
    n_stems = len(separator.computes(wanted))
    flat: Iterator[Block] = (
        _flatten(block, n_stems, card.name)
        for block in separator.separate(AsStereo(heard), wanted, context)
    )
    if mixture.sample_rate != card.sample_rate:
        flat = resample_blocks(
            flat, card.sample_rate, mixture.sample_rate, 2 * n_stems, mixture.n_samples
        )
    done = 0
    for block in flat:
        stems = block.reshape(n_stems, 2, -1)
        if mixture.channels == 1:
            stems = stems.mean(axis=1, keepdims=True)
        here = mixture.read(done, done + stems.shape[2])
        if here.shape[1] != stems.shape[2]:
            raise PluginError(f"model {card.name!r} gave more samples than the mixture has")
        done += stems.shape[2]
        rest = here - stems.sum(axis=0, dtype=np.float64)
        yield np.concatenate([stems, rest[np.newaxis].astype(np.float32)])
    if done != mixture.n_samples:
        raise PluginError(
            f"model {card.name!r} gave {done} samples for {mixture.n_samples} of the mixture"
        )


def _flatten(block: NDArray[np.float32], n_stems: int, name: str) -> Block:
    if block.ndim != 3 or block.shape[:2] != (n_stems, 2):
        raise PluginError(
            f"model {name!r} gave a block of shape {block.shape}; ({n_stems}, 2, n) is the contract"
        )
    if not np.isfinite(block).all():
        raise PluginError(f"model {name!r} gave samples that are not numbers")
    return np.ascontiguousarray(block.reshape(2 * n_stems, -1), dtype=np.float32)


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
