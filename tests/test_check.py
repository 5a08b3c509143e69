"""`stemfx check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stemfx.cli import execute

RATE = 44_100
CONTRACT = {
    *("file", "sample_rate", "channels", "duration_s", "lufs", "true_peak_dbtp"),
    *("sample_peak_dbfs", "dc_offset", "clipped_samples", "correlation", "correlation_bands"),
    *("mono_loss_db", "polarity", "interchannel_delay_ms", "bandwidth_hz", "findings"),
    *("lra_lu", "max_short_term_lufs", "max_momentary_lufs", "plr_lu", "psr_lu", "playback"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    middle = 0.1 * rng.standard_normal((2 * RATE, 1))
    good = middle + 0.03 * rng.standard_normal((2 * RATE, 2))
    soundfile.write(tmp_path / "good.wav", good, RATE)
    soundfile.write(tmp_path / "upside down.wav", good * [1, -1], RATE)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "words.txt").write_text("no audio")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    code = execute(["check", "--json", *map(str, arguments)])
    return code, json.loads(capsys.readouterr().out)


def codes(told: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in told["findings"]}


def test_a_good_file_passes_and_fills_the_contract(folder, capsys):
    code, told = run(capsys, folder / "good.wav")
    (one,) = told["files"]
    assert code == 0
    assert told["schema"] == 1
    assert one.keys() >= CONTRACT
    assert one["file"] == str(folder / "good.wav")
    assert (one["sample_rate"], one["channels"], one["duration_s"]) == (RATE, 2, 2.0)
    # rho = 0.1^2 / (0.1^2 + 0.03^2)
    assert one["correlation"] == pytest.approx(0.917, abs=0.01)
    assert one["polarity"] == "ok"
    assert one["plr_lu"] == pytest.approx(one["true_peak_dbtp"] - one["lufs"], abs=0.02)
    assert one["lufs"] <= one["max_momentary_lufs"]
    assert (one["max_short_term_lufs"], one["psr_lu"]) == (None, None)  # 2 s
    spotify = one["playback"][0]
    assert (spotify["target"], spotify["lufs"]) == ("spotify", -14.0)
    assert spotify["difference_lu"] == pytest.approx(one["lufs"] + 14, abs=0.011)
    assert [band["low_hz"] for band in one["correlation_bands"]] == [20, 120, 500, 2000, 6000]
    assert one["findings"] == []


@pytest.mark.parametrize(("level", "code"), [("error", 1), ("warn", 1), ("never", 0)])
def test_the_exit_code_follows_fail_on(folder, capsys, level, code):
    assert run(capsys, folder / "upside down.wav", "--fail-on", level)[0] == code


def test_a_bad_file_stops_nobody_and_is_told(folder, capsys):
    bad, missing = folder / "empty.wav", folder / "gone.wav"
    code, told = run(capsys, bad, folder / "good.wav", missing, "--fail-on", "never")
    assert code == 2
    assert [codes(one) for one in told["files"]] == [{"unreadable"}, set(), {"unreadable"}]
    assert told["files"][0].keys() >= CONTRACT
    assert told["files"][0]["lufs"] is None
    assert "0 bytes" in told["files"][0]["findings"][0]["message"]
    assert "no such file" in told["files"][2]["findings"][0]["message"]


def test_a_folder_means_the_audio_files_in_it(folder, capsys):
    code, told = run(capsys, folder)
    names = [Path(one["file"]).name for one in told["files"]]
    assert (code, names) == (2, ["empty.wav", "good.wav", "upside down.wav"])


def test_a_folder_without_audio_is_told(tmp_path, capsys):
    code, told = run(capsys, tmp_path)
    assert code == 2
    assert codes(told["files"][0]) == {"unreadable"}


def test_a_name_with_leading_dashes_is_a_file_after_two_dashes(folder, capsys, monkeypatch):
    (folder / "good.wav").rename(folder / "--good.wav")
    monkeypatch.chdir(folder)
    code, told = run(capsys, "--", "--good.wav")
    assert (code, told["files"][0]["findings"]) == (0, [])


def test_a_short_hit_is_checked_though_no_source_may_be_so_short(folder, capsys):
    good, _ = soundfile.read(folder / "good.wav")
    soundfile.write(folder / "hit.wav", good[:3000], RATE)
    code, told = run(capsys, folder / "hit.wav")
    assert code == 0
    assert "very_short" in codes(told["files"][0])


def test_surround_is_checked_as_its_fold_down(folder, capsys):
    rng = np.random.default_rng(0)
    soundfile.write(folder / "5.1.wav", 0.1 * rng.standard_normal((RATE, 6)), RATE)
    soundfile.write(folder / "seven.wav", 0.1 * rng.standard_normal((RATE, 7)), RATE)
    _, told = run(capsys, folder / "5.1.wav", folder / "seven.wav")
    assert told["files"][0]["channels"] == 6
    assert codes(told["files"][0]) == {"multichannel"}
    assert codes(told["files"][1]) == {"unreadable"}


def test_people_get_a_table_and_what_to_do(folder, capsys):
    assert execute(["check", str(folder / "upside down.wav"), str(folder / "good.wav")]) == 1
    out = capsys.readouterr().out
    assert "upside down.wav" in out
    assert "- polarity: {channels: right}" in out
    assert "PSR" in out
    assert "Traceback" not in out


def test_every_file_of_the_corpus_is_told_without_a_traceback(corpus, capsys):
    code, told = run(capsys, corpus / "defects")
    assert code == 2
    assert len(told["files"]) > 40
    named = {Path(one["file"]).name: codes(one) for one in told["files"]}
    for name in ("truncated.wav", "zero_bytes.wav", "text_named.wav", "header_size_zero.wav"):
        assert named[name] == {"unreadable"}


# --- stems of one song -------------------------------------------------------------------


@pytest.fixture
def stems(tmp_path: Path) -> Path:
    """Two stems that share nothing, their mixture, and one of them again, 5 ms late."""
    rng = np.random.default_rng(3)
    decay = np.exp(-8.0 * (np.arange(8 * RATE) / RATE % 0.5))[:, None]
    drums = 0.1 * rng.standard_normal((8 * RATE, 1)) * decay
    voice = 0.05 * rng.standard_normal((8 * RATE, 1))
    for name, samples in {
        "mix": drums + voice,
        "Song - Drums": drums,
        "Song - Vocals": voice,
    }.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE, subtype="FLOAT")
    late = np.concatenate((np.zeros((220, 1)), drums[:-220]))
    soundfile.write(tmp_path / "late drums.wav", late, RATE, subtype="FLOAT")
    return tmp_path


def test_files_named_like_stems_are_held_against_the_mixture_beside_them(stems, capsys):
    names = [stems / f"{name}.wav" for name in ("mix", "Song - Drums", "Song - Vocals")]
    code, told = run(capsys, *names)
    assert code == 0
    assert set(told["set"]["stems"]) == {"Song - Drums", "Song - Vocals"}
    assert told["set"]["null_db"] < -100  # float files of a float sum
    assert told["set"]["findings"] == []


def test_a_late_stem_is_named_with_its_delay_and_the_line_that_mends_it(stems, capsys):
    code, told = run(
        capsys,
        "--mixture",
        stems / "mix.wav",
        stems / "late drums.wav",
        stems / "Song - Vocals.wav",
    )
    assert code == 1
    (found,) = [f for f in told["set"]["findings"] if f["stem"] == "late drums"]
    assert found["level"] == "error"
    assert "220.0" in found["message"]
    assert "- align: {delay_ms: -4.98" in found["message"]


def test_files_of_one_part_or_of_two_folders_are_no_set(folder, stems, capsys):
    (stems / "Other - Drums.wav").write_bytes((stems / "Song - Drums.wav").read_bytes())
    _, told = run(capsys, stems / "Song - Drums.wav", stems / "Other - Drums.wav")
    assert told["set"] is None
    (stems / "b").mkdir()
    (stems / "b" / "vocals.wav").write_bytes((stems / "Song - Vocals.wav").read_bytes())
    _, told = run(capsys, stems / "Song - Drums.wav", stems / "b" / "vocals.wav")
    assert told["set"] is None


@pytest.mark.parametrize("name", ["nothing.wav", "empty.wav"])
def test_a_mixture_that_cannot_be_read_is_said_in_one_sentence(folder, capsys, name):
    code = execute(["check", str(folder / "good.wav"), "--mixture", str(folder / name), "--json"])
    error = json.loads(capsys.readouterr().out)["error"]
    assert code == 2
    assert name in error["where"]
