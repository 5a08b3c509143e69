"""`declip`."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf

from stemfx.audio import Audio
from stemfx.dsp.declip import find_ceiling
from stemfx.stages.declip import declip
from stemfx.testing import RaggedSignal, apply, tone

RATE = 44_100


def music(duration_s: float = 1.5) -> Audio:
    """Two chords with decays, different left and right, peak 1."""
    t = np.arange(round(duration_s * RATE)) / RATE
    decay = np.exp(-2 * (t % 0.75))
    left = sum(np.sin(2 * np.pi * hz * t + hz) for hz in (110, 220, 277.2, 329.6, 880))
    right = sum(np.sin(2 * np.pi * hz * t) for hz in (110, 277.2, 415.3, 660))
    samples = np.stack((left, right)) * decay
    return Audio((samples / np.abs(samples).max()).astype(np.float32), RATE)


def clipped(audio: Audio, over_db: float, *, bottom: bool = True) -> tuple[Audio, np.ndarray]:
    level = np.float32(10 ** (-over_db / 20))
    low = -level if bottom else -10
    return Audio(np.clip(audio.samples, low, level), RATE), (audio.samples >= level) | (
        audio.samples <= low
    )


def sdr_db(truth: np.ndarray, samples: np.ndarray, where: np.ndarray) -> float:
    truth, samples = truth[where].astype(float), samples[where].astype(float)
    return 10 * np.log10(np.sum(truth**2) / np.sum((truth - samples) ** 2))


def gain_db(audio: Audio, over_db: float, **params) -> float:
    broken, where = clipped(audio, over_db)
    out, _ = apply(declip, broken, **params)
    return sdr_db(audio.samples, out.samples, where) - sdr_db(audio.samples, broken.samples, where)


@pytest.mark.parametrize("over_db", [2.0, 4.0, 8.0])
def test_chords_come_nearer_to_what_they_were(over_db):
    # Sparse as theory has it: what is measured is 15 to 27 dB.
    assert gain_db(music(), over_db, max_gain_db=12.0) > 12


def test_only_clipped_samples_change_and_only_outwards():
    broken, where = clipped(music(), 6.0)
    out, context = apply(declip, broken)
    assert np.array_equal(out.samples[~where], broken.samples[~where])
    rise = np.abs(out.samples[where] / broken.samples[where])
    assert rise.min() >= 1
    assert rise.max() <= 10 ** (6 / 20)
    assert context.measurements["clipped_samples"] == where.sum()
    assert context.measurements["ceiling_dbfs"] == pytest.approx(-6, abs=0.01)
    assert context.measurements["highest_rise_db"] == pytest.approx(
        20 * np.log10(rise.max()), abs=0.01
    )


@pytest.mark.parametrize("max_gain_db", [0.0, 1.0, 3.0])
def test_no_top_rises_higher_than_it_may(max_gain_db):
    broken, _ = clipped(music(), 6.0)
    out, _ = apply(declip, broken, max_gain_db=max_gain_db)
    peak_db = 20 * np.log10(np.abs(out.samples).max() / np.abs(broken.samples).max())
    # It bends towards the limit and does not cross it.
    assert 0.9 * max_gain_db <= peak_db <= max_gain_db + 1e-4


def test_clipping_on_one_side_and_at_a_lower_level_is_found():
    broken, where = clipped(music(), 5.0, bottom=False)
    lowered = np.round(0.3 * broken.samples * 32_768) / 32_768
    audio = Audio(lowered.astype(np.float32), RATE)
    ceiling = find_ceiling(audio)
    assert np.all(np.isinf(ceiling.below))
    # A sample that was rounded onto the ceiling is taken for one of it.
    assert ceiling.n_clipped == pytest.approx(where.sum(), rel=0.01)
    out, _ = apply(declip, audio)
    truth = np.float32(0.3) * music().samples
    assert sdr_db(truth, out.samples, where) > sdr_db(truth, audio.samples, where) + 12


def test_a_ceiling_that_was_dithered_afterwards_is_found():
    broken, where = clipped(music(), 5.0)
    dither = np.random.default_rng(3).triangular(-1, 0, 1, broken.samples.shape)
    rounded = np.round(0.5 * broken.samples * 32_768 + dither) / 32_768
    assert find_ceiling(Audio(rounded.astype(np.float32), RATE)).n_clipped == pytest.approx(
        where.sum(), rel=0.02
    )


@pytest.mark.parametrize(
    "audio", [music(), tone(40.0, peak_dbfs=0.0), tone(997.0, peak_dbfs=-1.0), tone(11_025.0)]
)
def test_what_is_not_clipped_keeps_every_bit(audio):
    out, context = apply(declip, audio)
    assert np.array_equal(out.samples, audio.samples)
    assert [f.code for f in context.findings] == ["nothing_clipped"]


def test_smooth_tops_of_few_bits_are_not_flat():
    eight_bit = np.round(tone(60.0).samples * 128) / 128
    assert find_ceiling(Audio(eight_bit.astype(np.float32), RATE)).n_clipped == 0


def test_tops_over_full_scale_are_kept_and_told():
    broken = Audio(clipped(music(), 6.0)[0].samples * np.float32(2 * 10 ** (-0.02 / 20)), RATE)
    out, context = apply(declip, broken)
    assert np.abs(out.samples).max() > 1.5
    (finding,) = context.findings
    assert finding.code == "over_full_scale"
    peak_db = 20 * np.log10(np.abs(out.samples).max())
    assert f"reach {peak_db:+.1f} dBFS" in finding.message
    down_db = float(finding.message.rpartition("gain_db: ")[2].rstrip("}"))
    assert -0.1 < peak_db + down_db <= 0  # no tip is left over full scale
    assert context.measurements["peak_dbfs"] == pytest.approx(peak_db, abs=0.01)


def test_the_same_bits_come_whatever_the_blocks_and_sides():
    broken, _ = clipped(music(2.0), 6.0)
    out = apply(declip, broken)[0].samples
    assert np.array_equal(apply(declip, RaggedSignal(broken))[0].samples, out)
    swapped = apply(declip, Audio(broken.samples[::-1], RATE))[0].samples
    assert np.array_equal(swapped[::-1], out)
    upside_down = apply(declip, Audio(-broken.samples, RATE))[0].samples
    assert np.abs(upside_down + out).max() < 1e-5


@pytest.mark.parametrize(
    ("name", "scale"), [("clipped_0dbfs", 1.0), ("clipped_then_minus6db", 0.5)]
)
def test_a_clipped_song_comes_nearer_to_its_clean_twin(corpus, name, scale):
    broken, rate = sf.read(corpus / "defects" / f"{name}.flac", dtype="float32", frames=66_150)
    clean, _ = sf.read(corpus / "defects" / "clean_iron.flac", dtype="float32", frames=66_150)
    where = np.abs(broken.T) >= 0.9999 * scale
    # The defect's gain: what fits the samples that were not clipped.
    gain = np.dot(clean.T[~where], broken.T[~where]) / np.dot(clean.T[~where], clean.T[~where])
    truth = gain * clean.T
    out, context = apply(declip, Audio(broken.T, rate))
    before, after = (sdr_db(truth, x, where) for x in (broken.T, out.samples))
    assert after > before + 4  # 6 dB over the whole file
    codes = [f.code for f in context.findings]
    assert codes == (["over_full_scale"] if scale == 1 else [])


@pytest.mark.parametrize("over_db", [2.0, 3.0, 6.0])
def test_strokes_do_not_get_worse_than_their_flat_tops(corpus, over_db):
    # A kick clipped by 3 dB came out 4 dB further from the truth, while only sparsity was asked.
    samples, rate = sf.read(
        corpus / "songs" / "harbour_lights" / "drums.flac",
        dtype="float32",
        start=5 * RATE,
        frames=3 * RATE,
    )
    audio = Audio(samples.T / np.abs(samples).max(), rate)
    assert gain_db(audio, over_db) > 0


def test_clean_songs_keep_every_bit(corpus):
    for path in sorted((corpus / "defects").glob("clean_*.flac")):
        samples, rate = sf.read(path, dtype="float32")
        audio = Audio(samples.T, rate)
        assert np.array_equal(apply(declip, audio)[0].samples, audio.samples)
