"""`stemfx pack`: a recipe and all that it names, in one file to send."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfx.cli import arguments as a
from stemfx.shown import size_text

if TYPE_CHECKING:
    from stemfx.bundle.packing import Packed

_SHOWN_FILES = 20


def pack(
    recipe: a.Recipe,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="The bundle; default: NAME.stemfx beside RECIPE."
        ),
    ] = None,
    with_sources: Annotated[
        bool, typer.Option("--with-sources", help="Pack the music too: send what is yours to send.")
    ] = False,
    source: a.Sources = None,
    accept_noncommercial: a.AcceptNoncommercial = False,
    json: a.Json = False,
) -> None:
    """Pack a recipe with all files that it names into one .stemfx file, the music aside."""
    from stemfx.bundle import SUFFIX
    from stemfx.bundle.needs import all_needs
    from stemfx.bundle.packing import pack as pack_recipe
    from stemfx.cli.screen import print_json, table_console
    from stemfx.provenance import record_of
    from stemfx.registry import build_registry
    from stemfx.session import Request, load_recipe
    from stemfx.shown import plain

    registry = build_registry()
    request = Request(
        sources=a.parse_sources(source),
        accept_noncommercial=accept_noncommercial,
        needs_sources=with_sources,
    )
    read, folder = load_recipe(a.name_or_path(recipe, "RECIPE"), request, registry)
    target = folder / f"{read.path.stem}{SUFFIX}" if out is None else a.user_path(out, "-o")
    usual, needed = all_needs(read, request, registry)
    packed = pack_recipe(
        read,
        needed,
        target.absolute(),
        registry,
        with_sources=with_sources,
        record=record_of(read, usual),
    )
    missing = [name for name in read.sources if not _is_packed(name, packed)]
    if json:
        print_json(_json(packed, missing))
        return
    console = table_console()
    for line in _lines(packed, missing):
        console.print(plain(line), soft_wrap=True)


def _is_packed(source: str, packed: Packed) -> bool:
    return any(key.partition("/")[0] == source for key in packed.manifest.sources)


def _json(packed: Packed, missing: list[str]) -> dict[str, Any]:
    manifest = packed.manifest.model_dump()
    files = [{"path": name, **manifest["files"][name]} for name in packed.manifest.names]
    told = ("recipe", "title", "sources", "plugins", "models", "kits")
    return {
        "schema": 1,
        "bundle": str(packed.path),
        "size_bytes": packed.size_bytes,
        "sha256": packed.sha256,
        **{key: manifest[key] for key in told},
        "files": files,
        "sources_to_give": missing,
        "not_locked": packed.unlocked,
    }


def _lines(packed: Packed, missing: list[str]) -> Iterator[str]:
    manifest = packed.manifest
    yield f"{packed.path}: {size_text(packed.size_bytes)}, SHA-256 {packed.sha256}"
    yield f"holds {_files(len(manifest.files))}:"
    for name in manifest.names[:_SHOWN_FILES]:
        file = manifest.files[name]
        yield f"  {name} ({file.role}, {size_text(file.size_bytes)})"
    left = manifest.names[_SHOWN_FILES:]
    if left:
        roles = Counter(manifest.files[name].role for name in left)
        told = ", ".join(f"{count} {role}" for role, count in sorted(roles.items()))
        yield f"  and {len(left)} more (all with --json): {told}"
    yield "needs:"
    for plugin in manifest.plugins:
        facts = f"{plugin.distribution} {plugin.version} ({_licence(plugin.licence)})"
        yield f"  package {facts}: {', '.join(plugin.offers)}"
    for model in manifest.models:
        yield f"  model {model.name} ({_licence(model.licence)}) for {', '.join(model.sources)}"
    for name in missing:
        yield f"  the music, with --source {name}=FILE"
    for name in packed.unlocked:
        yield (
            f"not locked: the weights of {name} are not here, so nobody can tell whether theirs "
            f"are the same; `stemfx models fetch {name}` gets them, then pack again"
        )


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _licence(text: str) -> str:
    return text or "licence not stated"
