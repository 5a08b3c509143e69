"""Write audio files: whole or not at all, and the same bytes for the same signal."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stemfx.audio import BLOCK_SAMPLES, Block, Signal
from stemfx.dsp.dither import Dither, Grid, quantised
from stemfx.dsp.resample import rechunk
from stemfx.errors import DiskFullError, OutputError
from stemfx.io.encoding import SUBTYPES, Encoding, fits_wav, lame_scale, lossy_options
from stemfx.io.ogg import set_serial
from stemfx.io.places import native, writing_to


@dataclass(frozen=True)
class Written:
    """A file that is whole and does not have its name yet.

    `sha256` is of the samples that a reader must get (frames of little-endian float32); None for
    lossy formats.
    """

    path: Path
    sha256: str | None


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
                native(part),
                "w",
                samplerate=signal.sample_rate,
                channels=signal.channels,
                format="RF64" if is_long else encoding.format.upper(),
                subtype=SUBTYPES[encoding.format, encoding.bit_depth],
                **lossy_options(encoding, signal.sample_rate),
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
        scale = np.float32(lame_scale(encoding, signal.sample_rate))
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

    there = soundfile.info(native(part)).frames
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
        with part.open("r+b") as file:
            set_serial(file, 1)


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
