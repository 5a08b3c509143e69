"""Read tempo, beats, bars and key of a song."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stemfx.audio import Signal
from stemfx.dsp.beats import track_beats
from stemfx.dsp.flux import CELL_HZ, FRAME_HZ, attack_s
from stemfx.dsp.key import key_name, profile_scores
from stemfx.dsp.tempogram import period_strength, tempogram
from stemfx.dsp.units import Float64s
from stemfx.music.listen import Heard, listen
from stemfx.music_reading import MusicReading

BPM_RANGE = (55.0, 215.0)
TYPICAL_BPM, TEMPO_SPREAD_OCTAVES = 115.0, 0.55
MIN_STRENGTH = 0.1


def read_music(mixture: Signal, stems: Mapping[str, Signal]) -> MusicReading:
    """Read the tempo, beats, bars and key of a song.

    Args:
        mixture: the whole song.
        stems: of the same length and rate, by name; may be empty. Drums are listened to for
            the beat, all others for harmony; without them the mixture is.
    """
    heard = listen(mixture, stems)
    bpm, confidence, beats_s = _beats(heard)
    downbeats_s = _downbeats(heard, beats_s)
    scores = profile_scores(heard.pitches.chroma().sum(axis=0))
    order = np.argsort(-scores)
    pitched = bool(scores.any())
    return MusicReading(
        bpm=bpm,
        bpm_confidence=confidence,
        beats_s=tuple(beats_s.tolist()),
        downbeats_s=tuple(downbeats_s.tolist()),
        key=key_name(int(order[0])) if pitched else "",
        key_confidence=float(np.clip(4 * (scores[order[0]] - scores[order[1]]), 0, 1)),
        key_runner_up=key_name(int(order[1])) if pitched else "",
        tuning_cents=heard.pitches.tuning_cents,
        duration_s=heard.duration_s,
    )


def _envelope(heard: Heard) -> Float64s:
    """Return one onset envelope, about 1 at a clear onset."""
    total = np.zeros(heard.struck.groups["low"].size)
    if not heard.struck.cells.size:
        return total[:0]
    for flux, weight in ((heard.struck, 1.0), (heard.played, 0.4)):
        for group in flux.groups.values():
            spread = float(np.std(group))
            if spread > 0:
                total[: group.size] += weight * group[: total.size] / spread
    spread = float(np.std(total))
    return total / spread if spread > 0 else total


def _beats(heard: Heard) -> tuple[float, float, Float64s]:
    """Return tempo, confidence and beat times."""
    nothing = 0.0, 0.0, np.zeros(0)
    envelope = _envelope(heard)
    if envelope.size < 2 * FRAME_HZ or not envelope.any():
        return nothing
    acf = tempogram(envelope, FRAME_HZ, 4 * 60 / BPM_RANGE[0]).mean(axis=0)
    periods = 60 / np.geomspace(*BPM_RANGE, 600)
    strength = period_strength(acf, FRAME_HZ, periods)
    octaves = np.log2(60 / periods / TYPICAL_BPM) / TEMPO_SPREAD_OCTAVES
    best = int(np.argmax(strength * np.exp(-0.5 * octaves**2)))
    if strength[best] < MIN_STRENGTH:
        return nothing
    frames = track_beats(envelope, periods[best] * FRAME_HZ)
    if frames.size < 4:
        return nothing
    rough = frames / FRAME_HZ
    attacks = np.array([attack_s(heard.struck.cells, t, 0.07, 0.03) for t in rough])
    period, phase, residual = _line(np.arange(rough.size, dtype=np.float64), attacks)
    grid = phase + period * np.arange(rough.size)
    beats_s = np.asarray(grid if residual < 0.012 else attacks, np.float64)
    beats_s = beats_s[(beats_s >= 0) & (beats_s < heard.struck.cells.size / CELL_HZ)]
    confidence = float(np.clip(2 * strength[best], 0, 1) * np.exp(-residual / 0.02))
    return 60 / period, confidence, beats_s


def _line(index: Float64s, times: Float64s) -> tuple[float, float, float]:
    """Fit times by a line, twice the median residual at most; return slope, start, median."""
    kept = np.ones(index.size, bool)
    slope, start, median = 0.0, 0.0, 0.0
    for _ in range(6):
        slope, start = np.polyfit(index[kept], times[kept], 1)
        residual = np.abs(times - start - slope * index)
        median = float(np.median(residual[kept]))
        kept = residual <= max(2 * median, 0.002)
        if kept.sum() < 3:
            break
    return float(slope), float(start), median


def _downbeats(heard: Heard, beats_s: Float64s) -> Float64s:
    """Return the beats that begin a bar of four: low and strong, against the backbeat."""
    if beats_s.size < 4:
        return beats_s[:0]
    frames = np.round(beats_s * FRAME_HZ).astype(int)
    strength = np.zeros(frames.size)
    for group, sign in (("low", 1.0), ("middle", -0.7)):
        flux = heard.struck.groups[group]
        near = np.array([flux[max(0, f - 4) : f + 4].max(initial=0) for f in frames])
        strength += sign * near / max(float(near.std()), 1e-9)
    votes = [float(strength[k::4].mean()) for k in range(4)]
    return beats_s[int(np.argmax(votes)) :: 4]
