"""From a request to a plan: what `run`, `plan`, `demo` and `separate` share."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from stemfx.bundle.lock import Lock
from stemfx.bundle.manifest import Manifest
from stemfx.bundle.opening import is_bundle, opened_bundle
from stemfx.bundle.stand_ins import with_stand_ins
from stemfx.cache import Cache
from stemfx.errors import LicenceError, Problem, RecipeError, StemfxError, UsageError
from stemfx.folders import cache_folder
from stemfx.models import (
    ACCEPTED,
    AUTO,
    STANDARD_STEMS,
    UNASKED,
    Choice,
    FailureMemory,
    Fetcher,
    OnFetch,
    choose,
    separators_of,
    tell_on_stderr,
)
from stemfx.plan import Options, Plan, make_plan
from stemfx.plan_inputs import (
    inspect_inputs,
    needs_separation,
    used_sources,
    used_tracks,
    wanted_stems,
)
from stemfx.plan_stems import Choices
from stemfx.recipe import Member, Output, Recipe, Separate, Source, Track, read_recipe
from stemfx.recipe.problems import did_you_mean, listing
from stemfx.registry import Registry
from stemfx.requirements import requirements, unclear_licences
from stemfx.separation import RESIDUAL
from stemfx.separator import EFFORTS, LicenceClass
from stemfx.shipped import own_recipes, shipped_recipes
from stemfx.shown import visible
from stemfx.stage import Finding


@dataclass(frozen=True)
class Request:
    """What the user asks for beside the recipe.

    `needs_sources` is for `read_recipe`: a recipe that is only looked at needs no songs.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    preset: str = ""
    sources: Mapping[str, Path] = field(default_factory=dict)
    out_folder: Path | None = None
    preview_s: tuple[float, float] | None = None
    models: tuple[str, ...] = ()
    quality: str | None = None
    device: str = "auto"
    offline: bool = False
    fold_down: bool = False
    accept_noncommercial: bool = False
    commercial: bool = False
    needs_sources: bool = True
    on_fetch: OnFetch = tell_on_stderr

    @property
    def allowed_licences(self) -> Collection[LicenceClass]:
        """The classes of licence that may be in the result; to sell it goes before all else."""
        if self.commercial:
            return {"open"}
        return ACCEPTED if self.accept_noncommercial else UNASKED


def find_recipe(name: str) -> tuple[Path, Path]:
    """Return (recipe file, default output folder) for a path or the name of a recipe.

    A name is that of one of the user's own recipes or of one that comes with stemfx. Where it is
    both, the user's is taken, and stderr says so. What is found by its name writes into the
    current folder, any other recipe beside itself.

    Raises:
        UsageError: there is no such file and no recipe of that name.
    """
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - unlike Path.expanduser it never raises
    if path.is_file():
        return path, path.resolve().parent
    own, shipped = own_recipes(), shipped_recipes()
    if name in own and name in shipped:
        which = f"{name!r} is your own recipe {own[name]}; that of stemfx is {shipped[name]}"
        print(f"stemfx: {visible(which)}", file=sys.stderr, flush=True)  # noqa: T201
    named = shipped | own
    if name in named:
        return named[name], Path.cwd()
    raise UsageError(
        f"no such recipe file{did_you_mean(name, named)} (by name: {listing(named)})",
        where=name,
    )


def load_recipe(name: str, request: Request, registry: Registry) -> tuple[Recipe, Path]:
    """Read a recipe with everything the request changes in it; return it and its output folder.

    Raises:
        UsageError, RecipeError: it cannot be found or read.
    """
    path, folder = find_recipe(name)
    return _read(path, request, registry), request.out_folder or folder


def _read(
    path: Path,
    request: Request,
    registry: Registry,
    *,
    is_bundled: bool = False,
    shown: Path | None = None,
) -> Recipe:
    recipe = read_recipe(
        path,
        stages=registry.stages,
        kits=registry.kits,
        preset=request.preset,
        settings=request.settings,
        sources=request.sources,
        explain_unknown_stage=registry.explain_unknown_stage,
        needs_sources=request.needs_sources,
        is_bundled=is_bundled,
        shown=shown,
    )
    recipe = replace(recipe, separate=_overridden(recipe.separate, request))
    if request.fold_down:
        folded = {name: replace(s, fold_down=True) for name, s in recipe.sources.items()}
        recipe = replace(recipe, sources=folded)
    return recipe


@dataclass(frozen=True)
class Opened:
    """A recipe that is ready to be planned; what its bundle was made with, if it is of one.

    `record` is the `run.json` that its author's run has left, where that came along.
    """

    recipe: Recipe
    out_folder: Path
    lock: Lock | None = None
    record: Path | None = None


@contextmanager
def opened_recipe(name: str, request: Request, registry: Registry) -> Iterator[Opened]:
    """Open a recipe or a bundle; what a bundle holds lies in a private folder while the block runs.

    A bundle writes beside itself, and its songs are those that came along or that `request` has.

    Raises:
        UsageError, RecipeError, BundleError: it cannot be found, read or trusted.
    """
    path, folder = find_recipe(name)
    if not is_bundle(path):
        yield Opened(_read(path, request, registry), request.out_folder or folder)
        return
    with opened_bundle(path, beside=cache_folder() / "scratch") as (inside, manifest):
        lock = Lock(manifest, str(path))
        try:
            if request.needs_sources:
                lock.check_plugins(registry)
                if not request.models:
                    lock.check_model_names(registry)
            else:
                registry = with_stand_ins(registry, manifest)
            recipe = _read(
                inside / manifest.recipe,
                replace(request, sources=_sources(inside, manifest, request.sources)),
                registry,
                is_bundled=True,
                shown=path / manifest.recipe,
            )
            record = next(
                (inside / n for n, f in manifest.files.items() if f.role == "record"), None
            )
            yield Opened(recipe, request.out_folder or folder, lock, record)
        except StemfxError as error:
            _show_elsewhere(error, inside, path)
            raise


def _sources(inside: Path, manifest: Manifest, given: Mapping[str, Path]) -> dict[str, Path]:
    """Return the files of a bundle's sources; a song that is given replaces all that is packed."""
    replaced = {name for name in given if "/" not in name}
    packed = {
        name: inside / file
        for name, file in manifest.sources.items()
        if "" not in replaced and name.partition("/")[0] not in replaced
    }
    return {**packed, **given}


def _show_elsewhere(error: StemfxError, inside: Path, path: Path) -> None:
    """Say of everything in an error that lies in a private folder that it lies in the bundle."""

    def shown(text: str) -> str:
        return text.replace(str(inside), str(path))

    error.message = shown(error.message)
    error.where = None if error.where is None else shown(error.where)
    error.args = (error.message,)
    if isinstance(error, RecipeError):
        error.problems = tuple(
            Problem(shown(problem.where), shown(problem.message)) for problem in error.problems
        )


def _overridden(separate: Separate, request: Request) -> Separate:
    """Return how to separate, with what the command line says instead."""
    if twice := [name for name in request.models if request.models.count(name) > 1]:
        raise UsageError(f"model {twice[0]!r} is given twice", where="--model")
    if request.models:
        members = tuple(Member(model, "--model") for model in request.models)
        separate = replace(separate, members=members)
    if request.quality is not None:
        given = {name: getattr(separate.effort, name) for name in separate.asked}
        separate = replace(separate, effort=replace(EFFORTS[request.quality], **given))
    return separate


def recipe_for_stems(
    file: Path,
    request: Request,
    registry: Registry,
    *,
    separate: Separate,
    stems: Sequence[str] = (),
) -> tuple[Recipe, dict[str, list[Choice]]]:
    """Return the recipe that splits one song into stems, and the models that do it.

    The song is looked at first; nothing is downloaded yet.

    Args:
        file: the song.
        request: what the user asks for.
        registry: of models.
        separate: how; `request` overrides it.
        stems: those that are wanted; none are all of the model that gives most.

    Raises:
        AudioFileError: the song cannot be used.
        ModelError: a model is unknown or its weights cannot be had.
        RecipeError: no model gives one of the stems.
    """
    separate = _overridden(separate, request)
    inspect_inputs(_recipe_for_stems(file, request, separate, ("vocals",)))
    choices = _choose_all(separate.members, stems, request, registry, inside=None)
    most = max(choices, key=lambda choice: len(choice.separator.card.stems))
    recipe = _recipe_for_stems(file, request, separate, tuple(stems) or most.separator.card.stems)
    return recipe, dict.fromkeys(recipe.sources, choices)


def recipe_for_song(file: Path, request: Request, separate: Separate) -> Recipe:
    """Return the recipe that plays one song as it is."""
    return _recipe_for_stems(file, request, separate, (None,))


def _recipe_for_stems(
    file: Path, request: Request, separate: Separate, stems: Sequence[str | None]
) -> Recipe:
    where = str(file)
    tracks = {
        stem or "song": Track(
            stem or "song",
            "song",
            stem,
            None,
            (),
            0.0,
            0.0,
            mute=False,
            where=where,
            from_where=where,
        )
        for stem in stems
    }
    return Recipe(
        path=file,
        folder=file.resolve().parent,
        title=f"stems of {file.name}",
        author="",
        licence="",
        description="",
        knobs={},
        values={},
        sources={"song": Source("song", file, None, fold_down=request.fold_down, where=where)},
        separate=separate,
        tracks=tracks,
        mix=(),
        master=(),
        output=Output(where, stems=Path(), stems_where=where),
    )


def choose_models(
    recipe: Recipe, request: Request, registry: Registry, lock: Lock | None = None
) -> dict[str, list[Choice]]:
    """Choose the models of every source that has to be separated. Nothing is downloaded.

    With a `lock`, `auto` is what it was when the bundle was made, unless `request` names models.

    Raises:
        ModelError: a model is unknown or its weights cannot be had.
    """
    members = recipe.separate.members
    if all(member.model == AUTO for member in members):
        _check_stems(recipe, registry)
    inside = None if request.models else recipe.folder
    named = [member.model for member in members]
    chosen = {}
    for source in used_sources(recipe):
        if needs_separation(recipe, source):
            locked = lock and not request.models and lock.model_of(source.name, named)
            own = [replace(m, model=locked) if locked and m.model == AUTO else m for m in members]
            stems = _stems_of(recipe, source)
            chosen[source.name] = _choose_all(own, stems, request, registry, inside=inside)
    return chosen


def _stems_of(recipe: Recipe, source: Source) -> list[str]:
    return [stem for stem in wanted_stems(recipe, source) if stem != RESIDUAL]


def _choose_all(
    members: Sequence[Member],
    stems: Sequence[str],
    request: Request,
    registry: Registry,
    *,
    inside: Path | None,
) -> list[Choice]:
    """Choose the model of every member; `auto` gives what the named ones do not."""

    def choice_of(member: Member, wanted: Sequence[str]) -> Choice:
        return choose(
            registry,
            member.model,
            stems=wanted,
            offline=request.offline,
            where=member.where,
            inside=inside,
            allowed=request.allowed_licences,
        )

    named = {m.model: choice_of(m, stems) for m in members if m.model != AUTO}
    given = {stem for choice in named.values() for stem in choice.separator.card.stems}
    left = [stem for stem in stems if stem not in given]
    wanted = left or [stem for stem in stems if stem in STANDARD_STEMS]
    return [named[m.model] if m.model != AUTO else choice_of(m, wanted) for m in members]


def fetch_models(
    recipe: Recipe,
    choices: Mapping[str, Sequence[Choice]],
    request: Request,
    registry: Registry,
    *,
    try_now: bool,
) -> dict[str, list[Choice]]:
    """Return the choices with their weights here; with `try_now` false nothing is downloaded.

    Raises:
        ModelError: a download failed, and a recipe named that model or nothing else will do.
    """
    fetcher = Fetcher(
        registry,
        failure_memory(),
        request.on_fetch,
        allowed=request.allowed_licences,
    )
    return {
        name: [
            fetcher.fetch(choice, stems=_stems_of(recipe, recipe.sources[name]), try_now=try_now)
            for choice in of_source
        ]
        for name, of_source in choices.items()
    }


def failure_memory() -> FailureMemory:
    """Return what remembers the downloads that failed a short while ago."""
    return FailureMemory(cache_folder() / "unreachable.json")


def _check_stems(recipe: Recipe, registry: Registry) -> None:
    """Refuse stems that no model gives, at the track that asks for them."""
    known = {stem for separator in registry.separators.values() for stem in separator.card.stems}
    files = [source.name for source in used_sources(recipe) if source.stems is None]
    problems = [
        Problem(
            track.from_where,
            f"no known model gives a stem {stem!r}{did_you_mean(stem, known)} "
            f"(known: {listing(sorted(known))})",
        )
        for track in used_tracks(recipe)
        for source, stem in track.played
        if source in files and stem and stem not in {*known, RESIDUAL}
    ]
    if problems:
        raise RecipeError(problems)


def prepare(
    recipe: Recipe,
    folder: Path,
    request: Request,
    registry: Registry,
    *,
    may_fetch: bool,
    choices: Choices | None = None,
    lock: Lock | None = None,
) -> tuple[Plan, list[Finding]]:
    """Look at the inputs, choose the models (unless `choices` has them) and build the plan.

    With a `lock` the models are those that the bundle was made with, to the byte.

    What can be told before a download is told before it: the plan is built once without.

    Raises:
        StemfxError: anything that keeps the recipe from being run.
    """
    inputs = inspect_inputs(recipe)
    options = Options(folder, request.preview_s, request.device)
    if choices is None:
        choices = choose_models(recipe, request, registry, lock)
    if request.commercial:
        check_commercial(recipe, choices, registry)
    here = fetch_models(recipe, choices, request, registry, try_now=False)
    plan = make_plan(recipe, inputs, here, registry, options)
    if may_fetch and any(choice.must_fetch for of_source in here.values() for choice in of_source):
        here = fetch_models(recipe, here, request, registry, try_now=True)
        plan = make_plan(recipe, inputs, here, registry, options)
    findings = [c.finding for of_source in here.values() for c in of_source if c.finding]
    if lock is not None:
        findings += lock.notes(registry)
        if not request.models:
            lock.check_models(plan.separators)
    return plan, list(dict.fromkeys(findings))


def check_commercial(recipe: Recipe, choices: Choices, registry: Registry) -> None:
    """Refuse a recipe whose result may not be sold, as far as licences are known.

    Raises:
        LicenceError: carries everything that stands in the way.
    """
    needed = requirements(recipe, separators_of(choices), registry)
    unclear = unclear_licences(recipe, needed)
    if unclear:
        listed = "\n".join(str(problem) for problem in unclear)
        raise LicenceError(f"--commercial refuses this recipe:\n{listed}", where=unclear[0].where)


@contextmanager
def open_cache(*, keep: bool = True) -> Iterator[Cache]:
    """Open the cache; with `keep` false a scratch one that is removed afterwards.

    The scratch one lies beside the cache, since a system's folder for temporary files is often
    memory; where that cannot be written, there.
    """
    if keep:
        yield Cache(cache_folder())
        return
    beside: Path | None = cache_folder()
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
    except OSError:
        beside = None
    with tempfile.TemporaryDirectory(prefix="stemfx-", dir=beside) as folder:
        yield Cache(Path(folder), is_kept=False)
