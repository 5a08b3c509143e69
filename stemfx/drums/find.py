"""The hits of a drum stem: strokes, and the drums that each one is."""

from __future__ import annotations

from collections.abc import Sequence

from stemfx.audio import Signal
from stemfx.drums.spectral import SpectralClassifier
from stemfx.errors import PluginError
from stemfx.hits import Hit, HitClassifier


def find_hits(signal: Signal, classifier: HitClassifier | None = None) -> tuple[Hit, ...]:
    """Return the hits of a drum stem, in the order of time; none in silence.

    Args:
        signal: the stem, mono or stereo.
        classifier: says which drums a stroke is; default: the built-in one.

    Raises:
        PluginError: the classifier failed, or its answer is not what `HitClassifier` declares.
    """
    from stemfx.dsp.onsets import find_onsets

    onsets_s = [float(time) for time in find_onsets(signal)]
    if not onsets_s:
        return ()
    if classifier is None:
        return tuple(SpectralClassifier().classify(signal, onsets_s))
    return _checked(classifier, signal, onsets_s)


def _checked(
    classifier: HitClassifier, signal: Signal, onsets_s: Sequence[float]
) -> tuple[Hit, ...]:
    """Ask a classifier that somebody else wrote, and take nothing but hits of this signal."""
    name = classifier.name
    try:
        answer = list(classifier.classify(signal, onsets_s))
    except Exception as error:
        told = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
        raise PluginError(f"the hit classifier {name!r} failed ({told})") from error
    for hit in answer:
        if not isinstance(hit, Hit):
            msg = f"the hit classifier {name!r} returned {hit!r:.80} where a Hit is declared"
            raise PluginError(msg)
    end_s = signal.n_samples / signal.sample_rate
    late = next((hit for hit in answer if hit.time_s >= end_s), None)
    if late is not None:
        msg = (
            f"the hit classifier {name!r} heard a {late.drum_class} at {late.time_s:.3f} s, after "
            f"the end of the signal ({end_s:.3f} s)"
        )
        raise PluginError(msg)
    return tuple(sorted(answer))
