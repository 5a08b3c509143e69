"""`stemfx slice`: a library of samples from stems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemfx.cli import arguments as a
from stemfx.errors import AudioFileError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from stemfx.slicing.build import SlicedSong
    from stemfx.slicing.samples import Slices

BAR_LENGTHS = (1, 2, 4, 8)


class StemKind(StrEnum):
    """What a stem is."""

    DRUMS = "drums"
    BASS = "bass"
    VOCALS = "vocals"
    OTHER = "other"


class Only(StrEnum):
    """One kind of samples."""

    ONE_SHOTS = "one-shots"
    LOOPS = "loops"


def slice_(
    files: Annotated[
        list[Path],
        typer.Argument(help="Stems, named after what they are, or folders: the stems of a song."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the library.")],
    as_: Annotated[
        StemKind | None, typer.Option("--as", help="What the files are, whatever their names say.")
    ] = None,
    song: Annotated[
        Path | None,
        typer.Option("--song", help="The song that the stems are of: its tempo and key are read."),
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="Title of the song; default: what the names say.")
    ] = None,
    only: Annotated[Only | None, typer.Option(help="One kind of samples; default: both.")] = None,
    bars: Annotated[
        list[int] | None,
        typer.Option(help="Length of loops; may be given more than once. Default: 1, 2 and 4."),
    ] = None,
    max_per_class: Annotated[
        int, typer.Option(min=1, max=128, help="Samples of a class or length from one stem.")
    ] = 16,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the library that is in the folder.")
    ] = False,
    fold_down: a.FoldDown = False,
    json: a.Json = False,
) -> None:
    """Cut stems into a library: clean one-shots of drums, and loops of whole bars of any stem.

    WAV files with loop points and cues, a drum kit as SFZ and for Hydrogen, and library.json.
    """
    import time

    from stemfx.cli.screen import print_json, table_console
    from stemfx.session import open_cache
    from stemfx.slicing.build import Wants, slice_song
    from stemfx.slicing.document import document
    from stemfx.slicing.kits import write_kits
    from stemfx.slicing.library import library_folder, write_index, write_samples
    from stemfx.slicing.material import find_songs
    from stemfx.slicing.names import Names

    began = time.perf_counter()
    for n_bars in bars or ():
        if n_bars not in BAR_LENGTHS:
            known = ", ".join(map(str, BAR_LENGTHS))
            raise UsageError(f"{n_bars} bars; loops of {known} bars are cut", where="--bars")
    wants = Wants(
        one_shots=only is not Only.LOOPS,
        bars=() if only is Only.ONE_SHOTS else tuple(bars or (1, 2, 4)),
        max_per_class=max_per_class,
    )
    songs = find_songs(
        [a.user_path(name, "FILE") for name in files],
        kind=as_.value if as_ else None,
        mixture=None if song is None else a.user_path(song, "--song"),
        title=title,
        fold_down=fold_down,
    )
    folder = a.user_path(out, "--out")
    with (
        library_folder(folder, overwrite=overwrite) as staging,
        open_cache(keep=False) as scratch,
        _progress() as advanced,
    ):
        names = Names()
        sliced = [slice_song(one, wants, names, scratch, advanced) for one in songs]
        if not any(slices.samples for one in sliced for slices in one.slices):
            raise AudioFileError(_nothing(sliced), where=str(files[0]))
        written = write_samples(staging, sliced, advanced)
        kits = write_kits(staging, written)
        told = document(sliced, written, kits)
        write_index(staging, told)
    if json:
        seconds = round(time.perf_counter() - began, 3)
        print_json(told | {"folder": str(folder.resolve()), "seconds": seconds})
    else:
        _print(sliced, folder, table_console())


def _nothing(sliced: Sequence[SlicedSong]) -> str:
    """Say why there is not one sample."""
    every = [slices for one in sliced for slices in one.slices]
    reasons = list(dict.fromkeys(f.message for slices in every for f in slices.findings))
    counts: Counter[str] = Counter()
    for slices in every:
        for of_class in slices.dropped.values():
            counts += of_class
    reasons += [f"{n} {reason}" for reason, n in counts.most_common()]
    return f"no sample can be cut: {'; '.join(reasons) or 'nothing is left'}"


def _print(sliced: Sequence[SlicedSong], folder: Path, console: Console) -> None:
    from rich.table import Table

    from stemfx.finding_lines import finding_text
    from stemfx.shown import plain

    for one in sliced:
        reading = one.reading
        tempo = f"{reading.bpm:.4g} bpm" if reading and reading.bpm else "no steady beat"
        key = reading.key if reading and reading.key else "no key"
        console.print(plain(f"{one.song.title}: {tempo}, {key}", "bold"), soft_wrap=True)
        table = Table("stem", "class")
        table.add_column("kept", justify="right")
        table.add_column("dropped")
        for slices in one.slices:
            for name, kept, reasons in _rows(slices):
                why = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common())
                table.add_row(plain(slices.stem.name), name, str(kept), why or "-")
        if table.row_count:
            console.print(table)
        for slices in one.slices:
            for finding in slices.findings:
                console.print(finding_text(finding, of=slices.stem.name), soft_wrap=True)
    n_samples = sum(len(slices.samples) for one in sliced for slices in one.slices)
    console.print(plain(f"{n_samples} samples in {folder}"), soft_wrap=True)


def _rows(slices: Slices) -> Iterator[tuple[str, int, Counter[str]]]:
    kept = Counter(sample.sound_class for sample in slices.samples)
    for name in dict.fromkeys([*kept, *slices.dropped]):
        yield name, kept[name], slices.dropped.get(name, Counter())


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from stemfx.shown import visible

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("slice", total=None)
        yield lambda text: progress.update(task, description=visible(text))
