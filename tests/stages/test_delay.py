"""`delay`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.stages.delay import delay
from stemfx.testing import apply, check_stage, example_audio

RATE = 44_100


def test_the_laws():
    check_stage(delay, time_ms=120.0)


def test_dry_means_not_a_bit_changes():
    audio = example_audio()
    np.testing.assert_array_equal(apply(delay, audio, mix=0.0)[0].samples, audio.samples)


@pytest.mark.parametrize("time_ms", [1.0, 100.0, 375.0])
@pytest.mark.parametrize("feedback", [0.0, 0.3, 0.95])
def test_echoes_come_every_time_ms_each_times_the_feedback(time_ms, feedback):
    samples = np.zeros((2, 2 * RATE), np.float32)
    samples[0, 0] = 1.0
    out, _ = apply(delay, Audio(samples, RATE), time_ms=time_ms, feedback=feedback, mix=0.4)
    spacing = int(time_ms / 1000 * RATE)
    expected = np.zeros(2 * RATE)
    expected[0] = np.cos(0.4 * np.pi / 2)
    for k, at in enumerate(range(spacing, 2 * RATE, spacing)):
        expected[at] = np.sin(0.4 * np.pi / 2) * feedback**k
    np.testing.assert_allclose(out.samples[0], expected, atol=1e-5)  # float32, 100s of echoes
    assert not out.samples[1].any()  # each side has its own


def test_the_first_echo_is_reported_against_the_dry_sound():
    _, context = apply(delay, example_audio(), mix=0.2)
    assert context.measurements["first_echo_db"] == pytest.approx(
        20 * np.log10(np.tan(0.2 * np.pi / 2)), abs=0.01
    )
