"""Fourier transforms, as real and imaginary parts."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, ops

from mindspore_impl.layers.tensors import tensor_like


def rfft2(x: Tensor) -> tuple[Tensor, Tensor]:
    """Half of the unnormalized 2-D spectrum of a real map, (n, c, h, w) -> 2 x (n, c, h, w/2 + 1).

    Real and imaginary part.
    """
    # Native: mindspore.ops.rfft2: norm "backward" by default; complex numbers, with gradients
    # through real and imag only.
    spectrum = ops.rfft2(x, norm="backward")
    return ops.real(spectrum), ops.imag(spectrum)


def irfft2(real: Tensor, imaginary: Tensor, *, width: int) -> Tensor:
    """The inverse of `rfft2`, 2 x (n, c, h, width/2 + 1) -> (n, c, h, width)."""
    # Native: mindspore.ops.irfft2: complex numbers; norm "backward" and an even width by default.
    spectrum = ops.Complex()(real, imaginary)
    return ops.irfft2(spectrum, s=(real.shape[2], width), norm="backward")


def half_counts(like: Tensor, width: int) -> Tensor:
    """How often columns of half a spectrum occur in the whole, 1 or 2, (width/2 + 1,)."""
    # Native: mindspore.Tensor: of a list, the kind has to be said.
    columns = range(width // 2 + 1)
    return tensor_like([1.0 if 2 * column % width == 0 else 2.0 for column in columns], like)


def fft2(x: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the unnormalized 2-D Fourier transform, each (n, c, h, w)."""
    # Native: mindspore.ops.fft2: norm "backward" by default; complex numbers, with gradients
    # through real and imag only.
    spectrum = ops.fft2(x, norm="backward")
    return ops.real(spectrum), ops.imag(spectrum)


def ifft2(real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
    """The inverse of `fft2`, also for a spectrum of no real map, 2 x (n, c, h, w) -> the same."""
    # Native: mindspore.ops.ifft2: norm "backward" by default; complex numbers, with gradients
    # through real and imag only.
    values = ops.ifft2(ops.Complex()(real, imaginary), norm="backward")
    return ops.real(values), ops.imag(values)


def unit_spectrum(x: Tensor) -> tuple[Tensor, Tensor]:
    """`rfft2` divided by its modulus, (n, c, h, w) -> 2 x (n, c, h, w/2 + 1).

    Where the modulus is 0 it is 1 + 0i, without gradient.
    """
    # Native: absent, and products of complex numbers have no gradient. Here the modulus, 0 when
    # below 1e-19, has none; the last factor, 1 but for rounding, takes away the gradient's radial
    # part.
    real, imaginary = rfft2(x)
    modulus = ops.stop_gradient(ops.sqrt(real * real + imaginary * imaginary))
    empty = (modulus == 0).astype(ms.float32)
    factor = (1 - empty) * ops.reciprocal(modulus + empty)
    real, imaginary = real * factor, imaginary * factor
    factor = 1.5 - 0.5 * (real * real + imaginary * imaginary)
    return real * factor + empty, imaginary * factor


def angle(real: Tensor, imaginary: Tensor) -> Tensor:
    """The angle of complex numbers in (-pi, pi], 0 without gradient at 0, any shape."""
    # Native: mindspore.ops.atan2: its gradient at 0 is not a number.
    empty = ops.logical_and(real == 0, imaginary == 0)
    return ops.atan2(ops.masked_fill(imaginary, empty, 0.0), ops.masked_fill(real, empty, 1.0))
