from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio, Signal


def test_axes_are_never_guessed() -> None:
    with pytest.raises(ValueError, match="channels, n_samples"):
        Audio(np.zeros(100, np.float32), 44_100)
    with pytest.raises(ValueError, match="transposed"):
        Audio(np.zeros((44_100, 2), np.float32), 44_100)


def test_samples_cannot_be_changed_by_the_reader() -> None:
    audio = Audio(np.zeros((2, 10)), 44_100)
    assert audio.samples.dtype == np.float32
    for block in (audio.samples, audio.read(2, 5), *audio.blocks(3)):
        with pytest.raises(ValueError, match="read-only"):
            block[0, 0] = 1


def test_an_audio_is_a_signal_and_blocks_join_to_it(song: Audio) -> None:
    assert isinstance(song, Signal)
    joined = Audio.from_blocks(song.blocks(999), song.sample_rate)
    np.testing.assert_array_equal(joined.samples, song.samples)
