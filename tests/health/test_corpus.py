"""Every defect of the corpus is named, and none on its clean files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stemfx.health import FileFacts, FileHealth, examine
from stemfx.io import FileSignal, probe

CODES = {
    "polarity_inverted_channel": "polarity_inverted",
    "inter_channel_delay": "inter_channel_delay",
    "bass_out_of_phase": "bass_out_of_phase",
    "clipping": "clipping",
    "dc_offset": "dc_offset",
    "mono_file": "mono_file",
    "dual_mono": "dual_mono",
    "silent_channel": "silent_channel",
    "bandwidth_limited": "bandwidth_limited",
    "bit_depth": "bit_depth",
    "float_over_full_scale": "float_over_full_scale",
    "silent": "silent",
    "very_short": "very_short",
    "multichannel": "multichannel",
    "nan_samples": "nan_samples",
    "lossy_file": "lossy_file",
}
"""What a defect of truth.json is called here; others are files that cannot be read, or sets."""


def checked(path: Path) -> FileHealth:
    info = probe(path, min_duration_s=0)
    facts = FileFacts(info.bit_depth is None, info.channels, info.format)
    return examine(FileSignal(info, fold=True), facts)


def faults(health: FileHealth) -> set[str]:
    return {f.code for f in health.findings if f.level != "info"}


def test_every_defect_is_named_and_no_control_is(corpus: Path):
    items = json.loads((corpus / "defects" / "truth.json").read_text())["items"]
    for item in items:
        path = corpus / "defects" / item["file"]
        if item.get("control"):
            assert faults(checked(path)) == set(), item["file"]
        elif item["defect"] in CODES and path.suffix != ".m4a":  # needs ffmpeg
            found = checked(path)
            assert CODES[item["defect"]] in {f.code for f in found.findings}, item["file"]
            if "clipped_samples" in item:
                # Its samples, and few that come within rounding of the ceiling by themselves.
                n_clipped = found.level.clipping.clipped_samples
                assert n_clipped == pytest.approx(item["clipped_samples"], rel=0.01)
            if "delay_ms" in item:
                assert found.stereo.channel_delay_ms == pytest.approx(item["delay_ms"], abs=0.005)


def test_clean_songs_stems_and_hits_have_no_fault(corpus: Path):
    for path in sorted([*corpus.glob("real/*/*.flac"), *corpus.glob("kit/*.wav")]):
        assert faults(checked(path)) == set(), path.name
    for path in sorted(corpus.glob("songs/neon_parade/*.flac")):
        assert faults(checked(path)) == set(), path.name


def test_generations_have_the_defects_that_they_were_given(corpus: Path):
    found = {name: faults(checked(corpus / "generations" / f"{name}.flac")) for name in "ABC"}
    assert found["A"] == {"bandwidth_limited"}
    assert "clipping" in found["B"]
    assert found["C"] == set()
