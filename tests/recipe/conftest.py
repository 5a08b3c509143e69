"""A folder with a recipe in it, and a few stages that only have parameters."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from stemfx.errors import RecipeError
from stemfx.recipe import Recipe, read_recipe
from stemfx.stage import FileRef, Seconds, Stage, StageParams, TrackRef, knob


class NoParams(StageParams):
    pass


class HighPassParams(StageParams):
    cutoff_hz: float = knob(80.0, low=20, high=20_000, unit="Hz", help="corner")
    order: int = knob(2, low=1, high=8, help="steepness")
    gentle: bool = knob(False, help="half as steep")
    mode: Literal["soft", "hard"] = knob("soft", help="knee")


class DuckParams(StageParams):
    by: TrackRef = knob(help="the track that is heard")
    depth_db: float = knob(3.0, low=0, high=24, unit="dB", help="how far down")


class Band(StageParams):
    type: Literal["bell", "shelf"] = knob("bell", help="shape")
    freq_hz: float = knob(low=20, high=20_000, unit="Hz", help="centre")
    gain_db: float = knob(0.0, low=-24, high=24, unit="dB", help="boost")


class EqParams(StageParams):
    bands: tuple[Band, ...] = knob((), help="bands")


class MatchParams(StageParams):
    file: FileRef = knob(help="reference track")


class TrimParams(StageParams):
    start_s: Seconds = knob(0.0, low=0, high=3600, unit="s", help="cut before")


class FitParams(StageParams):
    to: Literal["song", "grid"] | float | None = knob(None, low=None, help="tempo to follow")


def _process(signal: Any, params: Any, context: Any) -> Iterator[Any]:
    """Do nothing."""
    yield signal.read()


STAGES = {
    name: Stage(name, params, _process)
    for name, params in {
        "deess": NoParams,
        "high_pass": HighPassParams,
        "duck": DuckParams,
        "eq": EqParams,
        "match_reference": MatchParams,
        "trim": TrimParams,
        "fit": FitParams,
        "sample_replace": NoParams,
    }.items()
}

Read = Callable[..., Recipe]
Faults = Callable[..., list[str]]


@pytest.fixture(scope="session")
def stages() -> dict[str, Stage]:
    return STAGES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory: it holds the recipe, a song and an asset."""
    folder = tmp_path / "here"
    (folder / "assets").mkdir(parents=True)
    for name in ("gen.wav", "v.wav", "d.wav", "assets/pad.wav", "../outside.wav"):
        (folder / name).touch()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def read(folder: Path) -> Read:
    """Return a function that reads a recipe's text as the file `r.yaml`."""

    def read(
        text: str | bytes,
        settings: Mapping[str, str] | None = None,
        sources: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Recipe:
        data = text if isinstance(text, bytes) else text.encode()
        (folder / "r.yaml").write_bytes(data)
        files = {name: Path(file) for name, file in (sources or {}).items()}
        return read_recipe(
            Path("r.yaml"),
            settings=settings or {},
            sources=files,
            **{"stages": STAGES, **more},
        )

    return read


@pytest.fixture
def faults(read: Read) -> Faults:
    """Return a function that reads a bad recipe and returns its problems as printed."""

    def faults(text: str | bytes, **more: Any) -> list[str]:
        with pytest.raises(RecipeError) as caught:
            read(text, **more)
        return [str(problem) for problem in caught.value.problems]

    return faults
