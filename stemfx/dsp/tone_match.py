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

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfx.dsp.passages import Passages
from stemfx.dsp.units import Float64s, power_to_db

NOTHING_DB = 75.0
"""A third of an octave so far under the loudest one holds dither."""
NOISE_DB = 6.0
"""One that stands out of quiet passages by no more holds noise."""
HEARD_BELOW_HZ = 20_000.0
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
_ROUNDS = 4
_SHARPER_DB = 3.0  # a bell of 12 dB is read 0.6 dB lower at Q 1, 1.9 dB at Q 3


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
        sides_db: the side over the mid, all in all, of the song before and after and of the
            reference; None where there is no side.
    """

    freq_hz: Float64s
    tone_db: Float64s
    width_db: Float64s
    missing_db: Float64s
    distance_before_db: float
    distance_db: float
    sides_db: tuple[float, float, float] | None

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
        n_points = int(_STEPS * np.log2(song.freq_hz[-1] / 16.0)) + 1
        self._freq_hz = 16.0 * 2 ** (np.arange(n_points) / _STEPS)
        self._song, song_shares = song.layers()
        self._reference, shares = reference.layers()
        # Above a cut-off of one both end there, or else the third below it would seem to fall.
        for layers in (self._song, self._reference):
            layers[..., self._fine_hz > CLIFF_ROOM * highest_hz] = 0.0
        self._shares = np.minimum(song_shares, shares)
        self._shares = self._shares / self._shares.sum()
        self._k_gain = song.k_gain
        self._narrow = self._bands(_TONE_OCTAVES)
        self._broad = self._bands(_WIDTH_OCTAVES)
        self._there = self._freq_hz < min(CLIFF_ROOM * highest_hz, HEARD_BELOW_HZ)
        self._there &= self._freq_hz >= GENTLE_BELOW_HZ
        for passages, layers in ((song, self._song), (reference, self._reference)):
            power = self._narrow @ self._mean(layers).sum(axis=0)
            floor = np.maximum(
                power.max() * 10.0 ** (-NOTHING_DB / 10.0),
                self._narrow @ passages.quiet() * 10.0 ** (NOISE_DB / 10.0),
            )
            self._there &= power > floor
        self._gentle = np.clip(1.0 + np.log2(self._freq_hz / GENTLE_BELOW_HZ), 0.0, 1.0)
        self._has_width = not (is_mono(song) or is_mono(reference))

    def match(self, wanted: Wanted) -> Match:
        """Return the curves for what is wanted."""
        tone_db = width_db = nothing = np.zeros_like(self._freq_hz)
        missing_db = nothing
        if self._there.any():
            start_db, whole_width_db = self._whole()
            if wanted.width and self._has_width:
                width_db = self._safe(self._tamed(wanted.width * whole_width_db, wanted.max_db))
            if wanted.tone:
                whole_db = wanted.tone * self._tone(start_db, width_db)
                tone_db = self._tamed(whole_db, wanted.max_db) * self._gentle
                missing_db = np.where(self._there, whole_db - tone_db, 0.0)
        return Match(
            self._freq_hz,
            tone_db,
            width_db,
            missing_db,
            self._distance_db(nothing, nothing),
            self._distance_db(tone_db, width_db),
            self._sides_db(tone_db, width_db),
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

    def _whole(self) -> tuple[Float64s, Float64s]:
        """Return the curves of tone and width that go all the way, without limits."""
        tone_db = width_db = np.zeros_like(self._freq_hz)
        for _ in range(_ROUNDS):
            changed = self._changed(tone_db, width_db)
            tone_db = self._nearer(tone_db, changed, self._missing_db)
            width_db = self._nearer(width_db, changed, self._missing_width_db)
        return tone_db, width_db

    def _tone(self, tone_db: Float64s, width_db: Float64s) -> Float64s:
        """Return the curve of tone beside a width; K-weighted it is as loud as without."""
        for _ in range(_ROUNDS):
            tone_db = self._nearer(tone_db, self._changed(tone_db, width_db), self._missing_db)
        loudness = [
            float(self._mean(layers).sum(axis=0) @ self._k_gain)
            for layers in (self._song, self._changed(tone_db, width_db))
        ]
        return tone_db - (power_to_db(loudness[1]) - power_to_db(loudness[0]))

    def _nearer(
        self, curve_db: Float64s, changed: Float64s, missing_db: Callable[[Float64s], Float64s]
    ) -> Float64s:
        """Return the curve with what is missing after it, no further from what is read than sharp.

        Where the song has less than leaks in from a loud note beside it, no gain changes what is
        read: without that limit each step would add the same again.
        """
        read_db = missing_db(self._song)
        sharper_db = np.clip(curve_db + missing_db(changed) - read_db, -_SHARPER_DB, _SHARPER_DB)
        return self._carried_on(read_db + sharper_db)

    def _safe(self, width_db: Float64s) -> Float64s:
        """Return the width with as much widening as the mono sum bears."""
        above_bass = np.clip(np.log2(self._freq_hz / BASS_HZ), 0.0, 1.0)
        loss_db = MAX_BASS_LOSS_DB + above_bass * (MAX_MONO_LOSS_DB - MAX_BASS_LOSS_DB)
        room_db = power_to_db(10.0 ** (loss_db / 10.0) - 1.0) - self._ratio_db(self._song)
        safe: Float64s = np.minimum(width_db, np.maximum(room_db, 0.0))
        return safe

    def _changed(self, tone_db: Float64s, width_db: Float64s) -> Float64s:
        """Return the song's layers after both curves, `(n_layers, 2, n_groups)`."""
        tone = self._fine_gain(tone_db)
        changed: Float64s = self._song * np.stack((tone, tone * self._fine_gain(width_db)))
        return changed

    def _missing_db(self, changed: Float64s) -> Float64s:
        """Return what the reference has more in each third of an octave, at equal loudness."""
        levels = []
        for layers in (self._reference, changed):
            whole = layers.sum(axis=1)
            loudness_db = power_to_db(whole @ self._k_gain)[:, np.newaxis]
            levels.append(self._shares @ (power_to_db(whole @ self._narrow.T) - loudness_db))
        missing_db: Float64s = levels[0] - levels[1]
        return missing_db

    def _missing_width_db(self, changed: Float64s) -> Float64s:
        """Return what the reference has more of the side over the mid."""
        return self._ratio_db(self._reference) - self._ratio_db(changed)

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
        """Return the curve inside its cap, with no boost where nothing is."""
        at = np.log2(self._freq_hz)
        apart = np.abs(at[:, np.newaxis] - at[self._there]).min(axis=1, initial=99.0)
        fade = np.clip(1.0 - apart / _BOOST_FADE_OCTAVES, 0.0, 1.0)
        fade[self._freq_hz < GENTLE_BELOW_HZ] = 1.0  # what is done there is not looked at
        tamed = np.clip(curve_db, -max_db, max_db)
        return np.where(tamed > 0, fade * tamed, tamed)

    def _distance_db(self, tone_db: Float64s, width_db: Float64s) -> float:
        """Return the rms of what is missing, but for what is missing everywhere."""
        missing_db = self._missing_db(self._changed(tone_db, width_db))[self._there]
        return float(np.std(missing_db)) if len(missing_db) else 0.0

    def _sides_db(self, tone_db: Float64s, width_db: Float64s) -> tuple[float, float, float] | None:
        if not self._has_width:
            return None

        def side_over_mid_db(layers: Float64s) -> float:
            mid_db, side_db = power_to_db(self._mean(layers).sum(axis=1))
            return float(side_db - mid_db)

        return (
            side_over_mid_db(self._song),
            side_over_mid_db(self._changed(tone_db, width_db)),
            side_over_mid_db(self._reference),
        )
