"""Convolutions, in NumPy from their definitions."""

from __future__ import annotations

import numpy as np


def _zeros_between(x: np.ndarray, stride: int) -> np.ndarray:
    n, c, h, w = x.shape
    wide = np.zeros((n, c, (h - 1) * stride + 1, (w - 1) * stride + 1), x.dtype)
    wide[:, :, ::stride, ::stride] = x
    return wide


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> np.ndarray:
    """Cross-correlation with zero padding, from its definition."""
    out, per_group, k, _ = weight.shape
    padded = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    reach = dilation * (k - 1) + 1
    height = (padded.shape[2] - reach) // stride + 1
    width = (padded.shape[3] - reach) // stride + 1
    result = np.zeros((x.shape[0], out, height, width), np.float64)
    for o in range(out):
        first = o // (out // groups) * per_group
        for y in range(height):
            for z in range(width):
                rows = slice(y * stride, y * stride + reach, dilation)
                columns = slice(z * stride, z * stride + reach, dilation)
                window = padded[:, first : first + per_group, rows, columns]
                result[:, o, y, z] = (window * weight[o]).sum((1, 2, 3))
    return result if bias is None else result + bias[:, None, None]


def conv_transpose2d(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, stride: int, padding: int
) -> np.ndarray:
    """The adjoint of a convolution: correlate the stretched input with the flipped kernel."""
    k = weight.shape[2]
    flipped = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    return conv2d(_zeros_between(x, stride), flipped, bias, padding=k - 1 - padding)


def conv1x1(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    result = np.einsum("nihw,oi->nohw", x, weight[:, :, 0, 0])
    return result if bias is None else result + bias[None, :, None, None]


def filter_valid(x: np.ndarray, window: np.ndarray) -> np.ndarray:
    n, c, h, w = x.shape
    return conv2d(x.reshape(n * c, 1, h, w), window[None, None]).reshape(
        n, c, h - len(window) + 1, w - len(window) + 1
    )
