"""Take the stems of a song apart again where each has leaked into the others.

Given stems are e_j = s_j + sum_k a_jk * s_k: the true ones and what came over from the others, by
a gain (cross-talk of a desk, of a lossy bounce) or through a room (a microphone). There are as many
given stems as true ones, so nothing is lost: whoever knows the leak takes it out entirely, without
a mask and its artefacts. That the true stems are independent tells the leak.

`estimate` first finds out which of four things it hears:

- `none`: stems that are independent as they are;
- `linear`: one gain a pair explains all that ties them together (`unmixing_linear`);
- `convolutive`: one short filter a pair does (`unmixing_convolutive`);
- `mask`: neither does. So it is with what a separator leaves: its masks lend every stem the phase
  of the one mixture, and no matrix undoes that. Unmixing them would cost up to 7 dB.

`unmix` then takes the leak out of one stem, block by block. A stem that needs nothing comes back
bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal, read_only
from stemfx.dsp import unmixing_convolutive as convolutive
from stemfx.dsp import unmixing_linear as linear
from stemfx.dsp.units import FLOOR_DB, Float64s, gain_to_db, power_to_db

Regime = Literal["none", "linear", "convolutive", "mask"]

SHORTEST_S = 3.0
"""Of less music nothing can be told, and nothing is changed."""

# All of these were set on 18 songs, 10 to 30 s each: clean, leaked, and made by masks and networks.
_SIGNIFICANT = 8.0  # deviations of a gain from zero; clean stems reached 5.5
_CERTAIN = 150.0  # with one gain like this a leak is linear; rooms reached 118, masks 57, and the
# least certain linear leak, of 0.3 %, 215
_FILTER_EVIDENCE = 20.0  # of any other pair, once there is a room
_ROOM_EVIDENCE = 300.0  # of the clearest pair; clean stems reached 198, rooms of 10 % began at 1170
_SMALLEST_GAIN = 1e-5  # -100 dB: below it nobody hears whether it is there
# What may still tie stems together: unmixed ones reached 0.21 (the worst pair) and 0.045 (the mean
# of all pairs), masks 0.067 at least on average, and networks 0.44 for the worst pair.
_LEFT_AT_MOST, _LEFT_ON_AVERAGE = 0.25, 0.05
_HOPELESS = 0.45  # the worst pair after the best gains: rooms reached 0.36, masks up to 0.9

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Filter:
    """A leak through a room.

    Args:
        first: lag of the first tap in samples.
        taps: one row a channel.
    """

    first: int
    taps: Matrix


@dataclass(frozen=True)
class Mixing:
    """How the stems leak into each other; `[j][k]` is stem k in stem j, as the stems were given.

    Args:
        regime: what kind of leak it is.
        matrix: gains, one on the diagonal; the rest is significant or exactly zero.
        deviation: the standard deviation of each gain.
        filters: by (j, k), the pairs that leak through a room; nothing in other regimes.
        dependence: mean correlation of the worst pair, before and after unmixing.
    """

    regime: Regime
    matrix: Matrix
    deviation: Matrix
    filters: Mapping[tuple[int, int], Filter] = field(default_factory=dict)
    dependence: tuple[float, float] = (0.0, 0.0)

    @property
    def leak_db(self) -> Matrix:
        """Gain of each leak in dB (of a filter: of all its taps); -200 where there is none."""
        gains = np.array(self.matrix) - np.eye(len(self.matrix))
        levels = np.asarray(gain_to_db(gains))
        for (j, k), leak in self.filters.items():
            taps = np.array(leak.taps)
            levels[j, k] = power_to_db(float(np.mean(np.sum(taps**2, axis=1))))
        return _rows(levels)

    @property
    def error_db(self) -> Matrix:
        """How far each gain in dB may be off, one standard deviation; 0 where there is no leak."""
        gains = np.abs(np.array(self.matrix) - np.eye(len(self.matrix)))
        relative = np.array(self.deviation) / np.where(gains > 0, gains, np.inf)
        return _rows(20 * np.log10(1 + relative))

    def leaks_into(self, own: int) -> tuple[int, ...]:
        """Return the stems that leak into this one."""
        return tuple(k for k, level in enumerate(self.leak_db[own]) if level > FLOOR_DB)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "regime": self.regime,
            "matrix": [list(row) for row in self.matrix],
            "deviation": [list(row) for row in self.deviation],
            "filters": [
                {"stem": j, "leak_of": k, "first": f.first, "taps": [list(row) for row in f.taps]}
                for (j, k), f in self.filters.items()
            ],
            "dependence": list(self.dependence),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Mixing:
        """Read what `to_json` gave."""
        before, after = values["dependence"]
        return cls(
            regime=values["regime"],
            matrix=_rows(values["matrix"]),
            deviation=_rows(values["deviation"]),
            filters={
                (f["stem"], f["leak_of"]): Filter(f["first"], _rows(f["taps"]))
                for f in values["filters"]
            },
            dependence=(before, after),
        )


def _rows(values: Any) -> Matrix:
    return tuple(tuple(float(value) for value in row) for row in values)


# --- what kind of leak, and how much ------------------------------------------------------


def estimate(stems: Sequence[Signal]) -> Mixing:
    """Find out how the stems of one song leak into each other.

    Up to two minutes are heard, in stretches spread over the song. Silent stems neither leak nor
    are leaked into.

    Args:
        stems: at one rate, of one channel count and length.
    """
    n_stems = len(stems)
    nothing = _plain("none", np.eye(n_stems), np.zeros((n_stems, n_stems)))
    if n_stems < 2 or stems[0].n_samples < SHORTEST_S * stems[0].sample_rate:
        return nothing
    cells = linear.listen(stems)
    playing = np.flatnonzero(linear.plays(cells))
    if len(playing) < 2:
        return nothing
    found = _estimate([stems[int(j)] for j in playing], cells.of(playing))
    return _placed(found, playing, n_stems)


def _estimate(stems: Sequence[Signal], cells: linear.Cells) -> Mixing:
    size = len(stems)
    mixing = linear.diagonalise(cells)
    deviation = linear.deviations(cells, mixing)
    gains = np.abs(mixing - np.eye(size))
    certainty = gains / np.where(deviation > 0, deviation, np.inf)
    leaks = (certainty > _SIGNIFICANT) & (gains > _SMALLEST_GAIN)
    mixing = linear.diagonalise(cells, leaks)
    before = linear.dependence(cells, np.eye(size))
    after = linear.dependence(cells, mixing)
    worst = _worst(before), _worst(after)
    if certainty.max() > _CERTAIN and _is_explained(after):
        return _plain("linear", mixing, np.where(leaks, deviation, 0), worst)
    if worst[1] < _HOPELESS:
        through_rooms = _estimate_rooms(stems)
        if through_rooms is not None:
            return through_rooms
    if leaks.any() and _is_explained(after):
        return _plain("linear", mixing, np.where(leaks, deviation, 0), worst)
    regime: Regime = "none" if _is_explained(before) else "mask"
    return _plain(regime, np.eye(size), np.zeros((size, size)), (worst[0], worst[0]))


def _estimate_rooms(stems: Sequence[Signal]) -> Mixing | None:
    """Return the leak through rooms, if there is one and it explains what ties stems together."""
    heard = convolutive.listen(stems)
    if not heard.shape[2]:
        return None
    filters = convolutive.estimate(heard, stems[0].sample_rate)
    if filters.evidence.max() < _ROOM_EVIDENCE:
        return None
    filters = filters.only(filters.evidence > _FILTER_EVIDENCE)
    size = len(stems)
    before = convolutive.dependence(heard, None)
    after = convolutive.dependence(heard, filters)
    if not _is_explained(after):
        return None
    kept = {
        (j, k): _trimmed(filters.taps[j, k], filters.first)
        for j in range(size)
        for k in range(size)
        if filters.taps[j, k].any()
    }
    worst = _worst(before), _worst(after)
    return Mixing("convolutive", _rows(np.eye(size)), _rows(np.zeros((size, size))), kept, worst)


def _is_explained(dependence: Float64s) -> bool:
    """Say whether nothing ties the stems together any more."""
    pairs = dependence[np.tril_indices(len(dependence), -1)]
    worst, mean = float(np.abs(pairs).max()), float(np.abs(pairs.mean()))
    return worst < _LEFT_AT_MOST and mean < _LEFT_ON_AVERAGE


def _worst(dependence: Float64s) -> float:
    return round(float(np.abs(dependence).max()), 4)


def _plain(
    regime: Regime,
    matrix: Float64s,
    deviation: Float64s,
    dependence: tuple[float, float] = (0.0, 0.0),
) -> Mixing:
    return Mixing(regime, _rows(matrix), _rows(deviation), {}, dependence)


def _trimmed(taps: Float64s, first: int) -> Filter:
    used = np.flatnonzero(taps.any(axis=0))
    start, stop = int(used[0]), int(used[-1]) + 1
    return Filter(first + start, _rows(np.round(taps[:, start:stop], 9)))


def _placed(found: Mixing, playing: NDArray[np.intp], n_stems: int) -> Mixing:
    """Return what was found of the stems that play as a mixing of all stems."""
    matrix, deviation = np.eye(n_stems), np.zeros((n_stems, n_stems))
    matrix[np.ix_(playing, playing)] = found.matrix
    deviation[np.ix_(playing, playing)] = found.deviation
    filters = {(int(playing[j]), int(playing[k])): f for (j, k), f in found.filters.items()}
    return Mixing(found.regime, _rows(matrix), _rows(deviation), filters, found.dependence)


# --- taking it out ------------------------------------------------------------------------


def unmix(own: int, stems: Sequence[Signal], mixing: Mixing) -> Iterator[Block]:
    """Yield stem `own` without what leaked into it.

    As long as the stem, in time with it, and without a leak the same bits.
    """
    if not mixing.leaks_into(own):
        yield from stems[own].blocks()
    elif mixing.filters:
        yield from _filtered(own, stems, mixing)
    else:
        row = np.linalg.inv(np.array(mixing.matrix, np.float64))[own]
        row[np.abs(row) < 1e-12] = 0
        for blocks in zip(*(stem.blocks() for stem in stems), strict=True):
            parts = [
                gain * b.astype(np.float64) for gain, b in zip(row, blocks, strict=True) if gain
            ]
            yield read_only(sum(parts[1:], parts[0]).astype(np.float32))


def _filtered(own: int, stems: Sequence[Signal], mixing: Mixing) -> Iterator[Block]:
    """Filter all stems with the own one's row of the inverse, by overlap-save."""
    import scipy.fft

    used, first, taps = _inverse_row(own, len(stems), mixing)
    length = taps.shape[-1]
    size = 1 << (4 * length - 1).bit_length()
    spectra = scipy.fft.rfft(taps.astype(np.float32), size)
    n_samples, channels = stems[own].n_samples, stems[own].channels
    step = size - length + 1
    for at in range(0, n_samples, step):
        # Output n needs inputs n - first - length + 1 up to n - first.
        start = at - first - length + 1
        total = np.zeros((channels, size // 2 + 1), np.complex64)
        for spectrum, k in zip(spectra, used, strict=True):
            padded = np.zeros((channels, size), np.float32)
            there = stems[k].read(max(0, start), max(0, start + size))
            offset = max(0, -start)
            padded[:, offset : offset + there.shape[1]] = there[:, : size - offset]
            total += spectrum * scipy.fft.rfft(padded)
        block = scipy.fft.irfft(total, size)[:, length - 1 :]
        yield read_only(block[:, : n_samples - at].astype(np.float32))


def _inverse_row(own: int, n_stems: int, mixing: Mixing) -> tuple[tuple[int, ...], int, Float64s]:
    """Return the stems that are needed, the lag of the first tap and all taps.

    The inverse of A is endless, but what comes back a third time is 30 dB down: it is kept for
    twice the length of the longest filter.

    Shape of the taps: `(n_used, channels, n_taps)`.
    """
    import scipy.fft

    earliest = min(0, *(f.first for f in mixing.filters.values()))
    latest = max(1, *(f.first + len(f.taps[0]) for f in mixing.filters.values()))
    channels = len(next(iter(mixing.filters.values())).taps)
    size = 1 << (8 * (latest - earliest) - 1).bit_length()
    matrices = np.zeros((channels, size // 2 + 1, n_stems, n_stems), np.complex128)
    matrices[:] = np.eye(n_stems)
    for (j, k), leak in mixing.filters.items():
        padded = np.zeros((channels, size))
        padded[:, : len(leak.taps[0])] = leak.taps
        matrices[:, :, j, k] = scipy.fft.rfft(np.roll(padded, leak.first, axis=-1))
    row = scipy.fft.irfft(np.linalg.inv(matrices)[:, :, own].transpose(2, 0, 1), size)
    before, after = -2 * earliest, 2 * latest
    taps = np.concatenate([row[..., size - before :], row[..., :after]], axis=-1)
    used = tuple(int(k) for k in range(n_stems) if np.abs(taps[k]).max() > 1e-9)
    return used, -before, taps[list(used)]
