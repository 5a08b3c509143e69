"""The conformance suite: hold any plugin, built-in or yours, to the laws of its kind in one line.

    from stemfx.testing import check_kit, check_stage

    def test_tilt_keeps_the_laws():
        check_stage(tilt, gain_db=3.0)

    def test_my_kit_keeps_the_laws():
        check_kit(MyKit())

There is a `check_...` for each kind; it raises `AssertionError` with the plugin, the law and what
was seen. Or one test a law, each with its own name, from the module of that kind (`stages`,
`kits`, `separators`, `beat_trackers`, `hit_classifiers`), which all have `LAWS` and a `Case`:

    from stemfx.testing import kits

    @pytest.mark.parametrize("law", kits.LAWS, ids=lambda law: law.__name__)
    def test_my_kit(law):
        law(kits.Case(MyKit()))

For tests of a stage's own sound: `apply` runs it, `tone` and `example_audio` are signals to put
in, `rms_dbfs` and `null_db` measure what comes out.
"""

from __future__ import annotations

from stemfx.testing.beat_trackers import check_beat_tracker, example_beat
from stemfx.testing.hit_classifiers import check_hit_classifier
from stemfx.testing.kits import check_kit
from stemfx.testing.separators import check_separator
from stemfx.testing.signals import (
    RaggedSignal,
    example_audio,
    example_drums,
    example_hit,
    example_hits,
    example_reading,
    example_reference,
    example_song,
    null_db,
    rms_dbfs,
    tone,
)
from stemfx.testing.stages import LAWS, NULL_DB, Case, Law, analysed, apply, check_stage

__all__ = [
    "LAWS",
    "NULL_DB",
    "Case",
    "Law",
    "RaggedSignal",
    "analysed",
    "apply",
    "check_beat_tracker",
    "check_hit_classifier",
    "check_kit",
    "check_separator",
    "check_stage",
    "example_audio",
    "example_beat",
    "example_drums",
    "example_hit",
    "example_hits",
    "example_reading",
    "example_reference",
    "example_song",
    "null_db",
    "rms_dbfs",
    "tone",
]
