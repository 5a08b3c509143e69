from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch.nn import functional as F  # noqa: N812 - its usual name

from stemfx.audio import Audio
from stemfx.errors import ModelError
from stemfx.separator import Effort, SeparationContext, Separator
from stemfx.separators import bsrnn, stemfx_open_model

FRAMES, HOP, N_FFT = 33, 256, 1024
LENGTH = (FRAMES - 1) * HOP
# Bins are 43.07 Hz apart. Up to 4 kHz in steps of 1 kHz, up to 12 kHz in steps of 4 kHz, the rest:
EDGES = [0, 24, 47, 70, 93, 186, 279, 513]


def settings(target: str, *, is_early: bool = False, **model: Any) -> dict[str, Any]:
    """Return `hparams.yaml` as amanteur publishes it, or `is_early`, as crlandsc does."""
    transform = {"n_fft": N_FFT, "win_length": N_FFT, "hop_length": HOP, "power": None}
    content: dict[str, Any] = {
        "model": {
            "sr": 44_100,
            "n_fft": N_FFT,
            "bandsplits": [[4000, 1000], [12_000, 4000]],
            "t_timesteps": FRAMES,
            "bottleneck_layer": "rnn",
            "fc_dim": 8,
            "rnn_dim": 6,
            "rnn_type": "LSTM",
            "bidirectional": True,
            "num_layers": 2,
            "mlp_dim": 10,
            "return_mask": False,
            "complex_as_channel": True,
            "is_mono": False,
        }
        | model,
        "featurizer": {"direct_transform": transform, "inverse_transform": dict(transform)},
    }
    heard = {"target": target, "sr": 44_100, "win_size": 3, "hop_size": 0.5, "window": None}
    if not is_early:
        return content | {"audio_params": heard}
    return content | {"test_dataset": heard, "logger": {"wandb": {"name": target}}}


def weights(content: dict[str, Any], seed: int = 0) -> dict[str, torch.Tensor]:
    """Make weights under the names that the public code gives them."""
    model = content["model"]
    n, hidden, mlp = model["fc_dim"], model["rnn_dim"], model["mlp_dim"]
    per_bin = 2 if model["is_mono"] else 4
    shapes: dict[str, tuple[int, ...]] = {}

    def affine(name: str, *shape: int) -> None:
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = shape

    def linear(name: str, n_in: int, n_out: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (n_out, n_in), (n_out,)

    for k, (a, b) in enumerate(pairwise(EDGES)):
        width = per_bin * (b - a)
        affine(f"bandsplit.layernorms.{k}", width, FRAMES)
        linear(f"bandsplit.fcs.{k}", width, n)
        affine(f"maskest.layernorms.{k}", FRAMES, n)
        linear(f"maskest.mlp.{k}.mlp.0", n, mlp)
        linear(f"maskest.mlp.{k}.mlp.2", mlp, width)
        linear(f"maskest.mlp.{k}.mlp.3.linear", width, 2 * width)
    for k in range(model["num_layers"]):
        for way in range(2):
            name = f"bandsequence.bsrnn.{k}.{way}"
            affine(f"{name}.groupnorm", n)
            linear(f"{name}.fc", 2 * hidden, n)
            for suffix in ("", "_reverse"):
                shapes[f"{name}.rnn.weight_ih_l0{suffix}"] = (4 * hidden, n)
                shapes[f"{name}.rnn.weight_hh_l0{suffix}"] = (4 * hidden, hidden)
                shapes[f"{name}.rnn.bias_ih_l0{suffix}"] = (4 * hidden,)
                shapes[f"{name}.rnn.bias_hh_l0{suffix}"] = (4 * hidden,)
    generator = torch.Generator().manual_seed(seed)
    return {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def write(folder: Path, content: dict[str, Any], name: str, seed: int = 0) -> Path:
    """Write `hparams.yaml` and a checkpoint as Lightning does; return the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hparams.yaml").write_text(yaml.safe_dump(content))
    state = {f"model.{key}": value for key, value in weights(content, seed).items()}
    state["featurizer.window"] = torch.hann_window(N_FFT)
    torch.save({"epoch": 3, "state_dict": state, "optimizer_states": [{}]}, folder / name)
    return folder / name


def reference(
    state: dict[str, torch.Tensor], song: np.ndarray, n_layers: int = 2, *, is_early: bool = False
) -> np.ndarray:
    """Separate one stretch, step by step as the paper and the public code do."""
    w = torch.hann_window(N_FFT)
    S = torch.stft(torch.from_numpy(song), N_FFT, HOP, window=w, return_complex=True)
    mean, deviation = S.mean(), S.std()
    X = (S - mean) / (deviation + 1e-5)
    features = []
    for k, (a, b) in enumerate(pairwise(EDGES)):
        # rows: left real, left imaginary, right real, right imaginary, each of all bins
        rows = torch.cat([part for x in X[:, a:b] for part in (x.real, x.imag)])
        name = f"bandsplit.layernorms.{k}"
        rows = F.layer_norm(rows, rows.shape, state[f"{name}.weight"], state[f"{name}.bias"])
        name = f"bandsplit.fcs.{k}"
        features.append(rows.T @ state[f"{name}.weight"].T + state[f"{name}.bias"])
    z = torch.stack(features)  # (bands, frames, features)
    for k in range(n_layers):
        for way in range(2):
            z = recurrent(state, f"bandsequence.bsrnn.{k}.{way}", z).transpose(0, 1)
    made = torch.zeros_like(X)
    for k, (a, b) in enumerate(pairwise(EDGES)):
        name = f"maskest.layernorms.{k}"
        q = F.layer_norm(z[k], z[k].shape, state[f"{name}.weight"], state[f"{name}.bias"])
        for layer in ("0", "2", "3.linear"):
            name = f"maskest.mlp.{k}.mlp.{layer}"
            q = q @ state[f"{name}.weight"].T + state[f"{name}.bias"]
            q = torch.tanh(q) if layer == "0" else q
        n = q.shape[1] // 2
        q = q[:, :n] * torch.sigmoid(q[:, n:])  # (frames, rows)
        rows = q.reshape(n, FRAMES) if is_early else q.T
        left_re, left_im, right_re, right_im = rows.split(b - a)
        made[0, a:b] = torch.complex(left_re, left_im)
        made[1, a:b] = torch.complex(right_re, right_im)
    return torch.istft(made * X * deviation + mean, N_FFT, HOP, window=w).numpy()


def recurrent(state: dict[str, torch.Tensor], name: str, z: torch.Tensor) -> torch.Tensor:
    """Normalise each feature of each row over its steps, run an LSTM both ways, add."""
    y = (z - z.mean(1, keepdim=True)) / (z.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
    y = y * state[f"{name}.groupnorm.weight"] + state[f"{name}.groupnorm.bias"]
    rnn = torch.nn.LSTM(z.shape[2], 6, batch_first=True, bidirectional=True)
    prefix = f"{name}.rnn."
    rnn.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if prefix in k})
    with torch.no_grad():
        y = rnn(y)[0] @ state[f"{name}.fc.weight"].T + state[f"{name}.fc.bias"]
    return y + z


def opened(path: Path) -> Separator:
    separator = stemfx_open_model(path)
    assert separator is not None
    return separator


def separated(separator: Separator, song: np.ndarray, *wanted: str, **context: Any) -> np.ndarray:
    wanted = wanted or separator.card.stems
    blocks = separator.separate(Audio(song, 44_100), wanted, SeparationContext(**context))
    return np.concatenate(list(blocks), axis=-1)


@pytest.mark.parametrize("is_early", [False, True])
def test_a_stretch_is_what_the_paper_says(
    *, is_early: bool, music: np.ndarray, tmp_path: Path
) -> None:
    content = settings("vocals", is_early=is_early)
    separator = opened(write(tmp_path, content, "vocals.ckpt"))
    song = music[:, :LENGTH]
    expected = reference(weights(content), song, is_early=is_early)
    made = separated(separator, song)
    assert made.shape == (2, 2, LENGTH)
    # float32 in another order
    assert 20 * np.log10(np.abs(made[0] - expected).max() / np.abs(expected).max()) < -110
    assert np.abs(made.sum(axis=0) - song).max() <= 2**-23 * np.abs(made).max()


def test_masks_of_early_weights_are_laid_out_by_time(music: np.ndarray, tmp_path: Path) -> None:
    """The layouts are told apart by what the settings have, and they do differ."""
    song = music[:, :LENGTH]
    made = [
        separated(opened(write(tmp_path / str(early), content, "v.ckpt")), song, "vocals")
        for early in (False, True)
        for content in [settings("vocals", is_early=early)]
    ]
    assert np.abs(made[0] - made[1]).max() > 0.1 * np.abs(made[0]).max()


def test_bands_are_those_of_the_settings_not_of_the_code(tmp_path: Path) -> None:
    from stemfx.separators.bsrnn_network import band_edges

    assert band_edges([(4000, 1000), (12_000, 4000)], 44_100, N_FFT) == EDGES
    # as published for bass at 2048: 10 of 50 Hz, 5 of 100, 6 of 500, 4 of 1000, 4 of 2000, 1 above
    bass = [(500, 50), (1000, 100), (4000, 500), (8000, 1000), (16_000, 2000)]
    edges = band_edges(bass, 44_100, 2048)
    assert len(edges) == 31
    assert edges[:4] == [0, 3, 5, 7]  # first bins at or above 0, 50, 100 and 150 Hz of 21.53 each
    assert edges[-2:] == [744, 1025]  # 16 kHz is bin 743.04


def test_only_networks_of_wanted_stems_are_loaded(
    music: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed, stem in enumerate(("vocals", "drums", "bass")):
        write(tmp_path / f"bsrnn-{stem}", settings(stem), f"{stem}.ckpt", seed)
    separator = opened(tmp_path)
    assert separator.card.stems == ("drums", "bass", "vocals", "other")
    assert separator.computes(("bass",)) == ("bass",)
    assert separator.computes(("other", "bass")) == ("drums", "bass", "vocals", "other")
    loaded: list[str] = []
    load = bsrnn.BsrnnMember.load
    monkeypatch.setattr(bsrnn.BsrnnMember, "load", lambda m: loaded.append(m.stems[0]) or load(m))
    bass = separated(separator, music, "bass")
    assert loaded == ["bass"]
    all_four = separated(separator, music)
    assert all_four.shape == (4, 2, music.shape[1])
    assert np.array_equal(bass[0], all_four[1])
    loudest = np.abs(all_four).max()
    assert np.abs(all_four.sum(axis=0) - music).max() <= 2**-22 * loudest  # a sum of four


@pytest.mark.parametrize(
    ("made", "left"),
    [
        (["drums", "bass", "other", "vocals"], None),
        (["drums", "bass", "vocals"], "other"),
        (["drums", "bass", "other"], "vocals"),
        (["vocals"], "instrumental"),
        (["drums", "vocals"], "rest"),
    ],
)
def test_what_is_left_has_a_name(made: list[str], left: str | None, tmp_path: Path) -> None:
    for stem in made:
        write(tmp_path / stem, settings(stem), f"{stem}.ckpt")
    assert opened(tmp_path).card.stems == (*made, *([left] if left else []))


def test_stems_lie_side_by_side_under_their_names(tmp_path: Path) -> None:
    for stem in ("bass", "drums"):
        content = settings(stem)
        torch.save(weights(content), tmp_path / f"{stem}.pt")
        (tmp_path / f"{stem}.yaml").write_text(yaml.safe_dump(content))
    assert opened(tmp_path).card.stems == ("drums", "bass", "rest")
    assert opened(tmp_path / "bass.pt").card.stems == ("bass", "rest")
    assert opened(tmp_path / "bass.yaml").card.name == "bass"


def test_what_else_lies_beside_a_checkpoint_does_not_matter(tmp_path: Path) -> None:
    checkpoint = write(tmp_path, settings("bass"), "bass.ckpt")
    (tmp_path / "bass.wav").write_bytes(b"")
    torch.save({}, tmp_path / "stranger.pt")
    (tmp_path / "drums.yaml").write_text(yaml.safe_dump(settings("drums")))  # has no checkpoint
    assert opened(checkpoint).card.stems == ("bass", "rest")
    with pytest.raises(ModelError, match=r"drums\.yaml: no checkpoints for it"):
        stemfx_open_model(tmp_path)


def test_it_hears_the_length_that_its_norms_have(music: np.ndarray, tmp_path: Path) -> None:
    separator = opened(write(tmp_path, settings("vocals"), "vocals.ckpt"))
    assert isinstance(separator, bsrnn.Bsrnn)
    member = separator.members()[0]
    assert (member.length, member.overlap) == (LENGTH, pytest.approx(1 - 0.5 / 3))
    assert "segment_s" not in separator.obeys
    short = separated(separator, music[:, :5_000])
    assert short.shape == (2, 2, 5_000)
    whole = separated(separator, music, effort=Effort(overlap=0.25))
    rest = separated(separator, music, effort=Effort(overlap=0.25), start=60_000)
    assert rest.tobytes() == np.ascontiguousarray(whole[..., 60_000:]).tobytes()


def test_a_network_that_hears_channels_by_themselves(music: np.ndarray, tmp_path: Path) -> None:
    separator = opened(write(tmp_path, settings("vocals", is_mono=True), "vocals.ckpt"))
    song = music[:, :LENGTH].copy()
    both = separated(separator, song)[0]
    song[1] = song[0]
    same = separated(separator, song)[0]
    # Each alone, what is heard on the right changes nothing on the left but the batch's order
    assert np.abs(both[0] - same[0]).max() < 1e-5 * np.abs(both[0]).max()
    assert np.abs(same[0] - same[1]).max() < 1e-5 * np.abs(same[0]).max()


# --- settings and weights that are not what they claim ------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n_fft", 2**30),
        ("sr", 1),
        ("t_timesteps", 10**9),
        ("fc_dim", True),
        ("num_layers", 10**6),
        ("rnn_type", "RNNBase"),
        ("rnn_type", ["LSTM"]),
        ("n_fft", [[1] * 40] * 40),
        ("bidirectional", "yes"),
        ("is_mono", "${..train_dataset.is_mono}"),
        ("bottleneck_layer", "att"),
        ("complex_as_channel", False),
        ("return_mask", True),
        ("bandsplits", [[20_000, 1]]),
        ("bandsplits", [[1000, 100], [500, 100]]),
        ("bandsplits", [[1000, 0]]),
        ("bandsplits", [[10**9, 1]]),
        ("bandsplits", "all"),
        ("bandsplits", [["a", "b"]]),
    ],
)
def test_settings_out_of_limits_are_one_sentence(key: str, value: Any, tmp_path: Path) -> None:
    path = tmp_path / "hparams.yaml"
    path.write_text(yaml.safe_dump(settings("vocals", **{key: value})))
    (tmp_path / "vocals.ckpt").write_bytes(b"never read")
    with pytest.raises(ModelError) as caught:
        stemfx_open_model(tmp_path)
    assert str(path) in str(caught.value)
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200 + len(str(path))


@pytest.mark.parametrize("target", [["vocals"], {"a": 1}, "../a", "x" * 33, 5])
def test_a_target_that_is_no_name_is_one_sentence(target: Any, tmp_path: Path) -> None:
    (tmp_path / "hparams.yaml").write_text(yaml.safe_dump(settings(target)))
    (tmp_path / "vocals.ckpt").write_bytes(b"never read")
    with pytest.raises(ModelError, match=r"hparams\.yaml: .* cannot be the name of a stem"):
        stemfx_open_model(tmp_path)


def test_a_stem_twice_or_without_weights_is_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder, settings("bass"), "bass.ckpt")
    with pytest.raises(ModelError, match="two networks for one stem"):
        stemfx_open_model(tmp_path)
    (tmp_path / "b" / "bass.ckpt").unlink()
    with pytest.raises(ModelError, match=r"hparams\.yaml: no checkpoints for it"):
        stemfx_open_model(tmp_path)


def test_weights_that_do_not_fit_are_one_sentence(music: np.ndarray, tmp_path: Path) -> None:
    checkpoint = write(tmp_path, settings("bass"), "bass.ckpt")
    content = settings("bass", num_layers=3)
    (tmp_path / "hparams.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ModelError, match=r"hparams\.yaml: \d+ of \d+ are missing, bandsequence"):
        separated(opened(checkpoint), music)
    content = settings("bass", num_layers=48, rnn_dim=2048)
    (tmp_path / "hparams.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ModelError, match=r"it wants \d+ weights, the file has \d+ bytes"):
        separated(opened(checkpoint), music)
    content = settings("bass", bandsplits=[[1000, 10]])
    (tmp_path / "hparams.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ModelError, match="narrower than a bin"):
        separated(opened(checkpoint), music)
