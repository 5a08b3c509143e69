"""Files as the system has them: each of its failures in one sentence, small files whole."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stemfx.errors import AudioFileError, DiskFullError, OutputError, StemfxError


def native(path: Path) -> str | bytes:
    """Return a path as libsndfile takes it: to POSIX names are bytes, and not always UTF-8."""
    return str(path) if os.name == "nt" else os.fsencode(path)


@contextmanager
def reading_from(path: Path) -> Iterator[None]:
    """Turn every failure of the system to read `path` into one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise AudioFileError("no such file; check the name", where=str(path)) from None
    except OSError as error:
        raise AudioFileError(
            f"cannot be read ({error.strerror or error}); check its permissions", where=str(path)
        ) from None


_REMEDY = "choose another folder with --out"


@contextmanager
def writing_to(path: Path, remedy: str = _REMEDY) -> Iterator[None]:
    """Turn every failure to write below `path` into one sentence.

    Wrap only the writing: whatever else fails inside would be told as a failure to write.

    Args:
        path: what is being written.
        remedy: what to try when the place itself cannot be written to.

    Raises:
        DiskFullError: disk, quota or file-size limit reached.
        OutputError: anything else.
    """
    try:
        yield
    except StemfxError:
        raise
    except OSError as error:
        # Windows has no quota error of its own.
        if error.errno in (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise DiskFullError(
                "the disk is full (or a quota or file-size limit is reached); free some space "
                "and run again: finished steps are kept",
                where=str(path),
            ) from None
        raise OutputError(
            f"cannot be written ({error.strerror or error}); {remedy}", where=str(path)
        ) from None
    except (RuntimeError, AssertionError) as error:
        # libsndfile says "System error" and soundfile asserts when a write comes up short.
        free = shutil.disk_usage(path.parent).free if path.parent.is_dir() else 0
        if free < 1 << 20 or isinstance(error, AssertionError):
            raise DiskFullError(
                "the disk is full; free some space and run again: finished steps are kept",
                where=str(path),
            ) from None
        raise OutputError(f"cannot be written ({error}); {remedy}", where=str(path)) from None


def check_writable(folder: Path, remedy: str = _REMEDY) -> None:
    """Make sure that files can be made in `folder` (made too if need be) before any work.

    Args:
        folder: where files will be made.
        remedy: what to try when that cannot be.

    Raises:
        OutputError: they cannot.
    """
    with writing_to(folder, remedy):
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".stemfx-{os.getpid()}.part"
        trial.touch()
        trial.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, UTF-8.

    Raises:
        OutputError, DiskFullError: as for `write`.
    """
    write_bytes(path, text.encode())


def visible_files(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder and those in it, in order; hidden files and folders are not."""
    for inner, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(inner, name) for name in sorted(names) if not name.startswith("."))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all.

    Raises:
        OutputError, DiskFullError: as for `write`.
    """
    write_chunks(path, [content])


def write_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file whole or not at all, a piece at a time.

    Raises:
        OutputError, DiskFullError: as for `write`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.writelines(chunks)
            part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


def write_new_bytes(path: Path, content: bytes) -> None:
    """Write a small file whole, or nothing where something goes by that name already.

    Raises:
        OutputError, DiskFullError: as for `write`; also where something is there.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing_to(path, "choose another place"):
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            try:
                path.hardlink_to(part)  # unlike a renaming, it fails where something is there
            except FileExistsError:
                raise _taken(path) from None
            except OSError:  # a system of files without links
                if os.path.lexists(path):
                    raise _taken(path) from None
                part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


def _taken(path: Path) -> OutputError:
    return OutputError("is there already and stays as it is; choose another name", where=str(path))
