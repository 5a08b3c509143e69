from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from stemfx.errors import ModelError
from stemfx.separators.extract import extract
from stemfx.separators.weights import read_checkpoint, safetensors_metadata


class Settings:
    """Like a configuration of OmegaConf: an object with objects in its state."""

    def __init__(self, **values: Any) -> None:
        self.content = {key: argparse.Namespace(value=value) for key, value in values.items()}
        self.parent = self  # a circle


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(2, 3, 4)
        self.rest = nn.ModuleList([nn.Linear(3, 3), nn.BatchNorm1d(3)])
        self.register_buffer("window", torch.hann_window(8), persistent=False)


@pytest.fixture
def net() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return Net()


def taken_out(package: Any, folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Save, extract, and read what came of it: tensors and metadata."""
    from safetensors import safe_open

    path = folder / "m.ckpt"
    torch.save(package, path)
    made = extract(path, hashlib.sha256(path.read_bytes()).hexdigest(), folder / "out")
    assert [entry.name for entry in (folder / "out").iterdir()] == ["m.safetensors"]
    with safe_open(made, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


@pytest.mark.parametrize("key", [None, "state_dict", "state", "model_state_dict", "model"])
def test_the_state_is_found_where_frameworks_keep_it(
    key: str | None, net: Net, tmp_path: Path
) -> None:
    state = net.state_dict()
    package = state if key is None else {key: state, "hyper_parameters": Settings(a=1), "epoch": 3}
    found, beside = taken_out(package, tmp_path)
    assert_same(found, state)
    assert beside == ({} if key is None else {"epoch": "3"})


def test_a_whole_module_gives_its_state(net: Net, tmp_path: Path) -> None:
    assert_same(taken_out(net, tmp_path)[0], net.state_dict())
    assert_same(
        taken_out({"model": net, "args": argparse.Namespace(x=1)}, tmp_path)[0], net.state_dict()
    )


def test_what_is_plain_beside_the_state_is_kept_and_objects_are_not(
    net: Net, tmp_path: Path
) -> None:
    beside = {
        "klass": Net,
        "kwargs": {"sources": ["a", "b"], "x": 0.5},
        "note": "by Ada",
        "settings": Settings(a=1),
        "huge": "x" * 100_000,
    }
    kept = taken_out({"state": net.state_dict(), **beside}, tmp_path)[1]
    assert kept == {
        "klass": f"{Net.__module__}.Net",
        "kwargs": json.dumps(beside["kwargs"]),
        "note": "by Ada",
    }


def shared(levels: int) -> list[Any]:
    """Make a list that holds another one twice, and that one a third one twice, ..."""
    made: list[Any] = [1]
    for _ in range(levels):
        made = [made, made]
    return made


def test_lists_that_share_lists_are_not_written_in_full(net: Net, tmp_path: Path) -> None:
    small = shared(3)
    package = {"state": net.state_dict(), "small": small, "bomb": shared(20)}  # 4 MB as JSON
    torch.save(package, tmp_path / "bomb.ckpt")
    digest = hashlib.sha256((tmp_path / "bomb.ckpt").read_bytes()).hexdigest()
    tracemalloc.start()
    try:
        made = extract(tmp_path / "bomb.ckpt", digest, tmp_path / "out")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert safetensors_metadata(made) == {"small": json.dumps(small)}


def nested(levels: int, n: int, name: str = "m") -> nn.Module:
    """Make a module that holds another one `n` times, and that one a third one `n` times, ..."""
    module = nn.Module()
    for _ in range(levels):
        outer = nn.Module()
        for k in range(n):
            outer.add_module(f"{name}{k}", module)
        module = outer
    return module


def test_modules_that_share_modules_without_end_are_refused(tmp_path: Path) -> None:
    circle = nn.Module()
    circle._modules["again"] = circle
    for module in (nested(18, 2), nested(30, 1, "m" * 50), circle):  # 2**18; a name of 1560
        with pytest.raises(ModelError, match=r"m\.ckpt: it has more modules in modules than"):
            taken_out(module, tmp_path)


class Call:
    """Calls something when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("function", ["rmtree", "exec", "print"])
def test_code_beside_the_tensors_is_neither_run_nor_imported(
    function: str, net: Net, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    code = f"import pathlib; pathlib.Path({str(victim)!r}).rmdir()"
    call = {
        "rmtree": Call(shutil.rmtree, str(victim)),
        "exec": Call(exec, code),
        "print": Call(print, "ran"),
    }[function]
    found, _ = taken_out({"state_dict": net.state_dict(), "x": call}, tmp_path)
    assert_same(found, net.state_dict())
    assert victim.is_dir()
    assert capsys.readouterr().out == ""


def test_a_class_that_is_nowhere_is_no_obstacle(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import types

    module = types.ModuleType("forgotten_trainer")
    module.Config = type("Config", (), {"__module__": "forgotten_trainer"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "forgotten_trainer", module)
    path = tmp_path / "m.ckpt"
    torch.save({"state_dict": net.state_dict(), "config": module.Config()}, path)
    monkeypatch.delitem(sys.modules, "forgotten_trainer")
    with pytest.raises(ModelError, match="contains code or objects"):
        read_checkpoint(path, {})
    assert extract(path, hashlib.sha256(path.read_bytes()).hexdigest(), tmp_path / "o").is_file()
    assert "forgotten_trainer" not in sys.modules


def test_tensors_that_ask_for_more_than_the_file_holds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="ask for 4000000000000 bytes, more than it has"):
        taken_out({"a": torch.zeros(1).expand(10**12)}, tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("package", [[1, 2], {"epoch": 3}, {"state_dict": {}}, Settings(a=1)])
def test_a_checkpoint_without_a_state_is_refused(package: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no state of a network in it"):
        taken_out(package, tmp_path)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.ckpt"
    for content in (b"", b"PK\x03\x04", b"\x80\x02}q\x00."):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="not a file of torch weights"):
            extract(path, hashlib.sha256(content).hexdigest(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
