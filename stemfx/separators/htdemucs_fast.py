"""HTDemucs on the CPU, computed in another order: the same result sooner.

Reference: `demucs.htdemucs.HTDemucs` (Rouard et al., ICASSP 2023). Its layers are rebuilt
(`htdemucs_layers`), its inverse STFT takes a few frames at a time, and what comes out is compared
with it before it is used.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from stemfx.separators.htdemucs_layers import Decoder, Encoder, Transformer
from stemfx.separators.threads import flash_attention

if TYPE_CHECKING:
    from torch import Tensor

    Run = Callable[[Tensor], Tensor]

_FRAMES = 16  # that the inverse STFT takes at a time: fewest ms of 4, 8, 16, 48, 336


@dataclass(frozen=True)
class Faster:
    """What computes a network, and how near it comes.

    Several threads may call it at once; the same input gives the same bits in each of them, as
    long as they let torch use equally many threads.
    """

    run: Run
    arithmetic: str  # "float32", "bfloat16 products", or "demucs": the network itself
    error_db: float  # rms relative to the network's output, measured on noise; -inf for itself
    reason: str = ""  # why it is the network itself

    def __call__(self, mix: Tensor) -> Tensor:
        """Separate `(1, 2, n)` into `(1, n_stems, 2, n)`, float32."""
        return self.run(mix)


def faster(network: Any, *, error_db: float = -100.0) -> Faster:
    """Rebuild an HTDemucs for speed, and measure the result against it on 0.4 s of noise.

    The network is left as it is, and is no longer needed where another arithmetic than "demucs"
    is chosen. Where it is not on the CPU, or has parts that are not covered, or where the error
    is too large, it is run as it is, without gradients and with flash attention.

    Args:
        network: in evaluation mode.
        error_db: how far the output may be from the network's, rms over all of it. From -60 up,
            the products of the transformer are taken in bfloat16 where the CPU has it.
    """
    import torch

    reason = _why_plain(network)
    if not reason:
        allowed = {"bfloat16 products": torch.bfloat16, "float32": torch.float32}
        if error_db < -60 or not _has_bfloat16():
            del allowed["bfloat16 products"]
        with torch.inference_mode():
            for arithmetic, dtype in allowed.items():
                run = _HTDemucs(network, dtype)
                measured_db = _error_db(run, network)
                if measured_db <= error_db:
                    return Faster(run, arithmetic, measured_db)
                reason = f"{arithmetic} came only within {measured_db:.0f} dB of it"
    return Faster(_guarded(network), "demucs", -math.inf, reason)


def _why_plain(network: Any) -> str:
    """Return what stands against computing it here, if anything."""
    import torch
    from demucs.hdemucs import HDecLayer, HEncLayer
    from demucs.htdemucs import HTDemucs
    from torch.nn import Identity

    def usual(layer: Any) -> bool:
        return (
            type(layer) in {HEncLayer, HDecLayer}
            and not layer.empty
            and layer.rewrite is not None
            and isinstance(layer.norm2, Identity)
            and layer.kernel_size - layer.stride >= 2 * layer.pad
        )

    if type(network) is not HTDemucs:
        return "not an HTDemucs"
    held = {(weight.device.type, weight.dtype) for weight in network.parameters()}
    branches = (network.encoder, network.tencoder, network.decoder, network.tdecoder)
    whole = all(len(branch) == network.depth for branch in branches)
    transformer = network.crosstransformer
    problems = {
        "in training": network.training,
        "not float32 on the CPU": held != {("cpu", torch.float32)},
        "makes masks, not complex spectra": not network.cac,
        "its layers are of an unusual kind": not whole or not all(map(usual, chain(*branches))),
        "its transformer is of an unusual kind": transformer and not _is_usual(transformer),
    }
    return next((problem for problem, is_so in problems.items() if is_so), "")


def _is_usual(transformer: Any) -> bool:
    from torch.nn import LayerNorm

    layers = [*transformer.layers, *transformer.layers_t]
    norms = [transformer.norm_in, transformer.norm_in_t]
    norms += [norm for layer in layers for norm in (layer.norm1, layer.norm2)]
    return (
        all(isinstance(norm, LayerNorm) for norm in norms)
        and all(layer.norm_first and not layer.sparse for layer in layers)
        and all(layer.norm_out is None or layer.norm_out.num_groups == 1 for layer in layers)
        and transformer.emb == "sin"
        and not transformer.sin_random_shift
    )


def _has_bfloat16() -> bool:
    """Say whether the CPU multiplies bfloat16 itself; emulated, it is slower than float32."""
    import torch

    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))


def _error_db(run: _HTDemucs, network: Any) -> float:
    """Compare on noise that is shorter than the training segment, since nothing is padded."""
    import torch

    short = copy.copy(network)  # shallow: the weights are shared, the switch is not
    short.use_train_segment = False
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(1, network.audio_channels, 4 * network.nfft, generator=generator)
    reference = _guarded(short)(noise)
    error = (run.unpadded(noise[0]) - reference[0]).norm() / reference.norm()
    return 20 * math.log10(max(float(error), 1e-10)) if error.isfinite() else math.inf


def _guarded(network: Any) -> Run:
    def run(mix: Tensor) -> Tensor:
        import torch

        with flash_attention, torch.inference_mode():
            estimate: Tensor = network(mix)
        return estimate

    return run


class _HTDemucs:
    """The whole network for one segment: `(1, 2, n)` to `(1, n_stems, 2, n)`."""

    def __init__(self, network: Any, dtype: Any) -> None:
        self._n_fft = network.nfft
        self._training_length = (
            int(network.segment * network.samplerate) if network.use_train_segment else 0
        )
        self._encoder = [Encoder(layer) for layer in network.encoder]
        self._encoder_t = [Encoder(layer) for layer in network.tencoder]
        self._decoder = [Decoder(layer) for layer in network.decoder]
        self._decoder_t = [Decoder(layer) for layer in network.tdecoder]
        self._frequencies = 0.0
        if network.freq_emb is not None:
            embedding = network.freq_emb.weight * network.freq_emb_scale
            self._frequencies = embedding.detach()[:, None]
        self._middle = Transformer(network, dtype) if network.crosstransformer else _nothing

    def __call__(self, mix: Tensor) -> Tensor:
        import torch

        with torch.inference_mode():
            (heard,), n = mix, mix.shape[-1]
            heard = torch.nn.functional.pad(heard, (0, max(0, self._training_length - n)))
            return self.unpadded(heard)[None, ..., :n]

    def unpadded(self, mix: Tensor) -> Tensor:
        """Separate `(2, n)`, whatever was trained on, into `(n_stems, 2, n)`."""
        x, mean, deviation = _normalised(_spectrum(mix, self._n_fft))
        xt, mean_t, deviation_t = _normalised(mix.T[None].contiguous())
        skips, lengths = [], []
        for i, (encode, encode_t) in enumerate(zip(self._encoder, self._encoder_t, strict=True)):
            lengths.append(xt.shape[1])
            x, xt = encode(x), encode_t(xt)
            if i == 0:
                x += self._frequencies
            skips.append((x, xt))
        x, xt = self._middle(x, xt)
        for decode, decode_t in zip(self._decoder, self._decoder_t, strict=True):
            skip, skip_t = skips.pop()
            x = decode(x, skip)
            xt = decode_t(xt, skip_t)[:, : lengths.pop()]
        heard = _inverse(x, mean, deviation, self._n_fft, mix.shape[-1])
        heard += (xt[0] * deviation_t + mean_t).T
        return heard.unflatten(0, (-1, len(mix)))


def _nothing(x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
    return x, xt


def _normalised(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean, deviation = x.mean(), x.std()
    return (x - mean) / (1e-5 + deviation), mean, deviation


def _spectrum(mix: Tensor, n_fft: int) -> Tensor:
    """Return `(n_fft / 2, n_frames, 4)`: real and imaginary part of left, then of right."""
    import torch
    from demucs.hdemucs import pad1d
    from demucs.spec import spectro

    hop = n_fft // 4
    n_frames = -(-mix.shape[-1] // hop)
    pad = hop // 2 * 3
    padded = pad1d(mix, (pad, pad + n_frames * hop - mix.shape[-1]), mode="reflect")
    z = spectro(padded, n_fft, hop)[:, :-1, 2 : 2 + n_frames]
    return torch.view_as_real(z.permute(1, 2, 0).contiguous()).flatten(2)


def _inverse(x: Tensor, mean: Tensor, deviation: Tensor, n_fft: int, n: int) -> Tensor:
    """Return the signals `(n_signals, n)` of spectra `(n_fft / 2, n_frames, 2 n_signals)`.

    Windows overlap by three quarters wherever a sample is kept; their squares add up to 1.5.
    """
    import torch

    hop, n_frames = n_fft // 4, x.shape[1]
    window = torch.hann_window(n_fft) * (math.sqrt(n_fft) / 1.5)
    out = torch.zeros(x.shape[2] // 2, n_frames + 3, hop)
    for first in range(0, n_frames, _FRAMES):
        here = x[:, first : first + _FRAMES] * deviation + mean
        z = torch.view_as_complex(here.unflatten(2, (-1, 2)))
        frames = torch.fft.irfft(z.permute(2, 1, 0).contiguous(), n_fft) * window
        for k, quarter in enumerate(frames.unflatten(2, (4, hop)).unbind(2)):
            out[:, first + k : first + k + quarter.shape[1]] += quarter
    start = hop // 2 * 3  # what demucs pads before the first whole frame
    return out.flatten(1)[:, start : start + n].contiguous()
