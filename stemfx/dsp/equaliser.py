"""Equaliser curves as analogue bells and shelves have them, kept up to half the sample rate.

The usual way into the digital world, the bilinear transform, squeezes whatever lies high: at
44.1 kHz a bell of 12 dB at 16 kHz comes out up to 8 dB wrong. Here both kinds of filter follow the
analogue magnitude itself: within 0.05 dB, from 20 Hz to 0.9 of half the sample rate (20 kHz at
44.1 kHz), whatever the frequency, gain and q; measured over all of them in the tests.

- Minimum phase: `matched_sections` put poles and zeros where the analogue ones are, at e^(pole T).
  What that folds over is smooth, and one short minimum-phase FIR, `correction_taps`, takes it out.
- Linear phase: `linear_phase_taps`, as long as the narrowest band needs.

Source: R. Bristow-Johnson, Audio EQ Cookbook (W3C Note, 2021), for the analogue prototypes;
M. Vicanek, Matched Second Order Digital Filters (2016), for the error of the bilinear transform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stemfx.audio import Block
from stemfx.dsp.filters import FirFilter, Sections, SosFilter
from stemfx.dsp.units import Float64s, Floats

Phase = Literal["minimum", "linear"]
Coefficients = tuple[float, float, float]

HIGHEST = 0.907
"""Up to here, of half the sample rate, the curves are held: 20 kHz at 44.1 kHz."""

LOWEST_HZ = 20.0
MAX_PRE_RINGING_S = 2.0
_ALLOWED_DB = 0.05
_CORRECTION_TAPS = 128
_UNHEARD_DB = 0.002  # a correction under this is left out: bands far below half the sample rate
_SHORTEST_S = 1 / 256
_RINGING = 0.01


@dataclass(frozen=True)
class Prototype:
    """An analogue second-order filter, (b2 s^2 + b1 s + b0) / (a2 s^2 + a1 s + a0), s = j f/freq.

    A cut is the inverse of the boost of the same size.
    """

    freq_hz: float
    numerator: Coefficients
    denominator: Coefficients

    def magnitude(self, freq_hz: Floats) -> Float64s:
        """Return the factor at each frequency, >= 0 Hz."""
        s = 1j * freq_hz / self.freq_hz
        ratio = np.polyval(self.numerator, s) / np.polyval(self.denominator, s)
        magnitude: Float64s = np.abs(ratio)
        return magnitude


def bell(freq_hz: float, gain_db: float, q: float) -> Prototype:
    """Design a bell: `gain_db` at `freq_hz`, unity far from it on both sides.

    `q` is freq_hz over the bandwidth between the points of half the gain in dB.
    """
    A = 10.0 ** (gain_db / 40.0)
    return Prototype(freq_hz, (1.0, A / q, 1.0), (1.0, 1.0 / (A * q), 1.0))


def low_shelf(freq_hz: float, gain_db: float, q: float = math.sqrt(0.5)) -> Prototype:
    """Design a shelf: `gain_db` at 0 Hz, half of it (in dB) at `freq_hz`, unity far above.

    A `q` over 0.71 makes the slope steeper and lets it overshoot.
    """
    A = 10.0 ** (gain_db / 40.0)
    return Prototype(freq_hz, (A, A**1.5 / q, A * A), (A, math.sqrt(A) / q, 1.0))


def high_shelf(freq_hz: float, gain_db: float, q: float = math.sqrt(0.5)) -> Prototype:
    """Design a shelf: unity far below `freq_hz`, half of `gain_db` there, all of it far above."""
    A = 10.0 ** (gain_db / 40.0)
    return Prototype(freq_hz, (A * A, A**1.5 / q, A), (1.0, math.sqrt(A) / q, A))


def magnitude(curve: Sequence[Prototype], freq_hz: Floats) -> Float64s:
    """Return the factor of all bands together at each frequency."""
    total = np.ones(freq_hz.shape)
    for band in curve:
        total *= band.magnitude(freq_hz)
    return total


# ---------------------------------------------------------------------------- designs


def matched_sections(curve: Sequence[Prototype], sample_rate: int) -> Sections:
    """Return each band with its analogue poles and zeros, and its analogue gain at 0 Hz."""
    sections = np.zeros((len(curve), 6))
    for row, band in zip(sections, curve, strict=True):
        turn = 2.0 * math.pi * band.freq_hz / sample_rate
        b, a = (
            np.real(np.poly(np.exp(turn * np.roots(part))))
            for part in (band.numerator, band.denominator)
        )
        b *= band.numerator[2] / band.denominator[2] * a.sum() / b.sum()
        row[:3], row[3:] = b, a
    return sections


def correction_taps(curve: Sequence[Prototype], sample_rate: int) -> Float64s:
    """Return the minimum-phase FIR that brings `matched_sections` to the analogue magnitude.

    A single 1.0 where there is nothing to correct.
    """
    n_fft = 64 * _CORRECTION_TAPS
    freq_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    missing = np.log(magnitude(curve, freq_hz)) - _log_magnitude(curve, sample_rate, n_fft)
    held = freq_hz <= HIGHEST * sample_rate / 2
    if np.abs(missing[held]).max() < _UNHEARD_DB * math.log(10.0) / 20.0:
        return np.ones(1)
    return minimum_phase(missing)[:_CORRECTION_TAPS]


def minimum_phase(log_magnitude: Float64s) -> Float64s:
    """Return the minimum-phase response to an impulse with a magnitude.

    Its logarithm folded to positive time (the cepstrum) makes a magnitude minimum-phase; see
    Oppenheim and Schafer, Discrete-Time Signal Processing, chapter 13.

    Args:
        log_magnitude: natural logarithm of it, from 0 Hz up to half the sample rate,
            `(n / 2 + 1,)`; n many times as long as the response, or that folds over.

    Returns:
        `(n,)`, beginning at time zero.
    """
    cepstrum = np.fft.irfft(log_magnitude)
    middle = len(cepstrum) // 2
    cepstrum[1:middle] *= 2.0
    cepstrum[middle + 1 :] = 0.0
    taps: Float64s = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))
    return taps


def _log_magnitude(curve: Sequence[Prototype], sample_rate: int, n_fft: int) -> Float64s:
    total = np.zeros(n_fft // 2 + 1)
    for section in matched_sections(curve, sample_rate):
        for part, sign in ((section[:3], 1.0), (section[3:], -1.0)):
            total += sign * np.log(np.abs(np.fft.rfft(part, n_fft)))
    return total


def linear_phase_taps(curve: Sequence[Prototype], sample_rate: int) -> Float64s:
    """Return symmetric taps with the magnitude of `curve`: as few as hold it within 0.05 dB.

    Raises:
        ValueError: that takes more than 2 s on either side: a narrow band of 20 Hz rings for
            seconds, and with linear phase it rings before the sound, too.
    """
    half_s = _SHORTEST_S
    while half_s <= MAX_PRE_RINGING_S:
        half = round(half_s * sample_rate)
        n_fft = 1 << (8 * half).bit_length()
        freq_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
        target = magnitude(curve, freq_hz)
        around = np.roll(np.fft.irfft(target), half)[: 2 * half + 1]
        taps: Float64s = around * _taper(half)
        reached = np.abs(np.fft.rfft(taps, n_fft))
        held = (freq_hz >= min(LOWEST_HZ, sample_rate / 8)) & (freq_hz <= HIGHEST * sample_rate / 2)
        error_db = 20.0 * np.abs(np.log10(reached[held] / target[held]))
        if error_db.max() <= _ALLOWED_DB:
            return taps
        half_s *= 2.0
    raise ValueError(f"the taps would be longer than {MAX_PRE_RINGING_S:g} s on either side")


def _taper(half: int) -> Float64s:
    """Return 1 over the inner half, and a cosine down to 0 over the outer one."""
    place = np.abs(np.arange(-half, half + 1)) / (half + 1)
    taper: Float64s = 0.5 + 0.5 * np.cos(np.pi * np.maximum(0.0, 2.0 * place - 1.0))
    return taper


def _pre_ringing_ms(taps: Float64s, centre: int, sample_rate: int) -> float:
    """Return how long before a sound something over -40 dB of it can be heard.

    At most, that is with a sound made to ring: what comes earlier than t before time zero is no
    louder than the sum of the sizes of the taps up to there.
    """
    could_be = np.cumsum(np.abs(taps[:centre])) / np.abs(taps).max()
    return 1000.0 * float(np.count_nonzero(could_be > _RINGING)) / sample_rate


# ---------------------------------------------------------------------------- running


class Equaliser:
    """A curve for each channel, block after block, in time with what came in.

    A call may return fewer samples than it was given, even none; `flush` returns the rest.

    Args:
        curves: the bands of each channel.
        sample_rate: in Hz.
        phase: see the module. `pre_ringing_ms` says what linear phase costs.

    Raises:
        ValueError: with linear phase a band would ring for too long; see `linear_phase_taps`.
    """

    def __init__(
        self, curves: Sequence[Sequence[Prototype]], sample_rate: int, phase: Phase
    ) -> None:
        # One run over all channels is faster than one for each, where they are alike.
        alike = all(list(curve) == list(curves[0]) for curve in curves)
        designs = curves[:1] if alike else curves
        self._channels = len(curves)
        self._sections: list[SosFilter] = []
        if phase == "minimum":
            width = self._channels // len(designs)
            self._sections = [SosFilter(matched_sections(c, sample_rate), width) for c in designs]
            rows = [correction_taps(curve, sample_rate) for curve in designs]
        else:
            rows = [linear_phase_taps(curve, sample_rate) for curve in designs]
        n_taps = max(map(len, rows))
        centre = 0 if phase == "minimum" else n_taps // 2
        # The taps of each channel with their time zero at `centre`.
        before = [0 if phase == "minimum" else centre - len(row) // 2 for row in rows]
        taps = np.stack(
            [np.pad(row, (n, n_taps - len(row) - n)) for n, row in zip(before, rows, strict=True)]
        )
        self._fir = FirFilter(taps, self._channels, centre) if n_taps > 1 else None
        self.pre_ringing_ms = max(_pre_ringing_ms(row, centre, sample_rate) for row in taps)

    def __call__(self, block: Block) -> Block:
        """Take the next block, `(channels, n_samples)` float32; return what is ready."""
        if len(self._sections) == 1:
            block = self._sections[0](block)
        elif self._sections:
            rows = (f(row[None]) for f, row in zip(self._sections, block, strict=True))
            block = np.concatenate(list(rows))
        return block if self._fir is None else self._fir(block)

    def flush(self) -> Block:
        """Return the samples still owed; the signal is over."""
        return np.zeros((self._channels, 0), np.float32) if self._fir is None else self._fir.flush()
