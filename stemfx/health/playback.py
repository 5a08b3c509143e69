"""What players do to a file that is louder or quieter than they play.

They differ in what they do with a quiet one. YouTube's player only turns down; Spotify (normal
setting; Spotify for Artists, "Loudness normalization") and Apple's Sound Check turn up as far as
the peaks leave room below -1 dBTP; a broadcaster brings every programme to -23 LUFS (EBU R 128).
Nobody normalises in a club, and podcasts are delivered at their level: there the difference to
the usual level is all that can be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from stemfx.dsp.targets import TARGETS, Target, TargetName

Turns = Literal["down", "up_to_ceiling", "always"]

PLAYERS: dict[TargetName, Turns] = {
    "spotify": "up_to_ceiling",
    "apple": "up_to_ceiling",
    "youtube": "down",
    "ebu": "always",
}


@dataclass(frozen=True)
class Playback:
    """How a file plays at one place.

    Args:
        target: name of the place.
        lufs: the loudness that it plays at.
        difference_lu: how much louder the file is.
        gain_db: what its player does to the file; None where nothing is done.
    """

    target: TargetName
    lufs: float
    difference_lu: float
    gain_db: float | None


def playback(lufs: float | None, true_peak_dbtp: float | None) -> Iterator[Playback]:
    """Yield how a file plays at every named target; nothing if it has no loudness."""
    if lufs is None or true_peak_dbtp is None:
        return
    for name, target in TARGETS.items():
        gain_db = None
        if name in PLAYERS:
            gain_db = _gain_db(target, PLAYERS[name], target.lufs - lufs, true_peak_dbtp)
        yield Playback(name, target.lufs, lufs - target.lufs, gain_db)


def _gain_db(target: Target, turns: Turns, wanted_db: float, true_peak_dbtp: float) -> float:
    if wanted_db <= 0 or turns == "always":
        return wanted_db
    if turns == "down":
        return 0.0
    return max(0.0, min(wanted_db, target.ceiling_dbtp - true_peak_dbtp))
