"""Which tempo and key songs are brought into: least harm, and limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_readings import made_reading

from stemfx.alignment.camelot import camelot
from stemfx.alignment.keys import NEAR as NEAR_KEYS
from stemfx.alignment.keys import TUNED_CENTS, choose_key, total_transposition, transposition
from stemfx.alignment.parts import use_of
from stemfx.alignment.song import songs_of
from stemfx.alignment.tempo import NEAR, choose_tempo, octave_for, stretch_percent, total_stretch
from stemfx.dsp.key import key_name
from stemfx.dsp.transpose import key_chroma, semitones_to_key
from stemfx.errors import AlignmentError

PARTS = (("vocals",), ("drums",), ("bass", "other"), ("",))
KEYS = [key_name(index) for index in range(24)]
made = st.lists(
    st.tuples(
        st.floats(60, 180), st.sampled_from(KEYS), st.floats(-49, 50), st.sampled_from(PARTS)
    ),
    min_size=1,
    max_size=5,
).map(
    lambda found: songs_of(
        {
            f"s{k}": made_reading(bpm, key, tuning_cents=cents)
            for k, (bpm, key, cents, _) in enumerate(found)
        },
        {f"s{k}": parts for k, (*_, parts) in enumerate(found)},
    )
)


def test_the_camelot_wheel_is_that_of_the_djs() -> None:
    majors = ["B", "F#", "C#", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E"]
    minors = ["Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#"]
    for number, (major, minor) in enumerate(zip(majors, minors, strict=True), start=1):
        assert camelot(f"{major} major") == f"{number}B"
        assert camelot(f"{minor} minor") == f"{number}A"


@pytest.mark.parametrize("to", KEYS)
def test_songs_are_transposed_as_loops_are(to: str) -> None:
    # `fit` finds the shift by correlating pitch classes with the scale: an independent way.
    for key in KEYS:
        assert transposition(key, 0.0, to, 0.0)[0] == semitones_to_key(key_chroma(key), to)


@pytest.mark.parametrize(
    ("own", "to", "moved"),
    [
        (("A minor", 0), ("C major", 0), (0, 0.0)),
        (("D minor", 0), ("C# minor", 0), (-1, -1.0)),
        (("A minor", 0), ("E minor", 9), (-5, -5.0)),
        (("A minor", 0), ("A minor", -12), (0, -0.12)),
        (("A minor", 45), ("Bb minor", -45), (1, 0.1)),
        (("A minor", 45), ("A minor", -45), (0, -0.9)),
        (("A minor", 30), ("Eb minor", 0), (6, 5.7)),  # a tritone: the way tuning makes shorter
    ],
)
def test_tuning_counts_with_the_steps(
    own: tuple[str, float], to: tuple[str, float], moved: tuple[int, float]
) -> None:
    steps, semitones = transposition(*own, *to)
    assert (steps, semitones) == (moved[0], pytest.approx(moved[1]))


def test_a_whole_song_weighs_as_much_as_its_parts() -> None:
    assert use_of([""]) == use_of(["vocals", "drums", "bass", "other"])
    assert use_of([""]).stretch_weight == pytest.approx(2 + 1.5 + 0.7)
    assert use_of(["drums"]).pitch_weight == 0
    assert not use_of([]).any


@given(made)
def test_an_automatic_tempo_costs_no_more_than_any_other(songs: dict) -> None:
    best = choose_tempo("auto", songs, 1e9)
    cost = total_stretch(best.bpm, songs.values())
    for song in songs.values():
        assert cost <= total_stretch(song.bpm, songs.values()) + NEAR


@given(made)
def test_an_automatic_key_costs_no_more_than_any_other(songs: dict) -> None:
    best = choose_key("auto", songs, 12)
    if not best.key:
        assert not any(song.use.pitched for song in songs.values())
        return
    keyed = [song for song in songs.values() if song.use.pitched]
    cost = total_transposition(best.key, best.tuning_cents, keyed)
    for song in keyed:
        own = song.reading
        assert cost <= total_transposition(own.key, own.tuning_cents, keyed) + NEAR_KEYS
    # Another tuning, such as one of drums, may spare each song what is not worth correcting.
    spared = TUNED_CENTS / 100 * sum(song.use.pitch_weight for song in keyed)
    for key in (*KEYS, *songs):
        other = choose_key(key, songs, 12)
        named = total_transposition(other.key, other.tuning_cents, keyed)
        assert cost <= named + NEAR_KEYS + spared


@given(st.floats(40, 240), st.floats(40, 240))
def test_no_octave_stretches_less_than_the_one_that_is_taken(own: float, bpm: float) -> None:
    octave = octave_for(own, bpm)
    for other in (0.5, 1.0, 2.0):
        ratios = [max(o * own / bpm, bpm / (o * own)) for o in (octave, other)]
        assert ratios[0] <= ratios[1] * (1 + 1e-6)
    assert stretch_percent(own, bpm) == pytest.approx(100 * (octave * own / bpm - 1))


def songs(*found: tuple[str, float, str, tuple[str, ...]], **more: float) -> dict:
    return songs_of(
        {name: made_reading(bpm, key, **more) for name, bpm, key, _ in found},
        {name: parts for name, _, _, parts in found},
    )


def test_vocals_outweigh_drums_and_a_tie_goes_to_the_vocals() -> None:
    pair = songs(("a", 100, "A minor", ("drums",)), ("b", 110, "D minor", ("vocals",)))
    assert choose_tempo("auto", pair, 25).follows == "b"
    tie = songs(("a", 100, "A minor", ("",)), ("b", 110, "D minor", ("",)))
    assert choose_tempo("auto", tie, 25).follows == "a"  # alike in all: by name
    sung = songs(("a", 100, "A minor", ("other",)), ("b", 100.2, "D minor", ("vocals",)))
    assert choose_tempo("auto", sung, 25).follows == "b"
    assert choose_key("auto", pair, 5).follows == "b"


def test_an_automatic_tempo_avoids_what_would_be_refused() -> None:
    # By cost alone the vocals at 100 win (2 + 1.5 against .7), and the drums would need 29 %.
    trio = songs(
        ("a", 100, "A minor", ("vocals",)),
        ("b", 129, "A minor", ("drums",)),
        ("c", 112, "A minor", ("drums",)),
    )
    assert choose_tempo("auto", trio, 50).follows == "a"
    assert choose_tempo("auto", trio, 25).follows == "c"


def test_songs_of_which_only_drums_are_used_are_not_transposed() -> None:
    pair = songs(("a", 100, "A minor", ("drums",)), ("b", 100, "E minor", ("vocals",)))
    choice = choose_key("b", pair, 5)
    assert dict(choice.semitones) == {"a": 0.0, "b": 0.0}


def test_a_key_by_name_keeps_the_tuning_of_the_song_that_suffers_most() -> None:
    pair = songs_of(
        {
            "a": made_reading(key="A minor", tuning_cents=30.0),
            "b": made_reading(key="A minor", tuning_cents=0.0),
        },
        {"a": ("vocals",), "b": ("other",)},
    )
    choice = choose_key("B minor", pair, 5)
    assert choice.tuning_cents == 30.0
    assert dict(choice.semitones) == {"a": 2.0, "b": pytest.approx(2.3)}


@pytest.mark.parametrize("spelled", ["Db minor", "c# minor", "C# minor"])
def test_a_key_may_be_spelled_in_any_way(spelled: str) -> None:
    pair = songs(("a", 100, "D minor", ("vocals",)))
    choice = choose_key(spelled, pair, 5)
    assert (choice.key, choice.steps["a"]) == ("C# minor", -1)


@pytest.mark.parametrize(
    ("tempo", "said"), [("x", "no source"), (0, "outside"), (float("nan"), "outside")]
)
def test_a_tempo_that_is_none_is_refused(tempo: str | float, said: str) -> None:
    with pytest.raises(AlignmentError, match=said):
        choose_tempo(tempo, songs(("a", 100, "A minor", ("",))), 25)
