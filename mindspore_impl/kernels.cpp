// What MindSpore's operators do slowly on CPU; `compiled.py` compiles and names it.
//
// MindSpore hands each kernel all its arrays, the results last, contiguous, with their ranks and
// shapes. Numbers are float32, places int32. 0 means that it went well.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#define KERNEL(name)                                                                     \
    extern "C" int name(int, void** arrays, [[maybe_unused]] int* ranks, int64_t** shapes, \
                        const char**, void*, void*)

namespace {

constexpr float PI = 3.14159265358979f;
constexpr int64_t SHARE = 1 << 17;  // as many numbers as are worth the start of a thread

float* floats(void** arrays, int place) { return static_cast<float*>(arrays[place]); }

int64_t size(int rank, const int64_t* shape) {
    int64_t product = 1;
    for (int axis = 0; axis < rank; axis++) product *= shape[axis];
    return product;
}

// Have threads do `work(start, stop)` on parts of 0..count, each of which stands for some numbers.
// (Not by OpenMP, whose threads keep spinning afterwards, in the way of MindSpore's own.)
template <class Work>
int share(int64_t count, int64_t numbers, Work work) {
    const int64_t processors = std::thread::hardware_concurrency();
    const int64_t useful = std::min({count, count * numbers / SHARE, processors});
    const int64_t parts = std::max<int64_t>(1, useful);
    std::vector<std::thread> others;
    for (int64_t part = 1; part < parts; part++)
        others.emplace_back(work, count * part / parts, count * (part + 1) / parts);
    work(0, count / parts);
    for (std::thread& other : others) other.join();
    return 0;
}

// Maps (n, h, w, c) with one pixel around each, which is zero or reflected.
struct Windows {
    int64_t n, h, w, c;
    bool reflected;

    // Offsets in a map of the nine pixels around a place; -1 where there is none.
    void around(int64_t y, int64_t x, int64_t (&places)[9]) const {
        for (int k = 0; k < 9; k++) {
            int64_t row = inside(y + k / 3 - 1, h), column = inside(x + k % 3 - 1, w);
            places[k] = row < 0 || column < 0 ? -1 : (row * w + column) * c;
        }
    }

    int64_t inside(int64_t i, int64_t length) const {
        if (0 <= i && i < length) return i;
        if (!reflected) return -1;
        return length == 1 ? 0 : i < 0 ? 1 : length - 2;
    }
};

// weight (c, 1, 3, 3) as (9, c)
std::vector<float> by_place(const float* weight, int64_t c) {
    std::vector<float> result(9 * c);
    for (int64_t i = 0; i < c; i++)
        for (int k = 0; k < 9; k++) result[k * c + i] = weight[i * 9 + k];
    return result;
}

// x (n, h, w, c), weight (c, 1, 3, 3), bias (c) -> (n, h, w, c)
int convolve(void** arrays, const int64_t* shape, bool reflected) {
    const Windows windows{shape[0], shape[1], shape[2], shape[3], reflected};
    const int64_t c = windows.c, map = windows.h * windows.w * c;
    const float *all = floats(arrays, 0), *bias = floats(arrays, 2);
    const std::vector<float> weight = by_place(floats(arrays, 1), c), nothing(c, 0.0f);
    float* results = floats(arrays, 3);
    return share(windows.n, map, [&](int64_t start, int64_t stop) {
        for (int64_t n = start; n < stop; n++)
            for (int64_t y = 0; y < windows.h; y++)
                for (int64_t x = 0; x < windows.w; x++) {
                    int64_t places[9];
                    windows.around(y, x, places);
                    const float* from[9];
                    for (int k = 0; k < 9; k++)
                        from[k] = places[k] < 0 ? nothing.data() : all + n * map + places[k];
                    const float* by = weight.data();
                    float* result = results + n * map + (y * windows.w + x) * c;
                    for (int64_t i = 0; i < c; i++) {
                        float sum = bias[i];
                        for (int k = 0; k < 9; k++) sum += from[k][i] * by[k * c + i];
                        result[i] = sum;
                    }
                }
    });
}

// x (n, h, w, c), weight (c, 1, 3, 3), gradient (n, h, w, c) -> gradients of x, weight and bias
int convolve_back(void** arrays, const int64_t* shape, bool reflected) {
    const Windows windows{shape[0], shape[1], shape[2], shape[3], reflected};
    const int64_t c = windows.c, map = windows.h * windows.w * c;
    const float *all = floats(arrays, 0), *gradient = floats(arrays, 2);
    const std::vector<float> weight = by_place(floats(arrays, 1), c);
    float *by_x = floats(arrays, 3), *by_weight = floats(arrays, 4), *by_bias = floats(arrays, 5);
    std::vector<double> total(10 * c);  // in double: a million like summands lose digits
    std::mutex adding;
    share(windows.n, map, [&](int64_t start, int64_t stop) {
        std::vector<double> part(10 * c);
        std::vector<float> one(10 * c);  // of one map
        for (int64_t n = start; n < stop; n++) {
            float* to = by_x + n * map;
            std::fill(to, to + map, 0.0f);
            std::fill(one.begin(), one.end(), 0.0f);
            for (int64_t y = 0; y < windows.h; y++)
                for (int64_t x = 0; x < windows.w; x++) {
                    int64_t places[9];
                    windows.around(y, x, places);
                    const float* g = gradient + n * map + (y * windows.w + x) * c;
                    for (int k = 0; k < 9; k++) {
                        if (places[k] < 0) continue;
                        const float *from = all + n * map + places[k], *by = &weight[k * c];
                        float *into = to + places[k], *sum = &one[k * c];
                        for (int64_t i = 0; i < c; i++) {
                            into[i] += g[i] * by[i];
                            sum[i] += g[i] * from[i];
                        }
                    }
                    for (int64_t i = 0; i < c; i++) one[9 * c + i] += g[i];
                }
            for (int64_t i = 0; i < 10 * c; i++) part[i] += one[i];
        }
        const std::lock_guard<std::mutex> lock(adding);
        for (int64_t i = 0; i < 10 * c; i++) total[i] += part[i];
    });
    for (int64_t i = 0; i < c; i++) {
        for (int k = 0; k < 9; k++) by_weight[i * 9 + k] = total[k * c + i];
        by_bias[i] = total[9 * c + i];
    }
    return 0;
}

}  // namespace

// x -> the same shape
KERNEL(gelu) {
    const float* x = floats(arrays, 0);
    float* result = floats(arrays, 1);
    return share(size(ranks[0], shapes[0]), 1, [=](int64_t start, int64_t stop) {
        for (int64_t i = start; i < stop; i++)
            result[i] = x[i] * (0.5f + 0.5f * std::erf(x[i] * std::sqrt(0.5f)));
    });
}

// x, gradient -> gradient of x
KERNEL(gelu_back) {
    const float *x = floats(arrays, 0), *gradient = floats(arrays, 1);
    float* result = floats(arrays, 2);
    const float peak = 1 / std::sqrt(2 * PI);
    return share(size(ranks[0], shapes[0]), 1, [=](int64_t start, int64_t stop) {
        for (int64_t i = start; i < stop; i++) {
            const float below = 0.5f + 0.5f * std::erf(x[i] * std::sqrt(0.5f));
            const float density = peak * std::exp(-0.5f * x[i] * x[i]);
            result[i] = gradient[i] * (below + x[i] * density);
        }
    });
}

// x (r, k) -> cosines, then sines (r, 2 k)
KERNEL(cos_sin) {
    const int64_t count = shapes[0][1];
    const float* x = floats(arrays, 0);
    float* result = floats(arrays, 1);
    return share(shapes[0][0], count, [=](int64_t start, int64_t stop) {
        for (int64_t r = start; r < stop; r++)
            for (int64_t i = 0; i < count; i++) {
                result[r * 2 * count + i] = std::cos(x[r * count + i]);
                result[r * 2 * count + count + i] = std::sin(x[r * count + i]);
            }
    });
}

// x (r, c), gains (p, c), shifts (p, c), places (r) -> (r, c)
KERNEL(modulate_rows) {
    const int64_t c = shapes[0][1];
    const float *x = floats(arrays, 0), *gains = floats(arrays, 1), *shifts = floats(arrays, 2);
    const int32_t* places = static_cast<int32_t*>(arrays[3]);
    float* result = floats(arrays, 4);
    return share(shapes[0][0], c, [=](int64_t start, int64_t stop) {
        for (int64_t r = start; r < stop; r++) {
            const float *gain = gains + places[r] * c, *shift = shifts + places[r] * c;
            for (int64_t i = 0; i < c; i++) result[r * c + i] = x[r * c + i] * gain[i] + shift[i];
        }
    });
}

KERNEL(depthwise_conv_zeros) { return convolve(arrays, shapes[0], false); }
KERNEL(depthwise_conv_reflect) { return convolve(arrays, shapes[0], true); }
KERNEL(depthwise_conv_zeros_back) { return convolve_back(arrays, shapes[0], false); }
KERNEL(depthwise_conv_reflect_back) { return convolve_back(arrays, shapes[0], true); }
