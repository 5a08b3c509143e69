"""The chunks that samplers read, against a reader of its own and against libsndfile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from slicing import riff

from stemfx.audio import Audio
from stemfx.io import Encoding, probe, write
from stemfx.slicing.wav_chunks import Markers

RATE = 44_100


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("n", [1000, 1001])  # 24 bit mono: an odd number of bytes
def test_chunks_come_back_and_the_audio_is_untouched(tmp_path: Path, channels: int, n: int) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (channels, n)).astype(np.float32)
    marks = Markers(RATE, 57, (22, 500), loop=(0, n - 1), n_beats=8, beats_per_bar=4, bpm=104.0)
    plain, marked = tmp_path / "plain.wav", tmp_path / "marked.wav"
    write(plain, Audio(noise, RATE), Encoding("wav", 24))
    write(marked, Audio(noise, RATE), Encoding("wav", 24), chunks=marks.to_bytes())

    found = riff.chunks(marked)
    assert riff.sampler(found["smpl"]) == {
        "period_ns": 22_676,  # 1e9 / 44100
        "note": 57,
        "cents": 0,
        "loops": [{"type": 0, "start": 0, "end": n - 1, "times": 0}],  # forward, without end
    }
    assert riff.cues(found["cue "]) == [22, 500]
    told = riff.acid(found["acid"])
    assert told == {"is_one_shot": False, "note": 57, "beats": 8, "meter": (4, 4), "bpm": 104.0}

    assert found["data"] == riff.chunks(plain)["data"]
    samples, rate = soundfile.read(marked, dtype="float32", always_2d=True)
    assert rate == RATE
    assert np.abs(samples.T - noise).max() <= 0.5 / 2**23
    assert probe(marked, min_duration_s=0).n_samples == n


def test_libsndfile_reads_the_loop_and_the_root_note(tmp_path: Path) -> None:
    """`extra_info` is libsndfile's own log of what it parsed."""
    path = tmp_path / "loop.wav"
    noise = np.zeros((1, 2000), np.float32)
    marks = Markers(48_000, 36, (24,), (0, 1999), n_beats=3, beats_per_bar=3, bpm=120.0)
    write(path, Audio(noise, 48_000), Encoding("wav", 24), chunks=marks.to_bytes())
    log = soundfile.info(str(path)).extra_info
    assert "Midi Note    : 36" in log
    assert "Loop Count   : 1" in log
    assert "Start :     0  End :  1999" in log
    assert "Cue ID :  1  Pos :    24  Chunk : data" in log
    assert "Beats     : 3" in log
    assert "Meter     : 3/4" in log
    assert "Tempo     : 120.0" in log


def test_a_one_shot_has_no_loop(tmp_path: Path) -> None:
    path = tmp_path / "kick.wav"
    marks = Markers(RATE, 36, (22,))
    write(
        path,
        Audio(np.zeros((1, 10), np.float32), RATE),
        Encoding("wav", 24),
        chunks=marks.to_bytes(),
    )
    found = riff.chunks(path)
    assert riff.sampler(found["smpl"])["loops"] == []
    assert riff.acid(found["acid"])["is_one_shot"]
