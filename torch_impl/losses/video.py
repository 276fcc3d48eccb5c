"""What networks for video are trained to minimize. Images are (n, 3, h, w) in [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restoration.blur.kernel_priors import boundary_penalty
from restoration.models.pwc_flow import PWCFlowSpec
from restoration.models.self_blind_vsr import SelfBlindVSRSpec
from restoration.training.requirements import require_output
from torch_impl.layers import tensor_like
from torch_impl.losses.images import absolute_difference, charbonnier_difference, total_mean
from torch_impl.pwc_flow import warp


class BlindVideoLoss(nn.Module):
    """Self-Blind-VSR's loss, which needs no sharp video: the clip itself is the target.

    In mode "train" the network reduces the frames by the kernel it estimates and restores them
    ("reconstruction"), and reduces what it restored of the frames ("cycle"): both are compared with
    the middle frame. The kernel's entries near its boundaries, the roots of its entries, and the
    distance of its center of mass from the middle are kept small. Source: Bai, Pan, IEEE TPAMI
    2024; see self_blind_vsr.py.
    """

    def __init__(
        self,
        spec: SelfBlindVSRSpec,
        *,
        cycle_weight: float = 1.0,
        boundaries_weight: float = 0.5,
        sparsity_weight: float = 0.04,
        centralized_weight: float = 1.0,
    ):
        super().__init__()
        require_output("restored_reduced", spec, loss="BlindVideoLoss")
        self.middle = spec.frames // 2
        self.penalty = boundary_penalty(spec.kernel_size)
        self.cycle_weight = cycle_weight
        self.boundaries_weight = boundaries_weight
        self.sparsity_weight = sparsity_weight
        self.centralized_weight = centralized_weight

    def forward(self, outputs: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        frame, kernel = batch["frames"][:, self.middle], outputs["kernel"]
        reconstruction = absolute_difference(outputs["restored_reduced"], frame)
        cycle = absolute_difference(outputs["cycle"], frame)
        boundaries = total_mean((kernel * tensor_like(self.penalty, kernel)).abs())
        sparsity = root_mean(kernel)
        centralized = center_distance(kernel)
        loss = reconstruction + self.cycle_weight * cycle
        loss = loss + self.boundaries_weight * boundaries + self.sparsity_weight * sparsity
        loss = loss + self.centralized_weight * centralized
        return {
            "loss": loss,
            "reconstruction": reconstruction,
            "cycle": cycle,
            "boundaries": boundaries,
            "sparsity": sparsity,
            "centralized": centralized,
        }


def root_mean(kernel: Tensor) -> Tensor:
    """The mean root of moduli, (n, 1, k, k) -> (1,); entries that are 0 have no gradient."""
    empty, one, zero = kernel == 0, torch.full_like(kernel, 1.0), torch.full_like(kernel, 0.0)
    return total_mean(torch.where(empty, zero, torch.sqrt(torch.where(empty, one, kernel.abs()))))


def center_distance(kernel: Tensor) -> Tensor:
    """Half the squared distance of the center of mass from the middle, (n, 1, k, k) -> (1,)."""
    n, size = kernel.shape[0], kernel.shape[3]
    places = tensor_like([float(place) for place in range(size)], kernel)
    flat = kernel.reshape(n, size, size)
    mass = flat.sum(dim=2).sum(dim=1)
    row = (flat.sum(dim=2) * places).sum(dim=1) / mass - size // 2
    column = (flat.sum(dim=1) * places).sum(dim=1) / mass - size // 2
    return (0.5 * (row * row + column * column)).mean().reshape(1)


class WarpingLoss(nn.Module):
    """Optical flow without truth: the second image, fetched by the flow, has to be the first.

    What the flow fetches from outside is black, so pointing outside is no way out.
    smoothness_weight: of the mean absolute difference of neighboring flows in pixels. Nobody
    published such a training of this network; it is for demonstrations.
    """

    def __init__(self, spec: PWCFlowSpec, *, smoothness_weight: float = 0.01):
        super().__init__()
        self.align_corners = spec.align_corners
        self.smoothness_weight = smoothness_weight

    def forward(self, outputs: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        flow, first, second = outputs["flow"], batch["first"], batch["second"]
        first = torch.cat([first] * (second.shape[0] // first.shape[0]), dim=0)
        moved = warp(second, flow, padding="zeros", align_corners=self.align_corners)
        warping = charbonnier_difference(moved, first)
        smoothness = absolute_difference(flow[:, :, 1:], flow[:, :, :-1])
        smoothness = smoothness + absolute_difference(flow[:, :, :, 1:], flow[:, :, :, :-1])
        loss = warping + self.smoothness_weight * smoothness
        return {"loss": loss, "warping": warping, "smoothness": smoothness}
