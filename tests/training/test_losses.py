"""The losses against what the authors' code computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from restoration.evaluation.metrics import psnr_db, weighted_psnr_db
from tests.backends import Backend

GOLDEN = Path(__file__).parents[1] / "golden" / "mimo_unet-loss.safetensors"
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


# LMD-ViT. The golden gradient is that of all thirteen outputs, each weighted by its probe.

LMD_TERMS = {
    "l1": ("local_difference", False, {}),
    "l1_masked": ("local_difference", True, {}),
    "ssim_loss": ("local_dissimilarity", False, {}),
    "ssim_loss_masked": ("local_dissimilarity", True, {}),
    "ssim_loss_masked3": ("local_dissimilarity", True, {}),
    "fft": ("spectral_modulus", False, {}),
    "frequency": ("amplitude_difference", False, {"parts": 8}),
    "frequency_factor4": ("amplitude_difference", False, {"parts": 4}),
}


@pytest.fixture(scope="module")
def lmd_golden() -> dict[str, np.ndarray]:
    return load_file(GOLDEN.parent / "lmd_vit-losses.safetensors")


def _lmd_arguments(golden: dict[str, np.ndarray], name: str, dtype: type) -> list[np.ndarray]:
    output, target, mask = (golden[f"inputs/{key}"].astype(dtype) for key in ("pred", "gt", "mask"))
    if name.endswith("masked3"):
        mask = np.repeat(mask, 3, axis=1)
    return (
        [output, target, mask] if name not in LMD_TERMS or LMD_TERMS[name][1] else [output, target]
    )


@pytest.mark.parametrize("name", LMD_TERMS)
def test_terms_of_lmd_vit(backend: Backend, lmd_golden: dict[str, np.ndarray], name: str) -> None:
    function, _, options = LMD_TERMS[name]
    arguments = _lmd_arguments(lmd_golden, name, np.float32)
    (found,) = backend.call("loss", function, arguments, options)
    np.testing.assert_allclose(found, lmd_golden[f"outputs/{name}"], rtol=1e-5)


@pytest.mark.parametrize(("name", "shift_px"), [("total", 0), ("total_shift", 1)])
def test_the_whole_loss_of_lmd_vit(
    backend: Backend,
    lmd_golden: dict[str, np.ndarray],
    name: str,
    shift_px: int,
) -> None:
    arguments = _lmd_arguments(lmd_golden, name, np.float32)
    (found,) = backend.call(
        "loss", "LocalMotionLoss", arguments, {"shift_px": shift_px, "masked": True}
    )
    assert found == pytest.approx(float(lmd_golden[f"outputs/{name}"]), rel=1e-5)


def test_lmd_vit_in_float64(
    backends: Callable[[str], Backend], lmd_golden: dict[str, np.ndarray]
) -> None:
    """Every term, and the gradient of all of them by prediction, target and mask."""
    torch = backends("torch")
    gradient = [
        np.zeros_like(lmd_golden[f"inputs/{key}"], np.float64) for key in ("pred", "gt", "mask")
    ]

    def add(found: list[np.ndarray]) -> None:
        for place, array in enumerate(found):
            wide = array.shape[1] > gradient[place].shape[1]
            gradient[place] += array.sum(axis=1, keepdims=True) if wide else array

    for name, (function, _, options) in LMD_TERMS.items():
        arguments = _lmd_arguments(lmd_golden, name, np.float64)
        (found,) = torch.call("loss", function, arguments, options)
        np.testing.assert_allclose(found, lmd_golden[f"outputs/{name}"], rtol=1e-12)
        probe = lmd_golden[f"probes/{name}"] / 2
        add(torch.call("weighted_loss_gradients", function, arguments, probe, options))
    for name, shift_px in (("total", 0), ("total_shift", 1)):
        arguments = _lmd_arguments(lmd_golden, name, np.float64)
        options = {"shift_px": shift_px, "masked": True}
        (found,) = torch.call("loss", "LocalMotionLoss", arguments, options)
        assert found == pytest.approx(float(lmd_golden[f"outputs/{name}"]), rel=1e-12)
        probe = lmd_golden[f"probes/{name}"].reshape(1)
        add(torch.call("weighted_loss_gradients", "LocalMotionLoss", arguments, probe, options))
    for name in ("psnr", "psnr_masked1", "psnr_masked3"):
        add(_psnr_gradients(lmd_golden, name))
    for found, key in zip(gradient, ("pred", "gt", "mask"), strict=True):
        expected = lmd_golden[f"grads_inputs/{key}"]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def _psnr_gradients(golden: dict[str, np.ndarray], name: str) -> list[np.ndarray]:
    """Derivatives of the authors' PSNR, by hand."""
    output, target, mask = (
        golden[f"inputs/{key}"].astype(np.float64) for key in ("pred", "gt", "mask")
    )
    weight = np.ones_like(output) if name == "psnr" else np.repeat(mask, 3, axis=1)
    difference = output.clip(0, 1) - target.clip(0, 1)
    total = (difference**2 * weight).sum((1, 2, 3), keepdims=True)
    probe = golden[f"probes/{name}"].astype(np.float64).reshape(-1, 1, 1, 1)
    factor = -10 / np.log(10) * probe / 2
    by_output = factor * 2 * difference * weight / total
    by_mask = factor * (difference**2 / total - 1 / weight.sum((1, 2, 3), keepdims=True))
    inside = [(array >= 0) & (array <= 1) for array in (output, target)]
    found = [by_output * inside[0], -by_output * inside[1]]
    if name == "psnr_masked1":
        by_mask = factor * (difference**2 / total).sum(1, keepdims=True)
        by_mask = by_mask - factor / mask.sum((1, 2, 3), keepdims=True)
    return found if name == "psnr" else [*found, by_mask]


def test_psnr_of_lmd_vit(lmd_golden: dict[str, np.ndarray]) -> None:
    """With a mask of one channel the authors' value is 10 log10(3) too low; ours is not."""
    output, target, mask = (lmd_golden[f"inputs/{key}"] for key in ("pred", "gt", "mask"))
    for place in range(2):
        pair = target[place].clip(0, 1), output[place].clip(0, 1)
        assert psnr_db(*pair) == pytest.approx(lmd_golden["outputs/psnr"][place], rel=1e-6)
        weighted = weighted_psnr_db(*pair, mask[place])
        assert weighted == pytest.approx(lmd_golden["outputs/psnr_masked3"][place], rel=1e-6)
        wrong = lmd_golden["outputs/psnr_masked1"][place] + 10 * np.log10(3)
        assert weighted == pytest.approx(wrong, rel=1e-6)
