"""`match_reference`: what was done to a song on purpose is found again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.signal import butter, csd, firwin, sosfilt, sosfreqz, welch

from stemfx.audio import Audio
from stemfx.dsp.density import MAX_REDUCTION_DB
from stemfx.dsp.equaliser import bell, high_shelf, low_shelf, matched_sections
from stemfx.dsp.loudness import measure
from stemfx.errors import StageError
from stemfx.stage import StageContext
from stemfx.stages.match_reference import match_reference
from stemfx.testing import RaggedSignal, apply, null_db

RATE = 44_100
HZ = np.geomspace(50, 14_000, 60)
Floats = NDArray[np.float64]


def music(seconds: float = 12.0, seed: int = 0, swing: float = 1.0) -> Audio:
    """Make pink noise that beats twice a second, wide, at about -17 LUFS."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal((2, n)))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(n, 1 / RATE), 20.0))
    mid, side = np.fft.irfft(spectrum, n)
    beat = (0.4 + np.exp(-8 * (np.arange(n) / RATE % 0.5))) ** swing
    mid, side = beat * mid, 0.4 * beat * side
    samples = np.stack((mid + side, mid - side))
    return Audio((0.1 / samples.std() * samples).astype(np.float32), RATE)


SONG = music()
DENSE = music(swing=0.9)
CURVE = matched_sections([low_shelf(120, 3.0), bell(900, -4.0, 0.9), high_shelf(6000, 4.0)], RATE)


FLAT = np.array([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])


def filtered(audio: Audio, sections: Floats, side_gain: float = 1.0, gain: float = 1.0) -> Audio:
    out = gain * sosfilt(sections, audio.samples.astype(float))
    mid, side = (out[0] + out[1]) / 2, side_gain * (out[0] - out[1]) / 2
    return Audio(np.stack((mid + side, mid - side)).astype(np.float32), audio.sample_rate)


def matched(song: Any, reference: Audio, **params: Any) -> tuple[Audio, StageContext]:
    params = {"amount": 1.0} | params
    return apply(match_reference, song, sounds={"file": reference}, file="ref.wav", **params)


def gained_db(before: Audio, after: Audio, sign: int = 1) -> Floats:
    """Return what the mid (or with -1 the side) gained at `HZ`."""
    x, y = (a.samples[0].astype(float) + sign * a.samples[1] for a in (before, after))
    hz, cross = csd(x, y, RATE, nperseg=8192)
    gain = np.abs(cross) / welch(x, RATE, nperseg=8192)[1]
    at = np.searchsorted(hz, HZ)
    return np.array([20 * np.log10(gain[max(1, i - i // 24) : i + i // 24 + 1].mean()) for i in at])


def truth_db(sections: Floats) -> Floats:
    return 20 * np.log10(np.abs(sosfreqz(sections, HZ, fs=RATE)[1]))


def codes(context: StageContext) -> set[str]:
    return {finding.code for finding in context.findings}


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_a_known_curve_is_found_again_and_half_of_it_half_way(amount: float) -> None:
    out, context = matched(SONG, filtered(SONG, CURVE), amount=amount)
    error_db = gained_db(SONG, out) - amount * truth_db(CURVE)
    # A third of an octave blurs the foot of a bell; matchering is up to 0.7 dB off on songs. The
    # gain for loudness is half way in LU, which is not half of it at each frequency: no offset.
    assert np.abs(error_db - error_db.mean()).max() < 0.3
    if amount == 1:
        assert abs(error_db.mean()) < 0.05
        assert float(context.measurements["spectral_distance_db"]) < 0.1
        assert float(context.measurements["spectral_distance_before_db"]) > 2


def test_another_performance_is_matched_as_well_as_noise_allows() -> None:
    out, _ = matched(SONG, filtered(music(seed=5), CURVE))
    error_db = gained_db(SONG, out) - truth_db(CURVE)
    # 12 s of noise in a third of an octave at 100 Hz: 10 log10(1 + 1 / sqrt(23 Hz 12 s)) = 0.26 dB
    # of deviation in each of both, over all bands three times that at worst.
    assert np.abs(error_db - error_db.mean()).max() < 1.2
    assert error_db.std() < 0.4


def test_width_is_found_again_without_touching_the_tone() -> None:
    out, context = matched(SONG, filtered(SONG, FLAT, side_gain=1.2))
    wide_db = gained_db(SONG, out, -1) - gained_db(SONG, out)
    np.testing.assert_allclose(wide_db, 20 * np.log10(1.2), atol=0.1)
    before, after, wanted = (
        float(context.measurements[f"side_to_mid{which}_db"])
        for which in ("_before", "", "_reference")
    )
    assert wanted - before == pytest.approx(1.58, abs=0.05)
    assert after == pytest.approx(wanted, abs=0.1)
    assert np.abs(gained_db(SONG, out)).max() < 0.2


def test_a_mix_is_not_widened_until_mono_loses_it() -> None:
    out, _ = matched(SONG, filtered(SONG, FLAT, side_gain=4.0), max_db=24.0)
    mid, side = (out.samples[0] + out.samples[1]), (out.samples[0] - out.samples[1])
    hz, m = welch(mid, RATE, nperseg=8192)
    s = welch(side, RATE, nperseg=8192)[1]
    for low, high, limit_db in ((40, 100, 1.0), (300, 1000, 3.0), (4000, 10_000, 3.0)):
        band = (hz > low) & (hz < high)
        loss_db = 10 * np.log10(1 + s[band].sum() / m[band].sum())
        assert loss_db == pytest.approx(limit_db, abs=0.3)


def test_loudness_lands_on_the_reference_and_stays_where_it_is_not_asked_for() -> None:
    reference = filtered(SONG, CURVE, gain=2.5)
    for match, lufs in (
        (["tone", "loudness"], measure(reference).lufs),
        (["tone", "width"], measure(SONG).lufs),
    ):
        out, _ = matched(SONG, reference, match=match)
        assert measure(out).lufs == pytest.approx(lufs, abs=0.02)


def test_a_long_quiet_dull_intro_does_not_make_the_song_brighter() -> None:
    dull = sosfilt(matched_sections([high_shelf(1000, -18.0)], RATE), music(20, 8).samples)
    with_intro = Audio(np.concatenate((0.2 * dull, SONG.samples), axis=1).astype(np.float32), RATE)
    out, _ = matched(with_intro, filtered(SONG, CURVE))
    error_db = gained_db(with_intro, out) - truth_db(CURVE)
    assert np.abs(error_db - error_db.mean()).max() < 0.5


def test_the_cap_holds_and_what_is_missing_is_told() -> None:
    sections = matched_sections([bell(1000, 12.0, 1.0)], RATE)
    out, context = matched(SONG, filtered(SONG, sections), max_db=5.0)
    # At equal loudness the bell is lower, and what lies off it is below zero.
    louder_lu = (measure(filtered(SONG, sections)).lufs or 0) - (measure(SONG).lufs or 0)
    error_db = gained_db(SONG, out) - np.clip(truth_db(sections) - louder_lu, -5.0, 5.0)
    assert np.abs(error_db - error_db.mean()).max() < 0.5
    assert float(context.measurements["max_boost_db"]) <= 5.0
    told = next(f for f in context.findings if f.code == "match_capped")
    assert "max_db 5 was reached" in told.message
    assert float(told.message.split("around ")[1].split(" Hz")[0]) == pytest.approx(1000, rel=0.1)


def test_what_a_loud_bass_note_hides_is_changed_no_further_than_it_is_read() -> None:
    thin = sosfilt(butter(8, 60, "high", fs=RATE, output="sos"), SONG.samples)
    at_s = np.arange(SONG.n_samples) / RATE
    song, reference = (
        Audio((thin + 0.1 * np.sin(2 * np.pi * hz * at_s)).astype(np.float32), RATE)
        for hz in (52, 44)
    )
    _, context = matched(song, reference, match=["tone"], max_db=24.0)
    # In the bands around both notes one has up to 7.8 dB more than the other. There is nothing
    # else, so to add what is still missing step by step would end at 24 dB.
    assert float(context.measurements["max_boost_db"]) < 7.8 + 3.5
    assert float(context.measurements["max_cut_db"]) < 7.8 + 3.5


def test_no_treble_is_cut_or_boosted_for_the_cut_off_of_an_mp3() -> None:
    taps = firwin(1023, 14_000, fs=RATE)
    cut = np.stack([np.convolve(row, taps, "same") for row in SONG.samples])
    out, _ = matched(SONG, Audio(cut.astype(np.float32), RATE))
    assert np.ptp(gained_db(SONG, out)) < 0.3
    x, y = (welch(a.samples[0], RATE, nperseg=4096) for a in (SONG, out))
    above = (x[0] > 15_000) & (x[0] < 20_000)
    assert np.ptp(10 * np.log10(y[1][above] / x[1][above])) < 0.3


def test_what_nobody_hears_is_not_boosted() -> None:
    rate = 96_000
    song = Audio(SONG.samples, rate)
    bright = sosfilt(matched_sections([high_shelf(8000, 6.0)], rate), SONG.samples)
    out, context = matched(song, Audio(bright.astype(np.float32), rate), match=["tone"])
    x, y = (welch(a.samples[0], rate, nperseg=4096) for a in (song, out))
    gain_db = 10 * np.log10(y[1] / x[1]) - float(context.measurements["gain_db"])
    heard, unheard = (x[0] > 10_000) & (x[0] < 18_000), x[0] > 30_000
    assert gain_db[heard].mean() > 1.5
    assert gain_db[unheard].max() < 0.1


def test_no_noise_is_boosted_where_the_mix_has_no_treble() -> None:
    rng = np.random.default_rng(3)
    taps = firwin(1023, 6_000, fs=RATE)
    quiet_end = np.concatenate((np.ones(9 * RATE), np.full(3 * RATE, 0.03)))
    dull = np.stack([np.convolve(row, taps, "same") for row in SONG.samples]) * quiet_end
    hissing = Audio((dull + 1e-4 * rng.standard_normal(dull.shape)).astype(np.float32), RATE)
    out, _ = matched(hissing, SONG, match=["tone"])
    x, y = (welch(a.samples[0], RATE, nperseg=4096) for a in (hissing, out))
    above = (x[0] > 10_000) & (x[0] < 20_000)
    assert 10 * np.log10(y[1][above].sum() / x[1][above].sum()) < 0.5


def test_a_denser_reference_is_approached_by_gentle_compression() -> None:
    out, context = matched(SONG, DENSE)
    before, after, aim = (
        float(context.measurements[f"crest{name}_db"]) for name in ("_before", "", "_reference")
    )
    assert before - aim > 0.3
    assert abs(after - aim) < 0.1 * (before - aim)
    assert float(context.measurements["max_gain_reduction_db"]) <= MAX_REDUCTION_DB
    assert measure(out).lufs == pytest.approx(measure(DENSE).lufs, abs=0.02)


def test_a_much_denser_reference_is_approached_no_further_than_is_gentle() -> None:
    _, context = matched(SONG, music(swing=0.4))
    assert float(context.measurements["max_gain_reduction_db"]) == pytest.approx(
        MAX_REDUCTION_DB, abs=0.05
    )
    after, aim = (float(context.measurements[f"crest{name}_db"]) for name in ("", "_reference"))
    told = next(f for f in context.findings if f.code == "density_capped")
    assert f"stand out by {after - aim:.1f} dB less" in told.message


def test_a_livelier_reference_changes_no_dynamics_and_is_told() -> None:
    out, context = matched(DENSE, SONG, match=["dynamics"])
    assert np.array_equal(out.samples, DENSE.samples)
    assert codes(context) == {"reference_livelier"}


def test_a_song_that_is_its_own_reference_keeps_its_bits() -> None:
    out, context = matched(SONG, SONG)
    assert np.array_equal(out.samples, SONG.samples)
    assert codes(context) == {"match_idle"}


def test_nothing_ahead_of_a_hit_is_heard() -> None:
    samples = SONG.samples.copy()
    samples[:, 4 * RATE : 5 * RATE] = 0
    song = Audio(samples, RATE)
    out, _ = matched(song, filtered(song, CURVE, side_gain=1.3))
    ahead = out.samples[:, 5 * RATE - RATE // 20 : 5 * RATE - 64]
    # Width is linear-phase and rings ahead, in the side; the tone does not.
    assert 20 * np.log10(np.abs(ahead).max() / np.abs(out.samples).max()) < -55


@pytest.mark.parametrize("mono_song", [False, True])
def test_mono_on_either_side_leaves_the_width_alone(*, mono_song: bool) -> None:
    mono = Audio(SONG.samples.mean(axis=0, keepdims=True), RATE)
    song, reference = (mono, filtered(SONG, CURVE)) if mono_song else (SONG, mono)
    out, context = matched(song, reference)
    assert out.channels == song.channels
    assert "match_mono" in codes(context)
    if not mono_song:
        wide_db = gained_db(SONG, out, -1) - gained_db(SONG, out)
        assert np.abs(wide_db).max() < 0.05


@pytest.mark.parametrize("n_samples", [RATE // 4, 12 * RATE])
def test_a_reference_with_nothing_in_it_is_refused(n_samples: int) -> None:
    silent = np.zeros((2, n_samples), np.float32)
    if n_samples < RATE:
        silent += 0.1
    with pytest.raises(StageError, match="reference is silent or shorter than 400 ms"):
        matched(SONG, Audio(silent, RATE))


def test_a_short_reference_is_warned_of_and_tells_nothing_of_density() -> None:
    _, context = matched(SONG, music(4.0, 4, swing=0.4))
    assert "reference_short" in codes(context)
    # In 1 s of 3 s means there is no loudest twentieth: the crest of 4 s of songs was up to 7 dB
    # off that of the whole song.
    assert "max_gain_reduction_db" not in context.measurements


def test_what_was_not_allowed_to_change_is_not_called_alike() -> None:
    out, context = matched(SONG, filtered(SONG, CURVE), match=["tone"], max_db=0.0)
    assert np.array_equal(out.samples, SONG.samples)
    assert codes(context) == {"match_capped"}


@pytest.mark.parametrize("given", [{}, {"file": "a.wav", "song": "b"}])
def test_one_reference_is_needed_and_no_more(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"write file .* or song"):
        match_reference.params.model_validate(given)


def test_the_block_size_changes_no_bit() -> None:
    reference = filtered(DENSE, CURVE, side_gain=1.3)
    whole, ragged = (matched(song, reference)[0] for song in (SONG, RaggedSignal(SONG)))
    assert null_db(SONG, whole) > -40
    assert np.array_equal(whole.samples, ragged.samples)
