"""Stereo: what mono playback leaves, polarity, delay between the channels, comb filtering."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from stemfx.audio import Block
from stemfx.dsp.comb import NO_COMB, CombReading, find_comb
from stemfx.dsp.delay import CrossSpectra, DelayEstimate
from stemfx.dsp.phase import BandReading, PhaseMeter, PhaseReading, Values, band_readings
from stemfx.fixes import stage_line
from stemfx.health import limits as at
from stemfx.health.check_kinds import width_for_correlation
from stemfx.health.limits import Limit
from stemfx.stage import Finding

_BASS_TOP_HZ = 120.0
_SURE_ALIGNMENT = 0.9
_SURE_SCORE = 8.0  # a few notes of a pad agree on many delays
_MIN_COMB_S = 3.0
_STEP = 0.02  # of a width
_SILENT_DBFS = -90.0
_ONE_OF_TWO_DB = 6.02  # what a fold-down with silence takes
_EXACT_DB = -80.0  # a side that is only dither and rounding


@dataclass(frozen=True)
class StereoHealth:
    """How two channels go together; of a mono signal only `comb` is measured.

    Args:
        channels: 1 or 2.
        phase: correlation, fold-down loss and levels over the whole signal.
        bands: the same by bands, from low to high.
        delay: the right channel beside the left.
        comb: comb filtering within the channels.
    """

    channels: int
    phase: PhaseReading | None = None
    bands: list[BandReading] = field(default_factory=list)
    delay: DelayEstimate | None = None
    comb: CombReading = NO_COMB

    @property
    def correlation(self) -> float | None:
        """Correlation of left and right; None in mono or when a channel is silent."""
        return self.phase.correlation if self.phase else None

    @property
    def mono_loss_db(self) -> float | None:
        """Fold-down loss; 0 in mono, None in silence."""
        return self.phase.mono_loss_db if self.phase else 0.0

    @property
    def is_inverted(self) -> bool:
        """One channel is, in the main, the other upside down."""
        rho, delay = self.correlation, self.delay
        return (
            rho is not None
            and delay is not None
            and rho < at.INVERTED_CORRELATION
            and delay.polarity < 0
            and delay.has_common_source
            and delay.coherence > at.INVERTED_COHERENCE
        )

    @property
    def channel_delay_ms(self) -> float:
        """How much later the right channel is than the left; 0 where they are not one sound."""
        delay = self.delay
        if (
            delay is None
            or not delay.has_common_source
            or not delay.is_late_or_early
            or delay.alignment < _SURE_ALIGNMENT
            or delay.score < _SURE_SCORE
            or delay.coherence < at.SAME_SOURCE_COHERENCE
        ):
            return 0.0
        return delay.delay_ms

    @property
    def silent_channel(self) -> str | None:
        """The channel in which nothing is heard while the other one sounds."""
        if self.phase is None:
            return None
        left, right = self.phase.left_dbfs, self.phase.right_dbfs
        if max(left, right) < _SILENT_DBFS or abs(left - right) < at.UNBALANCED_DB.fail:
            return None
        return "left" if left < right else "right"


@dataclass(frozen=True)
class StereoLimits:
    """What mono playback may cost, in dB of fold-down loss, and what else is allowed."""

    mono_loss_db: Limit = at.MONO_LOSS_DB
    bass_loss_db: Limit = at.BASS_LOSS_DB
    band_loss_db: Limit = at.BAND_LOSS_DB
    min_correlation: float = -1.0
    max_delay_ms: float = at.CHANNEL_DELAY_MS


class StereoExam:
    """Measure `StereoHealth` block by block.

    Args:
        sample_rate: in Hz.
        channels: 1 or 2.
        n_samples: length of the signal.
    """

    def __init__(self, sample_rate: int, channels: int, n_samples: int) -> None:
        self._rate, self._channels, self._n_samples = sample_rate, channels, n_samples
        self._phase = PhaseMeter(sample_rate) if channels == 2 else None
        self._spectra = CrossSpectra(sample_rate, channels, n_samples)

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        if self._phase is not None:
            self._phase.add(block)
        self._spectra.add([block[c : c + 1] for c in range(self._channels)])

    def moments(self) -> tuple[Values, float]:
        """Return means of L^2, R^2 and L R over time, and of how many seconds; none in mono."""
        phase = self._phase
        return (np.zeros((0, 3)), 0.1) if phase is None else (phase.cell_means(), phase.cell_s)

    def reading(self, bandwidth_hz: float | None = None) -> StereoHealth:
        """Return what was measured; nothing can be added after it.

        Args:
            bandwidth_hz: where the spectrum is cut off, if it is: no ripple is looked for above.
        """
        self._spectra.finish()
        matrix = self._spectra.matrix
        powers = [matrix[c, c].real for c in range(self._channels)]
        comb = NO_COMB
        if self._n_samples >= _MIN_COMB_S * self._rate:
            comb = find_comb(np.sum(powers, axis=0), self._rate, bandwidth_hz)
        if self._phase is None:
            return StereoHealth(1, comb=comb)
        return StereoHealth(
            channels=2,
            phase=self._phase.reading(),
            bands=band_readings(powers[0], powers[1], matrix[0, 1], self._rate),
            delay=self._spectra.delay((0.0, 1.0), (1.0, 0.0)),
            comb=comb,
        )


def stereo_findings(health: StereoHealth) -> Iterator[Finding]:
    """Yield what is wrong with a stereo image; what follows from one fault is not told again."""
    yield from layout_findings(health)
    in_phase = list(phase_findings(health))
    yield from in_phase
    if not {"polarity_inverted", "inter_channel_delay"} & {f.code for f in in_phase}:
        has_broad = any(f.code == "mono_loss" for f in in_phase)
        yield from (
            f
            for f in band_findings(health)
            if not has_broad or f.code in {"bass_out_of_phase", "wide_bass"}
        )


def layout_findings(health: StereoHealth) -> Iterator[Finding]:
    """Yield whether it is mono, or all on one side."""
    phase = health.phase
    if phase is None:
        yield Finding("info", "mono_file", "a mono file: it plays the same on both sides")
        return
    difference = phase.left_dbfs - phase.right_dbfs
    louder, quieter = ("left", "right") if difference > 0 else ("right", "left")
    if health.silent_channel:
        yield Finding(
            "error",
            "silent_channel",
            f"the {quieter} channel is silent: on headphones it is heard on one side only, and "
            "mono playback is 6 dB lower. If that is no hard pan, export it again; as a mono "
            "track it needs only the other side",
            "\n".join((stage_line("width", width=0), stage_line("gain", gain_db=_ONE_OF_TWO_DB))),
        )
    elif phase.is_identical or (phase.side_db is not None and phase.side_db < _EXACT_DB):
        if phase.mono_loss_db is not None:
            message = "left and right are the same: a mono sound in a stereo file"
            yield Finding("info", "dual_mono", message)
    elif abs(difference) > at.UNEVEN_DB:
        is_far = abs(difference) > at.UNBALANCED_DB.warn
        fix = stage_line("pan", pan=_pan_back(difference))
        yield Finding(
            "warn" if is_far else "info",
            "unbalanced_channels",
            f"the {louder} channel is {abs(difference):.1f} dB louder than the {quieter}: right "
            "for an instrument that is panned, not for a mix. To move it back add to the track's "
            f"stages: {fix}",
            fix,
        )


def _pan_back(difference_db: float) -> float:
    """Return the `pan` that makes sides equal of which the left is so much louder."""
    return round(4.0 / math.pi * math.atan(10 ** (difference_db / 20)) - 1.0, 3)


def phase_findings(health: StereoHealth, limits: StereoLimits | None = None) -> Iterator[Finding]:
    """Yield an inverted or late channel, what mono playback loses in all, and comb filtering."""
    limits = limits or StereoLimits()
    phase = health.phase
    if phase is not None and not health.silent_channel and not phase.is_identical:
        delay_ms = health.channel_delay_ms
        if health.is_inverted:
            yield _inverted(health)
        elif abs(delay_ms) >= limits.max_delay_ms:
            yield _delayed(delay_ms)
        else:
            yield from _mono_playback(phase, limits)
    if health.comb.is_comb:
        yield _hollow(health.comb)


def band_findings(health: StereoHealth, limits: StereoLimits | None = None) -> Iterator[Finding]:
    """Yield what mono playback loses in each band that is loud enough to count."""
    limits = limits or StereoLimits()
    if health.silent_channel:
        return
    # Whoever turns a channel over in a whole song turns over what is right, too.
    has_more = any(
        band.level_db > at.BAND_COUNTS_DB and (band.correlation or 0.0) > 0 for band in health.bands
    )
    for band in health.bands:
        if band.is_audible:
            yield from _band(band, limits, has_more=has_more)


_UPSIDE_DOWN = stage_line("polarity", channels="right")


def _inverted(health: StereoHealth) -> Finding:
    return Finding(
        "error",
        "polarity_inverted",
        f"one channel is upside down (correlation {health.correlation:+.2f}): in mono, on phones "
        f"and in clubs {health.mono_loss_db:.0f} dB of it vanish. To fix it add to the track's "
        f"stages: {_UPSIDE_DOWN}",
        _UPSIDE_DOWN,
    )


def _delayed(delay_ms: float) -> Finding:
    late = "right" if delay_ms > 0 else "left"
    notch_hz = 500.0 / abs(delay_ms)
    return Finding(
        "warn",
        "inter_channel_delay",
        f"the {late} channel is {abs(delay_ms):.3f} ms late: it pulls the image to the other side, "
        f"and in mono it is hollow (first notch at {notch_hz:,.0f} Hz). Shift that channel by "
        f"{abs(delay_ms):.3f} ms where it was exported; where this is a widening effect, take it "
        "out, or narrow it with: - width: {width: 0.5}",
    )


def _mono_playback(phase: PhaseReading, limits: StereoLimits) -> Iterator[Finding]:
    loss, rho, least = phase.mono_loss_db, phase.correlation or 0.0, limits.min_correlation
    level = None if loss is None else limits.mono_loss_db.level(loss)
    if level is not None:
        fix = stage_line("mono_safe", max_mono_loss_db=limits.mono_loss_db.warn)
        yield Finding(
            level,
            "mono_loss",
            f"in mono {loss:.1f} dB of it vanish ({limits.mono_loss_db.warn:g} dB is the limit; "
            f"correlation {rho:+.2f}): parts of left and right cancel. To fix it add to the "
            f"stages: {fix}",
            fix,
        )
    elif phase.lossy_share > at.LOSSY_SHARE:
        yield Finding(
            "warn",
            "mono_loss_at_times",
            f"for {100 * phase.lossy_share:.0f} % of the time more than 4 dB of it vanish in mono, "
            "though not on the whole. To fix it add to the stages: - mono_safe: {}",
            stage_line("mono_safe"),
        )
    if rho < least:
        fix = stage_line("width", width=_rounded_down(width_for_correlation(rho, least)))
        yield Finding(
            "warn",
            "low_correlation",
            f"the correlation of left and right is {rho:+.2f}, under {least:g}. To fix it add to "
            f"the stages: {fix}",
            fix,
        )


def _rounded_down(width: float) -> float:
    return max(0.0, math.floor(width / _STEP - 0.5) * _STEP)


def _band(band: BandReading, limits: StereoLimits, *, has_more: bool) -> Iterator[Finding]:
    """Yield what is wrong with one band; `has_more`: other bands are as they should be."""
    loss, rho = band.mono_loss_db, band.correlation
    if loss is None or rho is None:
        return
    name = f"{band.low_hz:,.0f} to {band.high_hz:,.0f} Hz"
    is_bass = band.high_hz <= _BASS_TOP_HZ
    level = (limits.bass_loss_db if is_bass else limits.band_loss_db).level(loss)
    if is_bass and level == "error" and rho < 0 and band.level_db > at.BASS_COUNTS_DB.fail:
        yield Finding(
            "error",
            "bass_out_of_phase",
            f"the bass ({name}) is upside down between left and right (correlation {rho:+.2f}): "
            f"in mono and on subwoofers {loss:.1f} dB of it vanish. To fix it add to the "
            + (
                f"stages of the bass alone, before it is mixed: {_UPSIDE_DOWN}"
                if has_more
                else f"track's stages: {_UPSIDE_DOWN}"
            )
            + "; where it is only wide, - mono_below: {cutoff_hz: 120}",
            None if has_more else _UPSIDE_DOWN,
        )
    elif (
        is_bass
        and level is not None
        and rho < at.BASS_CORRELATION  # what is left is a bass that is panned
        and band.level_db > at.BASS_COUNTS_DB.warn
    ):
        yield Finding(
            "warn",
            "wide_bass",
            f"the bass ({name}) loses {loss:.1f} dB in mono: clubs and vinyl want it in the "
            "middle. To fix it add to the track's stages: - mono_below: {cutoff_hz: 120}",
            stage_line("mono_below", cutoff_hz=_BASS_TOP_HZ),
        )
    elif not is_bass and level is not None and band.level_db > at.BAND_COUNTS_DB:
        width = _width_for_loss(loss, limits.band_loss_db.warn)
        narrowed = {"low_hz": band.low_hz, "high_hz": band.high_hz, "width": width}
        fix = stage_line("width", bands=[narrowed])
        yield Finding(
            level,
            "mono_loss_band",
            f"from {name} {loss:.1f} dB vanish in mono. To fix it add to the stages: {fix}",
            fix,
        )


def _width_for_loss(loss_db: float, limit_db: float) -> float:
    """Return the `width` that brings a fold-down loss, 1 + S / M of the energies, to a limit."""
    side, wanted = (10.0 ** (db / 10.0) - 1.0 for db in (loss_db, max(0.0, limit_db)))
    return _rounded_down(math.sqrt(wanted / side))


def _hollow(comb: CombReading) -> Finding:
    upside_down = " upside down" if comb.copy_gain < 0 else ""
    return Finding(
        "warn",
        "comb_filter",
        f"hollow: notches every {1000 / comb.delay_ms:,.0f} Hz through the whole spectrum, as if "
        f"the sound were added to itself{upside_down} {comb.delay_ms:.2f} ms later (two microphones"
        " or two copies of a track). It cannot be undone here: mute one copy, or line up the two "
        "tracks before they are added with: - align: {}",
    )
