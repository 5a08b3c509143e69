"""`run --watch`: most of it in this process, where each wait makes the next edit, and no sleep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine import samples

from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.errors import DiskFullError
from stemfx.io import Encoding, write
from stemfx.session import load_recipe
from stemfx.watching import Watch

TEXT = "stemfx: 1\nsources: {{song: song.wav}}\n{}output: {{master: out.wav}}\n"
Edit = Callable[[], object]


def plain(gain_db: float) -> str:
    return TEXT.format(f"tracks: {{all: {{from: song, gain_db: {gain_db}}}}}\n")


@pytest.fixture
def recipe(tmp_path: Path, song: Audio) -> Path:
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    path = tmp_path / "r.yaml"
    path.write_text(plain(0))
    return path


def level(folder: Path) -> float:
    return float(np.abs(samples(folder / "out.wav")).max())


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return what runs a recipe with `--watch` and makes one edit each time that it waits.

    An edit that changes nothing for five looks is followed by the next; Ctrl-C ends it.
    """

    def run(recipe: Path, *edits: Edit, options: tuple[str, ...] = ()) -> int:
        left: Iterator[Edit] = iter(edits)
        now_s, quiet = 0.0, 5

        def sleep(seconds: float) -> None:
            nonlocal now_s, quiet
            now_s += seconds
            quiet += 1
            if quiet > 5:
                quiet = 0
                edit = next(left, None)
                if edit is None:
                    raise KeyboardInterrupt
                edit()

        class Scripted(Watch):
            def __init__(self) -> None:
                super().__init__(clock=lambda: now_s)

            def wait(self, _: object = None) -> None:
                nonlocal quiet
                quiet = 5
                super().wait(sleep)

        monkeypatch.setattr("stemfx.watching.renderer.Watch", Scripted)
        return execute(["run", str(recipe), "--watch", *options])

    return run


def test_a_save_renders_what_changed_and_a_comment_nothing(
    recipe: Path, watched: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    levels: list[float] = []

    def fader() -> None:
        levels.append(level(recipe.parent))
        recipe.write_text(plain(-6.0206))

    def comment() -> None:
        levels.append(level(recipe.parent))
        recipe.write_text(plain(-6.0206) + "# a comment\n")

    assert watched(recipe, fader, comment) == 0
    first, after = capsys.readouterr().out.split("r.yaml changed\n", 1)
    assert "┃ step" in first
    assert "┃ step" not in after
    assert "song/decode" not in after
    assert "write/master; master -" in after
    assert "nothing to do: the results are as they were" in after
    assert levels[1] == pytest.approx(levels[0] / 2, abs=2e-4)


def test_faults_are_all_told_and_the_results_stay(
    recipe: Path, watched: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    before: list[bytes] = []

    def fault() -> None:
        before.append((recipe.parent / "out.wav").read_bytes())
        recipe.write_text(TEXT.format("mixx: 1\nmaster: [{compres: {}}]\n"))

    assert watched(recipe, fault) == 2
    shown = capsys.readouterr()
    assert f"{recipe}:3:1:" in shown.err
    assert f"{recipe}:4:" in shown.err
    assert "waiting for the next save" in shown.out
    assert (recipe.parent / "out.wav").read_bytes() == before[0]


@pytest.mark.parametrize("is_watched", [False, True])
def test_a_report_that_fails_is_told_after_the_results_that_stay(
    *,
    recipe: Path,
    watched: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_watched: bool,
) -> None:
    def full(path: Path, *_: object) -> None:
        raise DiskFullError("the disk is full", where=str(path))

    monkeypatch.setattr("stemfx.page.write_page", full)
    recipe.write_text(plain(0).replace("out.wav", "out.wav, report: page.html"))
    code = watched(recipe) if is_watched else execute(["run", str(recipe)])
    shown = capsys.readouterr()
    assert code == 2
    assert f"master: {recipe.parent / 'out.wav'}" in shown.out
    assert "page.html: the disk is full" in shown.err
    assert level(recipe.parent) > 0


def test_a_recipe_that_is_gone_or_empty_is_waited_for(
    recipe: Path, watched: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert watched(recipe, recipe.unlink, recipe.touch, lambda: recipe.write_text(plain(-3))) == 0
    out = capsys.readouterr().out
    assert out.count("r.yaml is gone; earlier results stay") == 1
    assert out.count("waiting for the next save") == 1
    assert out.count("rendered in") == 1


def test_a_file_that_is_read_in_the_middle_of_its_save_is_no_fault(
    recipe: Path,
    watched: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reads = 0

    def read_while_written(*arguments: Any) -> Any:
        nonlocal reads
        reads += 1
        if reads not in (2, 3):  # the first only finds out which files there are
            return load_recipe(*arguments)
        recipe.write_text("")
        try:
            return load_recipe(*arguments)
        finally:
            if reads == 3:
                recipe.write_text(plain(-20))

    monkeypatch.setattr("stemfx.watching.renderer.load_recipe", read_while_written)
    assert watched(recipe) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "waiting" not in shown.out
    assert level(recipe.parent) < 0.1


def test_a_watch_may_begin_with_faults_and_with_a_song_that_is_not_there_yet(
    recipe: Path, watched: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    song = recipe.parent / "song.wav"
    elsewhere = song.rename(recipe.parent / "later.wav")
    recipe.write_text("stemfx: 1\n")
    edits = (lambda: recipe.write_text(plain(0)), lambda: elsewhere.rename(song))
    assert watched(recipe, *edits) == 0
    shown = capsys.readouterr()
    assert shown.out.count("waiting for the next save") == 2
    assert shown.out.count("┃ step") == 1
    assert "song.wav changed" in shown.out


def test_what_it_extends_is_watched_from_the_moment_that_it_is_named(
    recipe: Path, watched: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    base = recipe.parent / "base.yaml"
    base.write_text(plain(-3))
    edits = (
        lambda: recipe.write_text("stemfx: 1\nextends: base.yaml\n"),
        lambda: base.write_text(plain(-20)),
    )
    assert watched(recipe, *edits) == 0
    assert "base.yaml changed" in capsys.readouterr().out
    assert level(recipe.parent) < 0.1


def test_a_result_in_a_folder_that_is_watched_does_not_start_a_render(
    recipe: Path, song: Audio, watched: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    kit = recipe.parent / "kit"
    kit.mkdir()
    for name in ("kick", "snare", "hat"):
        write(kit / f"{name}.wav", song, Encoding("wav", 16))
    recipe.write_text(
        "stemfx: 1\nsources: {song: {stems: {drums: song.wav}}}\n"
        "tracks: {d: {from: song/drums, stages: [{replace_drums: {kit: kit}}]}}\n"
        "output: {master: out.wav, stems: kit/mine}\n"
    )
    code = watched(recipe, lambda: None, (kit / "mine" / "d.wav").touch)
    out = capsys.readouterr().out
    assert code == 0, out
    assert "changed\n" not in out


def test_without_a_cache_the_work_of_one_render_serves_the_next(
    recipe: Path, watched: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert watched(recipe, lambda: recipe.write_text(plain(-3)), options=("--no-cache",)) == 0
    assert "song/decode" not in capsys.readouterr().out.partition("changed")[2]
    assert not list(Path(os.environ["STEMFX_CACHE"]).glob("stemfx-*"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["r.yaml", "--json"], "prints results again and again, and --json exactly one object"),
        (["r.stemfx"], "a bundle is not edited; `stemfx unpack` it"),
        (["missing.yaml"], "no such recipe file"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_one_sentence(
    recipe: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(recipe.parent)
    Path("r.stemfx").touch()
    assert execute(["run", *arguments, "--watch"]) == 2
    shown = capsys.readouterr()
    assert told in shown.err + shown.out
    assert len((shown.err + shown.out).splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_save_cancels_the_render_under_way_and_ctrl_c_ends_the_watch(
    recipe: Path, song: Audio
) -> None:
    long = Audio(np.tile(song.samples, 10), song.sample_rate)
    write(recipe.parent / "long.wav", long, Encoding("wav", 16))
    slow = TEXT.format(f"master: [{', '.join(['compress'] * 12)}]\n").replace("song.w", "long.w")
    process = subprocess.Popen(
        [sys.executable, "-m", "stemfx", "run", str(recipe), "--watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None
    try:
        lines: list[str] = []
        reader = threading.Thread(target=lines.extend, args=(process.stdout,))
        reader.start()
        wait_until(lambda: any("master:" in line for line in lines), lines)
        before = (recipe.parent / "out.wav").read_bytes()
        recipe.write_text(slow)
        entries = Path(os.environ["STEMFX_CACHE"]) / "entries"
        wait_until(
            lambda: any("compress" in e.read_text() for e in entries.glob("*/*/entry.json")), lines
        )
        assert (recipe.parent / "out.wav").read_bytes() == before
        other = recipe.parent / "saved"
        other.write_text(plain(-20))
        other.replace(recipe)
        wait_until(lambda: any("rendered in" in line for line in lines), lines)
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
        reader.join(60)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    told = "".join(lines)
    assert code == 0, told
    assert "r.yaml changed while it rendered: begins anew" in told
    assert told.count("rendered in") == 1
    assert "Traceback" not in told
    assert level(recipe.parent) < 0.1
    names = {p.name for p in recipe.parent.iterdir()}
    assert names == {"r.yaml", "song.wav", "long.wav", "out.wav", "run.json"}


def wait_until(is_so: Callable[[], bool], lines: list[str]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "".join(lines)
        time.sleep(0.02)
