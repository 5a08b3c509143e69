"""The choices of a timeline in one sentence for each song."""

from __future__ import annotations

from stemfx.alignment.camelot import major_tonic, named
from stemfx.alignment.timeline import SourceMap, Timeline


def explain(timeline: Timeline) -> dict[str, str]:
    """Return one sentence for each song, by its name: its tempo and key, and what becomes of them.

    Such as `b: 127 BPM -> 118 (7.6 % longer), D minor 7A -> C# minor 12A: -1 semitone`.
    """
    return {
        name: f"{name}: {_tempo(name, own, timeline)}, {_key(name, own, timeline)}"
        for name, own in timeline.maps.items()
    }


def explain_timeline(timeline: Timeline) -> str:
    """Return what all follow: `118 BPM (of c), C# minor 12A (of c)`."""
    reading = timeline.reading
    if timeline.stretches:
        whose = f"of {timeline.tempo_of}" if timeline.tempo_of else "told"
        tempo = f"{reading.bpm:.4g} BPM ({whose})"
    else:
        tempo = "each in its own tempo"
    if timeline.transposes:
        whose = f"of {timeline.key_of}" if timeline.key_of else "told"
        key = f"{named(reading.key)} ({whose})"
    else:
        key = "each in its own key"
    return f"{tempo}, {key}"


def _tempo(name: str, own: SourceMap, timeline: Timeline) -> str:
    if not own.bpm:
        return "no beat"
    text = f"{own.bpm:.4g} BPM"
    if not timeline.stretches:
        return f"{text} as it is"
    if name == timeline.tempo_of:
        return f"{text}, followed"
    pace = {2.0: "in half time, ", 0.5: "in double time, "}.get(own.octave, "")
    percent = own.stretch_percent
    if abs(percent) < 0.05:
        return f"{text} -> {timeline.reading.bpm:.4g} ({pace}not stretched)"
    return (
        f"{text} -> {timeline.reading.bpm:.4g} "
        f"({pace}{abs(percent):.1f} % {'longer' if percent > 0 else 'shorter'})"
    )


def _key(name: str, own: SourceMap, timeline: Timeline) -> str:
    if not own.pitched or not own.key:
        return f"{'no key' if own.pitched else 'only drums'}: not transposed"
    text, key = named(own.key), timeline.reading.key
    if not timeline.transposes:
        return f"{text} as it is"
    if name == timeline.key_of:
        return f"{text}, followed"
    if own.key != key:
        is_same = major_tonic(own.key) == major_tonic(key)
        text += f" {'has the notes of' if is_same else '->'} {named(key)}"
    steps = round(own.semitones)
    cents = round(100 * (own.semitones - steps))
    moves = [f"{steps:+d} semitone{'s' if abs(steps) != 1 else ''}"] if steps else []
    moves += [f"{cents:+d} cents"] if cents else []
    return f"{text}: {', '.join(moves) or 'not transposed'}"
