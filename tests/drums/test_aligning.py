"""Drums are timed by their own sound."""

from __future__ import annotations

import numpy as np

from stemfx.audio import Audio
from stemfx.drums.aligning import aligned
from stemfx.hits import Hit
from stemfx.kits.synth import SynthKit
from stemfx.testing import tone

RATE = 44_100


def played(hits, seconds):
    """Render hits of the built-in kit, to the sample."""
    kit, out = SynthKit(), np.zeros((1, round(seconds * RATE) + 4 * RATE), np.float32)
    for hit in hits:
        sound = kit.sample(hit.drum_class, hit.velocity, RATE).samples
        start = round(hit.time_s * RATE)
        out[:, start : start + sound.shape[1]] += sound
    return Audio(out[:, : round(seconds * RATE)], RATE)


def test_kicks_that_were_heard_at_a_hat_go_to_their_own_attack():
    rng = np.random.default_rng(3)
    true = 0.5 + 0.5 * np.arange(16)
    early = np.where(np.arange(16) % 2, 0.0, rng.uniform(0.002, 0.008, 16))
    kicks = [Hit(float(t), "kick", 0.9) for t in true]
    hats = [Hit(float(t - e), "hat_closed", 0.6) for t, e in zip(true, early, strict=True) if e]
    heard = [Hit(float(t - e), "kick", 0.9) for t, e in zip(true, early, strict=True)]
    found = aligned(played([*kicks, *hats], 9.0), sorted([*heard, *hats]), ["kick"])
    times = np.array([hit.time_s for hit in found if hit.drum_class == "kick"])
    assert np.abs(times - true).max() < 0.0003  # 0.3 ms: heard 2 to 8 ms early
    assert [hit for hit in found if hit.drum_class != "kick"] == sorted(hats)


def test_hits_that_are_right_stay():
    hits = [Hit(0.4 + 0.45 * i, ("kick", "snare")[i % 2], 0.5 + 0.03 * i) for i in range(16)]
    found = aligned(played(hits, 8.0), hits, ["kick", "snare"])
    moved = [abs(a.time_s - b.time_s) for a, b in zip(found, hits, strict=True)]
    assert max(moved) < 0.0003


def test_hits_without_a_sound_stay():
    hits = [Hit(0.5 + i, "kick", 0.5) for i in range(6)]
    assert aligned(Audio(np.zeros((2, 8 * RATE), np.float32), RATE), hits, ["kick"]) == hits


def test_a_tone_that_goes_on_moves_no_hit():
    hits = [Hit(0.5 + 0.517 * i, "snare", 0.5) for i in range(6)]
    assert aligned(tone(500.0, duration_s=4.0), hits, ["snare"]) == hits
