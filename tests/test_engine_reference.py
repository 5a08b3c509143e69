"""Songs that a stage only listens to: references to master to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine import run_text, samples, statuses

from stemfx.audio import Audio
from stemfx.cache import Cache
from stemfx.errors import AudioFileError, RecipeError
from stemfx.io import Encoding, write
from stemfx.run import Outcome

SOURCES = "sources: {song: song.wav, reference: club.wav}\n"
MASTER = "master: [listens: {song: reference}]\noutput: {master: out.wav}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    for name, rate, n_samples, peak in (("song", 44_100, 44_100, 0.5), ("club", 48_000, 96_000, 1)):
        noise = rng.uniform(-peak, peak, (2, n_samples)).astype(np.float32)
        write(tmp_path / f"{name}.wav", Audio(noise, rate), Encoding("wav", 24))
    return tmp_path


def heard(outcome: Outcome) -> dict[str, object]:
    return dict(next(n.measurements for n in outcome.nodes if n.id == "master/listens"))


def test_a_reference_is_heard_whole_at_the_songs_rate_and_is_not_played(folder: Path) -> None:
    outcome = run_text(folder, SOURCES + MASTER)
    told = heard(outcome)
    assert (told["rate"], told["samples"]) == (44_100, 88_200)
    assert np.array_equal(samples(folder / "out.wav"), samples(folder / "song.wav"))
    assert outcome.plan.duration_s == 1.0


def test_a_preview_hears_all_of_the_reference(folder: Path) -> None:
    outcome = run_text(folder, SOURCES + MASTER, preview_s=(0.25, 0.5))
    assert heard(outcome)["samples"] == 88_200
    assert samples(folder / "out-preview.wav").shape == (2, 22_050)


def test_another_reference_runs_the_stage_again_and_nothing_before_it(folder: Path) -> None:
    cache = Cache(folder / "cache")
    run_text(folder, SOURCES + MASTER, cache=cache)
    write(
        folder / "b.wav", Audio(np.full((2, 48_000), 0.1, np.float32), 48_000), Encoding("wav", 24)
    )
    again = run_text(folder, SOURCES + MASTER, cache=cache, sources={"reference": folder / "b.wav"})
    assert statuses(again, "cached") >= {"song/decode"}
    assert heard(again)["samples"] == 44_100


def test_a_song_may_be_its_own_reference(folder: Path) -> None:
    outcome = run_text(folder, "sources: {song: song.wav}\n" + MASTER.replace("reference", "song"))
    assert heard(outcome)["samples"] == 44_100


def test_given_stems_are_heard_as_their_sum(folder: Path) -> None:
    stems = "{song: song.wav, reference: {stems: {a: club.wav, b: club.wav}}}"
    outcome = run_text(folder, f"sources: {stems}\n{MASTER}")
    one = run_text(folder, SOURCES + MASTER)
    assert heard(outcome)["peak"] == pytest.approx(2 * float(str(heard(one)["peak"])), rel=1e-6)


def test_a_silent_reference_is_refused_by_its_name(folder: Path) -> None:
    write(
        folder / "club.wav", Audio(np.zeros((2, 48_000), np.float32), 48_000), Encoding("wav", 24)
    )
    with pytest.raises(AudioFileError, match="every sample is zero") as refused:
        run_text(folder, SOURCES + MASTER)
    assert str(refused.value.where).endswith("club.wav")


def test_an_unknown_reference_is_named_with_what_was_meant(folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"no source 'referense'; did you mean 'reference'\?"):
        run_text(folder, SOURCES + MASTER.replace("reference", "referense"))
