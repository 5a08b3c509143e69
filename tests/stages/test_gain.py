"""`gain`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.stages.gain import gain
from stemfx.testing import apply, example_audio, rms_dbfs


@pytest.mark.parametrize("gain_db", [-60.0, -6.0, 12.0])
def test_the_level_changes_by_gain_db(gain_db):
    audio = example_audio()
    out, _ = apply(gain, audio, gain_db=gain_db)
    assert rms_dbfs(out) - rms_dbfs(audio) == pytest.approx(gain_db, abs=1e-4)


def test_no_gain_is_the_same_bits():
    audio = example_audio()
    assert np.array_equal(apply(gain, audio)[0].samples, audio.samples)


def test_nothing_is_clipped():
    out, _ = apply(gain, example_audio(), gain_db=24.0)
    assert np.abs(out.samples).max() == pytest.approx(0.5 * 10 ** (24 / 20), rel=1e-5)
