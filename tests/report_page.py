"""A whole report page of a small song that a test makes, as the page's Python fills it."""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sound_page import RATE, noise, segments

from stemfx.page.writing import page_chunks

if TYPE_CHECKING:
    from playwright.sync_api import Page

SECONDS = 4.0
BPM = 120.0
PEAKS_PER_S = 50
BLOCK_S = 0.1
MINUS = "\N{MINUS SIGN}"
FIX = "- mono_below: {cutoff_hz: 120}"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@cache
def signals() -> dict[str, np.ndarray]:
    """Return the points of a song: two tracks, one with a stage, and the mix at twice its level."""
    drums, voice = (np.tile(noise(SECONDS, seed), (2, 1)) * 0.3 for seed in (1, 2))
    return {"p0": drums + voice, "p1": drums, "p2": 0.5 * drums, "p3": voice, "p4": drums + voice}


def song(**changes: Any) -> dict[str, Any]:
    """Return the data of a page, but for what `changes` say."""
    beats = [round(i * 60 / BPM, 3) for i in range(int(SECONDS * BPM / 60))]
    lanes = [
        _lane("source/song", "song", "source", ["p0"]),
        _lane("track/drums", "drums", "track", ["p1", "p2"], gain_db=-3.0),
        _lane("track/vocals", "vocals", "track", ["p3"]),
        _lane("master/master", "master", "master", ["p0", "p4"]),
    ]
    labels = {
        "p0": ("the song as it came", "source"),
        "p1": ("drums as separated", "before"),
        "p2": ("drums after gain", "after"),
        "p3": ("vocals as separated", "after"),
        "p4": ("master after loudness", "master"),
    }
    told = signals()
    return {
        "format": 1,
        "title": "Night drums",
        "recipe_file": "remix.yaml",
        "made_with": "0.9.0",
        "duration_s": SECONDS,
        "sample_rate": RATE,
        "preview_s": None,
        "target": {"lufs": -14.0, "ceiling_dbtp": -1.0},
        "audio": {
            "kbps": 128,
            "segment_s": 1.0,
            "overlap_s": 0.1,
            "where": "embedded",
            "folder": "",
        },
        "picture": {
            "column_s": 0.1,
            "bands_hz": [100.0, 1000.0],
            "floor_db": -127,
            "step_db": 0.5,
            "peaks_per_s": PEAKS_PER_S,
            "block_s": BLOCK_S,
        },
        "points": [_point(name, told[name], *labels[name]) for name in labels],
        "lanes": lanes,
        "steps": [
            _step("song/separate", "separate", "cached"),
            _step("drums/gain", "gain", "done", before="p1", after="p2"),
        ],
        "findings": [
            {"level": "info", "node": "song", "code": "i", "message": "fine", "fix": None},
            {"level": "warn", "node": "mix", "code": "m", "message": "mono loss", "fix": FIX},
        ],
        "checks": [{"passed": True, "line": "loudness is within [-15, -13]"}],
        "separation": {},
        "hits": {},
        "grids": [
            {
                "source": "song",
                "bpm": BPM,
                "beats_s": beats,
                "downbeats_s": beats[::4],
                "is_aligned": True,
                "sections": [{"label": "verse", "start_s": 0.0, "end_s": 2.0}],
            }
        ],
        "receipts": [],
        "recipe": [{"file": "remix.yaml", "text": "stemfx: 1\n# loud\nmaster: []\n"}],
        "record": {"stemfx_run": 1},
        "models": [],
        "licences": {"recipe": "open", "together": "open", "may_be_sold": True, "unclear": []},
        "outputs": {"master": "night drums.wav"},
        "seconds": 1.5,
        "params": [],
        **changes,
    }


@dataclass(frozen=True)
class _Copy:
    """The sound of a point, as `page_chunks` takes it."""

    samples: np.ndarray

    def pieces(self) -> list[bytes]:
        return segments(self.samples)


def written(folder: Path, data: Mapping[str, Any] | None = None) -> Path:
    """Write a page and return where it is."""
    data = song() if data is None else data
    heard = (point["id"] for point in data["points"] if point["n_segments"])
    copies = {name: _Copy(signals()[name]) for name in heard}
    page = folder / "report.html"
    page.write_bytes(b"".join(page_chunks(data, copies)))
    return page


def until(page: Page, condition: str, timeout_s: float = 10.0) -> None:
    """Wait until a condition holds; Playwright's own waiting needs `eval`: the page forbids it."""
    end = time.monotonic() + timeout_s
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"in vain: {condition}"
        page.wait_for_timeout(20)


def _lane(
    name: str, label: str, kind: str, points: list[str], gain_db: float = 0.0
) -> dict[str, Any]:
    return {
        "id": name,
        "label": label,
        "kind": kind,
        "color": "#cc79a7",
        "before": points[0],
        "after": points[-1],
        "points": points,
        "early": [],
        "gain_db": gain_db,
        "pan": 0.0,
        "mute": False,
    }


def _step(
    node: str, op: str, status: str, before: str | None = None, after: str | None = None
) -> dict[str, Any]:
    return {
        "node": node,
        "op": op,
        "status": status,
        "seconds": 0.4,
        "words": "6.0 dB less",
        "lane": None,
        "before": before,
        "after": after,
        "is_reduction": False,
    }


def _point(name: str, samples: np.ndarray, label: str, role: str) -> dict[str, Any]:
    n = samples.shape[1]
    per_peak, per_block = RATE // PEAKS_PER_S, round(RATE * BLOCK_S)
    parts = samples[0, : n // per_peak * per_peak].reshape(-1, per_peak)
    peaks = np.stack([parts.min(1), parts.max(1)], axis=1)
    blocks = samples[:, : n // per_block * per_block].reshape(2, -1, per_block)
    power = (blocks**2).mean(2).sum(0)  # without K-weighting: what is compared has one spectrum
    level = np.round((10 * np.log10(power) + 140) * 256).astype("<u2")
    spectrum = zlib.compress(bytes(2 * 4))
    return {
        "id": name,
        "label": label,
        "short": label.rpartition(" ")[2],
        "role": role,
        "node": label,
        "n_samples": n,
        "n_segments": int(np.ceil(n / RATE)),
        "copy_gain_db": 0.0,
        "lufs": -14.0,
        "true_peak_dbtp": -1.0,
        "has_own_time": False,
        "peaks": base64.b64encode(np.round(127 * peaks).astype(np.int8).tobytes()).decode(),
        "loudness": base64.b64encode(level.tobytes()).decode(),
        "block_peaks": base64.b64encode(level.tobytes()).decode(),
        "spectrogram": {"columns": 4, "data": base64.b64encode(spectrum).decode()},
        "stereo": None,
    }
