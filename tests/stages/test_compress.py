"""`compress`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.stages.compress import compress
from stemfx.testing import apply, check_stage, null_db, rms_dbfs, tone

HARD = {"threshold_db": -20.0, "ratio": 4.0, "knee_db": 0.0}


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


def test_half_a_mix_is_the_mean_of_dry_and_wet():
    audio = step(-30, -6)
    wet, _ = apply(compress, audio, makeup_db=4.0, **HARD)
    half, _ = apply(compress, audio, makeup_db=4.0, mix=0.5, **HARD)
    assert null_db(Audio(0.5 * (audio.samples + wet.samples), 44_100), half) < -120


def test_makeup_lifts_everything():
    audio = tone(1000, peak_dbfs=-40)
    out, _ = apply(compress, audio, makeup_db=6.0)
    assert rms_dbfs(out) - rms_dbfs(audio) == pytest.approx(6.0, abs=0.01)


def test_a_side_chain_steers_instead_of_the_track():
    quiet, loud = tone(300, peak_dbfs=-40), tone(1000, peak_dbfs=-10)
    out, _ = apply(compress, quiet, sidechains={"drums": loud}, by="drums", **HARD)
    assert rms_dbfs(out, 0.5) - rms_dbfs(quiet, 0.5) == pytest.approx(-7.5, abs=0.1)


def test_the_side_chain_is_an_edge_that_the_plan_can_see():
    assert compress.references("track") == ("by",)


def test_a_side_chained_compressor_keeps_every_law():
    check_stage(compress, by="drums", threshold_db=-30.0)


def test_it_reports_the_reduction_in_db():
    _, context = apply(compress, tone(1000, peak_dbfs=-10, duration_s=2.0), **HARD)
    assert context.measurements["max_gain_reduction_db"] == pytest.approx(7.5, abs=0.05)
    assert context.measurements["mean_gain_reduction_db"] == pytest.approx(7.5, abs=0.2)
    assert context.measurements["active_percent"] == pytest.approx(100.0, abs=0.2)
