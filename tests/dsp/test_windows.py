import numpy as np
import pytest

from stemfx.dsp.windows import read_windows
from stemfx.testing import RaggedSignal, example_audio

SPANS = [
    (-500, -100),  # wholly before the signal
    (-300, 200),
    (0, 10),
    (5, 5),
    (5, 30_000),  # over many blocks
    (20_000, 20_100),  # within the one before
    (20_000, 44_000),
    (44_050, 44_400),
    (50_000, 50_100),  # wholly after it
]


@pytest.mark.parametrize("kind", [lambda audio: audio, RaggedSignal])
def test_windows_are_what_slices_of_the_padded_signal_are(kind):
    audio = example_audio(1.0)
    padded = np.pad(audio.samples, ((0, 0), (1_000, 10_000)))
    windows = list(read_windows(kind(audio), SPANS))
    assert len(windows) == len(SPANS)
    for (start, stop), window in zip(SPANS, windows, strict=True):
        np.testing.assert_array_equal(window, padded[:, 1_000 + start : 1_000 + stop])
