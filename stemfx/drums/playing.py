"""Play a kit's drums on a list of strokes: velocities, takes, fractions of a sample, chokes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from stemfx.audio import Audio, Block
from stemfx.drums.loudness import DRUM_BANDS, LOUDNESS_S, Loudness
from stemfx.dsp.band_split import BandSplit
from stemfx.dsp.onsets import attack_s
from stemfx.dsp.resample import resample_blocks
from stemfx.dsp.shift import Shifted
from stemfx.kit import Kit

VELOCITY_STEPS = 127
"""A kit is asked for the velocities of MIDI only, so that equal hits share a recording."""

CHOKE_MS = 5.0
_EARLY_S = 0.05
_RISEN = 0.1  # of the early peak
_LEAD_S = 0.07  # silence before a recording, for the attack's refinement to look at


@dataclass(frozen=True, eq=False)
class Recording:
    """One sound of a kit, ready for a track.

    Args:
        audio: with as many channels as the track, or one that all of them share.
        attack: where it begins, in samples from the start of `audio`.
        loudness: how loud it is.
        is_mono: the kit has it on one channel.
    """

    audio: Audio
    attack: float
    loudness: Loudness
    is_mono: bool


@dataclass
class Voice:
    """One drum of a kit, for one track.

    Args:
        kit: that it is from.
        drum_class: which drum.
        variant: which of the kit's drums of that class; None is the first.
        split: of the track's rate.
        channels: of the track.
        tune_st: how much higher it is played, in semitones.
    """

    kit: Kit
    drum_class: str
    variant: str | None
    split: BandSplit
    channels: int
    tune_st: float = 0.0
    _known: dict[tuple[int, int], Recording] = field(default_factory=dict)

    def take_for(self, velocity: float, before: int | None, dice: np.random.Generator) -> int:
        """Return which take to play: any but the one before."""
        n = self.kit.n_takes(self.drum_class, _step(velocity) / VELOCITY_STEPS, self.variant)
        if n < 2:
            return 0
        if before is None or before >= n:
            return int(dice.integers(n))
        return (before + 1 + int(dice.integers(n - 1))) % n

    def tuned(self, tune_st: float) -> Voice:
        """Return the same drum, played so much higher."""
        if tune_st == self.tune_st:
            return self
        return Voice(self.kit, self.drum_class, self.variant, self.split, self.channels, tune_st)

    def recording(self, velocity: float, take: int) -> Recording:
        """Return the recording that is played for a velocity."""
        key = (_step(velocity), take)
        if key not in self._known:
            self._known[key] = self._made(*key)
        return self._known[key]

    def _made(self, step: int, take: int) -> Recording:
        rate = self.split.sample_rate
        audio = self.kit.sample(
            self.drum_class, step / VELOCITY_STEPS, rate, variant=self.variant, take=take
        )
        is_mono = audio.channels == 1
        if audio.channels != self.channels:
            audio = Audio(audio.samples.mean(axis=0, keepdims=True), rate)
        if self.tune_st:
            audio = tuned(audio, self.tune_st)
        attack = sound_attack(audio)
        heard = audio.read(round(attack), round(attack + LOUDNESS_S * rate))
        heard = np.broadcast_to(heard, (self.channels, heard.shape[1]))
        powers = self.split.powers([heard] if heard.shape[1] else [], self.channels)
        known_by = DRUM_BANDS[self.drum_class].known_by
        loudness = Loudness.of(powers, known_by, self.split.frame / rate)
        return Recording(audio, attack, loudness, is_mono)


def _step(velocity: float) -> int:
    return max(1, round(velocity * VELOCITY_STEPS))


def tuned(audio: Audio, tune_st: float) -> Audio:
    """Return a sound, played faster: so many semitones higher, and as much shorter."""
    ratio = 2.0 ** (tune_st / 12.0)
    n_out = math.ceil(audio.n_samples / ratio)
    rate = audio.sample_rate
    blocks = resample_blocks(audio.blocks(), rate * ratio, rate, audio.channels, n_out)
    return Audio.from_blocks(blocks, rate, audio.channels)


def sound_attack(audio: Audio) -> float:
    """Return where a one-shot begins, in samples from its start."""
    rate = audio.sample_rate
    envelope = np.abs(audio.samples).max(axis=0)
    if not envelope.any():
        return 0.0
    begins = int(np.argmax(envelope >= _RISEN * envelope.max()))
    early = envelope[: begins + round(_EARLY_S * rate)]
    risen = int(np.argmax(early >= _RISEN * early.max()))
    lead = round(_LEAD_S * rate)
    padded = np.pad(audio.samples, ((0, 0), (lead, 0)))
    return min(risen, max(0.0, attack_s(padded, rate, (lead + risen) / rate) * rate - lead))


@dataclass(frozen=True)
class Stroke:
    """One recording, played once.

    Args:
        time: where its attack lands, in samples of the track; fractions count.
        recording: what is played.
        gains: of each channel, factors; negative inverts.
        stop: sample from which it is faded out within 5 ms; None lets it ring.
    """

    time: float
    recording: Recording
    gains: tuple[float, ...]
    stop: int | None = None


class Player:
    """Add strokes to a stream, block after block; the block size changes no bit.

    Args:
        strokes: in any order.
        sample_rate: in Hz.
    """

    def __init__(self, strokes: Sequence[Stroke], sample_rate: int) -> None:
        self._waiting = sorted(strokes, key=lambda stroke: _start(stroke)[0])
        self._next = 0
        self._ringing: list[tuple[int, Block]] = []
        self._fade = max(1, round(CHOKE_MS / 1000 * sample_rate))

    def play(self, start: int, n_samples: int, channels: int) -> Block | None:
        """Return what sounds from `start` on, `(channels, n_samples)`; None is silence."""
        stop = start + n_samples
        while self._next < len(self._waiting) and _start(self._waiting[self._next])[0] < stop:
            self._ringing.append(self._sound(self._waiting[self._next]))
            self._next += 1
        if not self._ringing:
            return None
        block = np.zeros((channels, n_samples), np.float32)
        for begin, sound in self._ringing:
            first, last = max(begin, start), min(begin + sound.shape[1], stop)
            if last > first:
                block[:, first - start : last - start] += sound[:, first - begin : last - begin]
        self._ringing = [
            (begin, sound) for begin, sound in self._ringing if begin + sound.shape[1] > stop
        ]
        return block

    def _sound(self, stroke: Stroke) -> tuple[int, Block]:
        start, fraction = _start(stroke)
        audio = stroke.recording.audio
        length = audio.n_samples + 2 * _MARGIN
        if stroke.stop is not None:
            length = min(length, max(0, stroke.stop + self._fade - start))
        moved = Shifted(audio, _MARGIN + fraction, length=length).read()
        sound: Block = moved * np.array(stroke.gains, np.float32)[:, np.newaxis]
        if stroke.stop is not None:
            left = (stroke.stop + self._fade - 1 - start - np.arange(length)) / self._fade
            sound *= np.clip(left, 0.0, 1.0).astype(np.float32)
        return start, sound


_MARGIN = 64  # samples that a windowed sinc rings before and after


def _start(stroke: Stroke) -> tuple[int, float]:
    """Return the sample in which a stroke's sound begins, and the fraction it is delayed by."""
    exact = stroke.time - stroke.recording.attack - _MARGIN
    start = round(exact)
    return start, exact - start


def choke_stops(
    times: Mapping[str, Sequence[int]], groups: Mapping[str, str | None], drum_class: str
) -> list[int | None]:
    """Return where each stroke of a drum is choked: at the next hit of its group, if it has one.

    Args:
        times: sample of every hit, by class, rising.
        groups: the choke group of each class, if it has one.
        drum_class: whose strokes are meant. Its own next hit chokes it too.
    """
    group = groups.get(drum_class)
    if group is None:
        return [None] * len(times[drum_class])
    every = np.sort(
        np.concatenate([np.asarray(times[c], np.int64) for c in times if groups.get(c) == group])
    )
    after = np.searchsorted(every, np.asarray(times[drum_class]), side="right")
    return [int(every[i]) if i < every.size else None for i in after]
