"""Image quality, against the definitions written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import correlate1d

from restoration.errors import InputError
from restoration.evaluation import metrics

RNG = np.random.default_rng(0)
TRUTH = RNG.random((3, 24, 31))
IMAGE = np.clip(TRUTH + 0.1 * RNG.standard_normal(TRUTH.shape), 0, 1)


def test_psnr() -> None:
    expected = -10 * np.log10(np.mean((TRUTH - IMAGE) ** 2))
    assert metrics.psnr_db(TRUTH, IMAGE) == pytest.approx(expected)
    assert metrics.psnr_db(TRUTH[None], IMAGE[None]) == pytest.approx(expected)
    assert metrics.psnr_db(TRUTH, TRUTH) == np.inf


def test_ssim() -> None:
    """Wang et al. 2004, on the pixels whose window lies inside the image."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(x: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(x, window, axis=1), window, axis=2)[:, 5:-5, 5:-5]

    a, b = mean(TRUTH), mean(IMAGE)
    var_a, var_b = mean(TRUTH**2) - a**2, mean(IMAGE**2) - b**2
    covariance = mean(TRUTH * IMAGE) - a * b
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * a * b + c1) * (2 * covariance + c2)
    score /= (a**2 + b**2 + c1) * (var_a + var_b + c2)
    assert metrics.ssim(TRUTH, IMAGE) == pytest.approx(score.mean(), rel=1e-9)
    assert metrics.ssim(TRUTH, TRUTH) == pytest.approx(1)


def test_unlike_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="two images of one shape"):
        metrics.psnr_db(TRUTH, IMAGE[:, :-1])
    with pytest.raises(InputError, match="one by one"):
        metrics.ssim(np.stack([TRUTH, TRUTH]), np.stack([IMAGE, IMAGE]))


def test_ssim_of_a_tiny_image_is_refused() -> None:
    with pytest.raises(InputError, match="at least 11 pixels on each side, got 10x11"):
        metrics.ssim(TRUTH[:, :10, :11], IMAGE[:, :10, :11])
