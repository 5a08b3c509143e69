"""Whatever the file holds: a recipe comes out, or a list of problems. Nothing else ever does."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stemfx.errors import RecipeError
from stemfx.recipe import Recipe, read_recipe

KEYS = (
    *("stemfx", "title", "license", "params", "sources", "separate", "tracks", "mix", "master"),
    *("output", "extends", "align", "default", "min", "max", "unit", "song", "vocals", "drums"),
    *("from", "stages", "gain_db", "pan", "mute", "file", "stems", "fold_down", "model", "db"),
    *("residual", "report", "bit_depth", "sample_rate", "deess", "high_pass", "cutoff_hz", "duck"),
    *("by", "eq", "bands", "freq_hz", "match_reference"),
    *("checks", "lufs", "mono_loss_db", "lra_lu", "null_db", "target", "level", "clipping"),
)
PATHS = ("r.yaml", "gen.wav", "x.wav", "song/vocals", ".", "..", "/", "../x", "\\", "nul", "~")
KNOBS = ("${db}", "${", "$${", "${x}y")
NUMBERS = ("1", "-3", "2.5", "1e3", ".inf", ".nan", "010", "1:30", "1e999", '"1"')
SYNTAX = (
    *("stemfx: 1", "\n", "  ", "- ", ": ", "&a ", "*a", "<<: *a", "!x ", "[", "]", "{", "}", ","),
    *("'", '"', "|", ">", "#", "\t", "---\n", "...\n", "%YAML 1.1\n", "? ", "tracks:", "\ufeff"),
    *("é", "\u2028", "\x85", "@", "`", "${", "\r", "\\", "sources: {song: gen.wav}"),
)

CHECKS = ("lufs", "true_peak_dbtp", "correlation", "lra_lu", "null_db", "target", "clipping")

words = st.sampled_from(KEYS + PATHS + KNOBS)
scalars = st.one_of(
    words,
    st.sampled_from((*NUMBERS, "true", "no", "null", "''")),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=8).map(lambda text: "'" + text.replace("'", "''") + "'"),
)


def flow_list(items):
    return "[" + ", ".join(items) + "]"


def flow_mapping(entries):
    return "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"


trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(flow_list),
        st.dictionaries(words | scalars, inner, max_size=5).map(flow_mapping),
    ),
    max_leaves=25,
)
recipes = st.dictionaries(words, trees, max_size=6).map(
    lambda entries: "stemfx: 1\n" + "".join(f"{key}: {tree}\n" for key, tree in entries.items())
)


@pytest.fixture(scope="module")
def holds(stages, tmp_path_factory):
    """Return a function that holds a file against the law."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "gen.wav").touch()

    def holds(data, **more):
        (folder / "r.yaml").write_bytes(data)
        try:
            result = read_recipe(folder / "r.yaml", stages=stages, **more)
        except RecipeError as error:
            said = [(problem.where, problem.message) for problem in error.problems]
        else:
            assert isinstance(result, Recipe)
            return
        assert said
        assert all(where and message.isprintable() for where, message in said), said

    return holds


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_recipe_or_a_list_of_problems(holds, data):
    holds(data)


@given(text=st.text(max_size=200))
def test_any_text_is_a_recipe_or_a_list_of_problems(holds, text):
    holds(text.encode("utf-8", "surrogatepass"))


@given(parts=st.lists(st.sampled_from(SYNTAX), max_size=30))
def test_any_broken_yaml_is_a_recipe_or_a_list_of_problems(holds, parts):
    holds("".join(parts).encode())


@given(checks=st.dictionaries(st.sampled_from(CHECKS) | scalars, trees, max_size=5))
@example(checks={"lufs": "[[], {}]", "target": "{}", "correlation": "[1, {min: 1}]"})
@example(checks={"lufs": "{min: {}, max: [], level: 1}", "null_db": "[.inf, .nan, -.inf]"})
def test_any_shape_of_checks_is_a_recipe_or_a_list_of_problems(holds, checks):
    text = "stemfx: 1\nparams: {db: -1}\nsources: {song: gen.wav}\nchecks: "
    holds((text + flow_mapping(checks)).encode())


@given(text=recipes, db=st.text(max_size=5), key=st.sampled_from(["song", "song/vocals", "", "/"]))
@example(text="stemfx: 1\nsources: {song: {stems: {'': x}}}", db="", key="song/")
@example(text="stemfx: 1\nsources: {song: }\ntracks: {song: {from: song}}", db="", key="song//")
def test_any_shape_of_recipe_is_a_recipe_or_a_list_of_problems(holds, text, db, key):
    holds(text.encode(), settings={"db": db}, sources={key: "gen.wav"})
