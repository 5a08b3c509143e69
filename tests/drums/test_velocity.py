"""How hard a drum was struck."""

from __future__ import annotations

import numpy as np
import pytest
from playing import RATE

from stemfx.audio import Audio
from stemfx.drums.strokes import SHORT_EDGES_HZ, stroke_levels
from stemfx.drums.velocity import BANDS_HZ, DECIBELS_PER_DECADE, LEAST, LOUDEST_QUANTILE, velocities
from stemfx.hits import DRUM_CLASSES
from stemfx.kits.synth import SynthKit

TIMES = np.arange(0.3, 6.3, 0.5)


def levels(drum: str, gains_db: np.ndarray) -> np.ndarray:
    samples = np.zeros((1, 7 * RATE), np.float32)
    hit = SynthKit().sample(drum, 1.0, RATE).samples[:, : RATE // 3]
    for time, gain_db in zip(TIMES, gains_db, strict=True):
        at = round(time * RATE)
        samples[:, at : at + hit.shape[1]] += hit * 10 ** (gain_db / 20)
    return stroke_levels(Audio(samples, RATE), TIMES.tolist())[0]


@pytest.mark.parametrize("drum", DRUM_CLASSES)
def test_velocity_follows_the_level_in_decibels(drum):
    gains_db = np.linspace(-15, 0, TIMES.size)
    found = velocities(levels(drum, gains_db), {drum: np.ones(TIMES.size, bool)})[drum]
    loudest_db = np.quantile(gains_db, LOUDEST_QUANTILE)
    expected = np.minimum(1, 10 ** ((gains_db - loudest_db) / DECIBELS_PER_DECADE))
    # The floor of the levels, 75 dB down, and what rings on move soft hits a little.
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_a_machine_plays_all_hits_alike():
    found = velocities(levels("kick", np.zeros(TIMES.size)), {"kick": np.ones(TIMES.size, bool)})
    np.testing.assert_allclose(found["kick"], 1.0, atol=0.01)


def test_a_freak_hit_does_not_make_all_others_soft():
    gains_db = np.zeros(TIMES.size)
    gains_db[3] = 6.0
    many = np.concatenate([levels("snare", np.zeros(TIMES.size))] * 8 + [levels("snare", gains_db)])
    found = velocities(many, {"snare": np.ones(len(many), bool)})["snare"]
    assert np.median(found) > 0.95


def test_a_hat_under_a_snare_is_as_loud_as_the_song_s_other_hats():
    closed = levels("hat_closed", np.linspace(-12, 0, TIMES.size))
    closed[4:6] += 20.0  # what the snare has up there
    at = np.ones(TIMES.size, bool)
    snares = np.zeros(TIMES.size, bool)
    snares[4:6] = True
    found = velocities(closed, {"hat_closed": at, "snare": snares})["hat_closed"]
    assert found[4] == found[5] == pytest.approx(np.median(found[~snares]))
    assert found[-1] == pytest.approx(1.0, abs=0.02)


def test_velocities_are_allowed_ones_however_soft():
    gains_db = np.full(TIMES.size, -60.0)
    gains_db[::3] = 0
    found = velocities(levels("kick", gains_db), {"kick": np.ones(TIMES.size, bool)})["kick"]
    assert found.min() == pytest.approx(LEAST)
    assert found.max() <= 1.0


def test_bands_are_edges_of_the_spectra():
    for low, high in BANDS_HZ.values():
        assert {low, high} <= set(SHORT_EDGES_HZ)
