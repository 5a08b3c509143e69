"""Which model a recipe gets, from names, folders, weights that are here, and the network."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from engine import ShareSeparator, level_db, samples
from separators import tiny

from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.errors import ModelError
from stemfx.hookspecs import hookimpl
from stemfx.io import Encoding, write
from stemfx.models import ACCEPTED, choose, fetch_notice
from stemfx.recipe import Member
from stemfx.registry import Registry, build_registry
from stemfx.separator import Progress, Separator, WeightsState
from stemfx.session import Request, _choose_all

FOUR = ("vocals", "drums", "bass", "other")
RECIPE = (
    "stemfx: 1\nsources: {song: song.wav}\nseparate: {model: %s}\n"
    "tracks: {vocals: , drums: , bass: , other: }\noutput: {master: out.wav, bit_depth: 32}\n"
)


@pytest.fixture
def folder(tmp_path: Path, song: Audio) -> Path:
    write(tmp_path / "song.wav", song, Encoding("wav", 16))
    return tmp_path


@pytest.fixture
def htdemucs_here() -> Path:
    """A tiny network in the published layout, in the models folder, under the published name."""
    models = Path(os.environ["STEMFX_MODELS"])
    tiny.save_safetensors(tiny.build("htdemucs"), models / "955717e8.safetensors")
    (models / "htdemucs.yaml").write_text("models: ['955717e8']\n")
    return models


def run_json(
    folder: Path, capsys: pytest.CaptureFixture[str], model: str, *more: str
) -> tuple[int, dict]:
    (folder / "r.yaml").write_text(RECIPE % model)
    code = execute(["run", str(folder / "r.yaml"), "--json", *more])
    return code, json.loads(capsys.readouterr().out)


def resolve(model: str, *, offline: bool = False) -> tuple[str, bool]:
    choice = choose(build_registry(), model, stems=FOUR, offline=offline, where="here")
    return choice.separator.card.name, choice.must_fetch


def test_auto_takes_the_best_weights_that_are_here(htdemucs_here: Path) -> None:
    assert resolve("auto") == ("htdemucs", False)
    assert resolve("auto", offline=True) == ("htdemucs", False)


def test_auto_would_fetch_one_that_a_laptop_can_run_and_stays_here_when_offline() -> None:
    assert resolve("auto") == ("htdemucs", True)
    assert resolve("auto", offline=True) == ("embedded", False)


def test_auto_takes_only_models_that_have_the_stems() -> None:
    choice = choose(build_registry(), "auto", stems=("guitar",), offline=False, where="")
    assert choice.separator.card.name == "htdemucs_6s"
    with pytest.raises(ModelError, match="banjo"):
        choose(build_registry(), "auto", stems=("banjo",), offline=False, where="")
    with pytest.raises(ModelError, match="guitar"):
        choose(build_registry(), "auto", stems=("guitar",), offline=True, where="")


def test_trained_weights_without_a_figure_beat_the_embedded_model_and_no_others() -> None:
    models = Path(os.environ["STEMFX_MODELS"])
    (models / "mdx_extra.yaml").write_text("models: ['e51eebcc']\n")
    (models / "e51eebcc.safetensors").touch()  # `auto` only looks whether it is there
    found = build_registry()
    unknown = found.separators["mdx_extra"]
    assert not unknown.card.sdr
    for offline in (True, False):
        choice = choose(found, "auto", stems=FOUR, offline=offline, where="")
        assert (choice.separator, choice.finding) == (unknown, None)
    (models / "mdx.yaml").write_text("models: ['0d19c1c6']\n")
    (models / "0d19c1c6.safetensors").touch()
    assert resolve("auto") == ("mdx", False)


class TwoStems(ShareSeparator):
    """Better than Demucs by its mean, over other stems."""

    card = replace(
        ShareSeparator.card,
        name="karaoke",
        stems=("vocals", "instrumental"),
        sdr={"vocals": 8.0, "instrumental": 16.0},
    )


def registry_with(*separators: Separator) -> Registry:
    class Plugin:
        @hookimpl
        def stemfx_separators(self) -> list[Separator]:
            return list(separators)

    return build_registry([("more", Plugin())])


def test_a_plugins_model_without_a_figure_is_taken_by_auto_only_when_no_other_has_the_stems() -> (
    None
):
    class Banjo(ShareSeparator):
        card = replace(ShareSeparator.card, name="banjos", stems=("banjo", "other"))

    found = registry_with(ShareSeparator(), Banjo())
    for stems, name in ((FOUR, "embedded"), (("other",), "embedded"), (("banjo",), "banjos")):
        choice = choose(found, "auto", stems=stems, offline=True, where="")
        assert choice.separator.card.name == name
    measured = ShareSeparator()
    measured.card = replace(ShareSeparator.card, sdr={"vocals": 1.0})
    choice = choose(registry_with(measured), "auto", stems=FOUR, offline=True, where="")
    assert choice.separator is measured


def test_auto_compares_models_over_the_stems_that_are_asked_for(htdemucs_here: Path) -> None:
    found = registry_with(TwoStems())
    for stems, name in ((("vocals",), "htdemucs"), (("instrumental",), "karaoke")):
        choice = choose(found, "auto", stems=stems, offline=True, where="")
        assert choice.separator.card.name == name


def test_auto_gives_the_standard_stems_when_none_are_asked_for(htdemucs_here: Path) -> None:
    choice = choose(registry_with(TwoStems()), "auto", stems=(), offline=True, where="")
    assert choice.separator.card.name == "htdemucs"


THREE_SONGS = (
    "stemfx: 1\nsources: {one: song.wav, two: song.wav, three: song.wav}\ntracks:\n"
    "  a: {from: one/vocals}\n  b: {from: two/vocals}\n  c: {from: three/drums}\n"
    "output: {master: out.wav}\n"
)


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were tried to be fetched, without a network."""
    tried: list[str] = []

    def no_network(self: Separator, progress: object) -> None:
        tried.append(self.card.name)
        raise ModelError("no connection")

    monkeypatch.setattr(type(build_registry().separators["htdemucs"]), "fetch", no_network)
    return tried


def test_a_download_that_failed_is_not_tried_for_the_next_song(
    folder: Path, capsys: pytest.CaptureFixture[str], attempts: list[str]
) -> None:
    (folder / "r.yaml").write_text(THREE_SONGS)
    assert execute(["run", str(folder / "r.yaml"), "--json"]) == 0
    assert attempts == ["htdemucs"]
    told = json.loads(capsys.readouterr().out)
    codes = [finding["code"] for finding in told["findings"] if finding["node"] == "run"]
    assert codes == ["embedded_model"]


def test_separate_tries_to_download_once(
    folder: Path, capsys: pytest.CaptureFixture[str], attempts: list[str]
) -> None:
    call = ["separate", str(folder / "song.wav"), "-o", str(folder / "out"), "--json"]
    assert execute(call) == 0
    assert attempts == ["htdemucs"]
    assert json.loads(capsys.readouterr().out)["model"] == "embedded"


def test_separate_looks_at_the_song_before_it_downloads(
    folder: Path, attempts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    surround = np.zeros((6, 44_100), np.float32) + np.float32(0.1)
    soundfile.write(folder / "surround.wav", surround.T, 44_100)
    for name in ("missing.wav", "r.txt", "surround.wav"):
        assert execute(["separate", str(folder / name), "-o", str(folder / "out")]) == 2
    assert attempts == []


def test_auto_without_a_network_says_so_when_nothing_else_has_the_stems(
    folder: Path, attempts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = RECIPE.replace("bass: ,", "guitar: ,") % "auto"
    (folder / "r.yaml").write_text(recipe)
    assert execute(["run", str(folder / "r.yaml"), "--json"]) == 2
    assert attempts == ["htdemucs_6s"]
    assert json.loads(capsys.readouterr().out)["error"]["message"] == "no connection"


def test_a_plugins_download_that_breaks_is_an_expected_error(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Separator, progress: object) -> None:
        raise ValueError("bad header\nand more")

    monkeypatch.setattr(type(build_registry().separators["htdemucs"]), "fetch", broken)
    code, told = run_json(folder, capsys, "htdemucs")
    assert (code, told["error"]["code"]) == (2, "model")
    assert told["error"]["message"] == "'htdemucs' cannot be fetched: bad header"


def test_the_embedded_model_is_explained_in_one_calm_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "https://nowhere.invalid")

    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    (finding,) = run_json(folder, capsys, "auto")[1]["findings"]
    assert finding["message"] == (
        "separated with the embedded model because 'htdemucs' could not be fetched (no connection "
        "to nowhere.invalid); it is a good preview, but a trained four-stem model sounds much "
        "better: see `stemfx models`"
    )


def test_the_embedded_model_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run_json(folder, capsys, "auto", "--offline")
    assert code == 0
    assert told["separators"]["song"]["model"] == "embedded"
    assert [f["code"] for f in told["findings"]] == ["embedded_model"]
    named = run_json(folder, capsys, "embedded")[1]
    assert named["findings"] == []  # asked for: nothing to warn of


def test_without_a_network_auto_goes_on_with_the_embedded_model(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(self: Separator, progress: object) -> None:
        raise ModelError("no connection")

    demucs = build_registry().separators["htdemucs"]
    monkeypatch.setattr(type(demucs), "fetch", no_network)
    code, told = run_json(folder, capsys, "auto")
    assert code == 0
    assert told["separators"]["song"]["model"] == "embedded"
    assert "no connection" in told["findings"][0]["message"]
    code, told = run_json(folder, capsys, "htdemucs")
    assert code == 2
    assert told["error"]["code"] == "model"


def test_offline_never_fetches(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    began = time.monotonic()
    code, told = run_json(folder, capsys, "htdemucs", "--offline")
    assert code == 2
    assert "--offline" in told["error"]["message"]
    assert run_json(folder, capsys, "auto", "--offline")[0] == 0
    assert time.monotonic() - began < 60  # no time-out was waited for


@pytest.mark.parametrize("way", ["name", "path", "recipe"])
def test_a_demucs_model_runs_end_to_end_and_its_stems_sum_to_the_song(
    folder: Path, capsys: pytest.CaptureFixture[str], htdemucs_here: Path, way: str
) -> None:
    weights = htdemucs_here / "955717e8.safetensors"
    if way == "name":
        code, told = run_json(folder, capsys, "htdemucs", "--offline")
    elif way == "path":
        code, told = run_json(folder, capsys, "auto", "--model", str(weights))
    else:
        (folder / "mine.safetensors").write_bytes(weights.read_bytes())
        code, told = run_json(folder, capsys, "mine.safetensors")
    assert code == 0, told
    assert told["null_db"] < -100
    source = samples(folder / "song.wav")
    assert level_db(samples(folder / "out.wav") - source, source) < -120
    # Random weights explain little: the residual made up the sum.
    residual = next(node for node in told["nodes"] if node["op"] == "residual")
    assert residual["measurements"]["model_null_db"] > -60


def test_other_weights_are_another_result(
    folder: Path, capsys: pytest.CaptureFixture[str], htdemucs_here: Path
) -> None:
    first = run_json(folder, capsys, "htdemucs")[1]
    again = run_json(folder, capsys, "htdemucs")[1]
    assert {node["status"] for node in again["nodes"]} == {"cached"}
    tiny.save_safetensors(tiny.build("htdemucs", seed=9), htdemucs_here / "955717e8.safetensors")
    other = run_json(folder, capsys, "htdemucs")[1]
    ran = {node["id"] for node in other["nodes"] if node["status"] == "done"}
    assert "song/separate" in ran
    assert "song/decode" not in ran
    assert first["outputs"] == other["outputs"]


def test_a_model_with_code_in_it_is_refused_and_runs_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(folder / "pwned"),)

    (folder / "evil.th").write_bytes(pickle.dumps(Evil()))
    code, told = run_json(folder, capsys, "auto", "--model", str(folder / "evil.th"))
    assert code == 2
    assert told["error"]["where"].endswith("evil.th")
    assert not (folder / "pwned").exists()
    assert not (folder / "out.wav").exists()


def test_mono_at_48_khz_goes_through_a_stereo_44_khz_model(
    tmp_path: Path, song: Audio, capsys: pytest.CaptureFixture[str], htdemucs_here: Path
) -> None:
    write(tmp_path / "song.wav", Audio(song.samples[:1], 48_000), Encoding("wav", 24))
    code, told = run_json(tmp_path, capsys, "htdemucs")
    assert code == 0, told
    source = samples(tmp_path / "song.wav")
    out = samples(tmp_path / "out.wav")
    assert out.shape == source.shape
    assert np.abs(out - source).max() < 1e-6


def test_a_failed_fetch_is_not_tried_again_for_a_while_and_plan_knows_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def no_network(self: Separator, progress: object) -> None:
        tries.append(self.card.name)
        raise ModelError("no connection")

    monkeypatch.setattr(type(build_registry().separators["htdemucs"]), "fetch", no_network)
    (folder / "r.yaml").write_text(RECIPE % "auto")

    def planned() -> str:
        execute(["plan", str(folder / "r.yaml"), "--json"])
        return json.loads(capsys.readouterr().out)["separators"]["song"]["model"]

    assert planned() == "htdemucs"  # it would be fetched
    for _ in range(2):
        run_json(folder, capsys, "auto")
    assert tries == ["htdemucs"]
    assert planned() == "embedded"
    assert run_json(folder, capsys, "htdemucs")[0] == 2  # asked for by name: tried at once
    assert tries == ["htdemucs", "htdemucs"]


def test_a_stem_that_no_model_gives_is_located(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "r.yaml").write_text(
        "stemfx: 1\nsources: {song: song.wav}\ntracks:\n  gutar:\noutput: {master: o.wav}\n"
    )
    assert execute(["run", str(folder / "r.yaml"), "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["where"].endswith("r.yaml:4:3")
    assert "did you mean 'guitar'" in error["message"]


# --- licences, and what is told before a download ------------------------------------------


class NonCommercial(ShareSeparator):
    """Weights for non-commercial use, better than all others, here or not yet."""

    card = replace(
        ShareSeparator.card,
        name="umx_nc",
        licence="CC BY-NC-SA 4.0",
        licence_class="non-commercial",
        size_bytes=432_000_000,
        source="zenodo.org/records/5069601",
        sdr=dict.fromkeys(FOUR, 30.0),
    )
    is_here = True

    def weights(self) -> WeightsState:
        return "here" if self.is_here else "fetchable"

    def fetch(self, progress: Progress) -> None:
        progress(100, 432_000_000)
        type(self).is_here = True


@pytest.fixture
def umx_nc(monkeypatch: pytest.MonkeyPatch) -> NonCommercial:
    """What every command finds installed."""
    monkeypatch.setattr(NonCommercial, "is_here", True)
    separator = NonCommercial()
    found = registry_with(separator)
    monkeypatch.setattr("stemfx.registry.build_registry", lambda: found)
    return separator


REFUSED = "the weights of 'umx_nc' are for non-commercial use only (CC BY-NC-SA 4.0); if that is "


def test_noncommercial_weights_wait_for_the_user(
    folder: Path, capsys: pytest.CaptureFixture[str], umx_nc: NonCommercial
) -> None:
    code, told = run_json(folder, capsys, "umx_nc")
    assert (code, told["error"]["code"]) == (2, "model")
    assert told["error"]["message"].startswith(REFUSED)
    assert "r.yaml:3:" in told["error"]["where"]
    song = str(folder / "song.wav")
    for command in (
        ["plan", str(folder / "r.yaml")],
        ["separate", song, "-o", str(folder / "out"), "--model", "umx_nc"],
    ):
        assert execute([*command, "--json"]) == 2
        assert json.loads(capsys.readouterr().out)["error"]["message"].startswith(REFUSED)
        assert execute([*command, "--json", "--accept-noncommercial"]) == 0
        capsys.readouterr()
    assert run_json(folder, capsys, "umx_nc", "--accept-noncommercial")[0] == 0


def test_a_variable_accepts_for_the_user_and_a_recipe_cannot(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    umx_nc: NonCommercial,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "r.yaml").write_text(
        RECIPE.replace("model: %s", "model: umx_nc, accept_noncommercial: true")
    )
    assert execute(["run", str(folder / "r.yaml"), "--json"]) == 2
    capsys.readouterr()
    monkeypatch.setenv("STEMFX_ACCEPT_NONCOMMERCIAL", "1")
    code, told = run_json(folder, capsys, "umx_nc")
    assert code == 0
    assert told["separators"]["song"]["licence_class"] == "non-commercial"
    monkeypatch.setenv("STEMFX_ACCEPT_NONCOMMERCIAL", "0")
    assert run_json(folder, capsys, "umx_nc")[0] == 2


def test_auto_never_takes_noncommercial_weights_unasked(umx_nc: NonCommercial) -> None:
    class Banjo(NonCommercial):
        card = replace(NonCommercial.card, name="banjo", stems=("banjo",))

    found = registry_with(umx_nc, Banjo())
    for offline in (False, True):
        chosen = choose(found, "auto", stems=FOUR, offline=offline, where="")
        assert chosen.separator.card.licence_class != "non-commercial"
        with pytest.raises(ModelError, match="'banjo' are for non-commercial use only"):
            choose(found, "auto", stems=("banjo",), offline=offline, where="")
        chosen = choose(found, "auto", stems=FOUR, offline=offline, where="", allowed=ACCEPTED)
        assert chosen.separator is umx_nc


def test_a_model_given_by_its_path_is_held_to_its_licence_too(tmp_path: Path) -> None:
    class Opener:
        @hookimpl
        def stemfx_open_model(self, path: Path) -> Separator:
            return NonCommercial()

    found = build_registry([("opener", Opener())])
    with pytest.raises(ModelError, match="non-commercial use only"):
        choose(found, str(tmp_path), stems=FOUR, offline=True, where="")


def test_what_is_fetched_is_told_before_and_once(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    umx_nc: NonCommercial,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(NonCommercial, "is_here", False)
    (folder / "r.yaml").write_text(RECIPE % "umx_nc")
    assert execute(["run", str(folder / "r.yaml")]) == 2
    assert "fetching" not in capsys.readouterr().err
    assert execute(["plan", str(folder / "r.yaml"), "--accept-noncommercial"]) == 0
    told = capsys.readouterr()
    assert "fetching" not in told.err
    assert "432 MB will be fetched" in told.out
    assert execute(["run", str(folder / "r.yaml"), "--json", "--accept-noncommercial"]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        (
            "fetching umx_nc: 432 MB from zenodo.org/records/5069601; licence of the weights: "
            "CC BY-NC-SA 4.0 (non-commercial)"
        )
    ]
    assert json.loads(told.out)["separators"]["song"]["weights"] == "here"


def test_every_published_model_says_how_much_from_where_and_whose_figures() -> None:
    for separator in build_registry().separators.values():
        card = separator.card
        assert card.size_bytes > 10**6
        assert card.source
        assert bool(card.sdr_source) == bool(card.sdr)
    card = build_registry().separators["htdemucs"].card
    assert fetch_notice(card) == (
        "fetching htdemucs: 84 MB from huggingface.co/adefossez/HTDemucs; licence of the weights: "
        "not stated"
    )


def test_what_can_be_told_is_told_before_anything_is_downloaded(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []
    kind = type(build_registry().separators["htdemucs"])
    monkeypatch.setattr(kind, "fetch", lambda self, _: fetched.append(self.card.name))
    song = str(folder / "song.wav")
    for more, said in (
        (["--model", "htdemucs", "--model", "typo"], "model 'typo' is unknown"),
        (["--model", "htdemucs", "--stem", "guitar"], "gives no stem 'guitar'"),
        (["--model", ""], "the model's name is empty"),
        (["--model", "htdemucs", "--device", "gpu"], "'gpu' is no device"),
    ):
        assert execute(["separate", song, "-o", str(folder), "--json", *more]) == 2
        assert said in json.loads(capsys.readouterr().out)["error"]["message"]
    (folder / "r.yaml").write_text((RECIPE % "htdemucs").replace("bass", "guitar"))
    assert execute(["run", str(folder / "r.yaml")]) == 2
    assert "gives no stem 'guitar'" in capsys.readouterr().err
    assert fetched == []


def test_auto_beside_a_named_model_gives_what_that_one_does_not() -> None:
    class Guitar(ShareSeparator):
        card = replace(ShareSeparator.card, name="g", stems=("guitar",))

    members = (Member("auto", "r.yaml:3:1"), Member("g", "r.yaml:3:2"))
    found = build_registry()
    registry = replace(found, separators={**found.separators, "g": Guitar()})
    request = Request(offline=True)
    chosen = _choose_all(members, ["vocals", "guitar"], request, registry, inside=None)
    assert [choice.separator.card.name for choice in chosen] == ["embedded", "g"]


def test_plan_shows_what_it_finds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "r.yaml").write_text(RECIPE.replace("%s}", "embedded, residual: keep, overlap: 0.5}"))
    assert execute(["plan", str(folder / "r.yaml"), "--json"]) == 0
    codes = [finding["code"] for finding in json.loads(capsys.readouterr().out)["findings"]]
    assert codes == ["effort_without_effect", "residual_not_played"]
    assert execute(["plan", str(folder / "r.yaml")]) == 0
    assert "'embedded' takes no overlap" in capsys.readouterr().out.replace("\n", " ")
