from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine import samples

from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.cli.arguments import name_or_path, parse_preview, parse_sources, user_path
from stemfx.cli.cache import parse_size
from stemfx.errors import UsageError
from stemfx.io import Encoding, write
from stemfx.registry import Plugin, build_registry
from stemfx.stage import Stage

posix = pytest.mark.skipif(os.name != "posix", reason="signals, pipes and terminals of POSIX")

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


UNUSABLE_PATHS = {
    "a user that is not there": "~nosuchuser/x.wav",
    "too long a name": "x" * 5000,
    "a null byte": "x\0.wav",
}


@pytest.mark.parametrize("kind", UNUSABLE_PATHS)
@pytest.mark.parametrize("place", ["RECIPE", "--source", "NAME=", "--model", "FILE", "--out"])
def test_a_path_that_cannot_be_gets_one_sentence_wherever_it_is_typed(
    recipe: Path, song_file: Path, capsys: pytest.CaptureFixture[str], place: str, kind: str
) -> None:
    path = UNUSABLE_PATHS[kind]
    if place == "--out" and kind.startswith("a user"):
        pytest.skip("a folder may be called so")
    recipe.write_text(UNTOUCHED + "tracks: {v: {from: song/vocals}}\n")
    call = ["run", str(recipe), "--source", str(song_file), "--model", "embedded"]
    calls = {
        "RECIPE": ["run", path],
        "--source": ["run", str(recipe), "--source", path],
        "NAME=": ["plan", str(recipe), "--source", f"song={path}"],
        "--model": [*call, "--model", path],
        "FILE": ["separate", path, "-o", str(recipe.parent / "stems")],
        "--out": [*call, "--out", path],
    }
    assert execute(calls[place]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert len(shown.err) < 1000


def test_a_file_may_be_called_like_the_home_of_nobody(
    recipe: Path,
    song_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(recipe.parent)
    song_file.rename("~nosuchuser.wav")
    recipe.rename("~nosuchuser.yaml")
    call = ["run", "~nosuchuser.yaml", "--source", "~nosuchuser.wav", "--out", "~nosuchuser"]
    assert execute(call) == 0
    assert (recipe.parent / "~nosuchuser" / "out.wav").exists()


def test_a_known_home_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert user_path("~/x.wav", "--source") == tmp_path / "x.wav"
    assert name_or_path("~/x.yaml", "RECIPE") == str(tmp_path / "x.yaml")
    assert name_or_path("remix", "RECIPE") == "remix"


def test_run_and_plan_read_the_same_options(
    recipe: Path, song_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = recipe.parent / "there"
    call = [str(recipe), "--source", str(song_file), "--out", str(out), "--preview", "1"]
    assert execute(["plan", *call, "--json"]) == 0
    planned = told(capsys)
    assert execute(["run", *call, "--json"]) == 0
    assert planned["outputs"] == told(capsys)["outputs"]


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
    resource = pytest.importorskip("resource", reason="no limit on a file's size on Windows")

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


@posix
@pytest.mark.parametrize(
    ("number", "chain", "after"),
    [
        (signal.SIGINT, ["compress"] * 12, "mix"),
        (signal.SIGTERM, ["compress"] * 12, "mix"),
        # A stage that reads everything before it gives its first block.
        (signal.SIGINT, ["compress", "loudness"], "compress"),
    ],
)
def test_an_interrupted_run_ends_with_130_and_the_next_one_goes_on(
    tmp_path: Path, song: Audio, number: signal.Signals, chain: list[str], after: str
) -> None:
    recipe = long_recipe(tmp_path, song, chain)
    cache = Path(os.environ["STEMFX_CACHE"])
    process = run_process("run", str(recipe))
    wait_for(cache, after)
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


@posix
def test_a_background_job_that_ignores_ctrl_c_still_ends_when_told_to_terminate(
    tmp_path: Path, song: Audio
) -> None:
    recipe = long_recipe(tmp_path, song, ["compress"] * 12)
    process = run_process(
        "run", str(recipe), preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    )
    wait_for(Path(os.environ["STEMFX_CACHE"]), "mix")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in err


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_interruption_before_any_work_is_told_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stemfx.registry.build_registry", interrupted)
    assert execute(["stages", *options]) == 130
    if options:
        assert told(capsys)["error"]["code"] == "interrupted"
    else:
        assert capsys.readouterr().err == "stemfx: interrupted\n"


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EACCES, 2), (errno.ENAMETOOLONG, 2), (errno.ENOENT, 3)]
)
def test_what_the_system_refuses_is_no_bug_and_what_is_lost_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, code: int
) -> None:
    def refused() -> None:
        raise OSError(number, os.strerror(number), "/some/file")

    monkeypatch.setattr("stemfx.registry.build_registry", refused)
    assert execute(["stages"]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert ("Traceback" in shown.err) is (code == 3)
    if code == 2:
        assert shown.err.startswith("stemfx: /some/file: ")
        assert len(shown.err.splitlines()) == 1


def test_a_closed_pipe_of_another_program_is_not_taken_for_a_satisfied_reader(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def talks_to_a_dead_program() -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    monkeypatch.setattr("stemfx.registry.build_registry", talks_to_a_dead_program)
    assert execute(["stages"]) == 3
    assert "BrokenPipeError" in capsys.readouterr().err


def long_recipe(folder: Path, song: Audio, chain: list[str]) -> Path:
    """Write a recipe with seconds of work on two minutes of audio."""
    long = Audio(np.tile(song.samples, 60), song.sample_rate)
    write(folder / "song.wav", long, Encoding("wav", 16))
    recipe = folder / "long.yaml"
    recipe.write_text(
        f"stemfx: 1\nsources: {{song: song.wav}}\nmaster: [{', '.join(chain)}]\n"
        "output: {master: out.wav}\n"
    )
    return recipe


def wait_for(cache: Path, op: str) -> None:
    """Wait until a step with this operation has finished."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        entries = cache.glob("entries/*/*/entry.json")
        if any(f'"op": "{op}"' in entry.read_text(encoding="utf-8") for entry in entries):
            return
        time.sleep(0.02)
    pytest.fail(f"{op} did not finish in a minute")


# --- where results go -----------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_screen_without_the_letters_of_a_path_still_gets_the_result(
    tmp_path: Path, recipe: Path, song_file: Path, encoding: str, options: list[str]
) -> None:
    out = tmp_path / "🔥 песня"
    process = run_process(
        *("run", str(recipe), "--source", str(song_file), "--out", str(out), *options),
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )
    shown, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert shown.isascii()
    if options:
        assert json.loads(shown)["outputs"]["master"] == str(out / "out.wav")
    else:
        assert r"\U0001f525" in shown


@posix
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])  # typer treats ASCII in its own way
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["stages", "--json"], 0),
        (["stages"], 0),
        (["schema"], 0),
        (["--help"], 0),
        (["stages", "compres", "--json"], 2),
    ],
)
def test_a_reader_that_has_seen_enough_is_no_failure(
    arguments: list[str], code: int, unbuffered: str, encoding: str
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "stemfx", *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered, "PYTHONIOENCODING": encoding},
        check=False,
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (code, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "arguments", [["stages"], ["stages", "--json"], ["schema"], ["stages", "compres", "--json"]]
)
def test_a_full_standard_output_gets_one_sentence(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "stemfx", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert process.returncode == 2
    assert process.stderr == (
        "stemfx: standard output: the results cannot be shown (No space left on device)\n"
    )


@posix
@pytest.mark.parametrize("wanted", [True, False])
def test_colour_is_for_terminals_of_people_who_want_it(
    recipe: Path, song_file: Path, *, wanted: bool
) -> None:
    import pty

    ours, theirs = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "stemfx", "run", str(recipe), "--source", str(song_file)],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=env | {"TERM": "xterm-256color"} | ({} if wanted else {"NO_COLOR": "1"}),
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # so Linux says that the other end is closed
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert process.wait(timeout=60) == 0
    # SGR codes 30-37, 90-97 and 38 are colours; bold and dim are not.
    has_colour = re.search(rb"\x1b\[(?:\d+;)*(?:3[0-8]|9[0-7])[;m]", shown) is not None
    assert has_colour is wanted


def test_a_pipe_gets_no_codes_and_no_progress(recipe: Path, song_file: Path) -> None:
    process = run_process("run", str(recipe), "--source", str(song_file))
    out, err = process.communicate(timeout=60)
    assert "\x1b" not in out
    assert err == ""


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


@pytest.mark.parametrize("text", ["[red]x[/b]", "[/b]", ":smile:"])
def test_a_text_of_a_plugin_is_never_markup_in_a_listing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    registry = build_registry()
    gain = replace(registry.stages["gain"], name=text)
    monkeypatch.setattr(Stage, "summary", f"does {text}")
    plugin = Plugin(f"plugin {text}", "package", text, stages=(text,))
    broken = Plugin("broken", "package", "1", broken=f"because {text}")
    odd = replace(registry, stages={text: gain}, plugins=(plugin, broken))
    monkeypatch.setattr("stemfx.registry.build_registry", lambda: odd)
    assert execute(["stages"]) == 0
    assert execute(["plugins"]) == 0
    shown = capsys.readouterr().out
    for start in ("does", "plugin", "package", "stages:", "because"):
        assert f"{start} {text}" in shown
    assert execute(["stages", text]) == 0


def test_every_parameter_of_every_stage_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["stages", "--json"])
    for stage in told(capsys)["stages"]:
        assert stage["summary"], stage["name"]
        for parameter in stage["parameters"]:
            assert parameter["help"], (stage["name"], parameter["name"])


def test_ranges_are_told_for_optional_parameters_and_inside_lists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    execute(["stages", "--json"])
    stages = {stage["name"]: stage for stage in told(capsys)["stages"]}
    compress = {p["name"]: p for p in stages["compress"]["parameters"]}
    assert (compress["threshold_db"]["min"], compress["threshold_db"]["max"]) == (-60, 0)
    eq = {p["name"]: p for p in stages["eq"]["parameters"]}
    assert eq["bands[].freq_hz"]["unit"] == "Hz"
    assert set(eq["bands[].type"]["choices"]) == {"bell", "low_shelf", "high_shelf"}


def test_models_keep_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["models", "--json"])
    models = {model["name"]: model for model in told(capsys)["models"]}
    assert models["embedded"]["weights"] == "here"
    assert {"htdemucs", "htdemucs_ft", "htdemucs_6s", "hdemucs_mmi", "mdx"} <= set(models)
    for model in models.values():
        assert set(model) >= {
            *("name", "family", "stems", "sample_rate", "licence", "weights", "size_bytes", "sdr")
        }


def test_demo_makes_a_song_and_a_master(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["demo", "--out", str(tmp_path / "demo"), "--json"]) == 0
    answer = told(capsys)
    assert answer["master"]["lufs"] == pytest.approx(-14, abs=0.1)
    assert answer["master"]["true_peak_dbtp"] <= -0.95
    assert answer["null_db"] < -100
    assert answer["separators"]["song"]["model"] == "embedded"
    assert Path(answer["outputs"]["report"]).read_text(encoding="utf-8").startswith("<!doctype")
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


def test_separate_takes_stems_masks_and_models_from_the_command_line(
    tmp_path: Path, song_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["-o", str(tmp_path), "--model", "embedded", "--json"]
    call = ["separate", str(song_file), *out, "--stem", "vocals", "--mask", "ratio"]
    assert execute([*call, "--quality", "draft", "--device", "cpu"]) == 0
    assert list(told(capsys)["stems"]) == ["vocals"]
    assert [path.name for path in tmp_path.glob("*.wav") if path != song_file] == ["vocals.wav"]
    assert execute(["separate", str(song_file), *out, "--model", "embedded"]) == 2
    assert "embedded' is given twice" in told(capsys)["error"]["message"]
    assert execute(["separate", str(song_file), *out, "--stem", "vocal"]) == 2
    assert "did you mean 'vocals'?" in told(capsys)["error"]["message"]


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
    for text in ("123", "10", "GB", "-1GB", "1XB"):
        with pytest.raises(UsageError):
            parse_size(text)


def test_a_file_name_with_an_equals_sign_is_a_file(tmp_path: Path) -> None:
    odd = tmp_path / "a=b.wav"
    odd.touch()
    assert parse_sources([str(odd)]) == {"": odd}
    assert parse_sources([f"song={odd}"]) == {"song": odd}
    with pytest.raises(UsageError, match="twice"):
        parse_sources(["song=a", "song=b"])
