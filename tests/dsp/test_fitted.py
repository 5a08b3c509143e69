from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.fitted import Fitted


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("wanted", [1, 2])
@pytest.mark.parametrize("length", [0, 400, 1000, 1024, 1025, 5000])
def test_it_is_cut_or_ends_in_silence_and_folds_to_its_mean(
    channels: int, wanted: int, length: int
) -> None:
    samples = np.random.default_rng(0).standard_normal((channels, 1000)).astype(np.float32)
    folded = samples.mean(axis=0, keepdims=True) if wanted < channels else samples
    expected = np.zeros((wanted, length), np.float32)
    expected[:, :1000] = folded[:, :length]
    fitted = Fitted(Audio(samples, 44_100), wanted, length)
    assert (fitted.channels, fitted.n_samples) == (wanted, length)
    assert np.array_equal(fitted.read(), expected)
    assert np.array_equal(fitted.read(300, 1030), expected[:, 300:1030])
    for n in (64, 333, 1024):
        blocks = list(fitted.blocks(n))
        assert [block.shape[1] for block in blocks[:-1]] == [n] * (len(blocks) - 1)
        joined = np.concatenate([np.zeros((wanted, 0), np.float32), *blocks], axis=1)
        assert np.array_equal(joined, expected)
