"""What a producer should know of a reading: where it is a guess, and what to say instead."""

from __future__ import annotations

import numpy as np

from stemfx.dsp.transpose import parse_key
from stemfx.fixes import SOURCE, entries
from stemfx.music_reading import NOTHING_TOLD, MusicReading, Told
from stemfx.stage import Finding, Notes

UNSURE_BEAT = 0.3
"""Songs with a clear beat read 0.5 to 0.9, noise and drones under 0.05."""
UNSURE_TEMPO = 0.5
"""How far ahead of its runner-up, of both: three to one."""
UNSURE_KEY = 0.2
"""Likewise: 1.5 to 1."""
SHORT_S = 15.0
"""Less than eight bars at 128 BPM."""
DETUNED_CENTS = 15.0
_WANDERS_BEATS = 8  # over which the tempo is read here and there
_WANDERS_SHARE = 0.01
_BEAT_HINT = "give `bpm:` and `downbeat_s:` under its source (here --bpm and --downbeat)"
_KEY_HINT = "give `key:` under its source (here --key)"


def remarks(reading: MusicReading, told: Told = NOTHING_TOLD) -> list[Finding]:
    """Return findings of a reading: what is missing, unsure or unusual. None: it is clear."""
    notes = Notes()
    if reading.duration_s < SHORT_S:
        notes.find(
            "info",
            "short",
            f"only {reading.duration_s:.1f} s: tempo, bars and key of so little are easily "
            "misread; give the whole song, or say what you know (--bpm, --downbeat, --key)",
        )
    if not reading.beats_s:
        notes.find(
            "warn",
            "no_beat",
            "no beat was heard (a drone, noise, speech, or too short); if it has one, "
            + _BEAT_HINT,
        )
    elif told.bpm is not None:
        _of_told_tempo(reading, told.bpm, notes)
    else:
        _of_tempo(reading, notes)
    _of_key(reading, told, notes)
    return notes.findings


def tempo_range(reading: MusicReading) -> tuple[float, float]:
    """Return the slowest and the fastest tempo of eight beats in a row, in BPM; 0 without beats.

    The slowest and fastest twentieth are left out: single loose beats are no tempo.
    """
    beats = np.asarray(reading.beats_s)
    if beats.size < 2:
        return 0.0, 0.0
    n = min(_WANDERS_BEATS, beats.size - 1)
    low, high = np.percentile(60 * n / (beats[n:] - beats[:-n]), [5, 95])
    return float(low), float(high)


def _of_told_tempo(reading: MusicReading, bpm: float, notes: Notes) -> None:
    if reading.bpm_confidence >= UNSURE_BEAT:
        return
    heard, are = ("nothing", "even") if reading.bpm_confidence == 0 else ("little", "a guess")
    notes.find(
        "warn",
        "told_not_heard",
        f"{heard} in it plays at the {bpm:g} BPM that it was told to have: its beats are {are}",
    )


def _of_tempo(reading: MusicReading, notes: Notes) -> None:
    bpm, other = reading.bpm, reading.bpm_runner_up
    if other > 0 and reading.bpm_margin < UNSURE_TEMPO:
        notes.find(
            "warn",
            "unsure_tempo",
            f"{bpm:.4g} BPM, or else {other:.4g}: the margin is small ({reading.bpm_margin:.2f}); "
            f"to say which, give `bpm: {other:.0f}` or `bpm: {bpm:.0f}` under its source (here "
            "--bpm)",
            entries(SOURCE, bpm=round(other)),
        )
    elif reading.bpm_confidence < UNSURE_BEAT:
        notes.find(
            "warn",
            "unsure_beat",
            f"the beat is uncertain ({bpm:.4g} BPM, confidence {reading.bpm_confidence:.2f}); if "
            f"it is wrong, {_BEAT_HINT}",
            entries(SOURCE, bpm=round(other or bpm, 2)) if 20 <= (other or bpm) <= 400 else None,
        )
    low, high = tempo_range(reading)
    if not reading.steady and high - low > _WANDERS_SHARE * bpm:
        notes.find(
            "info",
            "free_tempo",
            f"the tempo wanders between {low:.4g} and {high:.4g} BPM: it was not played to a "
            "click, so follow its beats, not one tempo",
        )


def _of_key(reading: MusicReading, told: Told, notes: Notes) -> None:
    key, other = reading.key, reading.key_runner_up
    if not key:
        notes.find(
            "info",
            "no_key",
            "no key: next to nothing in it has a clear pitch (drums, noise or speech); if it has "
            f"one, {_KEY_HINT}",
        )
        return
    if told.key:
        if reading.key_confidence == 0 and other:
            notes.find(
                "info",
                "told_not_heard",
                f"it was told to be in {key}; what is heard speaks more for {other}",
            )
    elif reading.key_confidence < UNSURE_KEY:
        notes.find(
            "warn",
            "unsure_key",
            f"{key} or {other}: the margin is small ({reading.key_confidence:.2f})"
            f"{_kinship(key, other)}; to say which, {_KEY_HINT}",
            entries(SOURCE, key=other) if other else None,
        )
    if abs(reading.tuning_cents) > DETUNED_CENTS:
        side = "above" if reading.tuning_cents > 0 else "below"
        cents = abs(reading.tuning_cents)
        notes.find("info", "detuned", f"it is tuned {cents:.0f} cents {side} A4 = 440 Hz")


def _kinship(key: str, other: str) -> str:
    (tonic, mode), (of_other, mode_of_other) = parse_key(key), parse_key(other)
    if mode != mode_of_other and (tonic + 3 * mode - of_other - 3 * mode_of_other) % 12 == 0:
        return ", and relatives share all their notes"
    return ", and they share their root" if tonic == of_other else ""
