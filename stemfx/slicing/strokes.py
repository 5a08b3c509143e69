"""One stroke of a drum stem, looked at by itself: where it begins and ends, what else sounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from stemfx.audio import Block
from stemfx.dsp.units import Float64s
from stemfx.hits import Hit
from stemfx.slicing.alike import Picture, picture
from stemfx.slicing.edges import zero_crossing

TOGETHER_S = 0.030
"""Drums that are struck within this time are one stroke."""

LEAD_S = 0.1
"""A stroke is looked at with so much of what is before it: the attack finder wants 60 ms."""

NEXT_GUARD_S = 0.002
"""A slice ends so long before the next attack, which may be told a little late."""

MIN_S, MAX_S = 0.06, 12.0
"""A shorter slice is no more than a click; the longest cymbals ring for 12 s."""

DECAYED_DB = -60.0
"""Below the loudest moment: what is softer counts as silence, as for reverberation time."""

LOW_CUT_HZ = {"hat_closed": 250.0, "hat_open": 250.0, "crash": 150.0, "clap": 150.0}
"""These drums have nothing below; what is there is the ring of a kick or a tom."""

_RING_S, _BODY_S, _EARLY_S, _HOP_S = 0.02, 0.05, 0.03, 0.005
_PROMPT_S = 0.0009
_PICTURE_S = 0.2
_SECOND_STROKE_DB, _SETTLED_S = 9.0, 0.06
_MAX_RATIO_DB = 96.0  # the range of 16 bit


@dataclass(frozen=True)
class Stroke:
    """Drums that are struck at once.

    Args:
        hits: one or more, in order of time.
        at: sample of the first of them.
        stop: sample of the next stroke, or the end of the stem.
        is_last: there is no next stroke.
    """

    hits: tuple[Hit, ...]
    at: int
    stop: int
    is_last: bool

    @property
    def classes(self) -> tuple[str, ...]:
        """What is struck, each drum once."""
        return tuple(dict.fromkeys(hit.drum_class for hit in self.hits))

    @property
    def low_cut_hz(self) -> float:
        """Where the high-pass of this stroke lies; 0 is none."""
        return LOW_CUT_HZ.get(self.classes[0], 0.0) if len(self.classes) == 1 else 0.0


@dataclass(frozen=True)
class Extent:
    """Where the sound of a stroke lies and how much of it is its own.

    Args:
        attack: sample of the stem.
        stop: sample of the stem, at a zero crossing.
        low_cut_hz: of the high-pass through which it was looked at; 0 is none.
        peak: of the samples, linear.
        body: mean power of the first 50 ms, all channels together.
        ring: the same of the 20 ms before.
        decay_db: how far it has fallen at the end, from its loudest moment.
        picture: what it sounds like.
    """

    attack: int
    stop: int
    low_cut_hz: float
    peak: float
    body: float
    ring: float
    decay_db: float
    picture: Picture = field(repr=False)

    @property
    def before_db(self) -> float:
        """How far the stroke stands above what rang before it."""
        return ratio_db(self.body, self.ring)


def strokes(hits: Sequence[Hit], sample_rate: int, n_samples: int) -> Iterator[Stroke]:
    """Yield the strokes of a stem, in order of time.

    Args:
        hits: what it plays.
        sample_rate: of the stem, in Hz.
        n_samples: its length; later hits are left out.
    """
    groups: list[list[Hit]] = []
    for hit in sorted(hits):
        if hit.time_s * sample_rate >= n_samples:
            break
        if not groups or hit.time_s - groups[-1][-1].time_s > TOGETHER_S:
            groups.append([])
        groups[-1].append(hit)
    starts = [round(group[0].time_s * sample_rate) for group in groups]
    for group, at, following in zip(groups, starts, [*starts, n_samples][1:], strict=True):
        stop = min(following, at + round(MAX_S * sample_rate))
        yield Stroke(tuple(group), at, max(stop, at + 1), is_last=group is groups[-1])


def look(stroke: Stroke, window: Block, sample_rate: int) -> Extent | str:
    """Return the extent of a stroke, or why it has none.

    Args:
        stroke: what is looked at.
        window: the stem from `LEAD_S` before the stroke up to its `stop`.
        sample_rate: in Hz.
    """
    from stemfx.dsp.onsets import attack_s

    def samples(seconds: float) -> int:
        return round(seconds * sample_rate)

    window = low_cut(window, stroke.low_cut_hz, sample_rate)
    attack = samples(attack_s(window, sample_rate, LEAD_S))
    attack = _of_the_loud_one(window, attack, sample_rate)
    stop = window.shape[1] - (0 if stroke.is_last else samples(NEXT_GUARD_S))
    hop = max(1, samples(_HOP_S))
    power = _envelope(window[:, attack:stop], hop)
    if power.size * hop < samples(MIN_S):
        return "too close to the next"
    loudest = float(power.max())
    if loudest <= 0.0:
        return "silent"
    n_hops = int(np.flatnonzero(power > loudest * 10 ** (DECAYED_DB / 10))[-1]) + 1
    n_hops = min(n_hops, _second_stroke(power[:n_hops], samples(_SETTLED_S) // hop))
    if n_hops * hop < samples(MIN_S):
        return "too short"
    stop = min(stop, attack + n_hops * hop)
    stop = zero_crossing(window, stop, samples(0.01), backwards=True)
    ring_stop = max(0, attack - samples(NEXT_GUARD_S))
    first = stroke.at - samples(LEAD_S)
    return Extent(
        attack=first + attack,
        stop=first + stop,
        low_cut_hz=stroke.low_cut_hz,
        peak=float(np.abs(window[:, attack:stop]).max()),
        body=_mean_power(window[:, attack : min(stop, attack + samples(_BODY_S))]),
        ring=_mean_power(window[:, max(0, ring_stop - samples(_RING_S)) : ring_stop]),
        decay_db=ratio_db(loudest, float(power[n_hops - 1])),
        picture=picture(window[:, attack : min(stop, attack + samples(_PICTURE_S))], sample_rate),
    )


def _of_the_loud_one(window: Block, attack: int, sample_rate: int) -> int:
    """Return the attack, or a later one if it is that of something soft just before the drum.

    A drum passes a tenth of its early peak within 0.9 ms; where it takes longer, the drum itself
    begins when it leaves 3 % for the last time before.
    """
    early = np.abs(window[:, attack : attack + round(_EARLY_S * sample_rate)]).max(axis=0)
    if not early.size:
        return attack
    tenth = int(np.argmax(early >= 0.1 * early.max()))
    if tenth <= _PROMPT_S * sample_rate:
        return attack
    soft = np.flatnonzero(early[:tenth] < 0.03 * early.max())
    return attack + max(int(soft[-1]) + 1 if soft.size else 0, tenth - int(_PROMPT_S * sample_rate))


def low_cut(samples: Block, cutoff_hz: float, sample_rate: int) -> Block:
    """Return samples through a high-pass (Butterworth, 24 dB per octave); 0 Hz is none."""
    if not cutoff_hz:
        return samples
    from scipy.signal import butter, sosfilt

    sos = butter(4, cutoff_hz, "highpass", fs=sample_rate, output="sos")
    return np.asarray(sosfilt(sos, samples.astype(np.float64)), np.float32)


def ratio_db(over: float, under: float) -> float:
    """Return a ratio of powers in dB, 96 dB (the range of 16 bit) at most; 0 for silence."""
    least = over * 10 ** (-_MAX_RATIO_DB / 10)
    return 10.0 * float(np.log10(over / max(under, least))) if over > 0 else 0.0


def _envelope(samples: Block, hop: int) -> Float64s:
    """Return the mean power of every `hop` samples, all channels together."""
    n = samples.shape[1] // hop
    squares = np.square(samples[:, : n * hop], dtype=np.float64).sum(axis=0)
    envelope: Float64s = squares.reshape(n, hop).mean(axis=1)
    return envelope


def _second_stroke(power: Float64s, settled: int) -> int:
    """Return where a decay rises again by 9 dB, and is heard: a stroke that nobody told of."""
    later = power[settled:]
    if not later.size:
        return power.size
    rises = later > np.minimum.accumulate(later) * 10 ** (_SECOND_STROKE_DB / 10)
    again = np.flatnonzero(rises & (later > power.max() * 1e-4))
    return settled + int(again[0]) if again.size else power.size


def _mean_power(samples: Block) -> float:
    """Return the mean square over time, summed over channels."""
    if not samples.shape[1]:
        return 0.0
    return float(np.square(samples, dtype=np.float64).sum() / samples.shape[1])
