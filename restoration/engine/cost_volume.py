"""What the frameworks' cost volumes share: its size, and the kernels for CUDA.

The kernels are plain CUDA C++: CuPy compiles them for PyTorch, Jittor compiles them itself.
"""

from __future__ import annotations

REACH = 4
SIDE = 2 * REACH + 1
VARIABLE = "RESTORATION_COST_VOLUME"

CUDA_SOURCE = """
// One thread per entry of the volume (n, 81, h, w); channel q looks q % 9 - 4 to the right and
// q / 9 - 4 down.
extern "C" __global__ void cost_volume(
    const float* first, const float* second, float* volume, int n, int c, int h, int w) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= (long long)n * 81 * h * w) return;
    int x = i % w, y = i / w % h, q = i / w / h % 81, b = i / w / h / 81;
    int x2 = x + q % 9 - 4, y2 = y + q / 9 - 4;
    float sum = 0;
    if (0 <= x2 && x2 < w && 0 <= y2 && y2 < h) {
        const float* one = first + ((long long)b * c * h + y) * w + x;
        const float* other = second + ((long long)b * c * h + y2) * w + x2;
        for (int k = 0; k < c; k++) sum += one[(long long)k * h * w] * other[(long long)k * h * w];
    }
    volume[i] = sum / c;
}

// One thread per entry of the maps (n, c, h, w).
extern "C" __global__ void cost_volume_gradients(
    const float* first, const float* second, const float* gradient,
    float* by_first, float* by_second, int n, int c, int h, int w) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= (long long)n * c * h * w) return;
    int x = i % w, y = i / w % h, k = i / w / h % c, b = i / w / h / c;
    const float* one = first + ((long long)b * c + k) * h * w;
    const float* other = second + ((long long)b * c + k) * h * w;
    float sum1 = 0, sum2 = 0;
    for (int q = 0; q < 81; q++) {
        int dx = q % 9 - 4, dy = q / 9 - 4;
        const float* weight = gradient + ((long long)b * 81 + q) * h * w;
        if (0 <= x + dx && x + dx < w && 0 <= y + dy && y + dy < h)
            sum1 += weight[y * w + x] * other[(y + dy) * w + x + dx];
        if (0 <= x - dx && x - dx < w && 0 <= y - dy && y - dy < h)
            sum2 += weight[(y - dy) * w + x - dx] * one[(y - dy) * w + x - dx];
    }
    by_first[i] = sum1 / c;
    by_second[i] = sum2 / c;
}
"""
