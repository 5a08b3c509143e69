"""A short song that the code plays itself, with its true stems: the first thing a newcomer hears.

Eight bars in A minor and a last chord: a singer, a drum kit, a bass, and pads with a plucked
guitar. It is mixed the way generated music often is: the singer a little too quiet, the drums
a little weak. So a recipe has something to mend, and since the true stems are known, what it
mended can be measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Audio
from stemfx.kits.synth import SynthKit

Wave = NDArray[np.float64]

BPM = 104.0
KEY = "A minor"
BEATS_PER_BAR = 4
BARS = 8
BEAT_S = 60.0 / BPM
DURATION_S = BARS * BEATS_PER_BAR * BEAT_S + 2.5
"""Eight bars and the ring of the last chord."""

SWING_BEATS = 0.035
"""How late every second sixteenth comes."""
HUMAN_S = 0.004
"""Standard deviation of a drummer's timing."""

LEVELS_DB = {"vocals": -17.0, "drums": -10.0, "bass": -13.5, "other": -14.5}
"""Faders: about -18 LUFS in all, the singer and the drums a few dB below where they belong."""


# The score ---------------------------------------------------------------------------------


class Chord(NamedTuple):
    """One bar of harmony: MIDI numbers."""

    bass: int
    voices: tuple[int, int, int, int]


# Each voice moves to the nearest note of the next chord: no step is wider than three semitones.
CHORDS = (
    Chord(45, (57, 60, 64, 67)),  # Am7
    Chord(41, (57, 60, 64, 65)),  # Fmaj7
    Chord(48, (55, 60, 62, 64)),  # Cadd9
    Chord(43, (55, 59, 62, 64)),  # G6
    Chord(45, (57, 60, 64, 67)),  # Am7
    Chord(41, (57, 60, 64, 65)),  # Fmaj7
    Chord(38, (57, 60, 62, 65)),  # Dm7
    Chord(40, (56, 59, 62, 68)),  # E7
    Chord(45, (57, 60, 64, 69)),  # Am, the last one
)


class Syllable(NamedTuple):
    """One sung note: `onset` is how it begins (s, t, n, h or nothing), `vowel` how it goes on."""

    beat: float
    beats: float
    midi: int
    onset: str
    vowel: str


MELODY = tuple(
    Syllable(*note)
    for note in (
        (0.5, 0.5, 64, "h", "o"),
        (1.0, 0.5, 64, "n", "o"),
        (1.5, 1.0, 67, "s", "a"),
        (2.5, 0.5, 64, "t", "e"),
        (3.0, 2.0, 69, "", "a"),
        (5.5, 0.5, 67, "n", "i"),
        (6.0, 0.5, 65, "t", "e"),
        (6.5, 1.25, 64, "s", "o"),
        (8.5, 0.5, 64, "h", "e"),
        (9.0, 0.5, 64, "n", "i"),
        (9.5, 1.0, 67, "s", "e"),
        (10.5, 0.5, 67, "t", "a"),
        (11.0, 1.75, 71, "n", "o"),
        (13.0, 0.5, 69, "s", "u"),
        (13.5, 0.5, 67, "t", "i"),
        (14.0, 1.5, 62, "n", "a"),
        (16.0, 0.5, 64, "s", "a"),
        (16.5, 0.5, 67, "t", "e"),
        (17.0, 1.0, 69, "h", "i"),
        (18.0, 0.5, 72, "n", "a"),
        (18.5, 2.0, 71, "", "o"),
        (21.0, 0.5, 69, "s", "e"),
        (21.5, 0.5, 67, "t", "e"),
        (22.0, 1.5, 69, "n", "a"),
        (24.5, 0.5, 65, "h", "o"),
        (25.0, 0.5, 67, "t", "e"),
        (25.5, 1.0, 69, "s", "i"),
        (26.5, 1.0, 65, "n", "a"),
        (28.0, 1.0, 64, "s", "o"),
        (29.0, 0.5, 68, "t", "a"),
        (29.5, 1.0, 71, "n", "e"),
        (30.5, 1.25, 68, "h", "a"),
        (32.0, 3.0, 69, "n", "a"),
    )
)

Hit = tuple[float, str, float]
"""Beat in the bar, drum class, velocity."""

GROOVE: tuple[Hit, ...] = (
    (0.0, "kick", 0.85),
    (1.5, "kick", 0.6),
    (2.5, "kick", 0.75),
    (1.0, "snare", 0.75),
    (3.0, "snare", 0.8),
    (1.75, "snare", 0.14),
    (2.25, "snare", 0.18),
    (3.75, "snare", 0.12),
    *((eighth / 2, "hat_closed", 0.6 - 0.25 * (eighth % 2)) for eighth in range(7)),
    (0.75, "hat_closed", 0.2),
    (2.75, "hat_closed", 0.25),
    (3.5, "hat_open", 0.45),
)
FILL: tuple[Hit, ...] = (
    *(hit for hit in GROOVE if hit[0] < 2.0),
    (2.0, "snare", 0.5),
    (2.25, "snare", 0.6),
    (2.5, "snare", 0.7),
    (2.5, "kick", 0.7),
    (2.75, "clap", 0.5),
    (3.0, "tom", 0.7),
    (3.25, "tom", 0.6),
    (3.5, "tom", 0.8),
    (3.75, "snare", 0.9),
)
LAST_HIT: tuple[Hit, ...] = ((0.0, "kick", 0.9), (0.0, "crash", 0.7))

BASS_RIFF = ((0.0, 1.25, 0), (1.5, 0.75, 0), (2.5, 0.75, 12), (3.5, 0.4, 7))
"""Beat, beats, semitones above the chord's bass: on the kicks, then a pick-up to the next bar."""


# The singer --------------------------------------------------------------------------------

CONTROL_HZ = 200.0
"""How often pitch, loudness and mouth are drawn; in between they move in straight lines."""
VIBRATO_HZ, VIBRATO_SEMITONES = 5.4, 0.5
VIBRATO_DELAY_S, VIBRATO_RISE_S = 0.1, 0.25
WANDER_SEMITONES = 0.1
PORTAMENTO_S, ARTICULATION_S = 0.1, 0.045
VOICE_TOP_HZ = 10_000.0
SOURCE_TILT = 0.7
"""Harmonic k of the source has the amplitude k⁻⁰·⁷: 4 dB less per octave."""

# An alto's five formants: Csound manual, appendix "Formant Values"; n is a hum with a closed mouth.
FORMANTS_HZ = {
    "a": (800, 1_150, 2_800, 3_500, 4_950),
    "e": (400, 1_600, 2_700, 3_300, 4_950),
    "i": (350, 1_700, 2_700, 3_700, 4_950),
    "o": (450, 800, 2_830, 3_500, 4_950),
    "u": (325, 700, 2_530, 3_500, 4_950),
    "n": (280, 1_300, 2_500, 3_500, 4_950),
}
FORMANT_WIDTHS_HZ = (80, 90, 120, 140, 200)
# A tube of 17 cm has a resonance every kHz; those above the fifth do not move with the vowel.
UPPER_FORMANTS_HZ = (5_900, 6_900, 7_900, 8_900, 9_900)
UPPER_WIDTH_HZ = 400

# Onset: seconds before the beat, seconds it lasts, its band in Hz, its level against the vowel.
CONSONANTS = {
    "s": (0.11, 0.12, 5_000, 10_000, 0.10),
    "t": (0.035, 0.035, 2_500, 8_000, 0.16),
    "h": (0.07, 0.09, 900, 5_000, 0.05),
}


def _smooth(contour: Wave, seconds: float) -> Wave:
    """Average a `(n, ...)` control contour with a Hann window of that length."""
    from scipy.ndimage import convolve1d

    window = np.hanning(round(seconds * CONTROL_HZ) + 2)
    return np.asarray(convolve1d(contour, window / window.sum(), axis=0, mode="nearest"))


def _band(x: Wave, low_hz: float, high_hz: float, sample_rate: int) -> Wave:
    """Keep `low_hz` to `high_hz`, as far as the sample rate has it."""
    from scipy.signal import butter, sosfilt

    nyquist_hz = 0.5 * sample_rate
    edges = (min(low_hz, 0.8 * nyquist_hz), min(high_hz, 0.9 * nyquist_hz))
    return np.asarray(sosfilt(butter(2, edges, "bandpass", fs=sample_rate, output="sos"), x))


class Singing(NamedTuple):
    """What the singer does, `CONTROL_HZ` times a second."""

    pitch_hz: Wave
    loudness: Wave
    formants_hz: Wave


def _sing(seconds: float, rng: np.random.Generator) -> Singing:
    """Turn the melody into pitch, loudness and mouth."""
    t = np.arange(round(seconds * CONTROL_HZ) + 2) / CONTROL_HZ
    midi = np.full(t.size, float(MELODY[0].midi))
    held_s = np.zeros(t.size)
    loudness = np.zeros(t.size)
    formants = np.tile(np.array(FORMANTS_HZ["o"], float), (t.size, 1))
    for note in MELODY:
        start_s, end_s = note.beat * BEAT_S, (note.beat + note.beats) * BEAT_S
        midi[t >= start_s - 0.5 * PORTAMENTO_S] = note.midi
        held_s = np.where(t >= start_s, t - start_s, held_s)
        sung = (t >= start_s) & (t < end_s)
        swell = np.sin(np.pi * np.clip((t[sung] - start_s) / (end_s - start_s), 0.0, 1.0))
        loudness[sung] = 0.75 + 0.25 * swell
        formants[t >= start_s] = FORMANTS_HZ[note.vowel]
        if note.onset == "n":
            hum = (t >= start_s - 0.06) & (t < start_s + 0.01)
            formants[hum] = FORMANTS_HZ["n"]
            loudness[hum] = 0.35
        elif note.onset:
            lead_s = CONSONANTS[note.onset][0]
            loudness[(t >= start_s - lead_s) & (t < start_s)] = 0.0

    # A voice is never still: vibrato comes in on held notes, and the pitch wanders by some cents.
    vibrato = np.clip((held_s - VIBRATO_DELAY_S) / VIBRATO_RISE_S, 0.0, 1.0)
    vibrato *= np.sin(2.0 * np.pi * VIBRATO_HZ * t)
    wander = _smooth(rng.standard_normal(t.size), 0.15)
    wander *= WANDER_SEMITONES / wander.std()
    midi = _smooth(midi, PORTAMENTO_S) + VIBRATO_SEMITONES * vibrato + wander
    return Singing(
        pitch_hz=440.0 * 2.0 ** ((midi - 69.0) / 12.0),
        loudness=_smooth(loudness, ARTICULATION_S),
        formants_hz=_smooth(formants, ARTICULATION_S),
    )


def _tract(f: Wave, formants_hz: Wave) -> NDArray[np.complex128]:
    """Return the complex response of a vocal tract: a cascade of resonances (Fant, 1960).

    Args:
        f: `(n, k)` frequencies in Hz.
        formants_hz: `(n, 5)`.
    """
    response = np.ones(f.shape, complex)
    for centre, width in zip(formants_hz.T, FORMANT_WIDTHS_HZ, strict=True):
        square = centre[:, np.newaxis] ** 2
        response *= square / (square - f**2 + 1j * width * f)
    for upper in UPPER_FORMANTS_HZ:
        response *= upper**2 / (upper**2 - f**2 + 1j * UPPER_WIDTH_HZ * f)
    return response


def _vocals(sample_rate: int, n_samples: int, rng: np.random.Generator) -> Wave:
    """Sing the melody: harmonics through a moving vocal tract, breath, consonants, a room."""
    singing = _sing(n_samples / sample_rate, rng)
    position = np.arange(n_samples) * (CONTROL_HZ / sample_rate)
    frame = position.astype(int)
    between = (position - frame).astype(np.float32)
    pitch_hz = np.interp(position, np.arange(singing.pitch_hz.size), singing.pitch_hz)
    cycles = np.cumsum(pitch_hz) / sample_rate

    # Glottal flow falls by 12 dB per octave, radiation from the lips gives 6 dB back, and a voice
    # that is raised above a band is brighter than that.
    top_hz = min(VOICE_TOP_HZ, 0.45 * sample_rate)
    k = np.arange(1, int(top_hz / singing.pitch_hz.min()) + 1)
    f = singing.pitch_hz[:, np.newaxis] * k
    harmonics = (
        singing.loudness[:, np.newaxis] * _tract(f, singing.formants_hz) / (10.0 * k**SOURCE_TILT)
    )
    harmonics = np.where(f < top_hz, harmonics, 0.0).T.astype(np.complex64)
    steps = np.diff(harmonics, axis=1)

    # sum of A_k z^k by Horner's rule, with z one turn of the fundamental.
    z = np.exp(2j * np.pi * (cycles % 1.0)).astype(np.complex64)
    voiced = np.zeros(n_samples, np.complex64)
    for amplitude, step in zip(harmonics[::-1], steps[::-1], strict=True):
        voiced += amplitude[frame] + step[frame] * between
        voiced *= z

    # The same density per Hz at every rate.
    noise = rng.standard_normal(n_samples) * np.sqrt(sample_rate / 44_100)
    loudness = np.interp(position, np.arange(singing.loudness.size), singing.loudness)
    breath = _band(noise, 3_000, 9_000, sample_rate) * loudness * (0.5 + 0.5 * z.real)
    voice: Wave = voiced.real + 0.03 * breath + _consonants(noise, sample_rate)
    return _room(_pan(voice, 0.0), 0.9, -10.0, sample_rate, rng)


def _consonants(noise: Wave, sample_rate: int) -> Wave:
    """Shape noise into the unvoiced onsets of the melody."""
    spoken = np.zeros(noise.size)
    for onset, (lead_s, seconds, low_hz, high_hz, level) in CONSONANTS.items():
        hiss = _band(noise, low_hz, high_hz, sample_rate)
        shape = level * np.hanning(round(seconds * sample_rate))
        for note in (note for note in MELODY if note.onset == onset):
            start = max(0, round((note.beat * BEAT_S - lead_s) * sample_rate))
            spoken[start : start + shape.size] += shape * hiss[start : start + shape.size]
    return spoken


# The band ----------------------------------------------------------------------------------


def _drums(sample_rate: int, n_samples: int, rng: np.random.Generator) -> Wave:
    """Play the groove, the fill in the last bar, and the last hit; `(2, n_samples)`."""
    pan = {"hat_closed": 0.3, "hat_open": 0.3, "crash": -0.35, "tom": -0.2, "clap": 0.1}
    kit = SynthKit()
    out = np.zeros((2, n_samples))
    bars = (*(GROOVE,) * (BARS - 1), FILL, LAST_HIT)
    for bar, hits in enumerate(bars):
        for beat, drum_class, velocity in hits:
            swing = SWING_BEATS * (round(beat * 4) % 2)
            at_s = (bar * BEATS_PER_BAR + beat + swing) * BEAT_S + HUMAN_S * rng.standard_normal()
            touch = float(np.clip(velocity * (1.0 + 0.1 * rng.standard_normal()), 0.05, 1.0))
            hit = kit.sample(drum_class, touch, sample_rate).samples[0]
            _add(out, _pan(hit, pan.get(drum_class, 0.0)), at_s, sample_rate)
    return _room(out, 0.35, -13.0, sample_rate, rng)


def _bass(sample_rate: int, n_samples: int, rng: np.random.Generator) -> Wave:
    """Play the riff on each chord, the same in both channels; `(2, n_samples)`."""
    out = np.zeros((2, n_samples))
    for bar, chord in enumerate(CHORDS):
        riff = BASS_RIFF if bar < BARS else ((0.0, 3.5, 0),)
        for beat, beats, above in riff:
            note = _pluck(chord.bass - 12 + above, beats * BEAT_S, 0.5, 14, sample_rate)
            note *= 1.0 + 0.08 * rng.standard_normal()
            _add(out, _pan(note, 0.0), (bar * BEATS_PER_BAR + beat) * BEAT_S, sample_rate)
    return out


def _other(sample_rate: int, n_samples: int, rng: np.random.Generator) -> Wave:
    """Play pads across the stereo width and a plucked eighth-note figure; `(2, n_samples)`."""
    out = np.zeros((2, n_samples))
    for bar, chord in enumerate(CHORDS):
        at_s = bar * BEATS_PER_BAR * BEAT_S
        _add(out, 0.16 * _pad(chord, BEATS_PER_BAR * BEAT_S, sample_rate), at_s, sample_rate)
        for eighth in range(8 if bar < BARS else 1):
            voice = (0, 2, 1, 3, 2, 1, 3, 2)[eighth]
            note = _pluck(chord.voices[voice] + 12, 0.6, 0.22, 10, sample_rate)
            side = 0.6 * (-1) ** eighth
            _add(out, 0.35 * _pan(note, side), at_s + eighth * BEAT_S / 2, sample_rate)
    return _room(out, 1.4, -6.0, sample_rate, rng)


def _hz(midi: float) -> float:
    """Return the frequency of a MIDI note number (A4 = 69 = 440 Hz), fractions allowed."""
    return 440.0 * float(2.0 ** ((midi - 69.0) / 12.0))


def _pluck(midi: float, seconds: float, decay_s: float, n_harmonics: int, rate: int) -> Wave:
    """Pluck a string: harmonics 1/k, each falling faster the higher it is; damped at the end."""
    t = np.arange(round((seconds + 0.05) * rate)) / rate
    hz = _hz(midi)
    note = np.zeros(t.size)
    for k in range(1, min(n_harmonics, int(0.45 * rate / hz)) + 1):
        note += np.sin(2.0 * np.pi * k * hz * t) * np.exp(-t * k**0.7 / decay_s) / k
    note *= np.clip(t / 0.002, 0.0, 1.0) * np.clip((t[-1] - t) / 0.05, 0.0, 1.0)
    return note


def _pad(chord: Chord, seconds: float, rate: int) -> Wave:
    """Hold a chord on soft saws, the two sides detuned against each other; `(2, n)`."""
    t = np.arange(round((seconds + 0.3) * rate)) / rate
    swell = np.clip(t / 0.25, 0.0, 1.0) * np.clip((t[-1] - t) / 0.3, 0.0, 1.0)
    out = np.zeros((2, t.size))
    for voice, midi in enumerate(chord.voices):
        for side, detune in enumerate((-0.05, 0.06)):
            hz = _hz(midi + detune)
            z = np.exp(2j * np.pi * (hz * t + 0.37 * voice + 0.19 * side)).astype(np.complex64)
            saw = np.zeros_like(z)
            for k in range(8, 0, -1):
                saw = (saw + k**-1.6) * z
            out[side] += swell * saw.imag
    return out


def _pan(mono: NDArray[np.floating], position: float) -> Wave:
    """Place a mono sound between left (-1) and right (1) at constant power; `(2, n)`."""
    angle = 0.25 * np.pi * (1.0 + position)
    return np.outer((np.cos(angle), np.sin(angle)), mono)


def _add(out: Wave, sound: Wave, at_s: float, sample_rate: int) -> None:
    """Mix `sound` into `out` from `at_s` on; what lies outside is cut."""
    start = max(0, round(at_s * sample_rate))
    part = sound[:, : max(0, out.shape[1] - start)]
    out[:, start : start + part.shape[1]] += part


def _room(
    dry: Wave, seconds: float, wet_db: float, sample_rate: int, rng: np.random.Generator
) -> Wave:
    """Add the tail of a room: decaying noise, different on each side, dark as rooms are.

    Args:
        dry: `(2, n)`.
        seconds: RT60, the time in which the tail falls by 60 dB.
        wet_db: mean power gain of the tail within its band.
        sample_rate: in Hz.
        rng: draws the noise.
    """
    from scipy.signal import fftconvolve

    low_hz, high_hz = 300, 5_000
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    tail = rng.standard_normal((2, t.size)) * 10.0 ** (-3.0 * t / seconds)
    tail = _band(tail, low_hz, high_hz, sample_rate)
    # Parseval: energy = mean of |T|² over 0..rate/2, nearly all of it between the band's edges.
    energy = np.sum(tail**2, axis=1, keepdims=True)
    tail *= 10.0 ** (wet_db / 20.0) / np.sqrt(energy * 0.5 * sample_rate / (high_hz - low_hz))
    wet: Wave = fftconvolve(dry, tail, axes=1)[:, : dry.shape[1]]
    return dry + wet


# The mix -----------------------------------------------------------------------------------

PLAYERS = {"vocals": _vocals, "drums": _drums, "bass": _bass, "other": _other}


def demo_song(sample_rate: int = 44_100) -> Mapping[str, Audio]:
    """Play the demo song and return its true stems, the same bytes every time.

    Every sample is a multiple of 2⁻¹⁵ (the 16-bit grid), and so is every sum of stems. So the
    stems, added in float32 or float64, give the mixture exactly; and 16-bit files of the stems
    (scaled by 2¹⁵, without dither) sum exactly to the 16-bit file of the mixture.

    Args:
        sample_rate: in Hz, 8 kHz and up.

    Returns:
        `vocals`, `drums`, `bass`, `other`: stereo, `DURATION_S` long; together about -18 LUFS
        with peaks below -1 dBFS.
    """
    n_samples = round(DURATION_S * sample_rate)
    fade = np.clip(np.arange(n_samples)[::-1] / (0.5 * sample_rate), 0.0, 1.0)
    stems = {}
    for seed, (name, play) in enumerate(PLAYERS.items()):
        stem = play(sample_rate, n_samples, np.random.default_rng(seed))
        stem *= fade * 10.0 ** (LEVELS_DB[name] / 20.0)
        stems[name] = Audio((np.round(stem * 2.0**15) / 2.0**15).astype(np.float32), sample_rate)
    return stems
