"""Chooses the separation model that a recipe asks for."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from stemfx.errors import ModelError
from stemfx.recipe.problems import did_you_mean
from stemfx.registered import Registered
from stemfx.registry import Registry, ask_weights, weights_of
from stemfx.separator import LicenceClass, ModelCard, Progress, Separator, silent
from stemfx.stage import Finding

AUTO = "auto"
EMBEDDED = "embedded"
NONCOMMERCIAL: LicenceClass = "non-commercial"
UNASKED: Collection[LicenceClass] = frozenset({"open", "not stated"})
"""The classes of licence that are allowed while the user has said nothing."""
ACCEPTED: Collection[LicenceClass] = frozenset({*UNASKED, NONCOMMERCIAL})
"""Those that are when the user accepts weights for non-commercial use only."""
ACCEPT_VARIABLE = "STEMFX_ACCEPT_NONCOMMERCIAL"
STANDARD_STEMS = ("vocals", "drums", "bass", "other")
"""What `auto` looks for when nothing in particular is asked."""


@dataclass(frozen=True)
class Choice:
    """The model that will be used.

    `must_fetch` when its weights are not here yet; `is_auto` when nobody named it, so that another
    one will do.
    """

    separator: Separator
    must_fetch: bool = False
    finding: Finding | None = None
    is_auto: bool = False


def separators_of(choices: Mapping[str, Sequence[Choice]]) -> dict[str, tuple[Separator, ...]]:
    """Return the models of every source, of their choices."""
    return {name: tuple(choice.separator for choice in of) for name, of in choices.items()}


def choose(
    registry: Registry,
    model: str,
    *,
    stems: Sequence[str],
    offline: bool,
    where: str,
    inside: Path | None = None,
    allowed: Collection[LicenceClass] = UNASKED,
) -> Choice:
    """Resolve a model's name, a path to a model file or folder, or `auto`.

    With `inside`, a path is relative to that folder and may not leave it: a recipe names it.

    `auto` looks among the models that have all `stems` (the standard four when none are asked).
    It takes the first of these that there is:

    1. weights that are here, of a model with a published SDR: the highest mean over `stems`;
    2. weights that are here, of a model of the suite's without a figure (`mdx_extra`): it was
       trained, so it is better than the embedded one, and nobody knows by how much;
    3. unless `offline`, weights that can be fetched, of a model that runs faster than real time
       on a laptop: one with the standard stems before the others, so that one download serves
       most recipes, then the highest mean SDR;
    4. the embedded model, with a finding;
    5. another plugin's model without a figure: only when no other has the stems, since what
       cannot be compared must not be picked over what can. A plugin joins 1 and 3 by stating
       `sdr` on its card.

    Only weights of an `allowed` class of licence are chosen, by whatever way: which these are is
    the user's to say, never a recipe's.

    Opens no connection.

    Raises:
        ModelError: unknown model, not a model, its weights are not here and cannot be had, or
            their licence is not among the allowed ones.
    """
    if model == AUTO:
        best = _choose_best(registry, stems, offline=offline, allowed=allowed)
        return replace(_opened(best), is_auto=True)
    if clash := registry.clashes.get(("model", model)):
        raise ModelError(clash, where=where)
    separator = registry.separators.get(model) or _open(registry, model, where, inside)
    check_licence(separator.card, allowed, where=where)
    state, trouble = ask_weights(separator)
    if trouble:
        msg = f"the plugin of {model!r} cannot say where its weights are ({trouble})"
        raise ModelError(msg, where=where)
    if state == "here":
        return _opened(Choice(separator))
    if state == "fetchable" and not offline:
        return Choice(separator, must_fetch=True)
    if isinstance(separator, Registered):
        separator.opened()  # says which file is gone
    lost = f" ({separator.card.source})" if separator.card.source and state == "missing" else ""
    raise ModelError(
        f"the weights of {model!r} are not on this machine{lost}"
        + (
            f" and --offline forbids fetching them; `stemfx models fetch {model}` gets them; or"
            if state == "fetchable"
            else ";"
        )
        + " put them into the models folder (`stemfx models` shows it), pass --model PATH, or use "
        f"`model: {EMBEDDED}`, which is always here",
        where=where,
    )


def _opened(choice: Choice) -> Choice:
    """Put the model itself in the place of a registered name."""
    separator = choice.separator
    return (
        replace(choice, separator=separator.opened())
        if isinstance(separator, Registered)
        else choice
    )


def check_licence(
    card: ModelCard, allowed: Collection[LicenceClass], *, where: str | None = None
) -> None:
    """Refuse weights of a class of licence that the user has not allowed.

    Raises:
        ModelError: they are of one.
    """
    if card.licence_class in allowed:
        return
    if "not stated" not in allowed:
        raise ModelError(
            f"--commercial refuses the weights of {card.name!r} ({card.licence}); `stemfx models` "
            f"tells whose licence lets you sell the result, as that of `{EMBEDDED}` does",
            where=where,
        )
    if card.licence_class == NONCOMMERCIAL:
        raise ModelError(
            f"the weights of {card.name!r} are for non-commercial use only ({card.licence}); if "
            f"that is yours, pass --accept-noncommercial or set {ACCEPT_VARIABLE}=1",
            where=where,
        )


def _open(registry: Registry, model: str, where: str, inside: Path | None) -> Separator:
    if not model.strip():
        raise ModelError("the model's name is empty; `stemfx models` lists them", where=where)
    path = Path(os.path.expanduser(model))  # noqa: PTH111 - unlike Path.expanduser it never raises
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


def _choose_best(
    registry: Registry,
    stems: Sequence[str],
    *,
    offline: bool,
    allowed: Collection[LicenceClass],
) -> Choice:
    stems = stems or STANDARD_STEMS
    able = [s for s in registry.separators.values() if set(stems) <= set(s.card.stems)]
    if able:
        first = able[0].card
        able = [s for s in able if s.card.licence_class in allowed]
        if not able:
            check_licence(first, allowed)
    if not able:
        known = sorted({stem for s in registry.separators.values() for stem in s.card.stems})
        raise ModelError(
            f"no known model gives all of {', '.join(stems)}; stems that exist: {', '.join(known)}"
        )
    states = {s.card.name: weights_of(s) for s in able}
    here = [s for s in able if states[s.card.name] == "here"]
    if measured := [s for s in here if s.card.sdr]:
        return Choice(max(measured, key=lambda s: _mean_sdr_db(s, stems)))
    own = [s for s in here if registry.is_built_in(s)]
    if trained := [s for s in own if s.card.name != EMBEDDED]:
        return Choice(trained[0])
    fetchable = [
        s
        for s in able
        if states[s.card.name] == "fetchable" and (s.card.sdr or registry.is_built_in(s))
    ]
    if fetchable and not offline:
        quick = [s for s in fetchable if s.card.realtime_factor <= 1] or fetchable
        return Choice(max(quick, key=_serves_most), must_fetch=True)
    if own:
        because = " and --offline is set" if fetchable else ""
        if "not stated" not in allowed:
            because = f" whose licence lets you sell the result{because}"
        return Choice(own[0], finding=_embedded(f"no better weights are here{because}"))
    if here:
        return Choice(here[0])
    raise ModelError(
        f"no model that gives {', '.join(stems)} has its weights on this machine; "
        + ("run without --offline to fetch one, or " if fetchable else "")
        + "put weights into the models folder"
    )


def _mean_sdr_db(separator: Separator, stems: Sequence[str]) -> float:
    """Return the mean SDR over `stems`: means over different stems do not compare."""
    sdr = separator.card.sdr
    return mean([sdr[stem] for stem in stems if stem in sdr] or sdr.values() or [0.0])


def _serves_most(separator: Separator) -> tuple[bool, float]:
    serves = set(STANDARD_STEMS) <= set(separator.card.stems)
    return serves, _mean_sdr_db(separator, STANDARD_STEMS)


def _embedded(reason: str) -> Finding:
    return Finding(
        "warn",
        "embedded_model",
        f"separated with the {EMBEDDED} model because {reason}; it is a good preview, but a "
        "trained four-stem model sounds much better: see `stemfx models`",
    )


RETRY_AFTER_S = 600
"""So long `auto` does not try again to fetch what could not be fetched."""


@dataclass(frozen=True)
class FailureMemory:
    """Remembers failed downloads in a file, so that nobody without a network waits each time."""

    path: Path

    def recent(self, name: str) -> ModelError | None:
        """Return why fetching a model failed less than `RETRY_AFTER_S` ago."""
        try:
            failed = json.loads(self.path.read_text(encoding="utf-8"))[name]
            age_s = time.time() - float(failed["at"])
            message = str(failed["message"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return ModelError(message) if 0 <= age_s < RETRY_AFTER_S else None

    def keep(self, name: str, error: ModelError) -> None:
        """Remember a failure; forget the others, they are of another time."""
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            document = {name: {"at": time.time(), "message": error.message}}
            self.path.write_text(json.dumps(document), encoding="utf-8")


OnFetch = Callable[[ModelCard], AbstractContextManager[Progress]]
"""Called before anything of a model is downloaded; what it gives is told how far that is."""


def fetch_notice(card: ModelCard) -> str:
    """Say what would be downloaded, how much, from where, and under which licence."""
    size = f"{card.size_bytes / 1e6:.0f} MB" if card.size_bytes else "nobody says how much"
    is_stated = card.licence_class != "not stated"
    licence = f"{card.licence} ({card.licence_class})" if is_stated else card.licence_class
    return (
        f"fetching {card.name}: {size} from {card.source or 'where its plugin knows'}; "
        f"licence of the weights: {licence}"
    )


@contextmanager
def tell_on_stderr(card: ModelCard) -> Iterator[Progress]:
    """Say what is fetched in one line on standard error, without progress."""
    with suppress(OSError):  # nobody reads it
        print(fetch_notice(card), file=sys.stderr, flush=True)  # noqa: T201
    yield silent


class Fetcher:
    """Downloads the weights of choices, each model at most once, whether that works or not."""

    def __init__(
        self,
        registry: Registry,
        memory: FailureMemory,
        on_fetch: OnFetch = tell_on_stderr,
        *,
        allowed: Collection[LicenceClass] = UNASKED,
    ) -> None:
        self._registry, self._memory, self._on_fetch = registry, memory, on_fetch
        self._allowed = allowed
        self._tried: dict[str, ModelError | None] = {}

    def fetch(self, choice: Choice, *, stems: Sequence[str], try_now: bool = True) -> Choice:
        """Return a choice whose weights are here; `auto` falls back to what was here before.

        `auto` does not try again what failed a short while ago. Without `try_now` nothing is
        downloaded, and a choice that has not failed yet comes back as it is.

        Raises:
            ModelError: the download failed and the recipe named this model, or nothing else
                gives `stems`.
        """
        if not choice.must_fetch:
            return choice
        name = choice.separator.card.name
        if choice.is_auto and name not in self._tried and (recent := self._memory.recent(name)):
            self._tried[name] = recent
        if name not in self._tried:
            if not try_now:
                return choice
            self._tried[name] = download_weights(choice.separator, self._on_fetch)
            if failure := self._tried[name]:
                self._memory.keep(name, failure)
        error = self._tried[name]
        if error is None:
            return Choice(choice.separator)
        if not choice.is_auto:
            raise error
        try:
            local = _opened(
                _choose_best(self._registry, stems, offline=True, allowed=self._allowed)
            )
        except ModelError:
            raise error from None
        if local.finding is None:
            return local
        return Choice(
            local.separator,
            finding=_embedded(f"{name!r} could not be fetched ({_reason(error, name)})"),
        )


def download_weights(separator: Separator, on_fetch: OnFetch = tell_on_stderr) -> ModelError | None:
    """Say what will be fetched, and fetch it; return why that failed."""
    try:
        with on_fetch(separator.card) as progress:
            separator.fetch(progress)
    except ModelError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it is told
        told = str(error).strip().partition("\n")[0] or type(error).__name__
        return ModelError(f"{separator.card.name!r} cannot be fetched: {told}")
    return None


def _reason(error: ModelError, name: str) -> str:
    """Return why a download failed, without what it names and without what to do about it.

    `fetch` writes `'name' cannot be fetched: reason; remedy`.
    """
    return error.message.removeprefix(f"{name!r} cannot be fetched: ").partition("; ")[0]
