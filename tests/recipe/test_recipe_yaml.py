"""What is text, what is a number, what is refused: the file before it means anything."""

import pytest

from stemfx.recipe.yaml_tree import MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_TEXT, resolve

HEAD = "stemfx: 1\nsources: {song: gen.wav}\n"


@pytest.mark.parametrize(
    "text",
    [
        *("no", "yes", "on", "off", "No", "ON", "y", "n", "tRue", "NULL!"),
        *("1:30", "1:30:00", "2026-01-01", "1.5.2", "1,5"),
        *("010", "-010", "0o10", "0x1F", "0b1", "1_000"),
        *("1e", ".e3", "nan", "inf", "-", "."),
    ],
)
def test_what_yaml_1_1_or_a_programmer_reads_as_something_else_stays_text(text):
    assert resolve(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-14", -14), ("+3", 3), ("0", 0), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0),
        ("-1.5E-2", -0.015), ("true", True), ("FALSE", False), ("~", None), ("", None),
        ("null", None), (".inf", float("inf")), ("-.INF", -float("inf")),
        ("9" * 30, float("9" * 30)), ("9" * 5000, float("inf")),
    ],
)  # fmt: skip
def test_plain_scalars_follow_the_yaml_1_2_core_schema(text, value):
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


def test_quoted_scalars_are_text_whatever_they_look_like(read):
    recipe = read("stemfx: 1\ntitle: '12'\nauthor: \"true\"\nsources: {song: 'gen.wav'}\n")
    assert (recipe.title, recipe.author) == ("12", "true")


def test_keys_are_text_even_where_they_look_like_numbers_or_switches(read):
    recipe = read(HEAD + "tracks: {1: , no: , 2026-01-01: }\n")
    assert list(recipe.tracks) == ["1", "no", "2026-01-01"]


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfstemfx: 1\r\nsources: {song: gen.wav}\r\n"])
def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(read, data):
    assert list(read(data).sources) == ["song"]


def test_the_columns_count_characters_not_bytes(faults):
    assert faults(HEAD + "title: {é: 1, ü: 2}\n") == [
        "r.yaml:3:8: title: expects text, got a mapping"
    ]
    assert faults("stemfx: 1\nsources: {söng: gen.wav, x: nix.wav}\n")[0].startswith("r.yaml:2:29:")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "1:1: the file is empty; a recipe starts with `stemfx: 1`"),
        ("# only a comment\n", "1:1: the file is empty; a recipe starts with `stemfx: 1`"),
        ("---\n...\n", "1:1: the file is empty; a recipe starts with `stemfx: 1`"),
        ("- a\n", "1:1: a recipe is a mapping that starts with `stemfx: 1`, not a list"),
        ("hello", ("1:1: a recipe is a mapping that starts with `stemfx: 1`, not only "
         "the text 'hello'")),
        ("stemfx: 1\n---\nstemfx: 1\n", ("2:1: a second document starts here; one file "
         "holds one recipe")),
        (b"\xff\xfes\x00", ("1:1: the file is UTF-16; save it as UTF-8, the only "
         "encoding of recipes")),
        ("stemfx: 1\ntitle: Café\n".encode("latin-1"),
         "2:11: byte 0xe9 is not UTF-8; save the file as UTF-8, the only encoding of recipes"),
        ("stemfx: 1\ntitle: a\x1b[2J\n",
         "2:9: the control character U+001B has no place in a recipe; delete it"),
        ("a: \x00", "1:4: the control character U+0000 has no place in a recipe; delete it"),
        ("%TAG !a! tag:x,2000:\n---\na: 1", "1:1: tags are not allowed in a recipe; delete this"),
        ("tracks:\n\t- a\n", "2:1: a tab cannot indent a recipe; use spaces"),
        ("title: a: b\n", ("1:9: a `:` is not expected here; line this up with the lines above, or "
         "put a text that contains `: ` in quotes")),
        ("a: 1\n  b: 2\n", ("2:4: a `:` is not expected here; line this up with the "
         "lines above, or "
         "put a text that contains `: ` in quotes")),
        ("title: 'abc\n", "1:8: this text has no closing quote"),
        ("title: @home\n", "1:8: '@' cannot start a value; put the text in quotes"),
        ("a: {b: 1\n", "2:1: expected `,` or `}`: the `{` of line 1 is not closed"),
        ("a: [1, 2\n", "2:1: expected `,` or `]`: the `[` of line 1 is not closed"),
        ("m:\n  - {cutoff_hz: ${cut}}\n", ('2:18: inside { } and [ ] a knob needs '
         'quotes: "${name}"')),
        ("- a\nb: c\n", "2:1: this line does not line up with the list above"),
        ("a:\n    b: 1\n  c: 2\n", "3:3: this line does not line up with the lines above"),
        ("a: 1\nb\nc: 2\n", "3:1: this line is neither `name: value` nor part of a text"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_yaml_mapping_says_so_in_one_plain_sentence(faults, text, fault):
    assert faults(text) == [f"r.yaml:{fault}"]


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!x", "!!int", "!!str", "!"])
def test_a_tag_is_refused_wherever_it_stands(faults, tag):
    for text, place in [
        (f"stemfx: 1\ntitle: {tag} 'x'\nsources: {{song: gen.wav}}\n", "2:8"),
        (f"stemfx: 1\nsources: {tag} {{song: gen.wav}}\n", "2:10"),
        (f"stemfx: 1\nmaster: {tag} []\nsources: {{song: gen.wav}}\n", "2:9"),
    ]:
        assert faults(text)[0] == (
            f"r.yaml:{place}: the tag {tag!r} is not allowed in a recipe; delete it"
        )


def test_a_tagged_file_as_a_whole_is_refused(faults):
    assert faults("!x {stemfx: 1}") == [
        "r.yaml:1:1: the tag '!x' is not allowed in a recipe; delete it"
    ]


def test_a_key_given_twice_is_a_problem_at_the_second_that_names_the_first(faults):
    assert faults(HEAD + "title: a\nauthor: b\n'title': c\n") == [
        "r.yaml:5:1: 'title' is given twice, first on line 3; keep one"
    ]


def test_merge_keys_and_compound_keys_are_refused(faults):
    assert faults(HEAD + "tracks:\n  a: &a {from: song}\n  b: {<<: *a}\n") == [
        "r.yaml:5:7: merge keys (`<<`) are not supported; use `extends`, or repeat the lines"
    ]
    assert faults(HEAD + "? [a, b]\n: 1\n") == [
        "r.yaml:3:3: a key is a name, not a list or a mapping"
    ]


def test_an_escape_cannot_smuggle_control_characters_in(faults):
    assert faults(HEAD + 'title: "a\\e[2J"\n') == [
        "r.yaml:3:8: control characters are not allowed; got 'a\\x1b[2J'"
    ]


def test_an_alias_repeats_its_anchor(read):
    recipe = read(HEAD + "tracks:\n  a: &a {from: song/x, gain_db: -3}\n  b: *a\n")
    assert recipe.tracks["b"].stem == "x"
    assert recipe.tracks["b"].gain_db == -3


def test_an_alias_of_nothing_or_of_itself_is_a_problem(faults):
    assert faults(HEAD + "title: *t\n") == ["r.yaml:3:8: the alias '*t' is unknown"]
    assert faults(HEAD + "tracks: &t\n  a: *t\n") == [
        "r.yaml:4:6: the alias '*t' is inside what it repeats"
    ]


def test_a_fault_behind_an_alias_counts_once(faults):
    text = HEAD + "tracks:\n  a: {from: song, stages: &s [{high_pass: {order: 9}}]}\n"
    text += "  b: {from: song, stages: *s}\n"
    assert faults(text) == ["r.yaml:4:51: high_pass.order: 9 is outside [1, 8]"]


def test_billion_laughs_are_counted_not_told(faults):
    # Each line is ten times the one before: 10**9 values from 400 bytes.
    lines = ["a0: &a0 [" + ",".join(["ha"] * 10) + "]"]
    lines += [f"a{i}: &a{i} [" + ",".join([f"*a{i - 1}"] * 10) + "]" for i in range(1, 9)]
    (fault,) = faults("\n".join(lines))
    assert fault.endswith(
        f"a recipe holds at most {MAX_NODES} values, those behind aliases included"
    )
    # 10 + 100 + 1000 + 10000 have been told when the fifth line's second alias asks for 11111.
    assert fault.startswith("r.yaml:5:")


def test_nesting_is_bounded_through_aliases_too(faults, read):
    deep = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    too_deep = f"a recipe nests at most {MAX_DEPTH} levels deep"
    assert too_deep not in str(faults(f"a: {deep}"))
    assert faults(f"a: [{deep}]")[-1].endswith(too_deep)
    assert faults(f"a: &a {deep}\nb: [*a]")[-1] == f"r.yaml:2:5: {too_deep}"
    assert faults("a: " + "[" * 100_000)[-1].endswith(too_deep)
    assert faults("a: " + "{a: " * 100_000)[-1].endswith(too_deep)


def test_sizes_are_bounded(faults, read):
    assert faults(b"#" * (MAX_BYTES + 1)) == [
        "r.yaml: a recipe is at most 1 MiB; this file is larger"
    ]
    read(HEAD + "#" * (MAX_BYTES - len(HEAD)))
    assert faults(HEAD + "title: " + "x" * (MAX_TEXT + 1)) == [
        f"r.yaml:3:8: a text is at most {MAX_TEXT} characters; got {MAX_TEXT + 1}"
    ]
    many = "a: [" + "1," * MAX_NODES + "]"
    assert faults(many)[0].endswith(
        f"a recipe holds at most {MAX_NODES} values, those behind aliases included"
    )


def test_a_hostile_file_cannot_bury_the_reader_in_problems(faults):
    found = faults(HEAD + "".join(f"key{i}: 1\n" for i in range(5000)))
    assert len(found) == 101
    assert found[-1] == "and more: only the first 100 problems are shown"
