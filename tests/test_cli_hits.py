"""`stemfx hits`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mido
import numpy as np
import pytest
import soundfile

from stemfx import registry
from stemfx.audio import Audio, Signal
from stemfx.cli import execute
from stemfx.hit_files import read_hits
from stemfx.hits import DRUM_CLASSES, Hit, HitClassifier
from stemfx.hookspecs import hookimpl
from stemfx.io import Encoding, write
from stemfx.kits.synth import SynthKit

RATE = 44_100
BEAT = [("kick", 0.5), ("snare", 1.0), ("kick", 1.5), ("snare", 2.0), ("kick", 2.5), ("snare", 3.0)]


def beat() -> Audio:
    samples = np.zeros((1, 4 * RATE), np.float32)
    for drum, time_s in BEAT:
        hit = SynthKit().sample(drum, 1.0, RATE).samples
        at = round(time_s * RATE)
        samples[:, at : at + hit.shape[1]] += 0.7 * hit[:, : samples.shape[1] - at]
    return Audio(samples, RATE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "drums.wav", beat(), Encoding("wav", 24))
    write(tmp_path / "silence.wav", Audio(np.zeros((2, RATE)), RATE), Encoding("wav", 16))
    (tmp_path / "broken.wav").write_text("no audio")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    code = execute(["hits", "--json", *map(str, arguments)])
    return code, json.loads(capsys.readouterr().out)


def test_the_json_fills_the_contract(folder, capsys):
    code, told = run(capsys, folder / "drums.wav")
    (one,) = told["files"]
    assert (code, told["schema"]) == (0, 1)
    assert one["file"] == str(folder / "drums.wav")
    assert one["findings"] == []
    for hit in one["hits"]:
        assert hit.keys() == {"time_s", "class", "velocity"}
        assert hit["class"] in DRUM_CLASSES
        assert 0.0 < hit["velocity"] <= 1.0
    heard = [(hit["class"], hit["time_s"]) for hit in one["hits"]]
    assert [drum for drum, _ in heard] == [drum for drum, _ in BEAT]
    # A tenth of the 50 ms within which drum transcriptions are usually scored.
    np.testing.assert_allclose([t for _, t in heard], [t for _, t in BEAT], atol=0.005)


def test_silence_has_no_hits_and_that_is_told(folder, capsys):
    code, told = run(capsys, folder / "silence.wav")
    (one,) = told["files"]
    assert (code, one["hits"]) == (0, [])
    assert [f["code"] for f in one["findings"]] == ["no_hits"]


def test_a_bad_file_stops_nobody_and_is_told(folder, capsys):
    files = [folder / name for name in ("broken.wav", "drums.wav", "gone.wav")]
    code, told = run(capsys, *files)
    assert code == 2
    assert [len(one["hits"]) for one in told["files"]] == [0, len(BEAT), 0]
    assert [[f["code"] for f in one["findings"]] for one in told["files"]] == [
        ["unreadable"],
        [],
        ["unreadable"],
    ]


def test_samples_that_are_no_numbers_are_told(folder, capsys):
    samples = beat().samples.copy()
    samples[0, RATE] = np.nan
    soundfile.write(folder / "nan.wav", samples.T, RATE, subtype="FLOAT")
    code, told = run(capsys, folder / "nan.wav")
    assert code == 2
    (finding,) = told["files"][0]["findings"]
    assert "1 samples are not numbers (NaN or infinite), the first at 1.000 s" in finding["message"]


def test_people_get_counts_and_a_table(folder, capsys):
    assert execute(["hits", str(folder / "drums.wav")]) == 0
    shown = capsys.readouterr().out
    assert "6 hits: 3 kick, 3 snare" in shown
    assert "0:01.000" in shown or "0:00.999" in shown


def test_the_midi_file_is_read_by_others_and_by_us(folder, capsys):
    target = folder / "drums.mid"
    _, told = run(capsys, folder / "drums.wav", "--midi", target)
    file = mido.MidiFile(target)
    notes = [message.note for message in file if message.type == "note_on" and message.velocity]
    assert notes == [36 if drum == "kick" else 38 for drum, _ in BEAT]
    hits, _ = read_hits(target)
    # One tick is 52 us.
    heard = [hit["time_s"] for hit in told["files"][0]["hits"]]
    np.testing.assert_allclose([hit.time_s for hit in hits], heard, atol=60e-6)
    assert run(capsys, folder / "drums.wav", "--midi", target)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["drums.wav", "silence.wav", "--midi", "a.mid"], "one FILE"),
        (["drums.wav", "--midi", "a.txt"], ".mid"),
        (["drums.wav", "--midi", "edited.mid"], "edited"),
        (["drums.wav", "--classifier", "spectrl"], "did you mean 'spectral'?"),
    ],
)
def test_what_cannot_be_done_gets_one_sentence(folder, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(folder)
    sheet = mido.MidiFile()
    sheet.add_track().append(mido.Message("note_on", note=36, velocity=90))
    sheet.save(folder / "edited.mid")
    before = (folder / "edited.mid").read_bytes()
    assert execute(["hits", *arguments]) == 2
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 1
    assert words in shown.err
    assert (folder / "edited.mid").read_bytes() == before
    assert not (folder / "a.mid").exists()


class OneClap(HitClassifier):
    name = "one_clap"
    summary = "hears a clap at the first stroke"
    licence = "CC0-1.0"

    def classify(self, drums: Signal, onsets_s: Sequence[float]) -> Sequence[Hit]:
        return [Hit(onsets_s[0], "clap", 1.0)]


class Broken(OneClap):
    name = "broken"

    def classify(self, drums: Signal, onsets_s: Sequence[float]) -> Sequence[Hit]:
        raise RuntimeError("out of tune")


@pytest.fixture
def plugins(monkeypatch):
    offer = hookimpl(lambda: [OneClap(), Broken()], specname="stemfx_hit_classifiers")
    extra = [("claps", SimpleNamespace(stemfx_hit_classifiers=offer))]
    found = registry.build_registry(extra)
    monkeypatch.setattr(registry, "build_registry", lambda: found)


@pytest.mark.usefixtures("plugins")
def test_a_classifier_of_a_plugin_is_chosen_by_name(folder, capsys):
    code, told = run(capsys, folder / "drums.wav", "--classifier", "one_clap")
    (hit,) = told["files"][0]["hits"]
    assert (code, hit["class"]) == (0, "clap")


@pytest.mark.usefixtures("plugins")
def test_a_broken_classifier_is_an_error_of_the_plugin(folder, capsys):
    code = execute(["hits", "--json", str(folder / "drums.wav"), "--classifier", "broken"])
    error = json.loads(capsys.readouterr().out)["error"]
    assert (code, error["code"]) == (2, "plugin")
    assert "out of tune" in error["message"]
