"""Finds plugins, the built-in ones too, and collects what they offer.

Each entry point of the group `stemfx` is loaded alone: a plugin that fails to import, whose
hook raises, or that offers a name which another one has, is listed as broken and harms nothing
that does not need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, get_args

import pluggy

from stemfx import __version__, hookspecs, registered
from stemfx.beat_tracker import OWN_TRACKER, BeatTracker
from stemfx.errors import ModelError, PluginError
from stemfx.hits import HitClassifier
from stemfx.kit import Kit
from stemfx.separator import ModelCard, Separator, WeightsState
from stemfx.separators.weights import check_plain
from stemfx.stage import Stage, StageParams

GROUP = "stemfx"
SUITE = "stemfx-suite"
LICENCE = "GPL-3.0-or-later"
"""Of the suite itself."""
Kind = Literal["stage", "model", "kit", "hit classifier", "beat tracker"]
Openers = Mapping[str, Callable[[Path], Separator | None]]
BUILT_IN = ("stemfx.stages", "stemfx.separators", "stemfx.kits", "stemfx.drums")


@dataclass(frozen=True)
class Plugin:
    """One entry point: what it offers, or why it is broken.

    `licence` is what its package states, as an SPDX expression where it has one; else empty.
    """

    name: str
    distribution: str
    version: str
    stages: tuple[str, ...] = ()
    separators: tuple[str, ...] = ()
    kits: tuple[str, ...] = ()
    hit_classifiers: tuple[str, ...] = ()
    beat_trackers: tuple[str, ...] = ()
    broken: str | None = None
    licence: str = ""


@dataclass(frozen=True)
class Registry:
    """Everything that is installed, by name.

    `clashes` says, by kind (`stage`, `model`, `kit`, `hit classifier`, `beat tracker`) and name,
    which two plugins offer one name.
    Such a name is in none of the other mappings: nothing is picked silently.
    """

    stages: Mapping[str, Stage]
    separators: Mapping[str, Separator]
    kits: Mapping[str, Kit]
    hit_classifiers: Mapping[str, HitClassifier]
    beat_trackers: Mapping[str, BeatTracker]
    plugins: tuple[Plugin, ...]
    clashes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    _openers: Openers = field(default_factory=dict, repr=False)
    _owners: Mapping[tuple[str, str], Plugin] = field(default_factory=dict, repr=False)

    def version_of(self, stage: Stage) -> str:
        """Name what makes two results of a stage equal: owner, its version, the stage's own.

        The suite's own stages carry their own version, so an upgrade of stemfx that does not
        touch a stage keeps what was rendered with it.
        """
        return f"{self._release('stage', stage.name)}:{stage.version}"

    def version_of_kit(self, kit: Kit) -> str:
        """Name what makes two hits of a kit equal; one from disk has no owner."""
        is_installed = self.kits.get(kit.name) is kit
        return f"{self._release('kit', kit.name) if is_installed else ''}:{kit.identity()}"

    def version_of_classifier(self, classifier: HitClassifier) -> str:
        """Name what makes two answers of a classifier equal."""
        release = self._release("hit classifier", classifier.name)
        return f"{release}:{classifier.name}:{classifier.version}"

    def version_of_beat_tracker(self, tracker: BeatTracker | None) -> str:
        """Name what makes two answers of a beat tracker equal; empty for stemfx's own."""
        if tracker is None:
            return ""
        release = self._release("beat tracker", tracker.name)
        return f"{release}:{tracker.name}:{tracker.version}"

    def beat_tracker(self, name: str | None) -> BeatTracker | None:
        """Return a beat tracker by its name; None is stemfx's own, which is no plugin.

        Raises:
            PluginError: two plugins offer it, or none does.
        """
        if name is None or name == OWN_TRACKER:
            return None
        if found := self.beat_trackers.get(name):
            return found
        if clash := self.clashes.get(("beat tracker", name)):
            raise PluginError(clash)
        from stemfx.recipe.wording import unknown

        message = unknown(name, "the beat trackers", (OWN_TRACKER, *self.beat_trackers))
        broken = "; ".join(f"{p.name} ({p.broken})" for p in self.plugins if p.broken)
        if broken:
            message += f"; a broken plugin may have provided it: {broken}"
        raise PluginError(message)

    def owner(self, kind: Kind, name: str) -> Plugin | None:
        """Return the plugin that offers something; None when none does, or two do."""
        return None if (kind, name) in self.clashes else self._owners.get((kind, name))

    def _release(self, kind: str, name: str) -> str:
        owner = self._owners[kind, name]
        return f"{owner.distribution}:{'' if owner.distribution == SUITE else owner.version}"

    def is_built_in(self, separator: Separator) -> bool:
        """Say whether a model comes with the suite itself."""
        return any(
            separator.card.name in plugin.separators
            for plugin in self.plugins
            if plugin.distribution == SUITE
        )

    def explain_unknown_stage(self, name: str) -> str:
        """Name the broken plugins that might have provided a stage; empty when none is broken.

        Raises:
            PluginError: the name is not unknown: two plugins offer it.
        """
        if clash := self.clashes.get(("stage", name)):
            raise PluginError(clash)
        broken = [plugin for plugin in self.plugins if plugin.broken]
        if not broken:
            return ""
        listed = "; ".join(f"{plugin.name} ({plugin.broken})" for plugin in broken)
        return f"a broken plugin may have provided it: {listed}"

    def open_model(self, path: Path) -> Separator | None:
        """Return a separator for a model file or folder; None when no plugin knows it.

        Raises:
            ModelError: a plugin knows it, and it is damaged or refused; or none knows it, and a
                plugin that might have failed on it; or it is neither file nor folder.
        """
        return _open_with(self._openers, path)


def weights_of(separator: Separator) -> WeightsState:
    """Say where a model's weights are; a plugin that cannot say has none."""
    return ask_weights(separator)[0]


def ask_weights(separator: Separator) -> tuple[WeightsState, str]:
    """Say where a model's weights are, and what its plugin did when it cannot say, else nothing."""
    try:
        state = separator.weights()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - as in `_Collector.load`
        return "missing", _told(error)
    known = state in get_args(WeightsState)
    return (state, "") if known else ("missing", f"it answered {state!r}")


def files_of(separator: Separator) -> tuple[Path, ...]:
    """Return the files of a model's weights; a plugin that cannot say has none."""
    try:
        return tuple(path.absolute() for path in separator.files())
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - as in `_Collector.load`
        return ()


def build_registry(extra: Iterable[tuple[str, Any]] = ()) -> Registry:
    """Load every plugin and collect what it offers.

    Of two plugins that offer one name the later one is broken: the suite's own come first, the
    others by name.

    Args:
        extra: (name, module or object) pairs to register beside the installed ones, for tests.
    """
    collector = _Collector()
    for module in BUILT_IN:
        name = module.rpartition(".")[2]
        point = EntryPoint(name=name, value=module, group=GROUP)
        collector.load(name, SUITE, __version__, point.load, LICENCE)
    found = [
        (point.name, point.dist.name if point.dist else "unknown", point)
        for point in entry_points(group=GROUP)
        if point.value not in BUILT_IN
    ]
    for name, distribution, point in sorted(found, key=lambda one: (*one[:2], one[2].value)):
        version = point.dist.version if point.dist else "0"
        licence = _licence_of(point.dist) if point.dist else ""
        collector.load(name, distribution, version, point.load, licence)
    for name, plugin in extra:
        collector.load(name, "extra", "0", partial(_same, plugin))
    return collector.registry()


def _licence_of(package: Distribution) -> str:
    """Return the licence that a package states: its SPDX expression, else what it has instead."""
    facts = package.metadata
    stated = next((str(facts[n]) for n in ("License-Expression", "License") if n in facts), "")
    if stated.strip():
        return stated.strip().partition("\n")[0][:200]
    classifiers = facts.get_all("Classifier") or []
    named = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License :: ")]
    return " AND ".join(named)


def _same(plugin: object) -> object:
    return plugin


def _open_with(openers: Openers, path: Path) -> Separator | None:
    if path.exists():
        check_plain(path)
    failed = []
    for plugin, opener in openers.items():
        try:
            separator = opener(path)
            if separator is not None:
                _check_separator(separator)
                return separator
        except (ModelError, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - as in `_Collector.load`
            failed.append(f"the plugin {plugin} failed on it: {_told(error)}")
    if failed:
        msg = f"no installed separator knows this file or folder ({'; '.join(failed)})"
        raise ModelError(msg, where=str(path))
    return None


def _told(error: BaseException) -> str:
    """Return an error in one line."""
    try:
        message = error.message if isinstance(error, PluginError) else str(error)
    except Exception:  # noqa: BLE001 - what a plugin raises may not even have a text
        message = ""
    kind = "" if isinstance(error, PluginError) else type(error).__name__
    return ": ".join(filter(None, (kind, message.strip().partition("\n")[0])))


class _Collector:
    def __init__(self) -> None:
        self._owners: dict[tuple[str, str], Plugin] = {}
        self._clashes: dict[tuple[str, str], str] = {}
        self._stages: dict[str, Stage] = {}
        self._separators: dict[str, Separator] = {}
        self._kits: dict[str, Kit] = {}
        self._hit_classifiers: dict[str, HitClassifier] = {}
        self._beat_trackers: dict[str, BeatTracker] = {}
        self._openers: dict[str, Callable[[Path], Separator | None]] = {}
        self._plugins: list[Plugin] = []

    def registry(self) -> Registry:
        """Return what was loaded, without the names that two plugins offer."""
        offers: dict[str, dict[str, Any]] = {
            "stage": self._stages,
            "model": self._separators,
            "kit": self._kits,
            "hit classifier": self._hit_classifiers,
            "beat tracker": self._beat_trackers,
        }
        for kind, name in self._clashes:
            del offers[kind][name]
        self._take_registered()
        return Registry(
            stages=self._stages,
            separators=self._separators,
            kits=self._kits,
            hit_classifiers=self._hit_classifiers,
            beat_trackers=self._beat_trackers,
            plugins=tuple(self._plugins),
            clashes=self._clashes,
            _openers=self._openers,
            _owners=self._owners,
        )

    def _take_registered(self) -> None:
        """Add the user's own models; a plugin that has come to know the same name goes first."""
        models, problems = registered.read_all(partial(_open_with, self._openers))
        for model in models:
            name = model.card.name
            if owner := self._owners.get(("model", name)):
                problems.append(
                    f"the plugin {owner.name!r} ({owner.distribution}) knows a model {name!r} too; "
                    f"`stemfx models remove {name}`, then add yours under another name"
                )
            else:
                self._separators[name] = model
        if problems:
            told = "; ".join(problems)
            self._plugins.append(Plugin("registered", "your models", __version__, broken=told))

    def load(
        self,
        name: str,
        distribution: str,
        version: str,
        load: Callable[[], object],
        licence: str = "",
    ) -> None:
        """Load one plugin; it is listed as broken whatever goes wrong."""
        try:
            self._take(name, distribution, version, load(), licence)
        except KeyboardInterrupt:
            raise
        # Not only Exception: a plugin may call sys.exit(), and a panic in Rust is neither.
        except BaseException as error:  # noqa: BLE001 - it is listed
            self._plugins.append(Plugin(name, distribution, version, broken=_told(error)))

    def _take(
        self, name: str, distribution: str, version: str, module: object, licence: str
    ) -> None:
        # A manager of its own: what one plugin leaves half registered is not in another's way.
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        manager.register(module, name=f"{distribution}:{name}")
        manager.check_pending()
        stages = {stage.name: stage for stage in _offered(manager.hook.stemfx_stages(), "stage")}
        separators = {
            separator.card.name: separator
            for separator in _offered(manager.hook.stemfx_separators(), "model")
        }
        kits = {kit.name: kit for kit in _offered(manager.hook.stemfx_kits(), "kit")}
        classifiers = {
            classifier.name: classifier
            for classifier in _offered(manager.hook.stemfx_hit_classifiers(), "hit classifier")
        }
        trackers = {
            tracker.name: tracker
            for tracker in _offered(manager.hook.stemfx_beat_trackers(), "beat tracker")
        }
        plugin = Plugin(
            name,
            distribution,
            version,
            tuple(stages),
            tuple(separators),
            tuple(kits),
            tuple(classifiers),
            tuple(trackers),
            licence=licence,
        )
        self._claim(
            plugin,
            [
                *(("stage", name) for name in stages),
                *(("model", name) for name in separators),
                *(("kit", name) for name in kits),
                *(("hit classifier", name) for name in classifiers),
                *(("beat tracker", name) for name in trackers),
            ],
        )
        self._stages |= stages
        self._separators |= separators
        self._kits |= kits
        self._hit_classifiers |= classifiers
        self._beat_trackers |= trackers
        self._plugins.append(plugin)
        if manager.hook.stemfx_open_model.get_hookimpls():
            self._openers[f"{name!r} ({distribution})"] = partial(_opened, manager)

    def _claim(self, plugin: Plugin, offers: list[tuple[str, str]]) -> None:
        """Make a plugin the owner of all that it offers, or of nothing."""
        clashes = {}
        for kind, name in offers:
            if first := self._owners.get((kind, name)):
                clashes[kind, name] = (
                    f"the plugins {first.name!r} ({first.distribution}) and {plugin.name!r} "
                    f"({plugin.distribution}) both offer a {kind} named {name!r}; "
                    "uninstall one of them"
                )
        self._clashes = clashes | self._clashes
        if clashes:
            raise PluginError(next(iter(clashes.values())))
        self._owners |= dict.fromkeys(offers, plugin)


def _opened(manager: pluggy.PluginManager, path: Path) -> Separator | None:
    separator: Separator | None = manager.hook.stemfx_open_model(path=path)
    return separator


def _offered(answers: Iterable[Iterable[Any]], kind: str) -> list[Any]:
    """Return what a hook offers, each thing looked at.

    Raises:
        TypeError: something is not what the hook declares.
        PluginError: one name is offered twice.
    """
    found: dict[str, Any] = {}
    for thing in (thing for answer in answers for thing in answer):
        _CHECKS[kind](thing)
        name = thing.card.name if kind == "model" else thing.name
        if not isinstance(name, str) or not name:
            raise TypeError(f"a {kind} is named {name!r}; its name must be a text")
        if name in found:
            raise PluginError(f"it offers two {kind}s named {name!r}; rename one")
        found[name] = thing
    return list(found.values())


def _check_is(thing: object, kind: type) -> None:
    if not isinstance(thing, kind):
        raise TypeError(f"a hook returned {thing!r} where a {kind.__name__} is declared")


def _check_stage(thing: Any) -> None:
    _check_is(thing, Stage)
    if not (isinstance(thing.params, type) and issubclass(thing.params, StageParams)):
        raise TypeError(f"the parameters of stage {thing.name!r} are not a StageParams class")
    thing.check_references()


def _check_separator(thing: Any) -> None:
    _check_is(thing, Separator)
    card = getattr(thing, "card", None)
    if not isinstance(card, ModelCard):
        raise TypeError(f"the separator {type(thing).__name__} has no ModelCard as its `card`")


def _check_kit(thing: Any) -> None:
    _check_is(thing, Kit)


def _check_hit_classifier(thing: Any) -> None:
    _check_is(thing, HitClassifier)


def _check_beat_tracker(thing: Any) -> None:
    _check_is(thing, BeatTracker)
    if thing.name == OWN_TRACKER:
        raise PluginError(f"its beat tracker is named {OWN_TRACKER!r}, as stemfx's own; rename it")


_CHECKS = {
    "stage": _check_stage,
    "model": _check_separator,
    "kit": _check_kit,
    "hit classifier": _check_hit_classifier,
    "beat tracker": _check_beat_tracker,
}
