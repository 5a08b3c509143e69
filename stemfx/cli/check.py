"""`stemfx check`: what is wrong with audio files, and which stage mends it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfx.cli import arguments as a
from stemfx.cli.run import FailOn, is_reached
from stemfx.errors import EXIT_EXPECTED, EXIT_FINDING, EXIT_OK, StemfxError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from stemfx.audio import Block, Signal
    from stemfx.health import FileHealth
    from stemfx.health.stem_set import SetHealth
    from stemfx.plot.looking import Looking, Seen
    from stemfx.stage import Finding


def check(
    files: Annotated[
        list[Path], typer.Argument(help="Audio files, or folders: all audio files in them.")
    ],
    mixture: Annotated[
        Path | None, typer.Option("--mixture", help="The song that the files are stems of.")
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option(help="Exit with 1 when a finding is this bad.")
    ] = FailOn.ERROR,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE.png",
            help="Draw up to 12 files into one picture (png or svg): waveform, loudness, "
            "spectrogram, correlation, what is wrong.",
        ),
    ] = None,
    view: Annotated[
        bool | None,
        typer.Option(
            "--view/--no-view",
            help="Show level and correlation over time in characters; by default of up to 8 "
            "files, and only on a terminal that can.",
        ),
    ] = None,
    json: a.Json = False,
) -> int:
    """Check files: mono playback, polarity, delay, clipping, DC, hum, clicks, codecs, loudness.

    Every file is checked; one that cannot be read has the finding `unreadable`, and then the exit
    code is 2 whatever --fail-on says. Else it is 1 when a finding reaches --fail-on, else 0.
    """
    from stemfx.cli.check_plot import plot_target
    from stemfx.cli.screen import file_progress, print_json, print_line, table_console

    paths = list(a.audio_paths(files))
    other = None if mixture is None else a.user_path(mixture, "--mixture")
    if json and view:
        raise UsageError(
            "shows characters to people, and --json prints exactly one object; leave one out",
            where="--view",
        )
    target = None if plot is None else plot_target(plot, paths, other)
    with file_progress("check") as advanced:
        checked = [
            _check(path, advanced(path, i, len(paths)), look=target is not None)
            for i, path in enumerate(paths)
        ]
    stem_set = _check_set(checked, other)
    drawn = _draw(checked, stem_set, target)
    if json:
        told = None if stem_set is None else stem_set.to_json()
        facts = {"files": [_json(one) for one in checked], "set": told}
        place = {} if target is None else {"plot": str(drawn.absolute()) if drawn else None}
        print_json({"schema": 1, **facts, **place})
    else:
        _print(checked, table_console(), view)
        if stem_set is not None:
            _print_set(stem_set, table_console())
        if target is not None:
            print_line(f"picture: {drawn}" if drawn else "no picture: no file could be read")
    if any(one.health is None for one in checked):
        return EXIT_EXPECTED
    found = [f for one in checked for f in one.findings]
    found += [each.finding for each in stem_set.findings] if stem_set else []
    reached = is_reached(found, fail_on)
    return EXIT_FINDING if reached else EXIT_OK


@dataclass(frozen=True)
class Checked:
    """One file and what became of it; `health` is None when it could not be read.

    `seen` is what a picture of it shows, where one was asked for.
    """

    path: Path
    health: FileHealth | None
    findings: Sequence[Finding]
    seen: Seen | None = None


# --- one file ----------------------------------------------------------------------------


def _check(path: Path, advanced: Callable[[float], None], *, look: bool) -> Checked:
    from stemfx.health import FileFacts, examine
    from stemfx.io import FileSignal, probe

    if path.is_dir():
        return _unreadable(path, "no audio files in this folder")
    try:
        info = probe(path, min_duration_s=0.0)
        facts = FileFacts(info.bit_depth is None, info.channels, info.format)
        signal = _Watched(FileSignal(info, fold=True), advanced)
        looking = [_looking(signal)] if look else []
        health = examine(signal, facts, *looking)
    except StemfxError as error:
        return _unreadable(path, error.message)
    seen = looking[0].seen() if looking else None
    return Checked(path, health, health.findings, seen)


def _looking(signal: Signal) -> Looking:
    from stemfx.plot.looking import Looking

    return Looking(signal.sample_rate, signal.channels, signal.n_samples)


def _unreadable(path: Path, message: str) -> Checked:
    from stemfx.stage import Finding

    return Checked(path, None, [Finding("error", "unreadable", message)])


class _Watched:
    """A signal that tells how far it was read."""

    def __init__(self, signal: Signal, advanced: Callable[[float], None]) -> None:
        self._signal, self._advanced = signal, advanced
        self.sample_rate = signal.sample_rate
        self.channels = signal.channels
        self.n_samples = signal.n_samples

    def blocks(self, n_samples: int = 65_536) -> Iterator[Block]:
        done = 0
        for block in self._signal.blocks(n_samples):
            yield block
            done += block.shape[1]
            self._advanced(done / self.n_samples)

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        return self._signal.read(start, stop)


# --- stems of one song -------------------------------------------------------------------


_PARTS = {
    *("vocals", "vocal", "vox", "voice", "drums", "drum", "percussion", "bass", "other"),
    *("guitar", "piano", "keys", "synth", "strings", "brass", "accompaniment", "instrumental"),
}
_MIXTURES = {"mix", "mixture"}


def _check_set(checked: Sequence[Checked], mixture: Path | None) -> SetHealth | None:
    """Examine the files as stems of one song; None where nothing says that they are.

    They are with `--mixture`, and when all in one folder are named after different parts of a
    song. A file named mix or mixture beside them is the mixture.

    Raises:
        AudioFileError: the mixture cannot be read.
    """
    from stemfx.health.stem_set import examine_set
    from stemfx.io import FileSignal, probe

    paths = [one.path for one in checked if one.health is not None]
    if mixture is None:
        mixture = next((p for p in paths if p.stem.casefold() in _MIXTURES), None)
        parts = [_part(path) for path in paths if path != mixture]
        is_set = len(parts) > 1 and None not in parts and len(set(parts)) == len(parts)
        if not is_set or len({path.parent for path in paths}) > 1:
            return None
    stems = [path for path in paths if mixture is None or path.resolve() != mixture.resolve()]
    if not stems:
        return None
    names = [path.stem for path in stems]
    signals = {
        name if names.count(name) == 1 else str(path): FileSignal(
            probe(path, min_duration_s=0.0), fold=True
        )
        for name, path in zip(names, stems, strict=True)
    }
    whole = None if mixture is None else FileSignal(probe(mixture), fold=True)
    return examine_set(signals, whole)


def _part(path: Path) -> str | None:
    """Return the part of a song that a file is named after: `my song - Vocals (2).wav`."""
    words = re.findall(r"[^\W\d_]+", path.stem.casefold())
    return next((word for word in reversed(words) if word in _PARTS), None)


def _draw(
    checked: Sequence[Checked], stem_set: SetHealth | None, target: Path | None
) -> Path | None:
    """Write the picture and return where it is; None where there is nothing to draw."""
    if target is None or all(one.health is None for one in checked):
        return None
    from stemfx.cli.check_plot import write_plot
    from stemfx.plot.looking import Pictured

    of_stems = [(each.stem, each.finding) for each in stem_set.findings] if stem_set else []
    pictured = [
        Pictured(
            one.path.name,
            one.health,
            one.seen,
            [*one.findings, *(f for stem, f in of_stems if stem in {one.path.stem, str(one.path)})],
        )
        for one in checked
    ]
    write_plot(pictured, target)
    return target


# --- telling -----------------------------------------------------------------------------

_UNKNOWN = dict.fromkeys(
    (
        *("sample_rate", "channels", "duration_s", "lufs", "true_peak_dbtp", "sample_peak_dbfs"),
        *("max_short_term_lufs", "max_momentary_lufs", "lra_lu", "plr_lu", "psr_lu", "playback"),
        *("dc_offset", "clipped_samples", "correlation", "correlation_bands", "mono_loss_db"),
        *("mono_loss_bands", "polarity", "interchannel_delay_ms", "bandwidth_hz"),
    )
)


def _json(one: Checked) -> dict[str, Any]:
    from stemfx.findings import finding_json

    measured = _UNKNOWN if one.health is None else one.health.to_json()
    told = [finding_json(finding) for finding in one.findings]
    return {"file": str(one.path.absolute())} | measured | {"findings": told}


def _print(checked: Sequence[Checked], console: Console, view: bool | None) -> None:
    from rich.table import Table

    from stemfx.cli.check_loudness import loudness_table
    from stemfx.finding_lines import finding_text
    from stemfx.shown import plain

    table = Table()
    table.add_column("file", overflow="fold")
    for name in ("length", "LUFS", "dBTP", "L/R corr.", "mono loss", "top", ""):
        table.add_column(name, justify="right")
    for one in checked:
        table.add_row(plain(one.path.name), *_cells(one.health), _verdict(one))
    console.print(table)
    loudness = loudness_table([(one.path, one.health) for one in checked if one.health])
    if loudness is not None:
        console.print(loudness)
    _print_view([(one.path, one.health) for one in checked if one.health], console, view)
    for one in checked:
        if not one.findings:
            continue
        console.print(plain(one.path, "bold"), soft_wrap=True)
        for finding in one.findings:
            console.print(finding_text(finding, indent="  "), soft_wrap=True)


_MOST_VIEWED = 8
"""Of more files the lines are shown only if asked for."""


def _print_view(
    examined: Sequence[tuple[Path, FileHealth]], console: Console, view: bool | None
) -> None:
    from stemfx.strip import can_show, strips

    if view is None:
        view = len(examined) <= _MOST_VIEWED and can_show(console)
    for line in strips(examined, console) if view else ():
        console.print(line)


def _print_set(found: SetHealth, console: Console) -> None:
    from stemfx.finding_lines import finding_text
    from stemfx.shown import plain

    against = "" if found.null_db is None else f", null {found.null_db:.1f} dB against the mixture"
    console.print(plain(f"{len(found.stems)} stems of one song{against}", "bold"), soft_wrap=True)
    for each in found.findings:
        line = finding_text(each.finding, of=each.stem or "", indent="  ")
        console.print(line, soft_wrap=True)


def _cells(health: FileHealth | None) -> list[str]:
    if health is None:
        return ["-"] * 6
    top_hz = health.material.bandwidth.bandwidth_hz
    seconds = health.n_samples / health.sample_rate
    return [
        f"{seconds:.2f} s" if seconds < 60 else f"{int(seconds) // 60}:{int(seconds) % 60:02} min",
        _number(health.level.lufs, 1),
        _number(health.level.true_peak_dbtp, 1),
        _number(health.stereo.correlation, 2),
        _number(health.stereo.mono_loss_db, 1, " dB"),
        "-" if top_hz is None else f"{top_hz / 1000:.1f} kHz",
    ]


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "-" if value is None else f"{round(value, digits) + 0.0:.{digits}f}{unit}"


def _verdict(one: Checked) -> Any:
    from rich.text import Text

    from stemfx.finding_lines import LEVEL_STYLE

    levels = [finding.level for finding in one.findings]
    for level in ("error", "warn"):
        if level in levels:
            return Text(level, LEVEL_STYLE[level])
    return Text("ok", "green")
