"""The command line: one small module a command, one error boundary for all.

Nothing heavy is imported here: `stemfx --help` has to answer at once.
"""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

from stemfx import errors

_OF_THE_SYSTEM = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE),
}
"""What the system refuses whatever the program does; any other OSError here is a bug."""


@dataclass(frozen=True)
class _Failure:
    code: str
    message: str
    where: str | None
    exit_code: int


_INTERRUPTED = _Failure("interrupted", "interrupted", None, errors.EXIT_INTERRUPTED)


def main() -> None:
    """Run the command line and exit with its code.

    A request to terminate ends a run as cleanly as Ctrl-C does, also where Ctrl-C is ignored (a
    job in the background of a script). After a second Ctrl-C steps may still be at work in their
    threads; they are not waited for.
    """
    with suppress(ValueError):  # not in the main thread of somebody's program
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    if "_STEMFX_COMPLETE" in os.environ:  # a shell takes each line of a broken text for a word
        os.environ["COLUMNS"] = "10000"
    if sys.stdout is None:  # started with it closed
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal's encoding may lack a path's letters
            stream.reconfigure(errors="backslashreplace")
    code = execute(sys.argv[1:])
    if code == errors.EXIT_INTERRUPTED:
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def execute(arguments: Sequence[str]) -> int:
    """Run one command; turn every failure into its exit code and one clear message.

    A reader of standard output that has seen enough (`| head`) is no failure.
    """
    as_json = "--json" in arguments
    code = errors.EXIT_OK
    stdout = sys.stdout
    watched = _Watched(stdout)
    sys.stdout = cast("TextIO", watched)
    try:
        ended = _call(arguments, watched)
        if isinstance(ended, _Failure):
            code = ended.exit_code
            _tell(ended, as_json=as_json)
        else:
            code = ended
        sys.stdout.flush()
    except OSError as error:  # of standard output, by the law of `_call`
        _leave(stdout)
        if error.errno in (errno.EPIPE, errno.EINVAL):  # Windows says EINVAL of a closed pipe
            return code
        message = f"the results cannot be shown ({error.strerror})"
        code = max(code, errors.EXIT_EXPECTED)
        _tell(_Failure("output", message, "standard output", code), as_json=False)
    finally:
        sys.stdout = stdout
    return code


class _Watched:
    """Standard output that remembers that it failed: files fail with the same errors."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.has_failed = False

    def write(self, text: str) -> int:
        with self._watching():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._watching():
            self._stream.flush()

    @contextmanager
    def _watching(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self.has_failed = True
            raise

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # nobody writes past this; typer would where the encoding is ASCII
            raise AttributeError(name)
        return getattr(self._stream, name)


def _call(arguments: Sequence[str], stdout: _Watched) -> int | _Failure:
    """Run one command; raises nothing but the OSError of standard output (and what exits)."""
    try:
        from stemfx.cli.app import app

        result = app(args=list(arguments) or ["--help"], prog_name="stemfx", standalone_mode=False)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except SystemExit as stop:
        # So do typer and rich leave at any closed pipe; only standard output's is no failure.
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        if stdout.has_failed:
            raise stop.__context__ from None
        return _failure(stop.__context__)
    except Exception as error:
        if isinstance(error, OSError) and stdout.has_failed:
            raise
        return _failure(error)
    if result == errors.EXIT_INTERRUPTED:  # typer turns KeyboardInterrupt into it
        return _INTERRUPTED
    return result if isinstance(result, int) else errors.EXIT_OK


def tell(error: Exception) -> int:
    """Tell why something failed, on stderr, and return the exit code of that."""
    failure = _failure(error)
    _tell(failure, as_json=False)
    return failure.exit_code


def _failure(error: Exception) -> _Failure:
    if isinstance(error, errors.StemfxError):
        return _Failure(error.code, error.message, error.where, error.exit_code)
    if isinstance(error, OSError) and error.errno in _OF_THE_SYSTEM:
        where = None if error.filename is None else _short(str(error.filename))
        message = f"the system refuses: {error.strerror}"
        return _Failure("system", message, where, errors.EXIT_EXPECTED)
    if hasattr(error, "format_message"):  # typer's own, on arguments it cannot use
        return _Failure("usage", str(error.format_message()), None, errors.EXIT_EXPECTED)
    if type(error).__name__ == "Abort":  # typer's own, at the end of what is typed
        return _INTERRUPTED
    from stemfx import __version__

    with suppress(OSError):
        traceback.print_exception(error)
    return _Failure(
        "bug",
        f"this is a bug in stemfx {__version__} or a plugin (python {sys.version.split()[0]}, "
        f"{sys.platform}); please report it with the lines above",
        None,
        errors.EXIT_BUG,
    )


def _tell(failure: _Failure, *, as_json: bool) -> None:
    message, where = failure.message, failure.where
    if as_json:
        facts = {"code": failure.code, "message": message, "where": where}
        print(json.dumps({"schema": 1, "error": facts}))  # noqa: T201
        return
    told = f"{where}: {message}" if where and not message.startswith(where) else message
    if not told.replace("\n", "").isprintable():
        from stemfx.shown import visible

        told = visible(told)
    with suppress(OSError):  # nobody reads it
        print(f"stemfx: {told}", file=sys.stderr)  # noqa: T201


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:60]}... ({len(text)} characters)"


def _leave(stdout: TextIO) -> None:
    """Send what standard output still holds nowhere, or Python complains of it at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stdout.fileno())
        os.close(nowhere)
