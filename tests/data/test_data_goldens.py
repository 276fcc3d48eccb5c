"""Samples as the authors' data sets make them from the draws that were recorded there.

Numbers in float64 are held to 1e-10, what the authors compute in float32 to 1e-6 (NIMBUSR's, whose
blur is accumulated in float32, to 2e-5), pictures in 8 bits exactly.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from restoration import images
from restoration.arrays import Arrays
from restoration.blur.kernel_field import KernelField
from restoration.data import degradations, kernels
from restoration.data.settings import DataSettings, SplitSettings
from restoration.data.tasks import open_task
from restoration.data.tasks.clips import TRIES, first_with_detail
from restoration.data.tasks.coordinates import CoordinatesTask
from restoration.data.tasks.objects import Scene, non_uniform
from restoration.data.tasks.pairs import LocalBlurTask, places_around_blur
from restoration.data.transforms import EIGHT, cut, mixed, oriented, to_intensities
from restoration.images.resize import matlab_resize, pillow_resize
from restoration.models import registry
from restoration.models.continuous import make_coord

FOLDER = Path(__file__).parents[1] / "golden" / "training"


@cache
def golden(name: str) -> Arrays:
    with safe_open(FOLDER / f"data-{name}.safetensors", "np") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


@cache
def cases(name: str) -> dict[str, Any]:
    with safe_open(FOLDER / f"data-{name}.safetensors", "np") as file:
        found: dict[str, Any] = json.loads(file.metadata()["cases"])
        return found


def planes(picture: np.ndarray) -> np.ndarray:
    """Pictures (..., h, w, c) as we have them, (..., c, h, w)."""
    return np.ascontiguousarray(np.moveaxis(picture, -1, -3))


def levels(intensities: np.ndarray) -> np.ndarray:
    """Intensities as levels, which they must be."""
    scaled = intensities.astype(np.float64) * 255
    np.testing.assert_allclose(scaled, np.rint(scaled), atol=1e-4)
    return np.rint(scaled).astype(np.uint8)


def flips(left_to_right: bool, top_to_bottom: bool = False, is_turned: bool = False) -> int:
    """The number of an orientation."""
    return int(top_to_bottom) + 2 * int(left_to_right) + 4 * int(is_turned)


# --- MIMO-UNet: crops and flips


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("array", ["blur", "sharp"])
def test_mimo_unet_cuts_and_then_flips(number: int, array: str) -> None:
    case, whole = (
        cases("mimo_unet")[f"authors{number}"],
        planes(golden("mimo_unet")[f"inputs/{array}"]),
    )
    crop = oriented(cut(whole, case["top"], case["left"], 24, 24), flips(case["flip"]))
    np.testing.assert_array_equal(crop, golden("mimo_unet")[f"outputs/authors{number}/{array}"])


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("array", ["blur", "sharp"])
def test_mimo_unet_s_port_flips_and_then_cuts(number: int, array: str) -> None:
    case, whole = (
        cases("mimo_unet")[f"port{number}"],
        planes(golden("mimo_unet")[f"inputs/{array}"]),
    )
    crop = cut(oriented(whole, flips(case["flip"])), *case["top_left"], 24, 24)
    np.testing.assert_array_equal(crop, golden("mimo_unet")[f"outputs/port{number}/{array}"])


# --- LMD-ViT: crops around blur, masks, turns, MixUp


@pytest.mark.parametrize("name", ["train0", "train1", "train2", "train3"])
def test_lmd_vit_cuts_around_blur(name: str) -> None:
    arrays, draws = golden("lmd_vit"), cases("lmd_vit")[name]["draws"]
    place = [draw[2] for draw in draws if draw[0] == "randint"]
    chosen = [draw[1:] for draw in draws if draw[0] == "choice"]
    if chosen:
        count, number, published = chosen[0]
        places = places_around_blur(arrays["inputs/mask"], 24)
        assert len(places) == count
        place = list(places[number])
        assert place == published
    is_flipped = draws[-1][1] < 0.5
    for theirs, ours in (("img_blur", "blur"), ("img_gt", "sharp")):
        crop = oriented(cut(planes(arrays[f"inputs/{ours}"]), *place, 24, 24), flips(is_flipped))
        np.testing.assert_array_equal(crop, arrays[f"outputs/{name}/{theirs}"])
    mask = oriented(cut(arrays["inputs/mask"][None], *place, 24, 24), flips(is_flipped)) > 0
    np.testing.assert_array_equal(mask, arrays[f"outputs/{name}/blur_mask"])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_samples_of_lmd_vit_are_such_crops(share: float) -> None:
    """The middle of all of them is blurred if that was asked for, else of some."""
    model = registry.find("lmd_vit")
    data = DataSettings(
        kind="npy", train=SplitSettings(target=str(FOLDER.parent)), blurred_share=share
    )
    with pytest.MonkeyPatch.context() as patch:
        mask = np.zeros((1, 150, 170), np.uint8)
        mask[0, 70:90, 60:90] = 255
        arrays = {"target": np.repeat(mask, 3, 0), "degraded": np.repeat(mask, 3, 0), "mask": mask}
        patch.setattr(LocalBlurTask, "_open", lambda *_: _OnePicture(arrays))
        task = open_task(model, model.spec("tiny"), data, seed=1)
        masks = [task.sample(0, epoch)["mask"][0, 0] for epoch in range(30)]
    are_around = [bool(mask[32, 32]) for mask in masks]
    assert all(are_around) if share else 0 < sum(are_around) < 30


class _OnePicture:
    def __init__(self, arrays: Arrays):
        self._arrays = arrays

    def __len__(self) -> int:
        return 1

    def read(self, index: int) -> Arrays:
        return self._arrays


def test_lmd_vit_s_eight_turns_are_ours() -> None:
    found = _numbers_of_ours(golden("lmd_vit"))
    assert sorted(found) == list(range(EIGHT))


def _numbers_of_ours(arrays: Arrays) -> list[int]:
    """For each of their flips and turns the number of ours that equals it."""
    given = arrays["inputs/augment"]
    return [
        number
        for mode in range(EIGHT)
        for number in range(EIGHT)
        if np.array_equal(oriented(given, number), arrays[f"outputs/augment/{mode}"])
    ]


def test_mixup_is_theirs() -> None:
    arrays = golden("lmd_vit")
    order, shares = arrays["inputs/mixup/perm"], arrays["inputs/mixup/lambda"]
    for name in ("blur", "gt"):
        given = arrays[f"inputs/mixup/{name}"]
        found = [
            mixed(one, given[other], float(share))
            for one, other, (share,) in zip(given, order, shares, strict=True)
        ]
        np.testing.assert_allclose(found, arrays[f"outputs/mixup/{name}"], rtol=1e-10)


# --- LIIF, LTE, LMF: resizing, coordinates, samples

RESIZED = {
    "100x120": (100, 120),
    "18x23": (18, 23),
    "1x1": (1, 1),
    "35x45": (35, 45),
    "71x30": (71, 30),
    "71x91_shorter_24": (24, 30),
}


@pytest.mark.parametrize("name", RESIZED)
def test_pictures_are_reduced_as_by_pillow(name: str) -> None:
    whole = to_intensities(planes(golden("lmf")["inputs/image"]))
    found = pillow_resize(whole, *RESIZED[name])
    np.testing.assert_array_equal(levels(found), golden("lmf")[f"outputs/resize/{name}"])


def test_a_square_is_reduced_as_by_pillow() -> None:
    square = to_intensities(planes(golden("lmf")["inputs/image"])[:, :60, :60])
    found = levels(pillow_resize(square, 17, 17))
    np.testing.assert_array_equal(found, golden("lmf")["outputs/resize/60x60_to_17"])


@pytest.mark.parametrize(("rows", "columns"), [(1, 4), (7, 9), (24, 31)])
def test_coordinates_are_theirs(rows: int, columns: int) -> None:
    expected = golden("lmf")[f"outputs/coord/{rows}x{columns}"]
    np.testing.assert_allclose(make_coord(rows, columns), expected, atol=1e-6)


def continuous_task(folder: Path, *, scale: float = 4.0, crop_px: int = 12) -> CoordinatesTask:
    """The task of LIIF for their picture."""
    write(folder / "picture.png", golden("lmf")["inputs/image"])
    split = SplitSettings(target=str(folder))
    data = DataSettings(
        kind="pictures", train=split, valid=split, crop_px=crop_px, valid_scale=scale,
        augmentation="eight",
    )  # fmt: skip
    model = registry.find("liif")
    task = open_task(model, model.spec("tiny"), data, seed=1)
    assert isinstance(task, CoordinatesTask)
    return task


@pytest.mark.parametrize("name", ["downsampled_train", "downsampled_fast_train"])
def test_continuous_samples_are_theirs(name: str, tmp_path: Path) -> None:
    arrays, draws = golden("lmf"), cases("lmf")[name]["draws"]
    scale, top, left, rows, columns, turn = (draw[2] for draw in draws)
    side = round(12 * scale)
    whole = planes(arrays["inputs/image"])
    crop = to_intensities(whole[:, top : top + side, left : left + side])
    # Their first flip is of rows, the second of columns, the third transposes.
    number = flips(columns < 0.5, rows < 0.5, turn < 0.5)
    sample = continuous_task(tmp_path).asked(crop, number, arrays[f"inputs/{name}/sample"])
    expected = {key: arrays[f"outputs/{name}/{key}"] for key in ("inp", "gt", "coord", "cell")}
    np.testing.assert_array_equal(levels((sample["image"][0] + 1) / 2), expected["inp"])
    colors = expected["gt"] if expected["gt"].ndim == 2 else expected["gt"].reshape(3, -1).T
    np.testing.assert_array_equal(levels((sample["target"][0] + 1) / 2), colors)
    np.testing.assert_allclose(2 / side, expected["cell"], rtol=1e-6)
    coord = make_coord(side, side)[arrays[f"inputs/{name}/sample"]]
    np.testing.assert_allclose(coord, expected["coord"].reshape(-1, 2), atol=1e-6)


@pytest.mark.parametrize("scale", [2.5, 3.3])
def test_pictures_are_held_out_by_their_rule(scale: float, tmp_path: Path) -> None:
    item = continuous_task(tmp_path, scale=scale).hold_out(0)
    expected = {
        key: golden("lmf")[f"outputs/downsampled_eval_x{scale}/{key}"] for key in ("inp", "gt")
    }
    assert item.degraded is not None
    np.testing.assert_array_equal(levels(item.degraded[0]), expected["inp"])
    np.testing.assert_array_equal(levels(item.truth[0]).reshape(3, -1).T, expected["gt"])


@pytest.mark.parametrize(("number", "sizes"), [(0, [(20, 25)]), (3, [(35, 44), (16, 20)])])
def test_targets_of_varied_size_are_theirs(number: int, sizes: list[tuple[int, int]]) -> None:
    """One draw flips columns; the target is resized, once or twice, and some pixels are asked."""
    arrays, name = golden("lmf"), f"uniform_varied_{number}"
    is_flipped = cases("lmf")[name]["draws"][0][2] < 0.5
    target = oriented(to_intensities(planes(arrays["inputs/image"])), flips(is_flipped))
    small = oriented(arrays["inputs/pair_lr"], flips(is_flipped))
    np.testing.assert_array_equal(small, arrays[f"outputs/{name}/inp"])
    chosen = arrays[f"inputs/{name}/sample"]
    for size in sizes:
        target = pillow_resize(target, *size)
    colors = levels(target).reshape(3, -1).T[chosen]
    np.testing.assert_array_equal(colors, arrays[f"outputs/{name}/gt"])
    coord = make_coord(*sizes[-1])[chosen]
    np.testing.assert_allclose(coord, arrays[f"outputs/{name}/coord"], atol=1e-6)


# --- Self-Blind-VSR: kernels, reduced clips


@pytest.mark.parametrize("sigma", kernels.CLIP_SIGMAS)
def test_gaussian_kernels_of_clips_are_theirs(sigma: float) -> None:
    expected = golden("self_blind_vsr")[f"outputs/gaussian/{sigma}"]
    np.testing.assert_allclose(kernels.clip_gaussian(sigma), expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("number", range(4))
def test_realistic_kernels_of_clips_are_theirs(number: int) -> None:
    arrays = golden("self_blind_vsr")
    drawn = [arrays[f"inputs/realistic/{number}/{key}"] for key in ("u", "noise_u")]
    found = kernels.clip_realistic(*drawn)
    np.testing.assert_allclose(found, arrays[f"outputs/realistic/{number}"], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", "abcde")
def test_clips_are_theirs(name: str) -> None:
    """Crops without detail are drawn again; flips, the turn, blur and reduction follow."""
    arrays, case = golden("self_blind_vsr"), cases("self_blind_vsr")[name]
    frames = planes(arrays[f"inputs/frames/{case['frames']}"])
    tried = [frames[..., y : y + 32, x : x + 32] for x, y in case["crops_x_y"]]
    for crop, score in zip(tried, case["smoothness"], strict=True):
        assert degradations.smoothness(crop[2]) == pytest.approx(score, rel=1e-10)
    # What comes after the last one they tried must not be looked at.
    more = [frames[..., :32, :32]] * (TRIES - len(tried))
    chosen = first_with_detail([*tried, *more])
    np.testing.assert_array_equal(chosen, tried[-1])
    # A turn to the left is a flip of columns, then a transposition.
    is_turned = case["rot90"]
    number = flips(case["hflip"] != is_turned, case["vflip"], is_turned)
    kernel = (
        kernels.clip_gaussian(case["sigma"])
        if case["kernel"] == "gaussian"
        else arrays[case["kernel"]]
    ).astype(np.float32)
    small = degradations.blur_and_reduce(oriented(chosen, number), kernel, 4) / 255
    np.testing.assert_allclose(small[2], arrays[f"outputs/sample/{name}/lr_center_float64"],
                               rtol=1e-10)  # fmt: skip
    np.testing.assert_allclose(small, arrays[f"outputs/sample/{name}/lr"], rtol=1e-6, atol=1e-7)


KERNELS = {
    "gaussian1.2": "outputs/gaussian/1.2",
    "gaussian2.0": "outputs/gaussian/2.0",
    "realistic0": "outputs/realistic/0",
    "realistic1": "outputs/realistic/1",
    "realistic2": "outputs/realistic/2",
}


@pytest.mark.parametrize("name", ["gaussian1.2", "realistic0", "realistic2"])
def test_test_sets_of_clips_are_theirs(name: str) -> None:
    arrays = golden("self_blind_vsr")
    kernel = arrays[KERNELS[name]].astype(np.float32)
    for scale, output in ((4, "dataset_lr"), (1, "dataset_blur")):
        small = degradations.blur_and_reduce(planes(arrays["inputs/hr"]), kernel, scale)
        found = np.rint(small.clip(0, 255)).astype(np.uint8)
        np.testing.assert_array_equal(found, planes(arrays[f"outputs/{output}/{name}"]))


@pytest.mark.parametrize("name", ["gaussian2.0", "realistic1"])
@pytest.mark.parametrize("output", ["small", "small_1x1"])
def test_clips_smaller_than_their_kernel(name: str, output: str) -> None:
    arrays = golden("self_blind_vsr")
    whole = planes(arrays["inputs/small"])
    whole = whole if output == "small" else whole[:, :1, :1]
    kernel = arrays[KERNELS[name]].astype(np.float32)
    found = degradations.blur_and_reduce(whole, kernel, 4)
    np.testing.assert_allclose(found, planes(arrays[f"outputs/{output}/{name}"]), rtol=1e-6)


MATLAB = sorted(
    key.removeprefix("outputs/imresize/")
    for key in golden("self_blind_vsr")
    if key.startswith("outputs/imresize/")
)


@pytest.mark.parametrize("name", MATLAB)
def test_pictures_are_resized_as_by_matlab(name: str) -> None:
    filter_name, ratio, kind = name.split("/")
    arrays = golden("self_blind_vsr")
    expected = arrays[f"outputs/imresize/{name}"]
    given = planes(arrays["inputs/resize"])
    if kind == "grey":
        given, expected = given[:1], expected[..., None]
    if kind != "uint8":
        given = given.astype(np.float64)
    scale = None if ratio.startswith("to_") else 1 / 3 if ratio == "0.333333" else float(ratio)
    height, width = expected.shape[:2]
    found = matlab_resize(given, height, width, scale=scale, filter_name=filter_name)
    np.testing.assert_allclose(found, planes(expected), rtol=1e-10, atol=1e-10)


# --- NIMBUSR: kernels, objects; kernel prediction: fields


@pytest.mark.parametrize("number", range(4))
def test_gaussian_kernels_of_objects_are_theirs(number: int) -> None:
    scale, *spread = golden("kernels")[f"inputs/gen_kernel/{number}"]
    found = kernels.object_gaussian(np.array(spread), scale=int(scale))
    expected = golden("kernels")[f"outputs/gen_kernel/{number}"]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", "abcd")
def test_objects_are_blurred_as_by_them(name: str) -> None:
    arrays, case = golden("kernels"), cases("kernels")[name]
    side, scale = case["crop_patch_with_margin"], case["sf"]
    place = (case["top"], case["left"], side, side)
    sharp = to_intensities(cut(planes(arrays["inputs/image"]), *place))
    cropped = cut(arrays["inputs/masks"], *place)
    used = [mask for mask in cropped if mask.sum() > 400]
    assert len(used) == len(case["masks_used"])
    basis = arrays[f"inputs/{name}/basis"]
    masks = np.zeros((len(basis), side, side))
    masks[: len(used)] = used
    masks[len(used)] = 1 - masks.sum(0).clip(0, 1)
    expected = {
        key: arrays[f"outputs/{name}/{key}"] for key in ("L", "L_clean_float64", "kmap", "H")
    }
    noise = arrays.get(f"inputs/{name}/noise_normal", np.zeros(expected["L"].shape))
    sample = non_uniform(
        Scene(sharp, masks), basis, sigma=case["sigma"], noise=noise, scale=scale, margin_px=24
    )
    assert float(sample["sigma"].item()) == pytest.approx(case["sigma"], rel=1e-6)
    np.testing.assert_allclose(sample["image"][0], expected["L"], atol=2e-5)
    np.testing.assert_allclose(sample["masks"][0], expected["kmap"], atol=2e-5)
    np.testing.assert_array_equal(levels(sample["target"][0]), expected["H"])
    exact = cut(planes(arrays["inputs/image"]), *place) / 255
    blurred, _ = degradations.blur_objects(exact, masks, basis)
    clean = blurred[:, 24:-24, 24:-24][:, ::scale, ::scale]
    np.testing.assert_allclose(clean, expected["L_clean_float64"], rtol=1e-10)


def test_the_eight_turns_of_dmbsr_are_ours() -> None:
    assert sorted(_numbers_of_ours(golden("kernels"))) == list(range(EIGHT))


def test_fields_of_kernels_blur_as_by_them() -> None:
    arrays = {
        key.removeprefix("inputs/reblur/"): array.astype(np.float64)
        for key, array in golden("kernels").items()
        if key.startswith("inputs/reblur/")
    }
    field = KernelField(arrays["kernels"], arrays["masks_valid"])
    expected = golden("kernels")["outputs/reblur/forward_valid"]
    np.testing.assert_allclose(field.blur_inside(arrays["sharp"]), expected, rtol=1e-10, atol=1e-12)


def write(path: Path, samples: np.ndarray) -> None:
    """An 8-bit picture (h, w, 3) as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write_image(path, images.from_array(samples))
