"""What a file or a track is like, and what is wrong with it: measurements, limits, findings.

Three families, each with its measurements and its rules in one module: `level` (peaks, loudness,
clipping, DC), `stereo` (mono playback, polarity, delay between the channels, comb filtering) and
`material` (bandwidth, bit depth, hum, clicks, dropouts). `examine` takes all three in one pass.

A set of stems against its mixture is `examine_set`: `stem_set` has the measurements, `stem_solver`
finds what has to be done to each stem, `stem_findings` says it.
"""

from __future__ import annotations

from stemfx.health.file import FileFacts, FileHealth, examine
from stemfx.health.stem_set import SetHealth, examine_set

__all__ = ["FileFacts", "FileHealth", "SetHealth", "examine", "examine_set"]
