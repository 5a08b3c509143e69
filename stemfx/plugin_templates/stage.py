"""A tremolo for stemfx: the level swings, as on an old guitar amplifier."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from stemfx.audio import Block, Signal
from stemfx.hookspecs import hookimpl
from stemfx.stage import Stage, StageContext, StageParams, knob, stage


class NewPluginParams(StageParams):
    """What a recipe may set; the ranges are part of the recipe's schema."""

    depth_db: float = knob(
        6.0, low=0, high=48, unit="dB", help="how far the level dips", neutral=0.0
    )
    rate_hz: float = knob(5.0, low=0.1, high=20, unit="Hz", help="how often a second it dips")


@stage(NewPluginParams, is_linear=True)
def newplugin(
    signal: Signal,
    params: NewPluginParams,
    context: StageContext,
) -> Iterator[Block]:
    """Let the level swing (tremolo).

    The gain in dB is -depth_db (1 - cos(2 pi rate_hz t)) / 2: it begins at 0 and dips to
    -depth_db. A depth of 0 dB leaves the signal alone.
    """
    done = 0  # samples so far: a block goes on where the one before it ended
    for block in signal.blocks():
        t = np.arange(done, done + block.shape[1]) / signal.sample_rate
        dip = 0.5 - 0.5 * np.cos(2.0 * np.pi * params.rate_hz * t)
        done += block.shape[1]
        yield block * (10.0 ** (-params.depth_db * dip / 20.0)).astype(np.float32)
    context.report(dips=round(params.rate_hz * done / signal.sample_rate))


@hookimpl
def stemfx_stages() -> list[Stage]:
    """Tell stemfx what this plugin adds."""
    return [newplugin]
