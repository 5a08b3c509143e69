from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from stemfx.alignment.moves import cost, in_words, move_to
from stemfx.alignment.offers import PARTS, Asked, Move, Offer, Proposal, Take
from stemfx.alignment.propose import propose
from stemfx.errors import AlignmentError
from stemfx.music_reading import MusicReading


def reading(bpm: float, key: str, **more: object) -> MusicReading:
    beats = tuple(0.5 + 60 / bpm * k for k in range(int(bpm)))
    plain = MusicReading(bpm, 0.9, beats, beats[::4], key, 0.9, "", 0.0, 60.0, steady=True)
    return replace(plain, **more)  # type: ignore[arg-type]


def take(
    name: str, bpm: float, key: str, scores: Mapping[str, float] | float = 90.0, **more: object
) -> Take:
    each = scores if isinstance(scores, Mapping) else dict.fromkeys(PARTS, scores)
    offers = {part: Offer(score, (), -20.0) for part, score in each.items()}
    whole = sum(each.values()) / max(1, len(each))
    made = Take(name, f"{name}.wav", reading(bpm, key), whole, (), -14.0, offers)
    return replace(made, **more)  # type: ignore[arg-type]


def named(*takes: Take) -> dict[str, Take]:
    return {one.name: one for one in takes}


def givers(proposal: Proposal) -> dict[str, str]:
    return {part.part: part.take for part in proposal.parts}


def best_at(part: str) -> dict[str, float]:
    return dict.fromkeys(PARTS, 60.0) | {part: 95.0}


def test_where_tempo_and_key_agree_every_part_comes_from_the_take_that_ranks_best_in_it() -> None:
    takes = named(
        *(take(n, 120, "A minor", best_at(p)) for n, p in zip("abcd", PARTS, strict=True))
    )
    assert givers(propose(takes)) == dict(zip(PARTS, "abcd", strict=True))


def test_the_order_of_the_files_decides_nothing() -> None:
    songs = [
        take("x", 113, "A minor", {"vocals": 94, "drums": 79, "bass": 93, "harmony": 78}),
        take("y", 127, "D minor", 70.0),
        take("z", 118, "C# minor", 93.0),
    ]
    told = set()
    for order in permutations(songs):
        renamed = {n: replace(one, name=n) for n, one in zip("abc", order, strict=True)}
        proposal = propose(renamed)
        label = {n: one.label for n, one in renamed.items()}
        parts = tuple((p.part, label[p.take], p.gain_db) for p in proposal.parts)
        told.add((label[str(proposal.tempo)], label[proposal.key], parts))
    assert len(told) == 1


def test_equal_takes_are_told_apart_by_their_names_alone() -> None:
    one, other = take("a", 120, "A minor"), take("b", 120, "A minor")
    first = givers(propose(named(one, other)))
    swapped = {"a": replace(other, name="a"), "b": replace(one, name="b")}
    again = {p: {"a": "b", "b": "a"}[g] for p, g in givers(propose(swapped)).items()}
    assert first == again


def test_one_take_that_is_best_everywhere_still_makes_a_mashup_and_that_is_said() -> None:
    proposal = propose(named(take("a", 120, "A minor", 95.0), take("b", 120, "A minor", 60.0)))
    assert sorted(givers(proposal).values()).count("a") == 3
    assert [f.code for f in proposal.findings] == ["one_take_is_best"]


def test_a_small_lead_is_not_worth_a_large_stretch() -> None:
    # 12 % of a voice cost 18 points (weight 2 of methods 5.3), so 10 ahead are too few and 60 not.
    slow = take("a", 100, "A minor", {"vocals": 70, "drums": 95, "bass": 95, "harmony": 95})
    for score, giver in ((80, "a"), (99, "b")):
        lead = 20.0 if score == 99 else 70.0
        slow = replace(slow, offers=slow.offers | {"vocals": Offer(lead, (), -20.0)})
        fast = take("b", 112, "A minor", best_at("vocals") | {"vocals": float(score), "drums": 94})
        assert givers(propose(named(slow, fast)))["vocals"] == giver


def test_drums_pay_nothing_for_a_key_and_least_for_a_stretch() -> None:
    far = Move(8.0, 1.0, -4, -4.0)
    near = replace(far, steps=0, semitones=0.0)
    assert cost("drums", far) == cost("drums", near)
    # 2, 1.5 and 0.7 are the weights of methods 5.3.
    assert cost("vocals", near) / cost("drums", near) == pytest.approx(2 / 0.7)
    assert cost("bass", near) / cost("drums", near) == pytest.approx(1.5 / 0.7)


def test_half_and_double_time_are_no_stretch() -> None:
    move = move_to(take("a", 87, "A minor"), 174, "A minor", 0.0)
    assert (move.stretch_percent, move.octave) == (pytest.approx(0), 2.0)
    words = in_words(take("a", 87, "A minor"), move, 174, "A minor")
    assert words.startswith("87 BPM -> 174, not stretched")


def test_a_relative_key_is_no_transposition() -> None:
    move = move_to(take("a", 120, "A minor"), 120, "C major", 0.0)
    assert (move.steps, move.semitones) == (0, 0.0)


@pytest.mark.parametrize(
    ("bpm", "key", "words"),
    [
        # 127 / 118 = 1.0763; D minor is 7A, C# minor 12A on the wheel
        (127, "D minor", "127 BPM -> 118, 7.6 % longer; D minor 7A -> C# minor 12A, -1 semitone"),
        (113, "A minor", "113 BPM -> 118, 4.2 % shorter; A minor 8A -> C# minor 12A, +4 semitones"),
        (118, "C# minor", "118 BPM, not stretched; C# minor 12A, not transposed"),
        (
            *(118, "E major"),
            "118 BPM, not stretched; E major 12B has the notes of C# minor 12A, not transposed",
        ),
    ],
)  # fmt: skip
def test_what_is_done_is_said_with_camelot_percent_and_semitones(
    bpm: float, key: str, words: str
) -> None:
    one = take("b", bpm, key)
    assert in_words(one, move_to(one, 118, "C# minor", 0.0), 118, "C# minor") == words


def test_what_the_producer_asks_for_is_done() -> None:
    keys = {"a": "A minor", "b": "E minor", "c": "D minor"}
    takes = named(*(take(name, 120, key) for name, key in keys.items()))
    asked = Asked({"vocals": "c", "drums": "b"}, 110.0, "G major")
    proposal = propose(takes, asked)
    assert givers(proposal) | {"bass": "", "harmony": ""} == {
        "vocals": "c",
        "drums": "b",
        "bass": "",
        "harmony": "",
    }
    assert (proposal.tempo, proposal.bpm, proposal.key_name) == (110.0, 110.0, "G major")
    assert proposal.moves["b"].steps == 0  # E minor is the relative of G major
    assert proposal.moves["c"].steps == 2  # D minor is that of F major
    assert proposal.tempo_reason == proposal.key_reason == "as asked"


def test_all_parts_of_one_take_are_given_if_asked_and_said_to_be_no_mashup() -> None:
    takes = named(take("a", 120, "A minor"), take("b", 120, "A minor"))
    proposal = propose(takes, Asked(dict.fromkeys(PARTS, "b")))
    assert set(givers(proposal).values()) == {"b"}
    assert "one_take" in {finding.code for finding in proposal.findings}


def test_levels_follow_the_balance_of_the_take_that_ranks_best() -> None:
    quiet = {part: Offer(95, (), -30.0 - i) for i, part in enumerate(PARTS)}
    loud = {part: Offer(60, (), -12.0) for part in PARTS} | {"vocals": Offer(99, (), -10.0)}
    takes = named(
        take("a", 120, "A minor", offers=quiet, score=95.0, lufs=-24.0),
        take("b", 120, "A minor", offers=loud, score=60.0, lufs=-7.0),
    )
    proposal = propose(takes)
    gains = {part.part: part.gain_db for part in proposal.parts}
    assert proposal.balance_of == "a"
    assert gains == {"vocals": -12.0, "drums": 0, "bass": 0, "harmony": 0}  # -20 is held at -12
    takes["b"] = replace(takes["b"], offers=loud | {"vocals": Offer(99, (), -27.5)})
    assert propose(takes).parts[0].gain_db == -2.5  # from -27.5 to the -30 of the best mix


def test_a_part_that_the_best_take_lacks_keeps_its_place_over_its_own_song() -> None:
    parts = {p: Offer(95, (), -20.0) for p in PARTS if p != "vocals"}
    takes = named(
        take("a", 120, "A minor", offers=parts, score=95.0, lufs=-16.0),
        take("b", 120, "A minor", 60.0, lufs=-9.0),
    )
    vocals = propose(takes).parts[0]
    assert (vocals.take, vocals.gain_db) == ("b", -7.0)
    assert "the only one there is" in vocals.reasons[0]


def test_a_part_that_nobody_has_is_left_out_and_that_is_said() -> None:
    parts = {p: Offer(90, (), -20.0) for p in PARTS if p != "vocals"}
    takes = named(*(take(n, 120, "A minor", offers=parts) for n in "ab"))
    proposal = propose(takes)
    assert "vocals" not in givers(proposal)
    assert "missing_part" in {finding.code for finding in proposal.findings}


def test_parts_whose_chords_disagree_come_from_one_take() -> None:
    def bars(*tonics: int) -> tuple[tuple[float, ...], ...]:
        chroma = [np.roll([1, 0, 0, 0.9, 0, 0, 0, 1, 0, 0, 0, 0], t) for t in tonics]
        return tuple(tuple(map(float, np.tile(c, 2))) for c in chroma)

    score = {"vocals": 60.0, "drums": 60.0, "bass": 60.0, "harmony": 90.0}
    other = {"vocals": 66.0, "drums": 90.0, "bass": 66.0, "harmony": 60.0}
    same, strange = bars(*(9, 5, 0, 7) * 2), bars(*(2, 10, 3, 11) * 2)
    for theirs, giver in ((same, "b"), (strange, "a")):
        a = take("a", 120, "A minor", score, reading=reading(120, "A minor", bars=same))
        b = take("b", 120, "A minor", other, reading=reading(120, "A minor", bars=theirs))
        assert givers(propose(named(a, b)))["bass"] == giver


@pytest.mark.parametrize(
    ("takes", "asked", "says"),
    [
        (named(take("a", 120, "A minor")), Asked(), "at least two songs"),
        ({str(i): take(str(i), 120, "A minor") for i in range(27)}, Asked(), "at most 26"),
        (named(take("a", 120, "A minor"), take("b", 0.0, "A minor")), Asked(), "bpm: 120"),
        (named(take("a", 100, "A minor"), take("b", 140, "A minor")), Asked(), "BPM -> 1"),
        (
            named(take("a", 120, "A minor"), take("b", 120, "A minor", {"drums": 90.0})),
            Asked({"vocals": "b"}),
            "no vocals to give",
        ),
        (named(take("a", 120, "A minor"), take("b", 120, "")), Asked(key="b"), "no key was found"),
        (
            named(take("a", 120, "A minor"), take("b", 120, "A minor")),
            Asked(tempo=170.0),
            "too far apart",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_a_sentence(
    takes: dict[str, Take], asked: Asked, says: str
) -> None:
    with pytest.raises(AlignmentError) as refused:
        propose(takes, asked)
    assert says in refused.value.message


def test_a_tritone_apart_only_drums_can_be_lent() -> None:
    takes = named(take("a", 120, "A minor"), take("b", 120, "Eb minor"))
    found = givers(propose(takes))
    assert len({found[p] for p in ("vocals", "bass", "harmony")}) == 1
    assert found["drums"] != found["vocals"]


def test_twenty_six_takes_are_weighed_in_a_moment() -> None:
    import time

    keys = ("A minor", "C# minor", "D minor", "E minor", "G minor")
    takes = {
        chr(97 + i): take(chr(97 + i), 100 + 1.7 * i, keys[i % 5], 50.0 + (7 * i) % 40)
        for i in range(26)
    }
    began = time.perf_counter()
    propose(takes)
    assert time.perf_counter() - began < 10
