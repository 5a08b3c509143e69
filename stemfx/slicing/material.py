"""What is sliced: the stems of songs, each with the song that it is of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stemfx.dsp.channels import FOLDABLE
from stemfx.errors import AudioFileError, UsageError
from stemfx.io import AUDIO_SUFFIXES, FileInfo, FileSignal, probe

KINDS = ("drums", "bass", "vocals", "other")
"""What a stem can be; only drums are cut into one-shots."""

_WORDS = {
    **dict.fromkeys(("drums", "drum", "percussion", "perc", "beat", "beats"), "drums"),
    **dict.fromkeys(("bass", "bassline"), "bass"),
    **dict.fromkeys(("vocals", "vocal", "vox", "voice", "singer", "acapella"), "vocals"),
    **dict.fromkeys(("other", "instrumental", "accompaniment", "music", "melody"), "other"),
    **dict.fromkeys(("guitar", "guitars", "piano", "keys", "synth", "strings", "brass"), "other"),
}
_MIXTURES = {"mix", "mixture", "master", "song"}
_COPY = re.compile(r"[\s_.-]*(\(\d+\)|\d+)$")
"""What file managers add to the name of a copy."""


@dataclass(frozen=True)
class Stem:
    """One file to slice.

    Args:
        name: in the names of its samples: `drums`, `guitar`.
        kind: one of `KINDS`.
        signal: mono or stereo.
    """

    name: str
    kind: str
    signal: FileSignal

    @property
    def path(self) -> Path:
        """The file."""
        return self.signal.info.path


@dataclass
class Song:
    """Stems of one song.

    Args:
        title: of the song.
        stems: to slice.
        mixture: the song itself, if it is there.
    """

    title: str
    stems: list[Stem] = field(default_factory=list)
    mixture: FileSignal | None = None


def find_songs(
    files: Sequence[Path],
    *,
    kind: str | None = None,
    mixture: Path | None = None,
    title: str | None = None,
    fold_down: bool = False,
) -> list[Song]:
    """Return the songs whose stems were named, in the order in which they were.

    A stem's name says what it is: the last word of `My Song - Drums (2).wav`. What is before that
    word is the title; else that of the folder.

    Args:
        files: audio files, and folders of them. A folder's `mix` or `mixture` is no stem.
        kind: what all files are, whatever their names say.
        mixture: the song that all of them are of.
        title: of the song, instead of what the names say.
        fold_down: fold surround to stereo.

    Raises:
        UsageError: a file is no stem by its name, is given twice, or nothing is left to slice.
        AudioFileError: a file cannot be used.
    """
    songs: dict[tuple[Path, str], Song] = {}
    seen: set[Path] = set()
    for path, of_folder in _files(files):
        if path.resolve() in seen:
            raise UsageError("this file is given twice", where=str(path))
        seen.add(path.resolve())
        named, words = _part(path.stem)
        if named in _MIXTURES and of_folder and kind is None:
            songs.setdefault(_key(path, words), Song(words or _folder(path))).mixture = _open(
                path, fold_down=fold_down
            )
            continue
        if kind is None and named not in _WORDS:
            raise UsageError(_unknown(path, named), where=str(path))
        if kind is not None and named not in _WORDS:
            named, words = kind, path.stem
        stem = Stem(named, kind or _WORDS[named], _open(path, fold_down=fold_down))
        songs.setdefault(_key(path, words), Song(words or _folder(path))).stems.append(stem)
    found = [song for song in songs.values() if song.stems]
    if not found:
        raise UsageError("there are no stems here, only a mixture; `stemfx separate` makes stems")
    if mixture is not None:
        whole = Song(_title_of(mixture), [stem for song in found for stem in song.stems])
        whole.mixture = _open(mixture, fold_down=fold_down)
        found = [whole]
    for song in found:
        song.title = title or song.title
    return found


def _files(named: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Yield the files, and those in the folders in the order of their names, and which these are.

    Raises:
        UsageError: there is no such file, or a folder has no audio.
    """
    for path in named:
        if not path.is_dir():
            if not path.exists():
                raise UsageError("no such file or folder; check the name", where=str(path))
            yield path, False
            continue
        inside = [
            one
            for one in sorted(path.iterdir())
            if one.suffix.lower() in AUDIO_SUFFIXES
            and one.is_file()
            and not one.name.startswith(".")
        ]
        if not inside:
            raise UsageError("no audio files in this folder", where=str(path))
        yield from ((one, True) for one in inside)


def _part(stem: str) -> tuple[str, str]:
    """Split `My Song - Drums (2)` into what it is, `drums`, and the rest, `My Song`."""
    text = _COPY.sub("", stem)
    words = list(re.finditer(r"[^\W\d_]+", text))
    if not words:
        return "", stem
    last = words[-1]
    named = last[0].casefold()
    if named in _WORDS or named in _MIXTURES:
        return named, text[: last.start()].strip(" -_.()[]")
    first = words[0]
    if first[0].casefold() in _WORDS:  # `drums - My Song`
        return first[0].casefold(), text[first.end() :].strip(" -_.()[]")
    return named, stem


def _key(path: Path, words: str) -> tuple[Path, str]:
    return path.parent.resolve(), words.casefold()


def _folder(path: Path) -> str:
    return path.resolve().parent.name


def _title_of(mixture: Path) -> str:
    named, words = _part(mixture.stem)
    return words if named not in _MIXTURES else words or _folder(mixture)


def _open(path: Path, *, fold_down: bool) -> FileSignal:
    info: FileInfo = probe(path)
    if info.channels > 2 and not fold_down:
        raise AudioFileError(
            f"{info.channels} channels; stemfx works on mono and stereo; pass --fold-down to fold "
            "it down to stereo (ITU-R BS.775)",
            where=str(path),
        )
    if info.channels > 2 and info.channels not in FOLDABLE:
        raise AudioFileError(
            f"{info.channels} channels have no standard fold-down; fold it to stereo first",
            where=str(path),
        )
    return FileSignal(info, fold=info.channels > 2)


def _unknown(path: Path, named: str) -> str:
    if named in _MIXTURES:
        return (
            "by its name this is a whole song, and samples are cut from stems; split it with "
            f"`stemfx separate {path.name} -o stems` and slice that folder, or say what it is "
            "with `--as drums`"
        )
    return (
        "its name does not say which stem it is (drums, bass, vocals, other ...); say it with "
        "`--as drums`, or, if it is a whole song, split it first with "
        f"`stemfx separate {path.name} -o stems` and slice that folder"
    )
