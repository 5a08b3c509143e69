from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stemfx.audio import Audio
from stemfx.stage import Song, StageContext
from stemfx.stages.gap_expander import gap_expander
from stemfx.testing import apply, null_db, rms_dbfs

RATE = 44_100
SECONDS = 8
Wave = NDArray[np.float64]


def noise(seed: int, *, level: float = 0.1) -> Wave:
    return level * np.random.default_rng(seed).standard_normal((2, SECONDS * RATE))


def between(start_s: float, stop_s: float) -> Wave:
    """One from `start_s` to `stop_s`, zero elsewhere."""
    on = np.zeros(SECONDS * RATE)
    on[round(start_s * RATE) : round(stop_s * RATE)] = 1
    return on


def run(stem: Wave, band: Wave, **params: Any) -> tuple[Audio, Audio, StageContext]:
    """Expand the gaps of a stem in the mixture with a band: before, after, context."""
    before = Audio(stem.astype(np.float32), RATE)
    mixture = Audio((stem + band).astype(np.float32), RATE)
    is_generated = params.pop("is_generated", False)
    song = Song({}, "vocals", mixture)
    after, context = apply(gap_expander, before, song=song, is_generated=is_generated, **params)
    return before, after, context


def lowered_db(before: Audio, after: Audio, start_s: float, stop_s: float) -> float:
    return rms_dbfs(before, start_s, stop_s) - rms_dbfs(after, start_s, stop_s)


def sung_with_bleed(bleed_db: float = -26.0) -> tuple[Wave, Wave]:
    """Make a singer who pauses from 2 to 6 s, with bleed of the band, which plays throughout."""
    band = noise(1)
    singer = noise(2) * (between(0, 2) + between(6, SECONDS))
    return singer + 10 ** (bleed_db / 20) * band, band


@pytest.mark.parametrize("max_cut_db", [6.0, 12.0, 24.0])
def test_bleed_in_a_pause_goes_down_by_max_cut_db(max_cut_db: float) -> None:
    """Two dB for each dB under the threshold, or what max_cut_db allows.

    The mixture is the band and its bleed: the share of a 0.05 is 0.05 / 1.05, -26.4 dB.
    """
    stem, band = sung_with_bleed()
    before, after, context = run(stem, band, max_cut_db=max_cut_db)
    cut_db = lowered_db(before, after, 3.0, 5.5)
    assert cut_db == pytest.approx(min(max_cut_db, 2 * (26.44 - 18)), abs=0.1)
    assert lowered_db(before, after, 0.2, 1.8) == pytest.approx(0, abs=0.01)
    assert lowered_db(before, after, 6.2, 7.8) == pytest.approx(0, abs=0.01)
    if max_cut_db < 16:
        # With the way down: 3 time constants of 150 ms out of 4 s.
        assert context.measurements["gap_cut_db"] == pytest.approx(max_cut_db, abs=1.0)


def test_the_first_sound_after_a_pause_is_whole() -> None:
    stem, band = sung_with_bleed()
    before, after, _ = run(stem, band)
    assert lowered_db(before, after, 6.0, 6.05) == pytest.approx(0, abs=0.1)


def test_bleed_above_the_threshold_stays() -> None:
    stem, band = sung_with_bleed(bleed_db=-14.0)
    before, after, _ = run(stem, band)
    assert lowered_db(before, after, 3.0, 5.5) < 0.1


def test_soft_notes_in_a_quiet_passage_keep_their_level() -> None:
    """A ghost note 50 dB under the rest, where the band is 50 dB down too."""
    passage = between(3, 5)
    quiet = 1 - (1 - 10 ** (-50 / 20)) * passage
    ghost = 10 ** (-50 / 20) * noise(2) * between(3.5, 4.5)
    stem = noise(2) * (1 - passage) + ghost
    before, after, _ = run(stem, noise(1) * quiet)
    assert lowered_db(before, after, 3.5, 4.5) == pytest.approx(0, abs=0.05)


def test_a_stem_that_is_never_silent_comes_back_bit_for_bit() -> None:
    before, after, context = run(noise(2), noise(1))
    assert np.array_equal(before.samples, after.samples)
    assert context.measurements["mean_cut_db"] == 0


def test_a_track_that_plays_softly_throughout_is_not_taken_for_bleed() -> None:
    """A shaker 26 dB under the band: at most a hundredth of it goes, and the producer hears why."""
    before, after, context = run(noise(2, level=0.005), noise(1))
    assert null_db(before, after) <= -19.9
    codes = {finding.code for finding in context.findings}
    assert "gap_expander_mostly_closed" in codes
    assert codes & {"repair_eased", "repair_refused"}


def test_a_song_made_by_a_generator_is_cut_less_and_told_why() -> None:
    stem, band = sung_with_bleed()
    before, after, context = run(stem, band, is_generated=True)
    assert lowered_db(before, after, 3.0, 5.5) == pytest.approx(8, abs=0.3)
    assert "gentler_on_generated" in {finding.code for finding in context.findings}


def test_both_sides_are_cut_alike() -> None:
    stem, band = sung_with_bleed()
    stem[1] *= 0.5
    _, straight, _ = run(stem, band)
    _, swapped, _ = run(stem[::-1], band[::-1])
    assert null_db(straight, Audio(swapped.samples[::-1], RATE)) < -110
