"""Which model a recipe gets, from names, folders, weights that are here, and the network."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from engine import level_db, samples
from separators import tiny

from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.errors import ModelError
from stemfx.io import Encoding, write
from stemfx.models import choose
from stemfx.registry import build_registry
from stemfx.separator import Separator

FOUR = ("vocals", "drums", "bass", "other")
RECIPE = (
    "stemfx: 1\nsources: {song: song.wav}\nseparate: {model: %s}\n"
    "tracks: {vocals: , drums: , bass: , other: }\noutput: {master: out.wav, bit_depth: 32}\n"
)


@pytest.fixture
def folder(tmp_path: Path, song: Audio) -> Path:
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    return tmp_path


@pytest.fixture
def htdemucs_here() -> Path:
    """A tiny network in the published layout, in the models folder, under the published name."""
    models = Path(os.environ["STEMFX_MODELS"])
    tiny.save_safetensors(tiny.build("htdemucs"), models / "955717e8.safetensors")
    (models / "htdemucs.yaml").write_text("models: ['955717e8']\n")
    return models


def run_json(
    folder: Path, capsys: pytest.CaptureFixture[str], model: str, *more: str
) -> tuple[int, dict]:
    (folder / "r.yaml").write_text(RECIPE % model)
    code = execute(["run", str(folder / "r.yaml"), "--json", *more])
    return code, json.loads(capsys.readouterr().out)


def resolve(model: str, *, offline: bool = False) -> tuple[str, bool]:
    choice = choose(build_registry(), model, stems=FOUR, offline=offline, where="here")
    return choice.separator.card.name, choice.must_fetch


def test_auto_takes_the_best_weights_that_are_here(htdemucs_here: Path) -> None:
    assert resolve("auto") == ("htdemucs", False)
    assert resolve("auto", offline=True) == ("htdemucs", False)


def test_auto_would_fetch_one_that_a_laptop_can_run_and_stays_here_when_offline() -> None:
    assert resolve("auto") == ("htdemucs", True)
    assert resolve("auto", offline=True) == ("embedded", False)


def test_auto_takes_only_models_that_have_the_stems() -> None:
    choice = choose(build_registry(), "auto", stems=("guitar",), offline=False, where="")
    assert choice.separator.card.name == "htdemucs_6s"
    with pytest.raises(ModelError, match="banjo"):
        choose(build_registry(), "auto", stems=("banjo",), offline=False, where="")
    with pytest.raises(ModelError, match="guitar"):
        choose(build_registry(), "auto", stems=("guitar",), offline=True, where="")


def test_the_embedded_model_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run_json(folder, capsys, "auto", "--offline")
    assert code == 0
    assert told["separators"]["song"]["model"] == "embedded"
    assert [f["code"] for f in told["findings"]] == ["embedded_model"]
    named = run_json(folder, capsys, "embedded")[1]
    assert named["findings"] == []  # asked for: nothing to warn of


def test_without_a_network_auto_goes_on_with_the_embedded_model(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(self: Separator) -> None:
        raise ModelError("no connection")

    demucs = build_registry().separators["htdemucs"]
    monkeypatch.setattr(type(demucs), "fetch", no_network)
    code, told = run_json(folder, capsys, "auto")
    assert code == 0
    assert told["separators"]["song"]["model"] == "embedded"
    assert "no connection" in told["findings"][0]["message"]
    code, told = run_json(folder, capsys, "htdemucs")
    assert code == 2
    assert told["error"]["code"] == "model"


def test_offline_never_fetches(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    began = time.monotonic()
    code, told = run_json(folder, capsys, "htdemucs", "--offline")
    assert code == 2
    assert "--offline" in told["error"]["message"]
    assert run_json(folder, capsys, "auto", "--offline")[0] == 0
    assert time.monotonic() - began < 60  # no time-out was waited for


@pytest.mark.parametrize("way", ["name", "path", "recipe"])
def test_a_demucs_model_runs_end_to_end_and_its_stems_sum_to_the_song(
    folder: Path, capsys: pytest.CaptureFixture[str], htdemucs_here: Path, way: str
) -> None:
    weights = htdemucs_here / "955717e8.safetensors"
    if way == "name":
        code, told = run_json(folder, capsys, "htdemucs", "--offline")
    elif way == "path":
        code, told = run_json(folder, capsys, "auto", "--model", str(weights))
    else:
        (folder / "mine.safetensors").write_bytes(weights.read_bytes())
        code, told = run_json(folder, capsys, "mine.safetensors")
    assert code == 0, told
    assert told["null_db"] < -100
    source = samples(folder / "song.wav")
    assert level_db(samples(folder / "out.wav") - source, source) < -120
    # Random weights explain little: the residual made up the sum.
    separate = next(node for node in told["nodes"] if node["op"] == "separate")
    assert separate["measurements"]["model_null_db"] > -60


def test_other_weights_are_another_result(
    folder: Path, capsys: pytest.CaptureFixture[str], htdemucs_here: Path
) -> None:
    first = run_json(folder, capsys, "htdemucs")[1]
    again = run_json(folder, capsys, "htdemucs")[1]
    assert {node["status"] for node in again["nodes"]} == {"cached"}
    tiny.save_safetensors(tiny.build("htdemucs", seed=9), htdemucs_here / "955717e8.safetensors")
    other = run_json(folder, capsys, "htdemucs")[1]
    ran = {node["id"] for node in other["nodes"] if node["status"] == "done"}
    assert "song/separate" in ran
    assert "song/decode" not in ran
    assert first["outputs"] == other["outputs"]


def test_a_model_with_code_in_it_is_refused_and_runs_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(folder / "pwned"),)

    (folder / "evil.th").write_bytes(pickle.dumps(Evil()))
    code, told = run_json(folder, capsys, "auto", "--model", str(folder / "evil.th"))
    assert code == 2
    assert told["error"]["where"].endswith("evil.th")
    assert not (folder / "pwned").exists()
    assert not (folder / "out.wav").exists()


def test_mono_at_48_khz_goes_through_a_stereo_44_khz_model(
    tmp_path: Path, song: Audio, capsys: pytest.CaptureFixture[str], htdemucs_here: Path
) -> None:
    write(tmp_path / "song.wav", Audio(song.samples[:1], 48_000), Encoding("wav", 24))
    code, told = run_json(tmp_path, capsys, "htdemucs")
    assert code == 0, told
    source = samples(tmp_path / "song.wav")
    out = samples(tmp_path / "out.wav")
    assert out.shape == source.shape
    assert np.abs(out - source).max() < 1e-6
