from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.cache import Cache, EntryWriter
from stemfx.unfinished import Unfinished

KEY = "a" * 64


def begin(cache: Cache, song: Audio, upto: int) -> EntryWriter:
    """Write two signals up to a sample, in blocks with a checkpoint each."""
    writer = cache.writer(KEY, keeps_partial=True)
    signals = [writer.open(name, song.sample_rate, song.channels) for name in ("a", "b")]
    for start in range(writer.n_kept, upto, 10_000):
        stop = min(start + 10_000, upto)
        for signal, gain in zip(signals, (1, 2), strict=True):
            signal.append(gain * song.read(start, stop))
        writer.checkpoint()
    return writer


def test_an_interrupted_entry_goes_on_where_it_stopped(tmp_path: Path, song: Audio) -> None:
    cache = Cache(tmp_path)
    begin(cache, song, 30_000).abandon()
    writer = begin(cache, song, song.n_samples)
    assert writer.n_kept == 30_000
    entry = writer.commit({})
    whole = begin(Cache(tmp_path / "other"), song, song.n_samples).commit({})
    for name, gain in (("a", 1), ("b", 2)):
        stored = entry.signals[name]
        assert stored.is_intact()
        np.testing.assert_array_equal(stored.read(), gain * song.samples)
        assert stored.sha256 == whole.signals[name].sha256
    assert {path.name for path in entry.folder.iterdir()} == {"0.f32", "1.f32", "entry.json"}
    assert list(cache.unfinished.iterdir()) == []


def test_nobody_gets_hold_of_it_while_it_is_published(
    tmp_path: Path, song: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever came between the last write and the rename took it for damaged and emptied it."""
    cache = Cache(tmp_path)
    writer = begin(cache, song, song.n_samples)
    claims = []
    replace = Path.replace

    def claimed_before(self: Path, target: Path) -> Path:
        claims.append(Unfinished.claim(cache.unfinished / KEY))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", claimed_before)
    entry = writer.commit({})
    assert claims
    assert set(claims) == {None}
    assert entry.signals["a"].is_intact()


def test_a_cache_that_vanished_does_not_hide_what_went_wrong(tmp_path: Path, song: Audio) -> None:
    writer = begin(Cache(tmp_path / "cache"), song, 20_000)
    shutil.rmtree(tmp_path / "cache")
    writer.abandon()


def test_it_counts_for_the_limit_and_goes_last(tmp_path: Path, song: Audio) -> None:
    cache = Cache(tmp_path)
    begin(cache, song, 30_000).abandon()
    unfinished = cache.unfinished_bytes
    assert unfinished >= 2 * 30_000 * 2 * 4
    other = cache.writer("b" * 64)
    other.open("a", 44_100, 2).append(song.samples)
    size = other.commit({}).size_bytes
    assert cache.set_limit(unfinished + 1000) >= size
    assert cache.has_begun(KEY)
    assert cache.set_limit(1000) >= unfinished - 1000
    assert not cache.has_begun(KEY)


def test_what_came_after_the_last_checkpoint_is_written_again(tmp_path: Path, song: Audio) -> None:
    cache = Cache(tmp_path)
    begin(cache, song, 30_000).abandon()
    with (cache.unfinished / KEY / "1.f32").open("ab") as file:
        file.write(b"half a block")
    writer = begin(cache, song, song.n_samples)
    assert writer.n_kept == 30_000
    np.testing.assert_array_equal(writer.commit({}).signals["b"].read(), 2 * song.samples)


@pytest.mark.parametrize("damage", ["flipped", "shorter", "no file", "no journal", "odd journal"])
def test_what_is_damaged_is_begun_again(tmp_path: Path, song: Audio, damage: str) -> None:
    cache = Cache(tmp_path)
    begin(cache, song, 30_000).abandon()
    raw, journal = cache.unfinished / KEY / "0.f32", cache.unfinished / KEY / "journal"
    match damage:
        case "flipped":
            data = bytearray(raw.read_bytes())
            data[777] ^= 1
            raw.write_bytes(data)
        case "shorter":
            os.truncate(raw, 1_000)
        case "no file":
            raw.unlink()
        case "no journal":
            journal.unlink()
        case "odd journal":
            journal.write_bytes(b"\xff what\n30000 . .\n")
    writer = begin(cache, song, song.n_samples)
    assert writer.n_kept == 0
    np.testing.assert_array_equal(writer.commit({}).signals["a"].read(), song.samples)


def test_a_journal_line_that_was_cut_does_not_count(tmp_path: Path, song: Audio) -> None:
    cache = Cache(tmp_path)
    begin(cache, song, 30_000).abandon()
    journal = cache.unfinished / KEY / "journal"
    journal.write_text(journal.read_text()[:-5])  # the power went
    writer = begin(cache, song, 20_000)
    assert writer.n_kept == 20_000
    writer.abandon()


def test_only_one_run_at_a_time_has_it(tmp_path: Path, song: Audio) -> None:
    cache = Cache(tmp_path)
    first = begin(cache, song, 20_000)
    second = begin(cache, song, song.n_samples)  # in a folder of its own, from the start
    assert second.n_kept == 0
    assert second.folder != first.folder
    second.commit({})
    first.abandon()
    third = begin(cache, song, 20_000)
    assert third.n_kept == 20_000
    third.abandon()


def test_a_killed_process_leaves_what_it_had(tmp_path: Path) -> None:
    code = (
        "import os, sys, numpy as np; from pathlib import Path; from stemfx.cache import Cache\n"
        f"writer = Cache(Path(sys.argv[1])).writer({KEY!r}, keeps_partial=True)\n"
        "signal = writer.open('a', 44_100, 2)\n"
        "signal.append(np.ones((2, 500), np.float32)); writer.checkpoint()\n"
        "signal.append(np.ones((2, 500), np.float32)); os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -9
    writer = Cache(tmp_path).writer(KEY, keeps_partial=True)
    assert writer.n_kept == 500
    writer.abandon()


def test_nothing_done_leaves_nothing(tmp_path: Path, song: Audio) -> None:
    cache = Cache(tmp_path)
    begin(cache, song, 0).abandon()
    assert list(cache.unfinished.iterdir()) == []


def test_what_nobody_goes_on_with_is_swept_and_what_is_at_work_is_not(
    tmp_path: Path, song: Audio
) -> None:
    cache = Cache(tmp_path)
    begin(cache, song, 30_000).abandon()
    assert cache.evict() == 0
    old = time.time() - 8 * 24 * 3600
    folder = cache.unfinished / KEY
    at_work = Unfinished.claim(folder)
    for path in (*folder.iterdir(), folder):
        os.utime(path, (old, old))
    assert cache.evict() == 0
    assert at_work is not None
    at_work.close()
    for path in (*folder.iterdir(), folder):
        os.utime(path, (old, old))
    assert cache.evict() >= 2 * 30_000 * 2 * 4
    assert not folder.exists()


def test_clearing_the_cache_clears_it_too(tmp_path: Path, song: Audio) -> None:
    cache = Cache(tmp_path)
    begin(cache, song, 30_000).abandon()
    assert cache.clear() >= 2 * 30_000 * 2 * 4
    assert list(cache.unfinished.iterdir()) == []
