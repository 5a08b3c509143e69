"""What is measured of a take and of a stem: plain numbers by name, None where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Measurements = Mapping[str, float | None]
"""Value by name, in the order of the tables below; None where a song has no such thing."""


class Measure(NamedTuple):
    """One measurement: the digits with which it is told, and what it is."""

    digits: int
    about: str


TAKE: Mapping[str, Measure] = {
    "duration_s": Measure(3, "length"),
    "silence_percent": Measure(1, "time in which nothing sounds: 60 dB under the loud moments"),
    "lufs": Measure(2, "integrated loudness; no merit and no fault"),
    "clipped_percent": Measure(2, "time with flat tops, wherever they lie now"),
    "clipped_samples": Measure(0, "samples on flat tops"),
    "clip_depth_db": Measure(1, "how far the tops would have gone, about"),
    "clip_level_dbfs": Measure(2, "where the flat tops lie"),
    "true_peak_dbtp": Measure(2, "highest peak between the samples"),
    "plr_lu": Measure(2, "true peak over integrated loudness"),
    "lra_lu": Measure(2, "loudness range, EBU Tech 3342"),
    "cutoff_khz": Measure(2, "above it the spectrum was cut off; the top of hearing if it was not"),
    "bandwidth_khz": Measure(2, "highest frequency within 85 dB of the loudest"),
    "holes_percent": Measure(2, "cells of treble that a codec left empty in the middle of sound"),
    "lossy_file": Measure(0, "1: the file itself is of a lossy format"),
    "noise_db": Measure(1, "steady noise in quiet moments, beside the song"),
    "dc_dbfs": Measure(1, "steady offset"),
    "hum_db": Measure(1, "mains hum, beside the song"),
    "clicks": Measure(0, "single samples that jump"),
    "dropouts": Measure(0, "places where the sound stands still"),
    "bad_samples": Measure(0, "samples that are no numbers"),
    "bits": Measure(0, "bits that the samples use"),
    "side_db": Measure(1, "sides beside the middle"),
    "correlation": Measure(3, "of left and right"),
    "mono_loss_db": Measure(2, "what mono playback loses"),
    "worst_mono_loss_db": Measure(2, "the same in the audible band that loses most"),
    "balance_db": Measure(1, "left and right apart, in level"),
    "channel_delay_ms": Measure(3, "one channel later than the other"),
    "tonal_distance_db": Measure(2, "from the usual long-term spectrum, a mean over octaves"),
    "bpm": Measure(3, "tempo"),
    "bpm_confidence": Measure(3, "0 to 1"),
    "tempo_wander_percent": Measure(2, "half the range of the tempo, bar by bar"),
    "tuning_cents": Measure(1, "from A4 = 440 Hz"),
    "tuning_off_cents": Measure(1, "the same without its sign"),
    "tuning_clarity": Measure(3, "0 (no scale) to 1 (all on one)"),
    "tuning_wander_cents": Measure(1, "how the tuning moves, 4 s by 4 s"),
    "start_db": Measure(1, "level of the very first samples, beside the song"),
    "end_db": Measure(1, "level of the last 30 ms, beside the song"),
    "copied_percent": Measure(1, "bars that are exact copies of earlier ones"),
}
"""Of a take."""

STEM: Mapping[str, Measure] = {
    "level_db": Measure(1, "where it sounds, beside the mixture there"),
    "silence_percent": Measure(1, "time of the song in which it is silent"),
    "bleed_db": Measure(1, "sound of other stems in it, beside it"),
    "pause_db": Measure(1, "what is left in the quieter moments of its pauses, beside it"),
    "cutoff_khz": Measure(2, "above it the spectrum was cut off"),
    "bandwidth_khz": Measure(2, "highest frequency within 85 dB of the loudest"),
    "clipped_here_percent": Measure(2, "time in which it sounds and the mixture is clipped"),
    "tuning_cents": Measure(1, "from A4 = 440 Hz"),
    "tuning_clarity": Measure(3, "0 (no scale) to 1 (all on one)"),
    "tuning_wander_cents": Measure(1, "how the tuning moves, 4 s by 4 s"),
    "timing_spread_ms": Measure(1, "of attacks around the beat"),
}
"""Of a stem in its song."""

SECTION: Mapping[str, Measure] = {
    "silence_percent": Measure(1, "time of the section in which it is silent"),
    "missing_percent": Measure(1, "the same, while another take plays out"),
    "clipped_percent": Measure(2, "cells of 100 ms with flat tops"),
    "cutoff_khz": Measure(2, "above it the spectrum was cut off"),
    "dull_octaves": Measure(2, "how much lower that is than in the brightest take"),
    "pause_db": Measure(1, "what is left where it is silent, beside it"),
    "bleed_db": Measure(1, "sound of other stems in the whole take, where that is known"),
    "level_wander_db": Measure(1, "how its level moves within the section"),
    "wander_more_db": Measure(1, "the same, more than in the steadiest take"),
}
"""Of one take in one section, beside the other takes of the part."""


def rounded(values: Measurements, table: Mapping[str, Measure]) -> dict[str, float | int | None]:
    """Return the measurements as JSON values, in the order of their table."""
    told: dict[str, float | int | None] = {}
    for name, measure in table.items():
        value = values.get(name)
        if value is None:
            told[name] = None
        else:
            told[name] = round(value, measure.digits) + 0.0 if measure.digits else round(value)
    return told
