"""Split what is not voice into drums, bass and other, by what instruments are.

- Drums are vertical in a spectrogram, notes are horizontal: two medians compare them
  (FitzGerald, DAFx 2010). Below 400 Hz a fitted model of strokes and notes has a say as well.
- The bass is low, and it stands in the middle of the stereo image.

All masks share every bin, so the stems add up to the mixture within float rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stemfx.separators.low_band import N_LOW, share
from stemfx.separators.medians import median_of_9
from stemfx.separators.threads import torch_threads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from stemfx.dsp.stft import Spectrum

    Share = NDArray[np.float32]  # of a bin, within [0, 1]

CONTEXT = 8  # frames on both sides that the medians look at

_BASS_HZ = 250.0  # crossover between bass and other, 48 dB/octave
_CYMBALS_HZ = 5000.0  # above it, sound that is neither note nor stroke is cymbal: drums + 6 dB
_MODEL_HZ = (250.0, 400.0)  # the low band's model fades out between
# How much of the bass the combs of the low band's model decide, the crossover the rest. Measured
# on 17 mixes: bass +0.1 dB SDR in the mean (up to 0.5), no stem of any more than 0.11 dB down;
# one half gains no more and takes 0.2 dB from other instruments.
_COMBS = 0.3


def masks(spectrum: Spectrum, voice: Share, low: Share) -> Share:
    """Share every bin among vocals, drums, bass and other; the four shares add up to one.

    Shape: two of `(2, n_frames, n_bins)` and `low_band.shares`' `(2, n_frames, N_LOW)` to
    `(4, 2, n_frames, n_bins)`.
    """
    import torch

    from stemfx.dsp import stft

    with torch_threads(1), torch.inference_mode():
        mix, vocals, model = (torch.from_numpy(x) for x in (spectrum, voice, low))
        hz = torch.arange(stft.N_BINS) * (44_100 / stft.N_FFT)
        power = mix.real.square() + mix.imag.square()

        # One decision for both channels: a stroke is a stroke in both.
        rest = ((1 - vocals).square() * power).sum(0).sqrt()
        note = median_of_9(rest, dim=0, step=2)
        stroke = median_of_9(rest, dim=1, step=1) * (1 + _high_pass(hz, _CYMBALS_HZ, 4))
        drums = share(stroke.square(), note.square())

        # |L+R|^2 / (|L+R|^2 + |L-R|^2), squared: 1 in the middle, 1/4 on one side.
        left, right = mix
        centred = (
            0.5 + (left.real * right.real + left.imag * right.imag) / (power.sum(0) + 1e-20)
        ).square()
        bass = (1 - _high_pass(hz, _BASS_HZ, 8)).repeat(len(drums), 1)

        begins, ends = _MODEL_HZ
        trust = ((ends - hz[:N_LOW]) / (ends - begins)).clamp(0, 1)
        by_median, by_model = drums[:, :N_LOW], model[0]
        # Drums must be short and must return, so the geometric mean. The model alone gains as
        # much again on kicks (+0.4 dB), but takes a bass that drops onto its notes for one.
        both = (by_median * by_model).sqrt()
        drums[:, :N_LOW] += trust * (both - by_median)
        bass[:, :N_LOW] += _COMBS * trust * (model[1] - bass[:, :N_LOW])
        bass *= (1 - drums) * centred

        accompaniment = (1 - vocals) * torch.stack([drums, bass, 1 - drums - bass])[:, None]
        shares: Share = torch.cat([vocals[None], accompaniment]).numpy()
    return shares


def _high_pass(hz: Tensor, corner_hz: float, order: int) -> Tensor:
    """Return a gain from 0 at 0 Hz over 1/2 at the corner to 1."""
    ratio = (hz / corner_hz) ** order
    return ratio / (1 + ratio)
