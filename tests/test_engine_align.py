"""Songs of one recipe on one timeline, and tracks that are put together from them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from engine import level_db, run_text, samples, statuses
from made_songs import made_song

from stemfx.audio import Audio
from stemfx.cache import Cache
from stemfx.errors import AlignmentError, RecipeError
from stemfx.io import Encoding, write
from stemfx.run import Outcome

SLOW, FAST = 112.0, 120.0
A = "a: {stems: {drums: a_drums.wav, bass: a_bass.wav, other: a_other.wav}}"
B = "b: {stems: {drums: b_drums.wav, bass: b_bass.wav, other: b_other.wav}}"
SOURCES = f"sources:\n  {A}\n  {B}\n"
OUT = "output: {stems: out/}\n"


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the stems of two songs: A minor at 112 BPM, B minor at 120."""
    folder = tmp_path_factory.mktemp("songs")
    made = {
        "a": made_song("rock", SLOW, tonic=9, bars=8, start_s=0.4),
        "b": made_song("rock", FAST, tonic=11, bars=8, start_s=0.9),
    }
    for name, song in made.items():
        for stem, audio in song.stems.items():
            write(folder / f"{name}_{stem}.wav", audio, Encoding("wav", 32))
    return folder


def run_songs(songs: Path, folder: Path, text: str, **request: object) -> Outcome:
    for file in songs.glob("*.wav"):
        if not (folder / file.name).exists():
            shutil.copy(file, folder)
    cache = Cache(songs / "cache")  # what one test has aligned, the next one need not
    return run_text(folder, text, cache=cache, **request)  # type: ignore[arg-type]


def node(outcome: Outcome, name: str) -> dict[str, object]:
    return dict(next(n.measurements for n in outcome.nodes if n.id == name))


def onset_s(signal: np.ndarray, near_s: float, rate: int = 44_100) -> float:
    """Return where a drum is struck: the first sample of 10 % of the peak nearby."""
    start = round((near_s - 0.06) * rate)
    part = np.abs(signal[0, start : start + round(0.12 * rate)])
    return (start + int(np.argmax(part > 0.1 * part.max()))) / rate


def test_the_song_that_others_follow_keeps_every_bit(songs: Path, tmp_path: Path) -> None:
    text = f"{SOURCES}align: {{tempo: a}}\ntracks: {{bass: {{from: a/bass}}}}\n{OUT}"
    run_songs(songs, tmp_path, text)
    np.testing.assert_array_equal(samples(tmp_path / "out/bass.wav"), samples(songs / "a_bass.wav"))


def test_a_song_that_follows_plays_on_the_beats_of_the_other(songs: Path, tmp_path: Path) -> None:
    tracks = "tracks: {beat: {from: b/drums}, bass: {from: a/bass}}"
    outcome = run_songs(songs, tmp_path, f"{SOURCES}align: {{tempo: a}}\n{tracks}\n{OUT}")
    moved = samples(tmp_path / "out/beat.wav")
    # Kicks on beats 1 and 3 of every bar: 0.4 s + 2 beats of 60/112 s.
    expected = 0.4 + np.arange(0, 32, 2) * 60 / SLOW
    found = np.array([onset_s(moved, beat) for beat in expected])
    # What the issue asks: 8 ms for 95 % of beats; a made song is played on the grid.
    assert np.percentile(np.abs(found - expected), 95) < 0.008
    assert node(outcome, "b/align")["stretch_percent"] == pytest.approx(
        100 * (FAST / SLOW - 1), abs=0.3
    )


def test_stems_of_one_song_stay_together_to_the_sample(songs: Path, tmp_path: Path) -> None:
    double = "b: {stems: {drums: b_drums.wav, again: b_drums.wav}}"
    text = (
        f"sources:\n  {A}\n  {double}\nalign: {{tempo: a}}\n"
        f"tracks: {{one: {{from: b/drums}}, two: {{from: b/again}}}}\n{OUT}"
    )
    run_songs(songs, tmp_path, text)
    one, two = samples(tmp_path / "out/one.wav"), samples(tmp_path / "out/two.wav")
    assert level_db(one - two, one) < -60  # the stretcher works in float32, band by band


def test_all_songs_take_the_key_that_is_followed(songs: Path, tmp_path: Path) -> None:
    tracks = "tracks: {keys: {from: b/other}, bass: {from: a/bass}, beat: {from: b/drums}}"
    outcome = run_songs(songs, tmp_path, f"{SOURCES}align: {{tempo: a, key: a}}\n{tracks}\n{OUT}")
    assert node(outcome, "b/align")["semitones"] == -2  # B minor to A minor
    assert node(outcome, "a/align")["semitones"] == 0


def test_the_second_run_does_nothing(songs: Path, tmp_path: Path) -> None:
    text = f"{SOURCES}align: {{tempo: a}}\ntracks: {{beat: {{from: b/drums}}}}\n{OUT}"
    run_songs(songs, tmp_path, text)
    outcome = run_songs(songs, tmp_path, text)
    assert statuses(outcome, "done") == set()


def test_a_preview_is_cut_out_of_the_aligned_song(songs: Path, tmp_path: Path) -> None:
    text = f"{SOURCES}align: {{tempo: a}}\ntracks: {{beat: {{from: b/drums}}}}\n{OUT}"
    run_songs(songs, tmp_path, text)
    whole = samples(tmp_path / "out/beat.wav")
    run_songs(songs, tmp_path, text, preview_s=(3.0, 2.0))
    preview = samples(tmp_path / "out/beat-preview.wav")
    np.testing.assert_array_equal(preview, whole[:, 132_300:220_500])


def test_a_preview_of_several_takes_is_cut_out_once(songs: Path, tmp_path: Path) -> None:
    takes = "[{source: a/drums, bars: 1-2}, {source: b/drums, bars: 3-}]"
    text = f"{SOURCES}align: {{tempo: a}}\ntracks: {{beat: {{from: {takes}}}}}\n{OUT}"
    run_songs(songs, tmp_path, text)
    whole = samples(tmp_path / "out/beat.wav")
    run_songs(songs, tmp_path, text, preview_s=(3.0, 2.0))
    preview = samples(tmp_path / "out/beat-preview.wav")
    np.testing.assert_array_equal(preview, whole[:, 132_300:220_500])


@pytest.mark.parametrize(
    "origin", ["[{source: a/drums, bars: 1-2}, {source: b/drums, bars: 4-6}]", "best/drums"]
)
def test_a_preview_of_several_sources_is_cut_out_of_the_whole_track(
    songs: Path, tmp_path: Path, origin: str
) -> None:
    text = f"{SOURCES}align: {{tempo: a}}\ntracks: {{beat: {{from: {origin}}}}}\n{OUT}"
    run_songs(songs, tmp_path, text)
    whole = samples(tmp_path / "out/beat.wav")
    run_songs(songs, tmp_path, text, preview_s=(8.0, 3.0))
    preview = samples(tmp_path / "out/beat-preview.wav")
    np.testing.assert_array_equal(preview, whole[:, 352_800:485_100])


def test_a_preview_that_starts_after_the_aligned_song_is_refused(
    songs: Path, tmp_path: Path
) -> None:
    text = f"{SOURCES}align: {{tempo: a}}\ntracks: {{beat: {{from: b/drums}}}}\n{OUT}"
    with pytest.raises(AlignmentError, match="preview starts at 99 s and the aligned song ends at"):
        run_songs(songs, tmp_path, text, preview_s=(99.0, 2.0))


def test_hits_of_a_song_before_it_is_moved_count_from_its_own_start_in_a_preview(
    songs: Path, tmp_path: Path
) -> None:
    hits = '{"files": [{"hits": [{"time_s": 5.0, "class": "kick", "velocity": 1.0}]}]}'
    (tmp_path / "h.json").write_text(hits)
    stages = "stages: [tells_hits: {hits: h.json}, subtracts_others: {against: [drums]}]"
    text = f"{SOURCES}align: {{tempo: a}}\ntracks: {{bass: {{from: b/bass, {stages}}}}}\n{OUT}"
    run_songs(songs, tmp_path, text)
    outcome = run_songs(songs, tmp_path, text, preview_s=(4.0, 2.0))
    assert "bass/tells_hits" not in statuses(outcome, "done")  # the same, so it was only looked up


@pytest.mark.parametrize("name", ["data", "audio", "song"])
def test_a_stem_may_have_any_name(songs: Path, tmp_path: Path, name: str) -> None:
    b = f"b: {{stems: {{{name}: b_bass.wav, drums: b_drums.wav}}}}"
    tracks = f"tracks: {{one: {{from: b/{name}}}, all: {{from: b}}}}"
    run_songs(songs, tmp_path, f"sources:\n  {A}\n  {b}\nalign: {{tempo: b}}\n{tracks}\n{OUT}")
    np.testing.assert_array_equal(samples(tmp_path / "out/one.wav"), samples(songs / "b_bass.wav"))


def test_stages_that_hear_their_song_are_done_before_it_is_moved(
    songs: Path, tmp_path: Path
) -> None:
    stages = (
        "stages: [gain: {gain_db: -6}, subtracts_others: {against: [drums]}, gain: {gain_db: 6}]"
    )
    text = f"{SOURCES}align: {{tempo: a}}\ntracks: {{bass: {{from: b/bass, {stages}}}}}\n{OUT}"
    outcome = run_songs(songs, tmp_path, text)
    steps = [n.id for n in outcome.nodes]
    order = ["bass/gain", "bass/subtracts_others", "b/align", "bass/gain#2"]
    assert sorted(order, key=steps.index) == order


def test_a_stage_that_listens_to_a_moved_track_cannot_come_before(
    songs: Path, tmp_path: Path
) -> None:
    stages = "stages: [duck: {by: beat}, subtracts_others: {against: [drums]}]"
    tracks = f"tracks: {{bass: {{from: b/bass, {stages}}}, beat: {{from: a/drums}}}}"
    with pytest.raises(RecipeError, match="move `duck` behind `subtracts_others`"):
        run_songs(songs, tmp_path, f"{SOURCES}align: {{tempo: a}}\n{tracks}\n{OUT}")


def test_what_an_early_stage_takes_away_is_moved_as_well(songs: Path, tmp_path: Path) -> None:
    stages = "stages: [subtracts_others: {against: [drums], keep_removed: true}]"
    tracks = f"tracks: {{bass: {{from: b/bass, {stages}}}, gone: {{from: bass/removed}}}}"
    run_songs(songs, tmp_path, f"{SOURCES}align: {{tempo: a}}\n{tracks}\n{OUT}")
    gone = samples(tmp_path / "out/gone.wav")  # half of the drums of b
    expected = 0.4 + np.arange(0, 32, 2) * 60 / SLOW
    found = np.array([onset_s(gone, beat) for beat in expected])
    assert np.median(np.abs(found - expected)) < 0.008


def test_stages_in_time_with_a_song_are_told_the_timeline(songs: Path, tmp_path: Path) -> None:
    layer = "layer: {sound: b_drums.wav, beats_of: b, beats: [1]}"
    text = (
        f"{SOURCES}align: {{tempo: a}}\n"
        f"tracks: {{beat: {{from: a/drums, stages: [{layer}]}}, bass: {{from: b/bass}}}}\n{OUT}"
    )
    outcome = run_songs(songs, tmp_path, text)
    assert "align/music" in {n.id for n in outcome.nodes}
    assert node(outcome, "beat/layer")["layered"] == node(outcome, "align")["bars"]


def test_a_track_plays_the_bars_that_each_source_is_asked_for(songs: Path, tmp_path: Path) -> None:
    takes = "[{source: a/drums, bars: 1-4}, {source: b/drums, bars: 5-}]"
    one = f"{SOURCES}align: {{tempo: a}}\ntracks:\n  beat: {{from: {takes}}}\n"
    both = "  a: {from: a/drums}\n  b: {from: b/drums}\n"
    run_songs(songs, tmp_path, one + both + OUT)
    beat, a, b = (samples(tmp_path / f"out/{name}.wav") for name in ("beat", "a", "b"))
    switch = round((0.4 + 16 * 60 / SLOW) * 44_100)
    fade = round(0.1 * 44_100)
    n = min(beat.shape[1], a.shape[1], b.shape[1])
    np.testing.assert_array_equal(beat[:, : switch - fade], a[:, : switch - fade])
    np.testing.assert_array_equal(beat[:, switch + fade : n], b[:, switch + fade : n])


def test_bars_after_the_end_are_refused(songs: Path, tmp_path: Path) -> None:
    takes = "[{source: a/drums, bars: 1-4}, {source: b/drums, bars: 99-}]"
    text = f"{SOURCES}align: {{tempo: a}}\ntracks: {{beat: {{from: {takes}}}}}\n{OUT}"
    with pytest.raises(AlignmentError, match="bar 99 is asked for, and the song has"):
        run_songs(songs, tmp_path, text)


def test_best_plays_every_section_from_one_source_and_says_why(songs: Path, tmp_path: Path) -> None:
    text = f"{SOURCES}align: {{tempo: a}}\ntracks: {{drums: {{from: best}}}}\n{OUT}"
    outcome = run_songs(songs, tmp_path, text)
    found = [f for name, f in outcome.findings if name == "drums/best"]
    assert {f.code for f in found} == {"take_chosen"}
    assert samples(tmp_path / "out/drums.wav").any()


def test_a_song_without_a_beat_says_what_to_set(songs: Path, tmp_path: Path) -> None:
    t = np.arange(10 * 44_100) / 44_100
    drone = (0.1 * np.sin(2 * np.pi * 110 * t))[np.newaxis].astype(np.float32)
    write(tmp_path / "drone.wav", Audio(drone, 44_100), Encoding("wav", 32))
    text = f"sources: {{a: drone.wav, {B}}}\nalign: {{tempo: b}}\n{OUT}"
    with pytest.raises(AlignmentError, match="bpm"):
        run_songs(songs, tmp_path, text)


def test_a_source_may_be_left_alone(songs: Path, tmp_path: Path) -> None:
    alone = B.replace("}}", "}, align: false}")
    text = (
        f"sources:\n  {A}\n  {alone}\nalign: {{tempo: a}}\n"
        f"tracks: {{beat: {{from: b/drums}}, bass: {{from: a/bass}}}}\n{OUT}"
    )
    run_songs(songs, tmp_path, text)
    np.testing.assert_array_equal(
        samples(tmp_path / "out/beat.wav"), samples(songs / "b_drums.wav")
    )


def test_sections_by_hand_move_bars(songs: Path, tmp_path: Path) -> None:
    text = (
        f"{SOURCES}align: {{tempo: a, structure: bars}}\n"
        "sections: {one: {bars: 1-4, a: 5-8}, two: {bars: 5-8, a: 1-4}}\n"
        f"tracks: {{bass: {{from: a/bass}}}}\n{OUT}"
    )
    run_songs(songs, tmp_path, text)
    bass, original = samples(tmp_path / "out/bass.wav"), samples(songs / "a_bass.wav")
    bar = 4 * 60 / SLOW
    start, stop = 0.4 + 0.2, 0.4 + 4 * bar - 0.2
    inner = bass[0, round(start * 44_100) : round(stop * 44_100)]
    lags = range(-220, 221)  # the song's beats were read to some ms, over four bars

    def apart_db(lag: int) -> float:
        first = round((start + 4 * bar) * 44_100) + lag
        later = original[0, first : first + inner.size]
        return level_db(inner - later, later)

    assert min(apart_db(lag) for lag in lags) < -100  # a copy


def test_sections_may_name_a_song_whose_tracks_are_muted(songs: Path, tmp_path: Path) -> None:
    text = (
        f"{SOURCES}align: {{tempo: a, structure: bars}}\nsections: {{one: {{bars: 1-4, b: 5-8}}}}\n"
        f"tracks: {{bass: {{from: a/bass}}, beat: {{from: b/drums, mute: true}}}}\n{OUT}"
    )
    run_songs(songs, tmp_path, text)
    np.testing.assert_array_equal(samples(tmp_path / "out/bass.wav"), samples(songs / "a_bass.wav"))


def test_a_bar_cannot_begin_after_the_end(songs: Path, tmp_path: Path) -> None:
    text = f"sources: {{a: {{file: a_drums.wav, downbeat_s: 99}}}}\nalign: {{tempo: 120}}\n{OUT}"
    with pytest.raises(RecipeError, match="begin at 99 s, and 'a' ends at"):
        run_songs(songs, tmp_path, text)


def test_takes_of_unlike_loudness_are_told_and_may_be_brought_together(
    songs: Path, tmp_path: Path
) -> None:
    loud = samples(songs / "a_drums.wav") * 4  # 12 dB
    write(tmp_path / "loud.wav", Audio(loud, 44_100), Encoding("wav", 32))
    sources = f"sources:\n  {A}\n  b: {{stems: {{drums: loud.wav}}}}\nalign: {{tempo: a}}\n"

    def run(gain: str) -> Outcome:
        takes = f"[{{source: a/drums, bars: 1-4}}, {{source: b/drums, bars: 5-{gain}}}]"
        return run_songs(songs, tmp_path, f"{sources}tracks: {{beat: {{from: {takes}}}}}\n{OUT}")

    (told,) = (f for _, f in run("").findings if f.code == "takes_unlike")
    assert "b/drums is 12.0 LU louder than a/drums" in told.message
    assert "`gain_db: -12.0`" in told.message
    assert not [f for _, f in run(", gain_db: -12.0412").findings if f.code == "takes_unlike"]
    peaks = [
        np.abs(half).max() for half in np.array_split(samples(tmp_path / "out/beat.wav"), 2, 1)
    ]
    assert peaks[0] == pytest.approx(peaks[1], rel=0.3)  # no two strokes are quite as loud


def test_best_plays_what_it_chooses_as_loud_as_the_first_source(
    songs: Path, tmp_path: Path
) -> None:
    # The same drums, clipped hard in the first source: the second wins, at the first one's level.
    drums = samples(songs / "a_drums.wav")
    clipped = np.clip(drums * 10, -0.99, 0.99).astype(np.float32)
    write(tmp_path / "clipped.wav", Audio(clipped, 44_100), Encoding("wav", 32))
    text = (
        f"sources:\n  bad: {{stems: {{drums: clipped.wav}}}}\n  {A}\nalign: {{tempo: a}}\n"
        f"tracks: {{drums: {{from: best}}, low: {{from: bad/drums}}}}\n{OUT}"
    )
    outcome = run_songs(songs, tmp_path, text)
    told = [f.message for name, f in outcome.findings if name == "drums/best"]
    assert told
    assert all(" from a at +" in message and "clipped" in message for message in told)
