"""Bands that add up."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.band_split import BandSplit, change_bands, ramps
from stemfx.testing import RaggedSignal, example_audio, null_db, tone


def through(signal, gain, split):
    """Pass a signal through the bands, each multiplied by one gain."""
    blocks = []
    for stretch, low in split.low_passes(signal.blocks(), signal.channels):
        gains = np.repeat(np.float32(gain)[:, np.newaxis], stretch.shape[1], axis=1)
        blocks.append(change_bands(stretch, low, gains))
    return Audio.from_blocks(blocks, signal.sample_rate)


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
def test_gains_of_one_change_no_bit(rate):
    audio, split = example_audio(0.7, rate), BandSplit(rate)
    out = through(audio, np.ones(split.n_bands), split)
    assert np.array_equal(out.samples, audio.samples)


def test_equal_gains_scale_the_signal():
    audio, split = example_audio(), BandSplit(44_100)
    out = through(audio, np.full(split.n_bands, 0.25), split)
    # float32 transforms: 24 bits, less some for six bands
    assert null_db(Audio(0.25 * audio.samples, 44_100), out) < -115


def test_a_tone_in_the_middle_of_a_band_goes_with_that_band():
    # 800 Hz is 2.0 times and 0.67 times the edges: -24.6 and -7.9 dB of it are next door.
    audio, split = tone(800.0), BandSplit(44_100)
    gains = np.ones(split.n_bands)
    gains[2] = 0.0
    left = null_db(audio, Audio(through(audio, gains, split).samples + audio.samples, 44_100))
    share = 1 / (1 + (800 / 1200) ** 4) - 1 / (1 + (800 / 400) ** 4)
    assert left == pytest.approx(20 * np.log10(1 - share), abs=0.2)


def test_the_block_size_changes_no_bit():
    audio, split = example_audio(), BandSplit(44_100)
    gains = np.linspace(0.1, 1, split.n_bands)
    ragged = through(RaggedSignal(audio), gains, split)
    assert np.array_equal(through(audio, gains, split).samples, ragged.samples)


def test_the_powers_of_noise_are_those_of_the_filters():
    rng = np.random.default_rng(0)
    noise = Audio(rng.standard_normal((1, 400_000)).astype(np.float32), 44_100)
    split = BandSplit(44_100)
    freq_hz = np.linspace(0, 22_050, 20_000)
    lows = [1 / (1 + (freq_hz / edge) ** 4) for edge in split.edges_hz]
    bands = np.diff([0 * freq_hz, *lows, 0 * freq_hz + 1], axis=0)
    # 9 s of noise: the lowest band has some 3000 degrees of freedom, 2.6 % a standard deviation.
    powers = split.powers(noise.blocks(), 1).mean(axis=1)
    assert powers == pytest.approx((bands**2).mean(axis=1), rel=0.08)


def test_a_ramp_reaches_each_gain_at_the_end_of_its_frame():
    gains = np.array([[1.0, 0.5, 0.5]], np.float32)
    curve = ramps(gains, 0, 4, 12)
    assert curve is not None
    assert curve[0].tolist() == [1, 1, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert ramps(np.ones((2, 3), np.float32), 0, 4, 12) is None
