"""What the layouts of EDSR, RDN and SwinIR have in common, as the LMF repository published them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

ENCODER: dict[str, Any] = {
    "modules": ("models",),
    "inputs": {"lr": "image"},
    "outputs": {"feat_lr": "features", "restored_lr": "restored"},
}
"""Arguments of their layouts."""


def upsampler_scale(made: Sequence[int], kept: int) -> int:
    """An upsampler's scale from how many channels each step makes and keeps."""
    return math.prod(math.isqrt(channels // kept) for channels in made)
