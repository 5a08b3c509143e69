"""Writes a plugin to start from: a package that works and passes its tests as it is."""

from __future__ import annotations

import builtins
import datetime as dt
import io
import keyword
import os
import re
import shlex
import tempfile
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Literal

from stemfx import __version__
from stemfx.errors import OutputError, UsageError
from stemfx.recipe.paths import name_fault
from stemfx.registry import Registry

Kind = Literal["stage", "separator", "kit", "beat-tracker", "hit-classifier"]

PREFIX = "stemfx-"
MAX_NAME = 32
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_TEMPLATES = "stemfx.plugin_templates"


@dataclass(frozen=True)
class NewPlugin:
    """What a new plugin is called.

    Args:
        kind: of what it offers.
        folder: its name as it was given.
        offers: what a recipe writes, in snake_case.
    """

    kind: Kind
    folder: str
    offers: str

    @property
    def distribution(self) -> str:
        """What pip installs."""
        return PREFIX + self.offers.replace("_", "-")

    @property
    def module(self) -> str:
        """What Python imports."""
        return self.distribution.replace("-", "_")

    @property
    def class_name(self) -> str:
        """What the names of its classes begin with."""
        return "".join(word.capitalize() for word in self.offers.split("_"))

    def next_commands(self, folder: Path) -> tuple[str, str, str]:
        """Return what to type once it is in a folder."""
        listing = {"stage": "stages", "separator": "models", "kit": "kit"}.get(self.kind, "plugins")
        here = Path.cwd()
        near = folder.relative_to(here) if folder.is_relative_to(here) else folder
        return (
            f"cd {shlex.quote(str(near))}",
            'pip install -e ".[test]" && pytest',
            f"stemfx {listing} {self.offers}",
        )


def named(name: str, kind: Kind, registry: Registry) -> NewPlugin:
    """Check what a new plugin is to be called.

    Args:
        name: in lower case with hyphens or underscores, with or without `stemfx-` before it.
        kind: of what it offers.
        registry: what is installed.

    Raises:
        UsageError: it is no name, or it is taken.
    """
    plugin = NewPlugin(kind, name, name.removeprefix(PREFIX).replace("-", "_"))
    problem = _malformed(name, plugin.offers) or _taken(plugin, registry) or _in_the_way(plugin)
    if problem:
        raise UsageError(f"{name!r} {problem}; choose another name", where="NAME")
    return plugin


def _malformed(name: str, offers: str) -> str:
    if len(name) > MAX_NAME:
        return f"has {len(name)} characters, more than {MAX_NAME}"
    if not _NAME.fullmatch(name) or not _NAME.fullmatch(offers) or offers == "stemfx":
        return (
            "is no name for a plugin: lower-case letters and digits, words joined by `-` or `_`, "
            "a letter first, such as `soft-clip`"
        )
    if keyword.iskeyword(offers) or keyword.issoftkeyword(offers) or hasattr(builtins, offers):
        return "is a word of Python's own"
    if offers.startswith("test"):
        return "would look like a test to pytest"
    if name_fault(offers):
        return "is the name of a device on Windows"
    return ""


def _taken(plugin: NewPlugin, registry: Registry) -> str:
    offers: Mapping[str, Mapping[str, object]] = {
        "stage": registry.stages,
        "model": registry.separators,
        "kit": registry.kits,
        "beat tracker": registry.beat_trackers,
        "hit classifier": registry.hit_classifiers,
    }
    for kind, names in offers.items():
        for form in (plugin.offers, plugin.offers.replace("_", "-")):
            if form in names or (kind, form) in registry.clashes:
                return f"is the name of a {kind} that is installed"
    if find_spec(plugin.module):
        return f"would be the module {plugin.module}, which is there already"
    return ""


def _in_the_way(plugin: NewPlugin) -> str:
    """Say whether the generated code uses the name for something else."""
    file = _file_of(plugin.kind)
    code = "\n".join((_template(f"{file}.py"), _template(f"test_{file}.py")))
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    used = {token.string for token in tokens if token.type == tokenize.NAME}
    new = {_renamed(name, plugin) for name in used if _renamed(name, plugin) != name}
    return "is a word that its own code needs for something else" if new & used else ""


def texts(plugin: NewPlugin) -> dict[str, str]:
    """Return the files of a new plugin: their text by path in its folder."""
    file = _file_of(plugin.kind)
    module = _template(f"{file}.py")
    told = {
        "summary": module.partition('"""')[2].partition('"""')[0].strip(),
        "about": _template(f"{file}.md").strip(),
        "requires": requirement(__version__),
        "year": str(dt.datetime.now(dt.UTC).year),
    }
    package = {
        "pyproject.toml": _template("pyproject.toml.txt"),
        "README.md": _template("README.md"),
        "LICENSE": _template("LICENSE"),
        f"{plugin.module}/__init__.py": module,
        f"{plugin.module}/py.typed": "",
        f"tests/test_{plugin.offers}.py": _template(f"test_{file}.py"),
    }
    return {
        path: _renamed(text if path.endswith(".py") else Template(text).substitute(told), plugin)
        for path, text in package.items()
    }


def requirement(version: str) -> str:
    """Return which versions of stemfx a plugin that was written for one works with.

    What is to go is deprecated for a minor version first (before 1.0), or for the rest of a major
    one: so the next minor, or all up to the next major, still have it.

    >>> requirement("0.8.2"), requirement("1.4.0")
    ('stemfx-suite>=0.8,<0.10', 'stemfx-suite>=1.4,<2')
    """
    major, minor = (int(number) for number in version.split(".")[:2])
    below = f"0.{minor + 2}" if major == 0 else f"{major + 1}"
    return f"stemfx-suite>={major}.{minor},<{below}"


def write(plugin: NewPlugin, parent: Path) -> Path:
    """Write a new plugin into a new folder of `parent`; return that folder, absolute.

    Raises:
        OutputError: the folder is there already, or cannot be made.
    """
    folder = Path(os.path.abspath(parent)) / plugin.folder  # noqa: PTH100 - links stay as they are
    if os.path.lexists(folder):
        raise OutputError(
            "it is there already, and nothing is written over; choose another name, or `-o DIR`",
            where=str(folder),
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".stemfx-", dir=folder.parent) as hidden:
            made = Path(hidden) / plugin.folder
            for path, text in texts(plugin).items():
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                (made / path).write_text(text, encoding="utf-8", newline="\n")
            made.rename(folder)
    except OSError as error:
        raise OutputError(
            f"a folder cannot be made here ({error.strerror or error})", where=str(folder)
        ) from None
    return folder


def _file_of(kind: Kind) -> str:
    return kind.replace("-", "_")


def _template(name: str) -> str:
    return files(_TEMPLATES).joinpath(name).read_text(encoding="utf-8")


def _renamed(text: str, plugin: NewPlugin) -> str:
    """Put the plugin's names where the templates' own stand."""
    names = {
        f"{_TEMPLATES}.{_file_of(plugin.kind)}": plugin.module,
        "stemfx-newplugin": plugin.distribution,
        "stemfx_newplugin": plugin.module,
        "newplugin": plugin.offers,
        "NewPlugin": plugin.class_name,
    }
    for old, new in names.items():
        text = text.replace(old, new)
    return text
