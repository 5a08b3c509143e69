"""Every way to attack through a bundle that we know of, one a test."""

from __future__ import annotations

import io
import json
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundling import FILES, RECIPE, bundle_bytes, manifest_of, write_made, zipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stemfx.bundle import opened_bundle
from stemfx.bundle.limits import MAX_FILES, MAX_MANIFEST_BYTES
from stemfx.errors import BundleError, StemfxError

HONEST = bundle_bytes(FILES)
SECOND = HONEST.index(b"PK\x03\x04", 4)  # the local header of kits/tight/kick.wav
THIRD = HONEST.index(b"PK\x03\x04", SECOND + 4)
DIRECTORY = HONEST.index(b"PK\x01\x02")
IN_DIRECTORY = HONEST.index(b"PK\x01\x02", DIRECTORY + 4)  # its line there
END = HONEST.index(b"PK\x05\x06")


def changed(at: int, fmt: str, value: int) -> bytes:
    """Return the honest bundle with one number changed, at an offset from its start."""
    data = bytearray(HONEST)
    struct.pack_into(fmt, data, at, value)
    assert bytes(data) != HONEST
    return bytes(data)


def inserted(at: int, extra: bytes) -> bytes:
    return HONEST[:at] + extra + HONEST[at:]


def by_another_program(
    files: dict[str, bytes], method: int = zipfile.ZIP_STORED, **attributes: Any
) -> bytes:
    """Return a zip as Python's own module writes it."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in {"stemfx.json": manifest_text(files), **files}.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.create_system = method, 3
            info.external_attr = 0o100644 << 16
            for attribute, value in attributes.items():
                if name != "stemfx.json":
                    setattr(info, attribute, value)
            archive.writestr(info, data)
    return target.getvalue()


def manifest_text(files: dict[str, bytes]) -> bytes:
    return json.dumps(manifest_of(files)).encode()


def refusal(tmp_path: Path, data: bytes) -> str:
    """Open hostile bytes; check that they are refused in one sentence and leave nothing."""
    path = write_made(tmp_path / "hostile.stemfx", data)
    scratch = tmp_path / "scratch"
    with pytest.raises(BundleError) as refused, opened_bundle(path, beside=scratch):
        pass
    told = str(refused.value)
    assert told.startswith(f"{path}: ")
    assert "scratch" not in told
    assert told.isprintable()
    assert len(told) < 600
    assert not scratch.exists() or list(scratch.iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "scratch") == ["hostile.stemfx"]
    return told


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/etc/cron.d/x", "absolute"),
        ("//server/share/x", "absolute"),
        ("~/x", "absolute"),
        ("C:/x", "absolute"),
        ("c:x", "absolute"),
        ("../x", "leads out"),
        ("a/../../x", "leads out"),
        ("a/..", "leads out"),
        ("..\\x", "backslash"),
        ("a\\b", "backslash"),
        ("x:stream", "absolute"),
        ("a/x:stream", "':'"),
        ("CON", "file name"),
        ("a/nul.wav", "file name"),
        ("com1.txt/x", "file name"),
        ("LPT¹", "file name"),
        ("a./x", "file name"),
        ("x ", "file name"),
        ("x\n", "control"),
        ("x\0.wav", "control"),
        ("\x1b[2J", "control"),
        ("a\ud800", "half a character"),
        ("", "needed"),
        (".", "no plain name"),
        ("./x", "no plain name"),
        ("a//b", "no plain name"),
        ("a/", "no plain name"),
        (".bashrc", "hidden"),
        (".git/hooks/post-checkout", "hidden"),
        ("x" * 201, "file name"),
        ("x/" * 101 + "x", "too deep"),
        ("a/" * 8 + "x", "too deep"),
        ("stemfx.json", "twice"),
        ("STEMFX.json", "one to macOS"),
        ("stemfx.json/x", "folder"),
    ],
)
def test_a_name_that_leaves_the_folder_or_is_none_everywhere(tmp_path, name, why):
    told = refusal(tmp_path, _with_names(name))
    assert why in told


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("a/kick.wav", "a/Kick.wav"), "one to macOS"),
        (("a/kick.wav", "A/snare.wav"), "one to macOS"),
        (("stra\u00dfe", "STRASSE"), "one to macOS"),
        (("caf\u00e9.wav", "cafe\u0301.wav"), "one to macOS"),
        (("kick", "kick/a.wav"), "is a file, and a folder"),
        (("kick", "KICK/a.wav"), "is a file, and a folder"),
        (("a/b/c", "a/b"), "is a file, and a folder"),
    ],
)
def test_names_that_are_one_file_to_some_system(tmp_path, names, why):
    assert why in refusal(tmp_path, _with_names(*names))


def _with_names(*names: str) -> bytes:
    """Return a bundle whose zip has harmless names, so that only the manifest is hostile."""
    files = {f"{i}.wav": b"" for i in range(len(names))} | {"remix.yaml": RECIPE}
    told = manifest_of(files)
    for i, name in enumerate(names):
        told["files"][name] = told["files"].pop(f"{i}.wav")
    return bundle_bytes(files, told)


OTHER_KINDS: dict[str, Callable[[], bytes]] = {
    "deflated": lambda: by_another_program(FILES, zipfile.ZIP_DEFLATED),
    "bzip2": lambda: by_another_program(FILES, zipfile.ZIP_BZIP2),
    "lzma": lambda: by_another_program(FILES, zipfile.ZIP_LZMA),
    "a bomb by ratio": lambda: by_another_program(
        {**FILES, "zeros.wav": bytes(10_000_000)}, zipfile.ZIP_DEFLATED
    ),
    "a symlink": lambda: by_another_program(FILES, external_attr=0o120777 << 16),
    "a device": lambda: by_another_program(FILES, external_attr=0o020666 << 16),
    "setuid": lambda: by_another_program(FILES, external_attr=0o104755 << 16),
    "a folder's bit": lambda: by_another_program(FILES, external_attr=0x10),
    "an extra field": lambda: by_another_program(FILES, extra=b"\x01\x00\x08\x00" + bytes(8)),
    "a comment of a file": lambda: by_another_program(FILES, comment=b"x"),
    "a local name of its own": lambda: (
        HONEST[:SECOND] + HONEST[SECOND:].replace(b"kick", b"evil", 1)
    ),
    "a name of its own in the directory": lambda: (
        HONEST[:DIRECTORY] + HONEST[DIRECTORY:].replace(b"kick", b"evil", 1)
    ),
    "encrypted": lambda: changed(SECOND + 6, "<H", 0x0801),
    "a stream of unknown length": lambda: changed(SECOND + 6, "<H", 0x0808),
    "an odd method": lambda: changed(SECOND + 8, "<H", 99),
    "a size of 0xFFFFFFFF": lambda: changed(SECOND + 22, "<I", 0xFFFFFFFF),
    "a smaller size": lambda: changed(SECOND + 22, "<I", 1),
    "another CRC before the data": lambda: changed(SECOND + 14, "<I", 1),
    "another CRC in the directory": lambda: changed(IN_DIRECTORY + 16, "<I", 1),
    "a symlink in the directory": lambda: changed(IN_DIRECTORY + 38, "<I", 0o120777 << 16),
    "a size of 0xFFFFFFFF in the directory": lambda: changed(IN_DIRECTORY + 24, "<I", 0xFFFFFFFF),
    "an overlapping file": lambda: changed(IN_DIRECTORY + 42, "<I", 0),
    "an offset of 0xFFFFFFFF": lambda: changed(IN_DIRECTORY + 42, "<I", 0xFFFFFFFF),
    "another disk": lambda: changed(END + 4, "<H", 1),
    "more entries than there are": lambda: changed(END + 10, "<H", 0xFFFF),
    "fewer entries than there are": lambda: changed(END + 10, "<H", 1),
    "a directory elsewhere": lambda: changed(END + 16, "<I", 0),
    "a huge directory": lambda: changed(END + 12, "<I", 0xFFFFFFFF),
    "an end of 64 bits": lambda: inserted(END, b"PK\x06\x06" + struct.pack("<Q", 44) + bytes(64)),
    "a comment": lambda: HONEST[:-2] + b"\1\0x",
    "data after it": lambda: HONEST + b"x",
    "a second zip after it": lambda: HONEST + HONEST,
    "data before it": lambda: b"#!/bin/sh\n" + HONEST,
    "data between files": lambda: inserted(THIRD, b"hidden"),
    "a file that is not listed": lambda: bundle_bytes({**FILES, "x.wav": b"x"}, manifest_of(FILES)),
    "a listed file that is missing": lambda: bundle_bytes(
        FILES, manifest_of({**FILES, "x.wav": b"x"})
    ),
    "a file twice": lambda: inserted(DIRECTORY, HONEST[SECOND:DIRECTORY]),
    "two files in the place of each other": lambda: zipped(
        {"stemfx.json": manifest_text(FILES), **dict(reversed(FILES.items()))}
    ),
    "no manifest": lambda: zipped(FILES),
    "the manifest last": lambda: zipped({**FILES, "stemfx.json": manifest_text(FILES)}),
    "an empty file": lambda: b"",
    "an empty zip": lambda: zipped({}),
    "no zip": lambda: b"stemfx: 1\n" * 100,
}


@pytest.mark.parametrize("made", OTHER_KINDS.values(), ids=OTHER_KINDS.keys())
def test_any_zip_but_the_one_that_pack_writes(tmp_path, made):
    refusal(tmp_path, made())


def test_a_bomb_of_overlapping_files_promises_more_than_the_bundle_weighs(tmp_path):
    # As Fifield's zbsm.zip: every line of the directory leads to one and the same kernel.
    kernel = bytes(1_000_000)
    names = [f"{i:04}.wav" for i in range(1_000)]
    told = manifest_of({**dict.fromkeys(names, kernel), "remix.yaml": RECIPE})
    data = bundle_bytes({"0000.wav": kernel, "remix.yaml": RECIPE}, told)
    assert "should have 1,000," in refusal(tmp_path, data)


@pytest.mark.parametrize("at", ["kits/tight/kick.wav", "remix.yaml"])
def test_bytes_that_are_not_those_of_the_manifest(tmp_path, at):
    swapped = {**FILES, at: FILES[at][:-1] + b"!"}
    told = refusal(tmp_path, bundle_bytes(swapped, manifest_of(FILES)))
    assert f"'{at}' in it is not what was packed: its SHA-256 differs" in told


def test_bytes_that_are_not_those_of_their_crc(tmp_path):
    at = HONEST.index(b"kickkick")
    told = refusal(tmp_path, HONEST[:at] + b"K" + HONEST[at + 1 :])
    assert "'kits/tight/kick.wav' in it is not what was packed" in told


def test_nothing_is_written_before_every_name_and_the_directory_are_checked(tmp_path, monkeypatch):
    written: list[Path] = []
    monkeypatch.setattr(Path, "open", _noting(written, Path.open))
    for data in (_with_names("../x"), changed(IN_DIRECTORY + 38, "<I", 0o120777 << 16)):
        refusal(tmp_path, data)
    assert {path.name for path in written} == {"hostile.stemfx"}


def _noting(written: list[Path], opened: Callable[..., Any]) -> Callable[..., Any]:
    def note(path: Path, *arguments: Any, **options: Any) -> Any:
        written.append(path)
        return opened(path, *arguments, **options)

    return note


def _file(**changes: Any) -> dict[str, Any]:
    return {"sha256": "0" * 64, "size_bytes": 0, "role": "asset"} | changes


MANIFESTS: dict[str, Any] = {
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe{}",
    "no object": b"[]",
    "nesting": b"[" * 1_000_000,
    "a key twice": b'{"stemfx_bundle": 1, "stemfx_bundle": 1}',
    "a number that is none": b'{"stemfx_bundle": NaN}',
    "a number of 10,000 digits": b'{"stemfx_bundle": ' + b"9" * 10_000 + b"}",
    "an unknown key": manifest_of(FILES, run="rm -rf /"),
    "an unknown key of 1 MB": manifest_of(FILES, **{"x" * 1_000_000: 1}),
    "no files": manifest_of({}),
    "format 0": manifest_of(FILES, stemfx_bundle=0),
    "format true": manifest_of(FILES, stemfx_bundle=True),
    "format 1.0": manifest_of(FILES, stemfx_bundle=1.0),
    "a recipe that is not there": manifest_of(FILES, recipe="other.yaml"),
    "a recipe that is a kit": manifest_of(FILES, recipe="kits/tight/kick.wav"),
    "a recipe outside": manifest_of(FILES, recipe="../remix.yaml"),
    "a source outside": manifest_of(FILES, sources={"song": "/etc/passwd"}),
    "a source that is no music": manifest_of(FILES, sources={"song": "remix.yaml"}),
    "a source without a name": manifest_of(FILES, sources={"": "remix.yaml"}),
    "a source that is an option": manifest_of(FILES, sources={"a=b": "remix.yaml"}),
    "a negative size": manifest_of({}, files={"a": _file(size_bytes=-1)}),
    "a size that is text": manifest_of({}, files={"a": _file(size_bytes="1")}),
    "a size that is no whole number": manifest_of({}, files={"a": _file(size_bytes=1.5)}),
    "a file of 3 GB": manifest_of({}, files={"a": _file(size_bytes=3 << 30)}),
    "5 GB in all": manifest_of(
        {},
        files={name: _file(size_bytes=5 << 28, role="recipe") for name in ("remix.yaml", *"abcd")},
    ),
    "no SHA-256": manifest_of({}, files={"a": _file(sha256="0" * 63)}),
    "a SHA-256 with a line break": manifest_of({}, files={"a": _file(sha256="0" * 64 + "\n")}),
    "music that no source names": manifest_of(
        {}, files={"remix.yaml": _file(role="recipe"), "song.wav": _file(role="source")}
    ),
    "too many files": manifest_of({}, files={str(i): _file() for i in range(MAX_FILES + 1)}),
    "too many faults": manifest_of({}, files={str(i): i for i in range(200_000)}),
    "too many plugins": manifest_of(FILES, plugins=[0] * 1_200_000),
    "too many keys": manifest_of(FILES, **{f"{i}": 0 for i in range(100_000)}),
    "too long a title": manifest_of(FILES, title="x" * 1_000_000),
    "half a character": json.dumps(manifest_of(FILES, title="\ud800")).encode(),
}


@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_manifest_that_no_pack_writes(tmp_path, manifest):
    assert "stemfx.json cannot be used: " in refusal(tmp_path, bundle_bytes({}, manifest))


@pytest.mark.parametrize("size", [MAX_MANIFEST_BYTES + 1, 0xFFFFFFFF])
def test_a_manifest_that_is_too_large_is_not_even_read(tmp_path, size):
    tracemalloc.start()
    data = zipped({"stemfx.json": b"x"})
    data = data[:18] + struct.pack("<II", size, size) + data[26:]
    told = refusal(tmp_path, data)
    assert "has more than 4 MiB" in told
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_a_newer_format_is_told_as_one(tmp_path):
    newer = {"stemfx_bundle": 2, "made_with": "9.9", "anything": {"else": True}}
    told = refusal(tmp_path, bundle_bytes({}, newer) + b"of another build")
    assert "made by a newer stemfx ('9.9', format 2; this program reads format 1)" in told


@pytest.mark.skipif(os.name != "posix", reason="pipes with names")
def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.stemfx")
    for name, why in (("pipe.stemfx", "no file"), (".", "a folder"), ("no.stemfx", "no such")):
        with pytest.raises(BundleError, match=why), opened_bundle(tmp_path / name):
            pass


def test_a_bundle_that_is_cut_short_anywhere_is_refused(tmp_path):
    for length in range(0, len(HONEST), 13):
        refusal(tmp_path, HONEST[:length])


@settings(
    max_examples=150,
    deadline=2_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(data=st.data())
def test_no_change_of_any_bytes_is_overlooked_or_crashes(tmp_path, data):
    hostile = bytearray(HONEST)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(hostile) - 1))
        n_bytes = data.draw(st.integers(0, 8))
        hostile[at : at + n_bytes] = data.draw(st.binary(max_size=8))
        if not hostile:
            break
    path = write_made(tmp_path / "hostile.stemfx", bytes(hostile))
    try:
        with opened_bundle(path, beside=tmp_path / "scratch") as (folder, _):
            found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}
            assert found == FILES
    except StemfxError:
        pass
