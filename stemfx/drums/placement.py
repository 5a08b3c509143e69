"""Plan how a kit's drums are laid over the hits of a drum stem: which, how loud, where, which way.

`lay_over` hears the stem twice at most and holds a few seconds of it, however long it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.drums.playing import (
    DRUM_BANDS,
    Loudness,
    Player,
    Recording,
    Stroke,
    Voice,
    choke_stops,
)
from stemfx.dsp.band_split import BandSplit, Powers
from stemfx.dsp.hit_ducking import DrumPowers, learn_drum
from stemfx.dsp.placing import (
    AFTER_S,
    BEFORE_S,
    CrossSpectra,
    Match,
    Placement,
    excerpts,
    match,
)
from stemfx.dsp.units import Float64s, db_to_gain
from stemfx.hits import DRUM_CLASSES, Hit
from stemfx.kit import Kit

PLACE_HZ = {"kick": (40.0, 160.0), "tom": (60.0, 250.0), "snare": (150.0, 400.0)}
"""Where the body of a drum lies: two of them are laid over each other so that these add up."""

MATCH_HZ = {
    "kick": (20.0, 4_000.0),
    "tom": (20.0, 4_000.0),
    "snare": (160.0, 9_000.0),
    "clap": (400.0, 9_000.0),
}
"""Where a drum is looked for among others; the others have `OTHER_PLACE_HZ`."""

OTHER_PLACE_HZ = (3_000.0, 12_000.0)
"""For drums without a body: only their pan is heard there."""

FLAM_S = 0.001
"""Attacks that are closer are one: a shift stays below, if the low ends add up there."""

MAX_SHIFT_S = 0.003
TUNED = ("kick",)
MAX_TUNE_ST = 3
ADDS_UP_DB = 0.5
"""Over the power sum: from here on two low ends are stronger together than by chance."""

_ENOUGH_DB = 1.2  # what goes beyond is worth no tuning
_PAYS_DB = 0.3  # a shift that is nearly heard as a flam has to gain this much
_COST_DB_PER_ST = 0.08
_COST_DB_PER_MS = 0.1
_PLACED_BY = 40  # hits of a drum, evenly over the song, that tell its shift and polarity
_SAME_SOUND = 0.5  # likeness of the better quarter of hits: different drums stay below 0.35
_ALIKE = 0.4  # likeness of a hit that is heard well enough to be placed by itself
_SAME_LEVEL = 1.41  # 3 dB: a level that was estimated twice may differ by as much
_CENTRED_DB = 0.5  # between the channels: no more than this is the middle


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


def lay_over(stem: Stem, to_replace: Sequence[Hit], kit: Kit, settings: Settings) -> list[DrumPlan]:
    """Return a plan for each class of drum that is among the hits to replace.

    Args:
        stem: what they are laid over.
        to_replace: those of its hits that a new drum is laid over.
        kit: has all their classes.
        settings: see there.
    """
    drums = []
    for drum_class in settings.classes:
        mine = [hit for hit in to_replace if hit.drum_class == drum_class]
        if not mine:
            continue
        others = [hit for hit in stem.hits if hit.drum_class != drum_class]
        covers = [DRUM_BANDS[hit.drum_class].covers_from for hit in others]
        frames = stem.frames_of(mine)
        heard = learn_drum(
            stem.powers,
            frames,
            list(zip(stem.frames_of(others).tolist(), covers, strict=True)),
            DRUM_BANDS[drum_class],
            stem.frame_s,
        )
        drums.append(_Drum(DrumPlan(drum_class, mine, frames, heard), stem, kit, settings))
    _place(stem.signal, drums)
    for drum in drums:
        drum.play()
    return [drum.plan for drum in drums]


class _Drum:
    """One drum while it is planned."""

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

    # -------------------------------------------------------------------- what is played

    def recording(self, i: int, voice: Voice | None = None) -> Recording:
        """Return what is played on hit `i`."""
        return (voice or self._voice).recording(self._velocities[i], self._takes[i])

    def gain(self, i: int, recording: Recording) -> float:
        """Return the factor at which hit `i` is as loud as it should be, before the blend."""
        level = np.sqrt(self._levels[i])
        matched = float(level) * recording.loudness.gain_to(self._loudness)
        own = matched if self.settings.match_level else 1.0
        return own * db_to_gain(self.settings.gain_db)

    def tuned(self, tune_st: float) -> Voice:
        """Return the same drum, tuned."""
        voice = self._voice
        return Voice(
            voice.kit, voice.drum_class, voice.variant, voice.split, voice.channels, tune_st
        )

    def use(self, voice: Voice) -> None:
        """Play this voice from now on."""
        self._voice = voice
        self.plan.tune_st = voice.tune_st

    def start(self, i: int) -> int:
        """Return the sample at which the excerpt of hit `i` begins."""
        return round((self.plan.hits[i].time_s - BEFORE_S) * self.rate)

    def alone(self, i: int, n_samples: int) -> Block:
        """Return the new sound of hit `i` as an excerpt, its attack on the old one's."""
        recording = self.recording(i)
        gains = tuple(self.gain(i, recording) * self.pan_of(recording))
        time = self.plan.hits[i].time_s * self.rate - self.start(i)
        sound = Player([Stroke(time, recording, gains)], self.rate)
        channels = recording.audio.channels
        # What rings in before the excerpt begins belongs to it too.
        block = sound.play(-self.rate, self.rate + n_samples, channels)
        return (
            np.zeros((channels, n_samples), np.float32) if block is None else block[:, self.rate :]
        )

    def pan_of(self, recording: Recording) -> Float64s:
        """Return the factors of the channels: a mono sound goes where the old one is."""
        return self.pan if recording.is_mono else np.ones(len(self.pan))

    def match(self, i: int, old: Block) -> Match:
        """Compare hit `i`, an excerpt of the signal, with what is played there."""
        band_hz = MATCH_HZ.get(self.plan.drum_class, OTHER_PLACE_HZ)
        attack = round(BEFORE_S * self.rate)
        return match(old, self.alone(i, old.shape[1]), attack, self.rate, band_hz)

    def take_place_of(self, found: Sequence[Match]) -> None:
        """Lie where the same sound lies already."""
        self.plan.is_same_sound = True
        like = [one for one in found if one.likeness >= _ALIKE]
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
                if own.likeness >= _ALIKE:
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


# ---------------------------------------------------------------------------- placing


def _place(signal: Signal, drums: Sequence[_Drum]) -> None:
    """Find pan, tuning, shift and polarity of each drum from some of its hits."""
    n = round((BEFORE_S + AFTER_S) * signal.sample_rate)
    some: dict[int, list[int]] = {
        d: np.unique(
            np.linspace(0, len(drum.plan.hits) - 1, _PLACED_BY).round().astype(int)
        ).tolist()
        for d, drum in enumerate(drums)
    }
    old: dict[int, list[Block]] = {d: [] for d in some}
    for d, _, excerpt in _heard(signal, drums, some, n):
        old[d].append(excerpt)
    same: dict[int, Sequence[int]] = {}
    for d, drum in enumerate(drums):
        place_hz = PLACE_HZ.get(drum.plan.drum_class)
        spectra = CrossSpectra(signal.sample_rate, *(place_hz or OTHER_PLACE_HZ), n)
        drum.pan = _pan(spectra, old[d])
        found = [drum.match(i, excerpt) for i, excerpt in zip(some[d], old[d], strict=True)]
        usual, better = np.quantile([one.likeness for one in found], [0.5, 0.75])
        if better >= _SAME_SOUND and usual >= _ALIKE:
            drum.take_place_of(found)
            same[d] = range(len(drum.plan.hits))
        elif place_hz:
            _find_place(drum, some[d], old[d], spectra)
    for d, i, excerpt in _heard(signal, drums, same, n):
        drums[d].matches[i] = drums[d].match(i, excerpt)


def _heard(
    signal: Signal, drums: Sequence[_Drum], which: Mapping[int, Sequence[int]], n: int
) -> Iterator[tuple[int, int, Block]]:
    """Yield drum, hit and excerpt of the signal for some hits of each drum, in order of time."""
    wanted = sorted((drums[d].start(i), d, i) for d, some in which.items() for i in some)
    if not wanted:
        return
    for (_, d, i), excerpt in zip(
        wanted, excerpts(signal, [start for start, _, _ in wanted], n), strict=True
    ):
        yield d, i, excerpt


def _pan(spectra: CrossSpectra, old: Sequence[Block]) -> Float64s:
    """Return a factor for each channel, the root of whose mean square is one."""
    channels = len(old[0])
    power = np.zeros(channels)
    for excerpt in old:
        power += [float(np.sum(np.abs(spectra.band(row)) ** 2)) for row in excerpt]
    if channels == 1 or not power.all() or np.ptp(10 * np.log10(power)) <= _CENTRED_DB:
        return np.ones(channels)
    pan: Float64s = np.sqrt(power / power.mean())
    return pan


def _find_place(
    drum: _Drum, some: Sequence[int], old: Sequence[Block], spectra: CrossSpectra
) -> None:
    settings, plan = drum.settings, drum.plan
    heard = [spectra.band(o.mean(axis=0)) for o in old]
    tunings = [0.0] if settings.tune_st is None else [settings.tune_st]
    tries = settings.is_layer and settings.tune_st is None and plan.drum_class in TUNED
    if tries:
        tunings += [sign * st for st in range(1, MAX_TUNE_ST + 1) for sign in (1.0, -1.0)]
    voices = [drum.tuned(tune_st) for tune_st in tunings]

    def best_within(reach_s: float) -> tuple[Placement, Voice]:
        found = []
        for voice in voices:
            spectra.clear()
            _add_all(spectra, drum, some, heard, voice)
            found.append((spectra.placement(reach_s, _COST_DB_PER_MS), voice))
        return max(
            found,
            key=lambda one: min(one[0].gain_db, _ENOUGH_DB) - _COST_DB_PER_ST * abs(one[1].tune_st),
        )

    plan.placement, voice = best_within(FLAM_S)
    if settings.is_layer and plan.placement.gain_db < ADDS_UP_DB:
        farther, other = best_within(MAX_SHIFT_S)
        if farther.gain_db > plan.placement.gain_db + _PAYS_DB:
            plan.placement, voice = farther, other
    drum.use(voice)


def _add_all(
    spectra: CrossSpectra,
    drum: _Drum,
    some: Sequence[int],
    heard: Sequence[NDArray[np.complex128]],
    voice: Voice,
) -> None:
    """Take in all hits with the drum as it is tuned."""
    attack = round(BEFORE_S * drum.rate)
    known: dict[int, NDArray[np.complex128]] = {}
    for i, old in zip(some, heard, strict=True):
        recording = drum.recording(i, voice)
        gain = drum.gain(i, recording)
        if not gain:
            continue
        if id(recording) not in known:
            # Whole samples only: the rest is nothing to a low end.
            whole = Stroke(attack + recording.attack % 1, recording, (1.0,) * voice.channels)
            new = Player([whole], drum.rate).play(0, spectra.n_samples, voice.channels)
            if new is None:
                continue
            known[id(recording)] = spectra.band(new.mean(axis=0))
        spectra.add(old, gain * known[id(recording)])
