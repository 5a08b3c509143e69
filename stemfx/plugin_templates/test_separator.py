"""The laws that every separator keeps, and what this one does."""

from __future__ import annotations

import numpy as np
import pytest
from stemfx.audio import Audio
from stemfx.registry import build_registry
from stemfx.separator import SeparationContext
from stemfx.testing import check_separator, example_audio, rms_dbfs, tone

import stemfx.plugin_templates.separator
from stemfx.plugin_templates.separator import NewPluginSeparator


def stems_of(song: Audio) -> dict[str, Audio]:
    """Return every stem of a song by its name."""
    model = NewPluginSeparator()
    blocks = list(model.separate(song, model.card.stems, SeparationContext()))
    stems = np.concatenate(blocks, axis=-1)
    named = zip(model.card.stems, stems, strict=True)
    return {name: Audio(stem, song.sample_rate) for name, stem in named}


def test_it_keeps_every_law_of_a_separator() -> None:
    check_separator(NewPluginSeparator())


def test_the_stems_add_up_to_the_song() -> None:
    song = example_audio()
    total = sum(stem.samples for stem in stems_of(song).values())
    # Two roundings to float32 of samples below 1.
    np.testing.assert_allclose(total, song.samples, atol=2**-23)


def test_the_middle_is_what_both_sides_share() -> None:
    stems = stems_of(tone(440.0))
    assert rms_dbfs(stems["sides"]) == -np.inf
    # Of a tone on the left alone half the amplitude is middle: -6.02 dB, now on both sides.
    left = Audio(tone(440.0).samples * np.array([[1.0], [0.0]]), 44_100)
    loss_db = rms_dbfs(tone(440.0)) - rms_dbfs(stems_of(left)["middle"])
    assert loss_db == pytest.approx(20 * np.log10(2), abs=0.001)


def test_stemfx_takes_it() -> None:
    name = NewPluginSeparator.card.name
    module = stemfx.plugin_templates.separator
    mine = [] if name in build_registry().separators else [("mine", module)]
    found = build_registry(mine).separators[name]
    assert isinstance(found, NewPluginSeparator)
