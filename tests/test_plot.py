"""Pictures of files: what is drawn is what was measured."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from stemfx.audio import Audio
from stemfx.dsp.resample import rechunk
from stemfx.health import FileFacts, FileHealth, examine
from stemfx.health.over_time import MOMENTARY_S, SHORT_TERM_S
from stemfx.plot.looking import Looking, Pictured, Seen
from stemfx.plot.looks import styled
from stemfx.plot.saving import SUFFIXES, picture_bytes
from stemfx.plot.sheet import sheet
from stemfx.plot.words import drawable, shortened, time_steps, time_text, width, wrapped
from stemfx.stage import Finding

RATE = 32_000


def looked(samples: np.ndarray, rate: int = RATE) -> tuple[FileHealth, Seen]:
    audio = Audio(samples.astype(np.float32), rate)
    looking = Looking(rate, audio.channels, audio.n_samples)
    health = examine(audio, FileFacts(), looking)
    return health, looking.seen()


def noise(seconds: float = 5.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    middle = 0.1 * rng.standard_normal((1, round(seconds * RATE)))
    return middle + 0.05 * rng.standard_normal((2, middle.size))


def clipped_second() -> np.ndarray:
    samples = noise()
    samples[0, RATE : 2 * RATE] = np.clip(20 * samples[0, RATE : 2 * RATE], -0.9, 0.9)
    return samples


@pytest.fixture(scope="module")
def song() -> Pictured:
    health, seen = looked(clipped_second())
    return Pictured("song.wav", health, seen, health.findings)


@pytest.fixture(scope="module")
def axes(song):
    """The panels of the song by their names; a waveform for each channel."""
    with styled():
        figure = sheet([song])
    found: dict[str, list] = {}
    for panel in figure.axes:
        found.setdefault(panel.get_label(), []).append(panel)
    return found


def line(panel, label: str):
    (found,) = (each for each in panel.lines if str(each.get_label()).startswith(label))
    return found.get_xdata(), found.get_ydata()


def test_every_panel_is_there(axes):
    assert {name: len(panels) for name, panels in axes.items()} == {
        "waveform": 2,
        **dict.fromkeys(("loudness", "spectrogram", "scale", "spectrum", "correlation"), 1),
        **dict.fromkeys(("band correlation", "band mono loss"), 1),
    }


def test_the_waveform_is_the_extremes_and_the_rms_of_each_channel(axes, song):
    for channel, panel in enumerate(axes["waveform"]):
        peak, rms = panel.patches
        np.testing.assert_array_equal(peak.get_data().values, song.seen.highest[channel])
        np.testing.assert_array_equal(peak.get_data().baseline, song.seen.lowest[channel])
        np.testing.assert_array_equal(rms.get_data().values, song.seen.rms[channel])
        assert peak.get_data().edges[[0, -1]] == pytest.approx([0.0, 5.0])


def test_blocks_of_any_length_give_the_same_picture(song):
    looking = Looking(RATE, 2, 5 * RATE)
    for block in rechunk(iter([clipped_second().astype(np.float32)]), 12_345):
        looking.add(block)
    seen = looking.seen()
    for name in ("lowest", "highest", "levels_db"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(song.seen, name))
    np.testing.assert_allclose(seen.rms, song.seen.rms, atol=1e-9)


def test_columns_hold_every_sample_once():
    samples = noise()
    seen = looked(samples)[1]
    assert seen.highest.max(axis=1) == pytest.approx(samples.max(axis=1), rel=1e-6)
    assert seen.lowest.min(axis=1) == pytest.approx(samples.min(axis=1), rel=1e-6)
    # Columns of a 5 s song differ in length by one sample in 275.
    power = (seen.rms**2).mean(axis=1)
    assert power == pytest.approx((samples**2).mean(axis=1), rel=0.01)


def test_the_loudness_panel_is_the_measurements(axes, song):
    (panel,) = axes["loudness"]
    health = song.health
    for label, expected, window_s in (
        ("momentary", health.over_time.lufs(MOMENTARY_S), MOMENTARY_S),
        ("short-term", health.over_time.lufs(SHORT_TERM_S), SHORT_TERM_S),
        ("true peak", health.over_time.true_peaks_dbtp(), 0.1),
    ):
        at_s, levels = line(panel, label)
        np.testing.assert_array_equal(levels, expected)
        assert at_s[0] == pytest.approx(window_s)  # where a meter first shows it
        assert np.diff(at_s) == pytest.approx(0.1)
    assert list(line(panel, "integrated")[1]) == [health.level.lufs] * 2
    assert list(line(panel, "ceiling")[1]) == [0.0] * 2
    over = line(panel, "over the ceiling")[1]
    assert len(over) == np.count_nonzero(health.over_time.true_peaks > 1.0) > 0


def test_the_correlation_panels_are_the_measurements(axes, song):
    at_s, rho = line(axes["correlation"][0], "correlation")
    np.testing.assert_array_equal(rho, song.health.over_time.correlation())
    assert at_s[0] == pytest.approx(0.4)
    bands = song.health.stereo.bands
    drawn = [bar.get_width() for bar in axes["band correlation"][0].patches]
    assert drawn == [band.correlation for band in bands]
    drawn = [bar.get_width() for bar in axes["band mono loss"][0].patches]
    assert drawn == [band.mono_loss_db for band in bands]


def test_the_spectrogram_has_a_sine_at_its_frequency_time_and_level():
    at = np.arange(4 * RATE) / RATE
    samples = np.where(at < 2, 0.5 * np.sin(2 * np.pi * 2000 * at), 0.0)[None]
    health, seen = looked(samples)
    with styled():
        figure = sheet([Pictured("sine", health, seen, ())])
    (panel,) = (each for each in figure.axes if each.get_label() == "spectrogram")
    (image,) = panel.images
    levels_db = np.asarray(image.get_array())
    n_bands, n_columns = levels_db.shape
    band, column = np.unravel_index(levels_db.argmax(), levels_db.shape)
    left, right, low, high = image.get_extent()
    hz = 10 ** (low + (band + 0.5) / n_bands * (high - low))
    assert hz == pytest.approx(2000, rel=0.04)  # half a band of 1/10 octave
    assert left + column / n_columns * (right - left) < 2.0
    # Its window spreads it over a few bands, each in steps of 0.5 dB.
    level_db = 10 * np.log10(np.sum(10 ** (levels_db[:, n_columns // 4] / 10)))
    assert level_db == pytest.approx(20 * np.log10(0.5) - 3.01, abs=0.3)


def test_clipped_places_are_marked_in_the_channel_that_has_them(axes):
    left, right = axes["waveform"]
    at_s, _ = line(left, "clipped")
    assert (at_s > 0.95).all()
    assert (at_s < 2.0).all()
    assert len(at_s) > 10
    assert [each for each in right.lines if each.get_label() == "clipped"] == []


def texts(figure) -> str:
    return "\n".join(text.get_text() for owner in (figure, *figure.axes) for text in owner.texts)


def test_what_was_found_is_marked_and_told():
    at = np.arange(6 * RATE) / RATE
    rng = np.random.default_rng(0)
    hum = sum(0.01 / k * np.sin(2 * np.pi * 50 * k * at) for k in (1, 2, 3))
    spectrum = np.fft.rfft(0.1 * rng.standard_normal(at.size))
    spectrum[np.fft.rfftfreq(at.size, 1 / RATE) > 12_000] = 0  # as a codec does
    pulses = np.fft.irfft(spectrum, at.size) * np.exp(-5 * (at % 0.5))
    health, seen = looked(np.stack((hum + pulses, np.zeros_like(at))))
    assert {"hum", "bandwidth_limited", "silent_channel"} <= {f.code for f in health.findings}
    with styled():
        figure = sheet([Pictured("bad.wav", health, seen, health.findings)])
    told = texts(figure)
    assert "the right channel is silent" in told
    assert "hum, multiples of 50 Hz" in told
    assert f"cut off at {health.material.bandwidth.cliff_hz / 1000:.1f} kHz" in told
    for finding in health.findings:
        assert finding.message[:60] in told
    (panel,) = (each for each in figure.axes if each.get_label() == "spectrum")
    marked_hz = [10 ** each.get_ydata()[0] for each in panel.lines if each.get_linestyle() == ":"]
    assert marked_hz == pytest.approx([50, 100, 150], abs=0.5)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_picture_has_the_same_bytes_whatever_the_day_and_the_users_settings(suffix, monkeypatch):
    import matplotlib as mpl

    health, seen = looked(noise(1.0)[:1])
    mono = Pictured("mono.wav", health, seen, health.findings)
    content = picture_bytes([mono], suffix)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": "x"}):
        assert picture_bytes([mono], suffix) == content
        assert mpl.rcParams["font.size"] == 30
    if suffix == ".png":
        image = Image.open(io.BytesIO(content))
        assert image.format == "PNG"
        assert image.width == 1200
        assert 600 < image.height < 900
        assert "Software" not in image.info
    else:
        assert content.startswith(b"<?xml")
        assert b"<dc:date>" not in content


def test_odd_files_are_drawn_too():
    odd = [np.zeros((2, 8000)), np.full((1, 3), 0.1), np.full((2, 2000), 2.5)]
    pictured = [Pictured("x", *looked(samples, 16_000), ()) for samples in odd]
    image = Image.open(io.BytesIO(picture_bytes(pictured, ".png")))
    assert image.size == (1200, pytest.approx(3 * 700, rel=0.1))


def test_names_of_strangers_are_drawn_as_they_are_without_a_warning():
    name = "$\\frac{1$ \x1b[31m\n\u202e песня 日本語 🎸\N{COMBINING ACUTE ACCENT}{x}_^.wav"
    unreadable = Pictured(name, None, None, [Finding("error", "unreadable", f"is {name}")])
    image = Image.open(io.BytesIO(picture_bytes([unreadable], ".png")))  # warnings are errors
    assert image.width == 1200
    assert "песня" in drawable(name)
    assert "$" in drawable(name)
    assert not set("\x1b\n\u202e") & set(drawable(name))


def test_a_long_name_loses_its_middle():
    name = "a" * 100 + "-final.wav"
    assert width(shortened(name, 40)) <= 40
    assert shortened(name, 40).startswith("aaaa")
    assert shortened(name, 40).endswith("-final.wav")
    assert width(shortened("音" * 100, 40)) <= 40
    assert shortened("song.wav", 40) == "song.wav"


def test_many_findings_are_counted():
    findings = [Finding("warn", "x", f"finding number {i}") for i in range(9)]
    with styled():
        told = texts(sheet([Pictured("x", None, None, findings)]))
    assert "finding number 5" in told
    assert "finding number 6" not in told
    assert "and 3 more" in told


def test_times_are_written_as_people_do():
    assert time_text(2.5, 5) == "2.5"
    assert time_text(75, 200) == "1:15"
    assert time_text(3675, 4000) == "1:01:15"
    assert [time_steps(seconds) for seconds in (0.05, 5, 33, 200, 3600)] == [
        *(0.005, 0.5, 5, 30, 600),
    ]
    assert wrapped("", 10) == [""]
