"""`multiband`."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from stemfx.audio import Audio
from stemfx.dsp.loudness import measure
from stemfx.stages.multiband import multiband
from stemfx.testing import apply, example_audio, null_db, rms_dbfs, tone

RATE = 44_100


def response_db(**params):
    """Return frequencies and the gain at each, of a multiband that only has `gain_db`."""
    impulse = np.zeros((1, 1 << 16), np.float32)
    impulse[0, 1 << 15] = 1.0
    out, _ = apply(multiband, Audio(impulse, RATE), ratio=1.0, **params)
    spectrum = np.abs(np.fft.rfft(out.samples[0].astype(float)))
    return np.fft.rfftfreq(1 << 16, 1 / RATE)[1:], 20 * np.log10(spectrum[1:])


def step(*levels_dbfs, freq_hz=1000.0, each_s=1.0):
    parts = [
        tone(freq_hz, peak_dbfs=level, duration_s=each_s, channels=1).samples
        for level in levels_dbfs
    ]
    return Audio(np.concatenate(parts, axis=1), RATE)


def bands_of(*edges_hz, **rest):
    return [{"high_hz": hz} | rest for hz in edges_hz] + [rest]


# ------------------------------------------------------------------ neutral


@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
@pytest.mark.parametrize("edges_hz", [(500.0,), (60.0, 200.0, 700.0, 2500.0, 9000.0)])
def test_what_no_gain_is_at_work_on_keeps_its_bits(rate, edges_hz):
    # Split and summed, not passed by: the ratio is not 1, the threshold is out of reach.
    audio = example_audio(0.5, rate)
    quiet = Audio(np.float32(0.01) * audio.samples, rate)
    for signal in (quiet, Audio(quiet.samples[:1], rate)):
        out, context = apply(
            multiband, signal, bands=bands_of(*edges_hz, ratio=4.0, threshold_db=0.0)
        )
        assert np.array_equal(out.samples, signal.samples)
        assert [finding.code for finding in context.findings] == ["multiband_idle"]


def test_at_a_ratio_of_1_the_bits_come_back():
    audio = example_audio()
    out, _ = apply(multiband, audio, ratio=1.0, bands=[{"high_hz": 300.0}, {}])
    assert np.array_equal(out.samples, audio.samples)


# ------------------------------------------------------------------ crossover


@pytest.mark.parametrize("worked_on", range(4))
def test_a_cut_of_one_band_goes_over_into_its_neighbours_without_a_bump(worked_on):
    edges_hz = (120.0, 800.0, 4500.0)
    bands = bands_of(*edges_hz)
    bands[worked_on] = bands[worked_on] | {"gain_db": -6.0}
    freq_hz, gain_db = response_db(bands=bands)
    below = [1 / (1 + (freq_hz / hz) ** 4) for hz in edges_hz]
    share = np.diff([0 * freq_hz, *below, 0 * freq_hz + 1], axis=0)[worked_on]
    expected_db = 20 * np.log10(1 - (1 - 10 ** (-6 / 20)) * share)
    assert gain_db == pytest.approx(expected_db, abs=0.02)  # the taps end at -80 dB
    turns = np.flatnonzero(np.diff(np.sign(np.diff(expected_db))))
    assert len(turns) <= 1  # one valley, so no bump: the expected curve itself has none


def test_an_octave_outside_its_band_a_tone_is_left_with_24_6_db_less_of_the_change():
    bands = [{"high_hz": 500.0, "gain_db": -12.0}]
    audio = tone(1000.0, duration_s=1.0)
    out, _ = apply(multiband, audio, ratio=1.0, bands=bands)
    change = 1 - (1 - 10 ** (-12 / 20)) / (1 + 2**4)
    change_db = rms_dbfs(out, 0.2, 0.8) - rms_dbfs(audio, 0.2, 0.8)
    assert change_db == pytest.approx(20 * np.log10(change), abs=0.01)


def test_what_comes_before_a_kick_is_60_db_under_it_10_ms_ahead():
    # The taps are symmetric: half of what rings, rings before. 60 dB in 10 ms is masked.
    t = np.arange(RATE // 2) / RATE
    kick = np.sin(2 * np.pi * (50 * t + 3 * (1 - np.exp(-t / 0.02)))) * np.exp(-8 * t)
    start = RATE // 2
    audio = Audio(np.float32([np.concatenate((np.zeros(start), kick))]), RATE)
    out, _ = apply(multiband, audio, ratio=1.0, bands=[{"high_hz": 120.0, "gain_db": -6.0}])
    ahead = np.abs(out.samples[0, : start - RATE // 100]).max()
    assert 20 * np.log10(ahead / np.abs(kick).max()) < -60


# ------------------------------------------------------------------ compression


@pytest.mark.parametrize(("freq_hz", "ratio"), [(60.0, 2.0), (400.0, 5.0), (8000.0, 3.0)])
def test_a_step_over_the_threshold_grows_by_one_over_the_ratio(freq_hz, ratio):
    # Make-up moves the quiet and the loud second alike. 10 dB over the threshold in rms; the
    # rest of the band's energy next door (-0.5 dB at most in the middle) is not compressed.
    edge_hz = min(4 * freq_hz, 20_000.0)
    audio = step(-60.0, -10.0, freq_hz=freq_hz)
    out, _ = apply(
        multiband, audio, bands=[{"high_hz": edge_hz, "ratio": ratio, "threshold_db": -23.01}]
    )
    rise_db = rms_dbfs(out, 1.6, 1.9) - rms_dbfs(out, 0.3, 0.9)
    assert rise_db == pytest.approx(50 - 10 * (1 - 1 / ratio), abs=0.3)


def test_a_band_listens_to_itself_alone():
    bass, treble = (
        step(-40.0, -10.0, freq_hz=60.0),
        tone(6000.0, peak_dbfs=-20, duration_s=2.0, channels=1),
    )
    both = Audio(bass.samples + treble.samples, RATE)
    out, _ = apply(multiband, both, bands=[{"high_hz": 500.0, "ratio": 4.0, "threshold_db": -30.0}])
    # The treble's share: what comes out, less its bass below 1 kHz.
    spectrum = np.fft.rfft(out.samples[0])
    spectrum[: 1000 * 2] = 0
    # At its step the bass itself has something up there: -58 dB of the treble.
    assert null_db(treble, Audio(np.float32([np.fft.irfft(spectrum)]), RATE)) < -50


def test_both_channels_get_one_gain_in_each_band():
    loud, quiet = step(-30.0, -6.0, freq_hz=500.0), step(-50.0, -50.0, freq_hz=700.0)
    audio = Audio(np.concatenate((loud.samples, quiet.samples)), RATE)
    out, _ = apply(multiband, audio, ratio=4.0, threshold_lu=-12.0, bands=[{"high_hz": 5000.0}])
    fall_db = [
        rms_dbfs(Audio(out.samples[row : row + 1], RATE), 1.6, 1.9)
        - rms_dbfs(Audio(out.samples[row : row + 1], RATE), 0.5, 0.9)
        for row in (0, 1)
    ]
    assert fall_db[0] < 24 - 4
    assert fall_db[1] == pytest.approx(fall_db[0] - 24, abs=0.05)


@pytest.mark.parametrize("ratio", [1.5, 4.0])
def test_each_band_keeps_its_energy(ratio):
    rng = np.random.default_rng(3)
    t = np.arange(4 * RATE) / RATE
    bursts = rng.standard_normal((2, t.size)) * (0.02 + 0.2 * np.exp(-9 * (t % 0.4)))
    audio = Audio(np.float32(bursts), RATE)
    out, context = apply(multiband, audio, ratio=ratio)
    power = [np.square(np.abs(np.fft.rfft(a.samples))).sum(axis=0) for a in (audio, out)]
    freq_hz = np.fft.rfftfreq(t.size, 1 / RATE)
    assert context.measurements["max_gain_reduction_db"] > 1
    for centre_hz in (60, 310, 1900, 9000):  # the middle of each band, a third of an octave
        third = np.abs(np.log2(np.maximum(freq_hz, 1) / centre_hz)) < 1 / 6
        change_db = 10 * np.log10(power[1][third].sum() / power[0][third].sum())
        assert change_db == pytest.approx(0.0, abs=0.25)  # neighbours reach into the third


@pytest.mark.parametrize(("name", "ratio"), [("songs/neon_parade", 1.5), ("real/potassium", 3.0)])
def test_a_mix_stays_as_loud_as_it_was(corpus, name, ratio):
    import soundfile

    samples, rate = soundfile.read(corpus / name / "mix.flac", frames=15 * RATE, dtype="float32")
    audio = Audio(np.ascontiguousarray(samples.T), rate)
    out, context = apply(multiband, audio, ratio=ratio)
    change_lu = measure(out).lufs - measure(audio).lufs
    assert context.measurements["loudness_change_lu"] == pytest.approx(change_lu, abs=0.006)
    assert abs(change_lu) < 0.15


@pytest.mark.parametrize("gain_db", [-50.0, 15.0])
def test_thresholds_go_with_the_level_of_the_song(gain_db):
    audio, gain = example_audio(3.0), np.float32(10 ** (gain_db / 20))
    as_is, _ = apply(multiband, audio, ratio=3.0)
    moved, _ = apply(multiband, Audio(gain * audio.samples, RATE), ratio=3.0)
    assert null_db(Audio(gain * as_is.samples, RATE), moved) < -90  # float32 powers


def test_half_a_mix_takes_about_half():
    audio = example_audio(3.0)
    reports = [apply(multiband, audio, ratio=3.0, mix=mix)[1].measurements for mix in (1.0, 0.5)]
    makeup_db = [report["makeup_800_4500_hz_db"] for report in reports]
    assert 0.3 * makeup_db[0] < makeup_db[1] < 0.7 * makeup_db[0]


# ------------------------------------------------------------------ bands


def test_a_low_sample_rate_has_fewer_bands_and_they_reach_to_the_top():
    audio = example_audio(1.0, 8000)
    _, context = apply(multiband, audio)
    names = [n for n in context.measurements if n.startswith("threshold_")]
    assert names == [
        "threshold_0_120_hz_dbfs",
        "threshold_120_800_hz_dbfs",
        "threshold_800_4000_hz_dbfs",
    ]


def test_above_the_last_band_nothing_is_changed():
    audio = example_audio(2.0)
    out, context = apply(multiband, audio, ratio=6.0, threshold_lu=-6.0, bands=[{"high_hz": 100.0}])
    assert context.measurements["max_reduction_100_22050_hz_db"] == 0
    change = np.abs(np.fft.rfft(out.samples[0] - audio.samples[0]))
    freq_hz = np.fft.rfftfreq(audio.n_samples, 1 / RATE)
    assert change[freq_hz < 100].max() > 1e3 * change[freq_hz > 2000].max()


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        ([{"high_hz": 500.0}, {"high_hz": 200.0}], "200 Hz after 500 Hz"),
        ([{}, {"high_hz": 200.0}], "only the last one"),
        ([{"threshold_db": -20.0, "threshold_lu": 0.0}], "exclude each other"),
    ],
)
def test_bands_that_make_no_sense_are_refused(bands, message):
    with pytest.raises(ValidationError, match=message):
        multiband.params.model_validate({"bands": bands})
