"""Decibels and the two things they count: amplitudes (gains, levels) and powers."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Float64s = NDArray[np.float64]

FLOOR_DB = -200.0
"""What a level of zero reads as, so that silence stays a number."""


@overload
def db_to_gain(level_db: float) -> float: ...
@overload
def db_to_gain(level_db: Floats) -> Float64s: ...
def db_to_gain(level_db: float | Floats) -> float | Float64s:
    """Turn dB into an amplitude factor, 10^(dB/20).

    >>> db_to_gain(20.0), db_to_gain(0.0)
    (10.0, 1.0)
    """
    gain = 10.0 ** (np.asarray(level_db, np.float64) / 20.0)
    return gain if isinstance(level_db, np.ndarray) else float(gain)


@overload
def gain_to_db(gain: float, floor_db: float = ...) -> float: ...
@overload
def gain_to_db(gain: Floats, floor_db: float = ...) -> Float64s: ...
def gain_to_db(gain: float | Floats, floor_db: float = FLOOR_DB) -> float | Float64s:
    """Turn an amplitude into dB, 20 log10 |gain|, never below `floor_db`.

    >>> gain_to_db(10.0), gain_to_db(-1.0), gain_to_db(0.0)
    (20.0, 0.0, -200.0)
    """
    db = 20.0 * np.log10(
        np.maximum(np.abs(np.asarray(gain, np.float64)), 10.0 ** (floor_db / 20.0))
    )
    return db if isinstance(gain, np.ndarray) else float(db)


@overload
def power_to_db(power: float, floor_db: float = ...) -> float: ...
@overload
def power_to_db(power: Floats, floor_db: float = ...) -> Float64s: ...
def power_to_db(power: float | Floats, floor_db: float = FLOOR_DB) -> float | Float64s:
    """Turn a mean square into dB, 10 log10 power, never below `floor_db`.

    >>> power_to_db(100.0), power_to_db(0.0)
    (20.0, -200.0)
    """
    db = 10.0 * np.log10(np.maximum(np.asarray(power, np.float64), 10.0 ** (floor_db / 10.0)))
    return db if isinstance(power, np.ndarray) else float(db)
