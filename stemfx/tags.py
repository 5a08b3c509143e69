"""What is written into a result beside the sound: title, artist and so on, and a cover.

Plain values; `stemfx.delivery.tagging` puts them into files.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path

from stemfx.errors import TagError

MAX_CHARACTERS = 250
MAX_COMMENT_CHARACTERS = 4000
MAX_COVER_BYTES = 10_000_000
STORE_COVER_PIXELS = 3000
"""Apple Music and Spotify for Artists ask for a square picture of at least this width."""

_MAX_JPEG_SEGMENTS = 10_000  # before the frame header; 10 MB of full ones are 150
_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
_TRACK = re.compile(r"([1-9]\d{0,2})(?:/([1-9]\d{0,2}))?")
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}\d{7}")  # ISO 3901, without its hyphens
_CONTROL = {"Cc", "Cs", "Zl", "Zp"}  # also halves of characters and line separators


@dataclass(frozen=True)
class Tags:
    """Tags of one piece of music; None is not written.

    Args:
        title: of the piece.
        artist: who is heard.
        album: the release.
        album_artist: whose release it is.
        date: `2026`, `2026-03` or `2026-03-01` (ISO 8601).
        genre: in words.
        track: `3`, or `3/12`.
        comment: anything, on several lines if need be.
        isrc: recording code of ISO 3901, with or without hyphens.
        copyright: as it is to be read: `2026 Ada`.
        cover: a JPEG or PNG.

    Raises:
        ValueError: a text that players could not show, in one sentence without a place.
    """

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    album_artist: str | None = None
    date: str | None = None
    genre: str | None = None
    track: str | None = None
    comment: str | None = None
    isrc: str | None = None
    copyright: str | None = None
    cover: Path | None = None

    def __post_init__(self) -> None:
        for name, text in self.texts().items():
            object.__setattr__(self, name, tag_text(name, text))

    def texts(self) -> dict[str, str]:
        """Return the texts that there are, by name, in a fixed order."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: text for name, text in values.items() if isinstance(text, str)}


def tag_text(name: str, text: str) -> str:
    """Return a tag's text as it is written.

    Raises:
        ValueError: it is empty, too long, or not what a tag of this name holds.
    """
    text = unicodedata.normalize("NFC", text.strip())
    if not text:
        raise ValueError(f"{name} is empty; leave it out")
    limit = MAX_COMMENT_CHARACTERS if name == "comment" else MAX_CHARACTERS
    if len(text) > limit:
        raise ValueError(f"{name} has {len(text):,} characters; at most {limit:,} are allowed")
    allowed = "\n" if name == "comment" else ""
    for character in text:
        if unicodedata.category(character) in _CONTROL and character not in allowed:
            raise ValueError(
                f"{name} contains the control character U+{ord(character):04X}; write plain text"
                + ("" if allowed else " on one line")
            )
    if name == "date" and not _is_date(text):
        raise ValueError(
            f'date {text!r} is no date; write "2026", "2026-03" or "2026-03-01" (in quotes)'
        )
    if name == "track" and not _TRACK.fullmatch(text):
        raise ValueError(f'track {text!r} is no track number; write "3", or "3/12" of twelve')
    if name == "isrc":
        text = text.replace("-", "").upper()
        if not _ISRC.fullmatch(text):
            raise ValueError(
                f"isrc {text!r} is no ISRC; it has 2 letters, 3 letters or digits and 7 digits, "
                "such as DE-A12-26-00001"
            )
    return text


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat((text + "-01-01")[:10])
    except ValueError:  # the 31st of a short month
        return False
    return True


@dataclass(frozen=True)
class Cover:
    """A picture as its file holds it; `mime` is image/jpeg or image/png, sizes in pixels."""

    content: bytes
    mime: str
    width: int
    height: int

    @property
    def is_for_stores(self) -> bool:
        """Whether it is square and as large as stores ask."""
        return self.width == self.height >= STORE_COVER_PIXELS


def read_cover(path: Path) -> Cover:
    """Read a cover, and know it by its content, whatever its name.

    Raises:
        TagError: missing, unreadable, too large, or no whole JPEG or PNG.
    """
    where = str(path)
    if path.exists() and not path.is_file():  # a pipe would be waited for without an end
        raise TagError("the cover cannot be read (it is no file); give a JPEG or PNG", where=where)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_COVER_BYTES + 1)
    except FileNotFoundError:
        raise TagError("no such cover; check the name", where=where) from None
    except OSError as error:
        reason = error.strerror or error
        raise TagError(
            f"the cover cannot be read ({reason}); give a JPEG or PNG", where=where
        ) from None
    if len(content) > MAX_COVER_BYTES:
        raise TagError(
            f"the cover has more than {MAX_COVER_BYTES // 1_000_000} MB, which players refuse; "
            "save it as a JPEG of 3000 x 3000 pixels",
            where=where,
        )
    size, mime = _png_size(content), "image/png"
    if size is None:
        size, mime = _jpeg_size(content), "image/jpeg"
    if size is None or 0 in size:
        raise TagError("the cover is no whole JPEG or PNG; save the picture again", where=where)
    return Cover(content, mime, *size)


def _png_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG (ISO/IEC 15948) that has its end; else None."""
    starts = content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR"
    if not starts or b"IEND" not in content[-16:]:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height from the frame header of a JPEG (ITU-T T.81, B.2.2); else None."""
    if not content.startswith(b"\xff\xd8\xff") or b"\xff\xd9" not in content[-1024:]:
        return None
    at = 2
    for _ in range(_MAX_JPEG_SEGMENTS):
        if at + 9 > len(content) or content[at] != 0xFF:
            return None
        marker = content[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None
