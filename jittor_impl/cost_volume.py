"""The cost volume of optical flow: how alike a pixel is to the 81 around it in another map.

Unlike the models this file differs between the frameworks. "composed" is made of the framework's
operators; "compiled" of kernels of its own, by jt.code, on CPU and CUDA.
"""

from __future__ import annotations

import jittor as jt
from jittor import Var

from restoration.engine.cost_volume import CUDA_SOURCE, REACH, SIDE, VARIABLE
from restoration.engine.kernel_backend import kernel_backend

_CPU_FORWARD = """
    int n = in0_shape0, c = in0_shape1, h = in0_shape2, w = in0_shape3;
    for (int b = 0; b < n; b++) for (int q = 0; q < 81; q++) for (int y = 0; y < h; y++) {
        int dx = q % 9 - 4, y2 = y + q / 9 - 4;
        int start = std::max(0, -dx), end = std::min(w, w - dx);
        auto* sums = &@out(b, q, y, 0);
        for (int x = 0; x < w; x++) sums[x] = 0;
        if (y2 < 0 || y2 >= h) continue;
        for (int k = 0; k < c; k++) {
            auto* one = &@in0(b, k, y, 0);
            auto* other = &@in1(b, k, y2, 0) + dx;
            for (int x = start; x < end; x++) sums[x] += one[x] * other[x];
        }
        for (int x = start; x < end; x++) sums[x] /= c;
    }
"""

# By `first` the volume's gradient weights `second` and keeps its place; by `second` both move.
_CPU_BACKWARD = """
    int n = in0_shape0, c = in0_shape1, h = in0_shape2, w = in0_shape3;
    for (int b = 0; b < n; b++) for (int k = 0; k < c; k++) for (int y = 0; y < h; y++) {
        auto* sums = &@out(b, k, y, 0);
        for (int x = 0; x < w; x++) sums[x] = 0;
        for (int q = 0; q < 81; q++) {
            int dx = SIGN * (q % 9 - 4), y2 = y + SIGN * (q / 9 - 4);
            int start = std::max(0, -dx), end = std::min(w, w - dx);
            if (y2 < 0 || y2 >= h) continue;
            auto* weight = SIGN > 0 ? &@dout(b, q, y, 0) : &@dout(b, q, y2, 0) + dx;
            auto* other = &@OTHER(b, k, y2, 0) + dx;
            for (int x = start; x < end; x++) sums[x] += weight[x] * other[x];
        }
        for (int x = 0; x < w; x++) sums[x] /= c;
    }
"""

_CUDA_FORWARD = """
    long long count = out_num;
    cost_volume<<<(count + 255) / 256, 256>>>(
        in0_p, in1_p, out_p, in0_shape0, in0_shape1, in0_shape2, in0_shape3);
"""

_CUDA_BACKWARD = """
    float* unused;
    cudaMalloc(&unused, out_num * sizeof(float));
    long long count = out_num;
    cost_volume_gradients<<<(count + 255) / 256, 256>>>(
        in0_p, in1_p, dout_p, TARGETS, in0_shape0, in0_shape1, in0_shape2, in0_shape3);
    cudaFree(unused);
"""


def cost_volume(first: Var, second: Var, *, method: str | None = None) -> Var:
    """Mean over channels of products with shifted maps, 2 x (n, c, h, w) -> (n, 81, h, w).

    Channel q looks q % 9 - 4 pixels to the right and q // 9 - 4 down; what lies outside is 0.
    method: "compiled", "composed", or "auto", which takes "compiled" where it is faster and can be
    had; by default what the environment variable RESTORATION_COST_VOLUME says, else "auto".

    Raises:
        InputError: there is no such method.
        UnavailableError: "compiled" is asked for and cannot be had.
    """
    # Native: absent; jt.code takes the text of a kernel and of its gradients.
    if kernel_backend(method, VARIABLE) == "composed":
        return _composed(first, second)
    n, _, h, w = first.shape
    by_first = _CPU_BACKWARD.replace("SIGN", "1").replace("OTHER", "in1")
    by_second = _CPU_BACKWARD.replace("SIGN", "-1").replace("OTHER", "in0")
    return jt.code(
        [n, SIDE * SIDE, h, w],
        first.dtype,
        [first, second],
        cpu_src=_CPU_FORWARD,
        cpu_grad_src=[by_first, by_second],
        cuda_header=CUDA_SOURCE,
        cuda_src=_CUDA_FORWARD,
        cuda_grad_src=[
            _CUDA_BACKWARD.replace("TARGETS", targets)
            for targets in ("out_p, unused", "unused, out_p")
        ],
    )


def _composed(first: Var, second: Var) -> Var:
    """Reindexing and summing, which Jittor compiles into one kernel."""
    n, c, h, w = first.shape
    shape = [n, c, SIDE, SIDE, h, w]
    one = first.reindex(shape, ["i0", "i1", "i4", "i5"])
    other = second.reindex(shape, ["i0", "i1", f"i4+i2-{REACH}", f"i5+i3-{REACH}"])
    return (one * other).mean(dim=1).reshape(n, SIDE * SIDE, h, w)
