"""What a bundle has to hold: the needs of a recipe with each of its presets."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from stemfx.errors import Problem, RecipeError
from stemfx.io import file_sha256
from stemfx.models import separators_of
from stemfx.recipe import Recipe
from stemfx.registry import Registry
from stemfx.requirements import Requirements, requirements, united
from stemfx.session import Request, choose_models, load_recipe


def all_needs(
    recipe: Recipe, request: Request, registry: Registry
) -> tuple[Requirements, Requirements]:
    """Return what a recipe needs as it was read, and what with any of its presets.

    A preset may name another kit or sound: whoever gets the bundle will use it.

    Args:
        recipe: as read without a preset.
        request: with which it was read.
        registry: of what is installed.

    Raises:
        RecipeError: with one of its presets the recipe cannot be used.
        ModelError, AudioFileError: a model or a file that it needs is not here.
    """
    digest = cache(file_sha256)

    def needs(one: Recipe) -> Requirements:
        choices = choose_models(one, request, registry)
        return requirements(one, separators_of(choices), registry, digest)

    usual = needs(recipe)
    others = []
    for name in recipe.presets:
        try:
            other, _ = load_recipe(str(recipe.path), replace(request, preset=name), registry)
        except RecipeError as error:
            raise RecipeError(
                [Problem(p.where, f"with the preset {name!r}: {p.message}") for p in error.problems]
            ) from None
        others.append(needs(other))
    return usual, united([usual, *others])
