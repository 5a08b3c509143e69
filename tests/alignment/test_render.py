"""Stems of one song along its map."""

from __future__ import annotations

import numpy as np
import pytest

from stemfx.alignment.render import rendered
from stemfx.alignment.timeline import Piece, SourceMap
from stemfx.audio import Audio
from stemfx.stage import Notes

RATE = 44_100


def played(
    stems: dict[str, np.ndarray], source_map: SourceMap, seconds: float, drums: tuple[str, ...] = ()
) -> tuple[dict[str, np.ndarray], Notes]:
    notes, n = Notes(), round(seconds * RATE)
    audio = {name: Audio(x.astype(np.float32), RATE) for name, x in stems.items()}
    blocks = rendered(audio, source_map, n, drums=drums, voices=(), notes=notes)
    out = np.concatenate(list(blocks), axis=2)
    assert out.shape[2] == n
    return dict(zip(stems, out, strict=True)), notes


def straight(seconds: float, ratio: float, start_s: float = 0.0) -> Piece:
    return Piece((start_s, start_s + seconds * ratio), (0.0, seconds))


def bursts(seconds: float, every_s: float) -> np.ndarray:
    """Return decaying noise, struck every so often, and silence between."""
    rng, out = np.random.default_rng(7), np.zeros((1, round(seconds * RATE)))
    hit = rng.standard_normal(3000) * np.exp(-np.arange(3000) / 500)
    for at in np.arange(0.25, seconds - 0.2, every_s):
        out[0, round(at * RATE) : round(at * RATE) + 3000] = hit
    return out


def centres_s(signal: np.ndarray, expected_s: np.ndarray) -> np.ndarray:
    """Return the centre of energy near each moment: what stretching smears to both sides."""
    found = []
    for at in expected_s:
        start = round((at - 0.06) * RATE)
        power = signal[0, start : start + round(0.18 * RATE)].astype(np.float64) ** 2
        found.append((start + np.sum(power * np.arange(power.size)) / np.sum(power)) / RATE)
    return np.array(found)


def test_a_song_at_its_own_speed_keeps_its_bits() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 2 * RATE))
    moved = SourceMap((Piece((0.5, 2.5), (0.0, 2.0)),))
    out, _ = played({"x": noise}, moved, 3.0)
    np.testing.assert_array_equal(out["x"][:, RATE // 2 : 5 * RATE // 2], noise.astype(np.float32))
    assert not out["x"][:, : RATE // 2].any()
    assert not out["x"][:, 5 * RATE // 2 :].any()


def test_a_long_song_at_its_own_speed_keeps_its_bits_across_spans() -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal((1, 50 * RATE))  # spans are 20 s
    out, _ = played({"x": noise}, SourceMap((straight(50, 1.0),)), 50.0)
    np.testing.assert_array_equal(out["x"], noise.astype(np.float32))


def test_beats_half_a_millisecond_off_one_speed_are_no_reason_to_stretch() -> None:
    noise = 0.1 * np.random.default_rng(2).standard_normal((1, 8 * RATE))
    beats = np.arange(0.0, 8.1, 0.5)
    heard = beats + 0.0004 * np.resize([0, 1, -1, 1], len(beats))
    out, notes = played({"x": noise}, SourceMap((Piece(tuple(beats), tuple(heard)),)), 7.5)
    np.testing.assert_array_equal(out["x"], noise[:, : out["x"].shape[1]].astype(np.float32))
    assert 0.3 < notes.measurements["beat_error_p95_ms"] < 0.5  # and that is told


@pytest.mark.parametrize("ratio", [0.92, 0.97, 1.03, 1.08])
def test_what_is_struck_sounds_where_the_map_says(ratio: float) -> None:
    x = bursts(60, 0.5)
    out, notes = played({"x": x}, SourceMap((straight(60, ratio),)), 60 * ratio)
    at = np.arange(0.25, 59.5, 0.5)
    own = centres_s(x, at) - at  # the centre lies behind the attack, and that is stretched too
    late_ms = 1e3 * (centres_s(out["x"], at * ratio) - at * ratio - own * ratio)
    # The library smears an attack over its window: single ones within 8 ms (the goal), and
    # without drift: the first and the last quarter agree within 1 ms.
    assert np.percentile(np.abs(late_ms), 95) < 8
    quarter = len(at) // 4
    assert abs(np.median(late_ms[:quarter]) - np.median(late_ms[-quarter:])) < 1
    assert notes.measurements["beat_error_p95_ms"] < 8


def _delay_ms(a: np.ndarray, b: np.ndarray) -> float:
    """Return how late b is against a, by the peak of their correlation, between samples too."""
    n = 1 << int(np.ceil(np.log2(2 * a.shape[1])))
    product = np.fft.irfft(np.fft.rfft(b[0], n) * np.conj(np.fft.rfft(a[0], n)))
    lags = np.concatenate((product[-2000:], product[:2000]))
    k = int(np.argmax(lags))
    left, here, right = lags[k - 1 : k + 2]
    return 1e3 * (k - 2000 + 0.5 * (left - right) / (left - 2 * here + right)) / RATE


@pytest.mark.parametrize("ratio", [0.92, 1.05])
def test_stems_of_one_song_keep_their_places_to_each_other(ratio: float) -> None:
    x = bursts(20, 0.5)
    tone = 0.1 * np.sin(2 * np.pi * 220 * np.arange(x.shape[1]) / RATE)[None]
    out, _ = played(
        {"a": x, "b": x + tone, "c": 0.3 * x}, SourceMap((straight(20, ratio),)), 20 * ratio
    )
    for other in ("b", "c"):
        # What the issue asks: 0.1 ms; they went through one call.
        assert abs(_delay_ms(out["a"], out[other])) < 0.1


def test_drums_stay_in_time_with_what_is_transposed_beside_them() -> None:
    x = bursts(20, 0.5)
    for semitones, ratio in ((-3.0, 1.04), (4.0, 0.96), (2.0, 1.0)):
        source_map = SourceMap((straight(20, ratio),), semitones=semitones)
        out, _ = played({"drums": x, "other": x}, source_map, 20 * ratio, drums=("drums",))
        smooth = np.hanning(221)  # 5 ms: envelopes of noises that have another pitch
        envelopes = [np.convolve(np.abs(out[n][0]), smooth)[None] for n in ("drums", "other")]
        # Two calls of the stretcher: each is up to 0.4 ms off where it is told to stretch most.
        assert abs(_delay_ms(*envelopes)) < 0.5


def struck(at_s: np.ndarray, seconds: float) -> np.ndarray:
    """Return a snare-like stroke at each moment."""
    out, n = np.zeros((1, round(seconds * RATE))), round(0.25 * RATE)
    t = np.arange(n) / RATE
    noise = np.random.default_rng(5).standard_normal(n)
    stroke = 0.3 * noise * np.exp(-t / 0.05) + 0.5 * np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.04)
    for at in at_s:
        out[0, round(at * RATE) : round(at * RATE) + n] += stroke
    return out


@pytest.mark.parametrize(("ratio", "semitones"), [(0.92, 0.0), (1.08, 0.0), (1.04, 2.0)])
def test_drums_by_themselves_or_beside_transposed_stems_keep_their_attacks(
    ratio: float, semitones: float
) -> None:
    at = np.arange(0.25, 19.0, 0.5) + 0.01 * np.resize([0, 1, 0, -1], 38)
    stems = {"drums": struck(at, 20)}
    if semitones:
        stems["other"] = 0.1 * np.sin(2 * np.pi * 220 * np.arange(20 * RATE) / RATE)[None]
    source_map = SourceMap((straight(20, ratio),), semitones=semitones)
    out, notes = played(stems, source_map, 20 * ratio, drums=("drums",))
    ideal = struck(at * ratio, 20 * ratio)
    # 100 ms of every stroke, from 1 ms before its attack, is the stroke as it was: what differs is
    # where it lies between two samples (1 kHz: -23 dB).
    for moment in at * ratio:
        near = slice(round((moment - 0.001) * RATE), round((moment + 0.1) * RATE))
        best = min(
            float(np.sum((np.roll(ideal, k, axis=1)[0, near] - out["drums"][0, near]) ** 2))
            for k in (-1, 0, 1)
        )
        assert best < 10**-5 * float(np.sum(ideal[0, near] ** 2))
    assert notes.measurements["beat_error_p95_ms"] < 1


def test_drums_beside_stems_at_their_own_pitch_are_stretched_with_them() -> None:
    x = struck(np.arange(0.25, 19.0, 0.5), 20)
    out, _ = played({"drums": x, "other": x}, SourceMap((straight(20, 1.05),)), 21, ("drums",))
    # So that bleed does not phase; the library adds the two in another order: -80 dB.
    np.testing.assert_allclose(out["drums"], out["other"], atol=1e-4)


def test_a_drone_that_is_called_drums_is_stretched() -> None:
    tone = 0.2 * np.sin(2 * np.pi * 220 * np.arange(6 * RATE) / RATE)[None]
    alone, _ = played({"drums": tone}, SourceMap((straight(6, 1.05),)), 6.3, ("drums",))
    other, _ = played({"x": tone}, SourceMap((straight(6, 1.05),)), 6.3)
    np.testing.assert_array_equal(alone["drums"], other["x"])


def test_drums_in_another_order_have_their_first_stroke_whole_and_no_hole_before_it() -> None:
    at = np.arange(0.5, 15.5, 0.5)
    x = struck(at, 16) + 0.02 * np.random.default_rng(3).standard_normal((1, 16 * RATE))
    swapped = SourceMap(
        (Piece((0.0, 4.2), (8.0, 12.0)), Piece((4.2, 8.4), (4.0, 8.0)))  # both 5 % slower
    )
    out, _ = played({"drums": x}, swapped, 8.4, ("drums",))
    border = round(4.2 * RATE)
    stroke = x[0, 4 * RATE : 4 * RATE + 4000]
    np.testing.assert_allclose(out["drums"][0, border : border + 4000], stroke, atol=1e-4)
    frames = out["drums"][0, border - 4410 : border - 90].reshape(-1, 90)
    assert np.sqrt(np.mean(frames**2, axis=1)).min() > 0.01  # the noise goes on: 0.02


@pytest.mark.parametrize("semitones", [-3.0, 0.5, 4.0])
def test_the_pitch_moves_by_what_the_map_says(semitones: float) -> None:
    t = np.arange(6 * RATE) / RATE
    out, _ = played(
        {"x": 0.2 * np.sin(2 * np.pi * 220 * t)[None]},
        SourceMap((straight(6, 1.0),), semitones=semitones),
        6.0,
    )
    middle = out["x"][0, RATE : 5 * RATE] * np.hanning(4 * RATE)
    spectrum = np.abs(np.fft.rfft(middle, 1 << 20))
    found_hz = np.argmax(spectrum) * RATE / (1 << 20)
    cents = 1200 * np.log2(found_hz / (220 * 2 ** (semitones / 12)))
    assert abs(cents) < 3  # a tenth of what the finest ear tells, and the bin is 0.3 cents wide


def test_pieces_are_put_in_another_order_without_a_click_or_a_hole() -> None:
    t = np.arange(8 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 100 * t)[None]  # a whole number of periods a second
    swapped = SourceMap((Piece((0.0, 2.0), (4.0, 6.0)), Piece((2.0, 4.0), (1.0, 3.0))))
    out, notes = played({"x": tone}, swapped, 6.0)
    np.testing.assert_allclose(
        out["x"][0, 2000 : 4 * RATE - 2000], tone[0, 2000 : 4 * RATE - 2000], atol=2e-3
    )
    assert np.abs(np.diff(out["x"][0])).max() < 1.1 * np.abs(np.diff(tone[0])).max()
    assert not out["x"][0, 4 * RATE :].any()
    assert notes.measurements["joints"] == 0


def test_a_gap_between_pieces_is_silent_and_its_edges_are_soft() -> None:
    ones = np.ones((1, 8 * RATE))
    gap = SourceMap((Piece((0.0, 2.0), (0.0, 2.0)), Piece((3.0, 4.0), (5.0, 6.0))))
    out, _ = played({"x": ones}, gap, 5.0)
    x = out["x"][0]
    assert not x[2 * RATE : round(2.955 * RATE)].any()
    assert not x[4 * RATE :].any()
    assert np.abs(np.diff(x)).max() < 0.01
    assert x[RATE] == x[round(3.5 * RATE)] == 1


def test_stems_of_several_lengths_and_widths_come_out_alike() -> None:
    stems = {"a": np.ones((1, RATE)) * 0.1, "b": np.ones((2, 2 * RATE)) * 0.2}
    out, _ = played(stems, SourceMap((Piece((0.0, 2.0), (0.0, 2.0)),)), 2.0)
    assert out["a"].shape == out["b"].shape == (2, 2 * RATE)
    assert not out["a"][:, RATE:].any()
    np.testing.assert_array_equal(out["a"][0], out["a"][1])


@pytest.mark.parametrize("pieces", [(), (Piece((6.0, 9.0), (0.0, 3.0)),)])
def test_a_song_without_a_place_on_the_timeline_is_silent(pieces: tuple[Piece, ...]) -> None:
    out, notes = played({"x": np.ones((1, 3 * RATE))}, SourceMap(pieces), 5.0)
    assert not out["x"].any()
    assert notes.measurements["beat_error_p95_ms"] == 0
