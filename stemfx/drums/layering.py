"""Lay one sound over hits or beats: when, how loud, and which way round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stemfx.audio import Audio, Signal
from stemfx.drums.loudness import Loudness
from stemfx.drums.low_end import PLACE_HZ, TUNED, find_place, some_of
from stemfx.drums.playing import Recording, Stroke, tuned
from stemfx.dsp.placing import AFTER_S, BEFORE_S, HitSpectra, Placement, excerpts
from stemfx.dsp.units import db_to_gain
from stemfx.hits import Hit
from stemfx.music_reading import MusicReading


@dataclass(frozen=True)
class Event:
    """One place for the sound.

    Args:
        time_s: of its attack.
        velocity: (0, 1].
        drum_class: that is struck there; empty for a beat.
    """

    time_s: float
    velocity: float
    drum_class: str = ""


@dataclass(frozen=True)
class Laid:
    """The sound on all hits of one drum.

    Args:
        drum_class: which drum; empty for beats.
        strokes: what is played.
        placement: how the low ends go together, if that was looked at.
        tune_st: how much higher the sound is played.
    """

    drum_class: str
    strokes: tuple[Stroke, ...]
    placement: Placement | None
    tune_st: float = 0.0


def hit_events(hits: Sequence[Hit], classes: Sequence[str], min_velocity: float) -> list[Event]:
    """Return the hits of some classes that are not too soft."""
    return [
        Event(hit.time_s, hit.velocity, hit.drum_class)
        for hit in hits
        if hit.drum_class in classes and hit.velocity >= min_velocity
    ]


def beat_events(reading: MusicReading, beats: Sequence[int], every_bars: int) -> list[Event]:
    """Return some beats of every bar, or of every so many bars, as far as the song goes on.

    Args:
        reading: of the song; has beats.
        beats: counted from 1 in the bar; none are all.
        every_bars: 1 is each; 4 is the first, fifth, ninth.
    """
    from stemfx.music.bars import song_grid

    grid = song_grid(reading, reading.duration_s)
    first = grid.bar_phase % grid.beats_a_bar
    events = []
    for k, time_s in enumerate(grid.beats_s.tolist()):
        bar, place = divmod(k - first, grid.beats_a_bar)
        wanted = (not beats or place + 1 in beats) and bar % every_bars == 0
        if wanted and time_s < reading.duration_s and (bar >= 0 or every_bars == 1):
            events.append(Event(time_s, 1.0))
    return events


def attack_and_body(audio: Audio, attack: float, split_s: float) -> tuple[Audio, Audio]:
    """Split a sound at `split_s` after its attack by a cross-fade of a third of that, centred.

    Both parts add up to the sound.
    """
    rate = audio.sample_rate
    split, fade = attack + split_s * rate, max(1.0, split_s / 3 * rate)
    u = np.clip((np.arange(audio.n_samples) - split) / fade + 0.5, 0.0, 1.0)
    body = (audio.samples * (np.sin(np.pi / 2 * u) ** 2)).astype(np.float32)
    return Audio(audio.samples - body, rate), Audio(body, rate)


def laid(
    signal: Signal,
    events: Sequence[Event],
    sound: Audio,
    attack: float,
    *,
    gain_db: float,
    dynamics: float,
    offset_s: float,
    tune_st: float | None,
    is_aligned: bool,
) -> list[Laid]:
    """Lay the sound over events of the signal, class by class.

    Args:
        signal: what it is laid on.
        events: where.
        sound: what, at the signal's rate and with its channels.
        attack: where the whole of it begins, in samples.
        gain_db: of the sound.
        dynamics: 1 is as soft as the velocity says, 0 all at one level.
        offset_s: later than the event.
        tune_st: how much higher it is played; None tunes a kick as far as it has to be.
        is_aligned: turn, shift and tune it so that the low ends add up.
    """
    if not events or not sound.n_samples or not sound.samples.any():
        return []
    rate, gain = signal.sample_rate, db_to_gain(gain_db)
    original = Recording(sound, attack, Loudness(0.0, 0.0), is_mono=False)
    found = []
    for drum_class in dict.fromkeys(event.drum_class for event in events):
        mine = [event for event in events if event.drum_class == drum_class]
        gains = [gain * event.velocity**dynamics for event in mine]
        place, tuned_st = None, tune_st or 0.0
        if is_aligned and drum_class in PLACE_HZ:
            place, tuned_st = _place(signal, mine, gains, original, tune_st)
        one = _tuned(original, tuned_st)
        shift_s = offset_s + (place.shift_s if place else 0.0)
        polarity = place.polarity if place else 1
        strokes = tuple(
            Stroke((event.time_s + shift_s) * rate, one, (polarity * g,) * sound.channels)
            for event, g in zip(mine, gains, strict=True)
        )
        found.append(Laid(drum_class, strokes, place, tuned_st))
    return found


def _tuned(one: Recording, tune_st: float) -> Recording:
    if not tune_st:
        return one
    attack = one.attack / 2.0 ** (tune_st / 12.0)
    return replace(one, audio=tuned(one.audio, tune_st), attack=attack)


def _place(
    signal: Signal,
    events: Sequence[Event],
    gains: Sequence[float],
    original: Recording,
    tune_st: float | None,
) -> tuple[Placement, float]:
    rate, drum_class = signal.sample_rate, events[0].drum_class
    some = some_of(len(events))
    spectra = HitSpectra(rate, *PLACE_HZ[drum_class], round((BEFORE_S + AFTER_S) * rate))
    starts = [round((events[i].time_s - BEFORE_S) * rate) for i in some]

    def played_at(tune_st: float) -> list[tuple[Recording, float]]:
        one = _tuned(original, tune_st)
        return [(one, gains[i]) for i in some]

    return find_place(
        spectra,
        (spectra.band(old.mean(axis=0)) for old in excerpts(signal, starts, spectra.n_samples)),
        played_at,
        tune_st or 0.0,
        is_tuned=tune_st is None and drum_class in TUNED,
        may_be_late=True,
    )
