import json

import numpy as np
import pytest
import soundfile

from stemfx.cli import execute
from stemfx.kit_files import KitSample, write_h2drumkit


def test_installed_kits_are_listed_and_shown(capsys):
    assert execute(["kit"]) == 0
    assert "synth" in capsys.readouterr().out
    assert execute(["kit", "synth", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == 1
    assert told["kit"]["classes"]["hat_open"] == {
        "choke_group": "hats",
        "variants": [{"name": "", "takes": 1}],
    }


def test_json_tells_all_that_was_understood(put, folder, capsys):
    path = put("kick_808.wav", sample_rate=48_000, subtype="PCM_24", channels=2, seconds=0.5)
    put("cowbell.wav")
    assert execute(["kit", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["kit"]
    assert (told["name"], told["format"], told["licence"]) == ("kit", "folder", "")
    assert told["ignored"] == [
        {"name": "cowbell.wav", "reason": "`cowbell`: stemfx has no such drum class"}
    ]
    (variant,) = told["classes"]["kick"]["variants"]
    (layer,) = variant["layers"]
    assert (variant["name"], layer["low"], layer["high"]) == ("808", 0, 1)
    assert layer["takes"] == [
        [
            {
                "name": "kick_808.wav",
                "file": str(path),
                "sample_rate": 48_000,
                "channels": 2,
                "bit_depth": 24,
                "duration_s": 0.5,
                "gain_db": 0,
                "tune_semitones": 0,
            }
        ]
    ]


def test_the_table_says_how_to_choose_another_drum_as_yaml_takes_it(put, folder, capsys):
    for name in ("kick", "kick_808", "cowbell"):
        put(f"{name}.wav")
    assert execute(["kit", str(folder)]) == 0
    told = capsys.readouterr().out
    assert '`variants: {kick: "808"}`' in told  # without quotes it would be a number
    assert "cowbell.wav: `cowbell`: stemfx has no such drum class" in told
    assert "licence not stated" in told


def test_a_file_of_a_temporary_copy_is_not_named(put, tmp_path, capsys):
    path = tmp_path / "kit.h2drumkit"
    write_h2drumkit(path, [KitSample(put("kick.wav"), "kick")], name="Mine", licence="CC0-1.0")
    assert execute(["kit", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["kit"]
    assert (told["name"], told["licence"]) == ("Mine", "CC0-1.0")
    source = told["classes"]["kick"]["variants"][0]["layers"][0]["takes"][0][0]
    assert (source["name"], source["file"]) == ("kick.wav", None)


def test_every_drum_can_be_heard(put, folder, tmp_path):
    for name in ("kick", "snare_soft", "snare_hard"):
        put(f"{name}.wav", hz=80)
    heard = tmp_path / "heard.wav"
    assert execute(["kit", str(folder), "--audition", str(heard)]) == 0
    samples, rate = soundfile.read(heard)
    assert np.abs(samples).max() == pytest.approx(0.89, abs=1e-3)
    # Two drums, four velocities, one each 0.4 s: from hit to hit the level rises by the velocity.
    peaks = [np.abs(samples[round(i * 0.4 * rate) :][: rate // 5]).max() for i in range(8)]
    for four in (peaks[:4], peaks[4:]):
        np.testing.assert_allclose(np.divide(four, four[3]), (0.25, 0.5, 0.75, 1.0), rtol=1e-3)
    assert not samples[round(8 * 0.4 * rate) :].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "there is no such kit, neither a file or folder nor an installed one"),
        (["snyth"], "did you mean 'synth'?"),
        (["."], "no audio files in this folder"),
        (["synth", "--audition", "heard.mp3"], "write .wav or .flac"),
    ],
)
def test_a_wrong_argument_gets_one_sentence_and_exit_code_2(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert execute(["kit", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert execute(["kit", *arguments, "--json"]) == 2
    assert message in json.loads(capsys.readouterr().out)["error"]["message"]


def test_an_audition_is_not_written_over_a_sample_of_the_kit(put, folder, capsys):
    kick = put("kick.wav")
    before = kick.read_bytes()
    assert execute(["kit", str(folder), "--audition", str(folder / "kick.wav")]) == 2
    assert "is a sample of the kit" in capsys.readouterr().err
    assert kick.read_bytes() == before
