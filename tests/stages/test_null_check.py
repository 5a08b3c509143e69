from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp.shift import Shifted
from stemfx.stage import Song, StageContext
from stemfx.stages.null_check import null_check
from stemfx.testing import apply, example_audio

RATE = 44_100


@pytest.fixture
def mixture() -> Audio:
    return example_audio(4.0)


def checked(signal: Audio, mixture: Audio, **params: float) -> StageContext:
    return apply(null_check, signal, song=Song({}, "", mixture), **params)[1]


def codes(context: StageContext) -> list[str]:
    return [finding.code for finding in context.findings]


def test_the_song_itself_passes(mixture: Audio):
    context = checked(mixture, mixture)
    assert codes(context) == []
    assert context.measurements["null_db"] == -200.0


@pytest.mark.parametrize("error_db", [-60.0, -45.0, -30.0])
def test_the_null_is_the_level_of_the_difference(mixture: Audio, error_db: float):
    noise = np.random.default_rng(2).standard_normal(mixture.samples.shape)
    noise *= np.sqrt(np.mean(mixture.samples**2) / np.mean(noise**2)) * 10 ** (error_db / 20)
    context = checked(Audio(mixture.samples + noise.astype(np.float32), RATE), mixture)
    assert context.measurements["null_db"] == pytest.approx(error_db, abs=0.05)
    assert codes(context) == (["does_not_null"] if error_db > -40 else [])


def test_the_limit_is_the_recipes(mixture: Audio):
    close = Audio(mixture.samples * np.float32(0.999), RATE)  # -60 dB
    assert codes(checked(close, mixture)) == []
    assert codes(checked(close, mixture, max_null_db=-70)) == ["does_not_null"]


def test_a_gain_is_named_with_the_line_that_mends_it(mixture: Audio):
    context = checked(Audio(mixture.samples * np.float32(0.5), RATE), mixture)
    assert context.measurements["best_gain_db"] == pytest.approx(6.02, abs=0.01)
    assert "- gain: {gain_db: 6.02}" in context.findings[0].message
    assert context.measurements["null_best_db"] < -100


@pytest.mark.parametrize("samples", [5.0, -220.5])
def test_a_delay_is_named(mixture: Audio, samples: float):
    late = Audio(np.concatenate(list(Shifted(mixture, samples).blocks()), axis=1), RATE)
    context = checked(late, mixture)
    assert context.measurements["best_delay_ms"] == pytest.approx(-1e3 * samples / RATE, abs=0.005)
    assert ("late" if samples > 0 else "early") in context.findings[0].message


def test_upside_down_is_named(mixture: Audio):
    context = checked(Audio(-mixture.samples, RATE), mixture)
    assert context.measurements["null_db"] == pytest.approx(6.02, abs=0.01)
    assert context.measurements["best_polarity"] == "inverted"
    assert "- polarity: {}" in context.findings[0].message


def test_another_song_is_not_explained_by_a_delay(mixture: Audio):
    noise = 0.1 * np.random.default_rng(4).standard_normal(mixture.samples.shape)
    context = checked(Audio(noise.astype(np.float32), RATE), mixture)
    assert codes(context) == ["does_not_null"]
    assert "no gain or delay" in context.findings[0].message


def test_silence_has_no_null(mixture: Audio):
    silence = Audio(np.zeros_like(mixture.samples), RATE)
    assert codes(checked(mixture, silence)) == ["null_of_silence"]
    assert codes(checked(silence, mixture)) == ["does_not_null"]
