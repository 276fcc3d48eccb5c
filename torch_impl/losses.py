"""What the models are trained to minimise. Images are (n, 3, h, w) in [0, 1]; losses are (1,)."""

from __future__ import annotations

from torch import Tensor, nn

from torch_impl.layers import dft2, downsample_bilinear

SPECTRAL_WEIGHT = 0.1


class MultiScaleLoss(nn.Module):
    """MIMO-UNet's loss: differences of pixels and of spectra at three scales.

    The outputs are (n, 3, h/4, w/4), (n, 3, h/2, w/2), (n, 3, h, w), the target is (n, 3, h, w).
    Source: Cho et al., ICCV 2021; see mimo_unet.py.
    """

    def forward(self, quarter: Tensor, half: Tensor, full: Tensor, target: Tensor) -> Tensor:
        quarter_target = downsample_bilinear(target, 4)
        half_target = downsample_bilinear(target, 2)
        content = absolute_difference(quarter, quarter_target)
        content = content + absolute_difference(half, half_target)
        content = content + absolute_difference(full, target)
        spectral = spectral_difference(quarter, quarter_target)
        spectral = spectral + spectral_difference(half, half_target)
        spectral = spectral + spectral_difference(full, target)
        return content + SPECTRAL_WEIGHT * spectral


def absolute_difference(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference, 2 x (n, c, h, w) -> (1,)."""
    return (output - target).abs().mean().reshape(1)


def spectral_difference(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the parts of full 2-D spectra, 2 x (n, c, h, w) -> (1,).

    Real and imaginary parts are separate entries of the mean; it is not the mean modulus.
    """
    real, imaginary = dft2(output - target)
    return 0.5 * (real.abs().mean() + imaginary.abs().mean()).reshape(1)
