"""Numbers as a page takes them: small integers, little endian, in base64."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LOWEST_DB = -140.0
_STEPS_PER_DB = 256


def base64_of(data: bytes | NDArray[Any]) -> str:
    """Return base64 of bytes, or of an array's."""
    return base64.b64encode(data if isinstance(data, bytes) else data.tobytes()).decode("ascii")


def share_codes(values: NDArray[Any]) -> NDArray[np.int8]:
    """Code -1 to 1 as -127 to 127; what lies beyond is clamped."""
    codes: NDArray[np.int8] = np.rint(np.clip(values, -1.0, 1.0) * 127).astype(np.int8)
    return codes


def level_codes(powers: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Code powers as (dB + 140) * 256; 0 is silence, and what is under -140 dB."""
    with np.errstate(divide="ignore"):
        above_db = 10 * np.log10(powers) - _LOWEST_DB
    codes = np.clip(np.rint(above_db * _STEPS_PER_DB), 0, 0xFFFF)
    return codes.astype("<u2")
