from __future__ import annotations

import pytest

from stemfx.exports.four_parts import FOUR_PARTS, four_parts


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("vocals", "vocals"),
        ("Lead", "vocals"),
        ("lead_2", "vocals"),
        ("backing vox", "vocals"),
        ("lead guitar", "other"),
        ("synth-lead", "other"),
        ("drums", "drums"),
        ("kick2", "drums"),
        ("hi-hat", "drums"),
        ("bass drum", "drums"),
        ("percussion_loop", "drums"),
        ("bass", "bass"),
        ("SUB", "bass"),
        ("808", "bass"),
        ("bass guitar", "bass"),
        ("vocal bass", "vocals"),
        ("harmony", "other"),
        ("subtle pad", "other"),
        ("heartbeat", "other"),
        ("shimmer", "other"),
        ("東京", "other"),
        ("2", "other"),
    ],
)
def test_a_track_goes_to_the_part_that_the_words_of_its_name_say(name: str, part: str) -> None:
    assert four_parts([name])[part] == [name]


def test_the_stem_decides_only_where_the_name_says_nothing() -> None:
    names = ["takes", "kick", "warm"]
    parts = four_parts(names, {"takes": "vocals", "kick": "vocals", "warm": "piano"})
    assert parts == {"drums": ["kick"], "bass": [], "other": ["warm"], "vocals": ["takes"]}
    assert tuple(parts) == FOUR_PARTS
