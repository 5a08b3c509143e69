"""`stemfx plugins`: what is installed, what each offers, and under which licence."""

from __future__ import annotations

import json

import pytest
from engine import TestPlugin

from stemfx import registry
from stemfx.cli import execute
from stemfx.registry import build_registry


def test_every_plugin_is_listed_with_its_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["plugins"]) == 0
    (row,) = [row for row in capsys.readouterr().out.splitlines() if "kits: synth" in row]
    assert "stemfx-suite" in row
    assert "GPL-3.0-or-later" in row


def test_a_plugin_is_shown_with_a_line_for_each_thing_it_offers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = build_registry([("odd", TestPlugin())])
    monkeypatch.setattr(registry, "build_registry", lambda: found)
    assert execute(["plugins", "odd"]) == 0
    out = capsys.readouterr().out
    assert "odd (extra 0; licence not stated)" in out
    for words in ("Add noise from the context's seed.", "every_second", "shares"):
        assert words in out
    assert execute(["plugins", "odd", "--json"]) == 0
    (plugin,) = json.loads(capsys.readouterr().out)["plugins"]
    offers = {(one["kind"], one["name"]): one["summary"] for one in plugin["offers"]}
    assert offers["hit classifier", "every_second"] == "for tests"
    assert offers["model", "shares"] == "for tests"
    assert len(offers) == sum(len(plugin[k]) for k in ("stages", "separators", "hit_classifiers"))


def test_a_broken_plugin_is_shown_with_its_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clash = build_registry([("one", TestPlugin()), ("two", TestPlugin())])
    monkeypatch.setattr(registry, "build_registry", lambda: clash)
    assert execute(["plugins", "two"]) == 0
    assert "broken: the plugins 'one' (extra) and 'two' (extra)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stagse", "did you mean 'stages'?"),
        ("gain", "'gain' is a stage of the plugin 'stages', and no plugin"),
        ("zzz", "`stemfx plugins` lists them"),
    ],
)
def test_a_name_that_is_no_plugin_says_what_it_is(
    name: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["plugins", name]) == 2
    assert words in capsys.readouterr().err
