"""Measure a take: everything that may tell it from another take of the same song."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.dsp.units import gain_to_db
from stemfx.health import FileFacts, FileHealth, examine
from stemfx.music_reading import MusicReading
from stemfx.ranking.cells import LevelCells
from stemfx.ranking.copies import BarStore
from stemfx.ranking.measurements import TAKE, Measurements
from stemfx.ranking.pitch import Tuning, read_tuning
from stemfx.ranking.spectra import SpectrumExam

TOP_KHZ = 20.0
"""The top of hearing: what is not cut off below is not cut off."""

CLEAR_BEAT = 0.3
"""Confidence of a beat below which its steadiness says nothing."""

_LRA_S = 20.0  # a range of loudness takes more than one phrase (Tech 3342 asks for a minute)
_BEATS_OF_A_TEMPO = 8
_WANDER_PERCENTILES = (5, 95)


def measure_take(
    signal: Signal, reading: MusicReading | None, facts: FileFacts | None = None
) -> Measurements:
    """Measure a take in two passes, in flat memory.

    Args:
        signal: mono or stereo, the whole song.
        reading: its beats and bars; without, nothing is said of its tempo and its copied bars.
        facts: what the file's header says.

    Returns:
        A value for every name of `measurements.TAKE`.
    """
    facts = facts or FileFacts()
    watched = _Watched(signal, reading)
    health = examine(watched, facts)
    tuning = read_tuning(signal)
    values: dict[str, float | None] = dict.fromkeys(TAKE)
    values |= _of_file(health, watched, facts)
    values |= _of_stereo(health)
    values |= _of_music(reading, tuning)
    values["copied_percent"] = watched.bars.copied_percent()
    return values


class _Watched:
    """A signal that is listened to while something else reads it, once."""

    def __init__(self, signal: Signal, reading: MusicReading | None) -> None:
        self._signal = signal
        self.sample_rate, self.channels = signal.sample_rate, signal.channels
        self.n_samples = signal.n_samples
        self.cells = LevelCells(signal.sample_rate, signal.channels)
        self.spectra = SpectrumExam(signal.sample_rate, signal.channels)
        self.bars = BarStore(
            signal.sample_rate, signal.channels, reading.downbeats_s if reading else ()
        )

    def blocks(self, n_samples: int = 65_536) -> Iterator[Block]:
        for block in self._signal.blocks(n_samples):
            whole = np.nan_to_num(block, posinf=0.0, neginf=0.0)
            for exam in (self.cells, self.spectra, self.bars):
                exam.add(whole)
            yield block

    def read(self, start: int = 0, stop: int | None = None) -> Block:
        return self._signal.read(start, stop)


def _of_file(health: FileHealth, watched: _Watched, facts: FileFacts) -> dict[str, float | None]:
    level, material = health.level, health.material
    clipping, cells = level.clipping, watched.cells
    programme = cells.programme()
    cutoff_hz = cutoff_of(material.bandwidth.cliff_hz, health.sample_rate)
    bandwidth_hz = material.bandwidth.bandwidth_hz
    hum_dbfs = material.hum.level_dbfs
    peak, lufs = level.true_peak_dbtp, level.lufs
    return {
        "duration_s": health.n_samples / health.sample_rate,
        "silence_percent": cells.silence_percent(),
        "lufs": lufs,
        "clipped_percent": 100.0 * clipping.clipped_share,
        "clipped_samples": float(clipping.clipped_samples),
        "clip_depth_db": clipping.depth_db,
        "clip_level_dbfs": clipping.ceiling_dbfs,
        "true_peak_dbtp": peak,
        "plr_lu": None if peak is None or lufs is None else peak - lufs,
        "lra_lu": level.lra_lu if health.n_samples >= _LRA_S * health.sample_rate else None,
        "cutoff_khz": None if bandwidth_hz is None else cutoff_hz / 1000,
        "bandwidth_khz": None if bandwidth_hz is None else bandwidth_hz / 1000,
        "holes_percent": watched.spectra.holes_percent(cutoff_hz),
        "lossy_file": float(facts.is_lossy),
        "noise_db": watched.spectra.noise_db(programme),
        "dc_dbfs": None if level.is_silent else gain_to_db(level.dc.largest, -120.0),
        "hum_db": None
        if hum_dbfs is None or not programme
        else hum_dbfs - gain_to_db(programme**0.5),
        "clicks": float(0 if clipping.events else material.clicks.count),
        "dropouts": float(len(material.dropouts.at_s)),
        "bad_samples": float(health.bad_samples),
        "bits": None if material.bits is None else float(material.bits),
        "tonal_distance_db": watched.spectra.tonal_distance_db(),
        "start_db": cells.start_db(),
        "end_db": cells.end_db(),
    }


def cutoff_of(cliff_hz: float | None, sample_rate: int) -> float:
    """Return where a spectrum is cut off, in Hz: by a codec, by its rate, or not at all."""
    top_hz = min(TOP_KHZ * 1000, 0.5 * sample_rate)
    return min(cliff_hz, top_hz) if cliff_hz else top_hz


def _of_stereo(health: FileHealth) -> dict[str, float | None]:
    stereo = health.stereo
    phase = stereo.phase
    if phase is None:
        return {"side_db": None if health.level.is_silent else -120.0, "mono_loss_db": 0.0}
    is_heard = not health.level.is_silent
    losses = [b.mono_loss_db for b in stereo.bands if b.is_audible and b.mono_loss_db is not None]
    side_db = -120.0 if phase.is_identical else phase.side_db
    return {
        "side_db": None if side_db is None or not is_heard else max(side_db, -120.0),
        "correlation": stereo.correlation,
        "mono_loss_db": stereo.mono_loss_db,
        "worst_mono_loss_db": max(losses, default=None),
        "balance_db": min(abs(phase.left_dbfs - phase.right_dbfs), 60.0) if is_heard else None,
        "channel_delay_ms": abs(stereo.channel_delay_ms),
    }


def _of_music(reading: MusicReading | None, tuning: Tuning) -> dict[str, float | None]:
    cents = tuning.cents
    found: dict[str, float | None] = {
        "tuning_cents": cents,
        "tuning_off_cents": None if cents is None else abs(cents),
        "tuning_clarity": tuning.clarity,
        "tuning_wander_cents": tuning.wander_cents,
    }
    if reading is None or not reading.bpm:
        return found
    return found | {
        "bpm": reading.bpm,
        "bpm_confidence": reading.bpm_confidence,
        "tempo_wander_percent": _tempo_wander_percent(reading),
    }


def _tempo_wander_percent(reading: MusicReading) -> float | None:
    """Return half the range of the tempo over stretches of eight beats."""
    beats = np.array(reading.beats_s)
    if reading.bpm_confidence < CLEAR_BEAT or beats.size <= 2 * _BEATS_OF_A_TEMPO:
        return None
    lengths = (beats[_BEATS_OF_A_TEMPO:] - beats[:-_BEATS_OF_A_TEMPO]) / _BEATS_OF_A_TEMPO
    low, high = np.percentile(lengths, _WANDER_PERCENTILES)
    return float(50.0 * (high - low) / np.median(lengths))
