"""What the page of a run tells, but for sounds and pictures: plain values.

Every run leaves its story in the cache, so that `stemfx report` can make the page of a run that is
over, from what the cache still has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stemfx import __version__
from stemfx.cache import Cache
from stemfx.findings import finding_json
from stemfx.graph import Apply, FindHits, Judge, LayOut, Node, Port
from stemfx.operations_checks import verdicts_of
from stemfx.page.points import Points
from stemfx.plan import Plan
from stemfx.report import output_paths, separators_json
from stemfx.report_words import in_words
from stemfx.run import NodeResult, Outcome
from stemfx.shown import json_text

FORMAT = 1
_MOST_KEPT = 200


def story_of(outcome: Outcome, record: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the story of a run.

    Args:
        outcome: the run.
        record: its `run.json`, if it left one.
    """
    plan = outcome.plan
    recipe, points = plan.recipe, Points(plan)
    return {
        "format": FORMAT,
        "title": recipe.title or recipe.path.stem,
        "recipe_file": recipe.path.name,
        "made_with": __version__,
        "preview_s": plan.preview_s,
        "sample_rate": plan.sample_rate,
        "duration_s": plan.duration_s,
        "target": _target(plan),
        "keys": {node.id: node.key for node in plan.listening.nodes.values()},
        "points": [point.told() for point in points],
        "lanes": [lane.told() for lane in points.lanes],
        "steps": [_step(plan, node, points) for node in outcome.nodes],
        "findings": [finding_json(finding, node=node) for node, finding in outcome.findings],
        "checks": list(_checks(plan, outcome.nodes)),
        "separation": _separation(plan, points),
        "hits": list(_hits(plan)),
        "grids": list(_grids(plan)),
        "receipts": [
            {
                "source": source,
                "mixture": _port(taken.mixture),
                "stems": {stem: _port(port) for stem, port in taken.stems.items()},
            }
            for source, taken in plan.listening.taken.items()
        ],
        "recipe": [{"file": file.name, "text": _text(file)} for file in recipe.files],
        "record": record,
        "models": list(_models(plan)),
        "outputs": dict(_outputs(plan)),
        "seconds": round(outcome.seconds, 2),
        "params": [
            {
                "name": knob.name,
                "value": recipe.values.get(knob.name, knob.default),
                "default": knob.default,
                "min": knob.min,
                "max": knob.max,
                "unit": knob.unit,
                "help": knob.help,
            }
            for knob in recipe.knobs.values()
        ],
    }


def _port(port: Port) -> dict[str, str]:
    return {"node": port.node, "signal": port.signal}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _target(plan: Plan) -> dict[str, float | None] | None:
    """Return the loudness and the ceiling that the last stages of the master hold, if any do."""
    lufs = ceiling_dbtp = None
    for call in plan.recipe.master:
        lufs = getattr(call.params, "target_lufs", lufs)
        if call.stage.ceiling is not None:
            ceiling_dbtp = call.stage.ceiling(call.params)
    if lufs is None and ceiling_dbtp is None:
        return None
    return {"lufs": lufs, "ceiling_dbtp": ceiling_dbtp}


def _step(plan: Plan, result: NodeResult, points: Points) -> dict[str, Any]:
    node = plan.nodes[result.id]
    lines = [verdict.line for verdict in _verdicts(node, result)]
    told: dict[str, Any] = {
        "node": result.id,
        "op": result.op,
        "status": result.status,
        "seconds": result.seconds,
        "words": "; ".join(lines) or in_words(result.measurements),
        "lane": None,
        "before": None,
        "after": None,
        "is_reduction": any(part in name for name in result.measurements for part in _LOWERS),
    }
    after = points.after(result.id)
    if isinstance(node.work, Apply) and after is not None:
        before = points.at(node.inputs[0])
        lane = next((one for one in points.lanes if after.id in (*one.points, *one.early)), None)
        told |= {"lane": lane and lane.told()["id"], "before": before, "after": after.id}
    return told


_LOWERS = ("reduction", "_cut_db", "depth_db")
"""What the measurements of a stage are called that turns something down."""


def _verdicts(node: Node, result: NodeResult) -> Iterator[Any]:
    if isinstance(node.work, Judge):
        yield from verdicts_of(node.work, result.measurements)


def _checks(plan: Plan, results: tuple[NodeResult, ...]) -> Iterator[dict[str, Any]]:
    for result in results:
        for verdict in _verdicts(plan.nodes[result.id], result):
            yield {"passed": verdict.passed, "line": verdict.line}


def _separation(plan: Plan, points: Points) -> dict[str, Any]:
    """Return, for each song, the points of its mixture and of those stems that are points."""
    told = {}
    for source, taken in plan.listening.taken.items():
        stems = {stem: points.at(port) for stem, port in taken.stems.items()}
        stems = {stem: point for stem, point in stems.items() if point is not None}
        if stems:
            told[source] = {"mixture": points.at(taken.mixture), "stems": stems}
    return told


def _hits(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield where the drum hits of each track are, and which classes are replaced."""
    nodes = plan.nodes.values()
    for node in nodes:
        if not isinstance(node.work, FindHits):
            continue
        lane = node.id.partition("/hits")[0]
        told = [n.work for n in nodes if isinstance(n.work, Apply) and _reads(n, node)]
        classes = [getattr(work.call.params, "classes", None) or () for work in told]
        replaced = dict.fromkeys(str(name) for names in classes for name in names)
        *early, _ = plan.listening.chains.get(lane, ((), ()))
        source = plan.recipe.tracks[lane].source if lane in plan.recipe.tracks else None
        is_early = source is not None and any(node.inputs[0] in ports for ports in early)
        yield {
            "lane": lane,
            "node": node.id,
            "replaced": list(replaced),
            "source": source,
            "aligned_by": _layout(plan, source) if source and is_early else None,
        }


def _reads(node: Node, other: Node) -> bool:
    return any(port.node == other.id for port in node.inputs)


def _grids(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield where the readings of the songs are, and that of the time that they share."""
    for source, port in plan.listening.readings.items():
        yield {"source": source, "node": port.node, "aligned_by": _layout(plan, source)}


def _layout(plan: Plan, source: str) -> str | None:
    """Return the node that decided where every moment of a song sounds, if one did."""
    for node in plan.nodes.values():
        if isinstance(node.work, LayOut) and source in node.work.sources:
            return node.id
    return None


def _models(plan: Plan) -> Iterator[dict[str, Any]]:
    for source, told in separators_json(plan).items():
        for model in told.get("models", [told]):
            yield {
                "source": source,
                **{name: model[name] for name in ("model", "licence", "licence_class", "weights")},
            }


def _outputs(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield what each result is, and its path from the folder of the run."""
    for name, path in output_paths(plan).items():
        named = path if isinstance(path, dict) else {"": path}
        for part, file in named.items():
            if isinstance(file, str) and name != "report":
                label = f"{name} {part}" if part else name
                yield label, Path(file).relative_to(plan.out_folder).as_posix()


# --- keeping -----------------------------------------------------------------------------


def keep_story(story: Mapping[str, Any], record: Path, cache: Cache) -> None:
    """Leave a story in the cache, to be found by the `run.json` of its run."""
    cache.keep_document("runs", _name(record), json_text(story), most=_MOST_KEPT)


def kept_story(record: Path, cache: Cache) -> dict[str, Any] | None:
    """Return the story of the run that left a `run.json`; None where the cache has none."""
    text = cache.document("runs", _name(record))
    story = None if text is None else json.loads(text)
    return story if isinstance(story, dict) and story.get("format") == FORMAT else None


def _name(record: Path) -> str:
    return hashlib.sha256(record.read_bytes()).hexdigest()
