"""Every built-in stage keeps every law; and a stage that breaks one is caught."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from stemfx.audio import Audio, Block, Signal
from stemfx.stage import StageContext, StageParams, knob, stage
from stemfx.stages import BUILTIN
from stemfx.testing import LAWS, Case, Law, check_stage, example_audio, null_db

EXAMPLES: dict[str, dict[str, Any]] = {
    "align": {"delay_ms": -3.3, "polarity": "invert"},
    "bleed_guard": {"against": ["drums"], "depth_db": 24.0},
    "compress": {"threshold_lu": -6.0, "ratio": 4.0},
    "debleed": {"max_cut_db": 12.0, "coherence_min": 0.0},
    "deess": {"threshold_db": -30.0},
    "duck": {"by": "vocals", "depth_db": 9.0},
    "eq": {
        "bands": [
            {"type": "low_shelf", "freq_hz": 100.0, "gain_db": -3.0},
            {"freq_hz": 1000.0, "gain_db": 4.0, "q": 2.0, "on": "mid"},
            {"type": "high_shelf", "freq_hz": 8000.0, "gain_db": 2.0},
        ]
    },
    "exciter": {"amount": 1.0},
    "fade": {"in_s": 0.2, "out_s": 0.3},
    "fit": {"to": "song", "beats": 3, "semitones": 1.0, "max_stretch_percent": 100.0},
    "fit_gaps": {"under": ["vocals", "drums"], "headroom_db": -12.0},
    "gain": {"gain_db": -4.5},
    "gap_expander": {"threshold_db": -6.0, "max_cut_db": 24.0},
    "gate": {"threshold_db": -12.0, "hold_ms": 5.0, "release_ms": 30.0},
    "glue": {"threshold_lu": -9.0, "ratio": 4.0, "max_reduction_db": 12.0, "sidechain_hz": 60.0},
    "layer": {"sound": "hit.wav", "classes": ["kick", "snare"], "gain_db": 6.0},
    "limiter": {"gain_db": 12.0},
    "loudness": {"target_lufs": -12.0},
    "match_reference": {"song": "reference", "amount": 1.0},
    "mono_safe": {"max_mono_loss_db": 0.5, "max_bass_loss_db": 0.1},
    "multiband": {
        "ratio": 4.0,
        "threshold_lu": -6.0,
        "bands": [{"high_hz": 200.0, "gain_db": 2.0}, {"high_hz": 3000.0}, {"ratio": 2.0}],
    },
    "pan": {"pan": -0.4},
    "replace_drums": {"match_level": False, "gain_db": -6.0},
    "reverb": {"mix": 0.5, "pre_delay_ms": 20.0},
    "saturate": {"drive_db": 12.0},
    "transient": {"attack_db": 4.0, "sustain_db": -3.0},
    "trim": {"start_s": 0.1, "end_s": 1.9},
    "width": {"width": 1.6, "bands": [{"high_hz": 150.0, "width": 0.2}]},
}
"""Parameters at which a stage works hard; the defaults for all others."""

NO_NEUTRAL = {
    "fit": "it is as long as the song, not as what comes in",
    "high_pass": "a high-pass always cuts below its cutoff",
    "layer": "it always adds its sound",
    "loudness": "it always goes to its target",
    "low_pass": "a low-pass always cuts above its cutoff",
    "mono_below": "the side always loses its bass",
    "polarity": "one channel at least is inverted",
}

CASES = [
    Case(entry, EXAMPLES.get(entry.name, {}), no_neutral=NO_NEUTRAL.get(entry.name, ""))
    for entry in BUILTIN
    if entry.name != "vst3"  # needs an installed plugin: tests/stages/test_vst3.py has a fake
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stage.name)
def test_every_builtin_stage(case: Case, law: Law):
    reason = law(case)
    if reason:
        pytest.skip(reason)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.stage.name in EXAMPLES.keys() | NO_NEUTRAL.keys()],
    ids=lambda case: case.stage.name,
)
def test_the_examples_make_the_stage_work(case: Case):
    """Or else every law above would hold for a stage that does nothing."""
    audio = example_audio()
    out = case.run(audio)
    assert out.n_samples != audio.n_samples or null_db(audio, out) > -40


def test_no_example_is_for_a_stage_that_is_gone():
    names = {entry.name for entry in BUILTIN}
    assert EXAMPLES.keys() | NO_NEUTRAL.keys() <= names


# ------------------------------------------------------------------ the suite itself bites


class NoParams(StageParams):
    """None."""


class AmountParams(StageParams):
    """One knob whose default is not neutral."""

    amount: float = knob(1.0, low=0, high=1, neutral=0.0, help="how much")


@stage(NoParams, is_linear=True)
def good(signal: Signal, _params: NoParams, _context: StageContext) -> Iterator[Block]:
    """Pass everything."""
    yield from signal.blocks()


def test_a_stage_that_passes_everything_keeps_every_law():
    assert set(check_stage(good).values()) == {"held"}


def test_the_declared_neutral_value_is_used_instead_of_the_default():
    @stage(AmountParams)
    def halve(signal: Signal, params: AmountParams, _context: StageContext) -> Iterator[Block]:
        """Halve."""
        for block in signal.blocks():
            yield block * (1.0 - 0.5 * params.amount)

    assert check_stage(halve)["is_neutral_when_neutral"] == "held"


def one_block_too_long(
    signal: Signal, _params: NoParams, _context: StageContext
) -> Iterator[Block]:
    """Add a sample."""
    yield from signal.blocks()
    yield np.zeros((signal.channels, 1), np.float32)


def always_two_channels(
    signal: Signal, _params: NoParams, _context: StageContext
) -> Iterator[Block]:
    """Make stereo without saying so."""
    for block in signal.blocks():
        yield np.repeat(block[:1], 2, axis=0)


def hissing(signal: Signal, _params: NoParams, context: StageContext) -> Iterator[Block]:
    """Add hiss at -80 dBFS."""
    rng = np.random.default_rng(context.seed)
    for block in signal.blocks():
        yield block + 1e-4 * rng.standard_normal(block.shape).astype(np.float32)


def never_the_same(signal: Signal, _params: NoParams, _context: StageContext) -> Iterator[Block]:
    """Add unseeded noise under the null limit."""
    rng = np.random.default_rng()
    for block in signal.blocks():
        yield block * (1.0 + 2e-7 * rng.standard_normal(block.shape).astype(np.float32))


def not_linear(signal: Signal, _params: NoParams, _context: StageContext) -> Iterator[Block]:
    """Bend."""
    for block in signal.blocks():
        yield np.tanh(block)


def left_is_louder(signal: Signal, _params: NoParams, _context: StageContext) -> Iterator[Block]:
    """Favour the left."""
    for block in signal.blocks():
        yield block * np.array([[1.0], [0.5]][: len(block)], np.float32)


def one_state_per_block(
    signal: Signal, _params: NoParams, _context: StageContext
) -> Iterator[Block]:
    """Forget the past at every block."""
    for block in signal.blocks():
        yield block - block.mean(axis=1, keepdims=True)


def float64(signal: Signal, _params: NoParams, _context: StageContext) -> Iterator[Block]:
    """Forget to go back to float32."""
    for block in signal.blocks():
        yield block.astype(np.float64)  # type: ignore[misc]


def not_a_number(signal: Signal, _params: NoParams, _context: StageContext) -> Iterator[Block]:
    """Divide by the peak of silence."""
    for block in signal.blocks():
        with np.errstate(invalid="ignore"):
            yield block / np.abs(block).max()


def minus_infinity(signal: Signal, _params: NoParams, context: StageContext) -> Iterator[Block]:
    """Report the level of silence as it is."""
    peak = max((float(np.abs(block).max()) for block in signal.blocks()), default=0.0)
    context.report(peak_dbfs=20 * math.log10(peak) if peak else -math.inf)
    yield from signal.blocks()


def only_44100_hz(signal: Signal, _params: NoParams, _context: StageContext) -> Iterator[Block]:
    """Drop samples at any other rate."""
    yield signal.read(0, signal.n_samples * 44_100 // max(44_100, signal.sample_rate))


def hostile(signal: Signal, _params: NoParams, _context: StageContext) -> Iterator[Block]:
    """Write into what came in, whatever its flags say."""
    assert isinstance(signal, Audio)
    base = signal.samples.base
    assert base is not None
    base[:, :10] = 0.25
    yield from signal.blocks()


def undocumented(signal: Signal, _params: NoParams, _context: StageContext) -> Iterator[Block]:
    yield from signal.blocks()


@pytest.mark.parametrize(
    ("process", "fault"),
    [
        (one_block_too_long, "gave \\(2, 44101\\)"),
        (always_two_channels, "gave 2 channel"),
        (hissing, "out of silence"),
        (never_the_same, "different bits"),
        (not_linear, "should be neutral|does not scale"),
        (left_is_louder, "should be neutral|favours a side"),
        (one_state_per_block, "block sizes|should be neutral"),
        (float64, "yielded float64"),
        (not_a_number, "NaN"),
        (minus_infinity, "-inf"),
        (only_44100_hz, "at 48000 Hz"),
        (hostile, "changed its input"),
        (undocumented, "no docstring"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_stage_that_breaks_a_law_is_caught(process: Any, fault: str):
    broken = stage(NoParams, is_linear=True)(process)
    with pytest.raises(AssertionError, match=fault):
        check_stage(broken)


@pytest.mark.parametrize(
    ("process", "fault"),
    [
        (not_linear, "does not scale"),
        (left_is_louder, "favours a side"),
        (one_state_per_block, "block sizes"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_faults_are_caught_in_stages_without_a_neutral_setting_too(process: Any, fault: str):
    broken = stage(NoParams, is_linear=True)(process)
    with pytest.raises(AssertionError, match=fault):
        check_stage(broken, no_neutral="for this test")


def test_a_neutral_setting_that_is_not_neutral_names_the_way_out():
    @stage(NoParams)
    def louder(signal: Signal, _params: NoParams, _context: StageContext) -> Iterator[Block]:
        """Add 6 dB."""
        for block in signal.blocks():
            yield block * 2.0

    with pytest.raises(AssertionError, match=r"knob\(neutral=...\), or pass no_neutral"):
        check_stage(louder)
