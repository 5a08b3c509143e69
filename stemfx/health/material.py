"""Material: what was done to a recording, by codecs, converters, cables and lost buffers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stemfx.audio import Block
from stemfx.dsp.bandwidth import BandwidthMeter, BandwidthReading
from stemfx.dsp.bit_depth import BitDepthMeter
from stemfx.dsp.clicks import ClickMeter, ClickReading
from stemfx.dsp.dropouts import DropoutMeter, DropoutReading
from stemfx.dsp.hum import HumMeter, HumReading
from stemfx.fixes import stage_line
from stemfx.health.limits import CLIFF_HZ, LOW_BIT_DEPTH, UNSURE_S
from stemfx.stage import Finding

_EDGE_S = 0.003  # the edges of a dropout are clicks, and are told as the dropout
_TIMES_TOLD = 3


@dataclass(frozen=True)
class MaterialHealth:
    """What was done to a recording.

    Args:
        duration_s: length in seconds.
        bandwidth: how far up the spectrum goes, and whether it is cut off.
        bits: bits that the samples use; None in silence and for float.
        hum: mains hum.
        clicks: single samples that jump.
        dropouts: where the signal stands still.
    """

    duration_s: float
    bandwidth: BandwidthReading
    bits: int | None
    hum: HumReading
    clicks: ClickReading
    dropouts: DropoutReading


class MaterialExam:
    """Measure `MaterialHealth` block by block."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._rate = sample_rate
        self._bandwidth = BandwidthMeter(sample_rate, channels)
        self._bits = BitDepthMeter()
        self._hum = HumMeter(sample_rate, channels)
        self._clicks = ClickMeter(sample_rate, channels)
        self._dropouts = DropoutMeter(sample_rate, channels)
        self._n_samples = 0

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        self._n_samples += block.shape[1]
        self._bandwidth.add(block)
        self._bits.add(block)
        self._hum.add(block)
        self._clicks.add(block)
        self._dropouts.add(block)

    def reading(self) -> MaterialHealth:
        """Return what was measured so far."""
        dropouts = self._dropouts.reading()
        return MaterialHealth(
            duration_s=self._n_samples / self._rate,
            bandwidth=self._bandwidth.reading(),
            bits=self._bits.bits,
            hum=self._hum.reading(),
            clicks=_apart(self._clicks.reading(), dropouts),
            dropouts=dropouts,
        )


def _apart(clicks: ClickReading, dropouts: DropoutReading) -> ClickReading:
    """Return the clicks that are no edge of a dropout."""
    edges = np.sort(np.concatenate((dropouts.at_s, dropouts.at_s + dropouts.length_s)))
    if not len(edges) or not len(clicks.at_s):
        return clicks
    after = np.minimum(np.searchsorted(edges, clicks.at_s), len(edges) - 1)
    before = np.maximum(after - 1, 0)
    off = np.minimum(np.abs(edges[after] - clicks.at_s), np.abs(edges[before] - clicks.at_s))
    kept = clicks.at_s[off > _EDGE_S]
    return ClickReading(kept, clicks.count - (len(clicks.at_s) - len(kept)))


def material_findings(health: MaterialHealth) -> Iterator[Finding]:
    """Yield what was done to a recording, the worst first."""
    if len(health.dropouts.at_s):
        yield Finding(
            "error",
            "dropouts",
            f"{len(health.dropouts.at_s)} dropouts, {1000 * health.dropouts.total_s:.0f} ms in "
            f"all ({_times(health.dropouts.at_s)}): the sound stops dead in the middle of music, "
            "as when a buffer is lost. Nothing brings it back; export or record it again",
        )
    if health.clicks.count:
        yield Finding(
            "warn",
            "clicks",
            f"{health.clicks.count} clicks ({_times(health.clicks.at_s)}): single samples jump, "
            "from a bad cut or a digital error. Fade the cuts where they were made, or export "
            "it again",
        )
    hum = health.hum
    if hum.mains_hz is not None and hum.level_dbfs is not None:
        fix = stage_line("high_pass", cutoff_hz=round(3 * hum.mains_hz))
        yield Finding(
            "warn",
            "hum",
            f"mains hum at {hum.mains_hz:.0f} Hz and {hum.lines - 1} of its multiples, "
            f"{hum.level_dbfs:.0f} dBFS: heard in the pauses. Where the track has no bass, add to "
            f"its stages: {fix}; it takes the lowest "
            "lines. Those above lie among the music: for them use a hum filter in an editor",
            fix,
        )
    cliff_hz = health.bandwidth.cliff_hz
    if cliff_hz is not None and cliff_hz < CLIFF_HZ and health.duration_s >= UNSURE_S:
        yield Finding(
            "warn",
            "bandwidth_limited",
            f"nothing above {cliff_hz / 1000:.1f} kHz: cut off, as lossy codecs (MP3, AAC) and "
            "conversion from a lower sample rate do. No stage brings it back; use the original, "
            "and go easy on treble boosts",
        )
    if health.bits is not None and health.bits <= LOW_BIT_DEPTH:
        yield Finding(
            "warn",
            "bit_depth",
            f"only {health.bits} bit: its noise lies at about {-6.02 * health.bits - 1.8:.0f} dBFS "
            "and is heard in quiet passages. Export it again with 16 or 24 bit",
        )


def _times(at_s: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    told = ", ".join(f"{at:.3f} s" for at in at_s[:_TIMES_TOLD])
    return f"{told} ..." if len(at_s) > _TIMES_TOLD else told
