"""Pulses of known pace: what repeats, how a pace moves, and where attacks lie."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.dsp.beats import track_beats
from stemfx.dsp.flux import CELL_HZ, FRAME_HZ, HOP, RATE_HZ, attack_s, read_flux
from stemfx.dsp.tempogram import period_strength, tempo_curve, tempogram

PERIODS_S = 60 / np.geomspace(48, 220, 600)


def pulse_train(times_s: np.ndarray, seconds: float) -> np.ndarray:
    envelope = np.zeros(round(seconds * FRAME_HZ))
    envelope[np.round(times_s * FRAME_HZ).astype(int)] = 8.0
    return np.convolve(envelope, (0.5, 1.0, 0.5), "same")


@pytest.mark.parametrize("bpm", [60, 97, 120, 174, 200])
def test_a_pulse_train_repeats_after_its_period(bpm: float) -> None:
    envelope = pulse_train(np.arange(0.5, 29, 60 / bpm), 30)
    acf = tempogram(envelope, FRAME_HZ, 5).mean(axis=0)
    # All divisors of its tempo fit a train as well, no other pace does.
    best = 60 / PERIODS_S[np.argmax(period_strength(acf, FRAME_HZ, PERIODS_S))]
    assert bpm / best == pytest.approx(round(bpm / best), rel=0.01)
    assert period_strength(acf, FRAME_HZ, np.array([0.73 * 60 / bpm]))[0] < 0.2


@pytest.mark.parametrize("off", [0.96, 1.0, 1.04])
def test_beats_are_met_though_the_pace_is_known_only_roughly(off: float) -> None:
    times_s = np.arange(0.5, 29, 0.5)
    beats = track_beats(pulse_train(times_s, 30), off * 0.5 * FRAME_HZ) / FRAME_HZ
    nearest = np.abs(beats[:, np.newaxis] - times_s).min(axis=1)
    assert beats.size >= times_s.size
    assert np.median(nearest) < 1 / FRAME_HZ


def test_beats_bridge_a_silence() -> None:
    times_s = np.arange(0.5, 29, 0.5)
    played = times_s[(times_s < 10) | (times_s > 14)]
    beats = track_beats(pulse_train(played, 30), 0.5 * FRAME_HZ) / FRAME_HZ
    assert np.abs(times_s[:, np.newaxis] - beats).min(axis=1).max() < 0.03


def test_a_steady_pace_is_a_flat_curve_and_a_growing_one_is_followed() -> None:
    steady = pulse_train(np.arange(0.5, 59, 0.5), 60)
    assert np.ptp(tempo_curve(steady, FRAME_HZ, PERIODS_S)) < 0.01
    periods_s = np.linspace(0.55, 0.45, 118)
    times_s = 0.5 + np.cumsum(periods_s)
    curve = tempo_curve(pulse_train(times_s, 62), FRAME_HZ, PERIODS_S)
    followed = np.interp(times_s, np.arange(curve.size) / FRAME_HZ, curve)
    ratio = followed / periods_s
    assert np.ptp(ratio / np.median(ratio)) < 0.03  # 22 % of change, read in windows of 8 s


@pytest.mark.parametrize("at_s", [0.5, 0.61234, 0.77777])
def test_an_attack_is_where_the_noise_gets_louder(at_s: float) -> None:
    rng = np.random.default_rng(0)
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    x = rng.standard_normal(t.size) * np.where(t < at_s, 0.01, np.exp(-(t - at_s) / 0.1))
    flux = read_flux([x[np.newaxis].astype(np.float32)])
    assert attack_s(flux.cells, at_s + 0.01, 0.045, 0.035) == pytest.approx(at_s, abs=1 / CELL_HZ)
    strongest = np.argmax(sum(flux.groups.values())) / FRAME_HZ
    assert strongest == pytest.approx(at_s, abs=0.03)  # the window is 46 ms long


def test_flux_does_not_depend_on_how_the_stream_is_cut() -> None:
    x = np.random.default_rng(1).standard_normal((1, 30_000)).astype(np.float32)
    whole = read_flux([x])
    pieces = read_flux(np.split(x, (1, 2, 999, 10_000, 29_999), axis=1))
    assert np.array_equal(whole.cells, pieces.cells)
    for name, group in whole.groups.items():
        assert np.array_equal(group, pieces.groups[name])
    assert group.size == 30_000 // HOP + 1


def test_nothing_is_no_onset() -> None:
    assert track_beats(np.zeros(0), 50).size == 0
    assert track_beats(np.zeros(10), 50).size == 0
    assert not any(group.any() for group in read_flux([]).groups.values())
