from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.demo_song import demo_song
from stemfx.dsp.shift import Shifted
from stemfx.io import probe, read_blocks
from stemfx.stage import Song
from stemfx.stages.align import align
from stemfx.testing import RaggedSignal, apply, null_db

RATE = 44_100


@cache
def demo() -> Mapping[str, Audio]:
    return {
        name: Audio(stem.samples[:, RATE : 8 * RATE], RATE) for name, stem in demo_song().items()
    }


def added(stems: Mapping[str, Audio]) -> Audio:
    return Audio(np.sum([stem.samples for stem in stems.values()], axis=0), RATE)


def moved(stem: Audio, samples: float, gain: float = 1.0) -> Audio:
    return Audio(np.concatenate(list(Shifted(stem, samples, gain).blocks()), axis=1), RATE)


def song(own: str, stem: Audio, *, mixture: Audio | None = None, **others: Audio) -> Song:
    """The demo song with one stem in the place of its own; the mixture is the true one."""
    stems = dict(demo()) | {own: stem} | others
    return Song(stems, own, added(demo()) if mixture is None else mixture)


def inside(audio: Audio) -> Audio:
    return Audio(audio.samples[:, 2000:-2000], RATE)


@pytest.mark.parametrize("name", ["vocals", "drums", "bass", "other"])
@pytest.mark.parametrize(
    ("samples", "gain"), [(100.0, 1.0), (-33.3, -1.0), (0.4, 1.0), (0.0, -1.0)]
)
def test_a_stem_is_put_where_its_mixture_has_it(name: str, samples: float, gain: float):
    wrong = moved(demo()[name], samples, gain)
    out, context = apply(align, wrong, song=song(name, wrong))
    told = context.measurements
    assert told["late_samples"] == pytest.approx(samples, abs=0.2)
    assert told["delay_samples"] == pytest.approx(-samples, abs=0.2)
    assert told["polarity"] == ("inverted" if gain < 0 else "kept")
    assert told["reference"] == "the mixture"
    assert null_db(inside(demo()[name]), inside(out)) < -50  # 0.2 sample at 1 kHz would be -31


@pytest.mark.parametrize("name", ["vocals", "drums", "bass", "other"])
def test_a_stem_in_its_place_keeps_every_bit(name: str):
    stem = demo()[name]
    out, context = apply(align, stem, song=song(name, stem))
    assert np.array_equal(out.samples, stem.samples)
    assert context.measurements["delay_samples"] == 0


@pytest.mark.parametrize("name", ["vocals", "drums", "bass", "other"])
def test_it_needs_a_mixture_of_its_own_to_know_its_place(name: str):
    """Of a mixture that is the sum of the stems, late or not, the stem is always in place."""
    wrong = moved(demo()[name], 100.0)
    stems = dict(demo()) | {name: wrong}
    out, context = apply(align, wrong, song=Song(stems, name, added(stems)))
    assert np.array_equal(out.samples, wrong.samples)
    assert [finding.code for finding in context.findings] == ["align_unrelated"]


@pytest.mark.parametrize("name", ["vocals", "drums", "bass", "other"])
def test_a_mixture_that_ends_early_turns_no_stem_upside_down(name: str):
    """What follows its end is silence minus the other stems."""
    whole = added(demo())
    short = np.where(np.arange(whole.n_samples) < 2.5 * RATE, whole.samples, np.float32(0))
    right, late = demo()[name], moved(demo()[name], 70.0)
    out, _ = apply(align, right, song=song(name, right, mixture=Audio(short, RATE)))
    assert np.array_equal(out.samples, right.samples)
    _, context = apply(align, late, song=song(name, late, mixture=Audio(short, RATE)))
    assert context.measurements["delay_samples"] == pytest.approx(-70.0, abs=0.2)
    assert context.measurements["polarity"] == "kept"


def test_it_is_found_though_another_stem_is_wrong_too():
    late = moved(demo()["drums"], 70.0)
    beside = song("drums", late, vocals=moved(demo()["vocals"], 0.0, -1.0))
    _, context = apply(align, late, song=beside)
    assert context.measurements["late_samples"] == pytest.approx(70.0, abs=0.2)
    assert context.measurements["polarity"] == "kept"


@pytest.mark.parametrize(("samples", "gain"), [(44.1, 0.5), (-100.25, -0.7)])
def test_two_microphones_on_one_source_are_lined_up(samples: float, gain: float):
    close, noise = demo()["vocals"], np.random.default_rng(1)
    room = moved(close, samples, gain).samples
    room = room + 0.003 * noise.standard_normal(room.shape).astype(np.float32)
    stems = {"close": close, "room": Audio(room, RATE)}
    beside = Song(stems, "room", added(stems | {"drums": demo()["drums"]}))
    _, context = apply(align, stems["room"], song=beside, against=["close"])
    told = context.measurements
    assert told["delay_samples"] == pytest.approx(-samples, abs=0.2)
    assert told["polarity"] == ("inverted" if gain < 0 else "kept")
    assert told["reference"] == "close"
    assert told["correlation_after"] > 0.9 > abs(told["correlation_before"])


def test_farther_than_allowed_it_stays_and_says_how_far():
    late = moved(demo()["drums"], 441.0)
    out, context = apply(align, late, song=song("drums", late))
    assert np.array_equal(out.samples, late.samples)
    assert [finding.code for finding in context.findings] == ["align_too_far"]
    assert "10.000 ms late" in context.findings[0].message
    out, _ = apply(align, late, song=song("drums", late), max_delay_ms=11)
    assert null_db(inside(demo()["drums"]), inside(out)) < -50


def test_told_how_far_it_measures_nothing():
    stem = demo()["drums"]
    out, context = apply(align, stem, song=song("drums", stem), delay_ms=-10.0, polarity="invert")
    assert np.array_equal(out.samples, moved(stem, -441.0, -1.0).samples)
    assert "coherence" not in context.measurements


def test_polarity_is_kept_when_asked():
    upside_down = moved(demo()["drums"], 0.0, -1.0)
    out, _ = apply(align, upside_down, song=song("drums", upside_down), polarity="keep")
    assert np.array_equal(out.samples, upside_down.samples)


def test_the_block_size_changes_no_bit():
    late = moved(demo()["drums"], 20.3)
    expected, _ = apply(align, late, song=song("drums", late))
    ragged, _ = apply(align, RaggedSignal(late), song=song("drums", late))
    assert np.array_equal(expected.samples, ragged.samples)


@pytest.mark.parametrize("name", ["vocals", "drums", "bass", "other"])
def test_unrelated_stems_of_one_song_are_left_alone(corpus: Path, name: str):
    files = {}
    for path in (corpus / "defects" / "set_ok").glob("*.flac"):
        files[path.stem] = Audio(np.concatenate(list(read_blocks(probe(path))), axis=1), RATE)
    mixture = files.pop("mix")
    for beside in (mixture, added(files)):
        for against in ([], [other for other in files if other != name][:1]):
            heard = {n: s for n, s in files.items() if not against or n in {name, *against}}
            out, _ = apply(align, files[name], song=Song(heard, name, beside), against=against)
            assert np.array_equal(out.samples, files[name].samples)
