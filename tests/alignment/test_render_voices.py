"""Voices among the stems of one song: transposed, they keep their formants."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.alignment.render import rendered
from stemfx.alignment.timeline import Piece, SourceMap
from stemfx.audio import Audio
from stemfx.stage import Notes

RATE = 44_100
N = 4 * RATE


def buzz(f0_hz, formant_hz, channels=2):
    """Harmonics of one strength under a hump an octave wide: its place tells the formant."""
    t = np.arange(N) / RATE
    wave = np.zeros(N)
    for k in range(1, int(8000 / f0_hz)):
        level = 10 ** (-(min(abs(np.log2(k * f0_hz / formant_hz)), 2.0)) * 30 / 20)
        wave += level * np.cos(2 * np.pi * k * f0_hz * t + k * k)
    return Audio(np.tile(0.2 * wave / np.abs(wave).max(), (channels, 1)).astype(np.float32), RATE)


STEMS = {
    "vocals": buzz(150.0, 1500.0, channels=1),
    "drums": buzz(90.0, 900.0),
    "choir": buzz(190.0, 1500.0),
    "other": buzz(150.0, 1500.0),
}


def render(semitones, voices):
    own = SourceMap((Piece((0.5, 4.0), (0.0, 3.5)),), semitones=semitones)
    blocks = rendered(STEMS, own, N, drums={"drums"}, voices=voices, notes=Notes())
    return dict(zip(STEMS, np.concatenate(list(blocks), axis=2), strict=True))


def formant_hz(samples):
    """Mean frequency on a log scale, by energy: the hump has two equal slopes."""
    middle = samples[0, RATE : 3 * RATE]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) ** 2
    hz = np.fft.rfftfreq(len(middle), 1 / RATE)
    heard = (hz > 200) & (hz < 8000)
    return 2 ** (np.sum(np.log2(hz[heard]) * power[heard]) / power[heard].sum())


@pytest.mark.parametrize("semitones", [-4.0, 4.0])
def test_voices_keep_their_formants_and_others_move_theirs(semitones):
    plain = render(semitones, voices=())
    kept = render(semitones, voices={"vocals", "choir", "drums"})
    for name in ("vocals", "choir"):
        was_hz = formant_hz(STEMS[name].samples)
        moved = 12 * np.log2(formant_hz(plain[name]) / was_hz)
        left = 12 * np.log2(formant_hz(kept[name]) / was_hz)
        # The hump is sampled every 190 Hz at 1.5 kHz: its mean is good to half a semitone.
        assert moved == pytest.approx(semitones, abs=0.5)
        assert abs(left) < 0.6
    assert np.array_equal(kept["other"], plain["other"])  # not a bit
    assert np.array_equal(kept["drums"], plain["drums"])


def test_a_voice_stays_where_the_others_are():
    plain, kept = render(3.0, voices=())["choir"], render(3.0, voices={"choir"})["choir"]
    assert plain.shape == kept.shape == (2, N)
    middle = slice(RATE, 3 * RATE)
    cross = np.fft.irfft(
        np.conj(np.fft.rfft(plain[0, middle])) * np.fft.rfft(kept[0, middle]), 2 * RATE
    )
    assert np.argmax(cross[:200]) == 0  # less than a period of 230
    assert not kept[:, : RATE // 2 - 2048].any()  # the half second before the song


def test_what_is_not_transposed_keeps_its_bits():
    assert np.array_equal(render(0.0, voices={"vocals"})["vocals"], render(0.0, ())["vocals"])
    start = RATE // 2
    assert np.array_equal(
        render(0.0, voices={"vocals"})["vocals"][0, start:],
        STEMS["vocals"].samples[0, : N - start],
    )
