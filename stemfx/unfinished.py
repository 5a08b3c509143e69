"""What an interrupted step leaves behind, so that the next run goes on where it stopped.

The raw files of an unfinished entry grow in a folder of their own. A journal says up to where
they are whole, with a checksum of each, so what a crash or a power cut left half-written is
noticed. A lock makes sure that only one run at a time writes there; the system takes it back
when the run dies.
"""

from __future__ import annotations

import os
import shutil
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

_CHUNK_BYTES = 1 << 22


class Unfinished:
    """One unfinished entry, locked. `n_kept` samples of each signal are there already."""

    def __init__(self, folder: Path, lock: IO[bytes]) -> None:
        self.folder, self._lock = folder, lock
        folder.mkdir(exist_ok=True)
        self._journal_path = folder / "journal"
        self.n_kept = self._verified()
        if not self.n_kept:
            for file in [*folder.glob("*.f32"), self._journal_path]:
                file.unlink(missing_ok=True)
        self._journal = self._journal_path.open("a", encoding="ascii")

    @classmethod
    def claim(cls, folder: Path) -> Unfinished | None:
        """Return the unfinished entry in a folder, new or left behind; None while a run has it.

        Raises:
            OSError: the folder cannot be made.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = _locked(_lock_of(folder))
        if lock is None:
            return None
        try:
            return cls(folder, lock)
        except BaseException:
            lock.close()
            raise

    def note(self, n_samples: int, checksums: Sequence[int]) -> None:
        """Say that every file is whole up to `n_samples`; the files are flushed before."""
        n_bytes = (self.folder / "0.f32").stat().st_size
        line = " ".join([str(n_samples), str(n_bytes), *(f"{crc:08x}" for crc in checksums)])
        self._journal.write(f"{line} .\n")  # a line without its end was cut
        self._journal.flush()

    def close(self) -> None:
        """Leave it for a later run; what holds nothing is removed."""
        try:
            with suppress(OSError):  # somebody removed the whole cache
                self._journal.close()
                if not self._journal_path.stat().st_size:
                    shutil.rmtree(self.folder, ignore_errors=True)
        finally:
            self.release()

    def finish(self) -> None:
        """Remove what is not part of a finished entry; it is locked until `release`."""
        self._journal.close()
        self._journal_path.unlink(missing_ok=True)

    def release(self) -> None:
        """Let others have it."""
        if not self.folder.exists():
            with suppress(OSError):  # Windows keeps a file that somebody has open; it is swept
                _lock_of(self.folder).unlink()
        self._lock.close()

    def _verified(self) -> int:
        """Return up to which sample all files are whole by the journal's last line."""
        try:
            lines = self._journal_path.read_text("ascii").splitlines()
            *_, last = (line.split() for line in lines if line.endswith(" ."))
            n_samples, n_bytes = int(last[0]), int(last[1])
            for k, checksum in enumerate(last[2:-1]):
                if _checksum(self.folder / f"{k}.f32", n_bytes) != int(checksum, 16):
                    return 0
        except (OSError, ValueError, IndexError):
            return 0
        return n_samples


def _checksum(path: Path, n_bytes: int) -> int:
    """Return the CRC-32 of the first bytes of a file; -1 when it has fewer."""
    crc = 0
    with path.open("rb") as file:
        while n_bytes:
            chunk = file.read(min(n_bytes, _CHUNK_BYTES))
            if not chunk:
                return -1
            crc = zlib.crc32(chunk, crc)
            n_bytes -= len(chunk)
    return crc


def size_bytes(root: Path) -> int:
    """Return the bytes of all unfinished entries."""
    return sum(_size(folder) for folder in root.glob("*/"))


def sweep(root: Path, older_than_s: float) -> int:
    """Remove unfinished entries that nobody wrote to for long; return the bytes freed."""
    freed = 0
    for folder in {lock.with_suffix("") for lock in root.glob("*.lock")} | set(root.glob("*/")):
        with suppress(OSError):
            files = [folder, *folder.iterdir()] if folder.is_dir() else [_lock_of(folder)]
            if time.time() - max(path.stat().st_mtime for path in files) < older_than_s:
                continue
            size = _size(folder)
            if (lock := _locked(_lock_of(folder))) is None:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                _lock_of(folder).unlink()
            lock.close()
            freed += size
    return freed


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except OSError:
        return 0


def _lock_of(folder: Path) -> Path:
    """Return the lock, which lies beside the folder, since that is renamed when it is finished."""
    return folder.with_suffix(".lock")


def _locked(path: Path) -> IO[bytes] | None:
    """Return the lock file, open and locked, or None while somebody else has it."""
    while True:
        lock = path.open("ab")
        if not _try_to_lock(lock):
            lock.close()
            return None
        try:
            is_there = os.path.samestat(os.fstat(lock.fileno()), path.stat())
        except OSError:
            is_there = False
        if is_there:
            return lock
        lock.close()  # its last owner removed it meanwhile


def _try_to_lock(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed; say whether nobody else has it locked."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
