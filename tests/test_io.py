from __future__ import annotations

import errno
import hashlib
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemfx import io
from stemfx.audio import Audio
from stemfx.errors import AudioFileError, DiskFullError, OutputError
from stemfx.io import Encoding, encoding_for, probe, read_blocks, write


def read(path: Path) -> np.ndarray:
    return np.concatenate(list(read_blocks(probe(path))), axis=1)


def on_grid(audio: Audio, bits: int) -> Audio:
    scale = 2 ** (bits - 1)
    return Audio((np.rint(audio.samples.astype(np.float64) * scale) / scale), audio.sample_rate)


@pytest.mark.parametrize(
    ("name", "bits"), [("a.wav", 16), ("a.wav", 24), ("a.wav", 32), ("a.flac", 16), ("a.flac", 24)]
)
def test_what_fits_the_file_comes_back_bit_for_bit(
    tmp_path: Path, song: Audio, name: str, bits: int
) -> None:
    audio = song if bits == 32 else on_grid(song, bits)
    path = tmp_path / name
    write(path, audio, Encoding(path.suffix[1:], bits))
    np.testing.assert_array_equal(read(path), audio.samples)


def test_full_scale_16_bit_codes_survive_a_read_and_a_write(tmp_path: Path) -> None:
    # libsndfile alone scales by 32767 and would move every code above half scale.
    codes = np.arange(-32768, 32768, dtype=np.float64) / 32768
    audio = Audio(np.stack([codes, codes]), 44_100)
    write(tmp_path / "codes.wav", audio, Encoding("wav", 16))
    np.testing.assert_array_equal(read(tmp_path / "codes.wav"), audio.samples)


def test_16_bit_dither_is_tpdf_noise_of_minus_93_dbfs_that_does_not_follow_the_signal(
    tmp_path: Path,
) -> None:
    # A sine of a quarter step vanishes when rounded; TPDF dither keeps it. Total error power:
    # 1/12 (rounding) + 1/6 (TPDF) = 1/4 step^2, so -96.33 + 20 log10(1/2)... = -96.33 dBFS rms.
    t = np.arange(10 * 44_100) / 44_100
    quiet = 0.25 / 32768 * np.sin(2 * np.pi * 997 * t)
    write(tmp_path / "q.wav", Audio(np.stack([quiet, quiet]), 44_100), Encoding("wav", 16))
    error = (read(tmp_path / "q.wav") - quiet).astype(np.float64)
    rms_steps = np.sqrt(np.mean(np.square(error))) * 32768
    assert rms_steps == pytest.approx(0.5, rel=0.01)
    kept = 2 * np.mean(read(tmp_path / "q.wav")[0] * np.sin(2 * np.pi * 997 * t)) * 32768
    assert kept == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_the_same_signal_gives_the_same_bytes_at_another_second(
    tmp_path: Path, song: Audio, name: str
) -> None:
    hashes = set()
    for _ in range(2):
        path = tmp_path / name
        write(path, song, encoding_for(path, 32 if name == "a.wav" else None, 16))
        hashes.add(hashlib.sha256(path.read_bytes()).hexdigest())
        time.sleep(1.05)  # libsndfile stamps seconds into float WAV and Ogg
    assert len(hashes) == 1


def test_an_ogg_with_its_serial_rewritten_is_still_valid(tmp_path: Path, song: Audio) -> None:
    path = tmp_path / "a.ogg"
    write(path, song, Encoding("ogg", None))
    # Vorbis at quality 9 keeps a broadband signal within about -20 dB of the original.
    error = read(path) - song.samples
    assert np.sqrt(np.mean(error**2) / np.mean(song.samples**2)) < 0.1


@pytest.mark.parametrize(("bits", "peak"), [(16, 1.01), (24, 2.0)])
def test_integer_files_refuse_to_clip(tmp_path: Path, bits: int, peak: float) -> None:
    loud = Audio(np.full((2, 44_100), peak, np.float32), 44_100)
    with pytest.raises(OutputError, match="would clip"):
        write(tmp_path / "a.wav", loud, Encoding("wav", bits))
    assert list(tmp_path.iterdir()) == []


def test_float_files_keep_what_is_over_full_scale(tmp_path: Path) -> None:
    loud = Audio(np.full((2, 44_100), 1.6, np.float32), 44_100)
    write(tmp_path / "a.wav", loud, Encoding("wav", 32))
    assert read(tmp_path / "a.wav").max() == np.float32(1.6)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, song: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    write(path, song, Encoding("wav", 24))
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(soundfile.SoundFile, "write", full)
    with pytest.raises(DiskFullError, match="disk is full"):
        write(path, song, Encoding("wav", 16))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


def test_a_short_write_is_noticed(
    tmp_path: Path, song: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = soundfile.SoundFile.write
    monkeypatch.setattr(soundfile.SoundFile, "write", lambda self, data: real(self, data[:-1]))
    with pytest.raises(DiskFullError, match="arrived on the disk"):
        write(tmp_path / "a.wav", song, Encoding("wav", 16))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="--out"):
        io.check_writable(tmp_path / "file" / "folder")


def test_source_depth_decides_unless_asked() -> None:
    assert encoding_for(Path("a.wav"), None, 16) == Encoding("wav", 16)
    assert encoding_for(Path("a.wav"), None, 32) == Encoding("wav", 32)
    assert encoding_for(Path("a.wav"), None, None) == Encoding("wav", 24)  # from an MP3
    assert encoding_for(Path("a.wav"), 24, 16) == Encoding("wav", 24)
    assert encoding_for(Path("a.flac"), None, 32) == Encoding("flac", 24)
    assert encoding_for(Path("a.mp3"), None, 16) == Encoding("mp3", None)


def test_missing_file_folder_and_empty_file_each_get_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    for name, words in [("none.wav", "no such file"), ("", "folder"), ("empty.wav", "0 bytes")]:
        with pytest.raises(AudioFileError, match=words):
            probe(tmp_path / name)


def test_aac_without_ffmpeg_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(io.shutil, "which", lambda _: None)
    (tmp_path / "a.m4a").write_bytes(b"not empty")
    with pytest.raises(AudioFileError, match="ffmpeg"):
        probe(tmp_path / "a.m4a")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("text_named.wav", "not audio"),
        ("zero_bytes.wav", "0 bytes"),
        ("truncated.wav", "cut off"),
        ("header_size_zero.wav", "says that there is no audio"),
        ("header_size_ffffffff.wav", "no length"),
        ("short_50ms.wav", "50 ms"),
    ],
)
def test_damaged_files_are_named_for_what_they_are(corpus: Path, name: str, words: str) -> None:
    with pytest.raises(AudioFileError, match=words) as caught:
        probe(corpus / "defects" / name)
    assert caught.value.where is not None
    assert caught.value.where.endswith(name)


def test_a_flac_that_ends_early_is_noticed_while_reading(tmp_path: Path, song: Audio) -> None:
    path = tmp_path / "a.flac"
    write(path, song, Encoding("flac", 16))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioFileError, match=r"cut off|damaged"):
        read(path)


def test_rf64_sizes_are_understood(tmp_path: Path, song: Audio) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(str(path), song.samples.T, 44_100, format="RF64", subtype="PCM_16")
    assert probe(path).n_samples == song.n_samples


@pytest.mark.skipif(io.shutil.which("ffmpeg") is None, reason="ffmpeg is not installed here")
def test_aac_is_read_through_ffmpeg_at_its_place(corpus: Path) -> None:
    coded = read(corpus / "defects" / "coded.m4a")
    clean = read(corpus / "defects" / "clean_neon.flac")
    # The codec's own error here is -19.7 dB; one sample late would be -14 dB, and a decoder
    # that kept the encoder's delay (1024 samples and more) would be above 0 dB.
    error = coded[:, : clean.shape[1]] - clean
    assert 10 * np.log10(np.mean(error**2) / np.mean(clean**2)) < -17


@pytest.mark.skipif(io.shutil.which("ffmpeg") is None, reason="ffmpeg is not installed here")
@pytest.mark.parametrize("content", ["text", "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"])
def test_what_is_no_aac_is_never_taken_for_a_playlist(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.m4a").write_text(content)
    with pytest.raises(AudioFileError, match="no audio"):
        probe(tmp_path / "a.m4a")
