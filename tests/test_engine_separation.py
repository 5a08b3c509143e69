"""From one song to its stems, as a run does it: several models, masks, effort, interruptions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine import PatientSeparator, level_db, run_text, samples, statuses

from stemfx.audio import Audio
from stemfx.cache import Cache
from stemfx.errors import CancelledError, RecipeError
from stemfx.io import Encoding, write
from stemfx.report import null_db, outcome_json
from stemfx.run import Outcome
from stemfx.separator import EFFORTS

SONG = "sources: {song: song.wav}\n"
OUT = "output: {stems: stems, bit_depth: 32}\n"
FOUR = "tracks: {vocals: , drums: , bass: , other: }\n"


@pytest.fixture
def folder(tmp_path: Path, song: Audio) -> Path:
    write(tmp_path / "song.wav", song, Encoding("wav", 32))
    return tmp_path


@pytest.fixture(autouse=True)
def _patience() -> None:
    PatientSeparator.contexts.clear()
    PatientSeparator.interrupt_at = None


def stems_of(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: samples(path) for path in (folder / "stems").iterdir()}


def gain(stem: np.ndarray, song: Audio) -> float:
    return float((stem * song.samples).sum() / (song.samples**2).sum())


# --- several models -------------------------------------------------------------------------


def test_two_models_are_averaged_by_weight_where_both_give_a_stem(
    folder: Path, song: Audio
) -> None:
    models = "separate: {model: [shares, {model: halves, weight: {vocals: 3}}], residual: drop}\n"
    outcome = run_text(folder, SONG + models + FOUR + OUT)
    stems = stems_of(folder)
    # shares gives 0.3 of the song, halves 0.5: (0.3 + 3 * 0.5) / 4
    assert gain(stems["vocals"], song) == pytest.approx(0.45, abs=1e-6)
    assert gain(stems["drums"], song) == pytest.approx(0.3, abs=1e-6)
    assert outcome_json(outcome)["separators"]["song"] == {
        "model": "shares + halves",
        "licence": "CC0-1.0; MIT",
        "licence_class": "not stated",
        "weights": "here",
        "models": [
            {"model": name, "licence": licence, "licence_class": "not stated", "weights": "here"}
            for name, licence in (("shares", "CC0-1.0"), ("halves", "MIT"))
        ],
    }


@pytest.mark.parametrize("policy", ["other", "spread", "keep"])
@pytest.mark.parametrize("combine", ["average", "median", "max", "min"])
def test_stems_of_several_models_and_the_residual_are_the_song(
    folder: Path, song: Audio, combine: str, policy: str
) -> None:
    separate = f"separate: {{model: [halves, shares], combine: {combine}, residual: {policy}}}\n"
    rest = (
        "rest: {from: song/residual}" if policy == "keep" else "p: {from: song/drums, mute: true}"
    )
    tracks = FOUR.replace("}", f", {rest}}}", 1).replace(": ,", ": {},")
    outcome = run_text(folder, SONG + separate + tracks + OUT)
    total = sum(stems_of(folder).values())
    assert level_db(total - song.samples, song.samples) < -120
    assert null_db(outcome) < -120


def test_the_model_that_gives_most_of_what_is_wanted_says_what_the_song_is_made_of(
    folder: Path, song: Audio
) -> None:
    """Vocals and instrumental of one model and four stems of another would be the song twice."""
    separate = "separate: {model: [halves, shares]}\n"
    run_text(folder, SONG + separate + "tracks: {vocals: , instrumental: }\n" + OUT)
    assert level_db(sum(stems_of(folder).values()) - song.samples, song.samples) < -120


def test_a_weight_of_zero_leaves_a_model_out(folder: Path, song: Audio) -> None:
    separate = "separate: {model: [{model: shares, weight: {vocals: 0}}, halves], residual: drop}\n"
    run_text(folder, SONG + separate + FOUR + OUT)
    assert gain(stems_of(folder)["vocals"], song) == pytest.approx(0.5, abs=1e-6)


def test_one_model_at_least_has_to_count(folder: Path) -> None:
    separate = "separate: {model: {model: shares, weight: 0}}\n"
    with pytest.raises(RecipeError, match="every weight is 0; one model at least has to count"):
        run_text(folder, SONG + separate + FOUR + OUT)


def test_a_stem_that_no_model_has_a_say_in_leaves_the_others_alone(
    folder: Path, song: Audio
) -> None:
    separate = "separate: {model: {model: shares, weight: {vocals: 0}}}\n"
    outcome = run_text(folder, SONG + separate + "tracks: {drums: }\n" + OUT)
    assert gain(stems_of(folder)["drums"], song) == pytest.approx(0.3, abs=1e-6)
    assert null_db(outcome) is None  # without vocals there is no sum to compare
    with pytest.raises(RecipeError, match="gives no stem 'vocals'"):
        run_text(folder, SONG + separate + "tracks: {vocals: }\n" + OUT)


def test_a_residual_is_kept_beside_a_stem_of_another_model(folder: Path, song: Audio) -> None:
    separate = "separate: {model: [shares, halves], residual: keep}\n"
    tracks = FOUR.replace("}", ", instrumental: {}, rest: {from: song/residual}}")
    run_text(folder, SONG + separate + tracks.replace(": ,", ": {},") + OUT)
    stems = stems_of(folder)
    assert gain(stems.pop("instrumental"), song) == pytest.approx(0.5, abs=1e-6)
    assert level_db(sum(stems.values()) - song.samples, song.samples) < -120


def test_a_weight_of_a_stem_that_a_model_lacks_is_refused(folder: Path) -> None:
    separate = "separate: {model: [shares, {model: halves, weight: {vocal: 2}}]}\n"
    with pytest.raises(RecipeError, match=r"'halves' gives no stem 'vocal' to weigh; did you mean"):
        run_text(folder, SONG + separate + FOUR + OUT)


def test_a_named_device_is_another_result(folder: Path) -> None:
    """`auto` may be a graphics card."""
    run_text(folder, EFFORT % "residual: other")
    other = run_text(folder, EFFORT % "residual: other", device="cpu")
    assert "song/separate" in statuses(other, "done")


def test_without_a_cache_nothing_is_said_to_be_kept(folder: Path) -> None:
    PatientSeparator.interrupt_at = 30_000
    cache = Cache(folder / "scratch", is_kept=False)
    with pytest.raises(CancelledError, match=r"^interrupted$"):
        run_text(folder, EFFORT % "residual: other", cache=cache)


def test_a_model_of_which_nothing_is_used_does_not_run_and_is_named(folder: Path) -> None:
    separate = "separate: {model: [shares, halves]}\n"
    outcome = run_text(folder, SONG + separate + "tracks: {drums: }\n" + OUT)
    assert "song/separate/halves" not in {node.id for node in outcome.nodes}
    [told] = [f.message for _, f in outcome.findings if f.code == "model_not_used"]
    assert told.startswith("'halves' gives none of the stems that are used (drums)")


def test_a_stem_that_no_model_gives_is_refused_with_those_they_give(folder: Path) -> None:
    separate = "separate: {model: [halves, shares]}\n"
    with pytest.raises(RecipeError, match=r"models 'halves', 'shares' give no stem 'piano'"):
        run_text(folder, SONG + separate + "tracks: {piano: }\n" + OUT)


@pytest.mark.parametrize(
    ("separate", "said"),
    [
        ("model: []", "expects 1 to 8 models, got 0"),
        ("model: [shares, shares]", "'shares' is listed twice"),
        ("model: [{model: shares, weight: -1}]", r"-1 is outside \[0, 100\]"),
        ("model: [{model: shares, wieght: 1}]", "'wieght' is unknown in separate.model"),
        ("model: [{weight: 1}]", "'model' is missing"),
        ("model: [shares, {model: halves, weight: 2}], combine: median", "takes weights of 0 or 1"),
        ("combine: mean", "'mean' is not one of average, median, max, min"),
        ("mask: soft", "'soft' is not one of none, ratio, binary, complex, wiener"),
        ("quality: high", "'high' is not one of draft, normal, best"),
        ("overlap: 0.95", r"0.95 is outside \[0, 0.9\]"),
        ("shifts: 1.5", "expects a whole number"),
        ("segment_s: 0", r"0 s is outside \[0.5, 120\] s"),
    ],
)
def test_a_wrong_wish_is_told_where_it_stands(folder: Path, separate: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        run_text(folder, f"{SONG}separate: {{{separate}}}\n{FOUR}{OUT}")
    assert all(problem.where.startswith("recipe.yaml:3:") for problem in caught.value.problems) or (
        "recipe.yaml:3:" in str(caught.value)
    )


# --- masks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["ratio", "binary", "complex", "wiener"])
def test_masked_stems_are_the_song_without_any_residual(
    folder: Path, song: Audio, mask: str
) -> None:
    separate = f"separate: {{model: shares, mask: {mask}, residual: drop}}\n"
    outcome = run_text(folder, SONG + separate + FOUR + OUT)
    total = sum(stems_of(folder).values())
    assert level_db(total - song.samples, song.samples) < -115  # transform and inverse in float32
    assert null_db(outcome) < -115


def test_another_mask_reuses_the_separation(folder: Path) -> None:
    text = SONG + "separate: {model: shares, mask: %s}\n" + FOUR + OUT
    run_text(folder, text % "ratio")
    outcome = run_text(folder, text % "complex")
    assert "song/separate" in statuses(outcome, "cached")
    assert "song/mask" in statuses(outcome, "done")


def test_a_stem_beside_those_that_sum_to_the_song_cannot_be_masked(folder: Path) -> None:
    separate = "separate: {model: [shares, halves], mask: ratio}\n"
    tracks = "tracks: {drums: , bass: , instrumental: }\n"
    with pytest.raises(RecipeError, match="a mask needs stems that sum to the song: vocals, drums"):
        run_text(folder, SONG + separate + tracks + OUT)


# --- effort ---------------------------------------------------------------------------------

EFFORT = SONG + "separate: {model: patient, %s}\n" + FOUR + OUT


def test_quality_and_its_numbers_reach_the_model(folder: Path) -> None:
    run_text(folder, EFFORT % "quality: best, overlap: 0.3")
    effort = PatientSeparator.contexts[-1].effort
    assert (effort.overlap_for(0.25), effort.shifts) == (0.3, 2)
    run_text(folder, EFFORT % "quality: best", quality="draft", device="cpu")
    context = PatientSeparator.contexts[-1]
    assert (context.effort.overlap, context.effort.shifts, context.device) == (0.1, 0, "cpu")


def test_best_never_means_less_overlap_than_the_models_own() -> None:
    overlaps = {name: EFFORTS[name].overlap_for(0.75) for name in EFFORTS}
    assert overlaps == {"draft": 0.1, "normal": 0.75, "best": 0.75}
    assert EFFORTS["best"].overlap_for(0.25) == 0.5


def test_only_what_a_model_obeys_makes_another_result(folder: Path) -> None:
    run_text(folder, EFFORT % "overlap: 0.3")
    again = run_text(folder, EFFORT % "overlap: 0.3, segment_s: 4")
    assert "song/separate" in statuses(again, "cached")
    [told] = [f.message for _, f in again.findings if f.code == "effort_without_effect"]
    assert told == "'patient' takes no segment_s; what is said of it changes nothing"
    other = run_text(folder, EFFORT % "overlap: 0.4")
    assert "song/separate" in statuses(other, "done")


def test_stems_at_a_models_own_rate_come_back_at_the_songs(folder: Path, song: Audio) -> None:
    outcome = run_text(folder, EFFORT % "residual: drop")
    assert {"song/resample", "song/separate", "song/fit"} <= statuses(outcome, "done")
    for stem, share in PatientSeparator.shares.items():
        # noise up to Nyquist, of which the resampler keeps 0.91
        assert gain(stems_of(folder)[stem], song) == pytest.approx(share, rel=0.1)


# --- interruptions --------------------------------------------------------------------------


def interrupted(folder: Path, at: int) -> None:
    PatientSeparator.interrupt_at = at
    with pytest.raises(CancelledError, match="kept, and what is separated so far: run"):
        run_text(folder, EFFORT % "residual: other")
    assert not (folder / "stems").exists()


def resumed(outcome: Outcome) -> float | None:
    return next(n for n in outcome.nodes if n.op == "separate").measurements.get("resumed_at_s")


def test_a_separation_goes_on_where_ctrl_c_stopped_it_with_the_same_bytes(folder: Path) -> None:
    run_text(folder, EFFORT % "residual: other")
    whole = {path.name: path.read_bytes() for path in (folder / "stems").iterdir()}
    for path in (folder / "stems").iterdir():
        path.unlink()
    (folder / "stems").rmdir()
    for name in ("entries", "unfinished"):
        (folder / "cache" / name).rename(folder / f"old-{name}")

    interrupted(folder, at=60_000)
    outcome = run_text(folder, EFFORT % "residual: other")
    assert PatientSeparator.contexts[-1].start == 60_000
    assert resumed(outcome) == pytest.approx(60_000 / 48_000)
    again = {path.name: path.read_bytes() for path in (folder / "stems").iterdir()}
    assert again == whole


def test_interrupted_twice_it_still_goes_on(folder: Path) -> None:
    interrupted(folder, at=30_000)
    interrupted(folder, at=70_000)
    run_text(folder, EFFORT % "residual: other")
    assert [context.start for context in PatientSeparator.contexts] == [0, 30_000, 70_000]


def test_another_effort_begins_anew(folder: Path) -> None:
    interrupted(folder, at=30_000)
    run_text(folder, EFFORT % "overlap: 0.5")
    assert PatientSeparator.contexts[-1].start == 0
