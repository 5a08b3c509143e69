"""`pan`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.stages.pan import pan
from stemfx.testing import apply, example_audio

ONES = Audio(np.ones((2, 10), np.float32), 44_100)


def gains(position):
    out, _ = apply(pan, ONES, pan=position)
    return out.samples[:, 0].astype(float)


def test_the_centre_is_the_same_bits():
    audio = example_audio()
    assert np.array_equal(apply(pan, audio)[0].samples, audio.samples)


@pytest.mark.parametrize("position", np.linspace(-1, 1, 9).tolist())
def test_the_power_is_the_same_everywhere(position):
    assert np.sum(gains(position) ** 2) == pytest.approx(2.0, rel=1e-6)


def test_an_end_is_3_01_db_up_on_its_side_and_silent_on_the_other():
    assert gains(-1.0) == pytest.approx([np.sqrt(2), 0.0])
    assert gains(-1.0)[1] == 0.0
    assert gains(1.0)[0] == 0.0


def test_mirrored_positions_have_mirrored_gains():
    assert gains(0.3) == pytest.approx(gains(-0.3)[::-1])


def test_half_way_left_follows_the_sine_law():
    angle = np.pi / 8
    assert gains(-0.5) == pytest.approx(np.sqrt(2) * np.array([np.cos(angle), np.sin(angle)]))


def test_a_mono_track_becomes_stereo_at_its_own_level():
    out, _ = apply(pan, Audio(np.full((1, 10), 0.5, np.float32), 44_100))
    assert out.samples.shape == (2, 10)
    assert (out.samples == 0.5).all()
