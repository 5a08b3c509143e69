from __future__ import annotations

from pathlib import Path

import pytest
from engine import Amount, TestPlugin, random_noise, run_text

from stemfx.audio import Audio
from stemfx.errors import PluginError, RecipeError
from stemfx.hookspecs import hookimpl
from stemfx.io import Encoding, write
from stemfx.registry import build_registry
from stemfx.stage import Stage


class RaisingPlugin:
    @hookimpl
    def stemfx_stages(self) -> list[Stage]:
        raise RuntimeError("half installed")


class WrongPlugin:
    @hookimpl
    def stemfx_stages(self) -> list[Stage]:
        return ["gain"]  # type: ignore[list-item]


class GainPlugin:
    @hookimpl
    def stemfx_stages(self) -> list[Stage]:
        return [Stage("gain", Amount, random_noise.process)]


def test_the_built_in_plugins_are_plugins_like_any_other() -> None:
    found = build_registry()
    assert [p.name for p in found.plugins[:3]] == ["stages", "separators", "kits"]
    assert {"gain", "compress", "loudness", "vst3"} <= set(found.stages)
    assert "embedded" in found.separators
    assert "synth" in found.kits
    assert not [p for p in found.plugins if p.broken]


@pytest.mark.parametrize(
    ("plugin", "words"), [(RaisingPlugin(), "half installed"), (WrongPlugin(), "Stage")]
)
def test_a_broken_plugin_is_listed_and_harms_nothing(plugin: object, words: str) -> None:
    found = build_registry([("bad", plugin), ("test", TestPlugin())])
    (broken,) = [p for p in found.plugins if p.broken]
    assert broken.name == "bad"
    assert words in str(broken.broken)
    assert "random_noise" in found.stages
    assert "bad" in found.explain_unknown_stage("reverb2")


def test_two_plugins_with_one_name_are_an_error_that_names_both() -> None:
    with pytest.raises(PluginError, match=r"'stages' and 'mine'.*'gain'"):
        build_registry([("mine", GainPlugin())])


def test_an_unknown_stage_mentions_the_broken_plugin(
    tmp_path: Path, song: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    import engine

    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    monkeypatch.setattr(engine, "registry", lambda: build_registry([("bad", RaisingPlugin())]))
    with pytest.raises(RecipeError, match=r"sparkle.*bad \(RuntimeError: half installed\)"):
        run_text(tmp_path, "sources: {song: song.wav}\nmaster: [sparkle]\n")
