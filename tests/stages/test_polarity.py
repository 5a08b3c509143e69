"""`polarity`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.errors import StageError
from stemfx.stages.polarity import polarity
from stemfx.testing import apply, example_audio


@pytest.mark.parametrize(
    ("channels", "signs"), [("both", [-1, -1]), ("left", [-1, 1]), ("right", [1, -1])]
)
def test_only_the_named_channels_are_inverted(channels, signs):
    audio = example_audio()
    out, _ = apply(polarity, audio, channels=channels)
    assert np.array_equal(out.samples, np.array(signs)[:, None] * audio.samples)


def test_a_track_and_its_inversion_sum_to_silence():
    audio = example_audio()
    assert not (apply(polarity, audio)[0].samples + audio.samples).any()


def test_one_channel_of_a_mono_track_is_refused():
    mono = Audio(np.ones((1, 10), np.float32), 44_100)
    with pytest.raises(StageError, match="channels: 'left' needs a stereo signal"):
        apply(polarity, mono, channels="left")
