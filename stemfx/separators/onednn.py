"""Layers for inference on the CPU: channels last, weights packed once, activations fused.

oneDNN comes close to what the processor can do where `torch.nn.functional.linear` (MKL) does not
on AMD: 113 to 85 GFLOP/s on a core of Zen 4. Torch offers it as private operators; where they
are missing or have changed, public ones compute the same.

All layers map `(n_rows, n_columns, n_channels)`, contiguous, to the same; a signal in time has
one row.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    Layer = Callable[[Tensor], Tensor]

Activation = Literal["none", "gelu", "relu", "sigmoid"]


class Geometry(NamedTuple):
    """Of a convolution, each along rows and columns."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)


@functools.cache
def has_private_operators() -> bool:
    """Say whether torch's private oneDNN operators are here and take what we give them."""
    import torch

    ones = torch.ones
    try:
        with torch.inference_mode():
            _private_linear(ones(16, 16), ones(16), "gelu")(ones(4, 16))
            for make in (_private_conv, _private_transposed_conv):
                make(ones(16, 16, 1, 1), ones(16), Geometry(), "sigmoid")(ones(1, 4, 16))
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
    return True


def linear(weight: Tensor, bias: Tensor, activation: Activation = "none") -> Layer:
    """Make a layer from `(n_out, n_in)` and `(n_out,)`, of float32 or bfloat16."""
    make = _private_linear if has_private_operators() else _public_linear
    return make(weight, bias, activation)


def conv(weight: Tensor, bias: Tensor, geometry: Geometry, activation: Activation) -> Layer:
    """Make a layer from `(n_out, n_in, n_row_taps, n_column_taps)` and `(n_out,)`."""
    make = _private_conv if has_private_operators() else _public_conv
    return make(weight, bias, geometry, activation)


def transposed_conv(
    weight: Tensor, bias: Tensor, geometry: Geometry, activation: Activation
) -> Layer:
    """Make a layer from `(n_in, n_out, n_row_taps, n_column_taps)`, `(n_out,)`, no dilation."""
    make = _private_transposed_conv if has_private_operators() else _public_transposed_conv
    return make(weight, bias, geometry, activation)


# ruff: noqa: SLF001  the operators are private: that is why there are two of each


def _private_linear(weight: Tensor, bias: Tensor, activation: Activation) -> Layer:
    import torch

    ops = torch.ops.mkldnn
    packed = ops._reorder_linear_weight(weight)
    return lambda x: ops._linear_pointwise(x, packed, bias, activation, [], "none")


def _public_linear(weight: Tensor, bias: Tensor, activation: Activation) -> Layer:
    from torch.nn import functional as F  # noqa: N812  the name everybody uses

    return lambda x: _activated(F.linear(x, weight, bias), activation)


def _private_conv(weight: Tensor, bias: Tensor, at: Geometry, activation: Activation) -> Layer:
    import torch

    ops = torch.ops.mkldnn
    packed = ops._reorder_convolution_weight(weight, at.padding, at.stride, at.dilation, 1)
    rest: Any = (packed, bias, at.padding, at.stride, at.dilation, 1, activation, [], "none")
    return lambda x: _rows(ops._convolution_pointwise(_image(x), *rest))


def _public_conv(weight: Tensor, bias: Tensor, at: Geometry, activation: Activation) -> Layer:
    from torch.nn import functional as F  # noqa: N812

    return lambda x: _activated(_rows(F.conv2d(_image(x), weight, bias, *at)), activation)


def _private_transposed_conv(
    weight: Tensor, bias: Tensor, at: Geometry, activation: Activation
) -> Layer:
    import torch

    ops = torch.ops.mkldnn
    packed = ops._reorder_convolution_transpose_weight(weight, at.padding, (0, 0), at.stride)
    rest: Any = (packed, bias, at.padding, (0, 0), at.stride, (1, 1), 1, activation, [], "none")
    return lambda x: _rows(ops._convolution_transpose_pointwise(_image(x), *rest))


def _public_transposed_conv(
    weight: Tensor, bias: Tensor, at: Geometry, activation: Activation
) -> Layer:
    from torch.nn import functional as F  # noqa: N812

    rest = (weight, bias, at.stride, at.padding)
    return lambda x: _activated(_rows(F.conv_transpose2d(_image(x), *rest)), activation)


def _activated(x: Tensor, activation: Activation) -> Tensor:
    import torch

    if activation == "none":
        return x
    if activation == "gelu":
        return torch.nn.functional.gelu(x)
    return torch.relu_(x) if activation == "relu" else torch.sigmoid_(x)


def _image(x: Tensor) -> Tensor:
    """View rows as torch's images: `(1, n_channels, n_rows, n_columns)`, channels last."""
    return x.permute(2, 0, 1)[None]


def _rows(image: Tensor) -> Tensor:
    """Undo `_image`; copies only what torch has not left channels last."""
    return image[0].permute(1, 2, 0).contiguous()
