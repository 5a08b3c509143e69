from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemfx.audio import Audio
from stemfx.separator import EFFORTS, Effort, SeparationContext
from stemfx.separators.stream import Schedule, read_padded, schedules, stream

RATE = 8_000


def context(**effort: float) -> SeparationContext:
    return SeparationContext(effort=Effort(**effort))


def run(
    song: Audio,
    network: Callable[[np.ndarray], np.ndarray],
    length: int,
    *,
    overlap: float = 0.25,
    shifts: int = 0,
    start: int = 0,
    workers: int = 2,
) -> np.ndarray:
    def estimate(begin: int, n: int) -> np.ndarray:
        return network(read_padded(song, begin, n))

    passes = schedules(song.n_samples, length, overlap, RATE, context(shifts=shifts))
    return np.concatenate(
        list(stream(passes, estimate, song.n_samples, start=start, workers=workers)), axis=-1
    )


def two_gains(heard: np.ndarray) -> np.ndarray:
    return np.stack([0.75 * heard, 0.25 * heard])


def noise(n: int, seed: int = 0) -> Audio:
    return Audio(np.random.default_rng(seed).standard_normal((2, n)).astype(np.float32), RATE)


@given(
    n=st.integers(1, 9_000),
    length=st.integers(1, 3_000),
    overlap=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75]),
    lead=st.integers(0, 500),
    tail=st.integers(0, 500),
)
def test_segments_cover_the_song_evenly_and_overlap_enough(
    n: int, length: int, overlap: float, lead: int, tail: int
) -> None:
    schedule = Schedule.even(n, length, overlap, lead=lead, tail=tail)
    starts = np.array(schedule.starts)
    assert starts[0] == -lead
    assert starts[-1] + schedule.length == n + tail  # ends with the song
    steps = np.diff(starts)
    most = max(1, int((1 - overlap) * schedule.length))
    assert (steps <= most).all()
    assert steps.size == 0 or steps.max() - steps.min() <= 1
    # no schedule with longer steps has fewer segments
    assert len(starts) == 1 + max(0, -(-(n + lead + tail - schedule.length) // most))


@pytest.mark.parametrize("shifts", [0, 1, 3])
@pytest.mark.parametrize("n", [1, 999, 1_000, 1_001, 7_777])
def test_what_every_segment_gives_alike_comes_out_as_it_is(n: int, shifts: int) -> None:
    song = noise(n)
    joined = run(song, two_gains, 1_000, shifts=shifts)
    # weights are divided out again: float32 rounding of two products and a quotient
    expected = two_gains(song.samples)
    assert joined.shape == expected.shape
    assert np.abs(joined - expected).max() < 1e-6 * np.abs(expected).max()


def test_a_network_with_finite_context_joins_without_seam() -> None:
    """Joined equals one-shot below -60 dB: a triangle gives what lacks context little weight."""
    song = noise(40_000)
    taps = np.hanning(65)
    taps /= taps.sum()

    def smooth(heard: np.ndarray) -> np.ndarray:
        return np.stack([[np.convolve(side, taps, "same") for side in heard]]).astype(np.float32)

    joined = run(song, smooth, 4_000, overlap=0.5)
    error = joined - smooth(song.samples)
    # Wrong values reach 32 samples into a segment, where its weight is below 32/2000 (-36 dB);
    # over 40000 samples with 18 joins the sum of that is another 30 dB lower.
    assert 10 * np.log10((error**2).sum() / (joined**2).sum()) < -60


def test_a_level_that_differs_between_segments_never_steps() -> None:
    song = Audio(np.ones((2, 30_000), np.float32), RATE)
    calls = iter(range(100))

    def louder_each_time(heard: np.ndarray) -> np.ndarray:
        return (1 + next(calls)) * heard[np.newaxis]

    joined = run(song, louder_each_time, 2_000, workers=1)
    # neighbours differ by 1 and share at least 500 samples: the triangle's cross-fade over
    # them rises by less than 4/500 a sample
    assert np.abs(np.diff(joined)).max() < 4 / 500


@given(start=st.integers(0, 7_776), shifts=st.sampled_from([0, 2]))
def test_a_later_start_gives_the_same_bits(start: int, shifts: int) -> None:
    song = noise(7_777)

    def gains(heard: np.ndarray) -> np.ndarray:  # depends on where the segment lies
        return two_gains(heard * np.float32(heard[0, 0]))

    whole = run(song, gains, 1_000, shifts=shifts)
    rest = run(song, gains, 1_000, shifts=shifts, start=start)
    assert rest.tobytes() == np.ascontiguousarray(whole[..., start:]).tobytes()


def test_segments_before_the_start_are_not_computed() -> None:
    song, heard = noise(10_000), []
    run(song, lambda x: (heard.append(1), two_gains(x))[1], 1_000, start=9_500)
    assert len(heard) == 1  # of 13: the one that reaches sample 9500


def test_shifts_are_seeded_and_no_two_alike() -> None:
    one = schedules(90_000, 1_000, 0.25, RATE, context(shifts=4))
    again = schedules(90_000, 1_000, 0.25, RATE, context(shifts=4))
    assert one == again
    leads = [schedule.starts[0] for schedule in one]
    assert len(set(leads)) == 4
    assert all(-999 <= lead <= 0 for lead in leads)
    other = SeparationContext(effort=Effort(shifts=4), seed=1)
    assert schedules(90_000, 1_000, 0.25, RATE, other) != one


def test_passes_of_shifted_segments_are_averaged() -> None:
    song = Audio(np.ones((2, 5_000), np.float32), RATE)
    passes = schedules(5_000, 1_000, 0.25, RATE, context(shifts=2))
    values = {passes[0].starts: 1.0, passes[1].starts: 3.0}

    def estimate(begin: int, n: int) -> np.ndarray:
        which = next(v for starts, v in values.items() if begin in starts)
        return np.full((1, 2, n), which, np.float32)

    assert not set(passes[0].starts) & set(passes[1].starts)
    blocks = list(stream(passes, estimate, song.n_samples))
    assert np.allclose(np.concatenate(blocks, axis=-1), 2.0)


def test_each_quality_costs_more_than_the_one_before() -> None:
    def n_segments(effort: Effort) -> int:
        passes = schedules(44_100 * 180, 343_980, 0.25, 44_100, SeparationContext(effort=effort))
        return sum(len(schedule.starts) for schedule in passes)

    # of three minutes in segments of 7.8 s: the fewest that overlap enough
    assert [n_segments(EFFORTS[name]) for name in ("draft", "normal", "best")] == [26, 31, 92]
