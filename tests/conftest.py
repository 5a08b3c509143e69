from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from stemfx.audio import Audio

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"

# Overflow, division by zero and NaN are bugs; underflow to zero is how a decay ends.
np.seterr(over="raise", divide="raise", invalid="raise")

# How long an example takes says how busy the machine is; what must be fast has a test of its own.
settings.register_profile("stemfx", deadline=None)
settings.load_profile("stemfx")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's cache or models, or opens a connection."""
    monkeypatch.setenv("STEMFX_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("STEMFX_MODELS", str(tmp_path_factory.mktemp("models")))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    os.environ.pop("STEMFX_VST3_PATH", None)


@pytest.fixture(scope="session")
def corpus() -> Path:
    if not CORPUS.is_dir():
        pytest.skip("the music corpus lies outside the project and is not here")
    return CORPUS


@pytest.fixture
def song() -> Audio:
    """Two seconds of stereo: tones, noise and silence, peak below full scale."""
    rng = np.random.default_rng(1)
    t = np.arange(88_200) / 44_100
    tones = 0.3 * np.sin(2 * np.pi * 110 * t) + 0.2 * np.sin(2 * np.pi * 1_760 * t)
    noise = 0.05 * rng.standard_normal((2, t.size))
    samples = np.stack([tones, 0.8 * np.roll(tones, 5)]) + noise
    samples[:, 40_000:44_000] = 0
    return Audio(samples.astype(np.float32), 44_100)
