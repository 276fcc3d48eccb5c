"""MindSpore's compiled kernels and what stands in for them: equal, and neither ever in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends import ROOT, Backend

pytestmark = pytest.mark.frameworks("mindspore")

VARIABLE = "RESTORATION_MINDSPORE_KERNELS"
PREPARE = """
from mindspore_impl import runtime
runtime.prepare("cpu", report=lambda text: print("report:", text), warn=lambda text: print(text))
from mindspore_impl import compiled
print("kernels:", len(compiled.operators))
"""


@pytest.fixture(scope="module", params=["compiled", "composed"])
def mindspore(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    """MindSpore with its kernels chosen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, request.param)
        backend = Backend("mindspore", tmp_path_factory.mktemp("kernels"))
    yield backend
    backend.close()


def _draw(*shape: int, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(5).standard_normal(shape)).astype(np.float32)


def _close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "arrays", "options"),
    [
        ("gelu", [_draw(3, 5, 7, scale=3)], {}),
        ("gelu", [np.ones(1, np.float32)], {}),
        ("gelu", [_draw(257, 300, scale=2)], {}),
        ("cos_sin", [_draw(5, 3, scale=300)], {}),
        ("cos_sin", [_draw(1, 70000)], {}),
        (
            "modulate_rows",
            [_draw(9000, 5), _draw(3, 5), _draw(3, 5)],
            {"rows": (np.arange(9000) % 3).astype(np.int32)},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_functions_against_pytorch(
    mindspore: Backend,
    backends: Callable[[str], Backend],
    name: str,
    arrays: list[np.ndarray],
    options: dict[str, Any],
) -> None:
    exact = [array.astype(np.float64) for array in arrays]
    (expected,) = backends("torch").call("layer", name, exact, options)
    (found,) = mindspore.call("layer", name, arrays, options)
    _close(found, expected)
    probe = np.random.default_rng(6).standard_normal(found.shape)
    slopes = mindspore.call("layer_gradients", name, arrays, options, [probe.astype(np.float32)])
    wanted = backends("torch").call("layer_gradients", name, exact, options, [probe])
    for one, other in zip(slopes, wanted, strict=True):
        _close(one, other)


@pytest.mark.parametrize("border", ["zeros", "reflect"])
@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (2, 2, 2, 3), (40, 8, 8, 33)], ids=str)
def test_depthwise_conv_against_pytorch(
    mindspore: Backend, backends: Callable[[str], Backend], border: str, shape: tuple[int, ...]
) -> None:
    weights = {"weight": _draw(shape[3], 1, 3, 3), "bias": _draw(shape[3])}
    arguments = ("DepthwiseConv2d", [shape[3]], {"border": border}, weights)
    x, probe = _draw(*shape), _draw(*shape)[::-1].copy()
    _, found = mindspore.call("module_layer", *arguments, x)
    _close(found, backends("torch").call("module_layer", *arguments, x)[1])
    slopes = mindspore.call("module_layer_gradients", *arguments, [x, probe])
    wanted = backends("torch").call("module_layer_gradients", *arguments, [x, probe])
    for one, other in zip(slopes, wanted, strict=True):
        _close(one, other)


@pytest.mark.parametrize("mindspore", ["compiled"], indirect=True)
def test_many_like_summands_keep_their_digits(mindspore: Backend) -> None:
    """The gradient of a bias adds a number per pixel, here half a million equal ones."""
    weights = {"weight": np.ones((1, 1, 3, 3), np.float32), "bias": np.zeros(1, np.float32)}
    x = np.full((8192, 8, 8, 1), 0.1, np.float32)
    arguments = ("DepthwiseConv2d", [1], {"border": "reflect"}, weights, [x, x])
    _, by_weight, by_bias = mindspore.call("module_layer_gradients", *arguments)
    np.testing.assert_allclose(by_bias, x.size * 0.1, rtol=1e-6)
    np.testing.assert_allclose(by_weight, x.size * 0.01, rtol=1e-6)


def test_half_precision_is_composed(mindspore: Backend) -> None:
    x = np.linspace(-3, 3, 50, dtype=np.float16)
    (found,) = mindspore.call("layer", "gelu", [x], {})
    assert found.dtype == np.float16


def test_without_a_compiler(tmp_path: Path) -> None:
    """A warning with the reason, the operators composed, no error; an error when asked for."""
    told = _prepare(tmp_path, CXX="/no/such/compiler")
    assert "/no/such/compiler is not installed" in told
    assert "kernels: 0" in told
    told = _prepare(tmp_path, CXX="/no/such/compiler", **{VARIABLE: "compiled"})
    assert "UnavailableError" in told
    assert f"install g++, or unset {VARIABLE}" in told
    told = _prepare(tmp_path, **{VARIABLE: "quick"})
    assert "expected one of auto, compiled, composed, got 'quick'" in told


def test_layers_may_be_imported_before() -> None:
    program = f"from mindspore_impl import layers{PREPARE}"
    program += "import mindspore; print('gelu:', layers.gelu(mindspore.Tensor([0.0, 1.0])))"
    assert "gelu: [0." in _output(program)


def test_compiles_once(tmp_path: Path) -> None:
    assert "report: compiling kernels for MindSpore, once\nkernels: 5" in _prepare(tmp_path)
    assert "report:" not in _prepare(tmp_path)
    assert "kernels: 0" in _prepare(tmp_path, **{VARIABLE: "composed"})
    (library,) = (tmp_path / "mindspore").iterdir()
    assert library.suffix == ".so"


def _prepare(cache: Path, **variables: str) -> str:
    """What a process says that sets itself up for MindSpore."""
    return _output(PREPARE, RESTORATION_CACHE=str(cache), **variables)


def _output(program: str, **variables: str) -> str:
    """What a process prints that runs a program."""
    others = {name: value for name, value in os.environ.items() if name not in ("CXX", VARIABLE)}
    finished = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=others | variables,
    )
    return finished.stdout + finished.stderr
