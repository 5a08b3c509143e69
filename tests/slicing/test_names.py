"""Names that every system keeps."""

from __future__ import annotations

import pytest

from stemfx.recipe.paths import name_fault
from stemfx.slicing.names import Names, bpm_field, key_field, slug

ODD = [
    "Überraschung \u2013 été (2), песня",
    "🎸🔥 demo",
    "🎸🔥",
    "../../etc/passwd",
    "CON",
    "a" * 300,
    "песня" * 60,
    "quote's & $HOME <x> | ? * : \" \\",
    "...",
    "line\nbreak\ttab\x00nul",
    "name_with_underscores",
]


@pytest.mark.parametrize("song", ODD)
def test_any_song_gives_a_name_that_splits_into_its_fields(song):
    name = Names().next(slug(song), "drums", "hat-closed", "Fsmin", "136.9bpm", "v127")
    assert name_fault(name) is None
    assert len(name) <= 64
    assert name.split("_")[1:] == ["drums", "hat-closed", "Fsmin", "136.9bpm", "v127", "01"]


def test_names_never_differ_only_in_case():
    names = Names()
    made = [names.next(song, "drums", "kick") for song in ("Song", "song", "SONG", "Song")]
    assert made == [
        "Song_drums_kick_01",
        "song_drums_kick_02",
        "SONG_drums_kick_03",
        "Song_drums_kick_04",
    ]
    assert len({name.casefold() for name in made}) == 4


def test_songs_that_are_cut_to_one_name_stay_apart():
    names = Names()
    made = {names.next("x" * 100 + str(k), "drums", "kick").casefold() for k in range(300)}
    assert len(made) == 300
    assert all(name_fault(name) is None for name in made)


@pytest.mark.parametrize(
    ("key", "field"),
    [("A minor", "Amin"), ("F# minor", "Fsmin"), ("Eb major", "Ebmaj"), ("", "nokey")],
)
def test_keys(key, field):
    assert key_field(key) == field


@pytest.mark.parametrize(
    ("bpm", "field"), [(104, "104bpm"), (119.98, "120bpm"), (136.88, "136.9bpm"), (0, "nobpm")]
)
def test_tempos(bpm, field):
    assert bpm_field(bpm) == field
