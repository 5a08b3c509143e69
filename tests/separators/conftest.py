from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """Use one thread: two of them spin at barriers while something else holds a core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def music() -> np.ndarray:
    """Make 1.7 s of stereo noise with a beat and an offset: the mean and the deviation matter."""
    rng = np.random.default_rng(7)
    beat = np.abs(np.sin(np.arange(75_001) / 9_000))
    return (0.3 * beat * rng.standard_normal((2, 75_001)) + 0.01).astype(np.float32)
