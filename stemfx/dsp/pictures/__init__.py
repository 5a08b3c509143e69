"""What a page shows of a signal: waveform, loudness, spectrogram and stereo, as compact JSON.

All of it comes from one pass in flat memory, at the signal's own rate, second by second, so how
the signal comes in blocks changes nothing.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from stemfx.audio import Signal
from stemfx.dsp.frame_spectra import FrameSpectra
from stemfx.dsp.loudness import LoudnessMeter, TruePeakMeter
from stemfx.dsp.pictures.codes import base64_of, level_codes, share_codes
from stemfx.dsp.pictures.grid import BLOCKS_PER_S, PEAKS_PER_S, PictureGrid
from stemfx.dsp.pictures.spectrogram import Spectrogram
from stemfx.dsp.pictures.stereo import StereoPicture
from stemfx.dsp.pictures.waveform import Waveform
from stemfx.dsp.resample import rechunk

__all__ = ["PICTURES_VERSION", "PictureGrid", "picture_of"]

PICTURES_VERSION = 1
"""Rises when a picture changes: pictures that a cache holds are then made anew."""


def picture_of(signal: Signal, grid: PictureGrid) -> dict[str, Any]:
    """Measure what a page shows of one signal.

    Levels over time are given as uint16, little endian, (dB + 140) * 256; 0 is silence.

    Returns:
        lufs: integrated loudness; None in silence and under 400 ms.
        true_peak_dbtp: highest level between the samples; None in silence.
        peaks: base64 of int8, lowest and highest sample of all channels by turns, 50 pairs a
            second; full scale is 127, what is louder is clamped.
        loudness: base64 of levels, the K-weighted mean square of every full 0.1 s, summed over
            the channels: BS.1770's gating blocks are means of four.
        block_peaks: base64 of levels, the sample peak of every full 0.1 s in dBFS.
        spectrogram: {"columns", "data"}, see `Spectrogram`.
        stereo: see `StereoPicture`; None for anything but two channels.
    """
    rate, channels = signal.sample_rate, signal.channels
    loudness, true_peak = LoudnessMeter(rate, channels), TruePeakMeter(channels)
    waveform, spectra, spectrogram = Waveform(rate), FrameSpectra(rate), Spectrogram(grid, rate)
    stereo = StereoPicture(rate) if channels == 2 else None
    for second in rechunk(signal.blocks(), rate):
        loudness.add(second)
        true_peak.add(second)
        waveform.add(second)
        if stereo is not None:
            stereo.add(second)
        for frames in spectra(second):
            _take(frames, spectrogram, stereo)
    for frames in spectra.flush():
        _take(frames, spectrogram, stereo)

    lufs = loudness.lufs()
    dbtp = true_peak.true_peak_dbtp
    columns = spectrogram.columns()
    powers = loudness.hops()
    peaks = waveform.peaks(PEAKS_PER_S // BLOCKS_PER_S)[: len(powers)]
    return {
        "lufs": None if lufs is None else round(lufs, 3),
        "true_peak_dbtp": None if dbtp is None else round(dbtp, 3),
        "peaks": base64_of(share_codes(waveform.extremes())),
        "loudness": base64_of(level_codes(powers)),
        "block_peaks": base64_of(level_codes(np.square(peaks))),
        "spectrogram": {
            "columns": columns.shape[1],
            "data": base64_of(zlib.compress(columns.tobytes(), 9)),
        },
        "stereo": None if stereo is None else stereo.picture(),
    }


def _take(frames: Any, spectrogram: Spectrogram, stereo: StereoPicture | None) -> None:
    powers = spectrogram.add(frames)
    if stereo is not None:
        stereo.add_spectra(frames, powers)
