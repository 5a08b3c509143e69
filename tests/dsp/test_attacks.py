from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stemfx.dsp.attacks import (
    ATTACK_DB,
    BAND_EDGES_HZ,
    FLOOR_DB,
    MAX_RISE_DB,
    Attacks,
    attack_change_db,
)

RATE = 44_100
Stereo = NDArray[np.float32]


def noise(seconds: float, seed: int = 1) -> Stereo:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((2, round(seconds * RATE)))).astype(np.float32)


def hits(seconds: float = 8) -> Stereo:
    """Noise that starts at once every 250 ms and decays by 60 dB in 150 ms."""
    t = np.arange(round(seconds * RATE)) / RATE
    envelope = 10 ** (-3 * ((t - 0.1) % 0.25) / 0.15)
    return (noise(seconds) * envelope).astype(np.float32)


def steps(quiet_db: float, seconds: float = 8) -> Stereo:
    """Noise at full level for 100 ms out of 400, at `quiet_db` between."""
    t = np.arange(round(seconds * RATE)) / RATE
    is_loud = (t + 0.2) % 0.4 < 0.1
    return (noise(seconds) * np.where(is_loud, 1, 10 ** (quiet_db / 20))).astype(np.float32)


def smeared(signal: Stereo, ms: float) -> Stereo:
    """Spread every instant over a decay of noise with the time constant `ms`."""
    from scipy.signal import fftconvolve

    n = round(RATE * ms / 1000)
    decay = np.random.default_rng(7).standard_normal(8 * n) * np.exp(-np.arange(8 * n) / n)
    return fftconvolve(signal, decay[None], axes=1)[:, : signal.shape[1]].astype(np.float32)


def change_db(reference: Stereo, estimate: Stereo) -> float:
    value = attack_change_db(reference, estimate, RATE)
    assert value is not None
    return value


@pytest.mark.parametrize("gain", [1.0, 0.01, -3.0])
def test_no_gain_costs_attacks(gain: float) -> None:
    # float32 rounding of levels is below 1e-5 dB
    assert change_db(hits(), np.float32(gain) * hits()) == pytest.approx(0, abs=1e-4)


def test_the_longer_the_smear_the_less_is_left() -> None:
    changes = [change_db(hits(), smeared(hits(), ms)) for ms in (2, 5, 10, 20, 50, 100)]
    assert changes == sorted(changes, reverse=True)
    # a smear over 100 ms leaves the level of a hit and the rest of the one before nearly equal
    assert changes[0] > -3
    assert changes[-1] < -12


@pytest.mark.parametrize("bleed_db", [-15.0, -10.0, -6.0])
def test_what_fills_the_quiet_before_an_attack_lowers_it_by_as_much(bleed_db: float) -> None:
    """From -20 dB to 0 dB is a rise of 20 dB; from `bleed_db` it is one of -bleed_db."""
    # where a spectrum lies on the edge it sees some of either side
    expected = -20 - bleed_db
    assert change_db(steps(-20), steps(bleed_db)) == pytest.approx(expected, abs=1)


def test_a_rise_counts_up_to_thirty_db() -> None:
    """Behind 30 dB nothing is heard: -60 and -35 dB before an attack are the same."""
    assert change_db(steps(-60), steps(-35)) == pytest.approx(0, abs=0.5)


def test_with_its_attacks_gone_a_stem_has_lost_all_that_they_rose() -> None:
    """Each band of white noise rises from the floor to its share of the loud quarter's power."""
    shares = np.diff([*BAND_EDGES_HZ, RATE / 2]) / (RATE / 2)
    rises_db = np.minimum(10 * np.log10(shares * 4) - FLOOR_DB, MAX_RISE_DB)
    assert rises_db.min() > ATTACK_DB
    # by chance the level of other noise rises at times too
    gone = change_db(steps(-60), noise(8, seed=2))
    assert gone == pytest.approx(-rises_db.mean(), abs=1)


@pytest.mark.parametrize(("late_ms", "least_db", "most_db"), [(1, -2.0, -0.05), (8, -30, -6)])
def test_a_late_attack_is_a_weaker_one(late_ms: float, least_db: float, most_db: float) -> None:
    late = np.roll(hits(), round(RATE * late_ms / 1000), axis=1)
    assert least_db < change_db(hits(), late) < most_db


def test_sharper_attacks_make_up_for_no_lost_ones() -> None:
    reference, sharper = steps(-12), steps(-25)
    # where a spectrum lies on the edge it sees some of either side
    assert change_db(reference, sharper) == pytest.approx(0, abs=0.5)
    half = reference.shape[1] // 2
    mixed = np.concatenate([sharper[:, :half], noise(8)[:, half:]], axis=1)
    # half of the attacks are gone, and with each 12 dB
    assert change_db(reference, mixed) == pytest.approx(-6, abs=1)


def test_what_is_steady_or_silent_has_no_attacks() -> None:
    t = np.arange(8 * RATE) / RATE
    fade = np.minimum(1, t / 0.5)  # a file that starts at full level starts with an attack
    for freq_hz in (55, 440, 5_000):
        tone = np.stack([np.sin(2 * np.pi * freq_hz * t) * fade] * 2).astype(np.float32)
        assert attack_change_db(tone, tone, RATE) is None
    silence = np.zeros((2, RATE), np.float32)
    assert attack_change_db(silence, noise(1), RATE) is None
    assert change_db(hits(), np.zeros_like(hits())) < -15


def test_what_lies_below_the_floor_has_no_attacks() -> None:
    t = np.arange(8 * RATE) / RATE
    tone = np.stack([np.sin(2 * np.pi * 440 * t) * np.minimum(1, t / 0.5)] * 2)
    faint = 10 ** ((FLOOR_DB - 20) / 20) * hits() / 0.1
    assert attack_change_db((tone + faint).astype(np.float32), noise(8), RATE) is None


@pytest.mark.parametrize("block", [1_000, 44_100, 100_000])
def test_blocks_do_not_matter(block: int) -> None:
    reference, estimate = hits(), hits() + np.float32(0.1) * noise(8, seed=2)
    powers = [float(np.mean(np.square(x, dtype=np.float64))) for x in (reference, estimate)]
    parts = Attacks(2, RATE, *powers)
    for start in range(0, reference.shape[1], block):
        window = slice(start, start + block)
        is_last = start + block >= reference.shape[1]
        parts.add(reference[:, window], estimate[:, window], last=is_last)
    assert parts.change_db == pytest.approx(change_db(reference, estimate), abs=1e-6)
    assert parts.n_attacks == 32  # four a second


@pytest.mark.parametrize("rate", [48_000, 96_000])
def test_the_rate_hardly_matters(rate: int) -> None:
    """The bands, the spans and the floor are those of the sound, not of its samples."""
    import soxr

    reference, estimate = hits(), hits() + np.float32(0.1) * noise(8, seed=2)
    resampled = (soxr.resample(x.T, RATE, rate, "VHQ").T for x in (reference, estimate))
    # the grid of the spectra lies elsewhere
    assert attack_change_db(*resampled, rate) == pytest.approx(
        change_db(reference, estimate), abs=1
    )
