"""Limits that a recipe sets for its result: what was measured is judged, and put in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stemfx.health.check_kinds import KINDS, OF_STEMS, Kind
from stemfx.stage import Finding

CheckLevel = Literal["error", "warn"]

FAILED = "check_failed"
"""The code of the finding of a check that fails."""

_NEARLY = 0.2  # a stage comes within half of it

WHOLES = ("master", "preview", "songs")
"""What verdicts are of, where that is no file."""

Readings = Mapping[str, float | None]
"""What was measured, by the name of the check; None or missing is what cannot be measured."""


@dataclass(frozen=True)
class Check:
    """A limit that the result has to keep, one at least of `low` and `high`, both inclusive.

    Args:
        name: one of `KINDS`.
        low: least value allowed; None for any.
        high: most allowed; None for any.
        level: of the finding when it fails.
        where: in the recipe.
    """

    name: str
    low: float | None
    high: float | None
    level: CheckLevel = "error"
    where: str = ""

    @property
    def kind(self) -> Kind:
        """What it checks."""
        return KINDS[self.name]

    def allows(self, value: float) -> bool:
        """Tell whether a value, rounded as it is told, keeps the limits."""
        is_low = self.low is not None and value < self.low
        is_high = self.high is not None and value > round(self.high + self.kind.tolerance, 9)
        return not is_low and not is_high

    @property
    def limits(self) -> str:
        """The limits in words, such as `in [-14.5, -13.5]` or `at most 3`."""
        if self.low is None:
            return f"at most {_number(self.high)}"
        if self.high is None:
            return f"at least {_number(self.low)}"
        return f"in [{_number(self.low)}, {_number(self.high)}]"


@dataclass(frozen=True)
class Verdict:
    """What became of one check; `value` is None where nothing could be measured."""

    check: Check
    value: float | None
    of: str = "master"

    @property
    def passed(self) -> bool:
        """It was measured, and keeps the limits."""
        return self.value is not None and self.check.allows(self.value)

    @property
    def line(self) -> str:
        """Say it in a few words, for a table: `lufs -14.02 in [-14.5, -13.5]`."""
        of = "" if self.of in WHOLES else f"{self.of}: "
        return of + self._in_short()

    def _in_short(self) -> str:
        check = self.check
        if self.value is None:
            return f"FAILED: {check.name} not measured, has to be {check.limits}"
        told = _written(self.value, check.kind)
        if self.passed:
            is_over = check.high is not None and self.value > check.high
            by = f", {check.kind.tolerance:g} {check.kind.unit} over it pass" if is_over else ""
            return f"{check.name} {told} {check.limits}{by}"
        return f"FAILED: {check.name} {told} not {check.limits}"

    @property
    def finding(self) -> Finding | None:
        """What a producer should know: what was measured, what is allowed, what mends it."""
        return (
            None
            if self.passed
            else Finding(self.check.level, FAILED, self._sentence(), self._fix())
        )

    def _sentence(self) -> str:
        check, kind, unit = self.check, self.check.kind, self._unit
        of = repr(self.of) if self.of not in WHOLES else f"the {self.of}"
        asked = f"`checks` ask for {check.name} {check.limits}{unit}"
        if self.value is None:
            return f"{kind.what} of {of} cannot be measured ({kind.missing}), and {asked}"
        is_under = check.low is not None and self.value < check.low
        mend = kind.under if is_under else kind.over
        mend = mend.replace("GOAL", f"{self._goal(is_under=is_under):g}")
        if is_under and self.value < 0:
            mend += kind.under_zero
        told = f"{kind.what} of {of} is {_written(self.value, kind)}{unit}, and {asked}"
        return f"{told}. To mend it: {mend}"

    def _fix(self) -> str | None:
        """Return what the sentence says last, as it is pasted; None where no one line mends it."""
        check, value = self.check, self.value
        if value is None:
            return None
        is_under = check.low is not None and value < check.low
        fix = check.kind.under_fix if is_under else check.kind.over_fix
        return None if fix is None else fix(self._goal(is_under=is_under))

    @property
    def _unit(self) -> str:
        return f" {self.check.kind.unit}" if self.check.kind.unit else ""

    def _goal(self, *, is_under: bool) -> float:
        """Return what to ask a stage for: the middle of two limits, else the one there is."""
        check, (lowest, highest) = self.check, self.check.kind.goals
        goal = check.low if is_under else check.high
        if check.kind.goal_for is not None and goal is not None:
            exact = min(max(check.kind.goal_for(self.value or 0.0, goal), lowest), highest)
            # To the side on which the limit is kept.
            return (math.floor if is_under else math.ceil)(100 * exact) / 100
        if check.kind.direction == "about":
            goal = self._well_inside()
        return min(max(round(goal or 0.0, 2), lowest), highest)

    def _well_inside(self) -> float:
        low, high = self.check.low, self.check.high
        if low is not None and high is not None:
            return 0.5 * (low + high)
        return low + _NEARLY if low is not None else (high or 0.0) - _NEARLY

    def to_json(self) -> dict[str, Any]:
        """Return plain values for programs."""
        check = self.check
        return {
            "name": check.name,
            "of": self.of,
            "value": self.value,
            "min": check.low,
            "max": check.high,
            "level": check.level,
            "passed": self.passed,
        }


def judge(checks: Sequence[Check], readings: Readings, of: str = "master") -> tuple[Verdict, ...]:
    """Return the verdict on each check, in their order.

    Args:
        checks: what is demanded; give only those that `readings` is to answer for.
        readings: what was measured; what is missing there fails.
        of: whose readings these are: `master`, `preview`, or the name of a file.
    """
    return tuple(
        Verdict(check, rounded(check.name, readings), "songs" if check.name in OF_STEMS else of)
        for check in checks
    )


def rounded(name: str, readings: Readings) -> float | None:
    """Return a reading as it is told and judged."""
    value = readings.get(name)
    if value is None:
        return None
    digits = KINDS[name].digits
    return round(float(value), digits) + 0.0 if digits else round(value)


def _written(value: float, kind: Kind) -> str:
    return f"{value:.{kind.digits}f}"


def _number(value: float | None) -> str:
    return f"{value:.10g}"
