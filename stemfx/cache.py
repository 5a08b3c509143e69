"""A content-addressed store of finished work: signals and what was measured on them.

An entry is a folder named by its key, with `entry.json` and one raw float32 file a signal.
It appears by one rename, so it is whole or not there. A damaged entry is a miss. When the
store outgrows its limit, what was used longest ago goes first.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, read_only
from stemfx.io import writing_to

FORMAT = 1
DEFAULT_LIMIT_BYTES = 20 * 10**9
_SAMPLE_BYTES = 4


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

    def is_intact(self) -> bool:
        """Read the whole file and compare its hash."""
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except OSError:
            return False


@dataclass(frozen=True)
class Entry:
    """One finished node: its signals by name, and its facts (measurements, findings, seconds)."""

    key: str
    folder: Path
    signals: Mapping[str, StoredSignal]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def size_bytes(self) -> int:
        """Bytes of all its signals."""
        return sum(signal.size_bytes for signal in self.signals.values())


class SignalWriter:
    """Appends blocks to a raw file and hashes them on the way."""

    def __init__(self, path: Path, sample_rate: int, channels: int) -> None:
        self._path, self._rate, self._channels = path, sample_rate, channels
        self._n_samples = 0
        self._hash = hashlib.sha256()
        self._file = path.open("wb")

    def append(self, block: Block) -> None:
        """Write one block `(channels, n)`."""
        frames = np.ascontiguousarray(block.T, dtype="<f4")
        self._hash.update(frames.data)
        self._file.write(frames.data)
        self._n_samples += block.shape[1]

    @property
    def n_samples(self) -> int:
        """Samples per channel written so far."""
        return self._n_samples

    def close(self) -> StoredSignal:
        """Finish the file."""
        self._file.close()
        return StoredSignal(
            self._path, self._rate, self._channels, self._n_samples, self._hash.hexdigest()
        )

    def abandon(self) -> None:
        """Close the file without caring for its content."""
        with suppress(OSError):
            self._file.close()


class EntryWriter:
    """Collects the signals of one node in a private folder; `commit` makes them an entry."""

    def __init__(self, cache: Cache, key: str) -> None:
        self._cache, self._key = cache, key
        self.folder = cache.scratch / f"{os.getpid()}-{uuid.uuid4().hex}"
        self._writers: dict[str, SignalWriter] = {}
        with writing_to(self.folder):
            self.folder.mkdir(parents=True)

    def open(self, name: str, sample_rate: int, channels: int) -> SignalWriter:
        """Start the signal called `name`."""
        # Stem names come from models and recipes: they are kept inside entry.json only.
        path = self.folder / f"{len(self._writers)}.f32"
        with writing_to(path):
            self._writers[name] = SignalWriter(path, sample_rate, channels)
        return self._writers[name]

    def commit(self, facts: Mapping[str, Any]) -> Entry:
        """Publish the entry; if another run was faster, its equal result stays."""
        with writing_to(self.folder):
            signals = {name: writer.close() for name, writer in self._writers.items()}
            document = {
                "format": FORMAT,
                "key": self._key,
                "facts": dict(facts),
                "signals": {
                    name: asdict(signal) | {"path": signal.path.name}
                    for name, signal in signals.items()
                },
            }
            (self.folder / "entry.json").write_text(json.dumps(document), encoding="utf-8")
            final = self._cache.folder_of(self._key)
            final.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(final, ignore_errors=True)
            try:
                self.folder.replace(final)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
        entry = self._cache.lookup(self._key)
        if entry is None:  # another process cleared the cache at this moment
            with writing_to(final):
                raise OSError(f"cache entry {self._key} vanished")
        return entry

    def abandon(self) -> None:
        """Remove everything that was written."""
        for writer in self._writers.values():
            writer.abandon()
        shutil.rmtree(self.folder, ignore_errors=True)


class Cache:
    """The store in one folder. Safe for several processes at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.scratch = root / "scratch"
        self._entries = root / "entries"
        self._config = root / "config.json"

    def folder_of(self, key: str) -> Path:
        """Return where the entry of `key` lies."""
        return self._entries / key[:2] / key

    def lookup(self, key: str) -> Entry | None:
        """Return the entry if it is there and its files have the right size; else None."""
        folder = self.folder_of(key)
        try:
            document = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
            if document["format"] != FORMAT or document["key"] != key:
                return None
            signals = {
                name: StoredSignal(**(values | {"path": folder / Path(values["path"]).name}))
                for name, values in document["signals"].items()
            }
            if any(s.path.stat().st_size != s.size_bytes for s in signals.values()):
                return None
            return Entry(key, folder, signals, document["facts"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def touch(self, entry: Entry) -> None:
        """Mark an entry as used now."""
        with suppress(OSError):
            os.utime(entry.folder / "entry.json")

    def discard(self, key: str) -> None:
        """Remove one entry."""
        shutil.rmtree(self.folder_of(key), ignore_errors=True)

    def writer(self, key: str) -> EntryWriter:
        """Start an entry."""
        return EntryWriter(self, key)

    @property
    def limit_bytes(self) -> int:
        """The size above which the oldest entries are removed after a run."""
        try:
            return int(json.loads(self._config.read_text(encoding="utf-8"))["limit_bytes"])
        except (OSError, ValueError, KeyError, TypeError):
            return DEFAULT_LIMIT_BYTES

    def set_limit(self, limit_bytes: int) -> int:
        """Keep the store below `limit_bytes` from now on; return the bytes freed."""
        with writing_to(self._config):
            self.root.mkdir(parents=True, exist_ok=True)
            self._config.write_text(json.dumps({"limit_bytes": limit_bytes}), encoding="utf-8")
        return self.evict()

    def entries(self) -> list[tuple[float, int, Path]]:
        """Return (last use, bytes, folder) of every entry, least recently used first."""
        found = []
        for marker in self._entries.glob("*/*/entry.json"):
            with suppress(OSError):
                size = sum(file.stat().st_size for file in marker.parent.iterdir())
                found.append((marker.stat().st_mtime, size, marker.parent))
        return sorted(found)

    def evict(self) -> int:
        """Remove what was used longest ago until the limit is kept; return the bytes freed."""
        entries = self.entries()
        excess = sum(size for _, size, _ in entries) - self.limit_bytes
        freed = 0
        for _, size, folder in entries:
            if freed >= excess:
                break
            shutil.rmtree(folder, ignore_errors=True)
            freed += size
        self._sweep_scratch()
        return freed

    def clear(self) -> int:
        """Remove every entry; return the bytes freed."""
        freed = sum(size for _, size, _ in self.entries())
        shutil.rmtree(self._entries, ignore_errors=True)
        self._sweep_scratch()
        return freed

    def _sweep_scratch(self) -> None:
        """Remove what runs that were killed left behind: nothing writes for a day."""
        for folder in self.scratch.glob("*"):
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > 24 * 3600:
                    shutil.rmtree(folder, ignore_errors=True)


def write_signal(
    writer: SignalWriter, blocks: Iterable[Block], on_block: Callable[[int], None]
) -> None:
    """Append every block, calling `on_block` with the samples done so far (it may raise)."""
    for block in blocks:
        writer.append(block)
        on_block(writer.n_samples)
