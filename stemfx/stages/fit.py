"""`fit`: a loop or pad in a song's tempo and key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import field_validator

from stemfx.audio import Block, Signal, peak_of
from stemfx.fixes import instead
from stemfx.stage import Seconds, SourceRef, StageContext, StageParams, knob, stage

if TYPE_CHECKING:
    from stemfx.dsp.drift import DriftMeter
    from stemfx.music.bars import Grid
    from stemfx.music.loop import LoopReading
    from stemfx.music_reading import MusicReading
    from stemfx.stages._fit_plan import Layout, Plan

_SILENT_PEAK = 1e-5  # -100 dBFS
_MAX_DRIFT_MS = 5.0
_CLEAN_PERCENT = 12.0
_TUNED_CENTS = 10.0  # a tuning is read to some cents; less is not worth a resampling
_SHORTEST_BEATS = 0.75
_SHORTEST_S = 0.05


class FitParams(StageParams):
    """Parameters of `fit`."""

    to: SourceRef = knob(help="song whose tempo, key and length this track takes on")
    tempo: bool = knob(True, help="stretch it to the song's beats; false plays it at its own tempo")
    key: bool = knob(True, help="transpose it into the song's key; percussion stays as it is")
    bpm: float | None = knob(
        None, low=20, high=400, unit="BPM", help="its own tempo, if you know it; else it is heard"
    )
    beats: int | None = knob(
        None, low=1, high=4096, help="its length in beats, if you know it; else it is heard"
    )
    own_key: str | None = knob(
        None, help="its own key, such as 'A minor', if you know it; else it is heard"
    )
    semitones: float | None = knob(
        None, low=-12, high=12, unit="semitones", help="transpose by this instead of by key"
    )
    start_bar: int = knob(1, low=1, help="bar of the song on which it begins; 1 is the first")
    start_s: Seconds | None = knob(
        None, low=0, unit="s", help="begin on the beat nearest to this time instead of on a bar"
    )
    repeat: bool = knob(True, help="play it again and again to the song's end; false plays it once")
    method: Literal["auto", "slice", "stretch"] = knob(
        "auto", help="slice moves drum strokes as they are; auto does so for percussion"
    )
    max_stretch_percent: float = knob(
        25.0,
        low=0,
        high=100,
        unit="%",
        help="refuse to make it longer or shorter by more than this",
    )

    @field_validator("own_key")
    @classmethod
    def _is_a_key(cls, key: str | None) -> str | None:
        from stemfx.dsp.transpose import parse_key

        if key is not None:
            parse_key(key)
        return key


@stage(FitParams, changes_length=True, places_its_input=True)
def fit(signal: Signal, params: FitParams, context: StageContext) -> Iterator[Block]:
    """Stretch and transpose a loop or pad to a song's tempo and key, and play it to its end.

    The loop's beats are laid on those of the song, from bar `start_bar` on, round after round; so
    it follows a song whose tempo wanders. Its own tempo is read from its beat and its length,
    which is a whole number of beats when it was cut well: give `bpm` or `beats` where that goes
    wrong. A sound without a beat, such as a pad, is taken as the nearest number of whole bars.
    Half and double time are considered, so 70 BPM fits 140 unchanged. Up to 4 % of stretch is
    hardly heard, above 12 % a warning is given, above `max_stretch_percent` it is refused.

    It is transposed by at most six semitones, so that its notes are those of the song's key or
    its relative (A minor is C major), and to the song's tuning if they are 10 cents apart.
    Percussion has no key and is not transposed. What is in tempo and key already is copied, bit
    for bit.

    The result is as long as the song. How late its attacks are is measured, and more than 5 ms
    is refused; a sound without attacks has nothing to measure (`drift_points` 0).

    Reports tempo, key, stretch and transposition, and how far its beats lie from the song's.
    """
    from stemfx.dsp.drift import DriftMeter
    from stemfx.dsp.watching import watched
    from stemfx.music.loop import read_loop
    from stemfx.stages._fit_plan import make_plan
    from stemfx.stages._fit_play import placed, silence

    reading, rate = context.readings["to"], signal.sample_rate
    n_out = max(1, round(reading.duration_s * rate))
    peak = peak_of(signal)
    if peak < _SILENT_PEAK:
        context.find("warn", "loop_silent", "this track is silent, so there was nothing to fit")
        yield from silence(signal.channels, n_out)
        return
    if signal.n_samples < _SHORTEST_S * rate:
        context.refuse(
            f"this track is {1000 * signal.n_samples / rate:.3g} ms long: it is no loop; place it "
            "with the stage `layer`"
        )
    loop = read_loop(signal, bpm=params.bpm, beats=params.beats)
    layout = _layout(loop, signal.n_samples / rate, reading, params, context)
    semitones = _semitones(loop, reading, params, context)
    plan = make_plan(loop, layout, semitones, signal, repeat=params.repeat, method=params.method)
    meter = DriftMeter(n_out / rate)
    blocks = watched(plan.blocks(), plan.source_signal, plan.spans, meter)
    yield from placed(blocks, plan.spans[0].start, n_out, signal, is_cut=params.repeat)
    _report(plan, meter, params, context, rate)


def _layout(
    loop: LoopReading,
    duration_s: float,
    reading: MusicReading,
    params: FitParams,
    context: StageContext,
) -> Layout:
    """Return where the loop's beats go."""
    from stemfx.music.bars import song_grid
    from stemfx.stages import _fit_plan

    try:
        grid: Grid | None = song_grid(reading, reading.duration_s)
    except ValueError:
        grid = None
    if grid is None and params.tempo:
        context.refuse(
            f"to: no beat was found in {params.to!r}, so there is no tempo to fit to; set "
            "tempo: false to play this track at its own tempo (start_s says from when), or name "
            "another source"
        )
    if grid is None:
        start_s = params.start_s or 0.0
        return _fit_plan.free_layout(start_s, reading.duration_s)
    first = _first_beat(grid, reading, params, context)
    grid = grid.since(first)
    if not params.tempo:
        start_s = max(0.0, float(grid.beats_s[0]) - loop.first_s)
        return _fit_plan.free_layout(start_s, reading.duration_s)
    is_told = params.bpm is not None or params.beats is not None
    if duration_s < _SHORTEST_BEATS * grid.beat_s and not is_told:
        context.refuse(
            f"this track is {duration_s:.2f} s long, shorter than a beat of {params.to!r} "
            f"({grid.beat_s:.2f} s): it is no loop; place it with the stage `layer`, give beats, "
            "or set tempo: false"
        )
    if not loop.n_beats:
        n = _fit_plan.pad_beats(loop.period_s, grid)
        length = f"{n // grid.beats_a_bar} bar(s)" if n % grid.beats_a_bar == 0 else f"{n} beat(s)"
        context.find(
            "info",
            "no_beat",
            f"no beat was heard in this track: its {loop.period_s:.2f} s are taken as {length} of "
            "the song; give beats or bpm if they are not",
            instead("fit", params, beats=n) if n else None,
        )
    layout = _fit_plan.lay_out(
        _fit_plan.beats_for_song(loop, grid),
        loop.period_s,
        grid,
        reading.duration_s,
        repeat=params.repeat,
    )
    if abs(layout.stretch_percent) > params.max_stretch_percent:
        tempi = f" (it plays at {loop.bpm:.4g} BPM, the song at {reading.bpm:.4g})"
        context.refuse(
            "max_stretch_percent: this track would have to become "
            f"{abs(layout.stretch_percent):.1f} % {_longer(layout)}{tempi if loop.bpm else ''}, "
            f"and {params.max_stretch_percent:g} % is allowed; take a loop nearer to the song's "
            "tempo, give bpm or beats if it was misheard, or set tempo: false"
        )
    return layout


def _first_beat(grid: Grid, reading: MusicReading, params: FitParams, context: StageContext) -> int:
    """Return the beat of the song on which the loop begins."""
    if params.start_s is not None:
        first = int(np.argmin(np.abs(grid.beats_s - params.start_s)))
    else:
        first = grid.bar_phase % grid.beats_a_bar + (params.start_bar - 1) * grid.beats_a_bar
    if first >= len(grid.beats_s) or grid.beats_s[first] >= reading.duration_s:
        name = "start_bar" if params.start_s is None else "start_s"
        bars = int(np.sum(grid.bar_starts() < reading.duration_s))
        context.refuse(
            f"{name}: {getattr(params, name):g} is after the end of {params.to!r}, which is "
            f"{bars} bars and {reading.duration_s:.2f} s long"
        )
    return first


def _semitones(
    loop: LoopReading, reading: MusicReading, params: FitParams, context: StageContext
) -> float:
    """Return how far to transpose."""
    from stemfx.dsp.transpose import key_chroma, semitones_to_key

    if params.semitones is not None or not params.key:
        return params.semitones or 0.0
    chroma = key_chroma(params.own_key) if params.own_key else np.array(loop.chroma)
    if not chroma.size:
        context.find(
            "info",
            "no_key",
            "this track sounds like percussion, so it was not transposed; give own_key or "
            "semitones if it has a pitch",
        )
        return 0.0
    if not reading.key:
        context.find(
            "info",
            "song_without_key",
            f"no key was found in {params.to!r}, so this track was not transposed; give semitones "
            "to do so",
        )
        return 0.0
    semitones = float(semitones_to_key(chroma, reading.key))
    if loop.chroma:
        cents = (reading.tuning_cents - loop.tuning_cents + 50.0) % 100.0 - 50.0
        semitones += cents / 100.0 if abs(cents) >= _TUNED_CENTS else 0.0
    return semitones


def _report(
    plan: Plan, meter: DriftMeter, params: FitParams, context: StageContext, sample_rate: int
) -> None:
    from stemfx.dsp.time_map import played_at

    loop, layout, drift_ms = plan.loop, plan.layout, meter.drift_ms
    played = np.array([played_at(plan.spans, moment) for moment in plan.source])
    error_ms = np.abs(played - plan.out) * 1000.0 / sample_rate
    context.report(
        loop_bpm=round(loop.bpm, 3),
        loop_beats=loop.n_beats,
        loop_key=params.own_key or loop.key,
        song_bpm=round(context.readings["to"].bpm, 3),
        song_key=context.readings["to"].key,
        stretch_percent=round(layout.stretch_percent, 3),
        semitones=round(plan.semitones, 2),
        method=plan.method,
        joints=len(plan.spans) - 1,
    )
    if params.tempo:
        late_ms = abs(drift_ms or 0.0)
        context.report(beat_error_p95_ms=round(float(np.percentile(error_ms, 95)) + late_ms, 2))
    context.report(drift_points=meter.n_points)
    if drift_ms is not None:
        context.report(drift_ms=round(drift_ms, 2))
    if drift_ms is not None and abs(drift_ms) > _MAX_DRIFT_MS:
        context.refuse(
            f"the stretched track drifts by {drift_ms:.1f} ms, and {_MAX_DRIFT_MS:g} ms is "
            "allowed; take a loop nearer to the song's tempo, or set tempo: false or key: false"
        )
    if plan.method == "stretch" and abs(layout.stretch_percent) > _CLEAN_PERCENT:
        context.find(
            "warn",
            "far_stretched",
            f"this track was made {abs(layout.stretch_percent):.0f} % {_longer(layout)}: above "
            f"{_CLEAN_PERCENT:g} % that is heard; a loop nearer to the song's tempo sounds better",
        )


def _longer(layout: Layout) -> str:
    return "longer" if layout.ratio > 1 else "shorter"
