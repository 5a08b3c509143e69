"""Which signals of a plan stand in which rows of the page."""

from __future__ import annotations

from pathlib import Path

from engine import registry

from stemfx.audio import Audio
from stemfx.io import Encoding, write
from stemfx.page.points import Lane, Point, Points
from stemfx.plan import Plan
from stemfx.session import Request, load_recipe, prepare

REMIX = """
sources: {song: song.wav}
separate: {model: shares}
tracks:
  vocals:
    stages: [high_pass: {cutoff_hz: 90}, level_check: {}, compress: {threshold_lu: 3, ratio: 2}]
    gain_db: 1.5
    pan: -0.5
  drums: {}
mix: {stages: [mono_check: {}]}
master: [loudness: {target_lufs: -14, ceiling_dbtp: -1}]
output: {master: out.wav}
"""


def plan_of(folder: Path, song: Audio, text: str, **request: object) -> Plan:
    for name in ("song", "other"):
        write(folder / f"{name}.wav", song, Encoding("wav", 32))
    (folder / "recipe.yaml").write_text("stemfx: 1\n" + text, encoding="utf-8")
    found, asked = registry(), Request(**request)  # type: ignore[arg-type]
    recipe, out = load_recipe(str(folder / "recipe.yaml"), asked, found)
    return prepare(recipe, out, asked, found, may_fetch=False)[0]


def lanes_of(plan: Plan) -> tuple[dict[str, Lane], dict[str, Point]]:
    points = Points(plan)
    return {lane.name: lane for lane in points.lanes}, {point.id: point for point in points}


def test_every_song_track_and_bus_has_a_row_and_every_stage_a_point(
    tmp_path: Path, song: Audio
) -> None:
    lanes, points = lanes_of(plan_of(tmp_path, song, REMIX))
    assert list(lanes) == ["song", "vocals", "drums", "mix", "master"]
    told = [points[point] for point in lanes["vocals"].points]
    assert [(p.role, p.short) for p in told] == [
        ("before", "as separated"),
        ("step", "high_pass"),
        ("after", "compress"),  # a check between them gives no signal
    ]
    assert (lanes["vocals"].gain_db, lanes["vocals"].pan) == (1.5, -0.5)


def test_one_signal_is_one_point_in_however_many_rows(tmp_path: Path, song: Audio) -> None:
    lanes, points = lanes_of(plan_of(tmp_path, song, REMIX))
    assert lanes["mix"].points == lanes["master"].points[:1]
    assert len({point.port for point in points.values()}) == len(points)


def test_a_track_without_stages_is_its_own_before_and_after(tmp_path: Path, song: Audio) -> None:
    lanes, points = lanes_of(plan_of(tmp_path, song, REMIX))
    (only,) = lanes["drums"].points
    assert points[only].role == "after"


ALIGNED = """
sources: {song: song.wav, other: other.wav}
align: {tempo: song}
separate: {model: shares}
tracks:
  vocals:
    from: other/vocals
    stages: [bleed_guard: {against: [drums]}, high_pass: {cutoff_hz: 90}]
  bass: {from: song/bass}
output: {master: out.wav}
"""


def test_what_comes_before_alignment_has_a_time_of_its_own(tmp_path: Path, song: Audio) -> None:
    lanes, points = lanes_of(plan_of(tmp_path, song, ALIGNED))
    vocals = lanes["vocals"]
    assert [points[p].short for p in vocals.early] == ["as separated", "bleed_guard"]
    assert all(points[p].has_own_time for p in vocals.early)
    assert [points[p].short for p in vocals.points] == ["aligned", "high_pass"]
    assert not any(points[p].has_own_time for p in vocals.points)
    assert points[lanes["song"].points[0]].has_own_time


def test_what_comes_before_a_stage_that_moves_has_a_time_of_its_own(
    tmp_path: Path, song: Audio
) -> None:
    text = REMIX.replace("drums: {}", "drums: {stages: [trim: {start_s: 0.5}, gate: {}]}")
    lanes, points = lanes_of(plan_of(tmp_path, song, text))
    assert [points[p].short for p in lanes["drums"].early] == ["as separated"]
    assert [points[p].short for p in lanes["drums"].points] == ["trim", "gate"]


def test_the_plan_itself_holds_nothing_that_only_listening_needs(
    tmp_path: Path, song: Audio
) -> None:
    plan = plan_of(tmp_path, song, REMIX)
    assert "song/music" in plan.listening.nodes
    assert "song/music" not in plan.nodes
    assert set(plan.nodes) < set(plan.listening.nodes)
