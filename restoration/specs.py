"""Hyper-parameters: one frozen dataclass per model, checked on construction.

A spec also carries what every framework must agree on about its network and cannot be read from
an array: the file and the class that implement it, and the names of its inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from restoration.errors import InputError, unknown_name


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Base of all specs.

    Class variables: `module` is the file in each `*_impl` package and `network` the class in it;
    `loss` is the class in `losses.py` that trains it; `inputs` and `outputs` name the network's
    arguments and results in order; inputs after the first `required_inputs` may be left out.
    `uncompiled` names, per framework, the construct that its graph compiler cannot take.
    `size_multiple` is what the height and width of an input image must be multiples of.
    """

    module: ClassVar[str]
    network: ClassVar[str]
    loss: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    outputs: ClassVar[tuple[str, ...]]
    required_inputs: ClassVar[int] = 1
    uncompiled: ClassVar[Mapping[str, str]] = {}
    size_multiple: ClassVar[int] = 1

    def to_dict(self) -> dict[str, Any]:
        """The hyper-parameters as plain values, for JSON; `spec_from_dict` reads them."""
        return {"type": type(self).__name__, **asdict(self)}

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
    types = {spec_type.__name__: spec_type for spec_type in _descendants(Spec)}
    fields = dict(values)
    name = fields.pop("type", None)
    if name not in types:
        raise unknown_name("type of spec", name, types, where="restoration/specs.py")
    values = {
        field: tuple(value) if isinstance(value, list) else value for field, value in fields.items()
    }
    return types[name](**values)


def _descendants(base: type[Spec]) -> Iterator[type[Spec]]:
    """All types of spec that derive from one."""
    for spec_type in base.__subclasses__():
        yield spec_type
        yield from _descendants(spec_type)


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
    def outputs(self) -> tuple[str, ...]:  # type: ignore[override]
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
