"""Ports with one planted fault each, and honest ports that compute the same in another way.

Each is an engine class made from a real one; `write_package` turns it into a package that
`parity run --engine NAME=PACKAGE` takes. `FAULTS` says what the run must name.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def write_package(folder: Path, name: str, *, framework: str, change: str) -> str:
    """A package `name` in `folder` whose engine is the framework's with a change of this file."""
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "runtime.py").write_text(f"from {framework}_impl.runtime import prepare\n")
    (package / "engine.py").write_text(
        f"from {framework}_impl.engine import devices\n"
        "from tests.parity import faults\n"
        f"ENGINE = faults.engine({framework!r}, {change!r})\n"
    )
    return name


def engine(framework: str, change: str) -> type:
    """The framework's engine class with a change: to its network, or to the engine itself."""
    original: Any = importlib.import_module(f"{framework}_impl.engine").ENGINE
    if change in _ENGINES:
        return _ENGINES[change](original)

    class Changed(original):  # type: ignore[misc]
        def build(self, spec: Any) -> Any:
            network = super().build(spec)
            changed = getattr(_Changes, change)(network.module)
            return dataclasses.replace(network, module=changed or network.module)

    return Changed


def _wrap_forward(module: Any, wrap: Callable[..., Any]) -> None:
    """Compute a module's result through wrap(original, *arguments)."""
    verb = next(
        verb
        for verb in ("forward", "execute", "construct")
        if callable(getattr(type(module), verb, None))
    )
    original = getattr(module, verb)
    object.__setattr__(module, verb, lambda *arguments: wrap(original, *arguments))


class _Changes:
    """What may be changed of a network, under the names that tests use."""

    # Faults of one place in the forward pass.

    @staticmethod
    def bilinear_for_nearest(model: Any) -> None:
        """The fusion enlarges smoothly."""
        import torch.nn.functional as F

        module = importlib.import_module(type(model).__module__)

        def upsample(x: Any, factor: int, *, mode: str) -> Any:
            if factor == 1:
                return x
            return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)

        module.upsample = upsample

    @staticmethod
    def asymmetric_for_nearest(model: Any) -> None:
        """The fusion enlarges as the model zoo's port does; works in every framework."""
        for fusion in (model.fusion1, model.fusion2):
            fusion.resize = "asymmetric"

    @staticmethod
    def swapped_modules(model: Any) -> None:
        """A residual block applies its second convolution first."""
        block = model.encoder2[0]
        relu = importlib.import_module("torch").relu
        _wrap_forward(block, lambda _, x: block.conv1(relu(block.conv2(x))) + x)

    @staticmethod
    def dropped_bias(model: Any) -> None:
        """A convolution forgets its bias when it computes."""
        bias = model.head3.bias
        _wrap_forward(model.head3, lambda original, x: original(x) - bias.reshape(1, -1, 1, 1))

    @staticmethod
    def nan(model: Any) -> None:
        """One number of one module is NaN."""

        def wrap(original: Any, x: Any) -> Any:
            result = original(x)
            flat = result.reshape(-1)
            flat[7] = float("nan")
            return flat.reshape(result.shape)

        _wrap_forward(model.shallow3.conv2, wrap)

    @staticmethod
    def skipped_module(model: Any) -> None:
        """A residual block is never run."""
        _wrap_forward(model.decoder1, lambda _, x: x)

    @staticmethod
    def border_only(model: Any) -> None:
        """A convolution repeats the border instead of padding with zeros."""
        model.down2.padding_mode = "replicate"
        model.down2._reversed_padding_repeated_twice = [1, 1, 1, 1]

    @staticmethod
    def corner_only(model: Any) -> None:
        """One pixel of one channel is off by a thousandth."""

        def wrap(original: Any, x: Any) -> Any:
            result = original(x).clone()
            result[:, 0, 0, 0] += 1e-3
            return result

        _wrap_forward(model.merge2, wrap)

    @staticmethod
    def flipped_kernel(model: Any) -> None:
        """A convolution instead of a correlation."""
        conv = model.attention2.merge
        _wrap_forward(conv, lambda _, x: conv._conv_forward(x, conv.weight.flip(2, 3), conv.bias))

    @staticmethod
    def reversed_channels(model: Any) -> None:
        """BGR goes in."""
        _wrap_forward(model.stem, lambda original, x: original(x.flip(1)))

    @staticmethod
    def lost_activation(model: Any) -> None:
        """A leaky ReLU with a slope of a hundredth after a convolution."""
        import torch.nn.functional as F

        block = model.decoder2[0]
        _wrap_forward(block, lambda _, x: block.conv2(F.leaky_relu(block.conv1(x), 0.01)) + x)

    @staticmethod
    def half_precision(model: Any) -> None:
        """One convolution computes in bfloat16."""
        import torch

        conv = model.encoder3[0].conv1
        _wrap_forward(
            conv,
            lambda _, x: torch.nn.functional.conv2d(
                x.bfloat16(), conv.weight.bfloat16(), conv.bias.bfloat16(), padding=1
            ).float(),
        )

    @staticmethod
    def small_gain(model: Any) -> None:
        """The full-resolution result is too bright by twenty in a million."""
        _wrap_forward(model.head1, lambda original, x: original(x) * (1 + 2e-5))

    # Faults elsewhere.

    @staticmethod
    def gradient_only(model: Any) -> None:
        """The forward pass is right; a tenth of a gradient is lost."""

        def wrap(original: Any, x: Any) -> Any:
            result = original(x)
            return 0.9 * result + 0.1 * result.detach()

        _wrap_forward(model.encoder3, wrap)

    # Workers that do not come back.

    @staticmethod
    def crash(model: Any) -> None:
        """The process kills itself as a broken library would."""
        _wrap_forward(model, lambda *_: os.abort())

    @staticmethod
    def out_of_memory(model: Any) -> None:
        """The process is killed as the kernel does when memory runs out."""
        _wrap_forward(model, lambda *_: os.kill(os.getpid(), 9))

    @staticmethod
    def hang(model: Any) -> None:
        """The process stops saying anything."""
        _wrap_forward(model, lambda *_: time.sleep(600))

    @staticmethod
    def exception(model: Any) -> None:
        """The framework raises."""

        def fail(*_: Any) -> None:
            raise RuntimeError("no kernel for this operator\nand much more text")

        _wrap_forward(model, fail)

    # Honest ports: the same mathematics, another order of rounding.

    @staticmethod
    def honest(_model: Any) -> None:
        """Nothing is changed."""

    @staticmethod
    def honest_one_thread(_model: Any) -> None:
        """One thread, no oneDNN, another memory layout."""
        import torch

        torch.set_num_threads(1)
        torch.backends.mkldnn.enabled = False

    @staticmethod
    def honest_contiguous(model: Any) -> Any:
        """The default memory layout."""
        import torch

        return model.to(memory_format=torch.contiguous_format)

    @staticmethod
    def honest_matrix_products(model: Any) -> None:
        """Every 3x3 convolution of stride 1 as one matrix product of patches."""
        import torch
        import torch.nn.functional as F

        def as_product(conv: Any) -> Callable[..., Any]:
            def wrap(_: Any, x: Any) -> Any:
                patches = F.unfold(x, 3, padding=1)
                products = torch.matmul(conv.weight.flatten(1), patches)
                return (products + conv.bias[:, None]).reshape(len(x), -1, *x.shape[2:])

            return wrap

        for module in model.modules():
            geometry = getattr(module, "kernel_size", None), getattr(module, "stride", None)
            if isinstance(module, torch.nn.Conv2d) and geometry == ((3, 3), (1, 1)):
                _wrap_forward(module, as_product(module))

    @staticmethod
    def honest_split_sums(model: Any) -> None:
        """Every convolution summed over two halves of its channels, the second half first."""
        import torch
        import torch.nn.functional as F

        def halved(conv: Any) -> Callable[..., Any]:
            def wrap(_: Any, x: Any) -> Any:
                half = x.shape[1] // 2
                first = F.conv2d(
                    x[:, :half], conv.weight[:, :half], None, conv.stride, conv.padding
                )
                rest = F.conv2d(x[:, half:], conv.weight[:, half:], None, conv.stride, conv.padding)
                return rest + first + conv.bias.reshape(1, -1, 1, 1)

            return wrap

        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                _wrap_forward(module, halved(module))


def _rounded_weights(original: Any) -> type:
    """Weights pass through float16 on loading."""

    class Changed(original):  # type: ignore[misc]
        def load(self, model: Any, state: Mapping[str, np.ndarray]) -> None:
            rounded = {
                name: array.astype(np.float16).astype(np.float32) for name, array in state.items()
            }
            super().load(model, rounded)

    return Changed


def _untapped_module(original: Any) -> type:
    """Everything is right, but one module is not shown."""

    class Changed(original):  # type: ignore[misc]
        def run_tapped(self, model: Any, inputs: Mapping[str, np.ndarray]) -> Any:
            outputs, taps = super().run_tapped(model, inputs)
            return outputs, [tap for tap in taps if tap.module != "attention3"]

    return Changed


def _wrong_dtype(original: Any) -> type:
    """Outputs in double precision."""

    class Changed(original):  # type: ignore[misc]
        def run(self, *arguments: Any, **options: Any) -> Any:
            outputs = super().run(*arguments, **options)
            return {name: array.astype(np.float64) for name, array in outputs.items()}

    return Changed


_ENGINES: dict[str, Callable[[Any], type]] = {
    "rounded_weights": _rounded_weights,
    "untapped_module": _untapped_module,
    "wrong_dtype": _wrong_dtype,
}

FAULTS = {
    "bilinear_for_nearest": "fusion2.conv2: its input differs, so the code of fusion2",
    "swapped_modules": "encoder2.0.conv1: its input differs, so the code of encoder2.0",
    "dropped_bias": "head3",
    "nan": "shallow3.conv2",
    "skipped_module": "decoder1.0: the port never ran it",
    "border_only": "down2",
    "corner_only": "merge2",
    "flipped_kernel": "attention2.merge",
    "reversed_channels": "stem",
    "lost_activation": "decoder2.0.conv2: its input differs, so the code of decoder2.0",
    "half_precision": "encoder3.0.conv1",
    "small_gain": "head1",
    "gradient_only": "encoder3.0.conv2: the outputs agree, the gradients",
    "rounded_weights": "76 parameters changed by loading",
    "wrong_dtype": "output/full: dtype float64, expected float32",
}
"""Faults, and how the first faulty module must be named."""

HONEST = (
    "honest",
    "honest_one_thread",
    "honest_contiguous",
    "honest_matrix_products",
    "honest_split_sums",
)
