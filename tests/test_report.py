"""What a run tells: texts from outside are shown as they are, figures as a producer says them."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from engine import run_text
from rich.console import Console

from stemfx.audio import Audio
from stemfx.graph import Deliver, Separate, Write
from stemfx.io import Encoding, write
from stemfx.report import (
    expected_seconds,
    in_words,
    json_text,
    master_reading,
    null_db,
    outcome_json,
    plan_json,
    print_outcome,
    print_plan,
    separators_json,
    visible,
    write_report,
)
from stemfx.run import NodeResult, Outcome
from stemfx.separator import ModelCard
from stemfx.stage import Finding

ODD = ["Mix [/b] v2", "[red]x[/red]", ":smile:", "[link=http://x]y[/link]", "[[1]]", "\\[b]"]

SEPARATED = """
sources: {song: song.wav}
separate: {model: shares}
tracks: {v: {from: song/vocals}, d: {from: song/drums}, b: {from: song/bass}, o: {from: song/other}}
output: {master: out.wav}
"""


@pytest.fixture
def outcome(tmp_path: Path, song: Audio) -> Outcome:
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    return run_text(tmp_path, SEPARATED)


def told(outcome: Outcome) -> str:
    console = Console(file=io.StringIO(), width=200, highlight=False)
    print_outcome(outcome, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def planned(outcome: Outcome, *notices: Finding) -> str:
    console = Console(file=io.StringIO(), width=200, highlight=False)
    print_plan(outcome.plan, set(outcome.plan.nodes), notices, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def file_name(text: str) -> str:
    return text.replace("/", "|").replace("\0", "")


def renamed(outcome: Outcome, text: str) -> Outcome:
    """Put a text wherever a recipe, a model or a plugin may put one."""

    class Odd:
        card = ModelCard(f"model {text}", "test", ("vocals",), 44_100, f"licence {text}", "")

        def weights(self) -> str:
            return "here"

    plan, file = outcome.plan, file_name(text)
    nodes = {
        name: replace(
            node,
            id=f"{name} {text}",
            inputs=tuple(replace(port, signal=f"{port.signal} {text}") for port in node.inputs),
        )
        for name, node in plan.nodes.items()
    }
    plan = replace(
        plan,
        recipe=replace(plan.recipe, title=f"title {text}", path=Path(f"{file}.yaml")),
        nodes={node.id: node for node in nodes.values()},
        separators={f"source {text}": (Odd(),)},  # type: ignore[dict-item]
        outputs={kind: f"{name} {text}" for kind, name in plan.outputs.items()},
        report=Path(f"/{file}.html"),
    )
    finding = Finding("warn", "odd", f"finding {text}")
    results = tuple(
        replace(r, id=f"{r.id} {text}", measurements={"plugin": text}) for r in outcome.nodes
    )
    return replace(outcome, plan=plan, nodes=results, notices=(finding,))


@pytest.mark.parametrize("text", ODD)
def test_a_text_from_outside_is_never_markup(outcome: Outcome, text: str) -> None:
    odd = renamed(outcome, text)
    shown = told(odd)
    for start in ("title", "song/separate", "plugin:", "source", "licence", "finding"):
        assert f"{start} {text}" in shown
    assert f"report: /{file_name(text)}.html" in shown
    shown = planned(odd, *odd.notices)
    assert f"plan of {file_name(text)}.yaml" in shown
    for start in ("song/separate", "song/separate:vocals", "licence", "finding"):
        assert f"{start} {text}" in shown


@pytest.mark.parametrize("code", ["\x1b]0;x\x07", "\x9b31m", "\r", "\u202e", "\udcff", "\0"])
def test_no_text_from_outside_steers_the_terminal(
    tmp_path: Path, outcome: Outcome, code: str
) -> None:
    odd = renamed(outcome, f"a{code}b")
    for shown in (told(odd), planned(odd, *odd.notices)):
        assert code not in shown
        assert visible(f"a{code}b") in shown
    write_report(odd, tmp_path / "facts.json")
    assert json.loads((tmp_path / "facts.json").read_text())["findings"][0]["message"].endswith("b")


@pytest.mark.parametrize("text", ["🎸🔥 Überraschung – été – песня", "two\nlines", "👩‍🎤", ""])  # noqa: RUF001
def test_letters_of_every_language_stay_as_they_are(text: str) -> None:
    assert visible(text) == text


def test_json_is_plain_ascii_without_numbers_that_json_lacks() -> None:
    text = json_text({"a": [float("nan"), -float("inf"), 1.5], "ü": ("🔥", "\udcff")})
    assert text.isascii()
    assert json.loads(text) == {"a": [None, None, 1.5], "ü": ["🔥", "\udcff"]}


# --- figures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("lufs", -14.02, "loudness -14.0 LUFS"),
        ("lufs_before", -20.08, "loudness before -20.1 LUFS"),
        ("true_peak_dbtp", -0.963, "true peak -0.96 dBTP"),
        ("peak_dbfs", -8.126, "peak -8.1 dBFS"),
        ("rms_dbfs", -23.305, "RMS -23.3 dBFS"),
        ("peak_dbfs", -200.0, "silent"),
        ("level_change_db", -0.004, "level unchanged"),
        ("wet", 0.37, "37% of the repair applied"),
        ("wet", 0.0, "repair left out"),
        ("attack_loss_db", 0.04, ""),
        ("change_db", -200.0, "nothing changed"),
        ("cut_60_120_hz_db", 3.0, ""),
        ("drums_bleed_before_db", -31.0, ""),
        ("bleed_before_db", -31.2, "bleed from -31 dB"),
        ("level_change_db", 0.24, "level +0.2 dB"),
        ("gain_db", 0.0, "gain 0.0 dB"),
        ("gain_db", -1.24, "gain -1.2 dB"),
        ("max_gain_reduction_db", 0.0, "no gain reduction"),
        ("max_gain_reduction_db", 6.0, "gain reduction up to 6.0 dB"),
        ("active_percent", 32.54, "active 33 % of the time"),
        ("side_to_mid_db", -24.21, "sides at -24.2 dB relative to the middle"),
        ("null_db", -176.7, "null -177 dB"),
        ("latency_ms", 11.609977, "latency 11.6 ms"),
        ("decay_s", 1.1666, "decay 1.17 s"),
        ("cutoff_hz", 79.9, "cutoff 80 Hz"),
        ("tempo_bpm", 120.04, "tempo 120.0 BPM"),
        ("treble_db", -0.001, "treble 0.0 dB"),
        ("n_onsets", 12, "n onsets 12"),
        ("ratio", 2.0, "ratio 2"),
        ("latency_known", True, "latency known: yes"),
        ("plugin", "Tilt", "plugin: Tilt"),
    ],
)
def test_a_figure_has_its_unit_and_the_digits_one_can_hear(
    name: str, value: float | str, words: str
) -> None:
    assert in_words({name: value}) == words


def test_no_figure_of_a_whole_run_is_told_twice_or_raw(outcome: Outcome) -> None:
    assert in_words({"true_peak_dbtp": -1.0, "peak_dbfs": -1.1}) == "true peak -1.00 dBTP"
    assert in_words({"peak_dbfs": -200.0, "rms_dbfs": -200.0}) == "silent"
    for node in outcome.nodes:
        assert not re.search(r"_|\d\.\d{3}|-0\.0\b", in_words(node.measurements))


def test_a_length_never_shows_sixty_seconds(outcome: Outcome) -> None:
    long = replace(outcome, plan=replace(outcome.plan, duration_s=59.97))
    assert "1:00.0 at 44100 Hz" in planned(long)


def test_the_cost_of_stems_grows_with_their_number_and_a_model_takes_time_to_start(
    outcome: Outcome,
) -> None:
    nodes = outcome.plan.nodes
    master = next(node for node in nodes.values() if node.op == "write")
    names = ("a", "b")
    one, two = (
        replace(master, work=Write(tuple(map(Path, n)), Encoding("wav", 24), "stems", n))
        for n in (names[:1], names)
    )
    assert expected_seconds(two) == 2 * expected_seconds(one)
    assert isinstance(master.work, Deliver)
    mp3 = replace(master, work=replace(master.work, encoding=Encoding("mp3", None)))
    assert expected_seconds(mp3) > 5 * expected_seconds(master)  # LAME takes its time
    separate = next(node for node in nodes.values() if isinstance(node.work, Separate))
    assert expected_seconds(replace(separate, seconds_of_audio=0.0)) > 1
    names = {"song/separate", "mix"}
    total = sum(expected_seconds(nodes[name]) for name in names)
    assert plan_json(outcome.plan, names)["expected_seconds"] == pytest.approx(total, abs=0.05)


# --- readings -------------------------------------------------------------------------------


def with_measurements(outcome: Outcome, op: str, **values: float) -> Outcome:
    def changed(node: NodeResult) -> NodeResult:
        return replace(node, measurements=dict(node.measurements) | values)

    nodes = tuple(changed(node) if node.op == op else node for node in outcome.nodes)
    return replace(outcome, nodes=nodes)


def test_the_null_is_relative_to_the_mixture_and_says_so(outcome: Outcome) -> None:
    null = null_db(outcome)
    assert null is not None
    assert null < -120
    line = next(line for line in told(outcome).splitlines() if line.startswith("null:"))
    assert line == f"null: mixture minus sum of stems is at {null:.0f} dB relative to the mixture"


def test_nothing_relates_to_a_silent_mixture(outcome: Outcome) -> None:
    silent = with_measurements(outcome, "residual", null_db=0.0, model_null_db=0.0)
    assert null_db(silent) is None
    assert "null:" not in told(silent)


def test_a_model_that_explains_nothing_is_not_taken_for_silence(
    tmp_path: Path, song: Audio
) -> None:
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    dropped = run_text(tmp_path, SEPARATED.replace("shares", "shares, residual: drop"))
    # A tenth stays unexplained: 20 log10 0.1.
    assert null_db(dropped) == pytest.approx(-20, abs=0.01)
    assert null_db(with_measurements(dropped, "residual", model_null_db=0.0)) == 0.0


def test_the_master_is_read_as_written_wherever_the_plan_measures_it(outcome: Outcome) -> None:
    reading = master_reading(outcome)
    assert reading is not None
    plr_lu = float(reading["true_peak_dbtp"] or 0) - float(reading["lufs"] or 0)
    assert float(reading["plr_lu"] or 0) == pytest.approx(plr_lu, abs=0.02)
    for name in ("max_short_term_lufs", "lra_lu", "psr_lu"):  # of less than 3 s
        assert reading[name] is None
    as_written = with_measurements(outcome, "write", lufs=-33.0, plr_lu=12.34, psr_lu=9.87)
    written = master_reading(as_written)
    assert written is not None
    assert (written["lufs"], written["plr_lu"]) == (-33.0, 12.34)
    line = next(line for line in told(as_written).splitlines() if line.startswith("master:"))
    for words in ("-33.0 LUFS", "PLR 12.3 LU", "PSR 9.9 LU"):
        assert words in line
    assert master_reading(renamed(outcome, "x")) is not None
    without = replace(outcome, plan=replace(outcome.plan, outputs={}))
    assert master_reading(without) is None


def test_a_model_that_cannot_say_where_its_weights_are_spoils_no_report(outcome: Outcome) -> None:
    class Broken:
        card = ModelCard("broken", "test", ("vocals",), 44_100, "CC0", "")

        def weights(self) -> str:
            raise RuntimeError("no idea")

    plan = replace(outcome.plan, separators={"song": (Broken(),)})  # type: ignore[dict-item]
    assert separators_json(plan)["song"]["weights"] == "missing"
    assert "weights missing" in planned(replace(outcome, plan=plan))
    assert outcome_json(replace(outcome, plan=plan))["schema"] == 1
