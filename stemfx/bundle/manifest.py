"""`stemfx.json`, the first file of a bundle: what is in it, and what it needs beside that."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stemfx.bundle.limits import (
    MAX_BUNDLE_BYTES,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_KEYS,
    MAX_NEEDS,
    MAX_TEXT,
)
from stemfx.bundle.names import MANIFEST_NAME, names_fault
from stemfx.errors import BundleError
from stemfx.recipe.paths import name_fault
from stemfx.recipe.problems import quote

FORMAT = 1
"""The version of the bundle format that this program reads and writes."""

Text = Annotated[str, Field(max_length=MAX_TEXT)]
Texts = Annotated[list[Text], Field(max_length=MAX_NEEDS, fail_fast=True)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0, le=MAX_FILE_BYTES)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PackedFile(_Shape):
    """One file of the bundle; `role` says what the recipe has it for, `source` is music."""

    sha256: Sha256
    size_bytes: Size
    role: Text


class PackedPlugin(_Shape):
    """A distribution that has to be installed."""

    distribution: Text
    version: Text
    licence: Text
    licence_class: Text
    offers: Texts


class PackedModel(_Shape):
    """A separation model; `files` holds the SHA-256 of its weights, none where they are not known.

    `size_bytes` is 0 where it is not known; `sources` are those that it separates.
    """

    name: Text
    family: Text
    licence: Text
    licence_class: Text
    source: Text
    size_bytes: Annotated[int, Field(ge=0)]
    files: dict[Text, Sha256]
    sources: Texts


class PackedKit(_Shape):
    """An installed drum kit that the recipe names."""

    name: Text
    distribution: Text
    version: Text
    licence: Text
    licence_class: Text


class Manifest(_Shape):
    """What a bundle holds and needs.

    `files` are all files but the manifest, by their path relative to the recipe's folder.
    `sources` maps `NAME` or `NAME/STEM`, as `--source` takes it, to a file of the bundle.
    """

    stemfx_bundle: Literal[1]
    made_with: Text
    recipe: Text
    title: Text = ""
    author: Text = ""
    licence: Text = ""
    description: Text = ""
    files: dict[str, PackedFile]
    sources: dict[str, str] = Field({}, max_length=MAX_NEEDS)
    plugins: list[PackedPlugin] = Field([], max_length=MAX_NEEDS)
    models: list[PackedModel] = Field([], max_length=MAX_NEEDS)
    kits: list[PackedKit] = Field([], max_length=MAX_NEEDS)

    def to_bytes(self) -> bytes:
        """Return the text of `stemfx.json`: equal values give equal bytes."""
        values = self.model_dump()
        values["files"] = {name: values["files"][name] for name in sorted(self.files)}
        values["sources"] = {name: values["sources"][name] for name in sorted(self.sources)}
        return json.dumps(values, indent=1, allow_nan=False).encode() + b"\n"

    @property
    def names(self) -> list[str]:
        """The names of the files in the order in which they lie in the bundle."""
        return sorted(self.files)

    def fault(self) -> str | None:
        """Say why no bundle may have this manifest, or return None."""
        if len(self.files) > MAX_FILES:
            return f"it has more than {MAX_FILES:,} files"
        if fault := names_fault(self.files):
            return fault
        if sum(file.size_bytes for file in self.files.values()) > MAX_BUNDLE_BYTES:
            return f"it has more than {MAX_BUNDLE_BYTES / 1e9:g} GB of files"
        if self.recipe not in self.files or self.files[self.recipe].role != "recipe":
            return f"the recipe {quote(self.recipe)} is not among its files"
        return self._sources_fault()

    def _sources_fault(self) -> str | None:
        for name, file in self.sources.items():
            if any(name_fault(part) for part in name.split("/", 1)):
                return f"{quote(name)} is no name of a source"
            if file not in self.files or self.files[file].role != "source":
                return f"the source {quote(file)} is not among its files"
        unnamed = {n for n, f in self.files.items() if f.role == "source"} - {
            *self.sources.values()
        }
        return f"{quote(min(unnamed))} is music that no source names" if unnamed else None


def read_manifest(data: bytes, where: str) -> Manifest:
    """Read `stemfx.json`.

    Args:
        data: its bytes, at most `MAX_MANIFEST_BYTES`.
        where: the bundle, for messages.

    Raises:
        BundleError: it is damaged, of a newer format, or lists what no bundle may hold.
    """
    values = _parsed(data, where)
    format_ = values.get("stemfx_bundle")
    if type(format_) is int and format_ > FORMAT:
        told = f"{str(values.get('made_with', ''))[:20]!r}, format {str(format_)[:9]}"
        raise BundleError(
            f"this bundle was made by a newer stemfx ({told}; this program reads format {FORMAT}); "
            "update stemfx",
            where=where,
        )
    if type(format_) is not int or format_ != FORMAT:  # to pydantic true and 1.0 are 1
        raise _refused(f"'stemfx_bundle' has to be {FORMAT}", where)
    try:
        manifest = Manifest.model_validate(values)
        fault = manifest.fault()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(step)[:60] for step in first["loc"])
        fault = f"{quote(place)}: {first['msg']}"
    if fault:
        raise _refused(fault, where)
    return manifest


def _parsed(data: bytes, where: str) -> dict[str, Any]:
    try:
        values = json.loads(
            data.decode(), object_pairs_hook=_Keys().object, parse_constant=_no_number
        )
    except RecursionError:
        raise _refused("it nests too deep", where) from None
    except ValueError as error:
        raise _refused(f"it is no JSON that is used here: {str(error)[:200]}", where) from None
    if not isinstance(values, dict):
        raise _refused("it is no JSON object", where)
    return values


class _Keys:
    """Makes the objects of a JSON text, and counts: pydantic notes all faults, in memory."""

    def __init__(self) -> None:
        self._count = 0

    def object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self._count += len(pairs)
        if self._count > MAX_KEYS:
            msg = f"it has more than {MAX_KEYS:,} keys"
            raise ValueError(msg)
        values: dict[str, Any] = {}
        for name, value in pairs:
            if name in values:
                msg = f"{quote(name)} is in it twice"
                raise ValueError(msg)
            values[name] = value
        return values


def _no_number(text: str) -> float:
    msg = f"{text} is no number"
    raise ValueError(msg)


def _refused(fault: str, where: str) -> BundleError:
    return BundleError(
        f"its {MANIFEST_NAME} cannot be used: {fault}; ask for a bundle that `stemfx pack` wrote",
        where=where,
    )
