"""Every fault is made here, so what has to be named, and with which number, is known."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.dsp.shift import Shifted
from stemfx.health.stem_set import SetHealth, examine_set
from stemfx.io import probe, read_blocks
from stemfx.testing import RaggedSignal

RATE = 44_100
Stems = dict[str, Audio]
SONGS = ("songs/harbour_lights", "songs/iron_tide", "songs/neon_parade", "real/potassium")


@cache
def demo() -> Mapping[str, Audio]:
    return {
        name: Audio(stem.samples[:, RATE : 12 * RATE], RATE) for name, stem in demo_song().items()
    }


@pytest.fixture
def stems() -> Stems:
    return dict(demo())


def added(stems: Mapping[str, Audio]) -> Audio:
    return Audio(np.sum([stem.samples for stem in stems.values()], axis=0), RATE)


def late(stem: Audio, samples: float) -> Audio:
    return Audio(np.concatenate(list(Shifted(stem, samples).blocks()), axis=1), RATE)


def scaled(stem: Audio, gain: float) -> Audio:
    return Audio(np.float32(gain) * stem.samples, stem.sample_rate)


def sped(stem: Audio, speed: float) -> Audio:
    played = soxr.resample(stem.samples.T, RATE * speed, RATE, "VHQ").T
    return Audio(np.ascontiguousarray(played), RATE)


def read(path: Path) -> Audio:
    info = probe(path)
    return Audio(np.concatenate(list(read_blocks(info)), axis=1), info.sample_rate)


def told(health: SetHealth) -> set[tuple[str | None, str]]:
    return {(each.stem, each.finding.code) for each in health.findings}


def message(health: SetHealth, code: str) -> str:
    return next(each.finding.message for each in health.findings if each.finding.code == code)


def gain(db: float) -> float:
    return 10.0 ** (db / 20.0)


def test_a_set_that_adds_up_has_no_finding(stems: Stems):
    health = examine_set(stems, added(stems))
    assert told(health) == set()
    assert health.null_db is not None
    assert health.null_db < -100


def test_stems_alone_that_share_nothing_have_no_finding(stems: Stems):
    health = examine_set(stems)
    assert told(health) == set()
    assert (health.null_db, health.common) == (None, None)


@pytest.mark.parametrize("samples", [20.0, 441.0, -100.5, 4410.0])
def test_a_late_or_early_stem_is_named_with_its_delay(stems: Stems, samples: float):
    mixture = added(stems)
    health = examine_set(stems | {"drums": late(stems["drums"], samples)}, mixture)
    assert told(health) == {("drums", "stem_late" if samples > 0 else "stem_early")}
    move = health.stems["drums"].move
    assert move is not None
    assert move.delay_samples == pytest.approx(samples, abs=0.2)
    assert health.solved_null_db is not None
    assert health.solved_null_db < -60  # but for the taps that moved it, there and back
    text = message(health, "stem_late" if samples > 0 else "stem_early")
    mends_ms = float(text.partition("- align: {delay_ms: ")[2].rstrip("}"))
    assert mends_ms == pytest.approx(-1e3 * samples / RATE, abs=0.005)


@pytest.mark.parametrize("name", ["vocals", "drums", "bass", "other"])
def test_an_inverted_stem_is_named(stems: Stems, name: str):
    health = examine_set(stems | {name: scaled(stems[name], -1.0)}, added(stems))
    assert told(health) == {(name, "stem_inverted")}
    assert "- polarity: {}" in message(health, "stem_inverted")


@pytest.mark.parametrize("gain_db", [-6.0, -1.0, 0.7, 4.0])
def test_a_stem_at_another_level_is_named_with_it(stems: Stems, gain_db: float):
    health = examine_set(stems | {"other": scaled(stems["other"], gain(gain_db))}, added(stems))
    code = "stem_too_loud" if gain_db > 0 else "stem_too_quiet"
    assert told(health) == {("other", code)}
    assert f"gain_db: {-gain_db:.2f}" in message(health, code)


def test_three_faults_at_once_are_told_apart(stems: Stems):
    mixture = added(stems)
    faulty = stems | {
        "drums": late(stems["drums"], 300.0),
        "vocals": scaled(stems["vocals"], -1.0),
        "other": scaled(stems["other"], gain(2.0)),
    }
    health = examine_set(faulty, mixture)
    assert told(health) == {
        ("drums", "stem_late"),
        ("vocals", "stem_inverted"),
        ("other", "stem_too_loud"),
    }


def test_one_stem_can_have_three_faults(stems: Stems):
    faulty = stems | {"other": scaled(late(stems["other"], 220.0), -0.5)}
    health = examine_set(faulty, added(stems))
    assert told(health) == {
        ("other", "stem_late"),
        ("other", "stem_inverted"),
        ("other", "stem_too_quiet"),
    }


@pytest.mark.parametrize("name", ["vocals", "drums", "bass", "other"])
def test_a_missing_stem_is_told_with_its_level_and_range(stems: Stems, name: str):
    mixture = added(stems)
    power = [np.sum(np.square(a.samples, dtype=np.float64)) for a in (stems.pop(name), mixture)]
    health = examine_set(stems, mixture)
    assert told(health) == {(None, "stem_missing")}
    assert health.leftover is not None
    assert health.leftover.level_db == pytest.approx(10 * np.log10(power[0] / power[1]), abs=0.3)
    if name == "bass":
        assert health.leftover.high_hz < 1000
    assert name not in message(health, "stem_missing")  # it cannot know


def test_a_missing_stem_does_not_hide_a_late_one(stems: Stems):
    mixture = added(stems)
    del stems["drums"]
    health = examine_set(stems | {"vocals": late(stems["vocals"], 300.0)}, mixture)
    assert told(health) == {(None, "stem_missing"), ("vocals", "stem_late")}


@pytest.mark.parametrize(
    ("speed", "code"),
    [
        (1.01, "stem_wrong_speed"),
        (0.97, "stem_wrong_speed"),
        (1.0001, "stem_drifts"),
        (44_100 / 48_000, "stem_wrong_rate"),
    ],
)
def test_another_speed_is_named_with_it(stems: Stems, speed: float, code: str):
    health = examine_set(stems | {"drums": sped(stems["drums"], speed)}, added(stems))
    assert told(health) == {("drums", code)}
    move = health.stems["drums"].move
    assert move is not None
    assert move.speed == pytest.approx(speed, rel=2e-6)


def test_a_header_with_the_wrong_rate_is_told_from_an_honest_one(stems: Stems):
    mixture = added(stems)
    wrong = Audio(stems["other"].samples, 48_000)
    health = examine_set(stems | {"other": wrong}, mixture)
    assert told(health) == {("other", "stem_wrong_rate")}
    assert "header says 48000 Hz, its samples are 44100 Hz" in message(health, "stem_wrong_rate")
    honest = np.ascontiguousarray(soxr.resample(stems["other"].samples.T, RATE, 48_000, "VHQ").T)
    health = examine_set(stems | {"other": Audio(honest, 48_000)}, mixture)
    assert told(health) == {("other", "stem_sample_rate")}


def test_a_stem_without_its_leading_silence_is_early_by_it(stems: Stems):
    cut = Audio(stems["drums"].samples[:, 3 * RATE :], RATE)
    health = examine_set(stems | {"drums": cut}, added(stems))
    assert told(health) == {("drums", "stem_early")}
    move = health.stems["drums"].move
    assert move is not None
    assert move.delay_samples == pytest.approx(-3 * RATE, abs=0.2)


@pytest.mark.parametrize("keeps_length", [True, False])
def test_a_file_that_breaks_off_is_cut_off(stems: Stems, keeps_length: bool):  # noqa: FBT001
    drums = stems["drums"].samples.copy()
    drums[:, 8 * RATE :] = 0
    cut = drums if keeps_length else drums[:, : 8 * RATE]
    health = examine_set(stems | {"drums": Audio(cut, RATE)}, added(stems))
    assert told(health) == {("drums", "stem_cut_off")}
    assert "breaks off at 8.0 s of 11.0 s" in message(health, "stem_cut_off")


def test_a_mixture_that_breaks_off_is_told_and_what_lies_before_is_compared(stems: Stems):
    short = Audio(added(stems).samples[:, : 7 * RATE], RATE)
    health = examine_set(stems, short)
    assert told(health) == {(None, "mixture_cut_off")}
    assert "4.00 s before" in message(health, "mixture_cut_off")
    assert health.null_db is not None
    assert health.null_db < -100
    late_drums = stems | {"drums": late(stems["drums"], 300.0)}
    assert ("drums", "stem_late") in told(examine_set(late_drums, short))
    leaked = {n: Audio(s.samples + 0.1 * added(stems).samples, RATE) for n, s in stems.items()}
    assert (None, "mixture_cut_off") in told(examine_set(leaked, short))


def test_a_mono_mixture_is_compared_in_mono(stems: Stems):
    mono = Audio(added(stems).samples.mean(axis=0, keepdims=True), RATE)
    health = examine_set(stems, mono)
    assert told(health) == {(None, "mixture_mono")}
    assert health.null_db is not None
    assert health.null_db < -100
    late_drums = stems | {"drums": late(stems["drums"], 300.0)}
    assert ("drums", "stem_late") in told(examine_set(late_drums, mono))


def test_a_silent_mixture_is_told(stems: Stems):
    silent = Audio(np.zeros((2, 5 * RATE), np.float32), RATE)
    assert told(examine_set(stems, silent)) == {(None, "mixture_silent")}


def test_silence_at_the_end_more_or_less_is_worth_a_word(stems: Stems):
    longer = np.pad(stems["drums"].samples, ((0, 0), (0, RATE)))
    health = examine_set(stems | {"drums": Audio(longer, RATE)}, added(stems))
    assert told(health) == {("drums", "stem_length")}
    assert [each.finding.level for each in health.findings] == ["info"]


def test_the_same_file_twice_is_a_duplicate_and_one_is_missing(stems: Stems):
    health = examine_set(stems | {"other": stems["drums"]}, added(stems))
    assert told(health) == {("other", "stem_duplicate"), (None, "stem_missing")}


def test_a_silent_stem_is_a_fault_only_where_the_null_misses_it(stems: Stems):
    silent = stems | {"vocals": scaled(stems["vocals"], 0.0)}
    missed = examine_set(silent, added(stems))
    assert told(missed) == {("vocals", "stem_silent"), (None, "stem_missing")}
    fine = examine_set(silent, added(silent))
    assert [each.finding.level for each in fine.findings] == ["info"]


def test_a_stem_of_another_take_is_not_in_the_mixture(stems: Stems):
    other_take = Audio(np.ascontiguousarray(stems["vocals"].samples[:, ::-1]), RATE)
    health = examine_set(stems | {"vocals": other_take}, added(stems))
    assert told(health) == {("vocals", "stem_not_in_mixture"), (None, "stem_missing")}


def test_what_all_stems_share_is_the_mixtures(stems: Stems):
    mixture = added(stems)
    quieter = examine_set(stems, scaled(mixture, 0.5))
    assert told(quieter) == {(None, "mixture_level")}
    assert "gain_db: -6.02" in message(quieter, "mixture_level")
    coded = examine_set(stems, late(mixture, 1105.0))
    assert told(coded) == {(None, "mixture_shifted")}
    assert "25.057 ms (1105.0 samples) late" in message(coded, "mixture_shifted")


def test_a_mastered_mixture_is_not_taken_for_a_missing_stem(stems: Stems):
    from pedalboard import Compressor, Limiter, Pedalboard

    chain = Pedalboard([Compressor(-24, 3, 5, 80), Limiter(-3, 60)])
    mastered = Audio(np.array(chain(2 * added(stems).samples, RATE)), RATE)
    assert (None, "mixture_processed") in told(examine_set(stems, mastered))
    assert (None, "stem_missing") not in told(examine_set(stems, mastered))


@pytest.mark.parametrize("codec", [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_a_coded_mixture_is_not_taken_for_a_missing_stem(stems: Stems, codec: tuple[str, str]):
    if codec[0] not in soundfile.available_formats():
        pytest.skip(f"libsndfile was built without {codec[0]}")
    mixture, coded = added(stems), io.BytesIO()
    soundfile.write(
        coded, mixture.samples.T, RATE, format=codec[0], subtype=codec[1], compression_level=0.5
    )
    coded.seek(0)
    heard = np.ascontiguousarray(soundfile.read(coded, dtype="float32")[0].T)
    health = examine_set(stems, Audio(heard[:, : mixture.n_samples], RATE))
    assert told(health) == {(None, "mixture_coded")}
    # With a stem less it is still a missing stem, however the rest was coded.
    without = {name: stem for name, stem in stems.items() if name != "vocals"}
    assert (None, "stem_missing") in told(examine_set(without, Audio(heard, RATE)))


@pytest.mark.parametrize("leak", [0.03, 0.1])
def test_a_leak_is_not_taken_for_stems_that_are_too_loud(stems: Stems, leak: float):
    """Both leave the same null, and the same gains would mend it."""
    mixture = added(stems)
    rest = mixture.samples - stems["vocals"].samples
    leaky = Audio(stems["vocals"].samples + np.float32(leak) * rest, RATE)
    health = examine_set(stems | {"vocals": leaky}, mixture)
    assert told(health) == {("vocals", "stem_leak")}
    for level_db in health.leaks_db["vocals"].values():
        assert level_db == pytest.approx(20 * np.log10(leak), abs=1.0)
    too_loud = stems | {
        name: scaled(stem, 1 + leak) for name, stem in stems.items() if name != "vocals"
    }
    assert {code for _, code in told(examine_set(too_loud, mixture))} == {"stem_too_loud"}


def test_without_a_mixture_two_microphones_are_told(stems: Stems):
    second = late(scaled(stems["vocals"], -0.7), 44.1)
    health = examine_set({"close": stems["vocals"], "room": second, "drums": stems["drums"]})
    assert {("room", "stem_inverted"), ("room", "stem_late")} <= told(health)
    assert "1.000 ms" in message(health, "stem_late")


def test_the_block_size_changes_nothing(stems: Stems):
    faulty = stems | {"drums": late(stems["drums"], 100.0)}
    mixture = added(stems)
    ragged = {name: RaggedSignal(stem) for name, stem in faulty.items()}
    expected = examine_set(faulty, mixture).to_json()
    assert examine_set(ragged, RaggedSignal(mixture)).to_json() == expected


@pytest.mark.parametrize("n_samples", [0, 1, 5000])
def test_json_holds_whatever_comes(n_samples: int):
    short = Audio(np.full((1, n_samples), 0.1, np.float32), RATE)
    for mixture in (None, short):
        text = json.dumps(examine_set({"a": short}, mixture).to_json(), allow_nan=False)
        assert '"stems"' in text


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="one stem at least"):
        examine_set({})


# --------------------------------------------------------------------------- music


@pytest.mark.parametrize("song", SONGS)
def test_true_stems_have_no_finding_with_or_without_their_mixture(corpus: Path, song: str):
    files = {path.stem: read(path) for path in sorted((corpus / song).glob("*.flac"))}
    mixture = files.pop("mix")
    assert told(examine_set(files, mixture)) == set()
    assert told(examine_set(files)) == set()


@pytest.mark.parametrize(
    ("folder", "stem", "codes"),
    [
        ("set_ok", "vocals", set()),
        ("set_bass_polarity", "bass", {"stem_inverted"}),
        ("set_drums_late_10ms", "drums", {"stem_late"}),
        ("set_vocals_leak", "vocals", {"stem_leak"}),
    ],
)
def test_the_corpus_defects_are_named(corpus: Path, folder: str, stem: str, codes: set[str]):
    defects = corpus / "defects"
    files = {path.stem: read(path) for path in (defects / "set_ok").glob("*.flac")}
    mixture = files.pop("mix")
    files[stem] = read(defects / folder / f"{stem}.flac")
    assert told(examine_set(files, mixture)) == {(stem, code) for code in codes}
