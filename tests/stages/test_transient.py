"""`transient`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.stages.transient import transient
from stemfx.testing import apply, null_db, rms_dbfs, tone

RATE = 44_100


def hits(every_s=1.0, t60_s=0.6, n_hits=3, freq_hz=200.0):
    """Decaying tones: 60 dB in `t60_s`."""
    t = np.arange(round(every_s * RATE)) / RATE
    hit = 0.5 * np.cos(2 * np.pi * freq_hz * t) * 10 ** (-3 * t / t60_s)
    return Audio(np.tile(np.tile(hit, n_hits), (2, 1)).astype(np.float32), RATE)


def change_db(audio, out, start_s, stop_s):
    return rms_dbfs(out, start_s, stop_s) - rms_dbfs(audio, start_s, stop_s)


@pytest.mark.parametrize("attack_db", [-6.0, 6.0])
def test_the_attack_gain_applies_to_the_first_milliseconds_of_a_hit(attack_db):
    audio = hits()
    out, _ = apply(transient, audio, attack_db=attack_db)
    for onset_s in (1.0, 2.0):
        assert change_db(audio, out, onset_s + 0.001, onset_s + 0.008) == pytest.approx(
            attack_db, abs=0.3
        )


def test_the_attack_gain_leaves_the_decay_alone():
    audio = hits()
    out, _ = apply(transient, audio, attack_db=6.0)
    assert change_db(audio, out, 1.15, 1.9) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("sustain_db", [-6.0, 6.0])
def test_the_sustain_gain_applies_to_the_decay_and_not_to_the_onset(sustain_db):
    audio = hits()
    out, _ = apply(transient, audio, sustain_db=sustain_db)
    assert change_db(audio, out, 1.001, 1.008) == pytest.approx(0.0, abs=0.05)
    # At 100 dB/s the copy lags by 15 (1 - e^(-t/150 ms)) dB: 13.5 dB after 350 ms, 15 at last.
    for after_ms in (350, 550):
        share = (15 * (1 - np.exp(-after_ms / 150)) - 3) / 12
        at = 1 + after_ms / 1000
        assert change_db(audio, out, at - 0.005, at + 0.005) == pytest.approx(
            share * sustain_db, abs=0.2
        )


def test_what_lies_60_db_under_the_peak_is_neither_onset_nor_decay():
    audio = hits(t60_s=0.3)
    hiss = 0.5 * 10 ** (-70 / 20) * np.random.default_rng(0).uniform(-1, 1, audio.samples.shape)
    noisy = Audio(audio.samples + hiss.astype(np.float32), RATE)
    out, _ = apply(transient, noisy, attack_db=6.0, sustain_db=6.0)
    assert change_db(noisy, out, 1.9, 1.99) == pytest.approx(0.0, abs=0.5)


def test_quiet_hits_are_shaped_like_loud_ones():
    audio = hits(every_s=0.4, n_hits=4)  # no tail reaches the floor
    quiet = Audio(audio.samples * np.float32(0.1), RATE)
    loud_out, quiet_out = (apply(transient, a, attack_db=6.0)[0] for a in (audio, quiet))
    assert null_db(loud_out, Audio(quiet_out.samples / np.float32(0.1), RATE)) < -100  # float32


@pytest.mark.parametrize("freq_hz", [60.0, 440.0, 8000.0])
def test_a_steady_tone_is_left_alone(freq_hz):
    audio = tone(freq_hz, duration_s=2.0)
    out, _ = apply(transient, audio, attack_db=12.0, sustain_db=12.0)
    start = round(0.3 * RATE)
    assert np.array_equal(out.samples[:, start:], audio.samples[:, start:])


def test_it_reports_the_gains_it_applied():
    _, context = apply(transient, hits(), attack_db=6.0, sustain_db=-4.0)
    # What decays at 100 dB/s has all but reached its 15 dB of lag when it ends.
    assert context.measurements == pytest.approx({"max_gain_db": 6.0, "min_gain_db": -4.0}, abs=0.1)
