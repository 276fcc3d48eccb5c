"""The window of structural similarity, for metrics and losses."""

from __future__ import annotations

import numpy as np


def gaussian_window(size: int, sigma: float) -> np.ndarray:
    """Weights that sum to one, (size, size) float32, the product of rounded 1-D weights.

    As image-quality code in PyTorch builds them: rounded to float32 at each step.
    """
    weights = gaussian_weights(size, sigma)
    return np.outer(weights, weights)


def gaussian_weights(size: int, sigma: float) -> np.ndarray:
    """Weights that sum to one, (size,) float32, rounded at each step."""
    places = np.arange(size) - size // 2
    weights = np.exp(-(places**2) / (2 * sigma**2)).astype(np.float32)
    total: np.ndarray = weights / np.float32(weights.sum(dtype=np.float64))
    return total
