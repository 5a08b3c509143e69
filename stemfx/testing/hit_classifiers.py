"""The laws of `stemfx.hits.HitClassifier`: it names hits of the song, in order, whatever it hears.

How well it tells drums apart is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from stemfx.audio import Audio
from stemfx.drums.find import find_hits
from stemfx.errors import PluginError
from stemfx.hits import Hit, HitClassifier
from stemfx.testing.signals import example_drums, require


@dataclass(frozen=True)
class Case:
    """A hit classifier to hold to the laws."""

    classifier: HitClassifier

    def require(self, condition: bool, broken: str) -> None:  # noqa: FBT001 - reads like assert
        """Blame the classifier unless a condition holds."""
        require(condition, f"the hit classifier {self.classifier.name!r} {broken}")

    def ask(self, drums: Audio, sound: str) -> tuple[Hit, ...]:
        """Return what it hears in a stem, as a run asks it."""
        try:
            return find_hits(drums, self.classifier)
        except PluginError as error:
            raise AssertionError(f"{error.message}, given {sound}") from error


Law = Callable[[Case], str | None]
"""Raises AssertionError when broken; returns the reason when it does not apply."""


def describes_itself(case: Case) -> str | None:
    """Have a name, a summary, a licence and a version."""
    for what, kind in (("name", str), ("summary", str), ("licence", str), ("version", int)):
        value = getattr(case.classifier, what, None)
        require(isinstance(value, kind) and bool(value), f"{case.classifier!r} has no {what}")
    return None


def hears_hits_of_the_stem(case: Case) -> str | None:
    """Answer with hits inside the stem, whatever the rate, the channels and the length."""
    for sound, drums in _stems():
        case.ask(drums, sound)
    return None


def answers_in_order(case: Case) -> str | None:
    """Give the hits in the order of time, and none where there are no strokes in silence."""
    drums = example_drums()
    strokes = [0.1, 0.35, 0.6]
    times = [hit.time_s for hit in case.classifier.classify(drums, strokes)]
    case.require(times == sorted(times), f"gave hits at {times}, out of order")
    silence = Audio(np.zeros((2, 44_100), np.float32), 44_100)
    heard = list(case.classifier.classify(silence, []))
    case.require(not heard, f"heard {heard} in silence")
    return None


def leaves_its_input_alone(case: Case) -> str | None:
    """Change nothing of what it hears."""
    samples = np.array(example_drums().samples)
    before = samples.copy()
    case.ask(Audio(samples, 44_100), "drums")
    case.require(np.array_equal(samples, before), "changed its input")
    return None


def repeats_itself(case: Case) -> str | None:
    """Answer the same twice."""
    drums = example_drums()
    is_same = case.ask(drums, "drums") == case.ask(drums, "drums")
    case.require(is_same, "answers differently the second time")
    return None


LAWS: tuple[Law, ...] = (
    describes_itself,
    hears_hits_of_the_stem,
    answers_in_order,
    leaves_its_input_alone,
    repeats_itself,
)
"""Every law, for `pytest.mark.parametrize`."""


def check_hit_classifier(classifier: HitClassifier) -> dict[str, str]:
    """Hold a hit classifier to every law.

    Returns:
        each law's name with "held", or the reason why it does not apply.

    Raises:
        AssertionError: a law is broken.
    """
    case = Case(classifier)
    return {law.__name__: law(case) or "held" for law in LAWS}


def _stems() -> Iterator[tuple[str, Audio]]:
    yield "drums", example_drums()
    yield "drums in mono", example_drums(channels=1)
    for rate in (8_000, 22_050, 96_000):
        yield f"drums at {rate} Hz", example_drums(1.0, rate)
    yield "0.3 s of drums", example_drums(0.3)
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 44_100))
    yield "noise", Audio(noise.astype(np.float32), 44_100)
