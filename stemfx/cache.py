"""A content-addressed store of finished work: signals and what was measured on them.

An entry is a folder named by its key, with `entry.json` and one raw float32 file a signal.
It appears by one rename, so it is whole or not there. A damaged entry is a miss. When the
store outgrows its limit, the signals of what was used longest ago go first; the facts stay, so
that a cached run tells the same as the first one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np

from stemfx import unfinished
from stemfx.audio import BLOCK_SAMPLES, Block, read_only
from stemfx.errors import StemfxError
from stemfx.io import write_text, writing_to
from stemfx.unfinished import Unfinished

FORMAT = 2
REMEDY = "free some space or set STEMFX_CACHE to another folder"
DEFAULT_LIMIT_BYTES = 20 * 10**9
_SAMPLE_BYTES = 4


class LostError(StemfxError):
    """An entry that a run had made or counted on is gone: somebody cleared the cache meanwhile."""

    code = "cache"

    def __init__(self, key: str) -> None:
        super().__init__(f"the cache lost {key} during the run; run the same command again")


@dataclass(frozen=True)
class StoredSignal:
    """A signal in a raw little-endian float32 file, frames interleaved."""

    path: Path
    sample_rate: int
    channels: int
    n_samples: int
    sha256: str

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield the signal in read-only blocks; only one block is in memory."""
        with self.path.open("rb") as file:
            for start in range(0, self.n_samples, n_samples):
                yield self._next(file, min(n_samples, self.n_samples - start))

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop`, clamped to what is there."""
        start = min(max(0, start), self.n_samples)
        stop = self.n_samples if stop is None else min(max(start, stop), self.n_samples)
        with self.path.open("rb") as file:
            file.seek(start * self.channels * _SAMPLE_BYTES)
            return self._next(file, stop - start)

    def _next(self, file: IO[bytes], n_samples: int) -> Block:
        frames = np.fromfile(file, "<f4", n_samples * self.channels)
        return read_only(frames.reshape(n_samples, self.channels).T)

    @property
    def size_bytes(self) -> int:
        """Size of the file that should be there."""
        return self.n_samples * self.channels * _SAMPLE_BYTES

    def has_its_size(self) -> bool:
        """Tell whether the file is there and as long as it should be."""
        return _size_bytes(self.path) == self.size_bytes

    def is_intact(self) -> bool:
        """Read the whole file and compare its hash."""
        return _sha256(self.path) == self.sha256


@dataclass(frozen=True)
class StoredFile:
    """A file of any content; without a hash it counts as damaged."""

    path: Path
    size_bytes: int
    sha256: str = ""

    def is_intact(self) -> bool:
        """Read the whole file and compare its hash."""
        return _sha256(self.path) == self.sha256

    def has_its_size(self) -> bool:
        """Tell whether the file is there and as long as it should be."""
        return _size_bytes(self.path) == self.size_bytes


@dataclass(frozen=True)
class Entry:
    """One finished node: its signals and files by name, and its facts.

    Facts are measurements, findings and seconds. `signals` and `files` are empty where only they
    are left.
    """

    key: str
    folder: Path
    signals: Mapping[str, StoredSignal]
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, StoredFile] = field(default_factory=dict)

    @cached_property
    def size_bytes(self) -> int:
        """Bytes of all its signals."""
        return sum(signal.size_bytes for signal in self.signals.values())


class SignalWriter:
    """Appends blocks to a raw file and hashes them on the way.

    Args:
        path: of the file.
        sample_rate: in Hz.
        channels: of the blocks.
        writing: told of failures to write.
        n_kept: samples that the file holds already; what comes after them is cut off.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        channels: int,
        writing: Callable[[], AbstractContextManager[None]],
        n_kept: int = 0,
    ) -> None:
        self._path, self._rate, self._channels = path, sample_rate, channels
        self._writing = writing
        self._n_samples = n_kept
        self._hash = hashlib.sha256()
        self.checksum = 0
        self._file = path.open("r+b" if n_kept else "wb")
        left = n_kept * channels * _SAMPLE_BYTES
        while left and (chunk := self._file.read(min(left, 1 << 22))):
            self._count(chunk)
            left -= len(chunk)
        self._file.truncate()

    def _count(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self.checksum = zlib.crc32(data, self.checksum)

    def append(self, block: Block) -> None:
        """Write one block `(channels, n)`."""
        frames = np.ascontiguousarray(block.T, dtype="<f4")
        self._count(frames.data.cast("B"))
        with self._writing():
            self._file.write(frames.data)
        self._n_samples += block.shape[1]

    def flush(self) -> None:
        """Hand what was written to the system: it outlives this process."""
        with self._writing():
            self._file.flush()

    @property
    def n_samples(self) -> int:
        """Samples per channel written so far."""
        return self._n_samples

    def close(self) -> StoredSignal:
        """Finish the file."""
        with self._writing():
            self._file.close()
        return StoredSignal(
            self._path, self._rate, self._channels, self._n_samples, self._hash.hexdigest()
        )

    def abandon(self) -> None:
        """Close the file without caring for its content."""
        with suppress(OSError):
            self._file.close()


class EntryWriter:
    """Collects the signals of one node in a private folder; `commit` makes them an entry.

    `n_kept` samples of each signal are there from an interrupted run: go on behind them.
    """

    def __init__(self, cache: Cache, key: str, *, keeps_partial: bool) -> None:
        self._cache, self._key = cache, key
        self._writers: dict[str, SignalWriter] = {}
        self._files: dict[str, StoredFile] = {}
        self._unfinished: Unfinished | None = None
        with self._writing():
            if keeps_partial:
                self._unfinished = Unfinished.claim(cache.unfinished / key)
            if self._unfinished is not None:
                self.folder, self.n_kept = self._unfinished.folder, self._unfinished.n_kept
            else:
                self.folder, self.n_kept = cache.scratch / f"{os.getpid()}-{uuid.uuid4().hex}", 0
                self.folder.mkdir(parents=True)

    def open(self, name: str, sample_rate: int, channels: int) -> SignalWriter:
        """Start the signal called `name`, or go on with it."""
        # Stem names come from models and recipes: they are kept inside entry.json only.
        path = self.folder / f"{len(self._writers)}.f32"
        with self._writing():
            self._writers[name] = SignalWriter(
                path, sample_rate, channels, self._writing, self.n_kept
            )
        return self._writers[name]

    def keep(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file of any content, called `name`."""
        path = self.folder / f"{len(self._files)}.bin"
        sha256, size_bytes = hashlib.sha256(), 0
        with self._writing(), path.open("wb") as file:
            for chunk in chunks:
                sha256.update(chunk)
                size_bytes += file.write(chunk)
        self._files[name] = StoredFile(path, size_bytes, sha256.hexdigest())

    def checkpoint(self) -> None:
        """Make sure that what was written so far is kept when the run is interrupted.

        All signals have to have the same length and channels.
        """
        if self._unfinished is None:
            return
        writers = list(self._writers.values())
        for writer in writers:
            writer.flush()
        with self._writing():
            self._unfinished.note(writers[0].n_samples, [writer.checksum for writer in writers])

    def commit(self, facts: Mapping[str, Any]) -> Entry:
        """Publish the entry; if another run was faster, its equal result stays."""
        with self._writing():
            signals = {name: writer.close() for name, writer in self._writers.items()}
            document = {
                "format": FORMAT,
                "key": self._key,
                "facts": {**facts, "has_signals": bool(signals or self._files)},
                "signals": {
                    name: asdict(signal) | {"path": signal.path.name}
                    for name, signal in signals.items()
                },
                "files": {
                    name: asdict(file) | {"path": file.path.name}
                    for name, file in self._files.items()
                },
            }
            text = json.dumps(document, allow_nan=False)
            (self.folder / "entry.json").write_text(f"{_checksum(text)}\n{text}", encoding="utf-8")
            if self._unfinished is not None:
                self._unfinished.finish()
            final = self._cache.folder_of(self._key)
            final.parent.mkdir(parents=True, exist_ok=True)
            if not self._cache.holds(self._key):
                aside = self.folder.with_suffix(".old")
                with suppress(OSError):  # what is damaged or evicted goes aside by one rename
                    final.replace(aside)
                try:
                    self.folder.replace(final)
                except OSError:  # another run was faster: its result is the same
                    if not self._cache.holds(self._key):
                        raise
                finally:
                    shutil.rmtree(aside, ignore_errors=True)
        if self._unfinished is not None:
            self._unfinished.release()
            self._unfinished = None
        entry = self._cache.lookup(self._key)
        if entry is None:
            raise LostError(self._key)
        return entry

    def _writing(self) -> AbstractContextManager[None]:
        return writing_to(self._cache.root, REMEDY)

    def abandon(self) -> None:
        """Remove everything that was written, but what a later run can go on with."""
        for writer in self._writers.values():
            writer.abandon()
        if self._unfinished is not None:
            self._unfinished.close()
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


class Cache:
    """The store in one folder. Safe for several processes at a time.

    `is_kept` says whether a later run will find it.
    """

    def __init__(self, root: Path, *, is_kept: bool = True) -> None:
        self.root = root
        self.is_kept = is_kept
        self.scratch = root / "scratch"
        self.unfinished = root / "unfinished"
        self._entries = root / "entries"
        self._config = root / "config.json"
        self._n_held = 0

    def folder_of(self, key: str) -> Path:
        """Return where the entry of `key` lies."""
        return self._entries / key[:2] / key

    def lookup(self, key: str) -> Entry | None:
        """Return the entry if its document is sound, with its signals if they have their size."""
        folder = self.folder_of(key)
        try:
            checksum, _, text = (folder / "entry.json").read_text("utf-8").partition("\n")
        except (OSError, ValueError):
            return None
        if checksum != _checksum(text):
            return None
        document = json.loads(text)
        if document["format"] != FORMAT or document["key"] != key:
            return None
        signals = {
            name: StoredSignal(**(values | {"path": folder / values["path"]}))
            for name, values in document["signals"].items()
        }
        files = {
            name: StoredFile(**(values | {"path": folder / values["path"]}))
            for name, values in document.get("files", {}).items()
        }
        stored: list[StoredSignal | StoredFile] = [*signals.values(), *files.values()]
        if not all(one.has_its_size() for one in stored):
            signals, files = {}, {}
        return Entry(key, folder, signals, document["facts"], files)

    def holds(self, key: str) -> bool:
        """Tell whether the entry is there with everything that belongs to it."""
        entry = self.lookup(key)
        if entry is None:
            return False
        return bool(entry.signals or entry.files) or not entry.facts["has_signals"]

    def touch(self, keys: Iterable[str]) -> None:
        """Mark entries as used now, all at the same moment."""
        now = time.time()
        for key in keys:
            with suppress(OSError):
                os.utime(self.folder_of(key) / "entry.json", (now, now))

    def discard(self, key: str) -> None:
        """Remove one entry."""
        shutil.rmtree(self.folder_of(key), ignore_errors=True)

    def writer(self, key: str, *, keeps_partial: bool = False) -> EntryWriter:
        """Start an entry; with `keeps_partial` an interrupted run leaves it, and this goes on."""
        return EntryWriter(self, key, keeps_partial=keeps_partial)

    def keep_document(self, shelf: str, name: str, text: str, *, most: int) -> None:
        """Keep a text under a name; of one shelf only the `most` that were kept last stay."""
        folder = self.root / shelf
        with writing_to(folder, REMEDY):
            folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / f"{name}.json", f"{_checksum(text)}\n{text}")
        with suppress(OSError):
            files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
            for old in files[:-most]:
                old.unlink(missing_ok=True)

    def document(self, shelf: str, name: str) -> str | None:
        """Return a text that was kept, if it is there and sound."""
        try:
            kept = (self.root / shelf / f"{name}.json").read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None
        checksum, _, text = kept.partition("\n")
        return text if checksum == _checksum(text) else None

    @property
    def limit_bytes(self) -> int:
        """The size above which the oldest entries are removed after a run."""
        try:
            return int(json.loads(self._config.read_text(encoding="utf-8"))["limit_bytes"])
        except (OSError, ValueError, KeyError, TypeError):
            return DEFAULT_LIMIT_BYTES

    def set_limit(self, limit_bytes: int) -> int:
        """Keep the store below `limit_bytes` from now on; return the bytes freed."""
        with writing_to(self._config, REMEDY):
            self.root.mkdir(parents=True, exist_ok=True)
            self._config.write_text(json.dumps({"limit_bytes": limit_bytes}), encoding="utf-8")
        return self.evict()

    def entries(self) -> list[tuple[float, int, Path]]:
        """Return (last use, bytes, folder) of every entry; what is to go first comes first.

        That is what was used longest ago, and of one run's results those that took the least
        time for their size. What is no entry at all goes before everything.
        """
        found = []
        for folder, size in self._sizes():
            with suppress(OSError):
                try:
                    used = (folder / "entry.json").stat().st_mtime
                except FileNotFoundError:
                    used = 0.0
                entry = self.lookup(folder.name)
                seconds = float(entry.facts.get("seconds", 0.0)) if entry else 0.0
                found.append((used, seconds / max(size, 1), size, folder))
        return [(used, size, folder) for used, _, size, folder in sorted(found)]

    def _sizes(self) -> Iterator[tuple[Path, int]]:
        """Yield the folder of every entry and its bytes."""
        for folder in self._entries.glob("*/*"):
            with suppress(OSError):
                yield folder, sum(file.stat().st_size for file in folder.iterdir())

    def has_begun(self, key: str) -> bool:
        """Tell whether there is something of an entry that a later run will go on with."""
        with suppress(OSError):
            return (self.unfinished / key / "journal").stat().st_size > 0
        return False

    @property
    def unfinished_bytes(self) -> int:
        """Bytes of what interrupted runs will go on with."""
        return unfinished.size_bytes(self.unfinished)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let everything stay while the block runs; keep the limit at the end of the outermost."""
        self._n_held += 1
        try:
            yield
        finally:
            self._n_held -= 1
            if not self._n_held:
                self.evict()

    def evict(self) -> int:
        """Remove signals until the limit is kept; return the bytes freed. Facts stay.

        What is unfinished goes last, or when nobody went on with it for a week.
        """
        swept = unfinished.sweep(self.unfinished, older_than_s=7 * 24 * 3600)
        kept = sum(size for _, size in self._sizes())
        excess = kept + self.unfinished_bytes - self.limit_bytes
        freed = 0
        # After most runs the limit is kept, and no entry has to be read to see that.
        for used, _, folder in self.entries() if excess > 0 else ():
            if freed >= excess:
                break
            heavy = (path for path in folder.iterdir() if path.suffix != ".json")
            for file in list(heavy if used else folder.iterdir()):
                with suppress(OSError):
                    size = file.stat().st_size
                    file.unlink()
                    freed += size
        if freed < excess:
            freed += unfinished.sweep(self.unfinished, older_than_s=0)
        self._sweep_scratch(older_than_s=24 * 3600)
        return swept + freed

    def clear(self) -> int:
        """Remove every entry; return the bytes freed."""
        freed = sum(size for _, size, _ in self.entries())
        shutil.rmtree(self._entries, ignore_errors=True)
        shutil.rmtree(self.root / "runs", ignore_errors=True)
        self._sweep_scratch(older_than_s=3600)
        return freed + unfinished.sweep(self.unfinished, older_than_s=0)

    def _sweep_scratch(self, older_than_s: float) -> None:
        """Remove what killed runs left behind: folders in which nothing was written for long."""
        for folder in self.scratch.glob("*"):
            with suppress(OSError):
                times = [path.stat().st_mtime for path in (folder, *folder.iterdir())]
                if time.time() - max(times) > older_than_s:
                    shutil.rmtree(folder, ignore_errors=True)


def _size_bytes(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
