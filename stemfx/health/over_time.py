"""What a file is like from moment to moment: loudness, true peaks and stereo of every 100 ms.

What is shown over time follows from a few numbers a tenth of a second: 2 MB an hour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Values = NDArray[np.float64]

STEP_S = 0.1
MOMENTARY_S, SHORT_TERM_S = 0.4, 3.0
CORRELATION_S = 0.4
"""As correlation meters show it."""

ACTIVE_DBFS = -60.0
"""Where both channels are below, nothing is said about the stereo image."""


@dataclass(frozen=True, eq=False)
class OverTime:
    """One file over time.

    Args:
        powers: K-weighted mean square of every full 100 ms, the channels added, `(n,)`.
        true_peaks: highest point at 8x of every 100 ms, linear, also of a last one that is not
            full.
        moments: means of L^2, R^2 and L R of every full `moments_step_s`, `(m, 3)`; none in mono.
        moments_step_s: 100 ms, or as near to it as whole samples come.
    """

    powers: Values
    true_peaks: Values
    moments: Values
    moments_step_s: float

    def lufs(self, window_s: float) -> Values:
        """Return the loudness of every `window_s`, ten times a second, in LUFS; silence is -inf.

        Value k is of the time from k * 100 ms on; there is none where the file is shorter.
        """
        return lufs(_sliding_mean(self.powers, round(window_s / STEP_S)))

    def true_peaks_dbtp(self) -> Values:
        """Return the true peak of every 100 ms; silence is -inf."""
        with np.errstate(divide="ignore"):
            return 20.0 * np.log10(self.true_peaks)

    def correlation(self, window_s: float = CORRELATION_S) -> Values:
        """Return rho of every `window_s`, one every `moments_step_s`; see `correlation`."""
        return correlation(_sliding_mean(self.moments, round(window_s / STEP_S)))

    def column_lufs(self, n_columns: int) -> Values:
        """Return the loudness of each of up to `n_columns` equal stretches, without a gate."""
        return lufs(_columns(self.powers, n_columns))

    def column_correlation(self, n_columns: int) -> Values:
        """Return rho of each of up to `n_columns` equal stretches; none in mono."""
        return correlation(_columns(self.moments, n_columns))


def lufs(powers: Values) -> Values:
    """Return mean squares as loudness in LUFS; silence is -inf."""
    with np.errstate(divide="ignore"):
        return -0.691 + 10.0 * np.log10(powers)


def correlation(moments: Values) -> Values:
    """Return rho of means of L^2, R^2 and L R, `(n,)`.

    NaN where a channel is silent, or both are below -60 dBFS.
    """
    left, right, cross = moments[:, 0], moments[:, 1], moments[:, 2]
    active = (left + right > 2 * 10 ** (ACTIVE_DBFS / 10)) & (left * right > 0)
    rho = np.full(len(moments), np.nan)
    rho[active] = cross[active] / np.sqrt(left[active] * right[active])
    clipped: Values = np.clip(rho, -1.0, 1.0)
    return clipped


def _sliding_mean(values: Values, width: int) -> Values:
    """Return the means of all runs of `width` values, along the first axis."""
    if len(values) < width:
        return values[:0]
    means: Values = sliding_window_view(values, width, axis=0).mean(axis=-1)
    return means


def _columns(values: Values, n_columns: int) -> Values:
    """Return the means of up to `n_columns` runs that are equally long within one value."""
    n_columns = min(n_columns, len(values))
    if n_columns < 1:
        return values[:0]
    edges = np.arange(n_columns + 1) * len(values) // n_columns
    sums: Values = np.add.reduceat(values, edges[:-1], axis=0)
    lengths = np.diff(edges).reshape(-1, *[1] * (values.ndim - 1))
    return sums / lengths
