"""What each kind of node does with its signals, block by block.

An operation is a generator of blocks (or of several signals' blocks at a time); it reads its
inputs, and says what it did through `Notes`. It knows no cache, thread or screen.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from stemfx import operations_align as aligning
from stemfx import operations_page
from stemfx.audio import BLOCK_SAMPLES, Block, Signal, read_only
from stemfx.drums.find import find_hits as hear_hits
from stemfx.dsp.channels import fold_down, pan_gains, widen
from stemfx.dsp.fitted import Fitted
from stemfx.dsp.units import db_to_gain, gain_to_db, power_to_db
from stemfx.errors import AudioFileError, PluginError, SilentFileError
from stemfx.graph import (
    Analyse,
    Apply,
    CombineStems,
    Comp,
    Decode,
    Excerpt,
    Fader,
    FindHits,
    Finds,
    ForPage,
    Makes,
    MaskMixture,
    ReadMusic,
    Removed,
    Separate,
    file_state,
)
from stemfx.hits import DRUM_CLASSES, Hit
from stemfx.io import FileInfo, read_blocks
from stemfx.music import read_music
from stemfx.music_reading import MusicReading
from stemfx.separation import (
    add_residual,
    combine,
    estimates,
    remask,
    residual_of,
    spread_residual,
)
from stemfx.separator import SeparationContext, StemBlock
from stemfx.stage import Finding, Level, Notes, Song, StageContext


def check_notes(notes: Notes, who: str) -> None:
    """Hold what a plugin said to the contract: plain finite values, known levels.

    Raises:
        PluginError: it said something else.
    """
    for name, value in notes.measurements.items():
        plain = value.item() if isinstance(value, np.generic) else value
        is_finite = not isinstance(plain, float) or math.isfinite(plain)
        if not isinstance(plain, bool | int | float | str) or not is_finite:
            raise PluginError(f"{who!r} reported {name}={value!r}; a finite number or text")
        notes.measurements[name] = plain
    for finding in notes.findings:
        if finding.level not in get_args(Level):
            raise PluginError(
                f"{who!r} gave a finding of level {finding.level!r}; "
                f"{', '.join(get_args(Level))} are known"
            )
        if not isinstance(finding.fix, str | None):
            raise PluginError(f"{who!r} gave a finding the fix {finding.fix!r}; text, or none")


@dataclass
class LevelMeter:
    """Counts power and peak of the blocks that pass."""

    power: float = 0.0
    peak: float = 0.0
    n_values: int = 0

    def add(self, block: NDArray[Any]) -> None:
        """Count one block of any shape."""
        flat = block.ravel().astype(np.float64)
        self.power += float(np.dot(flat, flat))
        self.peak = max(self.peak, float(flat.max(initial=0)), -float(flat.min(initial=0)))
        self.n_values += flat.size

    @property
    def rms_db(self) -> float:
        """Level in dBFS (a full-scale square wave is 0)."""
        return power_to_db(self.power / max(self.n_values, 1))

    @property
    def peak_db(self) -> float:
        """Highest sample in dBFS."""
        return gain_to_db(self.peak)


# --- decode ------------------------------------------------------------------------------


def decode(work: Decode, notes: Notes) -> Iterator[Block]:
    """Yield a file at the project's rate, mono or stereo, having looked at every sample.

    Raises:
        AudioFileError: a sample is not a number, or all are zero and that is not allowed.
    """
    info, meter = work.info, LevelMeter()
    n_over = 0
    blocks = inspected(info, fold=work.fold_down)
    n_out = info.n_samples
    if work.window_s is not None:
        start, length = (round(seconds * info.sample_rate) for seconds in work.window_s)
        if start >= info.n_samples and not work.may_start_late:
            raise AudioFileError(
                f"the preview starts at {work.window_s[0]:g} s and the audio ends at "
                f"{info.duration_s:.1f} s",
                where=str(info.path),
            )
        blocks = _window(blocks, start, length)
        n_out = max(0, min(length, info.n_samples - start))
    if work.sample_rate != info.sample_rate:
        from stemfx.dsp.resample import resample_blocks

        n_out = round(n_out * work.sample_rate / info.sample_rate)
        channels = min(info.channels, 2)
        blocks = resample_blocks(blocks, info.sample_rate, work.sample_rate, channels, n_out)
    for block in blocks:
        meter.add(block)
        n_over += int(np.count_nonzero(np.abs(block) > 1.0))
        yield block
    if meter.n_values == 0:  # a layer that ends before the preview starts
        yield np.zeros((min(info.channels, 2), 1), np.float32)
    if file_state(info.path) != work.state:
        raise AudioFileError(
            "the file changed while it was read; run the same command again", where=str(info.path)
        )
    if meter.peak == 0 and not work.may_be_silent:
        raise SilentFileError(
            "every sample is zero: the file is silent, so there is nothing to work on; "
            "export it again",
            where=str(info.path),
        )
    notes.measurements |= {"peak_dbfs": meter.peak_db, "rms_dbfs": meter.rms_db}
    if n_over:
        notes.findings.append(
            Finding(
                "info",
                "over_full_scale",
                f"{n_over} samples are over full scale (peak {meter.peak_db:+.1f} dBFS); they "
                "are kept as they are",
            )
        )


def inspected(info: FileInfo, *, fold: bool = False) -> Iterator[Block]:
    """Yield a file as it is, `fold` to stereo, having made sure that every sample is a number.

    Raises:
        AudioFileError: one is not, or the file is damaged.
    """
    done = 0
    for block in read_blocks(info):
        if not np.isfinite(block).all():
            bad = np.argwhere(~np.isfinite(block.T))
            at_s = (done + int(bad[0][0])) / info.sample_rate
            raise AudioFileError(
                f"{len(bad)} samples are not numbers (NaN or infinite), the first at {at_s:.3f} s; "
                "export the file again from the program that made it",
                where=str(info.path),
            )
        done += block.shape[1]
        yield fold_down(block) if fold else block


def _window(blocks: Iterator[Block], start: int, length: int) -> Iterator[Block]:
    done = 0
    for block in blocks:
        part = block[:, max(0, start - done) : max(0, start + length - done)]
        done += block.shape[1]
        if part.shape[1]:
            yield read_only(part)
        if done >= start + length:
            return


# --- separate ----------------------------------------------------------------------------


def separate(work: Separate, heard: Signal, notes: Notes, start: int) -> Iterator[StemBlock]:
    """Yield the stems of a mixture from sample `start` on, as the model gives them."""
    context = SeparationContext(
        measurements=notes.measurements,
        findings=notes.findings,
        effort=work.effort,
        device=work.device,
        start=start,
    )
    yield from estimates(heard, work.separator, work.wanted, context)
    check_notes(notes, work.separator.card.name)


def combined(work: CombineStems, inputs: Sequence[Signal], notes: Notes) -> Iterator[Block]:
    """Yield one stem of several models' estimates; report how far these are from each other."""
    meter, apart = LevelMeter(), LevelMeter()
    done = 0
    for block in combine(inputs, work.method, work.weights):
        for signal in inputs:
            apart.add(signal.read(done, done + block.shape[1]) - block)
        meter.add(block)
        done += block.shape[1]
        yield block
    if meter.power > 0:
        notes.measurements["disagreement_db"] = apart.rms_db - meter.rms_db


def masked(work: MaskMixture, inputs: Sequence[Signal], notes: Notes) -> Iterator[StemBlock]:
    """Yield the stems as masks on the mixture; report how far that is from the model's own."""
    mixture, *stems = inputs
    before, change = LevelMeter(), LevelMeter()
    done = 0
    for block in remask(mixture, stems, work.mask, is_complete=work.is_complete):
        own = np.stack([stem.read(done, done + block.shape[2]) for stem in stems])
        before.add(own)
        change.add(block - own)
        done += block.shape[2]
        yield block
    if before.power > 0:
        notes.measurements["change_db"] = change.rms_db - before.rms_db


def residual(inputs: Sequence[Signal], notes: Notes) -> Iterator[Block]:
    """Yield the mixture minus its stems; report how much of the mixture no stem explains.

    `model_null_db` is the level of the residual, `null_db` that of mixture minus (stems plus
    residual), both relative to the mixture.
    """
    mixture, *stems = inputs
    whole, rest, error = LevelMeter(), LevelMeter(), LevelMeter()
    for here, parts, left in residual_of(mixture, stems):
        whole.add(here)
        rest.add(left)
        error.add(here - parts.sum(axis=0, dtype=np.float64) - left)
        yield left
    if whole.power > 0:
        notes.measurements["model_null_db"] = rest.rms_db - whole.rms_db
        notes.measurements["null_db"] = error.rms_db - whole.rms_db


def return_residual(inputs: Sequence[Signal], notes: Notes) -> Iterator[NDArray[np.float32]]:
    """Yield the stems with the residual given back."""
    *stems, residual = inputs
    before, after = LevelMeter(), LevelMeter()
    parts = (
        (block[np.newaxis] for block in add_residual(stems[0], residual))
        if len(stems) == 1
        else spread_residual(stems, residual)
    )
    done = 0
    for block in parts:
        for stem in stems:
            before.add(stem.read(done, done + block.shape[2]))
        after.add(block)
        done += block.shape[2]
        yield block
    notes.measurements["level_change_db"] = after.rms_db - before.rms_db


# --- stages, faders, mix -----------------------------------------------------------------


def _song(stems: Mapping[str, Signal], own: str, mixture: Signal, beside: Sequence[Signal]) -> Song:
    """Return a song whose signals all are as long and as wide as the largest of `beside`."""
    channels = max(signal.channels for signal in beside)
    n_samples = max(signal.n_samples for signal in beside)

    def fitted(signal: Signal) -> Signal:
        is_so = (signal.channels, signal.n_samples) == (channels, n_samples)
        return signal if is_so else Fitted(signal, channels, n_samples)

    return Song({name: fitted(stem) for name, stem in stems.items()}, own, fitted(mixture))


def find(
    work: Finds, inputs: Sequence[Signal], data: Sequence[Mapping[str, Any]], notes: Notes
) -> Mapping[str, Any]:
    """Return what a node finds out that gives no signal: plain values for JSON."""
    if isinstance(work, Analyse):
        return analyse(work, inputs)
    if isinstance(work, FindHits):
        return find_hits(work, inputs[0], notes)
    if isinstance(work, ReadMusic):
        return read_song(work, inputs, notes)
    if isinstance(work, ForPage):
        return operations_page.find(work, inputs)
    return aligning.find(work, inputs, data, notes)


def analyse(work: Analyse, inputs: Sequence[Signal]) -> Mapping[str, Any]:
    """Return what a stage finds out about a song: plain values for JSON.

    Raises:
        PluginError: it found something else.
    """
    *stems, mixture = inputs
    song = _song(dict(zip(work.stems, stems, strict=True)), "", mixture, stems or [mixture])
    assert work.stage.analysis is not None  # noqa: S101 - asked by the plan
    found = work.stage.analysis.find(song, work.settings)
    try:
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError) as error:
        who = f"the analysis of stage {work.stage.name!r}"
        raise PluginError(f"{who} gave what JSON cannot hold: {error}") from error
    return found


def find_hits(work: FindHits, signal: Signal, notes: Notes) -> Mapping[str, Any]:
    """Return the drum hits of a signal; report how many of each class there are.

    Raises:
        PluginError: the classifier broke its contract.
    """
    hits = hear_hits(signal, work.classifier)
    counts = {name: sum(h.drum_class == name for h in hits) for name in DRUM_CLASSES}
    notes.report(hits=len(hits), **{name: n for name, n in counts.items() if n})
    return {"hits": [[hit.time_s, hit.drum_class, hit.velocity] for hit in hits]}


def read_song(work: ReadMusic, inputs: Sequence[Signal], notes: Notes) -> Mapping[str, Any]:
    """Return what a song plays to; report tempo and key."""
    mixture, *stems = inputs
    named = dict(zip(work.stems, stems, strict=True))
    reading = read_music(mixture, named, tracker=work.tracker, told=work.told)
    notes.report(bpm=reading.bpm, bpm_confidence=reading.bpm_confidence, beats=len(reading.beats_s))
    notes.report(key=reading.key or "none", key_confidence=reading.key_confidence)
    return reading.to_json()


def removed(before: Signal, after: Signal, notes: Notes) -> Iterator[Block]:
    """Yield what a stage took away: its input minus its output."""
    whole, taken = LevelMeter(), LevelMeter()
    done = 0
    for block in before.blocks():
        left = after.read(done, done + block.shape[1])
        gone = block - np.pad(left, ((0, 0), (0, block.shape[1] - left.shape[1])))
        done += block.shape[1]
        whole.add(block)
        taken.add(gone)
        yield gone
    if whole.power > 0 and taken.power > 0:
        notes.measurements["removed_db"] = taken.rms_db - whole.rms_db


def apply_stage(
    work: Apply,
    inputs: Sequence[Signal],
    data: Sequence[Mapping[str, Any]],
    seed: int,
    notes: Notes,
) -> Iterator[Block]:
    """Yield what a stage yields, held to its contract; report the change of level.

    `inputs` and `data` are the signals and the data that `Apply` names, in its order.

    Raises:
        PluginError: the stage broke its contract; the sentence says how.
    """
    stage, signal = work.call.stage, inputs[0]
    beside, found, song = iter(inputs[1:]), iter(data), None
    sidechains = {name: next(beside) for name in work.sidechains}
    sounds = {name: next(beside) for name in work.sounds}
    if work.song is not None:
        *stems, mixture = beside
        named = dict(zip(work.song.stems, stems, strict=True))
        song = replace(
            _song(named, work.song.own, mixture, [signal]),
            analysis=next(found) if stage.analysis is not None else {},
            against=work.song.against,
        )
    hits = _hits(work, found, signal, notes)
    context = StageContext(
        seed=seed,
        sidechains=sidechains,
        files=work.call.files,
        sounds=sounds,
        kits=work.call.kits,
        readings={name: MusicReading.from_json(next(found)) for name in work.sources},
        hits=hits,
        song=song,
        is_generated=work.is_generated,
        measurements=notes.measurements,
        findings=notes.findings,
    )
    before, after = LevelMeter(), LevelMeter()
    channels = 2 if stage.makes_stereo else signal.channels
    done = 0
    for block in stage.process(signal, work.call.params, context):
        if stage.is_check or not isinstance(block, np.ndarray):
            raise PluginError(
                f"stage {stage.name!r} gave {type(block).__name__}; "
                + ("a check gives nothing" if stage.is_check else "(channels, n) float32 expected")
            )
        if block.ndim != 2 or block.shape[0] != channels or block.dtype != np.float32:
            raise PluginError(
                f"stage {stage.name!r} gave a block of shape {block.shape}, {block.dtype}; "
                f"({channels}, n) float32 is the contract"
            )
        if not np.isfinite(block).all():
            raise PluginError(f"stage {stage.name!r} gave samples that are not numbers")
        after.add(block)
        done += block.shape[1]
        yield block
    check_notes(notes, stage.name)
    if stage.is_check:
        return
    if done != signal.n_samples and not stage.changes_length:
        raise PluginError(
            f"stage {stage.name!r} gave {done} samples for {signal.n_samples} and does not "
            "declare changes_length"
        )
    if done == 0:
        raise PluginError(f"stage {stage.name!r} leaves nothing of the signal")
    for block in signal.blocks():
        before.add(block)
    notes.measurements["level_change_db"] = after.rms_db - before.rms_db
    notes.measurements["peak_dbfs"] = after.peak_db


def _hits(
    work: Apply, found: Iterator[Mapping[str, Any]], signal: Signal, notes: Notes
) -> tuple[Hit, ...]:
    """Return the hits that a stage is told; what of a file cannot be played is said."""
    if not work.call.hears_hits:
        return ()
    if work.given_hits is None:
        return tuple(Hit(*values) for values in next(found)["hits"])
    end_s = signal.n_samples / signal.sample_rate
    hits = tuple(hit for hit in work.given_hits.hits if hit.time_s < end_s)
    if work.given_hits.left_out:
        notes.find("warn", "hits_left_out", work.given_hits.left_out)
    if late := len(work.given_hits.hits) - len(hits):
        told = f"{late} of the given hits lie after the end of the track ({end_s:.2f} s)"
        notes.find("warn", "hits_after_the_end", told)
    return hits


def blocks(
    work: Makes, inputs: Sequence[Signal], data: Sequence[Mapping[str, Any]], notes: Notes
) -> Iterator[Block]:
    """Yield what a node makes that is no stage."""
    if isinstance(work, Comp):
        return aligning.comp(work, inputs, data, notes)
    if isinstance(work, Excerpt):
        return aligning.excerpt(work, inputs[0])
    if isinstance(work, Removed):
        return removed(inputs[0], inputs[1], notes)
    if isinstance(work, Fader):
        notes.measurements["gain_db"] = work.gain_db
        return fade(work, inputs[0])
    return mix(inputs)


def fade(work: Fader, signal: Signal) -> Iterator[Block]:
    """Yield a track at its level and pan; a pan away from the centre makes mono stereo."""
    gain = np.float32(db_to_gain(work.gain_db))
    for block in signal.blocks():
        yield gain * block if work.pan == 0 else gain * pan_gains(work.pan) * widen(block)


def mix(inputs: Sequence[Signal]) -> Iterator[Block]:
    """Yield the sum of all inputs, summed in float64 in their order, as long as the longest."""
    channels = max(signal.channels for signal in inputs)
    n_samples = max(signal.n_samples for signal in inputs)
    for start in range(0, n_samples, BLOCK_SAMPLES):
        n = min(BLOCK_SAMPLES, n_samples - start)
        total = np.zeros((channels, n), np.float64)
        for signal in inputs:
            part = signal.read(start, start + n)
            total[:, : part.shape[1]] += widen(part) if channels == 2 else part
        yield total.astype(np.float32)
