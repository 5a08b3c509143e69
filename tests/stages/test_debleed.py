from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.dsp import stft
from stemfx.dsp.separation_metrics import si_sdr_db
from stemfx.stage import Song, StageContext
from stemfx.stages.debleed import debleed
from stemfx.testing import RaggedSignal, analysed, apply, null_db, rms_dbfs

RATE = 44_100
NAMES = ("vocals", "drums", "bass", "other")
Samples = NDArray[np.float32]


@cache
def true_stems() -> Samples:
    """12 s from the middle of the demo song, `(4, 2, n_samples)`."""
    song = demo_song()
    return np.stack([song[name].samples[:, 3 * RATE : 15 * RATE] for name in NAMES])


def with_leak(amount: float) -> Samples:
    stems = true_stems()
    return ((1 - amount) * stems + amount * stems.sum(axis=0)).astype(np.float32)


def with_room(amount: float) -> Samples:
    """Let each stem leak into each other one through a short room of its own."""
    from scipy.signal import fftconvolve

    stems, rng = true_stems(), np.random.default_rng(2)
    n = round(0.03 * RATE)
    decay = np.exp(-np.arange(n) / (0.006 * RATE))
    leaked = stems.astype(np.float64)
    for j in range(len(stems)):
        for k in range(len(stems)):
            if j != k:
                room = rng.standard_normal(n) * decay
                room *= amount / np.sqrt(np.sum(room**2))
                leaked[j] += fftconvolve(stems[k], room[np.newaxis], axes=1)[:, : stems.shape[2]]
    return leaked.astype(np.float32)


def as_song(stems: Samples, mixture: Samples | None = None) -> Song:
    heard = stems.sum(axis=0) if mixture is None else mixture
    signals = {name: Audio(stem, RATE) for name, stem in zip(NAMES, stems, strict=True)}
    return Song(signals, "", Audio(heard, RATE))


def run(song: Song, **params: Any) -> tuple[Samples, list[StageContext]]:
    """Debleed every stem, with the EQ unless told otherwise; the analysis is made once."""
    settings = debleed.params.model_validate({"mode": "eq"} | params)
    found = analysed(debleed, settings, song)
    out, contexts = [], []
    for name in song.stems:
        context = StageContext(song=replace(found, own=name))
        blocks = debleed.process(song.stems[name], settings, context)
        out.append(Audio.from_blocks(blocks, RATE).samples)
        contexts.append(context)
    return np.stack(out), contexts


def gains_db(before: Samples, after: Samples) -> list[float]:
    found = []
    for true, was, now in zip(true_stems(), before, after, strict=True):
        was_db, now_db = si_sdr_db(true, was), si_sdr_db(true, now)
        assert was_db is not None
        assert now_db is not None
        found.append(now_db - was_db)
    return found


def findings(context: StageContext) -> set[str]:
    return {finding.code for finding in context.findings}


@pytest.mark.parametrize(("amount", "least_mean_db"), [(0.1, 1.5), (0.03, 0.0), (0.01, 0.0)])
def test_stems_with_a_leak_come_closer_to_the_true_ones(
    amount: float, least_mean_db: float
) -> None:
    leaked = with_leak(amount)
    out, contexts = run(as_song(leaked))
    gained = gains_db(leaked, out)
    assert np.mean(gained) >= least_mean_db
    assert min(gained) >= 0
    for context in contexts:
        numbers = context.measurements
        assert float(numbers["bleed_after_db"]) < float(numbers["bleed_before_db"]) - 1
        assert float(numbers["change_db"]) <= float(numbers["bleed_before_db"])


def test_the_bleed_that_is_reported_is_the_bleed_that_is_there() -> None:
    leaked = with_leak(0.1)
    _, contexts = run(as_song(leaked))
    for j, context in enumerate(contexts):
        # In the model a leak is a share of the other stem as it is, with its own leaks.
        others = 0.1 * (true_stems().sum(axis=0) - true_stems()[j])
        true_db = 10 * np.log10(np.sum(others**2) / np.sum(leaked[j] ** 2))
        assert context.measurements["bleed_before_db"] == pytest.approx(true_db, abs=1.5)


def test_bleed_through_a_room_goes_down_too() -> None:
    leaked = with_room(0.1)
    out, _ = run(as_song(leaked))
    gained = gains_db(leaked, out)
    assert np.mean(gained) >= 1.5
    assert min(gained) >= 0


def test_stems_that_were_played_by_themselves_come_back_bit_for_bit() -> None:
    out, contexts = run(as_song(true_stems()))
    assert np.array_equal(out, true_stems())
    assert all(findings(context) == {"no_bleed"} for context in contexts)


def test_stems_of_a_separator_are_hardly_touched() -> None:
    """Their errors are masks, no leaks: here Wiener's, from powers blurred by 0.2 s and 150 Hz."""
    from scipy.ndimage import uniform_filter

    stems = true_stems()
    n_samples = stems.shape[2]
    n = stft.n_frames(n_samples)
    spectra = [stft.forward(Audio(stem, RATE), 0, n) for stem in stems]
    powers = [uniform_filter((np.abs(x) ** 2).sum(axis=0), (9, 15)) for x in spectra]
    whole = np.sum(powers, axis=0) + 1e-12
    mixed = np.sum(spectra, axis=0)
    masked = np.stack(
        [
            np.concatenate(list(stft.inverse([mixed * (p / whole)], n_samples)), axis=1)
            for p in powers
        ]
    ).astype(np.float32)
    out, _ = run(as_song(masked))
    assert min(gains_db(masked, out)) >= -0.1


@pytest.mark.parametrize("max_cut_db", [2.0, 6.0, 12.0])
def test_a_stem_that_is_all_bleed_loses_max_cut_db_and_no_more(max_cut_db: float) -> None:
    stems = true_stems().copy()
    stems[2] = 0.1 * stems[0]
    out, contexts = run(as_song(stems), max_cut_db=max_cut_db)
    lost_db = rms_dbfs(Audio(stems[2], RATE)) - rms_dbfs(Audio(out[2], RATE))
    # The cut comes with the release time after each pause, in which little is lost.
    assert max_cut_db - 1.0 < lost_db <= max_cut_db + 0.01
    bands = [v for k, v in contexts[2].measurements.items() if k.startswith("cut_")]
    assert len(bands) == 10
    assert max(map(float, bands)) <= max_cut_db + 0.01


def test_a_song_made_by_a_generator_is_cut_less_and_told_why() -> None:
    song = as_song(with_leak(0.1))
    cuts = {}
    for is_generated in (False, True):
        own = replace(song, own="bass")
        _, context = apply(
            debleed, song.stems["bass"], song=own, is_generated=is_generated, mode="eq"
        )
        cuts[is_generated] = float(context.measurements["max_band_loss_db"])
        assert ("gentler_on_generated" in findings(context)) == is_generated
    assert cuts[False] > 4.0 >= cuts[True] > 2.0
    _, told = apply(
        debleed,
        song.stems["bass"],
        song=replace(song, own="bass"),
        is_generated=True,
        mode="eq",
        max_cut_db=6.0,
    )
    assert "gentler_on_generated" not in findings(told)
    assert told.measurements["max_band_loss_db"] == pytest.approx(cuts[False])


def test_what_an_earlier_stage_made_of_the_stem_is_cut_like_the_stem() -> None:
    song = replace(as_song(with_leak(0.1)), own="vocals")
    straight, _ = apply(debleed, song.stems["vocals"], song=song, mode="eq")
    quieter = Audio(np.float32(0.25) * song.stems["vocals"].read(), RATE)
    out, _ = apply(debleed, quieter, song=song, mode="eq")
    # The cuts that are heard are remembered in steps of 0.02 dB; these are the same ones.
    assert null_db(Audio(np.float32(0.25) * straight.samples, RATE), out) < -100


def test_swapping_the_sides_of_the_song_swaps_the_sides_of_the_stem() -> None:
    leaked = with_leak(0.1)
    straight, _ = run(as_song(leaked))
    swapped, _ = run(as_song(np.ascontiguousarray(leaked[:, ::-1])))
    for one, other in zip(straight, swapped[:, ::-1], strict=True):
        assert null_db(Audio(one, RATE), Audio(other, RATE)) < -100


def test_only_the_stems_that_are_named_are_eased() -> None:
    """Drums leak into the vocals, and nothing else; the bass is not to blame."""
    stems = true_stems().copy()
    stems[0] += 0.1 * stems[1]
    for mode in ("auto", "eq"):
        untouched = against(as_song(stems), ("bass",), mode)
        assert np.array_equal(untouched, stems[0])
        eased = against(as_song(stems), ("drums",), mode)
        assert null_db(Audio(stems[0], RATE), Audio(eased, RATE)) > -60


def test_of_a_linear_leak_only_the_stems_that_are_named_go() -> None:
    """What is left is the true stem and the leak of the others, exactly."""
    true, leaked = true_stems(), with_leak(0.1)
    out = against(as_song(leaked), ("drums", "other"), "auto")
    expected = true[0] + 0.1 * true[2]
    assert null_db(Audio(expected, RATE), Audio(out, RATE)) < -40


def against(song: Song, names: tuple[str, ...], mode: str) -> Samples:
    """Debleed the vocals as a recipe with `against` does."""
    heard = replace(song, own="vocals", against=names)
    return apply(debleed, song.stems["vocals"], song=heard, mode=mode)[0].samples


def test_stems_that_do_not_add_up_are_made_consistent_if_that_takes_bleed_away() -> None:
    """10 % of all others in each stem: they add up to 1.3 times the mixture."""
    leaked = with_leak(0.1)
    mixture = true_stems().sum(axis=0)
    out, contexts = run(as_song(leaked, mixture))
    off, off_contexts = run(as_song(leaked, mixture), consistency="off")
    assert "made_consistent" in findings(contexts[0])
    assert "made_consistent" not in findings(off_contexts[0])
    assert np.mean(gains_db(leaked, out)) > np.mean(gains_db(leaked, off)) + 1


def test_clean_stems_of_a_mastered_mixture_stay_clean() -> None:
    """The mixture is 3 dB louder than its stems: to share that out would be to make bleed."""
    mixture = (1.4 * true_stems().sum(axis=0)).astype(np.float32)
    out, _ = run(as_song(true_stems(), mixture))
    assert np.array_equal(out, true_stems())


def test_a_stem_without_others_is_left_alone() -> None:
    stem = Audio(true_stems()[0], RATE)
    out, context = apply(debleed, stem, song=Song({"vocals": stem}, "vocals", stem))
    assert np.array_equal(out.samples, stem.samples)
    assert findings(context) == {"no_bleed"}


# --- leaks that are taken out ------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "cancel_eq"])
@pytest.mark.parametrize(("amount", "least_mean_db"), [(0.1, 25.0), (0.03, 15.0), (0.01, 8.0)])
def test_a_linear_leak_is_taken_out(mode: str, amount: float, least_mean_db: float) -> None:
    leaked = with_leak(amount)
    out, contexts = run(as_song(leaked), mode=mode)
    gained = gains_db(leaked, out)
    assert np.mean(gained) >= least_mean_db
    assert min(gained) >= 0
    for context in contexts:
        told = [v for n, v in context.measurements.items() if n.endswith("_leak_db")]
        assert told == pytest.approx([20 * np.log10(amount)] * 3, abs=0.3)
        assert context.measurements["regime"] == "linear"
        assert findings(context) == set()


def test_a_leak_through_a_room_goes_down_further_than_the_equaliser_can() -> None:
    leaked = with_room(0.1)
    out, contexts = run(as_song(leaked), mode="cancel")
    gained = gains_db(leaked, out)
    assert np.mean(gained) >= 3.0
    assert min(gained) >= -0.1
    assert {context.measurements["regime"] for context in contexts} == {"convolutive"}


@pytest.mark.parametrize("mode", ["auto", "cancel", "cancel_eq"])
def test_clean_stems_keep_every_bit_in_every_mode(mode: str) -> None:
    out, contexts = run(as_song(true_stems()), mode=mode)
    assert np.array_equal(out, true_stems())
    assert all(findings(context) == {"no_bleed"} for context in contexts)


def test_the_block_size_cannot_be_heard_in_a_filtered_leak() -> None:
    song = as_song(with_room(0.1))
    settings = debleed.params.model_validate({"mode": "cancel"})
    found = replace(analysed(debleed, settings, song), own="vocals")
    whole, ragged = (
        Audio.from_blocks(debleed.process(heard, settings, StageContext(song=found)), RATE)
        for heard in (song.stems["vocals"], RaggedSignal(song.stems["vocals"]))
    )
    assert null_db(whole, ragged) <= -120


def test_a_stem_that_was_changed_before_is_left_alone_and_the_remedy_is_told() -> None:
    song = as_song(with_leak(0.1))
    louder = Audio(np.float32(2) * song.stems["vocals"].read(), RATE)
    out, context = apply(debleed, louder, song=replace(song, own="vocals"))
    assert np.array_equal(out.samples, louder.samples)
    assert findings(context) == {"not_the_stem"}  # and not that nothing leaks


def test_only_leaks_that_are_taken_out_are_reported() -> None:
    song = as_song(with_leak(0.1))

    def told(*against: str) -> tuple[set[str], StageContext]:
        heard = replace(song, own="vocals", against=against)
        _, context = apply(debleed, song.stems["vocals"], song=heard, against=list(against))
        return {name for name in context.measurements if name.endswith("_leak_db")}, context

    assert told()[0] == {"drums_leak_db", "bass_leak_db", "other_leak_db"}
    assert told("drums")[0] == {"drums_leak_db"}
    leaked = true_stems().copy()
    leaked[0] += 0.1 * leaked[1]
    song = as_song(leaked)
    leaks, context = told("bass")
    assert leaks == set()
    assert findings(context) == {"no_bleed"}


@pytest.mark.parametrize("leak", [with_leak, with_room])
def test_a_mono_stem_of_a_stereo_song_loses_its_leak(leak: Callable[[float], Samples]) -> None:
    """What the analysis hears is as wide as the widest stem; the stage, as wide as its track."""
    true, leaked = true_stems()[0].mean(axis=0, keepdims=True), leak(0.1)
    leaked[0] = leaked[0].mean(axis=0)  # what a run makes of a mono file beside stereo ones
    wide = as_song(leaked)
    settings = debleed.params.model_validate({"mode": "cancel"})
    found = analysed(debleed, settings, wide)
    narrow = {n: Audio(s.read().mean(axis=0, keepdims=True), RATE) for n, s in wide.stems.items()}
    context = StageContext(song=replace(found, own="vocals", stems=narrow))
    out = Audio.from_blocks(debleed.process(narrow["vocals"], settings, context), RATE).samples
    before_db, after_db = si_sdr_db(true, leaked[0][:1]), si_sdr_db(true, out)
    assert before_db is not None
    assert after_db is not None
    assert after_db > before_db + 3  # the goal for stereo rooms
