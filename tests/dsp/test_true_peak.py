"""True peaks: found between the samples, nothing found too high, nothing left out that counts."""

import ebu_cases
import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp import true_peak
from stemfx.dsp.true_peak import TruePeakMeter, curvature_reach, interpolator

RATE = 48_000
CREST_DB = -20 * np.log10(np.cos(np.pi / 16))  # 0.17: a crest midway between two points at 8x


def meter_of(samples, **options):
    meter = TruePeakMeter(len(samples), **options)
    meter.add(np.asarray(samples, np.float32))
    return meter


# ------------------------------------------------------------------------ the EBU's cases


def test_3341_cases_15_to_23():
    cases = {case.name: case for case in ebu_cases.true_peak()}
    assert len(cases) == 9
    for case in cases.values():
        assert case.low <= case.error <= case.high
    # The crests of 15 to 19 fall on points at 8x: amplitudes of 0.5 and 1.41 are read as such.
    for name in ("15 TP", "16 TP", "17 TP", "18 TP"):
        assert cases[name].read == pytest.approx(20 * np.log10(0.5), abs=0.005)
    assert cases["19 TP"].read == pytest.approx(20 * np.log10(1.41), abs=0.005)
    # One signal at four offsets has one peak; written at 4x it is at -0.128.
    assert cases["20 TP"].read == pytest.approx(-0.128, abs=0.02)
    assert np.ptp([cases[f"{n} TP"].read for n in range(20, 24)]) < 0.01


@pytest.mark.parametrize("share_of_rate", [0.01, 0.0625, 0.11, 0.2, 0.25, 0.3, 0.375, 0.44])
def test_a_sine_reads_at_most_a_sixth_of_a_db_low_and_never_high(share_of_rate):
    for phase in np.linspace(0, np.pi / 8, 5):
        x = np.sin(2 * np.pi * share_of_rate * np.arange(6_000) + phase) * np.hanning(6_000) ** 0.1
        # A steady stretch: what a start out of nothing rings is not the sine's.
        read = meter_of(x[None]).true_peak_dbtp
        assert -CREST_DB - 0.005 <= read <= 0.005


# ------------------------------------------------------------------------ nothing left out


def pieces():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, 3 * RATE))
    decay = np.exp(-6.0 * (np.arange(3 * RATE) / RATE % 0.5))
    soft = np.cumsum(noise, axis=1)
    yield "noise", 0.2 * noise
    yield "hits", 0.3 * noise * decay
    yield "bass", soft / np.abs(soft).max()
    yield "clipped", np.clip(noise, -0.5, 0.5)
    yield "mono", 0.2 * noise[:1] * decay
    yield "short", 0.2 * noise[:, :100]
    yield "steep", np.sign(noise)


PIECES = dict(pieces())


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize("rate", [None, RATE])
def test_what_is_left_out_changes_no_bit(monkeypatch, name, rate):
    samples = PIECES[name]
    read = meter_of(samples, sample_rate=rate)
    found = read.true_peak
    monkeypatch.setattr(true_peak, "_RISE", 1e9)  # now nothing is left out
    monkeypatch.setattr(true_peak, "_REACH", 1e9)
    everything = meter_of(samples, sample_rate=rate)
    assert found == everything.true_peak
    if rate is not None:
        np.testing.assert_array_equal(read.cells, everything.cells)


def test_most_of_a_song_is_left_out(monkeypatch):
    looked_at = 0
    points = true_peak._points

    def counted(windows):
        nonlocal looked_at
        looked_at += len(windows)
        return points(windows)

    monkeypatch.setattr(true_peak, "_points", counted)
    hits = PIECES["hits"]
    assert meter_of(hits).true_peak > 0
    assert looked_at < 0.05 * 2 * hits.size / true_peak._GROUP


def test_no_point_lies_further_from_its_neighbours_than_the_curvature_allows():
    rng = np.random.default_rng(0)
    taps = interpolator()
    for _ in range(300):
        x = rng.standard_normal(taps.shape[1]).cumsum() * rng.choice([-1.0, 1.0])
        between = x[[6, 7]]  # a point's neighbours
        bend = np.abs(np.diff(x, 2)).max()
        assert np.abs(taps @ x).max() <= np.abs(between).max() + curvature_reach() * bend


def test_the_fine_filter_passes_what_lies_below_half_of_nyquist():
    taps = interpolator()
    at = np.arange(-6, 8) - np.arange(1, 4)[:, None] / 4
    for freq in np.linspace(0, 0.25, 200):  # of twice the rate: up to the signal's Nyquist
        gain = np.sum(taps * np.exp(2j * np.pi * freq * at), axis=1)
        np.testing.assert_allclose(gain, 1, atol=6e-5)


@pytest.mark.parametrize("share", [0.1, 0.9, 0.97])
def test_the_full_band_is_heard_up_to_close_to_nyquist(share):
    x = (0.5 * np.sin(np.pi * share * np.arange(RATE) + 0.3)).astype(np.float32)
    x *= np.hanning(RATE).astype(np.float32)
    read = meter_of(x[None], quality="full").true_peak
    assert 20 * np.log10(read / 0.5) == pytest.approx(0, abs=0.02)


def test_the_full_band_is_the_same_however_it_is_cut():
    x = np.random.default_rng(6).standard_normal((2, RATE)).astype(np.float32)
    whole, cut = TruePeakMeter(2, "full"), TruePeakMeter(2, "full")
    whole.add(x)
    for start in range(0, RATE, 777):
        cut.add(x[:, start : start + 777])
    assert cut.true_peak == whole.true_peak


def test_it_reads_what_soxr_reads_at_8x():
    import soxr

    rng = np.random.default_rng(1)
    music = soxr.resample(rng.standard_normal((RATE, 2)), 36_000, RATE, quality="VHQ")[:RATE]
    music *= 0.2 * np.exp(-6.0 * (np.arange(len(music)) / RATE % 0.25))[:, None]  # to 18 kHz
    expected = np.abs(soxr.resample(music, 1, 8, quality="VHQ")).max()
    read = meter_of(music.T, quality="VHQ").true_peak
    assert 20 * np.log10(read / expected) == pytest.approx(0, abs=0.001)


# ------------------------------------------------------------------------ in a stream


@pytest.mark.parametrize("rate", [11_025, 44_100, 192_000])
def test_a_peak_is_told_in_the_tenth_of_a_second_in_which_it_is(rate):
    x = np.zeros((2, rate))
    middle = round(0.55 * rate)
    x[1, middle - 32 : middle + 33] = 0.5 * np.hanning(65)
    cells = meter_of(x, sample_rate=rate).cells
    assert len(cells) == 10
    assert cells[5] == pytest.approx(0.5, abs=0.01)
    assert np.delete(cells, 5).max() < 0.01


def test_peaks_over_time_need_the_rate():
    with pytest.raises(ValueError, match="sample_rate="):
        meter_of(np.zeros((1, 10))).cells  # noqa: B018


def test_nothing_at_all_has_no_peak():
    meter = TruePeakMeter(2, sample_rate=RATE)
    assert (meter.true_peak_dbtp, meter.sample_peak_dbfs, len(meter.cells)) == (None, None, 0)


@pytest.mark.parametrize("join", range(1000, 1012))
def test_a_peak_at_a_join_of_blocks_is_found(join):
    # fs/4 at 45 degrees: every sample is 3.01 dB below the crest between it and the next.
    x = np.sin(np.pi / 2 * np.arange(2_000) + np.pi / 4) * np.hanning(2_000) ** 8
    audio = Audio(np.roll(x, join - 1000)[None], RATE)
    meter = TruePeakMeter(1)
    for block in (audio.read(0, join), audio.read(join)):
        meter.add(block)
    assert meter.true_peak_dbtp == pytest.approx(0, abs=0.05)
    assert meter.sample_peak_dbfs == pytest.approx(-3.01, abs=0.05)


def test_a_peak_in_the_last_samples_is_found():
    x = np.sin(np.pi / 2 * np.arange(400) + np.pi / 4)[None].astype(np.float32)
    meter = TruePeakMeter(1)
    meter.add(x)
    assert meter.true_peak > 1.01 * meter.sample_peak
