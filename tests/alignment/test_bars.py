"""A window of the timeline is told as what is heard in it."""

from __future__ import annotations

import pytest
from made_readings import made_reading, with_sections

from stemfx.alignment.bars import in_window


def test_of_a_section_there_is_in_a_window_what_is_heard_of_it() -> None:
    # Bars of 2 s from 0.5 s on; A is 0.5 to 4.5 s, B to 10.5 s, C to 12.5 s.
    song = with_sections(made_reading(120, downbeat_s=0.5), ("A", 1, 2), ("B", 3, 3), ("C", 6, 1))
    heard = in_window(song, (3.0, 7.5))
    assert heard.downbeats_s == pytest.approx([1.5, 3.5, 5.5])
    assert [(s.label, s.start_s, s.end_s, s.first_bar, s.n_bars) for s in heard.sections] == [
        ("A", 0.0, pytest.approx(1.5), 1, 0),
        ("B", pytest.approx(1.5), pytest.approx(7.5), 1, 3),
    ]
    assert in_window(song, None) == song
