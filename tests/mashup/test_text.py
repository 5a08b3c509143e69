from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from stemfx.alignment.offers import PARTS, STEM_OF, Asked, Offer, Take
from stemfx.alignment.propose import propose
from stemfx.errors import OutputError, UsageError
from stemfx.mashup.text import recipe_text
from stemfx.music_reading import MusicReading
from stemfx.recipe import read_recipe
from stemfx.registry import build_registry

STAGES = build_registry().stages
ODD = [
    "plain.wav",
    "quote's & $HOME.wav",
    'double "quoted".wav',
    "a: b # c.wav",
    "#first.wav",
    "~tilde.wav",
    "knob ${tempo} $${.wav",
    "back\\slash.wav",
    "{a: b}.wav",
    "- dash.wav",
    "'.wav",
    "Überraschung \N{EN DASH} été \N{EN DASH} песня.wav",
    "🎸🔥 demo.wav",
    "👩‍🎤 joined.wav",
    "no.wav",
    "%41.wav",
    " leading and trailing .wav ",
]


def take(name: str, label: str, bpm: float = 120.0, key: str = "A minor") -> Take:
    reading = MusicReading(bpm, 0.9, (), (), key, 0.9, "", 0.0, 60.0)
    offers = {part: Offer(90.0, ("it rings",), -20.0) for part in PARTS}
    return Take(name, label, reading, 90.0, (), -14.0, offers)


def text_for(target: Path, *songs: Path, asked: Asked | None = None, **more: object) -> str:
    files = dict(zip("abcdefghijklmnopqrstuvwxyz", songs, strict=False))
    takes = {n: take(n, f.name, 120 + 3 * i) for i, (n, f) in enumerate(files.items())}
    takes |= {name: replace(takes[name], **change) for name, change in more.items()}  # type: ignore[arg-type]
    return recipe_text(propose(takes, asked or Asked()), takes, files, target)


@pytest.mark.parametrize("odd", ODD)
def test_any_file_name_reads_back_as_the_same_file(tmp_path: Path, odd: str) -> None:
    song, other = tmp_path / odd, tmp_path / "other.wav"
    song.touch()
    other.touch()
    target = tmp_path / "mashup.yaml"
    asked = Asked({"vocals": "a", "drums": "b"})
    target.write_text(text_for(target, song, other, asked=asked), encoding="utf-8")
    recipe = read_recipe(target, stages=STAGES)
    assert {name: source.file for name, source in recipe.sources.items()} == {"a": song, "b": other}
    assert recipe.tracks["vocals"].source == "a"
    assert recipe.tracks["drums"].source == "b"


@pytest.mark.parametrize("bad", ["line\nbreak.wav", "bell\a.wav", "\udce9.wav"])
def test_a_name_that_no_recipe_can_hold_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises((OutputError, UsageError), match="rename it"):
        text_for(tmp_path / "m.yaml", tmp_path / bad, tmp_path / "b.wav")


def test_songs_in_the_recipes_folder_are_named_from_there_and_others_where_they_lie(
    tmp_path: Path,
) -> None:
    text = text_for(tmp_path / "mix" / "m.yaml", tmp_path / "mix" / "in" / "a.wav", Path("/b.wav"))
    assert yaml.safe_load(text)["sources"] == {"a": "in/a.wav", "b": "/b.wav"}


def test_every_choice_carries_its_reason(tmp_path: Path) -> None:
    told = {"reading": replace(take("b", "").reading, bpm=127.0, key="D minor")}
    asked = Asked({"drums": "b", "bass": "b"}, "a", "a")
    text = text_for(tmp_path / "m.yaml", Path("/a.wav"), Path("/b.wav"), asked=asked, b=told)
    assert "# b: 127 BPM -> 120, 5.8 % longer; D minor 7A -> A minor 8A, -5 semitones" in text
    # Drums have no key to change.
    assert "# b: 127 BPM -> 120, 5.8 % longer\n" in text
    assert text.count("# it rings") == 4
    document = yaml.safe_load(text)
    assert document["align"] == {"tempo": "a", "key": "a"}
    assert {n: t["from"].split("/")[1] for n, t in document["tracks"].items()} == STEM_OF
    assert document["master"] == [{"loudness": {"target_lufs": -14, "ceiling_dbtp": -1}}]


def test_the_guard_is_offered_where_strange_drums_meet_a_voice(tmp_path: Path) -> None:
    songs = Path("/a.wav"), Path("/b.wav")
    strange = text_for(tmp_path / "m.yaml", *songs, asked=Asked({"vocals": "a", "drums": "b"}))
    own = text_for(tmp_path / "m.yaml", *songs, asked=Asked({"vocals": "a", "drums": "a"}))
    assert "# - bleed_guard" in strange
    assert "bleed_guard" not in own


def test_a_tempo_and_a_key_by_name_stand_in_the_recipe(tmp_path: Path) -> None:
    asked = Asked(tempo=121.5, key="E minor")
    text = text_for(tmp_path / "m.yaml", Path("/a.wav"), Path("/b.wav"), asked=asked)
    assert yaml.safe_load(text)["align"] == {"tempo": 121.5, "key": "E minor"}


@pytest.mark.parametrize("name", ["CON.yaml", "a?b.yaml", ".yaml", "best: of.yaml"])
def test_the_master_has_a_name_that_every_system_can_hold(tmp_path: Path, name: str) -> None:
    text = text_for(tmp_path / name, Path("/a.wav"), Path("/b.wav"))
    assert yaml.safe_load(text)["output"] == {"master": "mashup.wav"}
