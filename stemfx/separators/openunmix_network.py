"""Open-Unmix' network (Stöter, Uhlich, Liutkus, Mitsufuji, JOSS 4(41), 2019).

Nothing that a file claims is believed. What the network looks like follows from the shapes of its
weights; what JSON says beside them has to agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemfx.errors import ModelError
from stemfx.separators.openunmix_weights import (
    Spectrogram,
    check_promise,
    read_json,
    target_of,
)
from stemfx.separators.plain_yaml import shown
from stemfx.separators.weights import read_checkpoint, read_safetensors

if TYPE_CHECKING:
    from torch import Tensor

_MOST_LAYERS = 16
_UNUSED = {"sample_rate", "stft.window", "transform.0.window"}  # in weights of 2019


class Network:
    """One target's network: from a mixture's magnitudes to the target's.

    Everything but the recurrent layers is affine while nothing is being trained, so the
    normalisations before and after a layer (means, scales, batch normalisation) are part of its
    matrix.
    """

    def __init__(self, layers: tuple[tuple[Tensor, Tensor], ...], lstm: Any, channels: int) -> None:
        self._layers, self._lstm = layers, lstm
        self.channels = channels

    def to(self, device: str) -> None:
        """Move the weights to a device of torch."""
        self._layers = tuple((w.to(device), b.to(device)) for w, b in self._layers)
        self._lstm.to(device)

    def __call__(self, magnitudes: Tensor) -> Tensor:
        """Estimate `(n_frames, channels, n_bins)` from as much, without batches."""
        import torch
        from torch.nn.functional import linear

        (w1, b1), (w2, b2), (w3, b3) = self._layers
        n_bins = w1.shape[1] // self.channels
        heard = magnitudes[..., :n_bins].reshape(len(magnitudes), -1)
        narrow = torch.tanh(linear(heard, w1, b1))
        remembered = self._lstm(narrow)[0]
        wide = torch.relu(linear(torch.cat([narrow, remembered], dim=-1), w2, b2))
        mask = torch.relu(linear(wide, w3, b3)).reshape(magnitudes.shape)
        return mask * magnitudes


@dataclass(frozen=True)
class _Shape:
    """What the shapes of the weights say about a network."""

    channels: int
    heard_bins: int
    n_bins: int
    hidden: int
    n_layers: int
    is_two_way: bool

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> _Shape:
        """Read them off.

        Raises:
            ValueError, KeyError: these are no shapes of an Open-Unmix network.
        """
        hidden, width = state["fc1.weight"].shape
        (heard,), (n_bins,) = state["input_mean"].shape, state["output_mean"].shape
        n_layers = sum(bool(re.fullmatch(r"lstm\.weight_ih_l\d+", name)) for name in state)
        channels, rest = divmod(width, heard) if heard else (0, width)
        if rest or channels not in {1, 2} or not 1 <= n_layers <= _MOST_LAYERS or heard > n_bins:
            raise ValueError(f"{width} inputs of {heard} bins, {n_layers} recurrent layers")
        two_way = "lstm.weight_ih_l0_reverse" in state
        shape = cls(channels, heard, n_bins, hidden, n_layers, two_way)
        wanted = shape._weights()
        if odd := sorted(wanted.keys() ^ (state.keys() - _UNUSED)):
            raise ValueError(f"{odd[0]} is {'missing' if odd[0] in wanted else 'too much'}")
        for name, size in wanted.items():
            if tuple(state[name].shape) != size:
                raise ValueError(f"{name} is {tuple(state[name].shape)}, not {size}")
        return shape

    def _weights(self) -> dict[str, tuple[int, ...]]:
        hidden, outputs = self.hidden, self.n_bins * self.channels
        sizes: dict[str, tuple[int, ...]] = {
            "input_mean": (self.heard_bins,),
            "input_scale": (self.heard_bins,),
            "output_mean": (self.n_bins,),
            "output_scale": (self.n_bins,),
            "fc1.weight": (hidden, self.heard_bins * self.channels),
            "fc2.weight": (hidden, 2 * hidden),
            "fc3.weight": (outputs, hidden),
        }
        for bn, size in (("bn1", hidden), ("bn2", hidden), ("bn3", outputs)):
            for name in ("weight", "bias", "running_mean", "running_var"):
                sizes[f"{bn}.{name}"] = (size,)
            sizes[f"{bn}.num_batches_tracked"] = ()
        cell = hidden // 2 if self.is_two_way else hidden
        for layer in range(self.n_layers):
            for way in ("", "_reverse") if self.is_two_way else ("",):
                sizes[f"lstm.weight_ih_l{layer}{way}"] = (4 * cell, hidden)
                sizes[f"lstm.weight_hh_l{layer}{way}"] = (4 * cell, cell)
                sizes[f"lstm.bias_ih_l{layer}{way}"] = (4 * cell,)
                sizes[f"lstm.bias_hh_l{layer}{way}"] = (4 * cell,)
        return sizes


def load(path: Path, spectrogram: Spectrogram) -> Network:
    """Read a target's weights and build its network.

    Raises:
        ModelError: damaged, not Open-Unmix, or not what its name and the JSON beside it say.
    """
    check_promise(path)
    state = _read_state(path)
    try:
        shape = _Shape.of(state)
        _check_json(path, shape, spectrogram)
        if shape.n_bins != spectrogram.n_fft // 2 + 1:
            raise ValueError(  # noqa: TRY301 - told with the others
                f"{shape.n_bins} bins, nfft {spectrogram.n_fft} has {spectrogram.n_fft // 2 + 1}"
            )
        rate = int(state.get("sample_rate", spectrogram.sample_rate))
        if rate != spectrogram.sample_rate:
            raise ValueError(f"trained at {rate} Hz, not {spectrogram.sample_rate} Hz")  # noqa: TRY301
        return _built(state, shape)
    except (ValueError, KeyError, RuntimeError, ArithmeticError) as error:  # int(inf)
        reason = str(error).strip().partition("\n")[0]
        msg = f"the weights do not fit the network: {reason}"
        raise ModelError(msg, where=str(path)) from error


def _read_state(path: Path) -> dict[str, Tensor]:
    """Read named tensors that need no more memory than the file has bytes."""
    import torch

    is_safe = path.suffix == ".safetensors"
    state: Any = read_safetensors(path) if is_safe else read_checkpoint(path, {})
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) and value.device.type == "cpu"
        for name, value in state.items()
    ):
        raise ModelError("not Open-Unmix weights: not a dict of tensors", where=str(path))
    used = [value for name, value in state.items() if name not in _UNUSED]
    n_bytes = sum(value.numel() * value.element_size() for value in used)
    if n_bytes > path.stat().st_size:  # tensors may show one number many times
        msg = f"its weights want {n_bytes} bytes, the file has {path.stat().st_size}"
        raise ModelError(msg, where=str(path))
    return dict(state)


def _check_json(path: Path, shape: _Shape, spectrogram: Spectrogram) -> None:
    """Compare with what training wrote into `<target>.json`, where it is."""
    beside = path.with_name(f"{target_of(path)}.json")
    if not beside.is_file():
        return
    said = read_json(beside)
    arguments = said.get("args") if isinstance(said, dict) else None
    if not isinstance(arguments, dict):
        raise ModelError("not of Open-Unmix: it has no `args`", where=str(beside))
    true = {
        "nfft": spectrogram.n_fft,
        "nb_channels": shape.channels,
        "hidden_size": shape.hidden,
    }
    for key, value in true.items():
        if arguments.get(key, value) != value:
            msg = f"{key} {shown(arguments[key])} is not that of {path.name}, {value}"
            raise ModelError(msg, where=str(beside))


def _built(state: Mapping[str, Tensor], shape: _Shape) -> Network:
    import torch

    def wide(name: str) -> Tensor:
        return state[name].double()

    def each(name: str) -> Tensor:
        return wide(name).repeat(shape.channels)

    def normalised(layer: int) -> tuple[Tensor, Tensor]:
        """Return weight and bias of a layer with its batch normalisation."""
        prefix = f"bn{layer}"
        gain = wide(f"{prefix}.weight") / torch.sqrt(wide(f"{prefix}.running_var") + 1e-5)
        bias = wide(f"{prefix}.bias") - wide(f"{prefix}.running_mean") * gain
        return gain[:, None] * wide(f"fc{layer}.weight"), bias

    w1, b1 = normalised(1)
    w3, b3 = normalised(3)
    scale = each("input_scale")
    first = (w1 * scale, b1 + w1 @ (each("input_mean") * scale))
    gain = each("output_scale")
    last = (gain[:, None] * w3, gain * b3 + each("output_mean"))
    layers = tuple((w.float(), b.float()) for w, b in (first, normalised(2), last))

    with torch.device("meta"):  # shapes without memory, and nothing drawn at random
        lstm = torch.nn.LSTM(
            shape.hidden,
            shape.hidden // 2 if shape.is_two_way else shape.hidden,
            shape.n_layers,
            bidirectional=shape.is_two_way,
        )
    lstm.to_empty(device="cpu").eval()
    prefix = "lstm."
    lstm.load_state_dict(
        {n.removeprefix(prefix): t.float() for n, t in state.items() if n.startswith(prefix)}
    )
    lstm.requires_grad_(requires_grad=False)
    everything = [*(tensor for layer in layers for tensor in layer), *lstm.parameters()]
    if not all(torch.isfinite(tensor).all() for tensor in everything):
        raise ValueError("some are not numbers")
    return Network(layers, lstm, shape.channels)
