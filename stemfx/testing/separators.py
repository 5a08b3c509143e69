"""The laws of `stemfx.separator`. A small model will do, and makes it quick."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from stemfx.audio import Audio, Signal
from stemfx.separator import Effort, LicenceClass, SeparationContext, Separator, StemBlock
from stemfx.testing.signals import RaggedSignal, example_audio, require

SILENT = 1e-3
"""Peak of what may come out of silence: -60 dBFS, far below what a separator leaves of a voice."""

OTHER = Effort(0.6, least_overlap=0.7, shifts=2, segment_s=0.9, error_db=-60.0)
"""Differs in every field from the default effort."""


@dataclass(frozen=True)
class Case:
    """A separator whose weights are here, and how long a song has to be to make it join segments.

    Args:
        separator: the model.
        seconds: of the example; several of the model's segments, where that is quick.
    """

    separator: Separator
    seconds: float = 2.0

    def song(self, seconds: float | None = None) -> Audio:
        """Return an example at the model's rate, in stereo."""
        return example_audio(seconds or self.seconds, self.separator.card.sample_rate)

    def run(
        self, song: Signal, wanted: tuple[str, ...] | None = None, **context: Any
    ) -> NDArray[np.float32]:
        """Return `(n_stems, 2, n_samples)` of what comes out, having looked at every block."""
        separator = self.separator
        wanted = separator.card.stems if wanted is None else wanted
        n_stems = len(separator.computes(wanted))
        blocks: list[StemBlock] = [np.zeros((n_stems, 2, 0), np.float32)]
        for block in separator.separate(song, wanted, SeparationContext(**context)):
            shape = (n_stems, 2, block.shape[-1])
            self.require(block.shape == shape, f"gave a block of shape {block.shape}, not {shape}")
            self.require(block.dtype == np.float32, f"gave {block.dtype}, not float32")
            self.require(bool(np.isfinite(block).all()), "gave what is not a number")
            blocks.append(block)
        return np.concatenate(blocks, axis=-1)

    def require(self, condition: bool, broken: str) -> None:  # noqa: FBT001 - reads like assert
        """Blame the model unless a condition holds."""
        require(condition, f"{self.separator.card.name} {broken}")


Law = Callable[[Case], str | None]
"""Raises AssertionError when broken; returns the reason when it does not apply."""


def describes_itself(case: Case) -> str | None:
    """Say what it is in plain values that JSON can hold, and that its weights are here."""
    card = case.separator.card
    case.require(len(set(card.stems)) == len(card.stems) > 0, f"names its stems {card.stems}")
    case.require(card.licence_class in get_args(LicenceClass), f"is {card.licence_class!r}")
    case.require(bool(card.licence and card.summary), "has no licence or summary")
    case.require(8_000 <= card.sample_rate <= 192_000, f"works at {card.sample_rate} Hz")
    json.dumps(asdict(replace(card, sdr=dict(card.sdr))), allow_nan=False)
    case.require(case.separator.weights() == "here", "has no weights here")
    case.require(case.separator.identity() == case.separator.identity(), "changes its identity")
    unknown = case.separator.obeys - {*(field.name for field in fields(Effort)), "device"}
    case.require(not unknown, f"obeys {sorted(unknown)}, which nobody can ask for")
    return None


def computes_what_is_wanted(case: Case) -> str | None:
    """Give what is wanted, each stem once, in its own order; one stem sounds the same alone."""
    separator = case.separator
    stems = separator.card.stems
    case.require(separator.computes(stems) == stems, "does not give all stems when all are wanted")
    song = case.song(1.0)
    whole = dict(zip(stems, case.run(song), strict=True))
    for stem in stems:
        given = separator.computes((stem,))
        in_order = tuple(one for one in stems if one in given)
        case.require(stem in given and given == in_order, f"gives {given} for {stem!r}")
        if given != stems:
            alone = case.run(song, (stem,))[given.index(stem)]
            case.require(np.array_equal(alone, whole[stem]), f"gives another {stem!r} alone")
    return None


def keeps_the_length(case: Case) -> str | None:
    """Give as many samples as it hears, however few."""
    rate = case.separator.card.sample_rate
    for n_samples in (0, 1, 100, round(case.seconds * rate) + 1):
        song = Audio(case.song(case.seconds + 1).samples[:, :n_samples], rate)
        got = case.run(song).shape[-1]
        case.require(got == n_samples, f"gave {got} samples for {n_samples}")
    return None


def leaves_its_input_alone(case: Case) -> str | None:
    """Change nothing of what it hears."""
    song = case.song(1.0)
    before = song.samples.copy()
    case.run(song)
    case.require(np.array_equal(song.samples, before), "changed its input")
    return None


def repeats_itself(case: Case) -> str | None:
    """Give the same bits for the same song, also with shifts, and in another thread."""
    song = case.song(1.0)
    for effort in (Effort(), Effort(shifts=2)):
        first = case.run(song, effort=effort)
        with ThreadPoolExecutor(1) as pool:  # as the engine does it
            again = pool.submit(case.run, song, effort=effort).result()
        case.require(np.array_equal(first, again), "gives other bits the second time")
    return None


def ignores_the_block_size(case: Case) -> str | None:
    """Give the same bits however the song is cut into blocks."""
    song = case.song()
    whole, ragged = case.run(song), case.run(RaggedSignal(song))
    case.require(np.array_equal(whole, ragged), "gives other bits for other blocks")
    return None


def goes_on_where_it_stopped(case: Case) -> str | None:
    """Give from a later start what comes there from the beginning, bit for bit."""
    if not case.separator.resumes:
        return "it does not declare that it resumes"
    song = case.song()
    n_samples = song.n_samples
    for effort, starts in (
        (Effort(), (1, n_samples // 2, n_samples - 1)),
        (Effort(shifts=2), (n_samples // 2,)),
    ):
        whole = case.run(song, effort=effort)
        for start in starts:
            rest = case.run(song, effort=effort, start=start)
            is_same = np.array_equal(rest, whole[..., start:])
            case.require(is_same, f"gives other bits from sample {start} on")
    return None


def obeys_as_declared(case: Case) -> str | None:
    """Give the same bits whatever it does not declare to obey."""
    song = case.song()
    plain = case.run(song)
    heeded = Effort().heeded_by(case.separator)
    deaf = [field.name for field in fields(Effort) if field.name not in heeded]
    if not deaf:
        return "it obeys everything"
    effort = replace(Effort(), **{name: getattr(OTHER, name) for name in deaf})
    other = case.run(song, effort=effort)
    case.require(np.array_equal(other, plain), f"obeys one of {deaf} and does not declare it")
    return None


def keeps_silence(case: Case) -> str | None:
    """Make next to nothing of nothing."""
    song = case.song()
    silence = Audio(np.zeros_like(song.samples), song.sample_rate)
    peak = float(np.abs(case.run(silence)).max(initial=0))
    case.require(peak <= SILENT, f"makes {peak:g} of silence")
    return None


LAWS: tuple[Law, ...] = (
    describes_itself,
    computes_what_is_wanted,
    keeps_the_length,
    leaves_its_input_alone,
    repeats_itself,
    ignores_the_block_size,
    goes_on_where_it_stopped,
    obeys_as_declared,
    keeps_silence,
)
"""Every law, for `pytest.mark.parametrize`."""


def check_separator(separator: Separator, *, seconds: float = 2.0) -> dict[str, str]:
    """Hold a separator to every law.

    Args:
        separator: its weights have to be here.
        seconds: length of the example; several of the model's segments, where that is quick.

    Returns:
        each law's name with "held", or the reason why it does not apply.

    Raises:
        AssertionError: a law is broken.
    """
    case = Case(separator, seconds)
    return {law.__name__: law(case) or "held" for law in LAWS}
