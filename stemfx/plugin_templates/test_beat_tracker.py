"""The laws that every beat tracker keeps, and what this one hears."""

from __future__ import annotations

import numpy as np
from stemfx.registry import build_registry
from stemfx.testing import check_beat_tracker, example_beat

import stemfx.plugin_templates.beat_tracker
from stemfx.plugin_templates.beat_tracker import NewPluginTracker


def test_it_keeps_every_law_of_a_beat_tracker() -> None:
    check_beat_tracker(NewPluginTracker())


def test_it_finds_the_beats_of_a_click() -> None:
    # 120 BPM from 0 s on; a tracker need not be finer than 40 ms.
    beats_s = np.array(NewPluginTracker().track(example_beat(12.0)).beats_s)
    np.testing.assert_allclose(beats_s, 0.5 * np.round(beats_s / 0.5), atol=0.04)
    np.testing.assert_allclose(np.diff(beats_s), 0.5, atol=0.001)


def test_stemfx_takes_it() -> None:
    name = NewPluginTracker.name
    module = stemfx.plugin_templates.beat_tracker
    mine = [] if name in build_registry().beat_trackers else [("mine", module)]
    found = build_registry(mine).beat_trackers[name]
    assert isinstance(found, NewPluginTracker)
