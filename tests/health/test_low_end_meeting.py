from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.health.low_end_meeting import LowEndMeeting, low_end_meeting
from stemfx.kits.synth import SynthKit

RATE = 44_100
N_KICKS = 16
BEAT_S = 0.5


def kicks(n: int = N_KICKS) -> np.ndarray:
    """A kick on each beat: the same sample each time."""
    kick = SynthKit().sample("kick", 0.9, RATE).samples[0]
    out = np.zeros(round((n + 1) * BEAT_S * RATE))
    for i in range(n):
        start = round((0.1 + i * BEAT_S) * RATE)
        part = kick[: out.size - start]
        out[start : start + part.size] += part
    return 0.5 * out


def sub_of(drums: np.ndarray, low_hz: float = 40.0, high_hz: float = 160.0) -> np.ndarray:
    """Return the low end of the kick without its phase turned: a bass that is all in phase."""
    spectrum = np.fft.rfft(drums)
    hz = np.fft.rfftfreq(drums.size, 1 / RATE)
    return np.fft.irfft(spectrum * ((hz > low_hz) & (hz < high_hz)), drums.size)


def notes(hz: float = 70.0, phases: np.ndarray | None = None, level: float = 0.3) -> np.ndarray:
    """A bass note under each kick."""
    out = np.zeros(kicks().size)
    n = round(0.4 * RATE)
    t = np.arange(n) / RATE
    for i in range(N_KICKS):
        start = round((0.1 + i * BEAT_S) * RATE)
        phase = 0.0 if phases is None else phases[i]
        out[start : start + n] += level * np.sin(2 * np.pi * hz * t + phase) * np.exp(-3 * t)
    return out


def met(drums: np.ndarray, bass: np.ndarray) -> LowEndMeeting:
    return low_end_meeting(*(Audio(x[np.newaxis].astype(np.float32), RATE) for x in (drums, bass)))


def codes(found: LowEndMeeting) -> set[str]:
    return {finding.code for finding in found.findings} - {"kick_in_bass"}


def test_two_like_low_ends_add_up_to_six_decibels_of_amplitude() -> None:
    """Equal and in phase: twice the amplitude, four times the power of one, +3.01 dB of both."""
    found = met(kicks(), sub_of(kicks()))
    assert found.measurements["kicks"] == N_KICKS
    assert found.measurements["low_end_sum_db"] == pytest.approx(3.01, abs=0.1)
    assert codes(found) == set()


def test_an_inverted_bass_is_named_and_inverting_it_back_mends_it() -> None:
    found = met(kicks(), -sub_of(kicks()))
    assert found.measurements["low_end_inverted_db"] == pytest.approx(3.01, abs=0.1)
    (message,) = [f.message for f in found.findings if f.code == "low_end_cancels"]
    assert "- polarity" in message
    assert codes(met(kicks(), sub_of(kicks()))) == set()


def test_a_softer_inverted_bass_cancels_by_as_much_as_theory_says() -> None:
    """Amplitudes 1 and a: (1 - a)^2 over 1 + a^2."""
    found = met(kicks(), -0.5 * sub_of(kicks()))
    assert found.measurements["low_end_sum_db"] == pytest.approx(
        10 * np.log10(0.25 / 1.25), abs=0.3
    )
    assert "low_end_cancels" in codes(found)


def test_a_bass_in_another_phase_on_every_kick_says_nothing() -> None:
    rng = np.random.default_rng(3)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        found = met(kicks(), notes(phases=rng.uniform(0, 2 * np.pi, N_KICKS)))
        assert codes(found) == set()


def test_a_bass_that_is_late_is_moved_back_by_as_much() -> None:
    """Moved back, like low ends add up to 3 dB; inverting gains less than that."""
    late = np.roll(sub_of(kicks()), round(0.004 * RATE))
    found = met(kicks(), late)
    assert found.measurements["best_shift_ms"] == pytest.approx(-4.0, abs=0.25)
    (message,) = [f.message for f in found.findings if f.code == "low_end_apart"]
    assert "- align: {delay_ms: -4}" in message


def test_two_low_ends_in_one_band_ask_for_a_duck_and_apart_they_do_not() -> None:
    def of_bass(hz: float) -> bool:
        found = met(kicks(), notes(hz=hz, level=0.6))
        return any(
            f.code == "kick_in_bass" and "- duck: {by: drums" in f.message for f in found.findings
        )

    hit = kicks()[round(0.1 * RATE) : round(0.25 * RATE)]
    power = np.square(np.abs(np.fft.rfft(hit, RATE)))  # 1 Hz a bin
    centres_hz = 50 * 2 ** (np.arange(5) / 3)
    thirds = [power[round(c / 2 ** (1 / 6)) : round(c * 2 ** (1 / 6))].sum() for c in centres_hz]
    assert of_bass(float(centres_hz[int(np.argmax(thirds))]))
    assert not of_bass(150.0)


@pytest.mark.parametrize("bass", [np.zeros(kicks().size), np.zeros(100)])
def test_silence_and_few_kicks_say_nothing(bass: np.ndarray) -> None:
    assert met(kicks(), bass).findings == ()
    few = kicks(4)
    assert met(few, -sub_of(few)).findings == ()
    assert met(np.zeros(RATE), np.zeros(RATE)).measurements == {"kicks": 0}
