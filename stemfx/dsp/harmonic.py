"""How much of a sound has a pitch that lasts, and how much is struck."""

from __future__ import annotations

import numpy as np

from stemfx.audio import Signal
from stemfx.dsp.resample import resample_blocks

PITCHED_SHARE = 0.48
"""What has less of its energy in notes that last is percussion: it has no key."""

_RATE_HZ = 11_025
_N_FFT, _HOP = 2_048, 512
_BAND_HZ = (80.0, 5_000.0)
_MEDIAN = 17  # frames (0.8 s) and bins (90 Hz)
_HEARD_S = 30.0  # the loudest of so long a stretch says it for a whole song


def harmonic_share(signal: Signal) -> float:
    """Return the share of the energy in 80 to 5000 Hz that lasts, 0 (drums) to 1 (a chord).

    Median filters along time and along frequency, and their Wiener mask (FitzGerald, DAFx 2010),
    on a middle stretch of up to 30 s. Silence gives 0. Drum stems of the corpus read 0.1 to 0.4,
    its basses, chords and voices 0.5 to 0.96.
    """
    from scipy.fft import rfft
    from scipy.ndimage import median_filter

    n = round(_HEARD_S * signal.sample_rate)
    start = max(0, (signal.n_samples - n) // 2)
    heard = signal.read(start, start + n).mean(axis=0, dtype=np.float32, keepdims=True)
    n_out = -(-heard.shape[1] * _RATE_HZ // signal.sample_rate)
    mono = np.concatenate(
        list(resample_blocks([heard], signal.sample_rate, _RATE_HZ, 1, n_out)), axis=1
    )[0]
    mono = np.pad(mono, (0, max(0, 2 * _N_FFT - len(mono))))
    frames = np.lib.stride_tricks.sliding_window_view(mono, _N_FFT)[::_HOP]
    first, last = (round(hz * _N_FFT / _RATE_HZ) for hz in _BAND_HZ)
    spectra = np.abs(rfft(frames * np.hanning(_N_FFT).astype(np.float32), axis=1))[:, first:last]
    total = float(np.sum(spectra**2))
    if total <= 1e-12 * spectra.size:
        return 0.0
    lasting = median_filter(spectra, (_MEDIAN, 1), mode="nearest") ** 2
    struck = median_filter(spectra, (1, _MEDIAN), mode="nearest") ** 2
    mask = lasting / (lasting + struck + 1e-12)
    return float(np.sum(mask * spectra**2)) / total
