from __future__ import annotations

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.dsp import stft
from stemfx.separators import low_band

RATE = 44_100
SECONDS = 8


def kicks() -> np.ndarray:
    """A kick twice a second: 130 Hz falling to 50 Hz, gone (-60 dB) after 0.7 s."""
    t = np.arange(RATE // 2) / RATE
    phase = 2 * np.pi * (50 * t + 80 * 0.03 * (1 - np.exp(-t / 0.03)))
    kick = np.exp(-t / 0.1) * np.sin(phase)
    return 0.3 * np.tile(kick, 2 * SECONDS)


def bass_line() -> np.ndarray:
    """Held notes between 44 and 65 Hz, 1.5 s each, harmonics falling as 1/h."""
    t = np.arange(SECONDS * RATE) / RATE
    notes_hz = np.array([55.0, 65.4, 49.0, 43.7, 55.0, 61.7])
    f0 = notes_hz[(t / 1.5).astype(int)]
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    return 0.1 * sum(np.sin(h * phase) / h for h in range(1, 7))


def stereo(mono: np.ndarray) -> Audio:
    return Audio(np.stack([mono, mono]).astype(np.float32), RATE)


def spectrum_of(mono: np.ndarray) -> np.ndarray:
    return stft.forward(stereo(mono), 0, stft.n_frames(mono.size))


def sdr_db(truth: np.ndarray, estimate: np.ndarray) -> float:
    return float(10 * np.log10((np.abs(truth) ** 2).sum() / (np.abs(truth - estimate) ** 2).sum()))


def silent_voice(spectrum: np.ndarray) -> np.ndarray:
    return np.zeros(spectrum.shape, np.float32)


def test_a_kick_and_a_bass_note_in_the_same_bins_come_apart() -> None:
    drums, bass = spectrum_of(kicks()), spectrum_of(bass_line())
    mixture = drums + bass
    share = low_band.shares(mixture, silent_voice(mixture))[0]
    low = slice(2, 19)  # 22 to 194 Hz
    # Measured 7.2 and 9.0; medians, which split the rest of the spectrum, reach 4.2 and 6.1.
    assert sdr_db(drums[..., low], (share * mixture[..., : low_band.N_LOW])[..., low]) > 6.5
    assert sdr_db(bass[..., low], ((1 - share) * mixture[..., : low_band.N_LOW])[..., low]) > 8.3


def test_harmonics_of_a_low_note_are_bass_and_those_of_a_higher_one_are_not() -> None:
    t = np.arange(SECONDS * RATE) / RATE
    for f0, bass_share in ((55.0, 1.0), (329.6, 0.0)):
        tone = sum(0.1 * np.sin(2 * np.pi * f0 * h * t) / h for h in range(1, 7))
        mixture = spectrum_of(tone)
        bass = low_band.shares(mixture, silent_voice(mixture))[1]
        power = (np.abs(mixture[0, :, : low_band.N_LOW]) ** 2)[20:-20]
        weighted = (bass[20:-20] * power).sum() / power.sum()
        assert weighted == pytest.approx(bass_share, abs=0.1)


def test_shares_are_shares_and_do_not_depend_on_the_level() -> None:
    rng = np.random.default_rng(5)
    shape = (2, 100, stft.N_BINS)
    mixture = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    voice = rng.random(shape, np.float32)
    loud, quiet = (low_band.shares(level * mixture, voice) for level in (1, np.float32(2**-10)))
    assert loud.shape == (2, 100, low_band.N_LOW)
    assert loud.min() >= 0
    assert loud.max() <= 1
    # A power of two changes no mantissa; the guards against silence (1e-20) do not show.
    assert np.abs(loud - quiet).max() < 1e-5


def test_silence_is_nobody() -> None:
    nothing = np.zeros((2, 30, stft.N_BINS), np.complex64)
    assert np.isfinite(low_band.shares(nothing, silent_voice(nothing))).all()


def test_every_step_lowers_the_divergence() -> None:
    """The law of multiplicative updates (Lee and Seung, 2001)."""
    import torch

    rng = torch.Generator().manual_seed(1)
    seen, notes = torch.rand(2, low_band.N_LOW, 60, generator=rng)
    seen, notes = seen + 0.1, 0.3 * notes
    strokes, hits = low_band._start(seen)

    def divergence() -> float:
        model = low_band._sound(strokes, hits) + notes
        return float((seen * (seen / model).log() - seen + model).sum())

    before = divergence()
    for _ in range(5):
        strokes, hits = low_band._fit_strokes(seen, notes, strokes, hits)
        after = divergence()
        assert after < before
        before = after
    assert torch.allclose(strokes.sum((0, 2)), torch.ones(2), atol=1e-5)


def test_a_hit_sounds_when_it_falls_and_after() -> None:
    import torch

    strokes = torch.rand(low_band.N_LOW, 2, 16, generator=torch.Generator().manual_seed(1))
    hits = torch.zeros(2, 40)
    hits[1, 10] = 2.0
    sound = low_band._sound(strokes, hits)
    assert not sound[:, :10].any()
    assert torch.allclose(sound[:, 10:26], 2 * strokes[:, 1])
    assert not sound[:, 26:].any()


def test_combs_are_what_the_window_makes_of_harmonics() -> None:
    t = np.arange(stft.N_FFT) / RATE
    window = np.hanning(stft.N_FFT + 1)[:-1]
    notes = low_band._comb(300.0, 301.0, harmonics=1)
    tone = np.abs(np.fft.rfft(window * np.cos(2 * np.pi * 300 * t)))[: low_band.N_LOW]
    # The main lobe; side lobes (-31 dB) are left out of the combs.
    assert np.abs(notes[:, 0] - tone / (stft.N_FFT / 4)).max() < 0.04
