from __future__ import annotations

import argparse
import os
import struct
import sys
import types
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from stemfx.errors import ModelError
from stemfx.separators import weights
from stemfx.separators.weights import filled, read_state, safetensors_metadata

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


def assert_is_state(state: dict[str, torch.Tensor]) -> None:
    assert set(state) == set(STATE)
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in STATE.items()}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        OrderedDict(STATE),
        {"state_dict": STATE, "epoch": 3},
        {"model_state_dict": STATE, "optimizer_state_dict": {"state": {}, "param_groups": []}},
        {"state": STATE, "best_metric": np.float64(7.5), "all_metrics": [np.float32(1)]},
        {"state_dict": prefixed("model.")},
        {"state_dict": prefixed("module.")},
        {"state_dict": prefixed("module._orig_mod.model.")},
        {"state_dict": prefixed("model.") | {"featurizer.window": torch.ones(4)}},
        {
            "state_dict": prefixed("model."),
            "hyper_parameters": argparse.Namespace(lr=1e-3, path=Path("x")),
            "callbacks": defaultdict(list, {"a": [1]}),
        },
    ],
)
def test_a_state_is_found_whatever_it_is_wrapped_in(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.ckpt"
    torch.save(content, path)
    assert_is_state(read_state(path))


def test_settings_of_lightning_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its class of a mapping, as a pickle names it."""
    kind = type("AttributeDict", (dict,), {"__module__": "pytorch_lightning.utilities.parsing"})
    with monkeypatch.context() as patch:
        for name in ("pytorch_lightning", "pytorch_lightning.utilities", kind.__module__):
            patch.setitem(sys.modules, name, types.ModuleType(name))
        patch.setattr(sys.modules[kind.__module__], "AttributeDict", kind, raising=False)
        content = {"state_dict": STATE, "hyper_parameters": kind(lr=1e-3, layers=[1, 2])}
        torch.save(content, tmp_path / "m.ckpt")
    assert_is_state(read_state(tmp_path / "m.ckpt"))


def test_safetensors_are_read_alike(tmp_path: Path) -> None:
    save_file(prefixed("model."), tmp_path / "m.safetensors")
    assert_is_state(read_state(tmp_path / "m.safetensors"))


@pytest.mark.parametrize("content", [{}, [], {"state_dict": {}}, {"a": 1}, STATE | {"b": "text"}])
def test_what_has_no_weights_is_one_sentence(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "m.ckpt")
    with pytest.raises(ModelError, match=r"m\.ckpt: no weights of a network") as caught:
        read_state(tmp_path / "m.ckpt")
    assert "\n" not in str(caught.value)


class Runs:
    """Calls something when it is unpickled."""

    def __init__(self, function: Any, *arguments: str) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("function", [os.mkdir, os.system, eval, getattr, torch.load, Path.touch])
def test_nothing_in_a_checkpoint_is_called(function: Any, tmp_path: Path) -> None:
    torch.save(STATE | {"x": Runs(function, str(tmp_path / "ran"))}, tmp_path / "m.ckpt")
    with pytest.raises(ModelError, match="contains code or objects that are not weights"):
        read_state(tmp_path / "m.ckpt")
    assert not (tmp_path / "ran").exists()


def header(text: str) -> bytes:
    return len(text).to_bytes(8, "little") + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        header("{}")[:9],
        header("[]"),
        header('{"a": 1}'),
        (10**15).to_bytes(8, "little") + b"{}",  # a header of a petabyte
        header('{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}'),  # no data
        header('{"a": {"dtype": "F32", "shape": [1000000000000], "data_offsets": [0, 4]}}')
        + b"ABCD",
        header('{"a": {"dtype": "XYZ", "shape": [1], "data_offsets": [0, 4]}}') + b"ABCD",
        header('{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}') + b"ABCD",
        header('{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}') + b"ABCD",
        header('{"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 4]}}') + b"ABCD",
    ],
)
def test_hostile_safetensors_are_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.safetensors: ") as caught:
        read_state(tmp_path / "m.safetensors")
    assert "\n" not in str(caught.value)


def test_a_damaged_directory_of_a_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    """An entry whose name says that it is UTF-8 and is not."""
    name = b"a\xa0/data.pkl"
    facts = (20, 20, 1 << 11, 0, 0, 33, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0)
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", *facts) + name
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(entry), 0, 0)
    (tmp_path / "m.ckpt").write_bytes(entry + end)
    with pytest.raises(ModelError, match="not a file of torch weights"):
        read_state(tmp_path / "m.ckpt")


def test_a_header_of_more_than_a_network_names_is_not_parsed(tmp_path: Path) -> None:
    layout = '{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
    for n_bytes, is_read in [(1 << 20, True), (5 << 20, False)]:
        text = f'{{"__metadata__": {{"a": "{"b" * n_bytes}"}}, "w": {layout}}}'
        (tmp_path / "m.safetensors").write_bytes(header(text) + bytes(4))
        if is_read:
            assert len(safetensors_metadata(tmp_path / "m.safetensors")["a"]) == n_bytes
        else:
            with pytest.raises(ModelError, match="not a safetensors file"):
                safetensors_metadata(tmp_path / "m.safetensors")


def repacked(path: Path, pickle: bytes, n_more: int, *, comment: bytes = b"") -> Path:
    """Write a checkpoint with another pickle and more parts."""
    torch.save(STATE, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, (pickle or data) if name.endswith(".pkl") else data)
        for i in range(n_more):
            archive.writestr(f"{path.stem}/data/more-{i:0200}", b"")
        archive.comment = comment
    return path


@pytest.mark.parametrize("comment", [b"", b"c" * 65_535])
def test_a_checkpoint_of_more_parts_than_a_network_is_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comment: bytes
) -> None:
    assert_is_state(read_state(repacked(tmp_path / "m.ckpt", b"", 100)))
    monkeypatch.setattr(weights, "_LARGEST_DIRECTORY", 10_000)
    path = repacked(tmp_path / "m.ckpt", b"", 100, comment=comment)
    monkeypatch.delattr(zipfile.ZipFile, "infolist")
    with pytest.raises(ModelError, match="more parts than a network has"):
        read_state(path)


def test_a_directory_in_the_long_form_of_zip_is_measured_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 10)  # from here on zipfile writes zip64
    path = repacked(tmp_path / "m.ckpt", b"", 100)
    assert b"PK\x06\x06" in path.read_bytes()[-200:]
    assert_is_state(read_state(path))
    monkeypatch.setattr(weights, "_LARGEST_DIRECTORY", 10_000)
    with pytest.raises(ModelError, match="more parts than a network has"):
        read_state(path)


@pytest.mark.parametrize("offset", [2**63 - 1, 2**64 - 1])
def test_a_directory_that_lies_nowhere_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    path = repacked(tmp_path / "m.ckpt", b"", 1)
    whole = bytearray(path.read_bytes())
    struct.pack_into("<Q", whole, whole.rindex(b"PK\x06\x07") + 8, offset)
    path.write_bytes(whole)
    with pytest.raises(ModelError, match=r"not a file of torch weights|damaged weights"):
        read_state(path)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_pickle_of_more_steps_than_tensors_need_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_zip: bool
) -> None:
    steps = b"\x80\x02" + b"](" * 300_000
    path = repacked(tmp_path / "m.ckpt", steps, 0)
    if not is_zip:
        torch.save(STATE, path, _use_new_zipfile_serialization=False)
        assert_is_state(read_state(path))
        whole = path.read_bytes()
        at = whole.index(b"\x80\x02", whole.index(b"little_endian"))  # of the state
        path.write_bytes(whole[:at] + steps)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was run"))
    with pytest.raises(ModelError, match="it names more than the tensors of a network"):
        read_state(path)


def test_a_checkpoint_may_hold_its_numbers_in_its_pickle(tmp_path: Path) -> None:
    """Some of the published ones have 59 MB there, and 2,311 steps."""
    torch.save({"state_dict": STATE, "note": "x" * 10_000_000}, tmp_path / "m.ckpt")
    assert_is_state(read_state(tmp_path / "m.ckpt"))


# --- filling a network --------------------------------------------------------------------


class Shared(nn.Module):
    """Has one weight under two names, a table that is not in its state, and norms."""

    def __init__(self, n: int = 3) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(n, n), nn.Linear(n, n)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(n)
        self.register_buffer("table", torch.arange(n), persistent=False)


def test_weights_come_from_the_file_and_tables_from_the_code() -> None:
    torch.manual_seed(5)
    made = Shared()
    before = torch.get_rng_state()
    network = filled(Shared, made.state_dict(), 1_000)
    assert torch.equal(torch.get_rng_state(), before)  # nobody's random numbers are drawn
    assert all(torch.equal(a, network.state_dict()[k]) for k, a in made.state_dict().items())
    assert network.table.tolist() == [0, 1, 2]
    assert not network.training


def test_what_a_network_shares_may_be_in_the_file_once() -> None:
    """As safetensors' own save_model writes it."""
    state = Shared().state_dict()
    del state["second.weight"]
    network = filled(Shared, state, 1_000)
    assert torch.equal(network.second.weight, state["first.weight"])


def test_half_precision_becomes_the_networks_own() -> None:
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in Shared().state_dict().items()
    }
    network = filled(Shared, state, 1_000)
    assert network.first.weight.dtype == torch.float32
    assert torch.equal(network.first.weight, state["first.weight"].float())


def test_a_network_larger_than_its_file_takes_no_memory() -> None:
    with pytest.raises(ValueError, match=r"it wants 10000\d+ weights, the file has 99 bytes"):
        filled(lambda: nn.Linear(1_000_000, 1_000_000), {}, 99)  # 4 TB


class Scales(nn.Module):
    """Has weights that begin as zeros."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(n))
        self.scale.data[:] = 0.1


def test_zeros_take_no_memory_where_they_are_weights() -> None:
    state = {"scale": torch.arange(3.0)}
    assert torch.equal(
        filled(lambda: Scales(3), state, 99, are_zeros_weights=True).scale, state["scale"]
    )
    with pytest.raises(
        ValueError, match="it wants 1000000000000000 weights, the file has 99 bytes"
    ):
        filled(lambda: Scales(10**15), {}, 99, are_zeros_weights=True)  # 4 PB


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"first.weight": torch.zeros(3, 4)}, r"first.weight has shape \[3, 4\], .* \[3, 3\]"),
        ({"extra": torch.zeros(1)}, "1 are not the network's, extra first"),
        ({"norm.weight": torch.full((3,), torch.nan)}, "some are not numbers"),
        ({"norm.weight": torch.zeros(1).expand(10**12)}, r"has shape \[1000000000000\]"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change: dict[str, torch.Tensor], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        filled(Shared, Shared().state_dict() | change, 1_000)
    fewer = Shared().state_dict()
    del fewer["norm.bias"]
    with pytest.raises(ValueError, match=r"1 of 9 are missing, norm\.bias first"):
        filled(Shared, fewer, 1_000)
