"""foreign_bleed and bleed_guard against the truth: how loud the bleed is, what ducking does.

    python tests/benchmarks/bench_guard.py [SONG...] [--seconds 60]

Songs as in bench_debleed: those of the music corpus, `demo`, and `mash0` to `mash2`, in which
every stem is from another song. For each song and kind of vocal stem:

- `true`: nothing must be found, not a bit must change;
- `-20`, `-25`, `-30`: with the drums added so many dB down;
- `separated`: of the embedded separator. Truth: its mask, |vocals| / |mixture| in each bin, on the
  true drums.

`told` and `truth` are the bleed relative to the drums in dB. `uncovered` is how far the bleed went
down (dB) where there is more of it than of the voice, in cells of 46 ms and an ERB; `hits` the
audible ones before -> after as the truth has them, and of how many; `SDR` that of the vocal.
For comparison debleed and gap_expander, at their deepest. Generations have no truth: what the
stage itself tells is shown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from bench_debleed import CORPUS, NAMES, RATE, Stems, read, separated, songs

from stemfx.audio import Audio
from stemfx.dsp import stft
from stemfx.dsp.bands import erb_bands
from stemfx.dsp.onsets import find_onsets
from stemfx.health.foreign_bleed import foreign_bleed
from stemfx.stage import Song, Stage, StageContext
from stemfx.stages.bleed_guard import bleed_guard
from stemfx.stages.debleed import debleed
from stemfx.stages.gap_expander import gap_expander
from stemfx.testing import analysed

BANDS = erb_bands(40, RATE)
AUDIBLE_DB = -30.0

Guard = Callable[[tuple[str, ...], Stems], tuple[np.ndarray, StageContext]]


def db(ratio: float) -> float:
    return float(10 * np.log10(max(ratio, 1e-20)))


def spectrum(stem: np.ndarray) -> np.ndarray:
    return stft.forward(Audio(stem, RATE), 0, stft.n_frames(stem.shape[1]))


def cells(spectrum: np.ndarray) -> np.ndarray:
    return np.square(np.abs(spectrum)).sum(axis=0) @ BANDS.T


def apply(
    stage: Stage, names: tuple[str, ...], stems: Stems, **params: Any
) -> tuple[np.ndarray, StageContext]:
    """Run a stage on the vocals."""
    settings = stage.params.model_validate(params)
    signals = {name: Audio(stem, RATE) for name, stem in zip(names, stems, strict=True)}
    song = analysed(stage, settings, Song(signals, "", Audio(stems.sum(axis=0), RATE)))
    against = tuple(params.get("against", ()))
    context = StageContext(song=replace(song, own="vocals", against=against))
    made = stage.process(signals["vocals"], settings, context)
    return Audio.from_blocks(made, RATE).samples, context


DRUMS = ["drums"]
GUARDS: dict[str, Guard] = {
    "bleed_guard": partial(apply, bleed_guard, against=DRUMS),
    "debleed": partial(apply, debleed, against=DRUMS),
    "debleed eq 12 dB": partial(apply, debleed, against=DRUMS, mode="eq", max_cut_db=12.0),
    "gap_expander 24 dB": partial(apply, gap_expander, max_cut_db=24.0),
}


@dataclass(frozen=True)
class Truth:
    """Spectra of the voice and of the drums in a vocal stem, and where the drums are struck."""

    voice: np.ndarray
    bleed: np.ndarray
    hits_s: np.ndarray

    def uncovered(self, gain: np.ndarray) -> tuple[float, int]:
        """Level of uncovered bleed on hits, before any gain, and how many are audible after it."""
        voice, before = cells(self.voice), cells(self.bleed)
        after = cells(self.bleed * gain) * (before > voice)
        power = cells(self.voice + self.bleed).sum(axis=1)
        playing = power[power > 0.01 * power.mean()].mean()
        # Frame k is centred at (k - 1) hops: those centred up to 100 ms after an attack.
        first = np.ceil(self.hits_s * RATE / stft.HOP + 1).astype(int)
        frames = np.minimum(first[:, np.newaxis] + np.arange(4), len(after) - 1)
        level = after[frames].sum(axis=2).mean(axis=1)
        audible = int(np.sum(level > playing * 10 ** (AUDIBLE_DB / 10)))
        return float(after[frames].sum()), audible


def judge(label: str, names: tuple[str, ...], true: Stems, stems: Stems, bleed: np.ndarray) -> None:
    vocals, drums = (names.index(name) for name in ("vocals", "drums"))
    signals = {name: Audio(stem, RATE) for name, stem in zip(names, stems, strict=True)}
    start = time.process_time()
    mixture = Audio(stems.sum(axis=0), RATE)
    others = {name: signal for name, signal in signals.items() if name != "vocals"}
    told = foreign_bleed(signals["vocals"], others, mixture, ["drums"])
    seconds = time.process_time() - start
    level = told.measurements.get("drums_bleed_below_drums_db", "none")
    whole = np.square(np.abs(spectrum(true[drums]))).sum()
    has_bleed = bool(np.any(bleed))
    print(
        f"  {label:10} told {level:>6}  truth {db(np.square(np.abs(bleed)).sum() / whole):6.1f}"
        f"  coherence {told.measurements['drums_coherence']:.3f}"
        f"  heard on {told.measurements['drums_audible_hits']} of "
        f"{told.measurements['drums_hits']}  findings {[f.code for f in told.findings]}"
        f"  {mixture.duration_s / seconds:.0f} x",
        flush=True,
    )
    before = spectrum(stems[vocals])
    truth = Truth(before - bleed, bleed, find_onsets(Audio(true[drums], RATE)))
    for name, guard in GUARDS.items():
        start = time.process_time()
        out, _ = guard(names, stems)
        seconds = time.process_time() - start
        if not has_bleed:
            changed = float(np.mean(np.any(out != stems[vocals], axis=0)))
            print(f"    {name:20} {changed:.0%} of the samples changed")
            continue
        if label == "separated":  # the same gain for all that is in a bin
            gain = np.clip(np.abs(spectrum(out)) / np.maximum(np.abs(before), 1e-9), 0, 1)
        else:
            left = np.abs(spectrum(out - true[vocals]))  # what is taken out in phase is gone
            gain = np.clip(left / np.maximum(np.abs(bleed), 1e-9), 0, 1)
        was, n_was = truth.uncovered(np.ones_like(gain))
        now, n_now = truth.uncovered(gain)
        print(
            f"    {name:20} uncovered {db(now / was) if was else 0:+6.1f} dB"
            f"  hits {n_was:3} -> {n_now:3} of {len(truth.hits_s)}"
            f"  SDR {sdr_db(true[vocals], stems[vocals]):6.2f} -> {sdr_db(true[vocals], out):6.2f}"
            f"  {mixture.duration_s / seconds:3.0f} x",
            flush=True,
        )


def sdr_db(true: np.ndarray, estimate: np.ndarray) -> float:
    return db(float(np.sum(true**2)) / max(float(np.sum((estimate - true) ** 2)), 1e-20))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("songs", nargs="*")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    for name, names, true in songs(options.songs, options.seconds):
        print(f"{name} ({', '.join(names)}; {true.shape[2] / RATE:.0f} s)", flush=True)
        vocals, drums = names.index("vocals"), names.index("drums")
        judge("true", names, true, true, np.zeros_like(spectrum(true[drums])))
        for leak_db in (-20, -25, -30):
            stems = true.copy()
            leak = np.float32(10 ** (leak_db / 20)) * true[drums]
            stems[vocals] += leak
            judge(f"{leak_db}", names, true, stems, spectrum(leak))
        made = separated(names, true)
        mixture = np.abs(spectrum(true.sum(axis=0)))
        mask = np.clip(np.abs(spectrum(made[vocals])) / np.maximum(mixture, 1e-9), 0, 1)
        judge("separated", names, true, made, mask * spectrum(true[drums]))
    for path in sorted(CORPUS.glob("generations/*.flac")):
        if not options.songs or path.stem in options.songs:
            stems = separated(NAMES, read(path)[np.newaxis])
            _, context = GUARDS["bleed_guard"](NAMES, stems)
            shown = {k: v for k, v in context.measurements.items() if k.startswith("drums_")}
            print(f"generation {path.stem}: {shown}", flush=True)


if __name__ == "__main__":
    main()
