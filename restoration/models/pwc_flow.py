"""PWC-Net: optical flow between two frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restoration.arrays import Arrays
from restoration.errors import InputError
from restoration.models.laws import Rule, Rules
from restoration.models.model import Model, PublishedWeights
from restoration.models.spec import Spec, check_image


@dataclass(frozen=True, kw_only=True)
class PWCFlowSpec(Spec):
    """PWC-Net. Its widths are fixed.

    align_corners: how maps are warped. The published weights need it; False is for weights that
    were trained by unchanged old code on PyTorch 1.3 or later.
    """

    module: ClassVar[str] = "pwc_flow"
    initialization: ClassVar[Mapping[str, Rules]] = {
        "he": (
            Rule("*.flow.*", "zeros"),
            Rule("refiner.conv7.*", "zeros"),
            Rule("*.weight", "he"),
            Rule("*.bias", "zeros"),
        )
    }
    network: ClassVar[str] = "PWCFlow"
    inputs: ClassVar[tuple[str, ...]] = ("first", "second")
    outputs: ClassVar[tuple[str, ...]] = ("flow",)
    required_inputs: ClassVar[int] = 2

    align_corners: bool = True

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        first, second = inputs["first"], inputs["second"]
        for name, image in inputs.items():
            check_image(image, name=name, channels=3, multiple=1, where=self.network)
        if second.shape[0] % first.shape[0] or second.shape[2:] != first.shape[2:]:
            raise InputError(
                "input 'second'",
                expected=f"{first.shape[0]} images as large as `first`, or a multiple",
                got=str(tuple(second.shape)),
                where=self.network,
                next_step="image i of `first` belongs to images i, n + i, ... of `second`",
            )


class _PWCFlow(Model):
    """A picture alone is both frames, the second of them one pixel further down and right."""

    def _inputs(self, spec: Spec, image: np.ndarray, scale: float | None, given: Arrays) -> Arrays:
        moved = np.pad(image, ((0, 0), (0, 0), (1, 0), (1, 0)), mode="edge")[..., :-1, :-1]
        return {"first": image, "second": moved} | given


MODELS = (
    _PWCFlow(
        name="pwc_flow",
        title="PWC-Net optical flow",
        source="Sun, Yang, Liu, Kautz: PWC-Net: CNNs for Optical Flow Using Pyramid, Warping, and "
        "Cost Volume, CVPR 2018, arXiv 1709.02371",
        specs={"tiny": PWCFlowSpec(), "published": PWCFlowSpec()},
        sample_inputs="moving_pair",
        published=(
            PublishedWeights(
                "network-default.pytorch", "published", "network-default", 9_374_274, 126
            ),
        ),
        no_picture="the movement from one frame to the other, in pixels",
    ),
)
