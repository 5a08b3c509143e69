"""One-shots: cut at the attack, clean, each sound once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from slicing.drumming import RATE, play, tenth_s, true_hits

from stemfx.audio import Audio
from stemfx.dsp.onsets import attack_s
from stemfx.dsp.windows import read_windows
from stemfx.hits import Hit
from stemfx.io import FileSignal, probe
from stemfx.slicing.one_shots import (
    PRE_ROLL_S,
    OneShot,
    choose,
    find_one_shots,
    sort_into_drums,
)

APART = [
    Hit(0.5, "kick", 1.0),
    Hit(1.5, "snare", 0.9),
    Hit(2.5, "hat_closed", 0.8),
    Hit(3.0, "tom", 0.8),
    Hit(4.0, "clap", 0.7),
    Hit(5.0, "hat_open", 0.8),
]


def sounds(signal: Audio, shots: list[OneShot]) -> list[np.ndarray]:
    rate = signal.sample_rate
    ordered = sorted(shots, key=lambda shot: shot.span(rate))
    windows = read_windows(signal, [shot.span(rate) for shot in ordered])
    cut = {id(s): s.cut(window, rate) for s, window in zip(ordered, windows, strict=True)}
    return [cut[id(shot)] for shot in shots]


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_drum_that_is_struck_alone_is_cut_at_its_attack(rate, channels):
    signal = play(APART, 7.0, rate, channels)
    shots, dropped = find_one_shots(signal, APART)
    assert not dropped
    assert [shot.drum_class for shot in shots] == [hit.drum_class for hit in APART]
    for hit, shot, sound in zip(APART, shots, sounds(signal, shots), strict=True):
        assert shot.is_clean
        # the built-in kit's samples begin at their attack; some rise softly
        assert shot.extent.attack / rate == pytest.approx(hit.time_s, abs=0.001)
        assert tenth_s(sound, rate) == pytest.approx(PRE_ROLL_S, abs=0.001)


def test_slices_begin_and_end_in_nothing_and_are_the_stem_between():
    signal = play(APART, 7.0)
    shots, _ = find_one_shots(signal, APART)
    for shot, sound in zip(shots, sounds(signal, shots), strict=True):
        assert not sound[:, 0].any()
        assert not sound[:, -1].any()
        if not shot.extent.low_cut_hz:
            attack = shot.pre_roll(RATE)
            there = signal.samples[:, shot.extent.attack :][:, :2000]
            assert (sound[:, attack : attack + 2000] == there).all()


def test_a_slice_ends_when_the_drum_is_60_db_down():
    """An exponential decay that is 60 dB down after 0.6 s; the next hit is 5 s away."""
    t = np.arange(2 * RATE) / RATE
    drum = 0.8 * 10 ** (-3 * t / 0.6) * np.cos(2 * np.pi * 180 * t)
    samples = np.zeros((1, 8 * RATE), np.float32)
    for at in (RATE, 6 * RATE):
        samples[0, at : at + drum.size] = drum
    hits = [Hit(1.0, "tom", 1.0), Hit(6.0, "tom", 1.0)]
    extent = find_one_shots(Audio(samples, RATE), hits)[0][0].extent
    # measured in steps of 5 ms, from the mean of the first one
    assert (extent.stop - extent.attack) / RATE == pytest.approx(0.6, abs=0.012)
    assert extent.decay_db == pytest.approx(60, abs=1.5)


def test_a_slice_ends_before_the_next_hit():
    hits = [Hit(0.5, "crash", 1.0), Hit(0.8, "crash", 1.0)]
    shot = find_one_shots(play(hits, 3.0), hits)[0][0]
    assert 0.28 * RATE < shot.extent.stop - shot.extent.attack < 0.3 * RATE


def test_drums_that_are_struck_together_are_not_clean():
    together = [Hit(0.5, "kick", 1.0), Hit(0.5, "snare", 1.0), Hit(1.5, "kick", 1.0)]
    together += [Hit(2.5, "snare", 1.0)]
    signal = play(together, 4.0)
    shots, dropped = find_one_shots(signal, together)
    assert sum(sum(reasons.values()) for reasons in dropped.values()) == 1
    kept, _ = choose(shots, 8)
    at = sorted(round(shot.extent.attack / RATE, 2) for shot in kept)
    assert at == [1.5, 2.5]
    assert all(shot.is_clean for shot in kept)


def test_a_soft_drum_under_a_loud_one_does_not_spoil_it():
    """A hat 30 dB below a kick: the kick is clean, and the better one is the one alone."""
    hits = [Hit(1.0, "kick", 1.0), Hit(1.0, "hat_closed", 0.03), Hit(2.0, "hat_closed", 0.03)]
    hits = [Hit(0.0, "hat_closed", 0.03), *hits]
    shots, _ = find_one_shots(play(hits, 3.0), hits)
    kick = next(shot for shot in shots if shot.drum_class == "kick")
    assert kick.is_clean
    assert 12 < kick.beside_db < 60


def test_what_rings_over_makes_a_hit_unclean():
    """A snare 60 ms into a crash as loud as itself."""
    hits = [Hit(0.5, "crash", 1.0), Hit(0.56, "snare", 0.3)]
    shots, _ = find_one_shots(play(hits, 3.0), hits)
    assert not any(shot.is_clean for shot in shots if shot.drum_class == "snare")


def test_a_low_cut_frees_a_hat_from_a_ringing_kick():
    """A 60 Hz tone as loud as the hat: 24 dB per octave from 250 Hz leave it 49 dB lower."""
    hits = [Hit(1.0, "hat_closed", 1.0)]
    samples = np.array(play(hits, 2.0).samples)
    samples += 0.1 * np.sin(2 * np.pi * 60 * np.arange(samples.shape[1]) / RATE)
    (shot,), _ = find_one_shots(Audio(samples, RATE), hits)
    assert shot.is_clean
    assert shot.extent.low_cut_hz == 250


def test_the_same_sound_is_kept_once_and_the_best_of_it():
    """Ten equal kicks, one alone and the others over a quiet ring: the one alone is kept."""
    hits = [Hit(0.5 + 0.5 * k, "kick", 0.8) for k in range(10)]
    samples = np.array(play(hits, 6.0).samples)
    ring = 0.006 * np.random.default_rng(0).standard_normal(samples.shape)
    clean = slice(round(2.9 * RATE), round(3.52 * RATE))  # around the sixth
    ring[:, clean] = 0.0
    shots, _ = find_one_shots(Audio((samples + ring).astype(np.float32), RATE), hits)
    kept, dropped = choose(shots, 8)
    assert [round(shot.extent.attack / RATE, 2) for shot in kept] == [3.0]
    assert dropped == {"kick": {"alike": 9}}


def test_two_different_drums_of_one_class_are_both_kept():
    kick = Hit(0.5, "kick", 1.0)
    signal = np.array(play([kick], 3.0).samples)
    t = np.arange(RATE) / RATE
    other = np.exp(-t / 0.05) * np.sin(2 * np.pi * 160 * t)
    signal[:, round(1.5 * RATE) :][:, : other.size] += 0.4 * other
    kept, _ = choose(
        find_one_shots(Audio(signal.astype(np.float32), RATE), [kick, Hit(1.5, "kick", 0.9)])[0], 8
    )
    assert len(kept) == 2


def test_the_limit_takes_from_every_velocity_layer():
    """Noise bursts are all different; four soft and eight hard ones, room for four."""
    rng = np.random.default_rng(0)
    signal = np.zeros((1, 14 * RATE), np.float32)
    hits = []
    for k in range(12):
        velocity = 0.2 if k < 4 else 0.9
        hits.append(Hit(0.5 + k, "snare", velocity))
        at = round(hits[-1].time_s * RATE)
        t = np.arange(RATE // 4) / RATE
        tone = np.sin(2 * np.pi * (200 + 150 * k) * t) * np.exp(-t / (0.01 + 0.004 * k))
        signal[0, at : at + t.size] = velocity * (tone + 0.05 * rng.standard_normal(t.size) * tone)
    kept, dropped = choose(find_one_shots(Audio(signal, RATE), hits)[0], 4)
    assert [shot.layer for shot in kept] == [0, 0, 3, 3]
    assert dropped["snare"]["more than enough"] == 8


def test_a_drum_without_a_clean_hit_has_its_cleanest_marked():
    """Snares over a ring that is 9 dB softer: usable, not clean, two at most."""
    hits = [Hit(0.5 + k, "snare", 0.8) for k in range(5)]
    samples = np.array(play(hits, 6.0).samples)
    at = round(0.5 * RATE)
    body = np.sqrt(np.mean(samples[:, at : at + RATE // 20] ** 2))
    ring = np.random.default_rng(0).standard_normal(samples.shape)
    samples += (body * 10 ** (-9 / 20) * ring).astype(np.float32)
    kept, _ = choose(find_one_shots(Audio(samples, RATE), hits)[0], 8)
    assert 1 <= len(kept) <= 2
    assert not any(shot.is_clean for shot in kept)


@pytest.mark.parametrize("n", [0, 100, 5000])
def test_silence_and_hits_beyond_the_end_give_nothing(n):
    shots, dropped = find_one_shots(Audio(np.zeros((2, n), np.float32), RATE), APART)
    assert shots == []
    assert choose(shots, 8) == ([], {})
    assert all(reason for reasons in dropped.values() for reason in reasons)


def test_every_hit_is_found_or_dropped_for_a_reason():
    rng = np.random.default_rng(3)
    names = ["kick", "snare", "hat_closed"]
    hits = sorted(
        Hit(float(t), names[k % 3], 0.5 + 0.4 * (k % 2))
        for k, t in enumerate(rng.uniform(0.2, 9.5, 60))
    )
    shots, dropped = find_one_shots(play(hits, 10.0), hits)
    kept, more = choose(shots, 4)
    counted = [sum(sum(c.values()) for c in counts.values()) for counts in (dropped, more)]
    assert len(shots) + counted[0] == len(hits)
    assert len(kept) + counted[1] == len(shots)


@pytest.mark.parametrize("song", ["iron_tide", "harbour_lights", "neon_parade"])
def test_slices_of_songs_are_found_again_at_their_start(corpus: Path, song: str) -> None:
    """Goal: within 1 ms, by another rule (10 % of the early peak) as by our own.

    And an attack that is listed lies within 1 ms.
    """
    stem = FileSignal(probe(corpus / "songs" / song / "drums.flac"))
    signal = Audio(stem.read(), stem.sample_rate)
    hits = true_hits(corpus / "songs" / song)
    kept, _ = choose(find_one_shots(signal, hits)[0], 16)
    assert len(kept) >= 8
    for shot, sound in zip(kept, sounds(signal, kept), strict=True):
        padded = np.pad(sound, ((0, 0), (RATE // 10, 0)))
        again_s = attack_s(padded, RATE, 0.1 + PRE_ROLL_S) - 0.1
        assert again_s == pytest.approx(PRE_ROLL_S, abs=0.001)
        assert tenth_s(sound, RATE) == pytest.approx(PRE_ROLL_S, abs=0.001)
        assert min(abs(shot.extent.attack / RATE - hit.time_s) for hit in hits) < 0.001


def test_drums_of_a_class_are_told_apart_and_hits_of_one_drum_are_not(corpus: Path) -> None:
    """Two sampled kicks and two snares in turn, hard and soft: two drums each."""
    kit = corpus / "kit"
    names = ["kick_808", "kick_acoustic", "kick_808", "snare_acoustic", "snare_dub", "kick_808"]
    samples = np.zeros((1, 8 * RATE), np.float32)
    hits = []
    for k, name in enumerate(names):
        info = probe(kit / f"{name}.wav", min_duration_s=0)
        sound = FileSignal(info).read()[0, : RATE // 2]
        velocity = 0.4 + 0.1 * k
        samples[0, (k + 1) * RATE :][: sound.size] = velocity * sound
        hits.append(Hit(k + 1.0, name.partition("_")[0], velocity))
    shots, _ = find_one_shots(Audio(samples, RATE), hits)
    *kicks, dub = (sort_into_drums(shots)[k] for k in (0, 1, 2, 5, 3, 4))
    acoustic = kicks.pop()
    assert kicks == [0, 1, 0, 0]  # the one that is hit most is the usual one
    assert {acoustic, dub} == {0, 1}
