"""`presets`: named settings of a recipe's knobs, and the one that `--preset NAME` chooses."""

from __future__ import annotations

from collections.abc import Mapping

from stemfx.recipe.knobs import knob_fault, no_knob
from stemfx.recipe.model import Knob
from stemfx.recipe.paths import check_names
from stemfx.recipe.problems import Problems, command_line, did_you_mean, label, listing, quote
from stemfx.recipe.wording import given
from stemfx.recipe.yaml_tree import Leaf, Table


def read_presets(
    table: Table, knobs: Mapping[str, Knob], known: Mapping[str, Leaf], problems: Problems
) -> dict[str, dict[str, Leaf]]:
    """Return what each preset sets, every value held against its knob.

    Args:
        table: the section of the recipe.
        knobs: the sound ones.
        known: the values of all knobs that the recipe names, also of the faulty ones.
        problems: takes the faults.
    """
    return {
        name: _settings(name, table, knobs, known, problems)
        for name in check_names(table, "preset", problems)
    }


def _settings(
    preset: str,
    table: Table,
    knobs: Mapping[str, Knob],
    known: Mapping[str, Leaf],
    problems: Problems,
) -> dict[str, Leaf]:
    node, title = table.get(preset), f"presets.{preset}"
    if node is None or (isinstance(node, Leaf) and node.broken):
        return {}
    if not isinstance(node, Table):
        problems.add(node.mark, f"{title}: expects a mapping of knobs, got {given(node)}")
        return {}
    settings: dict[str, Leaf] = {}
    for name in node.entries:
        value = node.get(name)
        if name not in known:
            problems.add(node.keys[name], f"{title}: {no_knob(name, known)}")
        elif isinstance(value, Leaf) and not value.broken:
            fault = _fault(value, knobs[name]) if name in knobs else None
            if fault:
                problems.add(value.mark, f"{title}.{label(name)}: {fault}")
            else:
                settings[name] = value
        elif value is not None and not isinstance(value, Leaf):
            problems.add(value.mark, f"{title}.{label(name)}: expects a value, got {given(value)}")
    return settings


def _fault(value: Leaf, knob: Knob) -> str | None:
    if isinstance(knob.default, str) and not isinstance(value.value, str):
        return f"expects text, got {given(value)} (put it in quotes)"
    return knob_fault(value, knob)


def choose_preset(
    name: str, presets: Mapping[str, Mapping[str, Leaf]], problems: Problems
) -> Mapping[str, Leaf]:
    """Return what the preset of that name sets; the empty name sets nothing."""
    if name and name not in presets:
        problems.add(
            command_line("--preset"),
            f"the recipe has no preset {quote(name)}{did_you_mean(name, presets)} "
            f"(known: {listing(presets)})",
        )
    return presets.get(name, {})
