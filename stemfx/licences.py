"""What a licence's name comes to for a producer who sells the result."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stemfx.separator import LicenceClass

STRICTNESS: Sequence[LicenceClass] = ("open", "not stated", "non-commercial")
"""From the freest on. What is made of several parts is as free as the strictest of them."""

# Words that end the matter, whatever stands beside them.
_NONCOMMERCIAL = re.compile(
    r"\bNC\b|non[ -]?commercial|"
    r"(?:personal|private|educational|academic|research)[ -]+(?:use|only)",
    re.IGNORECASE,
)
# No derivatives: a sample in a song is one.
_UNCLEAR = re.compile(r"\bND\b|no[ -]?derivative|proprietary|all rights reserved", re.IGNORECASE)
_OPEN = re.compile(
    r"\b(?:MIT(?:-0)?|ISC|0?BSD(?:-\d-clause)?|apache|[AL]?GPL(?:v?\d)?|MPL|zlib|unlicense|CC0|"
    r"CC[ -]BY(?:[ -]SA)?|CC-PDDC|WTFPL|BSL-1\.0|boost software|PSF|EPL|EUPL|artistic|"
    r"public domain|"
    r"creative commons (?:zero|attribution)|(?:GNU )?(?:lesser |affero )?general public)\b",
    re.IGNORECASE,
)
_AND_OR = re.compile(r" (?:AND|OR|WITH) ")


def licence_class(licence: str) -> LicenceClass:
    """Return whether a licence, by its name or SPDX expression, lets one sell the result.

    A name that is not known counts as not stated: nobody can say what it allows. Of `A OR B` the
    freer one counts, of everything else that is put together the strictest part.

    >>> [licence_class(name) for name in ("CC0-1.0", "CC BY-NC-SA 4.0", "", "MIT OR CC-BY-NC-4.0")]
    ['open', 'non-commercial', 'not stated', 'open']
    """
    # With single spaces: `\s+OR` would look for its end anew from each space of a long row.
    licence = " ".join(licence.split())
    choices = licence.split(" OR ")
    if " AND " in licence and len(choices) > 1:  # how they nest does not matter then
        choices = [licence]
    of_each = [strictest([_class(part) for part in _AND_OR.split(one)]) for one in choices]
    return min(of_each, key=STRICTNESS.index)


def strictest(classes: Sequence[LicenceClass]) -> LicenceClass:
    """Return the class of what is made of parts of these classes; of nothing, `open`."""
    return max(classes, key=STRICTNESS.index, default="open")


def _class(name: str) -> LicenceClass:
    if _NONCOMMERCIAL.search(name):
        return "non-commercial"
    return "open" if _OPEN.search(name) and not _UNCLEAR.search(name) else "not stated"
