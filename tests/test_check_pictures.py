"""`stemfx check --plot` and what it shows on a terminal."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from rich.console import Console

from stemfx.cli import execute, screen

RATE = 16_000
MINUS = "\N{MINUS SIGN}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    noise = 0.1 * np.random.default_rng(0).standard_normal((2 * RATE, 1))
    soundfile.write(tmp_path / "good.wav", noise * [1, 1], RATE)
    soundfile.write(tmp_path / "opposed.wav", noise * [1, -1], RATE)
    (tmp_path / "empty.wav").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is drawn; the file holds its suffix."""
    monkeypatch.setattr("stemfx.plot.saving.picture_bytes", lambda _, suffix: suffix.encode())


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_files_are_drawn_below_each_other_and_a_bad_one_is_named(folder, capsys):
    assert execute(["check", "good.wav", "empty.wav", "--plot", "new/x.png"]) == 2
    assert "picture: new/x.png" in capsys.readouterr().out
    with Image.open("new/x.png") as image:
        assert image.width == 1200
        assert image.height > 750
    assert files(folder / "new") == {"x.png"}


def test_json_says_where_the_picture_is(folder, capsys, fast):
    assert execute(["check", "good.wav", "--json", "--plot", "x.SVG"]) == 0
    assert json.loads(capsys.readouterr().out)["plot"] == str(folder / "x.SVG")
    assert (folder / "x.SVG").read_bytes() == b".svg"


def test_where_nothing_can_be_read_nothing_is_drawn(folder, capsys):
    assert execute(["check", "empty.wav", "--plot", "x.png"]) == 2
    assert "no picture: no file could be read" in capsys.readouterr().out
    assert not (folder / "x.png").exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("x.jpg", "'x.jpg' should end in .png or .svg"),
        ("x", "should end in .png"),
        ("good.wav", "should end in .png"),
        ("audio.png", "would be lost"),
        ("link.png", "would be lost"),
        ("folder.png", "is a folder"),
        ("good.wav/x.png", "cannot be written"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_anything_is_read(
    folder, capsys, monkeypatch, target, message
):
    (folder / "good.wav").rename(folder / "audio.png")
    (folder / "opposed.wav").rename(folder / "good.wav")
    (folder / "link.png").symlink_to("audio.png")
    (folder / "folder.png").mkdir()
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    monkeypatch.setattr("stemfx.health.examine", lambda *_: pytest.fail("it was read"))
    assert execute(["check", "audio.png", "--plot", target]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert len(told.splitlines()) == 1
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert after == before


def test_the_mixture_is_not_written_over(folder, capsys):
    (folder / "good.wav").rename(folder / "mix.png")
    assert execute(["check", "opposed.wav", "--mixture", "mix.png", "--plot", "mix.png"]) == 2
    assert "would be lost" in capsys.readouterr().err


def test_more_than_a_dozen_files_are_refused(folder, capsys):
    for i in range(13):
        os.link("good.wav", f"{i}.wav")
    assert execute(["check", *(f"{i}.wav" for i in range(13)), "--plot", "x.png"]) == 2
    assert "holds 12 files, and 13 are given" in capsys.readouterr().err
    assert not (folder / "x.png").exists()


def test_a_picture_that_cannot_be_finished_leaves_the_old_one(folder, capsys, monkeypatch, fast):
    (folder / "x.png").write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert execute(["check", "good.wav", "--plot", "x.png"]) == 2
    assert "disk is full" in capsys.readouterr().err
    assert (folder / "x.png").read_bytes() == b"old"
    assert {name for name in files(folder) if "part" in name} == set()


# --- the terminal ------------------------------------------------------------------------


@pytest.fixture
def terminal(folder, monkeypatch):
    """Return what the command prints on a terminal of 80 columns."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    on = Console(file=out, width=80, force_terminal=True, highlight=False)
    monkeypatch.setattr(screen, "table_console", lambda: on)

    def printed(*arguments: str) -> str:
        execute(["check", *arguments, "--fail-on", "never"])
        out.flush()
        return out.buffer.getvalue().decode()

    return printed


def test_a_terminal_shows_two_lines_a_file(terminal):
    told = terminal("good.wav", "opposed.wav")
    assert "+" * 20 in told
    assert MINUS * 20 in told
    assert "▇" in told or "█" in told


def test_the_lines_can_be_left_out(terminal):
    assert "lost in mono" not in terminal("good.wav", "--no-view")


def test_many_files_are_shown_only_if_asked_for(terminal, folder):
    for i in range(9):
        os.link("good.wav", f"{i}.wav")
    names = [f"{i}.wav" for i in range(9)]
    assert "lost in mono" not in terminal(*names)
    assert terminal(*names, "--view").count("+" * 20) == 9


def test_a_pipe_gets_the_lines_only_if_asked_for_and_without_colour(folder, capsys):
    assert execute(["check", "good.wav"]) == 0
    assert "lost in mono" not in capsys.readouterr().out
    assert execute(["check", "good.wav", "--view"]) == 0
    told = capsys.readouterr().out
    assert "+" * 20 in told
    assert "\x1b" not in told


def test_json_and_lines_exclude_each_other(folder, capsys):
    assert execute(["check", "good.wav", "--json", "--view"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["where"] == "--view"
