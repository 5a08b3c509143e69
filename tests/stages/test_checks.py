"""`phase_check`, `mono_check` and `level_check`."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.stage import Stage
from stemfx.stages.level_check import level_check
from stemfx.stages.mono_check import mono_check
from stemfx.stages.phase_check import phase_check
from stemfx.testing import apply

RATE = 44_100


def noise(seed: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(4 * RATE)


def pair(rho: float) -> Audio:
    """Two noises of one level with the correlation `rho`."""
    same, other = noise(1), noise(2)
    return Audio(np.stack([same, rho * same + np.sqrt(1 - rho**2) * other]), RATE)


def found(stage: Stage, audio: Audio, **params: float) -> dict[str, str]:
    _, context = apply(stage, audio, **params)
    return {finding.code: finding.level for finding in context.findings}


@pytest.mark.parametrize("check", [phase_check, mono_check, level_check], ids=lambda c: c.name)
@pytest.mark.parametrize("name", ["vocals", "drums", "bass", "other"])
def test_a_clean_stem_passes(check: Stage, name: str):
    stem = demo_song()[name]
    out, context = apply(check, stem)
    assert context.findings == []
    assert np.array_equal(out.samples, stem.samples)


def test_phase_check_finds_only_beyond_its_limit():
    wide = pair(0.0)  # loses 3.01 dB
    assert found(phase_check, wide, max_mono_loss_db=3.2) == {}
    assert found(phase_check, wide, max_mono_loss_db=2.8) == {"mono_loss": "warn"}
    assert found(phase_check, pair(-0.7), max_mono_loss_db=3.0) in (
        {"mono_loss": "error"},
        {"polarity_inverted": "error"},
    )


def test_phase_check_reports_what_it_measured():
    _, context = apply(phase_check, pair(0.5))
    assert context.measurements["mono_loss_db"] == pytest.approx(1.25, abs=0.1)
    assert context.measurements["correlation"] == pytest.approx(0.5, abs=0.02)
    assert context.measurements["polarity"] == "ok"


def test_phase_check_hears_one_late_channel():
    left = noise(1)
    late = Audio(np.stack([left[10:], left[:-10]]), RATE)
    assert found(phase_check, late) == {"inter_channel_delay": "warn"}
    assert "inter_channel_delay" not in found(phase_check, late, max_delay_ms=0.3)


def test_phase_check_can_ask_for_a_correlation():
    assert found(phase_check, pair(0.3), min_correlation=0.5) == {"low_correlation": "warn"}
    assert found(phase_check, pair(0.6), min_correlation=0.5) == {}


def test_mono_check_judges_each_band_by_itself():
    t = np.arange(4 * RATE) / RATE
    bass = 0.3 * np.sin(2 * np.pi * 60 * t)
    presence = 0.3 * np.sin(2 * np.pi * 4000 * t)
    both = bass + presence
    assert found(mono_check, Audio(np.stack([both, both]), RATE)) == {}
    upside_down = np.stack([presence + bass, presence - bass])
    assert found(mono_check, Audio(upside_down, RATE)) == {"bass_out_of_phase": "error"}
    (fault,) = apply(mono_check, Audio(upside_down, RATE))[1].findings
    assert fault.fix is None  # turning a channel over would turn the presence over
    (fault,) = apply(mono_check, Audio(np.stack([bass, -bass]), RATE))[1].findings
    assert fault.fix == "- polarity: {channels: right}"
    hollow = np.stack([bass + presence, bass - presence])
    assert found(mono_check, Audio(hollow, RATE)) == {"mono_loss_band": "error"}


def test_mono_check_knows_its_limits():
    t = np.arange(4 * RATE) / RATE
    # Two phases 96 degrees apart: rho = cos 96 = -0.105, a loss of 3.49 dB.
    tone = np.stack([np.sin(2 * np.pi * 1000 * t), np.sin(2 * np.pi * 1000 * t + np.deg2rad(96))])
    assert found(mono_check, Audio(0.3 * tone, RATE), max_band_loss_db=3.6) == {}
    assert found(mono_check, Audio(0.3 * tone, RATE), max_band_loss_db=3.4) == {
        "mono_loss_band": "warn"
    }


def test_level_check_finds_peaks_offsets_and_loudness():
    t = np.arange(4 * RATE) / RATE
    tone = np.sin(2 * np.pi * 997 * t) * np.ones((2, 1))
    assert found(level_check, Audio(0.5 * tone, RATE)) == {}
    assert found(level_check, Audio(0.5 * tone, RATE), max_true_peak_dbtp=-7.0) == {
        "true_peak": "warn"
    }
    assert found(level_check, Audio(0.5 * tone + 0.002, RATE)) == {"dc_offset": "warn"}
    # 0 dBFS of a tone on both sides is 0 LUFS, so this one reads -6.0 (BS.1770 at 997 Hz).
    assert found(level_check, Audio(0.5 * tone, RATE), max_lufs=-8.0) == {"too_loud": "warn"}
    assert found(level_check, Audio(0.5 * tone, RATE), min_lufs=-4.0) == {"too_quiet": "warn"}


def test_level_check_finds_clipping_and_a_silent_side():
    song = np.sum([stem.samples for stem in demo_song().values()], axis=0)[:, : 6 * RATE]
    assert "clipping" in found(level_check, Audio(0.5 * np.clip(5 * song, -1, 1), RATE))
    assert found(level_check, Audio(song * np.array([[1.0], [0.0]]), RATE)) == {
        "silent_channel": "error"
    }
