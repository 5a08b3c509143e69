"""`width`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.stages.width import width
from stemfx.testing import apply, example_audio, null_db


def mid_and_side(audio):
    left, right = audio.samples.astype(np.float64)
    return (left + right) / 2, (left - right) / 2


@pytest.mark.parametrize("amount", [0.0, 0.5, 1.3, 2.0])
def test_the_side_is_scaled_and_the_mono_fold_down_stays(amount):
    audio = example_audio()
    out, _ = apply(width, audio, width=amount)
    (mid, side), (mid_out, side_out) = mid_and_side(audio), mid_and_side(out)
    assert mid_out == pytest.approx(mid, abs=1e-7)
    assert side_out == pytest.approx(amount * side, abs=1e-7)


def test_no_width_is_the_fold_down_on_both_sides():
    left, right = apply(width, example_audio(), width=0.0)[0].samples
    assert np.array_equal(left, right)


def test_width_one_is_the_same_bits():
    audio = example_audio()
    assert np.array_equal(apply(width, audio)[0].samples, audio.samples)


def test_a_mono_track_passes_through():
    mono = Audio(example_audio().samples[:1], 44_100)
    assert null_db(mono, apply(width, mono, width=2.0)[0]) == -np.inf


def test_it_reports_the_side_over_the_mid_that_came_out():
    # Uncorrelated sides of equal power: side = mid; at width 0.5 20 log10 0.5 = -6.02 dB.
    noise = np.random.default_rng(0).standard_normal((2, 200_000)).astype(np.float32)
    _, context = apply(width, Audio(0.1 * noise, 44_100), width=0.5)
    assert context.measurements["side_to_mid_db"] == pytest.approx(-6.02, abs=0.05)
    assert not context.findings


def test_a_track_that_vanishes_in_mono_is_a_warning_and_its_clean_twin_is_not():
    noise = np.random.default_rng(0).standard_normal((2, 50_000)).astype(np.float32)
    wide, narrow = (apply(width, Audio(0.1 * noise, 44_100), width=w)[1] for w in (1.5, 0.9))
    assert [finding.code for finding in wide.findings] == ["too_wide"]
    assert not narrow.findings
