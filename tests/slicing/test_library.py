"""A library appears whole or not at all, and never over somebody's files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stemfx.errors import OutputError, StemfxError, UsageError
from stemfx.io import file_sha256
from stemfx.slicing.library import INDEX, library_folder


def fill(staging: Path, names: dict[str, str], index: dict | None = None) -> None:
    for name, text in names.items():
        path = staging / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    samples = [{"file": n, "sha256": file_sha256(staging / n)} for n in names if "/" in n]
    kits = [{"file": n, "sha256": file_sha256(staging / n)} for n in names if "/" not in n]
    (staging / INDEX).write_text(json.dumps(index or {"samples": samples, "kits": kits}))


def make(folder: Path, names: dict[str, str], *, overwrite: bool = False) -> None:
    with library_folder(folder, overwrite=overwrite) as staging:
        fill(staging, names)


def tree(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): p.read_text()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != INDEX
    }


FIRST = {"one-shots/a.wav": "a1", "one-shots/b.wav": "b1", "loops/c.wav": "c1", "drums.sfz": "s1"}
SECOND = {"one-shots/a.wav": "a2", "loops/d.wav": "d2", "drums.sfz": "s2"}


def test_a_new_folder_is_made_with_what_was_written(tmp_path):
    make(tmp_path / "x" / "lib", FIRST)
    assert tree(tmp_path) == {f"x/lib/{name}": text for name, text in FIRST.items()}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OutputError])
def test_what_fails_leaves_nothing_not_even_the_folder(tmp_path, error):
    def breaks() -> None:
        with library_folder(tmp_path / "x" / "lib", overwrite=False) as staging:
            fill(staging, FIRST)
            raise error("broken")

    with pytest.raises(error):
        breaks()
    assert list(tmp_path.iterdir()) == []


def test_a_library_is_not_replaced_unasked(tmp_path):
    make(tmp_path, FIRST)
    with pytest.raises(UsageError, match="--overwrite"):
        make(tmp_path, SECOND)
    assert tree(tmp_path) == FIRST


def test_a_replaced_library_takes_its_own_files_with_it_and_nothing_else(tmp_path):
    make(tmp_path, FIRST)
    (tmp_path / "one-shots" / "b.wav").write_text("edited")
    (tmp_path / "loops" / "mine.wav").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine too")
    make(tmp_path, SECOND, overwrite=True)
    kept = {"one-shots/b.wav": "edited", "loops/mine.wav": "mine", "notes.txt": "mine too"}
    assert tree(tmp_path) == SECOND | kept


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_of_somebody_is_never_replaced(tmp_path, overwrite):
    (tmp_path / "loops").mkdir()
    (tmp_path / "loops" / "d.wav").write_text("mine")
    with pytest.raises(UsageError, match=r"loops/d\.wav"):
        make(tmp_path, SECOND, overwrite=overwrite)
    assert tree(tmp_path) == {"loops/d.wav": "mine"}


def test_an_edited_sample_is_not_replaced(tmp_path):
    make(tmp_path, FIRST)
    (tmp_path / "one-shots" / "a.wav").write_text("edited")
    with pytest.raises(UsageError, match=r"one-shots/a\.wav"):
        make(tmp_path, SECOND, overwrite=True)
    assert tree(tmp_path) == FIRST | {"one-shots/a.wav": "edited"}


def test_a_failure_while_files_are_moved_brings_the_old_library_back(tmp_path, monkeypatch):
    make(tmp_path, FIRST)
    before = tree(tmp_path), (tmp_path / INDEX).read_text()
    rename: Callable[..., Path] = Path.rename
    moves = 0

    def failing(self: Path, target: Path) -> Path:
        nonlocal moves
        moves += 1
        if moves == 7:  # five are set aside, the second new one fails
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, SECOND, overwrite=True)
    monkeypatch.undo()
    assert (tree(tmp_path), (tmp_path / INDEX).read_text()) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"samples": 1, "kits": 2}',
        '{"samples": [{"file": 1}], "kits": []}',
        "[" * 9999,
    ],
)
def test_an_index_that_makes_no_sense_is_told(tmp_path, text):
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(StemfxError, match=INDEX):
        make(tmp_path, SECOND, overwrite=True)
    assert (tmp_path / INDEX).read_text() == text


@pytest.mark.parametrize(
    "name", ["../outside.wav", "notes.txt", "/etc/hosts", "loops/../notes.txt", "loops\\x.wav", "."]
)
def test_an_index_removes_nothing_that_is_no_sample(tmp_path, name):
    folder = tmp_path / "lib"
    folder.mkdir()
    for path in (tmp_path / "outside.wav", folder / "notes.txt"):
        path.write_text("mine")
    sha256 = file_sha256(tmp_path / "outside.wav")
    entries = {"samples": [{"file": name, "sha256": sha256}], "kits": []}
    (folder / INDEX).write_text(json.dumps(entries))
    make(folder, SECOND, overwrite=True)
    assert (tmp_path / "outside.wav").read_text() == "mine"
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "lib").write_text("mine")
    with pytest.raises(UsageError, match="this is a file"):
        make(tmp_path / "lib", FIRST)
    with pytest.raises(OutputError):
        make(tmp_path / "lib" / "deeper", FIRST)
    assert (tmp_path / "lib").read_text() == "mine"
