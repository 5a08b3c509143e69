"""The laws of `stemfx.beat_tracker`: it answers with times in the song, whatever it hears.

How well it tracks is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from stemfx.audio import Audio
from stemfx.beat_tracker import OWN_TRACKER, BeatTracker
from stemfx.errors import PluginError
from stemfx.music.tracked import Tracked, ask
from stemfx.testing.signals import require

BPM = 120.0
"""Of `example_beat`."""


def example_beat(duration_s: float = 12.0, sample_rate: int = 44_100, channels: int = 2) -> Audio:
    """Return clicks at `BPM`, every fourth one louder and lower."""
    samples = np.zeros(round(duration_s * sample_rate))
    t = np.arange(round(0.08 * sample_rate)) / sample_rate
    for beat in range(int(duration_s * BPM / 60)):
        strength, hz = (0.8, 400) if beat % 4 == 0 else (0.4, 1_200)
        click = strength * np.exp(-t / 0.015) * np.sin(2 * np.pi * hz * t)
        start = round(beat * 60 / BPM * sample_rate)
        part = samples[start : start + t.size]
        part += click[: part.size]
    return Audio(np.tile(samples.astype(np.float32), (channels, 1)), sample_rate)


@dataclass(frozen=True)
class Case:
    """A beat tracker to hold to the laws."""

    tracker: BeatTracker

    def require(self, condition: bool, broken: str) -> None:  # noqa: FBT001 - reads like assert
        """Blame the tracker unless a condition holds."""
        require(condition, f"the beat tracker {self.tracker.name!r} {broken}")

    def ask(self, song: Audio, sound: str) -> Tracked:
        """Return what it hears in a song, as a run asks it."""
        try:
            return ask(self.tracker, song)
        except PluginError as error:
            raise AssertionError(f"{error.message}, given {sound}") from error


Law = Callable[[Case], str | None]
"""Raises AssertionError when broken; returns the reason when it does not apply."""


def describes_itself(case: Case) -> str | None:
    """Have a name of its own, a summary, a licence and a version."""
    for what, kind in (("name", str), ("summary", str), ("licence", str), ("version", int)):
        value = getattr(case.tracker, what, None)
        require(isinstance(value, kind) and bool(value), f"{case.tracker!r} has no {what}")
    case.require(case.tracker.name != OWN_TRACKER, "has the name of stemfx's own")
    return None


def answers_with_times_of_the_song(case: Case) -> str | None:
    """Answer with rising times inside the song, at any rate and length, silence and noise too."""
    for sound, song in _songs():
        case.ask(song, sound)
    return None


def leaves_its_input_alone(case: Case) -> str | None:
    """Change nothing of what it hears."""
    samples = np.array(example_beat(6.0).samples)
    before = samples.copy()
    case.ask(Audio(samples, 44_100), "a click")
    case.require(np.array_equal(samples, before), "changed its input")
    return None


def repeats_itself(case: Case) -> str | None:
    """Answer the same twice."""
    song = example_beat(6.0)
    first, second = case.ask(song, "a click"), case.ask(song, "a click")
    is_same = np.array_equal(first.beats_s, second.beats_s) and first.downbeats == second.downbeats
    case.require(is_same, "answers differently the second time")
    return None


LAWS: tuple[Law, ...] = (
    describes_itself,
    answers_with_times_of_the_song,
    leaves_its_input_alone,
    repeats_itself,
)
"""Every law, for `pytest.mark.parametrize`."""


def check_beat_tracker(tracker: BeatTracker) -> dict[str, str]:
    """Hold a beat tracker to every law.

    Returns:
        each law's name with "held", or the reason why it does not apply.

    Raises:
        AssertionError: a law is broken.
    """
    case = Case(tracker)
    return {law.__name__: law(case) or "held" for law in LAWS}


def _songs() -> Iterator[tuple[str, Audio]]:
    yield "a click", example_beat()
    yield "a click in mono", example_beat(channels=1)
    for rate in (22_050, 48_000, 96_000):
        yield f"a click at {rate} Hz", example_beat(6.0, rate)
    for seconds in (0.02, 0.5, 3.0):
        yield f"{seconds:g} s of a click", example_beat(seconds)
    yield "silence", Audio(np.zeros((2, 5 * 44_100), np.float32), 44_100)
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 5 * 44_100))
    yield "noise", Audio(noise.astype(np.float32), 44_100)
