"""`vst3`: any effect plugin that is installed on this computer."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import field_validator

from stemfx.audio import Block, Signal
from stemfx.dsp import board
from stemfx.errors import StageError
from stemfx.stage import StageContext, StageParams, knob, stage

SEARCH_VARIABLE = "STEMFX_VST3_PATH"
SUFFIXES = (".vst3", ".component")  # VST3 everywhere; Audio Units on macOS
MAX_DEPTH = 4  # vendors sort their plugins into folders of their own


class Vst3Params(StageParams):
    """Parameters of `vst3`."""

    plugin: str = knob(help="name of an installed VST3 or AU effect, such as 'Valhalla Room'")
    parameters: dict[str, bool | float | str] = knob(
        {}, help="the plugin's own parameters, by the names it gives them"
    )
    member: str | None = knob(None, help="which plugin, in a file that holds several")
    mix: float = knob(1.0, low=0, high=1, neutral=0.0, help="wet share; 0 is dry")

    @field_validator("plugin")
    @classmethod
    def _is_no_path(cls, plugin: str) -> str:
        if set(plugin) & set("/\\\0") or not plugin.strip(" ."):
            msg = (
                f"{plugin!r} is a path; write the plugin's name alone. A plugin is native code, so "
                "it is taken from the system's plugin folders only, never from beside a recipe "
                f"(your own folders go into {SEARCH_VARIABLE})"
            )
            raise ValueError(msg)
        return plugin


def installed_version(params: Vst3Params) -> str:
    """Name the plugin's file and its state, so that an update of it is not taken for the old one.

    Raises:
        StageError: it is not installed.
    """
    path = find_plugin(params.plugin)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return repr([(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files])


@stage(Vst3Params, is_symmetric=False, identity=installed_version)
def vst3(signal: Signal, params: Vst3Params, context: StageContext) -> Iterator[Block]:
    """Run an effect plugin that is installed on this computer (VST3; on macOS also AU).

    The plugin is looked up by name in the folders where systems keep plugins, and in those
    that the environment variable STEMFX_VST3_PATH lists: a recipe names code, it never brings
    it. Its latency is taken out. Whoever has not installed it cannot run the recipe, and
    neither its version nor its presets are part of the recipe.

    Reports the plugin's name, version and latency, the level change and the residual.
    """
    path = find_plugin(params.plugin)
    loaded = []

    def load() -> object:
        loaded.append(board.load_external(path, params.member))
        board.set_parameters(loaded[-1], params.parameters)
        return loaded[-1]

    change = board.ChangeMeter()
    wet = _finite(board.through_external(load, signal), params.plugin)
    yield from board.blend(signal, wet, board.linear(params.mix), change)
    context.report(**change.measurements)
    for plugin in loaded[:1]:
        latency_ms = 1000 * plugin.reported_latency_samples / signal.sample_rate
        context.report(
            plugin=plugin.name, plugin_version=plugin.version, latency_ms=round(latency_ms, 2)
        )


def _finite(blocks: Iterator[Block], name: str) -> Iterator[Block]:
    for block in blocks:
        if not np.isfinite(block).all():
            raise StageError(
                f"the plugin '{name}' gave samples that are no numbers (NaN, infinity)"
            )
        yield block


def search_folders() -> list[Path]:
    """Return where plugins are looked for, in order: the user's own folders first.

    Only absolute paths count: a relative one would depend on where the command is run, which
    may be the folder of a stranger's recipe.
    """
    home = Path.home()
    if sys.platform == "darwin":
        roots = [home / "Library/Audio/Plug-Ins", Path("/Library/Audio/Plug-Ins")]
        standard = [root / kind for root in roots for kind in ("VST3", "Components")]
    elif sys.platform == "win32":
        standard = [
            Path(os.environ.get("LOCALAPPDATA", home), "Programs/Common/VST3"),
            Path(os.environ.get("COMMONPROGRAMFILES", "C:/Program Files/Common Files"), "VST3"),
        ]
    else:
        standard = [home / ".vst3", Path("/usr/local/lib/vst3"), Path("/usr/lib/vst3")]
    own = [
        Path(entry).expanduser() for entry in os.environ.get(SEARCH_VARIABLE, "").split(os.pathsep)
    ]
    return [folder for folder in (*own, *standard) if folder.is_absolute()]


def installed() -> Iterator[Path]:
    """Yield every plugin file or bundle, in the order of the folders, then by name."""
    for root in search_folders():
        for folder, folders, files in os.walk(root):
            here = Path(folder)
            found = [name for name in (*folders, *files) if name.lower().endswith(SUFFIXES)]
            yield from (here / name for name in sorted(found))
            deep = len(here.relative_to(root).parts) >= MAX_DEPTH
            folders[:] = [] if deep else sorted(set(folders) - set(found))


def find_plugin(name: str) -> Path:
    """Return the installed plugin of that name, in any spelling of case, with or without suffix.

    Raises:
        StageError: there is none; says where it was looked for and what is called alike.
    """
    plugins = list(installed())
    for plugin in plugins:
        if name.casefold() in (plugin.name.casefold(), plugin.stem.casefold()):
            return plugin
    near = difflib.get_close_matches(name, [plugin.stem for plugin in plugins], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "install it first."
    folders = ", ".join(map(str, search_folders()))
    raise StageError(
        f"the plugin '{name}' is not installed; {hint} Looked in {folders} "
        f"(the variable {SEARCH_VARIABLE} adds folders)"
    )
