"""Fourier transforms, as real and imaginary parts."""

from __future__ import annotations

import jittor as jt
import numpy as np
from jittor import Var

from jittor_impl.layers.matrices import columns_last, dft_matrices
from jittor_impl.layers.tensors import tensor_like


def rfft2(x: Var) -> tuple[Var, Var]:
    """Half of the unnormalized 2-D spectrum of a real map, (n, c, h, w) -> 2 x (n, c, h, w/2 + 1).

    Real and imaginary part.
    """
    # Native: absent on CPU, as complex numbers are. Here products with the matrices cos and -sin.
    n, c, h, w = x.shape
    half = w // 2 + 1
    cos_w, sin_w = dft_matrices(w)
    cos_h, sin_h = dft_matrices(h)
    rows = x.reshape(n * c * h, w)
    real = columns_last(jt.matmul(rows, cos_w[:, :half]), n * c, h)
    imaginary = columns_last(jt.matmul(rows, sin_w[:, :half]), n * c, h)
    real, imaginary = (
        jt.matmul(real, cos_h) - jt.matmul(imaginary, sin_h),
        jt.matmul(real, sin_h) + jt.matmul(imaginary, cos_h),
    )
    real = columns_last(real, n * c, half).reshape(n, c, h, half)
    imaginary = columns_last(imaginary, n * c, half).reshape(n, c, h, half)
    return real, imaginary


def irfft2(real: Var, imaginary: Var, *, width: int) -> Var:
    """The inverse of `rfft2`, 2 x (n, c, h, width/2 + 1) -> (n, c, h, width)."""
    # Native: absent on CPU, as complex numbers are. Here products with the matrices cos and sin.
    n, c, h, half = real.shape
    cos_w, sin_w = dft_matrices(width)
    cos_h, sin_h = dft_matrices(h)
    real = columns_last(real.reshape(n * c * h, half), n * c, h)
    imaginary = columns_last(imaginary.reshape(n * c * h, half), n * c, h)
    real, imaginary = (
        jt.matmul(real, cos_h) + jt.matmul(imaginary, sin_h),
        jt.matmul(imaginary, cos_h) - jt.matmul(real, sin_h),
    )
    # The frequencies that the half leaves out are the conjugates of those between 0 and Nyquist.
    weights = np.full((half, 1), 2 / (h * width), np.float32)
    weights[0] = 1 / (h * width)
    if width % 2 == 0:
        weights[-1] = 1 / (h * width)
    real, imaginary = columns_last(real, n * c, half), columns_last(imaginary, n * c, half)
    rows = jt.matmul(real, jt.array(weights) * cos_w[:half])
    rows = rows + jt.matmul(imaginary, jt.array(weights) * sin_w[:half])
    return rows.reshape(n, c, h, width)


def half_counts(like: Var, width: int) -> Var:
    """How often columns of half a spectrum occur in the whole, 1 or 2, (width/2 + 1,)."""
    # Native: jittor.array: of a list, 64-bit numbers become 32-bit ones by default.
    columns = range(width // 2 + 1)
    return tensor_like([1.0 if 2 * column % width == 0 else 2.0 for column in columns], like)


def fft2(x: Var) -> tuple[Var, Var]:
    """Real and imaginary part of the unnormalized 2-D Fourier transform, each (n, c, h, w)."""
    # Native: absent on CPU, as complex numbers are. Here products with the matrices cos and -sin.
    n, c, h, w = x.shape
    cos_w, sin_w = dft_matrices(w)
    cos_h, sin_h = dft_matrices(h)
    rows = x.reshape(n * c * h, w)
    real = columns_last(jt.matmul(rows, cos_w), n * c, h)
    imaginary = columns_last(jt.matmul(rows, sin_w), n * c, h)
    real, imaginary = (
        jt.matmul(real, cos_h) - jt.matmul(imaginary, sin_h),
        jt.matmul(real, sin_h) + jt.matmul(imaginary, cos_h),
    )
    real = columns_last(real, n * c, w).reshape(n, c, h, w)
    imaginary = columns_last(imaginary, n * c, w).reshape(n, c, h, w)
    return real, imaginary


def ifft2(real: Var, imaginary: Var) -> tuple[Var, Var]:
    """The inverse of `fft2`, also for a spectrum of no real map, 2 x (n, c, h, w) -> the same."""
    # Native: absent on CPU, as complex numbers are. Here products with the matrices cos and sin.
    n, c, h, w = real.shape
    cos_w, sin_w = dft_matrices(w)
    cos_h, sin_h = dft_matrices(h)
    real, imaginary = (
        real.reshape(n * c * h, w) / (h * w),
        imaginary.reshape(n * c * h, w) / (h * w),
    )
    real, imaginary = (
        columns_last(jt.matmul(real, cos_w) + jt.matmul(imaginary, sin_w), n * c, h),
        columns_last(jt.matmul(imaginary, cos_w) - jt.matmul(real, sin_w), n * c, h),
    )
    real, imaginary = (
        columns_last(jt.matmul(real, cos_h) + jt.matmul(imaginary, sin_h), n * c, w),
        columns_last(jt.matmul(imaginary, cos_h) - jt.matmul(real, sin_h), n * c, w),
    )
    return real.reshape(n, c, h, w), imaginary.reshape(n, c, h, w)


def unit_spectrum(x: Var) -> tuple[Var, Var]:
    """`rfft2` divided by its modulus, (n, c, h, w) -> 2 x (n, c, h, w/2 + 1).

    Where the modulus is 0 it is 1 + 0i, without gradient.
    """
    # Native: absent on CPU, as complex numbers are. Here the modulus, 0 when below 1e-19, has no
    # gradient; the last factor, 1 but for rounding, takes away the gradient's part along the
    # number.
    real, imaginary = rfft2(x)
    modulus = jt.sqrt(real * real + imaginary * imaginary).detach()
    empty = (modulus == 0).float32()
    factor = (1 - empty) / (modulus + empty)
    real, imaginary = real * factor, imaginary * factor
    factor = 1.5 - 0.5 * (real * real + imaginary * imaginary)
    return real * factor + empty, imaginary * factor


def angle(real: Var, imaginary: Var) -> Var:
    """The angle of complex numbers in (-pi, pi], 0 without gradient at 0, any shape."""
    # Native: jittor.arctan2: adds a multiple of pi that has three digits when there is one number
    # only, and its gradient overflows where the real part is nearly 0. Here the gradient is that of
    # a term which is 0 but for rounding.
    x, y = real.detach(), imaginary.detach()
    half_turn = jt.full_like(x, np.pi)
    turn = jt.ternary(x < 0, jt.ternary(y < 0, -half_turn, half_turn), jt.zeros_like(x))
    quotient = y / jt.ternary(x == 0, jt.full_like(x, 1e-30), x)
    square = x * x + y * y
    slope = (x * imaginary - y * real) / jt.ternary(square == 0, jt.ones_like(x), square)
    return jt.atan(quotient) + turn + slope
