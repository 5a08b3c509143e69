"""Beat trackers of plugins: how they are found, and the laws that hold them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stemfx import registry
from stemfx.audio import Signal
from stemfx.beat_tracker import BeatTracker, TrackedBeats
from stemfx.cli import execute
from stemfx.errors import PluginError
from stemfx.hookspecs import hookimpl
from stemfx.registry import Registry, build_registry
from stemfx.testing.beat_trackers import BPM, check_beat_tracker


class Even(BeatTracker):
    name = "even"
    summary = "counts at one tempo, whatever it hears"
    licence = "CC0-1.0"

    def track(self, mixture: Signal) -> TrackedBeats:
        times_s = np.arange(0, mixture.n_samples / mixture.sample_rate, 60 / BPM)
        return TrackedBeats(times_s.tolist(), times_s[::4].tolist())


class Namesake(Even):
    version = 2


class Own(Even):
    name = "stemfx"


def offering(*trackers: Any) -> SimpleNamespace:
    offer = hookimpl(lambda: list(trackers), specname="stemfx_beat_trackers")
    return SimpleNamespace(stemfx_beat_trackers=offer)


def broken_in(found: Registry) -> dict[str, str]:
    return {plugin.name: plugin.broken for plugin in found.plugins if plugin.broken}


def test_a_tracker_is_found_by_its_name_and_its_version_is_part_of_the_key() -> None:
    found = build_registry([("one", offering(Even()))])
    tracker = found.beat_tracker("even")
    assert isinstance(tracker, Even)
    versions = {
        found.version_of_beat_tracker(tracker),
        build_registry([("one", offering(Namesake()))]).version_of_beat_tracker(Namesake()),
        found.version_of_beat_tracker(None),
    }
    assert len(versions) == 3


@pytest.mark.parametrize("name", [None, "stemfx"])
def test_stemfx_own_tracker_is_no_plugin(name: str | None) -> None:
    assert build_registry().beat_tracker(name) is None


def test_an_unknown_tracker_gets_a_proposal() -> None:
    found = build_registry([("one", offering(Even())), ("bad", offering(3))])
    with pytest.raises(PluginError, match=r"did you mean 'even'\?.*a broken plugin may .* bad"):
        found.beat_tracker("evn")


def test_two_plugins_with_one_tracker_name_are_a_clash() -> None:
    found = build_registry([("one", offering(Even())), ("two", offering(Namesake()))])
    assert "both offer a beat tracker named 'even'" in broken_in(found)["two"]
    with pytest.raises(PluginError, match=r"'one' .* and 'two' .* both offer"):
        found.beat_tracker("even")


@pytest.mark.parametrize(
    ("tracker", "words"), [(Own(), "as stemfx's own; rename it"), (3, "BeatTracker is declared")]
)
def test_what_cannot_be_a_tracker_breaks_its_plugin_only(tracker: Any, words: str) -> None:
    found = build_registry([("odd", offering(tracker))])
    assert words in broken_in(found)["odd"]
    assert "gain" in found.stages


def test_trackers_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = build_registry([("counting", offering(Even()))])
    monkeypatch.setattr(registry, "build_registry", lambda: found)
    assert execute(["plugins"]) == 0
    assert "beat trackers: even" in capsys.readouterr().out
    assert execute(["plugins", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["plugins"]
    assert {p["name"]: p["beat_trackers"] for p in listed}["counting"] == ["even"]


def test_an_honest_tracker_keeps_the_laws() -> None:
    check_beat_tracker(Even())


class Beyond(Even):
    def track(self, mixture: Signal) -> TrackedBeats:
        return TrackedBeats([0.0, 1.0])


class Fickle(Even):
    calls = 0

    def track(self, mixture: Signal) -> TrackedBeats:
        self.calls += 1
        return TrackedBeats([0.001 * self.calls])


class Unlicensed(Even):
    licence = ""


@pytest.mark.parametrize(
    ("tracker", "words"),
    [
        (Beyond(), "gave 1 s among its beats_s"),
        (Fickle(), "answers differently the second time"),
        (Unlicensed(), "has no licence"),
        (Own(), "has the name of stemfx's own"),
    ],
)
def test_a_broken_law_is_told(tracker: BeatTracker, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_beat_tracker(tracker)
