"""A page with the player alone, on signals that a test makes; and ears to listen to it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray
from scipy.signal import correlate

import stemfx

if TYPE_CHECKING:
    from playwright.sync_api import Page

Samples = NDArray[np.floating[Any]]

RATE = 48_000
OVERLAP_S = 0.1
SCRIPTS = ("segments.js", "graph.js", "passes.js", "engine.js", "loudness.js", "blind.js")
FOLDER = Path(stemfx.__file__).parent / "page"

BENCH = """
"use strict";
const data = JSON.parse(document.getElementById("stemfx-data").textContent);
const audio = JSON.parse(document.getElementById("audio").textContent);
const events = {state: [], waiting: [], error: [], position: []};
const loads = [];
let delay_ms = 0;
const slow_ms = {};  // of single segments: "tone/1"
// Timers as in a hidden tab: once a second at most.
const interval = window.setInterval;
window.setInterval = (fn, ms) => interval(fn, Math.max(ms, 1000));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(fn) {
  for (const t = performance.now(); performance.now() < t + 8000; await sleep(20)) if (fn()) return;
  throw new Error(`in vain: ${fn}`);
}
// Until all that shall be heard has been heard for a while.
const heardFor = (engine, ms) => until(() => !engine.isWaiting).then(() => sleep(ms + 100));
async function load(id, k) {
  loads.push(`${id}/${k}`);
  const wait_ms = slow_ms[`${id}/${k}`] ?? delay_ms;
  if (wait_ms) await sleep(wait_ms);
  const bytes = audio[data.points.find((p) => p.id === id).audio][k];
  if (bytes === null) throw new Error("not found");
  return Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0)).buffer;
}
function start(context) {
  const engine = context ? new stemfx.Engine(data, load, context) : new stemfx.Engine(data, load);
  for (const name of Object.keys(events)) engine.on(name, (e) => events[name].push(e));
  return engine;
}
const heard = (entries) => new Map(Object.entries(entries));
function coded(channels) {
  const n = channels[0].length, out = new Float32Array(n * channels.length);
  channels.forEach((channel, c) => out.set(channel, c * n));
  const bytes = new Uint8Array(out.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) {
    text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  }
  return btoa(text);
}
async function rendered(engine, entries, start_s, length_s) {
  const buffer = await engine.render(heard(entries), start_s, length_s);
  return coded([0, 1].map((c) => buffer.getChannelData(c)));
}
// Keeps every sample that the engine's own output gives, and the frame of the first.
async function listen(engine) {
  const code = `registerProcessor("ear", class extends AudioWorkletProcessor {
    process([[left, right]]) {
      const silent = new Float32Array(128);
      this.port.postMessage([currentFrame, left || silent, right || left || silent]);
      return true;
    }
  })`;
  const url = "data:text/javascript," + encodeURIComponent(code);  // no blob: from file:
  await engine.context.audioWorklet.addModule(url);
  const ear = new AudioWorkletNode(engine.context, "ear", {numberOfOutputs: 0});
  const blocks = [];
  ear.port.onmessage = ({data}) => blocks.push(data);
  engine.output.connect(ear);
  return () => {
    engine.output.disconnect(ear);
    // Chromium at times stamps a block with the frame of the one before.
    const frames = [];
    for (const [frame] of blocks) frames.push(Math.max(frame, (frames.at(-1) ?? -128) + 128));
    const first = frames[0], n = frames.at(-1) - first + 128;
    const sides = [new Float32Array(n), new Float32Array(n)];
    blocks.forEach(([, ...block], i) => {
      block.forEach((samples, side) => sides[side].set(samples, frames[i] - first));
    });
    return {frame: first, samples: coded(sides)};
  };
}
"""


@dataclass(frozen=True)
class Heard:
    """What came out of the graph: `(2, n_samples)` from a frame of the audio clock on."""

    samples: Samples
    frame: int

    def at(self, frame: int, n_samples: int) -> Samples:
        start = frame - self.frame
        assert start >= 0
        assert start + n_samples <= self.samples.shape[1]
        return self.samples[:, start : start + n_samples]


def opus(samples: Samples, kbps: float) -> bytes:
    """Return `(2, n_samples)` at 48 kHz as an Ogg Opus file."""
    file = io.BytesIO()
    level = 1 - (kbps - 12) / 500
    sf.write(file, samples.T, RATE, format="OGG", subtype="OPUS", compression_level=level)
    return file.getvalue()


_encoded: dict[bytes, list[bytes]] = {}  # by what they were made of: tests share signals


def segments(samples: Samples, segment_s: float = 1.0, kbps: float = 128) -> list[bytes]:
    """Return the segments of a point as the contract of the page has them."""
    parameters = f"{segment_s} {kbps}".encode()
    key = hashlib.sha256(np.ascontiguousarray(samples).tobytes() + parameters).digest()
    if key not in _encoded:
        length, overlap = round(segment_s * RATE), round(OVERLAP_S * RATE)
        starts = range(0, samples.shape[1], length)
        parts = [samples[:, max(0, s - overlap) : s + length + overlap] for s in starts]
        _encoded[key] = [opus(part, kbps) for part in parts]
    return _encoded[key]


def sound_page(
    folder: Path,
    signals: Mapping[str, Samples],
    *,
    points: Mapping[str, str] | None = None,
    segment_s: float = 1.0,
    broken: Mapping[tuple[str, int], bytes | None] | None = None,
) -> Path:
    """Write a page that plays signals `(2, n_samples)` at 48 kHz.

    Args:
        points: the signal of every point; by default one point of each.
        broken: bytes that stand for a segment's; None: it cannot be loaded.
    """
    audio: dict[str, list[bytes | None]] = {
        name: [*segments(samples, segment_s)] for name, samples in signals.items()
    }
    for (name, k), content in (broken or {}).items():
        audio[name][k] = content
    points = points or {name: name for name in signals}
    data = {
        "duration_s": max(s.shape[1] for s in signals.values()) / RATE,
        "sample_rate": RATE,
        "audio": {"segment_s": segment_s, "overlap_s": OVERLAP_S},
        "points": [
            {
                "id": point,
                "label": f"{point} after all",
                "audio": name,
                "n_samples": signals[name].shape[1],
                "n_segments": len(audio[name]),
                "copy_gain_db": 0.0,
            }
            for point, name in points.items()
        ],
    }
    coded = {
        name: [None if s is None else base64.b64encode(s).decode() for s in parts]
        for name, parts in audio.items()
    }
    return write_page(folder, {"stemfx-data": data, "audio": coded}, BENCH)


def write_page(folder: Path, texts: Mapping[str, Any], script: str = "") -> Path:
    """Write a page with the player's scripts, JSON by id, and a script of its own."""
    own = [(FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS]
    parts = [
        '<!doctype html><meta charset="utf-8"><title>bench</title>',
        *(
            f'<script type="application/json" id="{name}">{json.dumps(value)}</script>'
            for name, value in texts.items()
        ),
        *(f"<script>{text}</script>" for text in (*own, script)),
    ]
    page = folder / "bench.html"
    page.write_text("\n".join(parts), encoding="utf-8")
    return page


def copied(samples: Samples, without: tuple[int, ...] = ()) -> Samples:
    """Return what the page should give of `(2, n_samples)`: its segments, decoded by libsndfile.

    Where two meet they are crossfaded linearly over 10 ms. Segments `without` are silent.
    """
    length, overlap, half = RATE, round(OVERLAP_S * RATE), round(0.005 * RATE)
    whole = np.zeros(samples.shape)
    for k, part in enumerate(segments(samples)):
        if k in without:
            continue
        decoded = sf.read(io.BytesIO(part))[0].T
        at = np.arange(decoded.shape[1]) + max(0, k * length - overlap) + 0.5
        rise = np.clip((at - k * length) / (2 * half) + 0.5, 0, 1) if k else 1.0
        fall = np.clip(((k + 1) * length - at) / (2 * half) + 0.5, 0, 1)
        if (k + 1) * length >= samples.shape[1]:
            fall = 1.0
        first = int(at[0])
        whole[:, first : first + decoded.shape[1]] += decoded * rise * fall
    return whole


def samples_of(coded: str) -> Samples:
    return np.frombuffer(base64.b64decode(coded), "<f4").reshape(2, -1)


def render(page: Page, heard: Mapping[str, Any], start_s: float, length_s: float) -> Samples:
    """Return what `engine` of the page renders."""
    call = "([h, s, n]) => rendered(engine, h, s, n)"
    return samples_of(page.evaluate(call, [heard, start_s, length_s]))


def lag(heard: Samples, reference: Samples) -> int:
    """Return by how many samples `heard` comes later than the reference, both 1-D."""
    product = correlate(heard, reference, method="fft")
    return int(np.argmax(product)) - (len(reference) - 1)


def noise(seconds: float, seed: int = 0) -> Samples:
    """Return noise that falls by 6 dB an octave above 1 kHz, peak under 1, nowhere like itself."""
    white = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    spectrum = np.fft.rfft(white) / np.maximum(1, np.fft.rfftfreq(len(white), 1 / RATE) / 1_000)
    shaped = np.fft.irfft(spectrum, len(white))
    return 0.5 * shaped / np.abs(shaped).max()
