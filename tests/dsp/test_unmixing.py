from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import fftconvolve

from stemfx.audio import Audio, Block
from stemfx.demo_song import demo_song
from stemfx.dsp import masks, stft
from stemfx.dsp.separation_metrics import si_sdr_db
from stemfx.dsp.unmixed import Unmixed
from stemfx.dsp.unmixing import Mixing, estimate
from stemfx.dsp.unmixing_linear import stretches
from stemfx.io import probe, read_blocks

RATE = 44_100
UNEQUAL = np.array([[0, 0.08, -0.03, 0], [0.01, 0, 0, 0.1], [0, 0, 0, 0], [-0.05, 0.02, 0.1, 0]])


@pytest.fixture(scope="module")
def song() -> np.ndarray:
    """Ten seconds of four true stems that play together."""
    return np.stack([stem.samples[:, 2 * RATE : 12 * RATE] for stem in demo_song().values()])


@pytest.fixture(scope="module")
def roomy(song: np.ndarray) -> tuple[np.ndarray, Mixing]:
    given = through_rooms(song, 0.1)
    return given, estimate(signals(given))


def signals(stems: np.ndarray) -> list[Audio]:
    return [Audio(stem, RATE) for stem in stems]


def on_16_bits(stems: np.ndarray) -> np.ndarray:
    return (np.round(stems * 2.0**15) / 2.0**15).astype(np.float32)


def leaked(stems: np.ndarray, gains: np.ndarray | float) -> np.ndarray:
    mixing = np.full((len(stems), len(stems)), gains)
    np.fill_diagonal(mixing, 1)
    return on_16_bits(np.einsum("jk,kcn->jcn", mixing, stems))


def room(seed: int, sides: int, delay: int) -> np.ndarray:
    """Make 20 ms of decaying noise of unit energy, after a direct sound that comes late."""
    n = RATE // 50
    taps = np.random.default_rng(seed).standard_normal((sides, n)) * 10 ** (-3 * np.arange(n) / n)
    taps[:, 0] = 3
    taps /= np.sqrt(np.sum(taps**2, axis=1, keepdims=True))
    return np.pad(np.repeat(taps, 3 - sides, axis=0), ((0, 0), (delay, 0)))


def through_rooms(stems: np.ndarray, gain: float, sides: int = 1, delay: int = 0) -> np.ndarray:
    out = stems.astype(float)
    for j in range(len(stems)):
        for k in set(range(len(stems))) - {j}:
            wet = fftconvolve(stems[k], room(10 * j + k, sides, delay), axes=1)
            out[j] += gain * wet[:, : stems.shape[2]]
    return on_16_bits(out)


def unmixed(given: np.ndarray, mixing: Mixing) -> np.ndarray:
    stems = signals(given)
    return np.stack(
        [np.concatenate([*Unmixed(j, stems, mixing).blocks()], axis=1) for j in range(len(stems))]
    )


def gains_db(true: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    pairs = zip(true, before, after, strict=True)
    return np.array([si_sdr_db(t, a) - si_sdr_db(t, b) for t, b, a in pairs])


# What is left of a gain is its error. 16-bit stems hold their own rounding at -98 dBFS: that
# bounds the gain to about 70, 60 and 50 dB; the goals (issue 4) are far below.
@pytest.mark.parametrize(("gain", "least_db"), [(0.1, 40), (0.03, 30), (0.01, 20)])
def test_a_linear_leak_is_undone(gain: float, least_db: float, song: np.ndarray) -> None:
    given = leaked(song, gain)
    mixing = estimate(signals(given))
    assert mixing.regime == "linear"
    assert min(gains_db(song, given, unmixed(given, mixing))) > least_db


def test_unequal_gains_of_either_sign_are_found_and_the_rest_is_zero(song: np.ndarray) -> None:
    given = leaked(song, UNEQUAL)
    mixing = estimate(signals(given))
    found = np.array(mixing.matrix) - np.eye(4)
    assert np.abs(found - UNEQUAL).max() < 1e-3  # -60 dB: a tenth of the smallest gain
    assert np.array_equal(found != 0, UNEQUAL != 0)
    assert mixing.leak_db[0][1] == pytest.approx(20 * np.log10(0.08), abs=0.1)
    assert max(max(row) for row in mixing.error_db) < 0.1
    # nothing leaks into stem 2
    assert mixing.leaks_into(2) == ()
    assert np.array_equal(unmixed(given, mixing)[2], given[2])


def test_clean_stems_come_back_bit_by_bit(song: np.ndarray) -> None:
    mixing = estimate(signals(song))
    assert mixing.regime == "none"
    assert np.array_equal(unmixed(song, mixing), song)


def test_a_leak_through_rooms_is_undone(song: np.ndarray, roomy: tuple[np.ndarray, Mixing]) -> None:
    given, mixing = roomy
    assert mixing.regime == "convolutive"
    gains = gains_db(song, given, unmixed(given, mixing))
    # issue 4 wants 3 dB; a filter whose taps are noisier than its shrinkage knows misses 10
    assert gains.mean() > 10
    assert gains.min() > 5
    # all rooms have unit energy; what the shrinkage leaves out is quieter than what it keeps
    assert mixing.leak_db[3][1] == pytest.approx(-20, abs=3)


def test_a_room_may_differ_between_the_sides_and_come_late(song: np.ndarray) -> None:
    delay = 220  # 5 ms
    given = through_rooms(song, 0.1, sides=2, delay=delay)
    mixing = estimate(signals(given))
    assert mixing.regime == "convolutive"
    assert gains_db(song, given, unmixed(given, mixing)).min() > 3
    leak = mixing.filters[0, 1]
    taps = np.array(leak.taps)
    assert not np.array_equal(taps[0], taps[1])
    assert np.all(np.abs(taps).argmax(axis=1) + leak.first == delay)


def test_gains_may_differ_between_the_sides(song: np.ndarray) -> None:
    sides = np.random.default_rng(1).uniform(0.02, 0.15, (2, 4, 4))
    sides[:, range(4), range(4)] = 1
    given = on_16_bits(np.einsum("cjk,kcn->jcn", sides, song))
    # the mean of both sides' gains would leave half of their difference: 9 dB at best
    assert gains_db(song, given, unmixed(given, estimate(signals(given)))).min() > 12


def test_a_click_in_two_stems_is_no_leak_and_hides_none(song: np.ndarray) -> None:
    # Both fall silent and click at one sample: alike in every band, in cells with nothing else.
    true = song.copy()
    true[2:, :, 8 * RATE :] = 0
    true[2:, :, 9 * RATE] = 0.5
    given = leaked(true, 0.03)
    assert gains_db(true, given, unmixed(given, estimate(signals(given)))).min() > 25


def test_what_is_louder_than_a_leak_is_left_alone(song: np.ndarray) -> None:
    # Two halves of one mixture can be told from such a leak by nothing but its level.
    given = on_16_bits(np.stack([song[0], song[1] + 0.8 * song[0]]))
    mixing = estimate(signals(given))
    assert mixing.regime == "mask"
    assert np.array_equal(unmixed(given, mixing), given)


@pytest.mark.parametrize("exponent", [1, 2])
def test_a_voice_and_the_rest_of_one_mixture_are_not_unmixed(
    exponent: float, song: np.ndarray
) -> None:
    # As a separator of two stems leaves them; a voice that pauses makes the rest look unmasked.
    n = song.shape[-1]
    true = np.stack([song[0], song[1:].sum(axis=0)])
    true[0, :, : 6 * RATE] = 0
    spectra = np.stack([stft.forward(s, 0, stft.n_frames(n)) for s in signals(true)])
    shares = np.abs(spectra) ** exponent + 1e-20
    shared = (shares / shares.sum(axis=0) * spectra.sum(axis=0)).astype(np.complex64)
    given = on_16_bits(np.concatenate([*stft.inverse([shared], n)], axis=-1))
    mixing = estimate(signals(given))
    assert mixing.regime == "mask"


@pytest.mark.parametrize("sharpness", [1, 2, 12])
def test_masks_are_not_unmixed(sharpness: float, song: np.ndarray) -> None:
    n = song.shape[-1]
    spectra = np.stack([stft.forward(s, 0, stft.n_frames(n)) for s in signals(song)])
    # `masked` shares by power: sharper estimates make sharper masks
    estimates = spectra * np.abs(spectra) ** (sharpness / 2 - 1 + 1e-9)
    shared = masks.masked(spectra.sum(axis=0), estimates.astype(np.complex64), "ratio")
    given = on_16_bits(np.concatenate([*stft.inverse([shared], n)], axis=-1))
    mixing = estimate(signals(given))
    assert mixing.regime == "mask"
    assert np.array_equal(unmixed(given, mixing), given)


class Chopped(Audio):
    """The same audio in blocks of another length."""

    def blocks(self, n_samples: int = 1_000) -> Iterator[Block]:
        return super().blocks(n_samples)


@pytest.mark.parametrize("regime", ["linear", "convolutive"])
def test_block_size_changes_nothing(
    regime: str, song: np.ndarray, roomy: tuple[np.ndarray, Mixing]
) -> None:
    given, mixing = roomy
    if regime == "linear":
        given = leaked(song, UNEQUAL)
        mixing = estimate(signals(given))
    chopped = [Chopped(stem, RATE) for stem in given]
    assert estimate(chopped) == mixing
    whole = unmixed(given, mixing)
    assert whole.shape == given.shape
    parts = np.concatenate([*Unmixed(1, chopped, mixing).blocks(1000)], axis=1)
    assert np.array_equal(parts, whole[1])


def test_filters_keep_time_and_length(song: np.ndarray) -> None:
    # A known leak, of one tap 300 samples late: two stems in which one leaks have the exact
    # inverse s_0 = e_0 - 0.1 e_1(n - 300).
    late = np.zeros((2, 301))
    late[:, 300] = 0.1
    document = {
        "regime": "convolutive",
        "matrix": np.eye(2).tolist(),
        "deviation": np.zeros((2, 2)).tolist(),
        "filters": [{"stem": 0, "leak_of": 1, "first": 0, "taps": late.tolist()}],
        "dependence": [0.0, 0.0],
    }
    given = song[:2].copy()
    given[0, :, 300:] += np.float32(0.1) * song[1, :, :-300]
    result = unmixed(given, Mixing.from_json(document))
    assert np.abs(result[0] - song[0]).max() < 1e-6  # float32 rounding of full scale, in the FFT
    assert np.array_equal(result[1], song[1])


def test_json_keeps_all(roomy: tuple[np.ndarray, Mixing]) -> None:
    _, mixing = roomy
    assert Mixing.from_json(json.loads(json.dumps(mixing.to_json()))) == mixing


@pytest.mark.parametrize("gain", [0.0, 1e-7])
def test_silent_stems_take_no_part(gain: float, song: np.ndarray) -> None:
    given = leaked(song[:3], 0.1)
    noise = np.random.default_rng(0).standard_normal(given.shape[1:]) * gain
    given = np.insert(given, 1, noise.astype(np.float32), axis=0)
    mixing = estimate(signals(given))
    assert mixing.regime == "linear"
    assert mixing.leaks_into(1) == ()
    assert mixing.leaks_into(0) == (2, 3)
    result = unmixed(given, mixing)
    assert np.array_equal(result[1], given[1])
    assert min(gains_db(song[:3], given[[0, 2, 3]], result[[0, 2, 3]])) > 30


def test_what_cannot_be_unmixed_comes_back(song: np.ndarray) -> None:
    cases = {
        "one stem": song[:1],
        "copies": np.stack([song[0], song[0]]),
        "a copy that is inverted": np.stack([song[0], -song[0]]),
        "silence": np.zeros_like(song),
        "one stem and silence": np.stack([song[0], np.zeros_like(song[0])]),
        "a second": leaked(song, 0.1)[..., :RATE],
        "nothing": song[..., :0],
    }
    for name, given in cases.items():
        mixing = estimate(signals(given))
        assert mixing.regime in {"none", "mask"}, name
        assert mixing.matrix == tuple(map(tuple, np.eye(len(given)))), name
        if given.shape[-1]:
            assert np.array_equal(unmixed(given, mixing), given), name


def test_mono_and_one_silent_side(song: np.ndarray) -> None:
    for true in (song[:, :1], song * np.array([[1], [0]], np.float32)):
        given = leaked(true, 0.1)
        assert min(gains_db(true, given, unmixed(given, estimate(signals(given))))) > 30


def test_a_long_song_is_heard_in_stretches_from_start_to_end() -> None:
    assert [*stretches(100, 120, 30)] == [(0, 33), (34, 67), (67, 100)]
    heard = [*stretches(1_000, 120, 30)]
    assert heard == [(0, 30), (323, 353), (647, 677), (970, 1_000)]


@pytest.mark.parametrize("name", ["harbour_lights", "iron_tide", "neon_parade"])
def test_recorded_songs_reach_the_goals(name: str, corpus: Path) -> None:
    folder = corpus / "songs" / name
    true = np.stack(
        [
            np.concatenate([*read_blocks(probe(folder / f"{stem}.flac"))], axis=1)[
                :, 5 * RATE : 17 * RATE
            ]
            for stem in ("vocals", "drums", "bass", "other")
        ]
    )
    assert estimate(signals(true)).regime == "none"
    # issue 4: +25, +15 and +8 dB at 10, 3 and 1 %, +3 dB through rooms; no stem worse
    for given, goal_db in (
        (leaked(true, 0.1), 25),
        (leaked(true, 0.03), 15),
        (leaked(true, 0.01), 8),
        (through_rooms(true, 0.1), 3),
    ):
        gains = gains_db(true, given, unmixed(given, estimate(signals(given))))
        assert gains.mean() > goal_db
        assert gains.min() >= 0
