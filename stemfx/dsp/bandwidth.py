"""Where the spectrum ends, and whether it was cut off there.

Music fades out towards the treble. A lossy codec and a converter from a lower rate cut it off:
everything above a frequency is gone at once, a *cliff*. It is looked for in the 90th percentile
of each bin over time, so that the loudest moments decide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.framing import Framer

_FRAME_S = 2048 / 44_100
_FRAMES_PER_S = 11
_MAX_FRAMES = 2048  # then every second one is dropped: hours take no more memory than minutes
_SIDE_HZ = 300.0
_GAP_HZ = 350.0  # how wide a codec's or converter's transition may be
_LOWEST_HZ = 3000.0
_TOP_HZ = 400.0  # this close to half the rate every converter cuts
_CLIFF_DB = 19.0  # a lossless master drops 14 dB at 20.2 kHz, MP3 and AAC 20 and more
_NOTHING_DB = -92.0  # beside the loudest bin: what a float file has below is nothing too
_FLAT_DB = 8.0
_FAINT_DB = -65.0  # beside the loudest bin: from here on down the end of a spectrum is a cut only
_STEEPER = 6.0  # if it falls so much faster than before; fading pads did 4 times, MP3s 12
_BEFORE_STEPS = 3
_FLOOR_DB = -85.0  # beside the loudest bin: nothing that is heard


@dataclass(frozen=True)
class BandwidthReading:
    """How far up a signal goes.

    Args:
        bandwidth_hz: the cliff, or else the highest frequency within 85 dB of the loudest; None
            in silence and where the signal is shorter than a frame.
        cliff_hz: where it is cut off; None if it fades out.
        drop_db: how much is missing above the largest step that was found.
    """

    bandwidth_hz: float | None
    cliff_hz: float | None
    drop_db: float


class BandwidthMeter:
    """Measure `BandwidthReading` block by block.

    Args:
        sample_rate: in Hz.
        channels: number of channels; their powers are added.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._rate = sample_rate
        self._frame = 2 ** round(np.log2(_FRAME_S * sample_rate))
        hop = max(self._frame, sample_rate // _FRAMES_PER_S)
        self._framer = Framer(channels, self._frame, hop)
        self._window = np.hanning(self._frame + 1)[:-1].astype(np.float32)
        self._powers: list[NDArray[np.float32]] = []
        self._stride, self._n_frames = 1, 0

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        frames = self._framer(block)
        if not frames.shape[1]:
            return
        wanted = (np.arange(frames.shape[1]) + self._n_frames) % self._stride == 0
        self._n_frames += frames.shape[1]
        spectra = np.fft.rfft(frames[:, wanted] * self._window)
        self._powers.extend((spectra.real**2 + spectra.imag**2).sum(axis=0))
        if len(self._powers) > _MAX_FRAMES:
            self._powers = self._powers[::2]
            self._stride *= 2

    def spectrum_db(self) -> NDArray[np.float64]:
        """Return the 90th percentile of each bin's power in dB, `(n_bins,)`."""
        powers = np.array(self._powers)
        loud = np.percentile(powers, 90, axis=0).astype(np.float64)
        return 10.0 * np.log10(loud + 1e-20)

    def reading(self) -> BandwidthReading:
        """Return what was measured so far."""
        if not self._powers or max(float(p.max()) for p in self._powers) <= 0:
            return BandwidthReading(None, None, 0.0)
        db = self.spectrum_db()
        freq_hz = np.linspace(0.0, self._rate / 2, len(db))
        above = np.flatnonzero(db > db.max() + _FLOOR_DB)
        bandwidth_hz = float(freq_hz[above[-1]])
        cliff_hz, drop_db = _largest_step(db, freq_hz)
        if drop_db < _CLIFF_DB:
            return BandwidthReading(bandwidth_hz, None, drop_db)
        return BandwidthReading(cliff_hz, cliff_hz, drop_db)


def _largest_step(db: NDArray[np.float64], freq_hz: NDArray[np.float64]) -> tuple[float, float]:
    """Return where the median of 300 Hz falls most to that of the 300 Hz above, and by how much."""
    from scipy.ndimage import median_filter

    step_hz = freq_hz[1]
    side, gap = max(1, round(_SIDE_HZ / step_hz)), round(_GAP_HZ / step_hz)
    smooth = median_filter(np.maximum(db, db.max() + _NOTHING_DB), size=side, mode="nearest")
    # The middles of both sides are a side and the gap apart.
    first = round(_LOWEST_HZ / step_hz)
    last = round((freq_hz[-1] - _TOP_HZ) / step_hz) - side - gap
    if last <= first:
        return 0.0, 0.0
    at = np.arange(first, last)
    above = at + side + gap
    drops = smooth[at] - smooth[above]
    # Where a voice fades into a microphone's noise, that goes on to fall; a cut leaves a floor.
    highest = np.maximum.accumulate(smooth[::-1])[::-1][above]
    lowest = np.minimum.accumulate(smooth[::-1])[::-1][above]
    drops[highest - lowest > _FLAT_DB] = 0.0
    # Where the highest partial ends, the ones before it were fading too; a cut comes unannounced.
    before = smooth[np.maximum(at - _BEFORE_STEPS * (side + gap), 0)]
    fades = _STEEPER * (before - smooth[at]) / _BEFORE_STEPS > drops
    drops[fades & (smooth[at] < db.max() + _FAINT_DB)] = 0.0
    best = int(np.argmax(drops))
    middle = at[best] + (side + gap) // 2
    return float(freq_hz[middle]), float(drops[best])
