from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from separators.tiny import (
    SOURCES,
    TINY,
    build,
    save_package,
    save_safetensors,
    with_checksum,
)
from serving import Server

from stemfx.audio import Audio
from stemfx.errors import ModelError
from stemfx.separator import Effort, SeparationContext, Separator, silent
from stemfx.separators import demucs, demucs_hub, stemfx_open_model
from stemfx.separators.demucs_weights import Bag, load, read_header
from stemfx.separators.stream import Schedule
from stemfx.separators.weights import models_folder

# demucs' own lines, not ours: its transformer and julius use what torch has renamed since.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def separated(
    separator: Separator, samples: np.ndarray, wanted: tuple[str, ...] | None = None
) -> np.ndarray:
    """Run a separator over samples in memory."""
    wanted = wanted or separator.card.stems
    blocks = list(separator.separate(Audio(samples, 44_100), wanted, SeparationContext()))
    return np.concatenate(blocks, axis=-1)


def oracle(model: Any, samples: np.ndarray) -> np.ndarray:
    """Separate as demucs.api.Separator.separate_tensor does, without random shifts."""
    from demucs.apply import apply_model

    wav = torch.from_numpy(np.array(samples))
    reference = wav.mean(0)
    mean, deviation = reference.mean(), reference.std() + 1e-8
    normalised = ((wav - mean) / deviation)[None]
    return (apply_model(model, normalised, shifts=0)[0] * deviation + mean).numpy()


def distance_db(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference against the largest value."""
    assert a.shape == b.shape
    return float(20 * np.log10(np.abs(a - b).max() / np.abs(b).max() + 1e-20))


def open_model(path: Path) -> Separator:
    separator = stemfx_open_model(path)
    assert separator is not None
    return separator


@pytest.fixture
def demucs_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Place segments as apply_model does: at equal steps, the last ones cut by the end."""

    def even(n_samples: int, length: int, overlap: float) -> Schedule:
        return Schedule(tuple(range(0, n_samples, int((1 - overlap) * length))), length)

    monkeypatch.setattr(Schedule, "even", even)


@pytest.mark.usefixtures("demucs_schedule")
@pytest.mark.parametrize("layout", ["safetensors", "th"])
@pytest.mark.parametrize("kind", TINY)
def test_streamed_equals_demucs_on_the_whole_song(
    kind: str, layout: str, music: np.ndarray, tmp_path: Path
) -> None:
    network = build(kind)
    if layout == "safetensors":
        path = save_safetensors(network, tmp_path / "a1b2c3d4.safetensors")
    else:
        path = with_checksum(save_package(network, tmp_path / "a1b2c3d4.th"))
    separator = open_model(path)
    assert separator.weights() == "here"
    assert separator.card.stems == tuple(SOURCES)
    # float32 arithmetic in another order (fused attention, mean and deviation in float64)
    assert distance_db(separated(separator, music), oracle(network, music)) < -110


@pytest.mark.usefixtures("demucs_schedule")
@pytest.mark.parametrize("n_samples", [1, 2, 999, 26_459, 26_460, 26_461, 60_000])
def test_short_songs_and_odd_ends_equal_demucs(
    n_samples: int, music: np.ndarray, tmp_path: Path
) -> None:
    network = build("htdemucs")
    separator = open_model(save_safetensors(network, tmp_path / "m.safetensors"))
    estimate = separated(separator, music[:, :n_samples])
    if n_samples == 1:  # demucs divides by the deviation of one sample, which is no number
        assert np.isfinite(estimate).all()
        assert estimate.shape == (4, 2, 1)
    else:
        assert distance_db(estimate, oracle(network, music[:, :n_samples])) < -110


def test_silence_stays_silent_and_nothing_gives_nothing(tmp_path: Path) -> None:
    separator = open_model(save_safetensors(build("htdemucs"), tmp_path / "m.safetensors"))
    assert np.abs(separated(separator, np.zeros((2, 50_000), np.float32))).max() < 1e-6
    empty = Audio(np.zeros((2, 0), np.float32), 44_100)
    assert list(separator.separate(empty, separator.card.stems, SeparationContext())) == []


def test_a_song_comes_in_steps_and_reads_no_more_than_a_segment(
    music: np.ndarray, tmp_path: Path
) -> None:
    class Counted(Audio):
        longest = 0

        def read(self, start: int = 0, stop: int | None = None) -> np.ndarray:
            block = super().read(start, stop)
            Counted.longest = max(Counted.longest, block.shape[1])
            return block

    separator = open_model(save_safetensors(build("hdemucs"), tmp_path / "m.safetensors"))
    song = Counted(np.tile(music, (1, 4)), 44_100)
    lengths = [b.shape[-1] for b in separator.separate(song, ("vocals",), SeparationContext())]
    assert sum(lengths) == song.n_samples
    assert max(lengths) <= 22_050
    assert Counted.longest <= 65_536  # the block of the measuring pass


def test_a_result_has_the_same_bits_every_time(music: np.ndarray, tmp_path: Path) -> None:
    separator = open_model(save_safetensors(build("htdemucs"), tmp_path / "m.safetensors"))
    assert separated(separator, music).tobytes() == separated(separator, music).tobytes()


def test_two_segments_at_once_give_the_same_bits(
    music: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    separator = open_model(save_safetensors(build("htdemucs"), tmp_path / "m.safetensors"))
    results = []
    for workers in (1, 2):
        monkeypatch.setattr(demucs, "share_cores", lambda *_, workers=workers, **__: (workers, 1))
        results.append(separated(separator, music).tobytes())
    assert results[0] == results[1]


def test_torchs_switches_are_put_back_even_when_nobody_reads_on(
    music: np.ndarray, tmp_path: Path
) -> None:
    separator = open_model(save_safetensors(build("htdemucs"), tmp_path / "m.safetensors"))
    threads = torch.get_num_threads()
    blocks = separator.separate(Audio(music, 44_100), ("vocals",), SeparationContext())
    next(blocks)
    blocks.close()
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.get_num_threads() == threads


# --- effort -------------------------------------------------------------------------------


def with_effort(
    separator: Separator, samples: np.ndarray, start: int = 0, **effort: Any
) -> tuple[np.ndarray, SeparationContext]:
    context = SeparationContext(effort=Effort(**effort), start=start)
    blocks = list(separator.separate(Audio(samples, 44_100), separator.card.stems, context))
    return np.concatenate(blocks, axis=-1), context


@pytest.mark.parametrize("kind", TINY)
@pytest.mark.parametrize("start", [1, 30_000, 75_000])
def test_a_later_start_gives_the_same_bits(
    kind: str, start: int, music: np.ndarray, tmp_path: Path
) -> None:
    separator = open_model(save_safetensors(build(kind), tmp_path / "m.safetensors"))
    whole, _ = with_effort(separator, music, shifts=2)
    rest, _ = with_effort(separator, music, start, shifts=2)
    assert rest.tobytes() == np.ascontiguousarray(whole[..., start:]).tobytes()


def test_shifts_are_seeded_and_change_little(music: np.ndarray, tmp_path: Path) -> None:
    separator = open_model(save_safetensors(build("htdemucs"), tmp_path / "m.safetensors"))
    plain = with_effort(separator, music)[0]
    shifted = with_effort(separator, music, shifts=2)[0]
    assert with_effort(separator, music, shifts=2)[0].tobytes() == shifted.tobytes()
    # The same network on the same sound, with other edges: near, and not the same.
    assert -60 < distance_db(shifted, plain) < 0


def test_more_overlap_and_shorter_segments_are_heeded(music: np.ndarray, tmp_path: Path) -> None:
    separator = open_model(save_safetensors(build("hdemucs"), tmp_path / "m.safetensors"))
    results = [
        with_effort(separator, music, **effort)[0]
        for effort in ({}, {"overlap": 0.25}, {"overlap": 0.5}, {"segment_s": 0.4})
    ]
    assert results[0].tobytes() == results[1].tobytes()  # the model's own
    assert results[0].tobytes() != results[2].tobytes()
    assert results[0].tobytes() != results[3].tobytes()


def test_a_transformer_hears_no_more_than_it_was_trained_on(
    music: np.ndarray, tmp_path: Path
) -> None:
    separator = open_model(save_safetensors(build("htdemucs"), tmp_path / "m.safetensors"))
    longer, context = with_effort(separator, music, segment_s=5.0)
    assert longer.tobytes() == with_effort(separator, music)[0].tobytes()
    [finding] = context.findings
    assert finding.code == "segment_as_trained"
    assert "it hears 0.6 s at a time" in finding.message


# --- bags ---------------------------------------------------------------------------------


def make_bag(folder: Path, text: str, kinds: tuple[str, ...], **changes: Any) -> Any:
    """Write a bag's folder; return the networks."""
    folder.mkdir(parents=True, exist_ok=True)
    signatures = [f"000000{k:02x}" for k in range(len(kinds))]
    (folder / f"{folder.name}.yaml").write_text(f"models: {signatures}\n{text}\n")
    networks = [build(kind, seed, **changes) for seed, kind in enumerate(kinds)]
    for signature, network in zip(signatures, networks, strict=True):
        save_safetensors(network, folder / f"{signature}.safetensors")
    return networks


@pytest.mark.usefixtures("demucs_schedule")
@pytest.mark.parametrize(
    ("kinds", "weights", "segment"),
    [
        (("htdemucs", "htdemucs"), None, None),
        (("demucs", "hdemucs"), [[1, 1, 0, 2], [0.5, 1, 1, 0]], 0.4),
        (("htdemucs", "hdemucs"), None, 0.9),  # longer than the transformer allows: segments differ
    ],
)
def test_bag_equals_demucs(
    kinds: tuple[str, ...], weights: Any, segment: Any, music: np.ndarray, tmp_path: Path
) -> None:
    from demucs.apply import BagOfModels

    text = f"weights: {weights or 'null'}\nsegment: {segment or 'null'}"
    networks = make_bag(tmp_path / "mybag", text, kinds)
    separator = open_model(tmp_path / "mybag")
    assert separator.card.name == "mybag"
    expected = oracle(BagOfModels(networks, weights, segment), music)
    assert distance_db(separated(separator, music), expected) < -110


SPECIALISTS = "weights: [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]"


@pytest.mark.usefixtures("demucs_schedule")
def test_specialists_run_only_for_the_stems_that_are_wanted(
    music: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demucs.apply import BagOfModels

    networks = make_bag(models_folder() / "htdemucs_ft", SPECIALISTS, ("htdemucs",) * 4)
    separator = next(s for s in demucs.published() if s.card.name == "htdemucs_ft")
    loaded: list[str] = []
    monkeypatch.setattr(demucs, "load", lambda path: loaded.append(path.stem) or load(path))

    assert separator.weights() == "here"
    assert separator.computes(("vocals", "bass")) == ("bass", "vocals")
    estimate = separated(separator, music, ("vocals", "bass"))
    assert loaded == ["00000001", "00000003"]
    weights = np.eye(4).tolist()
    expected = oracle(BagOfModels(networks, weights), music)[[1, 3]]
    assert distance_db(estimate, expected) < -110


def test_stems_that_share_their_networks_come_together() -> None:
    models = {s.card.name: s for s in demucs.published()}
    assert models["htdemucs"].computes(("vocals",)) == ("drums", "bass", "other", "vocals")
    assert models["htdemucs_ft"].computes(("other",)) == ("other",)
    # mdx: the bass is made by the first two networks; of the others' stems none is complete.
    assert models["mdx"].computes(("bass",)) == ("bass",)


def test_published_bags_are_demucs_own() -> None:
    import demucs as package

    remote = Path(package.__file__).parent / "remote"
    for separator in demucs.published():
        assert isinstance(separator, demucs.Demucs)
        assert separator._bag == Bag.read(remote / f"{separator.card.name}.yaml")


def test_hub_repositories_are_demucs_own() -> None:
    from demucs.hf import hf_repo_name

    for separator in demucs.published():
        name = separator.card.name
        assert demucs_hub.repository(name) == f"adefossez/{hf_repo_name(name)}"


# --- where weights are --------------------------------------------------------------------


def published(name: str) -> Separator:
    return next(s for s in demucs.published() if s.card.name == name)


def test_weights_lie_in_the_models_folder_the_hub_cache_or_the_torch_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    network = build("htdemucs")
    model = published("htdemucs")
    assert model.weights() == "fetchable"

    old = tmp_path / "torch" / "hub" / "checkpoints"
    old.mkdir(parents=True)
    with_checksum(save_package(network, old / "955717e8.th"))
    assert model.weights() == "here"
    identities = {model.identity()}
    shutil.rmtree(old)
    assert model.weights() == "fetchable"

    snapshot = tmp_path / "hf" / "models--adefossez--HTDemucs" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0" * 40)
    (snapshot / "htdemucs.yaml").write_text("models: ['955717e8']\n")
    save_safetensors(network, snapshot / "955717e8.safetensors")
    assert model.weights() == "here"
    identities.add(model.identity())

    save_safetensors(build("htdemucs", seed=1), models_folder() / "955717e8.safetensors")
    assert model.weights() == "here"
    identities.add(model.identity())
    assert len(identities) == 3


def test_missing_weights_are_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    silence = Audio(np.zeros((2, 10), np.float32), 44_100)
    with pytest.raises(ModelError, match="weights of 'htdemucs' are not on this machine"):
        next(published("htdemucs").separate(silence, ("vocals",), SeparationContext()))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A hub on this machine; nothing asks the real one."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    server = Server()
    monkeypatch.setenv("HF_ENDPOINT", server.root)
    yield server
    server.close()


COMMIT = "0123456789" * 4


def publish(server: Server, hub_id: str, folder: Path, **false: Any) -> None:
    """Serve a folder as the hub does; `false` facts replace those of its weights."""
    siblings = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        entry: dict[str, Any] = {"rfilename": path.name, "size": len(content), "blobId": "0" * 40}
        if path.suffix == ".safetensors":
            entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            entry |= false
        siblings.append(entry)
        server.others[f"/{hub_id}/resolve/{COMMIT}/{path.name}"] = content
    listing = {"sha": COMMIT, "siblings": siblings}
    server.others[f"/api/models/{hub_id}?blobs=true"] = json.dumps(listing).encode()


def test_fetch_takes_the_bag_and_its_safetensors(tmp_path: Path, hub: Server) -> None:
    make_bag(tmp_path / "htdemucs_ft", SPECIALISTS, ("htdemucs",) * 4)
    publish(hub, "adefossez/HTDemucs-ft", tmp_path / "htdemucs_ft")
    model = published("htdemucs_ft")
    told: list[tuple[int, int]] = []
    model.fetch(lambda *numbers: told.append(numbers))
    assert model.weights() == "here"
    assert {path.parent for path in model.files()} == {models_folder() / "htdemucs_ft"}
    came = (models_folder() / "htdemucs_ft").glob("*.safetensors")
    whole = sum(path.stat().st_size for path in came)
    assert told[-1] == (whole, whole)
    assert [n for n, _ in told] == sorted(n for n, _ in told)
    for path in (tmp_path / "htdemucs_ft").iterdir():
        assert (models_folder() / "htdemucs_ft" / path.name).read_bytes() == path.read_bytes()


def test_an_interrupted_fetch_is_not_here_and_goes_on(tmp_path: Path, hub: Server) -> None:
    make_bag(tmp_path / "htdemucs_ft", SPECIALISTS, ("htdemucs",) * 4)
    publish(hub, "adefossez/HTDemucs-ft", tmp_path / "htdemucs_ft")
    model = published("htdemucs_ft")

    def stop(n_bytes: int, total_bytes: int) -> None:
        if total_bytes and n_bytes > total_bytes * 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fetch(stop)
    assert model.weights() == "fetchable"
    hub.paths.clear()
    hub.asked.clear()
    model.fetch(silent)
    assert model.weights() == "here"
    # The list, the bag (it has no hash), then what was broken off and what had not come.
    names = [path.rpartition("/")[2] for path in hub.paths[2:]]
    assert names == ["00000002.safetensors", "00000003.safetensors"]
    assert "Range" in hub.asked[2]


@pytest.mark.parametrize(
    ("false", "told"),
    [
        ({"lfs": {"sha256": "0" * 64}}, "not the file that is wanted"),
        ({"size": 10}, "at most"),
        ({"size": 10**9}, "has 1000000[0-9]{3} bytes now where 84[0-9]+ were told"),
        ({"size": "x"}, "list of files cannot be read"),
        ({"size": -1}, "list of files cannot be read"),
        ({"size": float("inf")}, "list of files cannot be read"),
        ({"lfs": {"sha256": "0"}}, "list of files cannot be read"),
        ({"rfilename": "../../evil.safetensors"}, "has no 00000000.safetensors any more"),
    ],
)
def test_what_the_hub_offers_is_checked(
    tmp_path: Path, hub: Server, false: dict[str, Any], told: str
) -> None:
    make_bag(tmp_path / "htdemucs", "segment: null", ("htdemucs",))
    publish(hub, "adefossez/HTDemucs", tmp_path / "htdemucs", **false)
    model = published("htdemucs")
    with pytest.raises(ModelError, match=f"'htdemucs' cannot be fetched: .*{told}"):
        model.fetch(silent)
    assert model.weights() == "fetchable"


@pytest.mark.parametrize("body", [b"{}", b"[" * 100_000], ids=["cut off", "deep"])
def test_a_list_of_the_hub_that_cannot_be_read_is_told_with_what_to_do(
    hub: Server, body: bytes
) -> None:
    hub.body, hub.cuts_chunks = body, body == b"{}"
    with pytest.raises(ModelError, match=r"list of files cannot be read; put htdemucs\.yaml"):
        published("htdemucs").fetch(silent)


def test_a_file_of_the_hub_that_is_no_network_is_taken_away_again(
    tmp_path: Path, hub: Server
) -> None:
    make_bag(tmp_path / "htdemucs", "segment: null", ("demucs",))
    save_safetensors(
        build("demucs"), tmp_path / "htdemucs" / "00000000.safetensors", klass="builtins.print"
    )
    publish(hub, "adefossez/HTDemucs", tmp_path / "htdemucs")
    model = published("htdemucs")
    with pytest.raises(ModelError, match=r"names 'builtins.print'"):
        model.fetch(silent)
    assert model.weights() == "fetchable"


@pytest.mark.parametrize("listens", [True, False])
def test_fetch_without_a_network_fails_at_once(
    *, listens: bool, hub: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = socket.create_server(("127.0.0.1", 0))  # takes the call and never says a word
    port = mute.getsockname()[1] if listens else 9
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr("stemfx.separators.hub.ANSWER_S", 0.5)
    start = time.monotonic()
    with pytest.raises(ModelError, match=r"'htdemucs' cannot be fetched: no (connection|answer)"):
        published("htdemucs").fetch(silent)
    assert time.monotonic() - start < 2
    mute.close()


def test_fetch_honours_the_hubs_offline_switch(
    hub: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "true")
    with pytest.raises(ModelError, match=r"HF_HUB_OFFLINE is set; put htdemucs\.yaml"):
        published("htdemucs").fetch(silent)
    assert hub.paths == []


# --- files that are not what they claim ---------------------------------------------------


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_code_in_a_package_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = save_package(build("demucs"), tmp_path / "m.th", metrics=Bomb(mark))
    with pytest.raises(ModelError, match="contains code or objects that are not weights"):
        stemfx_open_model(path)
    assert not mark.exists()


def test_another_class_in_a_package_is_refused(tmp_path: Path) -> None:
    path = save_package(build("demucs"), tmp_path / "m.th", klass=torch.nn.Linear)
    with pytest.raises(ModelError, match="contains code or objects that are not weights"):
        stemfx_open_model(path)


def test_another_class_in_safetensors_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save_safetensors(build("demucs"), tmp_path / "m.safetensors", klass="builtins.print")
    with pytest.raises(ModelError, match=r"names 'builtins.print'; only HTDemucs"):
        stemfx_open_model(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "kwargs",
    [
        '{"sources": ["a"], "channels": 1000000}',
        '{"sources": ["a"], "depth": 99}',
        '{"sources": ["a"], "segment": 1e9}',
        '{"sources": ["a"], "segment": NaN}',
        '{"sources": ["a"], "emb_scale": 1e300}',
        '{"sources": ["a"], "audio_channels": 1}',
        '{"sources": ["../../a"]}',
        '{"sources": ["a", "a"]}',
        '{"sources": {"a": 1}}',
        '{"channels": 4}',
        "[]",
        "{",
        '{"sources": ["a"], "segment": {"_type": "fraction", "numerator": 1, "denominator": 0}}',
        '{"sources": ["a"], "x": {"_type": "fraction", "numerator": 1e999, "denominator": 1}}',
        '{"sources": ["a"], "samplerate": null}',
        '{"sources": ["a"], "samplerate": "fast"}',
        '{"sources": ["a"], "samplerate": [44100]}',
    ],
)
def test_arguments_out_of_bounds_are_refused(kwargs: str, tmp_path: Path) -> None:
    path = save_safetensors(build("demucs"), tmp_path / "m.safetensors", kwargs=kwargs)
    with pytest.raises(ModelError, match=r"m\.safetensors: "):
        stemfx_open_model(path)


def test_a_small_file_cannot_ask_for_a_large_network(tmp_path: Path) -> None:
    kwargs = '{"sources": ["drums", "bass", "other", "vocals"], "channels": 1024, "depth": 8}'
    path = save_safetensors(build("demucs"), tmp_path / "m.safetensors", kwargs=kwargs)
    separator = open_model(path)
    with pytest.raises(ModelError, match=r"it wants \d+ weights, the file has \d+ bytes"):
        separated(separator, np.zeros((2, 100), np.float32))


LOAD_IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
import demucs.demucs
from stemfx.errors import ModelError
from stemfx.separators.demucs_weights import load

in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + (500 << 20),) * 2)
try:
    load(Path(sys.argv[1]))
except ModelError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_small_file_cannot_ask_for_large_scales_of_layers(tmp_path: Path) -> None:
    """They begin as zeros, here 2.4 GB of them."""
    asked = {"channels": 1024, "growth": 8, "depth": 6, "dconv_depth": 16}
    path = save_safetensors(
        build("demucs"), tmp_path / "m.safetensors", kwargs=json.dumps({"sources": ["a"]} | asked)
    )
    command = [sys.executable, "-W", "ignore", "-c", LOAD_IN_LITTLE_MEMORY, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert re.search(r"it wants \d+ weights, the file has \d+ bytes", done.stdout), done


def test_aliases_of_aliases_in_a_bag_are_refused_at_once(tmp_path: Path) -> None:
    levels = [f"l{k}: &l{k} [*l{k - 1}, *l{k - 1}]" for k in range(1, 20)]  # 3 MB as text
    bag = tmp_path / "bag.yaml"
    bag.write_text("\n".join(["l0: &l0 [a]", *levels, "models: *l19"]))
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=r"bag\.yaml: .*an alias of more than a plain list"):
            Bag.read(bag)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_lists_that_share_lists_in_a_package_are_refused_at_once(tmp_path: Path) -> None:
    bomb: list[Any] = [1]
    for _ in range(20):
        bomb = [bomb, bomb]  # 4 MB as text
    path = save_package(build("demucs"), tmp_path / "m.th", kwargs={"sources": ["a"], "x": bomb})
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=r"m\.th: 'x' = \[\[\[\.\.\.\].* is outside what"):
            read_header(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_weights_that_do_not_fit_or_are_no_numbers_are_refused(tmp_path: Path) -> None:
    network = build("demucs")
    state = network.state_dict()
    first = next(iter(state))
    fewer = {key: value for key, value in state.items() if key != first}
    path = save_package(network, tmp_path / "a.th", state=fewer)
    with pytest.raises(ModelError, match="do not fit the network"):
        load(path)
    path = save_package(network, tmp_path / "b.th", state=state | {first: state[first] * np.nan})
    with pytest.raises(ModelError, match="some are not numbers"):
        load(path)


def test_wrong_checksum_in_the_name_is_refused(tmp_path: Path) -> None:
    path = save_package(build("demucs"), tmp_path / "a1b2c3d4-00000000.th")
    with pytest.raises(ModelError, match="SHA-256 is not the one in its name"):
        stemfx_open_model(path)


@pytest.mark.parametrize("suffix", [".th", ".safetensors"])
@pytest.mark.parametrize("content", ["text", "empty", "cut", "audio"])
def test_what_is_no_model_is_one_clear_sentence(suffix: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{suffix}"
    save = save_package if suffix == ".th" else save_safetensors
    whole = save(build("demucs"), path).read_bytes()
    contents = {"text": b"hello\n" * 9, "empty": b"", "audio": b"RIFF" + bytes(500)}
    path.write_bytes(contents.get(content, whole[: len(whole) // 2]))
    with pytest.raises(ModelError) as caught:
        stemfx_open_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_compressed_packages_are_refused(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "m.th"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", bytes(10_000_000))
    with pytest.raises(ModelError, match="its parts are compressed"):
        stemfx_open_model(path)


@pytest.mark.parametrize(
    "text",
    [
        "models: ['../../etc/passwd']",
        "models: []",
        "models: {}",
        "nothing",
        "models: ['a'",
        "models: [00000000]\nweights: [[1, 0, 0, 0]]",
        "models: [00000000]\nweights: [[1, 1], [1, 1]]",
        "models: [00000000]\nsegment: 1e9",
        "models: [00000000]\nsegment: .nan",
        "models: [00000000, 11111111]",
        "models: " + "[" * 3000,
        "models: [[a]]",
        "models: [00000000]\nweights: [[" + "9" * 400 + "]]",
        "models: !!python/object/apply:os.mkdir [x]",
    ],
)
def test_a_bag_that_cannot_work_is_refused(text: str, tmp_path: Path) -> None:
    save_safetensors(build("demucs"), tmp_path / "00000000.safetensors")
    (tmp_path / "bag.yaml").write_text(text)
    with pytest.raises(ModelError, match=r"bag\.yaml"):
        stemfx_open_model(tmp_path)


def test_files_of_other_kinds_are_left_to_other_plugins(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    for name in ("model.ckpt", "model.pth", "config.yaml"):
        (tmp_path / name).write_text("x")
        assert stemfx_open_model(tmp_path / name) is None
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    assert stemfx_open_model(tmp_path / "other.safetensors") is None
    (tmp_path / "empty").mkdir()
    assert stemfx_open_model(tmp_path / "empty") is None


@pytest.mark.usefixtures("demucs_schedule")
def test_half_precision_and_unknown_arguments_load_as_in_demucs(
    music: np.ndarray, tmp_path: Path
) -> None:
    network = build("htdemucs")
    half = {key: value.half() for key, value in network.state_dict().items()}
    args, kwargs = network._init_args_kwargs
    path = save_package(network, tmp_path / "m.th", state=half, kwargs=kwargs | {"gone": 1})
    network.load_state_dict(half)
    assert args == ()
    assert read_header(path).stems == tuple(SOURCES)
    assert distance_db(separated(open_model(path), music), oracle(network, music)) < -110
