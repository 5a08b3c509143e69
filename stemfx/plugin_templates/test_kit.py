"""The laws that every kit keeps, and what this one sounds like."""

from __future__ import annotations

import numpy as np
import pytest
from stemfx.registry import build_registry
from stemfx.testing import check_kit, rms_dbfs

import stemfx.plugin_templates.kit
from stemfx.plugin_templates.kit import KICK_HZ, NewPluginKit

KIT = NewPluginKit()


def test_it_keeps_every_law_of_a_kit() -> None:
    check_kit(KIT)


def test_the_kick_falls_to_its_pitch() -> None:
    # After 0.2 s the sweep has less than exp(-6) of its 150 Hz left: 0.4 Hz. Between two upward
    # zero crossings lies one period.
    tail = KIT.sample("kick", 1.0, 44_100).samples[0, 8_820:]
    rises = np.flatnonzero((tail[:-1] < 0) & (tail[1:] > 0))
    assert 44_100 / np.diff(rises).mean() == pytest.approx(KICK_HZ, abs=0.5)


@pytest.mark.parametrize("drum_class", ["kick", "snare", "hat_closed"])
def test_half_the_velocity_is_six_db_less(drum_class: str) -> None:
    loud, soft = (KIT.sample(drum_class, v, 44_100) for v in (1.0, 0.5))
    assert rms_dbfs(loud) - rms_dbfs(soft) == pytest.approx(20 * np.log10(2), abs=0.001)


def test_stemfx_takes_it() -> None:
    name, module = NewPluginKit.name, stemfx.plugin_templates.kit
    mine = [] if name in build_registry().kits else [("mine", module)]
    found = build_registry(mine).kits[name]
    assert isinstance(found, NewPluginKit)
