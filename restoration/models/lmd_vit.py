"""LMD-ViT: local motion deblurring that skips sharp windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from restoration.arrays import Arrays
from restoration.errors import InputError
from restoration.images import tiling
from restoration.models.laws import Rule, Rules
from restoration.models.model import Model, PublishedWeights
from restoration.models.spec import Spec, check_image


@dataclass(frozen=True, kw_only=True)
class LMDViTStageSpec(Spec):
    """One stage of LMD-ViT; its maps are (n, h, w, width), sides multiples of the window.

    feed_forward: "leff" (a convolution over the map), "lefflocal" (within each window) or "mlp"
    (none). projection: "linear" or "conv", of queries, keys and values. modulator: a learned window
    is added before attention; cross_modulator: all pixels attend to another one, after a
    normalization if cross_norm (the authors' code computes and then forgets it). pruned: windows
    are skipped. shift: every second block works on windows shifted by half. drop_path: the rate of
    each block.
    """

    module: ClassVar[str] = "lmd_vit"
    network: ClassVar[str] = "Stage"
    inputs: ClassVar[tuple[str, ...]] = ("x", "decisions", "noise", "paths")

    width: int
    depth: int
    heads: int
    window: int = 8
    mlp_ratio: float = 4.0
    feed_forward: str = "lefflocal"
    projection: str = "linear"
    modulator: bool = False
    cross_modulator: bool = False
    cross_norm: bool = True
    pruned: bool = False
    shift: bool = True
    drop_path: tuple[float, ...]

    def __post_init__(self) -> None:
        self._require_count("width", "depth", "heads", "window")
        self._require_one_of("feed_forward", "leff", "lefflocal", "mlp")
        self._require_one_of("projection", "linear", "conv")
        self._require("heads", self.width % self.heads == 0, f"a divisor of width {self.width}")
        self._require(
            "width",
            self.width % 4 == 0 or not self.pruned,
            "a multiple of 4 with pruning: the predictor halves it twice",
        )
        self._require("mlp_ratio", int(self.width * self.mlp_ratio) >= 1, "a hidden layer")
        self._require(
            "window",
            self.window > 1 or self.feed_forward != "lefflocal",
            "at least 2 with lefflocal: windows are extended by reflection",
        )
        rates = len(self.drop_path) == self.depth and all(0 <= r < 1 for r in self.drop_path)
        self._require("drop_path", rates, f"{self.depth} rates, at least 0 and below 1")

    @property
    def slots(self) -> int:
        """How many kinds of windows a stage works on: plain ones, and shifted ones."""
        return 2 if self.shift else 1

    @property
    def predictors(self) -> int:
        """How many blocks decide."""
        return min(self.slots, self.depth) if self.pruned else 0

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("y", *_pruning_outputs(self.predictors))

    @property
    def size_multiple(self) -> int:
        return self.window

    @property
    def graph_unsupported(self) -> Mapping[str, str]:
        return _PRUNING_IS_DYNAMIC if self.pruned else {}

    @property
    def decisions(self) -> Mapping[str, str]:
        return _decisions(self.predictors)

    def enforced(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return _enforced(outputs, self.predictors)

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        x = inputs["x"]
        sides = x.shape[1:3] if x.ndim == 4 else (0, 0)
        if x.ndim != 4 or 0 in x.shape or any(side % self.window for side in sides):
            raise InputError(
                "input 'x'",
                expected=f"shape (n, h, w, {self.width}), h and w multiples of {self.window}",
                got=str(tuple(x.shape)),
                where=self.network,
                next_step="pad the map to whole windows",
            )
        self._require_shape("x", x, (*x.shape[:3], self.width))
        windows = _windows(sides, self.window)
        _check_pruning(
            self,
            inputs,
            x.shape[0],
            decided=self.predictors * windows,
            processed=self.depth * windows,
        )


@dataclass(frozen=True, kw_only=True)
class LMDViTSpec(Spec):
    """LMD-ViT. Stages 0 to 3 encode, 4 is the bottleneck, 5 to 8 decode.

    width: channels at full resolution; stages have 1, 2, 4, 8, 16, 16, 8, 4, 2 times as many.
    depths, heads: blocks and attention heads of each stage. pruned: which stages skip windows.
    modulator, cross_modulator: in decoder stages only. drop_path: the largest rate; it grows from 0
    along the encoder, stays in the bottleneck and falls along the decoder. The others are those of
    `LMDViTStageSpec`.
    """

    module: ClassVar[str] = "lmd_vit"
    network: ClassVar[str] = "LMDViT"
    loss: ClassVar[str] = "LocalMotionLoss"
    may_sit_out: ClassVar[tuple[str, ...]] = ("stages.*.blocks.*",)  # if all windows are dropped
    initialization: ClassVar[Mapping[str, Rules]] = {
        "": (
            Rule("*.modulator.weight", "normal"),
            Rule("*_modulator.weight", "normal"),
            Rule("*.weight", "truncated_normal", axes=2),
            Rule("*.bias", "zeros", axes=2),
        )
    }
    checkpointed_block: ClassVar[str] = "Block"
    float32_block: ClassVar[str] = "Predictor"
    trained_outputs: ClassVar[tuple[str, ...]] = ("restored",)
    inputs: ClassVar[tuple[str, ...]] = ("image", "decisions", "noise", "paths")
    tiling_caveat: ClassVar[str] = (
        "its predictors see the mean of the whole image, so windows of a tile may be skipped that "
        "are not skipped in the whole image"
    )

    width: int = 32
    window: int = 8
    mlp_ratio: float = 4.0
    depths: tuple[int, ...] = (1, 2, 8, 8, 2, 8, 8, 2, 1)
    heads: tuple[int, ...] = (1, 2, 4, 8, 16, 16, 8, 4, 2)
    feed_forward: str = "lefflocal"
    projection: str = "linear"
    modulator: bool = True
    cross_modulator: bool = False
    cross_norm: bool = True
    pruned: tuple[bool, ...] = (True,) * 9
    shift: bool = True
    drop_path: float = 0.1

    def __post_init__(self) -> None:
        self._require_count("width", "window")
        for field in ("depths", "heads"):
            counts = getattr(self, field)
            is_counts = len(counts) == 9 and all(count >= 1 for count in counts)
            self._require(field, is_counts, "nine whole numbers of at least 1, one per stage")
        self._require("pruned", len(self.pruned) == 9, "nine switches, one per stage")
        self._require("drop_path", 0 <= self.drop_path < 1, "a rate of at least 0 and below 1")
        self.stages()

    def stages(self) -> tuple[LMDViTStageSpec, ...]:
        """The specs of the nine stages.

        Raises:
            InputError: a stage's hyper-parameters do not fit together.
        """
        down, up = sum(self.depths[:4]), sum(self.depths[5:])
        rates = (
            *np.linspace(0, self.drop_path, down),
            *(self.drop_path,) * self.depths[4],
            *np.linspace(self.drop_path, 0, up),
        )
        ends = np.cumsum(self.depths)
        return tuple(
            LMDViTStageSpec(
                width=self.width * factor,
                depth=self.depths[number],
                heads=self.heads[number],
                window=self.window,
                mlp_ratio=self.mlp_ratio,
                feed_forward=self.feed_forward,
                projection=self.projection,
                modulator=self.modulator and number > 4,
                cross_modulator=self.cross_modulator and number > 4,
                cross_norm=self.cross_norm,
                pruned=bool(self.pruned[number]),
                shift=self.shift,
                drop_path=tuple(float(r) for r in rates[end - self.depths[number] : end]),
            )
            for number, (factor, end) in enumerate(
                zip((1, 2, 4, 8, 16, 16, 8, 4, 2), ends, strict=True)
            )
        )

    @property
    def predictors(self) -> int:
        """How many blocks decide."""
        return sum(stage.predictors for stage in self.stages())

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("restored", "gate", *_pruning_outputs(self.predictors))

    @property
    def size_multiple(self) -> int:
        return 16 * self.window

    @property
    def graph_unsupported(self) -> Mapping[str, str]:
        return _PRUNING_IS_DYNAMIC if any(self.pruned) else {}

    @property
    def decisions(self) -> Mapping[str, str]:
        return _decisions(self.predictors)

    def enforced(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return _enforced(outputs, self.predictors)

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        image = inputs["image"]
        check_image(
            image, name="image", channels=3, multiple=self.size_multiple, where=self.network
        )
        _check_pruning(
            self,
            inputs,
            image.shape[0],
            decided=self.decided_windows(*image.shape[2:]),
            processed=self.processed_windows(*image.shape[2:]),
        )

    def training_noise(
        self, inputs: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Gumbel noise for windows that are decided about, then drop paths of all blocks."""
        images, _, height, width = inputs["image"].shape
        found = {}
        windows = self.decided_windows(height, width)
        if windows:
            found["noise"] = rng.gumbel(size=(images, windows, 2)).astype(np.float32)
        if self.drop_path:
            kept = 1 - self._drop_rates(height, width)[:, None]
            drawn = rng.random((images, len(kept), 2)) < kept
            found["paths"] = (drawn / kept).astype(np.float32)
        return found

    def _drop_rates(self, height: int, width: int) -> np.ndarray:
        """The rate of each window of all blocks, for an image of a size, (windows,)."""
        counts = zip(self.stages(), self._windows_of_stages(height, width), strict=True)
        return np.concatenate([np.repeat(stage.drop_path, windows) for stage, windows in counts])

    def decided_windows(self, height: int, width: int) -> int:
        """How many windows all predictors decide about, for an image of a size."""
        counts = zip(self.stages(), self._windows_of_stages(height, width), strict=True)
        return sum(stage.predictors * windows for stage, windows in counts)

    def processed_windows(self, height: int, width: int) -> int:
        """How many windows all blocks have, for an image of a size."""
        counts = zip(self.depths, self._windows_of_stages(height, width), strict=True)
        return sum(depth * windows for depth, windows in counts)

    def _windows_of_stages(self, height: int, width: int) -> list[int]:
        scales = (1, 2, 4, 8, 16, 8, 4, 2, 1)
        return [_windows((height, width), self.window * scale) for scale in scales]


_PRUNING_IS_DYNAMIC = {
    "mindspore": "how many windows a pruned block computes is known only when it runs"
}


def _pruning_outputs(predictors: int) -> tuple[str, ...]:
    kinds = ("score", "margin", "decision")
    return tuple(f"{kind}{number:02}" for kind in kinds for number in range(predictors))


def _decisions(predictors: int) -> dict[str, str]:
    return {f"decision{number:02}": f"margin{number:02}" for number in range(predictors)}


def _enforced(outputs: Mapping[str, np.ndarray], predictors: int) -> dict[str, np.ndarray]:
    """The input `decisions`, (n, windows of all predictors) int32, from outputs."""
    if predictors == 0:
        return {}
    found = [outputs[name] for name in _decisions(predictors)]
    joined = np.concatenate([array.reshape(len(array), -1) for array in found], axis=1)
    return {"decisions": (joined > 0.5).astype(np.int32)}


def _windows(sides: tuple[int, ...], window: int) -> int:
    return (sides[0] // window) * (sides[1] // window)


def _check_pruning(
    spec: Spec, inputs: Mapping[str, np.ndarray], images: int, *, decided: int, processed: int
) -> None:
    """Check the optional inputs: windows that predictors decide about, and those of all blocks."""
    shapes = {
        "decisions": (images, decided),
        "noise": (images, decided, 2),
        "paths": (images, processed, 2),
    }
    for name, shape in shapes.items():
        if name in inputs:
            spec._require_shape(name, inputs[name], shape)


class _LMDViT(Model):
    """A picture goes in with zeros all around, as the authors extend it."""

    def _inputs(self, spec: Spec, image: np.ndarray, scale: float | None, given: Arrays) -> Arrays:
        return {"image": tiling.pad_centered(image, spec.size_multiple)} | given

    def _image(
        self, spec: Spec, outputs: Mapping[str, np.ndarray], height: int, width: int
    ) -> np.ndarray:
        return tiling.crop_centered(outputs[self.picture], height, width)


MODELS = (
    _LMDViT(
        name="lmd_vit",
        title="LMD-ViT",
        source="Li, Zhao, Zhou, Feng, Li, Loy: Adaptive Window Pruning for Efficient Local Motion "
        "Deblurring, ICLR 2024, arXiv 2306.14268",
        specs={
            "tiny": LMDViTSpec(
                width=4,
                window=4,
                mlp_ratio=2.0,
                depths=(1, 2, 3, 1, 1, 1, 1, 2, 1),
                heads=(1, 2, 4, 4, 8, 4, 2, 4, 2),
            ),
            "published": LMDViTSpec(),
            "low_memory": LMDViTSpec(width=16, mlp_ratio=2.0, depths=(1, 1, 2, 2, 1, 2, 2, 1, 1)),
        },
        sample_inputs="blurred_photographs",
        published=(PublishedWeights("model_LMDVIT.pth", "published", "LMD-ViT", 54_549_163, 951),),
        picture="restored",
    ),
)
