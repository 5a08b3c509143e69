from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from separators.published_umx import HOP, N_FFT, RATE, STEMS, Target, save, save_folder, separate
from serving import Server

from stemfx.audio import Audio
from stemfx.cli import execute
from stemfx.errors import ModelError
from stemfx.io import probe, read_blocks
from stemfx.separator import Effort, SeparationContext, Separator
from stemfx.separators import openunmix, stemfx_open_model
from stemfx.separators.openunmix_weights import PUBLISHED, Published
from stemfx.separators.weights import models_folder

WINDOW = 300 * HOP  # samples that the filter works on at a time


@pytest.fixture
def song() -> np.ndarray:
    """Make 15 s at 8 kHz: noise with a beat, wider than mono."""
    rng = np.random.default_rng(7)
    beat = np.abs(np.sin(np.arange(120_001) / 900))
    noise = rng.standard_normal((3, beat.size))
    return (0.2 * beat * np.stack([noise[0] + noise[1], noise[0] + noise[2]])).astype(np.float32)


def networks(**changes: Any) -> dict[str, Target]:
    return {target: Target(seed, **changes) for seed, target in enumerate(STEMS)}


def opened(path: Path) -> Separator:
    separator = stemfx_open_model(path)
    assert separator is not None
    return separator


def separated(separator: Separator, samples: np.ndarray, start: int = 0, **effort: Any) -> Any:
    context = SeparationContext(effort=Effort(**effort), start=start)
    song = Audio(samples, separator.card.sample_rate)
    return np.concatenate(list(separator.separate(song, ("vocals",), context)), axis=-1)


def distance_db(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference against the largest value."""
    assert a.shape == b.shape
    return float(20 * np.log10(np.abs(a - b).max() / np.abs(b).max() + 1e-20))


# --- what comes out -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{}, {"channels": 1}, {"two_way": False}, {"layers": 1, "hidden": 6}]
)
def test_a_song_of_one_segment_is_separated_as_published(
    changes: dict[str, Any], song: np.ndarray, tmp_path: Path
) -> None:
    made = networks(**changes)
    separator = opened(save_folder(tmp_path / "mine", made))
    assert (separator.card.name, separator.card.stems) == ("mine", STEMS)
    assert separator.card.sample_rate == RATE
    expected = separate(list(made.values()), song)
    # float32: normalisations are part of the matrices, so products round in another order
    assert distance_db(separated(separator, song), expected) < -110


@pytest.mark.parametrize("n", [1, 2, HOP - 1, HOP, N_FFT // 2 + 1, WINDOW, WINDOW + 1])
def test_stems_add_up_to_a_song_of_any_length(n: int, song: np.ndarray, tmp_path: Path) -> None:
    made = networks()
    stems = separated(opened(save_folder(tmp_path, made)), song[:, 1_000 : 1_000 + n])
    assert stems.shape == (4, 2, n)
    # float32: transforms there and back, at the ends with windows of less than full height
    assert np.abs(stems.sum(axis=0) - song[:, 1_000 : 1_000 + n]).max() < 1e-6
    if n > N_FFT // 2:  # the original has no mirror image of less
        expected = separate(list(made.values()), song[:, 1_000 : 1_000 + n].copy())
        assert distance_db(stems, expected) < -110


def test_joined_segments_equal_the_song_heard_at_once(song: np.ndarray, tmp_path: Path) -> None:
    separator = opened(save_folder(tmp_path, networks()))
    once = separated(separator, song, segment_s=100)
    for overlap in (0.25, 0.5):
        joined = separated(separator, song, segment_s=2 * WINDOW / RATE, overlap=overlap)
        # An untrained recurrent layer forgets within some ten frames, and segments share 300: what
        # is left comes from the very ends of segments, which count least.
        assert distance_db(joined, once) < -60
        assert np.abs(joined.sum(axis=0) - song).max() < 1e-6


def test_a_song_is_read_in_segments(song: np.ndarray, tmp_path: Path) -> None:
    class Counted(Audio):
        longest = 0

        def read(self, start: int = 0, stop: int | None = None) -> np.ndarray:
            block = super().read(start, stop)
            Counted.longest = max(Counted.longest, block.shape[1])
            return block

    separator = opened(save_folder(tmp_path, networks()))
    context = SeparationContext(effort=Effort(segment_s=4.8))
    blocks = list(separator.separate(Counted(song, RATE), ("vocals",), context))
    assert sum(block.shape[-1] for block in blocks) == song.shape[1]
    assert max(block.shape[-1] for block in blocks) <= 2 * WINDOW
    assert Counted.longest <= 2 * WINDOW + N_FFT


def test_what_comes_from_a_later_start_is_the_same(
    song: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    separator = opened(save_folder(tmp_path, networks()))
    whole = separated(separator, song, segment_s=4.8)
    for start in (1, WINDOW, 70_001, song.shape[1] - 1):
        rest = separated(separator, song, start=start, segment_s=4.8)
        assert rest.tobytes() == np.ascontiguousarray(whole[..., start:]).tobytes()
    monkeypatch.setattr(openunmix, "share_cores", lambda *_, **__: (2, 1))
    assert separated(separator, song, segment_s=4.8).tobytes() == whole.tobytes()


def test_silence_stays_silent_and_nothing_gives_nothing(tmp_path: Path) -> None:
    separator = opened(save_folder(tmp_path, networks()))
    assert not separated(separator, np.zeros((2, 50_000), np.float32)).any()
    empty = Audio(np.zeros((2, 0), np.float32), RATE)
    assert list(separator.separate(empty, STEMS, SeparationContext())) == []


def test_targets_that_leave_something_over_leave_it(song: np.ndarray, tmp_path: Path) -> None:
    made = networks()
    some = [made["vocals"], made["drums"]]
    separator = opened(save_folder(tmp_path, {"vocals": made["vocals"], "drums": made["drums"]}))
    assert separator.card.stems == ("vocals", "drums")
    expected = separate(some, song, with_rest=True)
    assert distance_db(separated(separator, song), expected) < -110
    rest = song - expected.sum(axis=0)
    assert np.abs(rest).max() > 0.1 * np.abs(song).max()


def test_networks_for_mono_and_for_stereo_work_side_by_side(
    song: np.ndarray, tmp_path: Path
) -> None:
    made = {target: Target(k, channels=1 + k % 2) for k, target in enumerate(STEMS)}
    separator = opened(save_folder(tmp_path, made))
    expected = separate(list(made.values()), song)
    assert distance_db(separated(separator, song), expected) < -110


def test_one_file_is_a_model_of_one_stem(song: np.ndarray, tmp_path: Path) -> None:
    network = Target(n_fft=4096, hidden=4)
    path = save(network.published(44_100), tmp_path / "vocals.pth")
    separator = opened(path)
    assert (separator.card.stems, separator.card.sample_rate) == (("vocals",), 44_100)
    expected = separate([network], song, n_fft=4096, with_rest=True)
    assert distance_db(separated(separator, song), expected) < -110
    # beside a separator.json, that says what the transform is
    folder = save_folder(tmp_path / "trained", networks())
    assert opened(folder / "bass.pth").card.sample_rate == RATE


def test_every_way_of_saving_gives_the_same_bits(song: np.ndarray, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    results, identities = set(), set()
    for way in ("zip", "old", "safetensors", "hashed"):
        folder = save_folder(tmp_path / way, {})
        for target, network in networks().items():
            state = network.published()
            if way == "safetensors":
                state = {k: v.clone() for k, v in state.items()}
                save_file(state, folder / f"{target}.safetensors")
                continue
            path = save(state, folder / f"{target}.pth", is_zip=way != "old")
            if way == "hashed":
                digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
                path.rename(folder / f"{target}-{digest}.pth")
        separator = opened(folder)
        results.add(separated(separator, song[:, :30_000]).tobytes())
        identities.add(separator.identity())
    assert len(results) == 1
    assert len(identities) == 3  # of what is in the files, not of their names


# --- models by name -----------------------------------------------------------------------


def by_name(name: str) -> Separator:
    return next(s for s in openunmix.published() if s.card.name == name)


def test_published_models_are_those_of_openunmix() -> None:
    assert {s.card.name for s in openunmix.published()} == set(PUBLISHED)
    for name, known in PUBLISHED.items():
        card = by_name(name).card
        assert card.stems == STEMS == tuple(known.files)
        assert ("non-commercial" in card.licence) == (name == "umxl")
        for target, file in known.files.items():
            assert file.startswith(f"{target}-")
            assert known.sha256.get(target, file[-12:-4]).startswith(file[-12:-4])
            remote = known.remote()[file]
            assert f"records/{known.record}/files/{file}" in remote.url
            assert (remote.sha256 or "").startswith(file[-12:-4])


def test_weights_lie_in_the_models_folder_or_the_torch_cache(
    song: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    model = by_name("umxhq")
    assert model.weights() == "fetchable"
    with pytest.raises(ModelError, match="weights of 'umxhq' are not on this machine"):
        separated(model, song)

    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    files = {}
    for target, network in networks(n_fft=4096, hidden=4).items():
        path = save(network.published(44_100), cache / f"{target}.pth", is_zip=False)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
        files[target] = path.rename(cache / f"{target}-{digest}.pth").name
    assert model.weights() == "fetchable"  # these are not the published files
    monkeypatch.setitem(openunmix.PUBLISHED, "umxhq", Published(1, files, 0, {}))
    assert model.weights() == "here"
    in_cache = separated(model, song)
    assert in_cache.shape == (4, 2, song.shape[1])

    own = save_folder(models_folder() / "umxhq", networks())
    assert model.weights() == "here"
    # its files come first, and say that they are for another transform
    assert not np.array_equal(separated(model, song), in_cache)
    (own / "vocals.pth").write_bytes((own / "vocals.pth").read_bytes()[:1_000])
    assert model.weights() == "here"
    with pytest.raises(ModelError, match=r"vocals\.pth: .*cut off in the middle"):
        separated(model, song)


# --- files that are not what they claim ---------------------------------------------------


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("share", [0.5, 0.999])
def test_cut_off_weights_are_refused(*, is_zip: bool, share: float, tmp_path: Path) -> None:
    path = save(Target(n_fft=4096).published(44_100), tmp_path / "vocals.pth", is_zip=is_zip)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelError, match=r"vocals\.pth: (damaged weights|not a file of torch)"):
        stemfx_open_model(path)


def test_cut_off_safetensors_are_told_apart_from_damaged_ones(tmp_path: Path) -> None:
    path = tmp_path / "vocals.safetensors"
    save_file(Target(n_fft=4096).state_dict(), path)
    n = path.stat().st_size
    os.truncate(path, n - 10)
    with pytest.raises(ModelError, match=rf"vocals\.safetensors: cut off: {n - 10} bytes of {n}"):
        stemfx_open_model(path)


class Bomb:
    """Creates a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("is_zip", [True, False])
def test_code_in_weights_does_not_run(*, is_zip: bool, tmp_path: Path) -> None:
    state = {**Target().published(), "more": Bomb(tmp_path / "ran")}
    path = save(state, tmp_path / "vocals.pth", is_zip=is_zip)
    with pytest.raises(ModelError, match="contains code or objects that are not weights"):
        stemfx_open_model(path)
    assert not (tmp_path / "ran").exists()


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    state = Target(n_fft=4096, hidden=4).published(44_100)
    wrong = {
        "fc2.weight is missing": {"fc2.weight": None},
        "more is too much": {"more": torch.zeros(1)},
        r"fc2\.weight is \(4, 9\), not \(4, 8\)": {"fc2.weight": torch.zeros(4, 9)},
        "some are not numbers": {"fc3.weight": state["fc3.weight"] * np.nan},
        "some are not numbers ": {"bn2.running_var": -torch.ones(4)},
        "inputs of": {"input_mean": torch.zeros(7)},
        "inputs of 0 bins": {"input_mean": torch.zeros(0)},
        "values to unpack": {"fc1.weight": torch.zeros(4)},
        "trained at 48000 Hz": {"sample_rate": torch.tensor(48_000)},
        "cannot convert float infinity": {"sample_rate": torch.tensor(torch.inf)},
        "not a dict of tensors": {"fc2.weight": [1.0]},
        "129 bins, nfft 4096 has 2049": Target().published(44_100),
    }
    for sentence, changes in wrong.items():
        changed = {k: v for k, v in (state | changes).items() if v is not None}
        path = save(changed, tmp_path / "vocals.pth")
        with pytest.raises(ModelError, match=rf"vocals\.pth: .*{sentence.strip()}") as caught:
            stemfx_open_model(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_small_file_cannot_ask_for_much_memory(*, is_zip: bool, tmp_path: Path) -> None:
    # one number that claims to be a matrix of 40 GB
    huge = torch.zeros(1).expand(100_000, 100_000)
    state = Target(n_fft=4096).published(44_100) | {"fc2.weight": huge}
    path = save(state, tmp_path / "vocals.pth", is_zip=is_zip)
    with pytest.raises(ModelError, match=r"its weights want 4\d+ bytes, the file has \d+"):
        stemfx_open_model(path)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"nfft": 256, "nhop": 64}',
        '{"nfft": "256", "nhop": 64, "sample_rate": 8000}',
        '{"nfft": 256, "nhop": 64, "sample_rate": 1e12}',
        '{"nfft": 1000000000, "nhop": 64, "sample_rate": 8000}',
        '{"nfft": 256, "nhop": 0, "sample_rate": 8000}',
        '{"nfft": 256, "nhop": 100, "sample_rate": 8000}',
        '{"nfft": 256, "nhop": 128, "sample_rate": 8000}',
        '{"nfft": NaN, "nhop": 64, "sample_rate": 8000}',
        '{"nfft": 256.5, "nhop": 64, "sample_rate": 8000}',
        "[" * 100_000,
    ],
)
def test_a_separator_that_cannot_work_is_refused(said: str, tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "m", networks())
    (folder / "separator.json").write_text(said)
    with pytest.raises(ModelError, match=r"separator\.json: ") as caught:
        stemfx_open_model(folder)
    assert len(str(caught.value)) < len(str(folder)) + 200


@pytest.mark.parametrize(
    ("key", "value"), [("hidden_size", 10**9), ("nfft", 4096), ("nb_channels", "2")]
)
def test_json_that_is_not_of_the_weights_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "m", networks())
    (folder / "bass.json").write_text(json.dumps({"args": {key: value}}))
    with pytest.raises(ModelError, match=rf"bass\.json: {key} .* is not that of bass\.pth"):
        stemfx_open_model(folder)
    (folder / "bass.json").write_text("{}")
    with pytest.raises(ModelError, match=r"bass\.json: .*no `args`"):
        stemfx_open_model(folder)


def test_paths_in_json_lead_nowhere(song: np.ndarray, tmp_path: Path) -> None:
    state = Target(9).state_dict()
    save(state, tmp_path / "vocals.pth")
    folder = save_folder(tmp_path / "m", networks(), targets=["../vocals"], vocals="../vocals.pth")
    plain = save_folder(tmp_path / "n", networks())
    assert np.array_equal(*(separated(opened(f), song[:, :9_000]) for f in (folder, plain)))


def test_names_of_files_are_names_of_stems(tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "m", networks())
    vocals = folder / "vocals.pth"
    vocals.rename(folder / "vo cals.pth")
    with pytest.raises(ModelError, match=r"the name must be <target>\.pth"):
        stemfx_open_model(folder)
    (folder / "vo cals.pth").rename(folder / "vocals-00000000.pth")
    with pytest.raises(ModelError, match="SHA-256 is not the one in its name"):
        stemfx_open_model(folder)
    digest = hashlib.sha256((folder / "bass.pth").read_bytes()).hexdigest()
    (folder / "vocals-00000000.pth").unlink()
    shutil.copy(folder / "bass.pth", folder / f"bass-{digest}.pth")
    with pytest.raises(ModelError, match="two files of weights for 'bass'"):
        stemfx_open_model(folder)
    for file in folder.glob("*.pth"):
        file.unlink()
    with pytest.raises(ModelError, match=r"separator\.json: no <target>\.pth beside it"):
        stemfx_open_model(folder)


def test_files_of_other_kinds_are_left_to_other_plugins(tmp_path: Path) -> None:
    save({"weight": torch.zeros(3)}, tmp_path / "model.pth")
    (tmp_path / "notes.pth").write_text("x")
    for path in (tmp_path, tmp_path / "model.pth", tmp_path / "notes.pth"):
        assert stemfx_open_model(path) is None


# --- from the command line ----------------------------------------------------------------


def test_a_model_of_ones_own_separates_from_the_command_line(
    song: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save_folder(tmp_path / "mine", networks())
    soundfile.write(tmp_path / "song.wav", song.T, RATE, subtype="FLOAT")
    call = ["separate", str(tmp_path / "song.wav"), "-o", str(tmp_path / "out"), "--json"]
    assert execute([*call, "--model", str(folder)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["model"] == "mine"
    total = sum(
        np.concatenate(list(read_blocks(probe(Path(said["stems"][stem])))), axis=1)
        for stem in STEMS
    )
    # stems are written with 24 bit
    assert np.abs(total - song).max() < 4 * 2.0**-23 + 1e-6


def test_a_listing_hashes_nothing_and_a_damaged_file_is_told_when_it_is_used(
    song: np.ndarray,
) -> None:
    folder = save_folder(models_folder() / "umxhq", networks())
    (folder / "bass.pth").rename(folder / "bass-00000000.pth")
    model = by_name("umxhq")
    assert model.weights() == "here"
    assert folder / "bass-00000000.pth" in model.files()
    with pytest.raises(ModelError, match="damaged: its SHA-256 is not the one in its name"):
        separated(model, song)


def test_what_is_fetched_is_what_its_name_promises(
    song: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: from a server into the models folder, and a file that is another one."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    server, files, remote = Server(), {}, Published.remote
    for target, network in networks(n_fft=4096, hidden=4).items():
        path = save(network.published(44_100), tmp_path / f"{target}.pth", is_zip=False)
        name = f"{target}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth"
        server.others[f"/{name}"] = path.read_bytes()
        files[target] = name
    whole = sum(map(len, server.others.values()))
    monkeypatch.setitem(openunmix.PUBLISHED, "umxhq", Published(1, files, whole, {}))
    monkeypatch.setattr(
        Published,
        "remote",
        lambda known: {
            name: replace(file, url=f"{server.root}/{name}") for name, file in remote(known).items()
        },
    )
    model, told = by_name("umxhq"), []
    model.fetch(lambda done, total: told.append((done, total)))
    assert model.weights() == "here"
    assert {path.name for path in model.files()} == set(files.values())
    assert told[-1] == (whole, whole)
    assert separated(model, song).shape == (4, 2, song.shape[1])

    folder = models_folder() / "umxhq"
    (folder / files["bass"]).unlink()
    server.paths.clear()
    server.others[f"/{files['bass']}"] = b"something else"
    with pytest.raises(ModelError, match="'umxhq' cannot be fetched: what came is not the file"):
        model.fetch(lambda *_: None)
    assert server.paths == [f"/{files['bass']}"]  # the others are whole
    assert not (folder / files["bass"]).exists()
    server.close()
