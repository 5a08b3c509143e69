"""`checks:` from the recipe to the exit code: what goes out is measured, and a failure is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from engine import run_text, samples, statuses

from stemfx.audio import Audio
from stemfx.cache import Cache
from stemfx.cli import execute
from stemfx.cli.run import FailOn, exit_code
from stemfx.errors import RecipeError
from stemfx.health import examine
from stemfx.io import Encoding, FileSignal, probe, write
from stemfx.report import null_db, outcome_json

SONG = "sources: {song: song.wav}\noutput: {master: out.wav}\n"
STEMS = (
    "sources: {song: song.wav}\nseparate: {model: shares, residual: RESIDUAL}\n"
    "tracks: {vocals: , drums: , bass: , other: }\noutput: {master: out.wav}\n"
)
GIVEN = (
    "sources: {song: {stems: {a: a.wav, b: b.wav}, mixture: song.wav}}\n"
    "tracks: {a: , b: }\noutput: {master: out.wav}\n"
)


@pytest.fixture
def folder(tmp_path: Path, song: Audio) -> Path:
    write(tmp_path / "song.wav", song, Encoding("wav", 24))
    return tmp_path


def values(outcome):
    return {check["name"]: check["value"] for check in outcome_json(outcome)["checks"]}


def failed(outcome):
    return [(f.level, f.code) for _, f in outcome.findings if f.code == "check_failed"]


def test_what_is_measured_is_what_the_check_command_says_of_the_file(folder: Path) -> None:
    outcome = run_text(
        folder,
        SONG + "checks: {lufs: [-70, 0], true_peak_dbtp: 24, mono_loss_db: 100, correlation: -1, "
        "clipped_samples: 1e9, dc_offset: 1, sample_peak_dbfs: 24, duration_s: [0, 10]}\n",
    )
    told = examine(FileSignal(probe(folder / "out.wav"))).to_json()
    for name, value in values(outcome).items():
        expected = abs(told[name]) if name == "dc_offset" else told[name]
        # 24 bit: an LSB is -138 dBFS, so only the last digit told may turn.
        assert value == pytest.approx(expected, abs=0.0101 if "_db" in name else 1e-4), name
    assert failed(outcome) == []
    reading = outcome_json(outcome)["master"]
    assert values(outcome)["lufs"] == round(reading["lufs"], 2)


def test_a_master_that_is_lowered_is_checked_as_it_goes_out(folder: Path) -> None:
    text = (
        "sources: {song: song.wav}\ntracks: {all: {from: song, gain_db: 12}}\n"
        "checks: {sample_peak_dbfs: 0, max_momentary_lufs: 0, dc_offset: 1, plr_lu: 0, lufs: -3}\n"
        "output: {master: out.wav, bit_depth: BITS}\n"
    )
    lowered = run_text(folder, text.replace("BITS", "24"))
    told = examine(FileSignal(probe(folder / "out.wav"))).to_json()
    assert values(lowered)["sample_peak_dbfs"] == -0.1 == told["sample_peak_dbfs"]
    assert values(lowered)["lufs"] == pytest.approx(told["lufs"], abs=0.0101)
    whole = run_text(folder, text.replace("BITS", "32"))
    over = values(whole)["sample_peak_dbfs"] + 0.1
    assert over > 6
    for name in ("lufs", "max_momentary_lufs"):
        assert values(whole)[name] - values(lowered)[name] == pytest.approx(over, abs=0.0101)
    assert values(whole)["plr_lu"] == values(lowered)["plr_lu"]
    gain = 10 ** (over / 20)
    assert values(whole)["dc_offset"] / values(lowered)["dc_offset"] == pytest.approx(
        gain, rel=0.01
    )


@pytest.mark.parametrize(
    ("checks", "fail_on", "code"),
    [
        ("{duration_s: [1.9, 2.1]}", "warn", 0),
        ("{duration_s: [3, 4]}", "error", 1),
        ("{duration_s: [3, 4]}", "never", 0),
        ("{duration_s: {min: 3, level: warn}}", "error", 0),
        ("{duration_s: {min: 3, level: warn}}", "warn", 1),
        ("{duration_s: {min: 3, level: warn}, plr_lu: 50}", "error", 1),
    ],
)
def test_the_exit_code_follows_the_level_and_the_cache_keeps_it(
    folder: Path, checks: str, fail_on: str, code: int
) -> None:
    cache = Cache(folder / "cache")
    text = SONG + f"checks: {checks}\n"
    first = run_text(folder, text, cache=cache)
    assert (folder / "out.wav").exists()  # to hear what is wrong
    again = run_text(folder, text, cache=cache)
    assert "checks" in statuses(first, "done") & statuses(again, "cached")
    for outcome in (first, again):
        assert exit_code(outcome, FailOn(fail_on)) == code
    assert outcome_json(first)["checks"] == outcome_json(again)["checks"]


def test_another_limit_is_judged_anew_and_nothing_else_runs(folder: Path) -> None:
    cache = Cache(folder / "cache")
    run_text(folder, SONG + "checks: {plr_lu: 1}\n", cache=cache)
    outcome = run_text(folder, SONG + "checks: {plr_lu: 59}\n", cache=cache)
    assert statuses(outcome, "done") == {"checks"}
    assert failed(outcome) == [("error", "check_failed")]


def test_only_loudness_and_peaks_read_no_audio_again(folder: Path) -> None:
    text = SONG + "checks: {target: spotify, plr_lu: 8, lra_lu: [1, 20], duration_s: [1, 9]"
    plan = run_text(folder, text + "}\n").plan
    assert [port.signal for port in plan.nodes["checks"].inputs] == ["measurements"] * 2
    plan = run_text(folder, text + ", correlation: 0}\n").plan
    assert [port.signal for port in plan.nodes["checks"].inputs] == ["audio", *["measurements"] * 2]


def test_what_cannot_be_measured_fails(folder: Path) -> None:
    text = SONG + "checks: {lra_lu: [0, 60], max_short_term_lufs: 0, correlation: -1}\n"
    short = run_text(folder, text)  # two seconds
    assert [c["passed"] for c in outcome_json(short)["checks"]] == [False, False, True]
    messages = [f.message for _, f in short.findings if f.code == "check_failed"]
    assert all("cannot be measured" in m and "shorter than 3 s" in m for m in messages)
    one_side = np.zeros((2, 88_200), np.float32)
    one_side[0] = samples(folder / "song.wav")[0]
    write(folder / "song.wav", Audio(one_side, 44_100), Encoding("wav", 24))
    outcome = run_text(folder, text)
    assert any("a channel is silent" in f.message for _, f in outcome.findings)


def test_the_checks_of_a_preview_are_of_the_preview_and_say_so(folder: Path) -> None:
    outcome = run_text(folder, SONG + "checks: {duration_s: [1.9, 2.1]}\n", preview_s=(0.5, 1.0))
    assert values(outcome) == {"duration_s": 1.0}
    codes = {f.code: f.message for _, f in outcome.findings}
    assert "the length of the preview is 1.000 s" in codes["check_failed"]
    assert "checks_of_preview" in codes


def test_every_file_has_a_verdict_of_its_own_also_two_of_one_name(folder: Path) -> None:
    files = "[out.wav, {file: x/out.wav, sample_rate: 8000}, x/y/out.wav]"
    text = SONG.replace("out.wav", files) + "checks: {sample_peak_dbfs: -60, mono_loss_db: 99}\n"
    outcome = run_text(folder, text)
    told = {c["of"]: c["value"] for c in outcome_json(outcome)["checks"] if c["max"] == -60}
    assert list(told) == ["master", "x/out.wav", "x/y/out.wav"]
    for name, file in zip(told, ("out.wav", "x/out.wav", "x/y/out.wav"), strict=True):
        expected = examine(FileSignal(probe(folder / file))).to_json()["sample_peak_dbfs"]
        assert told[name] == pytest.approx(expected, abs=0.0101)
    assert told["x/out.wav"] != told["master"]  # 8 kHz lack the highest tone
    messages = [f.message for _, f in outcome.findings if f.code == "check_failed"]
    assert "of the master is" in messages[0]
    assert "of 'x/y/out.wav' is" in messages[2]


# --- null --------------------------------------------------------------------------------


def test_the_null_is_that_of_the_run(folder: Path) -> None:
    for residual in ("other", "keep", "drop"):
        text = STEMS.replace("RESIDUAL", residual) + "checks: {null_db: -60}\n"
        outcome = run_text(folder, text)
        assert values(outcome) == {"null_db": null_db(outcome)}
        # A tenth of the song is in no stem: 20 log10(0.1).
        assert failed(outcome) == ([("error", "check_failed")] if residual == "drop" else [])
    assert values(outcome)["null_db"] == pytest.approx(-20, abs=0.01)


@pytest.mark.parametrize(("share", "expected"), [(0.4, -144), (0.39, -40.0), (-2.6, 9.54)])
def test_given_stems_null_against_their_mixture(
    folder: Path, share: float, expected: float
) -> None:
    song = samples(folder / "song.wav")
    write(folder / "a.wav", Audio((0.6 * song).astype(np.float32), 44_100), Encoding("wav", 32))
    write(folder / "b.wav", Audio((share * song).astype(np.float32), 44_100), Encoding("wav", 32))
    outcome = run_text(folder, GIVEN + "checks: {null_db: -60}\n")
    found = values(outcome)["null_db"]
    assert found is not None
    assert found <= -130 if expected < -100 else found == pytest.approx(expected, abs=0.01)
    assert failed(outcome) == ([] if expected < -60 else [("error", "check_failed")])


def test_a_mono_mixture_and_a_short_stem_null_as_they_are_heard(folder: Path) -> None:
    song = samples(folder / "song.wav")[:1]
    write(folder / "song.wav", Audio(song, 44_100), Encoding("wav", 32))
    first, second = np.split(np.repeat(song, 2, axis=0), [50_000], axis=1)
    late = np.pad(second, ((0, 0), (50_000, 0)))
    write(folder / "a.wav", Audio(first, 44_100), Encoding("wav", 32))
    write(folder / "b.wav", Audio(late, 44_100), Encoding("wav", 32))
    outcome = run_text(folder, GIVEN + "checks: {null_db: -100}\n")
    assert failed(outcome) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SONG, "no song is separated, or given as stems with their `mixture`"),
        (
            "sources: {song: song.wav}\nseparate: {model: partial}\ntracks: {vocals: }\n",
            "only some stems of 'song' are computed",
        ),
    ],
)
def test_a_null_of_nothing_is_refused_before_any_work(folder: Path, text: str, words: str) -> None:
    with pytest.raises(RecipeError, match=r"checks\.null_db") as caught:
        run_text(folder, text + "checks: {null_db: -60}\n")
    assert words in caught.value.message
    line = 2 + text.count("\n")
    assert caught.value.message.startswith(f"{folder / 'recipe.yaml'}:{line}:19: ")


def test_a_null_needs_no_master_and_changes_no_stem(folder: Path) -> None:
    text = STEMS.replace("RESIDUAL", "other").replace("master: out.wav", "stems: s/")
    outcome = run_text(folder, text + "checks: {null_db: -60}\n")
    assert values(outcome)["null_db"] < -120
    with_check = {path.name: path.read_bytes() for path in (folder / "s").iterdir()}
    run_text(folder, text, cache=Cache(folder / "another"))
    assert {path.name: path.read_bytes() for path in (folder / "s").iterdir()} == with_check


# --- the command line --------------------------------------------------------------------


def test_a_build_script_reads_the_verdicts(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = folder / "r.yaml"
    recipe.write_text("stemfx: 1\n" + SONG + "checks: {duration_s: [1, 3], plr_lu: 50}\n")
    assert execute(["run", str(recipe), "--json"]) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert [(c["name"], c["min"], c["max"], c["passed"]) for c in checks] == [
        ("duration_s", 1, 3, True),
        ("plr_lu", 50, None, False),
    ]
    assert execute(["run", str(recipe), "--fail-on", "never"]) == 0
    shown = capsys.readouterr().out
    assert "duration_s 2.000 in [1, 3]" in shown
    assert "FAILED: plr_lu" in shown
    assert "checks: 1 of 2 failed" in shown
    assert execute(["plan", str(recipe)]) == 0
    assert "checks" in capsys.readouterr().out
    recipe.write_text("stemfx: 1\n" + SONG + "checks: {plr_lu: [9, 8]}\n")
    assert execute(["run", str(recipe)]) == 2
