from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stemfx.dsp.separation_metrics import (
    CEILING_DB,
    SDR_DELTA,
    BleedFullness,
    EnergyRatios,
    MelPeak,
    bleedless_and_fullness,
    mel_filters,
    sdr_db,
    si_sdr_db,
)

RATE = 44_100
Stereo = NDArray[np.float32]


def noise(seed: int, n_samples: int = RATE, channels: int = 2) -> Stereo:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((channels, n_samples))).astype(np.float32)


def orthogonal_to(reference: Stereo, level_db: float) -> Stereo:
    """Return noise at `level_db` relative to `reference`, with no part of it."""
    other = noise(99, reference.shape[1], reference.shape[0]).astype(np.float64)
    r = reference.astype(np.float64)
    other -= np.sum(other * r) / np.sum(r * r) * r
    gain = 10 ** (level_db / 20) * np.sqrt(np.sum(r * r) / np.sum(other * other))
    return (gain * other).astype(np.float32)


# --- SDR and SI-SDR -------------------------------------------------------------------------


@pytest.mark.parametrize("level_db", [-60.0, -20.0, 0.0, 10.0])
def test_orthogonal_noise_sets_sdr_and_si_sdr_to_its_level(level_db: float) -> None:
    r = noise(1)
    e = r + orthogonal_to(r, level_db)
    # float32 rounding of the sum is 80 dB below the weakest noise
    assert sdr_db(r, e) == pytest.approx(-level_db, abs=1e-3)
    assert si_sdr_db(r, e) == pytest.approx(-level_db, abs=1e-3)


def test_sdr_follows_the_definition_of_the_challenges() -> None:
    r, e = noise(1).astype(np.float64), noise(2).astype(np.float64)
    expected = 10 * np.log10((np.sum(r**2) + 1e-7) / (np.sum((r - e) ** 2) + 1e-7))
    assert sdr_db(noise(1), noise(2)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("gain", [0.1, 0.5, -1.0, 3.0])
def test_gain_changes_sdr_but_not_si_sdr(gain: float) -> None:
    r = noise(1)
    e = r + orthogonal_to(r, -20)
    si_sdr, scaled = si_sdr_db(r, e), si_sdr_db(r, np.float32(gain) * e)
    assert si_sdr is not None
    assert scaled == pytest.approx(si_sdr, abs=1e-4)  # float32 rounding of the scaled samples
    # |r - g (r + n)|^2 = (1 - g)^2 + g^2 / 100 for |n|^2 = 1 / 100
    expected = -10 * np.log10((1 - gain) ** 2 + gain**2 / 100)
    assert sdr_db(r, np.float32(gain) * e) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("level_db", [-90.0, -30.0, 6.0])
def test_si_sdr_agrees_with_torchmetrics(level_db: float) -> None:
    import torch
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

    r = noise(1, channels=1)
    e = 0.7 * r + np.float32(10 ** (level_db / 20)) * noise(2, channels=1)
    # in double: in single their sums cost 0.2 dB at 90 dB
    theirs = scale_invariant_signal_distortion_ratio(
        torch.from_numpy(e).double(), torch.from_numpy(r).double()
    )
    # theirs adds an epsilon to each sum; 0.05 dB is what the suite promises, this is well below
    assert si_sdr_db(r, e) == pytest.approx(float(theirs), abs=1e-3)


def test_equal_signals_end_at_the_ceiling_and_stay_numbers() -> None:
    r = noise(1)
    energy = float(np.sum(r.astype(np.float64) ** 2))
    assert si_sdr_db(r, r) == CEILING_DB
    assert si_sdr_db(r, 0.5 * r) == pytest.approx(CEILING_DB, abs=5)  # 0.5 is exact in float32
    assert sdr_db(r, r) == pytest.approx(10 * np.log10(energy / SDR_DELTA), abs=1e-6)


def test_silence_has_an_sdr_but_no_si_sdr() -> None:
    r, silence = noise(1), np.zeros((2, RATE), np.float32)
    energy = float(np.sum(r.astype(np.float64) ** 2))
    assert sdr_db(r, silence) == pytest.approx(0, abs=1e-6)
    assert sdr_db(silence, r) == pytest.approx(-10 * np.log10(energy / SDR_DELTA + 1), abs=1e-6)
    assert sdr_db(silence, silence) == 0
    assert si_sdr_db(r, silence) is None
    assert si_sdr_db(silence, r) is None


def test_ratios_do_not_depend_on_blocks() -> None:
    r, e = noise(1), noise(2)
    parts = EnergyRatios()
    for start in range(0, RATE, 1000):
        parts.add(r[:, start : start + 1000], e[:, start : start + 1000])
    assert parts.sdr_db == pytest.approx(sdr_db(r, e), abs=1e-9)
    assert parts.si_sdr_db == pytest.approx(si_sdr_db(r, e), abs=1e-9)


# --- bleedless and fullness -----------------------------------------------------------------


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_mel_filters_are_those_of_librosa(rate: int) -> None:
    import librosa

    theirs = librosa.filters.mel(sr=rate, n_fft=4096, n_mels=512)
    np.testing.assert_allclose(mel_filters(rate), theirs, atol=1e-7)


def by_definition(reference: Stereo, estimate: Stereo, rate: int) -> tuple[float, float]:
    """Bleedless and fullness written out on whole spectrograms, transformed by torch."""
    import torch

    filters = torch.from_numpy(mel_filters(rate))
    levels = []
    for signal in (reference, estimate):
        spectrum = torch.stft(
            torch.from_numpy(signal),
            n_fft=4096,
            hop_length=1024,
            window=torch.hann_window(4096),
            return_complex=True,
            pad_mode="constant",
        )
        db = 20 * torch.log10(torch.clamp(filters @ spectrum.abs(), min=1e-10))
        levels.append(torch.clamp(db, min=float(db.max()) - 80))
    difference = levels[1] - levels[0]
    more, less = difference[difference > 0], difference[difference < 0]
    more_db = float(more.mean()) if more.numel() else 0.0
    less_db = float(less.mean()) if less.numel() else 0.0
    return 100 / (1 + more_db), 100 / (1 - less_db)


@pytest.mark.parametrize("n_samples", [RATE, 30_000, 4096 * 5])
def test_bleedless_and_fullness_follow_the_definition(n_samples: int) -> None:
    r = noise(1, n_samples)
    r[:, : n_samples // 3] *= 1e-6  # below the -80 dB at which levels are cut off
    e = 0.8 * r + 0.05 * noise(2, n_samples)
    # the transforms differ by float32 rounding only
    assert bleedless_and_fullness(r, e, RATE) == pytest.approx(by_definition(r, e, RATE), abs=1e-3)


def test_bleed_and_loss_are_told_apart() -> None:
    r = noise(1)
    assert bleedless_and_fullness(r, r, RATE) == (100, 100)
    # a gain of g dB moves every level by g: 100 / (1 + 6.02) = 14.2
    louder, softer = (bleedless_and_fullness(r, np.float32(g) * r, RATE) for g in (2, 0.5))
    by_gain = 100 / (1 + 20 * np.log10(2))
    assert louder == pytest.approx((by_gain, 100), abs=0.01)
    assert softer == pytest.approx((100, by_gain), abs=0.01)


def test_silence_has_bleedless_and_fullness() -> None:
    r, silence = noise(1), np.zeros((2, RATE), np.float32)
    assert bleedless_and_fullness(silence, silence, RATE) == (100, 100)
    bleedless, fullness = bleedless_and_fullness(silence, r, RATE)
    assert bleedless < 1
    assert fullness == 100


@pytest.mark.parametrize("block", [500, 4096, 44_100])
def test_bleedless_and_fullness_do_not_depend_on_blocks(block: int) -> None:
    r, e = noise(1, 50_000), noise(2, 50_000)
    peaks = []
    for signal in (r, e):
        peak = MelPeak(2, RATE)
        for start in range(0, 50_000, block):
            peak.add(signal[:, start : start + block], last=start + block >= 50_000)
        peaks.append(peak.value)
    parts = BleedFullness(2, RATE, *peaks)
    for start in range(0, 50_000, block):
        window = slice(start, start + block)
        parts.add(r[:, window], e[:, window], last=start + block >= 50_000)
    # the order of the sums differs, the values do not
    assert (parts.bleedless, parts.fullness) == pytest.approx(
        bleedless_and_fullness(r, e, RATE), abs=1e-4
    )
