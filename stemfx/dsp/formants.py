"""Put the formants of a transposed voice back where they were.

Transposition by resampling moves the spectral envelope E along with the pitch: what is heard is
E'(f) = E(f / p), where p is the ratio of the pitches. So each short frame gets the zero-phase gain
E'(f p) / E'(f), one for all channels, and its energy is kept. The pitch is not touched.

E' is the true envelope (A. Roebel and X. Rodet, "Efficient spectral envelope estimation and its
application to pitch shifting and envelope preservation", DAFx 2005): the log spectrum is smoothed
by its cepstrum, again and again, each time raised to what it was where it fell below, until
the curve runs over the harmonics' peaks. How smooth it is follows the pitch: a curve that follows
the harmonics themselves would undo the transposition.

The frames are half as long as those of `stft`: a tongue is faster than a chord.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.resample import rechunk

LIMIT_DB = 24.0
"""No frequency is changed by more, but for the frame's energy."""

_FRAME_S = 0.046
_OVERLAP = 4
_BATCH = 64  # frames at a time: some arrays of them stay in cache
_PERIODS = 0.55  # quefrency up to which the envelope goes, in periods; 0.7 follows harmonics
_APERIODIC_S = 1.5e-3  # the same where there is no pitch
_PITCH_HZ = (70.0, 1000.0)
_PITCH_TOP_HZ = 4000.0  # breath above has no period
_PERIODIC = 0.3  # autocorrelation from which there is a pitch
_ROUNDS = 8  # 20 are no better
_FLOOR_DB = 80.0  # below a frame's highest bin; lower ones are all alike
_FADE_DB = 10.0
_SILENT_DBFS = (-80.0, -65.0)  # frames fade from no gain at all to the whole gain
_TOP = 0.1  # of the spectrum: the gain fades out towards where E' ends

Levels = NDArray[np.float32]
"""`(n_frames, n_bins)` in dB, or a power."""


def formants_kept(
    blocks: Iterable[Block], semitones: float, sample_rate: int, n_samples: int
) -> Iterator[Block]:
    """Yield a voice with the formants that it had before it was transposed.

    Without delay; all channels get one gain, so the stereo image stays. The result does not
    depend on the size of the blocks; at 0 semitones they are passed on.

    Args:
        blocks: the transposed voice.
        semitones: by how much it was.
        sample_rate: in Hz.
        n_samples: its length.
    """
    if not semitones:
        yield from blocks
        return
    import scipy.fft

    n_fft = frame_samples(sample_rate)
    hop = n_fft // _OVERLAP
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
    synthesis = window / np.float32(3 / 8 * _OVERLAP)  # the sum of the squares
    # A frame is complete when its last quarter has come; the first sample waits for three more.
    skip, left = n_fft - hop, n_samples
    before = ahead = np.zeros((1, 0), np.float32)
    for chunk in rechunk(_with_tail(blocks, n_samples, hop, n_fft - hop), _BATCH * hop):
        if not before.shape[1]:
            before = ahead = np.zeros((chunk.shape[0], n_fft - hop), np.float32)
        samples = np.concatenate((before, chunk), axis=1)
        before = samples[:, -(n_fft - hop) :]
        windows = np.lib.stride_tricks.sliding_window_view(samples, n_fft, axis=-1)[:, ::hop]
        spectra = scipy.fft.rfft(windows * window)
        power = (np.square(spectra.real) + np.square(spectra.imag)).sum(axis=0)
        spectra *= gains(power, semitones, sample_rate)
        frames = scipy.fft.irfft(spectra, n_fft) * synthesis
        out = np.concatenate((ahead, np.zeros_like(chunk)), axis=1)
        for k in range(frames.shape[1]):
            out[:, k * hop : k * hop + n_fft] += frames[:, k]
        ahead = out[:, chunk.shape[1] :]
        block = out[:, : chunk.shape[1]][:, skip : skip + left]
        skip = max(0, skip - chunk.shape[1])
        left -= block.shape[1]
        if block.shape[1]:
            yield np.ascontiguousarray(block)


def frame_samples(sample_rate: int) -> int:
    """Return the length of a frame, a power of two: 2048 at 44.1 and 48 kHz."""
    return 1 << max(6, round(math.log2(_FRAME_S * sample_rate)))


def _with_tail(blocks: Iterable[Block], n_samples: int, hop: int, n_more: int) -> Iterator[Block]:
    """Yield whole hops, and silence in which the last frames end."""
    blocks = iter(blocks)
    first = next(blocks, None)
    if first is not None:
        tail = np.zeros((first.shape[0], -n_samples % hop + n_more), np.float32)
        yield from chain([first], blocks, [tail])


def gains(power: Levels, semitones: float, sample_rate: int) -> Levels:
    """Return the factors that put the envelope of each frame back, `(n_frames, n_bins)`.

    Args:
        power: |spectrum|^2 of frames of the transposed voice under a Hann window.
        semitones: its transposition.
        sample_rate: in Hz.
    """
    n_bins = power.shape[1]
    n_fft = 2 * (n_bins - 1)
    ratio = 2.0 ** (semitones / 12.0)
    energy = power.sum(axis=1, keepdims=True)
    envelope_db, floor_db = true_envelope(power, sample_rate)
    bins = np.arange(n_bins)
    low = np.minimum((bins * ratio).astype(int), n_bins - 2)
    part = np.minimum(bins * ratio - low, 1.0).astype(np.float32)
    was_db = envelope_db[:, low] * (1 - part) + envelope_db[:, low + 1] * part
    gain_db = np.clip(was_db - envelope_db, -LIMIT_DB, LIMIT_DB)
    end = (n_bins - 1) * min(1.0, 1.0 / ratio)
    gain_db *= np.clip((end - bins) / (_TOP * end), 0, 1).astype(np.float32)
    # Where nothing is, nothing is lifted.
    gain_db *= np.where(gain_db > 0, np.clip((envelope_db - floor_db) / _FADE_DB, 0, 1), 1)
    none_db, whole_db = _SILENT_DBFS
    level_db = 10 * np.log10(energy * np.float32(2 / (3 / 8 * n_fft * n_fft)) + 1e-20)
    gain_db *= np.clip((level_db - none_db) / (whole_db - none_db), 0, 1)
    factors: Levels = np.power(np.float32(10), gain_db / 20)
    after = (power * np.square(factors)).sum(axis=1, keepdims=True)
    factors *= np.sqrt(np.where(after > 0, energy, 1) / np.where(after > 0, after, 1))
    return factors


def true_envelope(power: Levels, sample_rate: int) -> tuple[Levels, Levels]:
    """Return the envelope over the harmonics' peaks in dB, and each frame's floor `(n_frames, 1)`.

    Args:
        power: |spectrum|^2 of frames under a Hann window.
        sample_rate: in Hz.
    """
    import scipy.fft

    n_bins = power.shape[1]
    n_fft = 2 * (n_bins - 1)
    level_db = 10 * np.log10(power + np.float32(1e-20))
    floor_db = level_db.max(axis=1, keepdims=True) - np.float32(_FLOOR_DB)
    level_db = np.maximum(level_db, floor_db)
    period, is_periodic = periods(power, sample_rate)

    # Below the lowest harmonic the envelope is not seen: it goes on as it is there. Without this
    # the hole above 0 Hz would pull the first formant of a high voice down.
    bins = np.arange(n_bins)
    lowest = np.where(is_periodic, n_fft / period, 100.0 * n_fft / sample_rate)[:, np.newaxis]
    first_db = np.where(bins < 1.5 * lowest, level_db, floor_db).max(axis=1, keepdims=True)
    level_db = np.where(bins < lowest, first_db, level_db)

    order = np.where(is_periodic, _PERIODS * period, _APERIODIC_S * sample_rate)
    is_kept = bins <= order[:, np.newaxis]

    def smoothed(curve_db: Levels) -> Levels:
        cepstrum = scipy.fft.irfft(curve_db, n_fft)[:, :n_bins] * is_kept
        smooth: Levels = scipy.fft.rfft(np.hstack((cepstrum, cepstrum[:, -2:0:-1]))).real
        return smooth

    envelope_db = smoothed(level_db)
    for _ in range(_ROUNDS):
        envelope_db = smoothed(np.maximum(level_db, envelope_db))
    return envelope_db, floor_db


def periods(power: Levels, sample_rate: int) -> tuple[NDArray[np.int_], NDArray[np.bool_]]:
    """Return each frame's period in samples, `(n_frames,)`, and whether it has one.

    It is the shortest lag at which the autocorrelation, less the window's, has almost its highest
    peak. Of a chord it is a period that all its notes share.
    """
    import scipy.fft

    n_fft = 2 * (power.shape[1] - 1)
    shortest, longest = (round(sample_rate / hz) for hz in reversed(_PITCH_HZ))
    low_power = power.copy()
    low_power[:, round(_PITCH_TOP_HZ * n_fft / sample_rate) :] = 0
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    own = scipy.fft.irfft(np.abs(scipy.fft.rfft(window)) ** 2, n_fft)
    found = scipy.fft.irfft(low_power, n_fft)
    alike = found / np.maximum(found[:, :1], np.float32(1e-20)) / (own / own[0])
    alike = alike[:, shortest - 1 : longest + 2]
    inner = alike[:, 1:-1]
    is_peak = (inner > alike[:, :-2]) & (inner >= alike[:, 2:])
    peaks = np.where(is_peak, inner, 0.0)
    highest = peaks.max(axis=1, keepdims=True)
    period = np.argmax(peaks >= 0.9 * highest, axis=1) + shortest
    return period, highest[:, 0] > _PERIODIC
