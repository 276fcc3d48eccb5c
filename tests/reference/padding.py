"""Borders, in NumPy from their definitions."""

from __future__ import annotations

import numpy as np


def pad_to(x: np.ndarray, height: int, width: int) -> np.ndarray:
    spare = height - x.shape[2], width - x.shape[3]
    return np.pad(x, [(0, 0), (0, 0), *((d // 2, d - d // 2) for d in spare)])


def pad_bottom_right(x: np.ndarray, height: int, width: int, *, mode: str) -> np.ndarray:
    amounts = [(0, 0), (0, 0), (0, height - x.shape[2]), (0, width - x.shape[3])]
    native = {"zeros": "constant", "replicate": "edge", "reflect": "reflect"}
    return np.pad(x, amounts, mode=native[mode])


def pad_replicate(x: np.ndarray, amount: int) -> np.ndarray:
    return np.pad(x, [(0, 0), (0, 0), (amount, amount), (amount, amount)], mode="edge")


def shift_reflected(x: np.ndarray, down: int, right: int) -> np.ndarray:
    h, w = x.shape[2:]
    wide = np.pad(x, [(0, 0), (0, 0), (h - 1, h - 1), (w - 1, w - 1)], mode="reflect")
    top, left = h - 1 - down, w - 1 - right
    return wide[:, :, top : top + h, left : left + w]
