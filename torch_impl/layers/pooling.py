"""Means and largest values of blocks and maps."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def max_pool(x: Tensor, factor: int) -> Tensor:
    """Largest of each factor x factor block, the rest cut off, (n, c, h, w) -> (n, c, h/f, w/f)."""
    # Native: torch.nn.functional.max_pool2d: the stride is the size of the block by default.
    return F.max_pool2d(x, factor)


def avg_pool(x: Tensor, factor: int) -> Tensor:
    """Mean of each factor x factor block, the rest cut off, (n, c, h, w) -> (n, c, h/f, w/f)."""
    # Native: torch.nn.functional.avg_pool2d: the stride is the size of the block by default.
    return F.avg_pool2d(x, factor)


def adaptive_avg_pool(x: Tensor, size: int) -> Tensor:
    """Means of size x size windows that cover a map, (n, c, h, w) -> (n, c, size, size).

    Window i spans the rows floor(i h / size) to ceil((i + 1) h / size); windows may overlap, and a
    map may be smaller than the result.
    """
    # Native: torch.nn.functional.adaptive_avg_pool2d: these windows; one size counts for both
    # sides.
    return F.adaptive_avg_pool2d(x, size)


def global_avg_pool(x: Tensor) -> Tensor:
    """Mean over height and width, (n, c, h, w) -> (n, c, 1, 1)."""
    # Native: torch.Tensor.mean: over everything by default; sums in pairs, so that many float32
    # numbers lose little.
    return x.mean(dim=(2, 3), keepdim=True)
