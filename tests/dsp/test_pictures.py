from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.delay import CrossSpectra
from stemfx.dsp.frame_spectra import band_powers
from stemfx.dsp.loudness import measure
from stemfx.dsp.phase import band_readings
from stemfx.dsp.pictures import PictureGrid, picture_of
from stemfx.testing import RaggedSignal, example_audio

GRID = PictureGrid(2)
RATES = (8_000, 11_025, 44_100, 48_000, 96_000)


def decoded(code: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(code), kind)


def levels_db(code: str) -> np.ndarray:
    codes = decoded(code, "<u2").astype(float)
    return np.where(codes > 0, codes / 256 - 140, -np.inf)


def spectrogram_db(picture: dict[str, Any]) -> np.ndarray:
    data = zlib.decompress(base64.b64decode(picture["spectrogram"]["data"]))
    codes = np.frombuffer(data, np.uint8).reshape(96, picture["spectrogram"]["columns"])
    return np.where(codes > 0, -127 + 0.5 * codes, -np.inf)


def sine(freq_hz: float, amplitude: float, rate: int = 44_100, seconds: float = 1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * freq_hz / rate * np.arange(round(seconds * rate)))


def gated_lufs(blocks_db: np.ndarray) -> float:
    """BS.1770-5's integrated loudness, as its text has it."""
    power = 10 ** (blocks_db / 10)
    power = np.array([power[k : k + 4].mean() for k in range(len(power) - 3)])
    level = -0.691 + 10 * np.log10(np.maximum(power, 1e-30))
    relative = -10.691 + 10 * np.log10(power[level > -70].mean())
    return float(-0.691 + 10 * np.log10(power[(level > -70) & (level > relative)].mean()))


def test_columns_divide_a_song_into_about_800() -> None:
    assert [PictureGrid.of(s).column_s for s in (0.0, 30, 80, 240, 3600)] == [
        *(0.1, 0.1, 0.1, 0.3, 4.5)
    ]
    picture = GRID.picture
    assert json.loads(json.dumps(picture)) == picture
    bands_hz = np.array(picture["bands_hz"])
    assert len(bands_hz) == 96
    # 96 bands in equal ratios: the outer middles lie half a ratio inside 30 Hz and 20 kHz.
    half = (20_000 / 30) ** (0.5 / 96)
    assert bands_hz[[0, -1]] == pytest.approx([30 * half, 20_000 / half], rel=1e-3)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("band", [40, 55, 70])
def test_a_sine_stands_in_its_band_at_its_level_in_every_column(rate: int, band: int) -> None:
    freq_hz = GRID.picture["bands_hz"][band]
    samples = sine(freq_hz, 0.1, rate, 1.23)
    found = spectrogram_db(picture_of(Audio(np.stack((samples, samples)), rate), GRID))
    assert found.shape == (96, 13)
    # 0.1 is -20 dB, and the mean square of a sine is half of its square. At the ends a frame
    # does not know where the sine went on: the half of it that is there is no whole wave.
    assert found[band] == pytest.approx(-23.01, abs=0.5)
    assert found[band + 3 :, 2:-2].max(initial=-np.inf) < -75
    assert found[: band - 12, 2:-2].max() < -75


def test_a_bin_reaches_half_a_bin_to_either_side() -> None:
    powers = np.zeros(5, np.float32)  # bins at 0, 1, 2, 3 and 4 Hz
    powers[2] = 1.0
    edges_hz = np.array([0.5, 1.5, 1.75, 2.25, 4.0, 9.0])
    assert band_powers(powers, edges_hz, 8) == pytest.approx([0, 0.25, 0.5, 0.25, 0])


def test_bass_is_wider_than_a_band_and_its_bands_add_up_to_it() -> None:
    found = spectrogram_db(picture_of(Audio(sine(50, 0.5)[np.newaxis], 44_100), GRID))
    assert 10 * np.log10(np.sum(10 ** (found[:, 3] / 10))) == pytest.approx(-9.03, abs=0.3)


def test_power_is_the_mean_over_channels_and_over_the_time_of_a_column() -> None:
    one_side = np.zeros((2, 88_200))
    one_side[0] = sine(1000, 0.1, seconds=2)
    one_side[0, :44_100] = 0
    found = spectrogram_db(picture_of(Audio(one_side, 44_100), PictureGrid(40)))
    # Half of the channels, half of the time: 6.02 dB less than the sine's -23.01.
    assert found.shape == (96, 1)
    assert 10 * np.log10(np.sum(10 ** (found / 10))) == pytest.approx(-29.03, abs=0.3)


@pytest.mark.parametrize("rate", RATES)
def test_loudness_gated_by_the_standard_is_our_own(rate: int) -> None:
    quiet = example_audio(3.0, rate).samples / 40
    audio = Audio(np.concatenate((quiet, example_audio(3.77, rate, 1).samples), axis=1), rate)
    picture = picture_of(audio, GRID)
    blocks_db = levels_db(picture["loudness"])
    assert len(blocks_db) == len(levels_db(picture["block_peaks"])) == 67
    # 1/256 dB of coding; at 11.025 kHz a block is not a whole number of samples.
    assert gated_lufs(blocks_db) == pytest.approx(measure(audio).lufs, abs=0.02)
    assert picture["lufs"] == pytest.approx(measure(audio).lufs, abs=0.001)
    assert picture["true_peak_dbtp"] == pytest.approx(measure(audio).true_peak_dbtp, abs=0.001)


def test_peaks_are_the_lowest_and_highest_sample_of_each_fiftieth() -> None:
    samples = np.zeros((2, 4_410), np.float32)
    samples[0, 881] = 0.5  # the last of the first fiftieth (882 samples)
    samples[1, 882] = -0.25
    samples[1, 4_409] = 1.7
    picture = picture_of(Audio(samples, 44_100), GRID)
    pairs = decoded(picture["peaks"], "i1").reshape(-1, 2)
    assert pairs.tolist() == [[0, 64], [-32, 0], [0, 0], [0, 0], [0, 127]]
    assert levels_db(picture["block_peaks"]) == pytest.approx([20 * np.log10(1.7)], abs=0.003)


def test_stereo_bands_are_those_of_the_check() -> None:
    audio = example_audio(6.0)
    spectra = CrossSpectra(44_100, 2, audio.n_samples)
    spectra.add([audio.samples[:1], audio.samples[1:]])
    spectra.finish()
    powers, cross = spectra.matrix, spectra.matrix[0, 1]
    expected = band_readings(powers[0, 0].real, powers[1, 1].real, cross, 44_100)
    stereo = picture_of(audio, GRID)["stereo"]
    for band, known in zip(stereo["bands"], expected, strict=True):
        assert (band["low_hz"], band["high_hz"]) == (known.low_hz, known.high_hz)
        # Two ways to average the same music: other frames.
        assert band["correlation"] == pytest.approx(known.correlation, abs=0.03)
        assert band["mono_loss_db"] == pytest.approx(known.mono_loss_db, abs=0.1)


def test_correlation_is_told_for_every_second_and_silence_has_none() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * 8_000)
    right = noise.copy()
    right[8_000:16_000] *= -1
    right[16_000:] = 0
    stereo = picture_of(Audio(np.stack((noise, right)), 8_000), GRID)["stereo"]
    assert decoded(stereo["correlation"], "i1").tolist() == [127, -127, 0, 0]


@pytest.mark.parametrize("rate", [11_025, 44_100])
def test_how_a_signal_comes_in_blocks_changes_nothing(rate: int) -> None:
    audio = example_audio(2.3, rate)
    whole = picture_of(audio, GRID)
    assert picture_of(RaggedSignal(audio), GRID) == whole
    assert json.loads(json.dumps(whole, allow_nan=False)) == whole


def test_points_of_one_song_have_the_same_columns() -> None:
    audio = example_audio(2.0)
    later = Audio(np.roll(audio.samples, 30_000, axis=1), 44_100)
    a, b = (spectrogram_db(picture_of(one, PictureGrid(3))) for one in (audio, later))
    assert a.shape == b.shape == (96, 14)
    short = Audio(audio.samples[:, :66_150], 44_100)  # 1.5 s
    # Away from the end, the columns do not know how much is to come.
    assert np.array_equal(spectrogram_db(picture_of(short, PictureGrid(3)))[:, :8], a[:, :8])


def test_silence_is_silence() -> None:
    picture = picture_of(Audio(np.zeros((2, 44_100)), 44_100), GRID)
    assert (picture["lufs"], picture["true_peak_dbtp"]) == (None, None)
    assert not decoded(picture["loudness"], "<u2").any()
    assert not decoded(picture["block_peaks"], "<u2").any()
    assert not decoded(picture["peaks"], "i1").any()
    assert np.all(spectrogram_db(picture) == -np.inf)
    assert {band["mono_loss_db"] for band in picture["stereo"]["bands"]} == {None}


@pytest.mark.parametrize("channels", [1, 5])
def test_stereo_is_of_two_channels_only(channels: int) -> None:
    sound = np.tile(sine(1000, 0.1), (channels, 1))
    picture = picture_of(Audio(sound, 44_100), GRID)
    assert picture["stereo"] is None
    assert spectrogram_db(picture).max() == pytest.approx(-23.01, abs=0.5)
    assert picture["lufs"] == pytest.approx(measure(Audio(sound, 44_100)).lufs, abs=0.001)


def test_one_sample_is_a_point_too() -> None:
    picture = picture_of(Audio(np.full((2, 1), 0.5), 44_100), GRID)
    assert decoded(picture["peaks"], "i1").tolist() == [0 + 64, 64]
    assert (picture["loudness"], picture["block_peaks"], picture["lufs"]) == ("", "", None)
    assert picture["spectrogram"]["columns"] == 1
    # A click is as loud in every Hz: of its -6.02 dB the bands have 19 970 of 22 050 Hz.
    found = 10 * np.log10(np.sum(10 ** (spectrogram_db(picture) / 10)))
    assert found == pytest.approx(-6.02 + 10 * np.log10(19_970 / 22_050), abs=0.3)
