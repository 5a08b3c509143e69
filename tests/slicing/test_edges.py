"""Fades and seams."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.windows import read_windows
from stemfx.slicing.edges import faded, seamless, zero_crossing

RATE = 44_100


def sine(hz: float, n: int, channels: int = 2) -> np.ndarray:
    wave = np.sin(2 * np.pi * hz * np.arange(n) / RATE + 0.3)
    return np.tile(wave, (channels, 1)).astype(np.float32)


def test_a_zero_crossing_is_between_samples_of_opposite_sign():
    wave = sine(440, 1000)
    for near in range(120, 900, 37):
        for backwards in (False, True):
            at = zero_crossing(wave, near, 60, backwards=backwards)
            assert wave[0, at - 1] * wave[0, at] <= 0
            assert (at <= near) if backwards else (at >= near)
            assert abs(at - near) <= RATE / 440 / 2 + 1


def test_where_nothing_crosses_zero_the_place_stays():
    assert zero_crossing(np.ones((1, 100), np.float32), 50, 20) == 50
    assert zero_crossing(np.ones((1, 100), np.float32), 0, 20, backwards=True) == 0


def test_fades_begin_and_end_in_nothing_and_touch_nothing_between():
    whole = np.ones((2, 1000), np.float32)
    out = faded(whole, (10, 40), 100)
    assert not out[:, :11].any()
    assert not out[:, -1].any()
    assert (out[:, 40:900] == 1).all()
    assert (np.diff(out[0, 10:41]) > 0).all()
    assert (np.diff(out[0, 900:]) <= 0).all()
    # half a cosine: never steeper than pi / 2 / n
    assert np.abs(np.diff(out[0])).max() <= np.pi / 2 / 30 * 1.001


@pytest.mark.parametrize("n", [1, 5, 39, 41, 60])
def test_a_sample_shorter_than_its_fades_still_ends_in_nothing(n):
    out = faded(np.ones((1, n), np.float32), (10, 40), 100)
    assert out.shape == (1, n)
    assert out[0, 0] == out[0, -1] == 0
    assert np.abs(out).max() <= 1


def test_the_wrap_of_a_loop_joins_neighbours_of_the_source():
    source = np.random.default_rng(0).standard_normal((2, 5000)).astype(np.float32)
    lead, fade = 600, 400
    loop = seamless(source[:, 1000 - lead : 4000], lead, fade)
    assert loop.shape == (2, 3000)
    # all but the crossfade is the source, sample for sample
    assert (loop[:, : 3000 - lead] == source[:, 1000 : 4000 - lead]).all()
    # the end is what comes before the start: the wrap is no seam at all
    assert (loop[:, -200:] == source[:, 800:1000]).all()


def test_a_crossfade_keeps_the_level_of_noise_and_of_a_steady_tone():
    rng = np.random.default_rng(1)
    lead, fade, n = 4000, 4000, 12_000
    noise = rng.standard_normal((1, lead + n)).astype(np.float32)
    out = seamless(noise, lead, fade)[:, n - lead :]
    # rms of 4000 samples of noise: standard deviation 1 %, so 4 of them
    assert np.sqrt(np.mean(out**2)) == pytest.approx(1, abs=0.045)
    # a tone with whole cycles in the loop is the same before the start and before the end
    period = 100
    tone = np.sin(2 * np.pi * np.arange(lead + n) / period)[np.newaxis].astype(np.float32)
    assert np.abs(seamless(tone, lead, fade) - tone[:, lead:]).max() < 1e-6


def test_windows_are_what_reading_each_would_give():
    source = np.random.default_rng(2).standard_normal((2, 300_000)).astype(np.float32)
    audio = Audio(source, RATE)
    spans = [(-50, 100), (0, 70_000), (10, 20), (65_000, 66_000), (140_000, 299_000)]
    spans += [(299_900, 300_100), (300_500, 300_600)]
    for (start, stop), window in zip(spans, read_windows(audio, spans), strict=True):
        expected = np.zeros((2, stop - start), np.float32)
        inside = source[:, max(0, start) : max(0, min(stop, 300_000))]
        offset = max(0, -start)
        expected[:, offset : offset + inside.shape[1]] = inside
        assert (window == expected).all(), (start, stop)
