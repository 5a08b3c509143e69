"""`compress`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.loudness import measure
from stemfx.stages.compress import compress
from stemfx.testing import apply, check_stage, example_audio, null_db, rms_dbfs, tone

HARD = {"threshold_db": -20.0, "ratio": 4.0, "knee_db": 0.0, "makeup_db": 0.0}


def peak_out(audio, **params):
    """Return the peak in dBFS of a steady tone, once the compressor has settled."""
    out, _ = apply(compress, audio, **params)
    return rms_dbfs(out, 0.5) + 10 * np.log10(2)


def step(*levels_dbfs, each_s=0.5, freq_hz=1000.0):
    parts = [tone(freq_hz, peak_dbfs=level, duration_s=each_s).samples for level in levels_dbfs]
    return Audio(np.concatenate(parts, axis=1), 44_100)


@pytest.mark.parametrize("freq_hz", [60.0, 1000.0, 10_000.0])
def test_a_tone_10_db_over_the_threshold_comes_out_2_5_db_over_at_4_to_1(freq_hz):
    # -20 + 10/4 = -17.5 dBFS, bass and treble alike: the detector bridges the half-waves.
    assert peak_out(tone(freq_hz, peak_dbfs=-10), **HARD) == pytest.approx(-17.5, abs=0.2)


@pytest.mark.parametrize("level_db", [-40.0, -26.0, -23.0, -20.0, -18.0, -14.0, -6.0])
@pytest.mark.parametrize("knee_db", [0.0, 6.0, 12.0])
def test_the_static_curve_has_the_quadratic_knee(level_db, knee_db):
    # Giannoulis et al. 2012, equation 4, threshold -20, ratio 4.
    over_db = level_db + 20
    if 2 * over_db <= -knee_db:
        expected_db = level_db
    elif 2 * over_db < knee_db:
        expected_db = level_db + (1 / 4 - 1) * (over_db + knee_db / 2) ** 2 / (2 * knee_db)
    else:
        expected_db = -20 + over_db / 4
    measured_db = peak_out(tone(1000, peak_dbfs=level_db), **(HARD | {"knee_db": knee_db}))
    assert measured_db == pytest.approx(expected_db, abs=0.1)


def test_what_stays_under_the_knee_is_the_same_bits():
    audio = tone(1000, peak_dbfs=-30)
    out, context = apply(compress, audio, threshold_db=-20.0, knee_db=6.0)
    assert np.array_equal(out.samples, audio.samples)
    assert [finding.code for finding in context.findings] == ["compress_idle"]
    assert "-30.0 dBFS" in context.findings[0].message


def test_both_channels_get_one_gain():
    loud, quiet = tone(500, peak_dbfs=-6).samples[0], tone(700, peak_dbfs=-40).samples[0]
    out, _ = apply(compress, Audio(np.stack((loud, quiet)), 44_100), **HARD)
    heard = np.abs(quiet) > 1e-3
    gain = out.samples[1][heard] / quiet[heard]
    # The quiet side alone is far under the threshold: its gain is that of the loud side.
    assert 20 * np.log10(gain[len(gain) // 2 :].mean()) == pytest.approx(-14 * 3 / 4, abs=0.2)


@pytest.mark.parametrize("attack_ms", [5.0, 30.0])
def test_the_attack_time_is_63_percent_of_the_way(attack_ms):
    out, _ = apply(compress, step(-60, -8), attack_ms=attack_ms, **HARD)
    at = 0.5 + attack_ms / 1000
    taken_db = -11.01 - rms_dbfs(out, at - 0.001, at + 0.001)
    assert taken_db == pytest.approx(9.0 * (1 - np.exp(-1)), abs=0.5)  # of 12 * 3/4 dB


@pytest.mark.parametrize("release_ms", [50.0, 200.0])
def test_the_release_time_is_37_percent_left(release_ms):
    out, _ = apply(compress, step(-8, -30), attack_ms=0.0, release_ms=release_ms, **HARD)
    at = 0.5 + release_ms / 1000
    taken_db = -33.01 - rms_dbfs(out, at - 0.002, at + 0.002)
    assert taken_db == pytest.approx(9.0 * np.exp(-1), abs=0.2)


@pytest.mark.parametrize(
    ("attack_ms", "release_ms"), [(1.0, 50.0), (10.0, 120.0), (30.0, 200.0), (30.0, 60.0)]
)
def test_the_release_time_holds_beside_any_shorter_attack(attack_ms, release_ms):
    out, _ = apply(compress, step(-8, -30), attack_ms=attack_ms, release_ms=release_ms, **HARD)
    taken_db = [
        -33.01 - rms_dbfs(out, at - 0.001, at + 0.001)
        for at in 0.5 + release_ms / 1000 * np.array([0.85, 1.15])
    ]
    assert taken_db[0] > 9.0 * np.exp(-1) > taken_db[1]  # within 15 % of what was asked


def test_half_a_mix_is_the_mean_of_dry_and_wet():
    audio = step(-30, -6)
    made_up = HARD | {"makeup_db": 4.0}
    wet, _ = apply(compress, audio, **made_up)
    half, _ = apply(compress, audio, mix=0.5, **made_up)
    assert null_db(Audio(0.5 * (audio.samples + wet.samples), 44_100), half) < -120


def test_makeup_lifts_everything():
    audio = tone(1000, peak_dbfs=-40)
    out, _ = apply(compress, audio, threshold_db=-20.0, makeup_db=6.0)
    assert rms_dbfs(out) - rms_dbfs(audio) == pytest.approx(6.0, abs=0.01)


@pytest.mark.parametrize("threshold", [{}, {"threshold_lu": -2.0}, {"threshold_db": -30.0}])
@pytest.mark.parametrize("ratio", [2.5, 20.0])
def test_automatic_makeup_keeps_the_loudness(threshold, ratio):
    audio = example_audio(4.0)
    out, context = apply(compress, audio, ratio=ratio, **threshold)
    assert context.measurements["max_gain_reduction_db"] > 3
    assert measure(out).lufs == pytest.approx(measure(audio).lufs, abs=0.01)


@pytest.mark.parametrize("mix", [0.25, 0.5, 0.75])
def test_in_parallel_the_loudness_stays_nearly(mix):
    # Two equally loud, in-phase signals of different shape add up to slightly less than either.
    audio = example_audio(4.0)
    out, _ = apply(compress, audio, ratio=4.0, mix=mix)
    assert measure(out).lufs == pytest.approx(measure(audio).lufs, abs=0.3)


def test_what_is_too_short_for_a_loudness_is_made_up_by_its_rms():
    audio = example_audio(0.3)
    out, context = apply(compress, audio, ratio=8.0, release_ms=20.0)
    assert context.measurements["max_gain_reduction_db"] > 3
    assert rms_dbfs(out) == pytest.approx(rms_dbfs(audio), abs=0.01)


@pytest.mark.parametrize("gain_db", [-30.0, 11.0])
def test_a_threshold_in_lu_goes_with_the_level_of_the_track(gain_db):
    audio, gain = example_audio(4.0), np.float32(10 ** (gain_db / 20))
    as_is, _ = apply(compress, audio, threshold_lu=2.0, ratio=4.0)
    moved, _ = apply(compress, Audio(gain * audio.samples, 44_100), threshold_lu=2.0, ratio=4.0)
    assert null_db(Audio(gain * as_is.samples, 44_100), moved) < -100  # float32


def test_the_threshold_in_lu_counts_from_the_integrated_loudness():
    audio = example_audio(4.0)
    _, context = apply(compress, audio, threshold_lu=4.0)
    expected = measure(audio).lufs + 4.0
    assert context.measurements["threshold_dbfs"] == pytest.approx(expected, abs=0.006)
    assert apply(compress, audio)[1].measurements["threshold_dbfs"] == pytest.approx(
        expected - 1.0, abs=0.006
    )


def test_with_a_side_chain_the_threshold_counts_from_the_loudness_of_the_key():
    audio, other = example_audio(2.0), tone(1000, peak_dbfs=-30)
    _, context = apply(compress, audio, sidechains={"drums": other}, by="drums")
    expected = measure(other).lufs + 3.0
    assert context.measurements["threshold_dbfs"] == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("threshold_lu", [-30.0, 3.0])
def test_a_silent_key_compresses_nothing(threshold_lu):
    audio, silence = example_audio(), Audio(np.zeros((2, 44_100), np.float32), 44_100)
    out, _ = apply(
        compress, audio, sidechains={"drums": silence}, by="drums", threshold_lu=threshold_lu
    )
    assert np.array_equal(out.samples, audio.samples)


def test_two_thresholds_are_an_error():
    with pytest.raises(ValueError, match="exclude each other"):
        apply(compress, tone(1000), threshold_lu=3.0, threshold_db=-20.0)


def test_a_side_chain_steers_instead_of_the_track():
    quiet, loud = tone(300, peak_dbfs=-40), tone(1000, peak_dbfs=-10)
    out, _ = apply(compress, quiet, sidechains={"drums": loud}, by="drums", **HARD)
    assert rms_dbfs(out, 0.5) - rms_dbfs(quiet, 0.5) == pytest.approx(-7.5, abs=0.1)


def test_the_side_chain_is_an_edge_that_the_plan_can_see():
    assert compress.references("track") == ("by",)


def test_a_side_chained_compressor_keeps_every_law():
    check_stage(compress, by="drums", threshold_db=-30.0)
    check_stage(compress, by="drums", threshold_lu=-3.0)


def test_it_reports_the_reduction_in_db():
    _, context = apply(compress, tone(1000, peak_dbfs=-10, duration_s=2.0), **HARD)
    assert context.measurements["max_gain_reduction_db"] == pytest.approx(7.5, abs=0.05)
    assert context.measurements["mean_gain_reduction_db"] == pytest.approx(7.5, abs=0.2)
    assert context.measurements["active_percent"] == pytest.approx(100.0, abs=0.2)
