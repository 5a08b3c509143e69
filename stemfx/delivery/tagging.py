"""Put tags and a cover into files, so that common players and DAWs find them; mutagen's only place.

- WAV: a LIST/INFO chunk, which Windows and DAWs read (UTF-8), and an `id3 ` chunk for the cover
  and for players; both after the audio, where every reader skips what it does not know.
- FLAC, OGG: Vorbis comments; the picture as FLAC has it, in OGG as METADATA_BLOCK_PICTURE.
- MP3: ID3v2.3 with UTF-16. Windows and many car radios do not read v2.4.
- MP4: iTunes' atoms; ISRC as iTunes has it, in a free one.
"""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

from stemfx.errors import OutputError
from stemfx.io import riff_chunk
from stemfx.tags import Cover, Tags

_INFO = {
    "title": b"INAM",
    "artist": b"IART",
    "album": b"IPRD",
    "date": b"ICRD",
    "genre": b"IGNR",
    "track": b"ITRK",
    "comment": b"ICMT",
    "copyright": b"ICOP",
}
_ID3 = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "album_artist": "TPE2",
    "date": "TDRC",
    "genre": "TCON",
    "track": "TRCK",
    "isrc": "TSRC",
    "copyright": "TCOP",
}
_MP4 = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "album": "\xa9alb",
    "album_artist": "aART",
    "date": "\xa9day",
    "genre": "\xa9gen",
    "comment": "\xa9cmt",
    "copyright": "cprt",
}
_VORBIS = {"album_artist": "ALBUMARTIST", "track": "TRACKNUMBER"}
_FRONT_COVER = 3


def wav_chunks(tags: Tags, cover: Cover | None) -> bytes:
    """Return the RIFF chunks that carry tags, ready to follow the audio of a WAV.

    LIST/INFO (Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0",
    1991) has no place for album artist, ISRC and cover: these are in `id3 ` only.
    """
    texts = tags.texts()
    info = b"".join(
        riff_chunk(name, texts[key].encode() + b"\0") for key, name in _INFO.items() if key in texts
    )
    listing = riff_chunk(b"LIST", b"INFO" + info) if info else b""
    content = BytesIO()
    _id3(tags, cover).save(content, v1=0, v2_version=3, padding=_no_padding)
    id3 = content.getvalue()
    return listing + riff_chunk(b"id3 ", id3 + bytes(len(id3) % 2))


def write_tags(path: Path, file_format: str, tags: Tags, cover: Cover | None) -> None:
    """Put tags into a FLAC, MP3, OGG or MP4 file, in place; the audio is not touched.

    The same tags give the same bytes. A WAV gets `wav_chunks` while it is written.

    Raises:
        OutputError: they cannot be written.
        OSError: likewise, for the one who knows the file's name.
    """
    from mutagen import MutagenError

    put = {"flac": _tag_flac, "mp3": _tag_mp3, "ogg": _tag_ogg, "mp4": _tag_mp4}[file_format]
    try:
        put(path, tags, cover)
    except MutagenError as error:
        reason = error.args[0] if error.args else error
        if isinstance(reason, OSError):  # mutagen wraps what the system said
            raise reason from None
        raise OutputError(f"tags cannot be written ({error})", where=str(path)) from None


def _no_padding(_: object) -> int:
    return 0


def _id3(tags: Tags, cover: Cover | None) -> Any:
    from mutagen import id3

    frames = id3.ID3()
    for name, text in tags.texts().items():
        if name == "comment":
            frames.add(id3.COMM(encoding=1, lang="eng", desc="", text=[text]))
        else:
            frames.add(getattr(id3, _ID3[name])(encoding=1, text=[text]))
    if cover is not None:
        frames.add(
            id3.APIC(encoding=0, mime=cover.mime, type=_FRONT_COVER, desc="", data=cover.content)
        )
    frames.update_to_v23()
    return frames


def _tag_mp3(path: Path, tags: Tags, cover: Cover | None) -> None:
    _id3(tags, cover).save(path, v1=0, v2_version=3, padding=_no_padding)


def _vorbis_comments(tags: Tags) -> dict[str, str]:
    comments = {_VORBIS.get(name, name.upper()): text for name, text in tags.texts().items()}
    number, _, total = comments.get("TRACKNUMBER", "").partition("/")
    return comments | ({"TRACKNUMBER": number, "TRACKTOTAL": total} if total else {})


def _picture(cover: Cover) -> Any:
    from mutagen.flac import Picture

    picture = Picture()
    picture.type, picture.mime, picture.data = _FRONT_COVER, cover.mime, cover.content
    picture.width, picture.height, picture.depth = cover.width, cover.height, 24
    return picture


def _tag_flac(path: Path, tags: Tags, cover: Cover | None) -> None:
    from mutagen.flac import FLAC

    file = FLAC(path)
    file.update(_vorbis_comments(tags))
    if cover is not None:
        file.add_picture(_picture(cover))
    file.save(padding=_no_padding)


def _tag_ogg(path: Path, tags: Tags, cover: Cover | None) -> None:
    from mutagen.oggvorbis import OggVorbis

    file = OggVorbis(path)
    file.update(_vorbis_comments(tags))
    if cover is not None:
        file["METADATA_BLOCK_PICTURE"] = base64.b64encode(_picture(cover).write()).decode()
    file.save(padding=_no_padding)


def _tag_mp4(path: Path, tags: Tags, cover: Cover | None) -> None:
    from mutagen.mp4 import MP4, AtomDataType, MP4Cover, MP4FreeForm

    file = MP4(path)
    for name, text in tags.texts().items():
        if name == "track":
            number, _, total = text.partition("/")
            file["trkn"] = [(int(number), int(total or 0))]
        elif name == "isrc":
            value = MP4FreeForm(text.encode(), dataformat=AtomDataType.UTF8)
            file["----:com.apple.iTunes:ISRC"] = [value]
        else:
            file[_MP4[name]] = [text]
    if cover is not None:
        is_png = cover.mime == "image/png"
        form = MP4Cover.FORMAT_PNG if is_png else MP4Cover.FORMAT_JPEG
        file["covr"] = [MP4Cover(cover.content, imageformat=form)]
    file.save(padding=_no_padding)
