"""A page is made of what the cache has of a run: at once, later, and of what is left."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from engine import run_text

import stemfx.page
from stemfx.audio import Audio
from stemfx.cache import Cache
from stemfx.cli import execute
from stemfx.dsp.resample import Resampled
from stemfx.errors import UsageError
from stemfx.io import Encoding, file_sha256, write
from stemfx.page import keep_story, page_of_folder, rendered, story_of, write_page
from stemfx.page.making import Rendering
from stemfx.page.writing import SCRIPTS, START, STYLES, libraries
from stemfx.run import Outcome
from stemfx.testing import example_audio
from stemfx.ui import page_of

RECIPE = """
sources: {song: song.wav}
separate: {model: shares}
tracks:
  vocals: {stages: [high_pass: {cutoff_hz: 90}, compress: {threshold_lu: 3}], gain_db: 1.5}
  drums: {stages: [replace_drums: {classes: [kick]}]}
  bass: {}
  other: {}
master: [loudness: {target_lufs: -14, ceiling_dbtp: -1}]
output: {master: out.wav}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome, Cache, Rendering]:
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(1)
    noise = 0.2 * rng.standard_normal((2, 66_150)).astype(np.float32)
    write(folder / "song.wav", Audio(noise, 44_100), Encoding("wav", 32))
    cache = Cache(folder / "cache")
    outcome = run_text(folder, RECIPE, cache=cache)
    story = story_of(outcome, {"stemfx_run": 1})
    return folder, outcome, cache, rendered(story, cache, outcome.plan.listening.nodes)


def point(data: Mapping[str, Any], label: str) -> dict[str, Any]:
    (found,) = [point for point in data["points"] if point["label"] == label]
    return found


def test_every_point_is_heard_and_seen(made: tuple[Path, Outcome, Cache, Rendering]) -> None:
    page = made[3]
    assert len(page.data["points"]) == 1 + 3 + 2 + 1 + 1 + 1 + 1
    assert set(page.copies) == {point["id"] for point in page.data["points"]}
    assert all(p["n_segments"] == 1 and p["spectrogram"] for p in page.data["points"])


def test_a_copy_is_its_signal_sample_by_sample(
    made: tuple[Path, Outcome, Cache, Rendering],
) -> None:
    _, outcome, cache, page = made
    after = point(page.data, "vocals after compress")
    piece = page.copies[after["id"]].piece(0)
    heard, rate = soundfile.read(io.BytesIO(piece), dtype="float32")
    stored = cache.lookup(outcome.plan.nodes["vocals/compress"].key).signals["audio"]
    truth = np.concatenate(list(Resampled(stored, rate).blocks()), axis=1)
    assert len(heard) == after["n_samples"] == truth.shape[1]
    lags = range(-4, 5)
    inner = slice(100, -100)
    matches = [np.dot(np.roll(heard[:, 0], -lag)[inner], truth[0, inner]) for lag in lags]
    assert lags[int(np.argmax(matches))] == 0
    assert page.copies[after["id"]].piece(1) is None


def test_the_loudness_of_a_point_is_that_of_its_step(
    made: tuple[Path, Outcome, Cache, Rendering],
) -> None:
    _, outcome, _, page = made
    told = {node.id: node.measurements for node in outcome.nodes}
    master = point(page.data, "master after loudness")
    assert master["lufs"] == pytest.approx(told["master/measure"]["lufs"], abs=0.001)
    assert page.data["target"] == {"lufs": -14.0, "ceiling_dbtp": -1.0}


def test_a_step_knows_its_points_and_what_it_did(
    made: tuple[Path, Outcome, Cache, Rendering],
) -> None:
    data = made[3].data
    (step,) = [step for step in data["steps"] if step["node"] == "vocals/compress"]
    assert step["before"] == point(data, "vocals after high_pass")["id"]
    assert step["after"] == point(data, "vocals after compress")["id"]
    assert step["lane"] == "track/vocals"
    assert step["is_reduction"]
    assert "gain reduction" in step["words"]
    (cutting,) = [step for step in data["steps"] if step["node"] == "vocals/high_pass"]
    assert not cutting["is_reduction"]


def test_hits_beats_masks_and_receipts_are_told(
    made: tuple[Path, Outcome, Cache, Rendering],
) -> None:
    data = made[3].data
    assert data["hits"]["drums"]["replaced"] == ["kick"]
    assert [grid["source"] for grid in data["grids"]] == ["song"]
    assert set(data["separation"]["song"]["stems"]) == {"vocals", "drums", "bass", "other"}
    (receipt,) = data["receipts"]
    assert receipt["null_db"] < -120  # what is left of a sum of stems is rounding


def test_the_page_of_an_earlier_run_shows_the_same(
    made: tuple[Path, Outcome, Cache, Rendering],
) -> None:
    folder, outcome, cache, page = made
    (folder / "run.json").write_text("{}")
    keep_story(story_of(outcome, {"stemfx_run": 1}), folder / "run.json", cache)
    later = page_of_folder(folder, cache)
    assert later.path == folder / "report.html"
    text = later.path.read_text(encoding="utf-8")
    shown = json.loads(text.split('id="stemfx-data">')[1].split("</script>")[0])
    told = json.loads(json.dumps(page.data))
    assert shown["points"] == told["points"]
    assert shown["grids"] == told["grids"]
    assert shown["outputs"]["master"] == "out.wav"
    moved = page_of_folder(folder, cache, folder / "pages" / "of it" / "page.html")
    assert '"master": "../../out.wav"' in moved.path.read_text(encoding="utf-8")


def test_what_the_cache_has_lost_is_made_again_or_left_out(
    made: tuple[Path, Outcome, Cache, Rendering], tmp_path: Path
) -> None:
    _, outcome, cache, page = made
    lost = outcome.plan.nodes["vocals/high_pass"]
    story = story_of(outcome, None)
    nodes = outcome.plan.listening.nodes
    for path in cache.folder_of(lost.key).glob("*.f32"):
        path.unlink()
    again = rendered(story, cache)
    assert point(again.data, "vocals after high_pass")["n_segments"] == 1  # the copy is there
    story["points"][2]["label"] = "as if never seen"
    renamed = replace(lost, key="0" * 64)
    story["keys"]["vocals/high_pass"] = renamed.key
    gone = rendered(story, cache)
    assert gone.data["points"][2]["n_segments"] == 0
    assert gone.data["points"][2]["spectrogram"] is None
    whole = rendered(story_of(outcome, None), cache, nodes)
    assert set(whole.copies) == set(page.copies)


def test_a_damaged_copy_is_made_again(
    made: tuple[Path, Outcome, Cache, Rendering],
) -> None:
    _, outcome, cache, page = made
    copy = next(iter(page.copies.values()))
    whole = copy.path.read_bytes()
    copy.path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    again = rendered(story_of(outcome, None), cache, outcome.plan.listening.nodes)
    assert next(iter(again.copies.values())).path.read_bytes() == whole


def test_a_served_page_encodes_when_it_is_asked_or_makes_again_what_is_lost(
    made: tuple[Path, Outcome, Cache, Rendering],
) -> None:
    _, outcome, cache, page = made
    story, nodes = story_of(outcome, None), outcome.plan.listening.nodes
    lost = point(page.data, "vocals after high_pass")["id"]
    for path in cache.folder_of(outcome.plan.nodes["vocals/high_pass"].key).glob("*.f32"):
        path.unlink()
    served = rendered(story, cache, nodes, is_served=True)
    assert set(served.copies) == {lost}
    assert set(served.live) == set(page.copies) - {lost}
    heard = ("id", "n_samples", "n_segments", "copy_gain_db")
    for one, other in zip(served.data["points"], page.data["points"], strict=True):
        assert [one[name] for name in heard] == [other[name] for name in heard]
    copies = page_of(served, 1).copies
    for name in page.copies:
        piece = copies[name].piece(0)
        assert piece is not None
        assert piece.startswith(b"OggS")
        assert copies[name].piece(1) is None
    other = next(iter(served.live.values()))
    other.signal.path.unlink()
    assert other.piece(0) is None  # the cache was cleared meanwhile


def test_a_preview_has_a_page_of_its_own(
    made: tuple[Path, Outcome, Cache, Rendering], tmp_path: Path
) -> None:
    _, outcome, cache, _ = made
    record = tmp_path / "run-preview.json"
    record.write_text('{"stemfx_run": 1, "preview_s": [0, 1]}')
    keep_story(story_of(outcome, {"stemfx_run": 1}), record, cache)
    for given in (tmp_path, record):
        assert page_of_folder(given, cache).path == tmp_path / "report-preview.html"


def test_a_folder_without_a_run_or_of_another_cache_is_refused(
    made: tuple[Path, Outcome, Cache, Rendering], tmp_path: Path
) -> None:
    for given in (tmp_path, made[0] / "song.wav"):
        with pytest.raises(UsageError, match=r"no run has left its run\.json here"):
            page_of_folder(given, made[2])
    (tmp_path / "run.json").write_text('{"stemfx_run": 1}')
    with pytest.raises(UsageError, match="run its recipe again"):
        page_of_folder(tmp_path, made[2])
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_cache_too_small_for_anything_serves_one_run_and_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMFX_CACHE", str(tmp_path / "cache"))
    cache = Cache(tmp_path / "cache")
    cache.set_limit(0)
    write(tmp_path / "song.wav", example_audio(0.5), Encoding("wav", 16))
    text = "stemfx: 1\nsources: {s: song.wav}\noutput: {master: o.wav, report: r.html}\n"
    (tmp_path / "r.yaml").write_text(text)
    assert execute(["run", str(tmp_path / "r.yaml")]) == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    shown = json.loads(page.split('id="stemfx-data">')[1].split("</script>")[0])
    assert [point["n_segments"] for point in shown["points"]] == [1] * len(shown["points"])
    assert not list((tmp_path / "cache" / "entries").rglob("*.bin"))


# --- the file ----------------------------------------------------------------------------


def test_two_pages_of_one_rendering_have_the_same_bytes(
    made: tuple[Path, Outcome, Cache, Rendering], tmp_path: Path
) -> None:
    pages = [
        write_page(tmp_path / name, made[3]).path.read_bytes() for name in ("a.html", "b.html")
    ]
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)</script>", "{{data}}", "\udcff", "&<>"]
)
def test_what_a_stranger_wrote_is_text(
    made: tuple[Path, Outcome, Cache, Rendering], tmp_path: Path, text: str
) -> None:
    data = {**made[3].data, "title": text}
    page = write_page(tmp_path / "page.html", Rendering(data, {})).path.read_text(encoding="utf-8")
    assert "<script>alert" not in page
    shown = page.split('id="stemfx-data">')[1].split("</script>")[0]
    assert json.loads(shown)["title"] == text


def test_much_sound_lies_beside_the_page_and_none_of_an_earlier_one(
    made: tuple[Path, Outcome, Cache, Rendering], tmp_path: Path
) -> None:
    data = {**made[3].data, "audio": {**made[3].data["audio"], "where": "beside"}}
    (tmp_path / "page-audio").mkdir()
    (tmp_path / "page-audio" / "p99.js").write_text("old")
    (tmp_path / "page-audio" / "mine.txt").write_text("mine")
    (tmp_path / "page-audio" / "player.js").write_text("mine")
    page = write_page(tmp_path / "page.html", Rendering(data, made[3].copies))
    names = {path.name for path in (tmp_path / "page-audio").iterdir()}
    assert names == {f"{name}.js" for name in made[3].copies} | {"mine.txt", "player.js"}
    assert page.size_bytes > sum(len(copy.path.read_bytes()) for copy in made[3].copies.values())


def test_every_script_and_style_that_is_there_is_in_the_page() -> None:
    folder = Path(stemfx.page.__file__).parent
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.js")}
    assert there == {*SCRIPTS, START, "live.js"}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.css")}
    assert there == {*STYLES, "live.css"}


def test_libraries_are_as_their_registry_has_them_and_bring_their_licences() -> None:
    folder = Path(stemfx.page.__file__).parent / "vendor"
    vendored = json.loads((folder / "vendored.json").read_text(encoding="utf-8"))
    files = [file for library in vendored for file in library["files"]]
    for file in files:
        assert file_sha256(folder / file["file"]) == file["sha256"], file["file"]
    assert {path.name for path in folder.iterdir()} == {f["file"] for f in files} | {
        "vendored.json"
    }
    assert all("Copyright" in library["text"] for library in libraries())
