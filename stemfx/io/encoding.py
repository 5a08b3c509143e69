"""How a file is stored: format, bit depth, bit rate, and what encoders are told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemfx.audio import Signal

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


SUBTYPES = {("wav", 16): "PCM_16", ("wav", 24): "PCM_24", ("wav", 32): "FLOAT"} | {
    ("flac", 16): "PCM_16",
    ("flac", 24): "PCM_24",
    ("ogg", None): "VORBIS",
    ("mp3", None): "MPEG_LAYER_III",
}
_WAV_LIMIT_BYTES = 0xFFFF_FFFF - 4096


# What LAME multiplies the sound by before it encodes, by bit rate (its presets; measured).
_LAME_SCALES = {192: 0.97, 224: 0.98, 256: 1.0, 320: 1.0}
_LAME_SCALE_BELOW = 0.95


def lame_scale(encoding: Encoding, sample_rate: int) -> float:
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


def lossy_options(encoding: Encoding, sample_rate: int) -> dict[str, Any]:
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


def fits_wav(signal: Signal, encoding: Encoding, n_extra_bytes: int = 0) -> bool:
    """Tell whether a WAV of this signal stays under 4 GB; above it is an RF64 (EBU Tech 3306)."""
    n_bytes = signal.n_samples * signal.channels * (encoding.bit_depth or 8) // 8
    return n_bytes + n_extra_bytes <= _WAV_LIMIT_BYTES
