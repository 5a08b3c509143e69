"""The do-no-harm gate, as a stage uses it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from stemfx.audio import Audio, Block
from stemfx.dsp.harm import Limits
from stemfx.stage import StageContext
from stemfx.stages._repair import repaired
from stemfx.testing import RaggedSignal, example_audio, null_db


def gated(audio, make_repair, limits=None, **more):
    context = StageContext()
    out = Audio.from_blocks(repaired(audio, make_repair, context, limits, **more), 44_100)
    return out, context


def times(audio: Audio, gain: float):
    """A repair of odd block lengths, unlike the signal's."""

    def make_repair() -> Iterator[Block]:
        for block in RaggedSignal(audio).blocks():
            yield np.float32(gain) * block

    return make_repair


def test_a_repair_that_costs_little_is_heard_as_it_is():
    audio = example_audio()
    out, context = gated(audio, times(audio, 0.95))
    assert np.array_equal(out.samples, np.float32(0.95) * audio.samples)
    assert context.measurements["wet"] == 1
    assert context.measurements["max_band_loss_db"] == pytest.approx(0.45, abs=0.01)
    assert not context.findings


def test_a_repair_that_costs_too_much_is_eased_to_its_limit():
    audio = example_audio()
    out, context = gated(audio, times(audio, 0.0), Limits(band_loss_db=3.0))
    # 20 log10(1 - w) = -3 at w = 0.292
    assert context.measurements["wet"] == 0.29
    assert null_db(Audio(0.71 * audio.samples, 44_100), out) < -130
    (finding,) = context.findings
    assert (finding.level, finding.code) == ("info", "repair_eased")
    assert "29% of the repair" in finding.message
    assert "(allowed: 3 dB)" in finding.message


def test_a_repair_that_may_not_change_anything_leaves_the_signals_bits():
    audio = example_audio()
    out, context = gated(audio, times(audio, 0.5), Limits(change_db=-100.0))
    assert np.array_equal(out.samples, audio.samples)
    assert context.measurements["wet"] == 0
    assert [(f.level, f.code) for f in context.findings] == [("warn", "repair_refused")]


def test_a_repair_that_changes_nothing_is_made_once():
    audio, calls = example_audio(), []

    def make_repair() -> Iterator[Block]:
        calls.append(1)
        return audio.blocks()

    out, context = gated(audio, make_repair)
    assert np.array_equal(out.samples, audio.samples)
    assert (len(calls), context.measurements["change_db"]) == (1, -200.0)


def test_what_is_mended_stands_beside_what_it_costs():
    audio = example_audio()
    _, context = gated(
        audio, times(audio, 0.0), Limits(band_loss_db=3.0), mends=lambda wet: {"mended_db": 9 * wet}
    )
    assert context.measurements["mended_db"] == pytest.approx(9 * 0.29)
