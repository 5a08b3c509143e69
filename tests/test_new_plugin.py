"""A new plugin works as it is written: its tests pass, recipes use it, the linter is content."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import get_args

import engine
import pytest

from stemfx import new_plugin
from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.errors import OutputError
from stemfx.io import Encoding, write
from stemfx.new_plugin import Kind, NewPlugin, named, requirement
from stemfx.registry import Registry, build_registry

REPOSITORY = Path(__file__).parents[1]
KINDS: tuple[Kind, ...] = get_args(Kind)
RECIPES = {
    "stage": "tracks: {all: {from: song, stages: [new_stage: {depth_db: 12}]}}",
    "kit": "tracks: {all: {from: song, stages: [replace_drums: {kit: new_kit}]}}",
    "separator": "separate: {model: new_separator}\ntracks: {middle: {gain_db: 2}, sides: }",
    "beat-tracker": "align: {tempo: 125, beats: new_beat_tracker}\ntracks: {all: {from: song}}",
    "hit-classifier": (
        "tracks: {all: {from: song, stages: "
        "[replace_drums: {kit: synth, classifier: new_hit_classifier}]}}"
    ),
}
"""What uses a plugin that is named after its kind."""


def name_of(kind: Kind) -> str:
    return f"new-{kind}"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Path]:
    """Every kind of plugin, written once."""
    parent, registry = tmp_path_factory.mktemp("new"), build_registry()
    return {kind: new_plugin.write(named(name_of(kind), kind, registry), parent) for kind in KINDS}


def imported(folder: Path) -> ModuleType:
    (source,) = folder.glob("stemfx_*/__init__.py")
    spec = importlib.util.spec_from_file_location(source.parent.name, source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def registry(folders: dict[Kind, Path]) -> Registry:
    return build_registry([(kind, imported(folder)) for kind, folder in folders.items()])


def test_its_own_tests_pass_where_it_lies(folders: dict[Kind, Path]) -> None:
    """As `pytest` in each folder does, in one process: what is imported once is enough."""
    code = (
        "import os, sys, pytest\n"
        "for folder in sys.argv[1:]:\n"
        "    os.chdir(folder)\n"
        "    code = pytest.main(['-q', '-p', 'no:cacheprovider'])\n"
        "    if code: sys.exit(int(code))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, folders.values())],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count(" passed in ") == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_stemfx_takes_what_it_offers(kind: Kind, registry: Registry) -> None:
    (plugin,) = [plugin for plugin in registry.plugins if plugin.name == kind]
    assert plugin.broken is None
    offered = (
        *plugin.stages,
        *plugin.separators,
        *plugin.kits,
        *plugin.beat_trackers,
        *plugin.hit_classifiers,
    )
    assert offered == (name_of(kind).replace("-", "_"),)


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_can_use_it(
    kind: Kind, registry: Registry, tmp_path: Path, song: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "registry", lambda: registry)
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    text = f"sources: {{song: song.wav}}\n{RECIPES[kind]}\noutput: {{master: out.wav}}\n"
    engine.run_text(tmp_path, text)
    assert (tmp_path / "out.wav").is_file()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["qx", "a-name-of-two-and-thirty-letters"])
def test_the_rules_of_this_repository_hold_in_it_whatever_its_name(
    name: str, kind: Kind, tmp_path: Path, registry: Registry
) -> None:
    folder = new_plugin.write(named(name, kind, registry), tmp_path)
    rules = REPOSITORY / "pyproject.toml"
    for command in (["check"], ["format", "--check"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--config", rules, "."],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout


def test_the_command_says_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute(["new-plugin", "soft-clip"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "    cd soft-clip",
        '    pip install -e ".[test]" && pytest',
        "    stemfx stages soft_clip",
    ]
    assert execute(["new-plugin", "soft-clap", "--kind", "kit", "-o", "mine", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["plugin"]
    assert told["folder"] == str(tmp_path / "mine" / "soft-clap")
    assert all(Path(file).is_file() for file in told["files"])
    assert told["distribution"] == "stemfx-soft-clap"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gain", "is the name of a stage that is installed"),
        ("synth", "is the name of a kit that is installed"),
        ("stemfx-htdemucs-ft", "is the name of a model that is installed"),
        ("Soft Clip", "is no name for a plugin"),
        ("../up", "is no name for a plugin"),
        ("8bit", "is no name for a plugin"),
        ("stemfx", "is no name for a plugin"),
        ("x" * 33, "has 33 characters, more than 32"),
        ("lambda", "is a word of Python's own"),
        ("filter", "is a word of Python's own"),
        ("signal", "is a word that its own code needs"),
        ("tone", "is a word that its own code needs"),
        ("nul", "is the name of a device on Windows"),
        ("testing-it", "would look like a test"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(
    name: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["new-plugin", name, "-o", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    plugin = NewPlugin("stage", "warm", "warm")
    (tmp_path / "warm").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="it is there already, and nothing is written over"):
        new_plugin.write(plugin, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["warm"]


def test_what_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        new_plugin.write(NewPlugin("stage", "warm", "warm"), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "versions"),
    [
        ("0.1.0", "stemfx-suite>=0.1,<0.3"),
        ("0.9.4", "stemfx-suite>=0.9,<0.11"),
        ("1.4.2", "stemfx-suite>=1.4,<2"),
    ],
)
def test_a_plugin_asks_for_the_versions_that_keep_what_it_uses(version: str, versions: str) -> None:
    assert requirement(version) == versions
