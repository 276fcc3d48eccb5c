"""Differences of spectra. Images are (n, c, h, w)."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_impl.layers import fft2, rfft2
from torch_impl.losses.images import image_mean, total_mean


def spectral_difference(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the parts of full 2-D spectra, 2 x (n, c, h, w) -> (1,).

    Real and imaginary parts are separate entries of the mean; it is not the mean modulus.
    """
    real, imaginary = fft2(output - target)
    return 0.5 * total_mean(real.abs() + imaginary.abs())


def spectral_modulus(output: Tensor, target: Tensor) -> Tensor:
    """Mean modulus of the difference of half spectra, 2 x (n, c, h, w) -> (n,)."""
    real, imaginary = rfft2(output - target)
    return image_mean(torch.sqrt(torch.clamp(real * real + imaginary * imaginary, min=1e-30)))


def patch_amplitudes(x: Tensor, parts: int) -> Tensor:
    """Amplitudes of spectra of overlapping patches, (n, c, h, w) -> (n patches, c, 2h/p, 2w/p).

    A patch starts at each multiple of h/p and w/p, and is twice as large as that. All patches of
    one place come first.
    """
    height, width = x.shape[2] // parts, x.shape[3] // parts
    patches = [
        x[:, :, i * height : (i + 2) * height, j * width : (j + 2) * width]
        for i in range(parts - 1)
        for j in range(parts - 1)
    ]
    real, imaginary = fft2(torch.cat(patches, dim=0))
    return torch.sqrt(real * real + imaginary * imaginary + 1e-8)


def amplitude_difference(output: Tensor, target: Tensor, parts: int = 8) -> Tensor:
    """Mean absolute difference of amplitudes of overlapping patches, 2 x (n, c, h, w) -> (n,)."""
    difference = patch_amplitudes(output, parts) - patch_amplitudes(target, parts)
    by_patch = image_mean(difference.abs()).reshape(-1, output.shape[0])
    return by_patch.mean(dim=0)
