"""The one place that calls pedalboard: effects by JUCE, and plugins by anybody (VST3, AU).

pedalboard guesses which axis holds the channels: `(2, 2)` raises, and one stereo sample runs
as mono. It also holds back as many samples as a plugin is late. Here every call gets a block
of the same, unmistakable shape; as many samples come out as went in, each at its own time.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Block, Signal
from stemfx.dsp.channels import widen
from stemfx.dsp.resample import rechunk
from stemfx.dsp.units import power_to_db
from stemfx.errors import StageError

CALL_SAMPLES = 8192
"""Length of every call: a plugin cannot tell whatever block size the signal came in."""
MAX_LATENCY_S = 10


def through(
    plugin: Any, blocks: Iterable[Block], sample_rate: int, channels: int, n_samples: int
) -> Iterator[Block]:
    """Yield `blocks` after `plugin`, from a fresh state and with its latency taken out.

    What still sounds after the end of the signal (an echo, a tail) is cut there.

    Args:
        plugin: a pedalboard plugin or board; its state is reset.
        blocks: `(channels, ...)`, `n_samples` in all.
        sample_rate: in Hz.
        channels: 1 or 2.
        n_samples: length of the signal, and of what is yielded.

    Raises:
        ValueError: the plugin does not run on this number of channels.
        StageError: the plugin keeps sound back for more than 10 s.
    """
    plugin.reset()
    left = n_samples
    for call in _calls(blocks, channels, sample_rate * MAX_LATENCY_S):
        if not left:
            return
        done = plugin(call, sample_rate, buffer_size=CALL_SAMPLES, reset=False)[:, :left]
        left -= done.shape[1]
        if done.shape[1]:
            yield np.ascontiguousarray(done)
    if left:
        raise StageError(f"{plugin!r} kept back {left} samples for more than {MAX_LATENCY_S} s")


def _calls(blocks: Iterable[Block], channels: int, n_flush: int) -> Iterator[Block]:
    for block in rechunk(blocks, CALL_SAMPLES):
        missing = CALL_SAMPLES - block.shape[1]
        yield np.pad(block, ((0, 0), (0, missing))) if missing else block
    silence = np.zeros((channels, CALL_SAMPLES), np.float32)
    for _ in range(0, n_flush, CALL_SAMPLES):
        yield silence


# ------------------------------------------------------------------------ wet beside dry


class ChangeMeter:
    """Say what an effect did to a signal: how much louder, and how much that is no mere gain."""

    def __init__(self) -> None:
        self._dry = self._cross = self._added = 0.0

    def add(self, before: Block, after: Block) -> None:
        """Add a block and what became of it."""
        x = before.ravel().astype(np.float64)
        added = after.ravel().astype(np.float64) - x
        self._dry += float(np.dot(x, x))
        self._cross += float(np.dot(x, added))
        self._added += float(np.dot(added, added))

    @property
    def measurements(self) -> dict[str, float]:
        """`level_change_db` in rms, and `residual_db`: what is left of the output when the best
        fitting gain of the input is taken from it, relative to the output.
        """  # noqa: D205
        after = self._dry + 2 * self._cross + self._added
        if self._dry <= 0 or after <= 0:
            return {}
        # Of what was added, the part that is no copy of the dry. Not 1 - correlation^2: for a
        # small change that is a difference of two nearly equal numbers.
        residual = max(0.0, self._added - self._cross**2 / self._dry)
        return {
            "level_change_db": round(power_to_db(after / self._dry), 2),
            "residual_db": round(power_to_db(residual / after), 2),
        }


@dataclass(frozen=True)
class Shares:
    """How much of the dry and of the wet signal is heard, as factors."""

    dry: float
    wet: float


def linear(mix: float) -> Shares:
    """Return shares that sum to 1: the level stays for a wet signal that is much like the dry."""
    return Shares(1.0 - mix, mix)


def constant_power(mix: float) -> Shares:
    """Return cos and sin of a quarter turn: the level stays for a wet signal unlike the dry.

    A little wet costs the dry sound next to nothing: 0.3 dB at -12 dB of wet (`mix` 0.16),
    where linear shares take 1.9 dB.
    """
    angle = mix * math.pi / 2
    return Shares(math.cos(angle), math.sin(angle)) if mix < 1 else Shares(0.0, 1.0)


def blend(
    signal: Signal, wet: Iterable[Block], shares: Shares, change: ChangeMeter
) -> Iterator[Block]:
    """Yield the shares of dry and wet; 1 and 0 give every sample of the signal back."""
    for dry, block in zip(signal.blocks(CALL_SAMPLES), rechunk(wet, CALL_SAMPLES), strict=True):
        out = shares.dry * dry + shares.wet * block
        change.add(dry, out)
        yield out


# ------------------------------------------------------------------------ effects of JUCE

FREEVERB_DRIVE = np.float32(1024)
"""JUCE adds and takes away 0.1 in every comb, against denormals: that rounds to 7e-9, which is
-110 dB of a signal inside its room. Fed 60 dB hotter, it is below float32's own rounding."""


def reverb(
    signal: Signal, *, room_size: float, damping: float, width: float, pre_delay_ms: float
) -> tuple[Iterator[Block], float]:
    """Return the wet signal alone, and the time in s that the room takes to fall by 60 dB.

    The wet signal is scaled so that pink noise in the centre comes back at its own level,
    whatever the room: Freeverb by itself is 4 to 20 dB louder. Pink, because music is: a damped
    room that gives white noise back at its own level makes a mix 2 to 3 dB louder.
    """
    import pedalboard

    def room() -> Any:
        plugin = pedalboard.Reverb(
            room_size=room_size, damping=damping, width=width, wet_level=1.0, dry_level=0.0
        )
        late = pedalboard.Delay(delay_seconds=pre_delay_ms / 1000, feedback=0.0, mix=1.0)
        return pedalboard.Pedalboard([late, plugin] if pre_delay_ms else [plugin])

    rate = signal.sample_rate
    click = np.zeros((signal.channels, 12 * rate), np.float32)  # the largest room takes 11 s
    click[:, 0] = FREEVERB_DRIVE
    response = room()(click, rate)[0].astype(np.float64)
    energy = np.square(response)
    to_come = np.cumsum(energy[::-1])[::-1]
    decay_s = int(np.count_nonzero(to_come > 1e-6 * to_come[0])) / rate - pre_delay_ms / 1000
    scale = np.float32(_pink_power(response, rate) ** -0.5)

    loud = (block * FREEVERB_DRIVE for block in signal.blocks())
    echoes = through(room(), loud, rate, signal.channels, signal.n_samples)
    return (scale * block for block in echoes), decay_s


def _pink_power(response: NDArray[np.float64], rate: int) -> float:
    """Return the power gain for noise with equal power in every octave from 40 Hz to 16 kHz."""
    freq_hz = np.fft.rfftfreq(len(response), 1 / rate)
    within = (freq_hz >= 40) & (freq_hz <= min(16_000, rate / 2))
    power = np.square(np.abs(np.fft.rfft(response)[within]))
    return float(np.average(power, weights=1 / freq_hz[within]))


def delay(signal: Signal, *, time_ms: float, feedback: float) -> Iterator[Block]:
    """Return the echoes alone: the first at full level, each next one times `feedback`."""
    import pedalboard

    plugin = pedalboard.Delay(delay_seconds=time_ms / 1000, feedback=feedback, mix=1.0)
    return through(plugin, signal.blocks(), signal.sample_rate, signal.channels, signal.n_samples)


def chorus(
    signal: Signal, *, rate_hz: float, depth: float, centre_delay_ms: float, feedback: float
) -> Iterator[Block]:
    """Return the moving voice alone."""
    import pedalboard

    plugin = pedalboard.Chorus(
        rate_hz=rate_hz, depth=depth, centre_delay_ms=centre_delay_ms, feedback=feedback, mix=1.0
    )
    return through(plugin, signal.blocks(), signal.sample_rate, signal.channels, signal.n_samples)


# ------------------------------------------------------------------------ plugins by anybody


def load_external(path: Path, member: str | None = None) -> Any:
    """Load a VST3 or AU effect. This runs its native code.

    Args:
        path: the plugin's file or bundle.
        member: which plugin, if the file holds several.

    Raises:
        StageError: it cannot be loaded, holds several plugins, or is an instrument.
    """
    import pedalboard

    try:
        plugin = pedalboard.load_plugin(str(path), plugin_name=member)
    except (ImportError, RuntimeError, ValueError, OSError) as reason:
        raise StageError(f"the plugin {path} cannot be loaded: {reason}") from reason
    if not plugin.is_effect:
        raise StageError(f"the plugin {path} is an instrument; only effects take audio")
    return plugin


def set_parameters(plugin: Any, values: Mapping[str, float | bool | str]) -> None:
    """Set parameters of an external plugin, by the names that it gives them.

    Raises:
        StageError: an unknown name (with the nearest known one), or a value it does not take.
    """
    known = plugin.parameters
    for name, value in values.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"it has: {', '.join(known)}"
            raise StageError(f"the plugin has no parameter '{name}'; {hint}")
        try:
            setattr(plugin, name, value)
        except (ValueError, TypeError, AttributeError, RuntimeError) as reason:
            raise StageError(f"the plugin's '{name}' cannot be {value!r}: {reason}") from reason


def through_external(load: Callable[[], Any], signal: Signal) -> Iterator[Block]:
    """Yield a signal after an external plugin, whichever channel layout that wants.

    A stereo plugin hears a mono signal on both sides, and the mean of its sides is kept. A
    mono plugin is loaded twice for a stereo signal, once a side.

    Raises:
        StageError: the plugin takes neither mono nor stereo.
    """
    rate, channels, n_samples = signal.sample_rate, signal.channels, signal.n_samples
    plugin = load()
    if _takes(plugin, channels, rate):
        yield from through(plugin, signal.blocks(), rate, channels, n_samples)
    elif channels == 1 and _takes(plugin, 2, rate):
        both = through(plugin, map(widen, signal.blocks()), rate, 2, n_samples)
        yield from (block.mean(axis=0, keepdims=True) for block in both)
    elif channels == 2 and _takes(plugin, 1, rate):
        sides = [
            through(one, _side(signal, side), rate, 1, n_samples)
            for side, one in enumerate((plugin, load()))
        ]
        yield from map(np.concatenate, zip(*sides, strict=True))
    else:
        raise StageError(f"the plugin {plugin.name!r} takes neither mono nor stereo")


def _side(signal: Signal, side: int) -> Iterator[Block]:
    return (block[side : side + 1] for block in signal.blocks())


def _takes(plugin: Any, channels: int, sample_rate: int) -> bool:
    try:
        plugin(np.zeros((channels, CALL_SAMPLES), np.float32), sample_rate, reset=True)
    except ValueError:  # "does not support 1-channel output"
        return False
    return True
