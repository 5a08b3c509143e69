"""plugins/README.md is true and whole, and what plugins rely on changes only on purpose."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import engine
import plugin_api
import pytest

from stemfx import hookspecs, testing
from stemfx.audio import Audio
from stemfx.errors import ModelError
from stemfx.io import Encoding, write
from stemfx.registry import Registry, build_registry

README = Path(__file__).parents[1] / "plugins" / "README.md"
TEXT = README.read_text(encoding="utf-8")
HOOKS = [name for name in vars(hookspecs) if name.startswith("stemfx_")]


def blocks(language: str, text: str = TEXT) -> list[str]:
    """Return the code of one language in the order in which it stands there."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def block_of(comment: str, language: str) -> str:
    (found,) = [block for block in blocks(language) if block.startswith(f"# {comment}\n")]
    return found


def module_of(code: str, name: str) -> ModuleType:
    module = ModuleType(name)
    exec(compile(code, f"{README.name}: {name}", "exec"), vars(module))  # noqa: S102 - our own
    return module


def section(hook: str) -> str:
    (found,) = re.findall(rf"^### `{hook}\(.*?(?=^##)", TEXT, re.MULTILINE | re.DOTALL)
    return found


def registry_of(hook: str) -> Registry:
    (code,) = blocks("python", section(hook))
    found = build_registry([(hook, module_of(code, hook))])
    assert [plugin.broken for plugin in found.plugins if plugin.name == hook] == [None]
    return found


# ---------------------------------------------------------------------- the documentation


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_section_that_names_its_arguments(hook: str) -> None:
    arguments = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
    assert f"### `{hook}({arguments})`\n" in TEXT


def test_every_hook_has_an_example_that_keeps_the_laws(tmp_path: Path) -> None:
    checked = {
        "stemfx_stages": lambda found: testing.check_stage(found.stages["quieter"], by_db=6.0),
        "stemfx_kits": lambda found: testing.check_kit(found.kits["blips"]),
        "stemfx_separators": lambda found: testing.check_separator(
            found.separators["halves"], seconds=1.6
        ),
        "stemfx_beat_trackers": lambda found: testing.check_beat_tracker(
            found.beat_trackers["marching"]
        ),
        "stemfx_hit_classifiers": lambda found: testing.check_hit_classifier(
            found.hit_classifiers["all_kicks"]
        ),
    }
    assert {*checked, "stemfx_open_model"} == set(HOOKS)
    for hook, check in checked.items():
        check(registry_of(hook))


def test_the_example_that_opens_a_model_takes_its_own_and_refuses_a_damaged_one(
    tmp_path: Path,
) -> None:
    found = registry_of("stemfx_open_model")
    path = tmp_path / "mine.gains"
    path.write_text('{"gains": {"vocals": 0.4, "other": 0.6}}')
    separator = found.open_model(path)
    assert separator is not None
    testing.check_separator(separator, seconds=1.6)
    path.write_text('{"gains": ["loud"]}')
    with pytest.raises(ModelError, match="no list of gains"):
        found.open_model(path)


def test_the_worked_example_works(
    tmp_path: Path, song: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = module_of(block_of("stemfx_soften/__init__.py", "python"), "stemfx_soften")
    monkeypatch.setitem(sys.modules, "stemfx_soften", module)
    tests = vars(module_of(block_of("tests/test_soften.py", "python"), "test_soften"))
    ran = [test() for name, test in tests.items() if name.startswith("test_")]
    assert len(ran) == 2
    plugins = [("soften", module), ("quick", engine.TestPlugin())]
    monkeypatch.setattr(engine, "registry", lambda: build_registry(plugins))
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    recipe = block_of("soft.yaml", "yaml").replace("stemfx: 1\n", "separate: {model: shares}\n")
    outcome = engine.run_text(tmp_path, recipe)
    assert (tmp_path / "soft.wav").is_file()
    assert any("soften" in node.id for node in outcome.nodes)


def test_one_test_a_law_is_written_as_shown() -> None:
    (code,) = [block for block in blocks("python") if "parametrize" in block]
    assert hasattr(module_of(code, "one_a_law"), "test_my_kit")


def test_every_public_name_is_told() -> None:
    """Of the helpers of the suites only the classes, not their members."""
    code = " ".join(re.findall(r"```.*?```|`[^`]+`", TEXT, re.DOTALL))
    words = set(re.findall(r"\w+", code))
    helpers = [public for public in plugin_api.testing() if "." not in public.name]
    untold = [
        f"{public.module}.{public.name}"
        for public in (*plugin_api.contract(), *helpers)
        if public.name.rpartition(".")[2] not in words
    ]
    assert untold == [], "plugins/README.md does not tell of these"


def test_every_link_within_the_page_leads_somewhere() -> None:
    titles = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#(.*?)\)", TEXT)) <= anchors


# ---------------------------------------------------------------------- API stability

BREAKS = """
What plugins rely on has changed. Keep what is gone from the listing, deprecate it, and remove it
later: plugins/README.md, "What may change when". If it is only new (fields and parameters with a
default, nothing abstract), tell of it in plugins/README.md and in the changelog, and write the
listing anew with `python tests/plugin_api.py`.
"""


def test_the_public_api_is_as_listed() -> None:
    listed = plugin_api.LISTING.read_text(encoding="utf-8").splitlines()
    found = plugin_api.listing().splitlines()
    gone = [f"- {line}" for line in listed if line not in found]
    new = [f"+ {line}" for line in found if line not in listed]
    assert not gone + new, "\n".join([BREAKS, *gone, *new])
    assert listed == found, "only the order differs: `python tests/plugin_api.py`"


def test_what_is_listed_is_what_there_is() -> None:
    """The listing is made from source text; Python agrees that the names are there."""
    for public in (*plugin_api.contract(), *plugin_api.testing()):
        first, _, member = public.name.partition(".")
        thing = getattr(importlib.import_module(public.module), first)
        names = {*dir(thing), *getattr(thing, "__annotations__", {})}
        assert not member or member in names | set(getattr(thing, "model_fields", ()))
    for name in testing.__all__:
        assert any(p.name == name for p in plugin_api.testing()) or name in ("Law", "NULL_DB")
