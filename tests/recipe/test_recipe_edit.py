"""Changing single values in a recipe's text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemfx.recipe.edit import EditError, edited, scalar, tree_of
from stemfx.recipe.yaml_tree import plain

HEAD = "stemfx: 1\n"


def after(text, *path, to):
    return edited((HEAD + text).encode(), {path: to}).decode().removeprefix(HEAD)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("a: {b: 1, c: 2}  # why\n", "a: {b: 9, c: 2}  # why\n"),
        ("a:\n  # one\n  b: 1  # two\n  c: 2\n", "a:\n  # one\n  b: 9  # two\n  c: 2\n"),
        ("a:\n  b:      # two\n", "a:\n  b: 9    # two\n"),
        ("a:\n  b:\n# end", "a:\n  b: 9\n# end"),
        ("a: {b: , c: 2}\n", "a: {b: 9 , c: 2}\n"),
        ("a: {b, c: 2}\n", "a: {b: 9, c: 2}\n"),
        ("a: {\"b\": 'x y'}\n", 'a: {"b": 9}\n'),
        ("a: {b: ~}\n", "a: {b: 9}\n"),
        ("a:\n  b: one\n    two\n  c: 2\n", "a:\n  b: 9\n  c: 2\n"),
        ("t: é🎸\r\na:\r\n  b: 1\r\n", "t: é🎸\r\na:\r\n  b: 9\r\n"),
        ("t: 'x\u2028y'\na:\n  b: 1\n", "t: 'x\u2028y'\na:\n  b: 9\n"),
        ("a:\n  # one\n  c: 2\n", "a:\n  # one\n  b: 9\n  c: 2\n"),
        ("a: {c: 2}\n", "a: {b: 9, c: 2}\n"),
        ("a: {}\n", "a: {b: 9}\n"),
        ("a:\n", "a: {b: 9}\n"),
        ("a: old\n", "a: {b: 9}\n"),
        ("c: 1 # end\n", "c: 1 # end\n\na: {b: 9}\n"),
    ],
)
def test_only_the_value_changes(before, expected):
    assert after(before, "a", "b", to=9) == expected


@pytest.mark.parametrize("text", ["a: &x {b: 1}\nc: *x\n", "a: {b: &x 1}\nc: *x\n"])
def test_what_would_reach_something_else_is_refused(text):
    with pytest.raises(EditError):
        after(text, "a", "b", to=9)


@given(st.one_of(st.text(max_size=30), st.integers(-99, 99), st.booleans(), st.floats(-9, 9)))
def test_a_value_reads_the_same_in_a_block_and_in_brackets(value):
    for text in ("a:\n  b: 1\n", "a: {b: 1, c: [2]}\n"):
        try:
            new = plain(tree_of((HEAD + after(text, "a", "b", to=value)).encode()))
        except EditError:  # control characters and line breaks have no place in a recipe
            assert isinstance(value, str)
            assert not value.isprintable()
        else:
            assert (new["a"]["b"], type(new["a"]["b"])) == (value, type(value))


def test_values_that_other_programs_take_for_something_else_are_quoted():
    assert [scalar(v) for v in ("no", "Off", "1_000", "0x1F", "1:30", "a/b-c.wav", "")] == [
        "'no'", "'Off'", "'1_000'", "'0x1F'", "'1:30'", "a/b-c.wav", "''"
    ]  # fmt: skip
