"""The panels over time: waveform, loudness, spectrogram, correlation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.loudness import ABSOLUTE_GATE_LUFS
from stemfx.health import FileHealth
from stemfx.health.limits import CLIFF_HZ, TRUE_PEAK_DBTP
from stemfx.health.over_time import CORRELATION_S, MOMENTARY_S, SHORT_TERM_S, STEP_S
from stemfx.plot import looks
from stemfx.plot.looking import Seen
from stemfx.plot.numbers import number
from stemfx.plot.words import time_steps, time_text, time_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

Values = NDArray[np.float64]

_MOST_POINTS = 2000  # more cannot be told apart, and make an SVG of hours too large to open
_SPAN_DB = 80.0
_LOWEST_HZ, _HIGHEST_HZ = 30.0, 20_000.0
_SIDES = ("left", "right")
_AMPLITUDES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


# --- time --------------------------------------------------------------------------------


def _over_time(axes: Axes, health: FileHealth, *, is_last: bool = False) -> float:
    """Give a panel the time axis that all share; return the length of the file in seconds."""
    duration_s = health.n_samples / health.sample_rate
    step_s = time_steps(duration_s)
    ticks = np.arange(0.0, duration_s * (1 + 1e-9), step_s)
    axes.set_xlim(0.0, duration_s)
    axes.set_xticks(ticks, [time_text(at, duration_s) for at in ticks] if is_last else [])
    axes.grid(visible=True)
    axes.tick_params(length=2)
    if is_last:
        axes.set_xlabel(f"time ({time_unit(duration_s)})")
    return duration_s


def _say(axes: Axes, text: str) -> None:
    """Write over an empty panel why it is empty."""
    axes.text(
        *(0.5, 0.5, text),
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=looks.GREY,
        bbox={"facecolor": "white", "lw": 0},
    )


def _thinned(values: Values) -> tuple[Values, int]:
    """Return the highest of every few values, at most 2000 of them, and how many were joined."""
    n_joined = -(-len(values) // _MOST_POINTS) or 1
    if n_joined == 1:
        return values, 1
    return np.maximum.reduceat(values, np.arange(0, len(values), n_joined)), n_joined


def _finite(values: Values) -> Values:
    return np.where(np.isfinite(values), values, np.nan)


# --- waveform ----------------------------------------------------------------------------


def waveform(axes: Axes, lane: int, health: FileHealth, seen: Seen) -> None:
    """Draw peaks and RMS of one channel, and where it is clipped, clicks or drops out."""
    from matplotlib.patches import StepPatch

    duration_s = _over_time(axes, health)
    n_lanes, n_columns = seen.rms.shape
    edges_s = np.linspace(0.0, duration_s, n_columns + 1)
    for low, high, colour, name in (
        (seen.lowest[lane], seen.highest[lane], looks.SKY, "peak (FS: full scale)"),
        (-seen.rms[lane], seen.rms[lane], looks.BLUE, "RMS"),
    ):
        # Not `axes.stairs`: it takes a third of a second to find limits that are set here.
        axes.add_artist(
            StepPatch(high, edges_s, baseline=low, fill=True, color=colour, label=name, lw=0.4)
        )
    side = _SIDES[lane] if n_lanes == 2 else "mono"
    peak = float(np.abs((seen.lowest, seen.highest)).max(initial=0.0))
    tick = next((step for step in _AMPLITUDES if 0.9 * peak <= step), 1.0)
    top = max(1.08 * tick, 1.02 * peak)
    axes.set_ylim(-top, top)
    axes.set_yticks([-tick, 0, tick], [f"\N{MINUS SIGN}{tick:g}", "0", f"{tick:g}"])
    axes.set_ylabel(f"{side}\n(FS = 1)")
    _marks(axes, lane, health, top)
    if health.stereo.silent_channel == side:
        _say(axes, f"the {side} channel is silent")
    if lane == 0:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, frameon=False)


def _marks(axes: Axes, lane: int, health: FileHealth, top: float) -> None:
    clipping, material = health.level.clipping, health.material
    clipped_s = clipping.places[clipping.places[:, 0] == lane, 1] / health.sample_rate
    for name, marker, all_s, colour in (
        ("clipped", "v", clipped_s, looks.VERMILION),
        ("click", "x", material.clicks.at_s, "black"),
        ("dropout", "|", material.dropouts.at_s, "black"),
    ):
        is_told = any(finding.code.startswith(_CODES[name]) for finding in health.findings)
        at_s = all_s[:: -(-len(all_s) // _MOST_POINTS) or 1]
        if is_told and (len(at_s) or lane == 0):
            axes.plot(
                at_s,
                np.full_like(at_s, top),
                *(marker,),
                color=colour,
                ls="none",
                ms=5.0,
                mew=1.4,
                label=name,
                clip_on=False,
            )


_CODES = {"clipped": "clipping", "click": "clicks", "dropout": "dropouts"}


# --- loudness ----------------------------------------------------------------------------


def loudness(axes: Axes, health: FileHealth) -> None:
    """Draw momentary, short-term and integrated loudness, and true peaks below their ceiling.

    Each value stands at the end of its window, where a meter shows it.
    """
    _over_time(axes, health)
    over_time, level = health.over_time, health.level
    peaks = over_time.true_peaks_dbtp()
    _line(axes, peaks, STEP_S, "true peak (dBTP)", color=looks.GREY, lw=0.7)
    _line(
        axes, over_time.lufs(MOMENTARY_S), MOMENTARY_S, "momentary, 400 ms", color=looks.SKY, lw=0.9
    )
    _line(
        axes,
        over_time.lufs(SHORT_TERM_S),
        SHORT_TERM_S,
        "short-term, 3 s",
        color=looks.BLUE,
        lw=1.8,
    )
    if level.lufs is not None:
        told = f"integrated, {number(level.lufs, 1)} LUFS"
        axes.axhline(level.lufs, color="black", ls="--", lw=1.1, label=told)
    ceiling = TRUE_PEAK_DBTP.warn
    axes.axhline(ceiling, color=looks.VERMILION, ls=":", lw=1.2, label=f"ceiling, {ceiling:g} dBTP")
    over = np.flatnonzero(peaks > ceiling)
    if len(over):
        over = over[:: -(-len(over) // _MOST_POINTS)]
        axes.plot(
            (over + 1) * STEP_S,
            peaks[over],
            "^",
            color=looks.VERMILION,
            ms=3.5,
            label="over the ceiling",
        )
    if level.lufs is None:
        _say(axes, "no loudness: silent, or shorter than 400 ms")
    axes.set_ylim(
        _lowest(over_time.lufs(MOMENTARY_S)), max(3.0, (level.true_peak_dbtp or 0.0) + 2.0)
    )
    axes.set_ylabel("loudness (LUFS)\npeak (dBTP)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.1, 1.04), frameon=False)


def _lowest(momentary: Values) -> float:
    """Return where the axis begins: below what is quiet in a file, but for its pauses."""
    heard = momentary[momentary > ABSOLUTE_GATE_LUFS]
    quiet = float(np.percentile(heard, 5)) if len(heard) else -30.0
    return float(np.clip(10.0 * np.floor((quiet - 5.0) / 10.0), -80.0, -30.0))


def _line(axes: Axes, levels: Values, window_s: float, name: str, **how: Any) -> None:
    thin, n_joined = _thinned(levels)
    at_s = window_s + np.arange(len(thin)) * n_joined * STEP_S
    axes.plot(at_s, _finite(thin), label=name, **how)


# --- spectrogram -------------------------------------------------------------------------


def spectrogram(axes: Axes, health: FileHealth, seen: Seen) -> AxesImage:
    """Draw power over time and logarithmic frequency, where it is cut off, and hum."""
    duration_s = _over_time(axes, health)
    top_db = _top(seen.levels_db)
    end_s = seen.levels_db.shape[1] * seen.column_s
    low, high = np.log10(seen.edges_hz[[0, -1]])
    image = axes.imshow(
        seen.levels_db,
        aspect="auto",
        origin="lower",
        extent=(0.0, end_s, low, high),
        cmap=looks.HEAT,
        vmin=top_db - _SPAN_DB,
        vmax=top_db,
        interpolation="nearest",
    )
    axes.set_xlim(0.0, duration_s)
    _frequencies(axes)
    axes.grid(visible=False)
    axes.set_ylabel("frequency (Hz)")
    cliff_hz = cut_off_hz(health)
    if cliff_hz is not None:
        axes.axhline(np.log10(cliff_hz), color="white", ls="--", lw=1.2)
        _tag(axes, cliff_hz, f"cut off at {cliff_hz / 1000:.1f} kHz")
    hum = health.material.hum
    if hum.mains_hz is not None:
        for hz in hum.lines_hz:
            axes.axhline(np.log10(hz), xmax=0.02, color="white", lw=1.4)
        _tag(axes, hum.lines_hz[-1], f"hum, multiples of {hum.mains_hz:.0f} Hz")
    return image


def _top(levels_db: Values) -> float:
    return max(-40.0, float(np.ceil(levels_db.max(initial=-100.0) / 10) * 10))


def _tag(axes: Axes, at_hz: float, text: str) -> None:
    axes.annotate(
        text,
        (0.0, np.log10(at_hz)),
        (24, -10),
        textcoords="offset points",
        color="white",
        fontsize=looks.SMALL,
        bbox={"boxstyle": "square,pad=0.15", "facecolor": "black", "alpha": 0.6, "lw": 0},
    )


def cut_off_hz(health: FileHealth) -> float | None:
    """Return where a spectrum is cut off, if that is a finding."""
    cliff_hz = health.material.bandwidth.cliff_hz
    is_told = any(finding.code == "bandwidth_limited" for finding in health.findings)
    return cliff_hz if is_told and cliff_hz is not None and cliff_hz < CLIFF_HZ else None


def _frequencies(axes: Axes) -> None:
    ticks_hz = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
    names = [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in ticks_hz]
    axes.set_yticks(np.log10(ticks_hz), names)
    axes.set_ylim(np.log10(_LOWEST_HZ), np.log10(_HIGHEST_HZ))


def scale(axes: Axes, image: AxesImage) -> None:
    """Draw which colour is which level."""
    low, high = image.get_clim()
    levels = np.linspace(low, high, 128)[:, None]
    axes.imshow(
        levels, aspect="auto", origin="lower", extent=(0.0, 1.0, low, high), cmap=image.get_cmap()
    )
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks(np.arange(low, high + 1, 20))
    axes.tick_params(length=2, pad=1)
    axes.set_title("dBFS", fontsize=looks.SMALL, pad=3)


def spectrum(axes: Axes, health: FileHealth, seen: Seen) -> None:
    """Draw the mean power of every band, beside the spectrogram."""
    powers = np.mean(10 ** (seen.levels_db / 10), axis=1)
    levels_db = 10 * np.log10(np.maximum(powers, 1e-13))
    middles = np.log10(np.sqrt(seen.edges_hz[:-1] * seen.edges_hz[1:]))
    axes.fill_betweenx(middles, -130.0, levels_db, color=looks.SKY, alpha=0.4, lw=0)
    axes.plot(levels_db, middles, color=looks.BLUE, lw=1.2, label="mean")
    top_db = _top(levels_db)
    axes.set_xlim(top_db - _SPAN_DB, top_db)
    _frequencies(axes)
    axes.grid(visible=True)
    axes.tick_params(length=2, pad=1)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("mean level (dBFS in 1/10 octave)", labelpad=2)
    axes.set_ylabel("frequency (Hz)", labelpad=0)
    cliff_hz = cut_off_hz(health)
    if cliff_hz is not None:
        axes.axhline(np.log10(cliff_hz), color=looks.VERMILION, ls="--", lw=1.2)
    for hz in health.material.hum.lines_hz:
        axes.axhline(np.log10(hz), color=looks.VERMILION, ls=":", lw=0.8)


# --- correlation -------------------------------------------------------------------------


def correlation(axes: Axes, health: FileHealth) -> None:
    """Draw the correlation of left and right of every 400 ms; below zero parts vanish in mono."""
    _over_time(axes, health, is_last=True)
    axes.set_ylim(-1.05, 1.05)
    axes.set_yticks([-1, 0, 1], ["\N{MINUS SIGN}1", "0", "+1"])
    axes.set_ylabel("left/right\ncorrelation")
    axes.axhline(0.0, color=looks.GREY, lw=0.8)
    over_time = health.over_time
    n_joined = -(-len(over_time.moments) // _MOST_POINTS) or 1
    window_s = max(CORRELATION_S, n_joined * STEP_S)
    rho = over_time.correlation(window_s)[::n_joined]
    if health.stereo.channels == 1:
        _say(axes, "mono: the same on both sides")
    elif not np.isfinite(rho).any():
        _say(axes, "not in two sounding channels for 400 ms")
    at_s = window_s + np.arange(len(rho)) * n_joined * over_time.moments_step_s
    axes.plot(at_s, rho, color=looks.BLUE, lw=1.0, label="correlation")
    low, high = np.minimum(rho, 0.0), np.maximum(rho, 0.0)
    axes.fill_between(at_s, 0.0, high, color=looks.SKY, alpha=0.35, lw=0)
    axes.fill_between(at_s, 0.0, low, color=looks.VERMILION, alpha=0.55, lw=0)
