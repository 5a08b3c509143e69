"""Read a loop: how many beats it is long, where they are, and its key."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from stemfx.audio import Signal, peak_of
from stemfx.dsp.drift import rises_db
from stemfx.dsp.harmonic import PITCHED_SHARE, harmonic_share
from stemfx.dsp.looped import Looped
from stemfx.dsp.units import Float64s
from stemfx.music.listen import read_chroma
from stemfx.music.read import read_music
from stemfx.music_reading import MusicReading

LOOP_S = 40.0
"""A longer file is a performance: it has beats of its own, not a length in bars."""

_LISTEN_S = 24.0  # a loop is heard as often as this takes: one bar says too little
_BPM = (50.0, 220.0)
_TYPICAL_BPM, _TYPICAL_OCTAVES = 115.0, 0.6
_NEAR_OCTAVES = 0.04  # how far the tracker's tempo strays: 2.8 %
_LEAST_CONFIDENCE = 0.2
_LEAST_ATTACK_DB = 3.0  # rise within 6 ms, in the mean over the bands
_LEAD_S = (0.018, 0.08)  # shorter is how it is played
_REST_DB = -60.0  # below the peak
_LEAST_REST_S = 0.05
_WHOLE_BARS, _WHOLE_WORTH = 0.005, 0.2  # off a whole number of bars; in confidence
_LEAD_DB = -40.0  # below the peak: what an encoder puts before the start


@dataclass(frozen=True)
class LoopReading:
    """What a loop plays to.

    Args:
        n_beats: its length in beats; 0 where it has no beat that could be heard.
        beat_s: length of a beat; 0 without.
        first_s: where its first beat is.
        beats_s: every beat; evenly spaced but for a performance.
        period_s: after which it begins again.
        key: such as `A minor`; empty where it has none.
        chroma: strength of the pitch classes from C up; empty where it has no key.
        tuning_cents: how far A4 lies from 440 Hz.
        harmonic_share: 0 (drums) to 1 (a chord).
    """

    n_beats: int
    beat_s: float
    first_s: float
    beats_s: tuple[float, ...]
    period_s: float
    key: str
    chroma: tuple[float, ...]
    tuning_cents: float
    harmonic_share: float

    @property
    def bpm(self) -> float:
        """Beats a minute; 0 where there is no beat."""
        return 60.0 / self.beat_s if self.beat_s else 0.0


def read_loop(signal: Signal, *, bpm: float | None = None, beats: int | None = None) -> LoopReading:
    """Read a loop's beat and key.

    A cut loop is a whole number of beats long, so its length gives the tempo exactly once the
    number is known; that is read from the beat, heard over several rounds. Only what is longer
    than `LOOP_S` is followed beat by beat.

    Args:
        signal: the loop.
        bpm: its tempo, if it is known.
        beats: its length in beats, if that is known.
    """
    n_samples, heard = _heard(signal)
    if bpm is not None or beats is not None:
        n_samples = signal.n_samples
    duration_s = n_samples / signal.sample_rate
    share = harmonic_share(signal)
    pitched = share >= PITCHED_SHARE and bool(heard.key)
    if not _has_attacks(signal):  # whatever pulse was found there is noise
        heard = replace(heard, bpm=0.0)
    n_beats, beat_s, period_s, uneven_s = _beats(duration_s, heard, bpm, beats)
    first_s = _lead_s(signal, beat_s) if uneven_s is None else float(uneven_s[0])
    beats_s = first_s + beat_s * np.arange(n_beats) if uneven_s is None else uneven_s
    return LoopReading(
        n_beats=n_beats,
        beat_s=beat_s,
        first_s=first_s,
        beats_s=tuple(beats_s.tolist()),
        period_s=period_s,
        key=heard.key if pitched else "",
        chroma=tuple(read_chroma(signal).tolist()) if pitched else (),
        tuning_cents=heard.tuning_cents if pitched else 0.0,
        harmonic_share=share,
    )


def _heard(signal: Signal) -> tuple[int, MusicReading]:
    """Return the length of a round in samples, and what is heard when it is played again and again.

    Silence at the end may be a rest that belongs to the loop, or what a program wrote after it:
    whichever makes the beat clearer.
    """
    whole = signal.n_samples
    sounding = _end(signal) if whole <= LOOP_S * signal.sample_rate else whole
    lengths = [whole]
    if _LEAST_REST_S * signal.sample_rate < whole - sounding < whole:
        lengths.append(sounding)
    heard = [(n, _played_on(signal, n)) for n in lengths]
    return max(heard, key=lambda one: _clarity(one[0] / signal.sample_rate, one[1]))


def _played_on(signal: Signal, period: int) -> MusicReading:
    rounds = max(1, math.ceil(_LISTEN_S * signal.sample_rate / period))
    return read_music(Looped(signal, period, rounds * period), {})


def _clarity(duration_s: float, heard: MusicReading) -> float:
    """Return how clear the beat is, and more where it makes whole bars."""
    n_bars = duration_s * heard.bpm / 240.0
    is_whole = n_bars > 0.5 and abs(n_bars - round(n_bars)) < _WHOLE_BARS
    return heard.bpm_confidence + _WHOLE_WORTH * is_whole


def _end(signal: Signal) -> int:
    """Return how many samples there are up to the last that is heard."""
    floor, end, start = peak_of(signal) * 10 ** (_REST_DB / 20), 0, 0
    for block in signal.blocks():
        above = np.flatnonzero(np.abs(block).max(axis=0) > floor)
        end = start + int(above[-1]) + 1 if above.size else end
        start += block.shape[1]
    return end


def _beats(
    duration_s: float, heard: MusicReading, bpm: float | None, beats: int | None
) -> tuple[int, float, float, Float64s | None]:
    """Return number and length of the beats, the period, and the beats where they are uneven."""
    if beats is not None:
        beat_s = 60.0 / bpm if bpm is not None else duration_s / beats
        return beats, beat_s, beats * beat_s, None
    if bpm is not None:
        beat_s = 60.0 / bpm
        n_beats = _whole(duration_s / beat_s)
        return n_beats, beat_s, n_beats * beat_s, None
    is_heard = heard.bpm > 0 and heard.bpm_confidence >= _LEAST_CONFIDENCE
    if duration_s > LOOP_S and is_heard and len(heard.downbeats_s) > 1:
        beats_s = np.array([t for t in heard.beats_s if t >= heard.downbeats_s[0]])
        n_beats = len(beats_s)
        beat_s = float(beats_s[-1] - beats_s[0]) / (n_beats - 1)
        n_beats -= n_beats % 4 if n_beats > 4 else 0
        period_s = float(
            beats_s[n_beats] - beats_s[0] if n_beats < len(beats_s) else n_beats * beat_s
        )
        return n_beats, beat_s, period_s, beats_s[:n_beats]
    if not is_heard:
        return 0, 0.0, duration_s, None
    n_beats = _misheard(duration_s, heard.bpm) or _count(duration_s, heard.bpm)
    beat_s = duration_s / n_beats
    off = float(np.log2(60.0 / beat_s / heard.bpm))
    if _misheard(duration_s, heard.bpm):
        off = 0.0
    if abs(off - np.clip(round(off), -1, 1)) > 2 * _NEAR_OCTAVES:  # not cut to whole beats
        n_beats = _whole(duration_s * heard.bpm / 60.0)
        beat_s = 60.0 / heard.bpm
    return n_beats, beat_s, n_beats * beat_s, None


def _has_attacks(signal: Signal) -> bool:
    heard = signal.read(0, round(_LISTEN_S * signal.sample_rate))
    return float(rises_db(heard, signal.sample_rate).max(initial=0.0)) >= _LEAST_ATTACK_DB


def _whole(n: float) -> int:
    """Round a length in beats: to whole bars unless it is clearly something else."""
    nearest = max(1, round(n))
    bars = 4 * max(1, round(n / 4))
    return bars if abs(n - nearest) > 0.1 and n >= 3 else nearest


def _misheard(duration_s: float, bpm: float) -> int | None:
    """Return whole bars if dotted beats or triplets were taken for the beat: 3:2 or 4:3 off."""
    n = duration_s * bpm / 60.0
    if abs(n - round(n)) <= _NEAR_OCTAVES * n:
        return None
    for ratio in (3 / 2, 3 / 4, 4 / 3, 2 / 3):
        bars = round(n * ratio / 4)
        is_whole = bars > 0 and abs(n * ratio / 4 - bars) <= _NEAR_OCTAVES / 2 * bars
        if is_whole and _BPM[0] <= bpm * ratio <= _BPM[1]:
            return 4 * bars
    return None


def _count(duration_s: float, bpm: float) -> int:
    """Return the number of beats that a loop most likely has, given the tempo that was heard."""
    n = np.arange(1, int(duration_s * _BPM[1] / 60) + 2)
    tempo = 60.0 * n / duration_s
    off = np.log2(tempo / bpm)
    octave = np.clip(np.round(off), -1, 1)
    near = np.exp(-0.5 * ((off - octave) / _NEAR_OCTAVES) ** 2)
    prior = np.exp(-0.5 * (np.log2(tempo / _TYPICAL_BPM) / _TYPICAL_OCTAVES) ** 2)
    shape = np.where(
        n & (n - 1) == 0, 1.0, np.where(n % 4 == 0, 0.6, np.where(n % 2 == 0, 0.2, 0.1))
    )
    score = near * np.where(octave == 0, 1.0, 0.7) * prior * shape
    inside = (tempo >= _BPM[0]) & (tempo <= _BPM[1])
    return (
        int(n[np.argmax(np.where(inside, score, 0.0))])
        if inside.any()
        else _whole(duration_s * bpm / 60.0)
    )


def _lead_s(signal: Signal, beat_s: float) -> float:
    """Return the length of near silence before the start: an encoder's, if it is short."""
    rate = signal.sample_rate
    head = np.abs(signal.read(0, round(_LEAD_S[1] * rate) + 1)).max(axis=0, initial=0.0)
    above = np.flatnonzero(head > peak_of(signal) * 10 ** (_LEAD_DB / 20))
    lead_s = float(above[0]) / rate if above.size else 0.0
    return lead_s if _LEAD_S[0] < lead_s < min(_LEAD_S[1], beat_s / 4 or _LEAD_S[1]) else 0.0
