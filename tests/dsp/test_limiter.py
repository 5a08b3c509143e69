"""Laws of the soft clip and the true-peak limiter."""

import errno
import tempfile

import numpy as np
import pytest
import soxr

from stemfx.audio import Audio, Signal
from stemfx.dsp.limiter import (
    TOLERANCE_DB,
    SoftClip,
    Spool,
    TruePeakLimiter,
    limit,
    shape,
)
from stemfx.errors import DiskFullError

RATE = 44_100
CEILING_DBTP = -1.0


def true_peak_dbtp(samples, oversampling=8):
    """An own meter: the samples, and one pass of soxr's better filter over the whole signal."""
    between = soxr.resample(samples.T, 1, oversampling, "VHQ")
    return 20 * np.log10(max(np.abs(between).max(), np.abs(samples).max()))


def limited(audio, ceiling_dbtp=CEILING_DBTP, release_ms=50.0, block=65_536):
    limiter = TruePeakLimiter(audio.sample_rate, audio.channels, ceiling_dbtp, release_ms)
    out = list(limiter(audio.blocks(block), audio.n_samples))
    return np.concatenate(out, axis=1), limiter


def sine(freq_hz, amplitude=2.0, duration_s=1.0, rate=RATE, phase=0.0):
    t = np.arange(round(duration_s * rate)) / rate
    return Audio(np.tile(amplitude * np.sin(2 * np.pi * freq_hz * t + phase), (2, 1)), rate)


def noise(amplitude, duration_s=1.0, rate=RATE, seed=0):
    rng = np.random.default_rng(seed)
    return Audio(amplitude * rng.standard_normal((2, round(duration_s * rate))), rate)


def clicks():
    rng = np.random.default_rng(2)
    return Audio(np.where(rng.random((2, RATE)) < 1e-3, 4.0, 0.0), RATE)


HARD = {
    "quiet": noise(0.1),
    "noise": noise(1.0),
    "noise at 96 kHz": noise(1.0, rate=96_000),
    "noise at 8 kHz": noise(1.0, rate=8_000),
    "fs/4 between its samples": sine(RATE / 4, phase=np.pi / 4),
    "close to Nyquist": sine(20_500),
    "bass": sine(50),
    "square": Audio(2 * np.sign(sine(110).samples), RATE),
    "clicks": clicks(),
    "loud from the first sample": sine(1000, phase=np.pi / 2),
    "mono": Audio(noise(1.0).samples[:1], RATE),
    "one sample": Audio(np.full((2, 1), 3.0), RATE),
}


@pytest.mark.parametrize("name", HARD)
def test_limit_holds_the_ceiling_whatever_comes(name):
    audio = HARD[name]
    result = limit(audio.blocks, audio, CEILING_DBTP)
    out = result.signal.read()
    assert out.shape == audio.samples.shape
    # By the limiter's own filter 0.02 dB; by another one, which differs close to Nyquist, 0.05.
    assert result.true_peak_dbtp <= CEILING_DBTP + TOLERANCE_DB
    assert true_peak_dbtp(out) <= CEILING_DBTP + 0.05


@pytest.mark.parametrize("name", ["bass", "square", "clicks", "loud from the first sample"])
def test_one_run_is_exact_unless_the_sound_is_close_to_nyquist(name):
    out, _ = limited(HARD[name])
    assert true_peak_dbtp(out) == pytest.approx(CEILING_DBTP, abs=0.02)


def test_below_the_ceiling_not_a_bit_changes():
    audio = noise(0.1)
    assert true_peak_dbtp(audio.samples) < CEILING_DBTP
    out, limiter = limited(audio)
    np.testing.assert_array_equal(out, audio.samples)
    assert limiter.max_reduction_db == 0


def test_far_from_a_peak_not_a_bit_changes():
    samples = noise(0.1, 2.0).samples.copy()
    samples[:, RATE] = 4.0
    out, limiter = limited(Audio(samples, RATE))
    # Look-ahead 4 ms before; hold 8 ms and twelve time constants of 50 ms after: e^-12 of 12 dB.
    before, after = RATE - round(0.005 * RATE), RATE + round(0.65 * RATE)
    np.testing.assert_array_equal(out[:, :before], samples[:, :before])
    np.testing.assert_array_equal(out[:, after:], samples[:, after:])
    assert np.abs(out[0, RATE]) < 1
    assert limiter.max_reduction_db > 12


def test_it_only_ever_turns_down_and_both_sides_alike():
    audio = noise(0.7)
    samples = audio.samples * np.array([[1.0], [0.3]], np.float32)
    out, _ = limited(Audio(samples, RATE))
    gain = out / samples
    assert gain.max() <= 1
    np.testing.assert_allclose(gain[0], gain[1], rtol=1e-5)


@pytest.mark.parametrize("freq_hz", [50, 100, 1000])
def test_a_steady_tone_is_turned_down_without_distortion(freq_hz):
    out, _ = limited(sine(freq_hz, duration_s=2.0))
    spectrum = np.abs(np.fft.rfft(out[0, -RATE:] * np.hanning(RATE)))
    tone = spectrum[freq_hz - 3 : freq_hz + 4].copy()
    spectrum[freq_hz - 3 : freq_hz + 4] = 0
    # The hold of 12 ms spans a half-wave above 42 Hz: without it, 50 Hz has -39 dB.
    assert 10 * np.log10(np.sum(spectrum**2) / np.sum(tone**2)) < -100


@pytest.mark.parametrize("release_ms", [10.0, 50.0, 500.0])
def test_the_reduction_falls_to_37_percent_in_the_release_time(release_ms):
    samples = np.full((1, 2 * RATE), 0.01)
    samples[0, 4000:4100] = 2.0
    out, _ = limited(Audio(samples, RATE), release_ms=release_ms)
    reduction_db = -20 * np.log10(out[0] / samples[0])
    start = 4100 + round(0.02 * RATE)  # past hold and look-ahead
    later = start + round(release_ms / 1000 * RATE)
    assert reduction_db[later] / reduction_db[start] == pytest.approx(np.exp(-1), abs=0.01)


def test_the_block_size_changes_no_bit():
    audio = noise(1.0, 0.3)
    expected, _ = limited(audio)
    for block in (1, 333, 8_192, 8_193):
        np.testing.assert_array_equal(limited(audio, block=block)[0], expected)


# ------------------------------------------------------------------------ wave shaping


def shaped(audio, curve):
    blocks = shape(audio.blocks(), curve, audio.channels, audio.n_samples)
    return np.concatenate(list(blocks), axis=1)


def test_below_the_knee_the_soft_clip_changes_no_bit():
    audio = noise(0.1)
    clip = SoftClip(-0.5)
    np.testing.assert_array_equal(shaped(audio, clip), audio.samples)
    assert clip.max_reduction_db == 0


def test_the_soft_clip_is_smooth_odd_rising_and_ends_at_its_ceiling():
    clip = SoftClip(0.0, knee=0.7)
    x = np.linspace(-3, 3, 6001, dtype=np.float32)
    y = clip(x[None])[0].astype(np.float64)
    slope = np.diff(y) / np.diff(x)
    np.testing.assert_allclose(y, -y[::-1], atol=1e-6)
    assert np.abs(y).max() <= 1
    assert slope.min() >= -1e-4  # float32 steps
    assert np.abs(np.diff(slope)).max() < 0.01  # no corner: a hard clip's is 1
    # f(3) = 0.7 + 0.3 tanh(2.3 / 0.3)
    expected_db = 20 * np.log10(3 / (0.7 + 0.3 * np.tanh(2.3 / 0.3)))
    assert clip.max_reduction_db == pytest.approx(expected_db, abs=1e-4)


def test_harmonics_above_nyquist_do_not_fold_back():
    audio = sine(10_000, amplitude=1.0)
    out = shaped(audio, np.tanh)[0, 4_096 : 4_096 + 22_050]
    spectrum = np.abs(np.fft.rfft(out * np.blackman(22_050)))
    level_db = 20 * np.log10(spectrum / spectrum.max() + 1e-12)
    # The third harmonic, 30 kHz at -27 dB, would fold to 14.1 kHz (bins are 2 Hz wide).
    assert level_db[14_100 // 2] < -100
    plain = np.abs(np.fft.rfft(np.tanh(audio.samples[0, :22_050]) * np.blackman(22_050)))
    assert 20 * np.log10(plain[14_100 // 2] / plain.max()) > -40


# ------------------------------------------------------------------------ spool


def test_a_spool_gives_back_what_went_in():
    audio = noise(1.0, 0.2)
    spool = Spool(audio.blocks(777), RATE, 2)
    assert isinstance(spool, Signal)
    assert spool.n_samples == audio.n_samples
    np.testing.assert_array_equal(np.concatenate(list(spool.blocks(1000)), axis=1), audio.samples)
    for start, stop in ((0, None), (5, 10), (8_000, 99_999), (9_000, 9_000), (99_999, None)):
        np.testing.assert_array_equal(spool.read(start, stop), audio.read(start, stop))
    assert not spool.read().flags.writeable


def test_two_readers_of_a_spool_do_not_disturb_each_other():
    audio = noise(1.0, 0.2)
    spool = Spool(audio.blocks(), RATE, 2)
    for one, other in zip(spool.blocks(1000), spool.blocks(1000), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_full_disk_is_said_in_a_sentence(monkeypatch):
    class Full:
        def write(self, _data):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(DiskFullError, match="TMPDIR"):
        Spool(noise(1.0).blocks(), RATE, 2)
