"""`limiter`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.loudness import measure
from stemfx.stages.limiter import limiter
from stemfx.testing import apply, check_stage, example_audio


def test_the_laws():
    check_stage(limiter, gain_db=12.0)


@pytest.mark.parametrize("ceiling_dbtp", [-9.0, -1.0, 0.0])
def test_the_true_peak_is_at_the_ceiling_and_reported(ceiling_dbtp):
    out, context = apply(limiter, example_audio(), gain_db=12.0, ceiling_dbtp=ceiling_dbtp)
    true_peak_dbtp = measure(out).true_peak_dbtp
    assert true_peak_dbtp == pytest.approx(ceiling_dbtp, abs=0.05)
    assert context.measurements["true_peak_dbtp"] == pytest.approx(true_peak_dbtp, abs=0.02)


def test_a_signal_below_the_ceiling_comes_back_bit_for_bit():
    audio = example_audio()
    out, context = apply(limiter, audio)
    np.testing.assert_array_equal(out.samples, audio.samples)
    assert context.measurements["max_gain_reduction_db"] == 0


def test_the_reduction_is_what_the_highest_peak_was_over():
    # A tone of -1 dBTP, 7 dB louder, under a ceiling of -3 dBTP: 9 dB too much.
    t = np.arange(44_100) / 44_100
    tone = Audio(np.tile(10 ** (-1 / 20) * np.sin(2 * np.pi * 440 * t), (2, 1)), 44_100)
    _, context = apply(limiter, tone, gain_db=7.0, ceiling_dbtp=-3.0)
    # The tone starts with a jump in its slope: 0.03 dB of ringing.
    assert context.measurements["max_gain_reduction_db"] == pytest.approx(9, abs=0.05)


def test_a_long_release_takes_more_of_the_loudness():
    audio = example_audio(2.0)
    loudness = [
        measure(apply(limiter, audio, gain_db=15.0, release_ms=ms)[0]).lufs for ms in (20.0, 800.0)
    ]
    assert loudness[0] > loudness[1] + 0.5
