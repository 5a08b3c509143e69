"""Tiny networks of each architecture of pymss-core, saved in the layout they are published in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

FOUR = ["drums", "bass", "other", "vocals"]
_STFT = {
    "stft_n_fft": 1024,
    "stft_hop_length": 256,
    "stft_win_length": 1024,
    "stft_normalized": False,
}
_ROFORMER = {
    "dim": 16,
    "depth": 1,
    "stereo": True,
    "num_stems": 1,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "dim_head": 8,
    "heads": 2,
    "attn_dropout": 0.1,  # the published settings keep what only training needs
    "ff_dropout": 0.1,
    "flash_attn": True,
    "dim_freqs_in": 513,
    "mask_estimator_depth": 2,
    "multi_stft_resolution_loss_weight": 1.0,
    "multi_stft_resolutions_window_sizes": (4096, 2048),
    "multi_stft_hop_size": 147,
    "multi_stft_normalized": False,
    **_STFT,
}
_BANDS = {"freqs_per_bands": (2,) * 24 + (16,) * 20 + (64, 81)}
_VOCALS = {"instruments": ["vocals", "other"], "target_instrument": "vocals"}
_ALL = {"instruments": FOUR, "target_instrument": None}

# kind, model, training, audio, inference: small enough to run in milliseconds
TINY: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "bs_roformer": ("bs_roformer", _ROFORMER | _BANDS, _VOCALS, {"chunk_size": 20_000}, {}),
    "bs_roformer_4": (
        "bs_roformer",
        _ROFORMER | _BANDS | {"num_stems": 4},
        _ALL,
        {"chunk_size": 15_000},
        {"chunk_size": 20_000},
    ),
    "mel_band_roformer": (
        "mel_band_roformer",
        _ROFORMER | {"num_bands": 20, "sample_rate": 44_100},
        _VOCALS,
        {"chunk_size": 20_000},
        {},
    ),
    "scnet": (
        "scnet",
        {
            "sources": FOUR,
            "audio_channels": 2,
            "dims": [4, 8, 8, 16],
            "nfft": 1024,
            "hop_size": 256,
            "win_size": 1024,
            "normalized": True,
            "band_SR": [0.175, 0.392, 0.433],
            "band_stride": [1, 4, 16],
            "band_kernel": [3, 4, 16],
            "conv_depths": [3, 2, 1],
            "compress": 4,
            "conv_kernel": 3,
            "num_dplayer": 2,
            "expand": 1,
        },
        _ALL,
        {"chunk_size": 20_000},
        {"normalize": True},
    ),
    "mdx23c": (
        "mdx23c",
        {
            "act": "gelu",
            "bottleneck_factor": 4,
            "growth": 4,
            "norm": "InstanceNorm",
            "num_blocks_per_scale": 1,
            "num_channels": 8,
            "num_scales": 2,
            "num_subbands": 4,
            "scale": [2, 2],
        },
        _ALL | {"instruments": ["vocals", "instrumental"]},
        {"dim_f": 512, "dim_t": 80, "hop_length": 256, "n_fft": 1024},  # no chunk_size
        {},
    ),
    "bandit": (
        "bandit",
        {
            "in_channel": 1,
            "stems": FOUR,
            "band_specs": "musical",
            "n_bands": 16,
            "fs": 44_100,
            "require_no_overlap": False,
            "require_no_gap": True,
            "normalize_channel_independently": False,
            "treat_channel_as_feature": True,
            "n_sqm_modules": 1,
            "emb_dim": 16,
            "rnn_dim": 16,
            "bidirectional": True,
            "rnn_type": "GRU",
            "mlp_dim": 16,
            "hidden_activation": "Tanh",
            "hidden_activation_kwargs": None,
            "complex_mask": True,
            "n_fft": 1024,
            "win_length": 1024,
            "hop_length": 256,
            "window_fn": "hann_window",
            "wkwargs": None,
            "power": None,
            "center": True,
            "normalized": True,
            "pad_mode": "constant",
            "onesided": True,
        },
        _ALL,
        {"chunk_size": 20_000},
        {},
    ),
}


class _Dumper(yaml.SafeDumper):
    """Writes tuples with the tag that published settings have."""


_Dumper.add_representer(
    tuple, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:python/tuple", value)
)


def settings(name: str, **changes: Any) -> dict[str, Any]:
    """Return the content of a YAML as published; `changes` are of its `model` section."""
    _, model, training, audio, inference = TINY[name]
    return {
        "audio": {"num_channels": 2, "sample_rate": 44_100, "min_mean_abs": 0.0} | audio,
        "model": model | changes,
        "training": {"batch_size": 2, "lr": 1e-5, "optimizer": "adam"} | training,
        "augmentations": {"enable": True, "mixup_probs": (0.2, 0.02)},
        "inference": {"batch_size": 1, "dim_t": 80, "num_overlap": 2} | inference,
    }


def write_settings(content: dict[str, Any], path: Path) -> Path:
    path.write_text(yaml.dump(content, Dumper=_Dumper))
    return path


def build(path: Path, kind: str, seed: int = 0) -> Any:
    """Make the seeded random network of a YAML, as a user of pymss-core does."""
    from pymss_core import get_model_from_config

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return get_model_from_config(kind, path)[0].eval()


def save(network: Any, path: Path, *, nest: str = "", prefix: str = "") -> Path:
    """Write a checkpoint, by its suffix as safetensors or as torch does."""
    from safetensors.torch import save_file

    state = {prefix + key: value.clone() for key, value in network.state_dict().items()}
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({nest: state, "epoch": 3} if nest else state, path)
    return path


def make(folder: Path, name: str, suffix: str = ".ckpt", **changes: Any) -> tuple[Any, Path]:
    """Write a model; return its network and the path of its checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    path = write_settings(settings(name, **changes), folder / f"{name}.yaml")
    network = build(path, TINY[name][0])
    return network, save(network, folder / f"{name}{suffix}")
