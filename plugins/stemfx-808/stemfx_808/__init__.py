"""A drum kit after the circuits of the Roland TR-808, synthesised: nothing to clear."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Audio
from stemfx.hookspecs import hookimpl
from stemfx.kit import Kit
from stemfx_808.drums import DRUMS, RENDER_HZ, Drum

OPEN_HZ = 20_000.0
"""Corner of the velocity low-pass at velocity 1: above nearly all that a drum has."""


class Kit808(Kit):
    """The drum machine behind most hip-hop, house and trap: deep kick, dry snare, metal hats.

    Each drum is drawn once, at `RENDER_HZ`; a softer hit is the same, quieter and darker, and
    another rate the same, resampled. So a drum sounds alike everywhere and always.
    """

    name = "808"
    summary = "Deep kick, dry snare, metal hats of an analogue drum machine, synthesised"
    licence = "CC0-1.0"

    @property
    def classes(self) -> tuple[str, ...]:
        """All seven drum classes."""
        return tuple(DRUMS)

    def variants(self, drum_class: str) -> tuple[str, ...]:
        """Return the drums of a class, the usual one first.

        Raises:
            KeyError: the kit has no such class.
        """
        return tuple(DRUMS[drum_class])

    def identity(self) -> str:
        """Name the sound: raise the number when it changes."""
        return "808-1"

    def sample(
        self,
        drum_class: str,
        velocity: float,
        sample_rate: int,
        *,
        variant: str | None = None,
        take: int = 0,  # noqa: ARG002 - a machine plays every hit alike
    ) -> Audio:
        """Return one hit, mono `(1, n)`, from its attack until it is silent.

        Args:
            drum_class: one of `classes`.
            velocity: (0, 1]. The amplitude follows it; a one-pole low-pass closes with it,
                geometrically from `OPEN_HZ` at 1 to the drum's `dull_hz` at 0.
            sample_rate: in Hz; above the kit's own 48 kHz nothing is added.
            variant: one of `variants(drum_class)`; None is the first.
            take: there is one of each drum.

        Raises:
            KeyError: the kit has no such class or variant.
            ValueError: the velocity lies outside (0, 1].
        """
        from scipy.signal import butter, sosfilt

        from stemfx.dsp.resample import Resampled

        if not 0.0 < velocity <= 1.0:
            msg = f"velocity must be in (0, 1]; got {velocity}"
            raise ValueError(msg)
        drums = DRUMS[drum_class]
        drum = drums[next(iter(drums)) if variant is None else variant]
        cutoff_hz = drum.dull_hz ** (1.0 - velocity) * OPEN_HZ**velocity
        low_pass = butter(1, cutoff_hz, fs=RENDER_HZ, output="sos")
        softer = Audio(velocity * sosfilt(low_pass, _full_hit(drum))[np.newaxis], RENDER_HZ)
        return Audio(Resampled(softer, sample_rate).read(), sample_rate)


@cache
def _full_hit(drum: Drum) -> NDArray[np.float64]:
    """Draw a drum at velocity 1: no direct current, peak as stated, faded at its end; read-only."""
    wave = drum.drawn()
    wave.flags.writeable = False
    return wave


@hookimpl
def stemfx_kits() -> list[Kit]:
    """Tell stemfx what this plugin adds."""
    return [Kit808()]
