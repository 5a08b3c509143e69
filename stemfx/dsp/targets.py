"""How loud places play music: levels that a master can aim for, each with its source.

Platforms normalise playback: a louder master is turned down, so these are where nothing is turned
down (and no peaks were given up in vain), not limits of an upload. Integrated loudness by ITU-R
BS.1770; ceilings are true peaks, with the room that a lossy codec takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

TargetName = Literal["spotify", "apple", "youtube", "club", "podcast", "ebu"]
"""What a recipe may write as `target`."""

TARGET_NAMES: tuple[TargetName, ...] = get_args(TargetName)


@dataclass(frozen=True)
class Target:
    """Where a platform, a room or a broadcaster plays music.

    Args:
        name: what a recipe writes.
        lufs: integrated loudness.
        ceiling_dbtp: highest true peak.
        source: who says so.
    """

    name: TargetName
    lufs: float
    ceiling_dbtp: float
    source: str


TARGETS: dict[TargetName, Target] = {
    target.name: target
    for target in (
        Target(
            "spotify",
            -14.0,
            -1.0,
            "Spotify for Artists, 'Loudness normalization': -14 LUFS, -1 dBTP (-2 if louder)",
        ),
        Target(
            "apple",
            -16.0,
            -1.0,
            "Apple Music's Sound Check plays at -16 LUFS; Apple Digital Masters asks for -1 dBTP",
        ),
        Target(
            "youtube",
            -14.0,
            -1.0,
            "YouTube's 'content loudness' is relative to -14 LUFS (shown by its player, never "
            "published); -1 dBTP for its codecs",
        ),
        Target(
            "club",
            -9.0,
            -1.0,
            "no standard: what is common in club music; -1 dBTP, as the files of DJs are often "
            "coded",
        ),
        Target(
            "podcast",
            -16.0,
            -1.0,
            "Apple Podcasts' audio requirements: -16 LUFS within 1 LU, peaks up to -1 dBFS",
        ),
        Target("ebu", -23.0, -1.0, "EBU R 128 (2023): -23.0 LUFS within 0.5 LU, -1 dBTP"),
    )
}
