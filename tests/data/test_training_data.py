"""Data of training against the numbers that the authors' own data sets gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from restoration.arrays import Arrays
from restoration.blur.kernel_field import KernelField
from restoration.data import degradations, kernels
from restoration.data.settings import DataSettings
from restoration.data.tasks import open_task
from restoration.data.transforms import cut, mixed, oriented, to_intensities
from restoration.images.resize import matlab_resize, pillow_resize
from restoration.models import registry
from restoration.models.continuous import make_coord

FOLDER = Path(__file__).parents[1] / "golden" / "training"


def golden(name: str) -> tuple[Arrays, dict[str, Any]]:
    path = FOLDER / f"data-{name}.safetensors"
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    return load_file(path), json.loads(metadata["cases"])


CLIPS, CLIP_CASES = golden("self_blind_vsr")
LMF, LMF_CASES = golden("lmf")
MIMO, MIMO_CASES = golden("mimo_unet")
LOCAL, LOCAL_CASES = golden("lmd_vit")
OBJECTS, OBJECT_CASES = golden("kernels")


@pytest.mark.parametrize("sigma", kernels.CLIP_SIGMAS)
def test_gaussian_kernels_of_clips(sigma: float) -> None:
    expected = CLIPS[f"outputs/gaussian/{sigma:.1f}"]
    np.testing.assert_allclose(kernels.clip_gaussian(sigma), expected, rtol=1e-10)


@pytest.mark.parametrize("number", range(4))
def test_realistic_kernels_of_clips(number: int) -> None:
    prefix = f"inputs/realistic/{number}"
    kernel = kernels.clip_realistic(CLIPS[f"{prefix}/u"], CLIPS[f"{prefix}/noise_u"])
    np.testing.assert_allclose(kernel, CLIPS[f"outputs/realistic/{number}"], atol=1e-12)


@pytest.mark.parametrize("name", CLIP_CASES)
def test_clips_are_blurred_and_reduced(name: str) -> None:
    case = CLIP_CASES[name]
    frames = CLIPS[f"inputs/frames/{case['frames']}"].transpose(0, 3, 1, 2)
    crops = [frames[..., y : y + 32, x : x + 32] for x, y in case["crops_x_y"]]
    scores = [degradations.smoothness(crop[2]) for crop in crops]
    np.testing.assert_allclose(scores, case["smoothness"], rtol=1e-12)
    crop = oriented(crops[-1], int(case["vflip"]) + 2 * int(case["hflip"]))
    crop = oriented(oriented(crop, 4), 1) if case["rot90"] else crop
    is_gaussian = case["kernel"] == "gaussian"
    kernel = kernels.clip_gaussian(case["sigma"]) if is_gaussian else CLIPS[case["kernel"]]
    reduced = degradations.blur_and_reduce(crop, kernel.astype(np.float32), 4) / 255
    np.testing.assert_allclose(reduced, CLIPS[f"outputs/sample/{name}/lr"], rtol=2e-6)
    exact = CLIPS[f"outputs/sample/{name}/lr_center_float64"]
    np.testing.assert_allclose(reduced[2], exact, rtol=1e-10)


def test_a_picture_smaller_than_its_kernel() -> None:
    small = CLIPS["inputs/small"].transpose(2, 0, 1)
    kernel = kernels.clip_gaussian(2.0).astype(np.float32)
    reduced = degradations.blur_and_reduce(small, kernel, 4).transpose(1, 2, 0)
    expected = CLIPS["outputs/small/gaussian2.0"]
    scale = 255 if expected.max() <= 2 else 1
    np.testing.assert_allclose(reduced / scale, expected, rtol=2e-6)


@pytest.mark.parametrize("key", [key for key in CLIPS if key.startswith("outputs/imresize/")])
def test_resizing_as_matlab(key: str) -> None:
    _, _, filter_name, word, dtype = key.split("/")
    expected = CLIPS[key]
    image = CLIPS["inputs/resize"].transpose(2, 0, 1)
    if dtype == "grey":
        image, expected = image[:1], expected[..., None]
        if not np.isclose(
            CLIPS["outputs/imresize/bicubic/0.5/float"][..., 0], expected[..., 0]
        ).all():
            image = CLIPS["inputs/resize"].mean(2)[None]
    scale = None if word.startswith("to_") else 1 / 3 if word == "0.333333" else float(word)
    given = image if dtype == "uint8" else image.astype(np.float64)
    height, width = expected.shape[:2]
    resized = matlab_resize(given, height, width, scale=scale, filter_name=filter_name)
    np.testing.assert_allclose(resized.transpose(1, 2, 0), expected, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("size", ["100x120", "18x23", "1x1", "35x45", "71x30"])
def test_resizing_as_pillow(size: str) -> None:
    expected = LMF[f"outputs/resize/{size}"]
    image = to_intensities(LMF["inputs/image"].transpose(2, 0, 1))
    resized = pillow_resize(image, *expected.shape[1:])
    np.testing.assert_array_equal(resized, to_intensities(expected))


def test_coordinates() -> None:
    for key in ("1x4", "7x9", "24x31"):
        height, width = map(int, key.split("x"))
        expected = LMF[f"outputs/coord/{key}"]
        np.testing.assert_allclose(make_coord(height, width), expected, atol=1e-6)


def test_a_sample_of_a_continuous_network() -> None:
    model = registry.find("liif")
    data = DataSettings(crop_px=12, queries=100)
    task: Any = open_task(model, model.spec("tiny"), data, seed=1)
    draws = [draw[2] for draw in LMF_CASES["downsampled_train"]["draws"]]
    side, top, left = round(12 * draws[0]), draws[1], draws[2]
    whole = to_intensities(LMF["inputs/image"].transpose(2, 0, 1))
    crop = whole[:, top : top + side, left : left + side]
    number = sum(bit * (draw < 0.5) for bit, draw in zip((1, 2, 4), draws[3:], strict=True))
    chosen = LMF["inputs/downsampled_train/sample"]
    sample = task.asked(crop, number, chosen)
    prefix = "outputs/downsampled_train"
    image, target = (LMF[f"{prefix}/{name}"] / np.float32(255) for name in ("inp", "gt"))
    np.testing.assert_allclose(sample["image"][0], 2 * image - 1, atol=1e-6)
    np.testing.assert_allclose(sample["target"][0], 2 * target - 1, atol=1e-6)
    np.testing.assert_allclose(sample["cell"][0], LMF[f"{prefix}/cell"][0] * 12, rtol=1e-6)


def test_pixels_of_a_batch_are_numbered_through_its_images() -> None:
    model = registry.find("liif")
    spec = model.spec("tiny")
    task = open_task(model, spec, DataSettings(crop_px=12, samples=2), seed=1)
    samples = [task.sample(index, 0) for index in range(2)]
    joined = task.join(samples)
    spec.check_inputs({name: array for name, array in joined.items() if name in spec.inputs})
    np.testing.assert_array_equal(joined["index"][1], samples[1]["index"][0] + 144)


@pytest.mark.parametrize("name", MIMO_CASES)
def test_crops_and_flips_of_pairs(name: str) -> None:
    case = MIMO_CASES[name]
    top, left = case.get("top_left") or (case["top"], case["left"])
    for kind in ("blur", "sharp"):
        image = MIMO[f"inputs/{kind}"].transpose(2, 0, 1)
        expected = MIMO[f"outputs/{name}/{kind}"]
        number = 2 * int(case["flip"])
        if name.startswith("port"):  # flips first
            found = cut(oriented(image, number), top, left, 24, 24)
        else:
            found = oriented(cut(image, top, left, 24, 24), number)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("table", ["lmd_vit", "kernels"])
def test_the_eight_flips_and_turns_are_those_of_the_authors(table: str) -> None:
    arrays = LOCAL if table == "lmd_vit" else OBJECTS
    picture = arrays["inputs/augment"]
    found = set()
    for place in range(8):
        expected = arrays[f"outputs/augment/{place}"]
        found |= {
            number
            for number in range(8)
            if oriented(picture, number).shape == expected.shape
            and (oriented(picture, number) == expected).all()
        }
    assert found == set(range(8))


def test_mixup() -> None:
    share = LOCAL["inputs/mixup/lambda"][:, :, None, None]
    order = LOCAL["inputs/mixup/perm"]
    for kind in ("blur", "gt"):
        picture = LOCAL[f"inputs/mixup/{kind}"]
        found = mixed(picture, picture[order], share)
        np.testing.assert_allclose(found, LOCAL[f"outputs/mixup/{kind}"], rtol=1e-12)


@pytest.mark.parametrize("number", range(4))
def test_gaussian_kernels_of_objects(number: int) -> None:
    scale, *spread = OBJECTS[f"inputs/gen_kernel/{number}"]
    kernel = kernels.object_gaussian(np.array(spread), scale=int(scale))
    np.testing.assert_allclose(kernel, OBJECTS[f"outputs/gen_kernel/{number}"], atol=1e-12)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_objects_are_blurred_each_by_its_kernel(name: str) -> None:
    case, margin = OBJECT_CASES[name], 24
    side, top, left = case["crop_patch_with_margin"], case["top"], case["left"]
    crop = OBJECTS["inputs/image"][top : top + side, left : left + side]
    sharp = crop.transpose(2, 0, 1).astype(np.float64) / 255
    labels = OBJECTS["inputs/masks"][:, top : top + side, left : left + side]
    masks = np.zeros((5, side, side))
    for place, label in enumerate(case["masks_used"]):
        masks[place] = labels[label]
    masks[len(case["masks_used"])] = 1 - masks.sum(0).clip(0, 1)
    basis = OBJECTS[f"inputs/{name}/basis"]
    blurred, soft = degradations.blur_objects(sharp, masks, basis)
    inner = slice(margin, -margin)
    clean = blurred[:, inner, inner][:, :: case["sf"], :: case["sf"]]
    np.testing.assert_allclose(clean, OBJECTS[f"outputs/{name}/L_clean_float64"], rtol=1e-10)
    np.testing.assert_allclose(soft[:, inner, inner], OBJECTS[f"outputs/{name}/kmap"], atol=1e-6)


def test_a_field_of_kernels_blurs_what_is_larger() -> None:
    names = ("kernels", "masks_valid", "sharp")
    given = [OBJECTS[f"inputs/reblur/{name}"].astype(np.float64) for name in names]
    found = KernelField(given[0], given[1]).blur_inside(given[2])
    np.testing.assert_allclose(found, OBJECTS["outputs/reblur/forward_valid"], rtol=1e-10)
