"""Weights and cotangents that are drawn by a seed, the same whatever the framework's generator."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from restoration.arrays import Arrays

_BIAS_SCALE = 0.1


def seeded_weights(state: Mapping[str, np.ndarray], seed: tuple[int, ...]) -> Arrays:
    """Weights that make every parameter matter.

    Matrices and kernels keep the scale of what passes through them, factors are near 1, offsets are
    small and not zero. Integer entries (index tables) are kept.
    """
    weights = {}
    for name, value in state.items():
        rng = np.random.default_rng((*seed, zlib.crc32(name.encode())))
        draw = rng.standard_normal(value.shape)
        if not np.issubdtype(value.dtype, np.floating):
            weights[name] = value
            continue
        if value.ndim > 1:
            draw /= np.sqrt(np.prod(value.shape[1:]))
        elif name.endswith("weight"):
            draw = 1 + _BIAS_SCALE * draw
        else:
            draw *= _BIAS_SCALE
        weights[name] = draw.astype(np.float32)
    return weights


def seeded_cotangents(outputs: Mapping[str, np.ndarray], seed: int) -> Arrays:
    """White noise that weights each output's pixels, so that every pixel's gradient is seen."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.standard_normal(output.shape).astype(np.float32)
        for name, output in outputs.items()
    }
