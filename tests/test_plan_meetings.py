"""Which meetings of different songs a plan looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine import registry

from stemfx.audio import Audio
from stemfx.graph import Meeting
from stemfx.io import Encoding, write
from stemfx.session import Request, load_recipe, prepare

STEMS = "{vocals: v.wav, drums: d.wav, bass: b.wav}"
SOURCES = f"stemfx: 1\nsources: {{a: {{stems: {STEMS}}}, b: {{stems: {STEMS}}}}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    for name in ("v", "d", "b"):
        noise = (0.1 * rng.standard_normal((1, 30_000))).astype(np.float32)
        write(tmp_path / f"{name}.wav", Audio(noise, 44_100), Encoding("wav", 32))
    return tmp_path


def meetings(folder: Path, tracks: str, head: str = SOURCES) -> dict[str, tuple[str, ...]]:
    (folder / "r.yaml").write_text(f"{head}tracks: {tracks}\n", encoding="utf-8")
    known, asked = registry(), Request()
    recipe, out = load_recipe(str(folder / "r.yaml"), asked, known)
    plan, _ = prepare(recipe, out, asked, known, may_fetch=False)
    return {n.id: n.work.names for n in plan.nodes.values() if isinstance(n.work, Meeting)}


def test_one_song_meets_nobody(folder: Path) -> None:
    assert meetings(folder, "{v: {from: a/vocals}, d: {from: a/drums}, b: {from: a/bass}}") == {}


def test_a_vocal_is_searched_for_the_drums_that_another_song_replaces(folder: Path) -> None:
    found = meetings(folder, "{v: {from: a/vocals}, d: {from: b/drums}}")
    assert found == {"v/bleed": ("vocals", "drums")}


def test_drums_that_play_are_not_searched_for(folder: Path) -> None:
    tracks = "{v: {from: a/vocals}, d: {from: b/drums}, e: {from: a/drums}}"
    assert meetings(folder, tracks) == {}


def test_what_is_muted_meets_nobody(folder: Path) -> None:
    assert meetings(folder, "{v: {from: a/vocals}, d: {from: b/drums, mute: true}}") == {}


def test_a_kick_meets_the_bass_of_another_song(folder: Path) -> None:
    found = meetings(folder, "{b: {from: a/bass}, d: {from: b/drums}}")
    assert found == {"b/bleed": ("bass", "drums"), "b/low_end": ("d", "b")}


def test_two_singers_meet(folder: Path) -> None:
    assert meetings(folder, "{v: {from: a/vocals}, w: {from: b/vocals}}") == {
        "w/two_voices": ("v", "w")
    }


def test_what_is_guarded_tells_itself(folder: Path) -> None:
    guarded = "{from: a/vocals, stages: [bleed_guard: {against: [drums]}]}"
    assert meetings(folder, f"{{v: {guarded}, d: {{from: b/drums}}}}") == {}


def test_a_recipe_may_ignore_bleed(folder: Path) -> None:
    head = SOURCES + "align: {tempo: a, bleed: ignore}\n"
    assert meetings(folder, "{v: {from: a/vocals}, d: {from: b/drums}}", head) == {}
