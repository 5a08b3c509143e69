"""The meter against its standards: ITU-R BS.1770-5, EBU Tech 3341 v4 and 3342, synthesised."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.filters import response
from stemfx.dsp.loudness import (
    LevelMeter,
    LoudnessMeter,
    TruePeakMeter,
    k_weighting,
    measure,
)

RATE = 48_000
TOLERANCE_LU = 0.1  # Tech 3341, table 1


def tone(*parts, rate=RATE, channels=2, freq_hz=1000.0):
    """Join stretches `(seconds, peak_dbfs)` of one sine, in phase on all channels."""
    levels = [np.full(round(s * rate), 10 ** (db / 20)) for s, db in parts]
    envelope = np.concatenate(levels)
    sine = np.sin(2 * np.pi * freq_hz / rate * np.arange(len(envelope)))
    return Audio(np.tile(envelope * sine, (channels, 1)), rate)


SILENCE = -np.inf

# ------------------------------------------------------------------------ Tech 3341

INTEGRATED = {
    "1": [(20, -23)],
    "3": [(10, -36), (60, -23), (10, -36)],
    "4": [(10, -72), (10, -36), (60, -23), (10, -36), (10, -72)],
    "5": [(20, -26), (20.1, -20), (20, -26)],
}


@pytest.mark.parametrize("case", INTEGRATED)
def test_3341_integrated_loudness_is_minus_23(case):
    assert measure(tone(*INTEGRATED[case])).lufs == pytest.approx(-23, abs=TOLERANCE_LU)


@pytest.mark.parametrize(("case", "level"), [("1", -23), ("2", -33)])
def test_3341_a_steady_tone_reads_the_same_in_every_window(case, level):
    reading = measure(tone((20, level)))
    for value in (reading.lufs, reading.max_momentary_lufs, reading.max_short_term_lufs):
        assert value == pytest.approx(level, abs=TOLERANCE_LU)


def test_3341_case_6_surrounds_weigh_one_and_a_half_db_more():
    levels = (-28, -28, -24, -30, -30)  # L R C Ls Rs
    channels = [tone((20, db), channels=1).samples for db in levels]
    meter = LoudnessMeter(RATE, 5, weights=(1, 1, 1, 1.41, 1.41))
    meter.add(np.concatenate(channels))
    assert meter.lufs() == pytest.approx(-23, abs=TOLERANCE_LU)


def test_3341_case_9_short_term_is_constant_after_3_s():
    meter = LoudnessMeter(RATE, 2)
    meter.add(tone(*[(1.34, -20), (1.66, -30)] * 5).samples)
    np.testing.assert_allclose(meter.short_term(), -23, atol=TOLERANCE_LU)


@pytest.mark.parametrize("i", range(0, 20, 3))
def test_3341_case_10_finds_the_loudest_3_s_wherever_it_begins(i):
    reading = measure(tone((i * 0.15, SILENCE), (3, -23), (1, SILENCE)))
    assert reading.max_short_term_lufs == pytest.approx(-23, abs=TOLERANCE_LU)


def test_3341_case_11_short_term_maximum_follows_while_it_runs():
    meter = LoudnessMeter(RATE, 2)
    for i in range(20):
        meter.add(tone((i * 0.15, SILENCE), (3, -38 + i)).samples)
        assert meter.max_short_term_lufs == pytest.approx(-38 + i, abs=TOLERANCE_LU)


def test_3341_case_12_momentary_is_constant_after_1_s():
    meter = LoudnessMeter(RATE, 2)
    meter.add(tone(*[(0.18, -20), (0.22, -30)] * 25).samples)
    np.testing.assert_allclose(meter.momentary()[60:], -23, atol=TOLERANCE_LU)


@pytest.mark.parametrize("i", range(20))
def test_3341_case_13_finds_the_loudest_400_ms_wherever_it_begins(i):
    reading = measure(tone((i * 0.02, SILENCE), (0.4, -23), (1, SILENCE)))
    assert reading.max_momentary_lufs == pytest.approx(-23, abs=TOLERANCE_LU)


def test_3341_case_14_momentary_maximum_follows_while_it_runs():
    meter = LoudnessMeter(RATE, 2)
    for i in range(20):
        meter.add(tone((i * 0.02, SILENCE), (0.4, -38 + i)).samples)
        assert meter.max_momentary_lufs == pytest.approx(-38 + i, abs=TOLERANCE_LU)


def faded(x):
    ramp = np.minimum(1, np.arange(len(x)) / (0.01 * RATE))  # 10 ms, as 3341 says
    return Audio(np.tile(x * ramp * ramp[::-1], (2, 1)), RATE)


@pytest.mark.parametrize(
    ("case", "divisor", "amplitude", "phase_deg", "expected_dbtp"),
    [
        ("15", 4, 0.50, 0.0, -6.0),
        ("16", 4, 0.50, 45.0, -6.0),
        ("17", 6, 0.50, 60.0, -6.0),
        ("18", 8, 0.50, 67.5, -6.0),
        ("19", 4, 1.41, 45.0, 3.0),
    ],
)
def test_3341_true_peak_of_a_sine_is_its_amplitude(
    case, divisor, amplitude, phase_deg, expected_dbtp
):
    x = amplitude * np.sin(2 * np.pi * np.arange(RATE) / divisor + np.radians(phase_deg))
    measured = measure(faded(x)).true_peak_dbtp
    assert expected_dbtp - 0.4 <= measured <= expected_dbtp + 0.2  # Tech 3341, table 1


@pytest.mark.parametrize("offset", range(4))
def test_3341_cases_20_to_23_a_peak_between_samples_is_found_at_any_offset(offset):
    from scipy.signal import firwin, oaconvolve

    fine = np.arange(4 * RATE)
    low = 0.5 * np.sin(2 * np.pi * fine / 24)  # fs/6, written at 4 fs
    burst = np.sin(2 * np.pi * np.arange(16) / 16)  # one period of fs/4 at full scale
    start = 24 * 4000
    fine_signal = np.concatenate((low[:start], burst, low[:start]))
    band_limited = oaconvolve(fine_signal, firwin(1023, 0.25), mode="same")
    measured = measure(faded(band_limited[offset::4])).true_peak_dbtp
    assert -0.4 <= measured <= 0.2


# ------------------------------------------------------------------------ Tech 3342


@pytest.mark.parametrize(
    ("levels", "expected_lu"),
    [((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20), ((-50, -35, -20, -35, -50), 15)],
)
def test_3342_loudness_range(levels, expected_lu):
    assert measure(tone(*[(20, db) for db in levels])).lra_lu == pytest.approx(expected_lu, abs=1)


# ------------------------------------------------------------------------ BS.1770


def test_the_weighting_at_48_khz_is_the_standards_own_table():
    # BS.1770-5, tables 1 and 2: the de Man prototypes are within 3e-6 of the rounded table.
    shelf_b = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    shelf = (shelf_b, [-1.69065929318241, 0.73248077421585])
    high_pass = ([1, -2, 1], [-1.99004745483398, 0.99007225036621])
    table = [[*b, 1, *a] for b, a in (shelf, high_pass)]
    np.testing.assert_allclose(k_weighting(48_000), table, atol=3e-6)


@pytest.mark.parametrize("rate", [32_000, 44_100, 96_000, 192_000])
def test_the_weighting_is_the_same_at_every_rate(rate):
    # The bilinear transform bends frequencies near Nyquist: 2 kHz is far enough from it.
    freq_hz = np.array([30.0, 100.0, 500.0, 1000.0, 2000.0])
    here, there = (
        20 * np.log10(np.abs(response(k_weighting(r), freq_hz, r))) for r in (rate, 48_000)
    )
    np.testing.assert_allclose(here, there, atol=0.05)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_full_scale_tone_on_one_side_reads_minus_3_01(rate):
    x = tone((5, 0), rate=rate, freq_hz=997).samples.copy()
    x[1] = 0
    # BS.1770's calibration. The bilinear transform bends the shelf's foot by 0.02 dB at 96 kHz.
    assert measure(Audio(x, rate)).lufs == pytest.approx(-3.01, abs=0.02)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000])
def test_it_agrees_with_pyloudnorm(rate):
    pyloudnorm = pytest.importorskip("pyloudnorm")
    rng = np.random.default_rng(rate)
    swell = np.interp(np.arange(6 * rate) / rate, [0, 2, 3, 4, 6], [0.01, 0.3, 0.001, 0.5, 0.02])
    x = (swell * rng.standard_normal((2, 6 * rate))).astype(np.float32)
    oracle = pyloudnorm.Meter(rate, filter_class="DeMan")
    expected = oracle.integrated_loudness(x.T.astype(np.float64))
    assert measure(Audio(x, rate)).lufs == pytest.approx(expected, abs=0.01)


def test_mono_is_one_loudspeaker():
    stereo, mono = tone((2, -20)), tone((2, -20), channels=1)
    assert measure(stereo).lufs - measure(mono).lufs == pytest.approx(3.0103, abs=1e-4)


def test_what_cannot_be_measured_is_none_and_goes_into_json():
    silent = measure(Audio(np.zeros((2, 5 * RATE)), RATE))
    assert set(asdict(silent).values()) == {None}
    assert silent.plr_lu is None
    short = measure(tone((0.399, -10)))
    assert short.lufs is None
    assert short.true_peak_dbtp == pytest.approx(-10, abs=0.1)
    assert measure(Audio(np.zeros((2, 0)), RATE)).lufs is None
    json.dumps(asdict(silent), allow_nan=False)


def test_0_4_s_is_long_enough():
    assert measure(tone((0.4, -23))).lufs == pytest.approx(-23, abs=TOLERANCE_LU)


def test_the_absolute_gate_is_at_minus_70():
    assert measure(tone((2, -69.5))).lufs == pytest.approx(-69.5, abs=TOLERANCE_LU)
    assert measure(tone((2, -70.5))).lufs is None


def test_a_gain_can_be_foretold_even_where_it_opens_the_gate():
    audio = tone((5, -80), (5, -60), (5, -75))
    meter = LoudnessMeter(RATE, 2)
    meter.add(audio.samples)
    for gain_db in (-5.0, 0.0, 12.0, 40.0):
        louder = Audio(audio.samples * 10 ** (gain_db / 20), RATE)
        assert meter.lufs(gain_db) == pytest.approx(measure(louder).lufs, abs=1e-4)
    gain_db = meter.gain_to(-23)
    assert meter.lufs(gain_db) == pytest.approx(-23, abs=1e-6)


# ------------------------------------------------------------------------ streaming


@pytest.mark.parametrize("rate", [44_100, 11_025])
@pytest.mark.parametrize("block", [1, 997, 4_410, 65_536])
def test_the_block_size_changes_no_bit_of_a_reading(rate, block):
    n_samples = 3 * rate if block > 1 else 6_000
    noise = np.random.default_rng(1).standard_normal((2, n_samples)).astype(np.float32)
    whole, cut = [], []
    for readings, size in ((whole, n_samples), (cut, block)):
        loudness, peaks = LoudnessMeter(rate, 2), TruePeakMeter(2)
        for start in range(0, n_samples, size):
            loudness.add(noise[:, start : start + size])
            peaks.add(noise[:, start : start + size])
        readings += [loudness.lufs(), loudness.max_momentary_lufs, loudness.lra_lu]
        readings += [peaks.true_peak, peaks.sample_peak]
    assert cut == whole


@pytest.mark.parametrize("join", range(1000, 1012))
def test_a_peak_at_a_join_of_blocks_is_found(join):
    # fs/4 at 45 degrees: every sample is 3.01 dB below the crest between it and the next.
    x = np.sin(np.pi / 2 * np.arange(2_000) + np.pi / 4) * np.hanning(2_000) ** 8
    audio = Audio(np.roll(x, join - 1000)[None], RATE)
    meter = TruePeakMeter(1)
    for block in (audio.read(0, join), audio.read(join)):
        meter.add(block)
    assert meter.true_peak_dbtp == pytest.approx(0, abs=0.05)
    assert meter.sample_peak_dbfs == pytest.approx(-3.01, abs=0.05)


def test_a_peak_in_the_last_samples_is_found():
    x = np.sin(np.pi / 2 * np.arange(400) + np.pi / 4)[None].astype(np.float32)
    meter = TruePeakMeter(1)
    meter.add(x)
    before_the_flush = meter._true_peak
    assert meter.true_peak > max(before_the_flush, meter.sample_peak)


def test_peak_to_loudness_ratio_of_a_tone_is_its_crest_factor():
    # Sine on both sides: peak 0 dBTP; loudness 0 LUFS by the standard's calibration.
    assert measure(tone((2, -20))).plr_lu == pytest.approx(0, abs=TOLERANCE_LU)


# ------------------------------------------------------------------ a level for everything


def level_of(samples, **options):
    meter = LevelMeter(RATE, len(samples), **options)
    meter.add(samples.astype(np.float32))
    return meter


def noise_of(n_samples, rms_dbfs):
    noise = np.random.default_rng(0).standard_normal((2, n_samples))
    return noise * 10 ** (rms_dbfs / 20) / np.sqrt(np.mean(noise**2))


def test_a_level_is_the_loudness_where_there_is_one():
    samples = noise_of(RATE, -20).astype(np.float32)
    assert level_of(samples).level_lufs == measure(Audio(samples, RATE)).lufs


@pytest.mark.parametrize(("duration_s", "rms_dbfs"), [(0.2, -20.0), (2.0, -90.0)])
def test_what_has_no_loudness_has_a_level_by_its_rms(duration_s, rms_dbfs):
    meter = level_of(noise_of(round(duration_s * RATE), rms_dbfs))
    assert meter.level_lufs == pytest.approx(rms_dbfs + 10 * np.log10(2) - 0.691, abs=0.01)


def test_silence_has_no_level_and_needs_no_gain():
    silence, noise = level_of(np.zeros((2, RATE))), level_of(noise_of(RATE, -20))
    assert silence.level_lufs is None
    assert silence.active_rms_dbfs is None
    assert silence.gain_to(noise) == noise.gain_to(silence) == 0.0


@pytest.mark.parametrize("duration_s", [0.2, 2.0])
def test_the_gain_to_another_signal_makes_it_as_loud(duration_s):
    quiet, loud = (noise_of(round(duration_s * RATE), rms) for rms in (-33.0, -21.5))
    assert level_of(quiet).gain_to(level_of(loud)) == pytest.approx(11.5, abs=0.01)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_active_rms_is_that_of_a_channel_without_its_pauses(channels):
    t = np.arange(4 * RATE) / RATE
    tone = np.tile(0.5 * np.sin(2 * np.pi * 50 * t), (channels, 1))  # K-weighting would cut it
    with_pause = np.pad(tone, ((0, 0), (0, 8 * RATE)))
    # Three of 40 windows reach into the pause, by 1.5 windows in all: 10 log(38.5 / 40) = -0.17 dB.
    level = level_of(with_pause, k_weighted=False).active_rms_dbfs
    assert level == pytest.approx(-9.03 - 0.17, abs=0.02)
