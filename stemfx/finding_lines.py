"""How findings are shown on a terminal: the message, and below it the fix that it does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stemfx.findings import untold
from stemfx.shown import visible
from stemfx.stage import Finding

if TYPE_CHECKING:
    from rich.text import Text

LEVEL_STYLE = {"info": "cyan", "warn": "yellow", "error": "bold red"}
_FIX = "fix: "


def finding_text(finding: Finding, *, of: str = "", node: str = "", indent: str = "") -> Text:
    """Return a finding in colours, shown as it is: no markup, no control codes.

    Args:
        finding: its message may be anybody's.
        of: what it is about, before the message.
        node: where it was found, after it.
        indent: before each line.
    """
    from rich.text import Text

    level = (f"{indent}{finding.level}: ", LEVEL_STYLE[finding.level])
    text = Text.assemble(level, visible(f"{of}: {finding.message}" if of else finding.message))
    if node:
        text.append(visible(f" [{node}]"), "dim")
    if fix := fix_lines(finding, f"{indent}  "):
        text.append(f"\n{fix}", "dim")
    return text


def fix_lines(finding: Finding, indent: str) -> str:
    """Return the fix, indented; empty where there is none or the message says it."""
    lines = visible(untold(finding)).splitlines()
    after = f"\n{indent}{' ' * len(_FIX)}"
    return f"{indent}{_FIX}{after.join(lines)}" if lines else ""
