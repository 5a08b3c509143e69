"""`align`, `sections` and tracks that several sources play."""

from __future__ import annotations

import pytest

from stemfx.alignment.timeline import SectionWish
from stemfx.recipe.bars import parse_bars

HEAD = "stemfx: 1\nsources: {a: gen.wav, b: gen.wav}\n"
ALIGNED = HEAD + "align: {tempo: b, key: A minor}\n"


@pytest.mark.parametrize(
    ("text", "bars"), [("1-16", (1, 16)), ("17-", (17, None)), ("5", (5, 5)), (" 2 - 3 ", (2, 3))]
)
def test_a_range_of_bars_counts_from_one_and_holds_both_ends(text, bars):
    assert parse_bars(text) == bars


@pytest.mark.parametrize(
    "text", ["0-3", "0", "4-2", "1-2-3", "one", "", "-3", "1.5", "1e3", "9" * 9]
)
def test_what_is_no_range_of_bars_is_refused(text):
    with pytest.raises(ValueError, match=r"bars|begins"):
        parse_bars(text)


def test_align_names_what_is_followed(read):
    align = read(ALIGNED).align
    assert (align.tempo, align.key, align.structure) == ("b", "A minor", "auto")
    assert read(HEAD + "align: {tempo: 120}\n").align.tempo == 120
    assert read(HEAD).align is None


def test_what_is_said_of_a_source_is_kept(read):
    source = "{file: gen.wav, bpm: 113, downbeat_s: 0.25, key: A minor, align: false}"
    found = read(f"stemfx: 1\nsources: {{a: {source}}}\n").sources["a"]
    assert (found.told.bpm, found.told.downbeat_s, found.told.key) == (113, 0.25, "A minor")
    assert not found.may_align


@pytest.mark.parametrize(
    ("align", "fault"),
    [
        ("{tempo: c}", ("3:16: align.tempo: 'c' is neither a source, nor a tempo in BPM, nor auto "
         "(sources: a, b)")),
        ("{key: H minor}", ("3:14: align.key: 'H minor' is neither a source, nor a key such as "
         "A minor, nor auto (sources: a, b)")),
        ("{tempo: 500}", "3:16: align.tempo: 500 BPM is outside [20, 400] BPM"),
        ("{}", ("3:8: align: neither tempo nor key; say what to follow, e.g. {tempo: auto, "
         "key: auto}")),
        ("b", "3:8: align: expects a mapping such as {tempo: a, key: b}, got the text 'b'"),
        ("{tempo: b, structure: same}", "3:30: align.structure: 'same' is not one of auto, bars"),
    ],
)  # fmt: skip
def test_what_none_can_follow_is_refused(faults, align, fault):
    assert faults(f"{HEAD}align: {align}\n") == [f"r.yaml:{fault}"]


def test_a_tempo_in_quotes_is_told_to_lose_them(faults):
    (fault,) = faults(HEAD + 'align: {tempo: "120"}\n')
    assert "(remove the quotes)" in fault


def test_a_source_that_is_left_alone_cannot_be_followed(faults):
    text = "stemfx: 1\nsources: {a: {file: gen.wav, align: false}, b: gen.wav}\nalign: {tempo: a}\n"
    assert faults(text) == [
        "r.yaml:3:16: align.tempo: 'a' has `align: false`, so none can follow it"
    ]


def test_sections_are_bars_of_the_song_and_of_sources(read):
    text = ALIGNED + "sections:\n  chorus: {bars: 9-16, a: 17-24}\n  verse: {bars: 1-8, b: 3}\n"
    assert read(text).sections == (
        SectionWish("verse", 1, 8, {"b": 3}),
        SectionWish("chorus", 9, 8, {"a": 17}, {"a": 8}),
    )


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        ("{v: {bars: 1-8}, c: {bars: 8-9}}", ("4:31: sections.c: begins in bar 8, and 'v' lasts to "
         "bar 8")),
        ("{v: {bars: 1-}}", "4:22: sections.v: `bars` is needed, with a last one: bars: 1-8"),
        ("{v: {a: 1-8}}", "4:15: sections.v: `bars` is needed, with a last one: bars: 1-8"),
        ("{v: {bars: 1-8, x: 1-8}}", "4:27: 'x' is unknown in sections.v (known: bars, a, b)"),
        ("{v: {bars: 8-1}}", "4:22: sections.v.bars: '8-1' ends before it begins; write 1-8"),
        ("{v: {bars: true}}", "4:22: sections.v.bars: expects bars such as 1-8, got true"),
        ("{v: 1-8}", "4:15: sections.v: expects a mapping such as {bars: 1-8}, got the text '1-8'"),
    ],
)  # fmt: skip
def test_sections_that_cannot_be_are_refused(faults, sections, fault):
    assert faults(f"{ALIGNED}sections: {sections}\n") == [f"r.yaml:{fault}"]


def test_sections_need_a_grid(faults):
    (fault,) = faults(HEAD + "sections: {v: {bars: 1-8}}\n")
    assert "add `align: {tempo: auto}`" in fault


def test_a_track_is_put_together_from_bars_of_several_sources(read):
    text = (
        ALIGNED + "sections: {end: {bars: 17-20}}\ntracks:\n  vocals:\n    from:\n"
        "      - {source: b/vocals, section: end}\n      - {source: a/vocals, bars: 1-16}\n"
    )
    track = read(text).tracks["vocals"]
    assert [(t.source, t.stem, t.first_bar, t.last_bar) for t in track.takes] == [
        ("a", "vocals", 1, 16),
        ("b", "vocals", 17, 20),
    ]
    assert track.played == (("a", "vocals"), ("b", "vocals"))


def test_best_is_a_choice_among_all_aligned_sources(read):
    track = read(ALIGNED + "tracks: {drums: {from: best}}\n").tracks["drums"]
    assert track.takes_best
    assert [(take.source, take.stem) for take in track.takes] == [("a", "drums"), ("b", "drums")]
    named = read(ALIGNED + "tracks: {beat: {from: best/drums}}\n").tracks["beat"]
    assert named.played == (("a", "drums"), ("b", "drums"))


def test_a_source_called_best_comes_first(read):
    track = read("stemfx: 1\nsources: {best: gen.wav}\ntracks: {x: {from: best}}\n").tracks["x"]
    assert (track.source, track.takes) == ("best", ())


@pytest.mark.parametrize(
    ("takes", "fault"),
    [
        ("[{source: a/vocals, bars: 1-8}, {source: b/vocals, bars: 8-}]",
         "bar 8 is played twice: by 'a' and 'b'"),
        ("[{source: a/vocals, bars: 1-}, {source: b/vocals, bars: 8-}]", "bar 8 is played twice"),
        ("[{source: c/vocals, bars: 1-8}]", "there is no source 'c' (known: a, b)"),
        ("[{source: a/vocals}]", "give either `bars`, such as 1-8, or a `section`"),
        ("[{source: a/vocals, bars: 1, section: x}]", "give either `bars`"),
        ("[{source: a/vocals, section: x}]", "'x' is unknown in `sections`"),
        ("[{source: a/vocals, bars: x}]", "'x' is no range of bars"),
        ("[a/vocals]", "expects a mapping of source, bars, section, gain_db, got the text"),
        ("[]", "the list is empty"),
    ],
)  # fmt: skip
def test_takes_that_cannot_be_are_refused(faults, takes, fault):
    found = faults(f"{ALIGNED}tracks:\n  vocals: {{from: {takes}}}\n")
    assert len(found) == 1
    assert fault in found[0]


def test_takes_need_a_grid(faults):
    (fault,) = faults(HEAD + "tracks: {v: {from: [{source: a/vocals, bars: 1-8}]}}\n")
    assert "add `align: {tempo: auto}`" in fault


def test_best_needs_two_sources(faults):
    text = "stemfx: 1\nsources: {a: gen.wav}\nalign: {tempo: a}\ntracks: {drums: {from: best}}\n"
    (fault,) = faults(text)
    assert "needs two sources with a stem 'drums' to choose from, got 1" in fault


def test_a_key_that_is_none_is_refused_at_its_source(faults):
    text = "stemfx: 1\nsources: {a: {file: gen.wav, key: H major}}\n"
    (fault,) = faults(text)
    assert fault.startswith("r.yaml:2:35: sources.a.key: 'H major' is no key")


@pytest.mark.parametrize(
    ("sources", "why"),
    [
        ("sources: {a: {file: gen.wav, align: false}}", "all sources have `align: false`"),
        ("tracks: {pad: {from: gen.wav}}", "the recipe has no sources"),
    ],
)
def test_align_without_anything_to_align_is_refused(faults, sources, why):
    (fault,) = faults(f"stemfx: 1\n{sources}\nalign: {{tempo: 120}}\n")
    assert fault == f"r.yaml:3:8: align: there is nothing to align: {why}"


def test_sections_cannot_move_a_source_that_is_left_alone(faults):
    text = (
        "stemfx: 1\nsources: {a: gen.wav, b: {file: gen.wav, align: false}}\n"
        "align: {tempo: a}\nsections: {verse: {bars: 1-4, b: 3-6}}\n"
    )
    (fault,) = faults(text)
    assert fault == ("r.yaml:4:31: sections.verse: 'b' has `align: false`: its bars are not moved")
