"""What is said of songs that fit badly or not at all, and how the choices are explained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_readings import made_reading

from stemfx.alignment.explain import explain, explain_timeline
from stemfx.alignment.layout import lay_out
from stemfx.alignment.timeline import Timeline, Wishes
from stemfx.errors import AlignmentError
from stemfx.io import FileSignal, probe
from stemfx.music import read_music
from stemfx.music_reading import MusicReading, Told

PARTS = {"a": ("vocals",), "b": ("drums",), "c": ("bass", "other")}
TAKES = {
    "a": made_reading(113, "A minor"),
    "b": made_reading(127, "D minor"),
    "c": made_reading(118, "C# minor"),
}


def laid_out(
    tempo: str | float | None, key: str | None = None, /, **found: MusicReading
) -> Timeline:
    return lay_out(found, Wishes(tempo, key, dict.fromkeys(found, ("vocals", "other"))))


def codes(timeline: Timeline) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for finding in timeline.findings]


@pytest.mark.parametrize(
    ("bpm", "found"),
    [
        (108, []),
        (109, [("info", "far_stretched")]),
        (110, [("info", "far_stretched")]),
        (112.1, [("warn", "far_stretched")]),
        (125, [("warn", "far_stretched")]),
    ],
)
def test_stretch_is_fine_then_told_then_warned_of(bpm: float, found: list) -> None:
    assert codes(laid_out("a", a=made_reading(100), b=made_reading(bpm))) == found


def test_too_much_stretch_is_refused_with_what_to_set() -> None:
    with pytest.raises(AlignmentError) as refused:
        laid_out("a", a=made_reading(100), b=made_reading(128), c=made_reading(114))
    said = str(refused.value)
    for part in ("b plays at 128 BPM", "100 of a", "28.0 % longer", "allows 25 %"):
        assert part in said
    for line in ("`tempo: c`", "`max_stretch_percent`", "`bpm:` under source b", "`align: false`"):
        assert line in said


def test_a_larger_limit_lets_it_pass() -> None:
    found = {"a": made_reading(100), "b": made_reading(128)}
    wishes = Wishes("a", None, {"a": ("",), "b": ("",)}, max_stretch_percent=30)
    assert lay_out(found, wishes).maps["b"].stretch_percent == pytest.approx(28)


def test_too_far_a_key_is_refused_with_keys_that_fit() -> None:
    with pytest.raises(AlignmentError) as refused:
        laid_out(None, "a", a=made_reading(key="A minor"), b=made_reading(key="Eb minor"))
    said = str(refused.value)
    for part in ("Eb minor 2A", "A minor 8A of a", "6 semitones", "allows 5", "C minor 5A"):
        assert part in said
    for line in ("`key:`", "`max_semitones`", "under source b", "`align: false`"):
        assert line in said


def test_a_key_that_is_suggested_fits() -> None:
    found = {
        name: made_reading(key=f"{key} minor")
        for name, key in zip("abc", ("A", "Eb", "C"), strict=True)
    }
    with pytest.raises(AlignmentError) as refused:
        laid_out(None, "a", **found)
    suggested = str(refused.value).partition("these would fit: ")[2].partition(":")[0]
    assert suggested
    for key in suggested.split(", "):
        laid_out(None, key.rpartition(" ")[0], **found)


@pytest.mark.parametrize(
    ("parts", "key", "found"),
    [
        (("vocals",), "B minor", []),
        (("vocals",), "C minor", [("warn", "far_transposed")]),
        (("other",), "C minor", []),
        (("other",), "C# minor", [("warn", "far_transposed")]),
        (("drums",), "Eb minor", []),
    ],
)
def test_voices_are_transposed_less_far_than_others(
    parts: tuple[str, ...], key: str, found: list
) -> None:
    timeline = lay_out({"a": made_reading(key="A minor")}, Wishes(None, key, {"a": parts}))
    assert codes(timeline) == found


def test_a_song_without_a_beat_is_refused_unless_nothing_is_stretched() -> None:
    drone = MusicReading(0, 0, (), (), "A minor", 0.9, "", 0, 20.0, beats_per_bar=0)
    with pytest.raises(AlignmentError) as refused:
        laid_out("a", a=made_reading(), b=drone)
    for line in ("'b'", "bpm: 120, downbeat_s: 0.5", "`align: false`"):
        assert line in str(refused.value)
    assert codes(laid_out(None, "a", a=made_reading(), b=drone)) == []


def test_a_song_without_a_key_is_not_transposed() -> None:
    timeline = laid_out(None, "a", a=made_reading(), b=made_reading(key=""))
    assert codes(timeline) == [("info", "no_key")]
    assert timeline.maps["b"].semitones == 0
    with pytest.raises(AlignmentError, match="key: A minor"):
        laid_out(None, "b", a=made_reading(), b=made_reading(key=""))
    assert codes(laid_out(None, "auto", b=made_reading(key=""))) == [
        ("info", "no_key"),
    ]


def test_what_is_uncertain_is_warned_of_where_it_matters() -> None:
    loose = made_reading(bpm_confidence=0.1)
    assert codes(laid_out("a", a=loose)) == [("warn", "unsure_beat")]
    assert codes(laid_out(None, a=loose)) == []
    vague = made_reading(key="A minor", key_confidence=0.05, key_runner_up="E minor")
    assert codes(laid_out(None, "b", a=vague, b=made_reading())) == [("warn", "unsure_key")]
    relative = replace(vague, key_runner_up="C major")  # the same notes: nothing would change
    assert codes(laid_out(None, "b", a=relative, b=made_reading())) == []
    assert codes(laid_out("a", a=made_reading(n_bars=1, downbeat_s=0))) == [("warn", "short_song")]
    assert codes(laid_out("a", a=made_reading(sway=0.15))) == [("warn", "free_tempo")]
    assert codes(laid_out("a", a=made_reading(sway=0.02))) == []


def test_bars_of_three_against_four_are_warned_of() -> None:
    timeline = laid_out("a", a=made_reading(), b=made_reading(beats_per_bar=3))
    assert codes(timeline) == [("warn", "other_meter")]


def test_half_time_is_told() -> None:
    timeline = laid_out("b", a=made_reading(87), b=made_reading(174))
    assert codes(timeline) == [("info", "other_octave")]
    assert "one bar of it covers two" in timeline.findings[0].message


def test_choices_are_explained_in_a_sentence_for_each_song() -> None:
    timeline = lay_out(TAKES, Wishes("c", "c", {**PARTS, "b": ("drums", "bass")}))
    assert explain(timeline) == {
        "a": "a: 113 BPM -> 118 (4.2 % shorter), A minor 8A -> C# minor 12A: +4 semitones",
        "b": "b: 127 BPM -> 118 (7.6 % longer), D minor 7A -> C# minor 12A: -1 semitone",
        "c": "c: 118 BPM, followed, C# minor 12A, followed",
    }
    assert explain_timeline(timeline) == "118 BPM (of c), C# minor 12A (of c)"


@pytest.mark.parametrize(
    ("own", "wishes", "said"),
    [
        (
            made_reading(60, "C major"),
            (120, "A minor"),
            (
                "60 BPM -> 120 (in half time, not stretched), "
                "C major 8B has the notes of A minor 8A: not transposed"
            ),
        ),
        (made_reading(120, ""), (None, "A minor"), "120 BPM as it is, no key: not transposed"),
        (
            made_reading(120, "A minor", tuning_cents=20),
            (None, "b"),
            "120 BPM as it is, A minor 8A: -20 cents",
        ),
        (
            made_reading(120, "A minor"),
            (120, None),
            "120 BPM -> 120 (not stretched), A minor 8A as it is",
        ),
    ],
)
def test_what_stays_is_explained_too(own: MusicReading, wishes: tuple, said: str) -> None:
    parts = {"a": ("other",), "b": ("vocals",)}
    timeline = lay_out({"a": own, "b": made_reading()}, Wishes(*wishes, parts))
    assert explain(timeline)["a"] == f"a: {said}"


def test_drums_are_explained_as_such() -> None:
    timeline = lay_out(TAKES, Wishes("auto", "auto", PARTS))
    assert explain(timeline)["b"].endswith("only drums: not transposed")


def test_the_takes_of_the_corpus_land_on_one_grid(corpus: Path) -> None:
    takes = {
        name.lower(): read_music(FileSignal(probe(corpus / "generations" / f"{name}.flac")), {})
        for name in "ABC"
    }
    timeline = lay_out(takes, Wishes("auto", "auto", PARTS))
    assert (timeline.tempo_of, timeline.key_of) == ("c", "a")
    told = {name: (round(own.bpm), own.key, own.semitones) for name, own in timeline.maps.items()}
    assert told == {
        "a": (113, "A minor", 0.0),
        "b": (127, "D minor", 0.0),
        "c": (118, "C# minor", -4.0),
    }
    for name, own in timeline.maps.items():
        (piece,) = own.pieces
        assert len(piece.out_s) == 2
        bars_s = [
            piece.out_s[0]
            + (at_s - piece.source_s[0])
            * (piece.out_s[1] - piece.out_s[0])
            / (piece.source_s[1] - piece.source_s[0])
            for at_s in takes[name].downbeats_s
        ]
        assert bars_s == pytest.approx(timeline.reading.downbeats_s[: len(bars_s)], abs=1e-6)


def test_what_was_told_of_a_song_is_not_asked_for_again() -> None:
    loose = made_reading(bpm_confidence=0.1, key_confidence=0.05, key_runner_up="D minor")
    wishes = Wishes("auto", "auto", {"a": ("",)}, told={"a": Told(120.0, 0.5, "A minor")})
    found = lay_out({"a": loose}, wishes).findings
    assert [finding.code for finding in found] == ["told_not_heard"]
    assert "give" not in found[0].message
