"""The layers of HTDemucs on the CPU, rebuilt for speed from those of demucs.

- Tensors are channels last throughout, `(n_rows, n_columns, n_channels)`: the frequency branch
  has a row for each frequency, the time branch has one; nothing is permuted between layers.
- Weights are packed for oneDNN once, and activations are fused (`onednn`).
- Scales, and norms where they are linear, are folded into the weights.
- What is wide between two narrow layers exists only block by block, in cache.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from stemfx.separators import onednn

if TYPE_CHECKING:
    from torch import Tensor

    Run = Callable[[Tensor], Tensor]

_BLOCK = 196_608  # numbers in a block that should stay in cache: 0.75 MiB


class Encoder:
    """HEncLayer without norm."""

    def __init__(self, layer: Any) -> None:
        self._stride = 1 if layer.freq else layer.stride
        self._conv = _conv(layer.conv, "gelu")
        self._dconv = _dconv(layer)
        self._rewrite = _glu(layer.rewrite)

    def __call__(self, x: Tensor) -> Tensor:
        """Encode; x is left alone."""
        import torch

        over = -x.shape[1] % self._stride
        x = self._conv(torch.nn.functional.pad(x, (0, 0, 0, over)) if over else x)
        for residual in self._dconv:
            residual(x)
        return self._rewrite(x)


class Decoder:
    """HDecLayer without norm."""

    def __init__(self, layer: Any) -> None:
        self._rewrite = _glu(layer.rewrite)
        self._dconv = _dconv(layer)
        conv, pad = layer.conv_tr, layer.pad
        weight, bias = conv.weight.detach(), conv.bias.detach()
        if layer.freq:
            at = onednn.Geometry(conv.stride, (pad, 0))
        else:
            weight, at = weight[:, :, None], onednn.Geometry((1, *conv.stride), (0, pad))
        self._conv = onednn.transposed_conv(weight, bias, at, "none" if layer.last else "gelu")

    def __call__(self, x: Tensor, skip: Tensor) -> Tensor:
        """Decode; the skip is spent, and a signal in time comes with samples too many."""
        x = self._rewrite(skip.add_(x))
        for residual in self._dconv:
            residual(x)
        return self._conv(x)


def _conv(module: Any, activation: onednn.Activation = "none", part: slice = slice(None)) -> Run:
    """Make a layer of some channels of a Conv2d, or of a Conv1d along the columns."""
    weight, bias = module.weight.detach()[part], module.bias.detach()[part]
    if weight.ndim == 4:
        at = onednn.Geometry(module.stride, module.padding, module.dilation)
    else:
        weight = weight[:, :, None]
        at = onednn.Geometry((1, *module.stride), (0, *module.padding), (1, *module.dilation))
    return onednn.conv(weight, bias, at, activation)


def _linear(module: Any, activation: onednn.Activation = "none", part: slice = slice(None)) -> Run:
    """Make a layer of some channels of a convolution of one tap."""
    weight, bias = module.weight.detach()[part].flatten(1), module.bias.detach()[part]
    return onednn.linear(weight, bias, activation)


def _glu(module: Any) -> Run:
    """Make a convolution with a gated linear unit: `value * sigmoid(gate)`; it may spend x."""
    import torch

    half = module.out_channels // 2
    first, second = slice(half), slice(half, None)
    if max(module.kernel_size) > 1:
        value, gate = _conv(module, "none", first), _conv(module, "sigmoid", second)
        return lambda x: value(x).mul_(gate(x))
    value, gate = _linear(module, "none", first), _linear(module, "sigmoid", second)

    def in_place(x: Tensor) -> Tensor:
        for block in x.flatten(0, 1).split(_BLOCK // half):
            torch.mul(value(block), gate(block), out=block)
        return x

    return in_place


def _dconv(layer: Any) -> list[_Residual]:
    return [_Residual(branch) for branch in layer.dconv.layers] if layer.dconv else []


class _Residual:
    """A branch of DConv: x += scale * GLU(norm(expand(GELU(norm(squeeze(x)))))), in place.

    The second norm and what follows are several times as wide as x. But mean and deviation of
    y = W h + b follow from the first two moments of the few channels of h, and with them
    norm(y) = [W g, b g, g] [h / s, 1 / s, -m / s] + beta: a linear layer of two more inputs,
    whose output need not exist at once. (g, beta: gain and offset of the norm; m, s: mean and
    deviation of y over a row.)
    """

    def __init__(self, branch: Any) -> None:
        import torch

        squeeze, norm1, _, expand, norm2, _, scale = branch
        self._squeeze = _conv(squeeze)
        self._norm = norm1
        self._eps = norm2.eps

        double = torch.float64
        w = torch.cat([expand.weight[:, :, 0], expand.bias[:, None]], dim=1).detach().to(double)
        self._mean = w.mean(0)
        self._power = w.T @ w / len(w)
        gain, offset = norm2.weight.detach(), norm2.bias.detach()
        wide = torch.cat([w * gain[:, None], gain[:, None].to(double)], dim=1)
        value, gate = wide.chunk(2)
        offset_v, offset_g = offset.chunk(2)
        s = scale.scale.detach()
        self._value = onednn.linear((value * s[:, None]).float(), offset_v * s)
        self._gate = onednn.linear(gate.float(), offset_g.contiguous(), "sigmoid")

    def __call__(self, x: Tensor) -> None:
        import torch

        h = torch.nn.functional.gelu(_group_norm(self._squeeze(x), self._norm))
        one = torch.ones(1).expand(*h.shape[:2], 1)
        h = torch.cat([h, one, one], dim=2)
        known = h[..., :-1].to(torch.float64)  # in float32: -95 dB where most of a row is silent
        moments = torch.bmm(known.mT, known) / h.shape[1]
        mean = moments[:, -1] @ self._mean
        variance = (moments * self._power).sum((1, 2)) - mean.square()
        inverse = (variance + self._eps).rsqrt()
        h[..., :-1] *= inverse.float()[:, None, None]
        h[..., -1] = (-mean * inverse).float()[:, None]

        h, flat = h.flatten(0, 1), x.flatten(0, 1)
        step = _BLOCK // x.shape[2]
        for block, narrow in zip(flat.split(step), h.split(step), strict=True):
            block.addcmul_(self._value(narrow), self._gate(narrow))


def _group_norm(x: Tensor, norm: Any) -> Tensor:
    """Normalise each row over its columns and channels, as a GroupNorm of one group does.

    Torch's own group norm takes a difference of squares when channels are last: with an offset
    of ten deviations it comes to -90 dB, this to -125.
    """
    import torch

    normal = torch.nn.functional.layer_norm(x, x.shape[1:], eps=norm.eps)
    return torch.addcmul(norm.bias, normal, norm.weight)


class Transformer:
    """CrossTransformerEncoder, with the convolutions of one tap around it.

    Tokens stay in the order of the rows: attention does not ask for one, positions carry it.
    """

    def __init__(self, network: Any, dtype: Any) -> None:
        inner = network.crosstransformer
        self._period, self._place_gain = inner.max_period, inner.weight_pos_embed
        self._norm, self._norm_t = inner.norm_in, inner.norm_in_t
        self._layers = [_Attention(layer, dtype) for layer in inner.layers]
        self._layers_t = [_Attention(layer, dtype) for layer in inner.layers_t]
        self._up, self._up_t, self._down, self._down_t = (
            _linear(getattr(network, f"channel_{name}")) if network.bottom_channels else _same
            for name in ("upsampler", "upsampler_t", "downsampler", "downsampler_t")
        )

    def __call__(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        """Let both branches attend to themselves and to each other."""
        (rows, columns, _), n = x.shape, xt.shape[1]
        x, xt = self._norm(self._up(x.flatten(0, 1))), self._norm_t(self._up_t(xt[0]))
        places, places_t = _places(rows, columns, n, x.shape[1], self._period)
        x, xt = x + self._place_gain * places, xt + self._place_gain * places_t
        for layer, layer_t in zip(self._layers, self._layers_t, strict=True):
            x, xt = layer(x, xt), layer_t(xt, x)
        return self._down(x).unflatten(0, (rows, columns)), self._down_t(xt)[None]


def _same(x: Tensor) -> Tensor:
    return x


@lru_cache(maxsize=4)
def _places(
    rows: int, columns: int, n: int, n_channels: int, period: float
) -> tuple[Tensor, Tensor]:
    """Return the embeddings of frequency and time, and of time alone: a row for each token."""
    from demucs.transformer import create_2d_sin_embedding, create_sin_embedding

    places = create_2d_sin_embedding(n_channels, rows, columns, max_period=period)
    places_t = create_sin_embedding(n, n_channels, max_period=period)
    return places[0].flatten(1).T.contiguous(), places_t[:, 0]


class _Attention:
    """MyTransformerEncoderLayer or CrossTransformerEncoderLayer.

    In bfloat16, the products that bear it take `dtype`. That of the output does not: by itself
    it would come to -61 dB, and it is a twelfth of the work.
    """

    def __init__(self, layer: Any, dtype: Any) -> None:
        import torch

        self._crosses = hasattr(layer, "cross_attn")
        attention = layer.cross_attn if self._crosses else layer.self_attn
        self._n_heads, self._dtype = attention.num_heads, dtype
        self._norm_q, self._norm_kv = layer.norm1, layer.norm2
        self._norm_feed = layer.norm3 if self._crosses else layer.norm2
        self._norm_out = layer.norm_out

        def cast(weight: Tensor, bias: Tensor, activation: onednn.Activation = "none") -> Run:
            return onednn.linear(weight.detach().to(dtype), bias.detach().to(dtype), activation)

        c = attention.embed_dim
        weight, bias, out = attention.in_proj_weight, attention.in_proj_bias, attention.out_proj
        self._q, self._kv = cast(weight[:c], bias[:c]), cast(weight[c:], bias[c:])
        gelu = layer.activation is torch.nn.functional.gelu
        self._widen = cast(layer.linear1.weight, layer.linear1.bias, "gelu" if gelu else "relu")
        scale, scale_feed = (
            getattr(gamma, "scale", torch.ones(c)).detach()
            for gamma in (layer.gamma_1, layer.gamma_2)
        )
        self._out = onednn.linear(out.weight.detach() * scale[:, None], out.bias.detach() * scale)
        narrow = layer.linear2
        self._narrow = cast(narrow.weight * scale_feed[:, None], narrow.bias * scale_feed)

    def __call__(self, x: Tensor, other: Tensor) -> Tensor:
        import torch

        heard = self._norm_q(x).to(self._dtype)
        asked = self._norm_kv(other).to(self._dtype) if self._crosses else heard
        parts = self._q(heard).float(), *self._kv(asked).float().chunk(2, dim=1)
        heads = (part.unflatten(1, (self._n_heads, -1)).transpose(0, 1)[None] for part in parts)
        y = torch.nn.functional.scaled_dot_product_attention(*heads)
        x = x + self._out(y[0].transpose(0, 1).flatten(1))
        x += self._narrow(self._widen(self._norm_feed(x).to(self._dtype)))
        return x if self._norm_out is None else _group_norm(x[None], self._norm_out)[0]
