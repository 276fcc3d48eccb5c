"""Scores by every protocol, against what the authors' own evaluation programs gave."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file
from scipy.ndimage import correlate1d, gaussian_filter, shift

from restoration.errors import InputError
from restoration.evaluation import alignment, metrics, similarity
from restoration.evaluation.protocols import PROTOCOLS, score, score_by
from restoration.models import continuous

GOLDENS = Path(__file__).parents[1] / "golden" / "training"
LMF = GOLDENS / "eval-lmf.safetensors"


def _golden(name: str) -> dict[str, np.ndarray]:
    return load_file(GOLDENS / f"eval-{name}.safetensors")


def _picture(levels: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 -> (3, h, w) float64 in [0, 1]."""
    return levels.transpose(2, 0, 1) / 255


def test_scores_of_mimo_unet_and_of_its_port() -> None:
    golden = _golden("mimo_unet")
    pairs = [
        (_picture(golden[f"inputs/label{i}"]), golden[f"inputs/output{i}"].astype(np.float64))
        for i in range(3)
    ]
    for name, stored in (("mimo_unet-gopro", "outputs"), ("mimo_unet-mindspore", "port")):
        found = [score(name, *pair).psnr_db for pair in pairs]
        assert found == pytest.approx(golden[f"{stored}/psnr"], rel=1e-12)
        assert np.mean(found) == pytest.approx(golden[f"{stored}/psnr_average"].item(), rel=1e-12)


def test_scores_of_self_blind_vsr_are_means_over_frames() -> None:
    golden = _golden("self_blind_vsr")
    frames = ("000-00000002", "000-00000003", "011-00000002", "011-00000003", "011-00000004")
    found = []
    for frame in frames:
        video, number = frame.split("-")
        truth = golden[f"inputs/gt/{video}"][int(number)]
        restored = golden[f"outputs/restored_uint8/{frame}"]
        found.append(score("self_blind_vsr", _picture(truth), _picture(restored)))
    numbers = np.array([[one.psnr_db, one.ssim] for one in found])
    assert numbers[:, 0] == pytest.approx(golden["outputs/psnr/border0_mode1"], rel=1e-12)
    assert numbers[:, 1] == pytest.approx(golden["outputs/ssim/border0_mode1"], rel=1e-12)
    average = golden["outputs/average/border0_mode1"]
    assert numbers.mean(0) == pytest.approx(average[2], rel=1e-12)
    assert numbers.mean(0) != pytest.approx(average[:2].mean(0), rel=1e-4)  # over videos
    assert PROTOCOLS["self_blind_vsr"].averaged == "frames"
    validation = score("self_blind_vsr-validation", golden["inputs/val_b"], golden["inputs/val_a"])
    assert validation.psnr_db == pytest.approx(golden["outputs/val_psnr"].item(), rel=1e-7)
    equal = score("self_blind_vsr-validation", golden["inputs/val_a"], golden["inputs/val_a"])
    assert equal.psnr_db == golden["outputs/val_psnr_equal"].item() == 100


@pytest.mark.parametrize(("name", "stored"), [("lmd_vit", "outputs"), ("reloblur-lbag", "lbag")])
def test_scores_of_lmd_vit_are_weighted_by_the_mask(name: str, stored: str) -> None:
    golden = _golden("lmd_vit")
    for i in range(2):
        found = score(
            name,
            _picture(golden[f"inputs/{i}/img_gt"]),
            golden[f"inputs/{i}/network_output"].astype(np.float64),
            mask=golden[f"inputs/{i}/blur_mask"],
        ).numbers()
        for number, key in (
            ("PSNR", "psnr"),
            ("SSIM", "ssim"),
            ("weighted PSNR", "weighted_psnr"),
            ("weighted SSIM", "weighted_ssim"),
        ):
            assert found[number] == pytest.approx(golden[f"{stored}/{key}"][i], rel=1e-12), number


def test_an_empty_mask_gives_no_weighted_numbers() -> None:
    golden = _golden("lmd_vit")
    truth = _picture(golden["inputs/0/img_gt"])
    found = score("lmd_vit", truth, truth * 0.9, mask=np.zeros(truth.shape[1:]))
    assert set(found.numbers()) == {"PSNR", "SSIM"}
    assert found.notes == ("its mask is empty: no weighted numbers",)


@pytest.mark.parametrize("cut", [0, 4])
@pytest.mark.parametrize(("channels", "luma"), [("rgb", ""), ("y", "bt601")])
def test_psnr_and_psnr_b_of_8_bit_helpers(cut: int, channels: str, luma: str) -> None:
    """Theirs round luma to float32."""
    golden = _golden("lmd_vit")
    pair = [_picture(golden[f"inputs/0/{key}"]) for key in ("img_gt", "output_uint8")]
    rule = dataclasses.replace(PROTOCOLS["swinir-jpeg"], cut_px=cut, luma=luma)
    found = score_by(rule, *pair).numbers()
    tolerance = 1e-12 if channels == "rgb" else 1e-6
    for number, key in (("PSNR", "psnr"), ("PSNR-B as published", "psnrb")):
        stored = golden[f"outputs/helper_{key}/crop{cut}_{channels}"].item()
        assert found[number] == pytest.approx(stored, rel=tolerance)


@pytest.mark.parametrize("picture", ["a", "b"])
@pytest.mark.parametrize("cut", [0, 2])
def test_psnr_b_of_swinir(picture: str, cut: int) -> None:
    golden = load_file(GOLDENS.parent / "swinir_official-metrics.safetensors")
    pair = [
        metrics.cut(_picture(golden[f"inputs/{kind}_{picture}"]), cut)
        for kind in ("gt", "restored")
    ]
    stored = golden[f"outputs/psnrb_{picture}_crop{cut}"].item()
    assert metrics.psnr_b_db(*pair, as_published=True) == pytest.approx(stored, rel=1e-12)
    is_right = all(side % 8 == 0 for side in pair[0].shape[1:])
    assert (metrics.psnr_b_db(*pair) == pytest.approx(stored, rel=1e-12)) == is_right


def test_scores_of_phaseformer_and_spectroformer() -> None:
    """The golden pairs are compared at 32 pixels instead of 256."""
    golden = _golden("phaseformer")
    stored = {
        "lsui": ("outputs/psnr", "defect_ssim_volume"),
        "lsui-per-channel": ("outputs/psnr", "outputs/ssim_per_channel"),
        "lsui-training": ("outputs/unclamped_psnr", "defect_unclamped_ssim_volume"),
        "phaseformer-imqual": ("outputs/imqual_psnr", "outputs/imqual_ssim"),
    }
    for name, keys in stored.items():
        rule = dataclasses.replace(PROTOCOLS[name], side_px=32)
        for i in range(3):
            truth, image = _picture(golden[f"inputs/gt/{i}"]), golden[f"inputs/output/{i}"]
            found = score_by(rule, truth, image)
            assert (found.psnr_db, found.ssim) == pytest.approx(
                tuple(golden[key][i] for key in keys), rel=1e-12
            ), name
    assert score("phaseformer-imqual", truth, truth).psnr_db == 100


def _stand_in(levels: np.ndarray, scale: float, floor: float | None, window: int) -> np.ndarray:
    """The network of the golden file, a formula; (h, w, 3) uint8 -> (3, H, W)."""
    height, width = levels.shape[:2]
    picture = levels.astype(np.float64) / 255 * 2 - 1
    if window:
        sides = [(side // window + 1) * window for side in (height, width)]
        padding = [(0, more - side) for side, more in zip((height, width), sides, strict=True)]
        picture = np.pad(picture, (*padding, (0, 0)), mode="symmetric")
    h, w = picture.shape[:2]
    rows, columns = round(h * scale), round(w * scale)
    coord = continuous.make_coord(rows, columns)
    factor = max(scale / floor, 1) if floor else 1
    cell = np.array([2 / rows, 2 / columns]) * factor
    index, weight = continuous.bilinear(coord[None], np.array([h, w]))
    found = 1.1 * np.einsum("kqc,kq->qc", picture.reshape(-1, 3)[index[0]], weight[0])
    found += 0.02 * (cell[0] * h - 0.5 * cell[1] * w)
    found += 0.01 * np.cos(3 * coord[:, :1] + coord[:, 1:])
    image = (found.reshape(rows, columns, 3) / 2 + 0.5).transpose(2, 0, 1)
    return image[:, : round(height * scale), : round(width * scale)]


def _lmf_cases() -> dict[str, dict[str, object]]:
    with safe_open(LMF, framework="np") as file:
        return json.loads(file.metadata()["cases"])


@pytest.mark.parametrize("case", _lmf_cases())
def test_scores_of_lmf(case: str) -> None:
    """With the cell that the protocol gives to the network, which matters above x4."""
    golden, about = load_file(LMF), _lmf_cases()[case]
    scale, window = float(about["scale"]), int(about["window"])  # type: ignore[arg-type]
    kind = case.removeprefix(f"window{window}-").split("-")[0]
    protocol = PROTOCOLS[f"lmf-{kind}"]
    found = []
    for number, size in enumerate(about["gt_size"]):  # type: ignore[arg-type]
        truth = _picture(golden[f"inputs/hr{number}"])[:, : size[0], : size[1]]
        small = golden[f"inputs/lr/{scale:g}/{number}"]
        image = _stand_in(small, scale, protocol.cell_floor, window)
        found.append(score(protocol.name, truth, image, scale=scale).psnr_db)
    assert found == pytest.approx(golden[f"outputs/psnr/{case}"], rel=1e-9)
    assert np.mean(found) == pytest.approx(golden[f"outputs/average/{case}"].item(), rel=1e-9)


def test_a_batch_is_no_image() -> None:
    """One error over a batch, as published programs take it, is another number: ours is the mean
    of the images."""
    golden = load_file(LMF)
    pairs = zip(golden["inputs/batch_hr"], golden["inputs/batch_sr"], strict=True)
    mean = np.mean([score("lmf-plain", *pair).psnr_db for pair in pairs])
    assert mean == pytest.approx(golden["outputs/batch_average_1_1_1"].item(), rel=1e-6)
    assert mean != pytest.approx(golden["outputs/batch_average_2_1"].item(), rel=1e-3)


def test_lmfs_log_is_6_decibels_low() -> None:
    truth, image = np.full((3, 8, 8), 0.5), np.full((3, 8, 8), 0.6)
    difference = score("lmf-plain", truth, image).psnr_db - score("lmf-log", truth, image).psnr_db
    assert difference == pytest.approx(6.0206, abs=1e-4)


def test_luma_of_full_range_is_a_third_of_a_decibel_and_one_low() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.random((1, 40, 40)), 3, axis=0)
    image = np.clip(truth + 0.01, 0, 1)
    studio = metrics.psnr_db(*(metrics.luma(one) for one in (truth, image)))
    full = score("luma-full-range", truth, image).psnr_db
    assert studio - full == pytest.approx(20 * np.log10(255 / 219), abs=1e-6)


def _smooth(seed: int, size: tuple[int, int] = (60, 72)) -> np.ndarray:
    noise = np.random.default_rng(seed).random((3, *size))
    smooth = gaussian_filter(noise, (0, 2, 2), mode="wrap")
    return (smooth - smooth.min()) / np.ptp(smooth)


def test_kohler_takes_the_best_of_shifted_and_dimmed_frames() -> None:
    """Frames are shifted by whole pixels; the right one then differs by what the border lost."""
    frames = np.stack([_smooth(seed) for seed in range(3)])
    moved = alignment.shifted(frames[1], -3, 2) * 0.8
    found = score("kohler", frames, moved)
    assert found.psnr_db > 30
    assert found.psnr_db > score("kohler", frames[0], moved).psnr_db + 10
    assert found.notes == ("no MS-SSIM: a side has less than 161 pixels",)


def test_realblur_undoes_what_a_hand_moved() -> None:
    truth = _smooth(5)
    moved = np.stack([shift(plane, (1.4, -0.7), order=3, mode="reflect") for plane in truth]) * 0.9
    aligned, plain = score("realblur", truth, moved), score("rgb", truth, moved)
    assert aligned.psnr_db > plain.psnr_db + 12
    assert aligned.ssim is not None
    assert aligned.ssim > 0.98
    with pytest.raises(InputError, match="alignment: expected a restored picture that resembles"):
        score("realblur", truth, np.zeros_like(truth))


def test_ms_ssim_is_the_papers() -> None:
    """Five scales with the separable window written out; an odd side at every halving."""
    truth = _smooth(1, (171, 183))
    image = np.clip(truth + 0.05 * np.random.default_rng(2).standard_normal(truth.shape), 0, 1)
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(x: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(x, window, axis=0), window, axis=1)[5:-5, 5:-5]

    def halved(x: np.ndarray) -> np.ndarray:
        height, width = x.shape
        bordered = np.zeros((height + 2 * (height % 2), width + 2 * (width % 2)))
        top, left = height % 2, width % 2
        bordered[top : top + height, left : left + width] = x
        rows, columns = bordered.shape[0] // 2, bordered.shape[1] // 2
        return (
            sum(bordered[i : 2 * rows : 2, j : 2 * columns : 2] for i in (0, 1) for j in (0, 1)) / 4
        )

    found = []
    for a, b in zip(truth, image, strict=True):
        value = 1.0
        for scale, weight in enumerate(similarity.SCALE_WEIGHTS):
            means = mean(a), mean(b)
            variances = mean(a * a) - means[0] ** 2 + mean(b * b) - means[1] ** 2
            both = mean(a * b) - means[0] * means[1]
            term = (2 * both + 0.0009) / (variances + 0.0009)
            if scale == 4:
                term = (
                    term * (2 * means[0] * means[1] + 1e-4) / (means[0] ** 2 + means[1] ** 2 + 1e-4)
                )
            value *= term.mean() ** weight
            a, b = halved(a), halved(b)  # noqa: PLW2901
        found.append(value)
    assert similarity.ms_ssim(truth, image) == pytest.approx(np.mean(found), rel=1e-9)
    assert similarity.ms_ssim(truth, truth) == pytest.approx(1)
    with pytest.raises(InputError, match="MS-SSIM: expected images of at least 161 pixels"):
        similarity.ms_ssim(truth[:, :160], image[:, :160])


def test_the_3_d_ssim_is_a_gaussian_over_rows_columns_and_channels() -> None:
    truth = _smooth(3, (20, 22))
    image = np.clip(truth * 0.9 + 0.02, 0, 1)
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(x: np.ndarray) -> np.ndarray:
        for axis in range(3):
            x = correlate1d(x, window, axis=axis, mode="nearest")
        return x

    a, b = mean(truth), mean(image)
    both, spread = mean(truth * image) - a * b, mean(truth**2) - a**2 + mean(image**2) - b**2
    expected = (2 * a * b + 1e-4) * (2 * both + 9e-4) / ((a**2 + b**2 + 1e-4) * (spread + 9e-4))
    assert similarity.FORMS["gaussian-3d"](truth, image) == pytest.approx(expected.mean(), rel=1e-9)
