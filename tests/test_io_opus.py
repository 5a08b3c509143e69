from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
import soundfile

from stemfx.audio import Audio
from stemfx.dsp.loudness import measure
from stemfx.dsp.resample import Resampled
from stemfx.io import opus
from stemfx.io.opus import (
    copied_segment,
    copy_bytes,
    copy_gain_db,
    listening_copy,
    n_copied,
    n_segments_of,
)
from stemfx.testing import RaggedSignal, example_audio

LENGTH, OVERLAP = 24_000, 2_400  # of segments of half a second, 50 ms beyond


def copied(signal: Audio, kbps: float = 96, gain_db: float = 0.0) -> list[bytes]:
    segments = listening_copy(signal, kbps, gain_db=gain_db, segment_s=0.5, overlap_s=0.05)
    return list(segments)


def decoded(segment: bytes) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(segment), dtype="float32", always_2d=True)
    assert rate == 48_000
    return samples.T


def played(segments: list[bytes]) -> np.ndarray:
    """Join segments as a player does: by a linear fade of 10 ms around each join."""
    joined = decoded(segments[0])
    for k, segment in enumerate(segments[1:], start=1):
        later, join = decoded(segment), k * LENGTH
        fade = np.linspace(0, 1, 480)
        a, b = join - 240, join + 240
        start = join - OVERLAP
        both = joined[:, a:b] * (1 - fade) + later[:, a - start : b - start] * fade
        joined = np.concatenate((joined[:, :a], both, later[:, b - start :]), axis=1)
    return joined


def power(samples: np.ndarray) -> float:
    return float(np.mean(samples**2))


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
def test_a_copy_is_the_signal_to_the_sample(rate: int) -> None:
    signal = example_audio(1.7, rate)
    original = Resampled(signal, 48_000, "VHQ").read()
    assert original.shape[1] == n_copied(signal.n_samples, rate)
    found = played(copied(signal, 128))
    assert found.shape == original.shape == (2, 81_600)
    before, at, after = (power(np.roll(found, -lag, axis=1) - original) for lag in (-1, 0, 1))
    assert at < min(before, after)
    assert 10 * np.log10(at / power(original)) < -15
    # The parabola through the errors of three lags has its bottom at the true one.
    assert abs(0.5 * (before - after) / (before - 2 * at + after)) < 0.1


def test_segments_reach_into_their_neighbours() -> None:
    lengths = [decoded(segment).shape[1] for segment in copied(example_audio(1.53))]
    # 73 440 samples at 48 kHz: 24 000 each and the rest, 2 400 more on every side that has them.
    assert lengths == [26_400, 28_800, 27_840, 3_840]


def test_joins_are_not_heard() -> None:
    signal = example_audio(2.0)
    original, found = Resampled(signal, 48_000).read(), played(copied(signal))
    error = (found - original).reshape(2, -1, 480)  # 10 ms
    errors_db = 10 * np.log10(np.mean(error**2, axis=(0, 2)))
    joins = np.arange(LENGTH, found.shape[1], LENGTH) // 480
    beside = [np.r_[j - 8 : j - 2, j + 2 : j + 8] for j in joins]
    for join, others in zip(joins, beside, strict=True):
        # What Opus adds there is what it adds beside it.
        assert errors_db[join - 1 : join + 1].max() < errors_db[others].max() + 3


def test_the_same_signal_gives_the_same_bytes() -> None:
    signal = example_audio(1.2)
    first = copied(signal)
    assert copied(signal) == first
    ragged = listening_copy(RaggedSignal(signal), 96, segment_s=0.5, overlap_s=0.05)
    assert list(ragged) == first  # though Ogg's serial numbers are drawn by chance


@pytest.mark.parametrize(("channels", "heard"), [(1, 1), (2, 2), (5, 2)])
def test_mono_stays_mono_and_surround_is_folded(channels: int, heard: int) -> None:
    tone = 0.1 * np.sin(2 * np.pi * 500 / 44_100 * np.arange(22_050))
    samples = np.zeros((channels, 22_050))
    samples[-1] = tone  # the right surround goes to the right, 3.01 dB lower
    found = decoded(copied(Audio(samples, 44_100))[0])
    assert len(found) == heard
    expected_db = -23.01 - (3.01 if channels == 5 else 0)
    assert 10 * np.log10(np.mean(found[-1] ** 2)) == pytest.approx(expected_db, abs=0.2)


@pytest.mark.parametrize("channels", [1, 2])
def test_silence_and_one_sample_are_copied(channels: int) -> None:
    (silence,) = copied(Audio(np.zeros((channels, 22_050)), 44_100))
    assert decoded(silence).shape == (channels, 24_000)
    assert np.abs(decoded(silence)).max() < 1e-30
    (click,) = copied(Audio(np.full((channels, 1), 0.5), 48_000))
    assert decoded(click).shape == (channels, 1)
    assert copied(Audio(np.zeros((channels, 0)), 48_000)) == []


def test_what_is_too_loud_is_turned_down_and_told() -> None:
    assert [copy_gain_db(peak) for peak in (None, -0.3, 0.0, 1.234)] == [0, 0, 0, 1.24]
    loud = Audio(2.5 * example_audio(1.0).samples, 44_100)
    reading = measure(loud)
    gain_db = copy_gain_db(reading.true_peak_dbtp)
    assert 0 < gain_db - (reading.true_peak_dbtp or 0) < 0.01
    segments = copied(loud, 128, gain_db)
    assert max(np.abs(decoded(segment)).max() for segment in segments) < 1.1  # Opus' own error


def test_the_size_is_known_before(song: Audio) -> None:
    music = Audio(np.tile(song.samples, (1, 3))[:, : round(5.3 * 44_100)], 44_100)
    for kbps in (64, 128):
        segments = listening_copy(music, kbps, segment_s=5)
        n_bytes = sum(-(-len(segment) // 3) * 4 for segment in segments)
        assert n_bytes == pytest.approx(copy_bytes(5.3, kbps, segment_s=5), rel=0.05)


def test_only_bit_rates_that_opus_has_are_taken() -> None:
    for kbps in (15.9, 256.1):
        with pytest.raises(ValueError, match="kbps must be 16 to 256"):
            next(iter(listening_copy(example_audio(0.5), kbps)))


def test_memory_stays_flat_in_the_length() -> None:
    signal = example_audio(1.0)

    class Endless:
        sample_rate, channels, n_samples = 44_100, 2, 3600 * 44_100

        def blocks(self, n_samples: int = 0) -> itertools.repeat[np.ndarray]:
            return itertools.repeat(signal.samples)

        def read(self, start: int = 0, stop: int | None = None) -> np.ndarray:
            raise AssertionError("an hour is read whole")

    first = itertools.islice(listening_copy(Endless(), 64, segment_s=0.5, overlap_s=0.05), 3)
    assert len(list(first)) == 3


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_a_segment_alone_is_that_of_the_whole(rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[np.ndarray] = []
    monkeypatch.setattr(opus, "_encoded", lambda samples, _: encoded.append(samples) or b"")
    signal = example_audio(4.7, rate)
    n_segments = n_segments_of(n_copied(signal.n_samples, rate), 1.0)
    list(listening_copy(signal, 128, gain_db=1.5, segment_s=1.0))
    whole, encoded[:] = encoded[:], []
    for number in range(n_segments):
        copied_segment(signal, number, 128, gain_db=1.5, segment_s=1.0)
    assert [part.shape for part in encoded] == [part.shape for part in whole]
    for alone, expected in zip(encoded, whole, strict=True):
        assert power(alone - expected) < 1e-10 * power(expected)
