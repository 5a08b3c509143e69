"""Where the moments of songs sound: laws that hold for any songs, and cases worked out by hand."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from made_readings import made_reading, with_sections

from stemfx.alignment.beat_line import beat_line
from stemfx.alignment.layout import lay_out
from stemfx.alignment.timeline import SourceMap, Timeline, Wishes
from stemfx.errors import AlignmentError
from stemfx.music_reading import MusicReading

KEYS = ("A minor", "C major", "D minor", "C# minor", "Eb major", "F# minor", "")
PARTS = (("vocals",), ("drums",), ("bass", "other"), ("",))
NAMES = ("a", "b", "c", "d")
LOOSE = {"max_stretch_percent": 1e6, "max_semitones": 6.0}
ON_BEAT_S = 1e-6

readings = st.builds(
    made_reading,
    bpm=st.floats(60, 180),
    key=st.sampled_from(KEYS),
    downbeat_s=st.floats(0, 4),
    n_bars=st.integers(1, 12),
    tail_s=st.floats(0, 5),
    tuning_cents=st.floats(-49, 50),
    sway=st.sampled_from([0.0, 0.0, 0.03]),
)
songs = st.lists(st.tuples(readings, st.sampled_from(PARTS)), min_size=1, max_size=4).map(
    lambda found: (
        {name: reading for name, (reading, _) in zip(NAMES, found, strict=False)},
        {name: parts for name, (_, parts) in zip(NAMES, found, strict=False)},
    )
)
Songs = tuple[dict[str, MusicReading], dict[str, tuple[str, ...]]]


def sounds_at(own: SourceMap, source_s: tuple[float, ...]) -> np.ndarray:
    """Where moments of a song sound, in its only piece."""
    (piece,) = own.pieces
    return np.interp(source_s, piece.source_s, piece.out_s)


def off_grid_s(moments_s: np.ndarray, grid_s: np.ndarray) -> float:
    return float(np.abs(moments_s[:, np.newaxis] - grid_s).min(axis=1).max())


def one_grid(timeline: Timeline) -> tuple[np.ndarray, np.ndarray]:
    """Beats and bar lines of a timeline as far as any song goes, from its first two bars on."""
    reading = timeline.reading
    index = np.arange(-64, 4096)
    beat_s = 60.0 / reading.bpm
    return (
        reading.downbeats_s[0] + beat_s * index,
        reading.downbeats_s[0] + beat_s * index * reading.beats_per_bar,
    )


@given(songs, st.sampled_from(["first", "auto", 100.0, None]), st.sampled_from(["auto", None]))
def test_every_map_rises_and_lies_inside_song_and_timeline(
    made: Songs, tempo: str | float | None, key: str | None
) -> None:
    found, parts = made
    wish = "a" if tempo == "first" else tempo
    timeline = lay_out(found, Wishes(wish, key, parts, structure="bars", **LOOSE))
    assert set(timeline.maps) == set(found)
    for name, own in timeline.maps.items():
        for piece in own.pieces:
            assert np.all(np.diff(piece.out_s) > 0)
            assert np.all(np.diff(piece.source_s) > 0)
            assert min(piece.out_s[0], piece.source_s[0]) >= 0
            assert piece.source_s[-1] <= found[name].duration_s
            assert piece.out_s[-1] <= timeline.reading.duration_s
    assert max(own.pieces[-1].out_s[-1] for own in timeline.maps.values()) == pytest.approx(
        timeline.reading.duration_s
    )


@given(songs, st.sampled_from(["first", "auto", 100.0]))
def test_no_song_is_cut_where_it_sounds(made: Songs, tempo: str | float) -> None:
    found, parts = made
    wish = "a" if tempo == "first" else tempo
    timeline = lay_out(found, Wishes(wish, None, parts, structure="bars", **LOOSE))
    for name, own in timeline.maps.items():
        heard_from_s = found[name].beats_s[0] - 30 / found[name].bpm  # beats are where it sounds
        assert own.pieces[0].source_s[0] <= max(0.0, heard_from_s) + 1e-9
        assert own.pieces[-1].source_s[-1] == found[name].duration_s


@given(songs)
def test_the_song_that_is_followed_is_only_moved_by_whole_samples(made: Songs) -> None:
    found, parts = made
    (piece,) = lay_out(found, Wishes("a", None, parts, structure="bars", **LOOSE)).maps["a"].pieces
    moved_s = np.array(piece.out_s) - np.array(piece.source_s)
    assert np.ptp(moved_s) < 1e-9
    for rate in (32_000, 44_100, 48_000, 96_000):
        samples = float(moved_s[0]) * rate
        assert abs(samples - round(samples)) < 1e-6


@given(songs)
def test_beats_lie_on_beats_and_bars_on_bars(made: Songs) -> None:
    found, parts = made
    assume(all(one.steady for one in found.values()))
    for tempo in ("a", 110.0):
        timeline = lay_out(found, Wishes(tempo, None, parts, structure="bars", **LOOSE))
        beats_s, bars_s = one_grid(timeline)
        for name, own in timeline.maps.items():
            # In half time each beat lies on every second one, in double time on halves.
            step = (
                beats_s
                if own.octave >= 1
                else np.sort([*beats_s, *(beats_s[:-1] + beats_s[1:]) / 2])
            )
            assert off_grid_s(sounds_at(own, found[name].beats_s), step) < ON_BEAT_S
            bars = sounds_at(own, found[name].downbeats_s)
            step = (
                bars_s if own.octave >= 1 else np.sort([*bars_s, *(bars_s[:-1] + bars_s[1:]) / 2])
            )
            assert off_grid_s(bars, step) < ON_BEAT_S
            assert bars[0] == pytest.approx(timeline.reading.downbeats_s[0], abs=ON_BEAT_S)


@given(songs, st.sampled_from(["auto", "last", 100.0]), st.sampled_from(["auto", "A minor"]))
def test_the_order_of_songs_decides_nothing(made: Songs, tempo: str | float, key: str) -> None:
    found, parts = made
    wish = max(found) if tempo == "last" else tempo
    wishes = Wishes(wish, key, parts, **LOOSE)
    backwards = dict(reversed(found.items()))
    there, back = lay_out(found, wishes), lay_out(backwards, wishes)
    assert json.dumps(there.to_json()) == json.dumps(back.to_json())


@given(songs, st.sampled_from(["auto", 100.0, None]), st.sampled_from(["auto", None]))
def test_a_timeline_survives_json(made: Songs, tempo: str | float | None, key: str | None) -> None:
    found, parts = made
    timeline = lay_out(found, Wishes(tempo, key, parts, **LOOSE))
    assert Timeline.from_json(json.loads(json.dumps(timeline.to_json()))) == timeline


@given(songs)
def test_what_is_laid_out_keeps_the_limits_or_is_refused(made: Songs) -> None:
    found, parts = made
    with suppress(AlignmentError):
        timeline = lay_out(found, Wishes("auto", "auto", parts))
        for own in timeline.maps.values():
            assert abs(own.stretch_percent) <= 25
            assert abs(own.semitones) < 6  # five, and less than one of tuning


@given(songs)
def test_the_stretch_that_is_told_is_that_of_the_map(made: Songs) -> None:
    found, parts = made
    timeline = lay_out(found, Wishes(100.0, None, parts, structure="bars", **LOOSE))
    for name, own in timeline.maps.items():
        if found[name].steady:
            (piece,) = own.pieces
            ratio = (piece.out_s[-1] - piece.out_s[0]) / (piece.source_s[-1] - piece.source_s[0])
            assert own.stretch_percent == pytest.approx(100 * (ratio - 1), abs=1e-6)


def test_steady_songs_are_stretched_at_one_speed() -> None:
    found = {"a": made_reading(113), "b": made_reading(127), "c": made_reading(118)}
    timeline = lay_out(found, Wishes("c", None, dict.fromkeys(found, ("",))))
    assert [len(own.pieces[0].out_s) for own in timeline.maps.values()] == [2, 2, 2]
    assert timeline.maps["b"].stretch_percent == pytest.approx(100 * (127 / 118 - 1))


def test_a_song_that_wanders_is_followed_beat_by_beat_onto_a_straight_grid() -> None:
    found = {"a": made_reading(120, sway=0.04), "b": made_reading(120)}
    timeline = lay_out(found, Wishes("b", None, {"a": ("",), "b": ("",)}, structure="bars"))
    assert timeline.reading.steady
    landed = sounds_at(timeline.maps["a"], found["a"].beats_s)
    assert np.diff(landed) == pytest.approx(0.5, abs=1e-6)


def test_each_beat_of_a_song_in_double_time_is_followed() -> None:
    found = {"a": made_reading(174, sway=0.04), "b": made_reading(87)}
    timeline = lay_out(found, Wishes("b", None, {"a": ("",), "b": ("",)}))
    landed = sounds_at(timeline.maps["a"], found["a"].beats_s)
    assert np.diff(landed) == pytest.approx(30 / 87, abs=1e-6)


def test_a_song_that_wanders_goes_on_before_and_after_as_it_begins_and_ends() -> None:
    index = np.arange(33)
    faster = replace(
        made_reading(100, n_bars=8),
        beats_s=tuple((2.0 + 0.6 * index - 0.003 * index**2).tolist()),
        downbeats_s=(2.0,),
        steady=False,
    )
    line = beat_line(faster)
    # The mean of the first eight lengths, 0.6 - 0.003 (2 k + 1), and of the last eight.
    assert np.diff(line.at(np.array([-2.0, -1.0, 0.0]))) == pytest.approx(0.6 - 0.003 * 8)
    assert np.diff(line.at(np.array([32.0, 33.0, 34.0]))) == pytest.approx(0.6 - 0.003 * 56)
    moments = np.array([-3.5, 0.25, 16.5, 40.0])
    assert line.beat_at(line.at(moments)) == pytest.approx(moments)


def test_a_straight_song_follows_one_that_wanders() -> None:
    found = {"a": made_reading(120, sway=0.04), "b": made_reading(124)}
    timeline = lay_out(found, Wishes("a", None, {"a": ("",), "b": ("",)}, structure="bars"))
    assert not timeline.reading.steady
    assert len(timeline.maps["a"].pieces[0].out_s) == 2
    n = 8 * 4
    on_a = sounds_at(timeline.maps["a"], found["a"].beats_s[:n])
    first = found["b"].beats_s.index(found["b"].downbeats_s[0])
    on_b = sounds_at(timeline.maps["b"], found["b"].beats_s[first : first + n])
    assert on_b == pytest.approx(on_a, abs=1e-6)


@pytest.mark.parametrize(("own", "grid", "octave"), [(87, 174, 2.0), (174, 87, 0.5)])
def test_half_and_double_time_are_not_stretched(own: float, grid: float, octave: float) -> None:
    found = {"a": made_reading(own, n_bars=8), "b": made_reading(grid, n_bars=8)}
    timeline = lay_out(found, Wishes("b", None, {"a": ("vocals",), "b": ("drums",)}))
    assert timeline.maps["a"].octave == octave
    assert timeline.maps["a"].stretch_percent == pytest.approx(0, abs=1e-9)
    bars = sounds_at(timeline.maps["a"], found["a"].downbeats_s)
    grid_bars = np.array(timeline.reading.downbeats_s)
    shared = bars[:: round(1 / min(octave, 1))][:4]
    assert shared == pytest.approx(grid_bars[:: round(max(octave, 1))][:4], abs=1e-6)


def test_bar_one_waits_for_the_longest_lead_in_that_sounds() -> None:
    found = {"a": made_reading(100, downbeat_s=2.3), "b": made_reading(100, downbeat_s=0.5)}
    timeline = lay_out(found, Wishes("b", None, {"a": ("",), "b": ("",)}))
    # The first beat of a is at 0.5 s, so it may sound from 0.2 s on: 2.1 s before bar 1.
    assert timeline.maps["b"].pieces[0].out_s[0] == pytest.approx(1.6)
    assert timeline.reading.downbeats_s[0] == pytest.approx(2.1)
    assert timeline.maps["a"].pieces[0].out_s[0] == pytest.approx(0, abs=1e-9)


def test_bars_are_counted_from_bar_one_however_long_the_lead_in() -> None:
    found = {"a": made_reading(100, downbeat_s=9.0), "b": made_reading(100, downbeat_s=0.5)}
    timeline = lay_out(found, Wishes("b", None, {"a": ("",), "b": ("",)}))
    assert timeline.reading.downbeats_s[0] == pytest.approx(9.0, abs=0.02)
    assert timeline.reading.beats_s[0] < 0.6
    assert [f.code for f in timeline.findings] == ["later_start"]


def test_the_grid_goes_on_to_the_last_sound_of_the_longest_song() -> None:
    found = {"a": made_reading(120, n_bars=16), "b": made_reading(120, n_bars=4, tail_s=0)}
    reading = lay_out(found, Wishes("b", None, {"a": ("",), "b": ("",)}, structure="bars")).reading
    assert reading.duration_s == pytest.approx(0.5 + 32 + 1.5)
    assert len(reading.downbeats_s) == 17
    assert np.diff(reading.beats_s) == pytest.approx(0.5)


def test_a_song_of_which_nothing_is_used_may_lead_and_adds_no_time() -> None:
    found = {"a": made_reading(100, n_bars=4), "b": made_reading(110, n_bars=64)}
    timeline = lay_out(found, Wishes("b", None, {"a": ("vocals",)}))
    assert set(timeline.maps) == {"a"}
    assert timeline.reading.bpm == pytest.approx(110)
    assert timeline.reading.duration_s < 20


def test_without_a_tempo_nothing_is_moved() -> None:
    found = {"a": made_reading(60), "b": made_reading(170, downbeat_s=3.0), "c": silence()}
    timeline = lay_out(found, Wishes(None, None, dict.fromkeys(found, ("",))))
    for name, own in timeline.maps.items():
        assert own.pieces[0].out_s == own.pieces[0].source_s == (0.0, found[name].duration_s)
    assert timeline.reading.bpm in (60, 170)


def silence() -> MusicReading:
    return MusicReading(0.0, 0.0, (), (), "", 0.0, "", 0.0, 10.0, beats_per_bar=0)


def test_a_beat_told_at_the_very_start_does_not_bend_a_steady_song() -> None:
    plain = made_reading(120, downbeat_s=0.49)
    beats = (0.0, *plain.beats_s)  # truly 10 ms before the song
    found = {"a": replace(plain, beats_s=beats), "b": made_reading(120)}
    timeline = lay_out(found, Wishes("b", None, {"a": ("",), "b": ("",)}))
    assert timeline.maps["a"].stretch_percent == pytest.approx(0, abs=1e-9)


def test_sections_of_the_song_that_is_followed_are_those_of_the_timeline() -> None:
    lead = with_sections(made_reading(174, n_bars=8), ("A", 1, 4), ("B", 5, 4))
    found = {"a": made_reading(87, n_bars=8), "b": lead}
    reading = lay_out(found, Wishes("b", None, {"a": ("",), "b": ("",)})).reading
    told = [(one.label, one.first_bar, one.n_bars) for one in reading.sections]
    assert told[:2] == [("A", 1, 4), ("B", 5, 4)]
    assert told[2][:2] == ("", 9)
    for one in reading.sections[:2]:
        assert one.start_s == pytest.approx(reading.downbeats_s[one.first_bar - 1], abs=1e-9)
