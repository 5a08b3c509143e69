from __future__ import annotations

import json

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.receipt import null_receipt
from stemfx.testing import RaggedSignal, example_audio

RATE = 8_000
MINUTE = 60 * RATE


def sine(freq_hz: float, amplitude: float, n_samples: int) -> np.ndarray:
    at = np.arange(n_samples)
    fade = np.minimum(1, np.minimum(at, at[::-1]) / RATE)  # in a second: cut off it would click
    return amplitude * np.sin(np.pi / 2 * fade) ** 2 * np.sin(2 * np.pi * freq_hz / RATE * at)


def test_what_is_missing_is_told_in_its_band_and_its_minute() -> None:
    n_samples = MINUTE + MINUTE // 2
    low, high = sine(100, 0.1, n_samples), sine(700, 0.1, n_samples)
    lacking = high.copy()
    lacking[MINUTE:] *= 0.9
    mixture = Audio(np.stack((low + high, low + high)), RATE)
    stems = [Audio(np.stack((one, one)), RATE) for one in (low, lacking)]
    found = null_receipt(mixture, stems)
    assert found["bands_hz"][1] == [60, 150]
    assert found["bands_hz"][3] == [400, 1000]
    first, second = found["minutes"]
    # A tenth of the amplitude is missing: -20 dB; a frame on the minute's edge hears some of it.
    assert second[3] == pytest.approx(-20.0, abs=0.1)
    assert first[3] < -45
    assert max(first[1], second[1]) < -80  # of the step in the sine, a window's sidelobes
    # The mixture has nothing from 1 kHz on.
    assert first[4:] == second[4:] == [None] * 4
    # A third of the time, half of the power; the fades take some of both.
    assert found["null_db"] == pytest.approx(-20 - 10 * np.log10(6), abs=0.1)


def test_no_difference_in_any_bit_is_the_floor() -> None:
    stems = [
        Audio(np.round(example_audio(1.3, seed=s).samples * 2**15) / 2**15, 44_100)
        for s in range(3)
    ]
    mixture = Audio(np.sum([s.samples for s in stems], axis=0), 44_100)
    found = null_receipt(mixture, stems)
    assert found["null_db"] == -200
    assert {db for db in found["minutes"][0] if db is not None} == {-200}
    assert len(found["minutes"]) == 1


def test_no_stem_leaves_all_of_it() -> None:
    found = null_receipt(example_audio(2.0), [])
    assert found["null_db"] == 0
    assert set(found["minutes"][0]) <= {0, None}


def test_silence_has_no_receipt() -> None:
    silence = Audio(np.zeros((2, 44_100)), 44_100)
    found = null_receipt(silence, [silence])
    assert found["null_db"] is None
    assert found["minutes"] == [[None] * 8]


def test_blocks_change_nothing_and_shorter_or_mono_stems_are_fitted() -> None:
    mixture, stem = example_audio(2.2), example_audio(2.2, seed=1)
    mono = Audio(stem.samples[:1, :50_000], 44_100)
    padded = np.zeros_like(mixture.samples)
    padded[:, :50_000] = mono.samples
    expected = null_receipt(mixture, [stem, Audio(padded, 44_100)])
    assert null_receipt(RaggedSignal(mixture), [RaggedSignal(stem), mono]) == expected
    assert json.loads(json.dumps(expected, allow_nan=False)) == expected
