"""`stemfx rank`: takes of one song in order, with reasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfx.cli import arguments as a
from stemfx.errors import (
    EXIT_EXPECTED,
    EXIT_OK,
    AudioFileError,
    OutputError,
    StemfxError,
    UsageError,
)

if TYPE_CHECKING:
    from stemfx.music_reading import MusicReading
    from stemfx.ranking.measurements import Measure, Measurements
    from stemfx.ranking.order import Ranked
    from stemfx.registry import Registry
    from stemfx.session import Request


def rank(
    files: Annotated[
        list[Path], typer.Argument(help="Takes of one song, or folders: all audio files in them.")
    ],
    stems: Annotated[
        bool, typer.Option("--stems", help="Separate them, and rank each stem by itself, too.")
    ] = False,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", help="What counts how much, where it differs from the usual."),
    ] = None,
    model: a.Model = None,
    quality: a.Quality = None,
    device: a.Device = "auto",
    offline: a.Offline = False,
    accept_noncommercial: a.AcceptNoncommercial = False,
    no_cache: a.NoCache = False,
    json: a.Json = False,
) -> int:
    """Order takes of one song by their faults: clipping, codecs, noise, mono, tempo, endings ...

    Every number is measured, and nothing of it says which song is better. Loudness counts for
    nothing. A file that cannot be read comes last, and then the exit code is 2.
    """
    from stemfx.cli.rank_table import print_ranking
    from stemfx.cli.screen import file_progress, print_json, table_console
    from stemfx.ranking.measurements import STEM, TAKE
    from stemfx.ranking.order import ranked
    from stemfx.weight_files import SHIPPED, read_weights

    if (model or quality) and not stems:
        raise UsageError("it says how to separate; add --stems", where="--model, --quality")
    path = None if weights is None else a.user_path(weights, "--weights")
    counts = read_weights(path)
    request = a.request_from(
        model=model,
        quality=quality,
        device=device,
        offline=offline,
        accept_noncommercial=accept_noncommercial,
    )
    paths = dict.fromkeys(one.absolute() for one in a.audio_paths(files))
    with file_progress("rank") as began:
        takes = [_measure(one, began(one, i, len(paths))) for i, one in enumerate(paths)]
    readable = {str(one.path): one.measurements for one in takes if one.measurements is not None}
    order = ranked(readable, counts.take)
    of_stems: dict[str, list[Ranked]] = {}
    if stems:
        measured = _measure_stems(takes, request, keep=not no_cache)
        of_stems = {name: ranked(of, counts.stem) for name, of in measured.items()}
    used = str((path or SHIPPED).absolute())
    broken = [one for one in takes if one.error]
    if json:
        told: dict[str, Any] = {
            "schema": 1,
            "files": [_json(one, TAKE) for one in order] + [_broken_json(one) for one in broken],
            "weights": used,
        }
        if stems:
            told["stems"] = {
                name: [_json(one, STEM) for one in of] for name, of in of_stems.items()
            }
            told["not_separated"] = [
                {"file": str(one.path), "reason": one.no_stems} for one in takes if one.no_stems
            ]
        print_json(told)
    else:
        errors = {str(one.path): f"it cannot be read: {one.error}" for one in broken}
        errors |= {str(one.path): f"no stems: {one.no_stems}" for one in takes if one.no_stems}
        print_ranking(order, of_stems, errors, used, table_console())
    return EXIT_EXPECTED if broken else EXIT_OK


@dataclass
class Take:
    """One file and what was measured of it.

    Args:
        path: of the file.
        measurements: None where it could not be read.
        reading: its beats.
        error: why it could not be read.
        no_stems: why it could not be separated.
    """

    path: Path
    measurements: Measurements | None = None
    reading: MusicReading | None = None
    error: str = ""
    no_stems: str = ""


def _measure(path: Path, advanced: Callable[[float], None]) -> Take:
    from stemfx.health import FileFacts
    from stemfx.io import FileSignal, probe
    from stemfx.music.read import read_music
    from stemfx.ranking.measure import measure_take

    if path.is_dir():
        return Take(path, error="no audio files in this folder")
    try:
        info = probe(path, min_duration_s=0.0)
        signal = FileSignal(info, fold=True)
        reading = read_music(signal, {})
        advanced(0.4)
        facts = FileFacts(info.bit_depth is None, info.channels, info.format)
        return Take(path, measure_take(signal, reading, facts), reading)
    except StemfxError as error:
        return Take(path, error=error.message)


# --- stems -------------------------------------------------------------------------------


def _measure_stems(
    takes: Sequence[Take], request: Request, *, keep: bool
) -> dict[str, dict[str, Measurements]]:
    """Separate every take that can be, and return the measurements of each stem by file.

    One that is no song (too short, say) is noted and left out.
    """
    from stemfx.registry import build_registry

    registry = build_registry()
    found: dict[str, dict[str, Measurements]] = {}
    for take in takes:
        if take.measurements is None:
            continue
        try:
            measured = _stems_of(take, request, registry, keep=keep)
        except AudioFileError as error:
            take.no_stems = error.message
            continue
        for name, of in measured.items():
            found.setdefault(name, {})[str(take.path)] = of
    return found


def _stems_of(
    take: Take, request: Request, registry: Registry, *, keep: bool
) -> Mapping[str, Measurements]:
    """Separate one take through the cache, and measure its stems.

    Raises:
        StemfxError: it cannot be separated.
    """
    import tempfile

    from stemfx.cli.screen import progress_bars
    from stemfx.io import FileSignal, probe
    from stemfx.ranking.stems import measure_stems
    from stemfx.recipe import Member, Separate
    from stemfx.recipe.separate import effort_of
    from stemfx.run import run
    from stemfx.session import open_cache, prepare, recipe_for_stems
    from stemfx.slicing.decoded import decoded

    where = str(take.path)
    effort, asked = effort_of("normal", {})
    how = Separate(members=(Member("auto", where),), where=where, effort=effort, asked=asked)
    recipe, choices = recipe_for_stems(take.path, request, registry, separate=how)
    with (
        open_cache(keep=keep) as cache,
        open_cache(keep=False) as scratch,
        tempfile.TemporaryDirectory(prefix="stemfx-", dir=scratch.root) as folder,
        progress_bars() as observer,
    ):
        plan, notices = prepare(
            recipe, Path(folder), request, registry, may_fetch=True, choices=choices
        )
        run(plan, cache, observer=observer, notices=notices)
        stems = {}
        for name, port in zip(recipe.tracks, plan.nodes[plan.outputs["stems"]].inputs, strict=True):
            entry = cache.lookup(plan.nodes[port.node].key)
            if entry is None:  # a cache that is too small for one song
                raise OutputError("its stems do not fit the cache; see `stemfx cache`", where=where)
            stems[name] = entry.signals[port.signal]
        song, _ = decoded(FileSignal(probe(take.path), fold=True), scratch)
        measured = take.measurements or {}
        return measure_stems(
            stems, song, take.reading, clip_level_dbfs=measured.get("clip_level_dbfs")
        )


# --- telling -----------------------------------------------------------------------------


def _json(one: Ranked, table: Mapping[str, Measure]) -> dict[str, Any]:
    from stemfx.ranking.measurements import rounded

    return {
        "file": one.name,
        "rank": one.rank,
        "score": round(one.score, 2),
        "measurements": rounded(one.measurements, table),
        "reasons": one.reasons,
        "faults": [
            {"fault": f.name, "share": round(f.share, 4), "points": round(f.points, 2)}
            for f in one.faults
        ],
        "ahead": one.ahead,
    }


def _broken_json(one: Take) -> dict[str, Any]:
    return {
        "file": str(one.path),
        "rank": None,
        "score": None,
        "measurements": None,
        "reasons": [f"it cannot be read: {one.error}"],
        "faults": [],
        "ahead": "",
    }
