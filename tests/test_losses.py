"""MIMO-UNet's loss against what the authors' code computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.backends import Backend

GOLDEN = Path(__file__).parent / "golden" / "mimo_unet-loss.safetensors"
SCALES = ("quarter", "half", "full")


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return load_file(GOLDEN)


def _arguments(golden: dict[str, np.ndarray], dtype: type) -> list[np.ndarray]:
    names = [f"inputs/pred_{scale}" for scale in SCALES] + ["inputs/label"]
    return [golden[name].astype(dtype) for name in names]


def test_value(backend: Backend, golden: dict[str, np.ndarray]) -> None:
    (found,) = backend.call("loss", "MultiScaleLoss", _arguments(golden, np.float32))
    assert found.shape == (1,)
    assert found[0] == pytest.approx(float(golden["outputs/loss"]), rel=1e-6)


def test_reduced_targets(backend: Backend, golden: dict[str, np.ndarray]) -> None:
    for factor, name in ((2, "label_half"), (4, "label_quarter")):
        (found,) = backend.call(
            "layer", "downsample_bilinear", [golden["inputs/label"]], {"factor": factor}
        )
        np.testing.assert_allclose(found, golden[f"outputs/{name}"], rtol=0, atol=1e-6)


def test_terms_and_gradients_in_float64(
    backends: Callable[[str], Backend], golden: dict[str, np.ndarray]
) -> None:
    """The reference reproduces the authors' numbers to the last digits.

    The golden gradient is that of all five outputs, each weighted by its probe.
    """
    torch = backends("torch")
    label = golden["inputs/label"].astype(np.float64)
    outputs = _arguments(golden, np.float64)[:3]
    targets = [
        torch.call("layer", "downsample_bilinear", [label], {"factor": factor})[0]
        for factor in (4, 2, 1)
    ]
    names = ("absolute_difference", "spectral_difference")
    content, spectral = (
        sum(
            torch.call("loss", name, [output, target])[0][0]
            for output, target in zip(outputs, targets, strict=True)
        )
        for name in names
    )
    assert content == pytest.approx(float(golden["outputs/loss_content"]), rel=1e-13)
    assert spectral == pytest.approx(float(golden["outputs/loss_fft"]), rel=1e-13)

    weights = [float(golden[f"probes/{name}"]) for name in ("loss", "loss_content", "loss_fft")]
    factors = dict(
        zip(names, (weights[0] + weights[1], 0.1 * weights[0] + weights[2]), strict=True)
    )
    for place, scale in enumerate(SCALES):
        found = sum(
            factor * torch.call("loss_gradients", name, [outputs[place], targets[place]], 1.0)[0]
            for name, factor in factors.items()
        )
        np.testing.assert_allclose(
            found, golden[f"grads_inputs/pred_{scale}"], rtol=1e-11, atol=1e-15
        )


def test_gradients_agree(backend: Backend, golden: dict[str, np.ndarray]) -> None:
    """The whole loss's gradients by predictions, from the golden terms' definition in float64."""
    exact = _arguments(golden, np.float64)
    found = backend.call("loss_gradients", "MultiScaleLoss", _arguments(golden, np.float32), 1.0)
    for place, (output, factor) in enumerate(zip(exact[:3], (4, 2, 1), strict=True)):
        target = exact[3]
        if factor > 1:
            n, c, h, w = target.shape
            blocks = target.reshape(n, c, h // factor, factor, w // factor, factor)
            middle = slice(factor // 2 - 1, factor // 2 + 1)
            target = blocks[:, :, :, middle][..., middle].mean((3, 5))
        difference = output - target
        spectrum = np.fft.fft2(difference)
        signs = np.sign(spectrum.real) + 1j * np.sign(spectrum.imag)
        size = difference.shape[2] * difference.shape[3]
        by_spectrum = 0.1 * (np.fft.ifft2(signs) * size).real / (2 * difference.size)
        expected = np.sign(difference) / difference.size + by_spectrum
        tolerance = 3e-6 * np.abs(expected).max()
        np.testing.assert_allclose(found[place], expected, rtol=0, atol=tolerance)
