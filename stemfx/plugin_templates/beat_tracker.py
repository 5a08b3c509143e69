"""A beat tracker for stemfx: the tempo and phase in which a song gets louder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from stemfx.audio import Signal
from stemfx.beat_tracker import BeatTracker, TrackedBeats
from stemfx.hookspecs import hookimpl

FRAMES_PER_S = 100
SLOWEST_BPM, FASTEST_BPM = 80.0, 160.0
"""One octave: of an even pulse every multiple of its tempo fits as well."""

N_FFT = 2**20
"""Much longer than any song, so that the tempo is read to 0.006 BPM."""


class NewPluginTracker(BeatTracker):
    """Lays one even grid over the attacks of a song."""

    name = "newplugin"
    summary = "One steady tempo from 80 to 160 BPM, from the spectrum of the attacks"
    licence = "GPL-3.0-or-later"
    version = 1  # raise it whenever the answers change

    def track(self, mixture: Signal) -> TrackedBeats:
        """Return the beats of a song; none where it never gets louder."""
        hop = mixture.sample_rate // FRAMES_PER_S
        attacks = _attacks(mixture, hop)
        if not attacks.any():
            return TrackedBeats(())
        spectrum = np.fft.rfft(attacks, N_FFT)
        tempo_hz = np.fft.rfftfreq(N_FFT, hop / mixture.sample_rate)
        is_tempo = (tempo_hz >= SLOWEST_BPM / 60.0) & (tempo_hz < FASTEST_BPM / 60.0)
        best = int(np.argmax(np.where(is_tempo, np.abs(spectrum), 0.0)))
        period_s = 1.0 / tempo_hz[best]
        first_s = -np.angle(spectrum[best]) / (2.0 * np.pi) * period_s % period_s
        beats_s = np.arange(first_s, mixture.n_samples / mixture.sample_rate, period_s)
        return TrackedBeats(beats_s.tolist())


def _attacks(mixture: Signal, hop: int) -> NDArray[np.float64]:
    """Return by how much the level rises from one `hop` samples to the next."""
    powers = [
        np.square(block, dtype=np.float64).mean(axis=0).reshape(-1, hop).mean(axis=1)
        for block in mixture.blocks(hop * FRAMES_PER_S)
        if block.shape[1] == hop * FRAMES_PER_S  # what is left at the end is less than a second
    ]
    levels = np.sqrt(np.concatenate([np.zeros(1), *powers]))
    return np.asarray(np.maximum(0.0, np.diff(levels)))


@hookimpl
def stemfx_beat_trackers() -> list[BeatTracker]:
    """Tell stemfx what this plugin adds."""
    return [NewPluginTracker()]
