"""Chooses the separation model that a recipe asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from stemfx.errors import ModelError
from stemfx.recipe.problems import did_you_mean
from stemfx.registry import Registry
from stemfx.separator import Separator
from stemfx.stage import Finding

AUTO = "auto"
EMBEDDED = "embedded"


@dataclass(frozen=True)
class Choice:
    """The model that will be used; `must_fetch` when its weights are not here yet."""

    separator: Separator
    must_fetch: bool = False
    finding: Finding | None = None


def choose(
    registry: Registry,
    model: str,
    *,
    stems: Sequence[str],
    offline: bool,
    where: str,
    inside: Path | None = None,
) -> Choice:
    """Resolve a model's name, a path to a model file or folder, or `auto`.

    With `inside`, a path is relative to that folder and may not leave it: a recipe names it.

    `auto` takes the best model whose weights are here, by published mean SDR, among those
    that have all `stems`; else, unless `offline`, the best that can be fetched and runs faster
    than real time on a laptop; else the embedded one. Opens no connection.

    Raises:
        ModelError: unknown model, not a model, or its weights are not here and cannot be had.
    """
    if model == AUTO:
        return _choose_best(registry, stems, offline=offline)
    separator = registry.separators.get(model) or _open(registry, model, where, inside)
    state = separator.weights()
    if state == "here":
        return Choice(separator)
    if state == "fetchable" and not offline:
        return Choice(separator, must_fetch=True)
    raise ModelError(
        f"the weights of {model!r} are not on this machine"
        + (" and --offline forbids fetching them" if state == "fetchable" else "")
        + "; put them into the models folder (`stemfx models` shows it), pass --model PATH, or use "
        f"`model: {EMBEDDED}`, which is always here",
        where=where,
    )


def _open(registry: Registry, model: str, where: str, inside: Path | None) -> Separator:
    path = Path(model).expanduser()
    is_allowed = True
    if inside is not None:
        path = (inside / model).resolve()
        is_allowed = path.is_relative_to(inside.resolve()) and path != inside.resolve()
    if not is_allowed or not path.exists():
        known = sorted(registry.separators)
        raise ModelError(
            f"model {model!r} is unknown{did_you_mean(model, known)} (known: {AUTO}, "
            f"{', '.join(known)}, or a path to a model file or folder"
            + (" in the recipe's folder)" if inside else ")"),
            where=where,
        )
    separator = registry.open_model(path)
    if separator is None:
        raise ModelError(
            "no installed separator knows this file or folder; `stemfx models` lists what is known",
            where=str(path),
        )
    return separator


def _choose_best(registry: Registry, stems: Sequence[str], *, offline: bool) -> Choice:
    able = [s for s in registry.separators.values() if set(stems) <= set(s.card.stems)]
    if not able:
        known = sorted({stem for s in registry.separators.values() for stem in s.card.stems})
        raise ModelError(
            f"no known model gives all of {', '.join(stems)}; stems that exist: {', '.join(known)}"
        )
    here = [s for s in able if s.weights() == "here"]
    best = max(here, key=_quality, default=None)
    if best is not None and best.card.sdr:
        return Choice(best)
    fetchable = [] if offline else [s for s in able if s.weights() == "fetchable"]
    quick = [s for s in fetchable if s.card.realtime_factor <= 1] or fetchable
    if quick:
        return Choice(max(quick, key=_quality), must_fetch=True)
    if best is None:
        raise ModelError(
            f"no model that gives {', '.join(stems)} has its weights on this machine; "
            "run without --offline to fetch one, or put weights into the models folder"
        )
    return fallback(best, "--offline is set" if offline else "no better weights are here")


def _quality(separator: Separator) -> float:
    return mean(separator.card.sdr.values()) if separator.card.sdr else 0.0


def fallback(separator: Separator, reason: str) -> Choice:
    """Use the embedded model, and say so."""
    return Choice(
        separator,
        finding=Finding(
            "warn",
            "embedded_model",
            f"separated with the {separator.card.name!r} model because {reason}; it is a good "
            "preview, but a trained four-stem model (`stemfx models`) sounds much better",
        ),
    )


def fetch(choice: Choice, registry: Registry, *, is_auto: bool, stems: Sequence[str]) -> Choice:
    """Download the weights of a choice; `auto` falls back to the embedded model if it cannot.

    Raises:
        ModelError: the download failed and the recipe named this model.
    """
    if not choice.must_fetch:
        return choice
    try:
        choice.separator.fetch()
    except ModelError as error:
        if not is_auto:
            raise
        local = _choose_best(registry, stems, offline=True)
        name = choice.separator.card.name
        return fallback(local.separator, f"{name!r} could not be fetched ({error.message})")
    return Choice(choice.separator)
