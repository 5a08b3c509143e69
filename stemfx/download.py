"""Fetch one file over https: resumed, bounded, checked, and there only when it is whole.

The bytes grow in `<name>.part`, which no finder of weights takes for a model; only what is whole
gets its name, by one rename. A later call goes on where an interrupted one stopped, if the server
still has the same file (RFC 9110, sections 13.1.5 and 14): `<name>.part.json` keeps the validator.
"""

from __future__ import annotations

import hashlib
import http
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from stemfx.errors import DiskFullError, ModelError
from stemfx.https import ask, reason_of
from stemfx.separator import Progress, silent

TRIES = 5  # connections that are opened for one file
LARGEST_BYTES = 8 << 30  # where nobody has said how large it is; the largest known has 1 GB
_MORE = 1.05  # so much larger than its card says may a model be: cards round, headers grow
_PIECE = 256 << 10


def download(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    size_bytes: int = LARGEST_BYTES,
    progress: Progress = silent,
) -> Path:
    """Fetch `url` into the file `path` and return it; nothing is fetched where it is already whole.

    Args:
        url: https; http only to this machine.
        path: appears, or is replaced, when all of it has come and its hash is right.
        sha256: of the whole file, in hex, or how that begins (names of weights tell 8 digits).
            Without it the length that the server announces is all that tells whole from cut off,
            so a server that announces none is refused.
        size_bytes: the most it may be, e.g. what the user was told.
        progress: is told `(n_bytes, total_bytes)`.

    Raises:
        ModelError: it cannot be had, is larger than allowed, or is not what its hash says; the
            sentence says which, and whether another call goes on from here.
        DiskFullError: the disk does not hold it.
    """
    wanted = sha256.lower() if sha256 else ""
    if wanted and path.is_file() and _sha256(path).startswith(wanted):
        return path
    part = _Part(url, path, size_bytes, is_proven=bool(wanted))
    path.parent.mkdir(parents=True, exist_ok=True)
    with part.held() as file:
        is_resumed = _length(file) > 0
        _receive(part, file, progress)
        if is_resumed and wanted and not _sha256(part.path).startswith(wanted):
            # What an earlier call left may be another file's start: once more, from the start.
            part.forget(file)
            _receive(part, file, progress)
        os.fsync(file.fileno())
        if wanted and not (found := _sha256(part.path)).startswith(wanted):
            part.forget(file)
            raise ModelError(
                f"what came is not the file that is wanted: its SHA-256 is {found[:16]}..., not "
                f"{wanted[:16]}...; nothing was kept",
                where=url,
            )
        if os.name == "nt":
            file.close()  # there, no open file can be renamed
        part.path.replace(path)
        part.note.unlink(missing_ok=True)
    return path


@dataclass(frozen=True)
class _Part:
    """What has come so far of one file; `is_proven` when a hash will tell whether it is right."""

    url: str
    target: Path
    most_bytes: int
    is_proven: bool

    @property
    def path(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def note(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part.json")

    @contextmanager
    def held(self) -> Iterator[IO[bytes]]:
        """Open what has come, for this process alone.

        Raises:
            ModelError: another process is fetching it.
        """
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(self.path, flags, 0o666), "r+b") as file:
            try:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                    raise BlockingIOError  # what was opened has been renamed since: it is whole
            except ImportError:  # Windows: the rename fails while another process has it open
                pass
            except OSError as error:
                raise ModelError(
                    "another process is fetching it; wait for that", where=str(self.target)
                ) from error
            yield file

    def validator(self) -> str:
        """Return what the server said its version was when this part was begun, or nothing."""
        try:
            kept = json.loads(self.note.read_text(encoding="utf-8"))
            return str(kept["validator"]) if kept["url"] == self.url else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def begin(self, file: IO[bytes], validator: str) -> None:
        """Start over with a version of the file."""
        self.forget(file)
        self.note.write_text(json.dumps({"url": self.url, "validator": validator}))

    def forget(self, file: IO[bytes]) -> None:
        """Drop all that has come."""
        self.note.unlink(missing_ok=True)
        file.seek(0)
        file.truncate()


@dataclass(frozen=True)
class Remote:
    """A file of a model: where it is, and as far as known its size and its SHA-256.

    Args:
        url: its last part is its name.
        size_bytes: the most that it may be, exactly where that is known; 0 where nobody says.
        sha256: in hex, or how that begins.
    """

    url: str
    size_bytes: int = 0
    sha256: str | None = None

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]


def download_all(
    files: Mapping[Path, Remote], *, told_bytes: int, progress: Progress = silent
) -> None:
    """Fetch the files of a model, each there only when it is whole.

    Args:
        files: by the path that each gets.
        told_bytes: what the user was told that all of them have, 0 if nothing was told. No more
            than 5 % above it is fetched.
        progress: is told of all of them together.

    Raises:
        ModelError: they have more than was told; or as for `download`.
    """
    left = round(told_bytes * _MORE) or LARGEST_BYTES
    announced = sum(remote.size_bytes for remote in files.values())
    if announced > left:
        raise ModelError(
            f"it has {announced} bytes now where {told_bytes} were told; it was not fetched"
        )
    total = announced if all(remote.size_bytes for remote in files.values()) else told_bytes
    done = 0
    for path, remote in files.items():
        most = min(remote.size_bytes or left, left)

        def of_all(n_bytes: int, _: int, done: int = done) -> None:
            progress(done + n_bytes, total)

        download(remote.url, path, sha256=remote.sha256, size_bytes=most, progress=of_all)
        n_bytes = path.stat().st_size
        done, left = done + n_bytes, left - n_bytes


@contextmanager
def cannot_be_fetched(name: str, remedy: str) -> Iterator[None]:
    """Name the model, and what to do, in the error of whatever stops its download.

    `models` takes the reason alone from that sentence.
    """
    try:
        yield
    except ModelError as error:
        msg = f"{name!r} cannot be fetched: {error.message}; {remedy}"
        raise ModelError(msg) from error


def _receive(part: _Part, file: IO[bytes], progress: Progress) -> None:
    """Take the whole body, going on after connections that break."""
    reason = ""
    for _ in range(TRIES):
        if _length(file) and not (part.is_proven or part.validator()):
            part.forget(file)  # nothing would tell that it goes with what comes
        reason = _go_on(part, file, progress)
        if not reason:
            return
    raise ModelError(
        f"the connection broke again and again after {_size(_length(file))} ({reason}); run the "
        "same command again to go on from there",
        where=part.url,
    )


def _go_on(part: _Part, file: IO[bytes], progress: Progress) -> str:
    """Take what one connection gives; return why it is not all, or nothing."""
    done = _length(file)
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
        if validator := part.validator():
            headers["If-Range"] = validator
    with closing(ask(part.url, headers)) as answer:
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise ModelError("it comes packed, which nobody asked for", where=part.url)
        if answer.status == http.HTTPStatus.OK:
            part.begin(file, _validator(answer.headers))
            done, total = 0, _number(answer.headers, "Content-Length", r"(\d+)")
        elif answer.status == http.HTTPStatus.PARTIAL_CONTENT:
            total = _number(answer.headers, "Content-Range", rf"bytes {done}-\d+/(\d+)")
            if headers.get("If-Range", "") not in ("", _validator(answer.headers)):
                total = None  # a server that does not know If-Range
        else:
            total = _number(answer.headers, "Content-Range", r"bytes \*/(\d+)")
            if total == done:
                return ""  # all of it had come before
            total = None
        if total is None and answer.status != http.HTTPStatus.OK:
            part.forget(file)
            return "the server has another version of the file now"
        _check_size(part, total, done)
        if reason := _copy(answer, file, part, total, progress):
            return reason
    return "it ended early" if total is not None and _length(file) < total else ""


def _validator(headers: Mapping[str, str]) -> str:
    """Return what names a version of the file byte by byte (RFC 9110, 8.8): a strong one only."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else ""


def _number(headers: Mapping[str, str], name: str, pattern: str) -> int | None:
    match = re.fullmatch(pattern, headers.get(name, ""))
    return int(match[1]) if match else None


def _check_size(part: _Part, total: int | None, done: int) -> None:
    if total is None and not part.is_proven:
        raise ModelError(
            "the server does not say how long the file is, so nobody could tell whether it is "
            "whole",
            where=part.url,
        )
    if total is not None and total > part.most_bytes:
        raise ModelError(
            f"the server offers {_size(total)} ({total} bytes) where at most "
            f"{_size(part.most_bytes)} ({part.most_bytes} bytes) are expected; it was not fetched",
            where=part.url,
        )
    missing, free = (total or 0) - done, shutil.disk_usage(part.path.parent).free
    if missing > free:
        raise DiskFullError(
            f"{_size(missing)} are still to be fetched and {_size(free)} are free; free some "
            "space or set STEMFX_MODELS to another folder",
            where=str(part.path.parent),
        )


def _copy(answer: Any, file: IO[bytes], part: _Part, total: int | None, progress: Progress) -> str:
    """Write what comes behind what is there, and never more than is expected.

    Return why no more can be read, or nothing. What cannot be written is raised: no other
    connection makes room on a disk.
    """
    done = _length(file)
    most = part.most_bytes if total is None else total
    progress(done, total or 0)
    while done < most or total is None:
        try:
            piece = answer.read(min(_PIECE, most - done + 1))
        except (HTTPException, OSError) as error:
            return reason_of(error)
        if not piece:
            return ""
        if done + len(piece) > most:
            part.forget(file)
            raise ModelError(
                f"more than the {_size(most)} that are expected came; nothing was kept",
                where=part.url,
            )
        file.write(piece)
        file.flush()
        done += len(piece)
        progress(done, total or 0)
    return ""


def _length(file: IO[bytes]) -> int:
    return file.seek(0, os.SEEK_END)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(n: int) -> str:
    return f"{n / 1e6:.0f} MB" if n >= 10**6 else f"{n} bytes"
