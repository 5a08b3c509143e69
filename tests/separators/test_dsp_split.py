from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp import stft
from stemfx.separators import dsp_split, low_band


def masks_without_voice(spectrum: np.ndarray) -> np.ndarray:
    voice = np.zeros_like(spectrum, np.float32)
    return dsp_split.masks(spectrum, voice, low_band.shares(spectrum, voice))


def sdr_db(truth: np.ndarray, estimate: np.ndarray) -> float:
    return float(10 * np.log10((truth**2).sum() / ((truth - estimate) ** 2).sum()))


def test_strokes_are_drums_and_held_notes_are_not() -> None:
    t = np.arange(4 * 44_100) / 44_100
    low, high = (0.1 * np.sin(2 * np.pi * hz * t) for hz in (80, 1_000))
    clicks = np.zeros(t.size)
    clicks[11_025::22_050] = 1.0
    parts = [np.stack([x, x]).astype(np.float32) for x in (clicks, low, high)]
    n_frames = stft.n_frames(t.size)
    spectrum = stft.forward(Audio(sum(parts), 44_100), 0, n_frames)
    masks = masks_without_voice(spectrum)
    stems = np.concatenate(list(stft.inverse([masks * spectrum], t.size)), axis=-1)
    inside = slice(22_050, -22_050)
    for stem, part in zip(stems[1:], parts, strict=True):
        # The tones are 20 dB louder than the clicks: 8 dB there is 28 dB less tone.
        assert sdr_db(part[:, inside], stem[:, inside]) > 8


def test_low_notes_at_the_side_are_no_bass() -> None:
    t = np.arange(2 * 44_100) / 44_100
    low = 0.1 * np.sin(2 * np.pi * 80 * t)
    left = Audio(np.stack([low, 0 * low]), 44_100)
    spectrum = stft.forward(left, 20, 60)
    masks = masks_without_voice(spectrum)
    k = round(80 * stft.N_FFT / 44_100)
    assert masks[2, 0, :, k].max() < 0.26  # (1/2)^2


def test_hiss_in_the_treble_is_cymbals() -> None:
    rng = np.random.default_rng(8)
    hiss = Audio(rng.standard_normal((2, 60 * 1024)).astype(np.float32), 44_100)
    spectrum = stft.forward(hiss, 10, 50)
    drums = masks_without_voice(spectrum)[1].mean(axis=(0, 1))
    hz = np.arange(stft.N_BINS) * 44_100 / stft.N_FFT
    # Noise is as much stroke as note (1/2 each); 6 dB more make 4/5 of it.
    assert drums[(hz > 1_000) & (hz < 2_000)].mean() == pytest.approx(0.5, abs=0.03)
    assert drums[hz > 10_000].mean() == pytest.approx(0.8, abs=0.04)


def test_masks_are_shares() -> None:
    rng = np.random.default_rng(5)
    shape = (2, 40, 2049)
    spectrum = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    low = rng.random((2, 40, low_band.N_LOW), np.float32)
    masks = dsp_split.masks(spectrum, rng.random(shape, np.float32), low)
    assert masks.min() >= -1e-6
    assert masks.max() <= 1 + 1e-6
    assert np.abs(masks.sum(axis=0) - 1).max() < 1e-6
