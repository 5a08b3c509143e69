from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine import samples
from separators import tiny
from serving import Server

from stemfx import registered
from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.errors import ModelError
from stemfx.hookspecs import hookimpl
from stemfx.io import Encoding, write
from stemfx.models import choose
from stemfx.registry import build_registry
from stemfx.separator import Separator
from stemfx.separators.weights import models_folder

RECIPE = (
    "stemfx: 1\nsources: {song: song.wav}\nseparate: {model: mine}\n"
    "tracks: {vocals: , drums: , bass: , other: }\noutput: {master: out.wav, bit_depth: 32}\n"
)

# demucs' own lines, not ours: its transformer and julius use what torch has renamed since.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def network() -> Any:
    return tiny.build("demucs")


@pytest.fixture
def weights(tmp_path: Path, network: Any) -> Path:
    (tmp_path / "downloads").mkdir()
    return tiny.save_safetensors(network, tmp_path / "downloads" / "mine.safetensors")


Command = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command with --json; give its exit code and what it printed."""

    def call(*arguments: object) -> tuple[int, dict[str, Any]]:
        code = execute([*map(str, arguments), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return call


def listed(command: Command) -> dict[str, dict[str, Any]]:
    return {model["name"]: model for model in command("models")[1]["models"]}


def refusal(told: dict[str, Any]) -> str:
    message = told["error"]["message"]
    assert "\n" not in message
    return f"{told['error']['where']}: {message}"


# --- adding, using, removing ---------------------------------------------------------------


def test_a_model_of_ones_own_runs_under_its_name(
    tmp_path: Path, weights: Path, song: Audio, command: Command
) -> None:
    before = weights.stat()
    code, told = command(
        *("models", "add", weights, "--licence", "CC BY-NC 4.0"),
        *("--licence-class", "non-commercial"),
    )
    assert code == 0, told
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    (model,) = told["models"]
    assert model["files"] == [
        {"path": str(weights), "size_bytes": before.st_size, "sha256": digest}
    ]
    assert listed(command)["mine"] == {k: v for k, v in model.items() if k != "files"}
    assert (model["weights"], model["path"]) == ("here", str(weights))

    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    (tmp_path / "r.yaml").write_text(RECIPE)
    code, told = command("run", tmp_path / "r.yaml")
    assert (code, refusal(told).count("CC BY-NC 4.0")) == (2, 1)
    code, told = command("run", tmp_path / "r.yaml", "--accept-noncommercial")
    assert code == 0, told
    assert told["separators"]["song"] == {
        "model": "mine",
        "licence": "CC BY-NC 4.0",
        "licence_class": "non-commercial",
        "weights": "here",
    }
    # Stems and residual sum to the song, in float32: 2^-24 for each of the five.
    assert np.abs(samples(tmp_path / "out.wav") - samples(tmp_path / "song.wav")).max() < 1e-6

    assert command("models", "remove", "mine")[0] == 0
    assert "mine" not in listed(command)
    assert weights.stat() == before or weights.stat().st_mtime_ns == before.st_mtime_ns
    assert command("run", tmp_path / "r.yaml", "--accept-noncommercial")[0] == 2


def test_a_model_of_ones_own_gives_what_its_path_gives(weights: Path, command: Command) -> None:
    assert command("models", "add", weights, "--name", "Choir_2.1")[0] == 0
    found = build_registry()
    by_name = choose(found, "Choir_2.1", stems=(), offline=True, where="").separator
    by_path = choose(found, str(weights), stems=(), offline=True, where="").separator
    assert by_name.identity() == by_path.identity()
    assert by_name.card == dataclasses.replace(by_path.card, name="Choir_2.1")
    wrapper = found.separators["Choir_2.1"]
    assert wrapper.identity() == by_path.identity()
    assert wrapper.computes(("vocals",)) == by_path.computes(("vocals",))


def test_a_folder_is_a_model_too(tmp_path: Path, weights: Path, command: Command) -> None:
    (weights.parent / "pair.yaml").write_text("models: [mine, mine]\n")
    code, told = command("models", "add", weights.parent)
    assert (code, told["models"][0]["name"]) == (0, "pair")
    (weights.parent / "pair.yaml").write_text("models: [mine]\n")
    with pytest.raises(ModelError, match="has changed since 'pair' was registered"):
        choose(build_registry(), "pair", stems=(), offline=True, where="")


def test_auto_does_not_take_what_cannot_be_compared(weights: Path, command: Command) -> None:
    command("models", "add", weights)
    choice = choose(build_registry(), "auto", stems=("vocals",), offline=True, where="")
    assert choice.separator.card.name == "embedded"


def test_what_has_changed_is_refused_and_what_was_only_touched_is_not(
    weights: Path, command: Command
) -> None:
    command("models", "add", weights)
    os.utime(weights, ns=(1, 1))
    assert choose(build_registry(), "mine", stems=(), offline=True, where="").separator
    stat = weights.stat()
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1  # the same length
    weights.write_bytes(content)
    assert weights.stat().st_size == stat.st_size
    with pytest.raises(ModelError, match="has changed since 'mine' was registered"):
        choose(build_registry(), "mine", stems=(), offline=True, where="")


def test_what_has_moved_is_said_to_be_gone(weights: Path, command: Command) -> None:
    command("models", "add", weights)
    weights.rename(weights.with_name("elsewhere.safetensors"))
    assert listed(command)["mine"]["weights"] == "missing"
    with pytest.raises(ModelError, match="a file of 'mine' is no longer there") as caught:
        choose(build_registry(), "mine", stems=(), offline=True, where="")
    assert caught.value.where == str(weights)
    assert command("models", "remove", "mine")[0] == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("htdemucs", "'htdemucs' is taken"),
        ("HTDemucs", "'htdemucs' is taken"),  # one folder on some systems
        ("auto", "'auto' is taken"),
        ("remove", "'remove' is taken"),
        ("../evil", "cannot be a model's name"),
        ("", "cannot be a model's name"),
        ("a b", "cannot be a model's name"),
        ("x" * 65, "cannot be a model's name"),
    ],
)
def test_names_that_cannot_be_are_refused(
    name: str, told: str, weights: Path, command: Command
) -> None:
    code, answer = command("models", "add", weights, "--name", name)
    assert code == 2
    assert told in refusal(answer)
    assert not list(models_folder().rglob("*.json"))


def test_a_name_is_given_once(weights: Path, command: Command) -> None:
    assert command("models", "add", weights)[0] == 0
    code, told = command("models", "add", weights)
    assert code == 2
    assert "first `stemfx models remove mine`" in refusal(told)


def test_only_what_was_added_is_removed(command: Command) -> None:
    for name in ("htdemucs", "embedded", "nope", "../nope"):
        code, told = command("models", "remove", name)
        assert code == 2
        assert "was registered" in refusal(told)


def test_a_plugin_that_comes_to_know_the_name_goes_first_and_it_is_said(
    weights: Path, command: Command
) -> None:
    command("models", "add", weights)

    class Newcomer:
        @hookimpl
        def stemfx_separators(self) -> list[Separator]:
            theirs = build_registry().separators["htdemucs"]
            copy = type(theirs)(
                dataclasses.replace(theirs.card, name="mine"),
                theirs._bag,  # type: ignore[attr-defined]
            )
            return [copy]

    found = build_registry([("newcomer", Newcomer())])
    assert not isinstance(found.separators["mine"], registered.Registered)
    (broken,) = [plugin for plugin in found.plugins if plugin.broken]
    assert "'newcomer'" in broken.broken
    assert "stemfx models remove mine" in broken.broken


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"stemfx": 2}', '{"stemfx": 1, "path": 3}', "x" * 300_000]
)
def test_a_damaged_record_harms_no_other_and_is_told(
    damage: str, weights: Path, command: Command
) -> None:
    command("models", "add", weights)
    command("models", "add", weights, "--name", "other")
    record = models_folder() / "registered" / "mine.json"
    record.write_text(damage)
    names = set(listed(command))
    assert "other" in names
    assert "mine" not in names
    told = [plugin["broken"] for plugin in command("plugins")[1]["plugins"] if plugin["broken"]]
    assert len(told) == 1
    assert str(record) in told[0]
    assert command("models", "remove", "mine")[0] == 0
    assert not [p for p in command("plugins")[1]["plugins"] if p["broken"]]


def test_listing_registered_models_reads_no_weights(weights: Path, command: Command) -> None:
    command("models", "add", weights)
    weights.chmod(0o000)  # even of root: nothing is opened, so no torch either
    code = (
        "import sys, pathlib\n"
        f"weights = {str(weights)!r}\n"
        "sys.addaudithook(lambda event, given: event == 'open' and given[0] == weights and "
        "sys.exit('the weights were opened'))\n"
        "from stemfx.cli import execute\n"
        "code = execute(['models', '--json'])\n"
        "print('LOADED', *sorted({m.partition('.')[0] for m in sys.modules}))\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert '"mine"' in done.stdout
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert not loaded & {"torch", "scipy", "demucs", "safetensors", "soundfile", "pedalboard"}


# --- what is no model ----------------------------------------------------------------------


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def pickle_with_code(folder: Path, network: Any) -> Path:
    path = folder / "m.th"
    path.write_bytes(pickle.dumps(Bomb(folder / "ran")))
    return path


def archive_with_code(folder: Path, network: Any) -> Path:
    return tiny.save_package(network, folder / "m.th", metrics=Bomb(folder / "ran"))


def another_class(folder: Path, network: Any) -> Path:
    return tiny.save_safetensors(network, folder / "m.safetensors", klass="subprocess.Popen")


def absurd_size(folder: Path, network: Any) -> Path:
    """A tensor of 2^62 elements of which the file has none."""
    header = json.dumps(
        {
            "__metadata__": {"klass": "demucs.demucs.Demucs", "args": "[]", "kwargs": "{}"},
            "x": {"dtype": "F32", "shape": [2**31, 2**31], "data_offsets": [0, 2**64]},
        }
    ).encode()
    path = folder / "m.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


def absurd_network(folder: Path, network: Any) -> Path:
    kwargs = '{"sources": ["a", "b"], "channels": 1000000}'
    return tiny.save_safetensors(network, folder / "m.safetensors", kwargs=kwargs)


def absurd_header(folder: Path, network: Any) -> Path:
    path = folder / "m.safetensors"
    path.write_bytes((2**63).to_bytes(8, "little") + b"{}")
    return path


def truncated(folder: Path, network: Any) -> Path:
    path = tiny.save_safetensors(network, folder / "m.safetensors")
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def truncated_archive(folder: Path, network: Any) -> Path:
    path = tiny.save_package(network, folder / "m.th")
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def folder_of_links(folder: Path, network: Any) -> Path:
    secret = tiny.save_safetensors(network, folder / "secret.safetensors")
    (folder / "m").mkdir()
    (folder / "m" / "m.safetensors").symlink_to(secret)
    return folder / "m"


def dangling_link(folder: Path, network: Any) -> Path:
    (folder / "m.th").symlink_to(folder / "nowhere")
    return folder / "m.th"


def pipe(folder: Path, network: Any) -> Path:
    os.mkfifo(folder / "m.safetensors")
    return folder / "m.safetensors"


def folder_with_a_pipe(folder: Path, network: Any) -> Path:
    (folder / "m").mkdir()
    os.mkfifo(folder / "m" / "m.th")
    return folder / "m"


def device(folder: Path, network: Any) -> Path:
    (folder / "m.th").symlink_to("/dev/zero")
    return folder / "m.th"


def empty(folder: Path, network: Any) -> Path:
    (folder / "m.th").touch()
    return folder / "m.th"


def empty_safetensors(folder: Path, network: Any) -> Path:
    (folder / "m.safetensors").touch()
    return folder / "m.safetensors"


def empty_folder(folder: Path, network: Any) -> Path:
    (folder / "m").mkdir()
    return folder / "m"


def text(folder: Path, network: Any) -> Path:
    (folder / "m.txt").write_text("hello")
    return folder / "m.txt"


def nothing(folder: Path, network: Any) -> Path:
    return folder / "m.th"


NO_MODELS = [
    (pickle_with_code, "not a file of torch weights"),
    (archive_with_code, "contains code or objects"),
    (another_class, "names 'subprocess.Popen'; only"),
    (absurd_size, "cut off"),
    (absurd_network, "outside what networks need"),
    (absurd_header, "cut off"),
    (truncated, "cut off"),
    (truncated_archive, "cut off in the middle"),
    (empty, "not a file of torch weights"),
    (empty_safetensors, "not a safetensors file"),
    (empty_folder, "no installed separator knows"),
    (text, "no installed separator knows"),
    (nothing, "m.th"),
    (dangling_link, "m.th"),
]
if os.name != "nt":
    NO_MODELS += [
        (folder_of_links, "is a link that leads out of the folder"),
        (pipe, "neither a file nor a folder"),
        (folder_with_a_pipe, "neither a file nor a folder"),
        (device, "neither a file nor a folder"),
    ]


@pytest.mark.parametrize(("make", "told"), NO_MODELS, ids=lambda x: getattr(x, "__name__", ""))
def test_what_is_no_model_is_refused_in_one_sentence_by_every_entry(
    make: Callable[[Path, Any], Path], told: str, tmp_path: Path, network: Any, command: Command
) -> None:
    song = Audio(np.full((2, 44_100), 0.1, np.float32), 44_100)
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    (tmp_path / "x").mkdir()
    path = make(tmp_path / "x", network)
    for arguments in (
        ("models", "add", path),
        ("separate", tmp_path / "song.wav", "-o", tmp_path / "out", "--model", path, "--offline"),
    ):
        code, answer = command(*arguments)
        assert code == 2
        assert told in refusal(answer)
    assert not (tmp_path / "x" / "ran").exists()
    assert not (tmp_path / "out").exists()
    assert not list(models_folder().rglob("*"))


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_of_the_hubs_cache_stay_within_their_repository(
    tmp_path: Path, network: Any, command: Command
) -> None:
    repository = tmp_path / "models--ada--mine"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    tiny.save_safetensors(network, tmp_path / "w.safetensors")
    shutil.move(tmp_path / "w.safetensors", repository / "blobs" / "abc")
    (snapshot / "w.safetensors").symlink_to(Path("..") / ".." / "blobs" / "abc")
    code, told = command("models", "add", snapshot, "--name", "cached")
    assert code == 0, told
    assert choose(build_registry(), "cached", stems=(), offline=True, where="").separator


# --- checkpoints with other objects in them --------------------------------------------------


def with_settings(network: Any, path: Path, **more: Any) -> str:
    """Save a package with the settings of its training beside it; return its SHA-256."""
    settings = argparse.Namespace(lr=3e-4, path=Path("data"))
    tiny.save_package(network, path, training_args=settings, **more)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_allow_pickle_takes_only_the_tensors_out(
    tmp_path: Path, network: Any, command: Command
) -> None:
    path = tmp_path / "trained.th"
    digest = with_settings(network, path)
    code, told = command("models", "add", path)
    assert code == 2
    assert "--allow-pickle SHA256" in refusal(told)

    code, told = command("models", "add", path, "--name", "trained", "--allow-pickle", digest)
    assert code == 0, told
    made = models_folder() / "registered" / "trained" / "trained.safetensors"
    assert [file["path"] for file in told["models"][0]["files"]] == [str(made)]
    path.unlink()  # it is needed no more
    separator = choose(build_registry(), "trained", stems=(), offline=True, where="").separator
    from safetensors.torch import load_file

    state = load_file(made)
    assert state.keys() == network.state_dict().keys()
    assert all(torch.equal(state[n], t) for n, t in network.state_dict().items())
    assert separator.card.stems == tuple(tiny.SOURCES)

    assert command("models", "remove", "trained")[0] == 0
    assert not made.parent.exists()


@pytest.mark.parametrize("digest", ["0" * 64, "", "abc", "z" * 64])
def test_allow_pickle_needs_the_very_file(
    digest: str, tmp_path: Path, network: Any, command: Command
) -> None:
    path = tmp_path / "trained.th"
    with_settings(network, path)
    code, told = command("models", "add", path, "--allow-pickle", digest)
    assert code == 2
    assert "SHA-256" in refusal(told)
    assert not list(models_folder().rglob("*"))


def test_even_an_allowed_pickle_runs_nothing(
    tmp_path: Path, network: Any, command: Command
) -> None:
    path = tmp_path / "evil.th"
    mark = tmp_path / "ran"
    digest = with_settings(network, path, metrics=Bomb(mark))
    code, told = command("models", "add", path, "--allow-pickle", digest)
    assert (code, mark.exists()) == (2, False)
    assert "contains code" in refusal(told)
    assert not list(models_folder().rglob("*.*"))


def test_other_commands_do_not_know_allow_pickle(tmp_path: Path, command: Command) -> None:
    for name in ("run", "separate", "plan"):
        code, told = command(name, tmp_path / "x", "--allow-pickle", "0" * 64)
        assert (code, told["error"]["code"]) == (2, "usage")


# --- showing --------------------------------------------------------------------------------


def test_one_model_in_full(
    weights: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    command("models", "add", weights)
    (model,) = command("models", "mine")[1]["models"]
    assert model["files"][0]["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert execute(["models", "htdemucs"]) == 0
    told = capsys.readouterr().out
    for fact in (
        "vocals 8.53 dB",
        "StemSplit benchmark 2026",
        "licence of the weights: not stated",
        "huggingface.co/adefossez/HTDemucs",
        "weights: fetchable",
    ):
        assert fact in told
    code, answer = command("models", "htdemuks")
    assert (code, "did you mean 'htdemucs'" in refusal(answer)) == (2, True)


def test_models_say_where_from_and_under_which_licence(command: Command) -> None:
    models = listed(command)
    assert models["embedded"]["licence_class"] == "open"
    assert Path(models["embedded"]["path"]).is_absolute()
    assert models["htdemucs"]["licence_class"] == "not stated"
    assert models["htdemucs"]["path"] is None
    assert models["htdemucs"]["source"] == "huggingface.co/adefossez/HTDemucs"


def test_fetching_what_is_here_or_cannot_be_had(weights: Path, command: Command) -> None:
    command("models", "add", weights)
    assert command("models", "fetch", "mine")[1]["models"][0]["weights"] == "here"
    code, told = command("models", "fetch", "htdemucs")
    assert (code, "HF_HUB_OFFLINE is set" in refusal(told)) == (2, True)


def test_fetching_says_what_and_interrupted_leaves_the_model_to_be_fetched(
    network: Any,
    tmp_path: Path,
    command: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    weights = tiny.save_safetensors(network, tmp_path / "w.safetensors").read_bytes()
    bag, commit, hub = b"models: [w]\n", "c" * 40, Server()
    monkeypatch.setenv("HF_ENDPOINT", hub.root)
    entries = [("htdemucs.yaml", bag), ("w.safetensors", weights)]
    siblings = [
        {
            "rfilename": name,
            "size": len(content),
            "lfs": {"sha256": hashlib.sha256(content).hexdigest()},
        }
        for name, content in entries
    ]
    listing = json.dumps({"sha": commit, "siblings": siblings}).encode()
    hub.others = {"/api/models/adefossez/HTDemucs?blobs=true": listing}
    for name, content in entries:
        hub.others[f"/adefossez/HTDemucs/resolve/{commit}/{name}"] = content

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("stemfx.download._check_size", interrupt)
        assert execute(["models", "fetch", "htdemucs"]) == 130
    assert "fetching htdemucs: 84 MB from huggingface.co" in capsys.readouterr().err
    assert listed(command)["htdemucs"]["weights"] == "fetchable"
    code, told = command("models", "fetch", "htdemucs")
    assert code == 0, told
    assert told["models"][0]["path"] == str(models_folder() / "htdemucs")
    assert listed(command)["htdemucs"]["weights"] == "here"
    assert execute(["models", "fetch", "htdemucs"]) == 0
    assert capsys.readouterr().err == ""  # nothing was fetched, so nothing was announced
    hub.close()
