from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from stemfx.dsp.harm import BAND_EDGES_HZ, STEPS, Harm, HarmMeter, Limits
from stemfx.dsp.units import FLOOR_DB

RATE = 44_100
Stereo = NDArray[np.float32]
FREE = Limits(*[float("inf")] * 5)


def harm_of(before: Stereo, after: Stereo, rate: int = RATE, block: int = 50_000) -> Harm:
    meter = HarmMeter(before.shape[0], rate)
    for i in range(0, before.shape[1], block):
        meter.add(before[:, i : i + block], after[:, i : i + block])
    return meter.result()


def tone(freq_hz: float, seconds: float = 3, rate: int = RATE) -> Stereo:
    t = np.arange(round(seconds * rate)) / rate
    return np.tile(0.1 * np.sin(2 * np.pi * freq_hz * t), (2, 1)).astype(np.float32)


def hits(seconds: float = 6) -> Stereo:
    """Noise that starts at once every 250 ms and decays by 60 dB in 150 ms, wider than mono."""
    rng = np.random.default_rng(1)
    t = np.arange(round(seconds * RATE)) / RATE
    envelope = 10 ** (-3 * ((t - 0.1) % 0.25) / 0.15)
    return (0.1 * rng.standard_normal((2, t.size)) * envelope).astype(np.float32)


def numbers(harm: Harm, wet: float) -> NDArray[np.float64]:
    return np.hstack(astuple(harm.costs(wet)))


def some_repair(x: Stereo) -> Stereo:
    """Smears, narrows and dulls, and adds a hum: everything costs something."""
    smeared = (
        0.7 * x + 0.3 * uniform_filter1d(x, 9, axis=1) + 0.4 * uniform_filter1d(x, 400, axis=1)
    )
    narrow = 0.8 * smeared + 0.2 * smeared[::-1]
    return (narrow + 0.003 * tone(100, x.shape[1] / RATE)).astype(np.float32)


@pytest.mark.parametrize("wet", [0.0, 0.13, 0.5, 0.77, 1.0])
def test_what_is_told_for_a_wet_amount_is_what_that_mixture_costs(wet: float) -> None:
    x = hits()
    r = some_repair(x)
    mixed = (x + np.float32(wet) * (r - x)).astype(np.float32)
    # float32 rounding of the mixture is 1e-7; a null of nothing reads its floor
    told, real = numbers(harm_of(x, r), wet), numbers(harm_of(x, mixed), 1.0)
    assert told == pytest.approx(real, abs=1e-3)


@pytest.mark.parametrize(
    "limits",
    [
        replace(FREE, band_loss_db=2.0),
        replace(FREE, band_gain_db=0.2),
        replace(FREE, attack_loss_db=0.8),
        replace(FREE, change_db=-20.0),
        Limits(),
    ],
)
def test_the_largest_wet_amount_that_meets_the_limits_is_found(limits: Limits) -> None:
    x = hits()
    r = some_repair(x)
    found = harm_of(x, r).allowed_wet(limits)

    def meets(wet: float) -> bool:
        mixed = (x + np.float32(wet) * (r - x)).astype(np.float32)
        return not harm_of(x, mixed).costs(1.0).over(limits)

    assert 0.02 < found < 0.98
    assert meets(found - 0.001)  # the hundredth itself may be a rounding away from its limit
    assert not meets(found + 1.001 / STEPS)


@pytest.mark.parametrize(("cut_db", "freq_hz"), [(6.0, 90.0), (3.0, 700.0), (12.0, 12_000.0)])
def test_a_band_that_is_cut_is_named_with_its_loss(cut_db: float, freq_hz: float) -> None:
    rest = tone(200) + tone(3_000)
    cut = tone(freq_hz)
    costs = harm_of(rest + cut, rest + np.float32(10 ** (-cut_db / 20)) * cut).costs(1.0)
    # The tones begin and end at once: clicks, 20 dB under the quietest band that counts.
    assert costs.band_loss_db == pytest.approx(cut_db, abs=0.1)
    assert costs.loss_band_hz[0] <= freq_hz < costs.loss_band_hz[1]
    assert costs.band_gain_db < 0.2


@pytest.mark.parametrize(("level_db", "counts"), [(-30.0, True), (-50.0, False)])
def test_a_band_counts_unless_it_lies_40_db_under_the_loudest(
    level_db: float,
    counts: bool,  # noqa: FBT001
) -> None:
    quiet = np.float32(10 ** (level_db / 20)) * tone(6_000)
    costs = harm_of(tone(200) + quiet, tone(200)).costs(1.0)
    assert (costs.band_loss_db > 20) == counts


def test_an_offset_is_in_no_band() -> None:
    x = hits()
    # Its ends fade, or their steps would be heard, and measured.
    ends = np.clip(np.arange(x.shape[1]) / RATE, 0, 1)
    offset = 0.05 * np.sin(np.pi / 2 * np.minimum(ends, ends[::-1])) ** 2
    costs = harm_of(x + offset.astype(np.float32), x).costs(1.0)
    assert costs.band_loss_db < 0.1  # with the steps it would be 7
    assert costs.mono_loss_change_db == pytest.approx(0, abs=0.001)
    assert costs.change_db > -1  # 0.05 is about as loud as these hits


def test_a_gain_costs_no_attack() -> None:
    costs = harm_of(hits(), np.float32(0.5) * hits()).costs(1.0)
    assert costs.attack_loss_db == pytest.approx(0, abs=0.001)
    assert costs.band_loss_db == pytest.approx(6.02, abs=0.01)


def test_attacks_that_are_turned_down_or_filled_are_lost() -> None:
    x = hits()
    after_s = (np.arange(x.shape[1]) / RATE - 0.1) % 0.25
    turned_down = np.where(after_s < 0.02, np.float32(0.5), np.float32(1)) * x
    # 6.02 dB, less what the whole got quieter by: most of it are these 20 ms of each hit.
    power = 10 ** (-6 * after_s / 0.15)
    overall_db = 10 * np.log10(np.sum(power * np.where(after_s < 0.02, 0.25, 1)) / np.sum(power))
    loss_db = harm_of(x, turned_down).costs(1.0).attack_loss_db
    assert loss_db == pytest.approx(6.02 + overall_db, abs=0.1)
    noise = np.random.default_rng(5).standard_normal(x.shape).astype(np.float32)
    losses_db = [harm_of(x, x + level * noise).costs(1.0).attack_loss_db for level in (1e-5, 0.02)]
    assert losses_db[0] == pytest.approx(0, abs=0.01)  # far under the floor
    assert losses_db[1] > 3


def test_the_fold_down_is_told_from_the_mid_and_the_side() -> None:
    mid, side = tone(300), tone(500) * np.array([[1], [-1]], np.float32)
    # From equal energies of mid and side (-3.01 dB) to a mid 6.02 dB lower (-6.99 dB).
    worse = harm_of(mid + side, np.float32(0.5) * mid + side).costs(1.0)
    assert worse.mono_loss_change_db == pytest.approx(3.98, abs=0.01)
    better = harm_of(mid + side, mid).costs(1.0)
    assert better.mono_loss_change_db == pytest.approx(-3.01, abs=0.01)


def test_the_change_is_told_relative_to_the_signal() -> None:
    x = hits()
    assert harm_of(x, np.float32(0.9) * x).costs(0.5).change_db == pytest.approx(-26.02, abs=0.01)


def test_a_repair_that_changes_nothing_costs_nothing() -> None:
    harm = harm_of(hits(), hits())
    assert harm.is_nothing
    assert harm.allowed_wet(Limits(0, 0, 0, 0, FLOOR_DB)) == 1
    costs = harm.costs(1.0)
    assert (costs.band_loss_db, costs.attack_loss_db, costs.change_db) == (0, 0, FLOOR_DB)


@pytest.mark.parametrize("n_samples", [0, 1, 100, 44_100])
def test_silence_and_scraps_have_costs(n_samples: int) -> None:
    silence = np.zeros((2, n_samples), np.float32)
    assert harm_of(silence, silence).allowed_wet(Limits()) == 1
    x = hits(1)[:, 4_410 : 4_410 + n_samples]
    assert np.isfinite(numbers(harm_of(x, 0 * x), 1.0)).all()


@pytest.mark.parametrize("block", [1_000, 65_536, 100_003])
def test_the_block_size_is_not_seen_in_a_single_bit(block: int) -> None:
    x = hits()
    r = some_repair(x)
    expected, found = harm_of(x, r, block=7_777), harm_of(x, r, block=block)
    for name in ("total", "bands", "attacks", "attack_floor"):
        assert np.array_equal(getattr(expected, name), getattr(found, name))


@pytest.mark.parametrize("channels", [1, 2])
def test_bands_are_energies(channels: int) -> None:
    x = np.random.default_rng(2).standard_normal((channels, 441_000)).astype(np.float32)
    harm = harm_of(x, np.float32(0.5) * x)
    # White noise below 20 Hz: 0.1 %. The window weighs samples unevenly, noise more so: 1 %.
    assert harm.bands.sum(axis=(1, 2)) == pytest.approx(harm.total, rel=0.01)


def test_what_is_to_go_is_no_loss() -> None:
    noise = np.random.default_rng(2).standard_normal((2, 132_300)).astype(np.float32)
    x = tone(90) + tone(3_000)
    harm = harm_of(x + np.float32(0.01) * noise, x + np.float32(0.005) * noise)
    per_sample = 1e-4 * 2 * np.diff(np.minimum(harm.edges_hz, RATE / 2)) / (RATE / 2)
    aside = harm.setting_aside(per_sample * noise.shape[1], 0.5)
    # What is left of noise strays; 20 to 60 Hz has but 120 of its values, 13 dB under the tone's.
    assert harm.costs(1.0).band_loss_db > 5
    assert aside.costs(1.0).band_loss_db < 0.1
    softer = harm_of(x + np.float32(0.01) * noise, np.float32(0.8) * x)
    loss_db = softer.setting_aside(per_sample * noise.shape[1], 0.0).costs(1.0).band_loss_db
    assert loss_db == pytest.approx(1.94, abs=0.15)


@pytest.mark.parametrize("rate", [8_000, 48_000, 192_000])
def test_bands_lie_at_the_same_frequencies_at_every_rate(rate: int) -> None:
    low, high = tone(90, rate=rate), tone(3_000, rate=rate)
    harm = harm_of(low + high, low, rate)
    assert harm.edges_hz[-1] == rate / 2
    costs = harm.costs(1.0)
    assert costs.loss_band_hz == (2_000.0, 4_000.0)
    assert BAND_EDGES_HZ[0] == harm.edges_hz[0]


def test_mono_has_no_fold_down_to_lose() -> None:
    x = hits()[:1]
    costs = harm_of(x, np.float32(0.9) * x).costs(1.0)
    assert costs.mono_loss_change_db == 0
    assert costs.band_loss_db == pytest.approx(0.915, abs=0.001)
