"""Files that are decoded once, however often they are read after that."""

from __future__ import annotations

import numpy as np

from stemfx.audio import Signal
from stemfx.cache import Cache
from stemfx.dsp.units import gain_to_db
from stemfx.io import FileSignal, file_sha256
from stemfx.operations import inspected


def decoded(file: FileSignal, cache: Cache) -> tuple[Signal, float]:
    """Return a file's signal, whole and readable from anywhere, and its peak in dBFS.

    Raises:
        AudioFileError: it is damaged, or holds samples that are no numbers.
        DiskFullError: there is no room for it.
    """
    key = file_sha256(file.info.path)
    writer = cache.writer(key)
    peak = 0.0
    try:
        signal = writer.open("file", file.sample_rate, file.channels)
        for block in inspected(file.info, fold=file.fold):
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            signal.append(block)
        entry = writer.commit({})
    except BaseException:
        writer.abandon()
        raise
    return entry.signals["file"], gain_to_db(peak)
