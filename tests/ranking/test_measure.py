"""Measurements of takes: each defect, made by a known amount, is measured as such."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import scipy.signal
from made_songs import made_song

from stemfx.audio import Audio
from stemfx.health import FileFacts
from stemfx.music.read import read_music
from stemfx.music_reading import MusicReading
from stemfx.ranking.measure import measure_take
from stemfx.ranking.measurements import TAKE, rounded
from stemfx.ranking.order import faults_of
from stemfx.weight_files import read_weights

RATE = 44_100


@cache
def clean() -> np.ndarray:
    """Play twelve bars in stereo; no bar is like another, and it fades out."""
    song = made_song("rock", 124, bars=12)
    drums, bass, other = (song.stems[name].samples[0] for name in ("drums", "bass", "other"))
    n = drums.size
    t, rng = np.arange(n) / RATE, np.random.default_rng(3)
    lead = np.zeros(n)
    for at_s in song.beats_s[:-4:2]:
        part = slice(round(at_s * RATE), round((at_s + 0.6) * RATE))
        hz = 440 * 2 ** (rng.choice([0, 3, 5, 7, 10]) / 12)
        fade = np.hanning(lead[part].size)
        lead[part] += rng.uniform(0.05, 0.12) * np.sin(2 * np.pi * hz * t[part]) * fade
    middle = drums + bass + lead
    out = np.stack([middle + 1.3 * other, middle + 0.3 * np.roll(other, 500)])
    out[:, -RATE:] *= np.linspace(1, 0, RATE) ** 2
    out.flags.writeable = False
    return (0.7 * out / np.abs(out).max()).astype(np.float32)


def reading(samples: np.ndarray) -> MusicReading:
    return read_music(Audio(samples, RATE), {})


def measure(samples: np.ndarray, **facts: object):
    signal = Audio(np.asarray(samples, np.float32), RATE)
    return measure_take(signal, read_music(signal, {}), FileFacts(**facts))


def worst(values) -> str:
    found = faults_of(values, read_weights().take)
    return found[0].name if found else ""


@cache
def of_clean():
    return measure(clean())


def test_a_clean_song_has_no_fault():
    assert [f for f in faults_of(of_clean(), read_weights().take) if f.points > 0.5] == []


def test_every_measurement_is_there_and_none_beside():
    assert set(of_clean()) == set(TAKE)
    assert set(rounded(of_clean(), TAKE)) == set(TAKE)


@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_clipping_is_measured_wherever_its_tops_lie_now(gain):
    hot = clean() / np.abs(clean()).max() * 10 ** (9 / 20)
    found = measure(gain * np.clip(hot, -1, 1))
    assert found["clip_level_dbfs"] == pytest.approx(20 * np.log10(gain), abs=0.02)
    # Tops of one or two samples cannot be told from others: they are a few percent.
    assert found["clipped_samples"] == pytest.approx((np.abs(hot) >= 1).sum(), rel=0.1)
    assert 2 < found["clip_depth_db"] < 9  # no top went farther than 9 dB over
    assert worst(found) == "clipping"


def test_deeper_clipping_costs_more():
    whole = clean() / np.abs(clean()).max()
    clipping = read_weights().take["clipping"]
    points = [
        clipping.points(measure(np.clip(whole * 10 ** (db / 20), -1, 1))) for db in (0, 3, 6, 9, 12)
    ]
    assert points == sorted(points)
    assert points[0] == 0 < points[1]


@pytest.mark.parametrize("cutoff_hz", [10_000, 14_000, 16_000])
def test_a_cut_spectrum_is_measured_where_it_is_cut(cutoff_hz):
    taps = scipy.signal.firwin(1023, cutoff_hz, fs=RATE, window=("kaiser", 10.0))
    # Hats need something up there to lose.
    rng = np.random.default_rng(1)
    bright = clean() + 0.02 * rng.standard_normal(clean().shape) * np.abs(clean())
    found = measure(scipy.signal.fftconvolve(bright, taps[None], mode="same", axes=1))
    assert found["cutoff_khz"] == pytest.approx(cutoff_hz / 1000, abs=0.6)
    assert worst(found) == "cutoff"


@pytest.mark.parametrize("level_db", [-30.0, -45.0])
def test_noise_is_measured_where_it_is_bare(level_db):
    rms = np.sqrt(np.mean(clean() ** 2))
    noise = np.random.default_rng(0).standard_normal(clean().shape)
    found = measure(clean() + noise * rms * 10 ** (level_db / 20))
    # The song is louder where it sounds than over all, and the floor is read from few frames.
    assert found["noise_db"] == pytest.approx(level_db, abs=3.0)
    assert of_clean()["noise_db"] is None


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        (lambda x: np.repeat(x.mean(axis=0)[None], 2, axis=0), "mono"),
        (lambda x: x.mean(axis=0)[None], "mono"),
        (lambda x: x * [[1.0], [-1.0]], "mono_loss"),
        (lambda x: x * [[1.0], [0.2]], "one_sided"),
        (lambda x: x + 0.03, "dc_offset"),
        (lambda x: x[:, : 15 * RATE], "cut_ending"),
        (lambda x: np.round(x * 128) / 128, "few_bits"),
        (lambda x: 0 * x, "silence"),
        (lambda x: x[:, RATE : RATE + 4410], "very_short"),
    ],
)
def test_a_defect_is_the_worst_fault_of_what_has_it(what, fault):
    assert worst(measure(what(clean()))) == fault


def test_a_song_that_stops_in_a_sound_differs_from_one_that_dies_away():
    assert measure(clean()[:, : 15 * RATE])["end_db"] > -8
    assert of_clean()["end_db"] < -14  # a chord that is let go
    # Silence after the cut hides nothing.
    silence = np.zeros((2, 2 * RATE), np.float32)
    padded = np.concatenate([clean()[:, : 15 * RATE], silence], axis=1)
    # But for the last 10 ms, which then are whole.
    bare = measure(clean()[:, : 15 * RATE])
    assert measure(padded)["end_db"] == pytest.approx(bare["end_db"], abs=0.1)


def test_bars_of_a_loop_are_copies_and_played_bars_are_not():
    downs = np.round(np.array(reading(clean()).downbeats_s) * RATE).astype(int)
    head, loop = clean()[:, : downs[2]], clean()[:, downs[2] : downs[3]]
    found = measure(np.concatenate([head, np.tile(loop, (1, 8))], axis=1))
    # Of two bars before it and eight rounds seven are copies; the last bar may end too early.
    assert found["copied_percent"] == pytest.approx(70, abs=12)
    assert of_clean()["copied_percent"] == 0


def test_tuning_is_the_distance_from_a_440():
    detuned = made_song("rock", 124, bars=8, cents=30).mixture
    found = measure_take(detuned, read_music(detuned, {}))
    assert found["tuning_cents"] == pytest.approx(30, abs=2)
    assert found["tuning_wander_cents"] < 2


def test_a_wow_moves_tempo_and_tuning():
    n, rate_hz, percent = clean().shape[1], 1 / 9, 4
    t = np.arange(n) / RATE
    turn = 2 * np.pi * rate_hz
    bend = percent / 100 / turn * (1 - np.cos(turn * t))
    found = measure(np.stack([np.interp(t + bend, t, side) for side in clean()]))
    # 4 % of speed are 68 cents; where the speed changes most, nothing of the tuning is clear.
    assert 5 < found["tuning_wander_cents"] < 68
    assert 1 < found["tempo_wander_percent"] <= 4.1
    assert of_clean()["tempo_wander_percent"] < 1e-6
    assert of_clean()["tuning_wander_cents"] < 2


def test_loudness_alone_changes_no_fault():
    quiet = measure(0.1 * clean())
    weights = read_weights().take
    points = [sum(f.points for f in faults_of(m, weights)) for m in (quiet, of_clean())]
    assert points[0] == pytest.approx(points[1], abs=0.05)


def test_a_lossy_file_says_so():
    assert measure(clean(), is_lossy=True, format="MP3")["lossy_file"] == 1


def test_samples_that_are_no_numbers_spoil_nothing_else():
    samples = clean().copy()
    samples[0, 50_000:50_010] = np.nan
    found = measure(samples)
    assert found["bad_samples"] == 10
    assert found["tonal_distance_db"] == pytest.approx(of_clean()["tonal_distance_db"], abs=0.1)


def test_the_same_song_measures_the_same_bits():
    assert measure(clean()) == of_clean()


@pytest.mark.parametrize("n", [1, 2, 100, 4410])
@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_a_few_samples_are_measured_as_far_as_they_go(n, rate):
    signal = Audio(np.full((2, n), 0.25, np.float32), rate)
    found = measure_take(signal, read_music(signal, {}))
    assert found["duration_s"] == n / rate
    assert all(value is None or np.isfinite(value) for value in found.values())


def test_the_generations_of_the_corpus_are_ranked_and_named(corpus):
    import soundfile

    from stemfx.ranking.order import ranked

    takes = {}
    for name in "ABC":
        samples, rate = soundfile.read(corpus / "generations" / f"{name}.flac", dtype="float32")
        signal = Audio(samples.T, rate)
        takes[name] = measure_take(signal, read_music(signal, {}))
    order = ranked(takes, read_weights().take)
    assert [one.name for one in order] == ["C", "A", "B"]
    assert [one.faults[0].name for one in order[1:]] == ["cutoff", "clipping"]
    assert order[0].reasons == []
    assert takes["B"]["clipped_samples"] == pytest.approx(20_388, rel=0.03)
