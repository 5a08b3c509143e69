"""Lay one sound over hits or beats: when, how loud, and which way round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stemfx.audio import Audio, Signal
from stemfx.drums.loudness import Loudness
from stemfx.drums.placement import ADDS_UP_DB, FAR_TUNE_ST, FLAM_S, MAX_SHIFT_S, PLACE_HZ, TUNED
from stemfx.drums.playing import Player, Recording, Stroke
from stemfx.dsp.placing import AFTER_S, BEFORE_S, CrossSpectra, Placement, excerpts
from stemfx.dsp.resample import resample_blocks
from stemfx.dsp.units import db_to_gain
from stemfx.hits import Hit
from stemfx.music_reading import MusicReading

_PLACED_BY = 40  # hits, evenly over the song, that tell shift and polarity
_COST_DB_PER_MS = 0.1
_COST_DB_PER_ST = 0.1


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
    found = []
    for drum_class in dict.fromkeys(event.drum_class for event in events):
        mine = [event for event in events if event.drum_class == drum_class]
        gains = [gain * event.velocity**dynamics for event in mine]
        tuned_st, placement = tune_st or 0.0, None
        if is_aligned and drum_class in PLACE_HZ:
            tunings = [tuned_st]
            if tune_st is None and drum_class in TUNED:
                tunings += [s * st for st in range(1, FAR_TUNE_ST + 1) for s in (1.0, -1.0)]
            sounds = {st: _tuned(sound, attack, st) for st in tunings}
            placement, tuned_st = _placement(signal, mine, gains, sounds, PLACE_HZ[drum_class])
        one = _tuned(sound, attack, tuned_st)
        shift_s = offset_s + (placement.shift_s if placement else 0.0)
        polarity = placement.polarity if placement else 1
        strokes = tuple(
            Stroke((event.time_s + shift_s) * rate, one, (polarity * g,) * sound.channels)
            for event, g in zip(mine, gains, strict=True)
        )
        found.append(Laid(drum_class, strokes, placement, tuned_st))
    return found


def _tuned(sound: Audio, attack: float, tune_st: float) -> Recording:
    ratio, rate = 2.0 ** (tune_st / 12.0), sound.sample_rate
    if tune_st:
        n_out = max(1, round(sound.n_samples / ratio))
        blocks = resample_blocks(sound.blocks(), ratio, 1.0, sound.channels, n_out)
        sound = Audio.from_blocks(blocks, rate, sound.channels)
    return Recording(sound, attack / ratio, Loudness(0.0, 0.0), is_mono=False)


def _placement(
    signal: Signal,
    events: Sequence[Event],
    gains: Sequence[float],
    sounds: Mapping[float, Recording],
    band_hz: tuple[float, float],
) -> tuple[Placement, float]:
    """Return the shift, polarity and tuning with which the low ends of sound and hits add up.

    Args:
        signal: with the hits.
        events: the hits.
        gains: of the sound, for each.
        sounds: by how far they are tuned; the first is preferred.
        band_hz: of the low end.
    """
    rate, channels = signal.sample_rate, signal.channels
    n = round((BEFORE_S + AFTER_S) * rate)
    all_spectra = {st: CrossSpectra(rate, *band_hz, n) for st in sounds}
    new = {}
    for st, one in sounds.items():
        stroke = Stroke(round(BEFORE_S * rate) + one.attack % 1, one, (1.0,) * channels)
        played = Player([stroke], rate).play(0, n, channels)
        new[st] = all_spectra[st].band(np.zeros(n) if played is None else played.mean(axis=0))
    some = np.unique(np.linspace(0, len(events) - 1, _PLACED_BY).round().astype(int))
    starts = [round((events[i].time_s - BEFORE_S) * rate) for i in some]
    for i, old in zip(some, excerpts(signal, starts, n), strict=True):
        for st, spectra in all_spectra.items():
            spectra.add(spectra.band(old.mean(axis=0)), gains[i] * new[st])
    best, best_worth = (Placement(), 0.0), (False, -np.inf)
    for reach_s in (FLAM_S, MAX_SHIFT_S):
        for st, spectra in all_spectra.items():
            placement = spectra.placement(reach_s, _COST_DB_PER_MS)
            # Enough is enough: what adds up is not tuned any further.
            worth = (
                placement.gain_db >= ADDS_UP_DB,
                min(placement.gain_db, 1.5 * ADDS_UP_DB) - _COST_DB_PER_ST * abs(st),
            )
            if worth > best_worth:
                best, best_worth = (placement, st), worth
        if best[0].gain_db >= ADDS_UP_DB:
            break
    return best
