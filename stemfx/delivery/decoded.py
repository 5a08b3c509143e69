"""Hear a file that was just written: decode it, measure it, compare it with what was stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.loudness import (
    METER_BLOCK_SAMPLES,
    LoudnessMeter,
    LoudnessReading,
    TruePeakMeter,
    metered,
    read,
)
from stemfx.dsp.units import power_to_db
from stemfx.errors import AudioFileError, OutputError
from stemfx.io import FileSignal, Written, probe


@dataclass(frozen=True)
class Decoded(LoudnessReading):
    """What comes out of a file.

    Args:
        n_samples: length per channel.
        coding_error_db: what a lossy format changed, relative to the sound; None if lossless.
    """

    n_samples: int
    coding_error_db: float | None


def decode(written: Written, signal: Signal, gain: float, path: Path) -> Decoded:
    """Decode a file and measure it.

    Args:
        written: the file. Where its samples are known they have to be those, bit for bit.
        signal: what went into it, times `gain`.
        gain: linear.
        path: what the file is to be called, for messages.

    Raises:
        OutputError: it cannot be read back, or reads back as something else.
    """
    loudness = LoudnessMeter(signal.sample_rate, signal.channels)
    peaks = TruePeakMeter(signal.channels, sample_rate=signal.sample_rate)
    digest = hashlib.sha256()
    sent = signal.blocks(METER_BLOCK_SAMPLES) if written.sha256 is None else None
    n_samples, error, power = 0, 0.0, 0.0
    try:
        file = FileSignal(probe(written.path, min_duration_s=0.0))
        for block in metered(file.blocks(METER_BLOCK_SAMPLES), loudness, peaks):
            n_samples += block.shape[1]
            if sent is None:
                digest.update(block.T.tobytes())
            elif (original := next(sent, None)) is not None:
                original = original[:, : block.shape[1]] * np.float32(gain)
                error += _energy(block[:, : original.shape[1]] - original)
                power += _energy(original)
    except AudioFileError as reason:
        raise OutputError(
            f"what was written cannot be read back ({reason.message}); is the disk sound?",
            where=str(path),
        ) from None
    if written.sha256 is not None and written.sha256 != digest.hexdigest():
        raise OutputError(
            "what was written reads back as other samples; is the disk sound?", where=str(path)
        )
    return Decoded(
        **vars(read(loudness, peaks)),
        n_samples=n_samples,
        coding_error_db=power_to_db(error / power) if error and power else None,
    )


def _energy(block: Block) -> float:
    return float(np.sum(np.square(block, dtype=np.float64)))
