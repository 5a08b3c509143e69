"""Measure the stems of a take as a separator left them: one take's vocals beside another's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.bandwidth import BandwidthMeter
from stemfx.dsp.flux import read_flux
from stemfx.dsp.framing import Framer
from stemfx.dsp.leaks import Leaks, find_leaks
from stemfx.dsp.units import Float64s, db_to_gain, power_to_db
from stemfx.music.grid import fit_grid
from stemfx.music_reading import MusicReading
from stemfx.ranking.cells import CELL_S, LevelCells
from stemfx.ranking.measure import CLEAR_BEAT, cutoff_of
from stemfx.ranking.measurements import STEM, Measurements
from stemfx.ranking.pitch import mono_blocks, read_tuning

DRUMS = "drums"
BLOCK_SAMPLES = 16_384

_ABSENT_DB = -50.0  # beside the mixture where that is heard
_PAUSE_DB = -24.0  # beside the stem where it is heard
_SMOOTH_CELLS = 20
_LEAST_PAUSE_CELLS = 50
_NO_BLEED_DB = -80.0
_BARE_PERCENTILE = 25
_SHORT_S = 3.0


def measure_stems(
    stems: Mapping[str, Signal],
    mixture: Signal,
    reading: MusicReading | None,
    *,
    clip_level_dbfs: float | None = None,
) -> dict[str, Measurements]:
    """Measure all stems of a take; memory stays flat.

    Args:
        stems: of one rate, channel count and length; they are read from anywhere.
        mixture: the take, of the same length.
        reading: its beats.
        clip_level_dbfs: where the mixture's flat tops lie, if it has any.
    """
    leaks = _leaks(stems)
    return {
        name: measure_stem(
            name, stems, mixture, reading, clip_level_dbfs=clip_level_dbfs, leaks=leaks
        )
        for name in stems
    }


def measure_stem(
    name: str,
    stems: Mapping[str, Signal],
    mixture: Signal,
    reading: MusicReading | None,
    *,
    clip_level_dbfs: float | None = None,
    leaks: Leaks | None = None,
) -> Measurements:
    """Measure one stem among the others of its take.

    Args:
        name: which of `stems`.
        stems: all stems of the take.
        mixture: the take.
        reading: its beats.
        clip_level_dbfs: where the mixture's flat tops lie, if it has any.
        leaks: of `stems` in their order, if they are known already.

    Returns:
        A value for every name of `measurements.STEM`.
    """
    stem = stems[name]
    rate = stem.sample_rate
    own, whole = LevelCells(rate, stem.channels), LevelCells(rate, mixture.channels)
    bandwidth = BandwidthMeter(rate, stem.channels)
    tops = _TopCells(rate, mixture.channels, clip_level_dbfs)
    blocks = stem.blocks(BLOCK_SAMPLES), mixture.blocks(BLOCK_SAMPLES)
    for mine, all_ in zip(*blocks, strict=False):
        own.add(mine)
        bandwidth.add(mine)
        whole.add(all_)
        tops.add(all_)
    values: dict[str, float | None] = dict.fromkeys(STEM)
    n = min(own.powers().size, whole.powers().size)
    power, mixed = own.powers()[:n], whole.powers()[:n]
    heard = whole.sounding()[:n]
    level = whole.programme()
    if not heard.any():
        return values | {"silence_percent": 100.0}
    plays = heard & (power > level * 10 ** (_ABSENT_DB / 10))
    values["silence_percent"] = 100.0 * float(1.0 - plays.sum() / heard.sum())
    if not plays.any():
        return values
    programme = float(power[plays].mean())
    values["level_db"] = power_to_db(programme / float(mixed[plays].mean()))
    if clip_level_dbfs is not None:
        values["clipped_here_percent"] = 100.0 * float(tops.flat()[:n][plays].mean())
    found = bandwidth.reading()
    if found.bandwidth_hz is not None:
        values["cutoff_khz"] = cutoff_of(found.cliff_hz, rate) / 1000
        values["bandwidth_khz"] = found.bandwidth_hz / 1000
    if leaks is None:
        leaks = _leaks(stems)
    if leaks is not None:
        values["bleed_db"] = _bleed_db(leaks, list(stems).index(name))
    values |= _pauses(power, heard, programme)
    if name == DRUMS:
        values["timing_spread_ms"] = _timing_spread_ms(stem, reading)
    else:
        tuning = read_tuning(stem)
        values["tuning_cents"] = tuning.cents
        values["tuning_clarity"] = tuning.clarity
        values["tuning_wander_cents"] = tuning.wander_cents
    return values


def _leaks(stems: Mapping[str, Signal]) -> Leaks | None:
    """Return what leaks; None for one stem, or too short ones."""
    some = next(iter(stems.values()), None)
    if some is None or len(stems) < 2 or some.n_samples < _SHORT_S * some.sample_rate:
        return None
    return find_leaks(list(stems.values()))


def _bleed_db(leaks: Leaks, j: int) -> float:
    """Return the level of what leaks into stem j beside it."""
    own = float(leaks.powers[j].sum())
    leaked = float(np.einsum("kb,kb->", leaks.ratios[j], leaks.powers))
    return power_to_db(leaked / own, _NO_BLEED_DB) if own > 0 else _NO_BLEED_DB


class _TopCells:
    """Tell in which cells of 10 ms a signal lies on its ceiling."""

    def __init__(self, sample_rate: int, channels: int, level_dbfs: float | None) -> None:
        self._framer = Framer(channels, max(1, round(CELL_S * sample_rate)))
        top = np.inf if level_dbfs is None else db_to_gain(level_dbfs)
        # A ceiling that was dithered again lies within a step or two.
        self._low, self._high = top * (1 - 1e-4) - 5e-5, top * (1 + 1e-4) + 5e-5
        self._found: list[NDArray[np.bool_]] = []

    def add(self, block: Block) -> None:
        """Add `(channels, n_samples)`."""
        level = np.abs(self._framer(block))
        on_it = (level >= self._low) & (level <= self._high)
        run = on_it[..., :-2] & on_it[..., 1:-1] & on_it[..., 2:]
        self._found.append(np.asarray(run.any(axis=(0, 2))))

    def flat(self) -> NDArray[np.bool_]:
        """Return one truth a cell."""
        return np.concatenate([np.zeros(0, bool), *self._found])


def _pauses(power: Float64s, heard: NDArray[np.bool_], programme: float) -> dict[str, float | None]:
    """Tell what is left in a stem's pauses, while the song goes on.

    What dies away is no fault: the quieter moments of the pauses tell.
    """
    from scipy.ndimage import uniform_filter1d

    smooth = uniform_filter1d(power, _SMOOTH_CELLS, mode="nearest")
    pauses = np.flatnonzero(heard & (smooth < programme * 10 ** (_PAUSE_DB / 10)))
    if pauses.size < _LEAST_PAUSE_CELLS:
        return {}
    left = float(np.percentile(power[pauses], _BARE_PERCENTILE))
    return {"pause_db": power_to_db(left / programme, -120.0)}


def _timing_spread_ms(drums: Signal, reading: MusicReading | None) -> float | None:
    """Return the median distance of attacks from the beats nearest to them."""
    if reading is None or reading.bpm_confidence < CLEAR_BEAT or len(reading.beats_s) < 8:
        return None
    flux = read_flux(mono_blocks(drums))
    grid = fit_grid(np.array(reading.beats_s), flux, flux)
    return 1000.0 * grid.spread_s if grid.found else None
