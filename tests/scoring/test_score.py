from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.dsp.attacks import attack_change_db
from stemfx.dsp.bss_eval import bss_eval
from stemfx.dsp.resample import Resampled
from stemfx.dsp.separation_metrics import bleedless_and_fullness, sdr_db, si_sdr_db
from stemfx.errors import AudioFileError, UsageError
from stemfx.io import Encoding, write
from stemfx.scoring.material import find_material
from stemfx.scoring.measure import Score, score

RATE = 8_000
FLOAT = Encoding("wav", 32)
Samples = NDArray[np.float32]


def hits(seed: int, seconds: float = 2.5, channels: int = 2, rate: int = RATE) -> Samples:
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    decay = np.exp(-20 * ((t + 0.05 * seed) % 0.25))
    return (0.1 * decay * rng.standard_normal((channels, t.size))).astype(np.float32)


TRUE = {"vocals": hits(1), "drums": hits(2), "bass": hits(3)}
MIXTURE = sum(TRUE.values())
CLOSE = {name: stem + 0.1 * (MIXTURE - stem) for name, stem in TRUE.items()}


def folder(path: Path, stems: dict[str, Samples], rate: int = RATE, suffix: str = ".wav") -> Path:
    for name, samples in stems.items():
        write(path / f"{name}{suffix}", Audio(samples, rate), FLOAT)
    return path


@pytest.fixture
def true(tmp_path: Path) -> Path:
    return folder(tmp_path / "true", TRUE)


@pytest.fixture
def close(tmp_path: Path) -> Path:
    return folder(tmp_path / "close", CLOSE)


def codes(scored: Score) -> set[tuple[str | None, str]]:
    return {(stem, finding.code) for stem, finding in scored.findings}


# --- the values -------------------------------------------------------------------------------


def test_files_score_as_their_samples_do(true: Path, close: Path) -> None:
    scored = score(find_material(true, close))
    bss = bss_eval(np.stack([*TRUE.values()]), np.stack([*CLOSE.values()]), RATE)
    for (name, r), of_frames in zip(TRUE.items(), bss, strict=True):
        values, e = scored.stems[name], CLOSE[name]
        bleedless, fullness = bleedless_and_fullness(r, e, RATE)
        expected = {
            "sdr_db": sdr_db(r, e),
            "si_sdr_db": si_sdr_db(r, e),
            "bss_sdr_db": of_frames.sdr_db,
            "isr_db": of_frames.isr_db,
            "sir_db": of_frames.sir_db,
            "sar_db": of_frames.sar_db,
            "bleedless": bleedless,
            "fullness": fullness,
            "transient_db": attack_change_db(r, e, RATE),
        }
        # blocks change the order of sums in float32 only
        assert values == pytest.approx(expected, abs=1e-4)
    assert (scored.n_counted, scored.n_frames) == (2, 2)
    assert scored.findings == []


def test_the_mean_is_that_of_the_stems(true: Path, close: Path) -> None:
    scored = score(find_material(true, close))
    for name, value in scored.mean.items():
        assert value == pytest.approx(
            np.mean([values[name] for values in scored.stems.values()]), abs=1e-9
        )


def test_the_mixture_is_the_baseline(tmp_path: Path, true: Path, close: Path) -> None:
    folder(true, {"Mixture": MIXTURE})
    folder(close, {"mix": MIXTURE})  # no stem either
    scored = score(find_material(true, close))
    assert set(scored.stems) == set(TRUE)
    for name, r in TRUE.items():
        # every other stem at -20 dB instead of 0 dB
        values = scored.stems[name]
        assert values["sdr_improvement_db"] == pytest.approx(20, abs=1e-3)
        before, after = si_sdr_db(r, MIXTURE), si_sdr_db(r, CLOSE[name])
        assert before is not None
        assert after is not None
        assert values["si_sdr_improvement_db"] == pytest.approx(after - before, abs=1e-4)


def test_two_files_are_one_stem(tmp_path: Path, true: Path, close: Path) -> None:
    (close / "drums.wav").rename(close / "mine.wav")
    mixture = tmp_path / "song.wav"
    write(mixture, Audio(MIXTURE, RATE), FLOAT)
    scored = score(find_material(true / "drums.wav", close / "mine.wav", mixture))
    assert list(scored.stems) == ["drums"]
    assert scored.stems["drums"]["sdr_db"] == pytest.approx(
        sdr_db(TRUE["drums"], CLOSE["drums"]), abs=1e-6
    )
    assert scored.stems["drums"]["sir_db"] is None
    assert scored.stems["drums"]["sdr_improvement_db"] == pytest.approx(20, abs=1e-3)
    assert codes(scored) == {(None, "one_reference")}


# --- silence and equality -----------------------------------------------------------------------


def test_a_silent_reference_is_told_and_not_in_the_mean(tmp_path: Path, close: Path) -> None:
    true = folder(tmp_path / "true", TRUE | {"drums": 0 * TRUE["drums"]})
    scored = score(find_material(true, close))
    drums = scored.stems["drums"]
    undefined = {name for name, value in drums.items() if value is None}
    bss = {"bss_sdr_db", "isr_db", "sir_db", "sar_db"}
    assert undefined == {"si_sdr_db", "transient_db", *bss}
    assert drums["sdr_db"] == pytest.approx(sdr_db(0 * TRUE["drums"], CLOSE["drums"]), abs=1e-6)
    assert ("drums", "silent_reference") in codes(scored)
    others = [scored.stems[name]["sdr_db"] for name in ("vocals", "bass")]
    assert scored.mean["sdr_db"] == pytest.approx(np.mean(others), abs=1e-9)
    assert scored.stems["vocals"]["sir_db"] is not None  # the others are scored as ever


def test_a_silent_estimate_is_told_and_scored_where_it_can_be(tmp_path: Path, true: Path) -> None:
    close = folder(tmp_path / "close", CLOSE | {"drums": 0 * TRUE["drums"]})
    scored = score(find_material(true, close))
    drums = scored.stems["drums"]
    assert drums["sdr_db"] == pytest.approx(0, abs=1e-6)
    assert drums["si_sdr_db"] is None
    assert drums["sir_db"] is None
    assert drums["transient_db"] is not None
    assert drums["transient_db"] < -10
    assert codes(scored) == {("drums", "silent_estimate")}
    # the drums are silent nowhere but here: what they leak into others still counts
    assert scored.stems["vocals"]["sir_db"] == pytest.approx(17, abs=1)


def test_all_silent_estimates_have_scores_too(tmp_path: Path, true: Path) -> None:
    silent = folder(tmp_path / "silent", {name: 0 * stem for name, stem in TRUE.items()})
    scored = score(find_material(true, silent))
    assert scored.mean["sdr_db"] == pytest.approx(0, abs=1e-6)
    assert scored.mean["si_sdr_db"] is None


def test_seconds_in_which_a_stem_is_silent_are_told(tmp_path: Path, true: Path) -> None:
    late = {name: stem.copy() for name, stem in CLOSE.items()}
    late["bass"][:, :RATE] = 0
    scored = score(find_material(true, folder(tmp_path / "late", late)))
    assert (scored.n_counted, scored.n_frames) == (1, 2)
    assert codes(scored) == {(None, "silent_frames")}


def test_the_reference_itself_scores_the_ceiling(true: Path) -> None:
    scored = score(find_material(true, true))
    for values in scored.stems.values():
        assert values["si_sdr_db"] == values["bss_sdr_db"] == 150
        assert (values["bleedless"], values["fullness"], values["transient_db"]) == (100, 100, 0)
    assert codes(scored) == {(name, "identical") for name in TRUE}


# --- which files --------------------------------------------------------------------------------


def test_stems_are_matched_whatever_case_and_format(tmp_path: Path, true: Path) -> None:
    close = tmp_path / "close"
    for name, samples in CLOSE.items():
        write(close / f"{name.upper()}.flac", Audio(samples, RATE), Encoding("flac", 24))
    (close / "notes.txt").write_text("no audio", encoding="utf-8")
    (close / "._vocals.flac").write_bytes(b"what macOS leaves")
    scored = score(find_material(true, close))
    assert list(scored.stems) == ["bass", "drums", "vocals"]
    assert scored.findings == []


def test_only_what_both_sides_have_is_scored(tmp_path: Path, true: Path) -> None:
    """Leakage from a stem that was not estimated is leakage all the same."""
    close = folder(tmp_path / "close", {"vocals": CLOSE["vocals"], "guitar": CLOSE["bass"]})
    scored = score(find_material(true, close))
    assert list(scored.stems) == ["vocals"]
    assert codes(scored) == {
        ("drums", "no_estimate"),
        ("bass", "no_estimate"),
        ("guitar", "no_reference"),
    }
    assert scored.stems["vocals"]["sir_db"] == pytest.approx(17, abs=1)


def test_another_rate_is_resampled_and_told(tmp_path: Path) -> None:
    """Band-limited stems come back from 12 kHz as they were."""
    from scipy.signal import butter, sosfilt

    low = butter(8, 2_000, fs=RATE, output="sos")
    stems = {name: sosfilt(low, stem).astype(np.float32) for name, stem in TRUE.items()}
    true = folder(tmp_path / "true", stems)
    for name, stem in stems.items():
        write(tmp_path / "close" / f"{name}.wav", Resampled(Audio(stem, RATE), 12_000), FLOAT)
    scored = score(find_material(true, tmp_path / "close"))
    assert codes(scored) >= {(name, "resampled") for name in TRUE}
    for values in scored.stems.values():
        assert values["si_sdr_db"] is not None
        assert values["si_sdr_db"] > 60  # what the ends of the files and -80 dB of slope leave


def test_mono_counts_as_two_equal_sides(tmp_path: Path, true: Path) -> None:
    mono = {name: stem.mean(axis=0, keepdims=True) for name, stem in CLOSE.items()}
    scored = score(find_material(true, folder(tmp_path / "mono", mono)))
    assert codes(scored) == {(name, "mono") for name in TRUE}
    for name, values in scored.stems.items():
        both = np.repeat(mono[name], 2, axis=0)
        assert values["sdr_db"] == pytest.approx(sdr_db(TRUE[name], both), abs=1e-6)


def test_mono_is_scored_as_mono(tmp_path: Path) -> None:
    true = folder(tmp_path / "true", {name: stem[:1] for name, stem in TRUE.items()})
    close = folder(tmp_path / "close", {name: stem[:1] for name, stem in CLOSE.items()})
    scored = score(find_material(true, close))
    assert scored.material.channels == 1
    assert scored.findings == []


@pytest.mark.parametrize("n_more", [-700, -1, 1, 700])
def test_some_milliseconds_more_or_less_are_told(tmp_path: Path, true: Path, n_more: int) -> None:
    close = {
        name: np.pad(stem, ((0, 0), (0, max(0, n_more))))[:, : stem.shape[1] + n_more]
        for name, stem in CLOSE.items()
    }
    scored = score(find_material(true, folder(tmp_path / "close", close)))
    assert codes(scored) == {(name, "length") for name in TRUE}
    filled = np.pad(close["bass"], ((0, 0), (0, max(0, -n_more))))[:, : TRUE["bass"].shape[1]]
    assert scored.stems["bass"]["sdr_db"] == pytest.approx(sdr_db(TRUE["bass"], filled), abs=1e-6)


def test_a_reference_that_ends_early_is_silent_to_the_end(tmp_path: Path, close: Path) -> None:
    n = RATE
    true = folder(tmp_path / "true", TRUE | {"bass": TRUE["bass"][:, :n]})
    scored = score(find_material(true, close))
    padded = np.pad(TRUE["bass"][:, :n], ((0, 0), (0, TRUE["bass"].shape[1] - n)))
    assert scored.stems["bass"]["sdr_db"] == pytest.approx(sdr_db(padded, CLOSE["bass"]), abs=1e-6)


def test_shorter_than_a_second_is_one_frame(tmp_path: Path) -> None:
    n = RATE // 2
    true = folder(tmp_path / "true", {name: stem[:, :n] for name, stem in TRUE.items()})
    close = folder(tmp_path / "close", {name: stem[:, :n] for name, stem in CLOSE.items()})
    scored = score(find_material(true, close))
    assert (scored.n_counted, scored.n_frames) == (1, 1)


# --- what cannot be scored ----------------------------------------------------------------------


def test_what_does_not_belong_together_is_refused(tmp_path: Path, true: Path, close: Path) -> None:
    (tmp_path / "empty").mkdir()
    renamed = folder(tmp_path / "renamed", {"v": TRUE["vocals"]})
    twice = folder(tmp_path / "twice", TRUE)
    write(twice / "Drums.flac", Audio(TRUE["drums"], RATE), Encoding("flac", 24))
    for reference, estimate, words in (
        (true, tmp_path / "nowhere", "no such file or folder"),
        (true, tmp_path / "empty", "no audio files"),
        (true, close / "drums.wav", "one is a folder and one is a file"),
        (true, renamed, "one has bass, drums, vocals, the other v;"),
        (true, twice, "the same stem"),
    ):
        with pytest.raises(UsageError, match=words):
            find_material(reference, estimate)


def test_audio_that_cannot_be_compared_is_refused(tmp_path: Path, true: Path) -> None:
    longer = {"bass": np.tile(TRUE["bass"], 2)}
    surround = {"bass": np.tile(TRUE["bass"], (3, 1))}
    for name, estimate, words in (
        ("longer", longer, "lasts 5.00 s and the reference 2.50 s"),
        ("surround", surround, "6 channels"),
    ):
        with pytest.raises(AudioFileError, match=words):
            find_material(true, folder(tmp_path / name, estimate))
    mixed = folder(tmp_path / "mixed", TRUE)
    folder(mixed, {"bass": hits(3, rate=12_000)}, rate=12_000)
    with pytest.raises(AudioFileError, match="different sample rates"):
        find_material(mixed, true)


def test_samples_that_are_no_numbers_are_refused(tmp_path: Path, true: Path) -> None:
    import soundfile

    bad = CLOSE["bass"].copy()
    bad[0, 5_000] = np.nan
    (tmp_path / "bad").mkdir()
    soundfile.write(tmp_path / "bad" / "bass.wav", bad.T, RATE, subtype="FLOAT")
    with pytest.raises(AudioFileError, match="not numbers"):
        score(find_material(true, tmp_path / "bad"))


# --- the command --------------------------------------------------------------------------------


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer["schema"] == 1
    return answer


def test_the_command_prints_one_object(
    true: Path, close: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder(true, {"mix": MIXTURE})
    code = execute(["score", "--reference", str(true), "--estimate", str(close), "--json"])
    answer = told(capsys)
    assert code == 0
    assert set(answer["stems"]) == set(TRUE)
    assert set(answer["mean"]) == set(answer["stems"]["bass"])
    assert answer["stems"]["bass"]["sdr_improvement_db"] == pytest.approx(20, abs=1e-3)
    assert answer["mixture"] == str(true / "mix.wav")
    assert answer["files"]["bass"]["estimate"] == str(close / "bass.wav")
    assert (answer["sample_rate"], answer["duration_s"]) == (RATE, 2.5)
    assert answer["bss_frames"] == {"counted": 2, "total": 2}
    assert answer["findings"] == []


def test_what_has_no_value_is_null_and_explained(
    tmp_path: Path, true: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = folder(tmp_path / "silent", {"bass": 0 * TRUE["bass"]})
    assert execute(["score", "--reference", str(true), "--estimate", str(silent), "--json"]) == 0
    answer = told(capsys)
    assert answer["stems"]["bass"]["sar_db"] is None
    assert {"silent_estimate", "no_estimate"} == {f["code"] for f in answer["findings"]}


def test_the_command_prints_a_table(
    true: Path, close: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["score", "--reference", str(true), "--estimate", str(close)]) == 0
    shown = capsys.readouterr().out
    rows = [[cell.strip() for cell in re.split("[┃│|]", line)] for line in shown.splitlines()]
    names = next(row for row in rows if "bass" in row)
    sdr = next(row for row in rows if row[1:2] == ["SDR (MDX), dB"])
    values = dict(zip(names, sdr, strict=True))
    expected = {name: f"{sdr_db(TRUE[name], CLOSE[name]):.2f}" for name in TRUE}
    assert {name: values[name] for name in TRUE} == expected
    assert "mean" in values


def test_the_command_says_what_is_wrong(
    tmp_path: Path, true: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert execute(["score", "--reference", str(true), "--estimate", nowhere, "--json"]) == 2
    error = told(capsys)["error"]
    assert (error["code"], error["where"]) == ("usage", "--estimate")
