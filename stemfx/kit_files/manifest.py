"""`kit.yaml`: which sample is which drum, where names do not say it, and whose they are.

    kit: 1                                # version of the format, required
    name: Tight
    author: Ada
    licence: CC0-1.0
    classes:                              # left out: the names of the files say the drums
      kick: kick.wav                      # one sample
      snare: [snare-a.wav, snare-b.wav]   # takes, played in turn
      tom:                                # several drums, the usual one first
        variants:
          high: tom-1.wav
          low: {files: tom-2.wav, gain_db: -2}
      hat_closed:
        choke: hats                       # a new hit silences the last one of the same group
        layers:                           # velocities from 0 (not struck) to 1
          - {velocity: [0, 0.5], files: [soft-1.wav, soft-2.wav]}
          - {velocity: [0.5, 1], files: hard.wav, gain_db: 1.5}

Files are named relative to the kit's folder and lie in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from stemfx.errors import KitError, RecipeError, StemfxError
from stemfx.hits import DRUM_CLASSES
from stemfx.kit_files.inside import Folder, read_bytes
from stemfx.kit_files.parts import (
    MAX_SAMPLES,
    Drum,
    Headers,
    Piece,
    Source,
    layers_of,
)
from stemfx.recipe.document import Shape
from stemfx.recipe.problems import Mark, Problems
from stemfx.recipe.validate import section
from stemfx.recipe.wording import given, unknown
from stemfx.recipe.yaml_tree import MAX_BYTES, Items, Kind, Leaf, Node, Table, parse
from stemfx.stage import knob

MANIFEST_NAMES = ("kit.yaml", "kit.yml")

Files = str | tuple[str, ...]
Unit = Annotated[float, Field(ge=0, le=1)]


class LayerShape(Shape):
    """Samples for some velocities."""

    files: Files = Field(description="a sample, or a list of takes")
    velocity: tuple[Unit, Unit] = Field((0.0, 1.0), description="lowest and highest velocity")
    gain_db: float = knob(0.0, low=-60, high=60, unit="dB", help="added to the samples' level")


class DrumShape(Shape):
    """One drum: samples for all velocities, or layers."""

    files: Files = Field((), description="a sample, or a list of takes")
    layers: tuple[LayerShape, ...] = Field((), description="samples by velocity")
    gain_db: float = knob(0.0, low=-60, high=60, unit="dB", help="added to the samples' level")
    tune_semitones: float = knob(
        0.0, low=-24, high=24, unit="semitones", help="played faster or slower"
    )


class ClassShape(DrumShape):
    """The drums of one class."""

    choke: str = Field("", description="group within which a new hit silences the one before")
    variants: dict[str, Files | DrumShape] = Field({}, description="drums of this class by name")


class KitShape(Shape):
    """A kit."""

    kit: Literal[1] = Field(description="version of the format: 1")
    name: str = Field("", description="what the kit is called")
    author: str = Field("", description="who made it")
    licence: str = Field("", description="licence of the samples")
    license: str = Field("", description="the same, spelled the American way")


class Manifest:
    """What a `kit.yaml` says; `drums` is None where it leaves them to the names of the files."""

    def __init__(self, shape: KitShape, drums: Mapping[str, list[Drum]] | None) -> None:
        self.name = shape.name
        self.author = shape.author
        self.licence = shape.licence or shape.license
        self.drums = drums


def read_manifest(path: Path, root: Path) -> Manifest:
    """Read a `kit.yaml`.

    Raises:
        KitError: carries every problem, each with `file:line:column`.
    """
    problems = Problems()
    try:
        data = read_bytes(path, MAX_BYTES, "YAML")
        tree = parse(data, str(path), 0, problems, Kind("kit", "kit: 1"))
        shape = section(tree, KitShape, "kit.yaml", problems, without=("classes",))
        drums = None
        if "classes" in tree.entries:
            drums = _Reader(Folder(root, path.parent), problems).classes(tree)
        problems.settle()
    except RecipeError as error:
        raise KitError(error.message, where=error.where) from None
    assert shape is not None  # noqa: S101 - else there was a problem
    return Manifest(shape, drums)


class _Reader:
    def __init__(self, folder: Folder, problems: Problems) -> None:
        self._folder, self._problems = folder, problems
        self._headers = Headers()
        self._n_samples = 0

    def classes(self, tree: Table) -> dict[str, list[Drum]]:
        """Return the drums of every class."""
        table = tree.get("classes")
        drums: dict[str, list[Drum]] = {}
        if not isinstance(table, Table) or not table.entries:
            what = given(table) if table else "nothing"
            words = f"classes: expects a mapping of drum classes, got {what}"
            self._problems.add(tree.where("classes"), words)
            return drums
        for name, node in table.entries.items():
            if name not in DRUM_CLASSES:
                self._problems.add(table.keys[name], unknown(name, "classes", DRUM_CLASSES))
            elif found := list(self._drums(name, node)):
                drums[name] = found
            else:
                self._problems.add(table.keys[name], f"classes.{name}: it has no sample")
        return drums

    def _drums(self, name: str, node: Node) -> Iterator[Drum]:
        title = f"classes.{name}"
        if not isinstance(node, Table):
            yield from self._drum(name, _files_of(node, title, self._problems), node, "")
            return
        shape = section(node, ClassShape, title, self._problems)
        if shape is None:
            # It is told already; an empty list would be told as well.
            yield Drum(name, ())
            return
        yield from self._drum(name, shape, node, shape.choke)
        variants = node.get("variants")
        for variant, of in shape.variants.items():
            drum = of if isinstance(of, DrumShape) else DrumShape(files=of)
            inner = variants.entries[variant] if isinstance(variants, Table) else node
            yield from self._drum(variant, drum, inner, shape.choke)

    def _drum(self, name: str, shape: DrumShape, node: Node, choke: str) -> Iterator[Drum]:
        layers = list(shape.layers)
        if shape.files:
            layers.append(LayerShape(files=shape.files))
        if len(layers) > 1 and shape.files:
            self._problems.add(node.mark, "`files` and `layers` say the same twice; keep one")
        marks = dict(_marks(node))
        pieces = [piece for layer in layers for piece in self._pieces(layer, shape, node, marks)]
        if pieces:
            yield Drum(name.casefold(), layers_of(pieces), choke or None)
        elif layers:
            yield Drum(name, ())

    def _pieces(
        self, layer: LayerShape, drum: DrumShape, node: Node, marks: Mapping[str, Mark]
    ) -> Iterator[Piece]:
        low, high = layer.velocity
        if low >= high:
            words = f"velocity: [{low:g}, {high:g}] is no range; the lower one comes first"
            self._problems.add(node.mark, words)
            return
        names = (layer.files,) if isinstance(layer.files, str) else layer.files
        for turn, name in enumerate(names):
            mark = marks.get(name, node.mark)
            self._n_samples += 1
            if self._n_samples > MAX_SAMPLES:
                self._problems.stop(mark, f"more than {MAX_SAMPLES:,} samples; split the kit")
            try:
                path = self._folder.find(name, "")
                info = self._headers.info(path, name, str(path))
            except StemfxError as error:
                told = error.message if error.where in (None, "") else str(error)
                self._problems.add(mark, told)
                continue
            gain_db = drum.gain_db + layer.gain_db
            source = Source(info, name, gain_db=gain_db, tune_semitones=drum.tune_semitones)
            yield Piece(low, high, (float(turn),) if len(names) > 1 else None, source)


def _files_of(node: Node, title: str, problems: Problems) -> DrumShape:
    """Return the drum that is only a sample or a list of takes."""
    table = Table(node.mark, {"files": node}, {"files": node.mark})
    return section(table, DrumShape, title, problems) or DrumShape()


def _marks(node: Node) -> Iterator[tuple[str, Mark]]:
    """Yield every text and where it stands, the first place of each last."""
    if isinstance(node, Leaf):
        if isinstance(node.value, str):
            yield node.value, node.mark
        return
    inner = node.nodes if isinstance(node, Items) else tuple(node.entries.values())
    for child in reversed(inner):
        yield from _marks(child)
