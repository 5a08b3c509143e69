"""Equaliser curves against their analogue formulas, at the ends of every range."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from stemfx.dsp.equaliser import (
    Equaliser,
    bell,
    correction_taps,
    high_shelf,
    linear_phase_taps,
    low_shelf,
    magnitude,
    matched_sections,
)
from stemfx.dsp.filters import response

RATE = 44_100
FAR_HZ = 1e9


def db(curve, *freq_hz):
    return [float(20 * np.log10(x)) for x in magnitude(curve, np.array(freq_hz))]


# ------------------------------------------------------------------ the analogue curves


@pytest.mark.parametrize("gain_db", [-18.0, 3.0])
def test_a_bell_has_its_gain_at_its_centre_half_of_it_at_the_edges_and_none_far_away(gain_db):
    freq_hz, q = 16_000.0, 2.0
    # Edges f1 f2 = f0^2 and f2 - f1 = f0 / q.
    edge_hz = freq_hz * (1 / (2 * q) + np.sqrt(1 / (4 * q * q) + 1))
    assert db([bell(freq_hz, gain_db, q)], 0, freq_hz, edge_hz, FAR_HZ) == pytest.approx(
        [0, gain_db, gain_db / 2, 0], abs=1e-6
    )


@pytest.mark.parametrize("gain_db", [-12.0, 6.0])
def test_a_shelf_has_its_gain_at_one_end_half_at_its_frequency_none_at_the_other(gain_db):
    ends = [gain_db, gain_db / 2, 0.0]
    assert db([low_shelf(200.0, gain_db)], 0, 200, FAR_HZ) == pytest.approx(ends, abs=1e-6)
    assert db([high_shelf(5e3, gain_db)], FAR_HZ, 5e3, 0) == pytest.approx(ends, abs=1e-6)


# ------------------------------------------------------------------ their digital filters

CURVES = [
    [design(freq_hz, gain_db, q)]
    for design, freq_hz, gain_db, q in product(
        (bell, low_shelf, high_shelf),
        (20.0, 3000.0, 10_000.0, 16_000.0, 20_000.0),
        (-24.0, -3.0, 12.0),
        (0.1, 0.71, 3.0, 20.0),
    )
]
MANY = [low_shelf(60.0, 4.0), bell(2500.0, -6.0, 1.4), bell(15_000.0, 9.0, 2.0)]


def held_hz(sample_rate):
    return np.geomspace(20.0, min(20_000.0, 0.907 * sample_rate / 2), 400)


def minimum_phase_error_db(curve, sample_rate):
    freq_hz = held_hz(sample_rate)
    sections = response(matched_sections(curve, sample_rate), freq_hz, sample_rate)
    turns = np.exp(-2j * np.pi * freq_hz / sample_rate)
    correction = np.polyval(correction_taps(curve, sample_rate)[::-1], turns)
    return 20 * np.log10(np.abs(sections * correction) / magnitude(curve, freq_hz))


def test_minimum_phase_follows_the_analogue_curve_to_20_khz_whatever_the_band():
    worst = max(np.abs(minimum_phase_error_db(curve, RATE)).max() for curve in [*CURVES, MANY])
    assert worst < 0.05


@pytest.mark.parametrize("sample_rate", [8000, 192_000])
def test_minimum_phase_follows_the_analogue_curve_at_every_rate(sample_rate):
    curve = [low_shelf(60.0, 4.0), bell(300.0, -12.0, 3.0), bell(3500.0, 9.0, 1.0)]
    assert np.abs(minimum_phase_error_db(curve, sample_rate)).max() < 0.05


def test_poles_and_zeros_are_inside_the_circle():
    for curve in [*CURVES, MANY]:
        for section in matched_sections(curve, RATE):
            assert np.abs(np.roots(section[:3])).max() < 1
            assert np.abs(np.roots(section[3:])).max() < 1


@pytest.mark.parametrize("sample_rate", [8000, 44_100, 192_000])
def test_linear_phase_taps_are_symmetric_and_follow_the_analogue_curve(sample_rate):
    curves = [MANY[:2], [bell(3500.0, 12.0, 3.0)], [low_shelf(30.0, -6.0)]]
    for curve in curves + [MANY] * (sample_rate > 40_000):
        taps = linear_phase_taps(curve, sample_rate)
        assert taps == pytest.approx(taps[::-1], abs=1e-15)
        freq_hz = held_hz(sample_rate)[::4]
        place = np.arange(len(taps)) - len(taps) // 2
        reached = np.cos(2 * np.pi * np.outer(freq_hz / sample_rate, place)) @ taps
        assert np.abs(20 * np.log10(reached / magnitude(curve, freq_hz))).max() < 0.06


@pytest.mark.parametrize("phase", ["minimum", "linear"])
def test_what_runs_is_what_was_designed(phase):
    impulse = np.zeros((2, 1 << 14), np.float32)
    impulse[:, 1 << 13] = 1.0
    curves = [MANY, MANY[:1]]
    running = Equaliser(curves, RATE, phase)
    parts = [running(impulse[:, :700]), running(impulse[:, 700:]), running.flush()]
    out = np.concatenate(parts, axis=1)
    freq_hz = np.fft.rfftfreq(out.shape[1], 1 / RATE)
    held = (freq_hz >= 20) & (freq_hz <= 20_000)
    for row, curve in zip(out, curves, strict=True):
        spectrum = np.abs(np.fft.rfft(row))[held]
        assert np.abs(20 * np.log10(spectrum / magnitude(curve, freq_hz[held]))).max() < 0.06


def test_bands_far_below_half_the_rate_need_no_correction():
    assert len(correction_taps([bell(100.0, 6.0, 1.0)], RATE)) == 1
    assert len(correction_taps([bell(10_000.0, 6.0, 1.0)], RATE)) > 1
