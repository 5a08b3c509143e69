from importlib.metadata import PackageNotFoundError, distribution, entry_points

import numpy as np
import pytest
from stemfx_tilt import TiltParams, stemfx_stages, tilt

from stemfx.audio import Audio
from stemfx.registry import build_registry
from stemfx.testing import apply, check_stage

RATE = 44_100


def gain_db(freq_hz, **params):
    """Gain of the stage for one tone, after its transient (slowest pole: 50 Hz, 3 ms)."""
    t = np.arange(RATE) / RATE
    tone = Audio(0.25 * np.sin(2 * np.pi * freq_hz * t)[np.newaxis], RATE)
    out, _ = apply(tilt, tone, **params)
    settled = slice(RATE // 2, None)
    return 20 * np.log10(np.std(out.samples[0, settled]) / np.std(tone.samples[0, settled]))


def test_it_keeps_every_law_of_a_stage():
    check_stage(tilt, gain_db=4.5, pivot_hz=500.0)


@pytest.mark.parametrize("gain", [-6.0, -2.5, 3.0, 6.0])
@pytest.mark.parametrize("pivot_hz", [100.0, 800.0, 3000.0])
def test_the_pivot_keeps_its_level(gain, pivot_hz):
    # Exact by design; 0.001 dB is room for float32 samples.
    assert gain_db(pivot_hz, gain_db=gain, pivot_hz=pivot_hz) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("gain", [-6.0, 3.0, 6.0])
def test_bass_and_treble_move_apart_by_the_gain(gain):
    # With x = f / pivot, |H|² = (1 + G² x²) / (x² + G²): at x = 1/40 that is within 0.03 dB of
    # 1/G². The top is nearer still, because half the sample rate stands for infinity.
    assert gain_db(20.0, gain_db=gain, pivot_hz=800.0) == pytest.approx(-gain, abs=0.03)
    assert gain_db(21_000.0, gain_db=gain, pivot_hz=800.0) == pytest.approx(gain, abs=0.03)


def test_the_reverse_tilt_undoes_it():
    noise = Audio(0.1 * np.random.default_rng(0).standard_normal((2, RATE)), RATE)
    there, _ = apply(tilt, noise, gain_db=4.5)
    back, _ = apply(tilt, there, gain_db=-4.5)
    # Two roundings to float32 (2⁻²⁴ each) of samples below 1: -140 dB is below what is left.
    np.testing.assert_allclose(back.samples, noise.samples, atol=10 ** (-130 / 20))


def test_its_hook_offers_it():
    assert stemfx_stages() == [tilt]
    assert tilt.params is TiltParams


def test_stemfx_finds_it_when_it_is_installed():
    try:
        distribution("stemfx-tilt")
    except PackageNotFoundError:
        pytest.skip("stemfx-tilt is not installed: pip install -e plugins/stemfx-tilt")
    (point,) = (p for p in entry_points(group="stemfx") if p.name == "tilt")
    assert point.value == "stemfx_tilt"
    assert build_registry().stages["tilt"] is tilt
