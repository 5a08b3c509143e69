from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from engine import ShareSeparator, level_db, registry, run_text, samples, statuses

from stemfx.audio import Audio
from stemfx.cache import Cache, StoredSignal
from stemfx.errors import (
    AudioFileError,
    CancelledError,
    ModelError,
    OutputError,
    PluginError,
    RecipeError,
)
from stemfx.graph import Node
from stemfx.io import Encoding, probe, write
from stemfx.report import master_reading, null_db, outcome_json, plan_json
from stemfx.run import NodeResult, SilentObserver, missing_nodes, run
from stemfx.session import Request, load_recipe, prepare

FOUR = "tracks: {vocals: , drums: , bass: , other: }\n"
SEPARATED = "sources: {song: song.wav}\nseparate: {model: shares}\n" + FOUR


@pytest.fixture
def folder(tmp_path: Path, song: Audio) -> Path:
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    return tmp_path


def write_at(path: Path, song: Audio, rate: int, bits: int = 24, channels: int = 2) -> np.ndarray:
    audio = Audio(song.samples[:channels], rate)
    write(path, audio, Encoding("wav", bits))
    return samples(path)


# --- result laws -------------------------------------------------------------------------


def test_a_recipe_without_tracks_gives_the_file_back_bit_for_bit(folder: Path) -> None:
    run_text(folder, "sources: {song: song.wav}\noutput: {master: out.wav}\n")
    np.testing.assert_array_equal(samples(folder / "out.wav"), samples(folder / "song.wav"))


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000, 22_050])
@pytest.mark.parametrize("policy", ["other", "spread"])
def test_untouched_stems_sum_to_the_song_at_any_rate(
    tmp_path: Path, song: Audio, rate: int, policy: str
) -> None:
    source = write_at(tmp_path / "song.wav", song, rate)
    text = SEPARATED.replace("shares}", f"shares, residual: {policy}}}")
    outcome = run_text(tmp_path, text + "output: {master: out.wav, bit_depth: 32, stems: s/}\n")
    # Float32 rounding of a sum of four: about -144 dB, well below -120.
    assert level_db(samples(tmp_path / "out.wav") - source, source) < -120
    assert null_db(outcome) is not None
    assert null_db(outcome) < -100
    stems = [samples(tmp_path / "s" / f"{n}.wav") for n in ("vocals", "drums", "bass", "other")]
    assert level_db(np.sum(stems, axis=0) - source, source) < -120
    assert probe(tmp_path / "out.wav").sample_rate == rate


def test_16_bit_in_and_untouched_stems_give_the_same_16_bits_out(folder: Path) -> None:
    run_text(folder, SEPARATED + "output: {master: out.wav}\n")
    np.testing.assert_array_equal(samples(folder / "out.wav"), samples(folder / "song.wav"))
    assert probe(folder / "out.wav").bit_depth == 16


def test_dropping_the_residual_leaves_what_the_model_left_and_says_how_much(folder: Path) -> None:
    text = SEPARATED.replace("shares}", "shares, residual: drop}")
    outcome = run_text(folder, text + "output: {master: out.wav, bit_depth: 32}\n")
    source = samples(folder / "song.wav")
    # The model explains 0.9 of the amplitude: 20 log10 0.1 = -20 dB is missing.
    assert level_db(samples(folder / "out.wav") - source, source) == pytest.approx(-20, abs=0.01)
    assert null_db(outcome) == pytest.approx(-20, abs=0.01)


def test_a_kept_residual_is_a_stem_of_its_own(folder: Path) -> None:
    text = SEPARATED.replace("shares}", "shares, residual: keep}").replace(
        "other: }", "other: , rest: {from: song/residual}}"
    )
    outcome = run_text(folder, text + "output: {master: out.wav, stems: s/, bit_depth: 32}\n")
    assert outcome.findings == []
    source = samples(folder / "song.wav")
    assert level_db(samples(folder / "out.wav") - source, source) < -120
    assert level_db(samples(folder / "s/rest.wav"), source) == pytest.approx(-20, abs=0.01)


def test_a_kept_residual_that_nobody_plays_is_told(folder: Path) -> None:
    text = SEPARATED.replace("shares}", "shares, residual: keep}")
    outcome = run_text(folder, text + "output: {master: out.wav}\n")
    assert [f.code for _, f in outcome.findings] == ["residual_not_played"]


def test_mono_stays_mono_and_a_pan_makes_it_stereo(tmp_path: Path, song: Audio) -> None:
    source = write_at(tmp_path / "song.wav", song, 44_100, 16, channels=1)
    run_text(tmp_path, SEPARATED + "output: {master: mono.wav}\n")
    np.testing.assert_array_equal(samples(tmp_path / "mono.wav"), source)
    panned = SEPARATED.replace("vocals: ", "vocals: {pan: -1}")
    run_text(tmp_path, panned + "output: {master: wide.wav, bit_depth: 32}\n")
    wide = samples(tmp_path / "wide.wav")
    # Hard left: the vocal (0.3) leaves the right side and is sqrt(2) on the left.
    np.testing.assert_allclose(wide[1], 0.7 * source[0], atol=1e-6)
    np.testing.assert_allclose(wide[0], (0.7 + 0.3 * 2**0.5) * source[0], atol=1e-6)


def test_gain_is_the_gain_that_was_written(folder: Path) -> None:
    run_text(
        folder,
        "sources: {song: song.wav}\ntracks: {all: {from: song, gain_db: -6.0206}}\n"
        "output: {master: out.wav, bit_depth: 32}\n",
    )
    np.testing.assert_allclose(
        samples(folder / "out.wav"), 0.5 * samples(folder / "song.wav"), atol=1e-6
    )


def test_shorter_layers_end_in_silence_and_other_rates_are_brought_to_the_songs(
    tmp_path: Path, song: Audio
) -> None:
    source = write_at(tmp_path / "song.wav", song, 44_100)
    tone = np.sin(2 * np.pi * 1000 * np.arange(48_000) / 48_000) * 0.1
    write(tmp_path / "pad.wav", Audio(tone[None], 48_000), Encoding("wav", 24))
    run_text(
        tmp_path,
        "sources: {song: song.wav}\ntracks: {all: {from: song}, pad: {from: pad.wav}}\n"
        "output: {master: out.wav, bit_depth: 32}\n",
    )
    layer = samples(tmp_path / "out.wav") - source
    t = np.arange(44_100) / 44_100
    expected = 0.1 * np.sin(2 * np.pi * 1000 * t)
    # 24-bit storage of the pad and the resampler's passband: -100 dB is generous. The ends of
    # the tone ring in any resampler, so 10 ms at each side are left out.
    assert level_db(layer[0, 441:43_659] - expected[441:43_659], expected) < -100
    assert np.abs(layer[:, 44_600:]).max() < 1e-4


def test_the_same_recipe_gives_the_same_bytes_whatever_the_jobs(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = (
        SEPARATED.replace("vocals: ", "vocals: {stages: [random_noise, compress]}")
        + "output: {master: out.wav, stems: s/}\n"
    )
    results = []
    for jobs in (1, 4):
        run_text(folder, text, cache=Cache(tmp_path_factory.mktemp("c")), jobs=jobs)
        files = [folder / "out.wav", *sorted((folder / "s").iterdir())]
        results.append([file.read_bytes() for file in files])
        for file in files:
            file.unlink()
    assert results[0] == results[1]


# --- the cache ---------------------------------------------------------------------------

CHAIN = (
    "sources: {song: song.wav}\nseparate: {model: shares}\ntracks:\n"
    "  vocals: {stages: [{gain: {gain_db: 1}}, {gain: {gain_db: %s}}]}\n  drums:\n"
    "output: {master: out.wav}\n"
)


def test_a_second_run_runs_nothing_and_an_edit_only_what_depends_on_it(folder: Path) -> None:
    first = run_text(folder, CHAIN % 2)
    assert statuses(first, "done") == {node.id for node in first.nodes}
    second = run_text(folder, CHAIN % 2)
    assert statuses(second, "cached") == {node.id for node in second.nodes}
    edited = run_text(folder, CHAIN % 3)
    assert statuses(edited, "done") == {"vocals/gain#2", "mix", "master/measure", "write/master"}
    assert [n.measurements for n in second.nodes] == [n.measurements for n in first.nodes]


def test_better_meters_read_a_master_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_text(folder, CHAIN % 2)
    monkeypatch.setattr("stemfx.plan.METERS_VERSION", 10_000)
    again = run_text(folder, CHAIN % 2)
    assert statuses(again, "done") == {"master/measure", "write/master"}  # the file is read, too


def test_another_residual_policy_keeps_the_separation(folder: Path) -> None:
    run_text(folder, SEPARATED + "output: {master: out.wav}\n")
    text = SEPARATED.replace("shares}", "shares, residual: spread}")
    outcome = run_text(folder, text + "output: {master: out.wav}\n")
    assert "song/separate" in statuses(outcome, "cached")
    assert "song/residual/spread" in statuses(outcome, "done")


@pytest.mark.parametrize("change", ["deleted", "overwritten"])
def test_results_that_are_gone_or_changed_are_written_again(folder: Path, change: str) -> None:
    run_text(folder, CHAIN % 2)
    before = (folder / "out.wav").read_bytes()
    if change == "deleted":
        (folder / "out.wav").unlink()
    else:
        (folder / "out.wav").write_bytes(before[:-1] + b"x")
    outcome = run_text(folder, CHAIN % 2)
    assert statuses(outcome, "done") == {"write/master"}
    assert (folder / "out.wav").read_bytes() == before


def test_a_damaged_entry_is_found_and_made_again(folder: Path) -> None:
    run_text(folder, CHAIN % 2)
    before = (folder / "out.wav").read_bytes()
    (folder / "out.wav").unlink()
    for raw in (folder / "cache").rglob("*.f32"):
        content = bytearray(raw.read_bytes())
        content[len(content) // 2] ^= 0x10
        raw.write_bytes(content)
    outcome = run_text(folder, CHAIN % 2)
    assert {"song/decode", "song/separate", "mix"} <= statuses(outcome, "done")
    assert (folder / "out.wav").read_bytes() == before


def test_a_changed_source_is_another_source(folder: Path, song: Audio) -> None:
    run_text(folder, CHAIN % 2)
    write(folder / "song.wav", Audio(song.samples[::-1], 44_100), Encoding("wav", 16))
    outcome = run_text(folder, CHAIN % 2)
    assert statuses(outcome, "cached") == set()


def test_what_a_check_raises_stops_a_run_and_keeps_what_was_finished(folder: Path) -> None:
    path = folder / "recipe.yaml"
    chain = ", ".join(["compress"] * 6)
    path.write_text(
        f"stemfx: 1\nsources: {{song: song.wav}}\nmaster: [{chain}]\noutput: {{master: out.wav}}\n"
    )
    (folder / "out.wav").write_bytes(b"of before")
    found, asked = registry(), Request()
    recipe, out = load_recipe(str(path), asked, found)
    plan, _ = prepare(recipe, out, asked, found, may_fetch=False)
    cache = Cache(folder / "cache")
    n_left = len(plan.nodes)

    def check() -> None:
        nonlocal n_left
        n_left = len(missing_nodes(plan, cache))
        if n_left < len(plan.nodes) - 2:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        run(plan, cache, jobs=1, check=check)
    assert (folder / "out.wav").read_bytes() == b"of before"
    assert list((folder / "cache" / "scratch").iterdir()) == []
    again = run(plan, cache, jobs=1)
    assert len(statuses(again, "done")) <= n_left
    assert statuses(again, "cached")


def test_ctrl_c_keeps_what_was_finished_and_leaves_no_half_file(folder: Path) -> None:
    text = (
        "sources: {song: song.wav}\ntracks: {all: {from: song, stages: [gain, %s]}}\n"
        "output: {master: out.wav}\n"
    )
    with pytest.raises(CancelledError, match="run the same command again"):
        run_text(folder, text % "interrupts")
    assert not (folder / "out.wav").exists()
    assert list((folder / "cache" / "scratch").iterdir()) == []
    outcome = run_text(folder, text % "{gain: {gain_db: 1}}")
    assert statuses(outcome, "cached") == {"song/decode", "all/gain"}


def test_plan_tells_hits_and_misses_and_touches_no_audio(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "recipe.yaml"
    run_text(folder, CHAIN % 2)
    path.write_text("stemfx: 1\n" + CHAIN % 5, encoding="utf-8")
    found, request = registry(), Request()
    recipe, out = load_recipe(str(path), request, found)
    plan, _ = prepare(recipe, out, request, found, may_fetch=False)
    cache = Cache(folder / "cache")

    def touched(*_: object) -> None:
        raise AssertionError("audio was read")

    monkeypatch.setattr("stemfx.operations.read_blocks", touched)
    for name in ("blocks", "read", "is_intact"):
        monkeypatch.setattr(StoredSignal, name, touched)
    told = plan_json(plan, missing_nodes(plan, cache, verify=False))
    misses = {node["id"] for node in told["nodes"] if node["cache"] == "miss"}
    assert misses == {"vocals/gain#2", "mix", "master/measure", "write/master"}
    assert told["separators"]["song"]["licence"] == "CC0-1.0"


# --- parts of the language ---------------------------------------------------------------


def test_a_preview_is_that_stretch_and_never_takes_the_results_name(folder: Path) -> None:
    run_text(folder, "sources: {song: song.wav}\noutput: {master: out.wav}\n", preview_s=(0.5, 1.0))
    assert not (folder / "out.wav").exists()
    whole = samples(folder / "song.wav")
    np.testing.assert_array_equal(
        samples(folder / "out-preview.wav"), whole[:, 22_050 : 22_050 + 44_100]
    )


def test_a_preview_over_the_end_is_short_and_one_beyond_it_is_refused(folder: Path) -> None:
    text = "sources: {song: song.wav}\noutput: {master: out.wav}\n"
    run_text(folder, text, preview_s=(1.5, 60.0))
    assert samples(folder / "out-preview.wav").shape[1] == 22_050
    with pytest.raises(AudioFileError, match=r"starts at 100 s and the audio ends at 2\.0 s"):
        run_text(folder, text, preview_s=(100.0, 20.0))


def test_a_layer_that_ends_before_the_preview_is_silent_in_it(folder: Path) -> None:
    layer = Audio(np.full((2, 44_100), 0.5, np.float32), 44_100)
    write(folder / "pad.wav", layer, Encoding("wav", 16))
    text = (
        "sources: {song: song.wav}\ntracks: {all: {from: song}, pad: {from: pad.wav}}\n"
        "output: {master: out.wav}\n"
    )
    run_text(folder, text, preview_s=(1.25, 0.5))
    whole = samples(folder / "song.wav")
    np.testing.assert_array_equal(
        samples(folder / "out-preview.wav"), whole[:, 55_125 : 55_125 + 22_050]
    )


def test_muted_tracks_are_silent_but_can_still_steer_a_side_chain(folder: Path) -> None:
    text = (
        "sources: {song: song.wav}\ntracks:\n  key: {from: song, mute: true}\n"
        "  all: {from: song, stages: [{duck: {by: key}}]}\noutput: {master: out.wav, stems: s/}\n"
    )
    outcome = run_text(folder, text)
    assert sorted(p.name for p in (folder / "s").iterdir()) == ["all.wav"]
    assert "all/duck" in statuses(outcome, "done")


def test_stems_the_producer_already_has_need_no_model(folder: Path, song: Audio) -> None:
    half = Audio(song.samples / 2, 44_100)
    for name in ("v", "d"):
        write(folder / f"{name}.wav", half, Encoding("wav", 32))
    text = (
        "sources: {song: {stems: {vocals: v.wav, drums: d.wav}}}\n"
        "tracks: {vocals: , drums: }\noutput: {master: out.wav}\n"
    )
    outcome = run_text(folder, text)
    np.testing.assert_array_equal(samples(folder / "out.wav"), song.samples)
    assert outcome.plan.separators == {}
    run_text(folder, text.replace("{vocals: , drums: }", "{all: {from: song}}"))
    np.testing.assert_array_equal(samples(folder / "out.wav"), song.samples)


def test_vocals_of_one_song_and_drums_of_another(folder: Path, song: Audio) -> None:
    other = Audio(song.samples[::-1] * 0.5, 44_100)
    write(folder / "b.wav", other, Encoding("wav", 16))
    outcome = run_text(
        folder,
        "sources: {a: song.wav, b: b.wav}\nseparate: {model: shares}\n"
        "tracks: {vocals: {from: a/vocals}, drums: {from: b/drums}}\n"
        "output: {master: out.wav, bit_depth: 32}\n",
    )
    expected = 0.3 * samples(folder / "song.wav") + 0.3 * samples(folder / "b.wav")
    np.testing.assert_allclose(samples(folder / "out.wav"), expected, atol=1e-6)
    assert set(outcome.plan.separators) == {"a", "b"}


def test_one_separation_runs_at_a_time_whatever_the_jobs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, most = [0], [0]
    real = ShareSeparator.separate

    def counted(self, mixture, wanted, context):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        for block in real(self, mixture, wanted, context):
            time.sleep(0.01)
            yield block
        at_once[0] -= 1

    monkeypatch.setattr(ShareSeparator, "separate", counted)
    for n in range(3):
        write(
            folder / f"{n}.wav",
            Audio(samples(folder / "song.wav") / (n + 2), 44_100),
            Encoding("wav", 32),
        )
    run_text(
        folder,
        "sources: {a: 0.wav, b: 1.wav, c: 2.wav}\nseparate: {model: shares}\n"
        "tracks: {x: {from: a/vocals}, y: {from: b/drums}, z: {from: c/bass}}\n"
        "output: {master: out.wav}\n",
        jobs=4,
    )
    assert most == [1]


def test_specialists_compute_only_what_is_used(folder: Path) -> None:
    text = "sources: {song: song.wav}\nseparate: {model: partial}\ntracks: {vocals: }\n"
    outcome = run_text(folder, text + "output: {master: out.wav}\n")
    assert outcome.plan.nodes["song/separate"].signals == ("vocals",)
    assert null_db(outcome) is None
    whole = run_text(folder, SEPARATED.replace("shares", "partial"))
    assert null_db(whole) < -120


def test_checks_report_and_pass_the_signal_on(folder: Path) -> None:
    text = "sources: {song: song.wav}\nmix: {stages: [finds]}\noutput: {master: out.wav}\n"
    outcome = run_text(folder, text)
    np.testing.assert_array_equal(samples(folder / "out.wav"), samples(folder / "song.wav"))
    assert [(node, f.code) for node, f in outcome.findings] == [("mix/finds", "found")]
    again = run_text(folder, text)
    assert [(node, f.code) for node, f in again.findings] == [("mix/finds", "found")]


def test_the_json_keeps_the_contract(folder: Path) -> None:
    outcome = run_text(folder, SEPARATED + "output: {master: out.wav, stems: s/}\n")
    told = json.loads(json.dumps(outcome_json(outcome), allow_nan=False))
    assert told["schema"] == 1
    assert set(told) >= {"outputs", "master", "nodes", "separators", "null_db", "findings"}
    assert set(told["master"]) == {
        *("lufs", "true_peak_dbtp", "lra_lu", "duration_s", "sample_rate"),
        *("max_short_term_lufs", "max_momentary_lufs", "sample_peak_dbfs", "plr_lu", "psr_lu"),
    }
    assert told["outputs"]["master"] == str(folder / "out.wav")
    assert set(told["outputs"]["stems"]) == {"vocals", "drums", "bass", "other"}
    assert told["separators"] == {
        "song": {
            "model": "shares",
            "licence": "CC0-1.0",
            "licence_class": "not stated",
            "weights": "here",
        }
    }
    assert all(
        set(node) == {"id", "op", "status", "seconds", "measurements", "findings"}
        for node in told["nodes"]
    )


# --- nothing clips silently --------------------------------------------------------------


def test_a_master_that_would_clip_is_lowered_as_a_whole_and_says_so(folder: Path) -> None:
    outcome = run_text(
        folder,
        "sources: {song: song.wav}\ntracks: {all: {from: song, gain_db: 12}}\n"
        "output: {master: out.wav, stems: s/, bit_depth: 24}\n",
    )
    written = samples(folder / "out.wav")
    assert 20 * np.log10(np.abs(written).max()) == pytest.approx(-0.1, abs=0.001)
    assert {f.code for _, f in outcome.findings} == {
        "lowered_to_avoid_clipping",
        "stems_as_float",
    }
    # The stem keeps its level: it is stored as float instead.
    np.testing.assert_allclose(
        samples(folder / "s/all.wav"), 10 ** (12 / 20) * samples(folder / "song.wav"), rtol=1e-5
    )
    reading = master_reading(outcome)
    assert reading is not None
    assert float(reading["true_peak_dbtp"] or 0) < 1.0


def test_a_float_source_over_full_scale_comes_back_as_it_is(tmp_path: Path, song: Audio) -> None:
    loud = Audio(song.samples * (1.6 / np.abs(song.samples).max()), 44_100)
    write(tmp_path / "song.wav", loud, Encoding("wav", 32))
    outcome = run_text(tmp_path, "sources: {song: song.wav}\noutput: {master: out.wav}\n")
    np.testing.assert_array_equal(samples(tmp_path / "out.wav"), loud.samples)
    assert [f.code for _, f in outcome.findings] == ["over_full_scale"]


# --- what cannot work --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("breaks_with_nan", "not numbers"),
        ("loses_a_sample", "changes_length"),
        ("gives_nothing_at_all", "NoneType"),
        ("reports_infinity", "finite"),
        ("finds_a_level_that_is_none", "warning"),
        ("checks_and_gives", "a check gives nothing"),
    ],
)
def test_a_stage_that_breaks_its_contract_is_named(folder: Path, name: str, words: str) -> None:
    text = f"sources: {{song: song.wav}}\nmaster: [{name}]\noutput: {{master: out.wav}}\n"
    with pytest.raises(PluginError, match=words) as caught:
        run_text(folder, text)
    assert name in caught.value.message
    assert caught.value.where == f"{folder / 'recipe.yaml'}:3:10"
    assert not (folder / "out.wav").exists()


@pytest.mark.parametrize("name", ["song.wav", "link.wav", "unused.wav", "muted.wav"])
def test_a_result_never_overwrites_an_input_even_an_unused_one(
    folder: Path, song: Audio, name: str
) -> None:
    os.link(folder / "song.wav", folder / "link.wav")
    for other in ("unused.wav", "muted.wav"):
        write(folder / other, song, Encoding("wav", 16))
    with pytest.raises(OutputError, match="overwrite an input"):
        run_text(
            folder,
            "sources: {song: song.wav, other: unused.wav}\n"
            "tracks: {all: {from: song}, quiet: {from: muted.wav, mute: true}}\n"
            f"output: {{master: {name}}}\n",
        )


@pytest.mark.parametrize("name", ["s/all.wav", "s/ALL.wav"])
def test_two_results_never_take_one_name(folder: Path, name: str) -> None:
    with pytest.raises(OutputError, match="two results"):
        run_text(
            folder,
            "sources: {song: song.wav}\ntracks: {all: {from: song}}\n"
            f"output: {{master: {name}, stems: s/}}\n",
        )


def test_a_track_and_a_source_may_share_a_name(folder: Path, song: Audio) -> None:
    layer = Audio(song.samples[::-1] * 0.25, 44_100)
    write(folder / "pad.wav", layer, Encoding("wav", 32))
    run_text(
        folder,
        "sources: {song: song.wav}\ntracks: {main: {from: song}, song: {from: pad.wav}}\n"
        "output: {master: out.wav, stems: s/}\n",
    )
    np.testing.assert_array_equal(samples(folder / "s/song.wav"), layer.samples)
    np.testing.assert_array_equal(samples(folder / "s/main.wav"), samples(folder / "song.wav"))


def test_equal_tracks_are_made_once_and_all_heard(folder: Path) -> None:
    tracks = ", ".join(f"t{n}: {{from: song, stages: [compress]}}" for n in range(6))
    text = f"sources: {{song: song.wav}}\ntracks: {{{tracks}}}\noutput: {{stems: s/}}\n"
    outcome = run_text(folder, text, jobs=4)
    assert len({(folder / f"s/t{n}.wav").read_bytes() for n in range(6)}) == 1
    done = [node.id for node in outcome.nodes if node.op == "compress" and node.status == "done"]
    assert len(done) == 1


def test_a_run_that_fails_has_written_nothing_and_leaves_no_folder(folder: Path) -> None:
    with pytest.raises(PluginError):
        run_text(
            folder,
            "sources: {song: song.wav}\nmaster: [breaks_with_nan]\n"
            "output: {master: m/n/out.wav, stems: s/}\n",
        )
    assert sorted(p.name for p in folder.iterdir()) == ["cache", "recipe.yaml", "song.wav"]


def test_what_was_found_is_told_again_when_its_signal_is_gone(folder: Path) -> None:
    text = (
        "sources: {song: song.wav}\ntracks: {all: {from: song, stages: "
        "[{fade: {in_s: 1.5, out_s: 1.5}}, {gain: {gain_db: 1}}]}}\noutput: {master: out.wav}\n"
    )
    cache = Cache(folder / "cache")
    first = run_text(folder, text, cache=cache)
    assert [f.code for _, f in first.findings] == ["fades_overlap"]
    cache.set_limit(1)
    again = run_text(folder, text, cache=cache)
    assert [f.code for _, f in again.findings] == ["fades_overlap"]
    assert statuses(again, "cached") == {node.id for node in again.nodes}
    edited = run_text(folder, text.replace("gain_db: 1", "gain_db: 2"), cache=cache)
    assert "all/fade" in statuses(edited, "done")


def test_a_cache_cleared_during_a_run_costs_time_and_nothing_else(folder: Path) -> None:
    cache = Cache(folder / "cache")

    class Clearing(SilentObserver):
        times = 0

        def finished(self, node: Node, result: NodeResult) -> None:
            if node.id == "all/gain" and self.times == 0:
                self.times += 1
                cache.clear()

    text = (
        "sources: {song: song.wav}\ntracks: {all: {from: song, stages: [gain, compress]}}\n"
        "output: {master: out.wav}\n"
    )
    run_text(folder, text, cache=cache, jobs=1, observer=Clearing())
    assert probe(folder / "out.wav").n_samples == 88_200


def test_a_thousand_stages_are_no_problem_to_plan(folder: Path) -> None:
    chain = ", ".join(["{polarity: {}}"] * 1000)
    (folder / "r.yaml").write_text(
        f"stemfx: 1\nsources: {{song: song.wav}}\nmaster: [{chain}]\n", encoding="utf-8"
    )
    found, request = registry(), Request()
    recipe, out = load_recipe(str(folder / "r.yaml"), request, found)
    plan, _ = prepare(recipe, out, request, found, may_fetch=False)
    assert len(missing_nodes(plan, Cache(folder / "cache"))) == len(plan.nodes)


def test_a_source_that_changes_while_it_is_read_is_not_kept_under_its_old_hash(
    folder: Path, song: Audio
) -> None:
    (folder / "r.yaml").write_text("stemfx: 1\nsources: {song: song.wav}\n", encoding="utf-8")
    found, request = registry(), Request()
    recipe, out = load_recipe(str(folder / "r.yaml"), request, found)
    plan, _ = prepare(recipe, out, request, found, may_fetch=False)
    write(folder / "song.wav", Audio(song.samples[::-1], 44_100), Encoding("wav", 16))
    os.utime(folder / "song.wav", ns=(1, 1))
    cache = Cache(folder / "cache")
    with pytest.raises(AudioFileError, match="changed while it was read"):
        run(plan, cache)
    assert cache.entries() == []


def test_a_link_in_the_output_folder_leads_nowhere_outside(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / "s").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(OutputError, match="outside the output folder"):
        run_text(folder, "sources: {song: song.wav}\noutput: {master: s/out.wav}\n")


def test_a_stem_that_the_model_does_not_give_is_located(folder: Path) -> None:
    text = "sources: {song: song.wav}\nseparate: {model: shares}\ntracks:\n  vocal:\n"
    with pytest.raises(RecipeError, match="did you mean 'vocals'") as caught:
        run_text(folder, text)
    assert caught.value.problems[0].where.endswith("recipe.yaml:5:3")


def test_an_unknown_model_lists_the_known_ones(folder: Path) -> None:
    text = SEPARATED.replace("shares}", "share}")
    with pytest.raises(ModelError, match="did you mean 'shares'"):
        run_text(folder, text)


@pytest.mark.parametrize("model", ["../model", "/", "~", "."])
def test_a_recipe_takes_models_only_from_its_own_folder(folder: Path, model: str) -> None:
    (folder.parent / "model").mkdir(exist_ok=True)
    with pytest.raises(ModelError, match="in the recipe's folder"):
        run_text(folder, SEPARATED.replace("model: shares", f"model: '{model}'"))


def test_only_muted_tracks_is_a_problem(folder: Path) -> None:
    text = "sources: {song: song.wav}\ntracks: {all: {from: song, mute: true}}\n"
    with pytest.raises((RecipeError,), match="muted"):
        run_text(folder, text)


def test_nan_and_silence_in_a_source_are_refused_with_the_place(
    tmp_path: Path, song: Audio
) -> None:
    import soundfile

    broken = song.samples.copy()
    broken[0, 44_100:44_110] = np.nan
    soundfile.write(str(tmp_path / "song.wav"), broken.T, 44_100, subtype="FLOAT")
    text = "sources: {song: song.wav}\noutput: {master: out.wav}\n"
    with pytest.raises(AudioFileError, match=r"10 samples are not numbers.*1\.000 s"):
        run_text(tmp_path, text)
    soundfile.write(str(tmp_path / "song.wav"), np.zeros((44_100, 2)), 44_100)
    with pytest.raises(AudioFileError, match="silent"):
        run_text(tmp_path, text)
    assert not (tmp_path / "out.wav").exists()


def test_surround_is_refused_with_the_way_out_and_folded_on_request(
    tmp_path: Path, song: Audio
) -> None:
    import soundfile

    five_one = np.zeros((6, 44_100), np.float32)
    five_one[2] = 0.5  # centre only
    soundfile.write(str(tmp_path / "song.wav"), five_one.T, 44_100, subtype="FLOAT")
    text = "sources: {song: song.wav}\noutput: {master: out.wav}\n"
    with pytest.raises(AudioFileError, match="--fold-down"):
        run_text(tmp_path, text)
    run_text(tmp_path, text, fold_down=True)
    # ITU-R BS.775: the centre goes to both sides at -3 dB.
    np.testing.assert_allclose(samples(tmp_path / "out.wav"), 0.5**0.5 * 0.5, atol=1e-6)
