"""`match_reference`: a mix nearer to a record: its tone, width, density and loudness."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from stemfx.audio import Block, Signal
from stemfx.dsp.bandwidth import BandwidthMeter
from stemfx.dsp.density import MAX_REDUCTION_DB, Densified, crest_db, densify
from stemfx.dsp.loudness import METER_BLOCK_SAMPLES, LoudnessMeter, TruePeakMeter, metered
from stemfx.dsp.match_filter import match_taps, matched
from stemfx.dsp.passages import PassageMeter, Passages
from stemfx.dsp.tone_match import Match, Matcher, Wanted, is_mono
from stemfx.dsp.units import db_to_gain, gain_to_db
from stemfx.fixes import instead
from stemfx.stage import SongRef, SoundRef, StageContext, StageParams, knob, stage

Trait = Literal["tone", "loudness", "dynamics", "width"]
ALL: list[Trait] = ["tone", "loudness", "dynamics", "width"]

_SHORT_S = 10.0
_UNHEARD_DB = 0.1
_UNHEARD_LU = 0.05
_CREST_TOLERANCE_DB = 0.3
_MISSING_DB = 0.5  # what the cap leaves undone is told from here on


class MatchReferenceParams(StageParams):
    """Parameters of `match_reference`."""

    file: SoundRef | None = knob(None, help="the reference: an audio file in the recipe's folder")
    song: SongRef | None = knob(None, help="or the name of one of the recipe's sources")
    amount: float = knob(
        0.5, low=0, high=1, neutral=0.0, help="share of the way to the reference, in dB"
    )
    max_db: float = knob(
        6.0, low=0, high=24, unit="dB", help="tone and width change by no more than this"
    )
    match: list[Trait] = knob(ALL, help="what is matched: any of tone, loudness, dynamics, width")

    @model_validator(mode="after")
    def _one_reference(self) -> Self:
        if (self.file is None) == (self.song is None):
            given = "both are given" if self.file else "neither is given"
            msg = f"write file (an audio file) or song (one of the sources); {given}"
            raise ValueError(msg)
        return self


@dataclass(frozen=True, eq=False)
class _Reading:
    """What is measured of a song and of its reference alike."""

    passages: Passages
    lufs: float
    crest_db: float | None
    cliff_hz: float | None
    meter: LoudnessMeter
    sample_rate: int


@stage(MatchReferenceParams)
def match_reference(
    signal: Signal, params: MatchReferenceParams, context: StageContext
) -> Iterator[Block]:
    """Bring tone, width, density and loudness of a mix towards those of a reference track.

        - match_reference: {file: refs/club.flac}             # half way
        - match_reference: {song: reference, amount: 1, match: [tone, width]}

    At `amount` 1 it lands on the reference as closely as the caps allow, at 0.5 half way in dB.
    Loud passages are held against loud ones, so a long quiet intro does not count as a dull mix.

    `tone`: an equaliser by thirds of an octave, minimum phase, at most `max_db` up or down. It
    boosts nothing where the mix or the reference has nothing (above the cut-off of an MP3, in
    noise), and does little below 30 Hz.
    `width`: side over mid, by two thirds of an octave, linear phase. It widens no range so far
    that mono playback loses more than 3 dB there (1 dB below 120 Hz).
    `dynamics`: where the reference is denser, gentle compression, 4 dB at most. A livelier
    reference changes nothing: what was flattened cannot be raised.
    `loudness`: a gain to the reference's integrated loudness. Peaks may end over full scale, so
    put `loudness` or `limiter` behind it. Without this trait the mix stays as loud as it was.

    Reports the spectral distance to the reference before and after (rms over thirds of an
    octave), the largest boost and cut, and width (side over mid), loudness and crest of the mix
    before and after and of the reference (the crest: how far the loudest 50 ms stand out of their
    3 s; before: after the change of tone), the gain and the true peak.
    """
    if not params.amount or not params.match:
        yield from signal.blocks()
        return
    other = context.sounds["song" if params.file is None else "file"]
    reference = _read(other)
    if reference is None:
        context.refuse(
            "the reference is silent or shorter than 400 ms, so there is nothing to match; "
            "give another file, or leave the stage out"
        )
    song = _read(signal)
    if song is None:
        context.find(
            "warn",
            "match_unmeasurable",
            "left as it is: silent, below -70 LUFS, or shorter than 400 ms, so nothing is known "
            "of its tone and loudness",
        )
        yield from signal.blocks()
        return
    yield from _match(signal, song, reference, params, context)
    if other.n_samples < _SHORT_S * other.sample_rate:
        context.find(
            "warn",
            "reference_short",
            f"the reference is {other.n_samples / other.sample_rate:.1f} s long: that is the tone "
            "of a few notes; give a whole song",
        )


def _read(signal: Signal) -> _Reading | None:
    """Measure a song; None if it has no loudness."""
    loudness = LoudnessMeter(signal.sample_rate, signal.channels)
    passages = PassageMeter(signal.sample_rate, signal.channels)
    bandwidth = BandwidthMeter(signal.sample_rate, signal.channels)
    for _ in metered(signal.blocks(METER_BLOCK_SAMPLES), loudness, passages, bandwidth):
        pass
    lufs = loudness.lufs()
    if lufs is None:
        return None
    return _Reading(
        passages.result(),
        lufs,
        crest_db(loudness.cells()),
        bandwidth.reading().cliff_hz,
        loudness,
        signal.sample_rate,
    )


def _match(
    signal: Signal,
    song: _Reading,
    reference: _Reading,
    params: MatchReferenceParams,
    context: StageContext,
) -> Iterator[Block]:
    rate, channels = signal.sample_rate, signal.channels
    share = {trait: params.amount if trait in params.match else 0.0 for trait in ALL}
    highest_hz = min(reading.cliff_hz or rate / 2 for reading in (song, reference))
    matcher = Matcher(song.passages, reference.passages, highest_hz)
    match = matcher.match(Wanted(share["tone"], share["width"], params.max_db))
    _tell_readings(song, reference, match, context)

    stream, meter = signal.blocks, song.meter
    if match.max_change_db > _UNHEARD_DB:
        stream = partial(matched, signal, *match_taps(match, rate))
        meter = _heard(stream(), rate, channels)
    dense = _densified(meter, song, reference, share["dynamics"], context)
    if dense:
        stream = partial(_dense, dense, stream, rate)
        meter = _heard(stream(), rate, channels)
    target_lufs = song.lufs + share["loudness"] * (reference.lufs - song.lufs)
    gain_db = meter.gain_to(target_lufs) or 0.0
    _find_limits(song, reference, match, params, context)
    if stream == signal.blocks and abs(gain_db) < _UNHEARD_LU:
        if not context.findings:
            context.find("info", "match_idle", "left as it is: in all that is matched, it is alike")
        yield from signal.blocks()
        return
    peaks, gain = TruePeakMeter(channels), np.float32(db_to_gain(gain_db))
    for block in stream():
        out = gain * block
        peaks.add(out)
        yield out
    context.report(
        lufs=round(meter.lufs(gain_db) or song.lufs, 2),
        gain_db=round(gain_db, 2),
        true_peak_dbtp=round(gain_to_db(peaks.true_peak), 2),
    )


def _heard(blocks: Iterator[Block], rate: int, channels: int) -> LoudnessMeter:
    meter = LoudnessMeter(rate, channels)
    for block in blocks:
        meter.add(block)
    return meter


def _dense(dense: Densified, stream: Callable[[], Iterator[Block]], rate: int) -> Iterator[Block]:
    return dense(stream(), rate)


def _densified(
    meter: LoudnessMeter, song: _Reading, reference: _Reading, share: float, context: StageContext
) -> Densified | None:
    """Return the compression towards a denser reference; None where there is none to do.

    The mix is read with the reference's tone, since bass stands out otherwise than treble.
    """
    cells = meter.cells()
    crest = crest_db(cells)
    if crest is None or song.crest_db is None or reference.crest_db is None:
        return None
    apart_db = reference.crest_db - crest
    dense = None
    if share and apart_db < -_CREST_TOLERANCE_DB:
        wanted_db = crest + share * apart_db
        dense = densify(cells, wanted_db, song.sample_rate)
        short_db = (dense.crest_db if dense else crest) - wanted_db
        if short_db > _MISSING_DB:
            context.find(
                "info",
                "density_capped",
                f"compressed by {MAX_REDUCTION_DB:g} dB and no further: to be as dense as asked "
                f"for, the loudest moments would have to stand out by {short_db:.1f} dB less",
            )
    elif share and apart_db > _CREST_TOLERANCE_DB:
        context.find(
            "info",
            "reference_livelier",
            "dynamics are left as they are: the reference's loudest moments stand out by "
            f"{apart_db:.1f} dB more, and that cannot be put back",
        )
    context.report(
        crest_before_db=round(song.crest_db, 2),
        crest_db=round(dense.crest_db if dense else crest, 2),
        crest_reference_db=round(reference.crest_db, 2),
    )
    if dense:
        context.report(**dense.measurements)
    return dense


def _tell_readings(
    song: _Reading, reference: _Reading, match: Match, context: StageContext
) -> None:
    """Report both songs as they came, and what the curves do."""
    context.report(
        lufs_before=round(song.lufs, 2),
        lufs_reference=round(reference.lufs, 2),
        spectral_distance_before_db=round(match.distance_before_db, 2),
        spectral_distance_db=round(match.distance_db, 2),
        max_boost_db=round(max(0.0, float(match.tone_db.max())), 2),
        max_cut_db=round(max(0.0, -float(match.tone_db.min())), 2),
    )
    if match.sides_db is not None:
        names = ("side_to_mid_before_db", "side_to_mid_db", "side_to_mid_reference_db")
        told = zip(names, match.sides_db, strict=True)
        context.report(**{name: round(value, 2) + 0.0 for name, value in told})


def _find_limits(
    song: _Reading,
    reference: _Reading,
    match: Match,
    params: MatchReferenceParams,
    context: StageContext,
) -> None:
    """Tell what was not matched, and why."""
    at = int(np.argmax(np.abs(match.missing_db)))
    missing_db = float(match.missing_db[at])
    if abs(missing_db) > _MISSING_DB:
        most_db = min(24, math.ceil(params.max_db + abs(missing_db)))
        context.find(
            "info",
            "match_capped",
            f"max_db {params.max_db:g} was reached: around {match.freq_hz[at]:.0f} Hz the "
            f"reference asks for {abs(missing_db):.1f} dB {'more' if missing_db > 0 else 'less'}",
            instead("match_reference", params, max_db=most_db) if most_db > params.max_db else None,
        )
    if "width" in params.match:
        mono = [
            name
            for name, reading in (("the mix", song), ("the reference", reference))
            if is_mono(reading.passages)
        ]
        if mono:
            rest = [trait for trait in params.match if trait != "width"]
            context.find(
                "info",
                "match_mono",
                f"width is left as it is: {' and '.join(mono)} is mono",
                instead("match_reference", params, match=rest) if rest else None,
            )
