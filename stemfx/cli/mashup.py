"""`stemfx mashup`: a recipe that takes the best of several songs, for its producer to edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfx.cli import arguments as a
from stemfx.errors import EXIT_OK, OutputError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from stemfx.alignment.offers import Asked, Proposal, Take
    from stemfx.stage import Finding

LETTERS = "abcdefghijklmnopqrstuvwxyz"

_GIVES = "Who gives the {}: a letter (a is the first FILE) or one of the files."


def mashup(
    files: Annotated[list[Path], typer.Argument(help="Songs: a, b, c ... in this order.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The recipe that is written.")
    ] = Path("mashup.yaml"),
    vocals: Annotated[
        str | None, typer.Option(metavar="TAKE", help=_GIVES.format("vocals"))
    ] = None,
    drums: Annotated[str | None, typer.Option(metavar="TAKE", help=_GIVES.format("drums"))] = None,
    bass: Annotated[str | None, typer.Option(metavar="TAKE", help=_GIVES.format("bass"))] = None,
    harmony: Annotated[
        str | None, typer.Option(metavar="TAKE", help=_GIVES.format("other instruments"))
    ] = None,
    tempo: Annotated[
        str, typer.Option(metavar="TAKE|BPM", help="Whose tempo all follow, or a tempo in BPM.")
    ] = "auto",
    key: Annotated[
        str, typer.Option(metavar="TAKE|KEY", help="Whose key all take, or such as 'A minor'.")
    ] = "auto",
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file that is there.")
    ] = False,
    model: a.Model = None,
    quality: a.Quality = None,
    device: a.Device = "auto",
    offline: a.Offline = False,
    fold_down: a.FoldDown = False,
    accept_noncommercial: a.AcceptNoncommercial = False,
    json: a.Json = False,
) -> int:
    """Propose a mashup: who gives what, in whose tempo and key; written as a recipe to edit.

    What is read and separated here is kept, so the `stemfx run` that follows does not do it again.
    """
    from stemfx.alignment.propose import propose
    from stemfx.cli.screen import print_json, table_console
    from stemfx.io import check_writable, write_text
    from stemfx.mashup.text import recipe_text

    paths = [a.user_path(file, "FILE").absolute() for file in files]
    _check_count(paths)
    target = _target(a.user_path(output, "--output").absolute(), paths, is_forced=force)
    givers = {"vocals": vocals, "drums": drums, "bass": bass, "harmony": harmony}
    asked = _asked(paths, givers, tempo, key)
    request = a.request_from(
        model=model,
        quality=quality,
        device=device,
        offline=offline,
        fold_down=fold_down,
        accept_noncommercial=accept_noncommercial,
    )
    check_writable(target.parent, "choose another place with -o")
    takes, notices = _listen(paths, request)
    proposal = propose(takes, asked)
    named = dict(zip(takes, paths, strict=True))
    text = recipe_text(proposal, takes, named, target, request.models)
    write_text(target, text)
    findings = [*notices, *proposal.findings]
    if json:
        print_json(_json(target, proposal, takes, named, findings))
    else:
        _print(target, proposal, takes, findings, table_console())
    return EXIT_OK


# --- what is asked -----------------------------------------------------------------------


def _check_count(paths: Sequence[Path]) -> None:
    if len(paths) < 2:
        msg = "one song is given; a mashup is made of at least two"
        raise UsageError(msg, where="FILE")
    if len(paths) > len(LETTERS):
        msg = (
            f"{len(paths)} songs are given; a mashup takes at most {len(LETTERS)}: "
            "`stemfx rank` says which are worth keeping"
        )
        raise UsageError(msg, where="FILE")


def _target(path: Path, songs: Sequence[Path], *, is_forced: bool) -> Path:
    """Return where the recipe goes.

    Raises:
        UsageError: it has another suffix, or is one of the songs.
        OutputError: it is there already.
    """
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise UsageError(f"{path.name!r} should end in .yaml", where="--output")
    if path.exists() and not is_forced:
        msg = f"{path} is there already; name another with -o, or write over it with --force"
        raise OutputError(msg, where="--output")
    if path.is_dir() or path in songs:
        raise UsageError(f"{path} is no file to write a recipe into", where="--output")
    return path


def _asked(paths: Sequence[Path], givers: Mapping[str, str | None], tempo: str, key: str) -> Asked:
    from stemfx.alignment.offers import Asked
    from stemfx.dsp.transpose import parse_key

    given = {part: _take_named(text, paths, f"--{part}") for part, text in givers.items() if text}
    pace: str | float = tempo
    if tempo != "auto":
        try:
            pace = float(tempo)
        except ValueError:
            pace = _take_named(tempo, paths, "--tempo", "a tempo in BPM")
        if isinstance(pace, float) and not 20 <= pace <= 400:
            raise UsageError(f"{tempo} BPM is outside [20, 400] BPM", where="--tempo")
    if key != "auto":
        try:
            parse_key(key)
        except ValueError:
            key = _take_named(key, paths, "--key", "a key such as 'A minor'")
    return Asked(given, pace, key)


def _take_named(text: str, paths: Sequence[Path], option: str, more: str = "") -> str:
    """Return the letter of a take that the user names by it or by its file.

    Raises:
        UsageError: it is none of them.
    """
    letters = LETTERS[: len(paths)]
    if len(text) == 1 and text.lower() in letters:
        return text.lower()
    file = a.user_path(text, option).absolute()
    found = [name for name, path in zip(letters, paths, strict=True) if path == file]
    found = found or [n for n, p in zip(letters, paths, strict=True) if text in (p.name, p.stem)]
    if len(found) == 1:
        return found[0]
    allowed = f"a letter from a to {letters[-1]}, one of the files" + (f", {more}" if more else "")
    raise UsageError(f"{text!r} is none of the songs; {allowed} is allowed", where=option)


# --- listening ---------------------------------------------------------------------------


def _listen(paths: Sequence[Path], request: Any) -> tuple[dict[str, Take], list[Finding]]:
    from stemfx.cli.screen import progress_bars
    from stemfx.mashup.listen import listening_plan, recipe_of, same_files, takes_of
    from stemfx.registry import build_registry
    from stemfx.run import run
    from stemfx.session import open_cache
    from stemfx.weight_files import read_weights

    recipe = recipe_of(paths, request)
    plan, inputs, notices = listening_plan(recipe, request, build_registry())
    with open_cache() as cache, progress_bars() as observer:
        outcome = run(plan, cache, observer=observer, notices=notices)
        takes = takes_of(plan, inputs, cache, read_weights())
    return takes, [*outcome.notices, *same_files(recipe, inputs)]


# --- telling -----------------------------------------------------------------------------


def _json(
    target: Path,
    proposal: Proposal,
    takes: Mapping[str, Take],
    files: Mapping[str, Path],
    findings: Sequence[Finding],
) -> dict[str, Any]:
    from stemfx.alignment.camelot import camelot
    from stemfx.alignment.offers import STEM_OF
    from stemfx.findings import finding_json

    return {
        "schema": 1,
        "recipe": str(target),
        "tempo": proposal.tempo,
        "bpm": round(proposal.bpm, 3),
        "key": proposal.key_name,
        "key_of": proposal.key,
        "camelot": camelot(proposal.key_name) if proposal.key_name else "",
        "tracks": {
            part.part: {
                "from": f"{part.take}/{STEM_OF[part.part]}",
                "gain_db": part.gain_db,
                "reasons": list(part.reasons),
            }
            for part in proposal.parts
        },
        "sources": {
            name: {
                "file": str(files[name]),
                "bpm": round(take.reading.bpm, 3),
                "key": take.reading.key,
                "camelot": camelot(take.reading.key) if take.reading.key else "",
                "score": round(take.score, 2),
                "scores": {part: round(offer.score, 2) for part, offer in take.offers.items()},
                "stretch_percent": round(proposal.moves[name].stretch_percent, 3),
                "octave": proposal.moves[name].octave,
                "semitones": round(proposal.moves[name].semitones, 3),
            }
            for name, take in takes.items()
        },
        "findings": [finding_json(finding) for finding in findings],
    }


def _print(
    target: Path,
    proposal: Proposal,
    takes: Mapping[str, Take],
    findings: Sequence[Finding],
    console: Console,
) -> None:
    from rich.table import Table

    from stemfx.alignment.camelot import named
    from stemfx.alignment.moves import in_words
    from stemfx.finding_lines import finding_text
    from stemfx.shown import plain

    key = f", {named(proposal.key_name)}" if proposal.key_name else ""
    table = Table(title=plain(f"{proposal.bpm:.4g} BPM{key}"), title_justify="left")
    table.add_column("part")
    table.add_column("of")
    table.add_column("gain", justify="right")
    table.add_column("what becomes of it, and why it", overflow="fold")
    for part in proposal.parts:
        of_key = "" if part.part == "drums" else proposal.key_name
        move = proposal.moves[part.take]
        how = in_words(takes[part.take], move, proposal.bpm, of_key)
        table.add_row(
            part.part,
            plain(f"{part.take}: {takes[part.take].label}"),
            f"{part.gain_db:+.1f} dB",
            plain("\n".join((how, *part.reasons))),
        )
    console.print(table)
    for finding in findings:
        console.print(finding_text(finding), soft_wrap=True)
    console.print(plain(f"recipe: {target}"), soft_wrap=True)
    console.print(plain(f"next: stemfx run {target}"), soft_wrap=True)
