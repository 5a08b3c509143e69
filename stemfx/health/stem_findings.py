"""What a set of stems' measurements mean to the producer, and what to paste to mend them."""

from __future__ import annotations

from collections.abc import Iterator

from stemfx.dsp.speed import WRONG_RATES
from stemfx.dsp.units import gain_to_db
from stemfx.fixes import EVERY_TRACK, TRACK, entries, placed, stage_line
from stemfx.health.stem_set import NULL_WARN_DB, SetHealth, StemFinding, StemHealth
from stemfx.health.stem_solver import Move
from stemfx.stage import Finding, Level

NULL_FAIL_DB = -20.0
"""From here on the rest is heard as an instrument of its own."""

_LATE_MS = 0.2  # a comb's first notch then falls below 2.5 kHz
_VERY_LATE_MS = 1.0
_OFF_DB = 0.2
_ALIGN_MS = 5.0
_DRIFT_PERCENT = 0.05
_LENGTH_S = 0.05
_BLURRED_DB = -15.0  # above this the one stem's filter moves the gains of the others
_LEAK_DB = -42.0  # 1 %: half of what is heard in the pauses of a loud mix


_LEFT_OUT = entries(TRACK, mute=True)
_OTHER_WAY_UP = stage_line("polarity")


def set_findings(health: SetHealth) -> Iterator[StemFinding]:
    """Yield what is wrong with a set; a fault that follows from another one is not told again."""
    bad = health.null_db is not None and health.null_db > NULL_WARN_DB
    for name, stem in health.stems.items():
        yield from (StemFinding(name, found) for found in _file(health, stem, bad=bad))
        if stem.is_silent or stem.move is None or not bad:
            continue
        if health.common is None:
            yield from (StemFinding(name, found) for found in _place(health, name, stem))
        if stem.hole is not None:
            yield StemFinding(name, _cut_off(health, stem))
    if health.common is not None:
        yield from (StemFinding(None, found) for found in _common(health, health.common))
    yield from (StemFinding(None, found) for found in _mixture(health))
    yield from (StemFinding(None, found) for found in _leftover(health))
    yield from _pairs(health)
    yield from _leaks(health)


# --- one stem ----------------------------------------------------------------------------


def _file(health: SetHealth, stem: StemHealth, *, bad: bool) -> Iterator[Finding]:
    if stem.is_silent:
        yield Finding(
            "warn" if bad else "info",
            "stem_silent",
            "this stem is silent: "
            + (
                "as the stems do not add up, its export may have failed"
                if bad
                else "right if its instrument does not play in this song"
            ),
        )
    is_right_speed = stem.move is None or stem.move.speed == 1.0
    if stem.sample_rate != health.sample_rate and is_right_speed:
        yield Finding(
            "info",
            "stem_sample_rate",
            f"a sample rate of {stem.sample_rate} Hz beside {health.sample_rate} Hz of the others: "
            "it was converted to compare it, as a run does",
        )
    if stem.same_as is not None:
        gain_db = gain_to_db(stem.same_as_gain)
        how = "" if abs(gain_db) < 0.1 else f", {gain_db:+.1f} dB louder"
        how += ", upside down" if stem.same_as_gain < 0 else ""
        yield Finding(
            "warn" if bad or health.null_db is None else "info",
            "stem_duplicate",
            f"the same sound as stem {stem.same_as!r}{how}: one of the two files is probably the "
            "wrong one; mixed together it is counted twice. Export it again, or leave one out",
            _LEFT_OUT,
        )
    yield from _length(health, stem)


def _length(health: SetHealth, stem: StemHealth) -> Iterator[Finding]:
    move = stem.move or Move()
    if move.speed != 1.0 or move.is_lost or stem.hole is not None:
        return  # told as what it is
    if health.unheard_s or health.mixture_is_silent:
        return  # it is the mixture's fault
    over_s = stem.n_samples / stem.sample_rate - health.duration_s
    late_s = move.delay_samples / health.sample_rate
    if abs(over_s) <= _LENGTH_S or abs(over_s - late_s) <= _LENGTH_S:  # else told as a delay
        return
    other = "mixture" if health.null_db is not None else "longest stem"
    more = "longer" if over_s > 0 else "shorter"
    yield Finding(
        "info",
        "stem_length",
        f"{abs(over_s):.2f} s {more} than the {other}: silence is added at the end when they are "
        "mixed; nothing that can be heard is lost by that",
    )


def _place(health: SetHealth, name: str, stem: StemHealth) -> Iterator[Finding]:
    move, left = stem.move, health.leftover
    if move is None:
        return
    # Through a filter or a compressor a stem has no one gain, and may not be known again.
    is_processed = (
        left is not None
        and left.kind == "processed"
        and (left.stem in {None, name} or left.level_db > _BLURRED_DB)
    )
    if move.is_lost and is_processed:
        return
    if move.is_lost:
        if stem.same_as is None and not any(s.same_as == name for s in health.stems.values()):
            yield Finding(
                "error",
                "stem_not_in_mixture",
                "nothing of this stem was found in the mixture: a file of another song, take or "
                "version? Export it again, or leave it out",
                _LEFT_OUT,
            )
        return
    if move.speed != 1.0:
        yield _speed(move.speed, health, "this stem", stem.sample_rate)
    yield from _delay(move, health)
    if move.gain < 0:
        yield Finding(
            "error",
            "stem_inverted",
            "upside down beside its copy in the mixture: where other stems share its sound, it "
            f"takes it away. To fix it add to the track's stages: {_OTHER_WAY_UP}",
            _OTHER_WAY_UP,
        )
    if not is_processed:
        yield from _level(move)


def _speed(speed: float, health: SetHealth, what: str, sample_rate: int) -> Finding:
    percent = 100.0 * (speed - 1.0)
    for wrong in WRONG_RATES:
        if abs(speed / wrong - 1.0) < 2e-4:
            true_rate = round(sample_rate / wrong)
            return Finding(
                "error",
                "stem_wrong_rate",
                f"{what} runs {percent:+.2f} % fast: its header says {sample_rate} Hz, its samples "
                f"are {true_rate} Hz. Set the header to {true_rate} Hz (for raw samples choose "
                f"{true_rate} Hz on import), or export it again",
            )
    drift_ms = abs(speed - 1.0) * health.duration_s * 1e3
    slow = "fast" if percent > 0 else "slow"
    if abs(percent) < _DRIFT_PERCENT:
        return Finding(
            "error",
            "stem_drifts",
            f"{what} runs {abs(percent) * 1e4:.0f} ppm {slow}: {drift_ms:.1f} ms out of step at "
            "the end, as from a device with a clock of its own. No one shift mends that: stretch "
            f"it to {100 * speed:.4f} % of its length in an editor, or export it again",
        )
    return Finding(
        "error",
        "stem_wrong_speed",
        f"{what} runs {abs(percent):.3f} % {slow} ({1200 * _log2(speed):+.0f} cents) against the "
        f"mixture. Resample it to {100 * speed:.3f} % of its length in an editor (varispeed, not "
        "time-stretch), or export it again",
    )


def _log2(value: float) -> float:
    from math import log2

    return log2(value)


def _delay(move: Move, health: SetHealth) -> Iterator[Finding]:
    delay_ms = 1e3 * move.delay_samples / health.sample_rate
    if abs(delay_ms) < _LATE_MS / 2:
        return
    level: Level = "error" if abs(delay_ms) >= _VERY_LATE_MS else "warn"
    late = "late" if delay_ms > 0 else "early"
    fix = _shift(delay_ms)
    amount = f"{abs(delay_ms):.3f} ms" if abs(delay_ms) < 1e3 else f"{abs(delay_ms) / 1e3:.4f} s"
    yield Finding(
        level,
        f"stem_{late}",
        f"{amount} ({abs(move.delay_samples):.2f} samples) {late} against the mixture: off the "
        "beat, and hollow where other stems share its sound. To fix it add to the track's stages: "
        f"{fix}",
        fix,
    )


def _shift(delay_ms: float) -> str:
    return stage_line("align", delay_ms=round(-delay_ms, 4))


def _level(move: Move) -> Iterator[Finding]:
    gain_db = gain_to_db(move.gain)
    if abs(gain_db) < _OFF_DB:
        return
    loud = "quiet" if gain_db > 0 else "loud"
    yield Finding(
        "warn",
        f"stem_too_{loud}",
        f"{abs(gain_db):.2f} dB too {loud} against the mixture. To fix it write at the track: "
        f"gain_db: {gain_db:.2f}",
        entries(TRACK, gain_db=round(gain_db, 2)),
    )


def _cut_off(health: SetHealth, stem: StemHealth) -> Finding:
    hole = stem.hole
    if hole is None:
        raise ValueError
    if hole.end_s >= health.duration_s - 0.5:
        where = f"breaks off at {hole.start_s:.1f} s of {health.duration_s:.1f} s"
    elif hole.start_s <= 0.5:
        where = f"is missing its first {hole.end_s:.1f} s"
    else:
        where = f"has a hole from {hole.start_s:.1f} to {hole.end_s:.1f} s"
    return Finding(
        "error",
        "stem_cut_off",
        f"{where}: the mixture has sound there that no stem explains, and this stem stops or "
        "starts just there. The file is cut off: export or copy it again",
    )


# --- the set -----------------------------------------------------------------------------


def _common(health: SetHealth, move: Move) -> Iterator[Finding]:
    if move.speed != 1.0:
        yield _speed(move.speed, health, "every stem", health.sample_rate)
    delay_ms = 1e3 * move.delay_samples / health.sample_rate
    if abs(delay_ms) >= _LATE_MS / 2:
        late, fix = "early" if delay_ms > 0 else "late", _shift(delay_ms)
        yield Finding(
            "warn",
            "mixture_shifted",
            f"the mixture is {abs(delay_ms):.3f} ms ({abs(move.delay_samples):.1f} samples) {late} "
            "against all stems together, as an encoder or a plugin's latency makes it. The stems "
            f"go together; only the comparison with this mixture needs: {fix} on every track",
            placed(EVERY_TRACK, fix),
        )
    if move.gain < 0:
        yield Finding(
            "warn",
            "mixture_inverted",
            "the mixture is upside down against all stems together; they go together as they are",
        )
    gain_db = gain_to_db(move.gain)
    if abs(gain_db) >= _OFF_DB:
        louder = "louder" if gain_db > 0 else "quieter"
        fix = stage_line("gain", gain_db=round(gain_db, 2))
        yield Finding(
            "info",
            "mixture_level",
            f"the mixture is {abs(gain_db):.2f} dB {louder} than the stems together, all of them "
            f"alike. To match it add to the mix's stages: {fix}",
            placed("in mix.stages", fix),
        )


def _mixture(health: SetHealth) -> Iterator[Finding]:
    if health.mixture_is_silent:
        yield Finding(
            "error",
            "mixture_silent",
            "the mixture is silent, so the stems cannot be held against it: export it again",
        )
        return
    if health.unheard_s:
        yield Finding(
            "warn",
            "mixture_cut_off",
            f"the mixture ends {health.unheard_s:.2f} s before the stems, which still sound there: "
            "it is cut off, or another version. All that is told here holds up to its end; export "
            "or copy it again",
        )
    if health.mixture_is_narrower:
        yield Finding(
            "info",
            "mixture_mono",
            "the mixture is mono and the stems are stereo: they were compared in mono, so what "
            "differs between left and right was not looked at",
        )


def _leftover(health: SetHealth) -> Iterator[Finding]:
    left = health.leftover
    if left is None or any(stem.hole is not None for stem in health.stems.values()):
        return
    level: Level = "error" if left.level_db > NULL_FAIL_DB else "warn"
    where = f"mostly from {left.low_hz:,.0f} to {left.high_hz:,.0f} Hz"
    if left.kind == "edges":
        yield Finding(
            "info",
            "edges_differ",
            "stems and mixture differ only in the first or last half second, as by a fade of one "
            "of them; nothing to mend",
        )
    elif left.kind == "noise":
        yield Finding(
            "warn",
            "mixture_coded",
            f"the stems have the sound of the mixture, but for something like noise that follows "
            f"it in all bands, {-left.level_db:.1f} dB below it: the mixture, or the stems, went "
            "through a lossy codec (MP3, AAC), or else a soft stem is missing. Use the WAV or FLAC "
            "that they were made from if there is one",
        )
    elif left.kind == "missing":
        yield Finding(
            level,
            "stem_missing",
            f"the mixture has sound that no stem explains, {-left.level_db:.1f} dB below it, "
            f"{where}: a stem is missing. Add its file to the source, or take it as the mixture "
            "minus the stems: separate: {residual: keep}",
            entries("in separate", residual="keep"),
        )
    elif left.stem is not None:
        yield Finding(
            "warn",
            "stem_processed",
            f"stem {left.stem!r} sounds otherwise in the mixture (EQ, compression or effects that "
            f"its file lacks): what is left is {-left.level_db:.1f} dB below the mixture, {where}",
        )
    else:
        yield Finding(
            "warn",
            "mixture_processed",
            f"the mixture was processed as a whole (mastered, compressed, coded): the stems have "
            f"all of its sound, but differ from it {-left.level_db:.1f} dB below it, {where}. Use "
            "them with the unmastered mixture if there is one",
        )


def _pairs(health: SetHealth) -> Iterator[StemFinding]:
    for (first, second), found in health.pairs.items():
        if found.coherence < 0.5 or health.stems[second].same_as is not None:
            continue
        if found.polarity < 0:
            yield StemFinding(
                second,
                Finding(
                    "error",
                    "stem_inverted",
                    f"the same source as stem {first!r}, upside down: together they cancel. To "
                    f"fix it add to the track's stages: {_OTHER_WAY_UP}",
                    _OTHER_WAY_UP,
                ),
            )
        if abs(found.delay_ms) >= _LATE_MS and found.is_late_or_early:
            late = "later" if found.delay_ms > 0 else "earlier"
            fix = stage_line("align", against=[first])
            yield StemFinding(
                second,
                Finding(
                    "warn",
                    f"stem_{'late' if found.delay_ms > 0 else 'early'}",
                    f"the same source as stem {first!r}, {abs(found.delay_ms):.3f} ms "
                    f"({abs(found.delay_samples):.2f} samples) {late}: together they sound hollow. "
                    f"To fix it add to the track's stages: {fix}",
                    fix,
                ),
            )


def _leaks(health: SetHealth) -> Iterator[StemFinding]:
    for name, row in health.leaks_db.items():
        heard = {other: level for other, level in row.items() if level > _LEAK_DB}
        if not heard:
            continue
        line = stage_line("debleed", against=list(heard))
        which = ", ".join(f"{other} at {level:.1f} dB" for other, level in heard.items())
        if health.leaks_are_linear:
            found = Finding(
                "warn",
                "stem_leak",
                f"holds some of other stems: {which} of their own level. To fix it add to the "
                f"track's stages: {line}",
                line,
            )
        else:
            found = Finding(
                "info",
                "stem_bleed",
                f"traces of other stems, about {which}, differing with frequency: what a separator "
                f"leaves. Where it is heard, add to the track's stages: {line}",
                line,
            )
        yield StemFinding(name, found)
