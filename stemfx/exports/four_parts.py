"""The four parts of a song that DJ software has a fader for, and which track goes to which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

FOUR_PARTS = ("drums", "bass", "other", "vocals")
"""In the order of their streams in a `.stem.mp4`."""

OTHER = "other"

_VOCALS = (
    *("vocal", "vocals", "vox", "voice", "voices", "singer", "singing", "sung", "choir", "rap"),
    *("acapella", "acappella", "cappella", "capella", "adlib", "adlibs", "bvs", "bgv", "bgvs"),
    *("leadvox", "backvox", "leadvocal", "leadvocals", "backingvocals"),
)
_DRUMS = (
    *("drum", "drums", "kick", "kicks", "kickdrum", "bassdrum", "snare", "snares", "clap", "claps"),
    *("hat", "hats", "hihat", "hihats", "tom", "toms", "cymbal", "cymbals", "ride", "crash"),
    *("perc", "percs", "percussion", "percussions", "shaker", "tambourine", "cowbell", "rimshot"),
    *("conga", "congas", "bongo", "bongos", "beat", "beats", "break", "breakbeat", "breaks"),
)
_BASS = ("bass", "basses", "bassline", "sub", "subs", "subbass", "808", "808s")
_NAMED = {
    **dict.fromkeys(_BASS, "bass"),
    **dict.fromkeys(_DRUMS, "drums"),
    **dict.fromkeys(_VOCALS, "vocals"),
}
_FIRST = ("vocals", "drums", "bass")
"""Where a name has words of several parts: a bass drum is a drum, a vocal bass a voice."""

_SINGERS = {"lead", "leads", "backing", "backings"}
"""Mean a voice where nothing else is said: a lead guitar is no vocal."""


def four_parts(
    names: Iterable[str], stems: Mapping[str, str] = MappingProxyType({})
) -> dict[str, list[str]]:
    """Tell which tracks each of the four parts is made of; all of them, each once, in their order.

    The words of a track's name decide; where they name no part, the stem that it plays does; all
    else is `other`. A part may have no track: it is silent.

    >>> four_parts(["vocals", "kick", "sub", "pad", "takes"], {"takes": "vocals"})
    {'drums': ['kick'], 'bass': ['sub'], 'other': ['pad'], 'vocals': ['vocals', 'takes']}

    Args:
        names: of tracks.
        stems: the stem of a source that a track plays, by the track's name.
    """
    parts: dict[str, list[str]] = {part: [] for part in FOUR_PARTS}
    for name in names:
        part = _part_of(name) or _part_of(stems.get(name, "")) or OTHER
        parts[part].append(name)
    return parts


def _part_of(name: str) -> str | None:
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    bare = [re.sub(r"(?<=\D)\d+$", "", word) for word in words]  # kick2
    named = {_NAMED[word] for word in (*words, *bare) if word in _NAMED}
    for part in _FIRST:
        if part in named:
            return part
    only = {word for word in bare if not word.isdigit()}
    return "vocals" if only and only <= _SINGERS else None
