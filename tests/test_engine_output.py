"""What a run writes of the master: several files, tags, and a pair to compare by ear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from engine import run_text, samples, statuses

from stemfx.audio import Audio
from stemfx.cache import Cache
from stemfx.dsp.loudness import measure
from stemfx.errors import OutputError, RecipeError, TagError
from stemfx.io import Encoding, FileSignal, probe, write
from stemfx.report import outcome_json
from stemfx.run import Outcome

RATE = 44_100
SOURCES = "sources: {song: song.wav}\n"
LOUD = "master: [loudness: {target_lufs: -16, ceiling_dbtp: -1}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two seconds of noise in bursts: its peaks move when a codec takes it apart."""
    rng = np.random.default_rng(11)
    n = 2 * RATE
    bursts = np.exp(-((np.arange(n) % 11_025) / 2000.0))
    noise = np.cumsum(rng.standard_normal((2, n)), axis=1)
    noise[:, 64:] -= noise[:, :-64].copy()  # a mean over 64 samples: codecs leave out the top
    sound = 0.015 * bursts * noise
    write(tmp_path / "song.wav", Audio(sound.astype(np.float32), RATE), Encoding("wav", 24))
    return tmp_path


def reading(path: Path) -> tuple[float, float]:
    found = measure(FileSignal(probe(path)))
    assert found.lufs is not None
    assert found.true_peak_dbtp is not None
    return found.lufs, found.true_peak_dbtp


def of(outcome: Outcome, node: str) -> dict[str, object]:
    return dict(next(n.measurements for n in outcome.nodes if n.id == node))


def test_every_file_of_the_master_decodes_at_the_target_and_below_the_ceiling(
    folder: Path,
) -> None:
    text = f"{SOURCES}{LOUD}output: {{master: [a.wav, b/b.flac, c.mp3, d.ogg]}}\n"
    told = outcome_json(run_text(folder, text))
    names = ("a.wav", "b/b.flac", "c.mp3", "d.ogg")
    assert told["outputs"]["masters"] == [str(folder / name) for name in names]
    assert told["outputs"]["master"] == str(folder / "a.wav")
    for name, delivery in zip(names, told["deliveries"], strict=True):
        lufs, true_peak_dbtp = reading(folder / name)
        # Codecs leave out what they take for unheard: more of noise than of music.
        tolerance = 0.1 if delivery["bit_depth"] else 0.35
        assert lufs == pytest.approx(-16, abs=tolerance), name
        assert true_peak_dbtp <= -1 + 0.05, name
        assert delivery["lufs"] == pytest.approx(lufs, abs=0.02)
        assert delivery["true_peak_dbtp"] == pytest.approx(true_peak_dbtp, abs=0.06)
        assert delivery["file"] == str(folder / name)


def test_a_file_may_have_a_depth_a_rate_and_a_bit_rate_of_its_own(folder: Path) -> None:
    text = (
        SOURCES
        + LOUD
        + (
            "output:\n  bit_depth: 24\n  master:\n    - master.wav\n"
            "    - {file: cd.wav, bit_depth: 16, sample_rate: 48000}\n"
            "    - {file: small.mp3, bitrate_kbps: 128}\n"
        )
    )
    run_text(folder, text)
    cd = probe(folder / "cd.wav")
    assert (cd.bit_depth, cd.sample_rate, cd.n_samples) == (16, 48_000, 96_000)
    assert (probe(folder / "master.wav").bit_depth, probe(folder / "master.wav").sample_rate) == (
        24,
        RATE,
    )
    assert reading(folder / "cd.wav")[1] <= -1 + 0.05  # another rate has peaks of its own
    assert (folder / "small.mp3").stat().st_size == pytest.approx(2 * 128_000 / 8, rel=0.1)


@pytest.mark.parametrize(("rate", "rate_of_mp3"), [(96_000, 48_000), (88_200, 44_100)])
def test_an_mp3_has_the_nearest_rate_that_it_can_have_and_says_so(
    folder: Path, rate: int, rate_of_mp3: int
) -> None:
    noise = 0.1 * np.random.default_rng(3).standard_normal((1, rate))
    write(folder / "song.wav", Audio(noise.astype(np.float32), rate), Encoding("wav", 24))
    outcome = run_text(folder, f"{SOURCES}output: {{master: [a.wav, b.mp3]}}\n")
    assert [(node, f.code) for node, f in outcome.findings] == [("run", "mp3_sample_rate")]
    assert probe(folder / "a.wav").sample_rate == rate
    mp3 = probe(folder / "b.mp3")
    assert (mp3.sample_rate, mp3.n_samples) == (rate_of_mp3, rate_of_mp3)


def test_a_file_at_another_rate_is_limited_no_further_than_to_the_ceiling(folder: Path) -> None:
    """sin(x) + sin(3x)/6 peaks at sqrt(3)/2, and at 1 once a lower rate has lost its harmonic."""
    rate = 96_000
    x = 2 * np.pi * 11_000 * np.arange(rate) / rate
    sound = 0.8 * (np.sin(x) + np.sin(3 * x) / 6)[np.newaxis]  # -3.19 dBTP
    write(folder / "song.wav", Audio(sound.astype(np.float32), rate), Encoding("wav", 24))
    text = f"{SOURCES}master: [limiter: {{ceiling_dbtp: -3.1}}]\noutput:\n  master:\n"
    outcome = run_text(folder, text + "    - a.wav\n    - {file: b.flac, sample_rate: 44100}\n")
    told = of(outcome, "write/b.flac")
    assert told["tries"] == 1
    # From 0.8 = -1.94 dBTP to the ceiling; the ends of a tone that starts at once rise higher.
    assert told["limited_db"] == pytest.approx(1.16, abs=0.5)
    middle = samples(folder / "b.flac")[:, 11_025:33_075]
    assert 20 * np.log10(np.abs(middle).max()) == pytest.approx(-3.1, abs=0.05)
    assert outcome.findings == []


def test_a_second_run_writes_nothing_again_and_a_lost_file_alone_comes_back(folder: Path) -> None:
    cache = Cache(folder / "cache")
    text = f"{SOURCES}{LOUD}output: {{master: [a.wav, c.mp3], ab: ab/}}\n"
    first = run_text(folder, text, cache=cache)
    kept = {path: path.read_bytes() for path in first.plan.targets if path != first.plan.record}
    assert statuses(run_text(folder, text, cache=cache), "done") == set()
    (folder / "c.mp3").unlink()
    assert statuses(run_text(folder, text, cache=cache), "done") == {"write/c.mp3"}
    assert {path: path.read_bytes() for path in kept} == kept


def test_without_a_ceiling_peaks_are_only_kept_from_clipping(folder: Path) -> None:
    text = f"{SOURCES}master: [gain: {{gain_db: 15}}]\noutput: {{master: [a.wav, c.mp3]}}\n"
    outcome = run_text(folder, text)
    assert {f.code for _, f in outcome.findings} >= {"lowered_to_avoid_clipping"}
    for name in ("a.wav", "c.mp3"):
        assert reading(folder / name)[1] <= 0.7  # no promise between the samples of a WAV
        assert np.abs(samples(folder / name)).max() <= 1.0
    assert np.abs(samples(folder / "a.wav")).max() == pytest.approx(10 ** (-0.1 / 20), abs=1e-4)


def test_a_gain_behind_the_limiter_is_meant(folder: Path) -> None:
    text = f"{SOURCES}{LOUD[:-2]}, gain: {{gain_db: 0.6}}]\noutput: {{master: [a.wav, c.mp3]}}\n"
    run_text(folder, text)
    lufs, peak_dbtp = reading(folder / "a.wav")
    assert lufs == pytest.approx(-15.4, abs=0.1)
    # How near to the ceiling of -1 the song comes is its own affair; 0.6 dB more is over it.
    assert -0.9 < peak_dbtp < -0.35
    assert reading(folder / "c.mp3")[0] == pytest.approx(-15.4, abs=0.35)


def test_tags_and_a_cover_reach_every_format_and_are_part_of_the_result(folder: Path) -> None:
    png = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c6360"
        "60600000000400015fe53d040000000049454e44ae426082"
    )
    (folder / "art.png").write_bytes(png)
    cache = Cache(folder / "cache")
    text = SOURCES + "output: {master: [a.flac, c.mp3], tags: {title: Köln, date: 2026%s}}\n"
    outcome = run_text(folder, text % ", cover: art.png", cache=cache)
    told = [(node, f.code) for node, f in outcome.findings]
    assert told == [("run", "cover_small")]  # once, not for every file
    for name in ("a.flac", "c.mp3"):
        with soundfile.SoundFile(folder / name) as file:
            assert file.title == "Köln"
    assert png in (folder / "a.flac").read_bytes()
    (folder / "art.png").write_bytes(png[:-12])
    with pytest.raises(TagError, match="no whole JPEG or PNG"):
        outcome = run_text(folder, text % ", cover: art.png", cache=cache)
    told = [(node, f.code) for node, f in outcome.findings]
    assert told == [("run", "cover_small")]  # once, not for every file
    assert png in (folder / "a.flac").read_bytes()  # what was there is still there


def test_the_pair_to_compare_is_equally_loud_and_as_long_as_the_song(folder: Path) -> None:
    text = f"{SOURCES}master: [gain: {{gain_db: 6}}]\noutput: {{master: a.wav, ab: compare}}\n"
    outcome = run_text(folder, text)
    paths = outcome_json(outcome)["outputs"]["ab"]
    assert paths == {name: str(folder / f"compare/{name}.wav") for name in ("before", "after")}
    before, after = samples(paths["before"]), samples(paths["after"])
    # One gain is all that was done to it, and the louder one was turned down: nothing is left.
    assert np.abs(before - after).max() < 1e-6
    assert np.abs(before - samples(folder / "song.wav")).max() < 1e-6


def test_dithered_stems_have_noise_of_their_own(folder: Path) -> None:
    tracks = "tracks: {a: {from: song}, b: {from: song}}\n"
    run_text(folder, f"{SOURCES}{tracks}output: {{stems: ., bit_depth: 16}}\n")
    apart = 2**15 * (samples(folder / "a.wav") - samples(folder / "b.wav"))
    assert np.sqrt(np.mean(apart**2)) == pytest.approx(2**0.5 * 0.5, rel=0.02)  # each half a step


def test_a_preview_has_its_pair_and_files_under_names_of_their_own(folder: Path) -> None:
    text = f"{SOURCES}output: {{master: [a.wav, c.mp3], ab: ab}}\n"
    outcome = run_text(folder, text, preview_s=(0.5, 1.0))
    names = sorted(str(path.relative_to(folder)) for path in outcome.plan.targets)
    assert names == [
        "a-preview.wav",
        "ab/after-preview.wav",
        "ab/before-preview.wav",
        "c-preview.mp3",
        "run-preview.json",
    ]
    assert samples(folder / "ab/before-preview.wav").shape == (2, RATE)


def test_two_files_of_one_name_are_refused(folder: Path) -> None:
    with pytest.raises(OutputError, match="two results are named"):
        run_text(folder, SOURCES + "output: {master: [a.wav, A.WAV]}\n")


@pytest.mark.parametrize(
    ("output", "fault"),
    [
        ("{master: [x.wav], ab: x.wav}", "x.wav is to be a result, and the folder of "),
        ("{master: [X.wav/a.mp3, x.wav]}", "X.wav is to be a result, and the folder of "),
        ("{master: [made.wav]}", "made.wav is a folder, and a file of that name is to be written"),
    ],
)
def test_a_file_is_no_folder_and_that_is_said_before_any_work(
    folder: Path, output: str, fault: str
) -> None:
    (folder / "made.wav").mkdir()
    before = sorted(folder.rglob("*"))
    with pytest.raises(OutputError, match=fault):
        run_text(folder, f"{SOURCES}output: {output}\n")
    assert [path for path in sorted(folder.rglob("*")) if path.name != "recipe.yaml"] == before


@pytest.mark.parametrize(
    ("output", "fault"),
    [
        ("{master: []}", "output.master: expects 1 to 16 files, got 0"),
        ("{master: [a.wav, {file: b.mp3, bit_depth: 16}]}", "mp3 has no bit depth, got 16"),
        (
            "{master: [{file: b.wav, bitrate_kbps: 320}]}",
            "wav has none; leave it out, or write mp3",
        ),
        ("{master: [{file: b.mp3, bitrate_kbps: 300}]}", "expects 128, 160, 192, 224, 256 or 320"),
        ("{master: [{file: b.mp3, sample_rate: 96000}]}", "mp3 has no 96000 Hz"),
        ("{master: [{bit_depth: 16}]}", "'file' is missing"),
        ("{master: [a.wav], dither: noise}", "'noise' is not one of tpdf, shaped, none"),
        ("{master: a.wav, tags: {title: ''}}", "output.tags.title: title is empty"),
        ("{master: a.wav, tags: {isrc: 123}}", "output.tags.isrc: "),
        ("{master: a.wav, tags: {cover: ../x.png}}", "output.tags.cover: "),
        ("{master: a.wav, tags: {titel: x}}", "did you mean 'title'?"),
        ("{stems: s, ab: ab}", "output.ab: is for a master; add `master`"),
        ("{master: a.wav, ab: ../ab}", "leads out of the output folder"),
    ],
)
def test_what_cannot_be_written_is_said_where_it_lies(
    folder: Path, output: str, fault: str
) -> None:
    with pytest.raises(RecipeError) as refused:
        run_text(folder, f"{SOURCES}output: {output}\n")
    problem = refused.value.problems[0]
    assert fault in problem.message
    assert problem.where.startswith(f"{folder}/recipe.yaml:3:")
