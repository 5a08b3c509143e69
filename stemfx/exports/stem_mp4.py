"""`song.stem.mp4`: the stem file that Traktor, Mixxx, Serato and djay open as four parts of a song.

Native Instruments' "Stem File Specification" 1.0: an MP4 with five stereo streams, the master and
then drums, bass, other and vocals, and JSON in the box `moov/udta/stem` that says their names and
colours. Only the master's track is enabled, so any other player plays just that. All streams have
one encoder, one delay (told by an edit list, in samples) and one length: they stay in step even in
a program that ignores edit lists.

What is in it: the parts are the tracks at their faders and sum to the mix before mastering; the
master stream is that mix after the master's stages. With all four faders up a deck so plays the mix
unmastered. The format has a compressor and a limiter for a deck to do again what mastering did; no
setting of these two is what a master's stages are, so they are there, as the format asks, and off.

PyAV encodes and writes: its wheels carry FFmpeg, so nothing else is to be installed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.delivery.tagging import write_tags
from stemfx.dsp.channels import widen
from stemfx.dsp.resample import rechunk
from stemfx.errors import OutputError
from stemfx.exports.four_parts import FOUR_PARTS, four_parts
from stemfx.exports.mp4_boxes import OffsetError, add_user_data
from stemfx.exports.song import STEM_COLORS
from stemfx.io import writing_to
from stemfx.tags import Cover, Tags

AAC_KBPS = 256
"""Of each stream; as the format's own encoder has it."""

_FRAMES_AT_ONCE = 64
"""Of each stream, by one thread: 1.5 s."""

_MASTERING_OFF = {
    "compressor": {
        "enabled": False,
        "ratio": 3,
        "threshold": 0,
        "attack": 0.003,
        "release": 0.3,
        "input_gain": 0.5,
        "output_gain": 0.5,
        "hp_cutoff": 300,
        "dry_wet": 50,
    },
    "limiter": {"enabled": False, "threshold": 0, "ceiling": -0.35, "release": 0.05},
}
"""The defaults of the format's own encoder, switched off; a threshold of 0 dB meets nothing."""


@dataclass(frozen=True)
class Part:
    """One of the four: `signals` are added up, none is silence; `color` is `#RRGGBB`."""

    name: str
    color: str
    signals: Sequence[Signal]


def parts_of(
    tracks: Mapping[str, Signal], stems: Mapping[str, str] = MappingProxyType({})
) -> tuple[Part, ...]:
    """Return the four parts that tracks make.

    Args:
        tracks: at their faders, by name.
        stems: as for `four_parts`.
    """
    return tuple(
        Part(part.capitalize(), STEM_COLORS[part], [tracks[name] for name in names])
        for part, names in four_parts(tracks, stems).items()
    )


def stem_rate(sample_rate: int) -> int:
    """Return the sample rate in Hz of a stem file for sound of another one: 44,100 or 48,000.

    >>> [stem_rate(rate) for rate in (44_100, 48_000, 88_200, 96_000, 22_050)]
    [44100, 48000, 44100, 48000, 44100]
    """
    return 44_100 if sample_rate % 11_025 == 0 else 48_000


def write_stem_mp4(
    path: Path,
    master: Signal,
    parts: Sequence[Part],
    *,
    tags: Tags | None = None,
    cover: Cover | None = None,
) -> None:
    """Write a stem file: whole, or not at all; the same input gives the same bytes.

    Streams that are shorter than the longest end in silence. Memory does not grow with length.

    Args:
        path: ends in `.stem.mp4`, or programs take it for any MP4.
        master: 44,100 or 48,000 Hz; mono becomes stereo with both sides equal.
        parts: drums, bass, other and vocals; at the master's rate.
        tags: for players.
        cover: likewise.

    Raises:
        OutputError: the file cannot be written, or would be longer than the format can be.
        DiskFullError: no space left.
        ValueError: not four parts, or another sample rate.
    """
    streams = [[master], *(list(part.signals) for part in parts)]
    rates = {signal.sample_rate for stream in streams for signal in stream}
    if len(parts) != len(FOUR_PARTS) or rates not in ({44_100}, {48_000}):
        raise ValueError(f"{len(parts)} parts at {sorted(rates)} Hz")
    manifest = {
        "mastering_dsp": _MASTERING_OFF,
        "version": 1,
        "stems": [{"color": part.color, "name": part.name} for part in parts],
    }
    sound, whole = (
        path.with_name(f".{path.name}.{os.getpid()}.{kind}.part") for kind in ("sound", "whole")
    )
    try:
        with writing_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            sound.touch()
        _encode(sound, streams, path)
        with writing_to(path):
            if tags is not None or cover is not None:
                write_tags(sound, "mp4", tags or Tags(), cover)
            try:
                add_user_data(sound, whole, b"stem", json.dumps(manifest).encode())
            except OffsetError:
                raise OutputError(
                    "a stem file ends at 4 GB, which are seven hours; render a part",
                    where=str(path),
                ) from None
            sound.unlink()
            whole.replace(path)
    finally:
        for part in (sound, whole):
            with suppress(OSError):
                part.unlink()


def _encode(file: Path, streams: Sequence[Sequence[Signal]], path: Path) -> None:
    """Write an MP4 with one stream for the sum of each of `streams`; `path` is what it will be."""
    import av

    rate = streams[0][0].sample_rate
    # As bitexact, FFmpeg writes neither the time nor its version. An edit list counts in the time
    # base of the movie: in milliseconds, as by default, lengths would be off by some samples.
    options = {"fflags": "+bitexact", "movie_timescale": str(rate)}
    with writing_to(path):
        out = file.open("r+b")
    muxer = av.open(out, "w", format="ipod", container_options=options)
    try:
        encoders = [_stream(muxer, rate, is_master=k == 0) for k in range(len(streams))]
        n_at_once = _FRAMES_AT_ONCE * encoders[0].codec_context.frame_size
        with ThreadPoolExecutor(len(streams)) as pool:
            for start, sums in _sums(streams, n_at_once):
                encoded = list(pool.map(partial(_packets, start), encoders, sums))
                with writing_to(path):
                    for packets in encoded:
                        muxer.mux(packets)
        with writing_to(path):
            for encoder in encoders:
                muxer.mux(encoder.encode(None))
            muxer.close()
            out.close()
    except BaseException:
        for each in (muxer, out):
            with suppress(Exception):  # what went wrong first is what is told
                each.close()
        raise


def _stream(muxer: Any, rate: int, *, is_master: bool) -> Any:
    """Add a stereo stream; only the master is one that a player plays by itself."""
    from av.codec.context import Flags
    from av.stream import Disposition

    stream = muxer.add_stream("aac", rate=rate, layout="stereo")
    stream.disposition = Disposition.default.value if is_master else 0  # 16 and 17 take numbers
    context = stream.codec_context
    context.format = "fltp"
    context.flags |= Flags.bitexact
    context.thread_count = 1  # nothing depends on the machine's number of cores
    context.bit_rate = AAC_KBPS * 1000
    context.open()
    return stream


def _packets(start: int, encoder: Any, samples: Block) -> list[Any]:
    """Encode stereo samples that begin at sample `start` of a stream; FFmpeg lets threads run."""
    import av

    context = encoder.codec_context
    packets = []
    for at in range(0, samples.shape[1], context.frame_size):
        piece = np.ascontiguousarray(samples[:, at : at + context.frame_size])
        frame = av.AudioFrame.from_ndarray(piece, format=context.format.name, layout="stereo")
        frame.sample_rate, frame.pts = context.sample_rate, start + at
        frame.time_base = Fraction(1, context.sample_rate)
        packets += encoder.encode(frame)
    return packets


def _sums(streams: Sequence[Sequence[Signal]], n_samples: int) -> Iterator[tuple[int, list[Block]]]:
    """Yield (start, stereo blocks of all streams): as long as the longest, the last one shorter."""
    length = max(signal.n_samples for signals in streams for signal in signals)
    readers = [[rechunk(signal.blocks(), n_samples) for signal in signals] for signals in streams]
    for start in range(0, length, n_samples):
        n = min(n_samples, length - start)
        yield start, [_sum([next(each, None) for each in reader], n) for reader in readers]


def _sum(blocks: Sequence[Block | None], n_samples: int) -> Block:
    """Return the sum of blocks that may end early or have ended; none at all is silence."""
    total = np.zeros((2, n_samples), np.float64)
    for block in blocks:
        if block is not None:
            total[:, : block.shape[1]] += widen(block)
    return total.astype(np.float32)
