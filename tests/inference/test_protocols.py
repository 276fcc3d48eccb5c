"""Scores by the rules of papers, against numbers that the authors' programs gave."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file
from skimage import data
from skimage.metrics import structural_similarity

from restoration.errors import InputError
from restoration.evaluation import metrics
from restoration.evaluation.protocols import PROTOCOLS, score
from tests.parity.goldens import FOLDER


@pytest.mark.parametrize(
    ("name", "stored", "scales"),
    [
        ("liif-benchmark", "psnr_benchmark", (2, 3, 4)),
        ("liif-div2k", "psnr_div2k", (2, 4)),
    ],
)
def test_scores_of_liif(name: str, stored: str, scales: tuple[int, ...]) -> None:
    """The authors' function takes a batch as one image: its mean square is the images' mean."""
    golden = load_file(FOLDER / "lmf_metrics.safetensors")
    for scale in scales:
        found = [
            score(name, truth, image, scale=scale).psnr_db
            for truth, image in zip(golden["inputs/hr"], golden["inputs/sr"], strict=True)
        ]
        whole = -10 * np.log10(np.mean(10 ** (-np.array(found) / 10)))
        assert whole == pytest.approx(golden[f"outputs/{stored}_x{scale}"].item(), rel=1e-12)


@pytest.mark.parametrize("name", ["edsr-benchmark", "edsr-div2k"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_scores_of_edsr(name: str, scale: int) -> None:
    """The network's output before it is rounded; a gray picture has no luma."""
    golden = load_file(FOLDER / "edsr_official-protocol.safetensors")
    pair = [golden[f"inputs/{key}"].astype(np.float64) / 255 for key in ("hr", "sr")]
    stored = f"outputs/{name.replace('edsr-', 'psnr_')}_x{scale}"
    found = score(name, *pair, scale=scale)
    assert found.psnr_db == pytest.approx(golden[stored].item(), rel=1e-12)
    gray = score(name, pair[0][:, :1], pair[1][:, :1], scale=scale)
    assert gray.psnr_db == pytest.approx(golden[f"{stored}_gray"].item(), rel=1e-12)


@pytest.mark.parametrize("cut", [0, 2])
@pytest.mark.parametrize("picture", ["a", "b"])
def test_scores_of_swinir(picture: str, cut: int) -> None:
    """Their luma passes through float32, ours does not."""
    golden = load_file(FOLDER / "swinir_official-metrics.safetensors")

    def stored(name: str) -> float:
        return golden[f"outputs/{name}_{picture}_crop{cut}"].item()

    pair = [
        golden[f"inputs/{kind}_{picture}"].transpose(2, 0, 1) / 255 for kind in ("gt", "restored")
    ]
    luma = score("swinir-sr", *pair, scale=cut)
    assert luma.psnr_db == pytest.approx(stored("psnr_y"), rel=1e-7)
    assert luma.ssim == pytest.approx(stored("ssim_y"), rel=1e-7)
    inside = [metrics.cut(image, cut) for image in pair]
    colors = score("swinir-denoising", *inside)
    assert colors.psnr_db == pytest.approx(stored("psnr"), rel=1e-12)
    assert colors.ssim == pytest.approx(stored("ssim"), rel=1e-12)
    green = score("swinir-denoising", *(image[1:2] for image in inside))
    assert green.psnr_db == pytest.approx(stored("psnr_green"), rel=1e-12)
    assert green.ssim == pytest.approx(stored("ssim_green"), rel=1e-12)


def _pair() -> tuple[np.ndarray, np.ndarray]:
    """An 8-bit picture, and one that is noisy and black at its border."""
    truth = (data.astronaut()[:96, :128] / 255).transpose(2, 0, 1)
    noise = 0.02 * np.random.default_rng(0).standard_normal(truth.shape)
    image = np.rint(np.clip(truth + noise * [[[1]], [[0.5]], [[3]]], 0, 1) * 255) / 255
    image[:, :2] = 0
    return truth, image


def test_one_picture_has_as_many_scores_as_there_are_rules() -> None:
    """Luma of studio range with 4 pixels cut, and all channels with 10 cut, written out."""
    truth, image = _pair()
    weights = np.array([65.738, 129.057, 25.064]) / 256
    luma_pair = [
        (16 / 255 + np.tensordot(weights, one, axes=1))[4:-4, 4:-4] for one in (truth, image)
    ]
    luma = score("edsr-benchmark", truth, image, scale=4)
    expected = -10 * np.log10(np.mean((luma_pair[0] - luma_pair[1]) ** 2))
    assert luma.psnr_db == pytest.approx(expected, rel=1e-12)
    similarity = structural_similarity(
        *luma_pair, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert luma.ssim == pytest.approx(similarity, rel=1e-9)
    colors = score("edsr-div2k", truth, image, scale=4)
    difference = (image - truth)[:, 10:-10, 10:-10]
    assert colors.psnr_db == pytest.approx(-10 * np.log10(np.mean(difference**2)), rel=1e-12)
    plain = score("rgb", truth, image)
    assert (round(luma.psnr_db, 1), round(plain.psnr_db, 1)) == (40.7, 21.0)


def test_a_score_carries_its_protocols_name() -> None:
    truth, image = _pair()
    assert str(score("swinir-sr", truth, image, scale=4)).startswith("swinir-sr: 40.7")
    inside = -10 * np.log10(np.mean((image - truth)[:, 10:-10, 10:-10] ** 2))
    assert str(score("edsr-div2k", truth, image, scale=4)) == f"edsr-div2k: {inside:.2f} dB"
    for name in PROTOCOLS:
        found = score(name, truth, image, scale=2)
        assert found.protocol == name
        assert (found.ssim is not None) == PROTOCOLS[name].has_ssim


def test_rounding_and_clamping_are_the_protocols() -> None:
    truth = np.full((3, 40, 40), 1.0)
    image = truth + 0.001
    assert score("rgb", truth, image).psnr_db == np.inf
    assert score("mimo_unet-mindspore", truth, image).psnr_db == pytest.approx(60)
    half = np.full((3, 40, 40), 100.5 / 255)  # half to even
    assert score("self_blind_vsr", np.full((3, 40, 40), 100 / 255), half).psnr_db == np.inf


def test_what_cannot_be_scored_is_refused() -> None:
    truth, image = _pair()
    with pytest.raises(InputError, match="did you mean 'edsr-div2k'"):
        score("edsr_div2k", truth, image)
    with pytest.raises(InputError, match="more than 96 pixels on each side, got 96x128"):
        score("edsr-benchmark", truth, image, scale=48)
    image[0, 5, 5] = np.nan
    with pytest.raises(InputError, match="restored image: expected finite numbers, got 1 NaN"):
        score("rgb", truth, image)


def test_luma_is_of_studio_range() -> None:
    ends = np.array([0.0, 1.0]).reshape(1, 1, 2) * np.ones((3, 1, 2))
    assert metrics.luma(ends) == pytest.approx(np.array([[[16 / 255, 235 / 255]]]))
    assert metrics.luma(ends[None]).shape == (1, 1, 1, 2)
