"""`trim`."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from stemfx.audio import BLOCK_SAMPLES
from stemfx.errors import StageError
from stemfx.stages.trim import trim
from stemfx.testing import apply, example_audio

AUDIO = example_audio(4.0)


@pytest.mark.parametrize(
    ("start_s", "end_s", "start", "stop"),
    [(0.5, 3.5, 22_050, 154_350), (0, 1, 0, 44_100), (3.0, None, 132_300, 176_400)],
)
def test_exactly_the_samples_between_the_times_are_kept(start_s, end_s, start, stop):
    out, context = apply(trim, AUDIO, start_s=start_s, end_s=end_s)
    assert np.array_equal(out.samples, AUDIO.samples[:, start:stop])
    assert context.measurements == {
        "cut_start_s": start / 44_100,
        "cut_end_s": (AUDIO.n_samples - stop) / 44_100,
    }


def test_a_long_piece_comes_in_blocks():
    blocks = list(trim.process(AUDIO, trim.params(start_s=0.1), apply(trim, AUDIO)[1]))
    assert len(blocks) > 1
    assert all(block.shape[1] <= BLOCK_SAMPLES for block in blocks)


def test_an_end_after_the_end_keeps_all_there_is():
    assert apply(trim, AUDIO, end_s=100.0)[0].n_samples == AUDIO.n_samples


def test_a_start_after_the_end_is_refused_with_the_length():
    with pytest.raises(StageError, match=r"start_s: .*10 s.*; the track is 4 s long"):
        apply(trim, AUDIO, start_s=10.0)


@pytest.mark.parametrize(
    "bad", [{"start_s": 2.0, "end_s": 1.0}, {"start_s": -1.0}, {"end_s": -1.0}]
)
def test_times_out_of_order_or_before_the_start_are_errors(bad):
    with pytest.raises(ValidationError):
        apply(trim, AUDIO, **bad)


def test_times_may_be_written_as_a_clock():
    params = trim.params.model_validate({"start_s": "0:01", "end_s": "1:02:03.5"})
    assert (params.start_s, params.end_s) == (1.0, 3723.5)
