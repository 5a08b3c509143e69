"""Every measurement of a defect fires on a made one and stays silent on its clean twin."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import soxr

from stemfx.audio import Audio, Signal
from stemfx.demo_song import demo_song
from stemfx.dsp.bandwidth import BandwidthMeter, BandwidthReading
from stemfx.dsp.bit_depth import BitDepthMeter
from stemfx.dsp.clicks import ClickMeter, ClickReading
from stemfx.dsp.clipping import ClippingMeter, ClippingReading
from stemfx.dsp.comb import CombReading, find_comb
from stemfx.dsp.dc import DcMeter, DcReading
from stemfx.dsp.delay import CrossSpectra
from stemfx.dsp.dropouts import DropoutMeter, DropoutReading
from stemfx.dsp.framing import Framer
from stemfx.dsp.hum import HumMeter, HumReading
from stemfx.testing import RaggedSignal

RATE = 44_100
Wave = np.ndarray


@cache
def song() -> Wave:
    """Eight seconds of the demo song's mix, peak at 0.5."""
    mix = np.sum([stem.samples for stem in demo_song().values()], axis=0)[:, 4 * RATE : 12 * RATE]
    return 0.5 * mix / np.abs(mix).max()


def bass_line() -> Wave:
    """A plain synthetic bass: slow, smooth tops, 50 ms of silence between the notes."""
    t = np.arange(8 * RATE) / RATE
    tone = np.sin(2 * np.pi * 55.0 * t) * np.clip(np.minimum(t % 1, 0.95 - t % 1) / 0.02, 0, 1)
    return np.stack([0.4 * tone, 0.4 * tone])


def quantised(samples: Wave, bits: int = 16) -> Wave:
    return np.round(samples * 2 ** (bits - 1)) / 2 ** (bits - 1)


def fed(meter: Any, signal: Signal) -> Any:
    for block in signal.blocks():
        meter.add(block)
    return meter


def audio(samples: Wave) -> Audio:
    return Audio(samples.astype(np.float32), RATE)


def clipping(samples: Wave) -> ClippingReading:
    return fed(ClippingMeter(len(samples)), audio(samples)).reading()


def dc(samples: Wave) -> DcReading:
    return fed(DcMeter(RATE, len(samples)), audio(samples)).reading()


def clicks(samples: Wave) -> ClickReading:
    return fed(ClickMeter(RATE, len(samples)), audio(samples)).reading()


def dropouts(samples: Wave) -> DropoutReading:
    return fed(DropoutMeter(RATE, len(samples)), audio(samples)).reading()


def hum(samples: Wave) -> HumReading:
    return fed(HumMeter(RATE, len(samples)), audio(samples)).reading()


def bandwidth(samples: Wave) -> BandwidthReading:
    return fed(BandwidthMeter(RATE, len(samples)), audio(samples)).reading()


def bits(samples: Wave) -> int | None:
    return fed(BitDepthMeter(), audio(samples)).bits


def comb(samples: Wave) -> CombReading:
    spectra = CrossSpectra(RATE, 1, samples.shape[1])
    spectra.add([samples[:1].astype(np.float32)])
    spectra.finish()
    return find_comb(spectra.matrix[0, 0].real, RATE)


# ---------------------------------------------------------------------------- clipping


@pytest.mark.parametrize("material", [song, bass_line])
def test_clean_music_has_no_flat_tops(material: Callable[[], Wave]):
    for samples in (material(), quantised(material()), quantised(0.1 * material())):
        assert clipping(samples).events == 0


@pytest.mark.parametrize("later_gain", [1.0, 0.5, 0.13])
@pytest.mark.parametrize("over_db", [3.0, 9.0])
def test_flat_tops_are_found_wherever_they_lie_now(over_db: float, later_gain: float):
    hot = 2 * song() * 10 ** (over_db / 20)
    found = clipping(quantised(later_gain * np.clip(hot, -1, 1)))
    # All samples at the ceiling, and few more that came within rounding of it by themselves.
    n_clipped = np.count_nonzero(np.abs(hot) >= 1.0)
    assert found.clipped_samples == pytest.approx(n_clipped, rel=0.25)
    assert found.ceiling_dbfs == pytest.approx(20 * np.log10(later_gain), abs=0.01)


def test_one_sided_clipping_is_told_as_such():
    found = clipping(np.minimum(2 * song(), 0.6))
    assert found.events > 4
    assert found.is_one_sided


def test_a_fade_after_clipping_hides_nothing():
    found = clipping(np.clip(8 * song(), -1, 1) * np.linspace(0.9, 0.3, song().shape[1]))
    assert found.events > 24


def test_a_coarse_quantiser_and_a_square_wave_are_not_clipped():
    t = np.arange(4 * RATE) / RATE
    square = 0.3 * np.sign(np.sin(2 * np.pi * 220.0 * t))
    assert clipping(quantised(song(), 8)).events == 0
    assert clipping(quantised(np.stack([square, square]))).events == 0


def test_samples_over_full_scale_are_counted_not_called_clipped():
    samples = 3 * song()
    found = clipping(samples)
    assert found.over_samples == pytest.approx(np.count_nonzero(np.abs(samples) > 1), abs=20)
    assert found.events == 0


# ---------------------------------------------------------------------------- DC


def test_an_offset_is_found_to_a_percent_and_its_channel_too():
    found = dc(song() + np.array([[0.0], [-0.01]]))
    assert found.offset[0] == 0.0
    assert found.offset[1] == pytest.approx(-0.01, rel=0.05)  # the music's own mean is in it


def test_the_mean_of_drums_is_no_offset():
    t = np.arange(8 * RATE) / RATE
    kick = np.exp(-60 * (t % 0.7)) * (0.2 + np.cos(2 * np.pi * 50 * (t % 0.7)))
    samples = np.stack([kick, kick])
    assert abs(dc(samples).mean[0]) > 1e-3
    assert dc(samples).largest == 0.0


# ---------------------------------------------------------------------------- clicks, dropouts


@pytest.mark.parametrize("material", [song, bass_line])
def test_music_has_no_clicks_and_no_dropouts(material: Callable[[], Wave]):
    for samples in (material(), quantised(material()), quantised(material() + 0.01)):
        assert clicks(samples).count == 0
        assert len(dropouts(samples).at_s) == 0


def test_a_sample_that_jumps_is_a_click_at_its_time():
    samples = song().copy()
    at = np.array([1.0, 2.5, 4.2, 6.0])
    samples[:, (at * RATE).astype(int)] += 0.5
    found = clicks(samples)
    assert found.count == 4
    np.testing.assert_allclose(found.at_s, at, atol=2e-4)  # a cell is 0.18 ms


def test_a_hit_that_begins_as_fast_is_no_click():
    t = np.arange(2 * RATE) / RATE
    hit = np.random.default_rng(0).standard_normal(t.size) * np.exp(-80 * (t % 0.25)) * 0.3
    assert clicks(np.stack([hit, hit])).count == 0


@pytest.mark.parametrize("holds", [False, True])
@pytest.mark.parametrize("length_ms", [3, 30, 200])
def test_a_lost_buffer_is_a_dropout(*, length_ms: int, holds: bool):
    samples = song().copy()
    n_lost = length_ms * RATE // 1000
    for start in range(RATE, 7 * RATE, RATE // 2):
        samples[:, start : start + n_lost] = samples[:, start - 1 : start] if holds else 0.0
    found = dropouts(quantised(samples))
    # A gap that begins or ends where the wave crosses zero cannot be told from silence.
    assert 6 <= len(found.at_s) <= 12
    np.testing.assert_allclose(found.length_s, n_lost / RATE, atol=2e-4)


def test_rests_between_notes_and_a_gate_are_no_dropouts():
    t = np.arange(4 * RATE) / RATE
    gate = np.clip(np.minimum(t % 0.25, 0.15 - t % 0.25) / 0.001, 0, 1)  # 1 ms up and down
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220, 277, 330))
    assert len(dropouts(quantised(np.stack([0.2 * chord * gate] * 2))).at_s) == 0


def test_flat_tops_at_the_heights_a_limiter_leaves_are_no_dropouts():
    clipped = np.clip(20 * song(), -1, 1)
    # A limiter after the clipping turns each hit down by another dB, and flat tops stay flat.
    turned_down = np.where(np.arange(clipped.shape[1]) // 441 % 2, 0.87, 1.0)
    assert len(dropouts(quantised(0.8 * clipped * turned_down)).at_s) == 0


# ---------------------------------------------------------------------------- hum


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_hum_under_music_is_found_with_its_mains_and_level(mains_hz: float):
    t = np.arange(song().shape[1]) / RATE
    lines = sum(0.6**k * np.sin(2 * np.pi * mains_hz * (k + 1) * t) for k in range(6))
    lines *= 10 ** (-33 / 20) / np.sqrt(np.mean(lines**2))
    found = hum(song() + lines)
    assert found.mains_hz == mains_hz
    # The fundamental may hide in the kick drum: then 2.4 dB of the level are missing.
    assert found.level_dbfs == pytest.approx(-33, abs=3.0)


def test_music_and_loops_on_a_beat_have_no_hum():
    t = np.arange(8 * RATE) / RATE
    loop = np.exp(-1500 * (t % 0.25)) * np.sin(2 * np.pi * 3000 * t)  # lines every 4 Hz, at 100 too
    for samples in (song(), bass_line(), np.stack([0.5 * loop] * 2)):
        assert hum(samples).mains_hz is None


# ---------------------------------------------------------------------------- bandwidth, bits


def test_music_has_no_cliff():
    assert bandwidth(song()).cliff_hz is None


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 32_000])
def test_a_lower_sample_rate_in_between_leaves_a_cliff(rate_hz: int):
    narrow = soxr.resample(soxr.resample(song().T, RATE, rate_hz), rate_hz, RATE).T
    found = bandwidth(quantised(narrow))
    # soxr's passband ends at 0.91 of half the rate.
    assert 0.9 * rate_hz / 2 < found.cliff_hz < rate_hz / 2
    assert found.bandwidth_hz == found.cliff_hz


@pytest.mark.parametrize(("end_db", "is_cut"), [(-50, True), (-73, False)])
def test_the_end_of_a_fading_spectrum_is_no_cliff_where_it_is_faint(end_db: float, *, is_cut: bool):
    # A synthetic pad: noise that falls evenly from 1 kHz on, to `end_db` at 7 kHz, then nothing.
    noise = np.fft.rfft(np.random.default_rng(0).standard_normal(4 * RATE))
    freq_hz = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    level_db = np.clip((freq_hz - 1000) / 6000, 0, 1) * end_db
    pad = np.fft.irfft(noise * 10 ** (level_db / 20) * (freq_hz < 7000))
    found = bandwidth(np.stack([0.1 * pad] * 2))
    assert (found.cliff_hz is not None) == is_cut


def test_spectra_of_an_hour_take_no_more_memory_than_those_of_minutes():
    top, lines = BandwidthMeter(8000, 1), HumMeter(8000, 1)
    block = np.random.default_rng(0).standard_normal((1, 480_000)).astype(np.float32)
    for _ in range(20):  # minutes
        top.add(block)
        lines.add(block)
    assert len(top._powers) <= 2048
    assert len(lines._powers) <= 1024
    assert top.reading().cliff_hz is None
    assert lines.reading().mains_hz is None


@pytest.mark.parametrize("depth", [8, 12, 16, 24])
def test_bits_are_those_that_the_samples_use(depth: int):
    assert bits(quantised(song(), depth)) == depth


def test_float_and_silence_have_no_bits():
    assert bits(song() / 3) is None
    assert bits(np.zeros((2, 1000))) is None


# ---------------------------------------------------------------------------- comb


@pytest.mark.parametrize(("delay_ms", "gain"), [(0.6, 0.8), (1.5, 0.7), (4.0, -0.8), (15.0, 0.9)])
def test_a_late_copy_makes_a_comb_of_that_delay(delay_ms: float, gain: float):
    n_late = round(delay_ms * RATE / 1000)
    samples = song().copy()
    samples[:, n_late:] += gain * song()[:, :-n_late]
    found = comb(samples)
    assert found.is_comb
    assert found.delay_ms == pytest.approx(delay_ms, abs=0.03)
    assert np.sign(found.copy_gain) == np.sign(gain)


def test_harmonics_of_a_held_note_are_no_comb():
    t = np.arange(6 * RATE) / RATE
    saw = sum(np.sin(2 * np.pi * 220 * k * t) / k for k in range(1, 80))
    hiss = 1e-4 * np.random.default_rng(0).standard_normal(t.size)
    assert not comb(0.2 * saw[None] + hiss).is_comb
    assert not comb(song()).is_comb


# ---------------------------------------------------------------------------- block sizes


@pytest.mark.parametrize(
    "make",
    [
        lambda: ClippingMeter(2),
        lambda: DcMeter(RATE, 2),
        lambda: ClickMeter(RATE, 2),
        lambda: DropoutMeter(RATE, 2),
        lambda: HumMeter(RATE, 2),
        lambda: BandwidthMeter(RATE, 2),
    ],
)
def test_how_the_signal_is_cut_does_not_matter(make: Callable[[], object]):
    samples = np.clip(4 * song()[:, : 6 * RATE], -1, 1)
    samples[:, 2 * RATE : 2 * RATE + 500] = 0.0
    samples[:, 4 * RATE] += 0.8
    whole = fed(make(), audio(samples)).reading()
    ragged = fed(make(), RaggedSignal(audio(samples))).reading()
    assert str(whole) == str(ragged)


def test_frames_begin_where_they_should():
    ramp = Audio(np.arange(1000, dtype=np.float32)[None], RATE)
    for length, hop in ((10, 10), (16, 4), (4, 10)):
        framer = Framer(1, length, hop)
        frames = np.concatenate([framer(b) for b in RaggedSignal(ramp).blocks()], axis=1)
        np.testing.assert_array_equal(frames[0, :, 0], np.arange(0, 1000 - length + 1, hop))
        assert frames.shape[2] == length


@pytest.mark.parametrize("over_db", [1.5, 3.0, 6.0])
def test_the_depth_of_clipping_is_told_from_the_slopes_beside_the_flat_tops(over_db):
    t = np.arange(RATE) / RATE
    sine = 10 ** (over_db / 20) * np.sin(2 * np.pi * 97 * t)
    meter = ClippingMeter(1)
    meter.add((0.5 * np.clip(sine, -1, 1))[np.newaxis].astype(np.float32))
    # A parabola through the slopes of a sine lies up to a tenth under it.
    assert meter.reading().depth_db == pytest.approx(over_db, rel=0.12)


def test_what_is_not_clipped_has_no_depth():
    meter = ClippingMeter(1)
    meter.add(np.sin(0.02 * np.arange(RATE))[np.newaxis].astype(np.float32) / 2)
    assert meter.reading().depth_db == 0
