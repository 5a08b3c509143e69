from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from stemfx.recipe.model import Knob
from stemfx.session import Request
from stemfx.ui import Desk, KnobFaultError, ServedPage, StepObserver, command_line, empty_page
from stemfx.ui.desk import N_KEPT, State


@dataclass
class Recipe:
    knobs: dict[str, Knob] = field(default_factory=dict)


def knob(name: str, default: Any = 1.0, high: float | None = 12.0) -> Knob:
    return Knob(name, default, None if high is None else -high, high, "dB", "", "r.yaml:1:1")


def desk_of(*knobs: Knob) -> Desk:
    desk = Desk(empty_page("r.yaml"), " ".join)
    desk.settings(Recipe({each.name: each for each in knobs}))  # type: ignore[arg-type]
    return desk


def state(desk: Desk) -> State:
    return desk.wait(-1, 0)[1]


def test_a_turned_knob_is_taken_once_and_a_knob_that_is_gone_is_forgotten() -> None:
    desk = desk_of(knob("a"), knob("b"))
    desk.turn({"a": 3, "b": -2.5})
    assert desk.turned.is_set()
    assert desk.settings(Recipe({"a": knob("a")})) == {"a": "3"}  # type: ignore[arg-type]
    assert not desk.turned.is_set()
    assert state(desk).settings == {"a": "3"}
    assert desk.settings(Recipe({"a": knob("a", high=2.0)})) == {}  # type: ignore[arg-type]


def test_a_value_that_changes_nothing_renders_nothing() -> None:
    desk = desk_of(knob("a"))
    desk.turn({"a": 3})
    desk.begin()
    desk.turn({"a": 3})
    assert not desk.turned.is_set()


@pytest.mark.parametrize(
    ("value", "text"), [(1e-7, "0.0000001"), (2.0, "2.0"), (-3, "-3"), (0.1, "0.1")]
)
def test_numbers_are_written_as_set_takes_them(value: float, text: str) -> None:
    assert desk_of(knob("a")).turn({"a": value}).settings == {"a": text}


def test_a_text_is_a_text_whatever_it_looks_like() -> None:
    desk = desk_of(knob("a", "x", None))
    assert desk.turn({"a": "true"}).settings == {"a": "true"}
    with pytest.raises(KnobFaultError, match="at most 256 characters"):
        desk.turn({"a": "x" * 257})
    with pytest.raises(KnobFaultError, match="control characters"):
        desk.turn({"a": "\x1b[0m"})


def test_the_page_before_is_kept_and_no_more() -> None:
    desk = desk_of()
    for k in range(1, 5):
        desk.publish(ServedPage({"k": k}, b""))
    kept = [k for k in range(5) if desk.page(k) is not None]
    assert kept == [3, 4]
    assert len(kept) == N_KEPT
    assert desk.newest.data == {"k": 4}


def test_the_share_is_of_what_the_cache_did_not_have() -> None:
    @dataclass
    class Step:
        id: str
        status: str = ""

    desk = desk_of()
    steps: Any = StepObserver(desk, 4, clock=iter(range(100)).__next__)
    steps.finished(Step("a"), Step("a", "cached"))
    steps.finished(Step("b"), Step("b", "skipped"))
    steps.started(Step("c"), 1000)
    assert (state(desk).step, state(desk).share) == ("c", 0.0)
    steps.advanced(Step("c"), 500)
    assert state(desk).share == 0.25
    steps.finished(Step("c"), Step("c", "done"))
    assert state(desk).share == 0.5


def test_a_long_fault_is_cut_for_the_page() -> None:
    desk = desk_of()
    desk.fault("x" * 100_000)
    assert len(state(desk).message) < 5000


def test_the_command_line_makes_the_same_result_and_is_quoted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stemfx.ui.command.os.name", "posix")
    request = Request(settings={"a": "1", "b": "2"}, preset="loud", preview_s=(90.0, 20.5))
    typed = command_line("my remix.yaml", request, {"b": "$(rm x)", "c": "-3"})
    assert typed == (
        "stemfx run 'my remix.yaml' --preset loud --set a=1 --set 'b=$(rm x)' --set c=-3 "
        "--preview 90:20.5"
    )
