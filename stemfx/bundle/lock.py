"""What a bundle was made with, held against what is here: the same bytes, or the reason why not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from stemfx import __version__
from stemfx.bundle.manifest import Manifest, PackedPlugin
from stemfx.errors import BundleError, ModelError
from stemfx.registry import SUITE, Registry, files_of
from stemfx.requirements import Separators, each_separator
from stemfx.separators.weights import sha256
from stemfx.stage import Finding

# What pip takes for the name and the version of a package, and never for an option or an address.
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.!+_-]{0,63}")


@dataclass(frozen=True)
class Lock:
    """The plugins and models of a bundle.

    Args:
        manifest: of the bundle.
        where: the bundle's file, for messages.
    """

    manifest: Manifest
    where: str

    def check_plugins(self, registry: Registry) -> None:
        """Refuse a bundle whose plugins are not installed, and say how they are.

        Raises:
            BundleError: names all that is missing.
        """
        lacking = [(plugin, _lacking(plugin, registry)) for plugin in self.manifest.plugins]
        told = [
            f"{', '.join(offers)} of {_install(plugin)}" for plugin, offers in lacking if offers
        ]
        if told:
            raise BundleError(
                f"it needs what is not installed: {'; '.join(told)} (a plugin is a program: "
                "install only what you trust)",
                where=self.where,
            )

    def check_model_names(self, registry: Registry) -> None:
        """Refuse a bundle with models that nobody here knows, and say how they become known.

        Raises:
            BundleError: names the first of them.
        """
        brought = {
            PurePosixPath(name).name
            for name, file in self.manifest.files.items()
            if file.role == "model"
        }
        for model in self.manifest.models:
            if model.name in registry.separators or brought.issuperset(model.files or {""}):
                continue
            digest = next(iter(model.files.values()), "")
            which = f", SHA-256 {digest[:16]}..." if digest else ""
            raise BundleError(
                f"it was made with the model {model.name!r} ({model.family}{which}), which is not "
                f"known here; ask its author for the file, then `stemfx models add FILE --name "
                f"NAME`, or pass --model with one of yours: the result will be another",
                where=self.where,
            )

    def notes(self, registry: Registry) -> Iterator[Finding]:
        """Tell which versions here are not those that the bundle was made with."""
        made_with = {p.distribution: p.version for p in self.manifest.plugins}
        made_with[SUITE] = self.manifest.made_with
        here = {p.distribution: p.version for p in registry.plugins} | {SUITE: __version__}
        other = [
            f"{name} {version} (here: {here[name]})"
            for name, version in made_with.items()
            if name in here and here[name] != version
        ]
        if other:
            yield Finding(
                "info",
                "other_versions",
                f"this bundle was made with {', '.join(other)}; it may sound a little different",
            )

    def model_of(self, source: str, named: Sequence[str]) -> str | None:
        """Return what `auto` came to for a source; the recipe names these models beside it."""
        models = [m.name for m in self.manifest.models if source in m.sources]
        return next((name for name in models if name not in named), None)

    def check_models(self, separators: Separators) -> None:
        """Refuse weights that are not those that the bundle was made with.

        Raises:
            ModelError: says which file differs.
        """
        locked = {model.name: model for model in self.manifest.models}
        for separator in each_separator(separators):
            name = separator.card.name
            wanted = dict(locked[name].files) if name in locked else {}
            for file in files_of(separator) if wanted else ():
                found = sha256(file)
                if found != wanted.get(file.name, found):
                    raise ModelError(
                        f"the weights of {name!r} here are not those that the bundle was made with "
                        f"({file.name}: SHA-256 {wanted[file.name][:16]}... there, {found[:16]}... "
                        f"here), so the result would be another; pass --model {name} if that is "
                        "meant",
                        where=self.where,
                    )


def _lacking(plugin: PackedPlugin, registry: Registry) -> list[str]:
    """Return what a plugin offered and nobody here does."""
    known: Mapping[str, Mapping[str, object]] = {
        "stage": registry.stages,
        "model": registry.separators,
        "kit": registry.kits,
        "hit classifier": registry.hit_classifiers,
        "beat tracker": registry.beat_trackers,
    }
    lacking = []
    for offer in plugin.offers:
        kind = next((kind for kind in known if offer.startswith(f"{kind} ")), "")
        if kind and offer.removeprefix(f"{kind} ") not in known[kind]:
            lacking.append(f"the {kind} {offer.removeprefix(f'{kind} ')!r}")
    return lacking


def _install(plugin: PackedPlugin) -> str:
    name, version = plugin.distribution, plugin.version
    if name == SUITE:
        return f"stemfx {version[:20]!r}: update stemfx"
    if not _PACKAGE.fullmatch(name) or not _VERSION.fullmatch(version):
        return f"a plugin called {name[:80]!r}, which no package can be"
    return f"{name} {version}: `pip install {name}=={version}`"
