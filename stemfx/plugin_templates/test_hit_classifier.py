"""The laws that every hit classifier keeps, and what this one hears."""

from __future__ import annotations

import numpy as np
from stemfx.audio import Audio
from stemfx.registry import build_registry
from stemfx.testing import check_hit_classifier, tone

import stemfx.plugin_templates.hit_classifier
from stemfx.plugin_templates.hit_classifier import NewPluginClassifier


def test_it_keeps_every_law_of_a_hit_classifier() -> None:
    check_hit_classifier(NewPluginClassifier())


def test_low_is_a_kick_high_a_hat_and_between_them_a_snare() -> None:
    # A tone has all of its energy at one frequency.
    strokes = [tone(hz, duration_s=0.5).samples for hz in (60.0, 1_000.0, 8_000.0)]
    song = Audio(np.concatenate(strokes, axis=1), 44_100)
    hits = NewPluginClassifier().classify(song, [0.0, 0.5, 1.0])
    assert [hit.drum_class for hit in hits] == ["kick", "snare", "hat_closed"]


def test_stemfx_takes_it() -> None:
    name = NewPluginClassifier.name
    module = stemfx.plugin_templates.hit_classifier
    mine = [] if name in build_registry().hit_classifiers else [("mine", module)]
    found = build_registry(mine).hit_classifiers[name]
    assert isinstance(found, NewPluginClassifier)
