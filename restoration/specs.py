"""Hyper-parameters: one frozen dataclass per model, checked on construction.

A spec also carries what every framework must agree on about its network and cannot be read from
an array: the file and the class that implement it, and the names of its inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from restoration.errors import InputError, unknown_name


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Base of all specs.

    Class variables: `module` is the file in each `*_impl` package and `network` the class in it;
    `loss` is the class in `losses.py` that trains it, empty if there is none; `inputs` names the
    network's arguments in order, of which those after the first `required_inputs` may be left out.
    `untiled` says why a tile is not restored as the whole image is, empty if it is. `repeated` is
    the class of the parts whose activations may be computed again in training, `precise` the class
    of those that stay in float32 whatever the precision. What is a property here is a class
    variable where it does not depend on hyper-parameters.
    """

    module: ClassVar[str]
    network: ClassVar[str]
    loss: ClassVar[str] = ""
    inputs: ClassVar[tuple[str, ...]]
    required_inputs: ClassVar[int] = 1
    untiled: ClassVar[str] = ""
    repeated: ClassVar[str] = ""
    precise: ClassVar[str] = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the network's results, in order."""
        raise NotImplementedError

    @property
    def trained_outputs(self) -> tuple[str, ...]:
        """The results that the loss takes, before the target."""
        return self.outputs

    @property
    def size_multiple(self) -> int:
        """What the height and width of an input image must be multiples of."""
        return 1

    @property
    def uncompiled(self) -> Mapping[str, str]:
        """Per framework, the construct that its graph compiler cannot take."""
        return {}

    @property
    def decisions(self) -> Mapping[str, str]:
        """Outputs that are decisions, 1 or 0, each with the output that is its margin."""
        return {}

    def enforced(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Inputs that make a network take the decisions that another run came to."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """The hyper-parameters as plain values, for JSON; `spec_from_dict` reads them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {
            name: value.to_dict() if isinstance(value, Spec) else value
            for name, value in values.items()
        }
        return {"type": type(self).__name__, **plain}

    def require_loss(self) -> str:
        """The name of the loss.

        Raises:
            InputError: the model has none.
        """
        if not self.loss:
            raise InputError(
                f"training {self.network}",
                expected="a model with a loss in losses.py",
                got="none: its training was not published",
                where=f"restoration/specs.py, {type(self).__name__}",
                next_step="train it with a loss of your own on the engine's network",
            )
        return self.loss

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Check names and shapes of arrays against this spec.

        Raises:
            InputError: an input is missing, unknown, or has a shape that the network cannot take.
        """
        missing = [name for name in self.inputs[: self.required_inputs] if name not in inputs]
        unknown = [name for name in inputs if name not in self.inputs]
        if missing or unknown:
            raise InputError(
                f"inputs of {self.network}",
                expected=", ".join(self.inputs),
                got=", ".join(inputs) or "none",
                where=f"missing {missing}, unknown {unknown}",
                next_step="give each array under the name the network uses",
            )

    def _require(self, field: str, holds: bool, expected: str) -> None:
        """Raise unless a hyper-parameter holds what the network needs."""
        if not holds:
            raise InputError(
                f"{type(self).__name__}.{field}",
                expected=expected,
                got=repr(getattr(self, field)),
                where="hyper-parameters of the model",
                next_step="see the class's docstring for what each one means",
            )

    def _require_one_of(self, field: str, *choices: str) -> None:
        """Raise unless a hyper-parameter is one of some words."""
        self._require(field, getattr(self, field) in choices, "one of " + ", ".join(choices))

    def _require_shape(self, name: str, array: np.ndarray, shape: tuple[Any, ...]) -> None:
        """Raise unless an input has a shape."""
        if tuple(array.shape) != shape:
            raise InputError(
                f"input {name!r}",
                expected="shape (" + ", ".join(map(str, shape)) + ")",
                got=str(tuple(array.shape)),
                where=self.network,
                next_step="see the docstring of the model's file for what each axis is",
            )

    def _require_count(self, *fields: str) -> None:
        """Raise unless each hyper-parameter named is a whole number of at least one."""
        for field in fields:
            value = getattr(self, field)
            is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            self._require(field, is_count, "a whole number of at least 1")


def _has_counts(values: tuple[int, ...], length: int) -> bool:
    """Whether there are so many whole numbers of at least one."""
    return len(values) == length and all(isinstance(v, int) and v >= 1 for v in values)


def spec_from_dict(values: Mapping[str, Any]) -> Spec:
    """The inverse of `Spec.to_dict`.

    Raises:
        InputError: the type is unknown, or its hyper-parameters do not fit together.
    """
    types = {spec_type.__name__: spec_type for spec_type in _subclasses(Spec)}
    given = dict(values)
    name = given.pop("type", None)
    if name not in types:
        raise unknown_name("type of spec", name, types, where="restoration/specs.py")
    return types[name](**{field: _from_plain(value) for field, value in given.items()})


def _subclasses(spec_type: type[Spec]) -> list[type[Spec]]:
    """All specs below one."""
    below = spec_type.__subclasses__()
    return below + [deeper for found in below for deeper in _subclasses(found)]


def _from_plain(value: Any) -> Any:
    """A hyper-parameter from what JSON makes of it."""
    if isinstance(value, Mapping):
        return spec_from_dict(value)
    return tuple(value) if isinstance(value, list) else value


def check_image(image: np.ndarray, *, name: str, channels: int, multiple: int, where: str) -> None:
    """Check that an array is a batch of images (n, channels, h, w) with sides the network can take.

    Raises:
        InputError: wrong number of axes or channels, or a side that is no multiple of `multiple`.
    """
    if image.ndim != 4 or image.shape[1] != channels or 0 in image.shape:
        raise InputError(
            f"input {name!r}",
            expected=f"shape (n, {channels}, h, w), none of them 0",
            got=str(tuple(image.shape)),
            where=where,
            next_step="restoration.images.read_image gives (1, 3, h, w)",
        )
    height, width = image.shape[2:]
    if height % multiple or width % multiple:
        raise InputError(
            f"input {name!r}",
            expected=f"height and width multiples of {multiple}",
            got=f"{height}x{width}",
            where=where,
            next_step="restoration.tiling.pad_to_multiple pads and tells what to crop",
        )


@dataclass(frozen=True, kw_only=True)
class MimoUnetSpec(Spec):
    """MIMO-UNet and MIMO-UNet+.

    width: channels at full resolution; twice and four times as many at half and quarter.
    blocks: residual blocks per stage.
    skip_dropout: probability that a channel of a fused skip is dropped in training (MIMO-UNet+).
    resize: how features are enlarged, "nearest" (the paper) or "asymmetric" (bilinear without
        half-pixel centres, for weights trained by the MindSpore model zoo's port).
    """

    module: ClassVar[str] = "mimo_unet"
    network: ClassVar[str] = "MimoUnet"
    loss: ClassVar[str] = "MultiScaleLoss"
    inputs: ClassVar[tuple[str, ...]] = ("image", "skip_mask1", "skip_mask2")
    outputs: ClassVar[tuple[str, ...]] = ("quarter", "half", "full")
    size_multiple: ClassVar[int] = 4

    width: int = 32
    blocks: int = 8
    skip_dropout: float = 0.0
    resize: str = "nearest"

    def __post_init__(self) -> None:
        self._require_count("width", "blocks")
        self._require(
            "width", self.width % 2 == 0, "an even number: half of it feeds the smallest branch"
        )
        self._require("skip_dropout", 0 <= self.skip_dropout < 1, "a probability in [0, 1)")
        self._require(
            "resize", self.resize in ("nearest", "asymmetric"), "'nearest' or 'asymmetric'"
        )

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        image = inputs["image"]
        check_image(
            image, name="image", channels=3, multiple=self.size_multiple, where=self.network
        )
        for level in (1, 2):
            mask = inputs.get(f"skip_mask{level}")
            shape = (image.shape[0], level * self.width, 1, 1)
            if mask is not None and mask.shape != shape:
                raise InputError(
                    f"input 'skip_mask{level}'",
                    expected=f"shape {shape}: one factor per sample and channel",
                    got=str(tuple(mask.shape)),
                    where=self.network,
                    next_step="leave it out to keep every channel",
                )


@dataclass(frozen=True, kw_only=True)
class KernelPredictionSpec(Spec):
    """Blur-kernel prediction, the "two heads" network of J-MKPD.

    kernels: how many kernels are mixed (K). kernel_size: their height and width, 33 or 65.
    bilinear: enlarge by bilinear resizing instead of transposed convolutions.
    widths: channels at full, half, ... sixteenth resolution.
    """

    module: ClassVar[str] = "kernel_prediction"
    network: ClassVar[str] = "KernelPrediction"
    inputs: ClassVar[tuple[str, ...]] = ("image",)
    outputs: ClassVar[tuple[str, ...]] = ("kernels", "masks")
    min_size_px: ClassVar[int] = 32

    kernels: int = 25
    kernel_size: int = 33
    bilinear: bool = False
    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)

    def __post_init__(self) -> None:
        self._require_count("kernels")
        self._require(
            "kernel_size",
            self.kernel_size in (33, 65),
            "33 or 65: the decoder doubles from 1 pixel",
        )
        is_widths = len(self.widths) == 5 and all(width >= 1 for width in self.widths)
        self._require("widths", is_widths, "five channel counts")

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        image = inputs["image"]
        channels = 1 if image.ndim == 4 and image.shape[1] == 1 else 3
        check_image(image, name="image", channels=channels, multiple=1, where=self.network)
        if min(image.shape[2:]) < self.min_size_px:
            raise InputError(
                "input 'image'",
                expected=f"sides of at least {self.min_size_px}, which are halved five times",
                got=f"{image.shape[2]}x{image.shape[3]}",
                where=self.network,
                next_step="mirror the image at its border first",
            )


@dataclass(frozen=True, kw_only=True)
class NimbusrSpec(Spec):
    """NIMBUSR, restoration from known, spatially varying blur.

    iterations: of the unrolled algorithm. hyper_width: channels of the network that gives its step
    sizes. widths: of the prior at full, half, quarter, eighth resolution; blocks: residual blocks
    per stage of the prior. activation: "relu" or "leaky_relu" (slope 0.2). downsample:
    "strideconv", "avgpool" or "maxpool". upsample: "convtranspose", "pixelshuffle" or "upconv".
    scale: how much larger the result is than the image. saturation: take a sensor into account that
    saturates at 1 (scale 1 only).
    """

    module: ClassVar[str] = "nimbusr"
    network: ClassVar[str] = "Nimbusr"
    inputs: ClassVar[tuple[str, ...]] = ("image", "masks", "kernels", "sigma")
    outputs: ClassVar[tuple[str, ...]] = ("restored",)
    required_inputs: ClassVar[int] = 4

    iterations: int = 8
    hyper_width: int = 64
    widths: tuple[int, ...] = (64, 128, 256, 512)
    blocks: int = 2
    activation: str = "relu"
    downsample: str = "strideconv"
    upsample: str = "convtranspose"
    scale: int = 1
    saturation: bool = False

    def __post_init__(self) -> None:
        self._require_count("iterations", "hyper_width", "blocks", "scale")
        is_widths = len(self.widths) == 4 and all(width >= 1 for width in self.widths)
        self._require("widths", is_widths, "four channel counts")
        self._require_one_of("activation", "relu", "leaky_relu")
        self._require_one_of("downsample", "strideconv", "avgpool", "maxpool")
        self._require_one_of("upsample", "convtranspose", "pixelshuffle", "upconv")
        self._require(
            "scale",
            self.scale == 1 or not self.saturation,
            "1 with saturation: the saturated data step knows no sampling",
        )

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        image, masks, kernels, sigma = (inputs[name] for name in self.inputs)
        check_image(image, name="image", channels=3, multiple=1, where=self.network)
        n, height, width = image.shape[0], self.scale * image.shape[2], self.scale * image.shape[3]
        count = masks.shape[1] if masks.ndim == 4 else 0
        size = kernels.shape[-1] if kernels.ndim == 4 else 0
        self._require_shape("masks", masks, (n, count or "P", height, width))
        self._require_shape("kernels", kernels, (n, count, size or "k", size or "k"))
        self._require_shape("sigma", sigma, (n, 1, 1, 1))
        reach = min(height, width)
        if size % 2 == 0 or size // 2 > reach:
            raise InputError(
                "input 'kernels'",
                expected=f"an odd size, half of it at most {reach}, the image's shorter side",
                got=str(size),
                where=self.network,
                next_step="pad the kernels with zeros, or take a larger image",
            )
        if sigma.min() < 0:
            raise InputError(
                "input 'sigma'",
                expected="standard deviations of at least 0",
                got=str(float(sigma.min())),
                where=self.network,
                next_step="0 stands for an image without noise",
            )


@dataclass(frozen=True, kw_only=True)
class PhaseformerSpec(Spec):
    """Phaseformer. Its widths are fixed: 16, 32, 64, 128 at full, half, quarter, eighth resolution.

    blocks, heads, hidden: per resolution, the number of transformer blocks, of attention heads, and
    the width of the feed-forward part. refinement: blocks after the decoder.
    """

    module: ClassVar[str] = "phaseformer"
    network: ClassVar[str] = "Phaseformer"
    inputs: ClassVar[tuple[str, ...]] = ("image",)
    outputs: ClassVar[tuple[str, ...]] = ("low", "high")
    size_multiple: ClassVar[int] = 8
    widths: ClassVar[tuple[int, ...]] = (16, 32, 64, 128)

    blocks: tuple[int, ...] = (2, 3, 3, 4)
    heads: tuple[int, ...] = (1, 2, 4, 8)
    hidden: tuple[int, ...] = (42, 85, 170, 340)
    refinement: int = 4

    def __post_init__(self) -> None:
        self._require_count("refinement")
        for field in ("blocks", "heads", "hidden"):
            self._require(field, _has_counts(getattr(self, field), 4), "four counts")
        divides = all(
            width % heads == 0 for width, heads in zip(self.widths, self.heads, strict=True)
        )
        self._require("heads", divides, f"divisors of the widths {self.widths}")

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        check_image(
            inputs["image"], name="image", channels=3, multiple=self.size_multiple,
            where=self.network,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SpectroformerSpec(PhaseformerSpec):
    """Spectroformer; hyper-parameters as of Phaseformer, its successor."""

    module: ClassVar[str] = "spectroformer"
    network: ClassVar[str] = "Spectroformer"
    outputs: ClassVar[tuple[str, ...]] = ("restored",)


@dataclass(frozen=True, kw_only=True)
class PwcFlowSpec(Spec):
    """PWC-Net. Its widths are fixed.

    align_corners: how maps are warped. The published weights need it; False is for weights that
    were trained by unchanged old code on PyTorch 1.3 or later.
    """

    module: ClassVar[str] = "pwc_flow"
    network: ClassVar[str] = "PwcFlow"
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


@dataclass(frozen=True, kw_only=True)
class SelfBlindVsrSpec(Spec):
    """Self-Blind-VSR.

    width: channels. feature_blocks, blocks: residual blocks per frame, and after fusion. frames: of
    a clip. scale: how much larger the result is. kernel_size: of the blur kernel. is_enlarged: the
    frames already have the result's size. mode: "infer", or "train" or "val" for what these
    need besides. align_corners: see `PwcFlowSpec`.
    """

    module: ClassVar[str] = "self_blind_vsr"
    network: ClassVar[str] = "SelfBlindVsr"
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


@dataclass(frozen=True, kw_only=True)
class LmdVitStageSpec(Spec):
    """One stage of LMD-ViT; its maps are (n, h, w, width), sides multiples of the window.

    feed_forward: "leff" (a convolution over the map), "lefflocal" (within each window) or "mlp"
    (none). projection: "linear" or "conv", of queries, keys and values. modulator: a learned window
    is added before attention; cross_modulator: all pixels attend to another one, after a
    normalisation if cross_norm (the authors' code computes and then forgets it). pruned: windows
    are skipped. shift: every second block works on windows shifted by half. drop_path: the rate of
    each block.
    """

    module: ClassVar[str] = "lmd_vit"
    network: ClassVar[str] = "Stage"
    inputs: ClassVar[tuple[str, ...]] = ("x", "decisions", "noise")

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
    def uncompiled(self) -> Mapping[str, str]:
        return _UNCOMPILED_PRUNING if self.pruned else {}

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
        _check_pruning(self, inputs, x.shape[0], self.predictors * _windows(sides, self.window))


@dataclass(frozen=True, kw_only=True)
class LmdVitSpec(Spec):
    """LMD-ViT. Stages 0 to 3 encode, 4 is the bottleneck, 5 to 8 decode.

    width: channels at full resolution; stages have 1, 2, 4, 8, 16, 16, 8, 4, 2 times as many.
    depths, heads: blocks and attention heads of each stage. pruned: which stages skip windows.
    modulator, cross_modulator: in decoder stages only. drop_path: the largest rate; it grows from 0
    along the encoder, stays in the bottleneck and falls along the decoder. The others are those of
    `LmdVitStageSpec`.
    """

    module: ClassVar[str] = "lmd_vit"
    network: ClassVar[str] = "LmdVit"
    loss: ClassVar[str] = "LocalMotionLoss"
    repeated: ClassVar[str] = "Block"
    precise: ClassVar[str] = "Predictor"
    trained_outputs: ClassVar[tuple[str, ...]] = ("restored",)
    inputs: ClassVar[tuple[str, ...]] = ("image", "decisions", "noise")
    untiled: ClassVar[str] = (
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

    def stages(self) -> tuple[LmdVitStageSpec, ...]:
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
            LmdVitStageSpec(
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
    def uncompiled(self) -> Mapping[str, str]:
        return _UNCOMPILED_PRUNING if any(self.pruned) else {}

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
        _check_pruning(self, inputs, image.shape[0], self.decided_windows(*image.shape[2:]))

    def decided_windows(self, height: int, width: int) -> int:
        """How many windows all predictors decide about, for an image of a size."""
        scales = (1, 2, 4, 8, 16, 8, 4, 2, 1)
        return sum(
            stage.predictors * _windows((height, width), self.window * scale)
            for stage, scale in zip(self.stages(), scales, strict=True)
        )


_UNCOMPILED_PRUNING = {
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


def _check_pruning(spec: Spec, inputs: Mapping[str, np.ndarray], images: int, windows: int) -> None:
    """Check the optional inputs of a network with predictors."""
    for name, shape in (("decisions", (images, windows)), ("noise", (images, windows, 2))):
        if name in inputs:
            spec._require_shape(name, inputs[name], shape)


class EncoderSpec(Spec):
    """Base of the networks that give a map of features, or with a scale an enlarged image."""

    inputs: ClassVar[tuple[str, ...]] = ("image",)
    outputs: ClassVar[tuple[str, ...]] = ("features",)

    @property
    def channels(self) -> int:
        """How many channels the features have."""
        raise NotImplementedError

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        check_image(inputs["image"], name="image", channels=3, multiple=1, where=self.network)


@dataclass(frozen=True, kw_only=True)
class UpsamplingEncoderSpec(EncoderSpec):
    """Base of encoders that may end with an upsampler of their own.

    scale: 1 for features, or 2, 3, 4 for an image enlarged as often.
    """

    scale: int = 1

    @property
    def factors(self) -> tuple[int, ...]:
        """By how much each step of the upsampler enlarges."""
        return {1: (), 2: (2,), 3: (3,), 4: (2, 2)}[self.scale]

    def _require_scale(self) -> None:
        self._require("scale", self.scale in (1, 2, 3, 4), "1, 2, 3 or 4")


@dataclass(frozen=True, kw_only=True)
class EdsrSpec(UpsamplingEncoderSpec):
    """EDSR; see `UpsamplingEncoderSpec` for the scale.

    width: channels; blocks: residual blocks (0 is allowed). residual_scale: factor of each block's
    branch.
    """

    module: ClassVar[str] = "edsr"
    network: ClassVar[str] = "Edsr"

    width: int = 64
    blocks: int = 16
    residual_scale: float = 1.0

    def __post_init__(self) -> None:
        self._require_count("width")
        self._require("blocks", isinstance(self.blocks, int) and self.blocks >= 0, "at least 0")
        self._require("residual_scale", self.residual_scale > 0, "a factor above 0")
        self._require_scale()

    @property
    def channels(self) -> int:
        return self.width


@dataclass(frozen=True, kw_only=True)
class RdnSpec(UpsamplingEncoderSpec):
    """RDN; see `UpsamplingEncoderSpec` for the scale.

    width: channels between blocks. blocks: dense blocks, of so many convolutions, of which each
    adds `growth` channels. The paper's "B" is the default, its "A" is blocks 20, convolutions 6,
    growth 32.
    """

    module: ClassVar[str] = "rdn"
    network: ClassVar[str] = "Rdn"

    width: int = 64
    growth: int = 64
    blocks: int = 16
    convolutions: int = 8

    def __post_init__(self) -> None:
        self._require_count("width", "growth", "blocks", "convolutions")
        self._require_scale()

    @property
    def channels(self) -> int:
        return self.width


@dataclass(frozen=True, kw_only=True)
class SwinirSpec(EncoderSpec):
    """SwinIR.

    width: channels of the tokens. depths, heads: blocks and attention heads of each group. window:
    side of the attention's windows. mlp_ratio: how much wider the perceptrons are. merge: "1conv"
    or "3conv", what ends a group. drop_path: probability that the last block is left out in
    training; those before it less. keep_padding: give features as large as the image extended to
    multiples of the window, as the authors' code does, which then places them wrongly; only to
    reproduce it.
    """

    module: ClassVar[str] = "swinir"
    network: ClassVar[str] = "Swinir"

    width: int = 180
    depths: tuple[int, ...] = (6, 6, 6, 6, 6, 6)
    heads: tuple[int, ...] = (6, 6, 6, 6, 6, 6)
    window: int = 8
    mlp_ratio: float = 2.0
    merge: str = "1conv"
    drop_path: float = 0.1
    keep_padding: bool = False

    def __post_init__(self) -> None:
        self._require_count("width", "window")
        self._require("depths", bool(self.depths) and min(self.depths) >= 1, "a count per group")
        self._require(
            "heads",
            len(self.heads) == len(self.depths)
            and all(count >= 1 and self.width % count == 0 for count in self.heads),
            f"one divisor of the width, {self.width}, per group",
        )
        self._require("mlp_ratio", self.mlp_ratio > 0, "a factor above 0")
        self._require_one_of("merge", "1conv", "3conv")
        self._require(
            "width", self.merge == "1conv" or self.width % 4 == 0, "a multiple of 4 with '3conv'"
        )
        self._require("drop_path", 0 <= self.drop_path < 1, "a probability in [0, 1)")

    @property
    def channels(self) -> int:
        return 64

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        height, width = inputs["image"].shape[2:]
        if any(-side % self.window >= side for side in (height, width)):
            raise InputError(
                "input 'image'",
                expected=f"sides of which each exceeds what it lacks to a multiple of "
                f"{self.window}",
                got=f"{height}x{width}",
                where=self.network,
                next_step="mirror the image at its border first",
            )


MODULATIONS = ("scale and shift", "scale", "shift", "none")


@dataclass(frozen=True, kw_only=True)
class ContinuousSpec(Spec):
    """Base of networks that give the colour at any place of an image.

    Class variable `has_skip`: the result is added to bilinear interpolation of the image.

    encoder: the network that gives their features. chunk: queries decoded at a time, which bounds
    memory; what a query gives depends on no other. What the inputs beside the image mean is said in
    `restoration/queries.py`, which makes them.
    """

    inputs: ClassVar[tuple[str, ...]] = ("image", "index", "offset", "weight", "cell")
    outputs: ClassVar[tuple[str, ...]] = ("rgb",)
    required_inputs: ClassVar[int] = 5
    has_skip: ClassVar[bool] = False

    encoder: EncoderSpec = EdsrSpec()
    chunk: int = 16384

    @property
    def neighbours(self) -> int:
        """At how many pixels of the image each query looks."""
        raise NotImplementedError

    @property
    def lookups(self) -> int:
        """How many pixels it is told for each query, those of the skip included."""
        return self.neighbours + 4 * self.has_skip

    @property
    def weights(self) -> int:
        """How many of these it is told weights of, the last ones."""
        return self.lookups

    def _require_encoder(self) -> None:
        gives_features = isinstance(self.encoder, EncoderSpec) and not (
            getattr(self.encoder, "scale", 1) > 1 or getattr(self.encoder, "keep_padding", False)
        )
        self._require("encoder", gives_features, "an encoder's spec, scale 1, keep_padding False")
        self._require_count("chunk")

    def check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        super().check_inputs(inputs)
        image, index = inputs["image"], inputs["index"]
        self.encoder.check_inputs({"image": image})
        n, _, height, width = image.shape
        q = index.shape[-1] if index.ndim == 3 else "q"
        shapes: dict[str, tuple[Any, ...]] = {
            "index": (n, self.lookups, q),
            "offset": (n, self.neighbours, q, 2),
            "weight": (n, self.weights, q),
            "cell": (n, 2),
        }
        for name, shape in shapes.items():
            self._require_shape(name, inputs[name], shape)
        count = n * height * width
        is_index = np.issubdtype(index.dtype, np.integer) and index.size > 0
        if not is_index or index.min() < 0 or index.max() >= count:
            raise InputError(
                "input 'index'",
                expected=f"whole numbers below {count}, the images' pixels, for some queries",
                got=f"{index.dtype} up to {index.max()}" if index.size else "no queries",
                where=self.network,
                next_step="restoration.queries makes them",
            )


@dataclass(frozen=True, kw_only=True)
class ModulatedSpec(ContinuousSpec):
    """Base of the LMF models: a small network per pixel renders, its layers modulated.

    width, depth: of the render network's hidden layers. latent_width: hidden layer of the network
    that gives the modulations. ensemble: blend the four pixels around a query, else the nearest.
    modulation: one of MODULATIONS. compress: the modulating network also gives the code that the
    render network starts from, instead of the features.
    """

    width: int = 16
    depth: int = 8
    latent_width: int = 288
    ensemble: bool = True
    modulation: str = "scale and shift"
    compress: bool = True

    @property
    def neighbours(self) -> int:
        return 4 if self.ensemble else 1

    @property
    def modulations(self) -> int:
        """How many numbers modulate the render network at a pixel."""
        kinds = {"scale and shift": 2, "scale": 1, "shift": 1, "none": 0}[self.modulation]
        return kinds * self.width * self.depth

    def _require_modulation(self) -> None:
        self._require_encoder()
        self._require_count("width", "depth", "latent_width")
        self._require_one_of("modulation", *MODULATIONS)
        self._require(
            "compress",
            self.compress or self.modulation != "none",
            "True without modulation: else the modulating network has nothing to give",
        )


@dataclass(frozen=True, kw_only=True)
class LmLiifSpec(ModulatedSpec):
    """LM-LIIF; see `ModulatedSpec`.

    unfold: the modulating network sees each pixel's 3x3 neighbourhood. cell: both networks are told
    the size of an output pixel.
    """

    module: ClassVar[str] = "lmf"
    network: ClassVar[str] = "LmLiif"

    depth: int = 6
    latent_width: int = 208
    unfold: bool = True
    cell: bool = True

    def __post_init__(self) -> None:
        self._require_modulation()


@dataclass(frozen=True, kw_only=True)
class LmLteSpec(ModulatedSpec):
    """LM-LTE; see `ModulatedSpec`.

    frequencies: channels of the Fourier features that give the modulations. cell: the phase is
    told the size of an output pixel.
    """

    module: ClassVar[str] = "lmf"
    network: ClassVar[str] = "LmLte"
    has_skip: ClassVar[bool] = True

    frequencies: int = 128
    cell: bool = True

    def __post_init__(self) -> None:
        self._require_modulation()
        self._require_count("frequencies")
        self._require("frequencies", self.frequencies % 2 == 0, "an even number: sines and cosines")
        self._require("width", self.width % 2 == 0, "an even number: sines and cosines")


@dataclass(frozen=True, kw_only=True)
class LmCiaosrSpec(ModulatedSpec):
    """LM-CiaoSR; see `ModulatedSpec`; the ensemble is also the attention over four neighbours.

    hidden: hidden layer of the networks for queries, keys and values. scale: of the attention
    across scales, 2, 3 or 4. temperature: what the logits of the attention over neighbours are
    divided by. as_published: keep two faults that the published weights were trained with, the 3x3
    neighbourhood's channels cut as if they came place by place, and the neighbours' offset divided
    by the size twice, which leaves nearly nothing of it; False mends both, for training anew.
    """

    module: ClassVar[str] = "lmf"
    network: ClassVar[str] = "LmCiaosr"
    has_skip: ClassVar[bool] = True

    hidden: int = 256
    scale: int = 2
    temperature: float = 1.0
    as_published: bool = True

    def __post_init__(self) -> None:
        self._require_modulation()
        self._require_count("hidden")
        self._require("scale", self.scale in (2, 3, 4), "2, 3 or 4")
        self._require("temperature", self.temperature > 0, "a number above 0")


@dataclass(frozen=True, kw_only=True)
class LiifSpec(ContinuousSpec):
    """LIIF.

    hidden: hidden layers of the render network. ensemble, unfold, cell: as in `LmLiifSpec`.
    """

    module: ClassVar[str] = "implicit"
    network: ClassVar[str] = "Liif"

    hidden: tuple[int, ...] = (256, 256, 256, 256)
    chunk: int = 4096
    ensemble: bool = True
    unfold: bool = True
    cell: bool = True

    def __post_init__(self) -> None:
        self._require_encoder()
        self._require("hidden", bool(self.hidden) and min(self.hidden) >= 1, "widths of layers")

    @property
    def neighbours(self) -> int:
        return 4 if self.ensemble else 1


@dataclass(frozen=True, kw_only=True)
class LteSpec(ContinuousSpec):
    """LTE.

    hidden: hidden layers of the render network. frequencies: channels of the Fourier features.
    pairing: how they are the frequencies of y and x: "interleaved", or "halves" (lte-fast).
    """

    module: ClassVar[str] = "implicit"
    network: ClassVar[str] = "Lte"
    has_skip: ClassVar[bool] = True

    hidden: tuple[int, ...] = (256, 256, 256)
    chunk: int = 4096
    frequencies: int = 256
    pairing: str = "interleaved"

    def __post_init__(self) -> None:
        self._require_encoder()
        self._require("hidden", bool(self.hidden) and min(self.hidden) >= 1, "widths of layers")
        self._require_count("frequencies")
        self._require("frequencies", self.frequencies % 2 == 0, "an even number: sines and cosines")
        self._require_one_of("pairing", "interleaved", "halves")

    @property
    def neighbours(self) -> int:
        return 4


@dataclass(frozen=True, kw_only=True)
class CiaosrSpec(ContinuousSpec):
    """CiaoSR.

    hidden: hidden layers of each of the three networks. reach: 1, 2 or 3 neighbours along an axis.
    scales: of the attention across scales, some of 2, 3 and 4, or none. temperature: what the
    logits of the attention over neighbours are divided by.
    """

    module: ClassVar[str] = "implicit"
    network: ClassVar[str] = "Ciaosr"
    has_skip: ClassVar[bool] = True

    hidden: tuple[int, ...] = (256, 256, 256, 256)
    reach: int = 2
    scales: tuple[int, ...] = (2,)
    temperature: float = 1.0
    chunk: int = 4096

    def __post_init__(self) -> None:
        self._require_encoder()
        self._require("hidden", bool(self.hidden) and min(self.hidden) >= 1, "widths of layers")
        self._require("reach", self.reach in (1, 2, 3), "1, 2 or 3")
        self._require("scales", set(self.scales) <= {2, 3, 4}, "some of 2, 3 and 4")
        self._require("temperature", self.temperature > 0, "a number above 0")

    @property
    def neighbours(self) -> int:
        return self.reach**2

    @property
    def lookups(self) -> int:
        return self.neighbours + 1 + 4

    @property
    def weights(self) -> int:
        return 4
