"""Means over images and differences of pixels. Images are (n, c, h, w); losses are (1,)."""

from __future__ import annotations

import jittor as jt
from jittor import Var

from jittor_impl.layers import filter_valid, global_avg_pool, tensor_like

CHARBONNIER_EPS = 1e-3
LAPLACIAN = [[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]


def image_sum(x: Var) -> Var:
    """The sum over each image, (n, c, h, w) -> (n,)."""
    return image_mean(x) * (x.shape[1] * x.shape[2] * x.shape[3])


def image_mean(x: Var) -> Var:
    """The mean over each image, (n, c, h, w) -> (n,)."""
    return global_avg_pool(x).mean(dim=1).reshape(x.shape[0])


def total_mean(x: Var) -> Var:
    """The mean over all images, (n, c, h, w) -> (1,)."""
    return image_mean(x).mean().reshape(1)


def weighted_mean(x: Var, mask: Var | None) -> Var:
    """The mean over each image by weights, (n, c, h, w), (n, 1 or c, h, w) -> (n,).

    Weights that sum to less than 1 count as if they summed to 1.
    """
    if mask is None:
        return image_mean(x)
    channels = x.shape[1] / mask.shape[1]
    return image_sum(x * mask) / jt.clamp(image_sum(mask), min_v=1.0) / channels


def least(terms: list[Var]) -> Var:
    """The smallest of several terms for each image, k x (n,) -> (n,)."""
    smallest = terms[0]
    for term in terms[1:]:
        smallest = jt.minimum(smallest, term)
    return smallest


def absolute_difference(output: Var, target: Var) -> Var:
    """Mean absolute difference, 2 x (n, c, h, w) -> (1,)."""
    return total_mean((output - target).abs())


def local_difference(output: Var, target: Var, mask: Var | None = None) -> Var:
    """Mean absolute difference, 2 x (n, c, h, w) -> (n,)."""
    return weighted_mean((output - target).abs(), mask)


def charbonnier_difference(output: Var, target: Var) -> Var:
    """Mean absolute difference without a kink at 0, 2 x (n, c, h, w) -> (1,)."""
    difference = output - target
    return total_mean(jt.sqrt(difference * difference + CHARBONNIER_EPS**2))


def smooth_difference(output: Var, target: Var) -> Var:
    """Mean of half the square below 1, of the modulus minus a half above, 2 images -> (1,)."""
    difference = (output - target).abs()
    return total_mean(jt.where(difference < 1, 0.5 * difference * difference, difference - 0.5))


def laplacian_difference(output: Var, target: Var) -> Var:
    """Mean absolute difference of Laplacians, edges left out, 2 x (n, c, h, w) -> (1,)."""
    window = tensor_like(LAPLACIAN, output)
    return total_mean((filter_valid(output, window) - filter_valid(target, window)).abs())
