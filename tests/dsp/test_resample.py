"""Laws of resampling: time, tone and length stay; blocks do not matter; nothing folds back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemfx.audio import Audio, Signal
from stemfx.dsp.resample import Resampled, rechunk, resample_blocks

RATES = [(44_100, 48_000), (48_000, 44_100), (44_100, 22_050), (8_000, 44_100), (96_000, 44_100)]


def tone(freq_hz, sample_rate, duration_s=1.0):
    t = np.arange(round(duration_s * sample_rate)) / sample_rate
    return Audio(np.sin(2 * np.pi * freq_hz * t)[None], sample_rate)


def level_db(audio: Signal, freq_hz: float) -> float:
    """Level of a tone in the middle of a signal, 0 dB at amplitude 1."""
    n = audio.n_samples // 2
    x = audio.read(n // 2, n // 2 + n)[0]
    window = np.hanning(n)
    phasor = np.exp(-2j * np.pi * freq_hz / audio.sample_rate * np.arange(n))
    return 20 * np.log10(2 * abs(np.sum(x * window * phasor)) / window.sum())


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_an_impulse_keeps_its_time(from_hz, to_hz):
    # A band-limited impulse instead of one sample, so that its centre can be read at any rate.
    middle_s = 0.5
    t = np.arange(from_hz) / from_hz - middle_s
    out = Resampled(Audio(np.exp(-((t / 1e-3) ** 2))[None], from_hz), to_hz).read()[0]
    at_s = np.sum(np.arange(len(out)) * out) / np.sum(out) / to_hz
    assert at_s == pytest.approx(middle_s, abs=1e-6)  # 1 us: a twentieth of a sample


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_a_tone_keeps_its_level(from_hz, to_hz):
    out = Resampled(tone(1000, from_hz), to_hz)
    assert level_db(out, 1000) == pytest.approx(0, abs=0.001)


def test_nothing_above_the_new_nyquist_folds_back():
    out = Resampled(tone(22_500, 48_000), 44_100)
    # 22.5 kHz would fold to 21.6 kHz; float32 samples leave -140 dB.
    assert level_db(out, 44_100 - 22_500) < -120


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("block", [1, 64, 1000, 44_100])
def test_the_block_size_changes_no_bit(from_hz, to_hz, block):
    noise = np.random.default_rng(0).standard_normal((2, 6_000)).astype(np.float32)
    audio = Audio(noise, from_hz)
    n_out = 5_000

    def resampled(n_samples):
        blocks = audio.blocks(n_samples)
        return np.concatenate(list(resample_blocks(blocks, from_hz, to_hz, 2, n_out)), axis=1)

    np.testing.assert_array_equal(resampled(block), resampled(6_000))


@pytest.mark.parametrize("n_out", [0, 1, 999, 2_000, 200_000])
def test_exactly_n_out_samples_come_and_silence_follows_the_end(n_out):
    audio = tone(100, 44_100, 0.02)
    out = list(resample_blocks(audio.blocks(), 44_100, 48_000, 1, n_out))
    assert sum(block.shape[1] for block in out) == n_out
    assert all(block.shape[1] for block in out)
    if n_out > 3_000:  # 960 samples of sound, and the filter's ringing
        assert not np.concatenate(out, axis=1)[:, 3_000:].any()


def test_equal_rates_change_no_bit():
    audio = tone(1234, 44_100)
    np.testing.assert_array_equal(Resampled(audio, 44_100).read(), audio.read())


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("n_samples", [0, 1, 2, 147, 1001])
def test_every_sample_whose_instant_lies_in_the_source_is_there(from_hz, to_hz, n_samples):
    out = Resampled(Audio(np.zeros((1, n_samples)), from_hz), to_hz)
    inside = int(np.sum(np.arange(3 + 6 * n_samples) * from_hz < n_samples * to_hz))
    assert out.n_samples == inside == out.read().shape[1]


def test_read_is_a_stretch_of_the_blocks():
    out = Resampled(Audio(np.random.default_rng(0).standard_normal((2, 9_000)), 44_100), 48_000)
    whole = np.concatenate(list(out.blocks(1000)), axis=1)
    for start, stop in ((0, None), (100, 7_000), (9_000, 99_999), (500, 500), (-5, 10)):
        np.testing.assert_array_equal(out.read(start, stop), whole[:, max(0, start) : stop])
        assert not out.read(start, stop).flags.writeable
    assert isinstance(out, Signal)


@given(st.lists(st.integers(0, 50)), st.integers(1, 40))
def test_rechunk_keeps_every_sample_and_evens_the_lengths(lengths, n_samples):
    total = np.arange(2 * sum(lengths), dtype=np.float32).reshape(2, -1)
    blocks = np.split(total, np.cumsum(lengths)[:-1], axis=1) if lengths else []
    out = list(rechunk(blocks, n_samples))
    assert all(block.shape[1] == n_samples for block in out[:-1])
    assert all(0 < block.shape[1] <= n_samples and block.flags.c_contiguous for block in out)
    np.testing.assert_array_equal(np.concatenate([total[:, :0], *out], axis=1), total)
