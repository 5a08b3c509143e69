"""`layer`: a sound where the hits are, as loud as they are, and with them."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.units import gain_to_db
from stemfx.errors import StageError
from stemfx.hits import Hit
from stemfx.kits.synth import SynthKit
from stemfx.stages.layer import layer
from stemfx.testing import apply, example_reading, rms_dbfs, tone

RATE = 44_100
TIMES_S = (0.5, 1.01, 1.523, 2.2)
VELOCITIES = (1.0, 0.5, 0.8, 0.25)
HITS = tuple(
    Hit(t, name, v)
    for t, v in zip(TIMES_S, VELOCITIES, strict=True)
    for name in ("hat_closed", "snare")
)


def click(lead_samples=100):
    """A sharp attack after some silence, then a fading tone of 2 kHz."""
    t = np.arange(RATE // 5) / RATE
    ring = np.cos(2 * np.pi * 2000 * t) * np.exp(-t / 0.03)
    return Audio(np.pad(0.5 * ring, (lead_samples, 0))[None].astype(np.float32), RATE)


BED = tone(500.0, peak_dbfs=-60, duration_s=3.0)


def layered(sound=None, track=BED, hits=HITS, **params):
    return apply(
        layer, track, sounds={"sound": sound or click()}, sound="x.wav", drum_hits=hits, **params
    )


def starts_s(out):
    """Where a stretch of sound begins after 50 ms of silence, in the left channel."""
    loud = np.flatnonzero(np.abs(out.samples[0]) > 0.02)
    return loud[np.concatenate(([True], np.diff(loud) > 0.05 * RATE))] / RATE


def test_its_attack_lands_on_the_hit_wherever_it_is_in_its_file():
    for lead in (0, 100, 3000):
        out, _ = layered(click(lead), solo=True)
        assert np.abs(starts_s(out) - TIMES_S).max() < 0.0003


def test_it_is_as_loud_as_the_hit_or_always_the_same():
    for dynamics, expected in ((1.0, VELOCITIES), (0.0, (1, 1, 1, 1)), (0.5, np.sqrt(VELOCITIES))):
        out, _ = layered(solo=True, dynamics=dynamics, gain_db=-6.0)
        levels = [rms_dbfs(out, t + 0.005, t + 0.06) for t in TIMES_S]
        # A shift by a fraction of a sample changes no level.
        loudest = gain_to_db(np.array(expected, np.float64))
        assert np.array(levels) - levels[0] == pytest.approx(loudest, abs=0.05)
        whole = rms_dbfs(click(0), 0.005, 0.06)
        # One channel of sound becomes two that are alike: the mean over both is the same.
        assert levels[0] - whole == pytest.approx(-6.0, abs=0.05)


def test_what_is_under_it_stays_unless_it_is_solo():
    both, _ = layered()
    alone, _ = layered(solo=True)
    assert np.allclose(both.samples, BED.samples + alone.samples, atol=1e-7)


def test_only_the_named_drums_and_only_loud_ones():
    out, context = layered(solo=True, min_velocity=0.6)
    assert np.abs(starts_s(out) - [0.5, 1.523]).max() < 0.0003
    assert context.measurements["layered"] == 2
    _, context = layered(classes=["crash"])
    assert [finding.code for finding in context.findings] == ["no_such_hits"]
    assert "heard: snare, hat_closed" in context.findings[0].message


def test_attack_and_body_add_up_to_the_sound():
    whole, attack, body = (
        layered(solo=True, part=part, offset_ms=1.0)[0].samples
        for part in ("all", "attack", "body")
    )
    assert np.abs(whole - attack - body).max() < 1e-5
    at = round(0.501 * RATE)
    assert np.abs(attack[:, at + round(0.036 * RATE) : at + RATE // 5]).max() < 1e-6
    assert np.abs(body[:, at : at + round(0.024 * RATE)]).max() < 1e-6


def test_it_moves_by_the_offset():
    out, _ = layered(solo=True, offset_ms=-12.5)
    assert np.abs(starts_s(out) - np.array(TIMES_S) + 0.0125).max() < 0.0003


def test_the_low_end_is_cut_but_for_kick_and_tom():
    # A Butterworth of 12 dB per octave at 120 Hz takes 12.3 dB at 60 Hz.
    t = np.arange(RATE // 2) / RATE
    low = Audio((0.5 * np.sin(2 * np.pi * 60 * t) * np.hanning(len(t)))[None].astype("f4"), RATE)
    kicks = tuple(Hit(h.time_s, "kick", h.velocity) for h in HITS[::8])
    plain = {"solo": True, "offset_ms": 0.01}
    kick, _ = layered(low, hits=kicks, classes=["kick"], **plain)
    snare, _ = layered(low, hits=HITS[1::8], **plain)
    none, _ = layered(low, hits=HITS[1::8], low_cut_hz=0.0, **plain)
    assert rms_dbfs(kick) == pytest.approx(rms_dbfs(none), abs=0.05)
    assert rms_dbfs(kick) - rms_dbfs(snare) == pytest.approx(12.3, abs=0.6)


@pytest.mark.parametrize("polarity", [1, -1])
def test_the_same_kick_adds_up_whichever_way_round_it_is(polarity):
    kick = SynthKit().sample("kick", 0.9, RATE)
    hits = tuple(Hit(t, "kick", 0.9) for t in (0.5, 1.1, 1.7, 2.3))
    track = np.zeros((1, 3 * RATE), np.float32)
    for hit in hits:
        start = round(hit.time_s * RATE)
        track[:, start : start + kick.n_samples] += kick.samples[:1, : 3 * RATE - start]
    sound = Audio(polarity * kick.samples, RATE)
    out, context = layered(sound, Audio(track, RATE), hits, classes=["kick"], dynamics=0.0)
    # Equal sounds in phase are 6.02 dB above one of them, 3.01 dB above their power sum.
    assert context.measurements["kick_low_end_gain_db"] == pytest.approx(3.01, abs=0.1)
    assert context.measurements["kick_polarity"] == ("kept" if polarity > 0 else "inverted")
    assert rms_dbfs(out) - rms_dbfs(Audio(track, RATE)) == pytest.approx(6.0, abs=0.3)


def test_a_kick_that_was_heard_at_a_hat_gets_its_layer_where_it_begins():
    kick, hat = (SynthKit().sample(name, 0.9, RATE) for name in ("kick", "hat_closed"))
    track, hits, early_s = np.zeros((1, 9 * RATE), np.float32), [], 0.006
    for i in range(12):
        at, late = round((0.5 + 0.6 * i) * RATE), round(early_s * RATE) * (i % 2)
        for sound, start in ((kick, at + late), (hat, at)):
            track[:, start : start + sound.n_samples] += sound.samples
        hits += [Hit(at / RATE, name, 0.9) for name in ("kick", "hat_closed")]
    out, _ = layered(kick, Audio(track, RATE), sorted(hits), classes=["kick"], dynamics=0.0)
    added = out.samples - track
    for i in range(12):
        at = round((0.5 + 0.6 * i) * RATE) + round(early_s * RATE) * (i % 2)
        # All of the kick doubled: two of them 6 ms apart would cancel at 83 Hz.
        assert np.vdot(added[:, at : at + 4_000], kick.samples[:, :4_000]) == pytest.approx(
            float(np.vdot(kick.samples[:, :4_000], kick.samples[:, :4_000])), rel=0.05
        )


def test_it_follows_the_beats_of_a_song():
    reading = example_reading(BED)  # 120 BPM from 0 s on
    out, context = apply(
        layer,
        BED,
        sounds={"sound": click()},
        readings={"beats_of": reading},
        sound="x.wav",
        beats_of="song",
        beats=[2, 4],
        solo=True,
    )
    assert np.abs(starts_s(out) - [0.5, 1.5, 2.5]).max() < 0.0003
    assert context.measurements["layered"] == 3


def test_a_file_that_is_no_one_shot_is_refused():
    with pytest.raises(StageError, match=r"61 s long, and a one-shot is 60 s at most.*`fit`"):
        layered(Audio(np.zeros((1, 61 * RATE), np.float32), RATE))


def test_a_silent_sound_and_a_silent_track_are_told():
    out, context = layered(Audio(np.zeros((1, 100), np.float32), RATE))
    assert [finding.code for finding in context.findings] == ["sound_silent"]
    assert np.array_equal(out.samples, BED.samples)
    out, context = layered(track=Audio(np.zeros((2, RATE), np.float32), RATE))
    assert [finding.code for finding in context.findings] == ["track_silent"]
    assert not out.samples.any()


def test_it_needs_no_hits_when_it_follows_beats():
    params = layer.params
    assert params(sound="x.wav").hears_hits
    assert not params(sound="x.wav", beats_of="song").hears_hits
