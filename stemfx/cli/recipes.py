"""`stemfx recipes`: those that come with stemfx and the user's own, all or some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfx.cli import arguments as a

if TYPE_CHECKING:
    from stemfx.recipe_book import RecipeFacts


def recipes(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="Only those with all these words in name, title, description, stages or presets."
        ),
    ] = None,
    json: a.Json = False,
) -> None:
    """List the recipes that go by a name, yours and those of stemfx; `stemfx run NAME` runs one."""
    from stemfx.cli.screen import print_json, print_line
    from stemfx.recipe_book import recipe_book, search
    from stemfx.shipped import own_recipes_folder, recipes_folder

    found = search(recipe_book(), words or ())
    if json:
        folders = {"own": str(own_recipes_folder()), "shipped": str(recipes_folder().resolve())}
        listed = [_facts_json(recipe) for recipe in found]
        print_json({"schema": 1, "recipes": listed, "folders": folders})
    elif not found:
        told = " and ".join(repr(word) for word in words or ())
        print_line(f"no recipe has {told}; `stemfx recipes` without words lists them all")
    else:
        _print(found)
        print_line(f"recipes of stemfx: {recipes_folder()}\nyour recipes: {own_recipes_folder()}")


def _facts_json(recipe: RecipeFacts) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "title": recipe.title,
        "description": recipe.description,
        "author": recipe.author,
        "licence": recipe.licence,
        "path": str(recipe.path.absolute()),
        "origin": "own" if recipe.is_own else "shipped",
        "hidden": recipe.is_hidden,
        "sources": recipe.sources,
        "params": [
            {
                "name": knob.name,
                "default": knob.default,
                "min": knob.min,
                "max": knob.max,
                "unit": knob.unit,
                "help": knob.help,
            }
            for knob in recipe.knobs
        ],
        "presets": recipe.presets,
        "stages": recipe.stages,
        "problem": recipe.problem or None,
    }


def _print(found: list[RecipeFacts]) -> None:
    from rich.table import Table

    from stemfx.cli.screen import table_console
    from stemfx.shown import plain

    table = Table("recipe", "what it does", "presets")
    for recipe in found:
        name, about = recipe.name, recipe.description or recipe.title
        if recipe.is_own:
            name += " (yours)"
        if recipe.is_hidden:
            about += f" Yours goes by this name; this one is run as {recipe.path}"
        shown = plain(f"broken: {recipe.problem}", "red") if recipe.problem else plain(about)
        table.add_row(plain(name), shown, plain(", ".join(recipe.presets)))
    table_console().print(table)
