"""Every finding fires on a made fault, and none on the clean twin or on what is only unusual."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.health import FileFacts, FileHealth, examine
from stemfx.stages.pan import pan
from stemfx.testing import RaggedSignal, apply

RATE = 44_100
Wave = np.ndarray


@cache
def stems() -> dict[str, Wave]:
    """Eight seconds of the demo song, and its mix."""
    cut = {name: stem.samples[:, 4 * RATE : 12 * RATE] for name, stem in demo_song().items()}
    return cut | {"mix": np.sum(list(cut.values()), axis=0)}


def mix() -> Wave:
    return stems()["mix"].copy()


def health(samples: Wave, facts: FileFacts | None = None) -> FileHealth:
    return examine(Audio(samples.astype(np.float32), RATE), facts)


def codes(samples: Wave, *levels: str) -> set[str]:
    return {f.code for f in health(samples).findings if f.level in (levels or ("warn", "error"))}


def late(samples: Wave, n: int, channel: int) -> Wave:
    out = samples.copy()
    out[channel, n:], out[channel, :n] = samples[channel, :-n], 0.0
    return out


def bass_inverted() -> Wave:
    bass = stems()["bass"]
    return mix() - bass + 2 * bass * np.array([[1.0], [-1.0]])


def with_nan(samples: Wave) -> Wave:
    samples[0, 1000:1100] = np.nan
    return samples


def with_gaps(samples: Wave) -> Wave:
    for start in range(RATE, 7 * RATE, RATE // 2):
        samples[:, start : start + 900] = 0.0
    return samples


def with_clicks(samples: Wave) -> Wave:
    samples[:, RATE :: RATE // 2] += 0.7
    return samples


def combed(samples: Wave) -> Wave:
    out = 0.5 * samples
    out[:, 88:] += 0.4 * samples[:, :-88]
    return out


def too_wide() -> Wave:
    middle, side = mix().mean(axis=0), 3 * (mix()[0] - mix()[1])
    return np.stack([middle + side, middle - side]) / 3


LEFT, RIGHT = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])

FAULTS: dict[str, tuple[str, Callable[[], Wave]]] = {
    "clipped": ("clipping", lambda: np.clip(4 * mix(), -1, 1)),
    "clipped, then lowered": ("clipping", lambda: 0.3 * np.clip(4 * mix(), -1, 1)),
    "clipped from above": ("clipping", lambda: 0.5 * np.minimum(4 * mix(), 1)),
    "inverted right": ("polarity_inverted", lambda: mix() * (LEFT - RIGHT)),
    "inverted left": ("polarity_inverted", lambda: mix() * (RIGHT - LEFT)),
    "bass inverted": ("bass_out_of_phase", bass_inverted),
    "right late by 0.11 ms": ("inter_channel_delay", lambda: late(mix(), 5, 1)),
    "left late by 1 ms": ("inter_channel_delay", lambda: late(mix(), 44, 0)),
    "right late by 15 ms": ("inter_channel_delay", lambda: late(mix(), 660, 1)),
    "comb": ("comb_filter", lambda: combed(mix())),
    "too wide": ("mono_loss", too_wide),
    "offset": ("dc_offset", lambda: mix() + 0.003),
    "offset on one side": ("dc_offset", lambda: mix() - 0.02 * RIGHT),
    "right silent": ("silent_channel", lambda: mix() * LEFT),
    "right far down": ("unbalanced_channels", lambda: mix() * (LEFT + 0.25 * RIGHT)),
    "over full scale": ("float_over_full_scale", lambda: 6 * mix()),
    "8 bit": ("bit_depth", lambda: np.round(128 * mix()) / 128),
    "not numbers": ("nan_samples", lambda: with_nan(mix())),
    "silence": ("silent", lambda: np.zeros((2, RATE))),
    "gaps": ("dropouts", lambda: with_gaps(mix())),
    "clicks": ("clicks", lambda: with_clicks(mix())),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_made_fault_is_named(name: str):
    code, make = FAULTS[name]
    assert code in codes(make())


@pytest.mark.parametrize("name", ["vocals", "drums", "bass", "other", "mix"])
def test_the_clean_twin_has_no_fault(name: str):
    assert codes(stems()[name]) == set()


UNUSUAL: dict[str, Callable[[], Wave]] = {
    "panned": lambda: stems()["vocals"].mean(axis=0) * np.array([[0.8], [0.35]]),
    "very quiet": lambda: np.round(mix() * 0.01 * 32768) / 32768,
    "faded out": lambda: mix() * np.linspace(1, 0, mix().shape[1]) ** 2,
    "half of it silent": lambda: np.concatenate(
        (stems()["drums"], np.zeros((2, 8 * RATE))), axis=1
    ),
    "two noises": lambda: 0.1 * np.random.default_rng(0).standard_normal((2, 4 * RATE)),
    "a tone": lambda: 0.3 * np.sin(2 * np.pi * 997 * np.arange(4 * RATE) / RATE) * np.ones((2, 1)),
    "loud and bent, not clipped": lambda: 0.9 * np.tanh(5 * mix()),
    "one hit": lambda: stems()["drums"][:, : RATE // 4],
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_only_unusual_is_no_fault(name: str):
    assert codes(UNUSUAL[name]()) == set()


def test_instruments_with_their_own_delays_are_a_stereo_image():
    # Two spaced microphones: each player arrives at another time, so no delay is the channel's.
    band = [
        late(stems()[name], 1 + n, n % 2) for n, name in enumerate(("vocals", "drums", "other"))
    ]
    found = health(np.sum(band, axis=0) + stems()["bass"])
    assert "inter_channel_delay" not in {f.code for f in found.findings}


def test_one_fault_is_told_once():
    assert codes(mix() * (LEFT - RIGHT)) == {"polarity_inverted"}
    assert codes(late(mix(), 22, 1)) == {"inter_channel_delay"}
    assert codes(with_nan(mix())) == {"nan_samples"}


def test_what_is_no_fault_but_worth_knowing_is_info():
    middle = mix().mean(axis=0, keepdims=True)
    assert codes(middle, "info") == {"mono_file"}
    assert codes(np.repeat(middle, 2, axis=0), "info") == {"dual_mono"}
    facts = FileFacts(is_lossy=True, channels=6, format="OGG")
    assert {f.code for f in health(mix(), facts).findings} == {"lossy_file", "multichannel"}


def test_the_delay_and_the_polarity_are_numbers():
    found = health(late(mix(), 22, 1)).to_json()
    assert found["interchannel_delay_ms"] == pytest.approx(1000 * 22 / RATE, abs=0.005)
    assert health(late(mix(), 22, 0)).to_json()["interchannel_delay_ms"] < -0.49
    assert health(mix() * (LEFT - RIGHT)).to_json()["polarity"] == "inverted"
    assert health(mix()).to_json()["polarity"] == "ok"


@pytest.mark.parametrize("n_samples", [1, 2, 100, 2205])
def test_a_few_samples_are_examined_too(n_samples: int):
    found = health(mix()[:, RATE : RATE + n_samples])
    json.dumps(found.to_json(), allow_nan=False)
    assert found.worst in {"info", None}


def test_blocks_do_not_matter():
    audio = Audio(mix(), RATE)
    assert examine(audio).to_json() == examine(RaggedSignal(audio)).to_json()


@pytest.mark.parametrize("left", [0.1, 0.2, 5.0])
def test_the_pan_that_is_advised_brings_an_unbalanced_file_back(left: float):
    lopsided = mix() * np.array([[left], [1.0]]) / 5.0
    (told,) = (f for f in health(lopsided).findings if f.code == "unbalanced_channels")
    pan_to = float(told.message.partition("- pan: {pan: ")[2].rstrip("}"))
    panned, _ = apply(pan, Audio(lopsided.astype(np.float32), RATE), pan=pan_to)
    # Equal to the hundredth of a dB, but for the third decimal that `pan` has.
    assert health(panned.samples).to_json()["balance_db"] == pytest.approx(0.0, abs=0.1)


def test_findings_are_sorted_and_say_what_to_do():
    findings = health(np.clip(4 * mix(), -1, 1) * (LEFT - RIGHT) + 0.003).findings
    assert [f.level for f in findings] == sorted(
        (f.level for f in findings), key=["error", "warn", "info"].index
    )
    for finding in findings:
        assert " - " in finding.message  # a line for the recipe
