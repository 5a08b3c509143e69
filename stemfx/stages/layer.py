"""`layer`: a one-shot on top of chosen hits or beats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from stemfx.audio import Audio, Block, Signal, peak_of
from stemfx.fixes import instead
from stemfx.hits import DRUM_CLASSES, DrumClass
from stemfx.stage import HitParams, SoundRef, SourceRef, StageContext, knob, stage

if TYPE_CHECKING:
    from stemfx.drums.layering import Event, Laid

_LOW_DRUMS = {"kick", "tom"}
_LOW_CUT_HZ = 120.0
_LONGEST_S = 60.0
_SILENT_PEAK = 1e-5
_HARDLY_DB = 0.2


class LayerParams(HitParams):
    """Parameters of `layer`."""

    sound: SoundRef = knob(help="the one-shot that is added, an audio file")
    classes: list[DrumClass] = knob(["snare"], help="drums whose hits it sounds on")
    beats_of: SourceRef | None = knob(
        None, help="song on whose beats it sounds instead of on drum hits"
    )
    beats: list[Annotated[int, Field(ge=1, le=16)]] = knob(
        [], help="which beats of the bar, such as [2, 4]; none are all of them"
    )
    every_bars: int = knob(1, low=1, high=64, help="in every bar, or only every so many bars")
    min_velocity: float = knob(
        0.0, low=0, high=1, help="softer hits, such as ghost notes, get none"
    )
    gain_db: float = knob(0.0, low=-60, high=24, unit="dB", help="level of the added sound")
    dynamics: float = knob(
        1.0, low=0, high=1, help="how far it follows loud and soft hits; 0 makes all alike"
    )
    offset_ms: float = knob(
        0.0, low=-200, high=200, unit="ms", help="later than the hit; - earlier"
    )
    tune_st: float | None = knob(
        None,
        low=-12,
        high=12,
        unit="semitones",
        help="the sound higher or lower; unsaid, only on kicks, where their low ends need it",
    )
    part: Literal["all", "attack", "body"] = knob(
        "all", help="only the attack of the sound, only what follows it, or all"
    )
    split_ms: float = knob(
        30.0, low=2, high=500, unit="ms", help="where its attack ends and its body begins"
    )
    low_cut_hz: float | None = knob(
        None,
        low=0,
        high=2000,
        unit="Hz",
        help="high-pass; unsaid 120 but for kick and tom; 0 is none",
    )
    solo: bool = knob(False, help="only the added sound, without what it is added to")

    @property
    def hears_hits(self) -> bool:
        """Whether it needs to know the hits: not when it follows beats."""
        return self.beats_of is None


@stage(LayerParams, is_symmetric=False)
def layer(signal: Signal, params: LayerParams, context: StageContext) -> Iterator[Block]:
    """Add a one-shot to the hits of some drums, or to some beats of a song.

    Its attack lands where the hit's does (or on the beat), to a fraction of a sample; hits that
    are heard as one stroke with another drum are put where their own drum begins. On kick,
    tom and snare one shift of at most 3 ms and polarity for all hits makes its low end add up with
    what it is laid on, as in `replace_drums`, and on a kick a tuning of at most 7 semitones where
    that is needed; not with an `offset_ms` of your own. At velocity 1
    it is as loud as the file plus `gain_db`; `dynamics` 1 makes it as soft as the hit is.

    `part: attack` takes the click of the sound and lets the body of the original ring; `body` the
    other way round: cross-faded over a third of `split_ms`, so both parts add up to the sound.
    Other drums than kick and tom are cut below 120 Hz (12 dB per octave), so that the low end
    stays the kick's and the bass'.

    A track that is silent throughout stays silent. Reports where it was laid, the shift, the
    polarity, and the gain of the low end over the power sum of both.
    """
    from stemfx.drums.aligning import aligned
    from stemfx.drums.layering import beat_events, hit_events, laid
    from stemfx.drums.playing import sound_attack

    peak = peak_of(signal)
    sound = context.sounds["sound"]
    rate = signal.sample_rate
    if sound.n_samples > _LONGEST_S * rate:
        context.refuse(
            f"sound: {params.sound!r} is {sound.n_samples / rate:.0f} s long, and a one-shot is "
            f"{_LONGEST_S:g} s at most; make a loop or pad a track and use the stage `fit`"
        )
    if params.beats_of is None:
        hits = aligned(signal, context.hits, params.classes)
        events = hit_events(hits, params.classes, params.min_velocity)
        _tell_missing(events, params, context)
    else:
        reading = context.readings["beats_of"]
        if not reading.beats_s:
            context.refuse(
                f"beats_of: no beat was found in {params.beats_of!r}; leave it out to follow the "
                "drum hits of this track"
            )
        events = beat_events(reading, params.beats, params.every_bars)
    if peak < _SILENT_PEAK:
        context.find("info", "track_silent", "this track is silent, so nothing was added to it")
        events = []
    attack = sound_attack(Audio(sound.read(), rate)) if sound.n_samples else 0.0
    one_shot = _prepared(sound, attack, signal.channels, params, context)
    strokes = laid(
        signal,
        events,
        one_shot,
        attack,
        gain_db=params.gain_db,
        dynamics=params.dynamics,
        offset_s=params.offset_ms / 1000.0,
        tune_st=params.tune_st,
        is_aligned=not params.offset_ms and params.beats_of is None and params.part != "attack",
    )
    _report(strokes, len(events), params, context)
    yield from _played(signal, strokes, solo=params.solo)


def _tell_missing(events: Sequence[Event], params: LayerParams, context: StageContext) -> None:
    found = {event.drum_class for event in events}
    missing = [name for name in params.classes if name not in found]
    if missing:
        heard = [name for name in DRUM_CLASSES if any(h.drum_class == name for h in context.hits)]
        context.find(
            "info" if found else "warn",
            "no_such_hits",
            f"no {' and no '.join(missing)} was heard"
            + (f" at or above velocity {params.min_velocity:g}" if params.min_velocity else "")
            + f", so nothing was added there (heard: {', '.join(heard) or 'no drum at all'}); name "
            "other classes, edit hits.json and give it as `hits`, or follow the beats of a song "
            "(`beats_of`)",
        )


def _prepared(
    sound: Signal, attack: float, channels: int, params: LayerParams, context: StageContext
) -> Audio:
    """Return the sound with the track's channels, its low end cut, and the part that is wanted."""
    from stemfx.drums.layering import attack_and_body
    from stemfx.dsp.filters import SosFilter, high_pass

    samples = np.array(sound.read(), np.float32)
    if samples.shape[1] == 0 or float(np.abs(samples).max(initial=0.0)) < _SILENT_PEAK:
        context.find(
            "warn", "sound_silent", f"sound: {params.sound!r} is silent: nothing was added"
        )
    if len(samples) != channels:
        samples = np.tile(samples.mean(axis=0, keepdims=True), (channels, 1)).astype(np.float32)
    cut_hz = params.low_cut_hz
    if cut_hz is None:
        is_low = params.beats_of is None and set(params.classes) <= _LOW_DRUMS
        cut_hz = 0.0 if is_low else _LOW_CUT_HZ
    if 0 < cut_hz < sound.sample_rate / 2 and samples.shape[1]:
        sections = high_pass(sound.sample_rate, cut_hz, 12)
        samples = SosFilter(sections, channels)(samples)
    audio = Audio(samples, sound.sample_rate)
    if params.part == "all" or not samples.shape[1]:
        return audio
    click, body = attack_and_body(audio, attack, params.split_ms / 1000.0)
    return click if params.part == "attack" else body


def _played(signal: Signal, strokes: Sequence[Laid], *, solo: bool) -> Iterator[Block]:
    from stemfx.drums.playing import Player

    player = Player([stroke for one in strokes for stroke in one.strokes], signal.sample_rate)
    position = 0
    for block in signal.blocks():
        n = block.shape[1]
        added = player.play(position, n, signal.channels)
        position += n
        if solo:
            yield np.zeros_like(block) if added is None else added
        else:
            yield block if added is None else block + added


def _report(
    laid: Sequence[Laid], n_events: int, params: LayerParams, context: StageContext
) -> None:
    context.report(layered=n_events)
    for one in laid:
        if one.placement is not None:
            name = one.drum_class
            context.report(
                **{
                    f"{name}_shift_ms": round(1000 * one.placement.shift_s, 3) + 0.0,
                    f"{name}_polarity": "kept" if one.placement.polarity > 0 else "inverted",
                    f"{name}_low_end_gain_db": round(one.placement.gain_db, 2),
                    f"{name}_tune_st": one.tune_st,
                }
            )
            if name == "kick" and one.placement.gain_db < _HARDLY_DB:
                context.find(
                    "warn",
                    "low_ends_do_not_add_up",
                    f"the low ends of the kick and the sound hardly add up "
                    f"(+{one.placement.gain_db:.1f} dB over their power sum): try another sound, "
                    "tune it by tune_st, or take only its attack by part: attack",
                    instead("layer", params, part="attack"),
                )
