from __future__ import annotations

import numpy as np
import pytest

from stemfx.dsp.masks import masked

KINDS = ("ratio", "binary", "complex")
RNG = np.random.default_rng(3)


def spectra(*shape: int) -> np.ndarray:
    parts = RNG.standard_normal((2, *shape))
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


@pytest.mark.parametrize("mask", KINDS)
def test_masked_stems_add_up_to_the_mixture(mask: str) -> None:
    mixture, estimates = spectra(2, 5, 9), spectra(3, 2, 5, 9)
    total = masked(mixture, estimates, mask).sum(axis=0)
    # float32: rounding of three products and two sums
    assert np.abs(total - mixture).max() < 4e-6 * np.abs(mixture).max()


def test_shares_of_power_add_up_to_one_and_keep_the_phase_of_the_mixture() -> None:
    mixture, estimates = spectra(2, 5, 9), spectra(3, 2, 5, 9)
    shares = masked(mixture, estimates, "ratio") / mixture
    assert np.abs(shares.imag).max() < 1e-6
    assert shares.real.min() >= 0
    assert shares.real.max() <= 1 + 1e-6
    expected = np.abs(estimates) ** 2 / (np.abs(estimates) ** 2).sum(axis=0)
    np.testing.assert_allclose(shares.real, expected, atol=1e-6)


def test_a_binary_mask_gives_each_bin_to_the_loudest() -> None:
    mixture, estimates = spectra(2, 5, 9), spectra(3, 2, 5, 9)
    stems = masked(mixture, estimates, "binary")
    loudest = np.abs(estimates).argmax(axis=0)
    for k in range(3):
        np.testing.assert_array_equal(stems[k], np.where(loudest == k, mixture, 0))


@pytest.mark.parametrize("mask", ["complex"])
def test_estimates_that_add_up_already_keep_their_phase(mask: str) -> None:
    estimates = spectra(3, 2, 5, 9)
    stems = masked(estimates.sum(axis=0), estimates, mask)
    assert np.abs(stems - estimates).max() < 1e-5


def test_a_complex_mask_repairs_a_stem_that_is_too_loud_in_proportion() -> None:
    """Of what two equally loud stems have too much, each gives half."""
    true = spectra(2, 1, 4, 4)
    true[1] = true[0] * np.complex64(1j)
    estimates = true + np.complex64(0.1) * true[:1]
    stems = masked(true.sum(axis=0), estimates, "complex")
    powers = np.abs(estimates) ** 2
    surplus = estimates.sum(axis=0) - true.sum(axis=0)
    expected = estimates - powers / powers.sum(axis=0) * surplus
    np.testing.assert_allclose(stems, expected, atol=1e-6)


@pytest.mark.parametrize("mask", KINDS)
def test_silence_stays_silent_and_what_nobody_claims_is_not_lost(mask: str) -> None:
    silence = np.zeros((2, 2, 3, 4), np.complex64)
    assert not masked(silence[0], silence, mask).any()
    mixture = spectra(2, 3, 4)
    np.testing.assert_allclose(masked(mixture, silence, mask).sum(axis=0), mixture, rtol=1e-6)


@pytest.mark.parametrize("mask", KINDS)
@pytest.mark.parametrize("level_db", [-180, -120, 60])
def test_levels_do_not_change_the_shares(mask: str, level_db: int) -> None:
    mixture, estimates = spectra(2, 5, 9), spectra(3, 2, 5, 9)
    gain = np.float32(10 ** (level_db / 20))
    stems = masked(mixture * gain, estimates * gain, mask)
    np.testing.assert_allclose(stems / gain, masked(mixture, estimates, mask), atol=1e-5)
