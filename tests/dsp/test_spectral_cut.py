from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio, Signal
from stemfx.dsp import stft
from stemfx.dsp.spectral_cut import Ballistics, CutMeter, Cuts, Memory, Powers, cut, gains
from stemfx.testing import null_db, rms_dbfs

RATE = 44_100


def noise(n_samples: int = 70_001) -> Audio:
    rng = np.random.default_rng(3)
    return Audio(0.1 * rng.standard_normal((2, n_samples)).astype(np.float32), RATE)


def constant(cut_db: float) -> object:
    def aim(_start: int, powers: Powers) -> Cuts:
        return np.full((len(powers), stft.N_BINS), cut_db, np.float32)

    return aim


def cut_with(signal: Signal, aim: object) -> Audio:
    return Audio.from_blocks(cut(signal, aim, Memory(signal.n_samples, 12.0)), RATE)  # type: ignore[arg-type]


@pytest.mark.parametrize("n_samples", [1, 1024, 29_696, 32_768, 33_793, 70_001])
def test_no_cut_is_no_change(n_samples: int) -> None:
    signal = noise(n_samples)
    assert null_db(signal, cut_with(signal, constant(0.0))) < -120


@pytest.mark.parametrize("cut_db", [1.0, 6.0, 12.0])
def test_a_cut_everywhere_is_a_gain(cut_db: float) -> None:
    signal = noise()
    out = cut_with(signal, constant(cut_db))
    expected = Audio(signal.samples * np.float32(10 ** (-cut_db / 20)), RATE)
    assert null_db(expected, out) < -110


def test_a_frame_between_two_is_cut_like_the_one_that_loses_less() -> None:
    """Cut and uncut frames in turn: those between are not cut, so little is lost at all."""

    def aim(start: int, powers: Powers) -> Cuts:
        every_other = np.arange(start // 2, start // 2 + len(powers)) % 2
        return np.repeat(12.0 * every_other[:, np.newaxis], stft.N_BINS, 1).astype(np.float32)

    signal = noise()
    # Of four frames that overlap one is cut to a quarter: the gain is 1 - 0.75 w, where w is that
    # frame's window squared over 3/2. Mean square of it over time: -1.2 dB.
    t = (np.arange(stft.N_FFT) + 0.5) / stft.N_FFT
    share = np.sin(np.pi * t) ** 4 / 1.5
    gain = 1 - (1 - 10 ** (-12 / 20)) * share
    expected_db = 10 * np.log10(np.mean(gain**2))
    lost_db = rms_dbfs(cut_with(signal, aim)) - rms_dbfs(signal)
    assert lost_db == pytest.approx(expected_db, abs=0.1)  # noise: 0.05 dB


def test_a_cut_opens_and_closes_with_its_time_constants() -> None:
    frame_ms = 2 * stft.HOP / RATE * 1000
    follow = Ballistics(RATE, attack_ms=100.0, release_ms=200.0, n_bins=1)
    n = 200
    aims = np.concatenate((np.full(n, 10.0), np.zeros(n)))[:, np.newaxis].astype(np.float32)
    parts = np.concatenate([follow(aims[k : k + 30]) for k in range(0, 2 * n, 30)])[:, 0]
    frames = np.arange(1, 21)
    closing = 10 * (1 - np.exp(-frames * frame_ms / 200.0))
    opening = 10 * np.exp(-frames * frame_ms / 100.0)
    assert parts[:20] == pytest.approx(closing, abs=1e-3)
    assert parts[n : n + 20] == pytest.approx(opening, abs=1e-3)


def test_the_meter_knows_what_is_left_at_every_wet_amount() -> None:
    rng = np.random.default_rng(0)
    power = rng.random((20, stft.N_BINS)).astype(np.float32)
    factors = gains((6 * rng.random((20, stft.N_BINS))).astype(np.float32))
    meter = CutMeter()
    meter.add(power[:7], factors[:7])
    meter.add(power[7:], factors[7:])
    for wet in (0.0, 0.3, 1.0):
        expected = float(np.sum(power * (1 + wet * (factors - 1.0)) ** 2))
        assert meter.after(wet) == pytest.approx(expected, rel=1e-5)
    bands = meter.band_cuts_db(RATE)
    assert len(bands) == 10
    assert next(iter(bands)) == "cut_20_60_hz_db"
    assert list(bands)[-1] == "cut_16000_22050_hz_db"
    assert all(2.0 < value < 3.6 for value in bands.values())  # uniform over 0 to 6 dB: 2.76


def test_what_is_remembered_is_off_by_half_a_step_at_most() -> None:
    cuts_db = np.linspace(0, 6, stft.N_BINS, dtype=np.float32)[np.newaxis]
    memory = Memory(RATE, 6.0)
    assert memory.recall(0) is None
    memory.keep(0, cuts_db)
    recalled = memory.recall(0)
    assert recalled is not None
    assert np.abs(recalled - cuts_db).max() <= 0.5 * 6 / 255 + 1e-5
    assert recalled[0, 0] == 0
    too_long = Memory(3600 * RATE, 6.0)
    too_long.keep(0, cuts_db)
    assert too_long.recall(0) is None
