"""Findings for programs and for people."""

from __future__ import annotations

from stemfx.stage import Finding


def finding_json(finding: Finding, **of: str | None) -> dict[str, str | None]:
    """Return a finding as plain values; `of` says what it is about: `node="drums/gate"`."""
    told = {"code": finding.code, "message": finding.message, "fix": finding.fix}
    return {"level": finding.level, **of, **told}


def untold(finding: Finding) -> str:
    r"""Return a fix for people, on a line or a few; empty where the message says it already.

    >>> untold(Finding("warn", "unsure_beat", "is it 64 BPM?", "# in sources.a\nbpm: 64"))
    'bpm: 64  # in sources.a'
    """
    if finding.fix is None:
        return ""
    lines = finding.fix.splitlines()
    where = [line for line in lines if line.startswith("#")]
    body = [line for line in lines if not line.startswith("#")]
    if all(line in finding.message for line in body):
        return ""
    return "\n".join((f"{body[0]}{'  ' if where else ''}{' '.join(where)}", *body[1:]))
