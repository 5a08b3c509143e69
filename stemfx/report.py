"""What a run tells: one closing table for people, one JSON object for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemfx.finding_lines import finding_text
from stemfx.findings import finding_json
from stemfx.graph import (
    AUDIO,
    Deliver,
    Judge,
    Node,
    Residual,
    Result,
    Separate,
    Write,
    WriteHits,
    WritePair,
    WriteSession,
    WriteStemFile,
)
from stemfx.health.checks import Verdict
from stemfx.io import write_text
from stemfx.operations_checks import null_of, verdicts_of
from stemfx.plan import Plan
from stemfx.registry import weights_of
from stemfx.report_words import in_words
from stemfx.run import NodeResult, Outcome
from stemfx.separator import Separator
from stemfx.shown import json_text, plain, visible
from stemfx.stage import Finding, Measurement

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = 1
_STATUS_STYLE = {"done": "green", "cached": "dim", "failed": "red", "skipped": "dim"}

# --- JSON --------------------------------------------------------------------------------


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """Return the object that `stemfx run --json` prints; every path in it is absolute."""
    plan = outcome.plan
    return {
        "schema": SCHEMA,
        "recipe": str(plan.recipe.path.resolve()),
        "preview": plan.is_preview,
        "outputs": output_paths(plan),
        "master": master_reading(outcome),
        "deliveries": deliveries_json(plan, outcome.nodes),
        "nodes": [_node_json(node) for node in outcome.nodes],
        "separators": separators_json(plan),
        "null_db": null_db(outcome),
        "checks": checks_json(outcome),
        "findings": [finding_json(finding, node=node) for node, finding in outcome.findings],
        "seconds": round(outcome.seconds, 3),
    }


def checks_json(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the verdict on each of the recipe's checks; none where it has none."""
    return [verdict.to_json() for node in outcome.nodes for verdict in _verdicts(outcome, node)]


def _verdicts(outcome: Outcome, node: NodeResult) -> Sequence[Verdict]:
    work = outcome.plan.nodes[node.id].work
    return verdicts_of(work, node.measurements) if isinstance(work, Judge) else ()


def _node_json(node: NodeResult) -> dict[str, Any]:
    return {
        "id": node.id,
        "op": node.op,
        "status": node.status,
        "seconds": node.seconds,
        "measurements": dict(node.measurements),
        "findings": [finding_json(finding) for finding in node.findings],
    }


def output_paths(plan: Plan) -> dict[str, Any]:
    """Return the absolute paths of what a run writes.

    `master` is the first of `masters`; `stems`, `removed` (what stages took away), `hits` and
    `midi` (drum hits that were found) are by track; `ab` has `before` and `after`; `sessions` are
    the projects for DAWs, without their media, and `session` is the first of them; `report`;
    `record` says where all of it comes from.
    """
    paths: dict[str, Any] = {}
    for node in plan.nodes.values():
        if isinstance(node.work, WriteHits):
            files = list(map(str, node.work.paths))
            paths["hits"] = dict(zip(node.work.tracks, files[::2], strict=True))
            paths["midi"] = dict(zip(node.work.tracks, files[1::2], strict=True))
        elif isinstance(node.work, WritePair):
            paths["ab"] = dict(zip(("before", "after"), map(str, node.work.paths), strict=True))
        elif isinstance(node.work, Write):
            names = zip(node.work.names, map(str, node.work.paths), strict=True)
            paths[node.work.role] = dict(names)
    lists = {
        "master": _paths_of(plan, Deliver),
        "session": _paths_of(plan, WriteSession | WriteStemFile),
    }
    for name, files in reversed(lists.items()):
        if files:
            paths = {name: files[0], f"{name}s": files, **paths}
    if plan.report is not None:
        paths["report"] = str(plan.report)
    if plan.record is not None:
        paths["record"] = str(plan.record)
    return paths


def _paths_of(plan: Plan, kind: Any) -> list[str]:
    """Return the file that each node of a kind is there for."""
    return [str(n.work.path) for n in plan.nodes.values() if isinstance(n.work, kind)]


_OF_A_MASTER = (
    *("lufs", "max_short_term_lufs", "max_momentary_lufs", "lra_lu"),
    *("true_peak_dbtp", "sample_peak_dbfs", "plr_lu", "psr_lu", "duration_s", "sample_rate"),
)


def master_reading(outcome: Outcome) -> dict[str, Measurement | None] | None:
    """Return loudness, peaks, range, ratios and length of the master as it was written."""
    by_id = {node.id: node for node in outcome.nodes}
    outputs = outcome.plan.outputs
    measured, written = by_id.get(outputs.get("measure", "")), by_id.get(outputs.get("master", ""))
    if measured is None or written is None:
        return None
    told = dict(measured.measurements) | dict(written.measurements)
    return {name: told.get(name) for name in _OF_A_MASTER}


def deliveries_json(plan: Plan, nodes: Sequence[NodeResult]) -> list[dict[str, Any]]:
    """Return every file of the master with what came out when it was decoded."""
    told = []
    for node in nodes:
        work = plan.nodes[node.id].work
        if isinstance(work, Deliver):
            about: dict[str, Any] = {
                "file": str(work.path),
                "format": work.encoding.format,
                "bit_depth": work.encoding.bit_depth,
            }
            told.append(about | dict(node.measurements))
    return told


_STRICTNESS = ("open", "not stated", "non-commercial")


def separators_json(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return the models of every source: name, licence and state of the weights.

    Of several models the names and licences stand in one text each, and `models` has them apart.
    """
    told = {}
    for source, separators in plan.separators.items():
        models = [
            {
                "model": s.card.name,
                "licence": s.card.licence,
                "licence_class": s.card.licence_class,
                "weights": weights_of(s),
            }
            for s in separators
        ]
        classes = [m["licence_class"] for m in models]
        worst = next((m["weights"] for m in models if m["weights"] != "here"), "here")
        together = {
            "model": " + ".join(m["model"] for m in models),
            "licence": "; ".join(dict.fromkeys(m["licence"] for m in models)),
            "licence_class": max(classes, key=_STRICTNESS.index),
            "weights": worst,
        }
        told[source] = together | ({"models": models} if len(models) > 1 else {})
    return told


def null_db(outcome: Outcome) -> float | None:
    """Return the level of mixture minus sum of separated stems in dB relative to the mixture.

    It is about the separation, before any stage, fader or mix; of several sources the worst.
    With `residual: drop` the sum is that of the model's stems alone, so this is the level of what
    the model leaves unexplained. Otherwise (`other`, `spread`, `keep`) the residual is part of the
    sum; with `keep` also when no track plays it, and then the tracks that are heard add up to the
    mixture less the residual.

    None when nothing was separated, only some of the model's stems were computed, or the mixture
    is silent: nothing relates to silence.
    """
    name = "model_null_db" if outcome.plan.recipe.separate.residual == "drop" else "null_db"
    nulls = []
    for node in outcome.nodes:
        if not isinstance(outcome.plan.nodes[node.id].work, Residual):
            continue
        if (null := null_of(node.measurements, name)) is not None:
            nulls.append(null)
    return round(max(nulls), 2) if nulls else None


# --- for people --------------------------------------------------------------------------


def print_plan(plan: Plan, missing: set[str], notices: Sequence[Finding], console: Console) -> None:
    """Print the graph with hits and misses, models, licences, and what the misses will cost."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=plain(f"plan of {plan.recipe.path.name}"), title_justify="left")
    table.add_column("step", overflow="fold")
    table.add_column("reads", overflow="fold")
    table.add_column("cache")
    table.add_column("about", justify="right")
    for node in plan.nodes.values():
        reads = ", ".join(
            port.node if port.signal == AUDIO else f"{port.node}:{port.signal}"
            for port in node.inputs
        )
        state, cost = Text("hit", "dim"), ""
        if node.id in missing:
            state, cost = Text("run", "green"), f"{expected_seconds(node):.1f} s"
        table.add_row(plain(node.id), plain(reads), state, cost)
    console.print(table)
    for source, separator in _models(plan):
        card = separator.card
        weights = {
            "here": "weights here",
            "fetchable": f"{card.size_bytes / 1e6:.0f} MB will be fetched",
        }.get(weights_of(separator), "weights missing")
        licence = f"licence of the weights: {card.licence}"
        console.print(plain(f"{source}: {card.name}, {weights}, {licence}"))
    for notice in (*notices, *plan.findings):
        console.print(finding_text(notice))
    total_s = sum(expected_seconds(plan.nodes[name]) for name in missing)
    console.print(
        f"{_clock(plan.duration_s)} at {plan.sample_rate} Hz; {len(missing)} of "
        f"{len(plan.nodes)} steps to run, about {total_s:.0f} s of work on a laptop"
    )
    _print_paths(plan, console)


def _models(plan: Plan) -> list[tuple[str, Separator]]:
    """Return every model with the source that it separates."""
    return [(source, model) for source, models in plan.separators.items() for model in models]


def _print_paths(plan: Plan, console: Console) -> None:
    from rich.text import Text

    for name, path in _flat_paths(output_paths(plan)):
        line = Text.assemble((visible(f"{name}: "), "bold"), plain(path))
        console.print(line, soft_wrap=True)


_MODEL_START_S = 2.0
"""To load torch and the weights of a model, however short the song."""

# Seconds of work per second of stereo, measured on two laptop-class cores with three minutes.
_COST = {
    "decode": 0.001,
    "resample": 0.0015,
    "fit": 0.008,
    "combine": 0.004,
    "mask": 0.02,
    "residual": 0.002,
    "analysis": 0.02,
    "hits": 0.008,
    "stretch": 0.06,
    "comp": 0.003,
    "excerpt": 0.001,
    "best": 0.02,
    "judge": 0.02,
    "bleed": 0.02,
    "low_end": 0.01,
    "two_voices": 0.003,
    "music": 0.006,
    "replace_drums": 0.02,
    "return_residual": 0.002,
    "mix": 0.002,
    "fader": 0.001,
    "measure": 0.0035,
    "null": 0.003,
    "checks": 0.003,
    "reverb": 0.01,
    "saturate": 0.014,
    "limiter": 0.014,
    "loudness": 0.014,
}
_FILE_COST, _STAGE_COST = 0.004, 0.004
_STEM_FILE_COST = 0.1  # five streams on threads of their own: 0.13 s of work on two cores
# Encoded, decoded and measured; lossy ones twice, where peaks are limited.
_DELIVERY_COST = {"wav": 0.01, "flac": 0.013, "ogg": 0.06, "mp3": 0.12}


def expected_seconds(node: Node) -> float:
    """Estimate the time of one node that has to run."""
    seconds = node.seconds_of_audio
    if isinstance(node.work, Separate):
        card, cost = node.work.separator.card, _cost(node.work)
        return _MODEL_START_S + card.realtime_factor * cost * seconds
    if isinstance(node.work, Deliver):
        return _DELIVERY_COST[node.work.encoding.format] * seconds
    if isinstance(node.work, WritePair):
        return 2 * _DELIVERY_COST["wav"] * seconds
    if isinstance(node.work, Result):
        return _cost_of_files(node.work) * seconds
    return _COST.get(node.op, _STAGE_COST) * seconds


def _cost_of_files(work: Result) -> float:
    """Return the seconds of work per second that writing files is, but for those of the master."""
    if isinstance(work, WriteStemFile):
        return _STEM_FILE_COST
    n_files = len(work.tracks) if isinstance(work, WriteSession) else len(work.paths)
    return _FILE_COST * n_files


def _cost(work: Separate) -> float:
    """Return how much more work a separation is than with a quarter of overlap and no shifts."""
    effort, heeds = work.effort, work.separator.obeys
    n_passes = max(1, effort.shifts) if "shifts" in heeds else 1
    overlap = effort.overlap_for(0.25) if "overlap" in heeds else 0.25
    return n_passes * 0.75 / (1 - overlap)


def plan_json(plan: Plan, missing: set[str], notices: Sequence[Finding] = ()) -> dict[str, Any]:
    """Return the object that `stemfx plan --json` prints."""
    return {
        "schema": SCHEMA,
        "recipe": str(plan.recipe.path.resolve()),
        "sample_rate": plan.sample_rate,
        "duration_s": plan.duration_s,
        "outputs": output_paths(plan),
        "separators": separators_json(plan),
        "nodes": [
            {
                "id": node.id,
                "op": node.op,
                "inputs": [f"{port.node}:{port.signal}" for port in node.inputs],
                "cache": "miss" if node.id in missing else "hit",
                "key": node.key,
                "expected_seconds": round(expected_seconds(node), 2) if node.id in missing else 0.0,
            }
            for node in plan.nodes.values()
        ],
        "expected_seconds": round(sum(expected_seconds(plan.nodes[name]) for name in missing), 1),
        "findings": [finding_json(finding) for finding in (*notices, *plan.findings)],
    }


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Print the closing table, the readings, the findings and where the files are."""
    from rich.table import Table
    from rich.text import Text

    recipe = outcome.plan.recipe
    table = Table(title=plain(recipe.title or recipe.path.name), title_justify="left")
    table.add_column("step", overflow="fold")
    table.add_column("")
    table.add_column("time", justify="right")
    table.add_column("what it did", overflow="fold")
    for node in outcome.nodes:
        style = _STATUS_STYLE[node.status]
        seconds = f"{node.seconds:.1f} s" if node.status == "done" else ""
        told = "\n".join(verdict.line for verdict in _verdicts(outcome, node))
        told = told or in_words(node.measurements)
        table.add_row(plain(node.id), Text(node.status, style), seconds, plain(told))
    console.print(table)
    for line in _summary_lines(outcome):
        console.print(plain(line))
    for node_id, finding in outcome.findings:
        console.print(finding_text(finding, node=node_id))
    _print_paths(outcome.plan, console)


_MASTER_WORDS = {
    "lufs": "{:.1f} LUFS",
    "max_short_term_lufs": "loudest 3 s {:.1f} LUFS",
    "true_peak_dbtp": "true peak {:.2f} dBTP",
    "lra_lu": "range {:.1f} LU",
    "plr_lu": "PLR {:.1f} LU",
    "psr_lu": "PSR {:.1f} LU",
}


def _summary_lines(outcome: Outcome) -> list[str]:
    lines = []
    reading = master_reading(outcome)
    if reading is not None:
        levels = [
            words.format(reading[name])
            for name, words in _MASTER_WORDS.items()
            if reading[name] is not None
        ]
        length = f"{_clock(float(reading['duration_s'] or 0))} at {reading['sample_rate']} Hz"
        silent = ["silent"] if reading["lufs"] is None else []
        lines.append("master: " + ", ".join((*silent, *levels, length)))
    for source, separator in _models(outcome.plan):
        card = separator.card
        lines.append(
            f"{source}: separated with {card.name}; licence of its weights: {card.licence}"
        )
    null = null_db(outcome)
    if null is not None:
        lines.append(
            f"null: mixture minus sum of stems is at {null:.0f} dB relative to the mixture"
        )
    verdicts = [verdict for node in outcome.nodes for verdict in _verdicts(outcome, node)]
    if verdicts:
        n_failed = sum(not verdict.passed for verdict in verdicts)
        failed = f"{n_failed} of {len(verdicts)} failed"
        lines.append(f"checks: {failed if n_failed else f'{len(verdicts)} passed'}")
    n_cached = sum(node.status == "cached" for node in outcome.nodes)
    lines.append(
        f"{len(outcome.nodes)} steps, {n_cached} from the cache, in {outcome.seconds:.1f} s"
    )
    return lines


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{int(minutes)}:{rest:04.1f}"


def _flat_paths(paths: Mapping[str, Any]) -> list[tuple[str, str]]:
    flat = []
    for name, path in paths.items():
        if isinstance(path, Mapping):
            flat += [(f"{name}/{track}", file) for track, file in path.items()]
        elif isinstance(path, list):
            flat += [(name.removesuffix("s"), file) for file in path]
        elif name not in ("master", "session"):  # the first of the masters, and of the sessions
            flat.append((name, path))
    return flat


def write_report(outcome: Outcome, path: Path) -> None:
    """Write what `--json` tells beside the results.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(path, json_text(outcome_json(outcome), indent=1))
