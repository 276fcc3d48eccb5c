"""What the deblurring networks are trained to minimize. Images are (n, 3, h, w) in [0, 1]."""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindspore_impl.layers import (
    downsample_bilinear,
    downsample_nearest,
    max_pool,
    shift_reflected,
    softplus,
)
from mindspore_impl.losses.images import absolute_difference, least, local_difference, total_mean
from mindspore_impl.losses.similarity import local_dissimilarity
from mindspore_impl.losses.spectra import spectral_difference, spectral_modulus
from restoration.models.spec import Spec
from restoration.training.requirements import require_choice, require_entry


class MultiScaleLoss(nn.Cell):
    """MIMO-UNet's loss: differences of pixels and of spectra at three scales.

    The outputs are (n, 3, h/4, w/4), (n, 3, h/2, w/2), (n, 3, h, w), the target is (n, 3, h, w).
    labels: how the target is reduced, "bilinear" or "nearest"; the MindSpore model zoo's port has
    "nearest" and no spectral term. Source: Cho et al., ICCV 2021; see mimo_unet.py.
    """

    def __init__(self, spec: Spec, *, spectral_weight: float = 0.1, labels: str = "bilinear"):
        super().__init__()
        require_choice("labels", labels, ("bilinear", "nearest"))
        self.spectral_weight = spectral_weight
        self.is_bilinear = labels == "bilinear"

    def construct(self, outputs: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        quarter, half, full = outputs["quarter"], outputs["half"], outputs["full"]
        target = batch["target"]
        quarter_target, half_target = self.reduced(target, 4), self.reduced(target, 2)
        content = absolute_difference(quarter, quarter_target)
        content = content + absolute_difference(half, half_target)
        content = content + absolute_difference(full, target)
        if self.spectral_weight == 0:
            return {"loss": content, "content": content}
        spectral = spectral_difference(quarter, quarter_target)
        spectral = spectral + spectral_difference(half, half_target)
        spectral = spectral + spectral_difference(full, target)
        loss = content + self.spectral_weight * spectral
        return {"loss": loss, "content": content, "spectral": spectral}

    def reduced(self, target: Tensor, factor: int) -> Tensor:
        """The target of a coarser output, (n, 3, h, w) -> (n, 3, h/factor, w/factor)."""
        if self.is_bilinear:
            return downsample_bilinear(target, factor)
        return downsample_nearest(target, factor)


class LocalMotionLoss(nn.Cell):
    """LMD-ViT's loss: absolute differences, minus similarity, and a tenth of spectral differences.

    Output and target are (n, 3, h, w). The target may be shifted by up to shift_px: each term of
    each image takes the shift that makes it least. Where it is 0, as the authors' utilities are
    called without a list of shifts, images are compared as they are.

    masked: the batch's "mask" (n, 1, h, w), 1 where the input is blurred, weights pixels of the
    first two terms. gate_weight: of the mean squared difference of gate and mask, 0.1 in the
    predecessor's training. pruning_weight: of the cross-entropy of scores and mask, by which
    predictors learn to keep windows that are blurred; the paper has such a loss, its formula and
    weight were not published. Sources: Li et al., ICLR 2024; see lmd_vit.py. Li et al., AAAI 2023.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        shift_px: int = 1,
        spectral_weight: float = 0.1,
        masked: bool = False,
        gate_weight: float = 0.0,
        pruning_weight: float = 0.0,
    ):
        super().__init__()
        steps = range(-shift_px, shift_px + 1)
        self.shifts = [(down, right) for down in steps for right in steps]
        self.spectral_weight = spectral_weight
        self.masked = masked
        self.gate_weight = gate_weight
        self.pruning_weight = pruning_weight

    def construct(self, outputs: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        restored, target = outputs["restored"], batch["target"]
        if self.masked or self.gate_weight or self.pruning_weight:
            require_entry("mask", batch, loss="LocalMotionLoss")
        mask = batch["mask"] if self.masked else None
        terms = []
        for down, right in self.shifts:
            shifted = shift_reflected(target, down, right)
            content = local_difference(restored, shifted, mask)
            similar = local_dissimilarity(restored, shifted, mask)
            terms.append((content, similar, spectral_modulus(restored, shifted)))
        content, similar, spectral = (
            least(list(term)).mean().reshape(1) for term in zip(*terms, strict=True)
        )
        loss = content + similar + self.spectral_weight * spectral
        found = {"loss": loss, "content": content, "dissimilarity": similar, "spectral": spectral}
        if self.gate_weight:
            difference = outputs["gate"] - batch["mask"]
            found["gate"] = total_mean(difference * difference)
            found["loss"] = found["loss"] + self.gate_weight * found["gate"]
        if self.pruning_weight:
            scores = [outputs[name] for name in outputs if name.startswith("score")]
            found["pruning"] = pruning_entropy(scores, batch["mask"])
            found["loss"] = found["loss"] + self.pruning_weight * found["pruning"]
        return found


def pruning_entropy(scores: list[Tensor], mask: Tensor) -> Tensor:
    """Cross-entropy of "keep" and "drop" with a mask (n, 1, h, w) of what is to be kept -> (1,).

    scores: of each predictor, (n, h/s, w/s, 2); a pixel there is to be kept if any of its s x s is.
    """
    terms = []
    for score in scores:
        kept = max_pool(mask, mask.shape[2] // score.shape[1])
        margin = (score[:, :, :, 0] - score[:, :, :, 1]).reshape(kept.shape)
        terms.append(total_mean(softplus((1 - 2 * kept) * margin)))
    return ops.stack(terms, axis=0).mean().reshape(1)
