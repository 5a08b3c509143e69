from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import engine
import pytest
from engine import Amount, ShareSeparator, TestPlugin, random_noise, run_text

from stemfx.audio import Audio
from stemfx.errors import ModelError, RecipeError
from stemfx.hookspecs import hookimpl
from stemfx.io import Encoding, write
from stemfx.models import choose
from stemfx.registry import Registry, build_registry, weights_of
from stemfx.separator import ModelCard, Separator, WeightsState
from stemfx.stage import FileRef, Reference, Stage, StageParams, TrackRef, knob

FOUR = ("vocals", "drums", "bass", "other")


def broken_in(registry: Registry) -> dict[str, str]:
    return {plugin.name: plugin.broken for plugin in registry.plugins if plugin.broken}


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


def test_of_two_plugins_with_one_name_the_later_is_broken_and_both_are_named() -> None:
    found = build_registry([("mine", GainPlugin())])
    (broken,) = [p for p in found.plugins if p.broken]
    assert broken.name == "mine"
    assert broken.broken == found.clashes["stage", "gain"]
    assert broken.broken == (
        "the plugins 'stages' (stemfx-suite) and 'mine' (extra) both offer a stage named 'gain'; "
        "uninstall one of them"
    )
    assert "gain" not in found.stages  # neither is picked silently
    assert "compress" in found.stages


@pytest.mark.parametrize("stage", ["gain", "gain: {of_the_other: 1}"])
def test_a_recipe_that_needs_a_name_of_two_plugins_is_refused_where_it_names_it(
    tmp_path: Path, song: Audio, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(engine, "registry", lambda: build_registry([("mine", GainPlugin())]))
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    with pytest.raises(RecipeError) as caught:
        run_text(tmp_path, f"sources: {{song: song.wav}}\nmaster: [{stage}]\n")
    (problem,) = caught.value.problems
    assert problem.where.endswith("recipe.yaml:3:10")
    assert problem.message.startswith("stage 'gain' cannot be called: the plugins 'stages'")
    run_text(tmp_path, "sources: {song: song.wav}\nmaster: [compress]\n")  # not needed: no harm


def test_a_model_that_two_plugins_offer_is_refused_and_not_for_auto() -> None:
    class Offers:
        @hookimpl
        def stemfx_separators(self) -> list[Separator]:
            return [Excellent()]

    class Excellent(ShareSeparator):
        card = replace(ShareSeparator.card, sdr={"vocals": 99.0})

    found = build_registry([("one", Offers()), ("two", Offers())])
    with pytest.raises(ModelError, match=r"'one' .*'two' .*both offer a model named 'shares'"):
        choose(found, "shares", stems=FOUR, offline=True, where="")
    auto = choose(found, "auto", stems=FOUR, offline=True, where="")
    assert auto.separator.card.name == "embedded"


def test_a_plugin_that_offers_a_name_twice_is_broken() -> None:
    class Twice:
        @hookimpl
        def stemfx_stages(self) -> list[Stage]:
            return [Stage("sparkle", Amount, random_noise.process)] * 2

    found = build_registry([("twice", Twice())])
    assert broken_in(found) == {"twice": "it offers two stages named 'sparkle'; rename one"}
    assert "sparkle" not in found.stages


def install(folder: Path, name: str, code: str, entry_point: str = "effects") -> None:
    """Lay out a package as pip does."""
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[stemfx]\n{entry_point} = {name}\n")


OFFERS = """
from stemfx.hookspecs import hookimpl
from engine import Amount, random_noise
from stemfx.stage import Stage

@hookimpl
def stemfx_stages():
    return [Stage({!r}, Amount, random_noise.process)]
"""


def test_two_packages_may_call_their_entry_point_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first_pack", "second_pack"):
        install(tmp_path, name, OFFERS.format(f"{name}_stage"))
    install(tmp_path, "third_pack", "raise RuntimeError('half installed')")
    monkeypatch.syspath_prepend(tmp_path)
    found = build_registry()
    assert {"first_pack_stage", "second_pack_stage"} <= set(found.stages)
    told = {p.distribution: p.broken for p in found.plugins if p.name == "effects"}
    assert told == {
        "first_pack": None,
        "second_pack": None,
        "third_pack": "RuntimeError: half installed",
    }


@pytest.mark.parametrize(
    "statement",
    ["import sys; sys.exit('bye')", "class Panic(BaseException): pass\nraise Panic('bye')"],
)
def test_whatever_an_import_raises_the_other_plugins_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    name = f"leaves_{len(statement)}"
    install(tmp_path, name, statement, "leaves")
    monkeypatch.syspath_prepend(tmp_path)
    found = build_registry()
    assert broken_in(found)["leaves"] in {"SystemExit: bye", "Panic: bye"}
    assert "gain" in found.stages


def test_ctrl_c_while_a_plugin_loads_is_ctrl_c() -> None:
    class Slow:
        @hookimpl
        def stemfx_stages(self) -> list[Stage]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_registry([("slow", Slow())])


def test_an_error_without_a_text_of_its_own_is_listed_by_its_kind() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    class Mute:
        @hookimpl
        def stemfx_stages(self) -> list[Stage]:
            raise MuteError

    assert broken_in(build_registry([("mute", Mute())])) == {"mute": "MuteError"}


def test_a_separator_without_a_card_breaks_its_plugin_only() -> None:
    class Cardless(ShareSeparator):
        @property
        def card(self) -> ModelCard:  # type: ignore[override]
            raise AttributeError("card")

    class Offers:
        @hookimpl
        def stemfx_separators(self) -> list[Separator]:
            return [Cardless()]

    found = build_registry([("cardless", Offers())])
    assert "Cardless has no ModelCard" in broken_in(found)["cardless"]
    assert "embedded" in found.separators


class Unsure(ShareSeparator):
    card = replace(ShareSeparator.card, name="unsure", sdr={"vocals": 99.0})

    def weights(self) -> WeightsState:
        raise OSError("no such drive")


class UnsurePlugin:
    @hookimpl
    def stemfx_separators(self) -> list[Separator]:
        return [Unsure()]


def test_a_model_that_cannot_say_where_its_weights_are_has_none() -> None:
    found = build_registry([("unsure", UnsurePlugin())])
    assert weights_of(found.separators["unsure"]) == "missing"
    auto = choose(found, "auto", stems=FOUR, offline=True, where="")
    assert auto.separator.card.name == "embedded"
    with pytest.raises(ModelError, match=r"'unsure' cannot say .*OSError: no such drive"):
        choose(found, "unsure", stems=FOUR, offline=True, where="")


class Opener:
    """Raises what it is given, or returns it."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    @hookimpl
    def stemfx_open_model(self, path: Path) -> Separator | None:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[return-value]


def test_an_opener_that_raises_is_passed_over(tmp_path: Path) -> None:
    plugins = [("bad", Opener(SystemExit(1))), ("wrong", Opener("a model"))]
    found = build_registry([*plugins, ("good", Opener(ShareSeparator()))])
    opened = found.open_model(tmp_path / "any.bin")
    assert opened is not None
    assert opened.card.name == "shares"
    with pytest.raises(ModelError, match=r"'bad' \(extra\) failed on it: SystemExit: 1; .*'wrong'"):
        build_registry(plugins).open_model(tmp_path / "any.bin")
    assert build_registry().open_model(tmp_path / "any.bin") is None


def test_an_opener_may_refuse_a_damaged_model(tmp_path: Path) -> None:
    refusing = Opener(ModelError("cut off in the middle"))
    found = build_registry([("strict", refusing), ("good", Opener(ShareSeparator()))])
    with pytest.raises(ModelError, match="cut off in the middle"):
        found.open_model(tmp_path / "any.bin")


class Inner(StageParams):
    by: TrackRef = knob(help="hidden")


class Hidden(StageParams):
    bands: tuple[Inner, ...] = knob((), help="bands")


class Mapped(StageParams):
    by: dict[str, TrackRef] = knob({}, help="by name")


class Nested(StageParams):
    by: list[list[TrackRef]] = knob([], help="groups")


class Several(StageParams):
    by: tuple[FileRef, ...] | None = knob(None, help="files")


class Marked(StageParams):
    by: Annotated[list[str], Reference("file")] = knob([], help="files")


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        (Hidden, "hides.bands hides a reference to a track inside Inner"),
        (Mapped, "hides.by hides a reference to a track inside dict"),
        (Nested, "hides.by hides a reference to a track inside a list of lists"),
        (Several, "hides.by refers to several files"),
        (Marked, "hides.by refers to several files"),
    ],
)
def test_a_reference_that_the_engine_would_not_see_breaks_its_plugin(
    params: type[StageParams], reason: str
) -> None:
    class Hides:
        @hookimpl
        def stemfx_stages(self) -> list[Stage]:
            return [Stage("hides", params, random_noise.process)]

    found = build_registry([("hiding", Hides())])
    assert broken_in(found)["hiding"].startswith(f"TypeError: {reason}")


def test_an_unknown_stage_mentions_the_broken_plugin(
    tmp_path: Path, song: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    monkeypatch.setattr(engine, "registry", lambda: build_registry([("bad", RaisingPlugin())]))
    with pytest.raises(RecipeError, match=r"sparkle.*bad \(RuntimeError: half installed\)"):
        run_text(tmp_path, "sources: {song: song.wav}\nmaster: [sparkle]\n")
