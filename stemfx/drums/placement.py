"""Lay a kit's drums over the hits of a drum stem: where, which way round, at which pitch.

The stem is heard twice at most, and a few seconds of it are held, however long it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.drums.loudness import DRUM_BANDS
from stemfx.drums.overlay import METAL_HZ, DrumPlan, Overlay, Settings, Stem
from stemfx.drums.playing import Player, Stroke, Voice
from stemfx.dsp.hit_ducking import learn_drum
from stemfx.dsp.placing import AFTER_S, BEFORE_S, CrossSpectra, Placement, excerpts
from stemfx.dsp.units import Float64s
from stemfx.hits import Hit
from stemfx.kit import Kit

PLACE_HZ = {"kick": (40.0, 160.0), "tom": (60.0, 250.0), "snare": (150.0, 400.0)}
"""Where the body of a drum lies: two of them are laid over each other so that these add up."""

FLAM_S = 0.001
"""Attacks that are closer are one: a shift stays below, if the low ends add up there."""

MAX_SHIFT_S = 0.003
TUNED = ("kick",)
MAX_TUNE_ST = 3
FAR_TUNE_ST = 7  # where nothing nearer adds up, such as a 41 Hz kick under a 60 Hz one
ADDS_UP_DB = 0.5
"""Over the power sum: from here on two low ends are stronger together than by chance."""

_ENOUGH_DB = 1.2  # what goes beyond is worth no tuning
_PAYS_DB = 0.3  # a shift that is nearly heard as a flam has to gain this much
_COST_DB_PER_ST = 0.08
_COST_DB_PER_MS = 0.1
_PLACED_BY = 40  # hits of a drum, evenly over the song, that tell its shift and polarity
_SAME_SOUND = 0.6  # likeness of hits that nothing else drowns: different drums stay below 0.45
_CLEAR_SHARE = 0.05  # of the hits are such, at least
_CENTRED_DB = 0.5  # between the channels: no more than this is the middle


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
        drums.append(Overlay(DrumPlan(drum_class, mine, frames, heard), stem, kit, settings))
    _place(stem.signal, drums)
    for drum in drums:
        drum.play()
    return [drum.plan for drum in drums]


def _place(signal: Signal, drums: Sequence[Overlay]) -> None:
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
        spectra = CrossSpectra(signal.sample_rate, *(place_hz or METAL_HZ), n)
        drum.pan = _pan(spectra, old[d])
        found = [drum.match(i, excerpt) for i, excerpt in zip(some[d], old[d], strict=True)]
        clear = np.quantile([one.likeness for one in found], 1.0 - _CLEAR_SHARE)
        if clear >= _SAME_SOUND:
            drum.take_place_of(found)
            same[d] = range(len(drum.plan.hits))
        elif place_hz:
            _find_place(drum, some[d], old[d], spectra)
    for d, i, excerpt in _heard(signal, drums, same, n):
        drums[d].matches[i] = drums[d].match(i, excerpt)


def _heard(
    signal: Signal, drums: Sequence[Overlay], which: Mapping[int, Sequence[int]], n: int
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
    drum: Overlay, some: Sequence[int], old: Sequence[Block], spectra: CrossSpectra
) -> None:
    settings, plan = drum.settings, drum.plan
    heard = [spectra.band(o.mean(axis=0)) for o in old]
    voices = [drum.tuned(settings.tune_st or 0.0)]
    tries = settings.is_layer and settings.tune_st is None and plan.drum_class in TUNED

    def tune(semitones: range) -> None:
        voices.extend(drum.tuned(sign * st) for st in semitones for sign in (1.0, -1.0))

    def best_within(reach_s: float) -> tuple[Placement, Voice]:
        found = []
        for voice in voices:
            spectra.clear()
            _add_all(spectra, drum, some, heard, voice)
            found.append((spectra.placement(reach_s, _COST_DB_PER_MS), voice))
        return max(
            found,
            key=lambda one: (
                one[0].gain_db >= ADDS_UP_DB,
                min(one[0].gain_db, _ENOUGH_DB) - _COST_DB_PER_ST * abs(one[1].tune_st),
            ),
        )

    if tries:
        tune(range(1, MAX_TUNE_ST + 1))
    plan.placement, voice = best_within(FLAM_S)
    if tries and plan.placement.gain_db < ADDS_UP_DB:
        tune(range(MAX_TUNE_ST + 1, FAR_TUNE_ST + 1))
        plan.placement, voice = best_within(FLAM_S)
    if settings.is_layer and plan.placement.gain_db < ADDS_UP_DB:
        farther, other = best_within(MAX_SHIFT_S)
        if farther.gain_db > plan.placement.gain_db + _PAYS_DB:
            plan.placement, voice = farther, other
    drum.use(voice)


def _add_all(
    spectra: CrossSpectra,
    drum: Overlay,
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
