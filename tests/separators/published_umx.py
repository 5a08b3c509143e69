"""Open-Unmix stated again, from its paper and the names of its published weights: an oracle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

N_FFT, HOP, RATE = 256, 64, 8_000
STEMS = ("vocals", "drums", "bass", "other")


class Target(nn.Module):
    """One target's network; attributes are named as in the published state."""

    def __init__(
        self,
        seed: int = 0,
        *,
        n_fft: int = N_FFT,
        hidden: int = 8,
        channels: int = 2,
        layers: int = 2,
        two_way: bool = True,
    ) -> None:
        super().__init__()
        self.n_bins, self.channels, self.hidden = n_fft // 2 + 1, channels, hidden
        self.max_bin = self.n_bins * 3 // 4
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.fc1 = nn.Linear(self.max_bin * channels, hidden, bias=False)
            self.bn1 = nn.BatchNorm1d(hidden)
            cell = hidden // 2 if two_way else hidden
            self.lstm = nn.LSTM(hidden, cell, layers, bidirectional=two_way)
            self.fc2 = nn.Linear(2 * hidden, hidden, bias=False)
            self.bn2 = nn.BatchNorm1d(hidden)
            self.fc3 = nn.Linear(hidden, self.n_bins * channels, bias=False)
            self.bn3 = nn.BatchNorm1d(self.n_bins * channels)
            self.input_mean = nn.Parameter(-torch.rand(self.max_bin))
            self.input_scale = nn.Parameter(0.5 + torch.rand(self.max_bin))
            self.output_scale = nn.Parameter(0.5 + torch.rand(self.n_bins))
            self.output_mean = nn.Parameter(0.3 + 0.3 * torch.rand(self.n_bins))
            for bn in (self.bn1, self.bn2, self.bn3):
                nn.init.normal_(bn.running_mean, std=0.3)
                nn.init.uniform_(bn.running_var, 0.5, 2)
                nn.init.uniform_(bn.weight, 0.5, 1.5)
                nn.init.normal_(bn.bias, std=0.2)
        self.eval()

    def forward(self, magnitudes: torch.Tensor) -> torch.Tensor:
        """Map `(channels, n_bins, n_frames)` to as much."""
        x = magnitudes.permute(2, 0, 1)
        n = x.shape[0]
        x = (x[..., : self.max_bin] + self.input_mean) * self.input_scale
        x = torch.tanh(self.bn1(self.fc1(x.reshape(n, -1))))
        x = torch.cat([x, self.lstm(x[:, None])[0][:, 0]], dim=-1)
        x = torch.relu(self.bn2(self.fc2(x)))
        x = self.bn3(self.fc3(x)).reshape(n, self.channels, self.n_bins)
        x = torch.relu(x * self.output_scale + self.output_mean)
        return x.permute(1, 2, 0) * magnitudes

    def published(self, rate: int = RATE) -> dict[str, torch.Tensor]:
        """Return the state as the files of 2019 have it, with the window of the transform."""
        window = torch.hann_window((self.n_bins - 1) * 2)
        extra = {"sample_rate": torch.tensor(rate), "stft.window": window}
        return {**self.state_dict(), **extra, "transform.0.window": window}


def save(state: Mapping[str, Any], path: Path, *, is_zip: bool = True) -> Path:
    torch.save(dict(state), path, _use_new_zipfile_serialization=is_zip)
    return path


def save_folder(folder: Path, networks: Mapping[str, Target], **settings: Any) -> Path:
    """Write what `scripts/train.py` writes, for each target."""
    folder.mkdir(exist_ok=True, parents=True)
    said = {"nfft": N_FFT, "nhop": HOP, "sample_rate": RATE, "nb_channels": 2} | settings
    (folder / "separator.json").write_text(json.dumps(said))
    for target, network in networks.items():
        args = {
            "nfft": N_FFT,
            "nb_channels": network.channels,
            "hidden_size": network.hidden,
            "root": "/data/../musdb",
        }
        (folder / f"{target}.json").write_text(json.dumps({"args": args, "epochs_trained": 3}))
        save(network.state_dict(), folder / f"{target}.pth")
    return folder


def separate(
    networks: Sequence[Target], samples: np.ndarray, *, n_fft: int = N_FFT, with_rest: bool = False
) -> np.ndarray:
    """Separate a whole song at once, `(2, n)` to `(n_stems, 2, n)`, with one EM iteration."""
    window = torch.hann_window(n_fft)
    with torch.inference_mode():
        mix = torch.stft(
            torch.from_numpy(samples), n_fft, n_fft // 4, window=window, return_complex=True
        )
        magnitude = mix.abs()
        heard = [magnitude if n.channels == 2 else magnitude.mean(0, True) for n in networks]
        guesses = torch.stack([n(x) * mix.sgn() for n, x in zip(networks, heard, strict=True)])
        x, y = mix.numpy().astype(complex), guesses.numpy().astype(complex)
        if with_rest:
            y = np.concatenate([y, (x - y.sum(0))[None]])
        windows = [slice(k, k + 300) for k in range(0, x.shape[-1], 300)]
        filtered = np.concatenate([em_step(x[..., w], y[..., w]) for w in windows], axis=-1)
        spectra = torch.from_numpy(filtered[: len(networks)].reshape(-1, *x.shape[1:]))
        out = torch.istft(
            spectra, n_fft, n_fft // 4, window=window.double(), length=samples.shape[1]
        )
    return out.numpy().reshape(len(networks), 2, -1)


def em_step(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Filter `(2, n_bins, n_frames)` cell by cell: gains C_j C^-1, C_j = v_j R_j + noise_j."""
    scale = np.abs(x).max() / 10
    x, y = x / scale, y / scale
    v = np.mean(np.abs(y) ** 2, axis=1)
    covariance = np.einsum("jaft,jbft->jfab", y, y.conj()) / (v.sum(-1) + 1e-10)[:, :, None, None]
    share = (v + 1e-30) / (v + 1e-30).sum(0)
    noise = 1e-5 * share[..., None, None] * np.eye(2)
    each = v[..., None, None] * covariance[:, :, None] + noise
    gains = each @ np.linalg.inv(each.sum(axis=0))
    return scale * np.einsum("jftab,bft->jaft", gains, x)
