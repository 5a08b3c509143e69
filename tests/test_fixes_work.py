"""Whoever follows a fix is rid of what was found, and of nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fixing
import numpy as np
import pytest
import soundfile
import yaml
from engine import run_text

from stemfx.audio import Audio
from stemfx.health import examine
from stemfx.io import Encoding, FileSignal, probe, write
from stemfx.run import Outcome
from stemfx.stage import Finding
from stemfx.stages import BUILTIN
from stemfx.testing import apply

RATE = 44_100
STAGES = {stage.name: stage for stage in BUILTIN}
SEPARATED = {"separate": {"model": "shares"}}


def noise(seed: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(2 * RATE)


def tone(hz: float, phase: float = 0.0) -> np.ndarray:
    return 0.4 * np.sin(2 * np.pi * hz * np.arange(2 * RATE) / RATE + phase)


FAULTS: dict[str, tuple[np.ndarray, str]] = {
    "polarity_inverted": (np.stack((noise(1), 0.1 * noise(2) - noise(1))), "phase_check"),
    "mono_loss": (
        np.stack((noise(2) + noise(1), noise(2) - 1.6 * noise(1))),
        "phase_check",
    ),
    "wide_bass": (np.stack((tone(60), tone(60, 1.2))) + 0.2 * noise(1), "mono_check"),
    "mono_loss_band": (np.stack((tone(300), tone(300, 2.6))) + 0.05 * noise(1), "mono_check"),
    "dc_offset": (np.stack((noise(1), noise(2))) + 0.05, "level_check"),
    "clipping": (np.clip(np.stack((tone(97), tone(97))) * 2, -0.6, 0.6), "level_check"),
    "true_peak": (np.tile(1.4 * np.sin(np.pi / 2 * np.arange(2 * RATE) + np.pi / 4), (2, 1)),
                  "level_check"),
    "unbalanced_channels": (np.stack((noise(1), 0.2 * noise(2))), "level_check"),
    "silent_channel": (np.stack((noise(1), 0 * noise(2))), "level_check"),
}  # fmt: skip


def rendered(folder: Path, document: dict[str, Any]) -> Outcome:
    return run_text(folder, yaml.safe_dump({k: v for k, v in document.items() if k != "stemfx"}))


def found(outcome: Outcome) -> dict[str, Finding]:
    return {finding.code: finding for _, finding in outcome.findings}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sound = np.stack((noise(1), noise(2))).astype(np.float32)
    write(tmp_path / "song.wav", Audio(sound, RATE), Encoding("wav", 24))
    return tmp_path


@pytest.mark.parametrize("code", FAULTS)
def test_what_a_check_found_is_gone_with_its_fix(code: str, tmp_path: Path) -> None:
    sound, check = FAULTS[code]
    write(tmp_path / "song.wav", Audio(sound.astype(np.float32), RATE), Encoding("wav", 32))
    before = {
        "sources": {"song": "song.wav"},
        "tracks": {"vocals": {"from": "song", "stages": [{check: {}}]}},
        "output": {"master": {"file": "out.wav", "bit_depth": 32}},
    }
    fault = found(rendered(tmp_path, before))[code]
    assert fault.fix is not None
    after = found(rendered(tmp_path, fixing.with_fix(before, fault.fix, 0)))
    assert code not in after
    assert not [finding for finding in after.values() if finding.level == "error"]


def test_what_is_found_in_a_file_is_gone_from_the_track_that_plays_it(tmp_path: Path) -> None:
    sound, _ = FAULTS["clipping"]
    write(tmp_path / "song.wav", Audio(sound.astype(np.float32), RATE), Encoding("wav", 24))
    (fault,) = (f for f in examine(FileSignal(probe(tmp_path / "song.wav"))).findings
                if f.code == "clipping")  # fmt: skip
    before = {
        "sources": {"song": "song.wav"},
        "tracks": {"vocals": {"from": "song"}},
        "output": {"master": "out.wav"},
    }
    assert fault.fix is not None
    rendered(tmp_path, fixing.with_fix(before, fault.fix))
    after = examine(FileSignal(probe(tmp_path / "out.wav"))).findings
    assert "clipping" not in {f.code for f in after}


def test_a_target_that_was_missed_is_reached_where_the_fix_sets_it(folder: Path) -> None:
    sound = 0.01 * np.stack((noise(1), noise(2)))
    sound[:, RATE] = 1.0  # too short to be heard as loud
    write(folder / "song.wav", Audio(sound.astype(np.float32), RATE), Encoding("wav", 24))
    stage = {"loudness": {"target_lufs": -6.0, "ceiling_dbtp": -1.0}}
    before = {
        "sources": {"song": "song.wav"},
        "tracks": {"vocals": {"from": "song", "stages": [stage]}},
        "output": {"master": "out.wav"},
    }
    missed = found(rendered(folder, before))["loudness_target_missed"]
    assert missed.fix is not None
    assert "ceiling_dbtp: -1" in missed.fix
    after = rendered(folder, fixing.with_fix(before, missed.fix, 0))
    assert "loudness_target_missed" not in found(after)


@pytest.mark.parametrize(
    ("stage", "code"),
    [
        ({"width": {"width": 2.0}}, "too_wide"),
        ({"multiband": {"threshold_lu": 24}}, "multiband_idle"),
    ],
)
def test_a_stage_that_did_too_much_or_nothing_is_mended_by_its_fix_at_once(
    stage: dict[str, Any], code: str
) -> None:
    given = Audio(np.stack((noise(1), noise(2))).astype(np.float32), RATE)
    ((name, params),) = stage.items()
    told = {f.code: f for f in apply(STAGES[name], given, **params)[1].findings}
    fixed = fixing.with_fix(fixing.recipe(stage), str(told[code].fix), 0)
    ((name, params),) = fixed["tracks"]["vocals"]["stages"][0].items()
    assert code not in {f.code for f in apply(STAGES[name], given, **params)[1].findings}


def test_a_residual_that_nobody_played_is_played(folder: Path) -> None:
    before = {
        "sources": {"song": "song.wav"},
        "separate": {"model": "shares", "residual": "keep"},
        "tracks": {"vocals": {"from": "song/vocals"}, "rest": {"from": "song/drums"}},
        "output": {"master": "out.wav"},
    }
    kept = found(rendered(folder, before))["residual_not_played"]
    assert kept.fix == "# in tracks\nrest1: {from: song/residual}"
    assert found(rendered(folder, fixing.with_fix(before, kept.fix))) == {}


def test_what_is_kept_and_not_used_is_written(folder: Path) -> None:
    before = {
        "sources": {"song": "song.wav"},
        **SEPARATED,
        "tracks": {"vocals": {"from": "song/vocals",
                              "stages": [{"subtracts_others": {"keep_removed": True}}]}},
        "output": {"master": "out.wav"},
    }  # fmt: skip
    kept = found(rendered(folder, before))["removed_not_used"]
    assert kept.fix == "# in output\nstems: stems/"
    assert found(rendered(folder, fixing.with_fix(before, kept.fix))) == {}
    assert (folder / "stems/removed/vocals.wav").is_file()


def test_a_song_that_is_said_to_be_no_generated_one_is_treated_as_any_other(folder: Path) -> None:
    with soundfile.SoundFile(folder / "song.wav", "w", RATE, 2, "FLOAT", format="WAV") as file:
        file.comment = "made with suno; created=2026-03-01"
        file.write(np.stack((noise(1), noise(2))).T)
    before = {
        "sources": {"song": "song.wav"},
        **SEPARATED,
        "tracks": {"vocals": {"from": "song/vocals", "stages": [{"origin": {}}]}},
        "output": {"master": "out.wav"},
    }
    told = found(rendered(folder, before))["generated"]
    assert told.fix == "# in sources.song\ngenerated: false"
    assert found(rendered(folder, fixing.with_fix(before, told.fix))) == {}


def test_an_mp3_is_asked_for_at_a_rate_that_it_has(folder: Path) -> None:
    sound = np.stack((noise(1), noise(2))).astype(np.float32)
    write(folder / "song.wav", Audio(sound, 96_000), Encoding("wav", 24))
    before = {
        "sources": {"song": "song.wav"},
        "tracks": {"vocals": {"from": "song"}},
        "output": {"master": "a/out.mp3"},
    }
    told = found(rendered(folder, before))["mp3_sample_rate"]
    assert told.fix == "# in output\nmaster: {file: a/out.mp3, sample_rate: 48000}"
    assert found(rendered(folder, fixing.with_fix(before, told.fix))) == {}
