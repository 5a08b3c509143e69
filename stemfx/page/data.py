"""What a page is given: the story of a run, with all that was found out of its signals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

Found = Callable[[str | None], Mapping[str, Any] | None]
"""Returns what a node found out, if that is known."""

_NOTHING_SEEN = {
    "lufs": None,
    "true_peak_dbtp": None,
    "peaks": "",
    "loudness": "",
    "block_peaks": "",
    "spectrogram": None,
    "stereo": None,
}
_NOT_HEARD = {"n_samples": 0, "n_segments": 0, "copy_gain_db": 0.0}
_BACKSTAGE = ("keys", "receipts", "grids", "hits", "format")


def page_data(
    story: Mapping[str, Any], made: Mapping[str, Mapping[str, Any]], found: Found
) -> dict[str, Any]:
    """Return what the page shows, but for what is the same for all of its points.

    Args:
        story: of the run.
        made: `pictures`, `copies` and `receipts`: what was found by point or source, None where
            it could not be.
        found: for what the nodes of the run found out.
    """
    told = {name: value for name, value in story.items() if name not in _BACKSTAGE}
    record = story["record"] or {}
    return told | {
        "format": 1,
        "points": [_point(point, made) for point in story["points"]],
        "receipts": [
            {"source": source, **receipt} for source, receipt in made["receipts"].items() if receipt
        ],
        "grids": list(_grids(story, found)),
        "hits": dict(_hits(story, found)),
        "licences": record.get("licences"),
    }


def _point(point: Mapping[str, Any], made: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    seen = made["pictures"].get(point["id"]) or _NOTHING_SEEN
    copy = made["copies"].get(point["id"])
    heard = (
        _NOT_HEARD
        if copy is None
        else {
            "n_samples": copy["n_samples"],
            "n_segments": copy["n_segments"],
            "copy_gain_db": copy["gain_db"],
        }
    )
    return {**point, **seen, **heard}


# --- time --------------------------------------------------------------------------------


def _grids(story: Mapping[str, Any], found: Found) -> Iterator[dict[str, Any]]:
    """Yield the beats and the form of each song in its own time, then as it was aligned."""
    for one in story["grids"]:
        reading, layout = found(one["node"]), found(one["aligned_by"])
        if reading is None:
            continue
        own = {
            "source": one["source"],
            "bpm": reading["bpm"],
            "beats_s": _rounded(reading["beats_s"]),
            "downbeats_s": _rounded(reading["downbeats_s"]),
            "is_aligned": False,
            "sections": [
                {
                    "label": s["label"],
                    "start_s": round(s["start_s"], 3),
                    "end_s": round(s["end_s"], 3),
                }
                for s in reading["sections"]
            ],
        }
        yield own
        if layout is not None:
            moved = _moved(layout, one["source"], story)
            times = {name: _rounded(moved(reading[name])) for name in ("beats_s", "downbeats_s")}
            shared = {"bpm": layout["reading"]["bpm"], "is_aligned": True, "sections": []}
            yield own | times | shared


def _hits(story: Mapping[str, Any], found: Found) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the drum hits of each lane, at the time at which they sound."""
    for one in story["hits"]:
        data, layout = found(one["node"]), found(one["aligned_by"])
        if data is None:
            continue
        hits = data["hits"]
        if layout is not None:
            moved = _moved(layout, one["source"], story)
            hits = [(at, *rest) for time_s, *rest in hits for at in moved([time_s])]
        rounded = [[round(at, 3), name, round(velocity, 2)] for at, name, velocity in hits]
        yield one["lane"], {"hits": rounded, "replaced": one["replaced"]}


def _moved(
    layout: Mapping[str, Any], source: str, story: Mapping[str, Any]
) -> Callable[[Sequence[float]], list[float]]:
    """Return what tells when moments of a song sound; those that do not are left out."""
    start_s, length_s = story["preview_s"] or (0.0, float("inf"))
    pieces = layout["maps"].get(source, {"pieces": []})["pieces"]

    def moved(times_s: Sequence[float]) -> list[float]:
        found = [
            float(np.interp(time_s, piece["source_s"], piece["out_s"])) - start_s
            for piece in pieces
            for time_s in times_s
            if piece["source_s"][0] <= time_s <= piece["source_s"][-1]
        ]
        return sorted(time_s for time_s in found if 0 <= time_s < length_s)

    return moved


def _rounded(times_s: Sequence[float]) -> list[float]:
    return [round(time_s, 3) for time_s in times_s]
