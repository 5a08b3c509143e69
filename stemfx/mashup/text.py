"""The recipe of a mashup as its producer will read and edit it: YAML with the reason of each line.

Names of files come from anywhere. In values they stand between double quotes, in comments only
what cannot end the line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from stemfx.alignment.camelot import named
from stemfx.alignment.moves import in_words
from stemfx.alignment.offers import STEM_OF, Part, Proposal, Take
from stemfx.errors import OutputError, UsageError

_WIDTH = 96


def recipe_text(
    proposal: Proposal,
    takes: Mapping[str, Take],
    files: Mapping[str, Path],
    target: Path,
    models: Sequence[str] = (),
) -> str:
    """Return the text of a recipe.

    Args:
        proposal: what it says.
        takes: all of them, by name.
        files: the absolute file of each take.
        target: where the recipe will lie, absolute: files of its folder are named from there.
        models: by name, those that the takes were separated with, if they were asked for.

    Raises:
        OutputError: a file's name cannot be written in a text.
    """
    lines = [
        "# Proposed by `stemfx mashup` from what was measured; listen, and change what you like.",
        f"# stemfx plan {_shown(target.name)}    says what it does; stemfx run does it",
        "stemfx: 1",
        f"title: {quoted('Mashup of ' + ', '.join(takes[n].label for n in _used(proposal)))}",
        "",
        "sources:",
        *(line for name in files for line in _source(name, takes, files, target.parent, proposal)),
        "",
        *_separate(models),
        *_align(proposal),
        "",
        "tracks:",
        *(line for part in proposal.parts for line in _track(part, proposal, takes)),
        "mix:",
        "  stages:",
        "    - phase_check",
        "",
        "master:",
        "  - loudness: {target_lufs: -14, ceiling_dbtp: -1}",
        "",
        "output:",
        f"  master: {quoted(_result(target, '.wav'))}",
        f"  # stems: {quoted(_result(target, '-stems/'))}     # the tracks by themselves",
    ]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    r"""Return a text as a YAML scalar between double quotes, on one line.

    >>> print(quoted('a "b": #1'))
    "a \"b\": #1"

    Raises:
        UsageError: half a letter: a name of no encoding.
    """
    told = text.replace("${", "$${")  # no knob of the recipe
    return f'"{"".join(map(_letter, told))}"'


def _letter(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    if "\ud800" <= letter <= "\udfff":
        msg = "a file's name is not written in the system's encoding; rename it"
        raise UsageError(msg)
    return f"\\U{ord(letter):08x}"


def _shown(text: str) -> str:
    """Return a text for a comment: nothing in it ends the line."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _comment(text: str, indent: int) -> list[str]:
    """Return a comment, its lines not too long."""
    from textwrap import wrap

    margin = " " * indent + "# "
    return wrap(
        _shown(text),
        _WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _used(proposal: Proposal) -> list[str]:
    return sorted({part.take for part in proposal.parts})


def _source(
    name: str,
    takes: Mapping[str, Take],
    files: Mapping[str, Path],
    folder: Path,
    proposal: Proposal,
) -> list[str]:
    reading = takes[name].reading
    about = f"{reading.bpm:.4g} BPM" + (f", {named(reading.key)}" if reading.key else "")
    line = f"  {name}: {quoted(_from_folder(files[name], folder))}"
    if name not in {*_used(proposal), proposal.tempo, proposal.key}:
        return [f"  # {line.strip()}   # {about}; nothing of it is used"]
    return [f"{line}   # {about}"]


def _from_folder(file: Path, folder: Path) -> str:
    """Return how a recipe in a folder names a source: from there, or where it lies elsewhere.

    Raises:
        OutputError: a recipe cannot name it.
    """
    path = Path(os.path.abspath(file))  # noqa: PTH100 - links stay as the user named them
    inside = path.is_relative_to(folder)
    text = path.relative_to(folder).as_posix() if inside else str(path)
    if not text.replace("\u200d", "").replace("\ufe0f", "").isprintable():
        shown = "".join(c if c.isprintable() else "?" for c in path.name)
        msg = f"{shown!r}: a recipe cannot name a file with control characters; rename it"
        raise OutputError(msg)
    if text.startswith("~"):
        text = f"./{text}"
    return text


def _separate(models: Sequence[str]) -> list[str]:
    if not models:
        return []
    listed = quoted(models[0]) if len(models) == 1 else f"[{', '.join(map(quoted, models))}]"
    return ["separate:", f"  model: {listed}", ""]


def _align(proposal: Proposal) -> list[str]:
    tempo = proposal.tempo if isinstance(proposal.tempo, str) else f"{proposal.tempo:g}"
    lines = ["align:", *_comment(f"{proposal.bpm:.4g} BPM: {proposal.tempo_reason}", 2)]
    lines.append(f"  tempo: {tempo}")
    if proposal.key:
        lines += _comment(f"{named(proposal.key_name)}: {proposal.key_reason}", 2)
        lines.append(f"  key: {proposal.key}")
    else:
        lines.append("  # key: none was found, so nothing is transposed")
    return lines


def _track(part: Part, proposal: Proposal, takes: Mapping[str, Take]) -> list[str]:
    take, move = takes[part.take], proposal.moves[part.take]
    key = "" if part.part == "drums" else proposal.key_name
    lines = [
        f"  {part.part}:",
        *_comment(f"{part.take}: {in_words(take, move, proposal.bpm, key)}", 4),
        *(line for reason in part.reasons for line in _comment(reason, 4)),
        f"    from: {part.take}/{STEM_OF[part.part]}",
    ]
    if part.part == "vocals":
        lines += ["    stages:", "      - high_pass: {cutoff_hz: 80}"]
        lines += _guard(part, proposal)
    if part.part == "bass":
        lines += ["    stages:", "      - mono_below: {cutoff_hz: 120}"]
    lines += [f"    gain_db: {part.gain_db:g}{_why_so_loud(part, proposal)}", ""]
    return lines


def _guard(part: Part, proposal: Proposal) -> list[str]:
    """Offer the guard where drums of another take meet a voice that may still carry its own."""
    drums = next((p.take for p in proposal.parts if p.part == "drums"), part.take)
    if drums == part.take:
        return []
    return [
        *_comment(
            f"if a run says that the drums of {part.take} are still heard in here beside those of "
            f"{drums}, take the # off the next line",
            6,
        ),
        "      # - bleed_guard: {against: [drums]}",
    ]


def _why_so_loud(part: Part, proposal: Proposal) -> str:
    if part.take == proposal.balance_of:
        return "       # the balance of the others is this take's"
    return f"       # as loud as this part is in {proposal.balance_of}"


def _result(target: Path, suffix: str) -> str:
    """Return the name of a result after that of the recipe, if every system can hold that."""
    from stemfx.recipe.paths import name_fault

    stem = target.stem if name_fault(target.stem) is None else "mashup"
    return stem + suffix
