"""Layers in the form that an exporter sees, in a process with PyTorch."""

from __future__ import annotations

from unittest import mock

import numpy as np


def transforms(x: np.ndarray, y: np.ndarray) -> dict[str, tuple[np.ndarray, ...]]:
    """Of x the transforms, of x + iy the inverse, and x by way of half a spectrum and back."""
    import torch

    from torch_impl.layers import fourier

    first, second = torch.from_numpy(x), torch.from_numpy(y)
    with mock.patch.object(fourier, "is_exporting", return_value=True):
        half = fourier.rfft2(first)
        found = {
            "fft2": fourier.fft2(first),
            "rfft2": half,
            "ifft2": fourier.ifft2(first, second),
            "irfft2": (fourier.irfft2(*half, width=x.shape[3]),),
        }
    return {name: tuple(one.numpy() for one in arrays) for name, arrays in found.items()}
