"""Self-Blind-VSR: video super-resolution that estimates the blur on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restoration.arrays import Arrays
from restoration.errors import InputError
from restoration.models.model import Model, PublishedWeights
from restoration.models.spec import Spec


@dataclass(frozen=True, kw_only=True)
class SelfBlindVSRSpec(Spec):
    """Self-Blind-VSR.

    width: channels. feature_blocks, blocks: residual blocks per frame, and after fusion. frames: of
    a clip. scale: how much larger the result is. kernel_size: of the blur kernel. is_enlarged: the
    frames already have the result's size. mode: "infer", or "train" or "val" for what these
    need besides. align_corners: see `PWCFlowSpec`.
    """

    module: ClassVar[str] = "self_blind_vsr"
    network: ClassVar[str] = "SelfBlindVSR"
    inputs: ClassVar[tuple[str, ...]] = ("frames",)

    width: int = 128
    feature_blocks: int = 3
    blocks: int = 20
    frames: int = 5
    scale: int = 4
    kernel_size: int = 13
    is_enlarged: bool = False
    mode: str = "infer"
    align_corners: bool = True

    def __post_init__(self) -> None:
        self._require_count("width", "feature_blocks", "blocks", "frames", "scale", "kernel_size")
        self._require("frames", self.frames % 2 == 1 and self.frames >= 3, "odd, 3 or more")
        self._require("scale", 2**self.doublings == self.scale > 1, "2, 4, 8, ...")
        self._require("kernel_size", self.kernel_size % 2 == 1, "odd")
        self._require_one_of("mode", "infer", "train", "val")
        self._require(
            "is_enlarged",
            self.mode == "infer" or not self.is_enlarged,
            'False in modes "train" and "val", whose loss compares sizes',
        )

    @property
    def magnification(self) -> int:
        return 1 if self.is_enlarged else self.scale

    @property
    def scored(self) -> Spec:
        return dataclasses.replace(self, mode="infer")

    @property
    def doublings(self) -> int:
        """How often the size is doubled."""
        return self.scale.bit_length() - 1

    @property
    def outputs(self) -> tuple[str, ...]:
        """Depends on the mode."""
        if self.mode == "infer":
            return "restored", "kernel"
        if self.mode == "train":
            return "restored_reduced", "cycle", "kernel"
        return "restored", "restored_reduced", "reduced", "cycle", "kernel"

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        frames = inputs["frames"]
        if frames.ndim != 5 or frames.shape[1:3] != (self.frames, 3) or 0 in frames.shape:
            raise InputError(
                "input 'frames'",
                expected=f"shape (n, {self.frames}, 3, h, w), none of them 0",
                got=str(tuple(frames.shape)),
                where=self.network,
                next_step="stack RGB frames in order of time",
            )


class _SelfBlindVSR(Model):
    """A picture alone is a clip in which nothing moves."""

    def _inputs(self, spec: Spec, image: np.ndarray, scale: float | None, given: Arrays) -> Arrays:
        assert isinstance(spec, SelfBlindVSRSpec)
        return {"frames": np.repeat(image[:, None], spec.frames, axis=1)} | given

    def no_picture_of(self, spec: Spec) -> str:
        gives = "" if self.picture in spec.outputs else "what its training compares"
        return gives and f"{gives}, in mode {getattr(spec, 'mode', '')!r}"


_TINY = SelfBlindVSRSpec(width=8, feature_blocks=1, blocks=1)

MODELS = (
    _SelfBlindVSR(
        name="self_blind_vsr",
        title="Self-Blind-VSR",
        source="Bai, Pan: Self-Supervised Deep Blind Video Super-Resolution, IEEE TPAMI 2024, "
        "arXiv 2201.07422",
        specs={
            "tiny": _TINY,
            "tiny-train": dataclasses.replace(_TINY, mode="train"),
            "tiny-val": dataclasses.replace(_TINY, mode="val"),
            "published": SelfBlindVSRSpec(),
            "published-train": SelfBlindVSRSpec(mode="train"),
            "published-val": SelfBlindVSRSpec(mode="val"),
        },
        sample_inputs="moving_clip",
        published=tuple(
            PublishedWeights(f"{name}.pt", "published", name, 18_900_215, 272)
            for name in ("self_blind_vsr_gaussian", "self_blind_vsr_realistic")
        ),
        picture="restored",
    ),
)
