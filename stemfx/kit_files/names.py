"""What the name of a sample says: which drum, which of several, how hard, which take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from stemfx.hits import CLASS_OF_NOTE
from stemfx.kit_files.words import (
    CLOSED,
    DYNAMICS,
    LOOPS,
    MACHINES,
    OPEN,
    OTHER,
    STRONG,
    TAKE_MARKS,
    USUAL,
    VELOCITY_MARKS,
    WEAK,
    says_how_hard,
    words_of,
)

# The notes of General MIDI that are drums of stemfx, by their names there.
GM_NAMES = {
    35: "acoustic bass drum",
    36: "bass drum 1",
    37: "side stick",
    38: "acoustic snare",
    39: "hand clap",
    40: "electric snare",
    41: "low floor tom",
    42: "closed hi-hat",
    43: "high floor tom",
    44: "pedal hi-hat",
    45: "low tom",
    46: "open hi-hat",
    47: "low-mid tom",
    48: "hi-mid tom",
    49: "crash 1",
    50: "high tom",
    51: "ride 1",
    52: "china",
    53: "ride bell",
    55: "splash",
    57: "crash 2",
    59: "ride 2",
}
GM_FIRST, GM_LAST = 35, 81


@dataclass(frozen=True)
class NameReading:
    """What a name says.

    Args:
        drum_class: one of `stemfx.hits.DRUM_CLASSES`, or None; then `why_not` says why.
        variant: the words that tell one drum of a class from another.
        plain: the words that named the class, for a drum that has no others.
        dynamics: a word of `words.DYNAMICS`, or empty.
        velocity: the number behind a mark of velocity (`v2`, `vel64`).
        take: the number behind a mark of a take (`rr2`).
        numbers: the other numbers, and a last single letter, in order, as written.
        is_strong: a whole word said the class, not an abbreviation or a number.
        says_how: a hat's name says whether it is open.
        is_other: it names something that is none of the drums.
    """

    drum_class: str | None
    why_not: str = ""
    variant: tuple[str, ...] = ()
    plain: str = ""
    dynamics: str = ""
    velocity: int | None = None
    take: int | None = None
    numbers: tuple[str, ...] = ()
    is_strong: bool = False
    says_how: bool = False
    is_other: bool = False


@dataclass
class _Marks:
    words: list[str] = field(default_factory=list)
    dynamics: str = ""
    velocity: int | None = None
    take: int | None = None
    numbers: list[str] = field(default_factory=list)


def read_name(name: str) -> NameReading:
    """Read a sample's path within its kit: the file's own name counts most, then its folders.

    >>> read_name("snare_v1_rr2").drum_class, read_name("Hats/Open-03").drum_class
    ('snare', 'hat_open')
    >>> read_name("Kick_OH").drum_class, read_name("cowbell").drum_class
    ('kick', None)
    """
    levels = [words_of(part) for part in reversed(PurePosixPath(name).parts)]
    own = levels[0] if levels else []
    every = [word for words in levels for word in words]
    if loop := next((word for word in own if word in LOOPS), None):
        return NameReading(None, f"`{loop}` in its name: no single hit")
    if own == ["bass"]:  # of a drum machine
        levels[0] = own = ["bassdrum"]
    family = _family(levels)
    if family is None:
        number = next((int(w) for w in own if w.isdecimal()), 0) if _is_number(own) else 0
        if number not in CLASS_OF_NOTE:
            return NameReading(None, "its name says no drum that stemfx knows")
        return _gm(number, own)
    if family == "crash" and _HAT_ONLY & set(own) and not _BRONZE & set(every):
        family = "hat"  # `cymbal_closed`
    if family.startswith("="):
        why_not = f"`{family[1:]}`: stemfx has no such drum class"
        return NameReading(None, why_not, is_other=True)
    marks = _marks(own, family)
    letters = {word for word in own if len(word) == 1} if family == "hat" else set()
    is_open = any(word in OPEN for word in every) or "o" in letters
    for words in filter(says_how_hard, levels[1:]):  # `soft/kick`, `v1/rr2/snare`
        outer = _marks(words, family)
        marks.dynamics = marks.dynamics or outer.dynamics
        marks.velocity = outer.velocity if marks.velocity is None else marks.velocity
        marks.take = outer.take if marks.take is None else marks.take
    says_how = is_open or any(word in CLOSED for word in every) or bool(letters & {"c", "p"})
    drum_class = family if family != "hat" else "hat_open" if is_open else "hat_closed"
    if not any(_says(word, family) for word in own):  # the folder names the drum
        folder = next(words for words in levels if any(_says(word, family) for word in words))
        marks.words = [
            w for w in folder if not w.isdecimal() and w not in marks.words
        ] + marks.words
    variant, plain = _variant(marks.words, family)
    return NameReading(
        drum_class,
        "",
        variant,
        plain,
        marks.dynamics,
        marks.velocity,
        marks.take,
        tuple(marks.numbers),
        is_strong=any(STRONG.get(word) == family for word in every),
        says_how=says_how,
    )


_HAT_ONLY = frozenset(("closed", "open", "pedal"))
_BRONZE = frozenset(("ride", "rides", "crash", "crashes", "china", "splash"))
_CYMBAL = frozenset(("cymbal", "cymbals", "cym", "cymb"))


def _says(word: str, family: str) -> bool:
    if family == "hat" and word in _CYMBAL:
        return True
    return STRONG.get(word) == family or WEAK.get(word) == family


def _is_number(words: Sequence[str]) -> bool:
    return bool(words) and words[0].isdecimal() and all(w.isdecimal() or len(w) <= 3 for w in words)


def _family(levels: Sequence[Sequence[str]]) -> str | None:
    """Return the drum that the words say, `=word` for one that is none of ours, or None.

    Whole words come before abbreviations, the file before its folders, and in a name the first.
    """
    for words in levels:
        if known := next((STRONG[word] for word in words if word in STRONG), None):
            return known
        if other := next((word for word in words if word in OTHER), None):
            return f"={other}"
    return next((WEAK[word] for words in levels for word in words if word in WEAK), None)


def _marks(words: Sequence[str], family: str) -> _Marks:
    """Sort the words of a name into what names the drum, and what numbers its hits."""
    marks = _Marks()
    after_tom = False
    for i, word in enumerate(words):
        before = words[i - 1] if i else ""
        follows = i + 1 < len(words) and words[i + 1].isdecimal()
        if word.isdecimal():
            if before in VELOCITY_MARKS:
                marks.velocity = int(word)
            elif before in TAKE_MARKS:
                marks.take = int(word)
            elif word in MACHINES or after_tom:
                marks.words.append(word.lstrip("0") or "0")
            else:
                marks.numbers.append(word)
        elif not (follows and word in (VELOCITY_MARKS | TAKE_MARKS)):
            if word in DYNAMICS and not marks.dynamics:
                marks.dynamics = word
            elif family == "hat" and word in ("o", "c"):
                marks.words.append({"o": "open", "c": "closed"}[word])
            elif len(word) == 1 and i == len(words) - 1 and i and word.isascii():
                # `tom_h` is another drum than `tom_l`; `kick_b` may be another take.
                (marks.words if family == "tom" else marks.numbers).append(word)
            else:
                marks.words.append(word)
        # `Tom 2` is another drum than `Tom 1`; a second take of one has a second number.
        after_tom = family == "tom" and _says(word, family)
    return marks


def _variant(words: Sequence[str], family: str) -> tuple[tuple[str, ...], str]:
    """Return the words that tell drums of one family apart, and those that only name it."""
    usual = USUAL[family]
    telling = tuple(dict.fromkeys(word for word in words if word not in usual))
    return telling, " ".join(dict.fromkeys(word for word in words if word in usual)) or family


def _gm(number: int, words: Sequence[str]) -> NameReading:
    rest = [word for word in words[1:] if word.isdecimal()]
    return NameReading(
        CLASS_OF_NOTE[number], variant=(GM_NAMES[number],), plain=str(number), numbers=tuple(rest)
    )
