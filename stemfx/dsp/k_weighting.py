"""The K-weighting of ITU-R BS.1770-5, annex 1: one response at every sampling rate.

The standard tabulates 48 kHz, and asks of other rates "the same frequency response that the
specified filter provides at 48 kHz". The usual way (De Man; libebur128, pyloudnorm) is the
analogue prototypes behind the table through the bilinear transform. It strays twice: it keeps the
table's numerator (1, -2, 1) at every rate, which makes the gain depend on the rate (0.03 dB at
192 kHz, 0.2 dB at 8 kHz), and it bends the shelf where the rate is low (0.2 dB more at 8 kHz).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.filters import response

Floats = NDArray[np.float64]

TABLE_HZ = 48_000
BENT_BELOW_HZ = 44_100
"""From here up the bilinear shelf is within 0.01 dB of the table's."""


def k_weighting(sample_rate: int) -> Floats:
    """Return BS.1770's pre-filter (a shelf) and its high-pass as two second-order sections.

    Within 0.01 dB of the table's response from 20 Hz to 0.45 of the sampling rate, at most 20 kHz.
    """
    shelf = _shelf(sample_rate) if sample_rate >= BENT_BELOW_HZ else _fitted_shelf(sample_rate)
    return np.array([shelf, _high_pass(sample_rate)])


def _shelf(sample_rate: int) -> Floats:
    """De Man, "Evaluation of implementations of the EBU R128 loudness measurement", AES 2018."""
    k = np.tan(np.pi * 1681.974450955533 / sample_rate)
    q = 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    mid = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    b = [high + mid * k / q + k * k, 2 * (k * k - high), high - mid * k / q + k * k]
    shelf: Floats = np.array([*b, a0, 2 * (k * k - 1), 1 - k / q + k * k]) / a0
    return shelf


def _high_pass(sample_rate: int) -> Floats:
    """The same; its gain is that of the table, whose numerator is not divided by a0."""
    q = 0.5003270373238773
    k, k_table = (np.tan(np.pi * 38.13547087602444 / hz) for hz in (sample_rate, TABLE_HZ))
    a0, a0_table = (1 + each / q + each * each for each in (k, k_table))
    gain = a0_table / a0
    return np.array([gain, -2 * gain, gain, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0])


@lru_cache(maxsize=16)
def _fitted_shelf(sample_rate: int) -> Floats:
    """Return the section whose power response is nearest to that of the table's shelf.

    With phi = sin^2(w/2) it is a ratio of quadratics, (b0 + b1 phi + b2 phi^2) / (1 + a1 phi +
    a2 phi^2): linear least squares, weighted by the last round's denominator (Sanathanan and
    Koerner 1963) so that errors count in dB. Each root in phi is a pair z, 1/z; the one inside
    the circle is taken.
    """
    freq_hz = np.geomspace(20, 0.49 * sample_rate, 200)
    wanted = np.abs(response(_shelf(TABLE_HZ)[None], freq_hz, TABLE_HZ)) ** 2
    phi = np.sin(np.pi * freq_hz / sample_rate) ** 2
    powers = np.stack((np.ones_like(phi), phi, phi**2))
    columns = np.concatenate((powers, -wanted * powers[1:]))
    below = np.ones_like(phi)
    for _ in range(8):
        weight = 1 / (wanted * below)
        fit = np.linalg.lstsq((weight * columns).T, weight * wanted)[0]
        below = 1 + fit[3:] @ powers[1:]
    top, bottom = _inside_circle(fit[:3]), _inside_circle(np.concatenate(([1.0], fit[3:])))
    gain = np.sqrt(fit[0]) * bottom.sum() / top.sum()
    return np.concatenate((gain * top, bottom))


def _inside_circle(quadratic: Any) -> Floats:
    middle = 1 - 2 * np.roots(quadratic[::-1]).astype(complex)  # (z + 1/z) / 2
    offset = np.sqrt(middle**2 - 1)
    roots = np.where(np.abs(middle + offset) < 1, middle + offset, middle - offset)
    return np.asarray(np.poly(roots).real, np.float64)
