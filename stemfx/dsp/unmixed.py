"""A stem without what leaked into it, as a signal: computed as it is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import BLOCK_SAMPLES, Block, Signal, read_only
from stemfx.dsp.units import Float64s
from stemfx.dsp.unmixing import Mixing

_NOTHING = 1e-12  # of the own stem: a gain below is rounding
_NO_TAP = 1e-9


class Unmixed:
    """Stem `own` as the inverse of a mixing gives it.

    As long as the stem and in time with it. Without a leak it has the stem's own bits; with one it
    has the same bits however it is read, because filters are applied in fixed stretches.

    Args:
        own: which of the stems.
        stems: all of them, in the order in which the mixing was estimated.
        mixing: how they leak into each other.
        against: the stems whose leak is taken out; None is all.
    """

    def __init__(
        self,
        own: int,
        stems: Sequence[Signal],
        mixing: Mixing,
        against: Collection[int] | None = None,
    ) -> None:
        self._own, self._stems, self._mixing = own, stems, mixing
        leaks = mixing.leaks_into(own)
        self._out = tuple(k for k in leaks if against is None or k in against)
        self._last: tuple[int, Block] | None = None  # a stretch that the next block begins with

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz."""
        return self._stems[self._own].sample_rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self._stems[self._own].channels

    @property
    def n_samples(self) -> int:
        """Length in samples per channel."""
        return self._stems[self._own].n_samples

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield blocks of `n_samples`."""
        for start in range(0, self.n_samples, n_samples):
            yield self.read(start, start + n_samples)

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop`."""
        start = max(0, start)
        stop = self.n_samples if stop is None else min(stop, self.n_samples)
        if not self._out:
            return self._stems[self._own].read(start, stop)
        if not self._mixing.filters:
            parts = [
                gain * self._stems[k].read(start, stop).astype(np.float64)
                for k, gain in enumerate(self._gains)
                if gain
            ]
            return read_only(np.sum(parts, axis=0).astype(np.float32))
        step = self._filter.step
        stretches = [self._stretch(at) for at in range(start - start % step, max(stop, 1), step)]
        joined = np.concatenate(stretches, axis=1)
        return read_only(joined[:, start % step : start % step + stop - start])

    @cached_property
    def _gains(self) -> Float64s:
        # What is left is e_own - sum_k a_own,k s_k over those that are taken out, s = A^-1 e.
        matrix = np.array(self._mixing.matrix, np.float64)
        row = -matrix[self._own, self._out] @ np.linalg.inv(matrix)[self._out, :]
        row[self._own] += 1.0
        return np.where(np.abs(row) < _NOTHING, 0.0, row)

    @cached_property
    def _filter(self) -> _InverseRow:
        return _InverseRow(self._own, len(self._stems), self._mixing, self._out, self.channels)

    def _stretch(self, at: int) -> Block:
        """Return one stretch of the filtered stems, from sample `at` on, by overlap-save."""
        import scipy.fft

        last = self._last
        if last is not None and last[0] == at:
            return last[1]
        row = self._filter
        # Output n needs inputs n - first - n_taps + 1 up to n - first.
        start = at - row.first - row.n_taps + 1
        total = np.zeros((self.channels, row.size // 2 + 1), np.complex64)
        for spectrum, k in zip(row.spectra, row.used, strict=True):
            padded = np.zeros((self.channels, row.size), np.float32)
            there = self._stems[k].read(max(0, start), max(0, start + row.size))
            offset = max(0, -start)
            padded[:, offset : offset + there.shape[1]] = there[:, : row.size - offset]
            total += spectrum * scipy.fft.rfft(padded)
        block: Block = scipy.fft.irfft(total, row.size)[:, row.n_taps - 1 :].astype(np.float32)
        self._last = at, block
        return block


class _InverseRow:
    """The filters that take leaks out of one stem, by way of the inverse of all filters.

    The inverse is endless, but what comes back a third time is 30 dB down: it is kept for twice
    the length of the longest filter. A mono stem of a stereo song is filtered by the mean of both
    sides' filters.

    Attributes:
        used: the stems that are filtered.
        first: lag of the first tap, in samples.
        spectra: `(n_used, channels, size // 2 + 1)`.
        step: samples that one stretch gives.
    """

    def __init__(
        self, own: int, n_stems: int, mixing: Mixing, out: Sequence[int], channels: int
    ) -> None:
        import scipy.fft

        filters = mixing.filters
        earliest = min(0, *(f.first for f in filters.values()))
        latest = max(1, *(f.first + len(f.taps[0]) for f in filters.values()))
        channels = min(channels, len(next(iter(filters.values())).taps))
        size = 1 << (8 * (latest - earliest) - 1).bit_length()
        matrices = np.zeros((channels, size // 2 + 1, n_stems, n_stems), np.complex128)
        matrices[:] = np.eye(n_stems)
        for (j, k), leak in filters.items():
            padded = np.zeros((channels, size))
            padded[:, : len(leak.taps[0])] = (
                leak.taps if len(leak.taps) == channels else np.mean(leak.taps, axis=0)
            )
            matrices[:, :, j, k] = scipy.fft.rfft(np.roll(padded, leak.first, axis=-1))
        inverse = np.linalg.inv(matrices)
        spectra = -np.einsum("cfk,cfki->icf", matrices[:, :, own, out], inverse[:, :, out])
        spectra[own] += 1.0
        row = scipy.fft.irfft(spectra, size)
        self.first = 2 * earliest
        taps = np.concatenate([row[..., size + self.first :], row[..., : 2 * latest]], axis=-1)
        self.used = tuple(int(k) for k in range(n_stems) if np.abs(taps[k]).max() > _NO_TAP)
        self.n_taps = taps.shape[-1]
        self.size = 1 << (4 * self.n_taps - 1).bit_length()
        self.step = self.size - self.n_taps + 1
        kept = taps[list(self.used)].astype(np.float32)
        self.spectra: NDArray[np.complex64] = scipy.fft.rfft(kept, self.size)
