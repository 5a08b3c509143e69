from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp import stft


def noise(n_samples: int) -> Audio:
    rng = np.random.default_rng(n_samples)
    return Audio(rng.standard_normal((2, n_samples)).astype(np.float32), 44_100)


@pytest.mark.parametrize("step", [1, 7, 64, 500])
@pytest.mark.parametrize("n_samples", [1, 1023, 1024, 1025, 3072, 4097, 100_001])
def test_inverse_gives_the_signal_back_at_the_edges_too(n_samples: int, step: int) -> None:
    signal = noise(n_samples)
    total = stft.n_frames(n_samples)
    spectra = (stft.forward(signal, k, min(k + step, total)) for k in range(0, total, step))
    back = np.concatenate(list(stft.inverse(spectra, n_samples)), axis=-1)
    # float32: 4096-point transforms lose about log2(4096) roundings of 2^-24 each
    assert np.abs(back - signal.samples).max() < 4e-6


def test_frames_do_not_depend_on_the_block_they_are_made_in() -> None:
    signal = noise(50_000)
    whole = stft.forward(signal, 0, 60)
    parts = [stft.forward(signal, k, k + 20) for k in (0, 20, 40)]
    assert np.array_equal(np.concatenate(parts, axis=1), whole)
    assert not whole[:, stft.n_frames(50_000) :].any()


def test_a_tone_stands_in_its_bin() -> None:
    k, amplitude = 100, 0.5
    t = np.arange(44_100)
    tone = amplitude * np.cos(2 * np.pi * k / stft.N_FFT * t).astype(np.float32)
    frame = np.abs(stft.forward(Audio(tone[np.newaxis], 44_100), 10, 11)[0, 0])
    # A periodic Hann window adds up to N/2: the peak is a/2 * N/2, its neighbours half of it.
    peak = amplitude * stft.N_FFT / 4
    assert np.allclose(frame[k - 1 : k + 2], [peak / 2, peak, peak / 2], rtol=1e-4)
    assert frame[: k - 2].max() < 1e-3
    assert frame[k + 3 :].max() < 1e-3


def test_no_samples_have_no_frames() -> None:
    assert stft.n_frames(0) == 0
    assert list(stft.inverse([], 0)) == []


def test_every_second_frame_is_the_same_frame() -> None:
    signal = noise(50_000)
    assert np.array_equal(stft.forward(signal, 3, 40, 2), stft.forward(signal, 3, 40)[:, ::2])
