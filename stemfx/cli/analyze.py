"""`stemfx analyze`: what songs play to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfx.cli import arguments as a
from stemfx.errors import EXIT_EXPECTED, EXIT_OK, AudioFileError, UsageError

if TYPE_CHECKING:
    from stemfx.analysis import Analysis
    from stemfx.cache import Cache
    from stemfx.music_reading import Told
    from stemfx.stage import Finding


def analyze(
    files: Annotated[
        list[Path], typer.Argument(help="Songs, or folders: all audio files in them.")
    ],
    separate: Annotated[
        bool, typer.Option("--separate", help="Read beat and key from separated stems.")
    ] = False,
    bpm: Annotated[
        float | None,
        typer.Option(min=20, max=400, help="The tempo, within 4 %, where it is misheard."),
    ] = None,
    downbeat: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Where a bar begins: seconds, or 1:02.5."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The key, such as 'A minor', where it is misheard.")
    ] = None,
    beats: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A beat tracker; `stemfx plugins` lists them."),
    ] = None,
    model: a.Model = None,
    quality: a.Quality = None,
    device: a.Device = "auto",
    offline: a.Offline = False,
    accept_noncommercial: a.AcceptNoncommercial = False,
    no_cache: a.NoCache = False,
    json: a.Json = False,
) -> int:
    """Read tempo, beats, bars, key, tuning, sections and loudness of songs.

    What is unsure is said, with what to do about it. A file that cannot be read stops no other;
    then the exit code is 2.
    """
    from stemfx.analysis import How, analyse
    from stemfx.cli.analyze_table import print_song
    from stemfx.cli.screen import print_json, progress_bars, table_console
    from stemfx.registry import build_registry

    if (model or quality) and not separate:
        raise UsageError("it says how to separate; add --separate", where="--model, --quality")
    registry = build_registry()
    registry.beat_tracker(beats)  # before any work
    how = How(_told(bpm, downbeat, key), beats, separate)
    request = a.request_from(
        model=model,
        quality=quality,
        device=device,
        offline=offline,
        accept_noncommercial=accept_noncommercial,
    )
    done: list[Analysed] = []
    with _cache(keep=not no_cache) as cache, progress_bars() as observer:
        for path in dict.fromkeys(a.audio_paths(files)):
            if path.is_dir():
                done.append(_unreadable(path, "no audio files in this folder"))
                continue
            try:
                read = analyse(path, how, request, registry, cache, observer=observer)
                done.append(Analysed(path, read, read.findings))
            except AudioFileError as error:
                done.append(_unreadable(path, error.message))
    if json:
        print_json({"schema": 1, "files": [_json(one) for one in done]})
    else:
        console = table_console()
        for one in done:
            print_song(one.path, one.analysis, one.findings, console)
    return EXIT_EXPECTED if any(one.analysis is None for one in done) else EXIT_OK


@dataclass(frozen=True)
class Analysed:
    """One file and what was read of it; `analysis` is None where it could not be read."""

    path: Path
    analysis: Analysis | None
    findings: tuple[Finding, ...]


def _unreadable(path: Path, message: str) -> Analysed:
    from stemfx.stage import Finding

    return Analysed(path, None, (Finding("error", "unreadable", message),))


@contextmanager
def _cache(*, keep: bool) -> Iterator[Cache]:
    from stemfx.session import open_cache

    with open_cache(keep=keep) as cache:
        yield cache


def _told(bpm: float | None, downbeat: str | None, key: str | None) -> Told:
    """Return what the command line says of the songs.

    Raises:
        UsageError: one of the values cannot be used.
    """
    from stemfx.clock import parse_time
    from stemfx.dsp.transpose import parse_key
    from stemfx.music_reading import Told

    downbeat_s = None
    if downbeat is not None:
        try:
            downbeat_s = float(parse_time(downbeat))
        except (ValueError, TypeError):
            downbeat_s = -1.0
        if not 0 <= downbeat_s < 1e6:
            msg = f"{downbeat!r} is no time in a song; seconds such as 1.25, or 1:02.5"
            raise UsageError(msg, where="--downbeat")
    if key is not None:
        try:
            parse_key(key)
        except ValueError as error:
            raise UsageError(str(error), where="--key") from None
    return Told(bpm, downbeat_s, key or "")


def _json(one: Analysed) -> dict[str, Any]:
    from stemfx.alignment.camelot import camelot
    from stemfx.findings import finding_json

    told = {
        "file": str(one.path.absolute()),
        "findings": [finding_json(finding) for finding in one.findings],
    }
    if one.analysis is None:
        return told | {
            name: [] if name in ("beats_s", "downbeats_s", "sections") else None for name in _NAMES
        }
    reading, level = one.analysis.reading.to_json(), one.analysis.level
    key = reading["key"]
    unknown_where_zero = ("bpm", "bpm_runner_up", "beats_per_bar")
    values = (
        reading
        | {name: level.get(name) for name in ("lufs", "true_peak_dbtp", "lra_lu")}
        | {name: reading[name] or None for name in (*unknown_where_zero, "key", "key_runner_up")}
        | {"camelot": camelot(key) if key else None}
    )
    return told | {name: values[name] for name in _NAMES}


_NAMES = (
    *("bpm", "bpm_confidence", "bpm_runner_up", "bpm_margin", "steady", "beats_per_bar"),
    *("beats_s", "downbeats_s", "key", "key_confidence", "key_runner_up", "camelot"),
    *("tuning_cents", "lufs", "true_peak_dbtp", "lra_lu", "duration_s", "sections"),
)
"""What JSON says of a file, beside `file` and `findings`."""
