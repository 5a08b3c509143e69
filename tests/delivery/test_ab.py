from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.delivery.ab import matched_pair
from stemfx.dsp.loudness import measure

RATE = 44_100
NOISE = np.random.default_rng(2).standard_normal((2, 5 * RATE)).clip(-3, 3)


def noise(gain: float, n_samples: int = 5 * RATE, rate: int = RATE) -> Audio:
    return Audio((gain * NOISE[:, :n_samples]).astype(np.float32), rate)


def at(signal: Audio, gain_db: float) -> Audio:
    return Audio(signal.samples * np.float32(10 ** (gain_db / 20)), signal.sample_rate)


@pytest.mark.parametrize(("before", "after"), [(0.02, 0.1), (0.1, 0.02), (0.05, 0.05)])
def test_the_louder_one_is_turned_down_to_the_other(before: float, after: float) -> None:
    gains = matched_pair(noise(before), noise(after))
    difference_db = 20 * np.log10(after / before)
    # The same noise at two levels: what BS.1770 measures differs by the gain, to rounding.
    assert gains == pytest.approx((min(0, difference_db), min(0, -difference_db)), abs=0.01)


def test_a_pair_is_equally_loud_below_minus_1_dbtp_whatever_it_was() -> None:
    click = noise(0.05).samples.copy()
    click[:, RATE] = 1.9  # a peak far above: it decides for both
    pairs = [
        (Audio(click, RATE), noise(0.2)),
        (noise(0.3), noise(0.31, 4 * RATE)),
        (Audio(noise(0.1).samples[:1], RATE), Audio(noise(0.4).samples, 48_000)),
    ]
    for before, after in pairs:
        gains = matched_pair(before, after)
        heard = [
            measure(at(signal, gain)) for signal, gain in zip((before, after), gains, strict=True)
        ]
        assert heard[0].lufs == pytest.approx(heard[1].lufs, abs=0.02)
        assert max(reading.true_peak_dbtp for reading in heard) <= -1 + 0.01
        assert max(gains) <= 0


def test_the_peak_takes_no_more_than_it_must() -> None:
    click = np.zeros((2, 5 * RATE), np.float32) + noise(0.05).samples
    click[:, RATE] = 1.9
    pair = Audio(click, RATE), Audio(click, RATE)
    gains = matched_pair(*pair)
    assert measure(at(pair[0], gains[0])).true_peak_dbtp == pytest.approx(-1, abs=0.01)


def test_silence_and_sounds_too_short_for_loudness_are_matched_as_far_as_they_can() -> None:
    silence = Audio(np.zeros((2, RATE), np.float32), RATE)
    assert matched_pair(silence, noise(0.05)) == (0.0, 0.0)
    assert matched_pair(silence, silence) == (0.0, 0.0)
    gains = matched_pair(noise(0.02, 4410), noise(0.04, 4410))  # 100 ms: by rms
    assert gains == pytest.approx((0.0, -20 * np.log10(2)), abs=0.01)
