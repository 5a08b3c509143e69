from __future__ import annotations

import tracemalloc
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from stemfx.errors import ModelError
from stemfx.separators.plain_yaml import LARGEST_BYTES, read_plain, shown

LEVELS = 20  # each doubles what a bomb stands for: 2**20 items, 4 MB as text


@contextmanager
def little_memory() -> Iterator[None]:
    """Fail when more than 2 MB are in use at a time; the bombs here would take 4 MB and more."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def shared(levels: int, kind: Any = list) -> Any:
    """Make a list that holds another one twice, and that one a third one twice, ..."""
    made = kind([("k", 1)] if issubclass(kind, dict) else [1])
    for _ in range(levels):
        made = kind(a=made, b=made) if issubclass(kind, dict) else kind([made, made])
    return made


def read(text: str, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "m.yaml").write_text(text)
    return read_plain(tmp_path / "m.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]", "an alias of more than a plain list"),
        ("a: &a {k: 1}\nb: *a", "an alias of more than a plain list"),
        ("a: &a {k: 1}\nb: {<<: [*a, *a]}", "an alias of more than a plain list"),
        ("a: &a [*a, *a]", "an alias of more than a plain list"),
        ("a: &a [" + "x," * 1000 + "]\nb: [" + "*a," * 1000 + "]", "aliases of too much"),
        ("a: &a " + "x" * 50_000 + "\nb: [" + "*a," * 1000 + "]", "aliases of too much"),
        ("a: 1" + ":10" * 200 + ".5", "a number that is too long"),
        ("a: 1" + ":10" * 20_000, "a number that is too long"),
        ("a: 0x" + "f" * 5000, "a number that is too long"),
        ("a: " + "9" * 5000, "a number that is too long"),
        ("a: " + "[" * 3000, "nested too deep"),
        ("a: !!bool perhaps", "not plain YAML"),
        ("a: !!int ''", "not plain YAML"),
        ("a: !!timestamp never", "not plain YAML"),
        ("a: !!python/tuple &t [*t]", "an alias of more than a plain list"),
        ("a: [", "not plain YAML"),
        ("a: \x00", "not plain YAML"),
        ("[a]", "not the settings of a model"),
        ("", "not the settings of a model"),
        ("a: 1 #" + "x" * LARGEST_BYTES, "too large for the settings of a model"),
    ],
    ids=lambda text: text[:30],
)
def test_hostile_yaml_is_one_short_sentence(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        read(text, tmp_path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200 + len(str(tmp_path))


def test_what_is_written_once_may_be_meant_twice(tmp_path: Path) -> None:
    text = "a: &a [1, 2.5, x]\nb: *a\nc: !!python/tuple [*a, *a]\nd: &d text\ne: *d"
    content = read(text, tmp_path)
    assert content["b"] == [1, 2.5, "x"]
    assert content["c"] == ([1, 2.5, "x"], [1, 2.5, "x"])
    assert content["e"] == "text"


def test_aliases_stand_for_no_more_than_a_file_may_have(tmp_path: Path) -> None:
    """A list of 999 characters and its end: 1000 each."""
    most = LARGEST_BYTES // 1000
    text = "a: &a [" + "x" * 999 + "]\nb: [{}]"
    assert len(read(text.format("*a," * most), tmp_path)["b"]) == most
    with pytest.raises(ModelError, match="aliases of too much"):
        read(text.format("*a," * (most + 1)), tmp_path)


@pytest.mark.parametrize("kind", [list, tuple, dict, OrderedDict])
def test_showing_a_value_takes_no_time_and_memory(kind: Any) -> None:
    bomb = shared(LEVELS, kind)
    with little_memory():
        assert len(shown(bomb)) <= 80


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (2.5, "2.5"),
        (None, "None"),
        (True, "True"),
        (Fraction(1, 2), "Fraction(1, 2)"),
        ("vocals", "'vocals'"),
        ([1, "a"], "[1, 'a']"),
        ({"a": 1}, "{'a': 1}"),
        (Path("x"), "a PosixPath"),
    ],
)
def test_small_values_are_shown_as_they_are(value: Any, text: str) -> None:
    assert shown(value) == text


def test_what_is_long_is_shown_in_part() -> None:
    assert shown(1 << 100_000) == "a very large number"  # more digits than Python writes
    assert shown("x" * 10_000).startswith("'xxx")
    assert all(len(shown(v)) <= 80 for v in ("x" * 10_000, ["x" * 99] * 99, {"x" * 99: "y" * 99}))
