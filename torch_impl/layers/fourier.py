"""Fourier transforms, as real and imaginary parts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.compiler import is_exporting


def rfft2(x: Tensor) -> tuple[Tensor, Tensor]:
    """Half of the unnormalized 2-D spectrum of a real map, (n, c, h, w) -> 2 x (n, c, h, w/2 + 1).

    Real and imaginary part.
    """
    # Native: torch.fft.rfft2: complex numbers; norm "backward", which does not scale, by default.
    if is_exporting():
        return _fft2_by_products(x, x.shape[3] // 2 + 1)
    spectrum = torch.fft.rfft2(x, norm="backward")
    return spectrum.real, spectrum.imag


def irfft2(real: Tensor, imaginary: Tensor, *, width: int) -> Tensor:
    """The inverse of `rfft2`, 2 x (n, c, h, width/2 + 1) -> (n, c, h, width)."""
    # Native: torch.fft.irfft2: complex numbers; norm "backward" and an even width by default.
    if is_exporting():
        return _irfft2_by_products(real, imaginary, width)
    spectrum = torch.complex(real, imaginary)
    return torch.fft.irfft2(spectrum, s=(real.shape[2], width), norm="backward")


def half_counts(like: Tensor, width: int) -> Tensor:
    """How often columns of half a spectrum occur in the whole, 1 or 2, (width/2 + 1,)."""
    # Native: torch.arange: whole numbers, on CPU by default.
    columns = torch.arange(width // 2 + 1, device=like.device)
    return 2 - ((columns == 0) | (2 * columns == width)).to(like)


def fft2(x: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the unnormalized 2-D Fourier transform, each (n, c, h, w)."""
    # Native: torch.fft.fft2: complex numbers; norm "backward", which does not scale, by default.
    if is_exporting():
        return _fft2_by_products(x, x.shape[3])
    spectrum = torch.fft.fft2(x, norm="backward")
    return spectrum.real, spectrum.imag


def ifft2(real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
    """The inverse of `fft2`, also for a spectrum of no real map, 2 x (n, c, h, w) -> the same."""
    # Native: torch.fft.ifft2: complex numbers; norm "backward", which divides by h w, by default.
    if is_exporting():
        return _ifft2_by_products(real, imaginary)
    values = torch.fft.ifft2(torch.complex(real, imaginary), norm="backward")
    return values.real, values.imag


def unit_spectrum(x: Tensor) -> tuple[Tensor, Tensor]:
    """`rfft2` divided by its modulus, (n, c, h, w) -> 2 x (n, c, h, w/2 + 1).

    Where the modulus is 0 it is 1 + 0i, without gradient.
    """
    # Native: torch.sgn: a complex number divided by its modulus; 0 without gradient at 0.
    spectrum = torch.fft.rfft2(x, norm="backward")
    if is_exporting():  # ONNX compares no complex numbers
        real, imaginary = spectrum.real, spectrum.imag
        modulus = torch.sqrt(real * real + imaginary * imaginary)
        empty = modulus == 0
        modulus = modulus.masked_fill(empty, 1.0)
        return (real / modulus).masked_fill(empty, 1.0), imaginary / modulus
    phases = torch.where(spectrum == 0, 1, torch.sgn(spectrum))
    return phases.real, phases.imag


def angle(real: Tensor, imaginary: Tensor) -> Tensor:
    """The angle of complex numbers in (-pi, pi], 0 without gradient at 0, any shape."""
    # Native: torch.atan2: its gradient at 0 is not a number.
    empty = (real == 0) & (imaginary == 0)
    angles = torch.atan2(imaginary.masked_fill(empty, 0.0), real.masked_fill(empty, 1.0))
    if is_exporting():  # ONNX has no atan2, and what stands for it is off by up to 2 pi there
        return angles.masked_fill((imaginary == 0) & (real < 0), torch.pi)
    return angles


def _fft2_by_products(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The first columns of `fft2` as products with matrices of waves: what onnxruntime computes for
    a transform is ten times as far off as they are."""
    height, width = x.shape[2], x.shape[3]
    cosines, sines = _waves(width, count, x)
    real, imaginary = x @ cosines, -(x @ sines)
    cosines, sines = _waves(height, height, x)
    return cosines @ real + sines @ imaginary, cosines @ imaginary - sines @ real


def _irfft2_by_products(real: Tensor, imaginary: Tensor, width: int) -> Tensor:
    """`irfft2` as `_fft2_by_products`."""
    real, imaginary = _inverse_of_columns(real, imaginary)
    cosines, sines = _waves(width, real.shape[3], real)
    counts = half_counts(real, width) / width
    return (real * counts) @ cosines.T - (imaginary * counts) @ sines.T


def _ifft2_by_products(real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
    """`ifft2` as `_fft2_by_products`."""
    real, imaginary = _inverse_of_columns(real, imaginary)
    width = real.shape[3]
    cosines, sines = _waves(width, width, real)
    return (
        (real @ cosines - imaginary @ sines) / width,
        (imaginary @ cosines + real @ sines) / width,
    )


def _inverse_of_columns(real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
    """The inverse transform of each column, 2 x (n, c, h, w) -> 2 x (n, c, h, w)."""
    height = real.shape[2]
    cosines, sines = _waves(height, height, real)
    return (
        (cosines @ real - sines @ imaginary) / height,
        (cosines @ imaginary + sines @ real) / height,
    )


def _waves(length: int, count: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the first frequencies, one in each column, (length, count)."""
    places = torch.arange(length, device=like.device).unsqueeze(1)
    turns = places * torch.arange(count, device=like.device)
    turns = turns % torch.full_like(turns, length)  # whole ones do not matter
    angles = turns.double() * (2 * torch.pi / length)
    return torch.cos(angles).to(like), torch.sin(angles).to(like)
