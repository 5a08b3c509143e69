from __future__ import annotations

import numpy as np
import pytest

from stemfx.separators.medians import median_of_9


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("step", [1, 2])
def test_median_of_nine_is_the_median(dim: int, step: int) -> None:
    import torch
    from scipy.ndimage import median_filter

    x = np.random.default_rng(2).random((40, 50), np.float32)
    footprint = np.zeros(8 * step + 1)
    footprint[::step] = 1
    expected = median_filter(
        x, footprint=footprint.reshape((-1, 1) if dim == 0 else (1, -1)), mode="nearest"
    )
    assert np.array_equal(median_of_9(torch.from_numpy(x), dim, step).numpy(), expected)
