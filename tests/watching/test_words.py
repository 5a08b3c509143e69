from __future__ import annotations

from typing import cast

from stemfx.plan import Plan
from stemfx.recipe import Recipe
from stemfx.run import NodeResult, Outcome
from stemfx.stage import Finding
from stemfx.watching import changes_told

PLAN = Plan(
    cast("Recipe", None), {}, 44_100, 1.0, {}, outputs={"measure": "meter", "master": "write"}
)


def outcome(
    *done: str,
    findings: tuple[Finding, ...] = (),
    lufs: float | None = -14.04,
    peak: float | None = -1.0,
) -> Outcome:
    names = ["a", "b", "c", "d", "e", "meter", "write"]
    nodes = [
        NodeResult(
            name,
            "op",
            "done" if name in done else "cached",
            measurements={"lufs": lufs, "true_peak_dbtp": peak} if name == "meter" else {},
            findings=findings if name == "a" else (),
        )
        for name in names
    ]
    return Outcome(PLAN, tuple(nodes), 1.0)


def told(after: Outcome, before: Outcome) -> list[str]:
    return list(changes_told(after, before, 2.34))


def test_it_says_which_steps_ran_how_long_it_took_and_the_levels() -> None:
    assert told(outcome("a", "write"), outcome()) == [
        "rendered in 2.3 s; 2 of 7 steps: a, write; master -14.0 LUFS, true peak -1.00 dBTP"
    ]


def test_of_many_steps_only_some_are_named() -> None:
    (line,) = told(outcome("a", "b", "c", "d", "e", "write"), outcome())
    assert "6 of 7 steps: a, b, c, d and 2 more;" in line


def test_when_no_step_ran_it_says_so() -> None:
    assert told(outcome(), outcome("a")) == ["nothing to do: the results are as they were (2.3 s)"]


def test_a_silent_master_has_no_levels() -> None:
    (line,) = told(outcome("a", lufs=None, peak=None), outcome())
    assert line.endswith("; the master is silent")


def test_findings_that_came_and_went_are_told_and_those_that_stayed_are_not() -> None:
    def clips(n: int) -> Finding:
        return Finding("warn", "clips", f"clips {n} times")

    quiet = Finding("error", "quiet", "is quiet")
    after = outcome("a", findings=(clips(5), quiet))
    assert told(after, outcome(findings=(clips(3),)))[1:] == ["  new error: is quiet [a]"]
    assert told(outcome("a"), after)[1:] == [
        "  gone warn: clips 5 times [a]",
        "  gone error: is quiet [a]",
    ]
