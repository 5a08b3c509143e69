"""Listening copies: a signal as short Ogg Opus files that a page can play one after another.

Opus (RFC 6716), always at 48 kHz; a decoder gives back as many samples as went in, none early or
late. A segment reaches a little beyond its neighbours on either side, so that a player can fade
from one to the next where both have long settled.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from stemfx.audio import Audio, Block, Signal
from stemfx.dsp.channels import fold_down
from stemfx.dsp.resample import Resampled
from stemfx.dsp.units import db_to_gain
from stemfx.dsp.windows import Span, read_windows

OPUS_HZ = 48_000
SEGMENT_S = 10.0
OVERLAP_S = 0.1

MIN_KBPS, MAX_KBPS = 16, 256
"""Bit rates that a listening copy may have; mono takes two thirds of it."""

_MONO_SHARE = 2 / 3
_SEGMENT_BYTES = 500  # headers, and what Ogg adds to 10 s of packets
_BASE64 = 4 / 3


def copy_gain_db(true_peak_dbtp: float | None) -> float:
    """Return by how many dB a copy is turned down, and up again when it is played, >= 0.

    Some players decode Opus to integers. A signal below full scale is left as it is.
    """
    over_db = max(0.0, true_peak_dbtp or 0.0)
    return math.ceil(100 * over_db) / 100


def n_copied(n_samples: int, sample_rate: int) -> int:
    """Return how many samples a copy of a signal has."""
    return -(-n_samples * OPUS_HZ // sample_rate)


def n_segments_of(n_samples: int, segment_s: float = SEGMENT_S) -> int:
    """Return how many segments a copy of so many samples has."""
    return -(-n_samples // round(segment_s * OPUS_HZ))


def listening_copy(
    signal: Signal,
    kbps: float,
    *,
    gain_db: float = 0.0,
    segment_s: float = SEGMENT_S,
    overlap_s: float = OVERLAP_S,
) -> Iterator[bytes]:
    """Encode a signal, segment by segment; the same signal gives the same bytes.

    Segment k is of the samples at 48 kHz from `k * segment_s - overlap_s` up to
    `(k + 1) * segment_s + overlap_s`, as far as the signal has them. It is resampled as a whole
    and then cut. Mono stays mono, surround is folded to stereo.

    Args:
        signal: read once.
        kbps: mean bit rate in stereo, `MIN_KBPS` to `MAX_KBPS`.
        gain_db: by how much it is turned down: `copy_gain_db`.
        segment_s: from one segment's start to the next.
        overlap_s: how far it reaches into its neighbours.

    Raises:
        ValueError: `kbps` is out of range.
    """
    if not MIN_KBPS <= kbps <= MAX_KBPS:
        msg = f"kbps must be {MIN_KBPS} to {MAX_KBPS}; got {kbps:g}"
        raise ValueError(msg)
    resampled = Resampled(signal, OPUS_HZ, "HQ")
    gain = np.float32(db_to_gain(-gain_db))
    for window in read_windows(resampled, _spans(resampled.n_samples, segment_s, overlap_s)):
        yield _encoded(fold_down(window) * gain, kbps)


def copied_segment(
    signal: Signal,
    number: int,
    kbps: float,
    *,
    gain_db: float = 0.0,
    segment_s: float = SEGMENT_S,
    overlap_s: float = OVERLAP_S,
) -> bytes:
    """Encode one segment of `listening_copy` alone, of what the signal has around it.

    It holds the same samples but for what the resampler makes of a cut a second away: less than
    -100 dB.

    Raises:
        IndexError: the copy has no such segment.
    """
    rate = signal.sample_rate
    start, stop = _spans(n_copied(signal.n_samples, rate), segment_s, overlap_s)[number]
    first_s = max(0, start // OPUS_HZ - 1)  # whole seconds are whole samples at both rates
    last_s = -(-stop // OPUS_HZ) + 1
    around = Audio(signal.read(first_s * rate, last_s * rate), rate)
    begin = first_s * OPUS_HZ
    samples = Resampled(around, OPUS_HZ, "HQ").read(start - begin, stop - begin)
    return _encoded(fold_down(samples) * np.float32(db_to_gain(-gain_db)), kbps)


def _spans(n_samples: int, segment_s: float, overlap_s: float) -> list[Span]:
    overlap = round(overlap_s * OPUS_HZ)
    starts = [*range(0, n_samples, round(segment_s * OPUS_HZ)), n_samples]
    return [(max(0, a - overlap), min(n_samples, b + overlap)) for a, b in pairwise(starts)]


def _encoded(samples: Block, kbps: float) -> bytes:
    import av

    file = io.BytesIO()
    layout = "mono" if len(samples) == 1 else "stereo"
    # Else the serial number is drawn by chance.
    with av.open(file, "w", format="ogg", container_options={"fflags": "+bitexact"}) as muxer:
        # Not wholly free: a chord would take twice the rate.
        options = {"vbr": "constrained"}
        stream = muxer.add_stream("libopus", rate=OPUS_HZ, layout=layout, options=options)
        stream.bit_rate = round(1000 * kbps * (_MONO_SHARE if len(samples) == 1 else 1))
        frames = np.ascontiguousarray(samples.T, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(frames, format="flt", layout=layout)
        frame.sample_rate, frame.pts = OPUS_HZ, 0
        for part in (frame, None):
            muxer.mux(stream.encode(part))
    return file.getvalue()


def copy_bytes(
    duration_s: float, kbps: float, segment_s: float = SEGMENT_S, overlap_s: float = OVERLAP_S
) -> int:
    """Estimate the size in a page, in base64, of a stereo copy; music comes within 5 % of it."""
    n_segments = math.ceil(duration_s / segment_s)
    coded_s = duration_s + 2 * overlap_s * max(0, n_segments - 1)
    return round(_BASE64 * (1000 / 8 * kbps * coded_s + _SEGMENT_BYTES * n_segments))
