"""An equaliser that makes a layer stay out of the way: found from band levels, applied as one FIR.

In bands as wide as the ear's the level of the layer is compared with that of the music:

- where the music is more than `HIDDEN_DB` above what would mask the layer, the layer is not heard
  anyway; it is turned down by as much, so that it does not thicken the mix;
- where a track has its foundation (the clarity of a voice, the weight of a kick) the layer may be
  louder than that track by the headroom at most, while the track plays;
- everywhere else it stays: there it fills gaps, and hides what separation left.

A band is masked by another sound that is `MASKED_DB` or more above it there (a noise masker hides
a tone some 4 to 6 dB below it: Zwicker and Fastl, Psychoacoustics, 2007, ch. 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Signal
from stemfx.dsp.bands import erb_bands
from stemfx.dsp.stft import N_BINS, N_FFT, forward, n_frames
from stemfx.dsp.units import Float64s

N_BANDS = 40
N_TAPS = 2047
MASKED_DB = 6.0
HIDDEN_DB = 10.0
_STEP = 4  # every fourth spectrum: one each 93 ms at 44.1 kHz
_FRAMES = 256
_ACTIVE_DB = -50.0  # below the loudest frame, a track does not play
_SKIRT_DB = 40.0  # below the loudest band of the layer
_FLOOR = 1e-14
_LOUDEST_DB = 6.0  # the foundation of a track without a known role: its loudest bands

FOUNDATIONS_HZ = {
    "vocal": (1000.0, 4000.0),
    "voice": (1000.0, 4000.0),
    "kick": (40.0, 100.0),
    "drum": (40.0, 100.0),
    "bass": (40.0, 160.0),
}
"""What must stay clear of each track, by a word of its name."""

Powers = NDArray[np.float32]
"""`(n_frames, N_BANDS)`, summed over channels."""


def band_powers(signal: Signal, n_samples: int) -> Powers:
    """Return the powers of the first `n_samples` of a signal in ERB bands, `(n, N_BANDS)`."""
    shares = erb_bands(N_BANDS, signal.sample_rate).T
    total = n_frames(n_samples)
    rows = [np.zeros((0, N_BANDS), np.float32)]
    for start in range(0, total, _FRAMES * _STEP):
        stop = min(total, start + _FRAMES * _STEP)
        spectra = forward(signal, start, stop, _STEP)
        power = (np.square(spectra.real) + np.square(spectra.imag)).sum(axis=0)
        rows.append((power @ shares).astype(np.float32))
    return np.concatenate(rows)


def is_playing(powers: Powers) -> NDArray[np.bool_]:
    """Return in which frames a signal plays."""
    total = powers.sum(axis=1)
    if not total.size:
        return np.zeros(0, bool)
    return np.asarray((total > float(total.max()) * 10 ** (_ACTIVE_DB / 10)) & (total > _FLOOR))


def foundation(name: str, powers: Powers, sample_rate: int) -> NDArray[np.bool_]:
    """Return the bands in which a track has its foundation: by its name, else its loudest."""
    rates = np.arange(N_BINS) * (sample_rate / N_FFT)
    shares = erb_bands(N_BANDS, sample_rate)
    centres_hz = (shares @ rates) / shares.sum(axis=1)
    for word, (low_hz, high_hz) in FOUNDATIONS_HZ.items():
        if word in name.lower():
            return np.asarray((centres_hz >= low_hz) & (centres_hz <= high_hz))
    level_db = _mean_db(powers, is_playing(powers))
    return np.asarray(level_db >= level_db.max() - _LOUDEST_DB)


@dataclass(frozen=True)
class GapFit:
    """What was found.

    Args:
        cut_db: of each band, 0 or more.
        masked_before: share of the music's bands that the layer masks, 0 to 1.
        masked_after: the same with the cut.
        foundation_before: share of the foundations of its tracks, while they play, that it masks.
        foundation_after: the same with the cut.
    """

    cut_db: Float64s
    masked_before: float
    masked_after: float
    foundation_before: float
    foundation_after: float


def fit_to_gaps(
    layer: Powers,
    tracks: Mapping[str, Powers],
    sample_rate: int,
    *,
    max_cut_db: float,
    headroom_db: float,
) -> GapFit:
    """Find by how much each band of the layer is to be turned down.

    Args:
        layer: its powers.
        tracks: those of the music, by name.
        sample_rate: in Hz.
        max_cut_db: no band is cut by more.
        headroom_db: how far above a track's foundation the layer may be.
    """
    playing = is_playing(layer)
    rest = np.sum(list(tracks.values()), axis=0)
    cut_db = np.zeros(N_BANDS)
    if playing.any():
        margin_db = _mean_db(layer, playing) - (_mean_db(rest, playing) - MASKED_DB)
        cut_db = np.maximum(-margin_db - HIDDEN_DB, 0.0)
        for name, powers in tracks.items():
            both = playing & is_playing(powers)
            if both.any():
                above_db = _mean_db(layer, both) - _mean_db(powers, both) - headroom_db
                ours = foundation(name, powers, sample_rate)
                cut_db = np.where(ours, np.maximum(cut_db, above_db), cut_db)
        # A band that is nothing but the skirts of others needs no equaliser.
        own_db = _mean_db(layer, playing)
        cut_db = np.where(own_db < own_db.max() - _SKIRT_DB, 0.0, cut_db)
    cut_db = np.clip(cut_db, 0.0, max_cut_db)
    after = layer * (10 ** (-cut_db / 10)).astype(np.float32)
    founded = {
        name: (powers, foundation(name, powers, sample_rate), is_playing(powers))
        for name, powers in tracks.items()
    }
    return GapFit(
        cut_db,
        _masked(layer, rest),
        _masked(after, rest),
        _masked_foundations(layer, founded),
        _masked_foundations(after, founded),
    )


def _mean_db(powers: Powers, frames: NDArray[np.bool_]) -> Float64s:
    if not frames.any():
        return np.full(powers.shape[1], 10 * np.log10(_FLOOR))
    mean = powers[frames].mean(axis=0, dtype=np.float64)
    return np.asarray(10 * np.log10(np.maximum(mean, _FLOOR)), np.float64)


def _masked(layer: Powers, rest: Powers) -> float:
    """Return the share of what is heard of the music that the layer masks."""
    loud = rest > rest.max(initial=0.0) * 10 ** (_ACTIVE_DB / 10)
    loud &= rest > _FLOOR
    masked = loud & (layer > rest * 10 ** (MASKED_DB / 10))
    return float(masked.sum() / max(1, loud.sum()))


def _masked_foundations(
    layer: Powers, founded: Mapping[str, tuple[Powers, NDArray[np.bool_], NDArray[np.bool_]]]
) -> float:
    """Return the share of the foundations of playing tracks that the layer masks."""
    masked = heard = 0
    for powers, bands, frames in founded.values():
        own = powers[frames][:, bands]
        heard += own.size
        masked += int(np.sum(layer[frames][:, bands] > own * 10 ** (MASKED_DB / 10)))
    return masked / max(1, heard)


def cut_taps(cut_db: Float64s, sample_rate: int) -> Float64s:
    """Design linear-phase taps with the gains of the bands, straight in dB between them.

    Returns:
        `N_TAPS`, their middle at time zero.
    """
    gain_db = -cut_db @ erb_bands(N_BANDS, sample_rate)
    impulse = np.fft.irfft(10 ** (gain_db / 20), N_FFT)
    half = N_TAPS // 2
    taps = np.concatenate((impulse[-half:], impulse[: half + 1])) * np.hanning(N_TAPS + 2)[1:-1]
    return np.asarray(taps, np.float64)
