"""Names that become file names, and paths that must stay where they belong."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path, PurePosixPath

from stemfx.recipe.problems import Problems, did_you_mean, quote
from stemfx.recipe.yaml_tree import Table, has_control

MAX_NAME = 64  # characters
_MAX_NAME_BYTES = 200  # a file name takes 255 on most systems, suffix included

# Windows opens these devices whatever suffix follows.
_DEVICES = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])", re.IGNORECASE)
_ABSOLUTE = re.compile(r"/|~|[A-Za-z]:")
_WINDOWS_ONLY = re.compile(r'[<>:"|?*]')


class PathError(ValueError):
    """A path that a recipe may not use; says why."""


def name_fault(name: str) -> str | None:
    """Say why a name cannot become a file name on every system, or return None."""
    if not name:
        return "a name is needed here"
    if len(name) > MAX_NAME or len(name.encode()) > _MAX_NAME_BYTES:
        return f"a name is at most {MAX_NAME} characters; {quote(name)} is longer"
    odd = next((c for c in name if c not in " _-." and unicodedata.category(c)[0] not in "LMN"), "")
    if odd:
        return f"{quote(odd)} cannot be in a name; use letters, digits, spaces, `_`, `-` and `.`"
    if name[0] in ". " or name[-1] in ". ":
        return f"{quote(name)} starts or ends in a dot or a space, which file names do not keep"
    if _is_device(name):
        return f"{quote(name)} is the name of a device on Windows; choose another"
    return None


def check_names(table: Table, what: str, problems: Problems) -> list[str]:
    """Note the names that cannot become distinct file names; return the good ones."""
    good: dict[str, str] = {}
    for name in table.entries:
        # macOS and Windows take names that differ in case or composition for one.
        folded = unicodedata.normalize("NFC", name).casefold()
        if fault := name_fault(name):
            problems.add(table.keys[name], fault)
        elif folded in good:
            problems.add(
                table.keys[name],
                f"the {what}s {quote(good[folded])} and {quote(name)} differ only in case: one "
                "file to macOS and Windows; rename one",
            )
        else:
            good[folded] = name
    return list(good.values())


def asset(text: str, folder: Path, *, may_be_folder: bool = False) -> Path:
    """Return the file (or folder) in the recipe's folder that a recipe names, links followed.

    Raises:
        PathError: it lies elsewhere, does not exist or is no file.
    """
    _check_portable(text, f"name it relative to the recipe's folder {folder}")
    found = Path(os.path.realpath(folder / text))  # unlike resolve(), bears loops of links
    if not found.is_relative_to(folder):
        msg = f"{quote(text)} leads out of the recipe's folder {folder}; copy the file into it"
        raise PathError(msg)
    if may_be_folder and os.path.isdir(found):  # noqa: PTH112 - see below
        return found
    if not os.path.isfile(found):  # noqa: PTH113 - Path.is_file raises on names that are too long
        raise PathError(_absent(found))
    return found


def source_file(text: str, folder: Path) -> Path:
    """Return the absolute path of a source, which may lie anywhere.

    Raises:
        PathError: it does not exist or is no file.
    """
    if not text or has_control(text) or "\n" in text:
        msg = f"{quote(text)} is not a file name"
        raise PathError(msg)
    path = Path(os.path.abspath(folder / os.path.expanduser(text)))  # noqa: PTH100, PTH111 - never raise
    if not os.path.isfile(path):  # noqa: PTH113
        raise PathError(_absent(path))
    return path


def output_path(text: str) -> Path:
    """Return the path of a result, relative to the output folder and inside it on every system.

    Raises:
        PathError: it is not.
    """
    says = "`--out DIR` says where that is"
    return path_inside(
        text, f"the output folder; {says}", "results go to the folder that `--out DIR` names"
    )


def path_inside(text: str, outside: str, instead: str) -> Path:
    """Return a relative path that stays inside its folder on every system.

    Args:
        text: the path as somebody wrote it.
        outside: what it must not lead out of, for the message.
        instead: what to do instead of naming an absolute path, for the message.

    Raises:
        PathError: it does not.
    """
    _check_portable(text, instead)
    path = PurePosixPath(text)
    for part in path.parts:
        if part == "..":
            msg = f"{quote(text)} leads out of {outside}"
            raise PathError(msg)
        if part[-1] in ". " or _is_device(part) or len(part.encode()) > _MAX_NAME_BYTES:
            msg = f"{quote(part)} cannot be a file name on every system; choose another"
            raise PathError(msg)
    return Path(path)


def check_suffix(path: Path, allowed: tuple[str, ...]) -> str:
    """Return the suffix of a result in lower case, without its dot: the allowed one that it is.

    Raises:
        PathError: it is not among the allowed ones.
    """
    name = path.name.lower()
    if found := next((one for one in allowed if name[1:].endswith(f".{one}")), ""):
        return found
    suffix = path.suffix[1:].lower()
    what = (
        f"the format {quote(suffix)} is unknown" if suffix else f"{quote(str(path))} has no suffix"
    )
    hint = did_you_mean(suffix, allowed) if suffix else ""
    msg = f"{what}{hint} (known: {', '.join(allowed)})"
    raise PathError(msg)


def _check_portable(text: str, instead: str) -> None:
    if not text:
        msg = "a file name is needed here"
    elif has_control(text) or "\n" in text or "\t" in text:
        msg = f"{quote(text)} holds control characters; a file name has none"
    elif "\\" in text:
        msg = f"{quote(text)} holds a backslash; separate folders with `/`, on every system"
    elif _ABSOLUTE.match(text):
        msg = f"{quote(text)} is an absolute path; {instead}"
    elif odd := _WINDOWS_ONLY.search(text):
        msg = f"{quote(text)} holds {quote(odd[0])}, which no file name on Windows may have"
    else:
        return
    raise PathError(msg)


def _is_device(name: str) -> bool:
    return _DEVICES.fullmatch(name.partition(".")[0].rstrip()) is not None


def _absent(path: Path) -> str:
    shown = str(path) if str(path).isprintable() else repr(str(path))
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises on names that are too long
        return f"{shown} is a folder, not a file"
    return f"there is no file {shown}"
