"""What a sampler reads in a WAV beside the sound: `smpl`, `cue ` and `acid` chunks.

`smpl` and `cue ` are of Microsoft's and IBM's "Multimedia Programming Interface and Data
Specifications 1.0" (1991) and its "New Multimedia Data Types" (1994). `acid` was never published:
its fields are as libsndfile and ACID-aware programs read it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from stemfx.io import riff_chunk

_ONE_SHOT, _HAS_ROOT, _STRETCH = 0x01, 0x02, 0x04


@dataclass(frozen=True)
class Markers:
    """What is marked in one sample.

    Args:
        sample_rate: in Hz.
        root_note: MIDI number of the key at which it sounds as it was recorded.
        cues: samples from the start: the attack of a one-shot, the beats of a loop.
        loop: first and last sample that are repeated; None is not at all.
        n_beats: of a loop; 0 is a one-shot.
        beats_per_bar: of a loop.
        bpm: of a loop.
    """

    sample_rate: int
    root_note: int
    cues: Sequence[int]
    loop: tuple[int, int] | None = None
    n_beats: int = 0
    beats_per_bar: int = 4
    bpm: float = 0.0

    def to_bytes(self) -> bytes:
        """Return the chunks, ready to follow the audio of a WAV."""
        chunks = riff_chunk(b"smpl", self._sampler()) + riff_chunk(b"cue ", self._cues())
        return chunks + riff_chunk(b"acid", self._acid())

    def _sampler(self) -> bytes:
        period_ns = round(1e9 / self.sample_rate)
        loops = b"" if self.loop is None else struct.pack("<6I", 0, 0, *self.loop, 0, 0)
        # manufacturer, product, period, note, cents, SMPTE format and offset, loops, extra bytes
        head = (0, 0, period_ns, self.root_note, 0, 0, 0, len(loops) // 24, 0)
        return struct.pack("<9I", *head) + loops

    def _cues(self) -> bytes:
        # name, place in the playlist (there is none), chunk, its start, block start, sample
        points = (
            struct.pack("<II4sIII", i + 1, at, b"data", 0, 0, at) for i, at in enumerate(self.cues)
        )
        return struct.pack("<I", len(self.cues)) + b"".join(points)

    def _acid(self) -> bytes:
        kind = _STRETCH if self.n_beats else _ONE_SHOT | _HAS_ROOT
        return struct.pack(
            "<IHHfIHHf",
            *(kind, self.root_note, 0x8000, 0.0),
            *(self.n_beats, 4, self.beats_per_bar, self.bpm),
        )
