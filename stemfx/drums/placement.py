"""Lay a kit's drums over the hits of a drum stem: where, which way round, at which pitch.

The stem is heard twice at most, and a few seconds of it are held, however long it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.drums.loudness import DRUM_BANDS
from stemfx.drums.low_end import PLACE_HZ, find_place, some_of
from stemfx.drums.overlay import METAL_HZ, DrumPlan, Overlay, Settings, Stem
from stemfx.dsp.hit_ducking import learn_drum
from stemfx.dsp.placing import AFTER_S, BEFORE_S, HitSpectra, excerpts
from stemfx.dsp.units import Float64s
from stemfx.hits import Hit
from stemfx.kit import Kit

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
    some = {d: some_of(len(drum.plan.hits)) for d, drum in enumerate(drums)}
    old: dict[int, list[Block]] = {d: [] for d in some}
    for d, _, excerpt in _heard(signal, drums, some, n):
        old[d].append(excerpt)
    same: dict[int, Sequence[int]] = {}
    for d, drum in enumerate(drums):
        place_hz = PLACE_HZ.get(drum.plan.drum_class)
        spectra = HitSpectra(signal.sample_rate, *(place_hz or METAL_HZ), n)
        drum.pan = _pan(spectra, old[d])
        found = [drum.match(i, excerpt) for i, excerpt in zip(some[d], old[d], strict=True)]
        clear = np.quantile([one.likeness for one in found], 1.0 - _CLEAR_SHARE)
        if clear >= _SAME_SOUND:
            drum.take_place_of(found)
            same[d] = range(len(drum.plan.hits))
        elif place_hz:
            heard = (spectra.band(excerpt.mean(axis=0)) for excerpt in old[d])
            drum.plan.placement, tune_st = find_place(
                spectra,
                heard,
                partial(drum.played_at, some[d]),
                tune_st=drum.settings.tune_st or 0.0,
                is_tuned=drum.is_tuned,
                may_be_late=drum.settings.is_layer,
            )
            drum.use(tune_st)
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


def _pan(spectra: HitSpectra, old: Sequence[Block]) -> Float64s:
    """Return a factor for each channel, the root of whose mean square is one."""
    channels = len(old[0])
    power = np.zeros(channels)
    for excerpt in old:
        power += [float(np.sum(np.abs(spectra.band(row)) ** 2)) for row in excerpt]
    if channels == 1 or not power.all() or np.ptp(10 * np.log10(power)) <= _CENTRED_DB:
        return np.ones(channels)
    pan: Float64s = np.sqrt(power / power.mean())
    return pan
