"""Level: loudness, peaks, clipping and DC, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stemfx.audio import Block
from stemfx.dsp.clipping import ClippingMeter, ClippingReading
from stemfx.dsp.dc import DcMeter, DcReading
from stemfx.dsp.loudness import LoudnessMeter, LoudnessReading, Powers, TruePeakMeter, read
from stemfx.dsp.units import gain_to_db
from stemfx.fixes import LAST_IN_MASTER, placed, stage_line
from stemfx.health.limits import CLIPPED_SHARE, DC_DBFS, TRUE_PEAK_DBTP
from stemfx.stage import Finding

_AT_FULL_SCALE_DBFS = -0.1
_FINDS_DC_DBFS = -60.0  # what `dc_remove` takes away without being told
_TARGETS_LUFS = (-40.0, -6.0)  # that `loudness` takes
_NEARLY_LU = 0.1


@dataclass(frozen=True)
class LevelHealth(LoudnessReading):
    """How loud a signal is, and where it is clipped or off zero."""

    dc: DcReading
    clipping: ClippingReading

    @property
    def is_silent(self) -> bool:
        """Every sample is zero."""
        return self.sample_peak_dbfs is None


@dataclass(frozen=True)
class LevelLimits:
    """What a level may be; None asks for nothing."""

    max_true_peak_dbtp: float = TRUE_PEAK_DBTP.warn
    max_dc_dbfs: float = DC_DBFS.warn
    min_lufs: float | None = None
    max_lufs: float | None = None


class LevelExam:
    """Measure `LevelHealth` block by block."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._loudness = LoudnessMeter(sample_rate, channels)
        self._peaks = TruePeakMeter(channels, sample_rate=sample_rate)
        self._dc = DcMeter(sample_rate, channels)
        self._clipping = ClippingMeter(channels)

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        self._loudness.add(block)
        self._peaks.add(block)
        self._dc.add(block)
        self._clipping.add(block)

    @property
    def powers(self) -> Powers:
        """K-weighted mean square of every full 100 ms, the channels added."""
        return self._loudness.hops()

    @property
    def true_peaks(self) -> Powers:
        """Highest point of every 100 ms, linear; nothing can be added after it."""
        return self._peaks.cells

    def reading(self) -> LevelHealth:
        """Return what was measured; nothing can be added after it."""
        return LevelHealth(
            **vars(read(self._loudness, self._peaks)),
            dc=self._dc.reading(),
            clipping=self._clipping.reading(),
        )


def level_findings(health: LevelHealth, limits: LevelLimits | None = None) -> Iterator[Finding]:
    """Yield what is wrong with a level, the worst first."""
    limits = limits or LevelLimits()
    if health.is_silent:
        yield Finding(
            "error",
            "silent",
            "every sample is zero: there is nothing to hear; export it again, or leave it out",
        )
        return
    yield from _clipping(health.clipping)
    yield from _peaks(health, limits)
    yield from _dc(health.dc, limits)
    yield from _loudness(health, limits)


def _clipping(clipping: ClippingReading) -> Iterator[Finding]:
    ceiling = clipping.ceiling_dbfs
    if ceiling is None:
        return
    sides = " on one side only" if clipping.is_one_sided else ""
    lowered = (
        "" if ceiling > _AT_FULL_SCALE_DBFS else " (it was clipped first and turned down later)"
    )
    yield Finding(
        "error" if CLIPPED_SHARE.level(clipping.clipped_share) == "error" else "warn",
        "clipping",
        f"clipped: {clipping.events:,} flat tops{sides} at {ceiling:.1f} dBFS{lowered}, "
        f"{clipping.clipped_samples:,} samples; that is distortion, and lowering the file does not "
        "take it away. Best is a new export with more headroom; to round the tops off add to the "
        "track's stages: - declip: {}",
        stage_line("declip"),
    )


def _peaks(health: LevelHealth, limits: LevelLimits) -> Iterator[Finding]:
    sample, true, n_over = (
        health.sample_peak_dbfs,
        health.true_peak_dbtp,
        health.clipping.over_samples,
    )
    if sample is None or true is None:
        return
    if n_over:
        fix = stage_line("gain", gain_db=round(-(true + 1.0), 1))
        yield Finding(
            "warn",
            "float_over_full_scale",
            f"{n_over:,} samples are over full scale (peak {sample:+.1f} dBFS): whole in this "
            "float file, but any 16 or 24 bit copy of it will clip. To fix it add to the track's "
            f"stages: {fix}",
            fix,
        )
    elif true > limits.max_true_peak_dbtp:
        was_asked = limits.max_true_peak_dbtp != TRUE_PEAK_DBTP.warn
        fix = stage_line("limiter", ceiling_dbtp=min(-1.0, limits.max_true_peak_dbtp))
        yield Finding(
            "warn" if was_asked or true > TRUE_PEAK_DBTP.fail else "info",
            "true_peak",
            f"the true peak is {true:+.1f} dBTP, over {limits.max_true_peak_dbtp:g}: between the "
            "samples the wave goes beyond what converters and MP3 or AAC encoders can hold. To "
            "fix it add to the stages: " + fix,
            fix,
        )


def _dc(dc: DcReading, limits: LevelLimits) -> Iterator[Finding]:
    offset = dc.largest
    offset_dbfs = gain_to_db(offset)
    if offset_dbfs <= limits.max_dc_dbfs:
        return
    is_left = offset_dbfs <= _FINDS_DC_DBFS
    fix = stage_line("dc_remove", above_dbfs=limits.max_dc_dbfs if is_left else None)
    yield Finding(
        "error" if offset_dbfs > max(DC_DBFS.fail, limits.max_dc_dbfs) else "warn",
        "dc_offset",
        f"a DC offset of {offset:+.4f} ({offset_dbfs:.0f} dBFS): the wave does not swing around "
        "zero, which costs headroom and clicks at cuts and fades. To fix it add to the track's "
        f"stages: {fix}",
        fix,
    )


def _loudness(health: LevelHealth, limits: LevelLimits) -> Iterator[Finding]:
    lufs = health.lufs
    if lufs is None:
        return
    for limit, is_out, word in (
        (limits.min_lufs, limits.min_lufs is not None and lufs < limits.min_lufs, "quieter"),
        (limits.max_lufs, limits.max_lufs is not None and lufs > limits.max_lufs, "louder"),
    ):
        if is_out and limit is not None:
            line = _loudness_line(limit + (_NEARLY_LU if word == "quieter" else -_NEARLY_LU))
            yield Finding(
                "warn",
                f"{'too_quiet' if word == 'quieter' else 'too_loud'}",
                f"{lufs:.1f} LUFS is {word} than the {limit:g} that was asked for"
                + (f". To fix it add to the master: {line}" if line else ""),
                placed(LAST_IN_MASTER, line) if line else None,
            )


def _loudness_line(lufs: float) -> str:
    """Return the stage that makes a master so loud; empty where it does not."""
    lowest, highest = _TARGETS_LUFS
    return stage_line("loudness", target_lufs=round(lufs, 1)) if lowest <= lufs <= highest else ""
