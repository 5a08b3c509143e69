"""Songs whose beats and key are known because a formula plays them."""

from __future__ import annotations

import mir_eval
import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.demo_song import BEATS_PER_BAR, BPM, DURATION_S, KEY, demo_song
from stemfx.music import read_music

BEATS_S = np.arange(int(DURATION_S * BPM / 60)) * 60 / BPM
BARS_S = BEATS_S[::BEATS_PER_BAR]


@pytest.mark.parametrize(
    "parts",
    [
        ("vocals", "drums", "bass", "other"),
    ],
)
def test_the_demo_song_plays_at_its_tempo_in_its_key(parts: tuple[str, ...]) -> None:
    stems = demo_song()
    mixture = Audio(np.sum([stem.samples for stem in stems.values()], axis=0), 44_100)
    reading = read_music(mixture, {name: stems[name] for name in parts})
    assert reading.bpm == pytest.approx(BPM, rel=1e-3)
    assert mir_eval.beat.f_measure(BEATS_S, np.array(reading.beats_s)) > 0.94
    assert mir_eval.beat.f_measure(BARS_S, np.array(reading.downbeats_s)) > 0.9
    assert KEY in {reading.key, reading.key_runner_up}


@pytest.mark.parametrize("n_samples", [0, 1, 1_000, 132_300])
def test_silence_has_no_beat_and_no_key(n_samples: int) -> None:
    reading = read_music(Audio(np.zeros((1, n_samples), np.float32), 44_100), {})
    assert (reading.bpm, reading.bpm_confidence) == (0, 0)
    assert (reading.beats_s, reading.downbeats_s, reading.key) == ((), (), "")
