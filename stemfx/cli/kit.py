"""`stemfx kit`: what stemfx understood of a drum kit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfx.cli import arguments as a
from stemfx.errors import KitError, UsageError

if TYPE_CHECKING:
    from stemfx.kit import Kit
    from stemfx.kit_files.parts import Drum, Layer, Source, Take

_SHOWN_IGNORED = 10


def kit(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE|DIR|NAME]",
            help="A folder of samples, an .sfz, an .h2drumkit, or an installed kit.",
        ),
    ] = None,
    audition: Annotated[
        Path | None,
        typer.Option("--audition", metavar="FILE.wav", help="Write all its drums, soft to hard."),
    ] = None,
    json: a.Json = False,
) -> None:
    """Show a drum kit: its drums by class, velocity layers, takes, and what is not played.

    Without a name the installed kits are listed.
    """
    from stemfx.cli.screen import print_json, table_console
    from stemfx.kit_files import FileKit
    from stemfx.registry import build_registry
    from stemfx.shown import plain

    installed = build_registry().kits
    if name is None:
        _list(list(installed.values()), json=json)
        return
    found = _find(name, installed)
    if audition is not None:
        _audition(found, a.user_path(audition, "--audition"))
    if json:
        print_json({"schema": 1, "kit": to_json(found)})
        return
    console = table_console()
    console.print(plain(found.name, "bold"), plain(f"({_facts(found)})"), soft_wrap=True)
    console.print(_table(found))
    several = next((c for c in found.classes if len(found.variants(c)) > 1), None)
    if several:
        usual, other, *_ = found.variants(several)
        console.print(
            plain(
                f"Of a class the first drum ({several}: {usual}) is played; to choose another: "
                f"`variants: {{{several}: {_in_yaml(other)}}}`"
            ),
            soft_wrap=True,
        )
    if isinstance(found, FileKit) and found.ignored:
        console.print(plain(f"Not played ({len(found.ignored)}):"))
        for each in found.ignored[:_SHOWN_IGNORED]:
            console.print(plain(f"  {each.name}: {each.reason}"), soft_wrap=True)
        if len(found.ignored) > _SHOWN_IGNORED:
            console.print(plain("  ... (all with --json)"))


def _find(name: str, installed: Mapping[str, Kit]) -> Kit:
    from stemfx.kit_files import read_kit
    from stemfx.recipe.problems import did_you_mean

    if name in installed:
        return installed[name]
    path = a.user_path(name, "KIT")
    if not path.exists():
        near = did_you_mean(name, installed)
        raise KitError(
            f"there is no such kit, neither a file or folder nor an installed one{near} "
            f"(installed: {', '.join(installed)})",
            where=name,
        )
    return read_kit(path)


def _list(kits: Sequence[Kit], *, json: bool) -> None:
    from rich.table import Table

    from stemfx.cli.screen import print_json, table_console
    from stemfx.shown import plain

    if json:
        print_json({"schema": 1, "kits": [to_json(each) for each in kits]})
        return
    table = Table("kit", "what it is", "classes", "licence")
    for each in kits:
        table.add_row(*map(plain, (each.name, each.summary, ", ".join(each.classes), each.licence)))
    table_console().print(table)


# --- telling -----------------------------------------------------------------------------


def _facts(found: Kit) -> str:
    from stemfx.kit_files import FileKit

    author = f" by {found.author}" if isinstance(found, FileKit) and found.author else ""
    return f"{found.summary}{author}; {found.licence or 'licence not stated'}"


def _in_yaml(text: str) -> str:
    """Write a name as YAML takes it for a text: `808` is a number without quotes."""
    from stemfx.recipe.yaml_tree import resolve

    is_plain = isinstance(resolve(text), str) and all(c.isalnum() or c in " _-" for c in text)
    return text if is_plain and text[:1].isalnum() else f'"{text}"'


def to_json(found: Kit) -> dict[str, Any]:
    """Return what `--json` prints of a kit; levels of samples are not measured."""
    from stemfx.kit_files import FileKit

    told: dict[str, Any] = {
        "name": found.name,
        "summary": found.summary,
        "licence": found.licence,
        "classes": {},
    }
    for drum_class in found.classes:
        told["classes"][drum_class] = {
            "choke_group": found.choke_group(drum_class),
            "variants": [
                _drum_json(found.drum(drum_class, variant), is_unpacked=found.is_unpacked)
                if isinstance(found, FileKit)
                else {"name": variant, "takes": found.n_takes(drum_class, 1.0, variant)}
                for variant in found.variants(drum_class)
            ],
        }
    if isinstance(found, FileKit):
        told |= {
            "format": found.format,
            "author": found.author,
            "identity": found.identity(),
            "ignored": [{"name": each.name, "reason": each.reason} for each in found.ignored],
        }
    return told


def _drum_json(drum: Drum, *, is_unpacked: bool) -> dict[str, Any]:
    return {
        "name": drum.name,
        "layers": [
            {
                "low": round(layer.low, 4),
                "high": round(layer.high, 4),
                "takes": [[_source_json(s, is_unpacked) for s in take] for take in layer.takes],
            }
            for layer in drum.layers
        ],
    }


def _source_json(source: Source, is_unpacked: bool) -> dict[str, Any]:
    return {
        "name": source.name,
        "file": None if is_unpacked else str(source.info.path.absolute()),
        "sample_rate": source.info.sample_rate,
        "channels": source.info.channels,
        "bit_depth": source.info.bit_depth,
        "duration_s": round(source.info.duration_s, 4),
        "gain_db": source.gain_db,
        "tune_semitones": source.tune_semitones,
    }


def _table(found: Kit) -> Any:
    from rich.table import Table

    from stemfx.kit_files import FileKit
    from stemfx.shown import plain

    table = Table()
    table.add_column("class")
    table.add_column("drum", overflow="fold")
    for title in ("layers", "takes", "length", "Hz", "channels"):
        table.add_column(title, justify="right")
    table.add_column("chokes")
    table.add_column("hardest sample", overflow="fold")
    for drum_class in found.classes:
        choke = found.choke_group(drum_class) or ""
        for i, variant in enumerate(found.variants(drum_class)):
            if isinstance(found, FileKit):
                cells = _cells(found.drum(drum_class, variant))
            else:
                cells = ("", str(found.n_takes(drum_class, 1.0, variant)), "", "", "", "")
            row = ("" if i else drum_class, variant, *cells[:5], "" if i else choke, cells[5])
            table.add_row(*map(plain, row))
    return table


def _cells(drum: Drum) -> tuple[str, str, str, str, str, str]:
    infos = [source.info for source in drum.sources()]
    takes = [len(layer.takes) for layer in drum.layers]
    return (
        str(len(drum.layers)),
        _span(takes, str),
        _span([info.duration_s for info in infos], lambda s: f"{s:.2f}") + " s",
        _span([info.sample_rate for info in infos], str),
        _span([info.channels for info in infos], str),
        _hardest(drum.layers[-1]),
    )


def _hardest(layer: Layer) -> str:
    take: Take = layer.takes[0]
    return " + ".join(source.name for source in take)


def _span(values: Sequence[Any], told: Any) -> str:
    low, high = told(min(values)), told(max(values))
    return low if low == high else f"{low}-{high}"


# --- hearing -----------------------------------------------------------------------------


def _audition(found: Kit, path: Path) -> None:
    """Write every drum of a kit at four velocities, half a second apart."""
    from stemfx.audio import Audio
    from stemfx.io import encoding_for, write
    from stemfx.kit_files.audition import render

    if path.suffix.lower() not in (".wav", ".flac"):
        raise UsageError(f"{path.name!r}: write .wav or .flac", where="--audition")
    if path.exists() and any(path.samefile(file) for file in found.files):
        raise UsageError(f"{path} is a sample of the kit; name another file", where="--audition")
    heard: Audio = render(found, 44_100)
    write(path, heard, encoding_for(path, 24, None))
