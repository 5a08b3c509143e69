"""The command line: one small module a command, one error boundary for all.

Nothing heavy is imported here: `stemfx --help` has to answer at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

from stemfx import errors


def main() -> None:
    """Run the command line and exit with its code.

    A request to terminate ends a run as cleanly as Ctrl-C does. After a second Ctrl-C steps may
    still be at work in their threads; they are not waited for.
    """
    with suppress(ValueError):  # not in the main thread of somebody's program
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    code = execute(sys.argv[1:])
    if code == errors.EXIT_INTERRUPTED:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def execute(arguments: Sequence[str]) -> int:  # noqa: PLR0911 - one return a kind of failure
    """Run one command; turn every failure into its exit code and one clear message."""
    import typer

    from stemfx.cli.app import app

    as_json = "--json" in arguments
    try:
        result = app(args=list(arguments), prog_name="stemfx", standalone_mode=False)
    except errors.StemfxError as error:
        return _expected(error.code, error.message, error.where, error.exit_code, as_json=as_json)
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = errors.EXIT_INTERRUPTED
        return _expected("interrupted", "interrupted", None, code, as_json=as_json)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away; there is nobody to tell
        return errors.EXIT_OK
    except Exception as error:  # noqa: BLE001 - the boundary: all else is a bug, and is shown whole
        if hasattr(error, "format_message"):  # typer's own, on arguments it cannot use
            message = str(error.format_message())
            return _expected("usage", message, None, errors.EXIT_EXPECTED, as_json=as_json)
        return _bug(error, as_json=as_json)
    return result if isinstance(result, int) else errors.EXIT_OK


def _expected(code: str, message: str, where: str | None, exit_code: int, *, as_json: bool) -> int:
    if as_json:
        failure = {"code": code, "message": message, "where": where}
        print(json.dumps({"schema": 1, "error": failure}, ensure_ascii=False))  # noqa: T201
    else:
        told = f"{where}: {message}" if where and not message.startswith(where) else message
        print(f"stemfx: {told}", file=sys.stderr)  # noqa: T201
    return exit_code


def _bug(error: Exception, *, as_json: bool) -> int:
    from stemfx import __version__

    traceback.print_exception(error)
    _expected(
        "bug",
        f"this is a bug in stemfx {__version__} or a plugin (python {sys.version.split()[0]}, "
        f"{sys.platform}); please report it with the lines above",
        None,
        errors.EXIT_BUG,
        as_json=as_json,
    )
    return errors.EXIT_BUG
