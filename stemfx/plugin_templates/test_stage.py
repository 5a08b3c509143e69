"""The laws that every stage keeps, and what this one sounds like."""

from __future__ import annotations

import pytest
from stemfx.registry import build_registry
from stemfx.testing import apply, check_stage, rms_dbfs, tone

import stemfx.plugin_templates.stage
from stemfx.plugin_templates.stage import newplugin


def test_it_keeps_every_law_of_a_stage() -> None:
    check_stage(newplugin, depth_db=12.0)


def test_the_level_dips_as_far_and_as_often_as_asked() -> None:
    # Four dips a second: the first is deepest after 1/8 s and over after 1/4 s. Within 2 ms of
    # these moments the gain has moved by sin²(2 pi 0.008 / 2) of its 12 dB: less than 0.01 dB.
    sound = tone(1000.0)
    out, context = apply(newplugin, sound, depth_db=12.0, rate_hz=4.0)
    for at_s, gain_db in ((0.125, -12.0), (0.25, 0.0), (0.375, -12.0), (0.875, -12.0)):
        here = (at_s - 0.002, at_s + 0.002)
        assert rms_dbfs(out, *here) - rms_dbfs(sound, *here) == pytest.approx(gain_db, abs=0.01)
    assert context.measurements == {"dips": 4}


def test_stemfx_takes_it() -> None:
    name, module = newplugin.name, stemfx.plugin_templates.stage
    mine = [] if name in build_registry().stages else [("mine", module)]
    found = build_registry(mine).stages[name]
    assert found is newplugin
