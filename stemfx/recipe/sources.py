"""`sources`: the songs of a recipe, and what `--source NAME=FILE` puts in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stemfx.dsp.transpose import parse_key
from stemfx.music_reading import Told
from stemfx.recipe.document import SourceShape
from stemfx.recipe.model import Source
from stemfx.recipe.paths import PathError, check_names, name_fault, source_file
from stemfx.recipe.problems import Mark, Problems, command_line, did_you_mean, listing, quote
from stemfx.recipe.validate import section
from stemfx.recipe.wording import given
from stemfx.recipe.yaml_tree import Leaf, Node, Table

_WHOLE = ""
"""Stands beside the names of stems for the file that is the source as a whole."""

MIXTURE = "mixture"
"""Likewise for the file that given stems were made from, unless a stem is called that."""

NOT_GIVEN = Path()
"""Stands for the file of a source of which only the name is known."""


@dataclass(frozen=True)
class _Wanted:
    """A file that a source needs: what names it, from which folder, and where that is written."""

    text: str
    folder: Path
    mark: Mark
    title: str = ""


@dataclass(frozen=True)
class SourceReader:
    """Reads `sources`.

    Args:
        folder: where the recipe lies.
        problems: takes the faults.
        needs_files: whether a source without a file is one; if not, `NOT_GIVEN` stands for it.
        uses_named_files: whether the files that the recipe itself names are used.
    """

    folder: Path
    problems: Problems
    needs_files: bool = True
    uses_named_files: bool = True

    def sources(self, table: Table, overrides: Mapping[str, Path]) -> dict[str, Source | None]:
        """Return every source that the recipe names; None stands for a faulty one."""
        names = check_names(table, "source", self.problems)
        replaced: dict[str, dict[str, _Wanted]] = {name: {} for name in names}
        for key, file in overrides.items():
            name, _, stem = key.partition("/")
            if not key and len(names) == 1:
                name = names[0]
            elif not key:
                self.problems.add(
                    command_line("--source"),
                    f"{quote(str(file))} could be any of the sources {listing(names)}; "
                    "write NAME=FILE",
                )
                continue
            if name in replaced:
                mark = command_line(f"--source {key}")
                replaced[name][stem] = _Wanted(str(file), Path.cwd(), mark)
            elif name not in table.entries:
                self.problems.add(
                    command_line("--source"),
                    f"the recipe has no source {quote(name)}{did_you_mean(name, names)} "
                    f"(known: {listing(names)})",
                )
        return {
            name: self.source(name, table.entries[name], table.keys[name], replaced[name])
            for name in names
        }

    def source(
        self, name: str, node: Node, key: Mark, replaced: Mapping[str, _Wanted]
    ) -> Source | None:
        """Return one source, its files in place, or None after noting what is wrong."""
        shape = self._shape(name, node)
        if shape is None:
            return None
        declared = self._declared(name, node, shape)
        if declared is None:
            return None
        replaced = dict(replaced)
        other_mixture = None
        if shape.mixture is not None and MIXTURE not in declared:
            other_mixture = replaced.pop(MIXTURE, None)
        wanted = self._replaced(name, declared, replaced)
        if wanted is None:
            return None
        files = {stem: self._found(want, key, name, stem) for stem, want in wanted.items()}
        stems = {stem: file for stem, file in files.items() if file is not None}
        whole = stems.pop(_WHOLE, None)
        told = self._told(shape, node, name)
        is_one_file = _WHOLE in wanted
        mixture = self._mixture(shape, node, name, other_mixture, is_one_file=is_one_file)
        # `--source` may put one file in the place of stems: what those came from is no matter then.
        is_needed = self.uses_named_files and shape.mixture is not None
        is_needed = is_needed and not (is_one_file and shape.stems)
        if len(stems) + (whole is not None) < len(files) or (is_needed and mixture is None):
            return None
        return Source(
            name,
            whole,
            stems or None,
            shape.fold_down,
            str(key),
            mixture,
            shape.generated,
            told,
            shape.align,
        )

    def _told(self, shape: SourceShape, node: Node, name: str) -> Told:
        key = shape.key or ""
        try:
            if key:
                parse_key(key)
        except ValueError as error:
            self.problems.add(node.where("key"), f"sources.{name}.key: {error}")  # type: ignore[union-attr]
        return Told(shape.bpm, shape.downbeat_s, key)

    def _mixture(
        self,
        shape: SourceShape,
        node: Node,
        name: str,
        other: _Wanted | None,
        *,
        is_one_file: bool,
    ) -> Path | None:
        if shape.mixture is None or not isinstance(node, Table):
            return None
        mark, title = node.where("mixture"), f"sources.{name}.mixture"
        if is_one_file:
            if not shape.stems:
                what = "is for given `stems`; this source is one file"
                self.problems.add(mark, f"{title}: {what}")
            return None
        if other is None and not self.uses_named_files:
            return None
        want = other or _Wanted(shape.mixture, self.folder, mark, title)
        try:
            return source_file(want.text, want.folder)
        except PathError as error:
            if not self.needs_files and other is None:
                return NOT_GIVEN
            hint = f"{title}: {error}; without it the stems' sum is the mixture"
            self.problems.add(want.mark, hint if want.title else str(error))
            return None

    def _shape(self, name: str, node: Node) -> SourceShape | None:
        if isinstance(node, Table):
            return section(node, SourceShape, f"sources.{name}", self.problems)
        if isinstance(node, Leaf) and isinstance(node.value, str | None):
            return None if node.broken else SourceShape(file=node.value)
        self.problems.add(
            node.mark,
            f"sources.{name}: expects an audio file or a mapping of "
            f"{listing(SourceShape.model_fields)}, got {given(node)}",
        )
        return None

    def _declared(
        self, name: str, node: Node, shape: SourceShape
    ) -> dict[str, _Wanted | None] | None:
        """Return what the recipe names; None stands for a stem without a file."""
        title = f"sources.{name}"
        if shape.file is not None and shape.stems is not None:
            self.problems.add(node.mark, f"{title}: give either `file` or `stems`, not both")
            return None
        if shape.file is not None:
            mark = node.where("file") if isinstance(node, Table) else node.mark
            named = {_WHOLE: _Wanted(shape.file, self.folder, mark, title)}
            return dict(named) if self.uses_named_files else {}
        stems = node.get("stems") if isinstance(node, Table) else None
        if shape.stems is None or not isinstance(stems, Table):
            return {}
        if not shape.stems:
            self.problems.add(stems.mark, f"{title}.stems: at least one stem is needed")
            return None
        names = check_names(stems, "stem", self.problems)
        if len(names) < len(stems.entries):
            return None
        return {
            stem: None
            if (text := shape.stems[stem]) is None or not self.uses_named_files
            else _Wanted(text, self.folder, stems.where(stem), f"{title}.stems.{stem}")
            for stem in names
        }

    def _replaced(
        self, name: str, declared: dict[str, _Wanted | None], replaced: Mapping[str, _Wanted]
    ) -> dict[str, _Wanted | None] | None:
        """Return what the command line leaves of the declared files, and its own."""
        wanted = dict(declared)
        if _WHOLE in replaced:
            wanted = {_WHOLE: replaced[_WHOLE]}
        for stem, file in replaced.items():
            if stem == _WHOLE:
                continue
            if _WHOLE in wanted:
                self.problems.add(
                    file.mark,
                    f"the source {quote(name)} is one file and has no stems to replace; "
                    f"use `--source {name}=FILE`",
                )
                return None
            if declared and stem not in declared:
                self.problems.add(
                    file.mark,
                    f"the source {quote(name)} has no stem {quote(stem)}"
                    f"{did_you_mean(stem, declared)} (known: {listing(declared)})",
                )
            elif fault := name_fault(stem):
                self.problems.add(file.mark, fault)
            wanted[stem] = file
        return wanted or {_WHOLE: None}

    def _found(self, want: _Wanted | None, key: Mark, name: str, stem: str) -> Path | None:
        option = f"`--source {name}/{stem}=FILE`" if stem else f"`--source {name}=FILE`"
        if want is None and not self.needs_files:
            return NOT_GIVEN
        if want is None:
            what = (
                f"the stem {quote(stem)} of {quote(name)}" if stem else f"the source {quote(name)}"
            )
            self.problems.add(key, f"{what} has no file; give one: {option}")
            return None
        try:
            return source_file(want.text, want.folder)
        except PathError as error:
            if want.title and not self.needs_files:
                return NOT_GIVEN
            hint = f"{want.title}: {error}; give another: {option}"
            self.problems.add(want.mark, hint if want.title else str(error))
            return None
