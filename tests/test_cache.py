from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.cache import Cache, Entry


def put(cache: Cache, key: str, audio: Audio, name: str = "audio") -> Entry:
    writer = cache.writer(key)
    signal = writer.open(name, audio.sample_rate, audio.channels)
    for block in audio.blocks(10_000):
        signal.append(block)
    return writer.commit({"measurements": {"x_db": 1.0}})


def test_a_signal_comes_back_bit_for_bit_in_blocks_and_in_parts(
    tmp_path: Path, song: Audio
) -> None:
    stored = put(Cache(tmp_path), "a" * 64, song).signals["audio"]
    np.testing.assert_array_equal(np.concatenate(list(stored.blocks(777)), axis=1), song.samples)
    np.testing.assert_array_equal(stored.read(100, 250), song.samples[:, 100:250])
    assert stored.read(song.n_samples + 5, song.n_samples + 9).shape == (2, 0)
    assert stored.is_intact()


def test_names_from_models_never_become_paths(tmp_path: Path, song: Audio) -> None:
    entry = put(Cache(tmp_path / "cache"), "a" * 64, song, name="../../evil")
    assert entry.signals["../../evil"].path.parent == entry.folder
    assert list(tmp_path.iterdir()) == [tmp_path / "cache"]


@pytest.mark.parametrize(
    "damage", ["truncated", "no file", "not json", "other key", "missing", "other facts"]
)
def test_a_damaged_entry_is_a_miss(tmp_path: Path, song: Audio, damage: str) -> None:
    cache = Cache(tmp_path)
    entry = put(cache, "a" * 64, song)
    raw, facts = entry.folder / "0.f32", entry.folder / "entry.json"
    match damage:
        case "truncated":
            os.truncate(raw, 1000)
        case "no file":
            raw.unlink()
        case "not json":
            facts.write_text("{")
        case "other key":
            facts.write_text(facts.read_text().replace("a" * 64, "b" * 64))
        case "missing":
            facts.unlink()
        case "other facts":
            facts.write_text(facts.read_text().replace("1.0", "9.0"))
    assert not cache.holds("a" * 64)
    put(cache, "a" * 64, song)  # and it can be made again
    assert cache.holds("a" * 64)


def test_a_flipped_bit_is_found(tmp_path: Path, song: Audio) -> None:
    entry = put(Cache(tmp_path), "a" * 64, song)
    raw = entry.folder / "0.f32"
    content = bytearray(raw.read_bytes())
    content[5000] ^= 1
    raw.write_bytes(content)
    assert not entry.signals["audio"].is_intact()


def test_an_abandoned_entry_leaves_nothing(tmp_path: Path, song: Audio) -> None:
    cache = Cache(tmp_path)
    writer = cache.writer("a" * 64)
    writer.open("audio", 44_100, 2).append(song.samples)
    writer.abandon()
    assert cache.lookup("a" * 64) is None
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_of_two_runs_that_finish_the_same_node_both_get_it(tmp_path: Path, song: Audio) -> None:
    cache = Cache(tmp_path)
    first, second = cache.writer("a" * 64), cache.writer("a" * 64)
    for writer in (first, second):
        writer.open("audio", 44_100, 2).append(song.samples)
    reading = first.commit({}).signals["audio"].blocks(1000)
    next(reading)
    assert second.commit({}).signals["audio"].is_intact()
    joined = np.concatenate([song.samples[:, :1000], *reading], axis=1)  # undisturbed
    np.testing.assert_array_equal(joined, song.samples)
    second.abandon()
    assert list(cache.scratch.iterdir()) == []


def test_what_was_used_longest_ago_goes_first(tmp_path: Path, song: Audio) -> None:
    cache = Cache(tmp_path)
    now = time.time()
    for age, key in enumerate(["c" * 64, "b" * 64, "a" * 64]):
        entry = put(cache, key, song)
        os.utime(entry.folder / "entry.json", (now - age, now - age))
    cache.touch(["a" * 64])
    one = song.samples.nbytes
    assert cache.set_limit(int(2.5 * one)) == one
    assert [cache.holds(key * 64) for key in "abc"] == [True, False, True]
    evicted = cache.lookup("b" * 64)
    assert evicted is not None
    assert evicted.facts["measurements"] == {"x_db": 1.0}  # what was told stays
    assert cache.clear() > 2 * one
    assert cache.entries() == []
    assert cache.limit_bytes == int(2.5 * one)


def test_what_is_no_entry_goes_first(tmp_path: Path, song: Audio) -> None:
    cache = Cache(tmp_path)
    put(cache, "a" * 64, song)
    orphan = put(cache, "b" * 64, song).folder
    (orphan / "entry.json").unlink()
    assert len(cache.entries()) == 2
    cache.set_limit(int(1.5 * song.samples.nbytes))
    assert cache.holds("a" * 64)
    assert list(orphan.iterdir()) == []


def test_of_one_runs_results_the_cheapest_to_make_again_goes_first(
    tmp_path: Path, song: Audio
) -> None:
    cache = Cache(tmp_path)
    for key, seconds in (("a", 60.0), ("b", 0.1), ("c", 5.0)):
        writer = cache.writer(key * 64)
        writer.open("audio", 44_100, 2).append(song.samples)
        writer.commit({"seconds": seconds})
    cache.touch(key * 64 for key in "abc")
    cache.set_limit(int(1.5 * song.samples.nbytes))
    assert [cache.holds(key * 64) for key in "abc"] == [True, False, False]


def put_file(cache: Cache, key: str) -> Entry:
    writer = cache.writer(key)
    writer.keep("../copy", [b"one", b"two"])
    return writer.commit({"data": {"ends": [3, 6]}})


def test_a_file_of_an_entry_comes_back_and_keeps_its_name_out_of_paths(tmp_path: Path) -> None:
    stored = put_file(Cache(tmp_path), "a" * 64).files["../copy"]
    assert stored.path.read_bytes() == b"onetwo"
    assert stored.path.parent == Cache(tmp_path).folder_of("a" * 64)


@pytest.mark.parametrize("damage", ["longer", "gone"])
def test_an_entry_without_its_file_does_not_count(tmp_path: Path, damage: str) -> None:
    cache = Cache(tmp_path)
    path = put_file(cache, "a" * 64).files["../copy"].path
    path.write_bytes(b"onetwo more") if damage == "longer" else path.unlink()
    assert not cache.holds("a" * 64)
    assert not cache.lookup("a" * 64).files  # type: ignore[union-attr]
    put_file(cache, "a" * 64)
    assert cache.holds("a" * 64)


def test_files_give_way_as_signals_do_and_facts_stay(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    put_file(cache, "a" * 64)
    cache.set_limit(0)
    entry = cache.lookup("a" * 64)
    assert entry is not None
    assert entry.facts["data"] == {"ends": [3, 6]}
    assert not entry.files
    assert not cache.holds("a" * 64)


def test_of_kept_documents_the_newest_stay(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for i in range(4):
        cache.keep_document("runs", f"run{i}", f"text {i}", most=2)
        os.utime(tmp_path / "runs" / f"run{i}.json", (i, i))
    assert cache.document("runs", "run3") == "text 3"
    assert cache.document("runs", "run0") is None
    assert len(list((tmp_path / "runs").iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_document_is_none(tmp_path: Path, damage: str) -> None:
    cache = Cache(tmp_path)
    cache.keep_document("runs", "run", "a text", most=2)
    path = tmp_path / "runs" / "run.json"
    match damage:
        case "cut":
            os.truncate(path, 70)
        case "changed":
            path.write_text(path.read_text().replace("text", "test"))
        case "gone":
            path.unlink()
    assert cache.document("runs", "run") is None
