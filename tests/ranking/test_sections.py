"""The best take of each section: the one with the fewest faults, without hopping."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.ranking.sections import best_takes
from stemfx.weight_files import read_weights

RATE = 22_050
SECTIONS = [(4.0 * k, 4.0 * k + 4.0) for k in range(4)]


def sung(seed: int = 0) -> np.ndarray:
    """Sing phrases of a second, half a second apart, for 16 s."""
    rng = np.random.default_rng(seed)
    t = np.arange(16 * RATE) / RATE
    tone = sum(np.sin(2 * np.pi * 220 * k * t + rng.uniform(0, 6)) / k for k in range(1, 20))
    phrase = np.clip(np.sin(2 * np.pi * t / 1.5), 0, 1) ** 0.5
    noise = 0.003 * rng.standard_normal(t.size) * phrase
    return (0.1 * tone * phrase + noise)[np.newaxis].astype(np.float32)


def choose(takes: dict[str, np.ndarray]):
    signals = {name: Audio(samples, RATE) for name, samples in takes.items()}
    return best_takes(signals, SECTIONS, read_weights().section)


def names(choices) -> str:
    return "".join(choice.take for choice in choices)


def span(k: int) -> slice:
    return slice(*(round(at * RATE) for at in SECTIONS[k]))


def test_equal_takes_stay_with_the_first():
    assert names(choose({"a": sung(), "b": sung()})) == "aaaa"
    assert names(choose({"b": sung(), "a": sung()})) == "bbbb"


def test_an_empty_take_loses_where_the_other_sings():
    a, b = sung(), sung(1)
    a[:, span(1)] = 0
    b[:, span(3)] = 0
    choices = choose({"a": a, "b": b})
    assert (choices[1].take, choices[3].take) == ("b", "a")
    assert any("silent where others play" in reason for reason in choices[1].reasons)


def test_a_pause_of_all_is_no_reason_to_change():
    a, b = sung(), sung(1)
    for take in (a, b):
        take[:, span(2)] = 0
    assert names(choose({"a": a, "b": b})) == "aaaa"


def test_a_clipped_section_is_taken_from_the_other():
    a = sung()
    top = 0.3 * np.abs(a[:, span(2)]).max()
    a[:, span(2)] = np.clip(a[:, span(2)], -top, top)
    choices = choose({"a": a, "b": sung(1)})
    assert choices[2].take == "b"
    assert "clipped" in choices[2].reasons[0]
    assert choices[2].scores["a"] < choices[2].scores["b"] - 8


def test_a_little_more_noise_in_pauses_is_no_reason_to_hop():
    a, b = sung(), sung(1)
    rng = np.random.default_rng(5)
    a[:, span(1)] += 0.006 * rng.standard_normal(a[:, span(1)].shape)
    choices = choose({"a": a, "b": b})
    assert len(set(names(choices))) == 1


def test_loud_bleed_in_pauses_is_a_reason():
    a, b = sung(), sung(1)
    rng = np.random.default_rng(5)
    a += (0.01 * rng.standard_normal(a.shape)).astype(np.float32)
    assert names(choose({"a": a, "b": b})) == "bbbb"


def test_known_bleed_decides_where_no_pause_tells():
    signals = {name: Audio(sung(), RATE) for name in "ab"}
    bleed_db = {"a": -14.0, "b": -50.0}
    choices = best_takes(signals, SECTIONS, read_weights().section, bleed_db=bleed_db)
    assert names(choices) == "bbbb"
    assert choices[0].reasons == ("a: other stems are heard in it at -14 dB",)


@pytest.mark.parametrize("leak", [0.1, 0.25])
@pytest.mark.parametrize("name", ["harbour_lights", "iron_tide", "neon_parade"])
def test_a_voice_with_the_band_in_it_is_not_chosen(corpus, name, leak):
    import soundfile

    stems = {
        part: soundfile.read(corpus / "songs" / name / f"{part}.flac", dtype="float32")[0].T
        for part in ("vocals", "drums", "bass", "other")
    }
    rest = stems["drums"] + stems["bass"] + stems["other"]
    takes = {"a": Audio(stems["vocals"] + leak * rest, 44_100), "b": Audio(stems["vocals"], 44_100)}
    sections_s = [(5.0 * k, 5.0 * k + 5.0) for k in range(6)]
    assert names(best_takes(takes, sections_s, read_weights().section)) == "bbbbbb"


def test_the_level_of_a_take_decides_nothing():
    assert names(choose({"a": 0.3 * sung(), "b": sung()})) == "aaaa"


def test_blocks_do_not_matter_and_nothing_is_left_out():
    choices = choose({"a": sung(), "b": sung(1), "c": sung(2)})
    assert len(choices) == len(SECTIONS)
    assert all(choice.reasons for choice in choices)
    assert all(set(choice.scores) == {"a", "b", "c"} for choice in choices)


@pytest.mark.parametrize("takes", [{}, {"a": np.zeros((1, 16 * RATE), np.float32)}])
def test_nothing_and_silence(takes):
    assert names(choose(takes)) == "aaaa"[: 4 * len(takes)]


def test_sections_beyond_the_end_are_silent():
    signals = {"a": Audio(sung()[:, : 4 * RATE], RATE), "b": Audio(sung(), RATE)}
    choices = best_takes(signals, SECTIONS, read_weights().section)
    assert names(choices)[1:] == "bbb"
