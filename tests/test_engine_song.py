"""Stages that hear the song beside their track, and what they take away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine import ANALYSED, level_db, run_text, samples, statuses

from stemfx.audio import Audio
from stemfx.cache import Cache
from stemfx.errors import RecipeError
from stemfx.io import Encoding, generator_tag, write
from stemfx.report import outcome_json
from stemfx.run import Outcome

STEMS = "{vocals: vocals.wav, drums: drums.wav, bass: bass.wav}"
SOURCES = f"sources: {{song: {{stems: {STEMS}}}}}\n"
STAGE = "subtracts_others"
ONE_TRACK = f"tracks: {{vocals: {{stages: [{STAGE}]}}}}\noutput: {{stems: out/}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    for name in ("vocals", "drums", "bass"):
        noise = (0.1 * rng.standard_normal((2, 30_000))).astype(np.float32)
        write(tmp_path / f"{name}.wav", Audio(noise, 44_100), Encoding("wav", 32))
    return tmp_path


def of(outcome: Outcome, node: str) -> dict[str, object]:
    return dict(next(n.measurements for n in outcome.nodes if n.id == node))


def test_two_tracks_may_hear_each_other_as_they_came_in(folder: Path) -> None:
    text = SOURCES + (
        f"tracks:\n  vocals: {{stages: [gain: {{gain_db: 6}}, {STAGE}: {{against: [drums]}}]}}\n"
        f"  drums: {{stages: [{STAGE}: {{against: [vocals]}}, gain: {{gain_db: -20}}]}}\n"
        "output: {stems: out/}\n"
    )
    run_text(folder, text)
    vocals, drums = samples(folder / "vocals.wav"), samples(folder / "drums.wav")
    expected = 10 ** (6 / 20) * vocals - 0.5 * drums  # the raw drums: neither their stage nor gain
    assert level_db(samples(folder / "out/vocals.wav") - expected, expected) < -120


def test_no_name_means_every_other_stem_and_one_analysis_serves_all_tracks(folder: Path) -> None:
    ANALYSED.clear()
    text = SOURCES + (
        f"tracks: {{vocals: {{stages: [{STAGE}]}}, bass: {{stages: [{STAGE}]}}}}\n"
        "output: {stems: out/}\n"
    )
    outcome = run_text(folder, text)
    assert ANALYSED == [("vocals", "drums", "bass")]
    told = of(outcome, f"bass/{STAGE}")
    assert (told["own"], told["stems"]) == ("bass", "vocals drums bass")
    bass = samples(folder / "bass.wav")
    expected = bass - 0.5 * (samples(folder / "vocals.wav") + samples(folder / "drums.wav"))
    assert level_db(samples(folder / "out/bass.wav") - expected, expected) < -120
    assert told["own_peak"] == pytest.approx(np.abs(bass).max())


def test_the_second_run_analyses_nothing_and_another_setting_does(folder: Path) -> None:
    cache = Cache(folder / "cache")
    run_text(folder, SOURCES + ONE_TRACK, cache=cache)
    again = run_text(folder, SOURCES + ONE_TRACK, cache=cache)
    assert statuses(again, "done") == set()
    turned = ONE_TRACK.replace(f"[{STAGE}]", f"[{STAGE}: {{amount: 0.25}}]")
    other = run_text(folder, SOURCES + turned, cache=cache)
    assert f"song/{STAGE}/analysis" in statuses(other, "done")


def test_an_analysis_that_nobody_reads_is_not_made_again(folder: Path) -> None:
    cache = Cache(folder / "cache")
    first = run_text(folder, SOURCES + ONE_TRACK, cache=cache)
    cache.discard(first.plan.nodes[f"song/{STAGE}/analysis"].key)
    assert statuses(run_text(folder, SOURCES + ONE_TRACK, cache=cache), "done") == set()
    # A stage that has to run again needs it.
    cache.discard(first.plan.nodes[f"song/{STAGE}/analysis"].key)
    cache.discard(first.plan.nodes[f"vocals/{STAGE}"].key)
    softer = ONE_TRACK.replace("]}}", "], gain_db: -1}}")
    done = statuses(run_text(folder, SOURCES + softer, cache=cache), "done")
    assert {f"song/{STAGE}/analysis", f"vocals/{STAGE}"} <= done


def test_a_stage_hears_all_stems_and_knows_which_of_them_it_was_told(folder: Path) -> None:
    text = SOURCES + (
        f"tracks: {{vocals: {{stages: [{STAGE}: {{against: [bass]}}]}}}}\noutput: {{stems: out/}}\n"
    )
    assert of(run_text(folder, text), f"vocals/{STAGE}")["stems"] == "vocals drums bass"
    assert of(run_text(folder, text), f"vocals/{STAGE}")["against"] == "bass"


def test_a_stage_may_name_a_track_that_plays_the_stem(folder: Path) -> None:
    text = SOURCES + (
        f"tracks: {{vocals: {{stages: [{STAGE}: {{against: [kit]}}]}}, "
        "kit: {from: song/drums}}\noutput: {stems: out/}\n"
    )
    assert of(run_text(folder, text), f"vocals/{STAGE}")["against"] == "drums"


def test_a_separated_song_gives_the_stems_that_no_track_plays(tmp_path: Path, song: Audio) -> None:
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    text = (
        "sources: {song: song.wav}\nseparate: {model: shares}\n"
        f"tracks: {{vocals: {{stages: [{STAGE}: {{amount: 0.1}}]}}}}\n"
        "output: {master: out.wav, bit_depth: 32}\n"
    )
    outcome = run_text(tmp_path, text)
    assert of(outcome, f"vocals/{STAGE}")["stems"] == "vocals drums bass other"
    # vocals 0.3, the others 0.3 + 0.2 + 0.1 and the residual of 0.1, which `other` gets.
    expected = (0.3 - 0.1 * 0.7) * samples(tmp_path / "song.wav")
    assert level_db(samples(tmp_path / "out.wav") - expected, expected) < -120


def test_the_mixture_is_the_sum_of_the_stems_or_the_file_that_is_named(folder: Path) -> None:
    total = sum(samples(folder / f"{n}.wav") for n in ("vocals", "drums", "bass"))
    told = of(run_text(folder, SOURCES + ONE_TRACK), f"vocals/{STAGE}")
    assert told["mixture_peak"] == pytest.approx(np.abs(total).max(), rel=1e-5)
    quiet = Audio(np.full((2, 20_000), 0.25, np.float32), 44_100)
    write(folder / "mix.wav", quiet, Encoding("wav", 32))
    named = SOURCES.replace(STEMS, f"{STEMS}, mixture: mix.wav")
    assert of(run_text(folder, named + ONE_TRACK), f"vocals/{STAGE}")["mixture_peak"] == 0.25


def test_a_mono_stem_and_a_short_one_are_heard_beside_stereo(folder: Path) -> None:
    mono = (0.1 * np.random.default_rng(1).standard_normal((1, 20_000))).astype(np.float32)
    write(folder / "drums.wav", Audio(mono, 44_100), Encoding("wav", 32))
    text = SOURCES + (
        f"tracks: {{vocals: {{stages: [{STAGE}: {{against: [drums]}}]}}, "
        f"drums: {{stages: [{STAGE}: {{against: [vocals]}}]}}}}\noutput: {{stems: out/}}\n"
    )
    run_text(folder, text)
    vocals = samples(folder / "vocals.wav")
    expected = vocals.copy()
    expected[:, :20_000] -= 0.5 * mono
    assert level_db(samples(folder / "out/vocals.wav") - expected, expected) < -120
    folded = mono - 0.5 * vocals[:, :20_000].mean(axis=0, keepdims=True)
    assert level_db(samples(folder / "out/drums.wav") - folded, folded) < -120


def test_a_bus_compares_with_the_song(folder: Path) -> None:
    text = SOURCES + (
        "tracks: {vocals: , drums: , bass: }\nmix: {stages: [compares]}\n"
        "output: {master: out.wav}\n"
    )
    told = of(run_text(folder, text), "mix/compares")
    assert float(str(told["largest_difference"])) < 1e-6


def test_the_master_comes_behind_the_stages_of_the_mix(folder: Path) -> None:
    text = SOURCES + (
        "tracks: {vocals: , drums: , bass: }\nmix: {stages: [trim: {start_s: 0.1}]}\n"
        "master: [compares]\noutput: {master: out.wav}\n"
    )
    with pytest.raises(RecipeError, match="move it before `trim`"):
        run_text(folder, text)


@pytest.mark.parametrize(
    ("tracks", "why"),
    [
        ("{all: {from: song, stages: [STAGE]}}", "the track 'all' is none"),
        ("{vocals: {stages: [trim: {start_s: 0.1}, STAGE]}}", "move it before `trim`"),
        ("{vocals: {stages: [STAGE: {against: [vocals]}]}}", "this very track"),
        ("{vocals: {stages: [STAGE: {against: [drum]}]}}", "did you mean 'drums'?"),
        ("{pad: {from: bass.wav, stages: [compares]}}", "this track plays none"),
        ("{vocals: , rest: {from: vocals/removed}}", "add `keep_removed: true`"),
        ("{vocals: {from: vocals/removed}}", "in a circle"),
    ],
)
def test_what_cannot_be_heard_is_said_with_its_place(folder: Path, tracks: str, why: str) -> None:
    text = SOURCES + f"tracks: {tracks.replace('STAGE', STAGE)}\noutput: {{master: out.wav}}\n"
    with pytest.raises(RecipeError) as caught:
        run_text(folder, text)
    (problem,) = caught.value.problems
    assert why in problem.message
    assert problem.where.startswith(f"{folder / 'recipe.yaml'}:3:")


# --- what is removed ---------------------------------------------------------------------


def test_what_is_removed_is_written_beside_the_stems_which_still_sum_to_the_mix(
    folder: Path,
) -> None:
    text = SOURCES + (
        f"tracks: {{vocals: {{stages: [{STAGE}: {{keep_removed: true}}]}}, drums: }}\n"
        "output: {stems: out/, master: out.wav, bit_depth: 32}\n"
    )
    outputs = outcome_json(run_text(folder, text))["outputs"]
    assert set(outputs["stems"]) == {"vocals", "drums"}
    assert outputs["removed"] == {"vocals": str(folder / "out/removed/vocals.wav")}
    kept, gone = (samples(folder / f"out/{n}vocals.wav") for n in ("", "removed/"))
    vocals = samples(folder / "vocals.wav")
    assert level_db(kept + gone - vocals, vocals) < -120


def test_a_track_may_play_what_another_lost(folder: Path) -> None:
    text = SOURCES + (
        f"tracks: {{vocals: {{stages: [{STAGE}: {{keep_removed: true}}]}}, "
        "back: {from: vocals/removed}}\noutput: {master: out.wav, bit_depth: 32}\n"
    )
    run_text(folder, text)
    vocals = samples(folder / "vocals.wav")
    assert level_db(samples(folder / "out.wav") - vocals, vocals) < -120


def test_what_is_kept_and_not_used_is_said(folder: Path) -> None:
    text = SOURCES + (
        f"tracks: {{vocals: {{stages: [{STAGE}: {{keep_removed: true}}]}}}}\n"
        "output: {master: out.wav}\n"
    )
    codes = [finding.code for _, finding in run_text(folder, text).findings]
    assert codes == ["removed_not_used"]


# --- songs that an AI made ---------------------------------------------------------------


def test_the_recipe_or_a_tag_tells_that_an_ai_made_the_song(folder: Path) -> None:
    def is_generated(sources: str) -> object:
        return of(run_text(folder, sources + ONE_TRACK), f"vocals/{STAGE}")["is_generated"]

    assert is_generated(SOURCES) is False
    assert is_generated(SOURCES.replace(STEMS, f"{STEMS}, generated: true")) is True
    _tag(folder / "vocals.wav", "made with suno; created=2026-03-01")
    outcome = run_text(folder, SOURCES + ONE_TRACK)
    assert is_generated(SOURCES) is True
    assert [(f.level, f.code) for _, f in outcome.findings] == [("info", "generated")]
    assert is_generated(SOURCES.replace(STEMS, f"{STEMS}, generated: false")) is False


def test_what_a_generated_song_lost_is_generated_too(folder: Path) -> None:
    text = SOURCES.replace(STEMS, f"{STEMS}, generated: true") + (
        f"tracks: {{vocals: {{stages: [{STAGE}: {{keep_removed: true}}]}}, "
        "back: {from: vocals/removed, stages: [origin]}}\noutput: {master: out.wav}\n"
    )
    assert of(run_text(folder, text), "back/origin")["is_generated"] is True


def test_a_title_is_no_proof(folder: Path) -> None:
    _tag(folder / "vocals.wav", "recorded in Udine", title="Suno of Venice")
    assert generator_tag(folder / "vocals.wav") is None


def _tag(path: Path, comment: str, title: str = "song") -> None:
    import soundfile

    stored = samples(path)
    with soundfile.SoundFile(path, "w", 44_100, 2, "FLOAT", format="WAV") as file:
        file.comment, file.title = comment, title
        file.write(stored.T)
