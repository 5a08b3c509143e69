"""`templates`: what tracks have in common, laid under each track that says `template: NAME`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stemfx.recipe.document import TemplateShape
from stemfx.recipe.inherit import merged_over
from stemfx.recipe.problems import Problems, label
from stemfx.recipe.stage_calls import StageReader
from stemfx.recipe.validate import section
from stemfx.recipe.wording import given, unknown
from stemfx.recipe.yaml_tree import MAX_NODES, Leaf, Node, Table, measure


def take_templates(tree: Table, problems: Problems) -> Table:
    """Return a recipe's tree whose tracks stand on their templates; `templates` keeps the unused.

    The law is that of `extends`: a track's mappings are merged with the template's, its lists
    and values replace them, and a key with nothing after it takes what the template says.

    Raises:
        RecipeError: the tracks would become too large.
    """
    templates, tracks = tree.get("templates"), tree.get("tracks")
    if isinstance(templates, Table):
        _check_flat(templates, problems)
    if not isinstance(tracks, Table):
        return tree
    known = templates.entries if isinstance(templates, Table) else {}
    stacked = dict(tracks.entries)
    used: set[str] = set()
    n_nodes = 0
    for name, track in tracks.entries.items():
        if not isinstance(track, Table) or "template" not in track.entries:
            continue
        written, stacked[name] = track.entries["template"], track.without("template")
        wanted = _known_name(written, f"tracks.{label(name)}.template", known, problems)
        if wanted is not None and isinstance(template := known[wanted], Table):
            used.add(wanted)
            n_nodes += measure(template)[0]
            if n_nodes > MAX_NODES:  # each track is read by itself
                what = f"a recipe holds at most {MAX_NODES} values, those of templates included"
                problems.stop(written.mark, what)
            stacked[name] = merged_over(template, track).without("template")
    entries = tree.entries | {"tracks": replace(tracks, entries=stacked)}
    if isinstance(templates, Table):
        entries["templates"] = templates.without(*used)
    return replace(tree, entries=entries)


def _known_name(
    written: Node, title: str, known: Mapping[str, Node], problems: Problems
) -> str | None:
    """Return the template that a track names, or None after noting that there is no such."""
    if not isinstance(written, Leaf):
        what = f"expects the name of one of `templates`, got {given(written)}"
    elif written.is_null or written.broken:
        return None
    elif written.text not in known:
        what = unknown(written.text, "`templates`", known)
    else:
        return written.text
    problems.add(written.mark, f"{title}: {what}")
    return None


def _check_flat(templates: Table, problems: Problems) -> None:
    for name, template in templates.entries.items():
        if isinstance(template, Table) and "template" in template.entries:
            problems.add(
                template.keys["template"],
                f"templates.{label(name)}: only a track has a `template`; templates do not build "
                "on one another",
            )


def check_unused(templates: Table, calls: StageReader, problems: Problems) -> None:
    """Note what is wrong with templates that no track takes.

    Whether the tracks and files exist that their stages name is no matter: the recipe may be one
    that others build on.
    """
    for name, template in templates.entries.items():
        title = f"templates.{label(name)}"
        node = templates.get(name) or Table(templates.keys[name])
        if isinstance(node, Table):
            section(node, TemplateShape, title, problems, without=("stages", "template"))
            calls.check_shapes(node.get("stages"), f"{title}.stages")
        elif not (isinstance(node, Leaf) and node.broken):
            problems.add(template.mark, f"{title}: expects a mapping, got {given(node)}")
