"""NIMBUSR's blur, its transpose and its saturation: the authors' numbers, NumPy, and what upstream
gets wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from parity.judge.authors import AUTHORS_BOUND
from parity.judge.verdicts import BOUND
from restoration.data import sample_inputs
from restoration.errors import InputError
from restoration.models.nimbusr import NIMBUSRSpec
from tests.backends import Backend, RaisedError
from tests.parity.judging import Arrays, distance, perturbed_by_an_ulp, worst_ratio

GOLDEN = Path(__file__).parents[1] / "golden" / "nimbusr-operators.safetensors"
PORTS = ("jittor", "mindspore")
INPUTS = ("image", "masks", "kernels")
RESULTS = (
    "blur",
    "transposed",
    "convolve0",
    "correlate0",
    "saturation",
    "saturation_derivative",
)


@pytest.fixture(scope="module")
def golden() -> Arrays:
    return load_file(GOLDEN)


def _evaluate(backend: Backend, golden: Arrays, inputs: Arrays, dtype: type) -> Arrays:
    """All results, and the gradients of the sum over results of mean(result * probe)."""
    probes = [golden[f"probes/{name}"].astype(dtype) for name in RESULTS]
    probes = [probe / dtype(probe.size) for probe in probes]
    arrays = [inputs[name].astype(dtype) for name in INPUTS]
    found = backend.call("nimbusr_operators", arrays, probes)
    names = [f"output/{name}" for name in RESULTS] + [f"gradient/{name}" for name in INPUTS]
    return dict(zip(names, found, strict=True))


def test_the_operators_are_the_authors_in_every_framework(
    backends: Callable[[str], Backend], golden: Arrays
) -> None:
    """Values and gradients: PyTorch in float64 as stored, the ports as exact as PyTorch."""
    inputs = {name: golden[f"inputs/{name}"] for name in INPUTS}
    truth = _evaluate(backends("torch"), golden, inputs, np.float64)
    for name, array in truth.items():
        kind, short = name.split("/")
        stored = golden[("outputs/" if kind == "output" else "grads_inputs/") + short]
        assert distance(array, stored) <= AUTHORS_BOUND, name
    float32_runs = [
        _evaluate(backends("torch"), golden, given, np.float32)
        for given in (inputs, *(perturbed_by_an_ulp(inputs, seed) for seed in range(3)))
    ]
    for framework in PORTS:
        found = _evaluate(backends(framework), golden, inputs, np.float32)
        ratio, where = worst_ratio(found, truth, float32_runs)
        assert ratio <= BOUND, f"{framework}: {where}"


@pytest.mark.parametrize(("size", "height", "width"), [(5, 7, 6), (9, 5, 6)])
def test_kernel_spectra(backend: Backend, size: int, height: int, width: int) -> None:
    """Centerd on the origin; a kernel larger than the image wraps around."""
    kernels = np.random.default_rng(1).random((2, 3, size, size)).astype(np.float32)
    wrapped = np.zeros((2, 3, height, width))
    offsets = np.arange(size) - size // 2
    for row, column in np.ndindex(size, size):
        place = offsets[row] % height, offsets[column] % width
        wrapped[:, :, place[0], place[1]] += kernels[:, :, row, column]
    expected = np.fft.rfft2(wrapped)
    real, imaginary = backend.call("nimbusr_spectra", kernels, height, width)
    np.testing.assert_allclose(real, expected.real, atol=2e-5)
    np.testing.assert_allclose(imaginary, expected.imag, atol=2e-5)


def test_saturation_does_not_change_its_argument(backend: Backend) -> None:
    """Upstream clamps the caller's array; the clamp at 1.5 belongs to the value only."""
    x = np.array([[-3.0, -0.2, 0.0, 0.5, 0.98, 1.02, 1.4, 1.6, 9.0]], np.float32)
    value, slope, afterwards = backend.call("saturated", x, 1.0)
    assert np.array_equal(afterwards, x)
    clamped = np.minimum(x.astype(np.float64), 1.5)
    soft = np.maximum(0, clamped - np.log1p(np.exp(50 * (clamped - 1))) / 50)
    np.testing.assert_allclose(value, soft, atol=3e-7)
    np.testing.assert_allclose(slope, 1 / (1 + np.exp(50 * (clamped - 1))), rtol=2e-5)


def _tiny(**changes: object) -> tuple[NIMBUSRSpec, Arrays]:
    spec = NIMBUSRSpec(iterations=1, hyper_width=4, widths=(4, 4, 4, 4), blocks=1)
    spec = dataclasses.replace(spec, **changes)  # type: ignore[arg-type]
    return spec, sample_inputs.varying_blur(spec, height_px=16, width_px=16, names=("cat",), seed=0)


def test_max_pooling_runs(backend: Backend) -> None:
    """Upstream forgets the padding behind the pooling, so sizes do not match."""
    spec, inputs = _tiny(downsample="maxpool")
    weights = backend.call("state", spec)
    restored = backend.call("run", spec, weights, inputs)["restored"]
    assert restored.shape == (1, 3, 16, 16)
    assert np.isfinite(restored).all()


def test_saturation_without_noise_is_finite(backend: Backend) -> None:
    """Upstream divides by the square of sigma and multiplies by it again."""
    spec, inputs = _tiny(saturation=True)
    weights = backend.call("state", spec)
    inputs["sigma"] = np.zeros((1, 1, 1, 1), np.float32)
    assert np.isfinite(backend.call("run", spec, weights, inputs)["restored"]).all()


def test_saturation_knows_no_scale() -> None:
    with pytest.raises(InputError, match=r"NIMBUSRSpec\.scale: expected 1 with saturation"):
        NIMBUSRSpec(saturation=True, scale=2)


@pytest.mark.parametrize(
    ("name", "shape", "text"),
    [
        ("kernels", (1, 4, 8, 8), "input 'kernels': expected an odd size"),
        ("kernels", (1, 4, 35, 35), "half of it at most 16, the image's shorter side, got 35"),
        ("sigma", (1, 1), "input 'sigma': expected shape (1, 1, 1, 1), got (1, 1)"),
        ("sigma", (2, 1, 1, 1), "input 'sigma': expected shape (1, 1, 1, 1), got (2, 1, 1, 1)"),
        ("masks", (1, 4, 16, 15), "input 'masks': expected shape (1, 4, 16, 16)"),
    ],
)
def test_inputs_that_upstream_fails_on(
    backend: Backend, name: str, shape: tuple[int, ...], text: str
) -> None:
    spec, inputs = _tiny()
    inputs[name] = np.full(shape, 0.01, np.float32)
    with pytest.raises(RaisedError) as caught:
        backend.call("run", spec, backend.call("state", spec), inputs)
    assert text in caught.value.text
