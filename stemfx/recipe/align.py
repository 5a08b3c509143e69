"""`align` and `sections`: one tempo, one key and one form for all sources."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from stemfx.alignment.timeline import SectionWish
from stemfx.dsp.transpose import parse_key
from stemfx.recipe.bars import BarRange, parse_bars
from stemfx.recipe.document import AlignShape
from stemfx.recipe.model import Align, Source
from stemfx.recipe.paths import check_names
from stemfx.recipe.problems import Problems, did_you_mean, label, listing, quote
from stemfx.recipe.validate import section
from stemfx.recipe.wording import given, is_number, number_hint, outside, unknown
from stemfx.recipe.yaml_tree import Leaf, Node, Table

AUTO = "auto"
BPM = (20.0, 400.0)
_BARS = "bars"


def read_align(
    node: Node | None, sources: Mapping[str, Source | None], problems: Problems
) -> Align | None:
    """Return how sources come to one tempo and key; None where nothing asks for it."""
    if node is None or (isinstance(node, Leaf) and (node.is_null or node.broken)):
        return None
    if not isinstance(node, Table):
        message = f"align: expects a mapping such as {{tempo: a, key: b}}, got {given(node)}"
        problems.add(node.mark, message)
        return None
    shape = section(node, AlignShape, "align", problems)
    if shape is None:
        return None
    _check_followed(node, "tempo", shape.tempo, sources, problems)
    _check_followed(node, "key", shape.key, sources, problems)
    if not any(source is None or source.may_align for source in sources.values()):
        why = "all sources have `align: false`" if sources else "the recipe has no sources"
        problems.add(node.mark, f"align: there is nothing to align: {why}")
    if shape.tempo is None and shape.key is None:
        what = "say what to follow, e.g. {tempo: auto, key: auto}"
        problems.add(node.mark, f"align: neither tempo nor key; {what}")
    return Align(
        where=str(node.mark),
        tempo=shape.tempo,
        key=shape.key,
        structure=shape.structure,
        max_stretch_percent=shape.max_stretch_percent,
        max_semitones=shape.max_semitones,
        keeps_formants=shape.formants == "keep",
        beat_tracker=shape.beats,
        checks_bleed=shape.bleed == "check",
    )


def _check_followed(
    table: Table,
    name: str,
    value: str | float | None,
    sources: Mapping[str, Source | None],
    problems: Problems,
) -> None:
    leaf, mark = table.get(name), table.where(name)
    if value is None or not isinstance(leaf, Leaf):
        return
    if isinstance(value, float | int):
        low, high = BPM
        if not low <= value <= high:
            problems.add(mark, f"align.{name}: {outside(leaf, low, high, 'BPM')}")
        return
    if value in sources:
        if (found := sources[value]) and not found.may_align:
            problems.add(
                mark, f"align.{name}: {quote(value)} has `align: false`, so none can follow it"
            )
        return
    if value == AUTO or (name == "key" and _is_key(value)):
        return
    what = "a tempo in BPM" if name == "tempo" else "a key such as A minor"
    near = number_hint(leaf, "BPM") or did_you_mean(value, (*sources, AUTO))
    problems.add(
        mark,
        f"align.{name}: {quote(value)} is neither a source, nor {what}, nor auto{near} "
        f"(sources: {listing(sources)})",
    )


def _is_key(text: str) -> bool:
    try:
        parse_key(text)
    except ValueError:
        return False
    return True


def read_sections(
    table: Table, sources: Mapping[str, Source | None], align: Align | None, problems: Problems
) -> tuple[SectionWish, ...]:
    """Return the parts of the song that the recipe names, in the order of their bars."""
    if table.entries and (align is None or align.tempo is None):
        what = "bars are counted on a common grid; add `align: {tempo: auto}`, or a source's name"
        problems.add(table.mark, f"sections: {what}")
    names = check_names(table, "section", problems)
    found = [
        wish
        for name in names
        if (wish := _section(name, table.get(name), table, sources, problems)) is not None
    ]
    found.sort(key=lambda wish: wish.first_bar)
    for before, after in pairwise(found):
        if before.first_bar + before.n_bars > after.first_bar:
            problems.add(
                table.where(after.name),
                f"sections.{label(after.name)}: begins in bar {after.first_bar}, and "
                f"{quote(before.name)} lasts to bar {before.first_bar + before.n_bars - 1}",
            )
    return tuple(found)


def _section(
    name: str,
    node: Node | None,
    table: Table,
    sources: Mapping[str, Source | None],
    problems: Problems,
) -> SectionWish | None:
    title = f"sections.{label(name)}"
    if not isinstance(node, Table):
        told = "nothing" if node is None else given(node)
        what = "expects a mapping such as {bars: 1-8}"
        problems.add(table.where(name), f"{title}: {what}, got {told}")
        return None
    ranges: dict[str, BarRange] = {}
    for key, leaf in node.entries.items():
        if key != _BARS and key not in sources:
            problems.add(node.keys[key], unknown(key, title, (_BARS, *sources)))
        elif (found := sources.get(key)) and not found.may_align:
            what = f"{quote(key)} has `align: false`: its bars are not moved"
            problems.add(node.keys[key], f"{title}: {what}")
        elif isinstance(leaf, Leaf) and (isinstance(leaf.value, str) or is_number(leaf.value)):
            try:
                ranges[key] = parse_bars(leaf.text)
            except ValueError as error:
                problems.add(leaf.mark, f"{title}.{label(key)}: {error}")
        else:
            what = f"expects bars such as 1-8, got {given(leaf)}"
            problems.add(leaf.mark, f"{title}.{label(key)}: {what}")
    own = ranges.pop(_BARS, None)
    if own is None or own.last is None:
        if own is not None or _BARS not in node.entries:
            what = "`bars` is needed, with a last one: bars: 1-8"
            problems.add(node.where(_BARS), f"{title}: {what}")
        return None
    return SectionWish(
        name,
        own.first,
        own.last - own.first + 1,
        {source: found.first for source, found in ranges.items()},
        # One bar alone says only where it begins.
        {
            s: r.last - r.first + 1
            for s, r in ranges.items()
            if r.last is not None and r.last > r.first
        },
    )
