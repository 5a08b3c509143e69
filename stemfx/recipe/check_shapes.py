"""The shape of `checks`: one field for each kind of check, each with its unit and its range."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema, create_model, model_validator

from stemfx.dsp.targets import TargetName
from stemfx.health.check_kinds import KINDS, Kind
from stemfx.health.checks import CheckLevel
from stemfx.stage import StageParams


class LimitShape(StageParams):
    """Limits of a check, and how bad it is to fail it."""

    min: float | None = Field(None, description="least value allowed")
    max: float | None = Field(None, description="most allowed")
    level: CheckLevel = Field("error", description="of the finding when it fails")

    @model_validator(mode="after")
    def _has_a_limit(self) -> LimitShape:
        limits = [limit for limit in (self.min, self.max) if limit is not None]
        if not limits:
            raise ValueError("has neither `min` nor `max`, so it checks nothing")
        _in_order([limits[0], limits[-1]])
        return self


def _in_order(limits: list[float]) -> list[float]:
    if len(limits) != 2:
        told = f"a range has two numbers, [lowest, highest]; got {len(limits)}"
        raise ValueError(told)
    low, high = limits
    if low > high:
        raise ValueError(f"nothing is above {low:g} and below {high:g}; write [{high:g}, {low:g}]")
    return limits


def _is_false(value: bool) -> bool:  # noqa: FBT001 - as pydantic calls it
    if value:
        raise ValueError("true is no limit; give one, or false to take the check out")
    return value


# Not a Literal: that takes 0 for false.
_Off = Annotated[bool, AfterValidator(_is_false), WithJsonSchema({"const": False})]


def _limits(name: str, kind: Kind) -> Any:
    """Return the type of a check: a number, [lowest, highest], a mapping, or false for none."""
    low, high = kind.range
    number = Annotated[float, Field(ge=low, le=high, json_schema_extra={"unit": kind.unit})]
    two = {"minItems": 2, "maxItems": 2}
    pair = Annotated[list[number], Field(json_schema_extra=two), AfterValidator(_in_order)]
    mapping = create_model(
        f"{name.title().replace('_', '')}Check",
        __base__=LimitShape,
        min=(number | None, LimitShape.model_fields["min"]),
        max=(number | None, LimitShape.model_fields["max"]),
    )
    alone = number if kind.direction else None
    return alone | pair | mapping | _Off | None


_ALONE = {
    "at most": "; a number alone is the most allowed",
    "at least": "; a number alone is the least allowed",
}


def _about(kind: Kind) -> str:
    if kind.direction == "about":
        return f"{kind.help}; a number alone is within {kind.about:g} {kind.unit} of it"
    return kind.help + _ALONE.get(kind.direction, "")


_FIELDS: dict[str, Any] = {
    name: (_limits(name, kind), Field(None, description=_about(kind)))
    for name, kind in KINDS.items()
}


class ChecksShape(create_model("Kinds", __base__=StageParams, **_FIELDS)):  # type: ignore[misc] # made of KINDS
    """What the result has to keep: a limit for each of these that is to be checked."""

    target: TargetName | None = Field(
        None, description="a place that plays music: its loudness within 0.5 LU, and its ceiling"
    )
