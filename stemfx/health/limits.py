"""From where on something is told, each with its source. `warn` and `fail` as in a report."""

from __future__ import annotations

from typing import NamedTuple

from stemfx.stage import Level


class Limit(NamedTuple):
    """A value beyond `warn` is worth a look, one beyond `fail` is a fault."""

    warn: float
    fail: float

    def level(self, value: float) -> Level | None:
        """Return `error`, `warn` or None for a value that is worse the higher it is."""
        return "error" if value > self.fail else "warn" if value > self.warn else None

    def warning_at(self, value: float) -> Limit:
        """Return the limit that warns at `value` and fails where this one does, or there."""
        return Limit(value, max(value, self.fail))


# --- mono playback -----------------------------------------------------------------------

MONO_LOSS_DB = Limit(4.0, 6.0)
"""Fold-down loss: 3 dB is normal for a wide image (rho = 0), 4 dB is rho = -0.2, 6 dB -0.5.
"Below 0 is a risk of cancellation" is what every correlation meter's manual says."""

BASS_LOSS_DB = Limit(1.0, 3.0)
"""20 to 120 Hz: rho = 0.6 and 0. Vinyl cutting and club systems want bass in the middle (MAAT
2BC multiCORR shows bands to 200 Hz for that); a loss of 3 dB means it is not even related."""

BASS_CORRELATION = 0.6
"""What 1 dB of loss is at equal levels. A bass on one side loses 3 dB too, and is related."""

BAND_LOSS_DB = Limit(4.0, 8.0)
"""The other bands: rho = -0.2 and -0.68."""

BASS_COUNTS_DB = Limit(-6.0, -20.0)
"""How loud, beside the loudest band, bass has to be for its warning and for its fault: a pad's
few dB of side below 120 Hz are not what a club loses."""

BAND_COUNTS_DB = -20.0
"""The same for the other bands: 20 dB under the loudest band is a hundredth of its power."""

LOSSY_SHARE = 0.10
"""Part of the time in which more than 4 dB are lost, that is worth a look. (Correlation below 0
for 10 % of the time is the usual rule, but a wide pad hovers around 0 and loses 3 dB: normal.)"""

# --- between the channels ----------------------------------------------------------------

CHANNEL_DELAY_MS = 0.1
"""A fold-down then has its first notch at 5 kHz; spaced microphones close to one source do as
much only when they are 3 cm nearer on one side."""

SAME_SOURCE_COHERENCE = 0.5
"""Mean coherence from which left and right are called one sound (delay: warn above 0.2 ms and
0.5 between stems)."""

INVERTED_COHERENCE = 0.3
"""Coherence from which a negative correlation is one inverted channel, not a wide image."""

INVERTED_CORRELATION = -0.2

UNBALANCED_DB = Limit(10.0, 60.0)
"""Level of one channel over the other: beyond a usual pan of one instrument; silent."""

UNEVEN_DB = 5.0
"""Beyond what a mix's balance wanders by."""

# --- level -------------------------------------------------------------------------------

TRUE_PEAK_DBTP = Limit(0.0, 1.0)
"""Above 0 dBTP converters and lossy encoders clip (EBU R 128 asks for -1 of a master); a few
tenths are not heard and usual in one-shots, one decibel is."""

DC_DBFS = Limit(-60.0, -40.0)
"""A steady shift: below -60 dBFS it costs nothing; at -40 it clicks at every cut."""

CLIPPED_SHARE = Limit(0.0, 0.02)
"""Part of the frames with flat tops: any at all; heard as distortion."""

# --- material ----------------------------------------------------------------------------

CLIFF_HZ = 19_000.0
"""A cut above is not heard and is made by honest converters; MP3 at 128 kbit/s cuts at 16 to
17 kHz, AAC at 15 to 17 kHz."""

LOW_BIT_DEPTH = 12
"""The noise of 12 bit lies at -74 dBFS: heard in quiet passages."""

LOW_SAMPLE_RATE = 44_100
"""Below it, treble is missing."""

MIN_S = 0.04
"""A few samples have no bands, no channels that go together, no steps: only a level."""

SHORT_S = 0.4
"""BS.1770 measures loudness in blocks of 400 ms, and a source of a recipe has to last as long."""

UNSURE_S = 2.0
"""Shorter than this is a one-shot: its spectrum is that of one note."""
