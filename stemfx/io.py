"""The only place where audio files are read and written.

Reading probes first and refuses what is damaged with one sentence. Writing quantises by
itself (libsndfile scales by 32767, so a read and a write would not give the same samples),
dithers where bits are lost, never clips silently, and makes a file appear whole or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, Signal, read_forward, read_only
from stemfx.dsp.channels import FOLDABLE, fold_down
from stemfx.dsp.dither import Dither, Grid, quantised
from stemfx.dsp.resample import rechunk
from stemfx.errors import AudioFileError, DiskFullError, OutputError, StemfxError

MIN_DURATION_S = 0.4
"""Shorter files are refused: BS.1770 measures loudness in blocks of 400 ms."""

MAX_DURATION_S = 6 * 3600
"""Longer files are refused, so that a file of a few kB cannot fill the disk when decoded."""

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8_000, 192_000

READABLE = "WAV, FLAC, MP3, OGG (Vorbis, Opus) or AIFF"

# Containers that libsndfile does not read, with the demuxer that ffmpeg must use for them:
# naming it keeps a hostile file from being taken for a playlist that reads other files.
_FFMPEG_DEMUXERS = {
    ".m4a": "mov",
    ".mp4": "mov",
    ".aac": "aac",
    ".wma": "asf",
    ".webm": "matroska",
    ".mka": "matroska",
}

AUDIO_SUFFIXES = frozenset(
    {".wav", ".wave", ".rf64", ".w64", ".flac", ".mp3", ".ogg", ".oga", ".opus"}
    | {".aif", ".aiff", ".aifc", *_FFMPEG_DEMUXERS}
)
"""How the names of files end that are taken for audio where a folder is searched."""

_SUBTYPE_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_FLOAT_SUBTYPES = {"FLOAT": 32, "DOUBLE": 32}
_UNCOMPRESSED = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "FLAC"}

_UNKNOWN_LENGTH = 2**63 - 1  # libsndfile's SF_COUNT_MAX
_MAX_WAV_CHUNKS = 1000  # before the audio; editors write tens
_FFPROBE_TIMEOUT_S = 60.0
_CODEC_PADDING_S = 0.1  # containers count the padding of a codec's first and last frames or not


@dataclass(frozen=True)
class FileInfo:
    """What the header of an audio file says.

    `bit_depth` is 32 for float and None for lossy formats; `n_samples` is per channel.
    """

    path: Path
    sample_rate: int
    channels: int
    n_samples: int
    bit_depth: int | None
    format: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


# --- reading -----------------------------------------------------------------------------


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn every failure of the system to read `path` into one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise AudioFileError("no such file; check the name", where=str(path)) from None
    except OSError as error:
        raise AudioFileError(
            f"cannot be read ({error.strerror or error}); check its permissions", where=str(path)
        ) from None


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits.

    Raises:
        AudioFileError: it cannot be read.
    """
    with _reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def probe(path: Path, *, min_duration_s: float = MIN_DURATION_S) -> FileInfo:
    """Read a file's header.

    Args:
        path: the file.
        min_duration_s: the shortest that will do.

    Raises:
        AudioFileError: missing, not audio, damaged, empty, too short, too long, or at a
            sample rate outside [8000, 192000] Hz.
    """
    _check_is_file(path)
    if path.suffix.lower() in _FFMPEG_DEMUXERS:
        info = _probe_with_ffmpeg(path)
    else:
        _check_container_sizes(path)
        info = _probe_with_libsndfile(path)
    if not MIN_SAMPLE_RATE <= info.sample_rate <= MAX_SAMPLE_RATE:
        raise AudioFileError(
            f"the sample rate is {info.sample_rate} Hz; stemfx works from {MIN_SAMPLE_RATE} to "
            f"{MAX_SAMPLE_RATE} Hz; resample the file first",
            where=str(path),
        )
    if info.n_samples == 0:
        raise AudioFileError("a header, and no audio after it; export it again", where=str(path))
    if info.duration_s < min_duration_s:
        raise AudioFileError(
            f"only {1000 * info.duration_s:.0f} ms of audio; at least "
            f"{1000 * min_duration_s:.0f} ms are needed to measure loudness",
            where=str(path),
        )
    if info.n_samples == _UNKNOWN_LENGTH:
        raise AudioFileError(
            "its header does not say how long the audio is (streaming encoders leave that out), "
            "so nothing says whether it is complete; export it again, or rewrite it with "
            f"`ffmpeg -i IN{path.suffix} OUT{path.suffix}`",
            where=str(path),
        )
    if info.duration_s > MAX_DURATION_S:
        raise AudioFileError(
            f"{info.duration_s / 3600:.1f} hours of audio; the limit is "
            f"{MAX_DURATION_S // 3600} hours; cut the file into parts",
            where=str(path),
        )
    return info


def _check_is_file(path: Path) -> None:
    with _reading(path):
        if path.is_dir():
            raise AudioFileError("this is a folder, not an audio file", where=str(path))
        size = path.stat().st_size
    if size == 0:
        raise AudioFileError(
            "the file is empty (0 bytes); export or download it again", where=str(path)
        )


def _check_container_sizes(path: Path) -> None:
    """Refuse a WAV whose header and content disagree; libsndfile would read what it can."""
    repair = "export it again, or rewrite its header with `ffmpeg -i IN.wav OUT.wav`"
    try:
        with _reading(path), path.open("rb") as file:
            declared_and_there = _wav_data_sizes(file)
    except _HeaderError as error:
        raise AudioFileError(f"{error}; {repair}", where=str(path)) from None
    if declared_and_there is None:
        return
    declared, there = declared_and_there
    if declared == 0 and there > 0:
        raise AudioFileError(
            f"the WAV header says that there is no audio, but {there:,} bytes follow: the "
            f"program that wrote it did not finish; {repair}",
            where=str(path),
        )
    if declared == 0xFFFFFFFF:
        raise AudioFileError(
            "the WAV header has no length (0xFFFFFFFF, as streaming writers leave it), so "
            f"nothing says whether the audio is complete; {repair}",
            where=str(path),
        )
    if declared > there:
        raise AudioFileError(
            f"the file is cut off: its header promises {declared:,} bytes of audio and "
            f"{there:,} are there ({100 * there / declared:.0f} %); {repair}",
            where=str(path),
        )


class _HeaderError(Exception):
    """A WAV header that makes no sense."""


def _wav_data_sizes(file: IO[bytes]) -> tuple[int, int] | None:
    """Return (declared, present) bytes of a WAV's data chunk; None when it is no WAV.

    Raises:
        _HeaderError: the header cannot be followed to the audio.
    """
    head = file.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        return None
    end = os.fstat(file.fileno()).st_size
    long_size: int | None = None
    for _ in range(_MAX_WAV_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return None
        name, size = header[:4], int(struct.unpack("<I", header[4:])[0])
        after = file.tell() + size + size % 2
        if name == b"ds64":  # RF64, EBU Tech 3306: the true size of the data chunk
            sizes = file.read(min(size, 16))
            if len(sizes) < 16:
                raise _HeaderError(
                    "the file is cut off or damaged in the part of its RF64 header (ds64) that "
                    "says how long the audio is"
                )
            long_size = int(struct.unpack("<8xQ", sizes)[0])
        elif name == b"data":
            there = end - file.tell()
            return (long_size if long_size is not None else size), there
        file.seek(after)
    raise _HeaderError(
        f"no audio lies within the first {_MAX_WAV_CHUNKS:,} chunks of this WAV, so it is damaged"
    )


def _native(path: Path) -> str | bytes:
    """Return a path as libsndfile takes it: to POSIX names are bytes, and not always UTF-8."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def _probe_with_libsndfile(path: Path) -> FileInfo:
    import soundfile

    try:
        info = soundfile.info(_native(path))
    except (soundfile.LibsndfileError, RuntimeError, OSError):
        raise AudioFileError(
            f"this is not audio that stemfx can read; it reads {READABLE}", where=str(path)
        ) from None
    bits = _SUBTYPE_BITS.get(info.subtype) or _FLOAT_SUBTYPES.get(info.subtype)
    return FileInfo(path, info.samplerate, info.channels, info.frames, bits, info.format)


_GENERATORS = re.compile(
    r"\b(suno|udio|riffusion|stable ?audio|musicgen|mureka|ai[- ]generated|made with ai)\b",
    re.IGNORECASE,
)
_TAGS_OF_MAKERS = ("comment", "software", "artist", "copyright", "license")
"""A title may well contain one of these words and mean something else."""


def generator_tag(path: Path) -> str | None:
    """Return the tag of an audio file that names an AI music generator; None if there is none.

    Generators write one into what they give out ("made with suno; created=..."); an editor may
    have removed it, so nothing follows from its absence.
    """
    import soundfile

    try:
        with soundfile.SoundFile(_native(path)) as file:
            tags = file.copy_metadata()
    except (soundfile.LibsndfileError, RuntimeError, OSError):
        return None
    texts = (str(tags.get(name) or "") for name in _TAGS_OF_MAKERS)
    return next((text[:60] for text in texts if _GENERATORS.search(text)), None)


def _ffmpeg(program: str, path: Path) -> str:
    found = shutil.which(program)
    if found is None:
        raise AudioFileError(
            f"{path.suffix} files need ffmpeg, which is not installed here; install it, or "
            f"convert the file to {READABLE}",
            where=str(path),
        )
    return found


def _probe_with_ffmpeg(path: Path) -> FileInfo:
    """Ask ffprobe; count by decoding where the container only lets it guess a length.

    Raw AAC (ADTS) has no length at all: ffprobe extrapolates from the bit rate of the first
    frames, nine times too long for a song that starts softly.
    """
    demuxer = _FFMPEG_DEMUXERS[path.suffix.lower()]
    try:
        result = subprocess.run(  # noqa: S603 - a list, no shell; the path is one argument
            [
                _ffmpeg("ffprobe", path),
                *("-v", "error", "-protocol_whitelist", "file", "-f", demuxer),
                *("-select_streams", "a:0", "-of", "json", "-show_entries"),
                *("stream=sample_rate,channels,duration:format=duration",),
                f"file:{path.resolve()}",
            ],
            capture_output=True,
            check=False,
            timeout=_FFPROBE_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise AudioFileError(
            f"ffprobe does not say within {_FFPROBE_TIMEOUT_S:.0f} s what this file is; convert "
            f"it to {READABLE}",
            where=str(path),
        ) from None
    try:
        found = json.loads(result.stdout)
        stream, container = found["streams"][0], found.get("format", {})
        rate, channels = int(stream["sample_rate"]), int(stream["channels"])
    except (KeyError, IndexError, ValueError):
        rate, channels = 0, 0
    if rate < 1 or channels < 1:
        raise AudioFileError("ffmpeg finds no audio in this file", where=str(path))
    info = FileInfo(path, rate, channels, 0, None, path.suffix[1:].upper())
    # Matroska gives a length for the whole file only.
    duration_s = stream.get("duration", container.get("duration"))
    if demuxer == "aac" or duration_s is None:
        n_samples = sum(block.shape[1] for block in read_blocks(info))
    else:
        n_samples = round(float(duration_s) * rate)
    return replace(info, n_samples=n_samples)


def read_blocks(info: FileInfo, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
    """Yield a probed file as float32 blocks `(channels, n_samples)`, from start to end.

    Raises:
        AudioFileError: the content ends before the header says, goes on beyond the longest
            duration that stemfx takes, or cannot be decoded.
    """
    through_ffmpeg = info.path.suffix.lower() in _FFMPEG_DEMUXERS
    decode = _ffmpeg_blocks if through_ffmpeg else _libsndfile_blocks
    count = 0
    with closing(decode(info, n_samples)) as blocks:
        for block in blocks:
            count += block.shape[1]
            if count > MAX_DURATION_S * info.sample_rate:
                raise AudioFileError(
                    f"more than {MAX_DURATION_S // 3600} hours of audio, whatever its header "
                    "says; cut the file into parts",
                    where=str(info.path),
                )
            yield block
    is_exact = info.format in _UNCOMPRESSED
    missing_s = (info.n_samples - count) / info.sample_rate
    if (is_exact and missing_s > 0) or (through_ffmpeg and missing_s > _CODEC_PADDING_S):
        raise AudioFileError(
            f"the file is cut off: its header promises {info.duration_s:.2f} s and "
            f"{count / info.sample_rate:.2f} s can be read; export or download it again",
            where=str(info.path),
        )


def _libsndfile_blocks(info: FileInfo, n_samples: int) -> Generator[Block, None, None]:
    import soundfile

    count = 0
    try:
        with soundfile.SoundFile(_native(info.path)) as file:
            for frames in file.blocks(n_samples, dtype="float32", always_2d=True):
                count += len(frames)
                yield read_only(frames.T)
    except soundfile.LibsndfileError as error:
        raise _decoding_error(info, count, error.error_string) from None


def _ffmpeg_blocks(info: FileInfo, n_samples: int) -> Generator[Block, None, None]:
    command = [
        _ffmpeg("ffmpeg", info.path),
        *("-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe"),
        *("-f", _FFMPEG_DEMUXERS[info.path.suffix.lower()]),
        *("-i", f"file:{info.path.resolve()}"),
        *("-map", "a:0", "-f", "f32le", "-ac", str(info.channels)),
        *("-ar", str(info.sample_rate), "-"),
    ]
    frame_bytes = 4 * info.channels
    count = 0
    with subprocess.Popen(  # noqa: S603 - a list, no shell
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        stdout = process.stdout
        assert stdout is not None  # noqa: S101 - PIPE was asked for
        try:
            while chunk := stdout.read(n_samples * frame_bytes):
                whole = len(chunk) - len(chunk) % frame_bytes
                frames = np.frombuffer(chunk[:whole], "<f4").reshape(-1, info.channels)
                count += len(frames)
                yield read_only(frames.T)
            status = process.wait()
        except BaseException:  # GeneratorExit too: the consumer has heard enough
            process.kill()
            raise
    if status != 0:
        raise _decoding_error(info, count, f"ffmpeg ends with status {status}")


def _decoding_error(info: FileInfo, count: int, reason: str) -> AudioFileError:
    return AudioFileError(
        f"decoding fails after {count / info.sample_rate:.2f} s ({reason}); the file is damaged",
        where=str(info.path),
    )


@dataclass(frozen=True, eq=False)
class FileSignal:
    """A probed file as a signal: decoded anew whenever it is read, so memory stays flat.

    Args:
        info: what `probe` returned.
        fold: fold surround to stereo (ITU-R BS.775).

    Raises:
        AudioFileError: while it is read, as `read_blocks` does; at once, when no standard layout
            has so many channels to fold.
    """

    info: FileInfo
    fold: bool = False

    def __post_init__(self) -> None:
        if self.fold and self.info.channels > 2 and self.info.channels not in FOLDABLE:
            raise AudioFileError(
                f"{self.info.channels} channels, which no standard layout has; export it in stereo",
                where=str(self.info.path),
            )

    @property
    def sample_rate(self) -> int:
        """Sampling rate in Hz."""
        return self.info.sample_rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return min(2, self.info.channels) if self.fold else self.info.channels

    @property
    def n_samples(self) -> int:
        """Length in samples per channel, as the header says."""
        return self.info.n_samples

    def blocks(self, n_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Yield read-only blocks of `n_samples`; the last one is shorter."""
        for block in read_blocks(self.info, n_samples):
            yield fold_down(block) if self.fold else block

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        """Return samples `start` up to `stop`, decoded from the start of the file."""
        return read_forward(self, start, stop)


# --- writing -----------------------------------------------------------------------------


MP3_KBPS = (128, 160, 192, 224, 256, 320)
"""Constant bit rates in kbit/s that a master may have as MP3 (ISO/IEC 11172-3, layer III)."""


@dataclass(frozen=True)
class Encoding:
    """How a result is stored.

    Args:
        format: wav, flac, mp3 or ogg (Vorbis).
        bit_depth: 16, 24, 32 (float), or None for lossy formats.
        bitrate_kbps: of an MP3, one of `MP3_KBPS`; None is 320. Below 32 kHz the standard ends at
            160 kbit/s and below 16 kHz at 64: then it is that.
        quality: of an OGG, 0 to 10 on Vorbis' scale; None is 9, about 320 kbit/s.
    """

    format: str
    bit_depth: int | None
    bitrate_kbps: int | None = None
    quality: float | None = None

    @property
    def is_integer(self) -> bool:
        """Whether samples beyond full scale cannot be stored."""
        return self.bit_depth != 32

    @property
    def is_lossy(self) -> bool:
        """Whether decoding gives other samples than were stored."""
        return self.bit_depth is None


@dataclass(frozen=True)
class Written:
    """A file that is whole and does not have its name yet.

    `sha256` is of the samples that a reader must get (frames of little-endian float32); None for
    lossy formats.
    """

    path: Path
    sha256: str | None


_SUBTYPES = {("wav", 16): "PCM_16", ("wav", 24): "PCM_24", ("wav", 32): "FLOAT"} | {
    ("flac", 16): "PCM_16",
    ("flac", 24): "PCM_24",
    ("ogg", None): "VORBIS",
    ("mp3", None): "MPEG_LAYER_III",
}
_WAV_LIMIT_BYTES = 0xFFFF_FFFF - 4096


# What LAME multiplies the sound by before it encodes, by bit rate (its presets; measured).
_LAME_SCALES = {192: 0.97, 224: 0.98, 256: 1.0, 320: 1.0}
_LAME_SCALE_BELOW = 0.95


def _lame_scale(encoding: Encoding, sample_rate: int) -> float:
    """Return what a lossy encoder multiplies the sound by: 1 for any but LAME.

    Dividing by it beforehand keeps the level; LAME takes float beyond full scale as it is.
    """
    if encoding.format != "mp3":
        return 1.0
    return _LAME_SCALES.get(_mp3_kbps(encoding, sample_rate), _LAME_SCALE_BELOW)


def _mp3_kbps(encoding: Encoding, sample_rate: int) -> int:
    return min(encoding.bitrate_kbps or 320, _mp3_range(sample_rate)[1])


def _mp3_range(sample_rate: int) -> tuple[int, int]:
    """Return the lowest and highest constant bit rate that libsndfile has at a sample rate."""
    return (32, 320) if sample_rate >= 32_000 else (8, 160 if sample_rate >= 16_000 else 64)


def _lossy_options(encoding: Encoding, sample_rate: int) -> dict[str, Any]:
    """Return libsndfile's compression level, in [0, 1] with 0 the best.

    It goes straight from the highest to the lowest constant bit rate that a sample rate has in
    MP3, and from 10 to 0 on Vorbis' scale of quality.
    """
    if encoding.format == "ogg":
        quality = 9.0 if encoding.quality is None else encoding.quality
        return {"compression_level": 1 - quality / 10}
    if encoding.format != "mp3":
        return {}
    lowest, highest = _mp3_range(sample_rate)
    level = (highest - _mp3_kbps(encoding, sample_rate)) / (highest - lowest)
    return {"compression_level": level, "bitrate_mode": "CONSTANT"}


def encoding_for(path: Path, bit_depth: int | None, source_bit_depth: int | None) -> Encoding:
    """Choose how to store `path`: what was asked, else the source's depth, else 24 bit."""
    kind = path.suffix.lower().lstrip(".")
    if kind in ("mp3", "ogg"):
        return Encoding(kind, None)
    depth = bit_depth or {8: 16, 16: 16, 24: 24, 32: 32, None: 24}[source_bit_depth]
    return Encoding(kind, min(depth, 24) if kind == "flac" else depth)


def is_on_grid(signal: Signal, bit_depth: int) -> bool:
    """Tell whether every sample already is a `bit_depth` integer, within 1/64 step.

    Such a signal (an untouched 16-bit file, say) loses nothing when it is stored again, so
    dither would only add noise. 1/64 step is above float32 rounding of a sum of stems.
    """
    scale = float(2 ** (bit_depth - 1))
    for block in signal.blocks():
        scaled = block.astype(np.float64) * scale
        if np.abs(scaled - np.rint(scaled)).max(initial=0.0) > 1 / 64:
            return False
    return True


def fits_wav(signal: Signal, encoding: Encoding, n_extra_bytes: int = 0) -> bool:
    """Tell whether a WAV of this signal stays under 4 GB; above it is an RF64 (EBU Tech 3306)."""
    n_bytes = signal.n_samples * signal.channels * (encoding.bit_depth or 8) // 8
    return n_bytes + n_extra_bytes <= _WAV_LIMIT_BYTES


def write(
    path: Path,
    signal: Signal,
    encoding: Encoding,
    *,
    gain: float = 1.0,
    chunks: bytes = b"",
    dither: Dither = "tpdf",
    seed: int = 0,
    finish: Callable[[Written], None] | None = None,
) -> None:
    """Write `signal * gain` to `path`: whole, or not at all.

    16 bit is dithered, unless the samples lie on the 16-bit grid already. At 24 bit the float32
    mantissa itself is the limit: rounding only. The same signal gives the same bytes.

    Args:
        path: the suffix does not matter, `encoding` does.
        signal: float32 at the rate that the file will have.
        encoding: container and bit depth.
        gain: linear; 1.0 leaves every bit as it is.
        chunks: RIFF chunks, whole and of even length, that follow the audio of a WAV under 4 GB.
        dither: at 16 bit; see `stemfx.dsp.dither`.
        seed: of the dither. Stems need one each: equal noises would add up to twice as much.
        finish: is given the whole file before it gets its name; whatever it raises, nothing is
            left of it.

    Raises:
        OutputError: the folder or file cannot be written, or samples would clip.
        DiskFullError: no space left.
    """
    import soundfile

    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    if encoding.bit_depth != 16 or (gain == 1.0 and is_on_grid(signal, 16)):
        dither = "none"
    is_long = encoding.format == "wav" and not fits_wav(signal, encoding, len(chunks))
    digest = None if finish is None or encoding.is_lossy else hashlib.sha256()
    # `signal.blocks()` stays outside `writing_to`: what fails there is no failure to write.
    try:
        with writing_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = soundfile.SoundFile(
                _native(part),
                "w",
                samplerate=signal.sample_rate,
                channels=signal.channels,
                format="RF64" if is_long else encoding.format.upper(),
                subtype=_SUBTYPES[encoding.format, encoding.bit_depth],
                **_lossy_options(encoding, signal.sample_rate),
            )
        blocks = _below_full_scale(signal, encoding, gain, path)
        try:
            for stored in _stored_blocks(signal, encoding, dither, seed, blocks):
                if digest is not None:
                    digest.update(_as_read(stored).T.tobytes())
                with writing_to(path):
                    file.write(stored.T)
        except BaseException:
            with suppress(Exception):  # what went wrong first is what is told
                file.close()
            raise
        with writing_to(path):
            file.close()
            _check_whole(part, path, signal, encoding)
            _make_reproducible(part, encoding)
            if chunks:
                _append_chunks(part, chunks)
        if finish is not None:
            finish(Written(part, None if digest is None else digest.hexdigest()))
        with writing_to(path):
            part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


def _stored_blocks(
    signal: Signal, encoding: Encoding, dither: Dither, seed: int, blocks: Iterator[Block]
) -> Iterator[np.ndarray[Any, Any]]:
    """Yield what libsndfile is given: int16, int32 with 24 bits in its upper bytes, or float32."""
    depth = encoding.bit_depth
    if depth is None:
        scale = np.float32(_lame_scale(encoding, signal.sample_rate))
        # In equal portions: libvorbis chooses its windows by what it is given at a time.
        for block in rechunk(blocks, BLOCK_SAMPLES):
            yield block if scale == 1 else block / scale
    elif depth == 32:
        yield from blocks
    else:
        grid = Grid(depth, signal.channels, signal.sample_rate)
        for codes in quantised(blocks, grid, dither, seed):
            yield codes.astype(np.int16) if depth == 16 else (codes * 256).astype(np.int32)


def _below_full_scale(
    signal: Signal, encoding: Encoding, gain: float, path: Path
) -> Iterator[Block]:
    for block in signal.blocks():
        samples: Block = block if gain == 1.0 else block * np.float32(gain)
        peak = float(np.abs(samples).max(initial=0.0))
        if encoding.is_integer and peak > 1.0:
            raise OutputError(
                f"a peak of {20 * np.log10(peak):+.2f} dBFS would clip in {encoding.format}",
                where=str(path),
            )
        yield samples


def _as_read(stored: np.ndarray[Any, Any]) -> Block:
    """Return the samples that a reader gets: exact, since 24 bits fit float32."""
    if stored.dtype == np.float32:
        return stored
    full_scale = np.float32(-float(np.iinfo(stored.dtype).min))
    return stored.astype(np.float32) / full_scale


def _check_whole(part: Path, path: Path, signal: Signal, encoding: Encoding) -> None:
    """Read the header back: libsndfile does not always report that a disk was full."""
    import soundfile

    there = soundfile.info(_native(part)).frames
    if encoding.bit_depth is not None and there != signal.n_samples:
        raise DiskFullError(
            f"only {there:,} of {signal.n_samples:,} samples arrived on the disk; free some space",
            where=str(path),
        )


def _make_reproducible(part: Path, encoding: Encoding) -> None:
    """Remove what libsndfile takes from the clock: a WAV's PEAK date, an Ogg's serial number."""
    if encoding.format == "wav" and encoding.bit_depth == 32:
        with part.open("r+b") as file:
            offset = file.read(4096).find(b"PEAK")
            if offset >= 0:
                file.seek(offset + 12)  # name, size, version, then the date
                file.write(bytes(4))
    elif encoding.format == "ogg":
        _set_ogg_serial(part, serial=1)


def riff_chunk(name: bytes, content: bytes) -> bytes:
    """Return a RIFF chunk; content of odd length is padded, its size is told without."""
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _append_chunks(part: Path, chunks: bytes) -> None:
    """Add chunks at the end of a WAV, and their length to the one in its header."""
    with part.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.write(bytes(size % 2) + chunks)
        file.seek(4)
        file.write(struct.pack("<I", size + size % 2 + len(chunks) - 8))


_REVERSED_BITS = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def _set_ogg_serial(path: Path, serial: int) -> None:
    """Rewrite the serial number of every page of an Ogg file (RFC 3533) and its checksum.

    In place, page by page: a page is 64 kB at most, whatever the length of the file.
    """
    with path.open("r+b") as file:
        while len(header := bytearray(file.read(27))) == 27:
            lacing = file.read(header[26])
            body = lacing + file.read(sum(lacing))
            struct.pack_into("<I", header, 14, serial)
            struct.pack_into("<I", header, 22, 0)
            # Ogg's CRC-32 has zlib's polynomial with the bits the other way round and no
            # inversion.
            mirrored = zlib.crc32((header + body).translate(_REVERSED_BITS), 0xFFFFFFFF)
            checksum = int(f"{mirrored ^ 0xFFFFFFFF:032b}"[::-1], 2)
            struct.pack_into("<I", header, 22, checksum)
            file.seek(-len(header) - len(body), os.SEEK_CUR)
            file.write(header + body)


_REMEDY = "choose another folder with --out"


@contextmanager
def writing_to(path: Path, remedy: str = _REMEDY) -> Iterator[None]:
    """Turn every failure to write below `path` into one sentence.

    Wrap only the writing: whatever else fails inside would be told as a failure to write.

    Args:
        path: what is being written.
        remedy: what to try when the place itself cannot be written to.

    Raises:
        DiskFullError: disk, quota or file-size limit reached.
        OutputError: anything else.
    """
    try:
        yield
    except StemfxError:
        raise
    except OSError as error:
        # Windows has no quota error of its own.
        if error.errno in (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise DiskFullError(
                "the disk is full (or a quota or file-size limit is reached); free some space "
                "and run again: finished steps are kept",
                where=str(path),
            ) from None
        raise OutputError(
            f"cannot be written ({error.strerror or error}); {remedy}", where=str(path)
        ) from None
    except (RuntimeError, AssertionError) as error:
        # libsndfile says "System error" and soundfile asserts when a write comes up short.
        free = shutil.disk_usage(path.parent).free if path.parent.is_dir() else 0
        if free < 1 << 20 or isinstance(error, AssertionError):
            raise DiskFullError(
                "the disk is full; free some space and run again: finished steps are kept",
                where=str(path),
            ) from None
        raise OutputError(f"cannot be written ({error}); {remedy}", where=str(path)) from None


def check_writable(folder: Path, remedy: str = _REMEDY) -> None:
    """Make sure that files can be made in `folder` (made too if need be) before any work.

    Args:
        folder: where files will be made.
        remedy: what to try when that cannot be.

    Raises:
        OutputError: they cannot.
    """
    with writing_to(folder, remedy):
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".stemfx-{os.getpid()}.part"
        trial.touch()
        trial.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, UTF-8.

    Raises:
        OutputError, DiskFullError: as for `write`.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all.

    Raises:
        OutputError, DiskFullError: as for `write`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()
