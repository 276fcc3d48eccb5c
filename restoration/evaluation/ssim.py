"""The window of structural similarity, for metrics and losses."""

from __future__ import annotations

import numpy as np


def gaussian_window(size: int, sigma: float) -> np.ndarray:
    """Weights that sum to one, (size, size) float32, the product of rounded 1-D weights.

    As image-quality code in PyTorch builds them: rounded to float32 at each step.
    """
    places = np.arange(size) - size // 2
    weights = np.exp(-(places**2) / (2 * sigma**2)).astype(np.float32)
    weights = weights / np.float32(weights.sum(dtype=np.float64))
    return np.outer(weights, weights)


def gaussian_weights(size: int, sigma: float) -> np.ndarray:
    """Weights that sum to one, (size,) float32, as multi-scale code in PyTorch builds them.

    Their exponents too are rounded to float32, unlike those of `gaussian_window`.
    """
    places = (np.arange(size) - size // 2).astype(np.float32)
    exponents = -(places**2) / np.float32(2 * sigma**2)
    weights = np.exp(exponents.astype(np.float64)).astype(np.float32)
    rounded: np.ndarray = weights / np.float32(weights.sum(dtype=np.float64))
    return rounded
