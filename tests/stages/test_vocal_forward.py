"""What the remix recipe promises, "vocal forward", held to true stems at any level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stemfx.audio import Audio
from stemfx.dsp.loudness import measure
from stemfx.io import probe, read_blocks
from stemfx.stages import BUILTIN
from stemfx.testing import apply

STAGES = {entry.name: entry for entry in BUILTIN}
RECIPES = Path(__file__).resolve().parents[2] / "recipes"
STEMS = ("vocals", "drums", "bass", "other")


def tracks(recipe: str) -> dict[str, Any]:
    """Return a recipe's tracks, every knob at its default."""
    text = (RECIPES / f"{recipe}.yaml").read_text(encoding="utf-8")
    for knob, declared in (yaml.safe_load(text).get("params") or {}).items():
        text = text.replace(f"${{{knob}}}", str(declared["default"]))
    found: dict[str, Any] = yaml.safe_load(text)["tracks"]
    return found


def processed(stems: dict[str, Audio], recipe: str) -> dict[str, Audio]:
    """Run the stages and gains of every track; a side-chain hears the stem before its stages."""
    out = {}
    for name, track in tracks(recipe).items():
        audio = stems[name]
        for entry in (track or {}).get("stages", ()):
            ((stage, params),) = entry.items()
            audio, _ = apply(STAGES[stage], audio, sidechains=stems, **(params or {}))
        gain = 10 ** ((track or {}).get("gain_db", 0) / 20)
        out[name] = Audio(np.float32(gain) * audio.samples, audio.sample_rate)
    return out


def vocal_over_rest_lu(stems: dict[str, Audio]) -> float:
    rest = np.sum([stem.samples for name, stem in stems.items() if name != "vocals"], axis=0)
    voice, others = measure(stems["vocals"]).lufs, measure(Audio(rest, 44_100)).lufs
    assert voice is not None
    assert others is not None
    return voice - others


def song_at(folder: Path, lufs: float) -> dict[str, Audio]:
    stems = {
        name: np.concatenate(list(read_blocks(probe(folder / f"{name}.flac"))), axis=1)
        for name in STEMS
    }
    before = measure(Audio(np.sum(list(stems.values()), axis=0), 44_100)).lufs
    assert before is not None
    gain = np.float32(10 ** ((lufs - before) / 20))
    return {name: Audio(gain * samples, 44_100) for name, samples in stems.items()}


@pytest.mark.parametrize("recipe", ["remix", "demo"])
@pytest.mark.parametrize("song", ["harbour_lights", "iron_tide", "neon_parade"])
def test_the_vocal_comes_forward_alike_on_a_quiet_and_on_a_loud_song(
    corpus: Path, song: str, recipe: str
) -> None:
    changes_lu = []
    for lufs in (-20.0, -9.0):
        stems = song_at(corpus / "songs" / song, lufs)
        changes_lu.append(vocal_over_rest_lu(processed(stems, recipe)) - vocal_over_rest_lu(stems))
    assert min(changes_lu) > 0.5
    # Nothing in the chain knows an absolute level, but where it takes a sound for silence.
    assert changes_lu[0] == pytest.approx(changes_lu[1], abs=0.5)
