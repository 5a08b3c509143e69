"""The words by which people name drum samples, in the habits of sample packs and samplers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _table(words_by_drum: Mapping[str, str]) -> dict[str, str]:
    return {word: drum for drum, words in words_by_drum.items() for word in words.split()}


STRONG = _table(
    {
        "kick": "kick kicks kik kck bassdrum kickdrum bombo",
        "snare": "snare snares snr sidestick rimshot xstick rim rims rimclick",
        "hat": "hat hats hihat hihats ophat ohat clhat",
        "tom": "tom toms tomtom floortom racktom",
        "crash": "crash crashes ride rides splash china chinese cymbal cymbals cym cymb cra",
        "clap": "clap claps handclap handclaps",
    }
)
"""Words that mean one drum wherever they stand."""

WEAK = _table(
    {
        "kick": "bd kd bdrum",
        "snare": "sd sn rs ss stick",
        "hat": "hh chh ch hhc hhf hhl clhh clh ohh oh hho ophh oph phh ph hhp pedal closed open",
        "tom": "lt mt ht ft",
        "crash": "cr cy rd bell",
        "clap": "cp hc",
    }
)
"""Abbreviations: taken for a drum where no other word says one (`Kick_OH` is an overhead)."""

USUAL = {
    "kick": _words("kick kicks kik kck bassdrum kickdrum bd kd bdrum"),
    "snare": _words("snare snares snr sd sn"),
    "hat": _words("hat hats hihat hihats hh open closed chh ohh ch oh hhc hho ophat clhat"),
    "tom": _words("tom toms tomtom"),
    "crash": _words("crash crashes cymbals"),
    "clap": _words("clap claps handclap handclaps cp"),
}
"""Words that name the usual drum of a class, and so tell none from another."""

OTHER = _words(
    "cowbell conga congas bongo bongos shaker maraca maracas tambourine tamb tambo clave "
    "claves guiro whistle triangle timbale timbales agogo cabasa vibraslap woodblock snap "
    "snaps perc percussion fx bass synth vox vocal noise shell gong tabla djembe cajon chime "
    "chimes castanet castanets cuica surdo metronome click beep"
)
"""What stemfx has no drum class for."""

LOOPS = _words("loop loops bpm groove grooves fill fills")

OPEN = _words("open opened half semi loose sizzle washy ohh oh hho hhl ophh oph ophat ohat")
CLOSED = _words(
    "closed close clsd tight pedal foot chick ped chh ch hhc hhf clhh clh clhat phh ph hhp"
)

_RANKS = {
    1: "ppp softest",
    2: "pp softer",
    3: "p soft light quiet",
    4: "mp",
    5: "med medium",
    6: "mf",
    7: "f hard loud",
    8: "ff harder accent",
    9: "fff hardest loudest",
}
DYNAMICS = {word: rank for rank, words in _RANKS.items() for word in words.split()}
"""How hard a drum was struck, by rank."""

VELOCITY_MARKS = _words("v vel velo velocity vl layer lyr lv")
TAKE_MARKS = _words("rr r take alt robin hit seq rnd")

MACHINES = _words("505 606 626 707 727 808 909")
"""Drum machines: the one kind of number that names a drum."""

UNUSUAL = _words(
    "sidestick rimshot rim rims rimclick xstick stick rs ss ghost flam drag roll buzz brush "
    "pedal foot ped phh ph hhp half semi ride rides bell splash china chinese rd choke "
    "choked muted mute off room overhead far bottom btm reverse rev"
)
"""Words of a drum that is not the first choice of its class."""

_NEUTRAL = _words("drum drums sample samples shot oneshot note midi")

_PAIRS = {
    ("bass", "drum"): "bassdrum",
    ("drum", "bass"): "bassdrum",
    ("kick", "drum"): "kick",
    ("snare", "drum"): "snare",
    ("b", "drum"): "bdrum",
    ("hi", "hat"): "hihat",
    ("high", "hat"): "hihat",
    ("hi", "hats"): "hihat",
    ("side", "stick"): "sidestick",
    ("cross", "stick"): "sidestick",
    ("rim", "shot"): "rimshot",
    ("rim", "click"): "rimclick",
    ("hand", "clap"): "handclap",
    ("hand", "claps"): "handclap",
    ("cow", "bell"): "cowbell",
    ("wood", "block"): "woodblock",
    ("round", "robin"): "rr",
}

_LONGEST = 300  # characters; labels may be as long as their maker likes
# Letters with accents and of other scripts go with the small ones: few names have a hump there.
_SMALL = r"[^\W\d_A-Z]"
_TOKEN = re.compile(rf"[A-Z]+(?!{_SMALL})|[A-Z]?{_SMALL}+|\d+")

# Long words that no other word ends or starts with; `custom`, `stride` and `that` are none.
_AFFIXES = ("bassdrum", "hihat", "cymbal", "snare", "crash", "kick", "clap")


def words_of(name: str) -> list[str]:
    """Split a name into lower-case words and numbers.

    >>> words_of("HHClosed-Hard"), words_of("808kick_v2"), words_of("openhat 03")
    (['hh', 'closed', 'hard'], ['808', 'kick', 'v', '2'], ['open', 'hat', '03'])
    >>> words_of("Kick – été"), words_of("GroßeTrommel")
    (['kick', 'été'], ['große', 'trommel'])
    """
    words = [part for token in _TOKEN.findall(name[:_LONGEST]) for part in _parts(token.lower())]
    joined: list[str] = []
    for word in words:
        if joined and (pair := _PAIRS.get((joined[-1], word))):
            joined[-1] = pair
        else:
            joined.append(word)
    return [word for word in joined if word not in _NEUTRAL]


def says_how_hard(words: Sequence[str]) -> bool:
    """Tell whether words say only how hard a drum was struck, or which take it is."""
    marks = VELOCITY_MARKS | TAKE_MARKS
    return bool(words) and all(w in DYNAMICS or w in marks or w.isdecimal() for w in words)


def _parts(word: str) -> Iterable[str]:
    """Yield the words that are written together in one."""
    if word in _known() or word.isdecimal() or len(word) > 24:
        return [word]
    if split := _segments(word):
        return split
    for affix in _AFFIXES:
        if word.startswith(affix):
            return [affix, word.removeprefix(affix)]
        if word.endswith(affix):
            return [word.removesuffix(affix), affix]
    return [word]


def _segments(word: str) -> list[str]:
    """Return known words that together are `word`; nothing where there are none."""
    # best[i]: known words that make word[:i]
    best: list[list[str] | None] = [[], *[None] * len(word)]
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 10), end):
            before = best[start]
            if before is not None and word[start:end] in _known() and end - start > 2:
                best[end] = [*before, word[start:end]]
                break
    return best[-1] or []


@cache
def _known() -> frozenset[str]:
    return frozenset(_all_known())


def _all_known() -> Iterator[str]:
    for table in (STRONG, WEAK, DYNAMICS):
        yield from table
    for words in (OTHER, LOOPS, OPEN, CLOSED, UNUSUAL, _NEUTRAL):
        yield from words
    yield from ("high", "low", "mid", "floor", "rack", "hi", "side", "cross")
