"""Sections by hand and by form: which bars of a song sound on which of the timeline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_readings import made_reading, with_sections

from stemfx.alignment import layout
from stemfx.alignment.layout import lay_out
from stemfx.alignment.timeline import SectionWish, Timeline, Wishes
from stemfx.errors import AlignmentError
from stemfx.music.match import BarMatch, Matching

BAR_S = 2.0  # four beats at 120 BPM
ALL = {"a": ("",), "b": ("",)}


def laid_out(
    *sections: SectionWish, a: float = 120.0, n_bars: int = 16, **more: object
) -> Timeline:
    found = {"a": made_reading(a, n_bars=n_bars, **more), "b": made_reading(120, n_bars=16)}
    return lay_out(found, Wishes("b", None, ALL, structure="bars", sections=sections))


def bars_heard(timeline: Timeline, name: str, n_bars: int) -> list[float]:
    """For each bar of the timeline, which bar of a song sounds in its middle; 0 where it is silent.

    For songs at 120 BPM with bar 1 at 0.5 s.
    """
    heard = []
    start_s = timeline.reading.downbeats_s[0]
    for bar in range(n_bars):
        at_s = start_s + (bar + 0.5) * BAR_S
        playing = [p for p in timeline.maps[name].pieces if p.out_s[0] <= at_s < p.out_s[-1]]
        assert len(playing) <= 1
        own_s = [float(np.interp(at_s, p.out_s, p.source_s)) for p in playing]
        heard.append(round((own_s[0] - 0.5) / BAR_S + 0.5, 6) if own_s else 0)
    return heard


def test_a_section_by_hand_plays_the_bars_it_names_and_the_rest_stays() -> None:
    timeline = laid_out(SectionWish("chorus", 5, 4, {"a": 9}))
    assert bars_heard(timeline, "a", 16) == [1, 2, 3, 4, 9, 10, 11, 12, *range(9, 17)]
    assert bars_heard(timeline, "b", 16) == [*range(1, 17)]
    assert len(timeline.maps["a"].pieces) == 3
    assert len(timeline.maps["b"].pieces) == 1


def test_bars_that_follow_on_are_one_piece() -> None:
    timeline = laid_out(SectionWish("verse", 1, 4, {"a": 1}), SectionWish("chorus", 5, 4, {"a": 5}))
    assert len(timeline.maps["a"].pieces) == 1


def test_sections_name_the_timeline_without_gaps() -> None:
    timeline = laid_out(SectionWish("chorus", 9, 4), SectionWish("verse", 1, 4))
    told = [(one.label, one.first_bar, one.n_bars) for one in timeline.reading.sections]
    assert told == [("verse", 1, 4), ("", 5, 4), ("chorus", 9, 4), ("", 13, 5)]
    downbeats_s = timeline.reading.downbeats_s
    assert [one.start_s for one in timeline.reading.sections] == [
        pytest.approx(downbeats_s[first - 1]) for _, first, _ in told
    ]


def test_a_section_after_the_end_makes_the_song_longer() -> None:
    timeline = laid_out(SectionWish("again", 17, 4, {"a": 1, "b": 5}))
    assert bars_heard(timeline, "a", 20) == [*range(1, 17), 1, 2, 3, 4]
    assert bars_heard(timeline, "b", 20) == [*range(1, 17), 5, 6, 7, 8]
    assert timeline.reading.duration_s == pytest.approx(0.5 + 20 * BAR_S)


def test_what_rings_after_the_last_bar_rings_wherever_that_is_put() -> None:
    timeline = laid_out(SectionWish("outro", 21, 4, {"a": 13}))
    last = timeline.maps["a"].pieces[-1]
    assert last.source_s[-1] == 0.5 + 16 * BAR_S + 1.5
    assert last.out_s[-1] == pytest.approx(0.5 + 24 * BAR_S + 1.5)


def test_a_pickup_leads_into_bar_one_wherever_that_is_put() -> None:
    timeline = laid_out(SectionWish("intro", 1, 4, {"a": 5}), SectionWish("verse", 19, 4, {"a": 1}))
    last = timeline.maps["a"].pieces[-1]
    assert (last.out_s[0], last.source_s[0]) == (pytest.approx(0.5 + 18 * BAR_S - 0.5), 0.0)
    assert timeline.maps["a"].pieces[0].source_s[0] == pytest.approx(0.5 + 4 * BAR_S)


@pytest.mark.parametrize(("a", "n_of_a"), [(60, 2), (238, 8)])
def test_a_song_in_half_time_gives_half_as_many_bars(a: float, n_of_a: int) -> None:
    timeline = laid_out(SectionWish("chorus", 5, 4, {"a": 7}, {"a": n_of_a}), a=a)
    beat_s = 60 / a
    piece = next(p for p in timeline.maps["a"].pieces if p.source_s[0] > 0.5 + 24 * beat_s - 1e-6)
    assert piece.out_s[0] == pytest.approx(timeline.reading.downbeats_s[4])
    with pytest.raises(AlignmentError, match=f"a: 7-{6 + n_of_a}`"):
        laid_out(SectionWish("chorus", 5, 4, {"a": 7}, {"a": 4}), a=a)


def test_a_song_that_wanders_leads_even_where_it_was_put_together() -> None:
    found = {"a": made_reading(120, n_bars=16, sway=0.05), "b": made_reading(120, n_bars=16)}
    chorus = SectionWish("chorus", 2, 4, {"a": 8})
    timeline = lay_out(found, Wishes("a", None, ALL, structure="bars", sections=(chorus,)))
    for piece in timeline.maps["a"].pieces:  # the song that is followed is never stretched
        assert np.ptp(np.array(piece.out_s) - np.array(piece.source_s)) < 1e-6
    (other,) = timeline.maps["b"].pieces
    beats_s = np.array(timeline.reading.beats_s)
    on_b = np.interp(beats_s[1:64], other.out_s, other.source_s)
    assert np.diff(on_b) == pytest.approx(0.5, abs=1e-6)


def test_a_shorter_bar_moves_all_bars_after_it() -> None:
    plain = made_reading(120, n_bars=16)
    # Bar 3 has two beats: of the 64 beats, bars begin on 0, 4, 8, 10, 14, ...
    starts = [0, 4, *range(8, 9), *range(10, 64, 4)]
    beats_s = [beat for beat in plain.beats_s if beat >= plain.downbeats_s[0]]
    odd = replace(plain, downbeats_s=tuple(beats_s[k] for k in starts))
    chorus = SectionWish("chorus", 5, 2, {"b": 9})
    timeline = lay_out(
        {"a": odd, "b": made_reading(120, n_bars=16)},
        Wishes("a", None, ALL, structure="bars", sections=(chorus,)),
    )
    assert timeline.reading.downbeats_s[: len(starts)] == pytest.approx(odd.downbeats_s)
    piece = timeline.maps["b"].pieces[1]
    assert piece.out_s == pytest.approx((odd.downbeats_s[4], odd.downbeats_s[6]))
    assert piece.source_s[0] == pytest.approx(0.5 + 8 * BAR_S)
    assert timeline.reading.sections[1].start_s == pytest.approx(odd.downbeats_s[4])


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        (
            [SectionWish("x", 1, 4, {"a": 14})],
            "bars 14-17 of a were asked for, and it has bars 1-16",
        ),
        ([SectionWish("x", 1, 4, {"a": 0})], "bars 0-3 of a"),
        ([SectionWish("x", 1, 4, {"z": 1})], "'z' is no source"),
        ([SectionWish("x", 0, 4)], "count from 1"),
        ([SectionWish("x", 1, 0)], "at least one"),
        ([SectionWish("x", 1, 8), SectionWish("y", 8, 4)], "begin y at bar 9"),
        ([SectionWish("x", 1, 8, {"a": 1}, {"a": 9})], "write `a: 1-8`"),
    ],
)
def test_a_section_that_cannot_be_is_refused(sections: list[SectionWish], said: str) -> None:
    with pytest.raises(AlignmentError, match=said):
        laid_out(*sections)


def test_without_a_tempo_bars_can_be_named_but_not_moved() -> None:
    found = {"a": made_reading(n_bars=8)}
    named, moved = SectionWish("x", 1, 4, {"a": 1}), SectionWish("x", 1, 4, {"a": 5})
    timeline = lay_out(found, Wishes(None, None, {"a": ("",)}, sections=(named,)))
    assert timeline.reading.sections[0].label == "x"
    with pytest.raises(AlignmentError, match="set `tempo:`"):
        lay_out(found, Wishes(None, None, {"a": ("",)}, sections=(moved,)))


def by_form(
    monkeypatch: pytest.MonkeyPatch,
    *matches: tuple[int, int, int],
    confidence: float = 1.0,
    semitones: int = 0,
    a: float = 120.0,
    key: str | None = None,
) -> Timeline:
    found = Matching(tuple(BarMatch(*m) for m in matches), confidence, semitones)
    monkeypatch.setattr(layout, "match_bars", lambda *_, **__: found)
    readings = {"a": made_reading(a, n_bars=12), "b": made_reading(120, n_bars=16)}
    readings = {name: replace(one, bars=((0.0,),)) for name, one in readings.items()}
    return lay_out(readings, Wishes("b", key, ALL))


def test_bars_that_are_alike_are_played_together(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = by_form(monkeypatch, (1, 1, 4), (9, 5, 8))
    assert bars_heard(timeline, "a", 16) == [1, 2, 3, 4, 0, 0, 0, 0, *range(5, 13)]
    (finding,) = timeline.findings
    assert (finding.level, finding.code) == ("warn", "silent_bars")
    assert "bars 5-8" in finding.message


def test_what_has_no_counterpart_is_not_played_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = by_form(monkeypatch, (1, 5, 8))
    assert bars_heard(timeline, "a", 16) == [*range(5, 13), 13, *[0] * 7]  # 13 is what rings
    (finding,) = timeline.findings
    assert (finding.level, finding.code) == ("info", "unplayed_bars")
    assert "bars 1-4" in finding.message


def test_an_ending_of_two_bars_more_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = by_form(monkeypatch, (7, 1, 10))
    assert bars_heard(timeline, "a", 18) == [*[0] * 6, *range(1, 13)]


def test_songs_that_are_not_alike_lie_bar_on_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = by_form(monkeypatch, (3, 1, 10), confidence=0.3)
    assert bars_heard(timeline, "a", 12) == [*range(1, 13)]
    assert [(one.level, one.code) for one in timeline.findings] == [("info", "other_song")]


def test_a_song_in_half_time_may_begin_on_the_second_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = by_form(monkeypatch, (2, 1, 14), a=60.0)
    first = timeline.maps["a"].pieces[0]
    on_bar = np.interp(0.5, first.source_s, first.out_s)
    assert on_bar == pytest.approx(timeline.reading.downbeats_s[1])
    unplayed = next(one for one in timeline.findings if one.code == "unplayed_bars")
    assert "its bars 8-12" in unplayed.message  # seven of its bars take fourteen


def test_keys_that_belie_the_chords_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert by_form(monkeypatch, (1, 1, 12), key="b").findings == ()
    (finding,) = by_form(monkeypatch, (1, 1, 12), key="b", semitones=5).findings
    assert (finding.level, finding.code) == ("warn", "keys_disagree")
    assert "+5 semitones" in finding.message
    assert by_form(monkeypatch, (1, 1, 12), semitones=5).findings == ()  # nothing is transposed


def test_sections_by_hand_stand_above_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    matches = Matching((BarMatch(1, 1, 4), BarMatch(5, 9, 4)), 1.0)
    monkeypatch.setattr(layout, "match_bars", lambda *_, **__: matches)
    lead = with_sections(made_reading(120, n_bars=8), ("A", 1, 8))
    found = {"a": made_reading(120, n_bars=12), "b": lead}
    found = {name: replace(one, bars=((0.0,),)) for name, one in found.items()}
    hand = SectionWish("bridge", 5, 4, {"a": 5})
    timeline = lay_out(found, Wishes("b", None, ALL, sections=(hand,)))
    assert bars_heard(timeline, "a", 8) == [*range(1, 9)]
    assert [one.label for one in timeline.reading.sections][:2] == ["", "bridge"]


@pytest.mark.parametrize(
    "section", [SectionWish("v", 999_998, 2, {"a": 1}), SectionWish("v", 99, 2)]
)
def test_a_section_long_after_everything_is_refused(section: SectionWish) -> None:
    with pytest.raises(
        AlignmentError, match=r"v begins in bar \d+, and nothing sounds after bar 16"
    ):
        laid_out(section)


def test_a_pause_of_eight_bars_before_a_section_is_one() -> None:
    timeline = laid_out(SectionWish("outro", 25, 4, {"a": 13}))
    assert bars_heard(timeline, "a", 28)[17:] == [*7 * [0], 13, 14, 15, 16]
    with pytest.raises(AlignmentError, match="begin it before bar 26"):
        laid_out(SectionWish("outro", 26, 4, {"a": 13}))


def test_bars_are_told_without_an_exponent() -> None:
    with pytest.raises(AlignmentError, match="bars 999998-1000001 of a were asked for"):
        laid_out(SectionWish("v", 1, 4, {"a": 999_998}))
