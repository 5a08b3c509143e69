"""Hits are taken out, and what sounds with them stays."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.band_split import BandSplit, change_bands, ramps
from stemfx.dsp.hit_ducking import HitBands, duck_gains, learn_drum
from stemfx.kits.synth import SynthKit

RATE = 44_100
SPLIT = BandSplit(RATE)
FRAME_S = SPLIT.frame / RATE


def kicks(times_s, n_samples):
    sound = SynthKit().sample("kick", 0.9, RATE).samples[0]
    out = np.zeros((1, n_samples + sound.size), np.float32)
    for time_s in times_s:
        start = round(time_s * RATE)
        out[0, start : start + sound.size] += sound
    return out[:, :n_samples]


def ducked(samples, gains):
    blocks, position = [], 0
    for stretch, low in SPLIT.low_passes(Audio(samples, RATE).blocks(), 1):
        curve = ramps(gains, position // SPLIT.frame, SPLIT.frame, stretch.shape[1])
        blocks.append(stretch if curve is None else change_bands(stretch, low, curve))
        position += stretch.shape[1]
    return np.concatenate(blocks, axis=1)


def level_db(before, after):
    return 10 * np.log10(np.sum(after.astype(float) ** 2) / np.sum(before.astype(float) ** 2))


def gains_for(mixture, times_s, floor_db=-24.0):
    powers = SPLIT.powers(Audio(mixture, RATE).blocks(), 1)
    frames = np.array([int(time_s / FRAME_S) for time_s in times_s])
    drum = learn_drum(powers, frames, [], HitBands((0, 1)), FRAME_S)
    return duck_gains(powers, {"kick": (frames, drum)}, floor_db=floor_db, frame_s=FRAME_S)


TIMES = np.arange(0.5, 9.5, 0.7)
N = 10 * RATE


def test_kicks_go_and_the_wash_of_a_cymbal_stays():
    old = kicks(TIMES, N)
    rng = np.random.default_rng(0)
    wash = rng.standard_normal((1, N)).astype(np.float32)
    wash = 0.05 * np.diff(wash, n=2, prepend=0, append=0)[:, :N]  # +12 dB per octave
    gains = gains_for(old + wash, TIMES)
    assert level_db(old, ducked(old, gains)) < -18.0
    assert level_db(wash, ducked(wash, gains)) > -0.5


@pytest.mark.parametrize("floor_db", [-6.0, -12.0])
def test_nothing_goes_further_down_than_the_floor(floor_db):
    gains = gains_for(kicks(TIMES, N), TIMES, floor_db)
    assert 20 * np.log10(gains.min()) == pytest.approx(floor_db, abs=0.01)


def test_no_hits_no_gain():
    powers = SPLIT.powers(Audio(kicks(TIMES, N), RATE).blocks(), 1)
    assert (duck_gains(powers, {}, floor_db=-24, frame_s=FRAME_S) == 1).all()


def test_before_the_first_hit_nothing_is_touched():
    rng = np.random.default_rng(1)
    hiss = 0.003 * rng.standard_normal((1, N)).astype(np.float32)
    gains = gains_for(kicks(TIMES, N) + hiss, TIMES)
    # The look-ahead is the frame before the attack, reached by a ramp within that frame.
    assert (gains[:, : int(TIMES[0] / FRAME_S) - 1] == 1).all()


def test_levels_follow_the_hits():
    soft, loud = kicks([0.5], N), kicks([2.0], N)
    powers = SPLIT.powers(Audio(0.25 * soft + loud, RATE).blocks(), 1)
    frames = np.array([int(0.5 / FRAME_S), int(2.0 / FRAME_S)])
    drum = learn_drum(powers, frames, [], HitBands((0, 1)), FRAME_S)
    # 12 dB apart; the frames lie differently under the two attacks.
    assert 10 * np.log10(drum.levels[1] / drum.levels[0]) == pytest.approx(12.04, abs=0.3)
