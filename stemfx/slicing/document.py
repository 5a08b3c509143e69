"""What `library.json` and `stemfx slice --json` say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stemfx.findings import finding_json
from stemfx.io import file_sha256
from stemfx.slicing.build import SlicedSong
from stemfx.slicing.library import Written
from stemfx.slicing.one_shots import PRE_ROLL_S

SCHEMA = 1


def document(
    songs: Sequence[SlicedSong], written: Sequence[Written], kits: Sequence[Path]
) -> dict[str, Any]:
    """Return the library as plain values; nothing in it depends on when or where it was made.

    Args:
        songs: that were sliced.
        written: the samples.
        kits: the maps for other programs, in the folder of the library.
    """
    return {
        "schema": SCHEMA,
        "pre_roll_s": PRE_ROLL_S,
        "songs": [_song(one) for one in songs],
        "samples": [one.facts for one in written],
        "kits": [{"file": path.name, "sha256": file_sha256(path)} for path in kits],
        "counts": [row for one in songs for row in _counts(one)],
        "findings": [
            finding_json(finding, song=one.song.title, stem=slices.stem.name)
            for one in songs
            for slices in one.slices
            for finding in slices.findings
        ],
    }


def _song(one: SlicedSong) -> dict[str, Any]:
    reading = one.reading
    return {
        "title": one.song.title,
        "bpm": round(reading.bpm, 4) if reading and reading.bpm else None,
        "bpm_confidence": round(reading.bpm_confidence, 3) if reading else None,
        "key": reading.key or None if reading else None,
        "key_confidence": round(reading.key_confidence, 3) if reading else None,
    }


def _counts(one: SlicedSong) -> list[dict[str, Any]]:
    rows = []
    for slices in one.slices:
        kept = Counter(sample.sound_class for sample in slices.samples)
        rows += [
            {
                "song": one.song.title,
                "stem": slices.stem.name,
                "class": name,
                "kept": kept[name],
                "dropped": dict(sorted(slices.dropped.get(name, Counter()).items())),
            }
            for name in dict.fromkeys([*kept, *slices.dropped])
        ]
    return rows
