"""Whatever the file holds: a recipe comes out, or a list of problems. Nothing else ever does."""

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from stemfx.errors import RecipeError
from stemfx.recipe import Recipe, read_recipe

WORDS = st.sampled_from(
    "stemfx title license params sources separate tracks mix master output extends align default "
    "min max unit song vocals drums from stages gain_db pan mute file stems fold_down model residual "
    "report bit_depth sample_rate deess high_pass cutoff_hz duck by eq bands freq_hz match_reference "
    "r.yaml gen.wav x.wav song/vocals . .. / ../x \\ nul ~ ${db} ${ $${ ${x}y db".split()
)
SCALARS = st.one_of(
    WORDS,
    st.sampled_from("1 -3 2.5 1e3 .inf .nan 010 1:30 true no null '' \"1\" 1e999".split()),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=8).map(lambda text: "'" + text.replace("'", "''") + "'"),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: "[" + ", ".join(items) + "]"),
        st.dictionaries(WORDS | SCALARS, inner, max_size=5).map(
            lambda d: "{" + ", ".join(f"{key}: {value}" for key, value in d.items()) + "}"
        ),
    ),
    max_leaves=25,
)
LINES = st.dictionaries(WORDS, TREES, max_size=6).map(
    lambda d: "stemfx: 1\n" + "".join(f"{key}: {value}\n" for key, value in d.items())
)
SNIPPETS = st.lists(
    st.sampled_from(
        ["stemfx: 1", "\n", "  ", "- ", ": ", "&a ", "*a", "<<: *a", "!x ", "[", "]", "{", "}", ","]
        + [
            "'",
            '"',
            "|",
            ">",
            "#",
            "\t",
            "---\n",
            "...\n",
            "%YAML 1.1\n",
            "? ",
            "tracks:",
            "\ufeff",
        ]
        + ["é", "\u2028", "\x85", "@", "`", "sources: {song: gen.wav}", "${", "\r"]
    ),
    max_size=30,
).map("".join)


def outcome(data: bytes, stages, **more):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "r.yaml"
        path.write_bytes(data)
        (path.parent / "gen.wav").touch()
        try:
            result = read_recipe(path, stages=stages, **more)
        except RecipeError as error:
            assert error.problems
            for problem in error.problems:
                assert problem.where
                assert problem.message
                assert "\n" not in str(problem).removeprefix(str(path))
            return error
        assert isinstance(result, Recipe)
        return result


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_recipe_or_a_list_of_problems(stages, data):
    outcome(data, stages)


@given(text=st.text(max_size=200))
def test_any_text_is_a_recipe_or_a_list_of_problems(stages, text):
    outcome(text.encode("utf-8", "surrogatepass"), stages)


@given(text=SNIPPETS)
@settings(max_examples=300)
def test_any_broken_yaml_is_a_recipe_or_a_list_of_problems(stages, text):
    outcome(text.encode(), stages)


@given(text=LINES, db=st.text(max_size=5), key=st.sampled_from(["song", "song/vocals", "", "/"]))
@settings(max_examples=500)
@example(text="stemfx: 1\nsources: {song: {stems: {'': x}}}", db="", key="song/")
@example(text="stemfx: 1\nsources: {song: }\ntracks: {song: {from: song}}", db="", key="song//")
def test_any_shape_of_recipe_is_a_recipe_or_a_list_of_problems(stages, text, db, key):
    outcome(text.encode(), stages, settings={"db": db}, sources={key: Path("gen.wav")})
