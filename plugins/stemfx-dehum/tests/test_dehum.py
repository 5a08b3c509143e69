import numpy as np
import pytest
from stemfx_dehum import DehumParams, dehum, stemfx_stages

from stemfx.audio import Audio
from stemfx.testing import RaggedSignal, apply, check_stage

RATE = 8000
T = np.arange(12 * RATE) / RATE


def music(seed=1):
    """Two notes a second from E2 to E5, with six overtones each, in no step with the mains."""
    rng = np.random.default_rng(seed)
    out = np.zeros(T.size)
    for start_s in np.arange(0.0, 12.0, 0.5):
        since = T - start_s - rng.uniform(0, 0.1)
        pitch_hz = 82.41 * 2 ** (rng.integers(0, 37) / 12)
        envelope = np.where(since > 0, np.exp(-6 * since), 0.0) * np.clip(since / 0.005, 0, 1)
        for k in range(1, 7):
            out += 0.2 / k * envelope * np.sin(2 * np.pi * k * pitch_hz * since)
    return out + 1e-4 * rng.standard_normal(T.size)


def hum(hz=50.0, drift_hz=0.15, gain=0.01):
    """A hum of four lines that swings by `drift_hz` either way in 40 s, and its lines."""
    cycles = hz * T + drift_hz * 40 / (2 * np.pi) * np.sin(2 * np.pi * T / 40)
    return [gain / k * np.cos(2 * np.pi * k * cycles + k) for k in range(1, 5)]


def audio(*parts):
    return Audio(np.sum(parts, axis=0)[np.newaxis].astype(np.float32), RATE)


def notes(hz, every_s, length_s):
    """A note, its phase never lost, that sounds for `length_s` of every `every_s`."""
    since = T % every_s
    envelope = np.clip(np.minimum(since, length_s - since) / 0.01, 0, 1)
    return envelope * sum(0.2 / k * np.sin(2 * np.pi * k * hz * T) for k in (1, 2, 3))


def left_db(error, line):
    """How much of a line is in an error, at any phase: 0 dB is all of it."""
    shape = np.fft.ifft(np.where(np.fft.fftfreq(line.size) > 0, 2, 0) * np.fft.fft(line))
    return 20 * np.log10(abs(np.vdot(shape, error)) / (0.5 * np.vdot(shape, shape).real))


def test_it_keeps_every_law_of_a_stage():
    check_stage(dehum, freq_hz=55.0, harmonics=8)


def test_hum_that_drifts_goes_from_under_music():
    # The plain alternative, doing nothing, leaves 0 dB; a fixed frequency loses its way after 3 s
    # (0.15 Hz is a whole turn in 7 s).
    lines, clean = hum(), music()
    out, context = apply(dehum, audio(clean, *lines))
    error = out.samples[0] - clean
    for line in lines:
        assert left_db(error, line) < -20
    assert np.mean(error**2) < 0.01 * np.mean(np.sum(lines, axis=0) ** 2)
    # In 12 of its 40 s the frequency falls from 50.15 Hz to 49.90 Hz.
    expected = 50 + 0.15 * np.cos(2 * np.pi * T / 40)
    assert context.measurements["hum_hz"] == pytest.approx(np.median(expected), abs=0.02)
    assert context.measurements["hum_drift_hz"] == pytest.approx(np.ptp(expected), abs=0.05)
    assert context.measurements["lines"] >= 4


def test_the_reduction_is_what_was_asked_for_at_most():
    lines = hum(60.0, drift_hz=0.0)
    out, _ = apply(dehum, audio(music(), *lines), max_reduction_db=12)
    for line in lines[:2]:
        assert left_db(out.samples[0] - music(), line) == pytest.approx(-12, abs=1)


def test_blocks_of_any_size_give_the_same_bits():
    source = audio(music(), *hum())
    whole, ragged = (apply(dehum, one)[0] for one in (source, RaggedSignal(source)))
    assert not np.array_equal(whole.samples, source.samples)
    np.testing.assert_array_equal(whole.samples, ragged.samples)


@pytest.mark.parametrize(
    "clean",
    [
        music(),
        notes(50.0, 0.5, 0.25),  # a kick of 120 bpm: every one begins in phase
        notes(50.0, 2.0, 1.0),
        notes(60.0, 4.0, 3.0),
        np.sin(2 * np.pi * 349.23 * T),  # F4, the seventh multiple of 49.9 Hz, held
        np.sin(2 * np.pi * 55.0 * T),  # A1, held
    ],
    ids=["music", "kick", "bass", "long bass", "held F4", "held A1"],
)
def test_without_hum_every_bit_stays(clean):
    source = audio(0.3 * clean)
    out, context = apply(dehum, source)
    np.testing.assert_array_equal(out.samples, source.samples)
    assert [(one.level, one.code) for one in context.findings] == [("info", "no_hum")]
    assert context.measurements == {"lines": 0}


def test_hum_elsewhere_is_found_when_it_is_told():
    lines, clean = hum(47.3, drift_hz=0.05), music()
    out, context = apply(dehum, audio(clean, *lines), freq_hz=47.5)
    assert left_db(out.samples[0] - clean, lines[0]) < -20
    assert not context.findings
    _, context = apply(dehum, audio(clean), freq_hz=47.5)
    assert [(one.level, one.code) for one in context.findings] == [("warn", "no_hum")]


def test_digital_silence_stays_silent():
    sounds = np.where((T >= 4) & (T < 5), 0.0, 1.0)
    source = audio(music() * sounds, *(sounds * line for line in hum()))
    out, context = apply(dehum, source)
    assert context.measurements["lines"] >= 2
    assert not out.samples[:, sounds == 0].any()


def test_too_short_a_track_is_left_alone_and_says_so():
    source = Audio(audio(*hum()).samples[:, : 5 * RATE - 1], RATE)
    out, context = apply(dehum, source)
    np.testing.assert_array_equal(out.samples, source.samples)
    assert [one.code for one in context.findings] == ["too_short_for_hum"]


def test_its_hook_offers_it():
    assert stemfx_stages() == [dehum]
    assert dehum.params is DehumParams
