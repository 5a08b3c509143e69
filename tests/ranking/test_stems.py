"""Measurements of stems in their song."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from made_songs import made_song

from stemfx.audio import Audio
from stemfx.music.read import read_music
from stemfx.ranking.measurements import STEM
from stemfx.ranking.stems import measure_stem, measure_stems

RATE = 44_100


@cache
def song():
    return made_song("rock", 120, bars=8)


def measure(stems: dict[str, np.ndarray], **more: object):
    audio = {name: Audio(samples, RATE) for name, samples in stems.items()}
    mixture = Audio(np.sum([one.samples for one in audio.values()], axis=0), RATE)
    return measure_stems(audio, mixture, read_music(mixture, {}), **more)


def true() -> dict[str, np.ndarray]:
    return {name: stem.samples.copy() for name, stem in song().stems.items()}


@cache
def of_true():
    return measure(true())


def test_every_measurement_is_there():
    assert all(set(values) == set(STEM) for values in of_true().values())


def test_stems_that_were_played_apart_do_not_bleed():
    assert all(values["bleed_db"] < -40 for values in of_true().values())


def test_bleed_is_measured_beside_the_stem():
    stems = true()
    stems["bass"] = stems["bass"] + 0.1 * stems["drums"]
    found = measure(stems)["bass"]
    energy = [float(np.sum(np.square(x))) for x in (0.1 * stems["drums"], stems["bass"])]
    # Where bass and kick share a band the leak is hidden: half of it may be missed.
    assert found["bleed_db"] == pytest.approx(10 * np.log10(energy[0] / energy[1]), abs=4)


def test_a_stem_that_is_not_there_is_silent():
    stems = true()
    stems["other"] = 0 * stems["other"]
    found = measure(stems)["other"]
    assert found["silence_percent"] == 100
    assert found["level_db"] is None


def test_a_stem_of_half_the_song_is_silent_for_the_rest():
    stems = true()
    half = stems["other"].shape[1] // 2
    stems["other"][:, half:] = 0
    assert measure(stems)["other"]["silence_percent"] == pytest.approx(50, abs=6)


def test_clipping_counts_where_the_stem_sounds():
    stems = true()
    mixture = np.sum(list(stems.values()), axis=0)
    half = mixture.shape[1] // 2
    top = 0.4 * np.abs(mixture).max()
    mixture[:, :half] = np.clip(mixture[:, :half], -top, top)
    stems["other"][:, half:] = 0
    stems["bass"][:, :half] = 0
    audio = {name: Audio(samples, RATE) for name, samples in stems.items()}
    level_dbfs = float(20 * np.log10(top))
    here = {
        name: measure_stem(name, audio, Audio(mixture, RATE), None, clip_level_dbfs=level_dbfs)
        for name in ("other", "bass")
    }
    assert here["other"]["clipped_here_percent"] > 5
    # What is not clipped may touch that level now and then.
    assert here["bass"]["clipped_here_percent"] < 1


def test_the_tuning_of_a_bass_that_wanders_is_measured():
    stems = true()
    n = stems["bass"].shape[1]
    t = np.arange(n) / RATE
    turn = 2 * np.pi / 10
    bend = 0.02 / turn * (1 - np.cos(turn * t))
    stems["bass"] = np.interp(t + bend, t, stems["bass"][0])[None].astype(np.float32)
    assert measure(stems)["bass"]["tuning_wander_cents"] > 8
    assert of_true()["bass"]["tuning_wander_cents"] < 2


def test_drums_off_the_grid_are_measured_in_ms():
    rng = np.random.default_rng(0)
    drums = true()["drums"]
    loose = np.zeros_like(drums)
    beats = np.round(song().beats_s * RATE).astype(int)
    for start, stop in zip(beats, [*beats[1:], drums.shape[1]], strict=True):
        at = max(0, start - 400 + round(rng.normal(0, 0.015) * RATE))
        part = drums[:, max(0, start - 400) : stop - 400]
        loose[:, at : at + part.shape[1]] += part[:, : loose.shape[1] - at]
    found = measure(true() | {"drums": loose})["drums"]["timing_spread_ms"]
    # The median distance of a normal spread of 15 ms is 10 ms.
    assert found == pytest.approx(10, abs=5)
    assert of_true()["drums"]["timing_spread_ms"] < 3


def test_one_stem_alone_and_short_ones():
    short = Audio(np.full((2, 2000), 0.1, np.float32), RATE)
    assert measure_stems({"vocals": short}, short, None)["vocals"]["bleed_db"] is None
    found = measure_stems({"a": short, "b": short}, short, None)["a"]
    assert found["bleed_db"] is None
