from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.shift import Shifted
from stemfx.testing import RaggedSignal, example_audio, tone

RATE = 44_100


def whole(signal: Shifted) -> np.ndarray:
    return np.concatenate(list(signal.blocks()), axis=1)


@pytest.mark.parametrize("delay", [0, 1, 700, -3, -70_000])
def test_whole_samples_move_every_bit(delay: int):
    song = example_audio(2.0)
    moved = whole(Shifted(song, delay))
    expected = np.zeros_like(song.samples)
    if delay >= 0:
        expected[:, delay:] = song.samples[:, : song.n_samples - delay]
    else:
        expected[:, :delay] = song.samples[:, -delay:]
    assert np.array_equal(moved, expected)


@pytest.mark.parametrize("delay", [0.5, -0.25, 10.37, -441.9])
@pytest.mark.parametrize("hz", [50.0, 1000.0, 15_000.0, 20_000.0])
def test_a_tone_moves_by_its_phase(hz: float, delay: float):
    sine = tone(hz, channels=1, peak_dbfs=0)
    t = np.arange(sine.n_samples) - delay
    expected = np.sin(2 * np.pi * hz * t / RATE)
    inside = slice(600, -600)  # where the whole window lies within the tone
    error = whole(Shifted(sine, delay))[0, inside] - expected[inside]
    assert 20 * np.log10(np.abs(error).max()) < -80


def test_what_leaves_the_end_is_gone_and_the_length_stays():
    song = example_audio(0.5)
    assert not whole(Shifted(song, 2.0 * song.n_samples)).any()
    assert not whole(Shifted(song, -2.0 * song.n_samples)).any()
    assert whole(Shifted(song, 40_000.5)).shape == song.samples.shape


@pytest.mark.parametrize("delay", [3.0, -3.0, 200.4, -0.7])
def test_read_gives_what_blocks_give(delay: float):
    song = example_audio(0.5)
    moved = Shifted(song, delay, -0.5)
    np.testing.assert_allclose(moved.read(), whole(moved), atol=1e-6)
    np.testing.assert_allclose(moved.read(100, 900), whole(moved)[:, 100:900], atol=1e-6)


def test_the_block_size_changes_no_bit():
    song = example_audio(2.0)
    expected = whole(Shifted(song, 17.3))
    assert np.array_equal(whole(Shifted(RaggedSignal(song), 17.3)), expected)
    assert np.array_equal(np.concatenate(list(Shifted(song, 17.3).blocks(1000)), axis=1), expected)


def test_a_negative_gain_inverts():
    song = example_audio(0.2)
    assert np.array_equal(whole(Shifted(song, 0, -1.0)), -song.samples)


@pytest.mark.parametrize("n_samples", [0, 1, 5])
def test_a_few_samples_are_enough(n_samples: int):
    short = Audio(np.ones((2, n_samples), np.float32), RATE)
    assert Shifted(short, 0.4).read().shape == (2, n_samples)
    assert sum(block.shape[1] for block in Shifted(short, 0.4).blocks()) == n_samples
