"""Signals to test with, and how to compare them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from stemfx.audio import Audio, Block, Signal
from stemfx.hits import Hit
from stemfx.kits.synth import SynthKit
from stemfx.music_reading import MusicReading
from stemfx.stage import Song

RAGGED = (1, 7, 1000, 65_536, 333, 16)
"""Block lengths that `RaggedSignal` deals out: shorter, longer and odd to any inner framing."""


def require(condition: bool, message: str) -> None:  # noqa: FBT001 - reads like assert
    """Break a law unless a condition holds.

    Raises:
        AssertionError: with the message; also where Python runs without `assert` (`-O`).
    """
    if not condition:
        raise AssertionError(message)


def example_audio(duration_s: float = 1.0, sample_rate: int = 44_100, seed: int = 0) -> Audio:
    """Make a stereo signal with something for every stage to act on, peak -6 dBFS.

    A bass note left of the middle, a chord, hits with noisy tails, all of it swelling and
    decaying by 23 dB: left and right are alike and yet different, loud and yet quiet.
    """
    rng = np.random.default_rng(seed)
    n_samples = round(duration_s * sample_rate)
    t = np.arange(n_samples) / sample_rate
    hit = np.exp(-12.0 * (t % 0.33))
    noise = rng.standard_normal((2, n_samples)) * hit
    tones = [np.sin(2 * np.pi * hz * t + seed) for hz in (55.0, 220.0, 277.2, 3000.0)]
    left = tones[0] + 0.5 * tones[1] + 0.2 * tones[3] * hit + 0.3 * noise[0]
    right = 0.6 * tones[0] + 0.5 * tones[2] + 0.3 * noise[0] + 0.2 * noise[1]
    samples = np.stack((left, right)) * (0.07 + np.exp(-8.0 * (t % 0.5)))
    return Audio((0.5 / np.abs(samples).max() * samples).astype(np.float32), sample_rate)


def example_song(own: Signal) -> Song:
    """Make a song of which `own` is one stem; two others of its length are there beside it."""
    mine = own.read()
    stems = {"vocals": Audio(mine, own.sample_rate)}
    for seed, name in enumerate(("drums", "other"), start=11):
        made = example_audio(own.n_samples / own.sample_rate, own.sample_rate, seed).samples
        stems[name] = Audio(np.ascontiguousarray(made[: own.channels]), own.sample_rate)
    mixture = np.stack([stem.samples for stem in stems.values()]).sum(axis=0)
    return Song(stems, "vocals", Audio(mixture, own.sample_rate))


def example_reference(own: Signal) -> Audio:
    """Make a song to compare with: brighter, narrower and louder than `example_audio`, 2 s."""
    made = example_audio(2.0, own.sample_rate, 9).samples
    treble = np.diff(made, axis=1, prepend=np.float32(0))
    bright = 1.5 * made + 2.0 * treble
    return Audio((bright + 0.3 * bright[::-1]).astype(np.float32), own.sample_rate)


def example_hit(sample_rate: int) -> Audio:
    """Return a sound to play: a snare of the built-in kit, mono."""
    return SynthKit().sample("snare", 0.9, sample_rate)


def example_hits(signal: Signal) -> tuple[Hit, ...]:
    """Return a kick and a snare in turn, four a second, as long as the signal lasts."""
    duration_s = signal.n_samples / signal.sample_rate
    times = np.arange(0.05, duration_s, 0.25)
    return tuple(
        Hit(float(time_s), "kick" if i % 2 == 0 else "snare", 0.5 + 0.1 * (i % 5))
        for i, time_s in enumerate(times)
    )


def example_drums(duration_s: float = 2.0, sample_rate: int = 44_100, channels: int = 2) -> Audio:
    """Make a drum stem: `example_hits`, played by the built-in kit."""
    samples = np.zeros(round(duration_s * sample_rate), np.float32)
    kit = SynthKit()
    for hit in example_hits(Audio(samples[np.newaxis], sample_rate)):
        part = samples[round(hit.time_s * sample_rate) :]
        sound = kit.sample(hit.drum_class, hit.velocity, sample_rate).samples[0, : part.size]
        part[: sound.size] += sound
    return Audio(np.tile(samples, (channels, 1)), sample_rate)


def example_reading(signal: Signal) -> MusicReading:
    """Return what a song as long as the signal plays to: 120 beats a minute, in A minor."""
    duration_s = signal.n_samples / signal.sample_rate
    beats_s = tuple(float(t) for t in np.arange(0.0, duration_s, 0.5))
    return MusicReading(
        bpm=120.0,
        bpm_confidence=1.0,
        beats_s=beats_s,
        downbeats_s=beats_s[::4],
        key="A minor",
        key_confidence=1.0,
        key_runner_up="C major",
        tuning_cents=0.0,
        duration_s=duration_s,
    )


def tone(
    freq_hz: float,
    *,
    peak_dbfs: float = -6.0,
    duration_s: float = 1.0,
    sample_rate: int = 44_100,
    channels: int = 2,
) -> Audio:
    """Make a sine, the same on every channel."""
    t = np.arange(round(duration_s * sample_rate)) / sample_rate
    sine = 10.0 ** (peak_dbfs / 20.0) * np.sin(2.0 * np.pi * freq_hz * t)
    return Audio(np.tile(sine.astype(np.float32), (channels, 1)), sample_rate)


def rms_dbfs(signal: Signal, start_s: float = 0.0, stop_s: float | None = None) -> float:
    """Return the root mean square over all channels of a stretch, in dB re full scale.

    A steady sine reads 3.01 dB below its peak.
    """
    rate = signal.sample_rate
    stretch = signal.read(round(start_s * rate), None if stop_s is None else round(stop_s * rate))
    power = float(np.mean(np.square(stretch, dtype=np.float64)))
    return 10.0 * math.log10(power) if power else -math.inf


@dataclass(frozen=True)
class RaggedSignal:
    """A signal whose blocks have odd and changing lengths wherever a stage does not ask for one."""

    audio: Audio

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz."""
        return self.audio.sample_rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.audio.channels

    @property
    def n_samples(self) -> int:
        """Length in samples per channel."""
        return self.audio.n_samples

    def blocks(self, n_samples: int | None = None) -> Iterator[Block]:
        """Yield blocks of `n_samples`, or of the lengths in `RAGGED` when left open."""
        if n_samples is not None:
            yield from self.audio.blocks(n_samples)
            return
        start = 0
        for length in cycle(RAGGED):
            if start >= self.n_samples:
                return
            yield self.read(start, start + length)
            start += length

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop`."""
        return self.audio.read(start, stop)


def null_db(expected: Signal, actual: Signal) -> float:
    """Return the level of actual - expected relative to expected, in dB (-inf: equal bits)."""
    left, right = (s.read().astype(np.float64) for s in (expected, actual))
    require(left.shape == right.shape, f"shapes differ: {left.shape} and {right.shape}")
    error, reference = float(np.sum((right - left) ** 2)), float(np.sum(left**2))
    if error == 0:
        return -math.inf
    return 10.0 * math.log10(error / reference) if reference else math.inf
