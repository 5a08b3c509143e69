from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio, Block
from stemfx.dsp.delay import CrossSpectra
from stemfx.dsp.phase import PhaseMeter, PhaseReading, band_readings, fold_down_loss_db
from stemfx.testing import RaggedSignal

RATE = 44_100


def noise(seconds: float = 3.0, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def pair(rho: float) -> Block:
    """Two noises of one level with the correlation `rho`."""
    same, other = noise(seed=1), noise(seed=2)
    return np.stack([same, rho * same + np.sqrt(1 - rho**2) * other]).astype(np.float32)


def reading(samples: Block) -> PhaseReading:
    meter = PhaseMeter(RATE)
    for block in Audio(samples, RATE).blocks(10_000):
        meter.add(block)
    return meter.reading()


@pytest.mark.parametrize("rho", [1.0, 0.5, 0.0, -0.5])
def test_loss_follows_from_correlation_at_equal_levels(rho: float):
    found = reading(pair(rho))
    expected = -10 * np.log10((1 + rho) / 2)
    # 132 300 samples of noise know their correlation to 0.003, at rho = -0.5 0.03 dB.
    assert found.correlation == pytest.approx(rho, abs=0.01)
    assert found.mono_loss_db == pytest.approx(expected, abs=0.1)


def test_a_quiet_inverted_side_alarms_nobody():
    left = noise()
    found = reading(np.stack([left, -1e-3 * left]).astype(np.float32))
    assert found.correlation == pytest.approx(-1.0, abs=1e-6)
    assert found.mono_loss_db == pytest.approx(3.02, abs=0.02)  # that of a channel alone
    assert found.left_dbfs - found.right_dbfs == pytest.approx(60.0, abs=0.01)


def test_total_cancellation_is_a_number_and_silence_is_none():
    left = noise()
    assert reading(np.stack([left, -left]).astype(np.float32)).mono_loss_db == 100.0
    silent = reading(np.zeros((2, RATE), np.float32))
    assert (silent.mono_loss_db, silent.correlation, silent.min_correlation) == (None, None, None)


def test_a_second_in_opposite_polarity_is_seen_in_time():
    left = noise(4.0)
    right = left.copy()
    right[RATE : 2 * RATE] *= -1
    found = reading(np.stack([left, right]).astype(np.float32))
    assert found.min_correlation == pytest.approx(-1.0, abs=1e-6)
    assert found.negative_share == pytest.approx(1 / 4, abs=0.06)  # windows of 0.4 s, every 0.1 s
    assert found.correlation == pytest.approx(0.5, abs=0.02)


def test_blocks_do_not_matter():
    audio = Audio(pair(0.3), RATE)
    readings = []
    for signal in (audio, RaggedSignal(audio)):
        meter = PhaseMeter(RATE)
        for block in signal.blocks():
            meter.add(block)
        readings.append(meter.reading())
    assert readings[0] == readings[1]


def test_bands_are_told_apart_and_judged_by_their_level():
    t = np.arange(6 * RATE) / RATE
    bass, air = 0.4 * np.sin(2 * np.pi * 60 * t), 0.001 * np.sin(2 * np.pi * 9000 * t)
    samples = np.stack([bass + air, bass - air]).astype(np.float32)
    spectra = CrossSpectra(RATE, 2, samples.shape[1])
    spectra.add([samples[:1], samples[1:]])
    spectra.finish()
    matrix = spectra.matrix
    bands = band_readings(matrix[0, 0].real, matrix[1, 1].real, matrix[0, 1], RATE)
    low, high = bands[0], bands[-1]
    assert low.mono_loss_db == pytest.approx(0.0, abs=0.01)
    assert low.is_audible
    assert high.correlation == pytest.approx(-1.0, abs=0.01)
    assert high.level_db == pytest.approx(-52.0, abs=0.5)  # 20 log10(0.001 / 0.4)
    assert not high.is_audible


def test_the_formula_of_the_loss():
    assert fold_down_loss_db(1.0, 1.0, 1.0) == pytest.approx(0.0)
    assert fold_down_loss_db(1.0, 1.0, 0.0) == pytest.approx(3.0103, abs=1e-4)
    assert fold_down_loss_db(1.0, 1.0, -0.5) == pytest.approx(6.0206, abs=1e-4)
    assert fold_down_loss_db(0.0, 0.0, 0.0) is None
