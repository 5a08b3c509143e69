"""Find the curves that bring tone and width of one song to those of another.

Both are read in thirds of an octave, from passages that are equally far under the loudest ones
(`stemfx.dsp.passages`). Tone is the power of mid and side together, width that of the side over
the mid. Levels count for nothing here: the curves leave the K-weighted loudness as it is.

A third of an octave is wide enough to see no single note, and blurs what it sees. So the curve is
found in steps: apply it to the fine spectrum, look at what is still missing, add that.

Where one of both songs has nothing there is nothing to compare. There the curve goes on from
where there is, but boosts fade out within half an octave.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.passages import Passages
from stemfx.dsp.units import Float64s, power_to_db

NOTHING_DB = 75.0
"""A third of an octave so far under the loudest one holds dither."""
NOISE_DB = 6.0
"""One that stands out of quiet passages by no more holds noise."""
CLIFF_ROOM = 0.94  # of a codec's cut-off: nearer to it a spectrum is already falling
GENTLE_BELOW_HZ = 30.0  # fading to nothing an octave further down
MAX_MONO_LOSS_DB = 3.0
MAX_BASS_LOSS_DB = 1.0
BASS_HZ = 120.0
MONO_SIDE_DB = -60.0

_STEPS = 12  # curve points in an octave
_TONE_OCTAVES = 1 / 3
_WIDTH_OCTAVES = 2 / 3  # a width that changes within less is not heard as one
_BOOST_FADE_OCTAVES = 0.5
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class Match:
    """Curves, and what they do to the song. All in dB, those of arrays `(n_points,)`.

    Args:
        freq_hz: of the points, 12 an octave.
        tone_db: what mid and side are to gain.
        width_db: what the side is to gain besides.
        missing_db: what the reference has more than the song then has, because of the cap.
        distance_before_db: of both spectra, rms over thirds of an octave.
        distance_db: the same afterwards.
        width_change_db: of the side over the mid, all in all; None where there is no side.
    """

    freq_hz: Float64s
    tone_db: Float64s
    width_db: Float64s
    missing_db: Float64s
    distance_before_db: float
    distance_db: float
    width_change_db: float | None

    @property
    def max_change_db(self) -> float:
        """The largest boost or cut of either curve."""
        return float(np.abs(np.concatenate((self.tone_db, self.width_db))).max())


@dataclass(frozen=True)
class Wanted:
    """How far a match is to go.

    Args:
        tone: share of the way, 0 to 1, in dB.
        width: the same for the width.
        max_db: cap of either.
    """

    tone: float
    width: float
    max_db: float


def is_mono(passages: Passages) -> bool:
    """Tell whether there is no side to speak of."""
    mid, side = passages.powers.sum(axis=(1, 2), dtype=np.float64)
    return bool(side <= mid * 10 ** (MONO_SIDE_DB / 10))


class Matcher:
    """Hold a song against a reference.

    Args:
        song: what is to change.
        reference: what it is to be like, measured at the same sample rate.
        highest_hz: where the spectrum of one of both is cut off; half the sample rate if neither.
    """

    def __init__(self, song: Passages, reference: Passages, highest_hz: float) -> None:
        self._fine_hz = song.freq_hz
        top_hz = min(song.freq_hz[-1], 20_000.0)
        n_points = int(_STEPS * np.log2(top_hz / 16.0)) + 1
        self._freq_hz = 16.0 * 2 ** (np.arange(n_points) / _STEPS)
        self._song, song_shares = song.layers()
        self._reference, shares = reference.layers()
        self._shares = np.minimum(song_shares, shares)
        if not self._shares.any():  # a middling passage only, held against a loud one only
            self._shares = np.ones_like(shares)
        self._shares = self._shares / self._shares.sum()
        self._k_gain = song.k_gain
        self._narrow = self._bands(_TONE_OCTAVES)
        self._broad = self._bands(_WIDTH_OCTAVES)
        self._there = self._freq_hz < CLIFF_ROOM * highest_hz
        self._there &= self._freq_hz >= GENTLE_BELOW_HZ
        for passages, layers in ((song, self._song), (reference, self._reference)):
            power = self._narrow @ self._mean(layers).sum(axis=0)
            floor = np.maximum(
                power.max() * 10.0 ** (-NOTHING_DB / 10.0),
                self._narrow @ passages.quiet() * 10.0 ** (NOISE_DB / 10.0),
            )
            self._there &= power > floor
        self._has_width = not (is_mono(song) or is_mono(reference))

    def match(self, wanted: Wanted) -> Match:
        """Return the curves for what is wanted."""
        width_db = self._width(wanted) if wanted.width else np.zeros_like(self._freq_hz)
        tone_db = np.zeros_like(self._freq_hz)
        ideal_db = tone_db
        if wanted.tone:
            whole_db = self._tone_of(width_db)
            tone_db = self._tamed(wanted.tone * whole_db, wanted.max_db)
            ideal_db = np.where(self._there, wanted.tone * whole_db, tone_db)
        nothing = np.zeros_like(width_db)
        return Match(
            self._freq_hz,
            tone_db,
            width_db,
            ideal_db - tone_db,
            self._distance_db(nothing, nothing),
            self._distance_db(tone_db, width_db),
            self._width_change_db(width_db, tone_db),
        )

    def _bands(self, octaves: float) -> NDArray[np.float64]:
        """Return raised cosines over the fine spectrum, half-way up as wide as the ear hears.

        That is `octaves`, or where it is more, in the bass, an equivalent rectangular bandwidth:
        24.7 (1 + 0.00437 f) Hz (Glasberg and Moore 1990). Or else the notes of a bass would count.
        """
        ear = np.log2(1.0 + 24.7 * (0.00437 + 1.0 / self._freq_hz))
        width = np.maximum(octaves, ear)[:, np.newaxis]
        apart = np.log2(self._fine_hz / self._freq_hz[:, np.newaxis])
        return 0.5 + 0.5 * np.cos(np.pi * np.clip(apart / width, -1.0, 1.0))

    def _mean(self, layers: Float64s) -> Float64s:
        """Return the mean over the layers, `(2, n_groups)`."""
        mean: Float64s = np.tensordot(self._shares, layers, 1)
        return mean

    def _fine_gain(self, curve_db: Float64s) -> Float64s:
        """Return the factor of power in each group of the fine spectrum."""
        at = np.log2(self._fine_hz)
        gain: Float64s = 10.0 ** (np.interp(at, np.log2(self._freq_hz), curve_db) / 10.0)
        return gain

    def _changed(self, layers: Float64s, tone_db: Float64s, width_db: Float64s) -> Float64s:
        """Return mid and side together after both curves, `(n_layers, n_groups)`."""
        wide = layers[:, 0] + layers[:, 1] * self._fine_gain(width_db)
        changed: Float64s = wide * self._fine_gain(tone_db)
        return changed

    def _missing_db(self, tone_db: Float64s, width_db: Float64s) -> Float64s:
        """Return what the reference has more in each third of an octave, at equal loudness."""
        missing_db = np.zeros_like(tone_db)
        after = self._changed(self._song, tone_db, width_db)
        whole = self._reference.sum(axis=1)
        for share, one, other in zip(self._shares, after, whole, strict=True):
            if share:
                levels = [
                    power_to_db(self._narrow @ s) - power_to_db(float(self._k_gain @ s))
                    for s in (one, other)
                ]
                missing_db += share * (levels[1] - levels[0])
        return missing_db

    def _tone_of(self, width_db: Float64s) -> Float64s:
        """Return the curve that brings the tone to the reference's, as loud as it was."""
        tone_db = np.zeros_like(self._freq_hz)
        if not self._there.any():
            return tone_db
        for _ in range(_ROUNDS):
            tone_db += self._missing_db(tone_db, width_db)
            tone_db = self._carried_on(tone_db)
        before = self._mean(self._song)[np.newaxis]
        after = self._changed(before, tone_db, width_db) @ self._k_gain
        loudness_db = power_to_db(float(after[0])) - power_to_db(
            float(before.sum(axis=1)[0] @ self._k_gain)
        )
        return tone_db - loudness_db

    def _width(self, wanted: Wanted) -> Float64s:
        """Return the curve of the side over the mid."""
        if not self._has_width:
            return np.zeros_like(self._freq_hz)
        own_db, aim_db = (self._ratio_db(layers) for layers in (self._song, self._reference))
        whole_db = np.zeros_like(own_db)
        if self._there.any():
            for _ in range(_ROUNDS):
                sides = self._song * np.stack(
                    (np.ones_like(self._fine_hz), self._fine_gain(whole_db))
                )
                whole_db = self._carried_on(whole_db + aim_db - self._ratio_db(sides))
        width_db = self._tamed(wanted.width * whole_db, wanted.max_db)
        loss_db = np.where(self._freq_hz < BASS_HZ, MAX_BASS_LOSS_DB, MAX_MONO_LOSS_DB)
        room_db = power_to_db(10.0 ** (loss_db / 10.0) - 1.0) - own_db
        capped: Float64s = np.minimum(width_db, np.maximum(room_db, 0.0))
        return capped

    def _ratio_db(self, layers: Float64s) -> Float64s:
        """Return the side over the mid in broad bands."""
        level_db = power_to_db(layers @ self._broad.T)
        ratio_db: Float64s = self._shares @ (level_db[:, 1] - level_db[:, 0])
        return ratio_db

    def _carried_on(self, curve_db: Float64s) -> Float64s:
        """Return the curve with what lies between and beyond what is there filled in."""
        at = np.log2(self._freq_hz)
        filled: Float64s = np.interp(at, at[self._there], curve_db[self._there])
        return filled

    def _tamed(self, curve_db: Float64s, max_db: float) -> Float64s:
        """Return the curve inside its cap, with no boost where nothing is, gentle at the bottom."""
        at = np.log2(self._freq_hz)
        apart = np.abs(at[:, np.newaxis] - at[self._there]).min(axis=1, initial=99.0)
        fade = np.clip(1.0 - apart / _BOOST_FADE_OCTAVES, 0.0, 1.0)
        tamed = np.clip(curve_db, -max_db, max_db)
        tamed = np.where(tamed > 0, fade * tamed, tamed)
        tamed *= np.clip(1.0 + np.log2(self._freq_hz / GENTLE_BELOW_HZ), 0.0, 1.0)
        return tamed

    def _distance_db(self, tone_db: Float64s, width_db: Float64s) -> float:
        """Return the rms of what is missing, but for what is missing everywhere."""
        missing_db = self._missing_db(tone_db, width_db)[self._there]
        return float(np.std(missing_db)) if len(missing_db) else 0.0

    def _width_change_db(self, width_db: Float64s, tone_db: Float64s) -> float | None:
        if not self._has_width:
            return None
        mid, side = self._mean(self._song)
        before_db = power_to_db(float(side.sum())) - power_to_db(float(mid.sum()))
        gain = self._fine_gain(tone_db)
        wide = side @ (gain * self._fine_gain(width_db))
        return power_to_db(float(wide)) - power_to_db(float(mid @ gain)) - before_db
