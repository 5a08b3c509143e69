"""Recordings are played to a fraction of a sample, in turn, and choked."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.drums.loudness import Loudness
from stemfx.drums.playing import Player, Recording, Stroke, Voice, choke_stops, sound_attack
from stemfx.dsp.band_split import BandSplit
from stemfx.kit import Kit
from stemfx.kits.synth import SynthKit

RATE = 44_100
LOUD = Loudness(1.0, 1.0)


def recording(samples, attack=0.0):
    return Recording(Audio(np.float32(samples), RATE), attack, LOUD, is_mono=False)


def bell(centre, n):
    return np.exp(-(((np.arange(n) - centre) / 20.0) ** 2))[np.newaxis]


@pytest.mark.parametrize("time", [500.0, 500.3, 499.5])
def test_the_attack_lands_where_it_should(time):
    stroke = Stroke(time, recording(bell(200, 400), attack=200.0), (0.5,))
    played = Player([stroke], RATE).play(0, 1_000, 1)
    assert played is not None
    assert np.abs(played - 0.5 * bell(time, 1_000)).max() < 1e-5


def test_the_block_size_changes_no_bit():
    strokes = [Stroke(37.7 * i, recording(bell(50, 300)), (1.0, -0.5)) for i in range(20)]
    whole = Player(strokes, RATE).play(0, 1_200, 2)
    player = Player(strokes, RATE)
    parts = [player.play(i, 7, 2) for i in range(0, 1_200, 7)]
    joined = np.concatenate([np.zeros((2, 7)) if p is None else p for p in parts], axis=1)
    assert np.array_equal(joined[:, :1_200], whole)


def test_a_choked_stroke_fades_within_5_ms():
    ones = recording(np.ones((1, 4_000)))
    played = Player([Stroke(0.0, ones, (1.0,), stop=1_000)], RATE).play(0, 4_000, 1)
    assert played is not None
    fade = round(0.005 * RATE)
    assert played[0, 999] == pytest.approx(1.0, abs=1e-6)
    assert 0 < played[0, 1_000 + fade // 2] < 0.6
    assert not played[0, 1_000 + fade :].any()


@pytest.mark.parametrize("stop", [3_990, 3_850, 20])
def test_a_choke_is_one_slope_wherever_the_recording_ends(stop):
    start, fade = 30, round(0.005 * RATE)
    ones = recording(np.ones((1, 4_000)))
    played = Player([Stroke(start, ones, (1.0,), stop=stop)], RATE).play(0, 5_000, 1)
    slope = np.clip((stop + fade - np.arange(5_000) - 1) / fade, 0, 1)
    expected = np.where((np.arange(5_000) >= start) & (np.arange(5_000) < start + 4_000), slope, 0)
    assert played is not None
    assert np.abs(played[0] - expected).max() < 1e-6


def test_an_open_hat_stops_at_the_next_hat_of_either_kind():
    times = {"hat_open": [100, 900], "hat_closed": [300, 500], "kick": [200]}
    groups = {"hat_open": "hats", "hat_closed": "hats", "kick": None}
    assert choke_stops(times, groups, "hat_open") == [300, None]
    assert choke_stops(times, groups, "kick") == [None]


class Takes(Kit):
    """Four takes of a kick."""

    name = "takes"
    summary = licence = ""
    classes = ("kick",)

    def n_takes(self, drum_class, velocity, variant=None):
        return 4

    def sample(self, drum_class, velocity, sample_rate, *, variant=None, take=0):
        return SynthKit().sample("kick", velocity, sample_rate)


def test_takes_are_played_in_turn_and_never_twice_in_a_row():
    voice = Voice(Takes(), "kick", None, BandSplit(RATE), 1)

    def turn(seed):
        dice, takes = np.random.default_rng(seed), [None]
        for _ in range(200):
            takes.append(voice.take_for(0.8, takes[-1], dice))
        return takes[1:]

    takes = turn(1)
    assert all(a != b for a, b in itertools.pairwise(takes))
    assert set(takes) == {0, 1, 2, 3}
    assert takes == turn(1)


@pytest.mark.parametrize("drum_class", ["kick", "snare", "hat_closed", "tom"])
@pytest.mark.parametrize("silence", [0, 700])
def test_the_attack_of_a_recording_is_found(drum_class, silence):
    sound = SynthKit().sample(drum_class, 0.9, RATE).samples
    audio = Audio(np.pad(sound, ((0, 0), (silence, 0))), RATE)
    assert sound_attack(audio) == pytest.approx(silence, abs=0.0005 * RATE)


def test_loudness_is_matched_in_the_body_unless_that_is_only_a_click():
    drum = Loudness(body=4.0, whole=5.0)
    assert Loudness(1.0, 1.25).gain_to(drum) == pytest.approx(2.0)
    # 40 dB of gain would be needed for the body: the whole may be 6 dB louder, no more.
    click = Loudness(body=4e-4, whole=5.0)
    assert click.gain_to(drum) == pytest.approx(10 ** (6 / 20))
    assert Loudness(0.0, 0.0).gain_to(drum) == 0.0
