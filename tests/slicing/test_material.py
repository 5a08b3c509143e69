"""Which stem of which song a file is, by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemfx.errors import AudioFileError, UsageError
from stemfx.slicing.material import find_songs

RATE = 44_100


def make(path: Path, channels: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full((RATE, channels), 0.1), RATE)
    return path


@pytest.mark.parametrize(
    ("name", "stem", "kind", "title"),
    [
        ("drums.wav", "drums", "drums", "Album"),
        ("My Song - Drums (2).wav", "drums", "drums", "My Song"),
        ("my_song_bass.wav", "bass", "bass", "my_song"),
        ("Vocals.wav", "vocals", "vocals", "Album"),
        ("01 vox.wav", "vox", "vocals", "01"),
        ("guitar.wav", "guitar", "other", "Album"),
        ("drums - Night Drive.wav", "drums", "drums", "Night Drive"),
        ("[v2] Überraschung (drum).wav", "drum", "drums", "v2] Überraschung"),
    ],
)
def test_a_name_says_stem_and_song(tmp_path, name, stem, kind, title):
    (song,) = find_songs([make(tmp_path / "Album" / name)])
    (found,) = song.stems
    assert (found.name, found.kind, song.title) == (stem, kind, title)


def test_a_folder_is_a_song_and_its_mixture_no_stem(tmp_path):
    for name in ("drums", "bass", "vocals", "other", "mix"):
        make(tmp_path / "Night" / f"{name}.flac")
    (tmp_path / "Night" / "notes.txt").write_text("x")
    make(tmp_path / "Night" / ".drums.wav")
    (song,) = find_songs([tmp_path / "Night"])
    assert [stem.name for stem in song.stems] == ["bass", "drums", "other", "vocals"]
    assert song.title == "Night"
    assert song.mixture is not None
    assert song.mixture.info.path.name == "mix.flac"


def test_stems_of_several_songs_are_told_apart(tmp_path):
    files = [make(tmp_path / "a" / "drums.wav"), make(tmp_path / "b" / "drums.wav")]
    files += [make(tmp_path / "a" / "bass.wav"), make(tmp_path / "a" / "Other Song - bass.wav")]
    songs = find_songs(files)
    assert [(s.title, [x.name for x in s.stems]) for s in songs] == [
        ("a", ["drums", "bass"]),
        ("b", ["drums"]),
        ("Other Song", ["bass"]),
    ]


def test_a_given_song_owns_all_files(tmp_path):
    files = [make(tmp_path / "a" / "drums.wav"), make(tmp_path / "b" / "bass.wav")]
    mixture = make(tmp_path / "Night Drive.wav")
    (song,) = find_songs(files, mixture=mixture)
    assert song.title == "Night Drive"
    assert len(song.stems) == 2
    (song,) = find_songs(files, mixture=mixture, title="Mine")
    assert song.title == "Mine"


def test_any_file_can_be_said_to_be_drums(tmp_path):
    (song,) = find_songs([make(tmp_path / "take 7.wav")], kind="drums")
    assert (song.title, song.stems[0].name, song.stems[0].kind) == ("take 7", "drums", "drums")


@pytest.mark.parametrize(
    ("name", "words"),
    [("take 7.wav", ["--as drums", "stemfx separate"]), ("mix.wav", ["whole song", "separate"])],
)
def test_a_name_that_says_nothing_gets_a_way_out(tmp_path, name, words):
    with pytest.raises(UsageError) as caught:
        find_songs([make(tmp_path / name)])
    assert all(word in str(caught.value) for word in words)


def test_what_cannot_be_sliced_is_told(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        find_songs([tmp_path / "none.wav"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no audio files"):
        find_songs([tmp_path / "empty"])
    drums = make(tmp_path / "drums.wav")
    with pytest.raises(UsageError, match="twice"):
        find_songs([drums, tmp_path / "empty" / ".." / "drums.wav"])
    make(tmp_path / "only" / "mix.wav")
    with pytest.raises(UsageError, match="only a mixture"):
        find_songs([tmp_path / "only"])


def test_surround_is_folded_only_when_asked(tmp_path):
    path = make(tmp_path / "drums.wav", channels=6)
    with pytest.raises(AudioFileError, match=r"6 channels.*--fold-down"):
        find_songs([path])
    (song,) = find_songs([path], fold_down=True)
    assert song.stems[0].signal.channels == 2
