import numpy as np
import pytest
from stemfx_808 import Kit808, stemfx_kits
from stemfx_808.drums import METAL_HZ, RENDER_HZ, TOP_HZ, _metal

from stemfx.hits import DRUM_CLASSES
from stemfx.registry import build_registry
from stemfx.testing import check_kit

KIT = Kit808()
RATE = 44_100


def hit(drum_class, velocity=1.0, rate=RATE, variant=None):
    return KIT.sample(drum_class, velocity, rate, variant=variant).samples[0].astype(np.float64)


def spectrum_db(wave, rate):
    """Power spectrum in dB under its peak, at `freqs` in Hz."""
    windowed = wave * np.blackman(wave.size)
    power = np.abs(np.fft.rfft(windowed, 4 * wave.size)) ** 2
    return np.fft.rfftfreq(4 * wave.size, 1 / rate), 10 * np.log10(power / power.max() + 1e-20)


def test_it_keeps_every_law_of_a_kit():
    check_kit(KIT)


def test_it_has_every_drum():
    assert set(KIT.classes) == set(DRUM_CLASSES)
    assert KIT.variants("kick") == ("short", "long")
    assert KIT.variants("tom") == ("mid", "low", "high")


@pytest.mark.parametrize(("variant", "seconds"), [("short", 0.11), ("long", 0.38)])
def test_the_kick_rings_at_its_resonator_and_dies_as_told(variant, seconds):
    wave = hit("kick", variant=variant)
    freqs, level_db = spectrum_db(wave[round(0.25 * RATE) : round(0.75 * RATE)], RATE)
    # 49.5 Hz, and the sigh has 1.08 - 1 = 8 % of that left to fall at most.
    assert 49.5 <= freqs[level_db.argmax()] <= 49.5 * 1.08
    early, late = (np.std(wave[round(s * RATE) : round((s + 0.1) * RATE)]) for s in (0.2, 0.3))
    assert np.log(early / late) == pytest.approx(0.1 / seconds, rel=0.1)


def test_the_kick_starts_an_octave_higher():
    start = hit("kick")[: round(0.012 * RATE)]
    crossings = np.flatnonzero(np.diff(np.sign(start)))
    assert crossings[0] / RATE < 0.5 / 99  # its first half wave is over before one of 99 Hz


def test_toms_are_tuned_apart():
    pitches = {}
    for variant in ("low", "mid", "high"):
        freqs, level_db = spectrum_db(hit("tom", variant=variant)[RATE // 10 : RATE // 2], RATE)
        pitches[variant] = freqs[level_db.argmax()]
    assert pitches["low"] == pytest.approx(90, rel=0.04)
    assert pitches["mid"] == pytest.approx(130, rel=0.04)
    assert pitches["high"] == pytest.approx(190, rel=0.04)


def test_the_oscillators_have_no_alias():
    freqs, level_db = spectrum_db(_metal(RENDER_HZ), RENDER_HZ)
    away = np.ones(freqs.size, bool)
    for hz in METAL_HZ:
        for m in range(1, int(TOP_HZ / hz) + 1, 2):
            away &= np.abs(freqs - m * hz) > 4  # Hz: the window's main lobe is 3 wide on a side
    assert level_db[away].max() < -58  # Blackman's first side lobe; a naive square has -30 dB there


def test_hits_have_no_direct_current():
    for drum_class in KIT.classes:
        wave = hit(drum_class)
        assert abs(wave.sum()) / np.abs(wave).sum() < 0.01


def test_a_hat_stops_the_one_before():
    assert KIT.choke_group("hat_open") == KIT.choke_group("hat_closed") is not None


def test_its_hook_offers_it_and_recipes_can_name_it():
    (kit,) = stemfx_kits()
    assert kit.name == "808"
    import stemfx_808

    assert "808" in build_registry([("tr808", stemfx_808)]).kits or "808" in build_registry().kits
