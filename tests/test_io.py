from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemfx.audio import BLOCK_SAMPLES, Audio, Block
from stemfx.dsp.dither import Dither
from stemfx.errors import AudioFileError, DiskFullError, OutputError
from stemfx.io import (
    MP3_KBPS,
    Encoding,
    FileInfo,
    check_writable,
    encoding_for,
    file_sha256,
    generator_tag,
    ogg,
    probe,
    read_blocks,
    reading,
    wav_header,
    write,
    writing_to,
)


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


def test_the_same_signal_gives_the_same_bytes_at_another_second(
    tmp_path: Path, song: Audio
) -> None:
    def hashes() -> dict[str, str]:
        for name in ("a.wav", "a.flac", "a.ogg", "a.mp3"):
            path = tmp_path / name
            write(path, song, encoding_for(path, 32 if name == "a.wav" else None, 16))
        return {path.name: file_sha256(path) for path in tmp_path.iterdir()}

    first = hashes()
    time.sleep(1.05)  # libsndfile stamps seconds into float WAV and Ogg
    assert hashes() == first


def test_an_ogg_with_its_serial_rewritten_is_still_valid(tmp_path: Path, song: Audio) -> None:
    path = tmp_path / "a.ogg"
    write(path, song, Encoding("ogg", None))
    # Vorbis at quality 9 keeps a broadband signal within about -20 dB of the original.
    error = read(path) - song.samples
    assert np.sqrt(np.mean(error**2) / np.mean(song.samples**2)) < 0.1


def test_an_ogg_of_any_length_gets_its_serial_in_flat_memory(tmp_path: Path, song: Audio) -> None:
    path = tmp_path / "a.ogg"
    write(path, song, Encoding("ogg", None))
    copies = 1 + 4_000_000 // path.stat().st_size
    path.write_bytes(path.read_bytes() * copies)  # Ogg files may be chained
    once = path.read_bytes()
    tracemalloc.start()
    try:
        with path.open("r+b") as file:
            ogg.set_serial(file, 2)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1_000_000  # a page is 64 kB at most; the file is over 4 MB
    twice = path.read_bytes()
    n_pages = once.count(b"OggS")
    serial_and_sum = 4 + 4
    differing = np.frombuffer(once, np.uint8) != np.frombuffer(twice, np.uint8)
    assert len(twice) == len(once)
    assert n_pages <= np.count_nonzero(differing) <= n_pages * serial_and_sum
    assert probe(path).sample_rate == song.sample_rate


def tone(rate: int, channels: int, seconds: float = 1) -> Audio:
    t = np.arange(round(rate * seconds) + 777) / rate
    noise = np.random.default_rng(4).standard_normal((channels, t.size))
    soft = np.cumsum(noise, axis=1) - np.cumsum(noise, axis=1).mean(axis=1, keepdims=True)
    sweep = np.sin(2 * np.pi * (300 * t + 200 * t**2))
    return Audio((0.2 * sweep + 0.1 * soft / np.abs(soft).max()).astype(np.float32), rate)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("kind", ["mp3", "ogg"])
def test_lossy_files_are_as_long_as_the_master_and_in_step_with_it(
    tmp_path: Path, kind: str, rate: int, channels: int
) -> None:
    if (kind, rate) == ("mp3", 96_000):
        pytest.skip("MPEG layer III ends at 48 kHz")
    signal = tone(rate, channels)
    write(tmp_path / "a", signal, Encoding(kind, None))
    decoded = read(tmp_path / "a")
    assert decoded.shape == signal.samples.shape  # the encoder's delay and padding are cut off
    # The lag at which both are most alike, to the sample.
    spectra = np.fft.rfft(signal.samples[0]), np.fft.rfft(decoded[0])
    lags = np.fft.irfft(spectra[1] * np.conj(spectra[0]), signal.n_samples)
    assert np.argmax(lags) == 0


@pytest.mark.parametrize("kbps", MP3_KBPS)
def test_an_mp3_has_the_bit_rate_that_was_asked_and_the_masters_level(
    tmp_path: Path, kbps: int
) -> None:
    for rate, highest in ((44_100, 320), (48_000, 320), (22_050, 160), (8000, 64)):
        signal = tone(rate, 2)
        write(tmp_path / "a", signal, Encoding("mp3", None, kbps))
        # The header's own frame and the padding of the last one: 3 frames of 26 to 144 ms.
        size_kbps = 8e-3 * (tmp_path / "a").stat().st_size / (signal.n_samples / rate)
        expected = min(kbps, highest)
        assert expected - 1 < size_kbps < expected * (1 + 3 * 1152 / signal.n_samples)
        # LAME turns its input down by up to 0.45 dB; 0.02 dB is what it loses of a tone.
        sent, got = signal.samples.ravel().astype(float), read(tmp_path / "a").ravel()
        assert 20 * np.log10(got @ sent / (sent @ sent)) == pytest.approx(0, abs=0.02)


def test_an_ogg_grows_with_its_quality(tmp_path: Path) -> None:
    sizes = []
    for quality in (0.0, 4, 9, 10):
        write(tmp_path / "a", tone(44_100, 2), Encoding("ogg", None, quality=quality))
        sizes.append((tmp_path / "a").stat().st_size)
    assert sizes == sorted(set(sizes))
    write(tmp_path / "a", tone(44_100, 2), Encoding("ogg", None))
    assert (tmp_path / "a").stat().st_size == sizes[2]


@pytest.mark.parametrize("dither", ["tpdf", "shaped", "none"])
def test_what_lies_on_the_16_bit_grid_is_never_dithered(tmp_path: Path, dither: Dither) -> None:
    audio = on_grid(tone(44_100, 2), 16)
    write(tmp_path / "a.wav", audio, Encoding("wav", 16), dither=dither)
    np.testing.assert_array_equal(read(tmp_path / "a.wav"), audio.samples)


def test_16_bit_can_be_rounded_and_shaped(tmp_path: Path) -> None:
    audio = tone(44_100, 2)
    noise = {}
    for dither in ("none", "tpdf", "shaped"):
        write(tmp_path / "a.wav", audio, Encoding("wav", 16), dither=dither)
        noise[dither] = np.std((read(tmp_path / "a.wav") - audio.samples) * 32768.0)
    # Rounding 1/12, with TPDF 1/4 step^2; shaped by 1 + sum(c^2): 18.4 dB more.
    assert noise["none"] == pytest.approx(12**-0.5, rel=0.02)
    assert noise["tpdf"] == pytest.approx(0.5, rel=0.02)
    assert noise["shaped"] == pytest.approx(0.5 * 10 ** (18.4 / 20), rel=0.02)


@pytest.mark.parametrize(
    ("bits", "dither", "step_powers"),
    [(16, "tpdf", 4 / 4), (16, "none", 4 / 12), (24, "tpdf", 4 / 12)],
)
def test_stems_sum_to_the_mix_within_the_noise_of_their_bits(
    tmp_path: Path, bits: int, dither: Dither, step_powers: float
) -> None:
    # Four stems with a noise of their own each: its powers add, 1/4 step^2 with dither (-90.3
    # dBFS at 16 bit), 1/12 without (at 24 bit -143 dBFS). With one noise for all: 2.4 dB more.
    rng = np.random.default_rng(5)
    stems = [
        Audio(rng.uniform(-0.2, 0.2, (2, 44_100)).astype(np.float32), 44_100) for _ in range(4)
    ]
    total = np.zeros((2, 44_100))
    for seed, stem in enumerate(stems):
        write(tmp_path / "a.wav", stem, Encoding("wav", bits), dither=dither, seed=seed)
        total += read(tmp_path / "a.wav")
    residual = total - sum(stem.samples.astype(np.float64) for stem in stems)
    power = np.mean(np.square(residual * 2 ** (bits - 1)))
    assert 10 * np.log10(power / step_powers) == pytest.approx(0, abs=0.1)


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


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "a plugin's disk"),
        AssertionError("a plugin"),
        RuntimeError("a plugin"),
    ],
)
def test_what_fails_inside_the_signal_is_not_told_as_a_failure_to_write(
    tmp_path: Path, song: Audio, failure: Exception
) -> None:
    class Failing(Audio):
        def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
            yield self.read(0, 100)
            raise failure

    with pytest.raises(type(failure)) as caught:
        write(tmp_path / "a.wav", Failing(song.samples, song.sample_rate), Encoding("wav", 24))
    assert caught.value is failure
    assert list(tmp_path.iterdir()) == []


def test_a_failure_to_write_names_the_remedy_of_its_place(tmp_path: Path) -> None:
    def fail(*remedy: str) -> None:
        with writing_to(tmp_path, *remedy):
            raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(OutputError, match=r"Permission denied\); choose another folder with --out"):
        fail()
    with pytest.raises(OutputError, match=r"Permission denied\); set STEMFX_CACHE$"):
        fail("set STEMFX_CACHE")


def test_a_full_disk_is_told_where_the_system_knows_no_quotas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(errno, "EDQUOT", raising=False)  # as on Windows
    with pytest.raises(DiskFullError, match="disk is full"), writing_to(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OutputError, match="cannot be written"), writing_to(tmp_path):
        raise OSError(errno.EROFS, "Read-only file system")


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="--out"):
        check_writable(tmp_path / "file" / "folder")


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


def test_what_cannot_be_read_cannot_be_hashed_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AudioFileError, match="no such file"):
        file_sha256(tmp_path / "none.wav")
    (tmp_path / "a.wav").write_bytes(b"x")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(hashlib, "file_digest", refuse)
    with pytest.raises(AudioFileError, match=r"Permission denied.*permissions") as caught:
        file_sha256(tmp_path / "a.wav")
    assert caught.value.where == str(tmp_path / "a.wav")


def test_aac_without_ffmpeg_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
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


@pytest.mark.parametrize("n_bytes", [14, 20, 24, 32, 35])
def test_an_rf64_cut_in_its_header_is_one_sentence(
    tmp_path: Path, song: Audio, n_bytes: int
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(str(path), song.samples.T, 44_100, format="RF64", subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(AudioFileError, match=r"cut off|not audio"):
        probe(path)


def test_an_rf64_whose_ds64_holds_no_length_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RF64\xff\xff\xff\xffWAVEds64" + bytes(100))
    with pytest.raises(AudioFileError, match="ds64"):
        probe(tmp_path / "a.wav")


def test_a_wav_of_nothing_but_empty_chunks_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF\xff\xff\xff\x7fWAVE" + b"junk\0\0\0\0" * 500_000)
    with path.open("rb") as file:
        with pytest.raises(wav_header._HeaderError):
            wav_header._wav_data_sizes(file)
        assert file.tell() < 10_000  # bytes of 4,000,000: what was looked at
    with pytest.raises(AudioFileError, match="1,000 chunks"):
        probe(path)


def test_a_flac_that_does_not_know_its_length_says_so(tmp_path: Path, song: Audio) -> None:
    path = tmp_path / "a.flac"
    write(path, song, Encoding("flac", 16))
    content = bytearray(path.read_bytes())
    # STREAMINFO follows "fLaC" and 4 bytes of block header; the last 36 bits of its bytes
    # 10 to 17 are the number of samples (RFC 9639, 8.2), and 0 means unknown.
    field = int.from_bytes(content[18:26], "big")
    content[18:26] = (field >> 36 << 36).to_bytes(8, "big")
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match="does not say how long") as caught:
        probe(path)
    assert "hours" not in str(caught.value)


# --- ffmpeg ------------------------------------------------------------------------------

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="ffmpeg is not installed here"
)
needs_sh = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a shell script in the place of a program; return a song of 1 s that it has to read."""

    def put(program: str, script: str) -> FileInfo:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / program).write_text(f"#!/bin/sh\n{script}\n")
        (folder / program).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
        path = tmp_path / "a.m4a"
        path.write_bytes(b"not empty")
        return FileInfo(path, 44_100, 2, 44_100, None, "M4A")

    return put


def seconds_of_zeros(duration_s: float) -> str:
    return f"head -c {round(44_100 * duration_s) * 2 * 4} /dev/zero"  # stereo float32


@needs_sh
def test_ffmpeg_that_fails_after_the_last_sample_is_believed(pretend) -> None:
    # The pipe ends well before the program does: a kill in between would hide its status.
    info = pretend("ffmpeg", f"{seconds_of_zeros(1)}; exec >&-; sleep 0.2; exit 1")
    with pytest.raises(AudioFileError, match=r"after 1\.00 s \(ffmpeg ends with status 1\)"):
        list(read_blocks(info))


@needs_sh
def test_ffmpeg_that_is_killed_is_no_success(pretend) -> None:
    info = pretend("ffmpeg", f"{seconds_of_zeros(1)}; kill -9 $$")
    with pytest.raises(AudioFileError, match="status -9"):
        list(read_blocks(info))


@needs_sh
def test_ffmpeg_that_delivers_too_little_is_noticed_but_the_padding_of_a_codec_is_not(
    pretend,
) -> None:
    info = pretend("ffmpeg", seconds_of_zeros(0.5))
    with pytest.raises(AudioFileError, match=r"promises 1\.00 s and 0\.50 s can be read"):
        list(read_blocks(info))
    info = pretend("ffmpeg", seconds_of_zeros(0.95))
    assert sum(block.shape[1] for block in read_blocks(info)) == round(0.95 * 44_100)


@needs_sh
def test_a_reader_that_stops_early_ends_ffmpeg_without_an_error(tmp_path: Path, pretend) -> None:
    info = pretend("ffmpeg", f"echo $$ > {tmp_path}/pid; exec cat /dev/zero")
    blocks = read_blocks(info)
    assert next(blocks).shape == (2, BLOCK_SAMPLES)
    blocks.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@needs_sh
def test_a_file_that_decodes_without_end_stops_at_the_limit(
    pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_DURATION_S", 36)
    info = pretend("ffmpeg", "exec cat /dev/zero")
    heard: list[int] = []
    with pytest.raises(AudioFileError, match="hours of audio, whatever its header says"):
        heard.extend(block.shape[1] for block in read_blocks(info))
    assert 35 * 44_100 < sum(heard) <= 36 * 44_100


@needs_sh
def test_ffprobe_that_hangs_is_one_sentence(pretend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_FFPROBE_TIMEOUT_S", 0.1)
    info = pretend("ffprobe", "exec sleep 20")
    with pytest.raises(AudioFileError, match="ffprobe does not say within"):
        probe(info.path)


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.m4a", "a.aac", "a.mka", "a.webm"])
def test_the_length_that_a_probe_tells_is_what_decoding_gives(tmp_path: Path, name: str) -> None:
    # Softly first: ffprobe takes the bit rate of the first frames for that of a raw AAC file.
    gains = np.repeat([0.0, 0.5], 3 * 48_000)[:, np.newaxis]
    noise = np.random.default_rng(0).uniform(-1, 1, (6 * 48_000, 2))
    soundfile.write(str(tmp_path / "a.wav"), gains * noise, 48_000)
    command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "a.wav"), str(tmp_path / name)]
    subprocess.run(command, check=True)
    info = probe(tmp_path / name)
    # A frame of AAC is 21 ms; an encoder adds one or two of them.
    assert info.duration_s == pytest.approx(6, abs=0.1)
    assert read(tmp_path / name).shape[1] / 48_000 == pytest.approx(info.duration_s, abs=0.1)


@needs_ffmpeg
def test_aac_that_is_cut_off_is_noticed_while_reading(tmp_path: Path, song: Audio) -> None:
    write(tmp_path / "a.wav", song, Encoding("wav", 16))
    path = tmp_path / "a.m4a"
    command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "a.wav"), "-movflags", "+faststart"]
    subprocess.run([*command, str(path)], check=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(AudioFileError, match="cut off"):
        read(path)


@needs_ffmpeg
def test_aac_is_read_through_ffmpeg_at_its_place(corpus: Path) -> None:
    coded = read(corpus / "defects" / "coded.m4a")
    clean = read(corpus / "defects" / "clean_neon.flac")
    # The codec's own error here is -19.7 dB; one sample late would be -14 dB, and a decoder
    # that kept the encoder's delay (1024 samples and more) would be above 0 dB.
    error = coded[:, : clean.shape[1]] - clean
    assert 10 * np.log10(np.mean(error**2) / np.mean(clean**2)) < -17


@needs_ffmpeg
@pytest.mark.parametrize("content", ["text", "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"])
def test_what_is_no_aac_is_never_taken_for_a_playlist(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.m4a").write_text(content)
    with pytest.raises(AudioFileError, match="no audio"):
        probe(tmp_path / "a.m4a")


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode on Windows")
def test_a_name_that_is_not_utf_8_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"snare\xff.wav")
    sound = Audio(np.full((1, 22_050), 0.25, np.float32), 44_100)
    write(path, sound, Encoding("wav", 32))
    assert generator_tag(path) is None
    assert np.array_equal(read(path), sound.samples)


@pytest.mark.parametrize("format_", ["SDS", "CAF", "AU", "PAF", "IRCAM"])
def test_only_the_promised_formats_reach_the_library_whatever_a_file_is_called(
    tmp_path: Path, format_: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(44_100), 44_100, format=format_, subtype="PCM_16")
    with pytest.raises(AudioFileError, match="not audio that stemfx can read"):
        probe(path)
    assert capfd.readouterr().out == ""  # one of its readers writes there
