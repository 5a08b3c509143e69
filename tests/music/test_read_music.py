"""Songs whose beats and key are known because a formula plays them, and sounds that are no song."""

from __future__ import annotations

import json
from pathlib import Path

import mir_eval
import numpy as np
import pytest
from made_songs import MAJOR, MINOR, NAMES, RATE, MadeSong, made_song

from stemfx.audio import Audio
from stemfx.demo_song import BEATS_PER_BAR, BPM, DURATION_S, KEY, demo_song
from stemfx.io import FileSignal, probe
from stemfx.kits.synth import SynthKit
from stemfx.music import read_music
from stemfx.music_reading import MusicReading


def beat_f(truth_s: np.ndarray, found_s: tuple[float, ...]) -> float:
    return float(mir_eval.beat.f_measure(np.asarray(truth_s), np.asarray(found_s)))


def assert_played_as_written(song: MadeSong, reading: MusicReading) -> None:
    assert beat_f(song.beats_s, reading.beats_s) > 0.98
    assert beat_f(song.downbeats_s, reading.downbeats_s) > 0.98
    assert set(reading.downbeats_s) <= set(reading.beats_s)
    assert reading.key == song.key


@pytest.mark.parametrize("given", ["mixture", "stems"])
def test_the_demo_song_plays_at_its_tempo_in_its_key(given: str) -> None:
    stems = demo_song()
    mixture = Audio(np.sum([stem.samples for stem in stems.values()], axis=0), RATE)
    reading = read_music(mixture, stems if given == "stems" else {})
    beats_s = np.arange(int(DURATION_S * BPM / 60)) * 60 / BPM
    assert reading.bpm == pytest.approx(BPM, rel=1e-3)
    assert beat_f(beats_s, reading.beats_s) > 0.97
    assert beat_f(beats_s[::BEATS_PER_BAR], reading.downbeats_s) > 0.9
    assert reading.key == KEY


@pytest.mark.parametrize("given", ["mixture", "stems"])
@pytest.mark.parametrize(
    ("groove", "bpm"),
    [
        *(("rock", 96), ("rock", 150), ("four on the floor", 126)),
        *(("drum and bass", 174), ("swing ballad", 84), ("swing ballad", 66)),
    ],
)
def test_tempo_octave_beats_and_bars_are_those_of_the_groove(
    groove: str, bpm: float, given: str
) -> None:
    song = made_song(groove, bpm)
    reading = read_music(song.mixture, song.stems if given == "stems" else {})
    assert_played_as_written(song, reading)
    assert reading.bpm == pytest.approx(bpm, rel=1e-3)
    assert reading.steady
    assert reading.beats_per_bar == 4
    nearest = np.abs(np.asarray(reading.beats_s)[:, np.newaxis] - song.beats_s).min(axis=1)
    assert np.median(nearest) < 0.004  # the kit's soft kick takes that long to rise, others 1 ms
    assert reading.bpm_confidence > 0.5


@pytest.mark.parametrize("change", [-0.12, 0.1, 0.3])
def test_beats_follow_a_tempo_that_moves(change: float) -> None:
    song = made_song("rock", 100, faster_at_end=change)
    reading = read_music(song.mixture, {})
    assert_played_as_written(song, reading)
    assert not reading.steady
    nearest = np.abs(np.asarray(reading.beats_s)[:, np.newaxis] - song.beats_s).min(axis=1)
    assert np.median(nearest) < 0.003


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", range(12))
def test_every_key_is_told_from_its_relative_in_any_tuning(tonic: int, mode: str) -> None:
    cents = (0.0, 30.0, -40.0)[tonic % 3]
    song = made_song("rock", 112, tonic=tonic, mode=mode, cents=cents, bars=8)
    reading = read_music(song.mixture, {})
    relative = (tonic + (9 if mode == "major" else 3)) % 12
    other = "minor" if mode == "major" else "major"
    assert (reading.key, reading.key_runner_up) == (song.key, f"{NAMES[relative]} {other}")
    assert reading.tuning_cents == pytest.approx(cents, abs=3)
    assert reading.key_confidence > 0.2


@pytest.mark.parametrize("tonic", [0, 4])
def test_a_loop_from_the_sixth_degree_is_in_the_key_of_its_notes(tonic: int) -> None:
    # VI VII i v round and round, VI in the first and in the last bar: major on VI has the notes
    # of all its chords but VII. That key and the true one are two notes and four semitones apart.
    loop = ((8, MAJOR), (10, MAJOR), (0, MINOR), (7, MINOR))
    song = made_song("rock", 104, tonic=tonic, mode="minor", bars=16, chords=loop)
    assert read_music(song.mixture, song.stems).key == song.key
    assert read_music(song.mixture, {}).key == song.key


def test_a_reading_does_not_depend_on_level_polarity_or_channels() -> None:
    song = made_song("rock", 120, bars=6)
    mono = song.mixture
    plain = read_music(mono, {})
    same = [
        Audio(0.01 * mono.samples, RATE),
        Audio(-mono.samples, RATE),
        Audio(np.repeat(mono.samples, 2, axis=0), RATE),
        Audio(np.concatenate([mono.samples, -mono.samples]), RATE),
    ]
    for signal in same:
        reading = read_music(signal, {})
        assert np.allclose(reading.beats_s, plain.beats_s, atol=0.002)
        assert reading.key == plain.key
    assert read_music(mono, {}) == plain


def test_an_empty_drum_stem_leaves_the_beat_to_the_rest() -> None:
    song = made_song("rock", 120, bars=6)
    silent = Audio(np.zeros_like(song.mixture.samples), RATE)
    reading = read_music(song.mixture, {"drums": silent, "other": song.mixture})
    assert_played_as_written(song, reading)


def test_stems_may_differ_in_rate_and_length() -> None:
    song = made_song("rock", 120, bars=6)
    half = {name: Audio(stem.samples[:, ::2], RATE // 2) for name, stem in song.stems.items()}
    half["bass"] = Audio(song.stems["bass"].samples[:, :-5_000], RATE)
    assert_played_as_written(song, read_music(song.mixture, half))


@pytest.mark.parametrize("n_samples", [0, 1, 1_000, 132_300])
def test_silence_has_no_beat_and_no_key(n_samples: int) -> None:
    reading = read_music(Audio(np.zeros((1, n_samples), np.float32), RATE), {})
    assert (reading.bpm, reading.bpm_confidence) == (0, 0)
    assert (reading.beats_s, reading.downbeats_s, reading.key) == ((), (), "")
    assert MusicReading.from_json(json.loads(json.dumps(reading.to_json()))) == reading


def hits(times_s: np.ndarray) -> np.ndarray:
    kit, x = SynthKit(), np.zeros(24 * RATE)
    for i, at_s in enumerate(times_s[times_s < 22]):
        sound = kit.sample(("kick", "snare", "hat_closed")[i % 3], 0.8, RATE).samples[0]
        start = round(at_s * RATE)
        x[start : start + sound.size] += sound
    return x


def no_beats() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    t = np.arange(20 * RATE) / RATE
    return {
        "noise": 0.1 * rng.standard_normal(t.size),
        "rumble": 1e-3 * np.cumsum(rng.standard_normal(t.size)),
        "drone": 0.1 * sum(np.sin(2 * np.pi * 110 * k * t) / k for k in range(1, 8)),
        "free hits": hits(np.cumsum(rng.exponential(0.4, 60))),
        "one hit": hits(np.array([3.0])),
        "offset": np.full(t.size, 0.3),
    }


@pytest.mark.parametrize("name", no_beats())
def test_what_has_no_beat_gets_none_or_little_confidence(name: str) -> None:
    reading = read_music(Audio(no_beats()[name][np.newaxis].astype(np.float32), RATE), {})
    assert reading.bpm_confidence < 0.15
    assert (reading.bpm == 0) == (reading.beats_s == ())


@pytest.mark.parametrize("n_samples", [1, 2, 900, RATE // 2, RATE, 3 * RATE])
def test_a_snippet_is_read_without_complaint(n_samples: int) -> None:
    song = made_song("rock", 120, bars=3)
    snippet = Audio(song.mixture.samples[:, RATE : RATE + n_samples], RATE)
    reading = read_music(snippet, {})
    assert all(0 <= t < reading.duration_s for t in reading.beats_s)
    assert reading.duration_s == pytest.approx(n_samples / RATE)


def test_samples_that_are_no_numbers_are_silence() -> None:
    song = made_song("rock", 120, bars=6)
    broken = song.mixture.samples.copy()
    broken[:, 30_000:30_100] = np.nan
    assert_played_as_written(song, read_music(Audio(broken, RATE), {}))


def songs(corpus: Path) -> list[tuple[Path, Path]]:
    made = [(path / "mix.flac", path / "song.json") for path in (corpus / "songs").iterdir()]
    takes = [(path, path.with_suffix(".json")) for path in (corpus / "generations").glob("?.flac")]
    return sorted(made + takes)


@pytest.mark.parametrize("given", ["mixture", "stems"])
def test_corpus_songs_are_read_as_their_makers_wrote_them(corpus: Path, given: str) -> None:
    for audio, truth_path in songs(corpus):
        truth = json.loads(truth_path.read_text(encoding="utf-8"))
        stems = {n: FileSignal(probe(audio.parent / f"{n}.flac")) for n in truth.get("stems", ())}
        if given == "stems" and not stems:
            continue
        reading = read_music(FileSignal(probe(audio)), stems if given == "stems" else {})
        assert reading.bpm == pytest.approx(truth["bpm"], rel=1e-3), audio
        assert beat_f(truth["beats_s"], reading.beats_s) > 0.97, audio
        assert beat_f(truth["downbeats_s"], reading.downbeats_s) > 0.9, audio
        assert reading.key == truth["key"]["label"], audio


def test_drums_and_noise_have_no_key() -> None:
    noise = 0.1 * np.random.default_rng(5).standard_normal((1, 20 * RATE))
    for signal in (made_song("rock", 112).stems["drums"], Audio(noise.astype(np.float32), RATE)):
        reading = read_music(signal, {})
        assert (reading.key, reading.key_runner_up, reading.key_confidence) == ("", "", 0)
