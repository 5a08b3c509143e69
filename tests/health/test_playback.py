"""What players do to a file: loud ones are turned down, quiet ones as each player has it."""

import pytest

from stemfx.health.playback import playback


def gains(lufs, true_peak_dbtp):
    return {each.target: each.gain_db for each in playback(lufs, true_peak_dbtp)}


def test_a_loud_file_is_turned_down_by_what_it_is_over():
    told = gains(-9.5, -0.3)
    assert told["spotify"] == told["youtube"] == pytest.approx(-4.5)
    assert told["apple"] == pytest.approx(-6.5)
    assert told["ebu"] == pytest.approx(-13.5)


def test_a_quiet_file_is_turned_up_as_far_as_its_peaks_leave_room():
    # Spotify's own example: -20 LUFS with peaks at -5 dBTP is only lifted to -16 LUFS.
    assert gains(-20.0, -5.0)["spotify"] == pytest.approx(4.0)
    assert gains(-20.0, -9.0)["spotify"] == pytest.approx(6.0)
    assert gains(-20.0, -0.5)["spotify"] == 0.0  # peaks above -1: neither up nor down
    assert gains(-20.0, -9.0)["youtube"] == 0.0
    assert gains(-26.0, -1.0)["ebu"] == pytest.approx(3.0)


def test_where_nobody_normalises_only_the_difference_is_told():
    told = {each.target: each for each in playback(-8.0, -0.5)}
    assert told["club"].gain_db is None
    assert told["club"].difference_lu == pytest.approx(1.0)
    assert told["podcast"].gain_db is None


def test_what_has_no_loudness_is_played_nowhere():
    assert list(playback(None, -3.0)) == []
