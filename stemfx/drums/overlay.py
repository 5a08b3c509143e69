"""One drum over the hits of another: which recordings are played, how loud, from where to where."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.drums.loudness import DRUM_BANDS, Loudness
from stemfx.drums.low_end import TUNED
from stemfx.drums.playing import Player, Recording, Stroke, Voice, choke_stops
from stemfx.dsp.band_split import BandSplit, Powers
from stemfx.dsp.hit_ducking import DrumPowers
from stemfx.dsp.placing import BEFORE_S, Match, Placement, match
from stemfx.dsp.units import Float64s, db_to_gain
from stemfx.hits import DRUM_CLASSES, Hit
from stemfx.kit import Kit

MATCH_HZ = {
    "kick": (20.0, 4_000.0),
    "tom": (20.0, 4_000.0),
    "snare": (160.0, 9_000.0),
    "clap": (400.0, 9_000.0),
}
"""Where a drum is looked for among others; the others have `METAL_HZ`."""

METAL_HZ = (3_000.0, 12_000.0)
"""Where hats and cymbals lie: drums without a body."""

ALIKE = 0.4
"""Likeness (`Match`) of a hit that is heard well enough to be placed by itself."""

_SAME_LEVEL = 1.41  # 3 dB: a level that was estimated twice may differ by as much


@dataclass(frozen=True)
class Settings:
    """What the producer wants; see the stage `replace_drums`."""

    classes: Sequence[str]
    variants: Mapping[str, str] = field(default_factory=dict)
    is_layer: bool = False
    blend: float = 1.0
    dynamics: float = 1.0
    gain_db: float = 0.0
    duck_db: float = 24.0
    match_level: bool = True
    obeys_velocities: bool = False
    tune_st: float | None = None
    seed: int = 0


@dataclass
class DrumPlan:
    """How one drum is laid over its hits.

    Args:
        drum_class: which drum.
        hits: those that it is laid over.
        frames: in which they begin.
        heard: what these hits are like in the stem.
        strokes: what is played, one for each hit that has a level.
        placement: shift, polarity and the gain of the low end.
        tune_st: how much higher the kit's drum is played.
        is_same_sound: the old drum is the new one already.
    """

    drum_class: str
    hits: Sequence[Hit]
    frames: NDArray[np.intp]
    heard: DrumPowers
    strokes: list[Stroke] = field(default_factory=list)
    placement: Placement = field(default_factory=Placement)
    tune_st: float = 0.0
    is_same_sound: bool = False

    @property
    def is_heard(self) -> bool:
        """Whether anything sounds where the hits are."""
        return bool((self.heard.levels > 0).any())


@dataclass(frozen=True)
class Stem:
    """A drum stem, its hits and the powers of its bands.

    Args:
        signal: the stem.
        hits: all that are known, in order of time.
        split: into bands, at the stem's rate.
        powers: of these bands.
    """

    signal: Signal
    hits: Sequence[Hit]
    split: BandSplit
    powers: Powers

    @classmethod
    def hear(cls, signal: Signal, hits: Sequence[Hit]) -> Stem:
        """Listen to a stem once."""
        split = BandSplit(signal.sample_rate)
        return cls(signal, hits, split, split.powers(signal.blocks(), signal.channels))

    @property
    def frame_s(self) -> float:
        """Duration of a frame."""
        return self.split.frame / self.split.sample_rate

    def frames_of(self, hits: Sequence[Hit]) -> NDArray[np.intp]:
        """Return the frames in which hits begin."""
        last = self.powers.shape[1] - 1
        return np.array([min(int(hit.time_s / self.frame_s), last) for hit in hits], np.intp)


class Overlay:
    """One drum of a kit over the hits of one drum of a stem, while it is planned."""

    def __init__(self, plan: DrumPlan, stem: Stem, kit: Kit, settings: Settings) -> None:
        self.plan, self.settings = plan, settings
        self.rate = stem.signal.sample_rate
        self._all_hits, self._kit = stem.hits, kit
        channels, drum_class = stem.signal.channels, plan.drum_class
        self._voice = Voice(
            kit, drum_class, settings.variants.get(drum_class), stem.split, channels
        )
        self.pan = np.ones(channels)
        self.matches: dict[int, Match] = {}
        self._velocities = _scaled([hit.velocity for hit in plan.hits], settings.dynamics)
        self._levels = _levels(plan.heard.levels, plan.hits, settings)
        self._loudness = Loudness.of(
            plan.heard.shape, DRUM_BANDS[drum_class].known_by, stem.frame_s
        )
        dice = np.random.default_rng([settings.seed, DRUM_CLASSES.index(drum_class)])
        self._takes: list[int] = []
        for velocity in self._velocities:
            before = self._takes[-1] if self._takes else None
            self._takes.append(self._voice.take_for(velocity, before, dice))

    def recording(self, i: int) -> Recording:
        """Return what is played on hit `i`."""
        return self._voice.recording(self._velocities[i], self._takes[i])

    def gain(self, i: int, recording: Recording) -> float:
        """Return the factor at which hit `i` is as loud as it should be, before the blend."""
        level = np.sqrt(self._levels[i])
        matched = float(level) * recording.loudness.gain_to(self._loudness)
        own = matched if self.settings.match_level else 1.0
        return own * db_to_gain(self.settings.gain_db)

    @property
    def is_tuned(self) -> bool:
        """Whether it may be tuned as far as the low ends need it."""
        settings = self.settings
        return settings.is_layer and settings.tune_st is None and self.plan.drum_class in TUNED

    def played_at(self, which: Sequence[int], tune_st: float) -> Iterator[tuple[Recording, float]]:
        """Yield what is played on some hits, and its gain, when the drum is tuned."""
        voice = self._voice.tuned(tune_st)
        for i in which:
            recording = voice.recording(self._velocities[i], self._takes[i])
            yield recording, self.gain(i, recording)

    def use(self, tune_st: float) -> None:
        """Play the drum tuned like this from now on."""
        self._voice = self._voice.tuned(tune_st)
        self.plan.tune_st = tune_st

    def start(self, i: int) -> int:
        """Return the sample at which the excerpt of hit `i` begins."""
        return round((self.plan.hits[i].time_s - BEFORE_S) * self.rate)

    def alone(self, i: int, n_samples: int) -> Block:
        """Return the new sound of hit `i` as an excerpt, its attack on the old one's."""
        recording = self.recording(i)
        gains = tuple(self.gain(i, recording) * self.pan_of(recording))
        time = self.plan.hits[i].time_s * self.rate - self.start(i)
        sound = Player([Stroke(time, recording, gains)], self.rate)
        # What rings in before the excerpt begins belongs to it too.
        block = sound.play(-self.rate, self.rate + n_samples, len(gains))
        return (
            np.zeros((len(gains), n_samples), np.float32)
            if block is None
            else block[:, self.rate :]
        )

    def pan_of(self, recording: Recording) -> Float64s:
        """Return the factors of the channels: a mono sound goes where the old one is."""
        return self.pan if recording.is_mono else np.ones(len(self.pan))

    def match(self, i: int, old: Block) -> Match:
        """Compare hit `i`, an excerpt of the signal, with what is played there."""
        band_hz = MATCH_HZ.get(self.plan.drum_class, METAL_HZ)
        attack = round(BEFORE_S * self.rate)
        return match(old, self.alone(i, old.shape[1]), attack, self.rate, band_hz)

    def take_place_of(self, found: Sequence[Match]) -> None:
        """Lie where the same sound lies already."""
        self.plan.is_same_sound = True
        like = [one for one in found if one.likeness >= ALIKE]
        shift_s = float(np.median([one.shift_s for one in like]))
        polarity = 1 if np.median([one.gain for one in like]) > 0 else -1
        self.plan.placement = Placement(shift_s, polarity, 10 * np.log10(2.0))

    def play(self) -> None:
        """Write the strokes into the plan."""
        plan = self.plan
        by_class: dict[str, list[int]] = {}
        for hit in self._all_hits:
            by_class.setdefault(hit.drum_class, []).append(round(hit.time_s * self.rate))
        groups = {name: self._kit.choke_group(name) for name in by_class}
        stops = dict(
            zip(
                by_class[plan.drum_class],
                choke_stops(by_class, groups, plan.drum_class),
                strict=True,
            )
        )
        for i, hit in enumerate(plan.hits):
            recording = self.recording(i)
            gain, shift_s = self.gain(i, recording), plan.placement.shift_s
            if plan.is_same_sound:
                own = self.matches[i]
                if own.likeness >= ALIKE:
                    shift_s = own.shift_s
                gain = self._change(i, own.gain * gain, gain)
            else:
                gain *= self._amount() * plan.placement.polarity
            if gain:
                gains = tuple(float(g) for g in gain * self.pan_of(recording))
                time = (hit.time_s + shift_s) * self.rate
                stop = stops[round(hit.time_s * self.rate)]
                plan.strokes.append(Stroke(time, recording, gains, stop))

    def _left(self) -> float:
        """Return the factor of what the blend leaves of an old hit."""
        return 1.0 - self.settings.blend * (1.0 - db_to_gain(-self.settings.duck_db))

    def _amount(self) -> float:
        """Return how much of the new sound makes the blend as loud as the old one alone.

        With d of the old sound left and rho their correlation, w^2 + 2 rho d w + d^2 = 1.
        """
        if self.settings.is_layer:
            return self.settings.blend
        left = self._left()
        rho = min(1.0, 10 ** (self.plan.placement.gain_db / 10) - 1.0)
        return math.sqrt(1.0 - left**2 * (1.0 - rho**2)) - left * rho

    def _change_of_level(self, i: int) -> float:
        """Return how much louder than it was a hit is to be, a factor."""
        heard = self.plan.heard.levels[i]
        change = float(np.sqrt(self._levels[i] / heard)) if heard else 1.0
        is_estimate = self.settings.obeys_velocities and self.settings.dynamics == 1.0
        return 1.0 if is_estimate and 1.0 / _SAME_LEVEL < change < _SAME_LEVEL else change

    def _change(self, i: int, old: float, wanted: float) -> float:
        """Return the factor of a sound that is there already: what is missing to what is wanted.

        Nothing has to be ducked: the old sound is known, sample by sample, so it is subtracted.
        """
        settings = self.settings
        if settings.match_level:
            wanted = abs(old) * self._change_of_level(i) * db_to_gain(settings.gain_db)
        if settings.is_layer:
            return settings.blend * math.copysign(wanted, old)
        return (1.0 - self._left()) * (math.copysign(wanted, old) - old)


def _scaled(values: Sequence[float] | Float64s, dynamics: float) -> Float64s:
    """Return values whose distance, in dB, from the main hits is multiplied by `dynamics`."""
    found = np.asarray(values, np.float64)
    if dynamics == 1.0 or not found.size or not (found > 0).any():
        return found
    main = float(np.quantile(found[found > 0], 0.75))
    return np.where(found > 0, main * (np.maximum(found, 1e-30) / main) ** dynamics, 0.0)


def _levels(heard: Float64s, hits: Sequence[Hit], settings: Settings) -> Float64s:
    """Return the power that each hit is to have."""
    if not (heard > 0).any():
        return np.zeros(len(heard))
    by_velocity = _level_of_velocity(heard, np.array([hit.velocity for hit in hits]))
    levels = by_velocity if settings.obeys_velocities else np.where(heard > 0, heard, by_velocity)
    return _scaled(levels, settings.dynamics)


def _level_of_velocity(levels: Float64s, velocities: Float64s) -> Float64s:
    """Return the level that is usual at each velocity: it rises with it, through medians."""
    clear = np.flatnonzero(levels > 0)
    order = clear[np.argsort(velocities[clear], kind="stable")]
    groups = np.array_split(order, min(8, order.size))
    x = np.array([np.median(velocities[group]) for group in groups])
    y = np.maximum.accumulate([np.median(10 * np.log10(levels[group])) for group in groups])
    level_db = np.interp(velocities, x, y)
    # Beyond what was played: in proportion to the velocity.
    level_db += 20 * np.log10(np.minimum(velocities / x[0], 1.0))
    level_db += 20 * np.log10(np.maximum(velocities / x[-1], 1.0))
    return np.asarray(10 ** (level_db / 10))
