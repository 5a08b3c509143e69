"""Read back by FFmpeg's demuxer and decoders, by mutagen, and as Mixxx looks for the box."""

from __future__ import annotations

import json
import signal
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from mutagen.mp4 import MP4

from stemfx.audio import Audio, Signal
from stemfx.errors import DiskFullError, OutputError
from stemfx.exports.mp4_boxes import OffsetError, add_user_data, box
from stemfx.exports.stem_mp4 import Part, parts_of, write_stem_mp4
from stemfx.tags import Cover, Tags

RATE, N = 44_100, 70_001
NAMES = ["Drums", "Bass", "Other", "Vocals"]
COLORS = ["#009E73", "#D55E00", "#CC79A7", "#56B4E9"]


def noise(seed: int, n: int = N, rate: int = RATE, *, channels: int = 2) -> Audio:
    """Noise below 4 kHz, so that a lossy codec keeps its waveform, with a click at the end."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal((channels, n)))
    spectrum[:, int(4_000 * n / rate) :] = 0
    samples = np.fft.irfft(spectrum, n)
    return Audio(0.2 * samples / np.abs(samples).max(), rate)


TRACKS = {"drums": noise(1), "bass": noise(2), "pad": noise(3), "keys": noise(4), "vox": noise(5)}
MASTER = noise(6)
EXPECTED = [
    MASTER.samples,
    TRACKS["drums"].samples,
    TRACKS["bass"].samples,
    TRACKS["pad"].samples + TRACKS["keys"].samples,
    TRACKS["vox"].samples,
]


def decoded(path: Path, k: int) -> tuple[av.AudioStream, np.ndarray]:
    """Return stream `k` and its samples `(2, n)` from time 0 to the end that the file tells."""
    with av.open(str(path)) as file:
        stream = file.streams[k]
        frames = list(file.decode(stream))
        samples = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
        start = -round(frames[0].pts * frames[0].time_base * frames[0].sample_rate)
        return stream, samples[:, start : start + stream.duration]


def lag(sound: np.ndarray, reference: np.ndarray) -> int:
    """Return by how many samples `sound` comes late, from the peak of the cross-correlation."""
    size = 2 * reference.shape[-1]
    spectrum = np.fft.rfft(sound[0], size) * np.conj(np.fft.rfft(reference[0], size))
    peak = int(np.argmax(np.fft.irfft(spectrum, size)))
    return peak if peak < size // 2 else peak - size


def null_db(sound: np.ndarray, reference: np.ndarray) -> float:
    return 10 * np.log10(np.sum((sound - reference) ** 2) / np.sum(reference**2))


def manifest(path: Path) -> dict[str, object]:
    """Return the box as Mixxx finds it: in the first `moov`, its first `udta`, the first `stem`."""
    content = path.read_bytes()
    for wanted in (b"moov", b"udta", b"stem"):
        at = 0
        while (size := struct.unpack(">I4s", content[at : at + 8]))[1] != wanted:
            at += size[0]
        content = content[at + 8 : at + size[0]]
    return json.loads(content)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stems") / "song.stem.mp4"
    write_stem_mp4(path, MASTER, parts_of(TRACKS))
    return path


@pytest.mark.parametrize("k", range(5))
def test_each_stream_is_what_it_should_be_to_the_sample(song: Path, k: int) -> None:
    stream, samples = decoded(song, k)
    assert (stream.codec_context.name, stream.rate, stream.channels) == ("aac", RATE, 2)
    assert (stream.start_time, stream.duration, samples.shape) == (0, N, (2, N))
    assert lag(samples, EXPECTED[k]) == 0
    assert null_db(samples, EXPECTED[k]) < -20  # of a lossy codec on noise; a lag of 1 gives -8


def test_only_the_master_is_played_by_default(song: Path) -> None:
    with av.open(str(song)) as file:
        assert [stream.type for stream in file.streams] == ["audio"] * 5
        assert [bool(int(stream.disposition.value) & 1) for stream in file.streams] == [True] + [
            False
        ] * 4


def test_the_manifest_names_and_colours_the_parts_and_leaves_the_sound_alone(song: Path) -> None:
    told = manifest(song)
    assert told["version"] == 1
    named = [{"color": c, "name": n} for c, n in zip(COLORS, NAMES, strict=True)]
    assert told["stems"] == named
    assert [part["enabled"] for part in told["mastering_dsp"].values()] == [False, False]
    assert song.read_bytes()[8:12] == b"M4A "  # as the format's own encoder has it


def test_mono_is_on_both_sides_and_what_is_shorter_or_missing_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "a.stem.mp4"
    tracks: dict[str, Signal] = {"drums": noise(1, 20_000), "bass": noise(2, channels=1)}
    write_stem_mp4(path, MASTER, parts_of(tracks))
    bass, silence = np.repeat(tracks["bass"].read(), 2, 0), np.zeros((2, N))
    drums = np.pad(tracks["drums"].read(), ((0, 0), (0, N - 20_000)))
    for k, samples in enumerate((MASTER.samples, drums, bass, silence, silence)):
        found = decoded(path, k)[1]
        assert found.shape == (2, N)
        if samples.any():
            assert null_db(found, samples) < -20  # of a lossy codec on noise
        else:
            assert np.abs(found).max() < 1e-6


def test_the_same_song_gives_the_same_bytes_tagged_or_not(tmp_path: Path, song: Path) -> None:
    again = tmp_path / "b.stem.mp4"
    write_stem_mp4(again, MASTER, parts_of(TRACKS))
    assert again.read_bytes() == song.read_bytes()
    tags = Tags(title="Über", artist="Ada 東京", track="3/12", isrc="DEA122600001", comment="a\nb")
    cover = Cover(b"\xff\xd8\xff" + bytes(70_001), "image/jpeg", 640, 480)
    contents = []
    for _ in range(2):
        write_stem_mp4(again, MASTER, parts_of(TRACKS), tags=tags, cover=cover)
        contents.append(again.read_bytes())
    assert contents[0] == contents[1]
    found = MP4(again).tags
    assert found is not None
    assert (found["\xa9nam"], found["\xa9ART"], found["trkn"]) == (
        ["Über"],
        ["Ada 東京"],
        [(3, 12)],
    )
    assert bytes(found["----:com.apple.iTunes:ISRC"][0]) == b"DEA122600001"
    assert bytes(found["covr"][0]) == cover.content
    assert manifest(again) == manifest(song)
    for k in range(5):
        np.testing.assert_array_equal(decoded(again, k)[1], decoded(song, k)[1])
    assert [file.name for file in tmp_path.iterdir()] == ["b.stem.mp4"]


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_stem_mp4(tmp_path / "file" / "a.stem.mp4", MASTER, parts_of({}))


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        with pytest.raises(DiskFullError, match="the disk is full"):
            write_stem_mp4(tmp_path / "a.stem.mp4", MASTER, parts_of(TRACKS))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_there_are_four_parts_at_one_rate(tmp_path: Path) -> None:
    for parts in ([Part("A", "#000000", [])], parts_of({"a": noise(1, rate=48_000)})):
        with pytest.raises(ValueError, match="parts at"):
            write_stem_mp4(tmp_path / "a.stem.mp4", MASTER, parts)


@pytest.mark.parametrize(("kind", "number"), [(b"stco", ">I"), (b"co64", ">Q")])
def test_chunks_are_found_where_they_have_moved_to(
    tmp_path: Path, kind: bytes, number: str
) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    head, sound = box(b"ftyp", b"M4A "), struct.pack(">I4sQ", 1, b"mdat", 16 + 6) + b"chunks"
    table = bytes(4) + struct.pack(">I", 2) + struct.pack(number, 28) + struct.pack(number, 31)
    moov = box(kind, table)
    for outer in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        moov = box(outer, moov)
    source.write_bytes(head + sound + moov)
    add_user_data(source, target, b"stem", b"{}")
    found = target.read_bytes()
    at = found.index(kind) + 12
    first, second = struct.unpack_from(number + number[1], found, at)
    assert (found[first : first + 3], found[second : second + 3]) == (b"chu", b"nks")


def test_a_chunk_beyond_4_gb_is_told_and_not_wrapped_around(tmp_path: Path) -> None:
    source = tmp_path / "a"
    table = bytes(4) + struct.pack(">II", 1, 0xFFFF_FFF0)
    moov = box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", box(b"stco", table)))))
    source.write_bytes(box(b"ftyp", b"") + box(b"mdat", b"") + box(b"moov", moov))
    with pytest.raises(OffsetError):
        add_user_data(source, tmp_path / "b", b"stem", b"{}")
