"""`eq`."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from stemfx.audio import Audio
from stemfx.errors import StageError
from stemfx.stages.eq import eq
from stemfx.testing import apply, check_stage, example_audio, null_db, rms_dbfs, tone


def gain_at(freq_hz, *bands):
    audio = tone(freq_hz, sample_rate=48_000)
    out, _ = apply(eq, audio, bands=list(bands))
    return rms_dbfs(out, 0.5) - rms_dbfs(audio, 0.5)


def test_a_bell_has_its_gain_at_its_centre():
    assert gain_at(1000, {"freq_hz": 1000, "gain_db": 6}) == pytest.approx(6.0, abs=0.01)


def test_a_low_shelf_lifts_what_is_below_and_leaves_what_is_above():
    shelf = {"type": "low_shelf", "freq_hz": 400, "gain_db": 9}
    assert gain_at(40, shelf) == pytest.approx(9.0, abs=0.05)
    assert gain_at(400, shelf) == pytest.approx(4.5, abs=0.01)
    assert gain_at(6000, shelf) == pytest.approx(0.0, abs=0.05)


def test_a_high_shelf_cuts_what_is_above_and_leaves_what_is_below():
    shelf = {"type": "high_shelf", "freq_hz": 2000, "gain_db": -9}
    assert gain_at(100, shelf) == pytest.approx(0.0, abs=0.05)
    assert gain_at(2000, shelf) == pytest.approx(-4.5, abs=0.01)
    assert gain_at(20_000, shelf) == pytest.approx(-9.0, abs=0.05)


def test_bands_add_up_in_db():
    one, two = {"freq_hz": 900, "gain_db": 5, "q": 1.0}, {"freq_hz": 1100, "gain_db": -3, "q": 1.0}
    both_db = gain_at(1000, one, two)
    assert both_db == pytest.approx(gain_at(1000, one) + gain_at(1000, two), abs=0.01)


def test_a_cut_undoes_the_same_boost():
    audio = example_audio()
    up, _ = apply(eq, audio, bands=[{"freq_hz": 300.0, "gain_db": 8.0}])
    back, _ = apply(eq, up, bands=[{"freq_hz": 300.0, "gain_db": -8.0}])
    assert null_db(audio, back) < -120


def test_it_reports_the_extremes_of_its_curve():
    bands = [{"freq_hz": 100, "gain_db": 4, "q": 3}, {"freq_hz": 5000, "gain_db": -7, "q": 3}]
    _, context = apply(eq, example_audio(), bands=bands)
    assert context.measurements["max_boost_db"] == pytest.approx(4.0, abs=0.05)
    assert context.measurements["max_cut_db"] == pytest.approx(7.0, abs=0.05)


def test_a_band_beyond_half_the_sample_rate_is_refused_by_its_place_in_the_list():
    bands = [{"freq_hz": 100, "gain_db": 1}, {"freq_hz": 12_000, "gain_db": 1}]
    with pytest.raises(StageError, match=r"bands\[1\].freq_hz: 12000 Hz is not below half"):
        apply(eq, tone(100.0, sample_rate=22_050), bands=bands)


@pytest.mark.parametrize(
    "band",
    [
        {"freq_hz": 100},
        {"freq_hz": 100, "gain_db": "3"},
        {"freq_hz": 100, "gain_db": 3, "Q": 1},
        {"freq_hz": 100, "gain_db": float("nan")},
        {"freq_hz": 100, "gain_db": 3, "type": "peak"},
    ],
)
def test_a_band_is_as_strict_as_every_stage(band):
    with pytest.raises(ValidationError):
        apply(eq, example_audio(), bands=[band])


def test_the_settings_can_be_written_down_and_read_again():
    bands = [{"type": "bell", "freq_hz": 100.0, "gain_db": 3.0, "q": 1.0, "on": "mid"}]
    given = {"bands": bands, "phase": "linear"}
    written = eq.params.model_validate(given).model_dump(mode="json")
    assert written == given
    assert eq.params.model_validate(written) == eq.params.model_validate(given)


def test_an_equaliser_without_bands_is_the_same_bits():
    audio = example_audio()
    assert np.array_equal(apply(eq, audio)[0].samples, audio.samples)


# ------------------------------------------------------------------ linear phase, mid and side

BELL = {"freq_hz": 900.0, "gain_db": 6.0, "q": 2.0}


def mid_and_side(audio):
    left, right = audio.samples.astype(np.float64)
    return np.stack(((left + right) / 2, (left - right) / 2))


def db_of(part, whole):
    return 10 * np.log10(np.sum(np.square(part)) / np.sum(np.square(whole)) + 1e-30)


@pytest.mark.parametrize("phase", ["minimum", "linear"])
def test_the_laws_hold_for_bands_on_every_part(phase):
    bands = [{**BELL, "on": on} for on in ("stereo", "mid", "side")]
    bands += [{"type": "high_shelf", "freq_hz": 8000.0, "gain_db": -3.0, "on": "side"}]
    check_stage(eq, bands=bands, phase=phase)


def test_linear_phase_keeps_a_wave_in_place_and_its_mirror_image():
    # Turned round in time, what goes through a linear-phase filter comes out turned round.
    audio = example_audio()
    turned = Audio(audio.samples[:, ::-1], audio.sample_rate)
    params = {"bands": [BELL, {"type": "low_shelf", "freq_hz": 80, "gain_db": 3}]}
    for phase, is_mirrored in (("linear", True), ("minimum", False)):
        out, back = (apply(eq, a, phase=phase, **params)[0] for a in (audio, turned))
        null = null_db(out, Audio(back.samples[:, ::-1], audio.sample_rate))
        assert (null < -120) == is_mirrored


@pytest.mark.parametrize("phase", ["minimum", "linear"])
@pytest.mark.parametrize(("on", "other"), [("mid", 1), ("side", 0)])
def test_a_band_on_the_middle_leaves_the_side_alone_and_the_other_way_round(phase, on, other):
    audio = example_audio()
    before = mid_and_side(audio)
    after = mid_and_side(apply(eq, audio, bands=[{**BELL, "on": on}], phase=phase)[0])
    assert db_of(after[other] - before[other], before[other]) < -120
    assert db_of(after[1 - other] - before[1 - other], before[1 - other]) > -40


@pytest.mark.parametrize("phase", ["minimum", "linear"])
@pytest.mark.parametrize(("on", "other"), [("left", 1), ("right", 0)])
def test_a_band_on_one_channel_leaves_the_other_alone(phase, on, other):
    audio = example_audio()
    out, _ = apply(eq, audio, bands=[{**BELL, "on": on}], phase=phase)
    both, _ = apply(eq, audio, bands=[BELL], phase=phase)
    assert db_of(out.samples[other] - audio.samples[other], audio.samples[other]) < -120
    assert db_of(out.samples[1 - other] - both.samples[1 - other], both.samples) < -120


def test_a_band_on_the_left_is_the_mirror_image_of_one_on_the_right():
    audio = example_audio()
    turned = Audio(audio.samples[::-1], audio.sample_rate)
    left, _ = apply(eq, audio, bands=[{**BELL, "on": "left"}])
    right, _ = apply(eq, turned, bands=[{**BELL, "on": "right"}])
    assert null_db(left, Audio(right.samples[::-1], audio.sample_rate)) < -120


@pytest.mark.parametrize("parts", [("mid", "side"), ("left", "right")])
def test_the_same_band_on_both_parts_is_the_band_on_stereo(parts):
    audio = example_audio()
    split, _ = apply(eq, audio, bands=[{**BELL, "on": on} for on in parts])
    assert null_db(apply(eq, audio, bands=[BELL])[0], split) < -120


def test_bands_in_any_order_give_the_same():
    audio = example_audio()
    bands = [{**BELL, "on": on} for on in ("side", "stereo", "left", "mid")]
    assert null_db(*(apply(eq, audio, bands=some)[0] for some in (bands, bands[::-1]))) < -120


def test_on_a_mono_track_mid_is_all_there_is_and_the_rest_is_named_in_one_finding():
    mono = Audio(example_audio().samples[:1], 44_100)
    bands = [{**BELL, "on": on} for on in ("side", "left", "mid")]
    out, context = apply(eq, mono, bands=bands)
    assert null_db(apply(eq, mono, bands=[BELL])[0], out) < -120
    (finding,) = context.findings
    assert "bands[0] on side, bands[1] on left" in finding.message


def test_the_extremes_of_the_curve_count_what_meets_on_a_channel():
    bands = [{**BELL, "gain_db": 2.0, "on": on} for on in ("stereo", "left", "mid")]
    _, context = apply(eq, example_audio(), bands=[*bands, {**BELL, "gain_db": -3.0, "on": "side"}])
    assert context.measurements["max_boost_db"] == pytest.approx(6.0, abs=0.05)
    assert context.measurements["max_cut_db"] == pytest.approx(1.0, abs=0.05)


def test_linear_phase_says_how_long_it_rings_and_refuses_to_ring_for_seconds():
    audio = example_audio()
    low, high = (
        apply(eq, audio, phase="linear", bands=[{"freq_hz": hz, "gain_db": 3}])[1].measurements[
            "pre_ringing_ms"
        ]
        for hz in (100, 1000)
    )
    assert 5 < low < 15
    assert high < 2
    with pytest.raises(StageError, match=r"bands\[1\]: .* q 20 at 20 Hz .* use phase: minimum"):
        apply(eq, audio, phase="linear", bands=[BELL, {"freq_hz": 20, "gain_db": 12, "q": 20}])
