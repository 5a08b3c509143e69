"""Loudness, peaks and stereo from moment to moment."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.health import examine
from stemfx.health.over_time import MOMENTARY_S, SHORT_TERM_S

RATE = 16_000


def tone(hz: float, seconds: float, amplitude: float = 0.1) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)


@pytest.fixture(scope="module")
def health():
    """Four seconds in phase, then four seconds upside down and 6 dB louder."""
    quiet, loud = tone(997, 4), tone(997, 4, 0.2)
    left, right = np.concatenate((quiet, loud)), np.concatenate((quiet, -loud))
    return examine(Audio(np.stack((left, right)).astype(np.float32), RATE))


def test_momentary_and_short_term_are_those_of_the_meter(health):
    momentary = health.over_time.lufs(MOMENTARY_S)
    short_term = health.over_time.lufs(SHORT_TERM_S)
    # EBU 3341, case 1: 1 kHz in both channels reads as its peak does in dBFS.
    assert momentary[5] == pytest.approx(20 * np.log10(0.1), abs=0.02)
    assert momentary[50] - momentary[5] == pytest.approx(20 * np.log10(2), abs=0.01)
    assert len(momentary) == 80 - 3
    assert len(short_term) == 80 - 29
    assert momentary.max() == pytest.approx(health.level.max_momentary_lufs, abs=0.01)
    assert short_term.max() == pytest.approx(health.level.max_short_term_lufs, abs=0.01)


def test_correlation_over_time_turns_where_the_polarity_does(health):
    rho = health.over_time.correlation()
    assert rho[:37] == pytest.approx(1.0, abs=1e-6)
    assert rho[40:] == pytest.approx(-1.0, abs=1e-6)
    assert health.over_time.column_correlation(2) == pytest.approx([1.0, -1.0], abs=1e-6)


def test_a_column_is_as_loud_as_its_stretch(health):
    quiet, loud = health.over_time.column_lufs(2)
    assert loud - quiet == pytest.approx(20 * np.log10(2), abs=0.01)
    assert len(health.over_time.column_lufs(1000)) == 80


def test_the_highest_true_peak_over_time_is_that_of_the_whole(health):
    peaks = health.over_time.true_peaks_dbtp()
    assert len(peaks) == 80
    assert peaks.max() == pytest.approx(health.level.true_peak_dbtp, abs=1e-9)


def test_nothing_is_told_over_time_of_a_click_in_mono():
    health = examine(Audio(np.full((1, 100), 0.5, np.float32), RATE))
    assert len(health.over_time.lufs(MOMENTARY_S)) == 0
    assert len(health.over_time.correlation()) == 0
    assert len(health.over_time.column_lufs(40)) == 0


def test_correlation_is_not_told_where_nothing_is_heard():
    samples = np.zeros((2, 2 * RATE), np.float32)
    samples[:, :RATE] = tone(440, 1)
    rho = examine(Audio(samples, RATE)).over_time.correlation()
    assert np.isfinite(rho[:10]).all()
    assert np.isnan(rho[10:]).all()


def test_flat_tops_are_told_where_they_are():
    samples = np.stack((tone(100, 4, 0.5), tone(100, 4, 0.5)))
    samples[1, 2 * RATE : 3 * RATE] *= 4.0
    samples = np.clip(samples, -1.0, 1.0).astype(np.float32)
    clipping = examine(Audio(samples, RATE)).level.clipping
    channels, at_s = clipping.places[:, 0], clipping.places[:, 1] / RATE
    assert set(channels) == {1}
    frame_s = 2048 / RATE
    assert (at_s > 2 - frame_s).all()
    assert (at_s < 3).all()
    assert len(at_s) == pytest.approx(1 / frame_s, abs=2)


def test_hum_is_told_at_the_frequencies_of_its_lines():
    rng = np.random.default_rng(0)
    hum = sum(tone(60.06 * k, 12, 0.01 / k) for k in (1, 2, 3))
    samples = (hum + 1e-4 * rng.standard_normal(hum.size))[None].astype(np.float32)
    lines_hz = examine(Audio(samples, RATE)).material.hum.lines_hz
    assert lines_hz == pytest.approx([60.06, 120.12, 180.18], abs=0.1)
