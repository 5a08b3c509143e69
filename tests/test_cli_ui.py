"""`stemfx ui`: edits and knobs render what changed, a fault leaves the page, Ctrl-C ends it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine import samples

from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.io import Encoding, write

TEXT = """stemfx: 1
title: Loud
params:
  level_db: {{default: 0, min: -40, max: 0, unit: dB}}
sources: {{song: song.wav}}
tracks: {{all: {{from: song, gain_db: "${{level_db}}"}}}}
{}output: {{master: out.wav}}
"""


class Ui:
    """`stemfx ui` in a process of its own, and a page that listens to it."""

    def __init__(self, recipe: Path, *options: str) -> None:
        self.folder = recipe.parent
        command = [sys.executable, "-m", "stemfx", "ui", str(recipe), *options]
        browser = recipe.parent / "browser.sh"
        browser.write_text('#!/bin/sh\necho "$@" > "$0.told"\n')
        browser.chmod(0o700)
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env={**os.environ, "BROWSER": str(browser)},
        )
        self.lines: list[str] = []
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self.lines.extend, args=(self.process.stdout,))
        self._reader.start()
        self.url = self._until(lambda: re.search(r"http://\S+", self.told))[0]
        self._events = self.ask("events")

    @property
    def told(self) -> str:
        return "".join(self.lines)

    def _until(self, find: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 60
        while not (found := find()):
            assert time.monotonic() < deadline, self.told
            assert self.process.poll() is None, self.told
            time.sleep(0.02)
        return found

    def ask(self, path: str, body: bytes | None = None, headers: Any = None) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", body, headers or {})  # noqa: S310
        return urllib.request.urlopen(request, timeout=60)  # noqa: S310

    def wait(self, phase: str, version: int) -> dict[str, Any]:
        for line in self._events:
            if line.startswith(b"data: "):
                state = json.loads(line[6:])
                if (state["phase"], state["version"]) == (phase, version):
                    return state
        raise AssertionError(self.told)

    def turn(self, **values: object) -> None:
        headers = {"Content-Type": "application/json", "Origin": self.url.rsplit("/", 2)[0]}
        body = json.dumps(values).encode()
        self.ask("params", body, headers).close()

    def data(self) -> dict[str, Any]:
        with self.ask("data") as answer:
            return json.load(answer)

    def level_db(self) -> float:
        return float(20 * np.log10(np.abs(samples(self.folder / "out.wav")).max()))

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        self._reader.join(60)
        return code

    def close(self) -> None:
        self._events.close()
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self._reader.join(60)
        self.process.stdout.close()


@pytest.fixture
def recipe(tmp_path: Path, song: Audio) -> Path:
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    path = tmp_path / "r.yaml"
    path.write_text(TEXT.format(""))
    return path


@pytest.fixture
def ui(recipe: Path) -> Iterator[Ui]:
    if os.name != "posix":
        pytest.skip("signals of POSIX")
    started = Ui(recipe)
    try:
        yield started
    finally:
        started.close()


def test_knobs_and_edits_render_what_changed_and_ctrl_c_ends_it(ui: Ui, recipe: Path) -> None:
    ui.wait("rendered", 1)
    full_db = ui.level_db()
    opened = (recipe.parent / "browser.sh.told").read_text().strip()
    assert opened.startswith(ui.url.rsplit("/", 2)[0])
    assert ui.url.rsplit("/", 2)[1] not in opened  # who lists processes does not learn the token
    assert ui.data()["params"][0]["value"] == 0
    assert ui.data()["outputs"] == {}  # no link leads to what is not served
    ui.turn(level_db=-10)
    told = ui.wait("rendered", 2)
    assert ui.level_db() == pytest.approx(full_db - 10, abs=0.01)
    assert ui.data()["params"][0]["value"] == -10
    assert told["command"] == f"stemfx run {recipe} --set level_db=-10"
    recipe.write_text(TEXT.format("mixx: 1\n"))
    fault = ui.wait("fault", 2)
    assert f"{recipe}:7:1: " in fault["message"]
    assert ui.data()["audio"]["folder"] == "audio/2"  # the page is what it was
    recipe.write_text(TEXT.format("").replace("title: Loud", "title: Soft"))
    ui.wait("rendered", 3)
    assert ui.data()["title"] == "Soft"
    assert ui.level_db() == pytest.approx(full_db - 10, abs=0.01)  # the knob stays turned
    with ui.ask(f"audio/3/{ui.data()['points'][0]['id']}/0") as piece:
        assert piece.read(4) == b"OggS"
    assert "song/decode" not in ui.told.partition("a knob changed")[2]
    assert ui.end() == 0, ui.told
    assert "Traceback" not in ui.told
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(ui.url.split(":")[2].split("/")[0])), timeout=5)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["r.stemfx"], "a bundle is not edited; `stemfx unpack` it"),
        (["missing.yaml"], "no such recipe file"),
        (["r.yaml", "--port", "70000"], "--port"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_sentence(
    recipe: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(recipe.parent)
    Path("r.stemfx").touch()
    assert execute(["ui", *arguments, "--no-open"]) == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert len(shown.err.splitlines()) == 1


def test_a_port_in_use_is_told_before_any_work(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert execute(["ui", str(recipe), "--no-open", "--port", str(port)]) == 2
    assert f"port {port} is in use" in capsys.readouterr().err
    assert {file.name for file in recipe.parent.iterdir()} == {"r.yaml", "song.wav"}
