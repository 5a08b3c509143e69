"""What a render changed, in few lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from stemfx.finding_lines import fix_lines
from stemfx.report import master_reading
from stemfx.run import Outcome
from stemfx.stage import Finding

_MOST_STEPS = 4


def changes_told(outcome: Outcome, before: Outcome, seconds: float) -> Iterator[str]:
    """Yield what a render did: its steps, its levels, and findings that are new or gone.

    Args:
        outcome: of this render.
        before: of the render that was told last.
        seconds: that it took.
    """
    done = [node.id for node in outcome.nodes if node.status == "done"]
    if done:
        steps = f"{len(done)} of {len(outcome.nodes)} steps: {_listed(done)}"
        yield "; ".join(filter(None, (f"rendered in {seconds:.1f} s", steps, _levels(outcome))))
    else:
        yield f"nothing to do: the results are as they were ({seconds:.1f} s)"
    now, then = _by_meaning(outcome), _by_meaning(before)
    for word, found, others in (("new", now, then), ("gone", then, now)):
        for meaning, (node, finding) in found.items():
            if meaning not in others:
                yield f"  {word} {finding.level}: {finding.message} [{node}]"
                if word == "new" and (fix := fix_lines(finding, "    ")):
                    yield fix


def _listed(steps: Sequence[str]) -> str:
    more = f" and {len(steps) - _MOST_STEPS} more" if len(steps) > _MOST_STEPS else ""
    return ", ".join(steps[:_MOST_STEPS]) + more


def _levels(outcome: Outcome) -> str:
    reading = master_reading(outcome)
    if reading is None:
        return ""
    lufs, peak = reading["lufs"], reading["true_peak_dbtp"]
    if lufs is None or peak is None:
        return "the master is silent"
    return f"master {lufs:.1f} LUFS, true peak {peak:.2f} dBTP"


def _by_meaning(outcome: Outcome) -> dict[tuple[str, ...], tuple[str, Finding]]:
    """Return the findings by what they mean: the same one with other figures is not a new one."""
    return {
        (node, f.level, f.code, re.sub(r"\d+(\.\d+)?", "#", f.message)): (node, f)
        for node, f in outcome.findings
    }
