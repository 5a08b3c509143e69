"""Where a sample begins and ends: fades at zero crossings, and the seam of a loop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block
from stemfx.dsp.units import Float64s


def zero_crossing(samples: Block, near: int, reach: int, *, backwards: bool = False) -> int:
    """Return the sample at which the sum of the channels crosses zero, or `near` if none does.

    Args:
        samples: `(channels, n)`.
        near: where to look.
        reach: how many samples beyond, after `near` or before it.
        backwards: look before `near`.
    """
    first, last = (near - reach, near) if backwards else (near, near + reach)
    first, last = max(1, first), min(samples.shape[1], last + 1)
    if last <= first:
        return near
    middle = samples[:, first - 1 : last].sum(axis=0, dtype=np.float64)
    crossings = np.flatnonzero((middle[1:] >= 0) != (middle[:-1] >= 0)) + first
    if not crossings.size:
        return near
    return int(crossings[-1] if backwards else crossings[0])


def faded(samples: Block, fade_in: tuple[int, int], fade_out: int) -> Block:
    """Return samples that rise from nothing and fall to nothing, each as half a cosine.

    Args:
        samples: `(channels, n)`.
        fade_in: silence up to the first sample, whole from the second on.
        fade_out: length in samples.
    """
    n = samples.shape[1]
    gain = np.ones(n)
    start, whole = fade_in
    gain[:start] = 0.0
    gain[start:whole] = rise(whole - start)[: max(0, n - start)]
    if fade_out:
        gain[-fade_out:] *= rise(fade_out)[::-1][-n:]
        gain[-1] = 0.0
    return np.ascontiguousarray(samples * gain, dtype=np.float32)


def rise(n: int) -> Float64s:
    """Return half a cosine from 0 towards 1, `n` samples: the next one would be 1."""
    return 0.5 - 0.5 * np.cos(np.pi * np.arange(n) / max(1, n))


def seamless(window: Block, lead: int, fade: int) -> Block:
    """Return a loop that goes over into itself: its end becomes what leads to its start.

    Near the end the loop fades into the sound before its start, and its last `lead - fade`
    samples are that sound as it is. So the wrap joins two neighbours of the source, an attack
    that comes a little before the first sample is whole, and one that comes a little before the
    end, and belongs to the next bar, is not heard. What fades has the power that both have
    where they are alike as where they are not: gains a and b, a^2 + b^2 + 2abr = 1 for their
    correlation r.

    Args:
        window: `(channels, lead + n)`: the sound before the loop, and the loop.
        lead: samples before the loop, <= n.
        fade: length of the crossfade, <= lead.
    """
    loop = np.array(window[:, lead:], np.float64)
    before = window[:, :lead].astype(np.float64)
    end = loop[:, loop.shape[1] - lead :]  # a view
    old, new = end[:, :fade], before[:, :fade]
    b = rise(fade)
    a = 1.0 - b
    power = np.sqrt(a**2 + b**2 + 2 * a * b * _likeness(old, new))
    end[:, :fade] = (a * old + b * new) / power
    end[:, fade:] = before[:, fade:]
    return np.ascontiguousarray(loop, dtype=np.float32)


def _likeness(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the correlation of two stretches, in [0, 1]; 1 where one is silent."""
    energy = float(np.sqrt(np.sum(a**2) * np.sum(b**2)))
    return float(np.clip(np.sum(a * b) / energy, 0.0, 1.0)) if energy > 0 else 1.0
