"""The cost volume of optical flow: how alike a pixel is to the 81 around it in another map.

Unlike the models this file differs between the frameworks. "composed" is made of the framework's
operators; "compiled" of kernels of its own, on CUDA, by CuPy.
"""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.engine.cost_volume import CUDA_SOURCE, REACH, SIDE, VARIABLE
from restoration.engine.kernel_backend import kernel_backend
from restoration.errors import UnavailableError

_THREADS = 256


def cost_volume(first: Tensor, second: Tensor, *, method: str | None = None) -> Tensor:
    """Mean over channels of products with shifted maps, 2 x (n, c, h, w) -> (n, 81, h, w).

    Channel q looks q % 9 - 4 pixels to the right and q // 9 - 4 down; what lies outside is 0.
    method: "compiled", "composed", or "auto", which takes "compiled" where it is faster and can be
    had; by default what the environment variable RESTORATION_COST_VOLUME says, else "auto".

    Raises:
        InputError: there is no such method.
        UnavailableError: "compiled" is asked for and cannot be had.
    """
    # Native: absent.
    chosen = kernel_backend(method, VARIABLE)
    is_suitable = first.is_cuda and first.dtype == torch.float32
    if chosen == "composed" or (chosen == "auto" and not is_suitable):
        return _composed(first, second)
    problem = _compile()[1] if is_suitable else "it needs float32 maps on a CUDA device"
    if not problem:
        return _Compiled.apply(first.contiguous(), second.contiguous())
    if chosen == "compiled":
        raise UnavailableError(
            f"the compiled cost volume cannot be had: {problem}; "
            f'choose "composed" by argument or {VARIABLE}'
        )
    _warn(problem)
    return _composed(first, second)


def _composed(first: Tensor, second: Tensor) -> Tensor:
    n, c, h, w = first.shape
    around = F.pad(second, (REACH, REACH, REACH, REACH)).transpose(1, 2)
    rows = first.permute(0, 2, 3, 1)
    bands = []
    for down in range(SIDE):
        # All products of a row with one below it. Its band of the 9 nearest, one further to the
        # right from pixel to pixel, becomes a column when the rows get one longer.
        products = torch.matmul(rows, around[:, down : down + h])
        products = F.pad(products.reshape(n, h, w * (w + SIDE - 1)), (0, w))
        bands.append(products.reshape(n, h, w, w + SIDE)[..., :SIDE])
    volume = torch.stack(bands, dim=1).permute(0, 1, 4, 2, 3)
    return volume.reshape(n, SIDE * SIDE, h, w) / c


class _Compiled(torch.autograd.Function):
    """The pair of CUDA kernels, on contiguous float32 maps."""

    @staticmethod
    def forward(context: Any, first: Tensor, second: Tensor) -> Tensor:
        context.save_for_backward(first, second)
        n, _, h, w = first.shape
        volume = first.new_empty(n, SIDE * SIDE, h, w)
        _launch("cost_volume", [first, second, volume], first.shape, volume.numel())
        return volume

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        first, second = context.saved_tensors
        found = torch.empty_like(first), torch.empty_like(second)
        arrays = [first, second, gradient.contiguous(), *found]
        _launch("cost_volume_gradients", arrays, first.shape, first.numel())
        return found


def _launch(name: str, arrays: list[Tensor], shape: torch.Size, threads: int) -> None:
    """Run a kernel on PyTorch's own stream."""
    import cupy

    stream = torch.cuda.current_stream(arrays[0].device).cuda_stream
    with cupy.cuda.Device(arrays[0].device.index), cupy.cuda.ExternalStream(stream):
        arguments = [array.data_ptr() for array in arrays] + [cupy.int32(size) for size in shape]
        blocks = -(-threads // _THREADS)
        _compile()[0].get_function(name)((blocks,), (_THREADS,), tuple(arguments))


@functools.cache
def _compile() -> tuple[Any, str]:
    """The compiled kernels, or why they cannot be had."""
    try:
        import cupy
    except Exception as problem:
        return None, f"CuPy cannot be imported ({problem})"
    try:
        with _ascii_folders():
            module = cupy.RawModule(code=CUDA_SOURCE)
            module.get_function("cost_volume")
            return module, ""
    except Exception as problem:
        return None, f"CuPy cannot compile it ({type(problem).__name__}: {problem})"


@contextlib.contextmanager
def _ascii_folders() -> Iterator[None]:
    """Have CuPy and the compiler write where the path is ASCII: a user's folders need not be so.

    Raises:
        OSError: there is no such folder that can be written.
    """
    places = [tempfile.gettempdir(), "/tmp", os.environ.get("SystemRoot", "") + "\\Temp"]
    base = next((place for place in places if place.isascii() and os.path.isdir(place)), None)
    if base is None:
        raise OSError(f"no temporary folder with an ASCII path among {places}")
    variables = ("CUPY_CACHE_DIR", "TMPDIR", "TEMP", "TMP")
    before = {name: os.environ.get(name) for name in variables}
    with tempfile.TemporaryDirectory(dir=base) as folder:
        os.environ.update(dict.fromkeys(variables, folder))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


@functools.cache
def _warn(problem: str) -> None:
    """Say once why the slower way is taken."""
    warnings.warn(f"cost volume composed of PyTorch's operators: {problem}", stacklevel=3)
