"""Writing a bundle and opening it again."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path

import pytest
from bundling import FILES, bundle_bytes, manifest_of, write_made

from stemfx.bundle import Manifest, is_bundle, opened_bundle, write_bundle
from stemfx.bundle import manifest_of as read_manifest_of
from stemfx.errors import AudioFileError, BundleError, OutputError


def lay_out(folder: Path, files: dict[str, bytes] = FILES) -> dict[str, Path]:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return {name: folder / name for name in files}


def packed(folder: Path, files: dict[str, bytes] = FILES, target: str = "a.stemfx") -> Path:
    manifest = Manifest.model_validate(manifest_of(files))
    write_bundle(folder / target, manifest, lay_out(folder / "from", files))
    return folder / target


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder).as_posix()): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_what_is_packed_comes_out_again(tmp_path):
    path = packed(tmp_path)
    with opened_bundle(path) as (folder, manifest):
        assert content(folder) == FILES
        assert folder.is_absolute()
        assert manifest.names == sorted(FILES)
        assert (folder / manifest.recipe).read_bytes() == FILES["remix.yaml"]
    assert not folder.exists()
    assert read_manifest_of(path) == manifest


def test_the_private_folder_goes_away_whatever_happens_in_it(tmp_path):
    path = packed(tmp_path)
    scratch = tmp_path / "scratch"

    def interrupted() -> None:
        with opened_bundle(path, beside=scratch) as (folder, _):
            assert folder.parent == scratch.resolve()
            if os.name == "posix":
                assert folder.stat().st_mode & 0o077 == 0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(scratch.iterdir()) == []


def test_every_program_reads_it_as_a_zip(tmp_path):
    names = {**FILES, "kits/Schläge/Größe 日本.wav": b"x"}
    with zipfile.ZipFile(packed(tmp_path, names)) as archive:
        assert archive.namelist() == ["stemfx.json", *sorted(names)]
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in names} == names
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100644}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert json.loads(archive.read("stemfx.json"))["files"].keys() == names.keys()


def test_equal_files_give_equal_bytes_on_every_machine(tmp_path):
    # The sum is of this format, not of this program: Python, zlib, system, folder, order of
    # listing and clock may not change it.
    here, there = tmp_path / "here", tmp_path / "there"
    backwards = dict(reversed(FILES.items()))
    one, other = packed(here), packed(there, backwards, "b.stemfx")
    os.utime(there / "from" / "remix.yaml", (0, 0))
    assert one.read_bytes() == other.read_bytes() == packed(there, backwards).read_bytes()
    assert hashlib.sha256(one.read_bytes()).hexdigest() == GOLDEN


GOLDEN = "5aeb075e8e0a95cb78dfa304ec585063856971264039e1eb551fbd97b04205a1"


def test_the_sum_that_is_returned_is_that_of_the_bundle(tmp_path):
    manifest = Manifest.model_validate(manifest_of(FILES))
    told = write_bundle(tmp_path / "a.stemfx", manifest, lay_out(tmp_path))
    assert told == hashlib.sha256((tmp_path / "a.stemfx").read_bytes()).hexdigest()


def test_a_bundle_replaces_another_whole_or_not_at_all(tmp_path):
    path = packed(tmp_path)
    before = path.read_bytes()
    files = lay_out(tmp_path / "from")
    files["kits/tight/kick.wav"].write_bytes(b"changed meanwhile")
    manifest = Manifest.model_validate(manifest_of(FILES))
    with pytest.raises(BundleError, match="changed while"):
        write_bundle(path, manifest, files)
    files["kits/tight/kick.wav"].unlink()
    with pytest.raises(AudioFileError, match="no such file"):
        write_bundle(path, manifest, files)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.stemfx", "from"]


def test_what_nobody_could_open_is_not_written(tmp_path):
    files = {**FILES, "kits/Tight/KICK.wav": b""}
    with pytest.raises(BundleError, match="are one to macOS and Windows"):
        packed(tmp_path, files)
    assert not (tmp_path / "a.stemfx").exists()


def test_a_manifest_survives_its_text(tmp_path):
    facts = {"distribution": "d", "version": "1", "licence": "MIT", "licence_class": "open"}
    full = manifest_of(
        FILES,
        title='a "title"\n',
        plugins=[{**facts, "offers": ["stage tilt"]}],
        kits=[{**facts, "name": "808"}],
        models=[
            {
                "name": "m",
                "family": "f",
                "licence": "",
                "licence_class": "not stated",
                "source": "https://x",
                "size_bytes": 0,
                "files": {"m.safetensors": "0" * 64},
                "sources": ["song"],
            }
        ],
    )
    manifest = Manifest.model_validate(full)
    path = write_made(tmp_path / "a.stemfx", bundle_bytes(FILES, manifest.to_bytes()))
    assert read_manifest_of(path) == manifest


def test_music_that_came_along_is_named_by_its_source(tmp_path):
    files = {**FILES, "sources/song.wav": b"la"}
    told = manifest_of(files, sources={"song": "sources/song.wav"})
    told["files"]["sources/song.wav"]["role"] = "source"
    path = write_made(tmp_path / "a.stemfx", bundle_bytes(files, told))
    with opened_bundle(path) as (folder, manifest):
        assert (folder / manifest.sources["song"]).read_bytes() == b"la"


def test_a_bundle_in_a_bundle_is_only_a_file(tmp_path):
    inner = bundle_bytes(FILES)
    path = write_made(tmp_path / "a.stemfx", bundle_bytes({**FILES, "inner.stemfx": inner}))
    with opened_bundle(path) as (folder, _):
        assert (folder / "inner.stemfx").read_bytes() == inner


@pytest.mark.skipif(os.name != "posix", reason="a limit of the system's")
def test_a_full_disk_is_told_with_the_place_in_the_bundle(tmp_path):
    import resource
    import signal

    path = write_made(tmp_path / "a.stemfx", bundle_bytes({**FILES, "big.wav": b"\0" * 200_000}))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OutputError) as told, opened_bundle(path, beside=tmp_path / "scratch"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert told.value.where == str(path / "big.wav")
    assert "scratch" not in str(told.value)


def test_more_than_the_disk_holds_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    import shutil
    from types import SimpleNamespace

    path = packed(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    with pytest.raises(OutputError, match="are free on this disk"), opened_bundle(path):
        pass


def test_a_bundle_is_known_by_its_name():
    assert is_bundle(Path("a.stemfx"))
    assert is_bundle(Path("A.STEMFX"))
    assert not is_bundle(Path("stemfx"))
