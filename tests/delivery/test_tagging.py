from __future__ import annotations

import base64
import struct
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen.flac import FLAC, Picture
from mutagen.id3 import ID3

from stemfx.audio import Audio
from stemfx.delivery.tagging import wav_chunks, write_tags
from stemfx.errors import OutputError
from stemfx.io import Encoding, generator_tag, probe, write
from stemfx.tags import Cover, Tags

FORMATS = [("wav", 16), ("wav", 24), ("wav", 32), ("flac", 24), ("mp3", None), ("ogg", None)]
TAGS = Tags(
    title="Über",
    artist="Ada 東京",
    album="Nights",
    album_artist="Ada & Co",
    date="2026-03-01",
    genre="House",
    track="3/12",
    comment="one\ntwo",
    isrc="DEA122600001",
    copyright="2026 Ada",
)
COVER = Cover(b"\xff\xd8\xff" + bytes(70_001), "image/jpeg", 640, 480)
SOUND = Audio(np.random.default_rng(0).uniform(-0.3, 0.3, (2, 22_051)), 44_100)


def tagged(folder: Path, kind: str, depth: int | None, tags: Tags, cover: Cover | None) -> Path:
    path = folder / f"a.{kind}"
    chunks = wav_chunks(tags, cover) if kind == "wav" else b""
    write(path, SOUND, Encoding(kind, depth), chunks=chunks)
    if kind != "wav":
        write_tags(path, kind, tags, cover)
    return path


@pytest.mark.parametrize(("kind", "depth"), FORMATS)
def test_tags_change_no_sample_and_come_back(tmp_path: Path, kind: str, depth: int | None) -> None:
    plain = tmp_path / f"plain.{kind}"
    write(plain, SOUND, Encoding(kind, depth))
    path = tagged(tmp_path, kind, depth, TAGS, COVER)
    np.testing.assert_array_equal(soundfile.read(path)[0], soundfile.read(plain)[0])
    assert probe(path).n_samples == SOUND.n_samples
    found = mutagen.File(path).tags
    if kind in ("wav", "mp3"):
        frames = {name: str(frame) for name, frame in found.items() if name[:4] != "APIC"}
        assert frames == {
            "TIT2": "Über",
            "TPE1": "Ada 東京",
            "TALB": "Nights",
            "TPE2": "Ada & Co",
            "TDRC": "2026-03-01",  # mutagen's reading of v2.3's year, day and month
            "TCON": "House",
            "TRCK": "3/12",
            "COMM::eng": "one\ntwo",
            "TSRC": "DEA122600001",
            "TCOP": "2026 Ada",
        }
        assert found.version[:2] == (2, 3)
        picture = found["APIC:"]
    else:
        texts = {key.lower(): value for key, (value,) in dict(found).items()}
        picture = (
            FLAC(path).pictures[0]
            if kind == "flac"
            else Picture(base64.b64decode(texts.pop("metadata_block_picture")))
        )
        texts.pop("encoder", None)  # libsndfile's own
        expected = TAGS.texts() | {"track": "3"}
        expected["tracknumber"], expected["tracktotal"] = expected.pop("track"), "12"
        expected["albumartist"] = expected.pop("album_artist")
        assert texts == expected
        assert (picture.width, picture.height) == (640, 480)
    assert (picture.data, picture.mime, picture.type) == (COVER.content, "image/jpeg", 3)


@pytest.mark.parametrize(("kind", "depth"), FORMATS)
def test_the_same_tags_give_the_same_bytes(tmp_path: Path, kind: str, depth: int | None) -> None:
    first = tagged(tmp_path, kind, depth, TAGS, COVER).read_bytes()
    assert tagged(tmp_path, kind, depth, TAGS, COVER).read_bytes() == first


@pytest.mark.parametrize("cover", [None, COVER])
@pytest.mark.parametrize("title", ["ab", "abc"])
def test_a_tagged_wav_is_chunks_of_the_right_sizes_to_its_last_byte(
    tmp_path: Path, title: str, cover: Cover | None
) -> None:
    content = tagged(tmp_path, "wav", 24, Tags(title=title), cover).read_bytes()
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
    at, names = 12, []
    while at < len(content):
        names.append(content[at : at + 4])
        size = struct.unpack("<I", content[at + 4 : at + 8])[0]
        at += 8 + size + size % 2
    assert at == len(content)
    assert names[-3:] == [b"data", b"LIST", b"id3 "]


def test_windows_and_daws_find_the_texts_of_a_wav_in_its_info_chunk(tmp_path: Path) -> None:
    with soundfile.SoundFile(tagged(tmp_path, "wav", 16, TAGS, COVER)) as file:
        found = file.copy_metadata()  # libsndfile reads LIST/INFO only
    texts = TAGS.texts()
    for name in ("title", "artist", "album", "date", "genre", "comment", "copyright"):
        assert found[name] == texts[name]
    assert found["tracknumber"] == "3/12"


@pytest.mark.parametrize(("kind", "depth"), FORMATS)
def test_a_file_names_a_generator_only_where_that_was_asked(
    tmp_path: Path, kind: str, depth: int | None
) -> None:
    assert generator_tag(tagged(tmp_path, kind, depth, TAGS, None)) is None
    told = Tags(title="x", comment="made with suno")
    assert generator_tag(tagged(tmp_path, kind, depth, told, None)) == "made with suno"


def test_what_cannot_be_tagged_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(b"not a flac")
    with pytest.raises(OutputError, match="tags cannot be written"):
        write_tags(path, "flac", TAGS, None)


def test_an_mp3_begins_with_its_tag(tmp_path: Path) -> None:
    path = tagged(tmp_path, "mp3", None, TAGS, COVER)
    assert path.read_bytes()[:5] == b"ID3\x03\x00"
    assert ID3(path).size < len(COVER.content) + 1000  # no padding to speak of
