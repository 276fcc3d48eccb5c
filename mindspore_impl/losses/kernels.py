"""What kernel prediction is trained to minimize. Kernels are applied by correlation."""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindspore_impl.layers import conv2d, matmul
from mindspore_impl.losses.images import image_sum
from mindspore_impl.nimbusr import saturate
from restoration.models.spec import Spec
from restoration.training.requirements import require_choice, require_entry

CLEAR = 0.95
SATURATION = 0.5
SMALLEST = 1e-10


class KernelFieldLoss(nn.Cell):
    """The loss of kernel prediction: the blur it explains, and the kernels themselves.

    The batch has the network's input "image" (n, 3, h, w), intensities raised to 2.2 minus 0.5;
    "target" (n, 3, h + k - 1, w + k - 1), the sharp image likewise; and what blurred it, "kernels"
    (n, P, k, k) and "masks" (n, P, h, w). Pixels count by one over the area of their mask, those
    between masks do not.

    distance: of kernels, "l2", "l1", "huber" or "kl". Its training was not published; this is that
    of the predecessor: Carbajal et al., arXiv 2102.01026; see kernel_prediction.py.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        reblur_weight: float = 1.0,
        kernel_weight: float = 1.0,
        distance: str = "l2",
    ):
        super().__init__()
        require_choice("distance", distance, ("l2", "l1", "huber", "kl"))
        self.distance = distance
        self.reblur_weight = reblur_weight
        self.kernel_weight = kernel_weight

    def construct(self, outputs: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        for name in ("kernels", "masks"):
            require_entry(name, batch, loss="KernelFieldLoss")
        kernels, masks, true_masks = outputs["kernels"], outputs["masks"], batch["masks"]
        weights = pixel_weights(true_masks)
        blurred = saturate(reblur(batch["target"], kernels, masks), SATURATION)
        difference = blurred - batch["image"]
        reblurred = weighted_sum(difference * difference, weights)
        kernel = kernel_difference(
            kernels, masks, batch["kernels"], true_masks, weights, distance=self.distance
        )
        loss = self.reblur_weight * reblurred + self.kernel_weight * kernel
        return {"loss": loss, "reblur": reblurred, "kernel": kernel}


def pixel_weights(masks: Tensor) -> Tensor:
    """One over 1 plus the area of a pixel's mask, 0 between masks, (n, P, h, w) -> (n, 1, h, w)."""
    n, count, height, width = masks.shape
    clear = ops.where(masks > CLEAR, ops.full_like(masks, 1.0), ops.full_like(masks, 0.0))
    areas = masks.sum(axis=3).sum(axis=2).reshape(n, count, 1, 1)
    return (clear / (1 + areas)).sum(axis=1).reshape(n, 1, height, width)


def weighted_sum(x: Tensor, weights: Tensor) -> Tensor:
    """The sum over pixels by weights, over the images' number, (n, c, h, w) -> (1,)."""
    n, c, height, width = x.shape
    # As one channel: a sum over a thousand of them, one for each tap, loses digits in Jittor.
    rows = image_sum((x * weights).reshape(n, 1, c, height * width))
    return rows.sum().reshape(1) / n


def reblur(x: Tensor, kernels: Tensor, masks: Tensor) -> Tensor:
    """Sum over p of masks[p] * (x correlated with kernel p), without what lies outside.

    (n, c, h + k - 1, w + k - 1), (n, P, k, k), (n, P, h, w) -> (n, c, h, w).
    """
    n, c, height, width = x.shape
    count, size = kernels.shape[1], kernels.shape[3]
    found = []
    for i in range(n):
        maps = x[i].reshape(c, 1, height, width)
        filtered = conv2d(maps, kernels[i].reshape(count, 1, size, size), padding=0)
        found.append((filtered * masks[i : i + 1]).sum(axis=1))
    return ops.stack(found, axis=0)


def kernel_difference(
    kernels: Tensor,
    masks: Tensor,
    true_kernels: Tensor,
    true_masks: Tensor,
    weights: Tensor,
    *,
    distance: str,
) -> Tensor:
    """The sum over pixels of the distance of their kernels by weights, over the images' number.

    (n, K, k, k), (n, K, h, w), (n, P, k, k), (n, P, h, w), (n, 1, h, w) -> (1,).
    """
    found, wanted = pixel_kernels(kernels, masks), pixel_kernels(true_kernels, true_masks)
    if distance == "kl":
        logarithms = ops.log(ops.clamp(wanted, min=SMALLEST))
        logarithms = logarithms - ops.log(ops.clamp(found, min=SMALLEST))
        return weighted_sum(wanted * logarithms, weights)
    difference = (found - wanted).abs()
    if distance == "l2":
        difference = difference * difference
    elif distance == "huber":
        square = 0.5 * difference * difference
        difference = ops.where(difference < 1, square, difference - 0.5)
    return weighted_sum(difference, weights)


def pixel_kernels(kernels: Tensor, masks: Tensor) -> Tensor:
    """The kernel of each pixel, (n, K, k, k), (n, K, h, w) -> (n, k k, h, w)."""
    n, count, height, width = masks.shape
    taps = kernels.shape[2] * kernels.shape[3]
    flat = kernels.reshape(n, count, taps).permute(0, 2, 1)
    mixed = matmul(flat, masks.reshape(n, count, height * width))
    return mixed.reshape(n, taps, height, width)
