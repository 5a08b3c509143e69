"""Read audio files: the header first, then the samples as a stream."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, read_forward, read_only
from stemfx.dsp.channels import FOLDABLE, fold_down
from stemfx.errors import AudioFileError
from stemfx.io import containers
from stemfx.io.places import native, reading_from
from stemfx.io.wav_header import check_container_sizes

MIN_DURATION_S = 0.4
"""Shorter files are refused: BS.1770 measures loudness in blocks of 400 ms."""

MAX_DURATION_S = 6 * 3600
"""Longer files are refused, so that a file of a few kB cannot fill the disk when decoded."""

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8_000, 192_000

MAX_CHANNELS = 64
"""More are refused: a block of the 1024 that a WAV can have would take 256 MiB."""

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


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits.

    Raises:
        AudioFileError: it cannot be read.
    """
    with reading_from(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def probe(path: Path, *, min_duration_s: float = MIN_DURATION_S) -> FileInfo:
    """Read a file's header.

    Args:
        path: the file.
        min_duration_s: the shortest that will do.

    Raises:
        AudioFileError: missing, not audio, damaged, empty, too short, too long, of
            more than 64 channels, or at a sample rate outside [8000, 192000] Hz.
    """
    _check_is_file(path)
    if path.suffix.lower() in _FFMPEG_DEMUXERS:
        info = _probe_with_ffmpeg(path)
    else:
        check_container_sizes(path)
        info = _probe_with_libsndfile(path)
    if not MIN_SAMPLE_RATE <= info.sample_rate <= MAX_SAMPLE_RATE:
        raise AudioFileError(
            f"the sample rate is {info.sample_rate} Hz; stemfx works from {MIN_SAMPLE_RATE} to "
            f"{MAX_SAMPLE_RATE} Hz; resample the file first",
            where=str(path),
        )
    if info.channels > MAX_CHANNELS:
        raise AudioFileError(
            f"{info.channels} channels; at most {MAX_CHANNELS} are read; export it in stereo",
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
    with reading_from(path):
        if path.is_dir():
            raise AudioFileError("this is a folder, not an audio file", where=str(path))
        if path.exists() and not path.is_file():  # a pipe would be waited for without an end
            raise AudioFileError("this is no file", where=str(path))
        size = path.stat().st_size
    if size == 0:
        raise AudioFileError(
            "the file is empty (0 bytes); export or download it again", where=str(path)
        )


def _probe_with_libsndfile(path: Path) -> FileInfo:
    import soundfile

    info = None
    if containers.is_known(path):
        with suppress(soundfile.LibsndfileError, RuntimeError, OSError, TypeError):  # `.raw`
            info = soundfile.info(native(path))
    if info is None or info.format not in containers.FORMATS:
        raise AudioFileError(
            f"this is not audio that stemfx can read; it reads {READABLE}", where=str(path)
        )
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
        with soundfile.SoundFile(native(path)) as file:
            tags = file.copy_metadata()
    except (soundfile.LibsndfileError, RuntimeError, OSError, TypeError):
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
        with soundfile.SoundFile(native(info.path)) as file:
            # Not `file.blocks`: it refuses what libsndfile cannot seek in, such as GSM.
            while len(frames := file.read(n_samples, dtype="float32", always_2d=True)):
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
