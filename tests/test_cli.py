from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine import samples

from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.cli.arguments import parse_preview, parse_sources
from stemfx.cli.cache import parse_size
from stemfx.errors import UsageError
from stemfx.io import Encoding, write

UNTOUCHED = "stemfx: 1\nsources: {song: }\noutput: {master: out.wav}\n"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "pass.yaml"
    path.write_text(UNTOUCHED, encoding="utf-8")
    return path


@pytest.fixture
def song_file(tmp_path: Path, song: Audio) -> Path:
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    return tmp_path / "song.wav"


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the one JSON object that was printed on stdout."""
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer["schema"] == 1
    return answer


# --- bad input: one sentence, exit code 2, nothing half written -----------------------------

UNUSABLE = {
    "silence.flac": "silent",
    "short_50ms.wav": "50 ms",
    "nan_samples.wav": "100 samples are not numbers (NaN or infinite), the first at 1.000 s",
    "truncated.wav": "cut off",
    "header_size_zero.wav": "did not finish",
    "header_size_ffffffff.wav": "no length",
    "text_named.wav": "not audio",
    "zero_bytes.wav": "0 bytes",
    "surround_5p1.flac": "--fold-down",
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_file_gets_one_sentence(
    corpus: Path, recipe: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    code = execute(["run", str(recipe), "--source", f"song={corpus / 'defects' / name}"])
    shown = capsys.readouterr()
    assert code == 2
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert UNUSABLE[name] in shown.err
    assert name in shown.err
    assert sorted(p.name for p in recipe.parent.iterdir()) == ["pass.yaml"]


ODD = [
    "mono.flac",
    "dual_mono.flac",
    "pcm_u8.wav",
    "pcm_24.wav",
    "rate_96000.flac",
    "rate_22050.flac",
    "float_over_one.wav",
    "coded_128k.mp3",
    "coded.ogg",
    "coded.opus",
    "right_channel_silent.flac",
    "🎸🔥 demo.wav",
    "Überraschung – été – песня.wav",  # noqa: RUF001
    "--leading-dashes.wav",
    "quote's & $HOME.wav",
    "name with spaces (final mix) [v2].wav",
]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_just_works_and_comes_back(
    corpus: Path, recipe: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    source = corpus / "defects" / name
    assert execute(["run", str(recipe), "--source", f"song={source}", "--json"]) == 0
    written = samples(told(capsys)["outputs"]["master"])
    # 24 bits of a lossy source are rounded: half a step of 2^-23.
    np.testing.assert_allclose(written, samples(source), atol=2**-23 if "coded" in name else 0)


def test_failures_are_one_json_object_too(
    recipe: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = tmp_path / "none.wav"
    assert execute(["run", str(recipe), "--source", f"song={missing}", "--json"]) == 2
    error = told(capsys)["error"]
    assert set(error) == {"code", "message", "where"}
    assert "none.wav" in f"{error['where']} {error['message']}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "no-such.yaml"], "no such recipe"),
        (["run", "remx"], "did you mean 'remix'"),
        (["run", "remix", "--preview", "soon"], "--preview"),
        (["run", "remix", "--jobs", "0"], "jobs"),
        (["run", "remix", "--nonsense"], "--nonsense"),
        (["nonsense"], "nonsense"),
        (["stages", "compres"], "did you mean 'compress'"),
        (["cache", "--limit", "big"], "no size"),
        (["run", "rebalance", "--set", "vocals_db"], "NAME=VALUE"),
    ],
)
def test_a_wrong_call_gets_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert execute(arguments) == 2
    shown = capsys.readouterr()
    assert words in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_an_unwritable_folder_is_told_before_any_work(
    recipe: Path, song_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = recipe.parent / "file"
    blocked.write_text("in the way")
    arguments = ["run", str(recipe), "--source", f"song={song_file}", "--out", f"{blocked}/x"]
    assert execute(arguments) == 2
    assert "--out" in capsys.readouterr().err


def run_process(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stemfx", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_full_disk_gets_one_sentence_and_leaves_nothing(recipe: Path, song_file: Path) -> None:
    def no_file_above_100_kb() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    process = run_process(
        *("run", str(recipe), "--source", f"song={song_file}"), preexec_fn=no_file_above_100_kb
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "disk is full" in err
    assert len(err.splitlines()) == 1
    assert sorted(p.name for p in recipe.parent.iterdir()) == ["pass.yaml", "song.wav"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_130_and_the_next_one_goes_on(
    tmp_path: Path, song: Audio, number: signal.Signals
) -> None:
    long = Audio(np.tile(song.samples, 60), 44_100)  # two minutes: seconds of work
    write(tmp_path / "song.wav", long, Encoding("wav", 16))
    chain = ", ".join(["compress"] * 12)
    recipe = tmp_path / "long.yaml"
    recipe.write_text(
        f"stemfx: 1\nsources: {{song: song.wav}}\nmaster: [{chain}]\noutput: {{master: out.wav}}\n"
    )
    cache = Path(os.environ["STEMFX_CACHE"])
    process = run_process("run", str(recipe))
    deadline = time.monotonic() + 60
    while not list(cache.glob("entries/*/*/entry.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out.wav").exists()
    assert [p.name for p in tmp_path.glob(".*")] == []
    assert list((cache / "scratch").iterdir()) == []
    again = run_process("run", str(recipe), "--json")
    out, _ = again.communicate(timeout=120)
    assert "cached" in {node["status"] for node in json.loads(out)["nodes"]}


# --- what works -----------------------------------------------------------------------------


def test_fail_on_turns_findings_into_exit_code_1(
    recipe: Path, song_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(UNTOUCHED + "tracks: {all: {from: song, gain_db: 20}}\n")
    call = ["run", str(recipe), "--source", f"song={song_file}"]
    assert execute([*call, "--fail-on", "warn"]) == 1
    assert execute([*call, "--fail-on", "error"]) == 0
    assert execute(call) == 0
    assert "would clip" in capsys.readouterr().out


def test_the_only_source_needs_no_name(
    recipe: Path, song_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", str(recipe), "--source", str(song_file), "--json"]) == 0
    np.testing.assert_array_equal(samples(told(capsys)["outputs"]["master"]), samples(song_file))


def test_no_cache_leaves_the_cache_alone(
    recipe: Path, song_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", str(recipe), "--source", str(song_file), "--no-cache"]) == 0
    assert not list(Path(os.environ["STEMFX_CACHE"]).rglob("entry.json"))


def test_cache_shows_limits_and_clears(
    recipe: Path, song_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(["run", str(recipe), "--source", str(song_file), "--json"])
    capsys.readouterr()
    execute(["cache", "--json"])
    before = told(capsys)
    assert before["entries"] > 0
    assert before["size_bytes"] > 88_200 * 2 * 4
    execute(["cache", "--limit", "1GB", "--clear", "--json"])
    after = told(capsys)
    assert (after["entries"], after["limit_bytes"]) == (0, 10**9)
    assert after["freed_bytes"] == before["size_bytes"]


def test_plan_is_one_json_object(
    recipe: Path, song_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["plan", str(recipe), "--source", str(song_file), "--json"]) == 0
    plan = told(capsys)
    assert [node["op"] for node in plan["nodes"]] == ["decode", "mix", "measure", "write"]
    assert execute(["plan", str(recipe), "--source", str(song_file)]) == 0
    assert "4 of 4 steps to run" in capsys.readouterr().out
    assert not (recipe.parent / "out.wav").exists()


@pytest.mark.parametrize("command", ["stages", "models", "plugins", "recipes"])
def test_listings_print_tables_and_json(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert execute([command]) == 0
    assert capsys.readouterr().out.strip()
    assert execute([command, "--json"]) == 0
    assert told(capsys)[command]


def test_every_parameter_of_every_stage_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["stages", "--json"])
    for stage in told(capsys)["stages"]:
        assert stage["summary"], stage["name"]
        for parameter in stage["parameters"]:
            assert parameter["help"], (stage["name"], parameter["name"])


def test_models_keep_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["models", "--json"])
    models = {model["name"]: model for model in told(capsys)["models"]}
    assert models["embedded"]["weights"] == "here"
    assert {"htdemucs", "htdemucs_ft", "htdemucs_6s", "hdemucs_mmi", "mdx"} <= set(models)
    for model in models.values():
        assert set(model) >= {
            *("name", "family", "stems", "sample_rate", "licence", "weights", "size_bytes", "sdr")
        }


def test_colour_is_left_out_when_nobody_wants_it(recipe: Path, song_file: Path) -> None:
    process = run_process("run", str(recipe), "--source", str(song_file))
    out, err = process.communicate(timeout=60)
    assert "\x1b" not in out
    assert err == ""


def test_demo_makes_a_song_and_a_master(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["demo", "--out", str(tmp_path / "demo"), "--json"]) == 0
    answer = told(capsys)
    assert answer["master"]["lufs"] == pytest.approx(-14, abs=0.1)
    assert answer["master"]["true_peak_dbtp"] <= -0.95
    assert answer["null_db"] < -100
    assert answer["separators"]["song"]["model"] == "embedded"
    assert Path(answer["outputs"]["report"]).read_text(encoding="utf-8").startswith("<!DOCTYPE")
    stems = [samples(p) for p in (tmp_path / "demo" / "true-stems").iterdir()]
    np.testing.assert_array_equal(sum(stems), samples(tmp_path / "demo" / "demo-song.wav"))


def test_separate_gives_stems_that_sum_to_the_song(
    tmp_path: Path, song_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "stems"
    call = ["separate", str(song_file), "-o", str(out), "--model", "embedded", "--json"]
    assert execute(call) == 0
    answer = told(capsys)
    assert set(answer) >= {"stems", "model", "null_db", "seconds", "realtime_factor"}
    total = np.sum([samples(path) for path in answer["stems"].values()], axis=0)
    error = total - samples(song_file)
    assert np.sqrt(np.mean(error**2) / np.mean(samples(song_file) ** 2)) < 1e-6  # -120 dB
    assert answer["null_db"] < -100


def test_separate_never_overwrites_its_song(
    tmp_path: Path, song_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vocals = tmp_path / "vocals.wav"
    shutil.copy(song_file, vocals)
    before = vocals.read_bytes()
    assert execute(["separate", str(vocals), "-o", str(tmp_path), "--model", "embedded"]) == 2
    assert "overwrite" in capsys.readouterr().err
    assert vocals.read_bytes() == before


# --- reading arguments ----------------------------------------------------------------------


def test_previews_are_read_as_people_write_them() -> None:
    assert parse_preview(None) is None
    assert parse_preview("20") == (0.0, 20.0)
    assert parse_preview("90:20") == (90.0, 20.0)
    assert parse_preview("1:30:20") == (90.0, 20.0)
    for text in ("", "0", "-5", "x:20", "10:", "nan", "1:99:20", "inf"):
        with pytest.raises(UsageError):
            parse_preview(text)


def test_sizes_are_read_as_people_write_them() -> None:
    assert parse_size("10GB") == parse_size("10 g") == 10**10
    assert parse_size("500MB") == 5 * 10**8
    assert parse_size("123") == 123


def test_a_file_name_with_an_equals_sign_is_a_file(tmp_path: Path) -> None:
    odd = tmp_path / "a=b.wav"
    odd.touch()
    assert parse_sources([str(odd)]) == {"": odd}
    assert parse_sources([f"song={odd}"]) == {"song": odd}
    with pytest.raises(UsageError, match="twice"):
        parse_sources(["song=a", "song=b"])
