"""Measure every stem in two readings of its files, second by second.

Memory does not grow with the length of the files. The first reading adds up what the second one
needs of a whole song: correlations for the filters of BSS Eval, peaks and energies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.attacks import Attacks
from stemfx.dsp.bss_eval import BssScores, Correlations, FrameScores, projections
from stemfx.dsp.channels import widen
from stemfx.dsp.resample import rechunk, resample_blocks
from stemfx.dsp.separation_metrics import CEILING_DB, BleedFullness, EnergyRatios, MelPeak
from stemfx.io import FileInfo
from stemfx.operations import inspected
from stemfx.scoring.material import Material
from stemfx.stage import Finding

MEASURES = {
    "sdr_db": "SDR (MDX), dB",
    "bss_sdr_db": "SDR (BSS Eval), dB",
    "isr_db": "ISR, dB",
    "sir_db": "SIR, dB",
    "sar_db": "SAR, dB",
    "si_sdr_db": "SI-SDR, dB",
    "bleedless": "bleedless, of 100",
    "fullness": "fullness, of 100",
    "transient_db": "attacks, 0 dB: all kept",
    "sdr_improvement_db": "SDR over the mixture, dB",
    "si_sdr_improvement_db": "SI-SDR over the mixture, dB",
}
"""Every measure of a stem in words. The last two need the mixture."""

Values = dict[str, float | None]


@dataclass
class Score:
    """What was measured: for each stem and the mean by `MEASURES`; None has no value.

    `findings` are (stem or None, finding). BSS Eval counts `n_counted` of `n_frames` seconds.
    """

    material: Material
    stems: dict[str, Values]
    mean: Values
    n_frames: int
    n_counted: int
    findings: list[tuple[str | None, Finding]]


Frame = NDArray[np.float32]
"""`(files, channels, n)`: up to a second of several files."""


def _frames(material: Material, files: list[FileInfo], frame_samples: int) -> Iterator[Frame]:
    streams = [_stream(material, info, frame_samples) for info in files]
    return map(np.stack, zip(*streams, strict=True))


def _stream(material: Material, info: FileInfo, frame_samples: int) -> Iterator[Block]:
    blocks = inspected(info)
    if info.channels < material.channels:
        blocks = map(widen, blocks)
    rates = info.sample_rate, material.sample_rate
    blocks = resample_blocks(blocks, *rates, material.channels, material.n_samples, quality="VHQ")
    return rechunk(blocks, frame_samples)


class _FirstReading:
    """Sums and peaks that the second reading needs, and all that needs no second one."""

    def __init__(self, material: Material) -> None:
        channels, rate = material.channels, material.sample_rate
        self.of = [list(material.references).index(name) for name in material.estimates]
        n_references, n_estimates = len(material.references), len(material.estimates)
        self.correlations = Correlations(n_references, n_estimates, channels)
        self.sounds = [False] * n_references
        self.ratios = [EnergyRatios() for _ in self.of]
        self.of_mixture = [EnergyRatios() for _ in self.of]
        self.peaks = [[MelPeak(channels, rate) for _ in range(2)] for _ in self.of]

    def add(
        self, references: Frame, estimates: Frame, mixture: Block | None, *, last: bool
    ) -> None:
        self.correlations.add(references, estimates)
        for i, reference in enumerate(references):
            self.sounds[i] = self.sounds[i] or bool(reference.any())
        for k, (of, estimate) in enumerate(zip(self.of, estimates, strict=True)):
            self.ratios[k].add(references[of], estimate)
            if mixture is not None:
                self.of_mixture[k].add(references[of], mixture)
            for peak, block in zip(self.peaks[k], (references[of], estimate), strict=True):
                peak.add(block, last=last)


class _SecondReading:
    """Measures that are relative to a whole stem, or filter with what the first one found."""

    def __init__(self, material: Material, first: _FirstReading, frame_samples: int) -> None:
        channels, rate = material.channels, material.sample_rate
        self._of, self._frame_samples = first.of, frame_samples
        self._references = [i for i, sounds in enumerate(first.sounds) if sounds]
        # BSS Eval knows no silent signals.
        self.bss_of = {
            k: of
            for k, of in enumerate(first.of)
            if first.sounds[of] and first.ratios[k].estimate_energy > 0
        }
        filters = projections(first.correlations, self._references, self.bss_of)
        self.bss = FrameScores(filters, frame_samples)
        self.has_too_many = filters.shared is None
        self.bleed = [
            BleedFullness(channels, rate, *(peak.value for peak in peaks)) for peaks in first.peaks
        ]
        n_values = channels * material.n_samples
        self.attacks = [
            Attacks(channels, rate, r.reference_energy / n_values, r.estimate_energy / n_values)
            for r in first.ratios
        ]

    def add(self, references: Frame, estimates: Frame, *, last: bool) -> None:
        if self.bss_of and references.shape[-1] == self._frame_samples:
            self.bss.add(references[self._references], estimates[list(self.bss_of)])
        for k, (of, estimate) in enumerate(zip(self._of, estimates, strict=True)):
            self.bleed[k].add(references[of], estimate, last=last)
            self.attacks[k].add(references[of], estimate, last=last)


def score(material: Material, advanced: Callable[[float], None] = lambda _: None) -> Score:
    """Measure every estimate against its reference.

    BSS Eval takes frames of one second, as museval does. A measure that is not defined is None
    with a finding that says why. Stems whose reference is silent are not in the mean.

    Args:
        material: which files; see `find_material`.
        advanced: called with the share that is done, 0 to 1.

    Raises:
        AudioFileError: a file is damaged or has samples that are not numbers.
    """
    n, frame_samples = material.n_samples, min(material.sample_rate, material.n_samples)
    n_references, n_estimates = len(material.references), len(material.estimates)
    files = [*material.references.values(), *material.estimates.values()]
    with_mixture = [*files, *([material.mixture] if material.mixture else [])]
    first = _FirstReading(material)
    done = 0
    for block in _frames(material, with_mixture, frame_samples):
        done += block.shape[-1]
        references, estimates, rest = np.split(block, (n_references, n_references + n_estimates))
        first.add(references, estimates, rest[0] if len(rest) else None, last=done == n)
        advanced(done / n / 2)
    second = _SecondReading(material, first, frame_samples)
    done = 0
    for block in _frames(material, files, frame_samples):
        done += block.shape[-1]
        second.add(block[:n_references], block[n_references:], last=done == n)
        advanced(0.5 + done / n / 2)
    return _scored(material, first, second)


def _scored(material: Material, first: _FirstReading, second: _SecondReading) -> Score:
    bss = dict(zip(second.bss_of, second.bss.scores(), strict=True))
    stems: dict[str, Values] = {}
    for k, name in enumerate(material.estimates):
        ratios, of_frames = first.ratios[k], bss.get(k, BssScores(None, None, None, None))
        values: Values = {
            "sdr_db": ratios.sdr_db,
            "bss_sdr_db": of_frames.sdr_db,
            "isr_db": of_frames.isr_db,
            "sir_db": of_frames.sir_db,
            "sar_db": of_frames.sar_db,
            "si_sdr_db": ratios.si_sdr_db,
            "bleedless": second.bleed[k].bleedless,
            "fullness": second.bleed[k].fullness,
            "transient_db": second.attacks[k].change_db,
        }
        if material.mixture is not None:
            mixture = first.of_mixture[k]
            values["sdr_improvement_db"] = ratios.sdr_db - mixture.sdr_db
            values["si_sdr_improvement_db"] = _difference(ratios.si_sdr_db, mixture.si_sdr_db)
        stems[name] = values
    _explain(material, first, second)
    counted = [
        values for values, of in zip(stems.values(), first.of, strict=True) if first.sounds[of]
    ]
    mean = {
        name: _mean([values[name] for values in counted]) for name in next(iter(stems.values()))
    }
    frames = second.bss
    return Score(material, stems, mean, frames.n_frames, frames.n_counted, material.findings)


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None


def _explain(material: Material, first: _FirstReading, second: _SecondReading) -> None:
    """Say why a measure has no value, or one that needs a word."""
    for k, name in enumerate(material.estimates):
        ratios, find = first.ratios[k], material.find
        if not first.sounds[first.of[k]]:
            message = (
                "the reference is silent: only SDR, bleedless and fullness have a value, and the "
                "stem is not in the mean"
            )
            find("warn", "silent_reference", message, name)
        elif ratios.estimate_energy <= 0:
            message = "the estimate is silent: SI-SDR and BSS Eval have no value"
            find("warn", "silent_estimate", message, name)
        elif ratios.si_sdr_db == CEILING_DB and second.bleed[k].bleedless == 100:
            message = (
                f"the estimate is the reference, but for its gain: ratios end at {CEILING_DB:g} dB"
            )
            find("info", "identical", message, name)
        if first.sounds[first.of[k]] and second.attacks[k].n_attacks == 0:
            message = "the reference has no attacks, so none can be kept or lost"
            find("info", "no_attacks", message, name)
    if not second.bss_of:
        return
    if sum(first.sounds) == 1:
        message = "with a single reference nothing can leak: SIR has no value"
        material.find("info", "one_reference", message)
    elif second.has_too_many:
        message = "too many references to solve for what leaks: SIR and SAR have no value"
        material.find("warn", "many_references", message)
    frames = second.bss
    if frames.n_counted < frames.n_frames:
        message = (
            f"BSS Eval counts {frames.n_counted} of {frames.n_frames} s: in the others a reference "
            "or an estimate is silent"
        )
        material.find("info" if frames.n_counted else "warn", "silent_frames", message)
