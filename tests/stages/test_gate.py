"""`gate`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.stages.gate import gate
from stemfx.testing import apply, rms_dbfs, tone


def then(*levels_dbfs, each_s=1.0, freq_hz=1000.0):
    parts = [tone(freq_hz, peak_dbfs=level, duration_s=each_s).samples for level in levels_dbfs]
    return Audio(np.concatenate(parts, axis=1), 44_100)


def taken_db(audio, out, start_s, stop_s):
    return rms_dbfs(audio, start_s, stop_s) - rms_dbfs(out, start_s, stop_s)


def test_what_is_loud_is_the_same_bits():
    audio = tone(1000, peak_dbfs=-20)
    out, context = apply(gate, audio)
    assert np.array_equal(out.samples, audio.samples)
    assert not context.findings


def test_far_under_the_threshold_range_db_is_taken_and_no_more():
    audio = then(-20, -80)
    out, _ = apply(gate, audio, range_db=12.0)
    assert taken_db(audio, out, 1.8, 2.0) == pytest.approx(12.0, abs=0.1)


def test_a_little_under_the_threshold_the_ratio_decides():
    # 8 dB under, 1:2, knee 6 dB: 8 * (2 - 1) dB.
    audio = tone(1000, peak_dbfs=-53, duration_s=2.0)
    out, _ = apply(gate, audio, threshold_db=-45.0, ratio=2.0, range_db=30.0)
    assert taken_db(audio, out, 1.8, 2.0) == pytest.approx(8.0, abs=0.1)


def test_it_stays_open_for_the_hold_time():
    audio = then(-20, -70)
    out, _ = apply(gate, audio, hold_ms=300.0, release_ms=20.0)
    assert taken_db(audio, out, 1.0, 1.29) == pytest.approx(0.0, abs=0.01)
    assert taken_db(audio, out, 1.45, 1.6) == pytest.approx(12.0, abs=0.1)


def test_it_does_not_chatter_within_a_bass_note():
    # Between the half-waves of 40 Hz the frames go to zero, every 12.5 ms.
    audio = tone(40, peak_dbfs=-30)
    out, _ = apply(gate, audio, threshold_db=-36.0)
    assert np.array_equal(out.samples, audio.samples)


def test_it_opens_within_its_attack():
    audio = then(-80, -20)
    out, _ = apply(gate, audio, attack_ms=1.0)
    # 12 dB e^-5 = 0.08 dB are left after five time constants.
    assert taken_db(audio, out, 1.005, 1.02) == pytest.approx(0.0, abs=0.1)


def test_a_hard_gate_does_not_eat_the_transient():
    audio = then(-80, -20)
    out, context = apply(gate, audio, range_db=60.0, ratio=20.0, hold_ms=0.0)
    assert context.measurements["max_gain_reduction_db"] > 50
    # Open by 1 - e^-3 when the sound comes, of 60 dB: within a millisecond 1.1 dB are left.
    assert taken_db(audio, out, 1.0, 1.002) < 2.0
    assert taken_db(audio, out, 1.003, 1.006) < 0.2
    assert taken_db(audio, out, 0.9, 0.996) > 50


def test_the_default_says_nothing_and_a_hard_gate_is_pointed_out():
    audio = then(-20, -70)
    assert not apply(gate, audio)[1].findings
    _, context = apply(gate, audio, range_db=80.0, ratio=10.0)
    assert [(f.level, f.code) for f in context.findings] == [("info", "gate_hard")]


def test_a_gate_that_is_closed_nearly_always_is_a_warning():
    _, context = apply(gate, tone(1000, peak_dbfs=-60, duration_s=10.0), threshold_db=-20.0)
    assert [(f.level, f.code) for f in context.findings] == [("warn", "gate_mostly_closed")]


def test_silence_is_no_reason_for_a_warning():
    assert not apply(gate, Audio(np.zeros((2, 44_100), np.float32), 44_100))[1].findings
