"""`stemfx analyze`."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_songs import RATE, made_song

from stemfx import registry
from stemfx.audio import Audio, Signal
from stemfx.beat_tracker import BeatTracker, TrackedBeats
from stemfx.cli import execute
from stemfx.hookspecs import hookimpl
from stemfx.io import Encoding, write
from stemfx.music import read_music as read_music_itself

BPM = 112
SONG = made_song("rock", BPM, bars=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    write(folder / "song.wav", SONG.mixture, Encoding("wav", 24))
    write(folder / "drums.wav", SONG.stems["drums"], Encoding("wav", 24))
    t = np.arange(20 * RATE) / RATE
    drone = 0.1 * sum(np.sin(2 * np.pi * 110 * k * t) / k for k in range(1, 8))
    write(folder / "drone.wav", Audio(drone[np.newaxis].astype(np.float32), RATE), WAV)
    write(folder / "silence.wav", Audio(np.zeros((2, 5 * RATE), np.float32), RATE), WAV)
    write(folder / "short.wav", Audio(SONG.mixture.samples[:, : 6 * RATE], RATE), WAV)
    moving = made_song("rock", 100, bars=12, faster_at_end=0.2).mixture
    write(folder / "moving.wav", moving, WAV)
    (folder / "broken.wav").write_text("no audio")
    (folder / "empty").mkdir()
    return folder


WAV = Encoding("wav", 24)


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    code = execute(["analyze", "--json", *map(str, arguments)])
    return code, json.loads(capsys.readouterr().out)


def codes(one: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in one["findings"]]


def test_the_json_fills_the_contract(folder, capsys):
    code, told = run(capsys, folder / "song.wav")
    (one,) = told["files"]
    assert (code, told["schema"]) == (0, 1)
    assert one["file"] == str(folder / "song.wav")
    assert one["bpm"] == pytest.approx(BPM, rel=1e-3)
    assert 0.5 < one["bpm_confidence"] <= 1
    assert set(one["downbeats_s"]) <= set(one["beats_s"])
    assert len(one["beats_s"]) == pytest.approx(4 * 8 + 4, abs=1)
    assert (one["key"], one["key_runner_up"], one["camelot"]) == ("A minor", "C major", "8A")
    assert (one["beats_per_bar"], one["steady"]) == (4, True)
    assert abs(one["tuning_cents"]) < 3
    assert -40 < one["lufs"] < one["true_peak_dbtp"] < 3
    assert one["lra_lu"] >= 0
    assert one["duration_s"] == pytest.approx(SONG.mixture.n_samples / RATE)
    assert isinstance(one["sections"], list)
    assert one["findings"] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("drone.wav", ["no_beat"]),
        ("silence.wav", ["silent"]),
        ("short.wav", ["short"]),
        ("drums.wav", ["no_key"]),
        ("moving.wav", ["free_tempo"]),
    ],
)
def test_what_is_missing_or_unusual_is_told(folder, capsys, name, expected):
    code, told = run(capsys, folder / name)
    (one,) = told["files"]
    assert code == 0
    assert codes(one) == expected
    assert (one["bpm"] is None) == (one["beats_s"] == []) == (name in ("drone.wav", "silence.wav"))
    assert (one["key"] is None) == (name in ("drums.wav", "silence.wav"))
    assert (one["lufs"] is None) == (name == "silence.wav")


def test_a_bad_file_stops_nobody_and_is_told(folder, capsys):
    files = [folder / name for name in ("broken.wav", "song.wav", "gone.wav", "empty")]
    code, told = run(capsys, *files)
    assert code == 2
    assert [codes(one) for one in told["files"]] == [
        ["unreadable"],
        [],
        ["unreadable"],
        ["unreadable"],
    ]
    assert all(one.keys() == told["files"][1].keys() for one in told["files"])


def test_a_folder_is_all_its_audio_files(folder, capsys):
    code, told = run(capsys, folder)
    names = [Path(one["file"]).name for one in told["files"]]
    assert code == 2  # one is broken
    assert names == sorted(p.name for p in folder.glob("*.wav"))


def test_hints_go_before_what_is_heard(folder, capsys):
    hints = ("--bpm", "55", "--downbeat", "0:01.37", "--key", "Db major")
    code, told = run(capsys, folder / "song.wav", *hints)
    (one,) = told["files"]
    assert code == 0
    assert one["bpm"] == pytest.approx(BPM / 2, rel=1e-3)
    assert min(abs(t - SONG.beats_s[2]) for t in one["downbeats_s"]) < 0.01
    assert one["key"] == "C# major"
    assert codes(one) == ["told_not_heard"]  # of the key


def test_a_tempo_without_any_rhythm_is_told_to_be_unheard(folder, capsys):
    _, told = run(capsys, folder / "drone.wav", "--bpm", "100")
    (one,) = told["files"]
    assert (one["bpm"], one["bpm_confidence"]) == (100, 0)
    np.testing.assert_allclose(np.diff(one["beats_s"]), 0.6)
    assert codes(one) == ["told_not_heard"]


def test_the_second_time_nothing_is_read_again(folder, capsys, monkeypatch):
    from stemfx import operations

    n_read = []

    def counted(*arguments, **named):
        n_read.append(1)
        return read_music_itself(*arguments, **named)

    monkeypatch.setattr(operations, "read_music", counted)
    first = run(capsys, folder / "song.wav")
    moved = folder / "empty" / "the same bytes.wav"
    moved.write_bytes((folder / "song.wav").read_bytes())
    try:
        _, second = run(capsys, moved)
    finally:
        moved.unlink()
    assert len(n_read) == 1  # by content, not by name
    assert second["files"][0] | {"file": ""} == first[1]["files"][0] | {"file": ""}
    run(capsys, folder / "song.wav", "--key", "A minor")
    assert len(n_read) == 2
    run(capsys, folder / "song.wav", "--no-cache")
    assert len(n_read) == 3


def test_separated_stems_are_heard(folder, capsys, monkeypatch):
    from stemfx import operations

    heard = []

    def seen(mixture, stems, **named):
        heard.append(sorted(stems))
        return read_music_itself(mixture, stems, **named)

    monkeypatch.setattr(operations, "read_music", seen)
    arguments = (folder / "song.wav", "--separate", "--model", "embedded", "--offline")
    code, told = run(capsys, *arguments)
    assert code == 0
    assert told["files"][0]["bpm"] == pytest.approx(BPM, rel=1e-3)
    run(capsys, *arguments)
    assert len(heard) == 1
    assert len(heard[0]) > 1


def test_people_get_a_line_for_each_thing(folder, capsys):
    assert execute(["analyze", str(folder / "song.wav"), str(folder / "drone.wav")]) == 0
    shown = capsys.readouterr().out
    assert "112.0" in shown
    assert "steady" in shown
    assert "A minor 8A, then C major 8B" in shown
    assert "LUFS" in shown
    assert "warn: no beat was heard" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--downbeat", "soon"], "'soon' is no time in a song"),
        (["--downbeat", "-1"], "'-1' is no time in a song"),
        (["--key", "H minor"], "'H minor' is no key; write one such as 'A minor'"),
        (["--bpm", "0"], "20"),
        (["--beats", "beat_thsi"], "'beat_thsi' is unknown in the beat trackers"),
        (["--model", "embedded"], "add --separate"),
        (["--separate", "--model", "nosuch"], "nosuch"),
    ],
)
def test_what_cannot_be_done_gets_one_sentence(folder, capsys, arguments, words):
    assert execute(["analyze", str(folder / "song.wav"), *arguments]) == 2
    shown = capsys.readouterr()
    assert words in shown.err
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""


class Half(BeatTracker):
    name = "half"
    summary = "counts every other beat"
    licence = "CC0-1.0"

    def track(self, mixture: Signal) -> TrackedBeats:
        return TrackedBeats(SONG.beats_s[::2].tolist())


class Backwards(Half):
    name = "backwards"

    def track(self, mixture: Signal) -> TrackedBeats:
        return TrackedBeats(SONG.beats_s[::-1].tolist())


@pytest.fixture
def plugins(monkeypatch):
    offer = hookimpl(lambda: [Half(), Backwards()], specname="stemfx_beat_trackers")
    found = registry.build_registry([("counting", SimpleNamespace(stemfx_beat_trackers=offer))])
    monkeypatch.setattr(registry, "build_registry", lambda: found)


@pytest.mark.usefixtures("plugins")
def test_a_tracker_of_a_plugin_is_chosen_by_name_and_cached_by_it(folder, capsys):
    own = run(capsys, folder / "song.wav")[1]["files"][0]["bpm"]
    code, told = run(capsys, folder / "song.wav", "--beats", "half")
    assert (code, told["files"][0]["bpm"]) == (0, pytest.approx(own / 2, rel=1e-3))
    assert run(capsys, folder / "song.wav", "--beats", "stemfx")[1]["files"][0]["bpm"] == own


@pytest.mark.usefixtures("plugins")
def test_a_broken_tracker_is_an_error_of_the_plugin(folder, capsys):
    code = execute(["analyze", "--json", str(folder / "song.wav"), "--beats", "backwards"])
    error = json.loads(capsys.readouterr().out)["error"]
    assert (code, error["code"]) == (2, "plugin")
    assert "they must rise" in error["message"]
