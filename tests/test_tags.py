from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from stemfx.errors import TagError
from stemfx.tags import Tags, read_cover


def png(width: int, height: int, n_bytes: int = 0) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        head = struct.pack(">I", len(content)) + name + content
        return head + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(10)) + bytes(n_bytes))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    # JFIF header, a comment with the bytes of a frame header in it, then the frame header.
    decoy = b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01"
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(decoy)) + decoy
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 8, 8, height, width, 0)
    return b"\xff\xd8\xff\xe0\x00\x04JF" + comment + frame + bytes(20) + b"\xff\xd9"


def test_texts_are_kept_as_they_are_written_and_in_one_form() -> None:
    tags = Tags(title="  U\u0308nder ", comment="one\ntwo", isrc="de-a12-26-00001", date="2026-02")
    assert tags.texts() == {
        "title": "\u00dcnder",  # NFC: players compare bytes
        "date": "2026-02",
        "comment": "one\ntwo",
        "isrc": "DEA122600001",
    }
    assert Tags().texts() == {}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("title", "a\x00b", r"control character U\+0000"),
        ("title", "a\nb", r"U\+000A; write plain text on one line"),
        ("comment", "a\x1b[31m", r"U\+001B"),
        ("artist", "\ud800", r"U\+D800"),
        ("artist", " ", "artist is empty; leave it out"),
        ("album", "x" * 251, "251 characters; at most 250"),
        ("comment", "x" * 4001, "4,001 characters; at most 4,000"),
        ("date", "1.3.2026", "no date"),
        ("date", "2026-13", "no date"),
        ("date", "2026-02-30", "no date"),
        ("track", "0", "no track number"),
        ("track", "3 of 4", "no track number"),
        ("isrc", "DE-A12-26-0001", "no ISRC"),
    ],
)
def test_what_players_could_not_show_is_one_sentence(name: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Tags(**{name: text})


@pytest.mark.parametrize(
    ("content", "mime"), [(png(3000, 2000), "image/png"), (jpeg(3000, 2000), "image/jpeg")]
)
def test_a_cover_is_known_by_its_content(tmp_path: Path, content: bytes, mime: str) -> None:
    path = tmp_path / "cover.txt"
    path.write_bytes(content)
    cover = read_cover(path)
    assert (cover.mime, cover.width, cover.height) == (mime, 3000, 2000)
    assert cover.content == content
    assert not cover.is_for_stores


def test_stores_take_squares_of_3000_pixels(tmp_path: Path) -> None:
    for size, good in [(3000, True), (2999, False), (4000, True)]:
        (tmp_path / "c").write_bytes(png(size, size))
        assert read_cover(tmp_path / "c").is_for_stores is good


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no whole JPEG or PNG"),
        (b"GIF89a" + bytes(100), "no whole JPEG or PNG"),
        (b"<html>", "no whole JPEG or PNG"),
        (png(300, 300)[:-20], "no whole JPEG or PNG"),
        (png(0, 300), "no whole JPEG or PNG"),
        (jpeg(300, 300)[:-10], "no whole JPEG or PNG"),
        (b"\xff\xd8\xff\xe0\x00\x00" * 9 + b"\xff\xd9", "no whole JPEG or PNG"),
        (b"\xff\xd8" + b"\xff" * 1_000_000 + jpeg(300, 300)[2:], "no whole JPEG or PNG"),
        (png(300, 300, 10_000_000), "more than 10 MB"),
    ],
)
def test_what_is_no_cover_is_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "cover.jpg"
    path.write_bytes(content)
    with pytest.raises(TagError, match=words) as caught:
        read_cover(path)
    assert caught.value.where == str(path)


def test_a_cover_that_is_not_there_or_a_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TagError, match="no such cover"):
        read_cover(tmp_path / "none.jpg")
    with pytest.raises(TagError, match="cannot be read"):
        read_cover(tmp_path)
