"""What the models are trained to minimize.

A loss is constructed with the spec of the network it trains and its settings, whose defaults are
the published ones, and called with two dictionaries: the network's outputs by name, and the batch,
its inputs and "target" and what else there is to compare with. It gives a dictionary of (1,)
arrays: "loss", which is minimized, its terms, and weights of terms that are learned.
"""

from torch_impl.losses.deblurring import LocalMotionLoss, MultiScaleLoss, pruning_entropy
from torch_impl.losses.images import (
    absolute_difference,
    charbonnier_difference,
    laplacian_difference,
    local_difference,
    smooth_difference,
)
from torch_impl.losses.kernels import KernelFieldLoss, kernel_difference, pixel_weights, reblur
from torch_impl.losses.pixels import L1Loss
from torch_impl.losses.similarity import local_dissimilarity, multiscale_similarity
from torch_impl.losses.spectra import amplitude_difference, spectral_difference, spectral_modulus
from torch_impl.losses.underwater import PhaseformerLoss, SpectroformerLoss
from torch_impl.losses.video import BlindVideoLoss, WarpingLoss, center_distance, root_mean

__all__ = [
    "BlindVideoLoss",
    "KernelFieldLoss",
    "L1Loss",
    "LocalMotionLoss",
    "MultiScaleLoss",
    "PhaseformerLoss",
    "SpectroformerLoss",
    "WarpingLoss",
    "absolute_difference",
    "amplitude_difference",
    "center_distance",
    "charbonnier_difference",
    "kernel_difference",
    "laplacian_difference",
    "local_difference",
    "local_dissimilarity",
    "multiscale_similarity",
    "pixel_weights",
    "pruning_entropy",
    "reblur",
    "root_mean",
    "smooth_difference",
    "spectral_difference",
    "spectral_modulus",
]
