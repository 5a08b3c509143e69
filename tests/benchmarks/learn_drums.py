"""Teach the networks of `stemfx.drums` which drums a stroke is.

    python tests/benchmarks/learn_drums.py KITS OUT.npz [--songs 4000] [--music DIR] [--seed 0]

KITS is a folder of one-shots (see `rendered_drums`), DIR one of WAV files of music without drums,
for bleed. Songs are rendered, `find_onsets` or the truth gives the strokes, and the hits within
-30 to +40 ms of a stroke are its drums. One half of the songs teaches the first network; the other
half, which it has not heard, the second. Each song comes three times, twice through another random
equaliser and maybe cut short. Ghost notes weigh half, since most of them can hardly be heard.

The `networks.npz` that comes with stemfx was taught by an earlier form of this script, on 4,800
songs; this form was run with 24, so it may come out somewhat otherwise. Its drums: Sonic Pi's
samples (CC0), `oramics/sampled` (drum machines and acoustic kits, public domain to CC BY-SA), the
drums of TimGM6mb (GPL), and formulas; none that the songs of the music corpus, Hydrogen or stemfx
play.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile
import torch
from rendered_drums import RATE, Pool, rendered_song

from stemfx.audio import Audio
from stemfx.drums.context import in_song
from stemfx.drums.description import describe
from stemfx.drums.strokes import FLOOR_DB, LONG_EDGES_HZ, SHORT_EDGES_HZ, stroke_levels
from stemfx.dsp.onsets import find_onsets
from stemfx.hits import DRUM_CLASSES

VERSIONS = 3
NODES = {"first": 128, "second": 64}
EPOCHS = {"first": 9, "second": 6}
KNOTS_HZ = np.geomspace(30, 16_000, 8)


def taught_song(seed, pool, music):
    """Return the levels, times, drums and ghosts of the strokes of one song."""
    samples, hits = rendered_song(seed, pool, music)
    rng = np.random.default_rng((seed, 1))
    song = Audio(samples[None], RATE)
    if rng.random() < 0.5:
        times = np.asarray(find_onsets(song))
    else:
        true = np.array([hit.time_s for hit in hits])
        true = true[np.diff(true, prepend=-1) > 0.03] + 0.0015 * rng.standard_normal()
        false = rng.uniform(0.1, samples.size / RATE - 0.4, rng.poisson(0.04 * true.size))
        times = np.sort(np.concatenate([true, false])).clip(0)
    drums = np.zeros((times.size, len(DRUM_CLASSES)), np.float32)
    ghosts = np.zeros(times.size, bool)
    for hit in hits if times.size else ():
        k = np.argmin(np.abs(hit.time_s - times))
        if -0.03 < hit.time_s - times[k] < 0.04 and hit.drum_class in DRUM_CLASSES:
            drums[k, DRUM_CLASSES.index(hit.drum_class)] = 1
            ghosts[k] |= hit.is_ghost
    return *stroke_levels(song, times.tolist()), times, drums, ghosts


def versions(song, rng):
    """Yield a song, then through equalisers that no recording knows, some of it cut away."""
    yield song
    for _ in range(VERSIONS - 1):
        short, long, times, drums, ghosts = song
        n = times.size
        kept = slice(0, n)
        if n > 16 and rng.random() < 0.5:
            length = rng.integers(max(8, n // 3), n + 1)
            start = rng.integers(0, n - length + 1)
            kept = slice(start, start + length)
        gains_db = rng.normal(0, 3, KNOTS_HZ.size) * rng.choice([0.3, 1, 1.5])
        short = short[kept] + _curve(gains_db, SHORT_EDGES_HZ)
        long = long[kept] + _curve(gains_db, LONG_EDGES_HZ)
        loudest = np.quantile((10 ** (short / 10)).sum(axis=2).max(axis=1), 0.9)
        short, long = (np.maximum(x - 10 * np.log10(loudest), FLOOR_DB) for x in (short, long))
        yield short, long, times[kept], drums[kept], ghosts[kept]


def _curve(gains_db, edges_hz):
    low, high = np.maximum(edges_hz[:-1], 15), np.asarray(edges_hz[1:])
    centres_hz = np.sqrt(low * high)
    return np.interp(np.log(centres_hz), np.log(KNOTS_HZ), gains_db)


def learn(look, described, drums, weights, seed):
    """Return the arrays of one network."""
    torch.manual_seed(seed)
    told = np.concatenate(described)
    mean, deviation = told.mean(axis=0), told.std(axis=0) + 1e-2
    x = torch.from_numpy(((told - mean) / deviation).clip(-5, 5))
    y, w = torch.from_numpy(np.concatenate(drums)), torch.from_numpy(np.concatenate(weights))
    nodes, linear = NODES[look], torch.nn.Linear
    layers = [linear(x.shape[1], nodes), linear(nodes, nodes // 2), linear(nodes // 2, y.shape[1])]
    network = torch.nn.Sequential(
        *(layers[0], torch.nn.ReLU(), torch.nn.Dropout(0.25)),
        *(layers[1], torch.nn.ReLU(), torch.nn.Dropout(0.125), layers[2]),
    )
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2)
    steps = EPOCHS[look] * (len(x) // 512)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, steps + 1)
    loss = torch.nn.BCEWithLogitsLoss(reduction="none")
    for epoch in range(EPOCHS[look]):
        total = 0.0
        for batch in torch.randperm(len(x)).split(512)[: len(x) // 512]:
            noisy = x[batch] + 0.1 * torch.randn(len(batch), x.shape[1])
            error = (loss(network(noisy), y[batch]) * w[batch]).mean()
            optimiser.zero_grad()
            error.backward()
            optimiser.step()
            schedule.step()
            total += error.item()
        print(look, epoch, round(total / (len(x) // 512), 4), flush=True)
    arrays = {f"{look}_mean": mean, f"{look}_deviation": deviation}
    for k, layer in enumerate(layers):
        arrays[f"{look}_weight_{k}"] = layer.weight.detach().numpy().T.astype(np.float16)
        arrays[f"{look}_bias_{k}"] = layer.bias.detach().numpy()
    return arrays


def _run(arrays, look, x):
    x = ((x - arrays[f"{look}_mean"]) / arrays[f"{look}_deviation"]).clip(-5, 5)
    for k in range(3):
        x = x @ arrays[f"{look}_weight_{k}"].astype(np.float32) + arrays[f"{look}_bias_{k}"]
        x = np.maximum(x, 0) if k < 2 else x
    return x.astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kits", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--songs", type=int, default=4_000)
    parser.add_argument("--music", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    pool = Pool(given.kits)
    files = sorted(given.music.glob("*.wav")) if given.music else []
    music = [
        soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1) for path in files
    ]
    rng, arrays = np.random.default_rng(given.seed), {}
    for part, look in enumerate(NODES):
        described, drums, weights = [], [], []
        for k in range(given.songs // 2):
            song = taught_song(given.seed + 10_000_000 * part + k, pool, music)
            if song[2].size < 4:
                continue
            for short, long, times, struck, ghosts in versions(song, rng):
                told = describe(short, long, times)
                if look == "second":
                    told = in_song(short, times, _run(arrays, "first", told))
                weight = np.ones_like(struck)
                snare = DRUM_CLASSES.index("snare")
                weight[ghosts & (struck[:, snare] > 0), snare] = 0.5
                described.append(told.astype(np.float32))
                drums.append(struck)
                weights.append(weight)
        arrays |= learn(look, described, drums, weights, given.seed)
    np.savez_compressed(given.out, **arrays)


if __name__ == "__main__":
    main()
