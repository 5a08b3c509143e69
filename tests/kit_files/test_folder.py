import os
from pathlib import Path

import numpy as np
import pytest
from kit_making import layout, strike

from stemfx.errors import AudioFileError, KitError, StemfxError
from stemfx.kit_files import read_kit


def test_words_of_force_are_layers_from_soft_to_hard(put, folder):
    for word in ("Hard", "Softest", "Med"):
        put(f"Snare-{word}.wav")
    assert layout(read_kit(folder)) == {
        "snare": [
            (
                "snare",
                [
                    (0.0, 0.33, ["Snare-Softest.wav"]),
                    (0.33, 0.67, ["Snare-Med.wav"]),
                    (0.67, 1.0, ["Snare-Hard.wav"]),
                ],
            )
        ]
    }


def test_a_word_of_force_that_stands_alone_names_a_drum(put, folder):
    for name in ("snare_soft", "snare_dub", "kick_hard"):
        put(f"{name}.wav")
    kit = read_kit(folder)
    assert kit.variants("snare") == ("dub", "soft")
    assert kit.variants("kick") == ("hard",)


def test_marked_numbers_are_velocities_and_takes(put, folder):
    for velocity in (1, 2):
        for take in (1, 2, 3):
            put(f"snare_v{velocity}_rr{take}.wav")
    (drum,) = read_kit(folder).drums["snare"]
    assert [len(layer.takes) for layer in drum.layers] == [3, 3]
    assert drum.layers[0].takes[1][0].name == "snare_v1_rr2.wav"


def test_midi_velocities_are_where_they_say(put, folder):
    for velocity in (32, 96, 127):
        put(f"SD_{velocity:03}.wav")
    (drum,) = read_kit(folder).drums["snare"]
    # Nearest: the edges lie halfway, at 64 and 111.5 of 127.
    assert [layer.high for layer in drum.layers] == pytest.approx([64 / 127, 111.5 / 127, 1.0])


def test_of_numbered_strokes_of_one_drum_the_level_tells_layers_from_takes(put, folder):
    for i, level in enumerate((0.5, 0.1, 0.52, 0.11), start=1):
        put(f"Kick-{i:02}.wav", hz=60, seed=i, level=level)
    assert layout(read_kit(folder))["kick"] == [
        (
            "kick",
            [
                (0.0, 0.5, ["Kick-02.wav", "Kick-04.wav"]),
                (0.5, 1.0, ["Kick-01.wav", "Kick-03.wav"]),
            ],
        )
    ]


def test_numbered_samples_that_sound_unlike_are_different_drums(put, folder):
    for i, hz in enumerate((45, 90, 180), start=1):
        put(f"Kick {i}.wav", hz=hz)
    assert read_kit(folder).variants("kick") == ("kick 1", "kick 2", "kick 3")


def test_numbered_toms_are_different_drums(put, folder):
    for i in (1, 2):
        put(f"Tom{i}.wav", hz=100)
    assert read_kit(folder).variants("tom") == ("1", "2")


def test_the_usual_drum_comes_first(put, folder):
    names = (
        "snare_rimshot",
        "snare_b",
        "snare",
        "crash_china",
        "ride",
        "crash",
        "hat_pedal",
        "hat",
    )
    for name in names:
        put(f"{name}.wav")
    kit = read_kit(folder)
    assert kit.variants("snare")[0] == "snare"
    assert kit.variants("snare")[-1] == "rimshot"
    assert kit.variants("crash")[0] == "crash"
    assert kit.variants("hat_closed") == ("hat", "pedal")


def test_what_all_names_share_is_the_kits_name(put, folder):
    for name in ("808_Kick_Long", "808_Kick_Short", "808_Snare"):
        put(f"{name}.wav")
    kit = read_kit(folder)
    assert kit.variants("kick") == ("long", "short")
    assert kit.variants("snare") == ("snare",)


def test_folders_name_drums_and_tell_them_apart(put, folder):
    for name in (
        "Kicks/01",
        "Acoustic/Snare",
        "Electronic/Snare",
        "Toms/soft/high",
        "Toms/hard/high",
    ):
        put(f"{name}.wav", hz=len(name))
    kit = read_kit(folder)
    assert kit.classes == ("kick", "snare", "tom")
    assert kit.variants("snare") == ("acoustic snare", "electronic snare")
    (tom,) = kit.drums["tom"]
    assert [layer.takes[0][0].name for layer in tom.layers] == [
        "Toms/soft/high.wav",
        "Toms/hard/high.wav",
    ]


def test_foreign_sounds_are_listed_with_the_reason(put, folder):
    put("kick.wav")
    put("cowbell.wav")
    put("loop_drums_120.wav")
    (folder / "notes.txt").write_text("hello")
    put("._kick.wav")
    reasons = {each.name: each.reason for each in read_kit(folder).ignored}
    assert reasons == {
        "cowbell.wav": "`cowbell`: stemfx has no such drum class",
        "loop_drums_120.wav": "`loop` in its name: no single hit",
    }


def test_the_corpus_kit_is_read_as_its_makers_meant_it(corpus):
    kit = read_kit(corpus / "kit")
    assert {c: set(kit.variants(c)) for c in kit.classes} == {
        "kick": {"808", "acoustic", "heavy", "tek"},
        "snare": {"acoustic", "dub", "electro", "soft"},
        "hat_closed": {"hat closed", "pedal"},
        "hat_open": {"hat open"},
        "tom": {"high", "mid", "low"},
        "crash": {"cymbal", "splash"},
        "clap": {"big", "tight"},
    }
    assert kit.ignored == ()


# --- bad input ---------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(StemfxError) as caught:
        read_kit(path)
    assert isinstance(caught.value, KitError | AudioFileError)
    return str(caught.value)


def test_a_missing_folder_an_empty_one_and_one_without_drums_are_explained(put, folder):
    assert "there is no such kit" in refused(folder / "nowhere")
    assert "no audio files in this folder" in refused(folder)
    put("violin.wav")
    assert "none of its 1 audio files is named after a drum" in refused(folder)


def test_a_file_that_is_no_kit_is_explained(tmp_path):
    (tmp_path / "song.txt").write_text("la")
    assert "this is no kit" in refused(tmp_path / "song.txt")


def test_a_broken_sample_is_named(put, folder):
    put("kick.wav")
    (folder / "snare.wav").write_bytes(b"RIFF\x00\x00")
    assert "snare.wav: this is not audio" in refused(folder)


def test_an_empty_sample_is_named(put, folder):
    put("kick.wav", np.zeros((1, 0)))
    assert "kick.wav: a header, and no audio after it" in refused(folder)


def test_surround_samples_are_refused(put, folder):
    put("kick.wav", np.zeros((6, 1000)))
    assert "6 channels; a drum sample is mono or stereo" in refused(folder)


def test_a_sample_as_long_as_a_song_is_refused(put, folder):
    put("kick.wav", np.zeros((1, 61 * 8000)), sample_rate=8000)
    assert "61 s of audio; a drum sample lasts at most 60 s" in refused(folder)


def test_links_out_of_the_folder_are_not_followed(put, folder, tmp_path):
    put("kick.wav")
    outside = put("snare.wav", folder=tmp_path / "outside")
    (folder / "snare.wav").symlink_to(outside)
    (folder / "more").symlink_to(outside.parent, target_is_directory=True)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    assert read_kit(folder).classes == ("kick",)


def test_a_folder_of_folders_without_end_is_refused(folder):
    deep = folder / "/".join("d" * 12)
    deep.mkdir(parents=True)
    assert "nested deeper than 8 levels" in refused(folder)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")
def test_odd_file_names_do_no_harm(put, folder):
    put("kick \x1b[31m.wav")
    put(f"snare {'x' * 200}.wav")
    assert read_kit(folder).classes == ("kick", "snare")


def test_any_rate_depth_and_channel_count_up_to_two_will_do(put, folder):
    put("kick.wav", sample_rate=8_000, subtype="PCM_U8")
    put("snare.flac", sample_rate=96_000, subtype="PCM_24", channels=2)
    put("clap.ogg", sample_rate=22_050, subtype="VORBIS")
    kit = read_kit(folder)
    for drum_class, channels in (("kick", 1), ("snare", 2), ("clap", 1)):
        hit = kit.sample(drum_class, 1.0, 44_100)
        assert (hit.channels, hit.sample_rate) == (channels, 44_100)
        # 0.25 s, less what is below the noise of 8 bits at its end.
        assert 0.1 < hit.duration_s < 0.27
        assert np.abs(hit.samples).max() == pytest.approx(np.abs(strike(100)).max(), rel=0.35)


def test_an_808_beside_other_kicks_is_not_the_usual_one(put, folder):
    for name in ("kick_808", "kick_acoustic", "kick_tek"):
        put(f"{name}.wav")
    assert read_kit(folder).variants("kick") == ("acoustic", "tek", "808")
