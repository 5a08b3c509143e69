"""What a run writes, as nodes: the files of the master, a pair to compare, stems and drum hits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

from stemfx.errors import OutputError
from stemfx.fixes import entries
from stemfx.graph import (
    Deliver,
    Graph,
    Mix,
    Port,
    Resample,
    Role,
    Write,
    WriteHits,
    WritePair,
)
from stemfx.hit_files import file_names
from stemfx.io import Encoding, encoding_for, file_sha256
from stemfx.plan_hits import TrackHits
from stemfx.plan_inputs import Inputs, played_sources
from stemfx.recipe import MasterFile, Recipe
from stemfx.recipe.output import mp3_rate
from stemfx.recipe.tracks import REMOVED
from stemfx.stage import Finding
from stemfx.tags import STORE_COVER_PIXELS, read_cover

DELIVERY_VERSION = 2
"""Raise it when a file of the master, or what is told of it, becomes another."""


def input_files(recipe: Recipe) -> set[Path]:
    """Return every file that a recipe names or is: none of them may be overwritten."""
    calls = recipe.calls
    files = {file for call in calls for file in (*call.files.values(), *call.sounds.values())}
    files |= {file for call in calls for kit in call.kits.values() for file in kit.files}
    files |= {file for source in recipe.sources.values() for file in source.files}
    files |= {track.asset for track in recipe.tracks.values() if track.asset is not None}
    cover = recipe.output.tags and recipe.output.tags.cover
    return files | {*recipe.files} | ({cover} if cover else set())


def _on_disk(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_dev, state.st_ino


class ResultNodes:
    """Adds to a graph what writes files; no two of them, and no input, share a name.

    Args:
        graph: takes the nodes.
        recipe: says what is written.
        inputs: its files: none of them may be overwritten.
        sample_rate: of the project, in Hz.
        out_folder: nothing is written outside it.
        preview_s: (start, length) of a preview, whose files have names of their own.
    """

    def __init__(
        self,
        graph: Graph,
        recipe: Recipe,
        inputs: Inputs,
        *,
        sample_rate: int,
        out_folder: Path,
        preview_s: tuple[float, float] | None,
    ) -> None:
        self._graph, self._recipe, self._inputs = graph, recipe, inputs
        self._rate, self._out_folder, self._preview_s = sample_rate, out_folder, preview_s
        self._found: list[Finding] = []

    def findings(self) -> Iterator[Finding]:
        """Tell what may not be wanted of what is written.

        Raises:
            TagError: the cover cannot be used.
        """
        yield from self._found
        tags = self._recipe.output.tags
        cover = None if tags is None or tags.cover is None else read_cover(tags.cover)
        if cover is not None and not cover.is_for_stores:
            yield Finding(
                "info",
                "cover_small",
                f"the cover has {cover.width} x {cover.height} pixels; players show it, but stores "
                f"ask for a square of {STORE_COVER_PIXELS} x {STORE_COVER_PIXELS} or more",
            )

    def target(self, relative: Path, where: str) -> Path:
        """Return the absolute path of a result, safely inside the output folder.

        Raises:
            OutputError: it is not, or would overwrite an input.
        """
        name = relative.name
        if self._preview_s is not None:
            # `song.stem.mp4` is known by both of its suffixes.
            stem = Path(relative.stem).stem if name.lower().endswith(".stem.mp4") else relative.stem
            name = f"{stem}-preview{name[len(stem) :]}"
        path = (self._out_folder / relative).with_name(name).resolve()
        folder = self._out_folder.resolve()
        if not path.is_relative_to(folder):  # by way of a link in the output folder
            raise OutputError(f"{path} lies outside the output folder {folder}", where=where)
        if path.is_dir():
            raise OutputError(
                f"{path} is a folder, and a file of that name is to be written; give `output` "
                "another name, or pass --out DIR",
                where=where,
            )
        self._refuse_to_overwrite(path, where)
        return path

    def _refuse_to_overwrite(self, path: Path, where: str) -> None:
        if path in self._input_paths or (path.exists() and _on_disk(path) in self._inputs_on_disk):
            raise OutputError(
                f"{path} would overwrite an input of the recipe; give `output` another name "
                "or pass --out DIR",
                where=where,
            )

    @cached_property
    def _input_paths(self) -> set[Path]:
        return {file.resolve() for file in input_files(self._recipe)}

    @cached_property
    def _inputs_on_disk(self) -> set[tuple[int, int]]:
        """The inputs as the disk knows them, whatever links and the case of letters say."""
        return {_on_disk(file) for file in self._input_paths if file.exists()}

    def _source_depth(self) -> int | None:
        """Return the highest bit depth of the sources; None when all are lossy."""
        paths = [p for source in played_sources(self._recipe) for p in source.files]
        depths = [depth for p in paths if (depth := self._inputs.files[p].bit_depth)]
        return max(depths, default=None)

    def masters(self, master: Port, reading: Port) -> str:
        """Write every file of the master; return the node of the first.

        Args:
            master: at the project's rate.
            reading: the notes of what measured it.
        """
        names = [self._master(file, master, reading) for file in self._recipe.output.masters]
        return names[0]

    def pair(self, before: Port, master: Port) -> None:
        """Write a song before and after, if the recipe asks for it."""
        output = self._recipe.output
        if output.ab is None:
            return
        paths = tuple(
            self.target(output.ab / f"{name}.wav", output.ab_where) for name in ("before", "after")
        )
        work = WritePair(paths)
        self._graph.add("write/ab", "write", work, (before, master), config=["ab"], signals=())

    def _at_rate(self, port: Port, rate: int) -> Port:
        if rate == self._rate:
            return port
        return self._graph.add(f"master/{rate}", "resample", Resample(rate), (port,), config=[rate])

    def _master(self, file: MasterFile, master: Port, reading: Port) -> str:
        output = self._recipe.output
        path = self.target(file.path, file.where)
        asked = file.bit_depth or output.bit_depth
        encoding = replace(
            encoding_for(path, asked, self._source_depth()),
            bitrate_kbps=file.bitrate_kbps,
            quality=file.quality,
        )
        rate = file.sample_rate or self._rate
        if encoding.format == "mp3" and rate != mp3_rate(rate):
            told = f"{path.name} is at {mp3_rate(rate):,} Hz: MP3 has no {rate:,} Hz"
            fix = self._at_a_rate(file, mp3_rate(rate))
            self._found.append(Finding("info", "mp3_sample_rate", told, fix))
            rate = mp3_rate(rate)
        calls = self._recipe.master
        ceilings = [call.stage.ceiling(call.params) for call in calls if call.stage.ceiling]
        ceiling_dbtp = ceilings[-1] if ceilings else None
        tags = None if output.tags is None else output.tags.texts()
        cover = None if output.tags is None else output.tags.cover
        is_first = file is output.masters[0]
        return self._graph.add(
            "write/master" if is_first else f"write/{file.path.as_posix()}",
            "write",
            Deliver(path, encoding, ceiling_dbtp, output.tags, output.dither),
            (self._at_rate(master, rate), reading),
            config=[
                *("master", DELIVERY_VERSION, path.name, asdict(encoding), ceiling_dbtp),
                *(output.dither, tags),
                None if cover is None else file_sha256(cover),
            ],
            signals=(),
        ).node

    def _at_a_rate(self, file: MasterFile, rate: int) -> str | None:
        """Write the only file of the master with the rate that it has; of several, None."""
        if self._recipe.output.masters[1:]:
            return None
        said = {"bitrate_kbps": file.bitrate_kbps, "sample_rate": rate}
        given = {name: value for name, value in said.items() if value is not None}
        return entries("in output", master={"file": file.path.as_posix(), **given})

    def stems(self, faders: Mapping[str, Port], folder: str = "") -> str:
        """Write tracks into the folder of the stems, or one in it; return the node."""
        output = self._recipe.output
        assert output.stems is not None  # noqa: S101 - asked by the caller
        # 32-bit float unless asked otherwise: the files sum to the mix without rounding.
        encoding = Encoding("wav", output.bit_depth or 32)
        names = [output.stems / folder / f"{name}.wav" for name in faders]
        paths = tuple(self.target(name, output.stems_where) for name in names)
        role: Role = "removed" if folder else "stems"
        return self._graph.add(
            f"write/{role}",
            "write",
            Write(paths, encoding, role, tuple(faders), output.dither),
            tuple(faders.values()),
            config=[role, encoding.format, encoding.bit_depth, output.dither],
            signals=(),
        ).node

    def hits(self, hits: TrackHits) -> str:
        """Write the hits that were found, one pair of files a track; not those from a file."""
        output = self._recipe.output
        start_s = 0.0 if self._preview_s is None else self._preview_s[0]
        names = file_names(output.hits, hits.tracks)
        paths = tuple(
            self.target(name, output.hits_where) for track in hits.found for name in names[track]
        )
        return self._graph.add(
            "write/hits",
            "write",
            WriteHits(tuple(hits.found), paths, self._recipe.path.parent, start_s),
            tuple(hits.found.values()),
            # The paths too: what it says of an edited file depends on where that lies.
            config=["hits", list(hits.found), start_s, list(map(str, paths))],
            signals=(),
        ).node

    def removed(self, removed: Mapping[str, Sequence[Port]]) -> None:
        """Write what stages took away into a folder beside the stems, which sum without it."""
        kept = {
            name: self._graph.add(f"{name}/{REMOVED}", "mix", Mix(), ports)
            if ports[1:]
            else ports[0]
            for name, ports in removed.items()
        }
        if kept:
            self.stems(kept, REMOVED)
