"""The built-in hit classifier: which drums a stroke's spectrum is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.hits import Hit, HitClassifier

BANDS_HZ = {"kick": (30, 110), "body": (150, 350), "noise": (1_500, 5_000), "hat": (6_000, 16_000)}
AFTER_S, BEFORE_S = 0.06, 0.03


class SpectralClassifier(HitClassifier):
    """Tells drums apart by how much of each band a stroke adds to what rang before."""

    name = "spectral"
    summary = "Band levels of each stroke against the loudest ones of the song"
    licence = "GPL-3.0-or-later"
    version = 1

    def classify(self, drums: Signal, onsets_s: Sequence[float]) -> Sequence[Hit]:
        """Return the hits at the strokes, in the order of time."""
        times = np.asarray(sorted(onsets_s), np.float64)
        if not times.size:
            return []
        added = dict(zip(BANDS_HZ, _added_power(drums, times).T, strict=True))
        loud = {band: np.quantile(power, 0.95) + 1e-12 for band, power in added.items()}
        is_kick = added["kick"] > 0.1 * loud["kick"]
        snare = np.sqrt(
            (added["body"] / loud["body"]).clip(0) * (added["noise"] / loud["noise"]).clip(0)
        )
        is_snare = snare > 0.15
        is_hat = added["hat"] > 0.01 * loud["hat"]
        hits = []
        for drum, found, power in (
            ("kick", is_kick, added["kick"]),
            ("snare", is_snare, snare),
            ("hat_closed", is_hat, added["hat"]),
        ):
            if found.any():
                velocity = np.sqrt(power / power[found].max()).clip(0.05, 1.0)
                hits += [
                    Hit(float(times[i]), drum, float(velocity[i])) for i in np.flatnonzero(found)
                ]
        return sorted(hits)


def _added_power(drums: Signal, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean power that each stroke adds in each band, `(strokes, bands)`."""
    import scipy.fft

    rate = drums.sample_rate
    added = np.zeros((times.size, len(BANDS_HZ)))
    for row, time in enumerate(times):
        onset = round(time * rate)
        for sign, seconds, start in ((1, AFTER_S, onset), (-1, BEFORE_S, None)):
            n = round(seconds * rate)
            at = max(0, onset - n) if start is None else start
            samples = drums.read(at, at + n)
            if samples.shape[1] < 64:
                continue
            window = np.hanning(samples.shape[1])
            spectrum = scipy.fft.rfft(samples * window)
            power = np.abs(spectrum) ** 2
            hz = scipy.fft.rfftfreq(samples.shape[1], 1 / rate)
            for column, (low, high) in enumerate(BANDS_HZ.values()):
                band = power[:, (hz >= low) & (hz < high)].sum() / np.sum(window**2)
                added[row, column] += sign * band / samples.shape[1]
    return np.maximum(added, 0.0)
