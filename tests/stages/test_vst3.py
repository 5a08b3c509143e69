"""`vst3`: what a recipe may name, where it is looked for, and what happens then."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from stemfx.audio import Audio
from stemfx.dsp import board
from stemfx.errors import StageError
from stemfx.stages.vst3 import SEARCH_VARIABLE, find_plugin, search_folders, vst3
from stemfx.testing import apply, check_stage, example_audio


class LateGain:
    """A plugin as pedalboard shows it: -6 dB by default, for stereo, 700 samples late."""

    name = "Late Gain"
    version = "1.2.0"
    reported_latency_samples = 700
    is_effect = True

    def __init__(self):
        self.parameters = {"gain_db": -6.0, "bypass": False}
        self.gain_db = -6.0
        self.bypass = False
        self.reset()

    def reset(self):
        self.late = True

    def __call__(self, samples, _rate, **_options):
        if len(samples) != 2:
            msg = "Plugin 'Late Gain' does not support 1-channel output."
            raise ValueError(msg)
        # pedalboard takes the latency out by giving the first samples later: here never.
        return samples if self.bypass else np.float32(10 ** (self.gain_db / 20)) * samples


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A plugin folder of our own, and none of the system's."""
    monkeypatch.setenv(SEARCH_VARIABLE, str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "nobody")
    (tmp_path / "Vendor" / "Late Gain.vst3" / "Contents").mkdir(parents=True)
    (tmp_path / "Room.VST3").write_text("not a plugin")
    return tmp_path


@pytest.fixture
def late_gain(folder, monkeypatch):
    loaded = []

    def load(path, member=None):
        loaded.append((path.name, member))
        return LateGain()

    monkeypatch.setattr(board, "load_external", load)
    return loaded


def test_the_laws(late_gain):
    check_stage(vst3, plugin="Late Gain", parameters={"gain_db": -3.0})


@pytest.mark.parametrize(
    "name",
    [
        "../evil.vst3",
        "/tmp/evil.vst3",  # noqa: S108
        "sub/evil",
        "C:\\evil.vst3",
        "..",
        ".",
        "",
        " ",
        "a\0b",
    ],
)
def test_a_path_is_refused_before_anything_is_looked_for(name):
    with pytest.raises(ValidationError, match="is a path; write the plugin's name alone"):
        vst3.params(plugin=name)


def test_a_plugin_beside_the_recipe_is_not_found(folder, tmp_path_factory, monkeypatch):
    here = tmp_path_factory.mktemp("recipe")
    (here / "evil.vst3").write_text("code")
    monkeypatch.chdir(here)
    entries = (".", "", here.name, str(folder))
    monkeypatch.setenv(SEARCH_VARIABLE, os.pathsep.join(entries))
    assert all(entry.is_absolute() for entry in search_folders())
    with pytest.raises(StageError, match="'evil' is not installed"):
        find_plugin("evil")


@pytest.mark.parametrize("name", ["Late Gain", "late gain", "Late Gain.vst3", "LATE GAIN.VST3"])
def test_a_name_is_found_in_any_spelling_in_a_vendors_folder(folder, name):
    assert find_plugin(name) == folder / "Vendor" / "Late Gain.vst3"


def test_nothing_inside_a_bundle_is_a_plugin(folder):
    (folder / "Vendor" / "Late Gain.vst3" / "Contents" / "inner.vst3").write_text("x")
    with pytest.raises(StageError, match="not installed"):
        find_plugin("inner")


def test_the_users_own_folder_comes_before_the_systems(folder, tmp_path_factory, monkeypatch):
    first = tmp_path_factory.mktemp("first")
    (first / "room.vst3").write_text("x")
    monkeypatch.setenv(SEARCH_VARIABLE, f"{first}{os.pathsep}{folder}")
    assert find_plugin("Room").parent == first


def test_a_missing_plugin_names_the_folders_and_what_is_called_alike(folder):
    with pytest.raises(StageError) as caught:
        apply(vst3, example_audio(), plugin="Late Gian")
    message = str(caught.value)
    assert "'Late Gian' is not installed; did you mean 'Late Gain'?" in message
    assert all(str(place) in message for place in search_folders())
    assert SEARCH_VARIABLE in message


def test_a_file_that_is_no_plugin_is_an_expected_error(folder):
    with pytest.raises(StageError, match=r"Room\.VST3 cannot be loaded"):
        apply(vst3, example_audio(), plugin="Room")


def test_an_unknown_parameter_gets_a_hint(late_gain):
    with pytest.raises(StageError, match="no parameter 'gain'; did you mean 'gain_db'"):
        apply(vst3, example_audio(), plugin="Late Gain", parameters={"gain": 1.0})


def test_a_quoted_number_stays_text_and_true_stays_a_switch(late_gain):
    params = vst3.params(plugin="x", parameters={"a": "1", "b": True, "c": 2, "d": 0.5})
    assert [type(value) for value in params.parameters.values()] == [str, bool, float, float]


def test_parameters_reach_the_plugin_and_it_reports_itself(late_gain):
    audio = example_audio()
    out, context = apply(
        vst3, audio, plugin="Late Gain", parameters={"gain_db": -12.0}, member="Late Gain"
    )
    np.testing.assert_allclose(out.samples, 10 ** (-12 / 20) * audio.samples, atol=1e-7)
    assert late_gain == [("Late Gain.vst3", "Late Gain")]
    assert context.measurements["plugin"] == "Late Gain"
    assert context.measurements["plugin_version"] == "1.2.0"
    assert context.measurements["latency_ms"] == pytest.approx(1000 * 700 / 44_100, abs=0.01)
    assert context.measurements["level_change_db"] == pytest.approx(-12, abs=0.01)


def test_a_plugin_that_gives_nan_is_stopped(folder, monkeypatch):
    class Broken(LateGain):
        def __call__(self, samples, _rate, **_options):
            return samples * np.float32(np.nan)

    monkeypatch.setattr(board, "load_external", lambda *_: Broken())
    with pytest.raises(StageError, match="no numbers"):
        apply(vst3, example_audio(), plugin="Late Gain")


def test_mono_through_a_stereo_plugin_stays_mono(late_gain):
    audio = Audio(example_audio().samples[:1], 44_100)
    out, _ = apply(vst3, audio, plugin="Late Gain")
    np.testing.assert_allclose(out.samples, 10 ** (-6 / 20) * audio.samples, atol=1e-7)
