"""What the models are trained to minimize. Images are (n, 3, h, w) in [0, 1]; losses are (1,).

Terms of LMD-ViT's loss are (n,), one number per image.
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindspore_impl.layers import (
    downsample_bilinear,
    fft2,
    filter_valid,
    global_avg_pool,
    rfft2,
    shift_reflected,
    tensor_like,
)
from restoration.evaluation.ssim import gaussian_window
from restoration.models.spec import Spec

SPECTRAL_WEIGHT = 0.1
SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_CONSTANTS = (0.01**2, 0.03**2)


class MultiScaleLoss(nn.Cell):
    """MIMO-UNet's loss: differences of pixels and of spectra at three scales.

    The outputs are (n, 3, h/4, w/4), (n, 3, h/2, w/2), (n, 3, h, w), the target is (n, 3, h, w).
    Source: Cho et al., ICCV 2021; see mimo_unet.py.
    """

    def __init__(self, spec: Spec):
        super().__init__()

    def construct(self, outputs: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        quarter, half, full = outputs["quarter"], outputs["half"], outputs["full"]
        target = batch["target"]
        quarter_target = downsample_bilinear(target, 4)
        half_target = downsample_bilinear(target, 2)
        content = absolute_difference(quarter, quarter_target)
        content = content + absolute_difference(half, half_target)
        content = content + absolute_difference(full, target)
        spectral = spectral_difference(quarter, quarter_target)
        spectral = spectral + spectral_difference(half, half_target)
        spectral = spectral + spectral_difference(full, target)
        loss = content + SPECTRAL_WEIGHT * spectral
        return {"loss": loss, "content": content, "spectral": spectral}


def absolute_difference(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference, 2 x (n, c, h, w) -> (1,)."""
    return image_mean((output - target).abs()).mean().reshape(1)


def spectral_difference(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the parts of full 2-D spectra, 2 x (n, c, h, w) -> (1,).

    Real and imaginary parts are separate entries of the mean; it is not the mean modulus.
    """
    real, imaginary = fft2(output - target)
    return 0.5 * image_mean(real.abs() + imaginary.abs()).mean().reshape(1)


class LocalMotionLoss(nn.Cell):
    """LMD-ViT's loss: absolute differences, minus similarity, and a tenth of spectral differences.

    Output and target are (n, 3, h, w); a mask (n, 1, h, w) weights pixels of the first two terms.
    The target may be shifted by pairs (down, right) of pixels: each term of each image takes the
    shift that makes it least. Source: Li et al., ICLR 2024; see lmd_vit.py.
    """

    def __init__(self, spec: Spec, shifts: tuple[tuple[int, int], ...] = ((0, 0),)):
        super().__init__()
        self.shifts = shifts

    def construct(self, outputs: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        restored, target, mask = outputs["restored"], batch["target"], batch.get("mask")
        terms = []
        for down, right in self.shifts:
            shifted = shift_reflected(target, down, right)
            content = local_difference(restored, shifted, mask)
            similar = local_dissimilarity(restored, shifted, mask)
            terms.append((content, similar, spectral_modulus(restored, shifted)))
        content, similar, spectral = (least(list(term)) for term in zip(*terms, strict=True))
        loss = (content + similar + SPECTRAL_WEIGHT * spectral).mean().reshape(1)
        return {"loss": loss}


def least(terms: list[Tensor]) -> Tensor:
    """The smallest of several terms for each image, k x (n,) -> (n,)."""
    smallest = terms[0]
    for term in terms[1:]:
        smallest = ops.minimum(smallest, term)
    return smallest


def image_sum(x: Tensor) -> Tensor:
    """The sum over each image, (n, c, h, w) -> (n,)."""
    return image_mean(x) * (x.shape[1] * x.shape[2] * x.shape[3])


def image_mean(x: Tensor) -> Tensor:
    """The mean over each image, (n, c, h, w) -> (n,)."""
    return global_avg_pool(x).mean(axis=1).reshape(x.shape[0])


def weighted_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """The mean over each image by weights, (n, c, h, w), (n, 1 or c, h, w) -> (n,).

    Weights that sum to less than 1 count as if they summed to 1.
    """
    if mask is None:
        return image_mean(x)
    channels = x.shape[1] / mask.shape[1]
    return image_sum(x * mask) / ops.clamp(image_sum(mask), min=1.0) / channels


def local_difference(output: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean absolute difference, 2 x (n, c, h, w) -> (n,)."""
    return weighted_mean((output - target).abs(), mask)


def local_dissimilarity(output: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Minus the structural similarity, 2 x (n, c, h, w) -> (n,); pixels near borders are left out.

    Source: Wang et al., IEEE TIP 2004.
    """
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


def spectral_modulus(output: Tensor, target: Tensor) -> Tensor:
    """Mean modulus of the difference of half spectra, 2 x (n, c, h, w) -> (n,)."""
    real, imaginary = rfft2(output - target)
    return image_mean(ops.sqrt(ops.clamp(real * real + imaginary * imaginary, min=1e-30)))


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
    real, imaginary = fft2(ops.cat(patches, axis=0))
    return ops.sqrt(real * real + imaginary * imaginary + 1e-8)


def amplitude_difference(output: Tensor, target: Tensor, parts: int = 8) -> Tensor:
    """Mean absolute difference of amplitudes of overlapping patches, 2 x (n, c, h, w) -> (n,)."""
    difference = patch_amplitudes(output, parts) - patch_amplitudes(target, parts)
    by_patch = image_mean(difference.abs()).reshape(-1, output.shape[0])
    return by_patch.mean(axis=0)
