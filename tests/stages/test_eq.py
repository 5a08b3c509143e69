"""`eq`."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from stemfx.errors import StageError
from stemfx.stages.eq import eq
from stemfx.testing import apply, example_audio, null_db, rms_dbfs, tone


def gain_at(freq_hz, *bands):
    audio = tone(freq_hz, sample_rate=48_000)
    out, _ = apply(eq, audio, bands=list(bands))
    return rms_dbfs(out, 0.5) - rms_dbfs(audio, 0.5)


def test_a_bell_has_its_gain_at_its_centre():
    assert gain_at(1000, {"freq_hz": 1000, "gain_db": 6}) == pytest.approx(6.0, abs=0.01)


def test_a_low_shelf_lifts_what_is_below_and_leaves_what_is_above():
    shelf = {"type": "low_shelf", "freq_hz": 400, "gain_db": 9}
    assert gain_at(40, shelf) == pytest.approx(9.0, abs=0.05)
    assert gain_at(400, shelf) == pytest.approx(4.5, abs=0.01)
    assert gain_at(6000, shelf) == pytest.approx(0.0, abs=0.05)


def test_a_high_shelf_cuts_what_is_above_and_leaves_what_is_below():
    shelf = {"type": "high_shelf", "freq_hz": 2000, "gain_db": -9}
    assert gain_at(100, shelf) == pytest.approx(0.0, abs=0.05)
    assert gain_at(2000, shelf) == pytest.approx(-4.5, abs=0.01)
    assert gain_at(20_000, shelf) == pytest.approx(-9.0, abs=0.05)


def test_bands_add_up_in_db():
    one, two = {"freq_hz": 900, "gain_db": 5, "q": 1.0}, {"freq_hz": 1100, "gain_db": -3, "q": 1.0}
    both_db = gain_at(1000, one, two)
    assert both_db == pytest.approx(gain_at(1000, one) + gain_at(1000, two), abs=0.01)


def test_a_cut_undoes_the_same_boost():
    audio = example_audio()
    up, _ = apply(eq, audio, bands=[{"freq_hz": 300.0, "gain_db": 8.0}])
    back, _ = apply(eq, up, bands=[{"freq_hz": 300.0, "gain_db": -8.0}])
    assert null_db(audio, back) < -120


def test_it_reports_the_extremes_of_its_curve():
    bands = [{"freq_hz": 100, "gain_db": 4, "q": 3}, {"freq_hz": 5000, "gain_db": -7, "q": 3}]
    _, context = apply(eq, example_audio(), bands=bands)
    assert context.measurements["max_boost_db"] == pytest.approx(4.0, abs=0.05)
    assert context.measurements["max_cut_db"] == pytest.approx(7.0, abs=0.05)


def test_a_band_beyond_half_the_sample_rate_is_refused_by_its_place_in_the_list():
    bands = [{"freq_hz": 100, "gain_db": 1}, {"freq_hz": 12_000, "gain_db": 1}]
    with pytest.raises(StageError, match=r"bands\[1\].freq_hz: 12000 Hz is not below half"):
        apply(eq, tone(100.0, sample_rate=22_050), bands=bands)


@pytest.mark.parametrize(
    "band",
    [
        {"freq_hz": 100},
        {"freq_hz": 100, "gain_db": "3"},
        {"freq_hz": 100, "gain_db": 3, "Q": 1},
        {"freq_hz": 100, "gain_db": float("nan")},
        {"freq_hz": 100, "gain_db": 3, "type": "peak"},
    ],
)
def test_a_band_is_as_strict_as_every_stage(band):
    with pytest.raises(ValidationError):
        apply(eq, example_audio(), bands=[band])


def test_the_settings_can_be_written_down_and_read_again():
    bands = [{"type": "bell", "freq_hz": 100.0, "gain_db": 3.0, "q": 1.0}]
    written = eq.params.model_validate({"bands": bands}).model_dump(mode="json")
    assert written == {"bands": bands}
    assert eq.params.model_validate(written) == eq.params.model_validate({"bands": bands})


def test_an_equaliser_without_bands_is_the_same_bits():
    audio = example_audio()
    assert np.array_equal(apply(eq, audio)[0].samples, audio.samples)
