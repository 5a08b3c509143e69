"""How much louder each band gets from frame to frame: where things are struck or begin.

The level of 28 bands, about a third of an octave each, is read from Hann spectra of 46 ms, one
every 10 ms. The flux of a band is the rise of its level over two frames, against the loudest of
its neighbours then, so that vibrato is no onset (SuperFlux, Böck and Widmer 2013). Bands are
summed into four groups, since kick, snare and hats live in different ones.

Beside it runs the energy of cells of 0.5 ms, from which attacks are placed much finer than frames.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.framing import Framer
from stemfx.dsp.units import Float64s

RATE_HZ = 22_050
HOP = 220
N_FFT = 1_024
FRAME_HZ = RATE_HZ / HOP
CELL = 11
CELL_HZ = RATE_HZ / CELL

GROUPS = {"low": (30, 160), "body": (160, 800), "middle": (800, 4_000), "high": (4_000, 11_025)}
"""Edges in Hz: kick and bass; snare shells and chords; snare wires and voices; hats."""

RANGE_DB = 60.0
"""What lies further below the loudest moment of a band group is silence."""
LAG = 2  # frames: the window is four hops long, so a rise over one hop is half of it

_BANDS_PER_GROUP = 7


@dataclass(frozen=True)
class Flux:
    """What a stream was found to be.

    Args:
        groups: for every group of `GROUPS` the flux, `(n_frames,)` float32, in dB, averaged over
            its bands; frame k is centred at `k / FRAME_HZ`.
        cells: `(n_cells,)` energy of the pre-emphasised signal; cell k begins at `k / CELL_HZ`.
        loud: as `groups`, but of the fourth root of the energy, which counts what is loud more.
        levels: `(28, n_frames)` float16: level of every band in dB.
    """

    groups: dict[str, NDArray[np.float32]]
    cells: NDArray[np.float32]
    loud: dict[str, NDArray[np.float32]]
    levels: NDArray[np.float16]


def _band_edges() -> NDArray[np.intp]:
    """Return the first bin of every band, and the end of the last one; none is empty."""
    edges: list[int] = []
    for low_hz, high_hz in GROUPS.values():
        hz = np.geomspace(low_hz, high_hz, _BANDS_PER_GROUP + 1)[:-1]
        for first in np.floor(hz * N_FFT / RATE_HZ).astype(int):
            edges.append(max(int(first), edges[-1] + 1 if edges else 1))
    return np.array([*edges, N_FFT // 2 + 1])


def read_flux(blocks: Iterable[Block]) -> Flux:
    """Read the flux of mono blocks `(1, n)` at `RATE_HZ`; 80 MB are held for an hour."""
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    edges = _band_edges()
    framer, cells_of = Framer(1, N_FFT, HOP), Framer(1, CELL)
    framer(np.zeros((1, N_FFT // 2), np.float32))  # frame 0 is centred at the first sample
    levels, cells = [np.zeros((0, edges.size - 1), np.float16)], [np.zeros(0, np.float32)]

    last = np.float32(0)

    def take(frames: Block) -> None:
        import scipy.fft

        if frames.shape[1]:
            spectra = scipy.fft.rfft(frames[0] * window)[:, : edges[-1]]
            power = np.square(spectra.real) + np.square(spectra.imag)
            energy = np.add.reduceat(power, edges[:-1], axis=1)
            levels.append((10 * np.log10(energy + 1e-12)).astype(np.float16))

    for block in blocks:
        take(framer(block))
        samples = block[0]
        steps = np.diff(samples, prepend=last)
        last = samples[-1]
        cell = cells_of(steps[np.newaxis])[0]
        cells.append(np.square(cell).sum(axis=1))
    take(framer(np.zeros((1, N_FFT // 2), np.float32)))
    return _flux(np.concatenate(levels).T, np.concatenate(cells))


def _flux(levels: NDArray[np.float16], cells: NDArray[np.float32]) -> Flux:
    groups, loud = {}, {}
    for g, name in enumerate(GROUPS):
        bands = levels[g * _BANDS_PER_GROUP : (g + 1) * _BANDS_PER_GROUP].astype(np.float32)
        top = float(bands.max()) if bands.size else 0.0
        groups[name] = _rise(np.maximum(bands, max(top - RANGE_DB, -100.0)))
        loud[name] = _rise(10 ** ((bands - top) / 40))
    return Flux(groups, cells, loud, levels)


def _rise(bands: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the mean rise of bands `(n_bands, n_frames)` above their neighbours before."""
    from scipy.ndimage import maximum_filter1d

    if not bands.size:
        return np.zeros(0, np.float32)
    before = maximum_filter1d(bands, 3, axis=0)
    rises = np.zeros_like(bands)
    rises[:, LAG:] = np.maximum(bands[:, LAG:] - before[:, :-LAG], 0)
    return np.asarray(rises.mean(axis=0), np.float32)


def attack_s(cells: NDArray[np.float32], near_s: float, before_s: float, after_s: float) -> float:
    """Return where the energy jumps most clearly within `near_s - before_s` to `+ after_s`.

    Two segments of Gaussian noise of different variance explain the energies best when cut at
    the attack: k log mean(e[:k]) + (n - k) log mean(e[k:]) is least there (Akaike's criterion,
    Maeda 1985).
    """
    start = max(0, round((near_s - before_s) * CELL_HZ))
    part = cells[start : max(0, round((near_s + after_s) * CELL_HZ))].astype(np.float64)
    n, guard = part.size, 4
    if n < 4 * guard:
        return near_s
    sums: Float64s = np.cumsum(part + 1e-12 * (1 + part.max()))
    k = np.arange(guard, n - guard)
    cost = k * np.log(sums[k - 1] / k) + (n - k) * np.log((sums[-1] - sums[k - 1]) / (n - k))
    return float((start + k[np.argmin(cost)]) / CELL_HZ)
