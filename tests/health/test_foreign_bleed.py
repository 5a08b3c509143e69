from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from made_masks import Masked, masked, spectrum_of

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.health.foreign_bleed import ForeignBleed, foreign_bleed

RATE = 44_100
NAMES = ("vocals", "drums", "bass", "other")


@cache
def true_stems() -> dict[str, Audio]:
    song = demo_song()
    return {name: Audio(song[name].samples[:, 3 * RATE : 15 * RATE], RATE) for name in NAMES}


@cache
def masked_stems() -> Masked:
    return masked(true_stems())


def with_leak(leak_db: float) -> dict[str, Audio]:
    true = true_stems()
    vocals = true["vocals"].samples + 10 ** (leak_db / 20) * true["drums"].samples
    return true | {"vocals": Audio(vocals, RATE)}


def told(stems: dict[str, Audio], replaced: tuple[str, ...] = ("drums",)) -> ForeignBleed:
    mixture = Audio(np.sum([stem.samples for stem in stems.values()], axis=0), RATE)
    others = {name: stem for name, stem in stems.items() if name != "vocals"}
    return foreign_bleed(stems["vocals"], others, mixture, replaced)


def level_db(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(np.abs(one) ** 2) / np.sum(np.abs(other) ** 2)))


def test_stems_that_were_played_by_themselves_hold_nothing() -> None:
    found = told(true_stems(), ("drums", "bass", "other"))
    assert found.findings == ()
    for part in ("drums", "bass", "other"):
        assert found.measurements[f"{part}_coherence"] < 0.01
        assert found.measurements[f"{part}_audible_hits"] == 0
        assert f"{part}_bleed_db" not in found.measurements


@pytest.mark.parametrize("leak_db", [-20.0, -25.0, -30.0])
def test_a_leak_is_read_at_its_level(leak_db: float) -> None:
    """Within 3 dB: chance adds to the quietest, and what a loud voice hides is a guess."""
    found = told(with_leak(leak_db))
    true = true_stems()
    below = level_db(true["drums"].samples, true["vocals"].samples) + leak_db
    assert found.measurements["drums_bleed_below_drums_db"] == pytest.approx(leak_db, abs=3.0)
    assert found.measurements["drums_bleed_db"] == pytest.approx(below, abs=3.0)


def test_a_louder_leak_reads_louder_in_decibels() -> None:
    levels = [told(with_leak(db)).measurements["drums_bleed_db"] for db in (-20.0, -30.0)]
    assert float(levels[0]) - float(levels[1]) == pytest.approx(10.0, abs=2.5)


def test_what_masks_let_through_is_read_at_its_level() -> None:
    """Truth: the vocals' mask on the true drums alone."""
    made, drums = masked_stems(), spectrum_of(true_stems()["drums"])
    bleed_db = level_db(made.masks["vocals"] * drums, drums)
    found = told(made.stems)
    assert found.measurements["drums_bleed_below_drums_db"] == pytest.approx(bleed_db, abs=3.0)


def test_audible_bleed_is_named_with_its_remedy() -> None:
    (finding,) = told(with_leak(-20.0)).findings
    assert finding.code == "foreign_bleed"
    assert finding.level == "warn"
    assert "- bleed_guard: {against: [drums]}" in finding.message


def test_no_hit_is_heard_of_a_leak_that_nobody_hears() -> None:
    """At -50 dB there is bleed, and no reason to do anything."""
    found = told(with_leak(-50.0))
    assert found.measurements["drums_audible_hits"] == 0
    assert found.findings == ()


def test_a_leak_is_told_of_the_part_that_leaks_and_no_other() -> None:
    found = told(with_leak(-20.0), ("drums", "bass"))
    assert found.measurements["drums_coherence"] > 0.2
    assert found.measurements["bass_coherence"] < 0.03


def test_the_answer_does_not_depend_on_the_level_of_the_song() -> None:
    stems = with_leak(-25.0)
    softer = {name: Audio(0.25 * stem.samples, RATE) for name, stem in stems.items()}
    loud, soft = told(stems).measurements, told(softer).measurements
    assert loud.keys() == soft.keys()
    assert all(abs(float(loud[key]) - float(soft[key])) <= 0.1 for key in loud)


def test_parts_that_the_song_does_not_have_and_silence_say_nothing() -> None:
    assert told(true_stems(), ("choir",)) == ForeignBleed({}, ())
    silent = {name: Audio(np.zeros((2, RATE), np.float32), RATE) for name in NAMES}
    found = told(silent)
    assert found.findings == ()
    assert found.measurements["drums_hits"] == 0


@pytest.mark.parametrize("song", ["harbour_lights", "iron_tide", "neon_parade"])
def test_true_stems_of_the_corpus_hold_nothing(corpus: Path, song: str) -> None:
    from stemfx.io import probe, read_blocks

    stems = {
        name: Audio.from_blocks(
            (block.astype(np.float32) for block in read_blocks(probe(path))), RATE
        )
        for name in NAMES
        if (path := corpus / "songs" / song / f"{name}.flac")
    }
    assert told(stems).findings == ()
