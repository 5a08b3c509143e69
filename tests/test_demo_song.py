from itertools import pairwise

import numpy as np
import pyloudnorm
import pytest

from stemfx import demo_song as song_module
from stemfx.demo_song import BPM, CHORDS, DURATION_S, MELODY, demo_song

RATE = 44_100


@pytest.fixture(scope="module")
def song():
    return demo_song()


@pytest.fixture(scope="module")
def mixture(song):
    return np.sum([stem.samples for stem in song.values()], axis=0, dtype=np.float64)


def lufs(samples):
    return pyloudnorm.Meter(RATE).integrated_loudness(np.asarray(samples, dtype=np.float64).T)


def test_it_has_four_stereo_stems_of_one_length(song):
    assert list(song) == ["vocals", "drums", "bass", "other"]
    for stem in song.values():
        assert stem.sample_rate == RATE
        assert stem.samples.shape == (2, round(DURATION_S * RATE))


def test_stems_sum_to_the_mixture_exactly_on_the_16_bit_grid(song, mixture):
    steps = {name: stem.samples.astype(np.float64) * 2**15 for name, stem in song.items()}
    for stem in steps.values():
        np.testing.assert_array_equal(stem, np.round(stem))
    as_16_bit = [stem.astype(np.int16).astype(np.int32) for stem in steps.values()]
    np.testing.assert_array_equal(np.sum(as_16_bit, axis=0), mixture * 2**15)
    in_float32 = np.zeros_like(song["vocals"].samples)
    for stem in song.values():
        in_float32 = in_float32 + stem.samples
    np.testing.assert_array_equal(in_float32, mixture)


def test_it_is_the_same_bytes_every_time(song):
    for name, stem in demo_song().items():
        assert stem.samples.tobytes() == song[name].samples.tobytes()


def test_it_is_mixed_to_18_lufs_with_headroom(mixture):
    assert lufs(mixture) == pytest.approx(-18, abs=0.5)
    assert 20 * np.log10(np.max(np.abs(mixture))) < -1


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 48_000])
def test_other_sample_rates_give_the_same_song(song, sample_rate):
    # Below 3 kHz, where each rate has everything, a stem keeps its energy within 1 dB.
    for name, stem in demo_song(sample_rate).items():
        levels_db = []
        for samples, rate in ((song[name].samples, RATE), (stem.samples, sample_rate)):
            spectrum = np.abs(np.fft.rfft(samples, axis=1)[:, : int(3_000 * DURATION_S)]) / rate
            levels_db.append(10 * np.log10(np.sum(spectrum**2)))
        assert levels_db[1] == pytest.approx(levels_db[0], abs=1.0), name


def test_the_demo_has_something_to_mend(song, mixture):
    # A lead vocal usually lies 0 to 4 LU below the rest of its mix; here it is further down.
    band = mixture - song["vocals"].samples
    assert -7 < lufs(song["vocals"].samples) - lufs(band) < -4
    assert lufs(song["drums"].samples) < min(lufs(song[s].samples) for s in ("bass", "other"))


def test_it_starts_on_the_beat_and_ends_in_silence(song, mixture):
    # The first kick comes within a drummer's timing, 5 standard deviations.
    drums = np.abs(song["drums"].samples).max(axis=0)
    assert np.argmax(drums > 0.05) / RATE < 5 * song_module.HUMAN_S
    assert np.all(mixture[:, -1] == 0)


def test_the_drums_keep_the_tempo(song):
    # The groove repeats every bar: among lags within 15 % of a bar, that is where the rises of
    # its envelope agree best. 1 % is one hop of 5 ms and the drummer's timing.
    hop_hz = 200
    hop = round(RATE / hop_hz)
    drums = song["drums"].samples.mean(axis=0)
    drums = drums[: drums.size // hop * hop].reshape(-1, hop)
    rise = np.maximum(np.diff(np.log(np.sum(drums**2, axis=1) + 1e-6)), 0)
    bar = 4 * 60 / BPM * RATE / hop
    lags = np.arange(round(0.85 * bar), round(1.15 * bar))
    best = lags[np.argmax([rise[:-lag] @ rise[lag:] for lag in lags])]
    assert best == pytest.approx(bar, rel=0.01)


def test_the_voices_of_the_chords_move_by_steps():
    for chord, following in pairwise(CHORDS):
        assert np.max(np.abs(np.subtract(following.voices, chord.voices))) <= 3


def test_the_singer_sings_the_melody(song):
    # In the middle of each note of at least one beat the vocal has its fundamental there:
    # the strongest partial below 1.5 times the pitch lies within the vibrato and half a bin.
    vocal = song["vocals"].samples.mean(axis=0)
    window = np.hanning(8_192)
    for note in (note for note in MELODY if note.beats >= 1):
        middle = round((note.beat + 0.5 * note.beats) * 60 / BPM * RATE)
        spectrum = np.abs(np.fft.rfft(window * vocal[middle - 4_096 : middle + 4_096]))
        hz = 440 * 2 ** ((note.midi - 69) / 12)
        bins = np.arange(spectrum.size) * RATE / 8_192
        near = (bins > 0.7 * hz) & (bins < 1.5 * hz)
        peak_hz = bins[near][np.argmax(spectrum[near])]
        semitones = 12 * np.log2(peak_hz / hz)
        assert abs(semitones) < song_module.VIBRATO_SEMITONES + 0.3, note


def test_every_instrument_survives_a_mono_fold_down(song):
    for name, stem in song.items():
        mono_db = 10 * np.log10(np.mean(stem.samples.mean(axis=0) ** 2))
        stereo_db = 10 * np.log10(np.mean(stem.samples**2))
        assert stereo_db - mono_db < 3.0, name  # 3 dB is what uncorrelated sides lose
