"""What counts against a take, and how much: values that a file of weights fills."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from stemfx.ranking.measurements import SECTION, STEM, TAKE, Measure, Measurements

_FIELD = re.compile(r"\{([a-z_0-9]*)(?::([^{}]*))?\}")
_FORMAT = re.compile(r"[+]?,?(\.[0-3])?f")
_UNKNOWN = "?"
_POWERS = {"linear": 1.0, "root": 0.5, "square": 2.0}


class Fault(BaseModel):
    """One thing that may be wrong, from not at all (0) to wholly (1)."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    measure: str = Field(max_length=60, description="a measurement")
    fine: float = Field(ge=-1e6, le=1e6, description="up to here it is no fault")
    full: float = Field(ge=-1e6, le=1e6, description="from here on it is a whole fault")
    curve: Literal["linear", "root", "square"] = Field("linear", description="how it grows between")
    weight: float = Field(ge=0, le=100, description="points that a whole fault costs")
    reason: str = Field(max_length=300, description="what is said of it")
    source: str = Field("", max_length=300, description="where the numbers come from")

    @field_validator("reason")
    @classmethod
    def _is_plain(cls, reason: str) -> str:
        for _, form in _FIELD.findall(reason):
            if form and not _FORMAT.fullmatch(form):
                raise ValueError(f"{{name:{form}}} is no format; {{name}} and {{name:.1f}} are")
        if set(_FIELD.sub("", reason)) & set("{}"):
            raise ValueError("a { or } stands alone; {name} and {name:.1f} are measurements")
        return reason

    @model_validator(mode="after")
    def _has_a_range(self) -> Fault:
        if self.fine == self.full:
            raise ValueError("`fine` and `full` are the same; set them apart")
        return self

    @property
    def names(self) -> list[str]:
        """The measurements that it is about, the one that counts first."""
        return [self.measure, *(name for name, _ in _FIELD.findall(self.reason))]

    def share(self, values: Measurements) -> float:
        """Return how much of a fault it is, 0 to 1; 0 where it was not measured."""
        value = values.get(self.measure)
        if value is None:
            return 0.0
        share = min(1.0, max(0.0, (value - self.fine) / (self.full - self.fine)))
        return float(share ** _POWERS[self.curve])

    def points(self, values: Measurements) -> float:
        """Return what it costs."""
        return self.weight * self.share(values)

    def sentence(self, values: Measurements) -> str:
        """Return the reason with its numbers in it."""

        def told(found: re.Match[str]) -> str:
            value = values.get(found[1])
            return _UNKNOWN if value is None else format(value + 0.0, found[2] or ".4g")

        return _FIELD.sub(told, self.reason)


Faults = Mapping[str, Fault]
"""By name, in the order of the file: of equal faults the first is told first."""


class Weights(BaseModel):
    """A whole file of weights."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    ranking: Literal[1] = Field(description="version of the format: 1")
    take: dict[str, Fault] = Field(description="faults of a take")
    stem: dict[str, Fault] = Field(description="faults of a stem")
    section: dict[str, Fault] = Field(description="faults of a take in one section")


PARTS: Mapping[str, Mapping[str, Measure]] = {"take": TAKE, "stem": STEM, "section": SECTION}
"""What each part of a file may measure."""
