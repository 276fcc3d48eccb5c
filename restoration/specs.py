"""Hyper-parameters: one frozen dataclass per model, checked on construction.

A spec also carries what every framework must agree on about its network and cannot be read from
an array: the file and the class that implement it, and the names of its inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
        return {"type": type(self).__name__, **asdict(self)}

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


def spec_from_dict(values: Mapping[str, Any]) -> Spec:
    """The inverse of `Spec.to_dict`.

    Raises:
        InputError: the type is unknown, or its hyper-parameters do not fit together.
    """
    types = {spec_type.__name__: spec_type for spec_type in Spec.__subclasses__()}
    fields = dict(values)
    name = fields.pop("type", None)
    if name not in types:
        raise unknown_name("type of spec", name, types, where="restoration/specs.py")
    values = {
        field: tuple(value) if isinstance(value, list) else value for field, value in fields.items()
    }
    return types[name](**values)


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
