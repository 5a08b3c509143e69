"""Finds plugins, the built-in ones too, and collects what they offer.

Each entry point of the group `stemfx` is loaded alone: a plugin that fails to import, or
whose hook raises, is listed as broken and harms nothing that does not need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from stemfx import __version__, hookspecs
from stemfx.errors import PluginError
from stemfx.kit import Kit
from stemfx.separator import Separator
from stemfx.stage import Stage

GROUP = "stemfx"
BUILT_IN = ("stemfx.stages", "stemfx.separators", "stemfx.kits")


@dataclass(frozen=True)
class Plugin:
    """One entry point: what it offers, or why it is broken."""

    name: str
    distribution: str
    version: str
    stages: tuple[str, ...] = ()
    separators: tuple[str, ...] = ()
    kits: tuple[str, ...] = ()
    broken: str | None = None


@dataclass(frozen=True)
class Registry:
    """Everything that is installed, by name."""

    stages: Mapping[str, Stage]
    separators: Mapping[str, Separator]
    kits: Mapping[str, Kit]
    plugins: tuple[Plugin, ...]
    _openers: tuple[Callable[[Path], Separator | None], ...] = field(default=(), repr=False)
    _stage_owners: Mapping[str, Plugin] = field(default_factory=dict, repr=False)

    def version_of(self, stage: Stage) -> str:
        """Name what makes two results of a stage equal: owner, its version, the stage's own.

        The suite's own stages carry their own version, so an upgrade of stemfx that does not
        touch a stage keeps what was rendered with it.
        """
        owner = self._stage_owners[stage.name]
        release = "" if owner.distribution == "stemfx-suite" else owner.version
        return f"{owner.distribution}:{release}:{stage.version}"

    def explain_unknown_stage(self, name: str) -> str:  # noqa: ARG002 - a hint for any name
        """Name the broken plugins that might have provided a stage; empty when none is broken."""
        broken = [plugin for plugin in self.plugins if plugin.broken]
        if not broken:
            return ""
        listed = "; ".join(f"{plugin.name} ({plugin.broken})" for plugin in broken)
        return f"a broken plugin may have provided it: {listed}"

    def open_model(self, path: Path) -> Separator | None:
        """Return a separator for a model file or folder; None when no plugin knows it."""
        for opener in self._openers:
            separator = opener(path)
            if separator is not None:
                return separator
        return None


def build_registry(extra: Iterable[tuple[str, Any]] = ()) -> Registry:
    """Load every plugin and collect what it offers.

    Args:
        extra: (name, module or object) pairs to register beside the installed ones, for tests.

    Raises:
        PluginError: two plugins offer one name; both are named.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    collector = _Collector(manager)
    for module in BUILT_IN:
        name = module.rpartition(".")[2]
        point = EntryPoint(name=name, value=module, group=GROUP)
        collector.load(name, "stemfx-suite", __version__, point.load)
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        if point.value not in BUILT_IN:
            distribution = point.dist
            collector.load(
                point.name,
                distribution.name if distribution else "unknown",
                distribution.version if distribution else "0",
                point.load,
            )
    for name, plugin in extra:
        collector.load(name, "extra", "0", partial(_same, plugin))
    return Registry(
        stages=collector.stages,
        separators=collector.separators,
        kits=collector.kits,
        plugins=tuple(collector.plugins),
        _openers=tuple(collector.openers),
        _stage_owners=collector.stage_owners,
    )


def _same(plugin: object) -> object:
    return plugin


class _Collector:
    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._manager = manager
        self._owners: dict[tuple[str, str], str] = {}
        self.stages: dict[str, Stage] = {}
        self.separators: dict[str, Separator] = {}
        self.kits: dict[str, Kit] = {}
        self.openers: list[Callable[[Path], Separator | None]] = []
        self.plugins: list[Plugin] = []
        self.stage_owners: dict[str, Plugin] = {}

    def load(self, name: str, distribution: str, version: str, load: Callable[[], object]) -> None:
        try:
            module = load()
            self._manager.register(module, name=name)
            self._manager.check_pending()
            offered = self._offers_of(module)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it is listed
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            self.plugins.append(Plugin(name, distribution, version, broken=reason))
            return
        stages, separators, kits = offered
        plugin = Plugin(
            name,
            distribution,
            version,
            stages=tuple(stage.name for stage in stages),
            separators=tuple(separator.card.name for separator in separators),
            kits=tuple(kit.name for kit in kits),
        )
        self._claim("stage", plugin, plugin.stages)
        self._claim("model", plugin, plugin.separators)
        self._claim("kit", plugin, plugin.kits)
        self.stages |= {stage.name: stage for stage in stages}
        self.stage_owners |= dict.fromkeys(plugin.stages, plugin)
        self.separators |= {separator.card.name: separator for separator in separators}
        self.kits |= {kit.name: kit for kit in kits}
        self.plugins.append(plugin)
        opener = getattr(module, "stemfx_open_model", None)
        if opener is not None:
            self.openers.append(opener)

    def _offers_of(self, module: object) -> tuple[list[Stage], list[Separator], list[Kit]]:
        others = [p for p in self._manager.get_plugins() if p is not module]
        hooks = {
            name: self._manager.subset_hook_caller(name, others)
            for name in ("stemfx_stages", "stemfx_separators", "stemfx_kits")
        }
        stages, separators, kits = (
            [item for offered in hooks[name]() for item in offered] for name in hooks
        )
        for kind, items in ((Stage, stages), (Separator, separators), (Kit, kits)):
            for item in items:
                if not isinstance(item, kind):
                    msg = f"a hook returned {item!r} where a {kind.__name__} is declared"
                    raise TypeError(msg)
        return stages, separators, kits

    def _claim(self, kind: str, plugin: Plugin, names: tuple[str, ...]) -> None:
        for name in names:
            first = self._owners.setdefault((kind, name), plugin.name)
            if first != plugin.name:
                raise PluginError(
                    f"the plugins {first!r} and {plugin.name!r} ({plugin.distribution}) both offer "
                    f"a {kind} named {name!r}; uninstall one of them"
                )
