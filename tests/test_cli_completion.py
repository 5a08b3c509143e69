"""What the shell is offered at the Tab key: in its protocol, in a blink, and nothing harmful."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import stemfx
from stemfx.cli import completion, installed_names
from stemfx.io import AUDIO_SUFFIXES
from stemfx.registry import build_registry
from stemfx.shipped import shipped_recipes

RECIPE = """stemfx: 1
params:
  vocal_db: {default: 1.5, min: -12, max: 12, unit: dB, help: "vocal level"}
  kit: synth
presets: {techno: {vocal_db: 3}}
sources: {song: , beat: b.wav}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEMFX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STEMFX_RECIPES", str(tmp_path / "own"))
    monkeypatch.setenv("PYTHONPATH", str(Path(stemfx.__file__).parents[1]))  # these lines' code
    (tmp_path / "mine.yaml").write_text(RECIPE)
    return tmp_path


def offered(completer: completion.Completer, incomplete: str = "", recipe: str = "") -> list[str]:
    context = SimpleNamespace(params={"recipe": recipe or None}, args=[])
    return [word for word, _ in completer(context, incomplete)]  # type: ignore[arg-type]


def in_shell(shell: str, words: str) -> str:
    """Return what a shell is told after these words."""
    variables = {"_STEMFX_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": words}
    variables |= {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    variables |= {"_TYPER_COMPLETE_WORD_TO_COMPLETE": words.rpartition(" ")[2]}
    variables |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = subprocess.run(
        [sys.executable, "-m", "stemfx"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | variables | {"COLUMNS": "40"},
    )
    assert done.stderr == ""
    return done.stdout


def test_recipes_are_those_with_a_name_and_those_here(folder: Path) -> None:
    (folder / "own").mkdir()
    for name in ("notes.txt", ".hidden.yaml", "b.stemfx", "own/club.yaml"):
        (folder / name).touch()
    (folder / "own" / "sent.stemfx").write_bytes(b"\xff")
    expected = {*shipped_recipes(), "club", "sent", "mine.yaml", "b.stemfx"}
    assert set(offered(completion.recipes)) == expected
    assert offered(completion.recipes, "mi") == ["mine.yaml"]
    assert offered(completion.recipes, "./") == []  # then the shell offers files


def test_knobs_presets_and_sources_are_those_of_the_recipe_that_was_typed(folder: Path) -> None:
    for name in ("a.wav", "inside/c.flac", "notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    assert offered(completion.settings, recipe="mine.yaml") == ["vocal_db=1.5", "kit=synth"]
    assert offered(completion.settings, "vo", "mine.yaml") == ["vocal_db=1.5"]
    assert "target_lufs=-14" in offered(completion.settings, recipe="remix")
    assert offered(completion.presets, recipe="mine.yaml") == ["techno"]
    assert offered(completion.sources, recipe="mine.yaml") == ["song=a.wav", "beat=a.wav"]
    assert offered(completion.sources, "beat=inside/", "mine.yaml") == ["beat=inside/c.flac"]


def test_what_a_recipe_extends_has_its_names_too(folder: Path) -> None:
    (folder / "over.yaml").write_text(
        "stemfx: 1\nextends: mine.yaml\nparams: {kit: {default: x}}\n"
    )
    assert offered(completion.settings, recipe="over.yaml") == ["kit=x", "vocal_db=1.5"]


def test_a_bundle_is_looked_into(folder: Path) -> None:
    from bundling import bundle_bytes

    (folder / "a.stemfx").write_bytes(bundle_bytes({"remix.yaml": RECIPE.encode()}))
    assert offered(completion.presets, recipe="a.stemfx") == ["techno"]


HOSTILE = [
    b"",
    b"- a list",
    b"params: 3",
    b"params: {",
    b"\xff\xfe\x00",
    b"params: &a {x: *a}",
    b"[" * 5000,
    b"a: &a [x, x]\nb: &b [*a, *a]\n" + b"".join(
        b"%c: &%c {<<: [*%c, *%c], k: [*%c, *%c]}\n" % (c + 1, c + 1, c, c, c, c)
        for c in range(ord("b"), ord("w"))
    ),
    b"extends: h.yaml",
    b"extends: ../../../../etc/passwd",
    b"extends: /dev/zero",
    b"extends: pipe",
    b"params: {'a$(touch x)': 1, 'b`x`': 1, \"c\\e[2J\": 1, 'd e': 1, f: '$(x)', \"g\\nh\": 1}",
    "params: {é: 1, '-': {default: ';x'}}".encode(),
    b"x: " + b"y" * 3_000_000,
]  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_a_strangers_recipe_offers_nothing_harmful_and_costs_no_time(
    folder: Path, data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "h.yaml").write_bytes(data)
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")
    began = time.perf_counter()
    found = [
        offered(completer, recipe=recipe)
        for completer in (completion.settings, completion.presets, completion.sources)
        for recipe in ("h.yaml", "pipe", "gone", ".")
    ]
    assert time.perf_counter() - began < 1
    assert not any(found)
    assert capfd.readouterr() == ("", "")


def test_explanations_hold_nothing_that_a_shell_would_obey(folder: Path) -> None:
    """Zsh evaluates them: this one gets past quotes that are merely doubled."""
    trap = r"""'{default: 1, help: "\\$(touch x) `touch x` '' \" : )) ; \n tail"}'"""[1:-1]
    (folder / "h.yaml").write_text(f"params: {{a: {trap}}}\n")
    context = SimpleNamespace(params={"recipe": "h.yaml"}, args=[])
    ((word, about),) = completion.settings(context, "")  # type: ignore[arg-type]
    assert (word, about) == ("a=1", "touch x touch x tail")


def test_the_audio_that_is_offered_is_audio() -> None:
    assert completion.AUDIO_SUFFIXES <= AUDIO_SUFFIXES


def test_names_of_what_is_installed_are_kept_until_something_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = build_registry()
    assert offered(completion.stages) == list(registry.stages)
    assert offered(completion.models) == ["auto", *registry.separators]
    kept = folder / "cache" / "completion.json"
    told = json.loads(kept.read_text())
    told["names"]["stages"] = {"kept": "x"}
    kept.write_text(json.dumps(told))
    assert offered(completion.stages) == ["kept"]
    monkeypatch.setattr(installed_names, "_key", lambda: ["another plugin"])
    assert offered(completion.stages) == list(registry.stages)
    for damaged in ("", "[]", '{"key": 3}', '{"key": ["another plugin"], "names": {"stages": []}}'):
        kept.write_text(damaged)
        assert offered(completion.stages) == list(registry.stages)
    old = time.time() - installed_names.MAX_AGE_S - 1
    kept.write_text(json.dumps({"key": ["another plugin"], "names": told["names"]}))
    os.utime(kept, (old, old))
    assert offered(completion.stages) == list(registry.stages)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_every_shell_gets_whole_lines(folder: Path, shell: str) -> None:
    told = in_shell(shell, "stemfx run mine.yaml --set vo")
    assert "vocal_db=1.5" in told
    assert len(told.strip().splitlines()) == 1
    # Explanations are as long as they are: a line of their own would be one more word.
    told = in_shell(shell, "stemfx run --mode")
    assert len(told.strip().splitlines()) == 1


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_with_the_script_that_is_installed_for_it(folder: Path) -> None:
    (folder / "bin").mkdir()
    command = folder / "bin" / "stemfx"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m stemfx "$@"\n')
    command.chmod(0o755)
    script = f"""
        PATH={shlex.quote(str(command.parent))}:$PATH
        eval "$(_STEMFX_COMPLETE=source_bash stemfx)"
        COMP_WORDS=(stemfx run mine.yaml --source b) COMP_CWORD=4
        _stemfx_completion stemfx
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    (folder / "a.wav").touch()
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("beat=a.wav\n", "")
