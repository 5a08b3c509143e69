"""Decibels by their definition."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.dsp.units import FLOOR_DB, db_to_gain, gain_to_db, power_to_db


def test_twice_the_amplitude_is_6_02_db():
    assert gain_to_db(2.0) == pytest.approx(20 * np.log10(2))


def test_twice_the_power_is_3_01_db():
    assert power_to_db(2.0) == pytest.approx(10 * np.log10(2))


def test_there_and_back_is_the_same_level():
    levels_db = np.linspace(-120, 24, 50)
    assert gain_to_db(db_to_gain(levels_db)) == pytest.approx(levels_db, abs=1e-9)


def test_zero_reads_as_the_floor():
    assert gain_to_db(0.0) == FLOOR_DB
    assert power_to_db(0.0, floor_db=-90.0) == pytest.approx(-90.0)
    assert gain_to_db(np.zeros(3), -70.0) == pytest.approx(-70.0)


def test_scalars_give_floats_and_float32_arrays_give_float64():
    assert isinstance(db_to_gain(3.0), float)
    assert isinstance(gain_to_db(0.5), float)
    assert db_to_gain(np.zeros(2, np.float32)).dtype == np.float64
