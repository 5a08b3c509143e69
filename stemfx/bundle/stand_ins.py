"""What stands for the stages and kits of a bundle that are not installed while one looks at it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import ConfigDict

from stemfx.audio import Audio
from stemfx.bundle.manifest import Manifest
from stemfx.kit import Kit
from stemfx.registry import Registry
from stemfx.stage import Stage, StageParams


class _AnyParams(StageParams):
    """Parameters of a stage that is not installed: as they are written."""

    model_config = ConfigDict(**StageParams.model_config | {"extra": "allow"})


class _AbsentKit(Kit):
    """A kit that is not installed."""

    def __init__(self, name: str, licence: str) -> None:
        self.name, self.licence, self.summary = name, licence, "not installed"

    @property
    def classes(self) -> tuple[str, ...]:
        """None that is known."""
        return ()

    def sample(self, drum_class: str, *_: Any, **__: Any) -> Audio:
        """Raise: there is nothing to play."""
        raise KeyError(drum_class)


def with_stand_ins(registry: Registry, manifest: Manifest) -> Registry:
    """Return what is installed, and stand-ins for the stages and kits that a bundle lacks here."""
    offered = [offer.partition(" ") for p in manifest.plugins for offer in p.offers]
    stages = {
        name: Stage(name, _AnyParams, _never)
        for kind, _, name in offered
        if kind == "stage" and name not in registry.stages
    }
    kits = {
        kit.name: _AbsentKit(kit.name, kit.licence)
        for kit in manifest.kits
        if kit.distribution and kit.name not in registry.kits
    }
    return replace(registry, stages={**stages, **registry.stages}, kits={**kits, **registry.kits})


def _never(*_: Any) -> Any:
    """Do what is not known here."""
    raise NotImplementedError
