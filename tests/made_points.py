"""Data of a report page whose truth is known, coded as the page has it, and a bare page."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

import stemfx
from stemfx.dsp.pictures import PictureGrid
from stemfx.dsp.pictures.codes import base64_of, level_codes

PAGE = Path(stemfx.__file__).parent / "page"
DURATION_S = 8.0
PICTURE = PictureGrid.of(DURATION_S).picture
COLUMN_S, BLOCK_S = PICTURE["column_s"], PICTURE["block_s"]
FLOOR_DB, STEP_DB = PICTURE["floor_db"], PICTURE["step_db"]
BANDS_HZ = np.array(PICTURE["bands_hz"])
N_COLUMNS = round(DURATION_S / COLUMN_S)
N_BLOCKS = round(DURATION_S / BLOCK_S)
BASS = int(np.argmin(np.abs(BANDS_HZ - 100.0)))  # the band of a tone at 100 Hz
TONE = int(np.argmin(np.abs(BANDS_HZ - 1000.0)))
CUT_S = (2.0, 4.0)  # where the step takes 6 dB from the tone

# What the page is to pictures, without sound; `show(id)` draws one, `play(s)` moves the position.
DRIVER = """
const page = {
  data, position: 0, isPlaying: false, picked: null, ...stemfx.dom.listeners(),
  seek(s) { this.position = s; this.tell("position", s); },
  play() { this.isPlaying = true; },
  select(a, b) { this.picked = [a, b]; },
};
const point = (id) => data.points.find((p) => p.id === id);
const spectrogram = (id) => stemfx.decode.spectrogram(point(id), data.picture);
function show(id) {
  const { el } = stemfx.dom;
  const picture = stemfx.pictures.find((p) => p.id === id);
  const body = el("div");
  const section = el("section", { id },
    el("h3", { text: picture.title }), el("p", { text: picture.help }), body);
  document.querySelector("main").replaceChildren(section);
  return picture.draw(body, data, page);
}
"""

Array = np.ndarray[Any, Any]


def coded_levels(levels_db: Array) -> str:
    """Code levels in dB; -inf is silence."""
    return base64_of(level_codes(10 ** (levels_db / 10)))


def coded_spectrogram(levels_db: Array) -> dict[str, Any]:
    """Code levels in dB, [band][column], as one byte each; 0 is the floor or less."""
    steps = np.nan_to_num((levels_db - FLOOR_DB) / STEP_DB, neginf=0.0)
    codes = np.clip(np.round(steps), 0, 255).astype(np.uint8)
    return {"columns": levels_db.shape[1], "data": base64_of(zlib.compress(codes.tobytes()))}


def tones_db(bass_db: float = -20.0, tone_db: float = -20.0) -> Array:
    """Return a spectrogram with one tone at 100 Hz and one at 1 kHz, in dB."""
    levels = np.full((len(BANDS_HZ), N_COLUMNS), -np.inf)
    levels[BASS] = bass_db
    levels[TONE] = tone_db
    return levels


def cut_tones_db() -> Array:
    """Return the tones of which the one at 1 kHz is 6 dB lower during `CUT_S`."""
    levels = tones_db()
    levels[TONE, round(CUT_S[0] / COLUMN_S) : round(CUT_S[1] / COLUMN_S)] -= 6.0
    return levels


def point(name: str, spectrogram: Array, **more: Any) -> dict[str, Any]:
    """Return a point of the data; levels default to -20 dB all the time."""
    correlation = np.full(round(DURATION_S), 127, dtype=np.int8)
    return {
        "id": name,
        "label": name,
        "short": name,
        "role": "step",
        "node": name,
        "n_samples": round(DURATION_S * 48000),
        "n_segments": 1,
        "copy_gain_db": 0.0,
        "lufs": -20.7,
        "true_peak_dbtp": -10.0,
        "peaks": base64_of(np.tile(np.array([-64, 64], dtype=np.int8), round(DURATION_S * 50))),
        "loudness": coded_levels(np.full(N_BLOCKS, -20.0)),
        "block_peaks": coded_levels(np.full(N_BLOCKS, -10.0)),
        "spectrogram": coded_spectrogram(spectrogram),
        "stereo": {
            "correlation": base64_of(correlation),
            "bands": [
                {"low_hz": 20, "high_hz": 120, "correlation": 1.0, "mono_loss_db": 0.0},
                {"low_hz": 120, "high_hz": 20000, "correlation": None, "mono_loss_db": None},
            ],
        },
        **more,
    }


def lane(name: str, kind: str, points: list[str], color: str) -> dict[str, Any]:
    """Return a lane of the data."""
    faders = {"gain_db": 0.0, "pan": 0.0, "mute": False}
    ends = {"before": points[0], "after": points[-1]}
    return (
        {"id": name, "label": name, "kind": kind, "color": color, "points": points} | ends | faders
    )


def made_data() -> dict[str, Any]:
    """Return data of a page with a source of two stems, one of them worked on, and a master."""
    dip_db = np.zeros(N_BLOCKS)
    dip_db[20:24] = -9.0  # what the compressor takes beyond its gain of +2 dB
    loudness = np.full(N_BLOCKS, -20.0)
    loudness[60:] = -np.inf  # silence at the end
    moved = {"loudness": coded_levels(loudness + 2.0 + dip_db)}
    before = {"loudness": coded_levels(loudness), "role": "before"}
    beats = np.arange(0.25, DURATION_S, 0.5)
    return {
        "format": 1,
        "title": "Known tones",
        "recipe_file": "tones.yaml",
        "made_with": "0.0.0",
        "duration_s": DURATION_S,
        "sample_rate": 48000,
        "preview_s": None,
        "target": {"lufs": -14, "ceiling_dbtp": -1},
        "picture": PICTURE,
        "points": [
            point("song", tones_db(), role="source"),
            point("vocals", tones_db(-np.inf, -26.0206), **before),  # half the amplitude
            point("vocals after cut", cut_tones_db()),
            point("vocals after compress", tones_db(), **moved),
            point("master", tones_db(), role="master"),
        ],
        "lanes": [
            lane("song", "source", ["song"], "#888888"),
            lane(
                "vocals",
                "track",
                ["vocals", "vocals after cut", "vocals after compress"],
                "#e0609a",
            ),
            lane("master", "master", ["master"], "#4c9be8"),
        ],
        "steps": [
            step("song", "vocals after cut", "cut", is_reduction=False),
            step("vocals", "vocals after compress", "compress", is_reduction=True),
        ],
        "findings": [],
        "checks": [],
        "separation": {"song": {"mixture": "song", "stems": {"vocals": "vocals"}}},
        "hits": {
            "drums": {
                "hits": [[0.5, "kick", 1.0], [1.0, "<i>snare", 0.5], [1.5, "kick", 0.6]],
                "replaced": ["kick"],
            }
        },
        "grids": [
            grid("a", beats, is_aligned=False),
            grid("b", beats[0] + (beats - beats[0]) * 120 / 125, is_aligned=False),
            grid("b", beats + 0.004, is_aligned=True),
        ],
        "receipts": [
            {
                "source": "song",
                "null_db": -40.0,
                "bands_hz": [[20, 120], [120, 20000]],
                "minutes": [[-139.2, -34.0], [None, -20.0]],
            }
        ],
    }


def step(before: str, after: str, op: str, *, is_reduction: bool) -> dict[str, Any]:
    """Return a step of the data between two points."""
    how = {"status": "done", "seconds": 0.1, "words": f"{op} words", "lane": "vocals"}
    ends = {"before": before, "after": after, "is_reduction": is_reduction}
    return {"node": f"vocals/{op}", "op": op} | how | ends


def grid(source: str, beats_s: Array, *, is_aligned: bool) -> dict[str, Any]:
    """Return a beat grid of the data, four beats to a bar, of two sections."""
    sections = [
        {"label": "A", "start_s": 0.0, "end_s": 4.0},
        {"label": "<b>B", "start_s": 4.0, "end_s": DURATION_S},
    ]
    return {
        "source": source,
        "bpm": 60.0 / float(beats_s[1] - beats_s[0]),
        "beats_s": beats_s.tolist(),
        "downbeats_s": beats_s[::4].tolist(),
        "is_aligned": is_aligned,
        "sections": sections,
    }


def write_page(data: dict[str, Any], path: Path, driver: str = DRIVER, style: str = "") -> Path:
    """Write a page with the data and every script that pictures use; `driver` is the last one."""
    vendored = [PAGE / "vendor" / "uplot.min.js"]
    own = [PAGE / name for name in ("decode.js", "loudness.js", "dom.js")]
    pictures = sorted((PAGE / "pictures").glob("*.js"))
    scripts = [f'<script src="{p.as_uri()}"></script>' for p in vendored + own + pictures]
    styles = [PAGE / "vendor" / "uplot.min.css", PAGE / "page.css"]
    styles.append(PAGE / "pictures" / "pictures.css")
    links = [f'<link rel="stylesheet" href="{p.as_uri()}">' for p in styles]
    held = json.dumps(data).replace("<", "\\u003c")
    page = f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">{"".join(links)}
<style>{style}</style></head><body><main></main><p id="said"></p>
<script type="application/json" id="stemfx-data">{held}</script>{"".join(scripts)}
<script>const data = JSON.parse(document.getElementById("stemfx-data").textContent);
{driver}</script></body></html>"""
    path.write_text(page, encoding="utf-8")
    return path
