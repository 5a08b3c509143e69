"""Built-in stages: one file each, offered through the same hook as everybody's."""

from __future__ import annotations

from stemfx.hookspecs import hookimpl
from stemfx.stage import Stage
from stemfx.stages.align import align
from stemfx.stages.bleed_guard import bleed_guard
from stemfx.stages.chorus import chorus
from stemfx.stages.compress import compress
from stemfx.stages.dc_remove import dc_remove
from stemfx.stages.debleed import debleed
from stemfx.stages.declip import declip
from stemfx.stages.deess import deess
from stemfx.stages.delay import delay
from stemfx.stages.denoise import denoise
from stemfx.stages.duck import duck
from stemfx.stages.eq import eq
from stemfx.stages.exciter import exciter
from stemfx.stages.fade import fade
from stemfx.stages.fit import fit
from stemfx.stages.fit_gaps import fit_gaps
from stemfx.stages.gain import gain
from stemfx.stages.gap_expander import gap_expander
from stemfx.stages.gate import gate
from stemfx.stages.glue import glue
from stemfx.stages.high_pass import high_pass
from stemfx.stages.layer import layer
from stemfx.stages.level_check import level_check
from stemfx.stages.limiter import limiter
from stemfx.stages.loudness import loudness
from stemfx.stages.low_pass import low_pass
from stemfx.stages.match_reference import match_reference
from stemfx.stages.mono_below import mono_below
from stemfx.stages.mono_check import mono_check
from stemfx.stages.mono_safe import mono_safe
from stemfx.stages.multiband import multiband
from stemfx.stages.null_check import null_check
from stemfx.stages.pan import pan
from stemfx.stages.phase_check import phase_check
from stemfx.stages.polarity import polarity
from stemfx.stages.replace_drums import replace_drums
from stemfx.stages.reverb import reverb
from stemfx.stages.saturate import saturate
from stemfx.stages.transient import transient
from stemfx.stages.trim import trim
from stemfx.stages.vst3 import vst3
from stemfx.stages.width import width

BUILTIN: tuple[Stage, ...] = (
    # level and place
    gain,
    pan,
    polarity,
    width,
    mono_below,
    mono_safe,
    # tone
    high_pass,
    low_pass,
    eq,
    saturate,
    exciter,
    # dynamics
    compress,
    deess,
    gate,
    duck,
    transient,
    # repair
    align,
    dc_remove,
    declip,
    denoise,
    # other stems' sound
    debleed,
    bleed_guard,
    gap_expander,
    # other drums
    replace_drums,
    # space
    reverb,
    delay,
    chorus,
    # mastering
    multiband,
    glue,
    limiter,
    match_reference,
    loudness,
    # other people's plugins
    vst3,
    # layers
    fit,
    layer,
    fit_gaps,
    # length
    fade,
    trim,
    # checks
    phase_check,
    mono_check,
    level_check,
    null_check,
)


@hookimpl
def stemfx_stages() -> list[Stage]:
    """Return the built-in stages."""
    return list(BUILTIN)
