"""Every kit keeps the laws of kits; and a kit that breaks one is caught, by that law."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stemfx.audio import Audio
from stemfx.hits import Hit, HitClassifier
from stemfx.kit import Kit
from stemfx.kits.synth import SynthKit
from stemfx.testing import check_hit_classifier, check_kit, hit_classifiers, kits

each_law = pytest.mark.parametrize("law", kits.LAWS, ids=lambda law: law.__name__)


@each_law
def test_the_built_in_kit(law: kits.Law) -> None:
    assert law(kits.Case(SynthKit())) is None


class Small(Kit):
    """A kick that rings for 0.1 s at any rate, and two hats."""

    name = "small"
    summary = "three drums"
    licence = "CC0-1.0"
    classes = ("kick", "hat_closed", "hat_open")  # type: ignore[assignment]

    def sample(
        self,
        drum_class: str,
        velocity: float,
        sample_rate: int,
        *,
        variant: str | None = None,
        take: int = 0,
    ) -> Audio:
        if drum_class not in self.classes or variant:
            raise KeyError(drum_class, variant)
        t = np.arange(round(0.1 * sample_rate)) / sample_rate
        hit = velocity * np.exp(-t / 0.02) * np.cos(2 * np.pi * 60 * t)
        return Audio(hit[np.newaxis].astype(np.float32), sample_rate)


def test_an_honest_kit_keeps_every_law() -> None:
    assert check_kit(Small()) == {law.__name__: "held" for law in kits.LAWS}


def changed(change: Callable[[np.ndarray], np.ndarray]) -> Any:
    def sample(self: Kit, *asked: Any, **more: Any) -> Audio:
        hit = Small.sample(self, *asked, **more)  # type: ignore[arg-type]
        return Audio(np.ascontiguousarray(change(np.array(hit.samples))), hit.sample_rate)

    return sample


def silent_when_soft(self: Kit, drum: str, velocity: float, *asked: Any, **more: Any) -> Audio:
    hit = Small.sample(self, drum, velocity, *asked, **more)  # type: ignore[arg-type]
    return hit if velocity > 0.05 else Audio(0 * hit.samples, hit.sample_rate)


def at_its_own_rate(self: Kit, drum: str, velocity: float, _: int, **more: Any) -> Audio:
    return Small.sample(self, drum, velocity, 44_100, **more)  # type: ignore[arg-type]


def same_samples_at_any_rate(self: Kit, drum: str, velocity: float, rate: int, **_: Any) -> Audio:
    hit = Small.sample(self, drum, velocity, 44_100)  # type: ignore[arg-type]
    return Audio(hit.samples, rate)


def always_as_loud(self: Kit, drum: str, _: float, rate: int, **more: Any) -> Audio:
    return Small.sample(self, drum, 1.0, rate, **more)  # type: ignore[arg-type]


def plays_anything(self: Kit, drum: str, velocity: float, rate: int, **_: Any) -> Audio:
    return Small.sample(self, "kick", velocity, rate)  # type: ignore[arg-type]


def another_each_time(self: Any, *asked: Any, **more: Any) -> Audio:
    self.count = getattr(self, "count", 0) + 1
    hit = Small.sample(self, *asked, **more)
    return Audio(hit.samples * np.float32(1 - 1e-6 * self.count), hit.sample_rate)


def another_unasked(self: Kit, *asked: Any, variant: str | None = None, **_: Any) -> Audio:
    hit = Small.sample(self, *asked)  # type: ignore[arg-type]
    return hit if variant == "" else Audio(-hit.samples, hit.sample_rate)


def identity_that_counts(self: Any) -> str:
    self.count = getattr(self, "count", 0) + 1
    return str(self.count)


BROKEN: list[tuple[str, str, dict[str, Any]]] = [
    ("describes_itself", "has no licence", {"licence": ""}),
    ("describes_itself", "has no summary", {"summary": None}),
    ("describes_itself", "has no drums", {"classes": ()}),
    ("describes_itself", r"\['cowbell'\], which no recipe knows", {"classes": ("cowbell",)}),
    ("describes_itself", "names a class twice", {"classes": ("kick", "kick")}),
    ("describes_itself", "variants of kick", {"variants": lambda *_: ()}),
    ("describes_itself", "files that are not there", {"files": [Path("gone.wav")]}),
    ("plays_all_that_it_has", "gave NaN or infinity", {"sample": changed(lambda x: x * np.nan)}),
    ("plays_all_that_it_has", "velocity 0.01", {"sample": silent_when_soft}),
    ("plays_all_that_it_has", "3 channels", {"sample": changed(lambda x: x.repeat(3, 0))}),
    ("plays_all_that_it_has", "gave 40.0 s", {"sample": changed(lambda x: np.tile(x, 400))}),
    ("plays_all_that_it_has", "has 0 takes", {"n_takes": lambda *_: 0}),
    ("plays_the_first_variant_unasked", "another kick", {"sample": another_unasked}),
    (
        "starts_with_its_attack",
        r"attacks 50\.0 ms after its start",
        {"sample": changed(lambda x: np.pad(x, ((0, 0), (2205, 0))))},
    ),
    ("is_louder_when_struck_harder", "at -.* dB for velocities", {"sample": always_as_loud}),
    ("repeats_itself", "plays another", {"sample": another_each_time}),
    ("takes_any_sample_rate", "gave 44100 Hz for .*8000 Hz", {"sample": at_its_own_rate}),
    ("takes_any_sample_rate", "rings 0.551 s at 8000 Hz", {"sample": same_samples_at_any_rate}),
    ("refuses_what_it_does_not_have", r"sample\(\) of an unknown", {"sample": plays_anything}),
    ("refuses_what_it_does_not_have", r"variants\(\) of", {"variants": lambda *_: ("",)}),
    (
        "chokes_its_hats",
        "lets an open hat ring",
        {"choke_group": lambda _, name: "hats" if name == "hat_open" else None},
    ),
    ("chokes_its_hats", "choke group ''", {"choke_group": lambda *_: ""}),
    ("keeps_its_identity", "changes its identity", {"identity": identity_that_counts}),
    ("keeps_its_identity", "has the identity None", {"identity": lambda _: None}),
]


@pytest.mark.parametrize(("law", "told", "members"), BROKEN)
def test_a_broken_kit_is_caught_by_its_law(law: str, told: str, members: dict[str, Any]) -> None:
    broken = type("Broken", (Small,), members)()
    with pytest.raises(AssertionError, match=told):
        getattr(kits, law)(kits.Case(broken))


def test_every_law_of_kits_has_a_kit_that_breaks_it() -> None:
    assert {law.__name__ for law in kits.LAWS} == {law for law, _, _ in BROKEN}


# ---------------------------------------------------------------------- hit classifiers


class Kicks(HitClassifier):
    """Hears a kick at every stroke."""

    name = "kicks"
    summary = "hears kicks only"
    licence = "CC0-1.0"

    def classify(self, drums: Any, onsets_s: Any) -> list[Hit]:
        return [Hit(time_s, "kick", 0.5) for time_s in onsets_s]


def test_an_honest_classifier_keeps_every_law() -> None:
    assert set(check_hit_classifier(Kicks()).values()) == {"held"}


def writes(self: Any, drums: Audio, onsets_s: Any) -> list[Hit]:
    base: Any = drums.samples.base
    base[:, :10] = 0.25
    return []


def falters(self: Any, drums: Any, onsets_s: Any) -> list[Hit]:
    self.count = getattr(self, "count", 0) + 1
    return [Hit(0.001 * self.count, "kick", 0.5)]


BROKEN_CLASSIFIERS: list[tuple[str, str, dict[str, Any]]] = [
    ("describes_itself", "has no summary", {"summary": ""}),
    ("describes_itself", "has no version", {"version": "1"}),
    (
        "hears_hits_of_the_stem",
        "after the end of the signal .* given 0.3 s of drums",
        {"classify": lambda *_: [Hit(0.9, "kick", 0.5)]},
    ),
    ("hears_hits_of_the_stem", "where a Hit is declared", {"classify": lambda *_: ["kick"]}),
    (
        "answers_in_order",
        "out of order",
        {"classify": lambda *_: [Hit(0.6, "kick", 0.5), Hit(0.1, "kick", 0.5)]},
    ),
    ("answers_in_order", "in silence", {"classify": lambda *_: [Hit(0.1, "kick", 0.5)]}),
    ("leaves_its_input_alone", "changed its input", {"classify": writes}),
    ("repeats_itself", "the second time", {"classify": falters}),
]


@pytest.mark.parametrize(("law", "told", "members"), BROKEN_CLASSIFIERS)
def test_a_broken_classifier_is_caught_by_its_law(
    law: str, told: str, members: dict[str, Any]
) -> None:
    broken = type("Broken", (Kicks,), members)()
    with pytest.raises(AssertionError, match=told):
        getattr(hit_classifiers, law)(hit_classifiers.Case(broken))


def test_every_law_of_classifiers_has_one_that_breaks_it() -> None:
    assert {law.__name__ for law in hit_classifiers.LAWS} == {
        law for law, _, _ in BROKEN_CLASSIFIERS
    }
