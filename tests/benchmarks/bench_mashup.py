"""How well the tracks of a mashup are in time and in key, against what is known of the songs.

    python tests/benchmarks/bench_mashup.py --corpus FOLDER [--picture FILE.png]

Mashups: the shipped recipe on the three generations, in every order, separated by the embedded
model; and the three songs with their true stems, in the tempo of the singer, so that drums are
stretched. Of every song: its true beats, moved along its
map, against the grid of the mashup (p95 of the distance, and what the distance gains from the
first beat to the last); of the drums also what is heard: strokes in the rendered track against the
true hits, moved likewise. Of the master: the key that is read, beside the key that is true.
--picture draws every track around its first, middle and last bars over the grid.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile
import yaml

from stemfx.alignment.timeline import SourceMap, Timeline
from stemfx.audio import Audio
from stemfx.dsp.onsets import find_onsets
from stemfx.graph import DATA
from stemfx.music import read_music
from stemfx.registry import build_registry
from stemfx.run import Outcome, run
from stemfx.session import Request, load_recipe, open_cache, prepare
from stemfx.shipped import shipped_recipes

NEAR_S = 0.05  # a stroke farther from a hit is another one
Truth = Mapping[str, Any]


class Mashup(NamedTuple):
    name: str
    timeline: Timeline
    tracks: dict[str, Audio]
    sources: dict[str, str]
    master: Audio
    measured: dict[str, Mapping[str, Any]]


def render(name: str, recipe: Path, sources: Mapping[str, Path], out: Path) -> Mashup:
    found = build_registry()
    request = Request(sources=sources, out_folder=out, models=("embedded",), offline=True)
    loaded, folder = load_recipe(str(recipe), request, found)
    plan, notices = prepare(loaded, folder, request, found, may_fetch=False)
    with open_cache() as cache:
        outcome: Outcome = run(plan, cache, notices=notices)
        entry = cache.lookup(plan.nodes["align"].key)
        assert entry is not None
        timeline = Timeline.from_json(entry.facts[DATA])
    tracks = {p.stem: load(p) for p in sorted((out / "stems").glob("*.wav"))}
    measured = {n.id: n.measurements for n in outcome.nodes if n.id.endswith("/align")}
    played = {track.name: track.source or "" for track in loaded.tracks.values()}
    return Mashup(name, timeline, tracks, played, load(out / "mashup.wav"), measured)


def load(path: Path) -> Audio:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return Audio(np.ascontiguousarray(samples.T), rate)


def moved(times_s: np.ndarray, one: SourceMap) -> np.ndarray:
    """Return where moments of a song sound; those that do not are left out."""
    out = []
    for piece in one.pieces:
        inside = times_s[(times_s >= piece.source_s[0]) & (times_s <= piece.source_s[-1])]
        out.append(np.interp(inside, piece.source_s, piece.out_s))
    return np.concatenate(out) if out else np.zeros(0)


def apart_ms(times_s: np.ndarray, grid_s: np.ndarray) -> np.ndarray:
    """Return how far each moment is from the nearest of a grid."""
    at = np.clip(np.searchsorted(grid_s, times_s), 1, len(grid_s) - 1)
    near = np.where(times_s - grid_s[at - 1] < grid_s[at] - times_s, grid_s[at - 1], grid_s[at])
    return np.asarray(1000 * (times_s - near))


def gain_ms(apart: np.ndarray) -> float:
    """Return what a line through the distances gains from first to last."""
    return float(np.polyfit(np.linspace(0, 1, len(apart)), apart, 1)[0])


def tell(mashup: Mashup, truths: Mapping[str, Truth]) -> None:
    grid = np.array(mashup.timeline.reading.beats_s)
    for name, one in mashup.timeline.maps.items():
        beats = moved(np.array(truths[name]["beats_s"]), one)
        if one.octave == 0.5:
            beats = beats[::2]
        apart = apart_ms(beats[(beats >= grid[0] - 0.1) & (beats <= grid[-1] + 0.1)], grid)
        line = (
            f"{mashup.name:22} {name}: {one.stretch_percent:+6.1f} % {one.semitones:+5.2f} st"
            f"  beats p95 {np.percentile(np.abs(apart), 95):5.2f} ms, gains {gain_ms(apart):+5.2f}"
        )
        if mashup.sources.get("drums") == name:
            hits = moved(np.array(sorted(hit["t"] for hit in truths[name]["drums"])), one)
            strokes = apart_ms(find_onsets(mashup.tracks["drums"]), hits)
            strokes = strokes[np.abs(strokes) < 1000 * NEAR_S]
            line += (
                f"; heard: median {np.median(strokes):+5.2f}, p95 of |error| "
                f"{np.percentile(np.abs(strokes - np.median(strokes)), 95):5.2f}, "
                f"gains {gain_ms(strokes):+5.2f} ({len(strokes)} strokes)"
            )
        told = mashup.measured.get(f"{name}/align", {})
        kept = {k: told[k] for k in ("drift_ms", "beat_error_p95_ms") if k in told}
        print(line, {k: round(float(v), 2) for k, v in kept.items()} or "")
    reading = read_music(mashup.master, mashup.tracks)
    print(
        f"{mashup.name:22} key: asked {mashup.timeline.reading.key}, read {reading.key}; "
        f"tempo: asked {mashup.timeline.reading.bpm:.3f}, read {reading.bpm:.3f}"
    )


def generations(corpus: Path, out: Path) -> Iterator[tuple[Mashup, dict[str, Truth]]]:
    recipe = yaml.safe_load(shipped_recipes()["mashup"].read_text(encoding="utf-8"))
    recipe["output"] = {"master": "mashup.wav", "stems": "stems"}
    path = out / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    for order in permutations("ABC"):
        names = dict(zip("abc", order, strict=True))
        files = {name: corpus / "generations" / f"{take}.flac" for name, take in names.items()}
        truths = {n: json.loads(file.with_suffix(".json").read_text()) for n, file in files.items()}
        yield render("generations " + "".join(order), path, files, out / "".join(order)), truths


def songs(corpus: Path, out: Path) -> Iterator[tuple[Mashup, dict[str, Truth]]]:
    folders = sorted((corpus / "songs").iterdir())
    stems = ("vocals", "drums", "bass", "other")
    for turn in range(len(folders)):
        order = folders[turn:] + folders[:turn]
        named = dict(zip("abc", order, strict=True))
        recipe = {
            "stemfx": 1,
            "sources": {
                name: {"stems": {stem: str(folder / f"{stem}.flac") for stem in stems}}
                for name, folder in named.items()
            },
            "align": {"tempo": "a", "key": "c", "max_stretch_percent": 60, "max_semitones": 6},
            "tracks": {
                "vocals": {"from": "a/vocals"},
                "drums": {"from": "b/drums"},
                "bass": {"from": "c/bass"},
                "harmony": {"from": "c/other"},
            },
            "output": {"master": "mashup.wav", "stems": "stems"},
        }
        path = out / f"songs{turn}.yaml"
        path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        truths = {n: json.loads((f / "song.json").read_text()) for n, f in named.items()}
        yield (
            render("true stems " + "".join(f.name[0] for f in order), path, {}, out / path.stem),
            truths,
        )


def draw(mashup: Mashup, truths: Mapping[str, Truth], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    grid, bars = (
        np.array(t) for t in (mashup.timeline.reading.beats_s, mashup.timeline.reading.downbeats_s)
    )
    spans = [(bars[k], bars[k + 2]) for k in (0, len(bars) // 2 - 1, len(bars) - 4)]
    figure, axes = plt.subplots(len(mashup.tracks), 3, figsize=(22, 9), sharex="col", squeeze=False)
    for row, (track, audio) in zip(axes, mashup.tracks.items(), strict=True):
        source = mashup.sources[track]
        beats = moved(np.array(truths[source]["beats_s"]), mashup.timeline.maps[source])
        for axis, (start, stop) in zip(row, spans, strict=True):
            lo, hi = (round(t * audio.sample_rate) for t in (start - 0.1, stop))
            part = audio.samples.mean(axis=0)[max(0, lo) : hi]
            axis.plot(
                max(0, lo) / audio.sample_rate + np.arange(part.size) / audio.sample_rate,
                part,
                lw=0.3,
            )
            for beat in grid[(grid >= start - 0.1) & (grid <= stop)]:
                axis.axvline(
                    beat, color="red" if np.abs(bars - beat).min() < 0.01 else "orange", lw=0.8
                )
            inside = beats[(beats >= start - 0.1) & (beats <= stop)]
            top = float(np.abs(part).max() or 1.0)
            axis.plot(inside, np.full(inside.size, 1.05 * top), "kv", ms=5)
            axis.set_xlim(start - 0.1, stop)
        row[0].set_ylabel(f"{track} ({source})")
    figure.suptitle(
        f"{mashup.name}: lines are the grid (red: bars), triangles the true beats, moved"
    )
    figure.tight_layout()
    figure.savefig(path, dpi=70)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for k, (mashup, truths) in enumerate(
            (*generations(given.corpus, out), *songs(given.corpus, out))
        ):
            tell(mashup, truths)
            if k == 0 and given.picture:
                draw(mashup, truths, given.picture)


if __name__ == "__main__":
    main()
