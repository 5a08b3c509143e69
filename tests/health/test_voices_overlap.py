from __future__ import annotations

import numpy as np
import pytest
import yaml

from stemfx.audio import Audio
from stemfx.health.voices_overlap import voices_overlap
from stemfx.stages.duck import duck
from stemfx.testing import apply

RATE = 8_000


def voice(*spans_s: tuple[float, float], level: float = 0.2, seconds: float = 20.0) -> Audio:
    t = np.arange(round(seconds * RATE)) / RATE
    on = np.zeros(t.size)
    for start, stop in spans_s:
        on[(t >= start) & (t < stop)] = 1
    return Audio((level * np.sin(2 * np.pi * 300 * t) * on)[np.newaxis].astype(np.float32), RATE)


def test_voices_in_turn_do_not_overlap() -> None:
    found = voices_overlap(voice((0, 8)), voice((8, 16)))
    assert (found.overlap_s, found.findings) == (0.0, ())


def test_an_overlap_is_told_by_time_and_by_bars() -> None:
    """4 to 6 s; with bars of 2 s from 0 on that is bar 3."""
    pair = voice((0, 6)), voice((4, 12), level=0.05)
    found = voices_overlap(*pair, names=("a", "b"))
    assert found.spans_s == (pytest.approx((4.0, 6.0), abs=0.11),)
    assert "0:04.0 to 0:06.0" in found.findings[0].message
    by_bars = voices_overlap(*pair, downbeats_s=np.arange(0.0, 20.0, 2.0).tolist())
    assert "bar 3" in by_bars.findings[0].message


def test_with_its_fix_one_voice_sings_at_a_time() -> None:
    """Also under the quiet lines of the other: 20 dB below its loud ones."""
    lines = voice((0, 5)).samples + voice((6, 12), level=0.02).samples
    one, other = Audio(lines, RATE), voice((0, 16))
    (fault,) = voices_overlap(one, other, names=("a", "b")).findings
    ((name, params),) = yaml.safe_load(str(fault.fix))[0].items()
    assert name == "duck"
    ducked, _ = apply(duck, other, **params, sidechains={"a": one})
    assert voices_overlap(one, ducked).findings == ()
    assert ducked.samples[:, 15 * RATE :] == pytest.approx(other.samples[:, 15 * RATE :], rel=0.01)


def test_rests_within_a_line_do_not_end_it() -> None:
    sung = voice(*((i * 0.8, i * 0.8 + 0.5) for i in range(10)))
    found = voices_overlap(sung, voice((2, 6)))
    assert found.overlap_s == pytest.approx(4.0, abs=0.3)
    assert len(found.spans_s) == 1


def test_bleed_and_short_entries_are_no_second_voice() -> None:
    quiet = Audio(
        voice((0, 10)).samples + 0.01 * voice((10, 20), level=1.0).samples, RATE
    )  # 26 dB and more under its own voice
    assert voices_overlap(quiet, voice((10.5, 20))).findings == ()
    assert voices_overlap(voice((0, 5)), voice((4.5, 9))).findings == ()


def test_silence_overlaps_with_nothing() -> None:
    assert voices_overlap(voice(), voice((0, 9))).findings == ()
    assert voices_overlap(voice((0, 9)), Audio(np.zeros((1, 0), np.float32), RATE)).findings == ()
