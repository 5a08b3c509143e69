"""`mono_check`: what mono playback loses, band by band."""

from __future__ import annotations

from collections.abc import Iterator

from stemfx.audio import Block, Signal
from stemfx.health.limits import BAND_LOSS_DB, BASS_LOSS_DB
from stemfx.health.stereo import StereoLimits, band_findings
from stemfx.stage import StageContext, StageParams, knob, stage
from stemfx.stages._shared import examine_stereo


class MonoCheckParams(StageParams):
    """Parameters of `mono_check`."""

    max_bass_loss_db: float = knob(
        BASS_LOSS_DB.warn, low=0, high=40, unit="dB", help="largest loss in mono, 20 to 120 Hz"
    )
    max_band_loss_db: float = knob(
        BAND_LOSS_DB.warn, low=0, high=40, unit="dB", help="largest loss in mono of a band above"
    )


@stage(MonoCheckParams, is_check=True)
def mono_check(signal: Signal, params: MonoCheckParams, context: StageContext) -> Iterator[Block]:
    """Check what mono playback loses in bass, low mids, mids, presence and air.

    Bands from 20, 120, 500, 2000 and 6000 Hz up to 20 kHz. Only bands count that are heard: bass
    within 6 dB of the loudest band (within 20 dB where it is upside down), the others within
    20 dB. A bass that loses 3 dB or more with its sides in opposite polarity is an error, and so
    is another band that loses 8 dB.

    Reports the loss of each band that is within 40 dB of the loudest, and the correlation.
    """
    health = examine_stereo(signal, context)
    for band in health.bands:
        if band.is_audible and band.mono_loss_db is not None:
            name = f"mono_loss_{band.low_hz:g}_{band.high_hz:g}_hz_db"
            context.report(**{name: round(band.mono_loss_db, 2)})
    limits = StereoLimits(
        bass_loss_db=BASS_LOSS_DB.warning_at(params.max_bass_loss_db),
        band_loss_db=BAND_LOSS_DB.warning_at(params.max_band_loss_db),
    )
    context.findings.extend(band_findings(health, limits))
    yield from ()
