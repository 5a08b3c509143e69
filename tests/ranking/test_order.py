"""The order of takes: 100 points less their faults, whatever the order in which they are given."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemfx.ranking.faults import Fault
from stemfx.ranking.order import ranked


def fault(**changes: object) -> Fault:
    values = {
        "measure": "noise_db",
        "fine": -60.0,
        "full": -20.0,
        "curve": "linear",
        "weight": 20.0,
        "reason": "noise at {noise_db:.0f} dB",
    }
    return Fault.model_validate(values | changes)


@pytest.mark.parametrize(
    ("value", "curve", "points"),
    [
        (-70.0, "linear", 0.0),
        (-60.0, "linear", 0.0),
        (-50.0, "linear", 5.0),
        (-50.0, "root", 10.0),
        (-40.0, "square", 5.0),
        (0.0, "linear", 20.0),
        (None, "linear", 0.0),
    ],
)
def test_points_grow_from_fine_to_full(value, curve, points):
    assert fault(curve=curve).points({"noise_db": value}) == pytest.approx(points)


def test_where_less_is_worse_full_lies_below_fine():
    few = fault(measure="bits", fine=16.0, full=8.0, reason="{bits} bit")
    assert [few.points({"bits": bits}) for bits in (24.0, 12.0, 4.0)] == [0.0, 10.0, 20.0]


def test_a_score_is_100_less_all_points_and_the_worst_is_said_first():
    faults = {
        "noise": fault(),
        "bits": fault(measure="bits", fine=16.0, full=8.0, weight=40.0, reason="{bits:.0f} bit"),
    }
    (one,) = ranked({"a": {"noise_db": -40.0, "bits": 12.0}}, faults)
    assert one.score == pytest.approx(100 - 10 - 20)
    assert one.reasons == ["12 bit", "noise at -40 dB"]


def test_the_order_does_not_depend_on_that_of_the_files_but_for_equal_ones():
    takes = {name: {"noise_db": db} for name, db in (("a", -20.0), ("b", -50.0), ("c", -35.0))}
    for names in permutations(takes):
        order = ranked({name: takes[name] for name in names}, {"noise": fault()})
        assert [one.name for one in order] == ["b", "c", "a"]
    twins = {name: {"noise_db": -30.0} for name in ("x", "w", "y")}
    order = ranked(twins, {"noise": fault()})
    assert [(one.name, one.rank) for one in order] == [("x", 1), ("w", 2), ("y", 3)]


def test_each_take_says_what_the_next_one_has():
    takes = {"a": {"noise_db": -30.0}, "b": {"noise_db": -70.0}}
    first, last = ranked(takes, {"noise": fault()})
    assert first.ahead == "ahead of a: there, noise at -30 dB"
    assert (first.reasons, last.ahead) == ([], "")


def test_loudness_moves_nobody():
    from stemfx.weight_files import read_weights

    assert "lufs" not in {fault.measure for fault in read_weights().take.values()}


@given(st.floats(-200, 50), st.floats(-200, 50))
def test_worse_is_never_better(one, other):
    low, high = sorted((one, other))
    assert fault().points({"noise_db": low}) <= fault().points({"noise_db": high})
