"""The mean absolute difference, which most networks for super-resolution minimize."""

from __future__ import annotations

from jittor import Var, nn

from jittor_impl.continuous import blend, to_rows
from jittor_impl.losses.images import absolute_difference
from restoration.models.continuous import ContinuousSpec
from restoration.models.spec import Spec
from restoration.training.requirements import require_skip


class L1Loss(nn.Module):
    """The mean absolute difference of the network's first output and the target, of equal shapes.

    Images (n, c, h, w), or colors (n, q, 3) of a continuous network, whose target is in [-1, 1].

    defect_no_skip: compare what a continuous network gives without the bilinear interpolation of
    the image; LM-CiaoSR's published code leaves that out while it trains, and adds it after.
    """

    def __init__(self, spec: Spec, *, defect_no_skip: bool = False):
        super().__init__()
        self.name = spec.outputs[0]
        self.first = None
        if defect_no_skip:
            require_skip(spec)
        if defect_no_skip and isinstance(spec, ContinuousSpec):
            self.first = spec.neighbors

    def execute(self, outputs: dict[str, Var], batch: dict[str, Var]) -> dict[str, Var]:
        output, target = outputs[self.name], batch["target"]
        if self.first is not None:
            rows = to_rows(batch["image"])
            index, weight = batch["index"][:, self.first :], batch["weight"]
            count = index.shape[1]
            output = output - blend(rows, index, weight[:, weight.shape[1] - count :])
        if output.ndim == 3:
            n, queries, channels = output.shape
            output = output.reshape(n, 1, queries, channels)
            target = target.reshape(n, 1, queries, channels)
        return {"loss": absolute_difference(output, target)}
