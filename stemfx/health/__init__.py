"""What a file or a track is like, and what is wrong with it: measurements, limits, findings.

Three families, each with its measurements and its rules in one module: `level` (peaks, loudness,
clipping, DC), `stereo` (mono playback, polarity, delay between the channels, comb filtering) and
`material` (bandwidth, bit depth, hum, clicks, dropouts). `examine` takes all three in one pass.
"""

from __future__ import annotations

from stemfx.health.file import FileFacts, FileHealth, examine

__all__ = ["FileFacts", "FileHealth", "examine"]
