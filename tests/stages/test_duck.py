"""`duck`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.errors import StageError
from stemfx.stages.duck import duck
from stemfx.testing import apply, check_stage, example_audio, rms_dbfs, tone

PAD = tone(440.0, peak_dbfs=-20, duration_s=3.0)


def key(peak_dbfs=-12.0, start_s=1.0, stop_s=2.0, duration_s=3.0):
    """A tone that plays from `start_s` to `stop_s`."""
    samples = np.array(tone(200.0, peak_dbfs=peak_dbfs, duration_s=duration_s).samples)
    t = np.arange(samples.shape[1]) / 44_100
    samples[:, (t < start_s) | (t >= stop_s)] = 0.0
    return Audio(samples, 44_100)


def ducked(sidechain, audio=PAD, **params):
    return apply(duck, audio, sidechains={"vocals": sidechain}, by="vocals", **params)


def taken_db(out, start_s, stop_s):
    return rms_dbfs(PAD, start_s, stop_s) - rms_dbfs(out, start_s, stop_s)


@pytest.mark.parametrize("depth_db", [3.0, 12.0])
def test_the_depth_is_reached_while_the_key_plays(depth_db):
    out, _ = ducked(key(), depth_db=depth_db)
    assert taken_db(out, 1.1, 1.99) == pytest.approx(depth_db, abs=0.1)


def test_before_and_long_after_the_key_nothing_is_taken():
    out, _ = ducked(key(), release_ms=50.0)
    assert taken_db(out, 0.0, 0.98) == 0.0
    assert taken_db(out, 2.5, 3.0) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("peak_dbfs", [-50.0, -30.0, 0.0])
def test_the_loudness_of_the_key_does_not_matter(peak_dbfs):
    assert taken_db(ducked(key(peak_dbfs))[0], 1.1, 1.99) == pytest.approx(6.0, abs=0.1)


def test_the_look_ahead_is_there_before_the_key():
    # Attack 10 ms, look-ahead 30 ms: after three time constants 95 % of the way.
    out, _ = ducked(key(), attack_ms=10.0, look_ahead_ms=30.0)
    assert taken_db(out, 0.999, 1.001) == pytest.approx(6.0 * (1 - np.exp(-3)), abs=0.1)
    assert taken_db(out, 0.0, 0.969) == 0.0


def test_without_look_ahead_the_attack_starts_with_the_key():
    out, _ = ducked(key(), attack_ms=10.0, look_ahead_ms=0.0)
    # The frame in which the key begins may start up to 16 samples before it.
    assert taken_db(out, 0.99, 0.9996) == 0.0
    assert taken_db(out, 1.0095, 1.0105) == pytest.approx(6.0 * (1 - np.exp(-1)), abs=0.3)


def test_a_key_that_plays_only_within_the_first_look_ahead_is_not_overlooked():
    out, context = ducked(key(start_s=0.0, stop_s=0.01), attack_ms=1.0, look_ahead_ms=100.0)
    assert context.measurements["max_gain_reduction_db"] > 3.0
    assert taken_db(out, 0.0, 0.05) > 2.0


def test_the_release_time_is_37_percent_left():
    out, _ = ducked(key(), depth_db=12.0, release_ms=200.0, look_ahead_ms=0.0)
    assert taken_db(out, 2.198, 2.202) == pytest.approx(12.0 * np.exp(-1), abs=0.3)


def test_a_shorter_key_counts_as_silent_after_its_end():
    out, _ = ducked(key(duration_s=2.0), release_ms=50.0)
    assert out.n_samples == PAD.n_samples
    assert taken_db(out, 2.5, 3.0) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("peak_dbfs", [-90.0, -400.0])
def test_an_empty_key_ducks_nothing_and_says_so(peak_dbfs):
    out, context = ducked(key(peak_dbfs))
    assert np.array_equal(out.samples, PAD.samples)
    assert [finding.code for finding in context.findings] == ["key_silent"]
    assert "'vocals'" in context.findings[0].message


def test_what_lies_between_the_loud_hits_of_a_key_moves_nothing():
    hit, between = key(start_s=1.0, stop_s=1.05), key(peak_dbfs=-12 - 10, start_s=0.0, stop_s=3.0)
    dense = Audio(np.maximum(hit.samples, between.samples), 44_100)
    out, _ = ducked(dense)
    assert taken_db(out, 1.03, 1.05) == pytest.approx(6.0, abs=0.3)
    assert taken_db(out, 0.0, 0.9) == 0.0


def test_at_the_highest_threshold_the_peak_itself_still_gets_all_of_the_depth():
    out, _ = ducked(key(), threshold_db=-3.0)
    assert taken_db(out, 1.1, 1.99) == pytest.approx(6.0, abs=0.1)


def test_the_key_is_an_edge_that_the_plan_can_see():
    assert duck.references("track") == ("by",)


# ------------------------------------------------------------------ only a band


@pytest.mark.parametrize(
    ("freq_hz", "taken"),
    # (f/80)^4 and its like: the band of 40-160 Hz passes 0 dB at 80 Hz, and an octave outside its
    # edges 24.6 dB less at the least, where a gain of 1/4 takes at most 0.45 dB.
    [(80.0, 12.0), (640.0, 0.0), (3000.0, 0.0)],
)
def test_only_the_band_steps_back(freq_hz, taken):
    audio = tone(freq_hz, peak_dbfs=-20, duration_s=3.0)
    out, _ = ducked(key(), audio=audio, depth_db=12.0, low_hz=40.0, high_hz=160.0)
    lost_db = rms_dbfs(audio, 1.2, 1.9) - rms_dbfs(out, 1.2, 1.9)
    assert lost_db == pytest.approx(taken, abs=0.1)


@pytest.mark.parametrize(
    ("edges", "share"),
    # PAD is at 440 Hz; a Linkwitz-Riley low-pass passes 1 / (1 + (f / cutoff)^4), the band above
    # it the rest.
    [
        ({"low_hz": 1000.0}, 1 - 1 / (1 + 0.44**4)),
        ({"low_hz": 100.0}, 1 - 1 / (1 + 4.4**4)),
        ({"high_hz": 1000.0}, 1 / (1 + 0.44**4)),
        ({"high_hz": 100.0}, 1 / (1 + 4.4**4)),
    ],
)
def test_an_open_edge_takes_all_on_its_side(edges, share):
    out, _ = ducked(key(), audio=PAD, depth_db=12.0, **edges)
    expected_db = -20 * np.log10(1 - share * (1 - 10 ** (-12 / 20)))
    assert taken_db(out, 1.2, 1.9) == pytest.approx(expected_db, abs=0.1)


def test_where_nothing_ducks_a_band_leaves_every_bit_alone():
    audio = example_audio(3.0)
    out, _ = ducked(key(start_s=2.0, stop_s=2.5), audio=audio, low_hz=40.0, high_hz=150.0)
    until = round(1.98 * 44_100)
    assert np.array_equal(out.samples[:, :until], audio.samples[:, :until])
    assert not np.array_equal(out.samples, audio.samples)


def test_a_band_turns_no_phase():
    # A gain of g on a zero-phase band gives x + (g - 1) band: a tone keeps its zero crossings.
    audio = tone(80.0, peak_dbfs=-20, duration_s=3.0)
    out, _ = ducked(key(), audio=audio, depth_db=6.0, low_hz=40.0, high_hz=160.0)
    middle = slice(round(1.4 * 44_100), round(1.8 * 44_100))
    before, after = audio.samples[0, middle], out.samples[0, middle]
    gain = float(before @ after / (before @ before))
    assert gain == pytest.approx(10 ** (-6 / 20), abs=0.005)
    assert np.abs(after - gain * before).max() < 1e-3 * np.abs(before).max()


def test_edges_out_of_order_are_told():
    with pytest.raises(ValueError, match="low_hz 200 Hz is not below high_hz 100 Hz"):
        ducked(key(), low_hz=200.0, high_hz=100.0)


def test_an_edge_above_half_the_sample_rate_is_told():
    quiet = Audio(np.zeros((2, 8000), np.float32), 8000)
    with pytest.raises(StageError, match="high_hz: 5000 Hz is not below half the sample rate"):
        ducked(quiet, audio=quiet, high_hz=5000.0)


def test_a_band_keeps_every_law_of_a_stage():
    check_stage(duck, by="vocals", depth_db=9.0, low_hz=40.0, high_hz=300.0)
