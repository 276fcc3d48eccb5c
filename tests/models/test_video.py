"""Optical flow and video: warping, the cost volume, its kernels, and the networks' other modes."""

from __future__ import annotations

import ctypes
import dataclasses
import importlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from parity.cases.goldens import golden_cases
from parity.judge.measurement import ArrayKey
from restoration.engine.cost_volume import CUDA_SOURCE, VARIABLE
from restoration.engine.kernel_backend import KERNEL_BACKENDS, kernel_backend
from restoration.errors import InputError
from tests.backends import Backend, RaisedError

GOLDEN = Path(__file__).parents[1] / "golden"
OPERATORS = GOLDEN / "self_blind_vsr-ops.safetensors"
HAVE = {
    "torch": ["auto", "composed"],
    "jittor": list(KERNEL_BACKENDS),
    "mindspore": ["auto", "composed"],
}

Results = tuple[list[np.ndarray], list[np.ndarray]]


def cost_volume(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """From its definition, pixel by pixel."""
    n, c, h, w = first.shape
    result = np.zeros((n, 81, h, w))
    for q, y, x in np.ndindex(81, h, w):
        down, right = y + q // 9 - 4, x + q % 9 - 4
        if 0 <= down < h and 0 <= right < w:
            result[:, q, y, x] = (first[:, :, y, x] * second[:, :, down, right]).sum(1) / c
    return result


def cost_volume_gradients(
    first: np.ndarray, second: np.ndarray, probe: np.ndarray
) -> list[np.ndarray]:
    _, c, h, w = first.shape
    by_first, by_second = np.zeros(first.shape), np.zeros(second.shape)
    for q, y, x in np.ndindex(81, h, w):
        down, right = y + q // 9 - 4, x + q % 9 - 4
        if 0 <= down < h and 0 <= right < w:
            weight = probe[:, q, y, x][:, None] / c
            by_first[:, :, y, x] += weight * second[:, :, down, right]
            by_second[:, :, down, right] += weight * first[:, :, y, x]
    return [by_first, by_second]


def _maps(*shape: int) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [rng.standard_normal(shape).astype(np.float32) for _ in range(2)]


def _call(
    backend: Backend,
    file: str,
    name: str,
    arrays: list[np.ndarray],
    probe: np.ndarray,
    **options: Any,
) -> Results:
    """A function's results and its gradients by all arrays."""
    results = backend.call("function", file, name, arrays, options)
    return results, backend.call("function_gradients", file, name, arrays, options, [probe])


def _close(found: list[np.ndarray], expected: list[np.ndarray], tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


@pytest.mark.parametrize("shape", [(2, 6, 7, 9), (1, 3, 1, 2), (3, 4, 12, 5)], ids=str)
def test_cost_volume(backend: Backend, shape: tuple[int, ...]) -> None:
    first, second = _maps(*shape)
    expected = cost_volume(first, second)
    probe = np.random.default_rng(8).standard_normal(expected.shape).astype(np.float32)
    slopes = cost_volume_gradients(first, second, probe)
    for method in HAVE[backend.framework]:
        found, gradients = _call(
            backend, "cost_volume", "cost_volume", [first, second], probe, method=method
        )
        _close(found, [expected], 1e-6)
        _close(gradients, slopes, 1e-6)


def test_cost_volume_is_the_authors(backends: Callable[[str], Backend]) -> None:
    golden = load_file(OPERATORS)
    arrays = [golden[f"inputs/correlation.{name}"].astype(float) for name in ("first", "second")]
    probe = golden["probes/correlation"].astype(float)
    found, gradients = _call(
        backends("torch"), "cost_volume", "cost_volume", arrays, probe / probe.size
    )
    _close(found, [golden["outputs/correlation"]], 1e-13)
    expected = [golden[f"grads_inputs/correlation.{name}"] for name in ("first", "second")]
    _close(gradients, expected, 1e-12)
    _close([cost_volume(*arrays)], [golden["outputs/correlation"]], 1e-13)


def test_method_by_argument_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert kernel_backend(None, VARIABLE) == "auto"
    monkeypatch.setenv(VARIABLE, "composed")
    assert kernel_backend(None, VARIABLE) == "composed"
    assert kernel_backend("compiled", VARIABLE) == "compiled"
    monkeypatch.setenv(VARIABLE, "cuda")
    with pytest.raises(InputError, match=f"expected one of auto.*got 'cuda'.*{VARIABLE}"):
        kernel_backend(None, VARIABLE)


@pytest.mark.parametrize("framework", ["torch", "mindspore"])
def test_compiled_cost_volume_that_cannot_be_had(
    backends: Callable[[str], Backend], framework: str
) -> None:
    with pytest.raises(RaisedError, match='choose "composed" by argument or RESTORATION') as caught:
        backends(framework).call(
            "function", "cost_volume", "cost_volume", _maps(1, 2, 3, 4), {"method": "compiled"}
        )
    assert caught.value.kind == "UnavailableError"


def test_cuda_kernels_compute_the_cost_volume(tmp_path: Path) -> None:
    """Without a GPU: the same source as plain C++, one thread after the other."""
    (tmp_path / "kernels.cpp").write_text(
        "struct Place { long long x; };\n"
        "static Place blockIdx, blockDim, threadIdx;\n"
        "#define __global__\n"
        + CUDA_SOURCE
        + """
extern "C" void volumes(const float* a, const float* b, float* v, int n, int c, int h, int w) {
    blockDim.x = 64;
    for (blockIdx.x = 0; blockIdx.x * 64 < n * 81 * h * w; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < 64; threadIdx.x++) cost_volume(a, b, v, n, c, h, w);
}
extern "C" void gradients(const float* a, const float* b, const float* g, float* ga, float* gb,
                          int n, int c, int h, int w) {
    blockDim.x = 64;
    for (blockIdx.x = 0; blockIdx.x * 64 < n * c * h * w; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < 64; threadIdx.x++)
            cost_volume_gradients(a, b, g, ga, gb, n, c, h, w);
}
"""
    )
    library = tmp_path / "kernels.so"
    command = ["g++", "-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(library)]
    subprocess.run([*command, str(tmp_path / "kernels.cpp")], check=True)
    kernels = ctypes.CDLL(str(library))
    first, second = _maps(2, 3, 7, 9)
    expected = cost_volume(first, second)
    probe = np.random.default_rng(8).standard_normal(expected.shape).astype(np.float32)
    volume, slopes = np.empty_like(probe), [np.empty_like(first), np.empty_like(second)]

    def run(name: str, *arrays: np.ndarray) -> None:
        addresses = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        getattr(kernels, name)(*addresses, *map(ctypes.c_int, first.shape))

    run("volumes", first, second, volume)
    run("gradients", first, second, probe, *slopes)
    _close([volume], [expected], 1e-6)
    _close(slopes, cost_volume_gradients(first, second, probe), 1e-6)


def test_cuda_kernels_compile() -> None:
    """By NVIDIA's compiler for programs that run, which needs no GPU."""
    (package,) = importlib.import_module("nvidia.cuda_nvrtc").__path__
    nvrtc = ctypes.CDLL(str(next(Path(package, "lib").glob("libnvrtc.so.*"))))
    program = ctypes.c_void_p()
    source = CUDA_SOURCE.encode()
    created = nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"kernels.cu", 0, None, None)
    assert created == 0
    options = (ctypes.c_char_p * 1)(b"--gpu-architecture=compute_80")
    status = nvrtc.nvrtcCompileProgram(program, len(options), options)
    log, ptx = (ctypes.create_string_buffer(1 << 20) for _ in range(2))
    nvrtc.nvrtcGetProgramLog(program, log)
    assert (status, log.value) == (0, b"")
    assert nvrtc.nvrtcGetPTX(program, ptx) == 0
    for kernel in ("cost_volume", "cost_volume_gradients"):
        assert f".entry {kernel}(" in ptx.value.decode()


def test_compiled_cost_volume_where_there_is_a_gpu(backends: Callable[[str], Backend]) -> None:
    """Elsewhere the same source runs as C++, above."""
    first, second = _maps(2, 6, 7, 9)
    expected = cost_volume(first, second)
    probe = np.random.default_rng(8).standard_normal(expected.shape).astype(np.float32)
    slopes = cost_volume_gradients(first, second, probe)
    for volume, *gradients in backends("torch").call(
        "cost_volumes_on_gpus", [first, second], probe
    ):
        _close([volume], [expected], 1e-6)
        _close(gradients, slopes, 1e-6)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(("theirs", "padding"), [("backward", "zeros"), ("warp", "border")])
def test_warp(
    backend: Backend,
    backends: Callable[[str], Backend],
    theirs: str,
    padding: str,
    align_corners: bool,
) -> None:
    golden = load_file(OPERATORS)
    name = f"{theirs}.ac_{str(align_corners).lower()}"
    expected = [golden[f"grads_inputs/{name}.{which}"] for which in ("x", "flow")]
    for framework, dtype, bounds in (
        (backends("torch"), np.float64, (1e-13, 1e-12)),
        (backend, np.float32, (5e-6, 2e-5)),
    ):
        arrays = [golden[f"inputs/warp.{which}"].astype(dtype) for which in ("x", "flow")]
        probe = golden[f"probes/{theirs}"].astype(dtype)
        found, gradients = _call(
            framework, "pwc_flow", "warp", arrays, probe / dtype(probe.size),
            padding=padding, align_corners=align_corners,
        )  # fmt: skip
        _close(found, [golden[f"outputs/{name}"]], bounds[0])
        _close(gradients, expected, bounds[1])


def test_a_flow_of_zero_changes_nothing_if_corners_are_aligned(backend: Backend) -> None:
    """As they were in the PyTorch that the published weights were trained with. Where they are not,
    the picture is blurred and loses its border."""
    rows, columns = np.mgrid[:24, :32]
    image = (np.sin(rows / 2) * np.cos(columns / 3) + 2)[None, None].astype(np.float32)
    still = np.zeros((1, 2, 24, 32), np.float32)
    for padding in ("zeros", "border"):
        same, other = (
            backend.call(
                "function", "pwc_flow", "warp", [image, still],
                {"padding": padding, "align_corners": align_corners},
            )[0]
            for align_corners in (True, False)
        )  # fmt: skip
        np.testing.assert_allclose(same, image, rtol=0, atol=1e-5)
        assert (other == 0).mean() > 0.02
        inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))
        assert np.abs(other - image)[inside].max() > 0.05


def test_blur_down(backend: Backend, backends: Callable[[str], Backend]) -> None:
    golden = load_file(OPERATORS)
    expected = [golden[f"grads_inputs/blur_down.{name}"] for name in ("x", "kernel")]
    for framework, dtype, bounds in (
        (backends("torch"), np.float64, (1e-13, 1e-12)),
        (backend, np.float32, (1e-6, 5e-6)),
    ):
        arrays = [golden[f"inputs/blur_down.{name}"].astype(dtype) for name in ("x", "kernel")]
        probe = golden["probes/blur_down"].astype(dtype)
        found, gradients = _call(
            framework, "self_blind_vsr", "blur_down", arrays, probe / dtype(probe.size), scale=4
        )
        _close(found, [golden["outputs/blur_down"]], bounds[0])
        _close(gradients, expected, bounds[1])


@pytest.mark.parametrize(
    "file", ["self_blind_vsr-val", "self_blind_vsr-scale2", "self_blind_vsr-hr_in"]
)
def test_further_configurations(backend: Backend, file: str) -> None:
    """Outputs only, to spare time; `parity run --golden` has compared all of these files."""
    (case,) = golden_cases(GOLDEN / f"{file}.safetensors")
    found = backend.call("run", case.spec, case.weights, case.inputs)
    assert found.keys() == set(case.spec.outputs)
    for name, array in found.items():
        expected = case.expected[ArrayKey.output(name)]
        assert np.linalg.norm(array - expected) < 4e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("file", "output"), [("pwc_flow", "flow"), ("self_blind_vsr-infer", "recons")]
)
def test_corners_that_are_not_aligned(backend: Backend, file: str, output: str) -> None:
    """What the authors' unchanged code computes on a present PyTorch: something else."""
    (case,) = golden_cases(GOLDEN / f"{file}.safetensors")
    stored = load_file(GOLDEN / f"{file}.safetensors")
    expected = stored[f"outputs_align_corners_false/{output}"]
    spec = dataclasses.replace(case.spec, align_corners=False)  # type: ignore[call-arg]
    ours = case.spec.outputs[0]
    found = backend.call("run", spec, case.weights, case.inputs)[ours]
    size = np.linalg.norm(expected)
    assert np.linalg.norm(found - expected) < 4e-6 * size
    assert np.linalg.norm(case.expected[ArrayKey.output(ours)] - expected) > 0.05 * size


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (3, 3), (4, 7)], ids=str)
def test_two_convolutions_as_one(backend: Backend, size: tuple[int, int]) -> None:
    """Joined they are what they are one after the other, along the edges too."""
    rng = np.random.default_rng(8)
    x = rng.standard_normal((2, 4, *size)).astype(np.float32)
    joined, apart = backend.call("self_blind_vsr_colors", x)
    assert joined.shape == (2, 3, *size)
    np.testing.assert_allclose(joined, apart, rtol=0, atol=2e-6)
