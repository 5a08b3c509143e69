"""Samples as they are heard: decoded, tuned, cut to the hit, at the rate that is asked for."""

from __future__ import annotations

import math

import numpy as np

from stemfx.audio import Audio, Block, read_only
from stemfx.dsp.resample import Resampled, resample_blocks
from stemfx.dsp.units import db_to_gain
from stemfx.errors import AudioFileError
from stemfx.io import FileSignal
from stemfx.kit_files.parts import MAX_SAMPLE_S, Source, Take

SILENCE_DB = -60.0
"""Relative to the peak of a sample: what is below before its attack is cut off."""

LEAD_S = 0.0015
"""So much before the first sound stays, or a filter that rings would start with a click."""

END_DB = -90.0
"""Relative to the peak: what is below at the end is cut off."""

LEVEL_WINDOW_S = 0.03


def decode_take(take: Take, sample_rate: int) -> Audio:
    """Return one recording of a hit, mono or stereo.

    Silence before the attack is cut off up to `LEAD_S` before the first sample above
    `SILENCE_DB`, at the recording's own rate, so the cut is the same at every rate.

    Raises:
        AudioFileError: a file cannot be decoded.
    """
    rate = max(source.info.sample_rate for source in take)
    mix = _at_rate(_decode(take[0]), rate)
    for source in take[1:]:
        mix = _sum(mix, _at_rate(_decode(source), rate))
    return _at_rate(_cut(mix), sample_rate)


def _decode(source: Source) -> Audio:
    samples = FileSignal(source.info).read()[:, source.start : source.stop]
    if not np.isfinite(samples).all():
        raise AudioFileError(
            "it holds samples that are not numbers (NaN or infinite); export it again from the "
            "program that made it",
            where=str(source.info.path),
        )
    rate = source.info.sample_rate
    if source.gain_db:
        samples = samples * np.float32(db_to_gain(source.gain_db))
    if source.tune_semitones and samples.shape[1]:
        # As a tape that runs faster: the same samples, said to be of a higher rate.
        faster = 2.0 ** (source.tune_semitones / 12.0)
        n_out = min(math.ceil(samples.shape[1] / faster), round(MAX_SAMPLE_S * rate))
        blocks = resample_blocks([samples], rate * faster, rate, len(samples), n_out, quality="VHQ")
        samples = np.concatenate(list(blocks), axis=1)
    return Audio(samples, rate)


def _at_rate(audio: Audio, sample_rate: int) -> Audio:
    if audio.sample_rate == sample_rate:
        return audio
    return Audio(Resampled(audio, sample_rate).read(), sample_rate)


def _sum(a: Audio, b: Audio) -> Audio:
    shape = max(a.channels, b.channels), max(a.n_samples, b.n_samples)
    mix = np.zeros(shape, np.float32)
    for part in (a, b):
        mix[:, : part.n_samples] += part.samples
    return Audio(mix, a.sample_rate)


def _cut(audio: Audio) -> Audio:
    envelope = np.abs(audio.samples).max(axis=0, initial=0.0)
    peak = float(envelope.max(initial=0.0))
    if peak == 0.0:
        return Audio(audio.samples[:, :1], audio.sample_rate)
    start = int(np.argmax(envelope > peak * db_to_gain(SILENCE_DB)))
    start = max(0, start - round(LEAD_S * audio.sample_rate))
    stop = envelope.size - int(np.argmax(envelope[::-1] > peak * db_to_gain(END_DB)))
    return Audio(audio.samples[:, start:stop].copy(), audio.sample_rate)


def power(audio: Audio) -> float:
    """Return the mean square of the loudest 30 ms: what a velocity scales.

    A peak would say more about the click of a beater than about how loud the drum is.
    """
    squares = np.square(audio.samples, dtype=np.float64).mean(axis=0)
    window = max(1, round(LEVEL_WINDOW_S * audio.sample_rate))
    sums = np.concatenate([[0.0], np.cumsum(squares)])
    if squares.size <= window:
        return float(sums[-1] / window)
    return float(np.max(sums[window:] - sums[:-window])) / window


def scaled(audio: Audio, gain: float) -> Audio:
    """Return the same at another level; at 1.0 not a bit is changed."""
    if gain == 1.0:
        return audio
    samples: Block = audio.samples * np.float32(gain)
    return Audio(read_only(samples), audio.sample_rate)
