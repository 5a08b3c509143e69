"""What a run tells: one closing table for people, one JSON object for programs, one page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemfx.dsp.units import FLOOR_DB
from stemfx.io import write_text
from stemfx.plan import AUDIO, Node, Plan, Separate, Write
from stemfx.run import NodeResult, Outcome
from stemfx.stage import Finding, Measurement

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = 1
_LEVEL_STYLE = {"info": "cyan", "warn": "yellow", "error": "bold red"}
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
        "nodes": [_node_json(node) for node in outcome.nodes],
        "separators": separators_json(plan),
        "null_db": null_db(outcome),
        "findings": [
            {"level": f.level, "node": node, "code": f.code, "message": f.message}
            for node, f in outcome.findings
        ],
        "seconds": round(outcome.seconds, 3),
    }


def _node_json(node: NodeResult) -> dict[str, Any]:
    return {
        "id": node.id,
        "op": node.op,
        "status": node.status,
        "seconds": node.seconds,
        "measurements": dict(node.measurements),
        "findings": [
            {"level": f.level, "code": f.code, "message": f.message} for f in node.findings
        ],
    }


def output_paths(plan: Plan) -> dict[str, Any]:
    """Return the absolute paths of what a run writes: `master`, `stems` by track, `report`."""
    paths: dict[str, Any] = {}
    for node in plan.nodes.values():
        if not isinstance(node.work, Write):
            continue
        if node.work.role == "master":
            paths["master"] = str(node.work.paths[0])
        else:
            names = [t.name for t in plan.recipe.tracks.values() if not t.mute]
            paths["stems"] = dict(zip(names, map(str, node.work.paths), strict=True))
    if plan.report is not None:
        paths["report"] = str(plan.report)
    return paths


def master_reading(outcome: Outcome) -> dict[str, Measurement | None] | None:
    """Return loudness, true peak, range and length of the master as it was written."""
    by_id = {node.id: node for node in outcome.nodes}
    if "master/measure" not in by_id:
        return None
    values = by_id["master/measure"].measurements
    lowered = by_id["write/master"].measurements.get("gain_db", 0.0)
    reading: dict[str, Measurement | None] = {
        name: values.get(name) for name in ("lufs", "true_peak_dbtp", "lra_lu")
    }
    for name in ("lufs", "true_peak_dbtp"):
        value = reading[name]
        if isinstance(value, int | float):
            reading[name] = round(value + float(lowered), 3)
    return reading | {name: values.get(name) for name in ("duration_s", "sample_rate")}


def separators_json(plan: Plan) -> dict[str, dict[str, str]]:
    """Return the model, its licence and the state of its weights for every source."""
    return {
        name: {
            "model": separator.card.name,
            "licence": separator.card.licence,
            "weights": separator.weights(),
        }
        for name, separator in plan.separators.items()
    }


def null_db(outcome: Outcome) -> float | None:
    """Return mixture minus sum of separated stems, relative to the mixture: the worst source.

    With `residual: drop` it is what the model leaves unexplained; otherwise the residual is part
    of the sum. None when nothing was separated, or only some of the model's stems were computed.
    """
    name = "model_null_db" if outcome.plan.recipe.separate.residual == "drop" else "null_db"
    nulls = [
        float(value)
        for node in outcome.nodes
        if isinstance(outcome.plan.nodes[node.id].work, Separate)
        and (value := node.measurements.get(name)) is not None
    ]
    return round(max(nulls), 2) if nulls else None


# --- for people --------------------------------------------------------------------------


def print_plan(plan: Plan, missing: set[str], notices: Sequence[Finding], console: Console) -> None:
    """Print the graph with hits and misses, models, licences, and what the misses will cost."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"plan of {plan.recipe.path.name}", title_justify="left")
    table.add_column("step", overflow="fold")
    table.add_column("reads", overflow="fold")
    table.add_column("cache")
    table.add_column("about", justify="right")
    for node in plan.nodes.values():
        reads = ", ".join(
            port.node if port.signal == AUDIO else f"{port.node}:{port.signal}"
            for port in node.inputs
        )
        if node.id in missing:
            table.add_row(Text(node.id), reads, "[green]run[/]", f"{expected_seconds(node):.1f} s")
        else:
            table.add_row(Text(node.id), reads, "[dim]hit[/]", "")
    console.print(table)
    for source, separator in plan.separators.items():
        card = separator.card
        state = {
            "here": "weights here",
            "fetchable": f"{card.size_bytes / 1e6:.0f} MB will be fetched",
        }.get(separator.weights(), "weights missing")
        console.print(f"{source}: {card.name}, {state}, licence of the weights: {card.licence}")
    for notice in notices:
        console.print(Text.assemble((f"{notice.level}: ", "yellow"), notice.message))
    total_s = sum(expected_seconds(plan.nodes[name]) for name in missing)
    console.print(
        f"{_clock(plan.duration_s)} at {plan.sample_rate} Hz; {len(missing)} of "
        f"{len(plan.nodes)} steps to run, about {total_s:.0f} s on two cores"
    )
    for name, path in _flat_paths(output_paths(plan)):
        console.print(Text.assemble((f"{name}: ", "bold"), path), soft_wrap=True)


# Seconds of work per second of audio, measured on two laptop-class cores.
_COST = {
    "decode": 0.004,
    "resample": 0.004,
    "residual": 0.003,
    "mix": 0.002,
    "fader": 0.002,
    "measure": 0.006,
}
_WRITE_COST, _STAGE_COST = 0.004, 0.01


def expected_seconds(node: Node) -> float:
    """Estimate the time of one node that has to run."""
    if isinstance(node.work, Separate):
        return node.work.separator.card.realtime_factor * node.seconds_of_audio
    cost = _WRITE_COST if isinstance(node.work, Write) else _COST.get(node.op, _STAGE_COST)
    return cost * node.seconds_of_audio


def plan_json(plan: Plan, missing: set[str]) -> dict[str, Any]:
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
    }


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Print the closing table, the readings, the findings and where the files are."""
    from rich.table import Table
    from rich.text import Text

    recipe = outcome.plan.recipe
    table = Table(title=recipe.title or recipe.path.name, title_justify="left")
    table.add_column("step", overflow="fold")
    table.add_column("", justify="left")
    table.add_column("time", justify="right")
    table.add_column("what it did", overflow="fold")
    for node in outcome.nodes:
        style = _STATUS_STYLE[node.status]
        seconds = f"{node.seconds:.1f} s" if node.status == "done" else ""
        table.add_row(
            Text(node.id), Text(node.status, style), seconds, Text(_in_words(node.measurements))
        )
    console.print(table)
    for line in _summary_lines(outcome):
        console.print(Text(line))
    for node_id, finding in outcome.findings:
        console.print(
            Text.assemble(
                (f"{finding.level}: ", _LEVEL_STYLE[finding.level]),
                f"{finding.message} ",
                (f"[{node_id}]", "dim"),
            )
        )
    for name, path in _flat_paths(output_paths(outcome.plan)):
        console.print(Text.assemble((f"{name}: ", "bold"), path), soft_wrap=True)


def _summary_lines(outcome: Outcome) -> list[str]:
    lines = []
    reading = master_reading(outcome)
    if reading is not None:
        parts = [
            f"{reading['lufs']:.1f} LUFS" if reading["lufs"] is not None else "silent",
            f"true peak {reading['true_peak_dbtp']:.2f} dBTP"
            if reading["true_peak_dbtp"] is not None
            else "",
            f"range {reading['lra_lu']:.1f} LU" if reading["lra_lu"] is not None else "",
            f"{_clock(float(reading['duration_s'] or 0))} at {reading['sample_rate']} Hz",
        ]
        lines.append("master: " + ", ".join(part for part in parts if part))
    for source, separator in outcome.plan.separators.items():
        card = separator.card
        lines.append(f"{source}: separated by {card.name} (weights: {card.licence})")
    null = null_db(outcome)
    if null is not None:
        lines.append(f"null: mixture minus sum of stems is {null:.0f} dB below the mixture")
    n_cached = sum(node.status == "cached" for node in outcome.nodes)
    lines.append(
        f"{len(outcome.nodes)} steps, {n_cached} from the cache, in {outcome.seconds:.1f} s"
    )
    return lines


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"


_TOLD_BELOW = {"duration_s", "sample_rate", "channels", "lra_lu", "sample_peak_dbfs"}
_UNITS = {
    "_dbfs": "dBFS",
    "_dbtp": "dBTP",
    "_db": "dB",
    "_lufs": "LUFS",
    "_lu": "LU",
    "_hz": "Hz",
    "_ms": "ms",
    "_s": "s",
    "_percent": "%",
}


def _in_words(measurements: Mapping[str, Measurement]) -> str:
    """Write `{"level_change_db": -1.24}` as `level change -1.2 dB`."""
    return ", ".join(
        _phrase(name, value) for name, value in measurements.items() if name not in _TOLD_BELOW
    )


def _phrase(name: str, value: Measurement) -> str:
    suffix = next((s for s in _UNITS if name.endswith(s)), "")
    label = name.removesuffix(suffix).replace("_", " ")
    if name == "lufs":
        label, suffix = "loudness", "_lufs"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{label} {value}"
    if suffix.startswith("_db") and value <= FLOOR_DB:
        return f"{label} silent"
    is_change = suffix == "_db" and ("change" in name or name.startswith("gain"))
    number = f"{value:+.1f}" if is_change else f"{value:.4g}" if suffix != "_db" else f"{value:.1f}"
    if suffix in ("_dbfs", "_dbtp", "_lufs"):
        number = f"{value:.1f}"
    return f"{label} {number} {_UNITS.get(suffix, '')}".strip()


def _flat_paths(paths: Mapping[str, Any]) -> list[tuple[str, str]]:
    flat = []
    for name, path in paths.items():
        if isinstance(path, Mapping):
            flat += [(f"{name}/{track}", file) for track, file in path.items()]
        else:
            flat.append((name, path))
    return flat


# --- the page ----------------------------------------------------------------------------


def write_report(outcome: Outcome, path: Path) -> None:
    """Write the report beside the results: `.json` for programs, else the table as a page.

    Raises:
        OutputError: it cannot be written.
    """
    if path.suffix.lower() == ".json":
        write_text(path, json.dumps(outcome_json(outcome), indent=1, ensure_ascii=False))
        return
    import io

    from rich.console import Console

    console = Console(record=True, width=120, file=io.StringIO(), force_terminal=True)
    print_outcome(outcome, console)
    write_text(path, console.export_html())
