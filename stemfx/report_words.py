"""What a step measured, as a producer would say it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stemfx.dsp.units import FLOOR_DB
from stemfx.hits import DRUM_CLASSES
from stemfx.stage import Measurement

_TOLD_BELOW = {
    *("duration_s", "sample_rate", "channels", "lra_lu", "sample_peak_dbfs", "plr_lu", "psr_lu"),
    *("max_short_term_lufs", "max_momentary_lufs"),
    *("n_samples", "tries", "size_bytes"),
}

_FINE_PRINT = re.compile(
    r"_\d+_\d+_hz_db(fs)?$|_(bleed_before|bleed_after)_db$|_samples$|_points$|^joints$|^bands$"
    r"|_coherence$|_hits$|_hits_(per_minute|in_pauses|under_the_voice)$|_bleed_db$"
)
"""What a step measured by bands, by other stems or twice: in the JSON, too much for a table."""

_WORDS = {
    "wet": ("{:.0%} of the repair applied", "repair left out"),
    "mean_cut_db": ("{:.1f} dB cut on average", ""),
    "gap_cut_db": ("gaps {:.1f} dB lower", ""),
    "bleed_before_db": ("bleed from {:.0f} dB", None),
    "bleed_after_db": ("down to {:.0f} dB", None),
    "max_band_loss_db": ("costs {:.1f} dB in a band", ""),
    "max_band_gain_db": ("{:.1f} dB more in a band", ""),
    "attack_loss_db": ("attacks {:.1f} dB softer", ""),
    "mono_loss_change_db": ("{:+.1f} dB of loss in mono", ""),
    "change_db": ("changed at {:.0f} dB relative to what came in", None),
    "mono_loss_before_db": ("mono loss {:.1f} dB before", ""),
    "mono_loss_db": ("mono loss {:.1f} dB", "no loss in mono"),
    "late_ms": ("{:+.3f} ms late", "in time"),
    "interchannel_delay_ms": ("right channel {:+.3f} ms late", ""),
    "lufs": ("loudness {:.1f} LUFS", None),
    "lufs_before": ("loudness before {:.1f} LUFS", None),
    "lufs_reference": ("reference {:.1f} LUFS", None),
    "spectral_distance_before_db": ("spectrum {:.1f} dB off the reference before", None),
    "spectral_distance_db": ("{:.1f} dB off it now", "on it now"),
    "side_to_mid_before_db": ("sides before at {:+.1f} dB relative to the middle", None),
    "side_to_mid_reference_db": ("those of the reference at {:+.1f} dB", None),
    "crest_before_db": ("crest before {:.1f} dB", None),
    "crest_reference_db": ("reference's crest {:.1f} dB", None),
    "rms_dbfs": ("RMS {:.1f} dBFS", None),
    "level_change_db": ("level {:+.1f} dB", "level unchanged"),
    "loudness_change_lu": ("loudness {:+.2f} LU", "loudness unchanged"),
    "gain_db": ("gain {:+.1f} dB", "gain 0.0 dB"),
    "limited_db": ("peaks limited by {:.1f} dB more", ""),
    "coding_error_db": ("codec noise at {:.0f} dB of the sound", None),
    "bitrate_kbps": ("{:.0f} kbit/s", None),
    "makeup_db": ("makeup gain {:+.1f} dB", "makeup gain 0.0 dB"),
    "max_gain_db": ("highest gain {:+.1f} dB", "highest gain 0.0 dB"),
    "min_gain_db": ("lowest gain {:+.1f} dB", "lowest gain 0.0 dB"),
    "max_gain_reduction_db": ("gain reduction up to {:.1f} dB", "no gain reduction"),
    "mean_gain_reduction_db": ("{:.1f} dB on average", ""),
    "active_percent": ("active {:.0f} % of the time", ""),
    "max_clip_db": ("peaks softly clipped by up to {:.1f} dB", ""),
    "max_boost_db": ("boost up to {:.1f} dB", "no boost"),
    "max_cut_db": ("cut up to {:.1f} dB", "no cut"),
    "pre_ringing_ms": ("rings {:.1f} ms ahead", ""),
    "harmonics_db": ("harmonics at {:.1f} dB relative to their band", None),
    "side_reduction_db": ("sides lowered by {:.1f} dB", "sides unchanged"),
    "side_to_mid_db": ("sides at {:+.1f} dB relative to the middle", "sides as loud as the middle"),
    "residual_db": ("added sound at {:.1f} dB", None),
    "model_null_db": ("unexplained by the model {:.0f} dB", None),
    "null_db": ("null {:.0f} dB", None),
    "disagreement_db": ("the models differ by {:.1f} dB relative to the stem", None),
    "hits": ("{:.0f} hits", "no hits"),
    **{name: (f"{{:.0f}} {name.replace('_', ' ')}", None) for name in DRUM_CLASSES},
    "layered": ("laid on {:.0f} hits or beats", "laid on none"),
    "bpm": ("{:.2f} BPM", "no beat"),
    "bpm_confidence": ("tempo sure to {:.0%}", None),
    "key_confidence": ("key sure to {:.0%}", None),
    "beats": ("{:.0f} beats", ""),
    "bars": ("{:.0f} bars", ""),
    "stretch_percent": ("stretched by {:+.1f} %", "not stretched"),
    "semitones": ("transposed by {:+.2f} semitones", "not transposed"),
    "beat_error_p95_ms": ("beats within {:.1f} ms", "beats exact"),
    "resumed_at_s": ("went on at {:.1f} s", None),
    "cut_start_s": ("{:.2f} s cut from the start", "start kept"),
    "cut_end_s": ("{:.2f} s cut from the end", "end kept"),
}
"""What the suite's own steps measure: the words, and those for what rounds to zero."""

_UNITS = {
    "_dbfs": "{:.1f} dBFS",
    "_dbtp": "{:.2f} dBTP",
    "_db": "{:.1f} dB",
    "_lufs": "{:.1f} LUFS",
    "_lu": "{:.1f} LU",
    "_hz": "{:.0f} Hz",
    "_ms": "{:.1f} ms",
    "_s": "{:.2f} s",
    "_bpm": "{:.1f} BPM",
    "_percent": "{:.0f} %",
    "_st": "{:+.1f} semitones",
}


def in_words(measurements: Mapping[str, Measurement]) -> str:
    """Write what a step measured as a producer would say it.

    >>> in_words({"gain_db": -1.24, "ceiling_dbtp": -1.0})
    'gain -1.2 dB, ceiling -1.00 dBTP'
    """
    hidden = set(_TOLD_BELOW)
    if "true_peak_dbtp" in measurements:
        hidden.add("peak_dbfs")
    if "change_db" in measurements and float(measurements["change_db"]) <= FLOOR_DB:
        hidden.add("wet")  # all of nothing
    if "lufs" in measurements and "gain_db" in measurements:
        hidden.add("level_change_db")  # the gain, once more
    if "bitrate_kbps" in measurements and not measurements.get("gain_db"):
        hidden.add("gain_db")  # of a file as loud as the master
    hidden |= {name for name in measurements if _FINE_PRINT.search(name)}
    told = [_phrase(name, value) for name, value in measurements.items() if name not in hidden]
    return ", ".join(dict.fromkeys(phrase for phrase in told if phrase))


def _phrase(name: str, value: Measurement) -> str:
    suffix = next((s for s in _UNITS if name.endswith(s)), "")
    label = name.removesuffix(suffix).replace("_", " ")
    if isinstance(value, bool):
        return f"{label}: {'yes' if value else 'no'}"
    if not isinstance(value, int | float):
        return f"{label}: {value}"
    if value <= FLOOR_DB and (suffix in ("_dbfs", "_dbtp") or name == "change_db"):
        return "nothing changed" if name == "change_db" else "silent"
    if name in _WORDS:
        words, of_zero = _WORDS[name]
        value = _rounded(value, words)
        return of_zero if of_zero is not None and value == 0 else words.format(value)
    if suffix:
        return f"{label} {_UNITS[suffix].format(_rounded(value, _UNITS[suffix]))}"
    return f"{label} {value:.4g}" if isinstance(value, float) else f"{label} {value}"


def _rounded(value: float, words: str) -> float:
    """Round to the digits that `words` writes, so that nothing reads -0.0."""
    found = re.search(r"\.(\d)([f%])", words)
    digits = 0 if found is None else int(found[1]) + (2 if found[2] == "%" else 0)
    return round(value, digits) + 0.0
