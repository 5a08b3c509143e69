"""What a stroke sounds like, in numbers."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.drums.strokes import (
    AFTER_S,
    BEFORE_S,
    FLOOR_DB,
    LONG_EDGES_HZ,
    SHORT_CENTRES_S,
    SHORT_EDGES_HZ,
    cut,
    stroke_levels,
)

RATE = 44_100


class _Blocks(Audio):
    """An `Audio` whose blocks are as short as a test likes."""

    def blocks(self, n_samples: int = 0):
        return super().blocks(997)


def noise(seconds: float, channels: int = 2) -> np.ndarray:
    rng = np.random.default_rng(2)
    return rng.standard_normal((channels, round(seconds * RATE))).astype(np.float32)


@pytest.mark.parametrize("kind", [Audio, _Blocks])
def test_what_is_cut_is_what_is_there_and_silence_beyond(kind):
    samples = noise(2.0)
    times = [0.0, 0.01, 0.5, 0.51, 1.4, 1.999]
    before, after = round(BEFORE_S * RATE), round((BEFORE_S + AFTER_S) * RATE)
    padded = np.pad(samples, ((0, 0), (before, after)))
    segments = list(cut(kind(samples, RATE), times))
    assert len(segments) == len(times)
    for time, segment in zip(times, segments, strict=True):
        at = round(time * RATE)
        np.testing.assert_array_equal(segment, padded[:, at : at + after])


def test_a_tone_is_in_its_band_and_out_of_phase_channels_do_not_cancel():
    t = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * 3_300 * t)
    short, _ = stroke_levels(Audio(np.stack([tone, -tone]), RATE), [0.5])
    band = np.searchsorted(SHORT_EDGES_HZ, 3_300) - 1
    # It is all of the loudest stroke: 0 dB. A Hann window leaks below -31 dB beyond its main lobe.
    np.testing.assert_allclose(short[0, :, band], 0.0, atol=0.2)
    far = [b for b in range(short.shape[2]) if abs(b - band) > 1]
    assert short[0][:, far].max() < -31


def test_a_low_tone_is_in_its_quarter_octave():
    t = np.arange(RATE) / RATE
    hz = np.sqrt(LONG_EDGES_HZ[8] * LONG_EDGES_HZ[9])
    _, long = stroke_levels(Audio(np.sin(2 * np.pi * hz * t)[None], RATE), [0.5])
    assert (long[0].argmax(axis=1) == 8).all()


def test_levels_before_the_attack_do_not_hear_it():
    samples = np.zeros((1, RATE), np.float32)
    samples[:, RATE // 2 :] = noise(0.5, 1)
    short, long = stroke_levels(Audio(samples, RATE), [0.5])
    assert [c for c in SHORT_CENTRES_S if c < 0] == list(SHORT_CENTRES_S[:2])
    np.testing.assert_allclose(short[0, :2], FLOOR_DB, atol=0.01)
    np.testing.assert_allclose(long[0, 0], FLOOR_DB, atol=0.01)
    assert short[0, 4].max() > -20


def test_levels_do_not_depend_on_gain_or_blocks():
    samples = noise(1.5)
    whole = stroke_levels(Audio(samples, RATE), [0.3, 0.7])
    for other in (Audio(0.01 * samples, RATE), _Blocks(samples, RATE)):
        for one, two in zip(whole, stroke_levels(other, [0.3, 0.7]), strict=True):
            np.testing.assert_allclose(one, two, atol=1e-3)


def test_silence_and_no_strokes_are_no_trouble():
    silent = Audio(np.zeros((2, RATE)), RATE)
    short, _ = stroke_levels(silent, [0.1])
    np.testing.assert_allclose(short, FLOOR_DB, atol=1e-3)
    assert stroke_levels(silent, [])[0].shape[0] == 0
