from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from separators.tiny import build as build_demucs
from separators.tiny import save_package
from separators.tiny_msst import TINY, build, make, save, settings, write_settings

from stemfx.audio import Audio
from stemfx.errors import ModelError
from stemfx.separator import Effort, SeparationContext, Separator
from stemfx.separators import chunked, stemfx_open_model
from stemfx.separators.pymss import Pymss
from stemfx.separators.pymss_config import read_config
from stemfx.separators.stream import Schedule

CHUNK = 20_000  # of the tiny models; mdx23c hears 20 224


def opened(path: Path) -> Separator:
    separator = stemfx_open_model(path)
    assert separator is not None
    return separator


def separated(
    separator: Separator, samples: np.ndarray, *wanted: str, **context: Any
) -> np.ndarray:
    wanted = wanted or separator.card.stems
    given = SeparationContext(**context)
    return np.concatenate(list(separator.separate(Audio(samples, 44_100), wanted, given)), axis=-1)


def alone(network: Any, samples: np.ndarray, length: int, name: str) -> np.ndarray:
    """Run a network on a song shorter than a chunk, silence after it; `(stems, 2, n)`."""
    n = samples.shape[1]
    heard = torch.nn.functional.pad(torch.from_numpy(samples), (0, length - n))
    with torch.inference_mode():
        if name == "bandit":  # each channel by itself
            made = torch.cat([network(channel[None, None]) for channel in heard], dim=2)[0]
        else:
            made = network(heard[None])[0]
    made = made if made.ndim == 3 else made[None]
    return made.numpy()[..., :n]


def distance_db(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference against the largest value."""
    assert a.shape == b.shape
    return float(20 * np.log10(np.abs(a - b).max() / np.abs(b).max() + 1e-20))


# SCNet has no window; we keep torch from telling, who runs the network alone does not.
@pytest.mark.filterwarnings("ignore:A window was not provided")
@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize("name", TINY)
def test_a_song_shorter_than_a_chunk_is_what_the_network_makes_of_it(
    name: str, suffix: str, music: np.ndarray, tmp_path: Path
) -> None:
    network, checkpoint = make(tmp_path, name, suffix)
    separator = opened(checkpoint)
    song = music[:, :15_001]
    length = 20_224 if name == "mdx23c" else CHUNK
    if name == "scnet":  # `normalize: true`
        mono = song.mean(axis=0, dtype=np.float64)
        mean, deviation = np.float32(mono.mean()), np.float32(mono.std(ddof=1))
        expected = alone(network, (song - mean) / deviation, length, name) * deviation + mean
    else:
        expected = alone(network, song, length, name)
    made = separated(separator, song)
    assert made.shape == (len(separator.card.stems), 2, 15_001)
    # float32 in another order: batches of channels, bands stacked into one product
    assert distance_db(made[: len(expected)], expected) < -110


@pytest.mark.parametrize("name", TINY)
def test_a_long_song_is_whole_and_has_the_same_bits_every_time(
    name: str, music: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    separator = opened(make(tmp_path, name)[1])
    once = separated(separator, music)
    monkeypatch.setattr(chunked, "share_cores", lambda *_, **__: (2, 1))
    again = separated(opened(separator.members()[0].files[1]), music)  # type: ignore[attr-defined]
    assert once.shape == (len(separator.card.stems), 2, music.shape[1])
    assert np.isfinite(once).all()
    assert once.tobytes() == again.tobytes()


def test_segments_are_the_networks_own_length_and_overlap(
    music: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream of a network is what it makes of each segment, cross-faded."""
    network, checkpoint = make(tmp_path, "bs_roformer")
    schedule = Schedule.even(music.shape[1], CHUNK, 0.5)  # num_overlap: 2
    total, weight = np.zeros((2, music.shape[1])), np.zeros(music.shape[1])
    rise = np.arange(1, CHUNK + 1)
    triangle = np.minimum(rise, rise[::-1])
    for start in schedule.starts:
        stretch = slice(start, start + CHUNK)
        heard = np.ascontiguousarray(music[:, stretch])
        total[:, stretch] += alone(network, heard, CHUNK, "bs_roformer")[0] * triangle
        weight[stretch] += triangle
    made = separated(opened(checkpoint), music)
    assert len(schedule.starts) == 7
    assert distance_db(made[0], total / weight) < -110


def test_a_target_and_what_is_left_sum_to_the_song(music: np.ndarray, tmp_path: Path) -> None:
    separator = opened(make(tmp_path, "mel_band_roformer")[1])
    assert separator.card.stems == ("vocals", "other")  # as the YAML calls them
    assert separator.computes(("other",)) == ("vocals", "other")
    vocals, other = separated(separator, music)
    # both differences round to float32, whose step grows with the largest of the values
    largest = max(np.abs(vocals).max(), np.abs(other).max())
    assert np.abs(vocals + other - music).max() <= 2**-23 * largest


@pytest.mark.parametrize(
    ("instruments", "target", "stems"),
    [
        (["vocals", "other"], "vocals", ("vocals", "other")),
        (["Vocals", "Instrumental"], "Instrumental", ("instrumental", "vocals")),
        (["vocals", "bass", "drums", "other"], "vocals", ("vocals", "instrumental")),
        (["drums", "bass", "other"], "bass", ("bass", "rest")),
        (["Lead Vocals"], None, ("lead_vocals", "rest")),
    ],
)
def test_what_is_left_has_a_name(
    instruments: list[str], target: str | None, stems: tuple[str, ...], tmp_path: Path
) -> None:
    content = settings("bs_roformer")
    content["training"] |= {"instruments": instruments, "target_instrument": target}
    config = read_config(write_settings(content, tmp_path / "c.yaml"))
    assert (*config.stems, config.left) == stems


def test_a_later_start_gives_the_same_bits(music: np.ndarray, tmp_path: Path) -> None:
    separator = opened(make(tmp_path, "mel_band_roformer")[1])
    whole = separated(separator, music)
    rest = separated(separator, music, start=51_000)
    assert rest.tobytes() == np.ascontiguousarray(whole[..., 51_000:]).tobytes()


def test_effort_shortens_segments_to_what_the_network_can_hear(
    music: np.ndarray, tmp_path: Path
) -> None:
    separator = opened(make(tmp_path, "mdx23c")[1])
    assert isinstance(separator, Pymss)
    member = separator.members()[0]
    # frames in fours: 256 (4 k) - 256 samples
    assert [member.shorter(n) for n in (20_224, 20_223, 5_000, 1)] == [20_224, 19_200, 4_864, 2_816]
    context = SeparationContext(effort=Effort(segment_s=30))
    list(separator.separate(Audio(music, 44_100), ("vocals",), context))
    assert [finding.code for finding in context.findings] == ["segment_as_trained"]


def test_silence_stays_silent_and_nothing_gives_nothing(tmp_path: Path) -> None:
    separator = opened(make(tmp_path, "bs_roformer_4")[1])
    assert not separated(separator, np.zeros((2, 30_000), np.float32)).any()
    empty = Audio(np.zeros((2, 0), np.float32), 44_100)
    assert list(separator.separate(empty, separator.card.stems, SeparationContext())) == []


# --- which YAML is whose ------------------------------------------------------------------


def test_a_checkpoint_finds_its_yaml_by_name_or_alone_or_as_config(tmp_path: Path) -> None:
    by_name, alone_, config = (tmp_path / name for name in ("by_name", "alone", "config"))
    _, first = make(by_name, "scnet")
    make(by_name, "bs_roformer")
    assert opened(first).card.family == "scnet"
    assert opened(by_name / "bs_roformer.yaml").card.family == "bs_roformer"
    with pytest.raises(ModelError, match="2 models; give the path of the checkpoint of one"):
        stemfx_open_model(by_name)

    _, checkpoint = make(alone_, "scnet")
    moved = checkpoint.rename(checkpoint.with_name("scnet_checkpoint_musdb18.ckpt"))
    assert opened(moved).card.name == "scnet_checkpoint_musdb18"
    assert opened(alone_).card.name == "scnet_checkpoint_musdb18"

    _, checkpoint = make(config, "mdx23c")
    (config / "mdx23c.yaml").rename(config / "config.yaml")
    write_settings(settings("scnet"), config / "another.yaml")
    moved = checkpoint.rename(config / "model_2_stem_full_band_8k.ckpt")
    assert opened(moved).card.family == "mdx23c"


def test_a_checkpoint_without_a_yaml_is_left_to_others(tmp_path: Path) -> None:
    _, checkpoint = make(tmp_path, "scnet")
    (tmp_path / "scnet.yaml").unlink()
    assert stemfx_open_model(checkpoint) is None
    write_settings(settings("scnet"), tmp_path / "scnet.yaml")
    checkpoint.unlink()
    with pytest.raises(ModelError, match=r"scnet\.yaml: no checkpoints beside it"):
        stemfx_open_model(tmp_path)


def test_a_demucs_package_beside_a_training_yaml_is_opened_as_demucs(tmp_path: Path) -> None:
    content = settings("scnet") | {"model": "htdemucs", "htdemucs": {"depth": 4}}
    write_settings(content, tmp_path / "config_musdb18_htdemucs.yaml")
    package = save_package(build_demucs("demucs"), tmp_path / "a1b2c3d4.th")
    assert opened(package).card.family == "demucs"
    moved = package.rename(tmp_path / "model_htdemucs.ckpt")
    with pytest.raises(ModelError, match=r"take its published `\.th` or `\.safetensors`"):
        stemfx_open_model(moved)
    assert "demucs.hf" not in sys.modules or sys.modules["demucs"].__path__


@pytest.mark.parametrize("suffix", [".th", ".pth", ".chpt", ".pt"])
def test_every_ending_of_published_checkpoints_opens(suffix: str, tmp_path: Path) -> None:
    assert opened(make(tmp_path, "bandit", suffix)[1]).card.family == "bandit"


def test_identity_is_of_both_files(tmp_path: Path) -> None:
    _, checkpoint = make(tmp_path, "bandit")
    identities = {opened(checkpoint).identity()}
    save(build(tmp_path / "bandit.yaml", "bandit", seed=1), checkpoint)
    identities.add(opened(checkpoint).identity())
    content = settings("bandit")
    content["inference"]["num_overlap"] = 4
    write_settings(content, tmp_path / "bandit.yaml")
    identities.add(opened(checkpoint).identity())
    assert len(identities) == 3


# --- settings that are not what they claim ------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dim", 10**9),
        ("dim", "16"),
        ("depth", 4000),
        ("depth", True),
        ("linear_transformer_depth", 1),  # an architecture that pymss-core does not have
        ("freqs_per_bands", [1] * 1_000),
        ("freqs_per_bands", "many"),
        ("stft_n_fft", 2**30),
        ("stft_hop_length", 1),
        ("stft_window_fn", "save"),
        ("num_stems", 9),
        ("stereo", "yes"),
        ("new_key", 1),
    ],
)
def test_a_roformer_out_of_limits_is_one_sentence(key: str, value: Any, tmp_path: Path) -> None:
    path = write_settings(settings("bs_roformer", **{key: value}), tmp_path / "m.yaml")
    refused(path, key if key != "stft_hop_length" else "hop_length")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("window_fn", "save"),  # pymss-core calls torch.<window_fn>
        ("window_fn", "load"),
        ("wkwargs", {"f": "x"}),
        ("rnn_type", "RNNBase"),
        ("hidden_activation", "torch"),
        ("hidden_activation_kwargs", {"a": 1}),
        ("band_specs", "musdb:vox7"),  # pymss-core fails on it
        ("in_channel", 2),  # pymss-core multiplies channels with each other
        ("stems", ["a"]),
        ("stems", [1, 2, 3, 4]),
    ],
)
def test_a_bandit_that_names_something_else_is_one_sentence(
    key: str, value: Any, tmp_path: Path
) -> None:
    refused(write_settings(settings("bandit", **{key: value}), tmp_path / "m.yaml"), key)


@pytest.mark.parametrize(
    ("section", "key", "value", "told"),
    [
        ("audio", "chunk_size", 10**12, "chunk_size"),
        ("audio", "chunk_size", float("nan"), "chunk_size"),
        ("audio", "sample_rate", 1, "sample_rate"),
        ("inference", "num_overlap", 10**6, "num_overlap"),
        ("inference", "num_overlap", 0, "num_overlap"),
        ("training", "instruments", ["../../x", "b"], "cannot be the name of a stem"),
        ("training", "instruments", ["vocals", "Vocals"], "twice"),
        ("training", "instruments", "vocals", "must name 1 to 16 stems"),
        ("training", "instruments", [f"s{k}" for k in range(99)], "must name 1 to 16 stems"),
        ("model", "type", "apollo", "the architecture is apollo; known are bs_roformer"),
    ],
)
def test_settings_out_of_limits_are_one_sentence(
    section: str, key: str, value: Any, told: str, tmp_path: Path
) -> None:
    content = settings("bs_roformer")
    content[section][key] = value
    refused(write_settings(content, tmp_path / "m.yaml"), told)


def refused(path: Path, told: str) -> None:
    (path.with_suffix(".ckpt")).write_bytes(b"never read")
    with pytest.raises(ModelError) as caught:
        stemfx_open_model(path)
    assert str(path) in str(caught.value)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))


BOMB = "\n".join(f"l{k}: &l{k} [{', '.join([f'*l{k - 1}'] * 9)}]" for k in range(1, 12))
MANY_LISTS = (
    "l: &l [x]\ntraining: {instruments: [a]}\nmodel: {type: scnet, dims: [" + "*l, " * 5_000 + "]}"
)
LISTS = "l: &l [" + "x, " * 1000 + "]\nm: "


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model: !!python/object/apply:os.mkdir ['MARK']", "could not determine a constructor"),
        ("model: !!python/name:os.mkdir", "could not determine a constructor"),
        ("model: !!python/object/new:os.mkdir ['MARK']", "could not determine a constructor"),
        ("l0: &l0 [a]\n" + BOMB + "\nmodel: *l11", "an alias of more than a plain list"),
        ("a: &a {k: 1}\nmodel: {<<: [*a, *a]}", "an alias of more than a plain list"),
        (MANY_LISTS, "model.dims = [['x'], ['x'], ['x'], ['x'], ['x'], ['x'], ...] is outside"),
        (LISTS + "[" + "*l, " * 1000 + "]\nmodel: 5", "aliases of too much"),
        ("model:\n  dim: 1" + ":10" * 200 + ".5", "a number that is too long"),
        ("model: " + "[" * 500, "not plain YAML (nested too deep)"),
        ("model: [", "not plain YAML (expected the node content"),
        ("model: \x00", "not plain YAML ("),
        ("model: 5\n" + "# long\n" * 60_000, "too large for the settings of a model"),
        ("model:\n  dim: " + "9" * 5_000, "a number that is too long"),
        ("model_type: [[a]]\nmodel: {dim: 8}", "the architecture is [['a']]; known are"),
        ("training: {instruments: [[a]]}\nmodel: {type: scnet}", "['a'] cannot be the name"),
        ("training: {instruments: [a], target_instrument: [b]}\nmodel: {type: scnet}", "['b'] ca"),
    ],
    ids=lambda text: text[:30],
)
def test_hostile_yaml_is_one_sentence_and_runs_nothing(
    text: str, told: str, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    path = tmp_path / "m.yaml"
    path.write_text("audio:\n  chunk_size: 20000\n" + text.replace("MARK", str(mark)) + "\n")
    refused(path, told)
    assert not mark.exists()


def test_a_list_that_is_written_once_and_meant_twice_is_read(tmp_path: Path) -> None:
    path = write_settings(settings("scnet"), tmp_path / "m.yaml")
    assert "*id001" in path.read_text()  # yaml.dump writes what is shared as an alias
    assert read_config(path).stems == ("drums", "bass", "other", "vocals")


def test_every_architecture_is_found_by_its_keys_and_by_its_label(tmp_path: Path) -> None:
    for name, (kind, *_) in TINY.items():
        path = write_settings(settings(name), tmp_path / f"{name}.yaml")
        assert read_config(path).kind == kind
        labelled = settings(name, type=kind)
        assert read_config(write_settings(labelled, path)).kind == kind


def test_a_network_that_cannot_run_is_one_sentence(music: np.ndarray, tmp_path: Path) -> None:
    bands = [0.5, 0.5, 0.5]  # more than all bins: some band is left without any
    _, checkpoint = make(tmp_path, "scnet", band_SR=bands)
    with pytest.raises(ModelError, match=r"scnet\.yaml: the network .* cannot run: ") as caught:
        separated(opened(checkpoint), music)
    assert "\n" not in str(caught.value)


# --- checkpoints that are not what they claim ---------------------------------------------


class Bomb:
    """Creates a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_code_in_a_checkpoint_does_not_run(music: np.ndarray, tmp_path: Path) -> None:
    network, checkpoint = make(tmp_path, "bandit")
    mark = tmp_path / "ran"
    torch.save({"state_dict": network.state_dict(), "callbacks": Bomb(mark)}, checkpoint)
    with pytest.raises(ModelError, match="contains code or objects that are not weights"):
        separated(opened(checkpoint), music)
    assert not mark.exists()


def test_weights_of_another_network_are_one_sentence(music: np.ndarray, tmp_path: Path) -> None:
    _, checkpoint = make(tmp_path, "bandit")
    other, _ = make(tmp_path / "other", "scnet")
    save(other, checkpoint)
    with pytest.raises(ModelError, match=r"do not fit the network of bandit\.yaml: \d+ of \d+ are"):
        separated(opened(checkpoint), music)
    wider, _ = make(tmp_path / "wider", "bandit", mlp_dim=17)
    save(wider, checkpoint)
    with pytest.raises(ModelError, match=r"has shape \[17, 16\], the network's has \[16, 16\]"):
        separated(opened(checkpoint), music)


def test_a_small_checkpoint_cannot_ask_for_a_large_network(
    music: np.ndarray, tmp_path: Path
) -> None:
    _, checkpoint = make(tmp_path, "bandit")
    write_settings(settings("bandit", rnn_dim=2048, n_sqm_modules=48), tmp_path / "bandit.yaml")
    with pytest.raises(ModelError, match=r"it wants \d{10} weights, the file has \d{7} bytes"):
        separated(opened(checkpoint), music)


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_damaged_checkpoints_are_one_sentence(
    suffix: str, music: np.ndarray, tmp_path: Path
) -> None:
    network, checkpoint = make(tmp_path, "bandit", suffix)
    whole = checkpoint.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"hello\n" * 99):
        checkpoint.write_bytes(content)
        with pytest.raises(ModelError, match=r"bandit\.(ckpt|safetensors)") as caught:
            separated(opened(checkpoint), music)
        assert "\n" not in str(caught.value)
    first = next(network.parameters())
    with torch.no_grad():
        first.fill_(torch.nan)
    save(network, checkpoint)
    with pytest.raises(ModelError, match="some are not numbers"):
        separated(opened(checkpoint), music)


# --- from the command line ----------------------------------------------------------------


def test_separate_with_a_path_to_a_model(music: np.ndarray, tmp_path: Path) -> None:
    _, checkpoint = make(tmp_path, "mel_band_roformer")
    song = tmp_path / "song.wav"
    soundfile.write(song, music.T / 4, 44_100, subtype="FLOAT")
    command = [sys.executable, "-m", "stemfx", "separate", song, "-o", tmp_path / "out"]
    options = ["--model", checkpoint, "--json", "--no-cache"]
    result = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    told = json.loads(result.stdout)
    assert set(told["stems"]) == {"vocals", "other"}
    stems = [soundfile.read(path, dtype="float32")[0] for path in told["stems"].values()]
    # random weights make stems louder than the song: float32 of about 2^2
    assert np.abs(sum(stems) - music.T / 4).max() < 2**-20
