"""Where results come from: `run.json`, which every run leaves in the folder of its results.

It holds what decides the result (recipe and settings, the hashes of songs, assets and weights, the
versions of plugins and libraries, seeds) and what came out, by hash; so anybody can tell whether a
file is the one that was made, of what, and what that may be used for. Times are not in it: equal
runs leave equal records.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from stemfx import __version__
from stemfx.errors import StemfxError
from stemfx.graph import Apply, Node, seed_of
from stemfx.io import file_sha256, write_text
from stemfx.licences import licence_class, strictest
from stemfx.plan import RECORD, Plan
from stemfx.recipe import Recipe
from stemfx.registry import SUITE, Registry
from stemfx.requirements import Requirements, requirements, unclear_licences
from stemfx.run import Outcome
from stemfx.shown import json_text
from stemfx.stage import Finding

FORMAT = 1
_LARGEST = 4 << 20


def keep_record(outcome: Outcome, registry: Registry, authors: Path | None = None) -> Outcome:
    """Write the record of a run beside its results; return the run with what there is to say of it.

    A file of that name that stemfx has not written is somebody's own, and stays.

    Args:
        outcome: the run.
        registry: of what is installed.
        authors: the record that came with a bundle, to be compared with.

    Raises:
        OutputError: it cannot be written.
    """
    path = outcome.plan.record
    if path is None:
        return outcome
    own = record(outcome.plan, registry)
    told = [] if authors is None else list(compared(read_record(authors) or {}, own))
    if path.exists() and read_record(path) is None:
        message = (
            f"{path} is there and no record of stemfx; it was not written over, so nothing says "
            "where these results come from: move it, or pass --out DIR"
        )
        told.append(Finding("warn", "record_in_the_way", message))
        outcome = replace(outcome, plan=replace(outcome.plan, record=None))
    else:
        write_text(path, json_text(own, indent=1) + "\n")
    return replace(outcome, notices=(*outcome.notices, *told))


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the record that a run has left; None when a file is none. Nothing in it is checked."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and "stemfx_run" in content else None


def record_of(recipe: Recipe, needed: Requirements) -> Path | None:
    """Return the record in the recipe's folder, if a run of just this recipe has left it.

    Just this: with all files as they are now.
    """
    path = recipe.folder / RECORD
    found = read_record(path)
    assets = {str(a.path): _file(a.sha256, a.size_bytes) for a in needed.assets}
    is_named = any(asset.file == path for asset in needed.assets)
    return path if found and found.get("assets") == assets and not is_named else None


def compared(theirs: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[Finding]:
    """Tell whether a run of the same songs and settings gave the same bytes as its author's.

    If not, then what differs of all that decides them. Of other songs there is nothing to tell.

    Args:
        theirs: a stranger's record: any of its values may be anything.
        own: that of the run that is over.
    """
    if _inputs(theirs) != _inputs(json.loads(json_text(own))):
        return
    results = {name: facts["sha256"] for name, facts in own["outputs"].items() if facts}
    differ = [n for n, sha in results.items() if _of(theirs, "outputs", n, "sha256") != sha]
    if not differ:
        message = "the results are the same, to the byte, as those of the bundle's author"
        yield Finding("info", "same_bytes", message)
        return
    because = [
        f"{name} {str(_of(theirs, *path, name))[:20]} (here: {version})"
        for path in (("made_with",), ("made_with", "packages"))
        for name, version in _text_of(own, *path).items()
        if _of(theirs, *path, name) != version
    ]
    others = f": made with {', '.join(because)}" if because else "; another processor may round so"
    yield Finding(
        "info",
        "other_bytes",
        f"{', '.join(differ)}: not the same bytes as those of the bundle's author{others}",
    )


def _inputs(content: Mapping[str, Any]) -> list[Any]:
    """Return what the result is made of: knobs, the part that is rendered, songs under any name."""
    songs = _of(content, "sources")
    sources = songs if isinstance(songs, Mapping) else {}
    hashes = {
        name: _of(files, "sha256") or {stem: _of(files, stem, "sha256") for stem in files}
        for name, files in sources.items()
        if isinstance(files, Mapping)
    }
    return [_of(content, "recipe", "params"), _of(content, "preview_s"), hashes]


def _of(content: Any, *path: str) -> Any:
    for name in path:
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def _text_of(content: Any, *path: str) -> dict[str, str]:
    found = _of(content, *path)
    return {name: value for name, value in found.items() if isinstance(value, str)}


def record(plan: Plan, registry: Registry) -> dict[str, Any]:
    """Return the record of a plan whose results are written, ready for JSON.

    Names of folders are not in it: it travels with the results.
    """
    recipe = plan.recipe
    needed = requirements(recipe, plan.separators, registry)
    return {
        "stemfx_run": FORMAT,
        "made_with": {
            "stemfx": __version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "packages": dict(_packages()),
        },
        "recipe": {
            "file": recipe.path.name,
            "title": recipe.title,
            "author": recipe.author,
            "licence": recipe.licence,
            "params": dict(recipe.values),
        },
        "preview_s": plan.preview_s,
        "sources": _sources(plan),
        "assets": {str(a.path): _file(a.sha256, a.size_bytes) for a in needed.assets},
        "plugins": [asdict(plugin) for plugin in needed.plugins],
        "models": [asdict(model) for model in needed.models],
        "kits": [asdict(kit) for kit in needed.kits],
        "licences": _licences(plan, needed),
        "steps": [_step(node) for node in plan.nodes.values()],
        "outputs": _outputs(plan),
    }


def _packages() -> Iterator[tuple[str, str]]:
    """Yield name and version of every library that stemfx stands on."""
    for line in requires(SUITE) or []:
        found = re.match(r"[\w.-]+", line)
        if found and "extra ==" not in line:
            try:
                yield found[0], version(found[0])
            except PackageNotFoundError:
                continue


def _sources(plan: Plan) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for source in plan.recipe.sources.values():
        stems = source.stems or {}
        named = [*stems.items(), ("file", source.file), ("mixture", source.mixture)]
        files = {
            name: {"file": path.name, "sha256": plan.hashes[path]}
            for name, path in named
            if path is not None and path in plan.hashes
        }
        if files:
            told[source.name] = files.pop("file") if not stems else files
    return told


def _licences(plan: Plan, needed: Requirements) -> dict[str, Any]:
    """Return the class of everything together, and what keeps it from being `open`."""
    recipe = plan.recipe
    unclear = unclear_licences(recipe, needed)
    classes = [
        *(plugin.licence_class for plugin in needed.plugins),
        *(model.licence_class for model in needed.models),
        *(kit.licence_class for kit in needed.kits),
    ]
    return {
        "recipe": licence_class(recipe.licence),
        "together": strictest(classes),
        "may_be_sold": not unclear,
        "unclear": [problem.message for problem in unclear],
    }


def _step(node: Node) -> dict[str, Any]:
    seed = {"seed": seed_of(node)} if isinstance(node.work, Apply) else {}
    return {"id": node.id, "op": node.op, "key": node.key, **seed}


def _outputs(plan: Plan) -> dict[str, Any]:
    """Return size and hash of every result; of a report neither, since it tells the time too."""
    found: Mapping[str, Path] = {
        path.relative_to(plan.out_folder).as_posix(): path
        for path in plan.targets
        if path not in {plan.record, plan.report}
    }
    told: dict[str, Any] = {}
    for name, path in sorted(found.items()):
        try:
            told[name] = _file(file_sha256(path), path.stat().st_size)
        except (StemfxError, OSError):  # somebody has taken it away since
            told[name] = None
    return told


def _file(sha256: str, size_bytes: int) -> dict[str, Any]:
    return {"sha256": sha256, "size_bytes": size_bytes}
