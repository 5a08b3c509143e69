"""Helpers of the engine's tests: a tiny separator, odd stages, and a way to run recipe text."""

from __future__ import annotations

import _thread
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from stemfx.audio import Block, Signal
from stemfx.cache import Cache
from stemfx.hits import Hit, HitClassifier
from stemfx.hookspecs import hookimpl
from stemfx.io import probe, read_blocks
from stemfx.registry import Registry, build_registry
from stemfx.run import Observer, Outcome, run
from stemfx.separator import ModelCard, SeparationContext, Separator, StemBlock, WeightsState
from stemfx.session import Request, load_recipe, prepare
from stemfx.stage import (
    Analysis,
    HitParams,
    KitRef,
    Song,
    SongRef,
    SoundRef,
    SourceRef,
    Stage,
    StageContext,
    StageParams,
    StemRef,
    knob,
    stage,
)


class ShareSeparator(Separator):
    """Gives every stem a fixed share of the mixture; a tenth stays unexplained."""

    shares = {"vocals": 0.3, "drums": 0.3, "bass": 0.2, "other": 0.1}  # noqa: RUF012
    card = ModelCard(
        name="shares",
        family="test",
        stems=tuple(shares),
        sample_rate=44_100,
        licence="CC0-1.0",
        summary="for tests",
    )

    def weights(self) -> WeightsState:
        return "here"

    def identity(self) -> str:
        return "1"

    def separate(
        self, mixture: Signal, wanted: tuple[str, ...], context: SeparationContext
    ) -> Iterator[StemBlock]:
        gains = np.array(list(self.shares.values()), np.float32)[:, None, None]
        for block in mixture.blocks(10_000):
            yield gains * block


class PartialSeparator(ShareSeparator):
    """Computes only what is wanted, like a bag of specialists."""

    card = ModelCard(
        "partial", "test", ("vocals", "drums", "bass", "other"), 44_100, "CC0", "for tests"
    )

    def computes(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(stem for stem in self.card.stems if stem in wanted)

    def separate(
        self, mixture: Signal, wanted: tuple[str, ...], context: SeparationContext
    ) -> Iterator[StemBlock]:
        gains = np.array([self.shares[s] for s in self.computes(wanted)], np.float32)
        for block in mixture.blocks():
            yield gains[:, None, None] * block


class HalfSeparator(ShareSeparator):
    """Gives a voice and what it calls the instrumental, half the mixture each."""

    shares = {"vocals": 0.5, "instrumental": 0.5}  # noqa: RUF012
    card = ModelCard("halves", "test", ("vocals", "instrumental"), 44_100, "MIT", "")


class PatientSeparator(ShareSeparator):
    """Obeys an effort, goes on where it stopped, and presses Ctrl-C once when told where."""

    card = ModelCard("patient", "test", tuple(ShareSeparator.shares), 48_000, "CC0-1.0", "")
    obeys = frozenset({"overlap", "shifts", "device"})
    resumes = True
    contexts: ClassVar[list[SeparationContext]] = []
    interrupt_at: ClassVar[int | None] = None

    def separate(
        self, mixture: Signal, wanted: tuple[str, ...], context: SeparationContext
    ) -> Iterator[StemBlock]:
        self.contexts.append(context)
        gains = np.array(list(self.shares.values()), np.float32)[:, None, None]
        for at in range(context.start, mixture.n_samples, 10_000):
            if self.interrupt_at is not None and at >= self.interrupt_at:
                type(self).interrupt_at = None
                _thread.interrupt_main()
                time.sleep(1)
            yield gains * mixture.read(at, at + 10_000)


class Amount(StageParams):
    amount: float = knob(1.0, low=0, high=10, help="how much")


@stage(Amount)
def breaks_with_nan(signal: Signal, params: Amount, context: StageContext) -> Iterator[Block]:
    """Give something that is not a number."""
    for block in signal.blocks():
        yield block * np.float32("nan")


@stage(Amount)
def loses_a_sample(signal: Signal, params: Amount, context: StageContext) -> Iterator[Block]:
    """Give one sample too few."""
    yield signal.read(1)


@stage(Amount)
def interrupts(signal: Signal, params: Amount, context: StageContext) -> Iterator[Block]:
    """Press Ctrl-C, then work on slowly."""
    _thread.interrupt_main()
    for block in signal.blocks(1000):
        time.sleep(0.05)
        yield block


@stage(Amount)
def random_noise(signal: Signal, params: Amount, context: StageContext) -> Iterator[Block]:
    """Add noise from the context's seed."""
    rng = np.random.default_rng(context.seed)
    for block in signal.blocks():
        yield block + rng.standard_normal(block.shape).astype(np.float32) * np.float32(0.01)


@stage(Amount, is_check=True)
def finds(signal: Signal, params: Amount, context: StageContext) -> Iterator[Block]:
    """Find something to say."""
    context.report(seen_samples=sum(block.shape[1] for block in signal.blocks()))
    context.find("warn", "found", "something")
    yield from ()


@stage(Amount)
def gives_nothing_at_all(signal: Signal, params: Amount, context: StageContext) -> Iterator[Block]:
    """Give None."""
    yield None  # type: ignore[misc]


@stage(Amount)
def reports_infinity(signal: Signal, params: Amount, context: StageContext) -> Iterator[Block]:
    """Report what JSON cannot say."""
    yield from signal.blocks()
    context.report(level_db=float("-inf"))


@stage(Amount)
def finds_a_level_that_is_none(
    signal: Signal, params: Amount, context: StageContext
) -> Iterator[Block]:
    """Find something at a level that does not exist."""
    yield from signal.blocks()
    context.find("warning", "x", "y")  # type: ignore[arg-type]


@stage(Amount, is_check=True)
def checks_and_gives(signal: Signal, params: Amount, context: StageContext) -> Iterator[Block]:
    """Check, and give a signal all the same."""
    yield from signal.blocks()


class Beside(StageParams):
    against: list[StemRef] = knob(default=[], help="other stems")
    amount: float = knob(0.5, low=0, high=1, help="of the others, taken off")
    keep_removed: bool = knob(default=False, help="keep what is taken away")


ANALYSED: list[tuple[str, ...]] = []
"""The stems of every analysis of `subtracts_others`, so that a test can count them."""


def _peaks(song: Song, settings: Mapping[str, Any]) -> dict[str, Any]:
    ANALYSED.append(tuple(song.stems))
    return {
        "peak": {name: float(np.abs(stem.read()).max()) for name, stem in song.stems.items()},
        "amount": settings["amount"],
    }


@stage(Beside, hears_song=True, analysis=Analysis(_peaks, ("amount",)), heeds_origin=True)
def subtracts_others(signal: Signal, params: Beside, context: StageContext) -> Iterator[Block]:
    """Take a share of the other stems off; report what it heard."""
    song = context.own_song
    context.report(
        own=song.own,
        stems=" ".join(song.stems),
        against=" ".join(song.others),
        mixture_peak=float(np.abs(song.mixture.read()).max()),
        own_peak=song.analysis["peak"][song.own],
        is_generated=context.is_generated,
    )
    done = 0
    for block in signal.blocks():
        n = block.shape[1]
        others = [stem.read(done, done + n) for stem in song.others.values()]
        done += n
        yield block - np.float32(song.analysis["amount"]) * np.sum(others, axis=0, dtype=np.float32)


@stage(Amount, is_check=True, hears_song=True)
def compares(signal: Signal, params: Amount, context: StageContext) -> Iterator[Block]:
    """Compare with the song."""
    gap = context.own_song.mixture.read() - signal.read()
    context.report(largest_difference=float(np.abs(gap).max()))
    yield from ()


class HearsHits(HitParams):
    """All that a stage may be given beside its signal."""

    kit: KitRef = knob("synth", help="a kit")
    sound: SoundRef | None = knob(None, help="a sound")
    to: SourceRef | None = knob(None, help="a song")


@stage(HearsHits)
def tells_hits(signal: Signal, params: HearsHits, context: StageContext) -> Iterator[Block]:
    """Tell what it is given."""
    context.report(
        hits=" ".join(f"{hit.time_s:.2f}:{hit.drum_class}" for hit in context.hits),
        kit=context.kits["kit"].name,
    )
    if params.sound is not None:
        sound = context.sounds["sound"]
        context.report(sound_rate=sound.sample_rate, sound_samples=sound.n_samples)
    if params.to is not None:
        context.report(bpm=context.readings["to"].bpm)
    yield from signal.blocks()


class Listens(StageParams):
    """A song to listen to."""

    song: SongRef | None = knob(None, help="a song")


@stage(Listens)
def listens(signal: Signal, params: Listens, context: StageContext) -> Iterator[Block]:
    """Tell what song it hears."""
    if params.song is not None:
        song = context.sounds["song"]
        context.report(peak=float(np.abs(song.read()).max()), samples=song.n_samples)
        context.report(rate=song.sample_rate)
    yield from signal.blocks()


@stage(StageParams, changes_length=True, places_its_input=True)
def halves(signal: Signal, params: StageParams, context: StageContext) -> Iterator[Block]:
    """Keep the first half."""
    context.report(samples_in=signal.n_samples)
    yield signal.read(0, signal.n_samples // 2)


class EverySecond(HitClassifier):
    """Hears a kick every second from the first that is not silent, and tells how often asked."""

    name = "every_second"
    summary = "for tests"
    licence = "CC0-1.0"
    asked = 0

    def classify(self, drums: Signal, onsets_s: Sequence[float]) -> Sequence[Hit]:
        type(self).asked += 1
        seconds = range(int(drums.n_samples / drums.sample_rate))
        return [Hit(0.25 + second, "kick", 0.5) for second in seconds]


@stage(Amount, is_check=True, heeds_origin=True)
def origin(signal: Signal, params: Amount, context: StageContext) -> Iterator[Block]:
    """Tell whether an AI made it."""
    context.report(is_generated=context.is_generated)
    yield from ()


class TestPlugin:
    """What a test adds to the registry."""

    __test__ = False

    @hookimpl
    def stemfx_stages(self) -> list[Stage]:
        return [
            breaks_with_nan,
            loses_a_sample,
            interrupts,
            random_noise,
            finds,
            gives_nothing_at_all,
            reports_infinity,
            finds_a_level_that_is_none,
            checks_and_gives,
            subtracts_others,
            compares,
            origin,
            tells_hits,
            listens,
            halves,
        ]

    @hookimpl
    def stemfx_hit_classifiers(self) -> list[HitClassifier]:
        return [EverySecond()]

    @hookimpl
    def stemfx_separators(self) -> list[Separator]:
        return [ShareSeparator(), PartialSeparator(), HalfSeparator(), PatientSeparator()]


def registry() -> Registry:
    return build_registry([("test", TestPlugin())])


def run_text(
    folder: Path,
    text: str,
    *,
    cache: Cache | None = None,
    jobs: int = 2,
    observer: Observer | None = None,
    **request: Any,
) -> Outcome:
    """Run a recipe given as text, its sources lying in `folder`."""
    path = folder / "recipe.yaml"
    path.write_text("stemfx: 1\n" + text, encoding="utf-8")
    found = registry()
    asked = Request(**request)
    recipe, out = load_recipe(str(path), asked, found)
    plan, notices = prepare(recipe, out, asked, found, may_fetch=True)
    store = cache or Cache(folder / "cache")
    return run(plan, store, jobs=jobs, notices=notices, observer=observer)


def statuses(outcome: Outcome, status: str) -> set[str]:
    return {node.id for node in outcome.nodes if node.status == status}


def samples(path: Path | str) -> np.ndarray:
    return np.concatenate(list(read_blocks(probe(Path(path)))), axis=1)


def level_db(difference: np.ndarray, reference: np.ndarray) -> float:
    """Return the rms of a difference relative to a reference."""
    ratio = np.sqrt(np.mean(np.square(difference, dtype=np.float64))) / np.sqrt(
        np.mean(np.square(reference, dtype=np.float64))
    )
    return float(20 * np.log10(max(ratio, 1e-20)))
