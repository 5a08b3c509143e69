"""`exciter`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.errors import StageError
from stemfx.stages.exciter import exciter
from stemfx.testing import apply, check_stage, example_audio, null_db, tone

RATE = 44_100


def spectrum(audio):
    """Return the magnitudes of a second in the middle of two, in bins of 1 Hz."""
    x = audio.samples[0, RATE // 2 : RATE // 2 + RATE].astype(np.float64)
    return np.abs(np.fft.rfft(x * np.blackman(RATE)))


def levels_db(freq_hz, *orders, **params):
    audio = tone(freq_hz, duration_s=2.0)
    before, after = spectrum(audio), spectrum(apply(exciter, audio, **params)[0])
    return [20 * np.log10(after[order * freq_hz] / before[freq_hz]) for order in orders]


@pytest.mark.parametrize("band", ["high", "low"])
def test_the_laws(band):
    check_stage(exciter, amount=1.0, band=band)


def test_no_amount_is_the_same_bits():
    audio = example_audio()
    assert np.array_equal(apply(exciter, audio, amount=0.0)[0].samples, audio.samples)


@pytest.mark.parametrize("peak_dbfs", [-6.0, -40.0])
def test_a_tone_gets_an_octave_at_the_amount_and_is_itself_left_alone(peak_dbfs):
    audio = tone(5000, peak_dbfs=peak_dbfs, duration_s=2.0)
    out, context = apply(exciter, audio, amount=0.2)
    before, after = spectrum(audio), spectrum(out)
    first, second, third = (20 * np.log10(after[5000 * n] / before[5000]) for n in (1, 2, 3))
    assert first == pytest.approx(0.0, abs=0.001)  # an EQ boost would show here
    assert second == pytest.approx(20 * np.log10(0.2), abs=0.2)  # the 4th has the rest
    assert third < -120
    assert context.measurements["harmonics_db"] == pytest.approx(20 * np.log10(0.2), abs=0.1)


def test_loud_moments_get_more_of_it_and_quiet_ones_no_boost():
    rng = np.random.default_rng(0)
    quiet = np.arange(4 * RATE) >= 2 * RATE
    noise = 0.1 * rng.standard_normal((2, 4 * RATE)) * np.where(quiet, 0.1, 1.0)
    out, _ = apply(exciter, Audio(noise, RATE), amount=0.5)
    added = out.samples.astype(np.float64) - noise
    loud_db, quiet_db = (
        20 * np.log10(np.std(added[:, part]) / np.std(noise[:, part]))
        for part in (slice(0, 80_000), slice(100_000, None))
    )
    # u tanh(u) is u^2 for small u: 20 dB less of it at -20 dB; for large u it is |u|.
    assert 8 < loud_db - quiet_db < 20


def test_what_is_below_the_frequency_stays():
    audio = example_audio(2.0)
    out, _ = apply(exciter, audio, amount=1.0, freq_hz=3000.0)
    freq_hz = np.fft.rfftfreq(audio.n_samples, 1 / RATE)
    window = np.hanning(audio.n_samples)  # or else the ends of the stretch spread over all bins
    added = np.abs(np.fft.rfft((out.samples - audio.samples) * window))
    below, above = (added[:, where] for where in (freq_hz < 2900, freq_hz > 4500))
    whole = np.sum(np.square(np.abs(np.fft.rfft(audio.samples * window))))
    assert 10 * np.log10(np.sum(below**2) / whole) < -95
    assert 10 * np.log10(np.sum(above**2) / whole) > -50


def test_nothing_folds_back():
    freq_hz = 9_001
    before = spectrum(tone(freq_hz, duration_s=2.0))[freq_hz]
    made = spectrum(apply(exciter, tone(freq_hz, duration_s=2.0), amount=1.0)[0])
    for true in (freq_hz, 2 * freq_hz):
        made[true - 3 : true + 4] = 0  # width of the window
    # The 4th to 40th harmonic, -20 dB and less, would fold down from above 22 kHz.
    assert 20 * np.log10(made.max() / before) < -80


def test_low_makes_harmonics_that_a_small_speaker_gives_back():
    first, third, fourth, fifteenth = levels_db(60, 1, 3, 4, 15, band="low", amount=0.5)
    assert first == pytest.approx(0.0, abs=0.001)
    assert -30 < fourth < third < -15
    assert fifteenth < -80  # 900 Hz is above the two and a half octaves


def test_it_does_the_same_to_a_quiet_song():
    audio, gain = example_audio(), np.float32(0.01)
    as_is, quieter = (
        apply(exciter, a, amount=0.5)[0] for a in (audio, Audio(gain * audio.samples, RATE))
    )
    assert null_db(Audio(gain * as_is.samples, RATE), quieter) < -100


def test_a_frequency_beyond_half_the_rate_is_refused():
    with pytest.raises(StageError, match=r"freq_hz: 16000 Hz is not below half"):
        apply(exciter, tone(100.0, sample_rate=22_050), freq_hz=16_000.0)
