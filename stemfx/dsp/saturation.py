"""Three ways to bend a waveform, each computed at a higher rate so that nothing folds back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from stemfx.audio import Block
from stemfx.dsp.equaliser import bell, high_shelf, matched_sections
from stemfx.dsp.filters import Sections, SosFilter, high_pass
from stemfx.dsp.limiter import SoftClip, shape


class Saturation(Protocol):
    """Something that bends a signal of one or two channels."""

    def bent(
        self, blocks: Iterable[Block], n_samples: int, oversampling: int, gain: float = 1.0
    ) -> Iterator[Block]:
        """Yield the signal with its harmonics, in time with what came in.

        The gain is for what was bent: the highest treble, which the resampler keeps out of it,
        stays as it is.
        """

    def tone(self) -> SosFilter | None:
        """Return a filter, to be run over the whole of what was bent, if there is one."""


class Soft:
    """tanh: straight for small signals, odd harmonics, the same at every frequency.

    Args:
        channels: of the signal.
        amount: f(x) = tanh(amount x) / amount.
    """

    def __init__(self, channels: int, amount: float) -> None:
        self._channels, self._amount = channels, np.float32(amount)

    def bent(
        self, blocks: Iterable[Block], n_samples: int, oversampling: int, gain: float = 1.0
    ) -> Iterator[Block]:
        """Yield the signal with its harmonics; see `Saturation`."""

        def curve(block: Block) -> Block:
            bent: Block = np.tanh(block * self._amount) * np.float32(gain / self._amount)
            return bent

        return shape(blocks, curve, self._channels, n_samples, oversampling)

    def tone(self) -> None:
        """Return none: the tone stays."""


class Clip:
    """The tips alone: straight to the last bit below 70 % of the ceiling, never above it.

    Args:
        channels: of the signal.
        ceiling_dbfs: of the tips.
    """

    def __init__(self, channels: int, ceiling_dbfs: float) -> None:
        self._channels, self.curve = channels, SoftClip(ceiling_dbfs)

    def bent(
        self, blocks: Iterable[Block], n_samples: int, oversampling: int, gain: float = 1.0
    ) -> Iterator[Block]:
        """Yield the signal with its tips bent and all else as it is; there is no gain."""
        del gain
        return shape(blocks, self.curve, self._channels, n_samples, oversampling)

    def tone(self) -> None:
        """Return none: the tone stays."""


EMPHASIS_S = 35e-6  # IEC 60094-1 for 38 cm/s: from 4.5 kHz
EMPHASIS = 3.0  # and up to 9.5 dB, from 13.6 kHz
OFFSET = 0.05
FULL_DRIVE_DB = 12.0
BUMP_HZ, BUMP_DB = 65.0, 1.0
LOSS_HZ, LOSS_DB = 14_000.0, -1.5
_BLOCKED_HZ = 5.0


class Tape:
    """A tape machine, gently: what is recorded loudest is bent softest, and the top first.

    Modelled, in this order: the record emphasis that lets treble reach the tape's limits before
    bass, and the playback de-emphasis that mellows the harmonics it made; the magnetisation
    curve, an arctangent (like the Langevin function of the physics it nears its limit more slowly
    than tanh); a slight constant field, as of a magnetised head, which gives some second harmonic;
    at playback the head bump around 65 Hz and the loss of the highest treble, both growing with
    the drive, 1 and -1.5 dB from 12 dB on; no direct current.

    Not modelled: hysteresis and bias (the curve has no memory), wow, flutter, noise, print-through
    and crosstalk. J. Chowdhury, Real-time Physical Modelling for Analog Tape Machines (DAFx 2019)
    is what a full model would be.

    Args:
        sample_rate: in Hz.
        channels: of the signal.
        amount: f(x) = arctan(amount x) / amount.
        peak: of a tone at the reference level; the constant field is 5 % of it.
        drive_db: for the playback's tone.
    """

    def __init__(
        self, sample_rate: int, channels: int, amount: float, peak: float, drive_db: float
    ) -> None:
        self._sample_rate, self._channels = sample_rate, channels
        self._amount = np.float32(amount)
        self._offset = np.float32(amount * OFFSET * peak)
        self._share = min(1.0, drive_db / FULL_DRIVE_DB)

    def bent(
        self, blocks: Iterable[Block], n_samples: int, oversampling: int, gain: float = 1.0
    ) -> Iterator[Block]:
        """Yield the signal recorded and played back, but for the `tone`; see `Saturation`."""
        emphasis = _emphasis(self._sample_rate)
        record = SosFilter(emphasis, self._channels)
        replay = SosFilter(_inverse(emphasis), self._channels)
        rest = np.arctan(self._offset)

        def curve(block: Block) -> Block:
            magnetised = np.arctan(block * self._amount + self._offset) - rest
            bent: Block = magnetised * np.float32(gain / self._amount)
            return bent

        recorded = shape(map(record, blocks), curve, self._channels, n_samples, oversampling)
        return map(replay, recorded)

    def tone(self) -> SosFilter:
        """Return what the playback does to the tone."""
        rate = self._sample_rate
        bump = bell(BUMP_HZ, self._share * BUMP_DB, 1.0)
        loss = high_shelf(LOSS_HZ, self._share * LOSS_DB)
        bands = [band for band in (bump, loss) if band.freq_hz < rate / 2]
        sections = np.concatenate((high_pass(rate, _BLOCKED_HZ, 6), matched_sections(bands, rate)))
        return SosFilter(sections, self._channels)


def _emphasis(sample_rate: int) -> Sections:
    """Return (1 + s t) / (1 + s t / 3), t = 35 us, by the bilinear transform.

    What that squeezes, its inverse takes back.
    """
    turn = 2.0 * sample_rate * EMPHASIS_S
    low = turn / EMPHASIS
    row = np.array([1.0 + turn, 1.0 - turn, 0.0, 1.0 + low, 1.0 - low, 0.0])
    emphasis: Sections = row[None] / row[3]
    return emphasis


def _inverse(sections: Sections) -> Sections:
    """Return the filter that undoes `sections`, whose zeros are inside the unit circle."""
    swapped = np.concatenate((sections[:, 3:], sections[:, :3]), axis=1)
    inverse: Sections = swapped / swapped[:, 3:4]
    return inverse
