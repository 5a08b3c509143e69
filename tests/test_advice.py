"""What a finding says to paste into a recipe can be pasted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import stemfx
from stemfx.stages import BUILTIN

STAGES = {stage.name: stage for stage in BUILTIN}
LINE = re.compile(r"- ([a-z][a-z0-9_]+): \{+([a-z0-9_]*)[:}]")


def lines() -> list[tuple[str, str, str]]:
    """Return (file, stage, first parameter) of every `- stage: {parameter: ...}` in a text."""
    found = []
    for path in sorted(Path(stemfx.__file__).parent.rglob("*.py")):
        # A sentence may be broken over several literals: "- width: "\n  f"{{width: 0.5}}".
        text = re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))
        found += [(path.name, *match.groups()) for match in LINE.finditer(text)]
    return found


@pytest.mark.parametrize(("file", "name", "param"), lines())
def test_every_line_that_is_advised_names_a_stage_and_its_parameter(
    file: str, name: str, param: str
) -> None:
    assert name in STAGES, f"{file} advises {name!r}"
    assert param in ("", *STAGES[name].params.model_fields), f"{file}: {name} has no {param!r}"


def test_advice_is_found_at_all() -> None:
    assert len(lines()) > 15
