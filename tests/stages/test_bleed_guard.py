from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from made_masks import Masked, masked, spectrum_of

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.dsp.bands import erb_bands
from stemfx.dsp.bleed_ducking import ducked
from stemfx.dsp.separation_metrics import si_sdr_db
from stemfx.dsp.stft import N_FFT, n_frames
from stemfx.stage import Song, StageContext
from stemfx.stages.bleed_guard import bleed_guard
from stemfx.testing import apply, null_db, rms_dbfs

RATE = 44_100
NAMES = ("vocals", "drums", "bass", "other")


@cache
def true_stems() -> dict[str, Audio]:
    song = demo_song()
    return {name: Audio(song[name].samples[:, 3 * RATE : 15 * RATE], RATE) for name in NAMES}


@cache
def masked_stems() -> Masked:
    return masked(true_stems())


def with_leak(leak_db: float) -> dict[str, Audio]:
    true = true_stems()
    vocals = true["vocals"].samples + 10 ** (leak_db / 20) * true["drums"].samples
    return true | {"vocals": Audio(vocals, RATE)}


def guarded(
    stems: dict[str, Audio], signal: Audio | None = None, **params: Any
) -> tuple[Audio, StageContext]:
    mixture = Audio(np.sum([stem.samples for stem in stems.values()], axis=0), RATE)
    song = Song(stems, "vocals", mixture, against=("drums",))
    return apply(bleed_guard, signal or stems["vocals"], song=song, against=["drums"], **params)


def power(spectrum: np.ndarray) -> np.ndarray:
    return np.square(np.abs(spectrum)).sum(axis=0)


def test_stems_that_were_played_by_themselves_come_back_bit_for_bit() -> None:
    true = true_stems()
    out, context = guarded(true)
    assert np.array_equal(out.samples, true["vocals"].samples)
    assert [finding.code for finding in context.findings] == ["no_bleed"]


def test_a_leak_is_taken_out_and_the_voice_is_whole() -> None:
    stems = with_leak(-20.0)
    out, context = guarded(stems)
    assert si_sdr_db(true_stems()["vocals"].samples, out.samples) > 60
    assert context.measurements["drums_audible_hits_before"] > 0
    assert context.measurements["drums_audible_hits_after"] == 0


def test_drums_that_masks_left_are_ducked_where_the_voice_does_not_cover_them() -> None:
    """Truth: what the vocals' mask lets through of the drums, where it is more than the voice.

    It has to go down by 1 dB at least (a cell holds both), and the error of the stem must not
    grow by 0.2 dB.
    """
    made, true = masked_stems(), true_stems()
    vocals = made.stems["vocals"]
    out, context = guarded(made.stems)
    mask = made.masks["vocals"]
    bleed = power(mask * spectrum_of(true["drums"]))
    voice = power(mask * spectrum_of(true["vocals"]))
    cut = power(spectrum_of(out)) / np.maximum(power(spectrum_of(vocals)), 1e-20)
    uncovered = bleed > voice
    ducked_db = 10 * np.log10((bleed * cut)[uncovered].sum() / bleed[uncovered].sum())
    assert ducked_db < -1.0
    before, after = (si_sdr_db(true["vocals"].samples, x.samples) for x in (vocals, out))
    assert after > before - 0.2
    told = context.measurements
    assert told["drums_audible_hits_after"] <= 0.7 * told["drums_audible_hits_before"]
    assert told["drums_bleed_after_db"] < told["drums_bleed_before_db"]


@pytest.mark.parametrize("depth_db", [3.0, 12.0])
def test_nothing_is_turned_down_by_more_than_the_depth(depth_db: float) -> None:
    made = masked_stems()
    cuts = []
    for one in (made.stems["vocals"], guarded(made.stems, depth_db=depth_db)[0]):
        frames = one.samples[:, : one.n_samples // 2048 * 2048].reshape(2, -1, 2048)
        cuts.append(np.square(frames, dtype=np.float64).sum(axis=(0, 2)) + 1e-12)
    lost_db = 10 * np.log10(cuts[0] / cuts[1])
    assert lost_db.max() < depth_db + 0.1
    assert lost_db.max() > 0.2


def test_an_earlier_stage_does_not_keep_the_leak_from_being_ducked() -> None:
    stems = with_leak(-20.0)
    out, context = guarded(stems, Audio(0.5 * stems["vocals"].samples, RATE))
    assert "not_the_stem" in {finding.code for finding in context.findings}
    assert out.n_samples == stems["vocals"].n_samples
    assert (
        context.measurements["drums_audible_hits_after"]
        < (context.measurements["drums_audible_hits_before"])
    )


def test_a_cut_is_as_deep_as_asked_and_bits_stay_elsewhere() -> None:
    """White noise, cut by 9 dB in all bands from 1 to 2 s: elsewhere no bit changes."""
    noise = Audio(np.random.default_rng(0).standard_normal((2, 4 * RATE)) * 0.1, RATE)
    bands = erb_bands(40, RATE)
    cuts = np.zeros((-(-n_frames(noise.n_samples) // 2), len(bands)), np.float32)
    frame_s = 2048 / RATE
    cuts[round(1 / frame_s) : round(2 / frame_s)] = 9.0
    out = Audio.from_blocks(ducked(noise, cuts, bands), RATE)
    lost_db = rms_dbfs(noise, 1.2, 1.8) - rms_dbfs(out, 1.2, 1.8)
    assert lost_db == pytest.approx(9.0, abs=0.05)
    edge = 2 * N_FFT
    for part in (slice(0, RATE - edge), slice(2 * RATE + edge, None)):
        assert np.array_equal(out.samples[:, part], noise.samples[:, part])


def test_no_depth_is_no_change() -> None:
    stems = with_leak(-20.0)
    out, _ = guarded(stems, depth_db=0.0)
    assert null_db(stems["vocals"], out) == -np.inf
