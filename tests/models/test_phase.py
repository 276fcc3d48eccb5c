"""Phases of spectra, and the parts of Phaseformer and Spectroformer that work on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from parity.cases.goldens import golden_cases
from parity.judge.measurement import ArrayKey
from restoration.data.photographs import photograph
from restoration.errors import InputError
from restoration.models import registry
from tests.backends import Backend
from weights_convert.checkpoints.loading import read_state
from weights_convert.published import layouts

GOLDEN = Path(__file__).parents[1] / "golden"
PARTS: dict[str, tuple[str, str, dict[str, Any], str, str]] = {
    # golden's name: file, class, arguments, the published name it stands for, and ours
    "eca16": ("phaseformer", "ChannelGate", {}, "attention.2.", "gate1."),
    "eca64": ("phaseformer", "ChannelGate", {}, "attention.0.", "gate3."),
    "ups": ("spectroformer", "SpectralUp", {"channels": 8}, "ups_1.", "up3."),
    "sfca": ("spectroformer", "SkipFusion", {"channels": 8}, "attention.0.", "skip3."),
    "mdta": (
        "spectroformer", "CascadedAttention", {"channels": 8, "heads": 2},
        "encoders.1.0.attn.", "encoder2.0.attention.",
    ),
    "block": (
        "spectroformer", "blocks", {"count": 1, "channels": 8, "heads": 2, "hidden": 21},
        "encoders.1.0.", "encoder2.",
    ),
}  # fmt: skip


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30))


def _golden(file: str) -> dict[str, np.ndarray]:
    return load_file(GOLDEN / f"{file}-ops.safetensors")


def _part(backend: Backend, name: str, dtype: type) -> tuple[float, float]:
    """Relative distances of result and input's gradient from the authors'."""
    file, part, options, theirs, ours = PARTS[name]
    golden = _golden(file)
    table = layouts()[file].table
    start = f"weights/{name}."
    weights = {
        table.ours(key.replace(start, theirs)).removeprefix(ours): array.astype(dtype)  # type: ignore[union-attr]
        for key, array in golden.items()
        if key.startswith(start)
    }
    probe = golden[f"probes/{name}"].astype(dtype)
    point = golden[f"inputs/{name}"].astype(dtype), probe / dtype(probe.size)
    result, gradient = backend.call("part", file, part, options, weights, point)
    expected = golden[f"outputs/{name}"], golden[f"grads_inputs/{name}"]
    return _relative(result, expected[0]), _relative(gradient, expected[1])


@pytest.mark.parametrize("name", PARTS)
def test_parts_in_float64(backends: Callable[[str], Backend], name: str) -> None:
    assert max(_part(backends("torch"), name, np.float64)) < 1e-11


@pytest.mark.parametrize("name", PARTS)
def test_parts(backend: Backend, name: str) -> None:
    """The authors' own float32 results are off by up to 3e-7, gradients by ten times that."""
    result, gradient = _part(backend, name, np.float32)
    assert result < 2e-6
    assert gradient < 2e-5


def test_frequency_filter_at_the_authors_size(backends: Callable[[str], Backend]) -> None:
    """They enlarge the spectrum, which is the filtered map with zeros between its pixels."""
    golden = _golden("spectroformer")
    for name in ("freq_upsample", "freq_upsample_keep"):
        start = f"weights/{name}."
        table = layouts()["spectroformer"].table
        given = {key: array.astype(float) for key, array in golden.items() if start in key}
        post = {
            key.removeprefix(f"{start}post."): given.pop(key)
            for key in list(given)
            if ".post." in key
        }
        weights = {
            str(table.ours(key.replace(start, "ups_1.Fups."))).removeprefix("up3.filter."): array
            for key, array in given.items()
        }
        x = golden[f"inputs/{name}"].astype(float)
        small, _ = backends("torch").call(
            "part",
            "spectroformer",
            "SpectralFilter",
            {"channels": 8},
            weights,
            (x, np.ones_like(x)),
        )
        found = np.zeros((*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3]))
        found[:, :, ::2, ::2] = small
        if post:
            mixed = np.einsum("oi,nihw->nohw", post["weight"][:, :, 0, 0], found)
            found = mixed + post["bias"][:, None, None]
        assert _relative(found, golden[f"outputs/{name}"]) < 1e-12


@pytest.mark.parametrize("name", ["field_16x20", "white_15x9", "constant_16x16", "zero_8x8"])
def test_phase_only(backend: Backend, backends: Callable[[str], Backend], name: str) -> None:
    """Empty frequencies count as phase 0, without gradient."""
    golden = _golden("phaseformer")
    x, probe = golden[f"inputs/inv_mag.{name}"], golden[f"probes/inv_mag.{name}"]
    expected = golden[f"outputs/inv_mag.{name}"], golden[f"grads_inputs/inv_mag.{name}"]
    for framework, dtype, bounds in (
        (backends("torch"), np.float64, (1e-12, 1e-10)),
        (backend, np.float32, (3e-6, 1e-4)),
    ):
        arrays = [x.astype(dtype)]
        (found,) = framework.call("function", "phaseformer", "phase_only", arrays, {})
        probes = [probe.astype(dtype) / dtype(probe.size)]
        (slopes,) = framework.call(
            "function_gradients", "phaseformer", "phase_only", arrays, {}, probes
        )
        if name == "constant_16x16" and dtype == np.float32:
            # Its empty frequencies hold rounding errors unless a transform is exact: undefined.
            assert np.isfinite(found).all()
            assert np.linalg.norm(found) < 1 + 1e-5
            continue
        assert _relative(found, expected[0]) < bounds[0]
        assert np.linalg.norm(slopes - expected[1]) <= bounds[1] * np.linalg.norm(expected[1])


@pytest.mark.parametrize("enlarged", [1, 4])
def test_rounding_of_phases_follows_its_law(backend: Backend, enlarged: int) -> None:
    """Weak frequencies count as much as strong ones, with their rounding: a picture without detail
    has hundreds of times the error of one with, in every framework."""
    pixels = photograph("cat", height_px=64, width_px=64)[:, :1].astype(np.float64)
    spectrum = np.fft.fftshift(np.fft.fft2(pixels))
    rows, columns = np.mgrid[-32:32, -32:32]
    outside = np.maximum(np.abs(rows), np.abs(columns)) >= 32 // enlarged
    x = np.fft.ifft2(np.fft.ifftshift(np.where(outside, 1e-3, 1) * spectrum)).real
    x = x.astype(np.float32)
    exact = np.fft.rfft2(x.astype(np.float64))
    modulus = np.abs(np.fft.fft2(x.astype(np.float64)))
    law = 6e-8 * np.sqrt(np.mean(np.mean(modulus**2) / modulus**2))
    (found,) = backend.call("function", "phaseformer", "phase_only", [x], {})
    error = _relative(found, np.fft.irfft2(exact / np.abs(exact), s=x.shape[2:]))
    assert law / 10 < error < 10 * law


def test_rows_multiply_as_phase_only_maps(backend: Backend) -> None:
    for size in ((6, 10), (5, 7), (8, 1), (3, 2)):
        x = np.random.default_rng(1).standard_normal((2, 3, *size)).astype(np.float32)
        (rows,) = backend.call("function", "phaseformer", "phase_rows", [x], {})
        spectrum = np.fft.fft2(x.astype(np.float64))
        maps = np.fft.ifft2(spectrum / np.abs(spectrum)).real.reshape(2, 3, -1)
        np.testing.assert_allclose(
            rows @ rows.transpose(0, 2, 1), maps @ maps.transpose(0, 2, 1), rtol=0, atol=3e-6
        )


@pytest.mark.parametrize("size", [(12, 20), (26, 13), (9, 15), (8, 16)])
def test_real_frequencies_never_turn_by_minus_half(backend: Backend, size: tuple[int, int]) -> None:
    """At some sizes an FFT leaves rounding errors of either sign in their imaginary part."""
    x = np.random.default_rng(2).standard_normal((1, 4, *size))
    spectrum = np.fft.fft2(x)
    real_rows = [k for k in range(size[0]) if 2 * k % size[0] == 0]
    real_columns = [k for k in range(size[1]) if 2 * k % size[1] == 0]
    imaginary = spectrum.imag
    imaginary[:, :, np.ix_(real_rows, real_columns)[0], np.ix_(real_rows, real_columns)[1]] = -1e-9
    arrays = [spectrum.real.astype(np.float32), imaginary.astype(np.float32)]
    (found,) = backend.call("function", "spectroformer", "phase", arrays, {})
    for row in real_rows:
        for column in real_columns:
            expected = np.where(arrays[0][..., row, column] < 0, np.pi, 0)
            np.testing.assert_allclose(found[..., row, column], expected, atol=1e-6)
            imaginary[..., row, column] = 0
    np.testing.assert_allclose(found, np.arctan2(imaginary, arrays[0]), rtol=0, atol=2e-6)


@pytest.mark.parametrize("model", ["phaseformer", "spectroformer"])
def test_published_configuration(backend: Backend, model: str) -> None:
    """Outputs only, to spare time; `parity run --golden` has compared both files.

    The authors' own float32 outputs are off by 2e-6 to 3e-6.
    """
    (case,) = golden_cases(GOLDEN / f"{model}.safetensors")
    assert case.spec == registry.find(model).spec("published")
    found = backend.call("run", case.spec, case.weights, case.inputs)
    for name, array in found.items():
        assert _relative(array, case.expected[ArrayKey.output(name)]) < 1e-5


@pytest.mark.parametrize(
    ("model", "other"), [("phaseformer", "spectroformer"), ("spectroformer", "phaseformer")]
)
def test_the_two_models_refuse_each_others_checkpoints(model: str, other: str) -> None:
    """270 names of Phaseformer's 282 occur in both, with the same shapes."""
    tables = {}
    for name in (model, other):
        (table,) = json.loads((GOLDEN / "full" / f"{name}.json").read_text()).values()
        tables[name] = {name: tuple(shape) for name, shape, _ in table["tensors"]}
    shared = tables[model].items() & tables[other].items()
    assert len(shared) == 270
    state = {key: np.broadcast_to(np.float32(0), shape) for key, shape in tables[other].items()}
    with pytest.raises(InputError, match=f"which only {other} has.*use the model '{other}'"):
        read_state(layouts()[model], state, {}, where="a file")
