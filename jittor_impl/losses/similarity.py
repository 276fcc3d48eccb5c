"""Structural similarity, at one scale and at five. Images are (n, c, h, w) in [0, 1].

Sources: Wang et al., IEEE TIP 2004; Wang, Simoncelli, Bovik, Asilomar 2003.
"""

from __future__ import annotations

import jittor as jt
from jittor import Var

from jittor_impl.layers import (
    avg_pool,
    conv2d,
    filter_valid,
    global_avg_pool,
    pad_bottom_right,
    roll,
    tensor_like,
)
from jittor_impl.losses.images import weighted_mean
from restoration.evaluation.ssim import gaussian_weights, gaussian_window
from restoration.training.requirements import require_sides

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_CONSTANTS = (0.01**2, 0.03**2)
LEVEL_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
LEAST_PX = (SSIM_WINDOW - 1) * 2 ** (len(LEVEL_WEIGHTS) - 1) + 1  # of a side, for five scales


def local_dissimilarity(output: Var, target: Var, mask: Var | None = None) -> Var:
    """Minus the structural similarity, 2 x (n, c, h, w) -> (n,); pixels near borders are left out.

    Source: Wang et al., IEEE TIP 2004.
    """
    require_sides(output.shape, SSIM_WINDOW, term="SSIM")
    window = tensor_like(gaussian_window(SSIM_WINDOW, SSIM_SIGMA), output)
    first, second = SSIM_CONSTANTS
    output_mean, target_mean = filter_valid(output, window), filter_valid(target, window)
    squares = output_mean * output_mean + target_mean * target_mean
    both = output_mean * target_mean
    variances = filter_valid(output * output + target * target, window) - squares
    covariance = filter_valid(output * target, window) - both
    similarity = (2 * both + first) * (2 * covariance + second)
    similarity = similarity / ((squares + first) * (variances + second))
    edge = SSIM_WINDOW // 2
    inner = None if mask is None else mask[:, :, edge:-edge, edge:-edge]
    return -weighted_mean(similarity, inner)


def multiscale_similarity(output: Var, target: Var) -> Var:
    """Structural similarity at five scales, 2 x (n, c, h, w) -> (1,); sides of more than 160.

    Contrasts of four scales and the similarity at the fifth, of each image and channel, are raised
    to their weights and multiplied.
    """
    require_sides(output.shape, LEAST_PX, term="multi-scale SSIM")
    product = full_like_channels(output)
    for level, weight in enumerate(LEVEL_WEIGHTS):
        if level:
            output, target = halve(output), halve(target)
        similarity, contrast = similarities(output, target)
        term = similarity if level == len(LEVEL_WEIGHTS) - 1 else contrast
        product = product * positive_power(term, weight)
    return product.mean().reshape(1)


def full_like_channels(x: Var) -> Var:
    """A one for each channel of each image, (n, c, h, w) -> (n, c)."""
    return jt.full_like(x[:, :, 0, 0], 1.0)


def similarities(output: Var, target: Var) -> tuple[Var, Var]:
    """Structural similarity and its factor of contrast, 2 x (n, c, h, w) -> 2 x (n, c)."""
    first, second = SSIM_CONSTANTS
    output_mean, target_mean = blur_valid(output), blur_valid(target)
    squares = output_mean * output_mean + target_mean * target_mean
    both = output_mean * target_mean
    variances = blur_valid(output * output + target * target) - squares
    covariance = blur_valid(output * target) - both
    contrast = (2 * covariance + second) / (variances + second)
    similarity = (2 * both + first) / (squares + first) * contrast
    n, c = output.shape[0], output.shape[1]
    return global_avg_pool(similarity).reshape(n, c), global_avg_pool(contrast).reshape(n, c)


def blur_valid(x: Var) -> Var:
    """Weighted means over the window, columns first, (n, c, h, w) -> (n, c, h-10, w-10)."""
    n, c, h, w = x.shape
    weights = tensor_like(gaussian_weights(SSIM_WINDOW, SSIM_SIGMA), x)
    x = conv2d(x.reshape(n * c, 1, h, w), weights.reshape(1, 1, SSIM_WINDOW, 1), padding=0)
    x = conv2d(x, weights.reshape(1, 1, 1, SSIM_WINDOW), padding=0)
    return x.reshape(n, c, h - SSIM_WINDOW + 1, w - SSIM_WINDOW + 1)


def halve(x: Var) -> Var:
    """Means of 2x2 pixels, zeros before the first row or column of an odd number of them."""
    odd_rows, odd_columns = x.shape[2] % 2, x.shape[3] % 2
    if odd_rows + odd_columns:
        height, width = x.shape[2] + odd_rows, x.shape[3] + odd_columns
        x = pad_bottom_right(x, height, width, mode="zeros")
        x = roll(x, (odd_rows, odd_columns), (2, 3))
    return avg_pool(x, 2)


def positive_power(x: Var, exponent: float) -> Var:
    """x to a power, 0 without gradient where x is not positive, any shape."""
    one, zero = jt.full_like(x, 1.0), jt.full_like(x, 0.0)
    return jt.where(x > 0, jt.where(x > 0, x, one) ** exponent, zero)
