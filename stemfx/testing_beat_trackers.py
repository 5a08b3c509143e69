"""The laws of `stemfx.beat_tracker`, for the tests of a plugin that offers a beat tracker.

    from stemfx.testing_beat_trackers import check_beat_tracker

    def test_my_tracker_keeps_the_laws():
        check_beat_tracker(MyTracker())

How well it tracks is not asked. Broken laws raise `AssertionError` with the tracker and the law.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemfx.audio import Audio
from stemfx.beat_tracker import OWN_TRACKER, BeatTracker
from stemfx.errors import PluginError
from stemfx.music.tracked import ask

BPM = 120.0


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


def check_beat_tracker(tracker: BeatTracker) -> None:
    """Hold a beat tracker to its contract.

    It has a name, a summary and a licence; it answers with rising times inside the song, whatever
    the rate, the channels and the length, silence and noise too; it leaves its input alone; it
    answers the same twice.

    Raises:
        AssertionError: a law is broken.
    """
    name = tracker.name
    for what in ("name", "summary", "licence"):
        _require(bool(getattr(tracker, what, "")), f"{name!r} has no {what}")
    _require(name != OWN_TRACKER, f"{name!r} is stemfx's own")
    for sound, song in _songs():
        before = song.samples.copy()
        try:
            first, second = ask(tracker, song), ask(tracker, song)
        except PluginError as error:
            raise AssertionError(f"{error.message}, given {sound}") from error
        _require(np.array_equal(before, song.samples), f"{name!r} changed its input ({sound})")
        is_same = np.array_equal(first.beats_s, second.beats_s)
        is_same &= first.downbeats == second.downbeats
        _require(is_same, f"{name!r} answers differently the second time, given {sound}")


def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - reads like assert
    if not condition:
        raise AssertionError(message)
