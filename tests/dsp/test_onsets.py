"""Strokes of a drum stem: laws on clicks and noise, truth from rendered kits and the corpus."""

from __future__ import annotations

import json
from pathlib import Path

import mir_eval
import numpy as np
import pytest
import soundfile

from stemfx.audio import Audio, Block
from stemfx.dsp.onsets import APART_S, attack_s, find_onsets
from stemfx.kits.synth import SynthKit

RATE = 44_100


def track(hits: list[tuple[float, str, float]], seconds: float, rate: int = RATE) -> Block:
    """Play the built-in kit, whose samples begin at their attack; `(1, n)`."""
    kit, out = SynthKit(), np.zeros((1, round(seconds * rate)), np.float32)
    for at_s, drum_class, velocity in hits:
        start = round(at_s * rate)
        sample = kit.sample(drum_class, velocity, rate).samples[:, : out.shape[1] - start]
        out[:, start : start + sample.shape[1]] += sample
    return out


GROOVE = [
    (0.25 + 0.5 * beat + late, drum, velocity)
    for beat in range(10)
    for late, drum, velocity in (
        (0.0, "kick" if beat % 2 == 0 else "snare", 0.8),
        (0.0, "hat_closed", 0.5),
        (0.25, "hat_closed", 0.3),
    )
]
STROKES_S = sorted({at_s for at_s, _, _ in GROOVE})


@pytest.fixture(scope="module")
def groove() -> Audio:
    return Audio(track(GROOVE, 5.5), RATE)


class Chopped:
    """The same signal, read in blocks of another size than the reader asks for."""

    def __init__(self, audio: Audio, n_samples: int) -> None:
        self._audio, self._n = audio, n_samples
        self.sample_rate, self.channels = audio.sample_rate, audio.channels
        self.n_samples = audio.n_samples

    def blocks(self, n_samples: int = 0):
        return self._audio.blocks(self._n)

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        msg = "a stem on disk can only run forward: one read a stroke would decode it each time"
        raise AssertionError(msg)


def test_every_stroke_is_found_once_and_in_time(groove: Audio):
    found = find_onsets(groove)
    assert found.size == len(STROKES_S)
    # The kick's sine needs some samples to rise: a third of a millisecond.
    assert np.max(np.abs(found - STROKES_S)) < 0.3e-3


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000, 96_000])
def test_a_click_over_noise_is_timed_to_the_sample(rate: int):
    rng = np.random.default_rng(3)
    samples = 1e-3 * rng.standard_normal((1, 2 * rate))
    decay = np.exp(-np.arange(rate // 10) / (0.01 * rate))
    clicks_s = np.array([0.5, 0.9, 1.3, 1.7])
    for at_s in clicks_s:
        start = round(at_s * rate)
        samples[0, start : start + decay.size] += 0.5 * decay * rng.standard_normal(decay.size)
    found = find_onsets(Audio(samples.astype(np.float32), rate))
    # Noise begins near zero now and then: two samples.
    assert found.size == clicks_s.size
    assert np.max(np.abs(found - clicks_s)) * rate <= 2


def test_a_stroke_on_the_first_sample_is_found():
    hits = [(0.5 * beat, "kick", 0.9) for beat in range(6)]
    found = find_onsets(Audio(track(hits, 3.5), RATE))
    assert np.allclose(found, [at_s for at_s, _, _ in hits], atol=0.3e-3)


@pytest.mark.parametrize("n_samples", [0, 1, 100, 2_000, 3 * RATE])
def test_silence_has_no_strokes(n_samples: int):
    assert find_onsets(Audio(np.zeros((2, n_samples), np.float32), RATE)).size == 0


@pytest.mark.parametrize("exponent", [0.0, -0.5, -1.0], ids=["white", "pink", "brown"])
@pytest.mark.parametrize("level_db", [0, -60])
def test_steady_noise_has_no_strokes(exponent: float, level_db: float):
    spectrum = np.fft.rfft(np.random.default_rng(5).standard_normal((2, 10 * RATE)))
    spectrum *= np.maximum(1, np.arange(spectrum.shape[1])) ** exponent
    noise = np.fft.irfft(spectrum)
    noise *= 0.1 * 10 ** (level_db / 20) / np.std(noise)
    assert find_onsets(Audio(noise.astype(np.float32), RATE)).size == 0


@pytest.mark.parametrize("hz", [41.2, 110.0, 880.0])
def test_a_held_note_has_no_strokes(hz: float):
    t = np.arange(4 * RATE) / RATE
    swell = np.minimum(1, t) * np.minimum(1, 4 - t)  # a second in, a second out
    note = swell * (np.sin(2 * np.pi * hz * t) + 0.3 * np.sin(4 * np.pi * hz * t))
    assert find_onsets(Audio(0.3 * note[np.newaxis].astype(np.float32), RATE)).size == 0


@pytest.mark.parametrize("gain", [2.0**-8, 2.0**3])
def test_no_gain_changes_the_times(groove: Audio, gain: float):
    scaled = Audio(groove.samples * np.float32(gain), RATE)
    assert np.array_equal(find_onsets(scaled), find_onsets(groove))


@pytest.mark.parametrize("n_samples", [441, 10_007])
def test_the_size_of_the_blocks_changes_nothing(groove: Audio, n_samples: int):
    assert np.array_equal(find_onsets(Chopped(groove, n_samples)), find_onsets(groove))


def test_two_equal_channels_are_heard_as_one(groove: Audio):
    stereo = Audio(np.repeat(groove.samples, 2, axis=0), RATE)
    assert np.allclose(find_onsets(stereo), find_onsets(groove), atol=1 / RATE)


def test_opposite_channels_do_not_cancel(groove: Audio):
    stereo = Audio(np.concatenate((groove.samples, -groove.samples)), RATE)
    assert find_onsets(stereo).size == len(STROKES_S)


def test_drums_struck_together_are_one_stroke_and_a_roll_is_many():
    flam = [(0.5, "kick", 0.8), (0.512, "hat_closed", 0.6), (1.0, "kick", 0.8)]
    roll = [(1.5 + 0.06 * k, "snare", 0.4 + 0.04 * k) for k in range(10)]
    found = find_onsets(Audio(track([*flam, *roll], 3.0), RATE))
    assert np.allclose(found, [0.5, 1.0, *(at_s for at_s, _, _ in roll)], atol=2e-3)
    assert np.min(np.diff(found)) > APART_S


def test_bleed_20_db_below_is_not_struck(groove: Audio):
    t = np.arange(groove.n_samples) / RATE
    rng = np.random.default_rng(2)
    bleed = np.zeros(t.size)
    for at_s in np.arange(0.13, 5.0, 0.37):  # notes between the strokes, 30 ms attack
        note = np.clip((t - at_s) / 0.03, 0, 1) * np.exp(-np.maximum(0, t - at_s) / 0.2)
        pitch_hz = rng.uniform(80, 800)
        bleed += note * sum(np.sin(2 * np.pi * pitch_hz * k * t) / k for k in range(1, 8))
    bleed *= 0.1 * np.std(groove.samples) / np.std(bleed)
    found = find_onsets(Audio(groove.samples + bleed.astype(np.float32), RATE))
    assert mir_eval.onset.f_measure(np.array(STROKES_S), found, window=0.01)[0] >= 0.97


def test_a_kick_under_a_ringing_cymbal_is_timed_by_its_own_band():
    hits = [(0.3, "crash", 0.9), *((0.8 + 0.4 * k, "kick", 0.8) for k in range(5))]
    samples = track(hits, 3.5)
    errors_s = [
        attack_s(samples[:, : round((at_s + 0.1) * RATE)], RATE, at_s + 0.004) - at_s
        for at_s, drum, _ in hits
        if drum == "kick"
    ]
    assert np.max(np.abs(errors_s)) < 1e-3


@pytest.mark.parametrize("drum", ["kick", "snare", "hat_closed", "hat_open", "tom", "crash"])
@pytest.mark.parametrize("silence_s", [0.0, 0.05])
def test_the_attack_of_a_sample_is_its_start(drum: str, silence_s: float):
    samples = track([(silence_s, drum, 0.8)], 0.4)
    assert abs(attack_s(samples, RATE, silence_s) - silence_s) < 0.2e-3


def test_silence_has_its_attack_where_it_is_thought_to_be():
    assert attack_s(np.zeros((1, 1_000), np.float32), RATE, 0.01) == 0.01
    assert attack_s(np.zeros((1, 0), np.float32), RATE, 0.0) == 0.0


def merged(times_s: list[float]) -> np.ndarray:
    """Return the first of the hits of each stroke."""
    strokes: list[float] = []
    for at_s in sorted(times_s):
        if not strokes or at_s - strokes[-1] > APART_S:
            strokes.append(at_s)
    return np.array(strokes)


@pytest.mark.parametrize("song", ["harbour_lights", "iron_tide", "neon_parade"])
@pytest.mark.parametrize(("bleed_db", "floor"), [(None, 0.955), (-20, 0.945)])
def test_the_strokes_of_sampled_songs_are_found(
    corpus: Path, song: str, bleed_db: float | None, floor: float
):
    folder = corpus / "songs" / song
    truth_s = merged([hit["t"] for hit in json.loads((folder / "song.json").read_text())["drums"]])
    drums, rate = soundfile.read(folder / "drums.flac", dtype="float32")
    if bleed_db is not None:
        rest = soundfile.read(folder / "mix.flac", dtype="float32")[0] - drums
        drums = drums + rest * 10 ** (bleed_db / 20) * (np.std(drums) / np.std(rest))
    found = find_onsets(Audio(drums.T, rate))
    assert mir_eval.onset.f_measure(truth_s, found, window=0.05)[0] >= floor
    pairs = mir_eval.util.match_events(truth_s, found, 0.05)
    errors_s = np.array([found[j] - truth_s[i] for i, j in pairs])
    assert abs(np.median(errors_s)) <= 0.4e-3
    assert np.percentile(np.abs(errors_s), 95) <= 12e-3
