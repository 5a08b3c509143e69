"""The running median that all decisions between held and short sounds rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def median_of_9(x: Tensor, dim: int, step: int) -> Tensor:
    """Take the running median of nine values, `step` apart, along `dim` of two; ends repeat.

    Nineteen exchanges of two values find the middle of nine (Paeth, Graphics Gems, 1990):
    five times as fast as sorting.
    """
    import torch

    n = x.shape[dim]
    index = torch.arange(-4 * step, n + 4 * step).clamp(0, n - 1)
    wide = x.index_select(dim, index)
    p = [wide.narrow(dim, k * step, n) for k in range(9)]
    for i, j in _EXCHANGES:
        p[i], p[j] = torch.minimum(p[i], p[j]), torch.maximum(p[i], p[j])
    return p[4]


_EXCHANGES = (
    (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (0, 3),
    (5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip
