"""Every family keeps the contract of separators, with small models on the real code path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from engine import PartialSeparator, PatientSeparator, ShareSeparator
from separators import published_umx, tiny, tiny_msst

from stemfx.audio import Signal
from stemfx.separator import SeparationContext, Separator, StemBlock
from stemfx.separators import stemfx_open_model
from stemfx.separators.embedded import Embedded
from stemfx.testing.separators import LAWS, Case, Law, check_separator

# demucs' own lines, not ours: its transformer and julius use what torch has renamed since.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def opened(path: Path) -> Separator:
    separator = stemfx_open_model(path)
    assert separator is not None
    return separator


def htdemucs(folder: Path) -> Separator:
    return opened(tiny.save_safetensors(tiny.build("htdemucs"), folder / "m.safetensors"))


def specialists(folder: Path) -> Separator:
    bag = folder / "bag"
    bag.mkdir()
    weights = [[int(k == n) for k in range(4)] for n in range(4)]
    names = [f"0000000{k}" for k in range(4)]
    (bag / "bag.yaml").write_text(f"models: {names}\nweights: {weights}\n")
    for seed, name in enumerate(names):
        network = tiny.build(("hdemucs", "demucs")[seed % 2], seed)
        tiny.save_safetensors(network, bag / f"{name}.safetensors")
    return opened(bag)


def openunmix(folder: Path) -> Separator:
    targets = {name: published_umx.Target(k) for k, name in enumerate(published_umx.STEMS)}
    return opened(published_umx.save_folder(folder / "umx", targets))


def bs_roformer(folder: Path) -> Separator:
    return opened(tiny_msst.make(folder, "bs_roformer")[1])


def scnet(folder: Path) -> Separator:
    return opened(tiny_msst.make(folder, "scnet", ".safetensors")[1])


def embedded(folder: Path) -> Separator:
    return Embedded()


MAKERS: dict[str, Callable[[Path], Separator]] = {
    f.__name__: f for f in (htdemucs, specialists, openunmix, bs_roformer, scnet, embedded)
}


@pytest.fixture(scope="module", params=MAKERS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    make = MAKERS[request.param]
    return Case(make(tmp_path_factory.mktemp("model")), seconds=1.5)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law(case: Case, law: Law) -> None:
    reason = law(case)
    if reason:
        pytest.skip(reason)


# --- the laws themselves --------------------------------------------------------------------


@pytest.mark.parametrize("honest", [ShareSeparator, PartialSeparator])
def test_an_honest_separator_keeps_all_laws(honest: type[Separator]) -> None:
    assert set(check_separator(honest()).values()) <= {
        "held",
        "it does not declare that it resumes",
        "it obeys everything",
    }


def with_a_nan(made: np.ndarray, *_: object) -> np.ndarray:
    made[0, 0, 0] = np.nan
    return made


BREAKS: dict[str, Callable[..., np.ndarray]] = {
    "shape": lambda made, *_: made[:, :1],
    "dtype": lambda made, *_: made.astype(np.float64),
    "nan": with_a_nan,
    "random": lambda made, wrong, *_: made * wrong.n_runs,
    "blocks": lambda made, _, mixture, __: made * next(iter(mixture.blocks())).shape[1],
    "deaf": lambda made, _, __, context: made * (1 + context.effort.shifts),
    "noisy": lambda made, *_: made + np.float32(0.01),
}


class Wrong(ShareSeparator):
    """Breaks one law at a time."""

    def __init__(self, how: str) -> None:
        self.how, self.n_runs = how, 0

    def computes(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        return ("drums",) if self.how == "order" else self.card.stems

    def separate(
        self, mixture: Signal, wanted: tuple[str, ...], context: SeparationContext
    ) -> Iterator[StemBlock]:
        self.n_runs += 1
        for n, block in enumerate(super().separate(mixture, wanted, context)):
            made = BREAKS.get(self.how, lambda made, *_: made)(block.copy(), self, mixture, context)
            yield made[..., 1:] if self.how == "short" and n == 0 else made


@pytest.mark.parametrize(
    ("how", "law", "said"),
    [
        (
            "order",
            "computes_what_is_wanted",
            "gives .* for 'vocals'|all are wanted|a block of shape",
        ),
        ("shape", "keeps_the_length", "gave a block of shape"),
        ("dtype", "keeps_the_length", "gave float64"),
        ("nan", "keeps_the_length", "not a number"),
        ("short", "keeps_the_length", "gave 0 samples for 1|gave 1 samples for 2"),
        ("random", "repeats_itself", "other bits the second time"),
        ("blocks", "ignores_the_block_size", "other bits for other blocks"),
        ("deaf", "obeys_as_declared", "obeys one of"),
        ("noisy", "keeps_silence", "of silence"),
    ],
)
def test_a_broken_law_is_found(how: str, law: str, said: str) -> None:
    laws = {law.__name__: law for law in LAWS}
    with pytest.raises(AssertionError, match=said):
        laws[law](Case(Wrong(how)))


def test_a_start_that_is_not_minded_is_found() -> None:
    class FromTheBeginning(PatientSeparator):
        def separate(
            self, mixture: Signal, wanted: tuple[str, ...], context: SeparationContext
        ) -> Iterator[StemBlock]:
            yield from ShareSeparator.separate(self, mixture, wanted, context)

    laws = {law.__name__: law for law in LAWS}
    with pytest.raises(AssertionError, match="other bits from sample 1 on"):
        laws["goes_on_where_it_stopped"](Case(FromTheBeginning()))
