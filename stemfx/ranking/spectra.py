"""The long-term spectrum of a signal: its balance, its steady noise, and a codec's holes.

Eleven frames a second are looked at, as for the bandwidth: a song of minutes has thousands.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.framing import Framer
from stemfx.dsp.units import Float64s, power_to_db

FRAMES_PER_S = 11
_MAX_FRAMES = 4096  # then every second one is dropped

OCTAVES_HZ = (63.0, 125.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0)
REFERENCE_DB = (-1.0, 0.0, -2.0, -4.0, -6.0, -8.0, -10.0, -14.0)
"""Usual level of each octave of popular music: spectral density falls by about 5 dB an octave from
100 Hz to 4 kHz and more steeply above (Pestana, Ma, Reiss, Barbosa and Black, "Spectral
characteristics of popular commercial recordings 1950-2010", AES 135, 2013, paper 8960); an octave
band is twice as wide as the one below, hence 2 dB."""
BAND_CAP_DB = 12.0
"""One octave counts for no more: a song without bass is not all wrong."""

_FRAME_S = 4096 / 44_100
_NOISE_BANDS_HZ = np.geomspace(200.0, 18_000.0, 41)
_LOW, _HIGH = 2, 11  # of the frames of a band in the order of their levels: about a second
_STEADY_DB = 2.0  # between those two: noise in bands of 20 bins has 1 dB, music 4 to 30 dB
_HIGH_TO_MEAN_DB = 1.5
_SPIKY_DB = 3.6  # mean over geometric mean of the bins: noise has 2.5 dB in one channel, or less
_FALLING_DB = 1.6  # to the next frame
_LEAST_SHARE = 0.25
_LEAST_FRAMES = 40
_INAUDIBLE_DB = -72.0  # beside the song
_FAINTEST = 1e-9  # mean power: -90 dBFS is the rounding of 16 bit

_SHORT_S = 1024 / 44_100
_CODED_HZ = (5_000.0, 15_000.0)
_CODED_BAND_HZ = 600.0
_HOLE_DB = 40.0  # under what the band usually has in loud frames
_SURROUND_DB = 12.0


class SpectrumExam:
    """Collect spectra block by block.

    Args:
        sample_rate: in Hz.
        channels: number of channels; their powers are averaged.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._rate = sample_rate
        self._frame = 2 ** round(math.log2(_FRAME_S * sample_rate))
        self._framer = Framer(channels, self._frame, max(self._frame, sample_rate // FRAMES_PER_S))
        self._window = np.hanning(self._frame + 1)[:-1].astype(np.float32)
        self._sum = np.zeros(self._frame // 2 + 1)
        self._n_frames = 0
        self._stride, self._n_seen = 1, 0
        freq_hz = np.arange(self._frame // 2 + 1) * sample_rate / self._frame
        edges = _NOISE_BANDS_HZ[: np.searchsorted(_NOISE_BANDS_HZ, 0.45 * sample_rate)]
        self._edges = np.searchsorted(freq_hz, edges)
        self._rows: list[NDArray[np.float32]] = []  # mean power a bin of each band
        self._logs: list[NDArray[np.float32]] = []  # mean of its logarithm
        self._holes = _Holes(sample_rate)

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        frames = self._framer(block)
        for i in range(frames.shape[1]):
            self._n_seen += 1
            if self._n_seen % self._stride:
                continue
            spectra = np.fft.rfft(frames[:, i] * self._window)
            power = (spectra.real**2 + spectra.imag**2).mean(axis=0)
            power /= 0.375 * self._frame**2 / 2  # a bin's share of the mean square
            self._sum += power
            self._n_frames += 1
            self._rows.append(self._in_bands(power))
            self._logs.append(self._in_bands(np.log(power + 1e-20)))
            self._holes.add(frames[:, i])
        if len(self._rows) > _MAX_FRAMES:
            self._rows, self._logs = self._rows[::2], self._logs[::2]
            self._stride *= 2

    def _in_bands(self, values: Float64s) -> NDArray[np.float32]:
        """Return the mean over the bins of each band."""
        sums = np.add.reduceat(values, self._edges)[:-1]
        return np.asarray(sums / np.diff(self._edges), np.float32)

    def tonal_distance_db(self) -> float | None:
        """Return the mean distance of the octaves from `REFERENCE_DB`; None in silence.

        Levels are compared, not loudness: the mean of all octaves is brought to the reference.
        """
        levels = []
        for centre_hz in OCTAVES_HZ:
            if centre_hz * math.sqrt(2) > self._rate / 2:
                break
            low, high = (
                round(hz * self._frame / self._rate)
                for hz in (centre_hz / math.sqrt(2), centre_hz * math.sqrt(2))
            )
            levels.append(float(self._sum[low : max(low + 1, high)].sum()))
        total = sum(levels)
        if total <= _FAINTEST * max(1, self._n_frames):
            return None
        level_db = np.array([power_to_db(level / total, -60.0) for level in levels])
        off = level_db - np.array(REFERENCE_DB[: len(levels)])
        off -= np.median(off)
        return float(np.minimum(np.abs(off), BAND_CAP_DB).mean())

    def noise_db(self, programme: float) -> float | None:
        """Return the level of the steady noise beside the programme; None where none is bare.

        Where noise is bare for about a second in all, the lowest levels of a band lie close
        together, hold on to the next frame, and are those of noise from bin to bin. Music that dies
        away falls, notes stand out of their band, and what repeats itself falls every time.

        Args:
            programme: mean power where something sounds.
        """
        if not programme or len(self._rows) < _LEAST_FRAMES:
            return None
        rows = np.array(self._rows, np.float64)
        rows_db = power_to_db(rows)
        spikes_db = rows_db - 10 / math.log(10) * np.array(self._logs, np.float64)
        falls_db = np.abs(np.diff(rows_db, axis=0, append=rows_db[-1:]))
        falls_db[1:] = np.minimum(falls_db[1:], falls_db[:-1])  # the nearer one of its neighbours
        heard = rows.sum(axis=1) > max(_FAINTEST / self._frame, 1e-8 * programme / self._frame)
        if heard.sum() < _LEAST_FRAMES:
            return None
        rows_db, spikes_db, falls_db = rows_db[heard], spikes_db[heard], falls_db[heard]
        lowest = np.argsort(rows_db, axis=0, kind="stable")[_LOW : _HIGH + 1]
        low_db, high_db = (np.take_along_axis(rows_db, lowest[[k]], 0)[0] for k in (0, -1))
        spike_db = np.median(np.take_along_axis(spikes_db, lowest, 0), axis=0)
        fall_db = np.median(np.take_along_axis(falls_db, lowest, 0), axis=0)
        steady = (high_db - low_db < _STEADY_DB) & (spike_db < _SPIKY_DB) & (fall_db < _FALLING_DB)
        if steady.mean() < _LEAST_SHARE:
            return None
        # Noise is wide: the middle one of the densities, over half the spectrum's bins.
        density_db = float(np.median(high_db[steady])) + _HIGH_TO_MEAN_DB
        noise = 10 ** (density_db / 10) * self._frame / 2
        noise_db = power_to_db(noise / programme)
        return noise_db if noise > _FAINTEST and noise_db > _INAUDIBLE_DB else None

    def holes_percent(self, cutoff_hz: float) -> float | None:
        """Return how much of the treble below `cutoff_hz` a codec left empty."""
        return self._holes.percent(cutoff_hz)


class _Holes:
    """Find cells of the treble that are empty while those around them sound."""

    def __init__(self, sample_rate: int) -> None:
        self._frame = 2 ** round(math.log2(_SHORT_S * sample_rate))
        self._window = np.hanning(self._frame + 1)[:-1].astype(np.float32)
        step_hz = sample_rate / self._frame
        edges_hz = np.arange(*_CODED_HZ, _CODED_BAND_HZ)
        self._edges_hz = edges_hz[edges_hz < 0.4 * sample_rate]
        self._edges = np.round(self._edges_hz / step_hz).astype(int)
        self._rows: list[NDArray[np.float32]] = []

    def add(self, frame: Block) -> None:
        """Look at the middle of a longer frame."""
        start = (frame.shape[1] - self._frame) // 2
        spectrum = np.fft.rfft(frame[:, start : start + self._frame] * self._window)
        power = (spectrum.real**2 + spectrum.imag**2).mean(axis=0) / self._frame**2
        self._rows.append(np.add.reduceat(power, self._edges)[:-1].astype(np.float32))
        if len(self._rows) > _MAX_FRAMES:
            self._rows = self._rows[::2]

    def percent(self, cutoff_hz: float) -> float | None:
        """Return the share of empty cells."""
        below = self._edges_hz[1:] < cutoff_hz - _CODED_BAND_HZ
        if not self._rows or below.sum() < 4:
            return None
        db = power_to_db(np.array(self._rows, np.float64)[:, below])
        usual = np.percentile(db, 75, axis=0)
        heard = usual > usual.max() - 50
        if heard.sum() < 4:
            return None
        off = (db - usual)[:, heard]
        loud = off.max(axis=1) > -_SURROUND_DB
        if loud.sum() < _LEAST_FRAMES:
            return None
        return 100.0 * float((off[loud] < -_HOLE_DB).mean())
