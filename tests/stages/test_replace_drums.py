"""`replace_drums`."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from stemfx.audio import Audio
from stemfx.errors import StageError
from stemfx.hits import Hit
from stemfx.io import probe, read_blocks
from stemfx.kit import Kit
from stemfx.kits.synth import SynthKit
from stemfx.stage import StageContext
from stemfx.stages.replace_drums import replace_drums
from stemfx.testing import RaggedSignal, apply, null_db, rms_dbfs

RATE = 44_100
SONGS = ("harbour_lights", "iron_tide", "neon_parade")


class OtherKit(SynthKit):
    """Drums that the built-in kit does not have: its own, a third lower or so, and duller."""

    name = "other"

    def variants(self, drum_class):
        return ("first", "second")

    def sample(self, drum_class, velocity, sample_rate, *, variant=None, take=0):
        if variant == "second":
            drum_class = "tom"
        lower = super().sample(drum_class, velocity, round(sample_rate * 1.23))
        sos = butter(2, 5_000, fs=sample_rate, output="sos")
        return Audio(np.float32(sosfiltfilt(sos, lower.samples)), sample_rate)


class KickOnly(Kit):
    """One drum."""

    name = "kick_only"
    summary = licence = ""
    classes = ("kick",)

    def sample(self, drum_class, velocity, sample_rate, *, variant=None, take=0):
        return SynthKit().sample("kick", velocity, sample_rate)


def beat(seconds=8.0):
    """Return a kick, snare and hat pattern with ghost notes and hands that do not quite meet."""
    rng, hits = np.random.default_rng(5), []
    for i, time_s in enumerate(np.arange(0.3, seconds - 0.5, 0.125)):
        at = float(time_s + rng.uniform(-0.004, 0.004))
        hits.append(Hit(at, "hat_closed", 0.3 + 0.3 * (i % 2 == 0)))
        if i % 8 in {0, 3}:
            hits.append(Hit(at + 0.002, "kick", 0.9 if i % 8 == 0 else 0.7))
        if i % 8 == 4:
            hits.append(Hit(at - 0.001, "snare", 0.9))
        if i % 8 == 7:
            hits.append(Hit(at, "snare", 0.25))
    return tuple(sorted(hits))


def played(hits, kit, seconds=8.0, pan=(1.0, 1.0)):
    out = np.zeros((2, round(seconds * RATE) + 4 * RATE), np.float32)
    for hit in hits:
        sound = 0.4 * kit.sample(hit.drum_class, hit.velocity, RATE).samples
        start = round(hit.time_s * RATE)
        out[:, start : start + sound.shape[1]] += sound * np.float32(pan)[:, np.newaxis]
    return Audio(np.ascontiguousarray(out[:, : round(seconds * RATE)]), RATE)


HITS = beat()
DRUMS = played(HITS, SynthKit())


def done(audio=DRUMS, hits=HITS, kit=None, **params):
    return apply(replace_drums, audio, drum_hits=hits, kits={"kit": kit or OtherKit()}, **params)


def codes(context):
    return [finding.code for finding in context.findings]


def test_no_blend_gives_the_same_bits():
    out, _ = done(blend=0.0)
    assert np.array_equal(out.samples, DRUMS.samples)


def test_silence_stays_silent():
    silent = Audio(np.zeros_like(DRUMS.samples), RATE)
    assert not done(silent)[0].samples.any()


@pytest.mark.parametrize("blend", [0.25, 0.5, 0.75, 1.0])
def test_every_blend_is_about_as_loud(blend):
    out, _ = done(blend=blend)
    # Kicks of different length: only 200 ms of each are matched.
    assert rms_dbfs(out) == pytest.approx(rms_dbfs(DRUMS), abs=1.5)


def test_a_kit_that_replaces_itself_changes_nothing_and_says_so():
    out, context = done(kit=SynthKit())
    assert null_db(DRUMS, out) < -20
    assert context.measurements["change_db"] < -20
    assert codes(context).count("same_sound") == 2


def test_its_level_can_still_be_turned():
    only = played([hit for hit in HITS if hit.drum_class == "kick"], SynthKit())
    kicks = [hit for hit in HITS if hit.drum_class == "kick"]
    out, _ = done(only, kicks, SynthKit(), classes=["kick"], gain_db=3.0, duck_db=48.0)
    louder = Audio(10 ** (3 / 20) * only.samples, RATE)
    assert null_db(louder, out) < -30


def test_the_old_hit_is_gone_and_the_new_one_there():
    kicks = [hit for hit in HITS if hit.drum_class == "kick"]
    old, rest = played(kicks, SynthKit()), played(set(HITS) - set(kicks), SynthKit())
    out, context = done(Audio(old.samples + rest.samples, RATE), classes=["kick"], match_level=True)
    new = Audio(out.samples - rest.samples, RATE)
    # What is left of the old kick, by least squares of its waveform.
    left = float(np.vdot(old.samples, new.samples) / np.vdot(old.samples, old.samples))
    assert abs(left) < 0.5
    assert context.measurements["kick_duck_db"] < -18
    assert rms_dbfs(new) == pytest.approx(rms_dbfs(old), abs=2.0)


def test_layering_leaves_the_old_sound_as_it_is():
    out, context = done(mode="layer")
    added = Audio(out.samples - DRUMS.samples, RATE)
    again, _ = done(mode="layer", blend=0.5)
    half = Audio(again.samples - DRUMS.samples, RATE)
    # Nothing is taken away, so twice the blend adds twice as much; float32 sums.
    assert null_db(added, Audio(2 * half.samples, RATE)) < -100
    assert "kick_duck_db" not in context.measurements


def test_new_hits_are_as_loud_as_the_old_ones_were():
    kicks = [Hit(0.5 + 0.5 * i, "kick", v) for i, v in enumerate((0.9, 0.3, 0.6, 0.9, 0.45) * 3)]
    out, _ = done(played(kicks, OtherKit()), kicks, SynthKit(), classes=["kick"], duck_db=48.0)
    old = played(kicks, OtherKit())
    change = [
        rms_dbfs(out, hit.time_s, hit.time_s + 0.2) - rms_dbfs(old, hit.time_s, hit.time_s + 0.2)
        for hit in kicks
    ]
    assert np.ptp(change) < 2.0  # velocities span 9.5 dB
    alike, _ = done(played(kicks, OtherKit()), kicks, SynthKit(), classes=["kick"], dynamics=0.0)
    levels = [rms_dbfs(alike, hit.time_s, hit.time_s + 0.2) for hit in kicks]
    assert np.ptp(levels) < 2.0


def test_an_edited_file_is_obeyed():
    kicks = [Hit(0.5 + 0.5 * i, "kick", v) for i, v in enumerate((0.9, 0.3, 0.6, 0.9, 0.45) * 3)]
    edited = [*kicks[:4], replace(kicks[4], velocity=0.9), *kicks[5:]]
    old = played(kicks, OtherKit())
    params = replace_drums.params.model_validate({"classes": ["kick"], "hits": "hits.json"})
    context = StageContext(hits=tuple(edited), kits={"kit": SynthKit()})
    out = Audio.from_blocks(replace_drums.process(old, params, context), RATE)
    before = rms_dbfs(out, kicks[3].time_s, kicks[3].time_s + 0.2)
    after = rms_dbfs(out, kicks[4].time_s, kicks[4].time_s + 0.2)
    assert after == pytest.approx(before, abs=1.0)  # 6 dB softer before it was edited


def test_soft_hits_can_be_kept():
    ghosts = [hit for hit in HITS if hit.drum_class == "snare" and hit.velocity < 0.5]
    _, context = done(keep_below=0.5)
    snares = sum(hit.drum_class == "snare" for hit in HITS)
    assert context.measurements["snare_hits"] == snares - len(ghosts)


def test_a_mono_sound_goes_where_the_old_one_was():
    out, _ = done(played(HITS, SynthKit(), pan=(1.0, 0.5)), mode="layer", classes=["kick"])
    added = out.samples - played(HITS, SynthKit(), pan=(1.0, 0.5)).samples
    power = (added.astype(float) ** 2).sum(axis=1)
    assert 10 * np.log10(power[0] / power[1]) == pytest.approx(6.02, abs=0.2)


def test_the_variant_is_played():
    first, second = done()[0], done(variants={"kick": "second"})[0]
    assert null_db(first, second) > -20


@pytest.mark.parametrize("mode", ["replace", "layer"])
def test_the_blocks_of_the_input_cannot_be_heard(mode):
    whole, _ = done(mode=mode)
    ragged, _ = done(RaggedSignal(DRUMS), mode=mode)
    assert np.array_equal(whole.samples, ragged.samples)


def test_no_such_hits_passes_the_signal_and_says_what_was_heard():
    hats = [hit for hit in HITS if hit.drum_class == "hat_closed"]
    out, context = done(hits=hats)
    assert np.array_equal(out.samples, DRUMS.samples)
    [finding] = context.findings
    assert finding.code == "no_such_hits"
    assert f"{len(hats)} hat_closed" in finding.message
    assert "hits.json" in finding.message


def test_a_kit_without_the_drum_is_refused_with_what_it_has():
    with pytest.raises(StageError, match=r"no snare; it has kick\..*classes: \[kick\]"):
        done(kit=KickOnly())


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ({"kick": "808"}, "no kick '808'; it has 'first', 'second'"),
        ({"tom": "first"}, "names tom, which is not one of classes"),
    ],
)
def test_a_variant_that_is_not_there_is_refused(variants, message):
    with pytest.raises(StageError, match=message):
        done(variants=variants)


def test_equal_velocities_are_told():
    flat = [replace(hit, velocity=0.8) for hit in HITS]
    _, context = done(hits=flat)
    assert "equal_velocities" in codes(context)


def test_hits_of_another_song_are_told():
    late = Audio(np.pad(DRUMS.samples[:, : 2 * RATE], ((0, 0), (0, 8 * RATE))), RATE)
    kicks = [Hit(5.0 + 0.3 * i, "kick", 0.8) for i in range(8)]
    out, context = done(late, kicks, classes=["kick"])
    assert np.array_equal(out.samples, late.samples)
    assert "hits_without_sound" in codes(context)


# ---------------------------------------------------------------------------- songs


def song_hits(corpus, name):
    truth = json.loads((corpus / "songs" / name / "song.json").read_text())["drums"]
    kinds = {"clap": "clap", "open": "hat_open", "closed": "hat_closed"}
    return sorted(
        Hit(hit["t"], kinds.get(hit.get("articulation"), hit["class"]), hit["vel"] / 127)
        for hit in truth
    )


@pytest.mark.parametrize("name", SONGS)
def test_the_low_ends_of_layered_kicks_add_up(corpus, name):
    info = probe(corpus / "songs" / name / "drums.flac")
    stem = Audio.from_blocks(read_blocks(info), info.sample_rate)
    out, context = done(stem, song_hits(corpus, name), SynthKit(), classes=["kick"], mode="layer")
    sos = butter(2, (40, 160), "bandpass", fs=stem.sample_rate, output="sos")
    old = stem.read().astype(float)
    new = out.samples - old
    power = [float((sosfiltfilt(sos, x) ** 2).sum()) for x in (old, new, old + new)]
    assert 10 * np.log10(power[2] / (power[0] + power[1])) >= 0.5
    assert abs(context.measurements["kick_shift_ms"]) <= 1.0  # no flam
