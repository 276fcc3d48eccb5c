"""Fourier transforms, in NumPy from their definitions."""

from __future__ import annotations

import numpy as np


def rfft2(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    spectrum = np.fft.rfft2(x)
    return spectrum.real, spectrum.imag


def irfft2(real: np.ndarray, imaginary: np.ndarray, *, width: int) -> np.ndarray:
    return np.fft.irfft2(real + 1j * imaginary, s=(real.shape[2], width))


def fft2(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    spectrum = np.fft.fft2(x)
    return spectrum.real, spectrum.imag


def ifft2(real: np.ndarray, imaginary: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = np.fft.ifft2(real + 1j * imaginary)
    return values.real, values.imag
