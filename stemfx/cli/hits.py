"""`stemfx hits`: what a drum stem plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfx.cli import arguments as a
from stemfx.errors import EXIT_EXPECTED, EXIT_OK, PluginError, StemfxError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from stemfx.hits import Hit, HitClassifier
    from stemfx.registry import Registry
    from stemfx.stage import Finding


def hits(
    files: Annotated[list[Path], typer.Argument(help="Drum stems.")],
    midi: Annotated[
        Path | None, typer.Option("--midi", help="Write the hits of the one FILE as a MIDI file.")
    ] = None,
    classifier: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="What tells the drums apart; `stemfx plugins` lists them."
        ),
    ] = None,
    json: a.Json = False,
) -> int:
    """List the drum hits of stems: when, which drum, how hard (0 to 1).

    A file that cannot be read stops no other; then the exit code is 2.
    """
    from stemfx.cli.screen import print_json, table_console
    from stemfx.registry import build_registry

    paths = [a.user_path(name, "FILE") for name in files]
    target = None if midi is None else _midi_target(a.user_path(midi, "--midi"), len(paths))
    chosen = _classifier(build_registry(), classifier)
    heard = [_hear(path, chosen) for path in paths]
    if target is not None and heard[0].is_readable:
        from stemfx.hit_files import midi_bytes
        from stemfx.io import write_bytes

        write_bytes(target, midi_bytes(heard[0].hits, paths[0].stem))
    if json:
        print_json({"schema": 1, "files": [_json(one) for one in heard]})
    else:
        console = table_console()
        for one in heard:
            _print(one, console)
    return EXIT_OK if all(one.is_readable for one in heard) else EXIT_EXPECTED


@dataclass(frozen=True)
class Heard:
    """One file and what was heard in it."""

    path: Path
    hits: Sequence[Hit]
    findings: Sequence[Finding]
    is_readable: bool = True


def _midi_target(path: Path, n_files: int) -> Path:
    """Return where the MIDI file goes.

    Raises:
        UsageError: it cannot hold the hits of several files, has another suffix, or somebody has
            edited what is there.
    """
    from stemfx.hit_files import is_edited

    if n_files > 1:
        msg = f"a MIDI file holds the hits of one FILE, and {n_files} are given"
        raise UsageError(msg, where="--midi")
    if path.suffix.lower() not in (".mid", ".midi"):
        raise UsageError(f"{path.name!r} should end in .mid", where="--midi")
    if path.exists() and is_edited(path):
        msg = f"{path.name!r} was edited, or is not from stemfx; say another name, or delete it"
        raise UsageError(msg, where="--midi")
    return path


def _classifier(registry: Registry, name: str | None) -> HitClassifier:
    """Return a hit classifier by its name; the default one if none is named.

    Raises:
        PluginError: two plugins offer it.
        UsageError: it is unknown.
    """
    from stemfx.drums import DEFAULT_CLASSIFIER
    from stemfx.recipe.wording import unknown

    name = DEFAULT_CLASSIFIER if name is None else name
    if found := registry.hit_classifiers.get(name):
        return found
    if clash := registry.clashes.get(("hit classifier", name)):
        raise PluginError(clash)
    raise UsageError(
        unknown(name, "the hit classifiers", registry.hit_classifiers), where="--classifier"
    )


def _hear(path: Path, classifier: HitClassifier) -> Heard:
    from stemfx.drums.find import find_hits
    from stemfx.io import FileSignal, probe
    from stemfx.session import open_cache
    from stemfx.slicing.decoded import decoded
    from stemfx.stage import Finding

    try:
        file = FileSignal(probe(path, min_duration_s=0.0), fold=True)
        with open_cache(keep=False) as scratch:  # classifiers may read here and there
            found = find_hits(decoded(file, scratch)[0], classifier)
    except PluginError:
        raise
    except StemfxError as error:
        return Heard(path, (), [Finding("error", "unreadable", error.message)], is_readable=False)
    if not found:
        message = "no drum hits were heard; is this a drum stem?"
        return Heard(path, (), [Finding("warn", "no_hits", message)])
    return Heard(path, found, [])


def _json(one: Heard) -> dict[str, Any]:
    from stemfx.findings import finding_json
    from stemfx.hit_files import to_json

    return {
        "file": str(one.path.absolute()),
        "hits": to_json(one.hits),
        "findings": [finding_json(finding) for finding in one.findings],
    }


def _print(one: Heard, console: Console) -> None:
    from rich.table import Table

    from stemfx.finding_lines import finding_text
    from stemfx.hits import DRUM_CLASSES
    from stemfx.shown import plain

    console.print(plain(one.path, "bold"), soft_wrap=True)
    for finding in one.findings:
        console.print(finding_text(finding, indent="  "), soft_wrap=True)
    if not one.hits:
        return
    counts = {name: sum(hit.drum_class == name for hit in one.hits) for name in DRUM_CLASSES}
    told_counts = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
    console.print(plain(f"  {len(one.hits)} hits: {told_counts}"), soft_wrap=True)
    table = Table("time", "drum", "velocity")
    for hit in one.hits:
        minutes, seconds = divmod(hit.time_s, 60)
        table.add_row(f"{int(minutes)}:{seconds:06.3f}", hit.drum_class, f"{hit.velocity:.2f}")
    console.print(table)
