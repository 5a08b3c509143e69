"""Everything about one file in one pass: `examine`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.loudness import METER_BLOCK_SAMPLES, Meter
from stemfx.fixes import SOURCE, entries
from stemfx.health.level import LevelExam, LevelHealth, level_findings
from stemfx.health.limits import LOW_SAMPLE_RATE, MIN_S, SHORT_S
from stemfx.health.material import MaterialExam, MaterialHealth, material_findings
from stemfx.health.over_time import OverTime
from stemfx.health.playback import playback
from stemfx.health.stereo import StereoExam, StereoHealth, stereo_findings
from stemfx.stage import Finding

_ABSURD = 1e6  # 120 dB over full scale: no audio, and its square would not fit


@dataclass(frozen=True)
class FileFacts:
    """What a file's header says that its samples do not.

    Args:
        is_lossy: MP3, Vorbis, Opus, AAC and the like.
        channels: in the file; more than two are examined folded to stereo.
        format: name of the container or codec.
    """

    is_lossy: bool = False
    channels: int = 0
    format: str = ""


@dataclass(frozen=True)
class FileHealth:
    """What one file is like.

    Args:
        sample_rate: in Hz.
        channels: in the file.
        n_samples: length per channel.
        level: loudness, peaks, clipping, DC.
        stereo: mono playback, polarity, delay, comb filtering.
        material: bandwidth, bits, hum, clicks, dropouts.
        findings: what is wrong, errors first.
        over_time: loudness, peaks and stereo of every 100 ms.
        bad_samples: how many were no numbers (NaN, infinite); they count as zero.
    """

    sample_rate: int
    channels: int
    n_samples: int
    level: LevelHealth
    stereo: StereoHealth
    material: MaterialHealth
    findings: tuple[Finding, ...]
    over_time: OverTime
    bad_samples: int = 0

    @property
    def worst(self) -> str | None:
        """The highest level among the findings."""
        levels = {finding.level for finding in self.findings}
        return next((level for level in ("error", "warn", "info") if level in levels), None)

    def to_json(self) -> dict[str, Any]:
        """Return the measurements as JSON values, rounded; None where there is none."""
        level, stereo, material = self.level, self.stereo, self.material
        phase = stereo.phase
        return {
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "duration_s": round(self.n_samples / self.sample_rate, 6),
            "lufs": _rounded(level.lufs),
            "max_short_term_lufs": _rounded(level.max_short_term_lufs),
            "max_momentary_lufs": _rounded(level.max_momentary_lufs),
            "lra_lu": _rounded(level.lra_lu),
            "plr_lu": _rounded(level.plr_lu),
            "psr_lu": _rounded(level.psr_lu),
            "true_peak_dbtp": _rounded(level.true_peak_dbtp),
            "sample_peak_dbfs": _rounded(level.sample_peak_dbfs),
            "playback": [
                {
                    "target": each.target,
                    "lufs": each.lufs,
                    "difference_lu": _rounded(each.difference_lu),
                    "gain_db": _rounded(each.gain_db),
                }
                for each in playback(level.lufs, level.true_peak_dbtp)
            ],
            "dc_offset": _rounded(max(level.dc.mean, key=abs, default=0.0), 6),
            "clipped_samples": level.clipping.clipped_samples,
            "clip_level_dbfs": _rounded(level.clipping.ceiling_dbfs),
            "over_full_scale_samples": level.clipping.over_samples,
            "bad_samples": self.bad_samples,
            "correlation": _rounded(stereo.correlation, 4),
            "correlation_min": _rounded(phase.min_correlation if phase else None, 4),
            "correlation_p5": _rounded(phase.low_correlation if phase else None, 4),
            "correlation_negative_percent": _rounded(
                100 * phase.negative_share if phase else None, 1
            ),
            "correlation_bands": [
                {
                    "low_hz": band.low_hz,
                    "high_hz": band.high_hz,
                    "value": _rounded(band.correlation, 4),
                }
                for band in stereo.bands
            ],
            "mono_loss_db": _rounded(stereo.mono_loss_db),
            "mono_loss_bands": [
                {
                    "low_hz": band.low_hz,
                    "high_hz": band.high_hz,
                    "loss_db": _rounded(band.mono_loss_db),
                    "level_db": _rounded(band.level_db, 1),
                    "audible": band.is_audible,
                }
                for band in stereo.bands
            ],
            "balance_db": _rounded(phase.left_dbfs - phase.right_dbfs if phase else None),
            "polarity": "inverted" if stereo.is_inverted else "ok",
            "interchannel_delay_ms": _rounded(stereo.channel_delay_ms, 4),
            "comb_delay_ms": _rounded(stereo.comb.delay_ms if stereo.comb.is_comb else None),
            "bandwidth_hz": _rounded(material.bandwidth.bandwidth_hz, 0),
            "bits_used": material.bits,
            "hum_hz": material.hum.mains_hz,
            "hum_dbfs": _rounded(material.hum.level_dbfs, 1),
            "clicks": material.clicks.count,
            "dropouts": len(material.dropouts.at_s),
        }


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(float(value), digits) + 0.0


class _Numbers:
    """Counts samples that are no numbers, and passes blocks on with zeros in their place."""

    def __init__(self) -> None:
        self.count = 0
        self.first: int | None = None
        self._n_samples = 0

    def __call__(self, block: Block) -> Block:
        start = self._n_samples
        self._n_samples += block.shape[1]
        # NaN fails every comparison.
        if not block.size or (block.min() > -_ABSURD and block.max() < _ABSURD):
            return block
        with np.errstate(invalid="ignore"):
            is_bad = ~(np.abs(block) < _ABSURD)
        self.count += int(is_bad.sum())
        if self.first is None:
            self.first = start + int(np.argmax(is_bad.any(axis=0)))
        return np.where(is_bad, np.float32(0.0), block)


def examine(signal: Signal, facts: FileFacts | None = None, *others: Meter) -> FileHealth:
    """Measure a mono or stereo signal in one pass, in flat memory, and tell what is wrong.

    Args:
        signal: one or two channels.
        facts: what the file's header says.
        others: are shown the same blocks, without what is no number.
    """
    facts = facts or FileFacts()
    rate, channels = signal.sample_rate, signal.channels
    numbers = _Numbers()
    level = LevelExam(rate, channels)
    stereo = StereoExam(rate, channels, signal.n_samples)
    material = MaterialExam(rate, channels)
    meters: tuple[Meter, ...] = (level, stereo, material, *others)
    n_samples = 0
    for raw in signal.blocks(METER_BLOCK_SAMPLES):
        block = numbers(raw)
        n_samples += block.shape[1]
        for exam in meters:
            exam.add(block)
    found_level, found_material = level.reading(), material.reading()
    health = FileHealth(
        sample_rate=rate,
        channels=facts.channels or channels,
        n_samples=n_samples,
        level=found_level,
        stereo=stereo.reading(found_material.bandwidth.cliff_hz),
        material=found_material,
        findings=(),
        over_time=OverTime(level.powers, level.true_peaks, *stereo.moments()),
        bad_samples=numbers.count,
    )
    found = sorted(_findings(health, facts, numbers), key=lambda f: _ORDER[f.level])
    return FileHealth(**{**health.__dict__, "findings": tuple(found)})


_ORDER = {"error": 0, "warn": 1, "info": 2}


def _findings(health: FileHealth, facts: FileFacts, numbers: _Numbers) -> Iterator[Finding]:
    if numbers.first is not None:
        yield Finding(
            "error",
            "nan_samples",
            f"{numbers.count:,} samples are not numbers (NaN or infinite), the first at "
            f"{numbers.first / health.sample_rate:.3f} s: programs drop out or crash there. "
            "Export it again from the program that made it; what follows counts them as zero",
        )
    yield from _header(health, facts)
    yield from level_findings(health.level)
    if health.level.is_silent or health.n_samples < MIN_S * health.sample_rate:
        return
    yield from stereo_findings(health.stereo)
    broken = {"dropouts", "clicks"} if numbers.count else set()
    if health.level.clipping.events:
        broken.add("clicks")  # the corners of flat tops
    yield from (f for f in material_findings(health.material) if f.code not in broken)


def _header(health: FileHealth, facts: FileFacts) -> Iterator[Finding]:
    if health.channels > 2:
        yield Finding(
            "warn",
            "multichannel",
            f"{health.channels} channels: stemfx works in stereo; this is about the fold-down "
            "(ITU-R BS.775, without LFE). To use it: stemfx run RECIPE --fold-down",
            entries(SOURCE, fold_down=True),
        )
    if health.sample_rate < LOW_SAMPLE_RATE:
        yield Finding(
            "warn",
            "sample_rate",
            f"a sample rate of {health.sample_rate} Hz holds nothing above "
            f"{health.sample_rate / 2000:.1f} kHz: dull beside other tracks. Export it again at "
            "44100 or 48000 Hz if the original has more",
        )
    if health.n_samples < SHORT_S * health.sample_rate:
        yield Finding(
            "info",
            "very_short",
            f"{1000 * health.n_samples / health.sample_rate:.0f} ms: too short for loudness "
            f"({1000 * SHORT_S:.0f} ms) and for the source of a recipe; fine as a one-shot",
        )
    if facts.is_lossy:
        yield Finding(
            "info",
            "lossy_file",
            f"{facts.format or 'a lossy format'}: some of the sound is gone for good, and stems of "
            "it ring more; use a WAV or FLAC of it if there is one",
        )
