"""Varying blur: against its definition pixel by pixel, the authors' pictures, and bad input."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from restoration import images
from restoration.blur.kernel_field import KernelField
from restoration.blur.pictures import draw_grid, draw_kernels, draw_masks, main, read_field
from restoration.data import sample_inputs
from restoration.errors import ExitCode, InputError

GOLDEN = Path(__file__).parents[1] / "golden" / "kernel_prediction-grid.safetensors"


def _softmax(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    x = np.exp(x - x.max(axes, keepdims=True))
    return x / x.sum(axes, keepdims=True)


def _field(
    n: int = 2, count: int = 3, size: int = 5, height: int = 9, width: int = 11
) -> KernelField:
    rng = np.random.default_rng(4)
    kernels = _softmax(rng.standard_normal((n, count, size, size)), (2, 3))
    return KernelField(kernels, _softmax(rng.standard_normal((n, count, height, width)), (1,)))


def _pixel(field: KernelField, sample: int, row: int, column: int) -> np.ndarray:
    """The kernel of one pixel by its definition."""
    terms = zip(field.masks[sample, :, row, column], field.kernels[sample], strict=True)
    return np.sum([weight * kernel for weight, kernel in terms], axis=0)


def test_all_ways_to_the_kernel_of_a_pixel_agree() -> None:
    field = _field()
    some = field.at(np.array([0, 8, 4]), np.array([10, 0, 5]))
    part = field.crop(top=2, left=3, height_px=4, width_px=6)
    whole, tensor = part.per_pixel(), part.tensor()
    assert some.shape == (2, 3, 5, 5)
    assert whole.shape == (2, 5, 5, 4, 6)
    assert tensor.shape == (2, 3, 5, 5, 4, 6)
    for sample in range(2):
        for place, (row, column) in enumerate([(0, 10), (8, 0), (4, 5)]):
            expected = _pixel(field, sample, row, column)
            np.testing.assert_allclose(some[sample, place], expected, rtol=1e-14)
        for row, column in np.ndindex(4, 6):
            expected = _pixel(field, sample, row + 2, column + 3)
            np.testing.assert_allclose(whole[sample, :, :, row, column], expected, rtol=1e-14)
    np.testing.assert_allclose(tensor.sum(1), whole, rtol=1e-14)
    np.testing.assert_allclose(tensor.sum((1, 2, 3)), 1, rtol=1e-14)


def test_a_tensor_becomes_its_field_again() -> None:
    field = _field()
    again = KernelField.from_tensor(field.tensor())
    np.testing.assert_allclose(again.kernels, field.kernels, rtol=1e-13)
    np.testing.assert_allclose(again.masks, field.masks, rtol=1e-13)
    with pytest.raises(InputError, match=r"expected shape \(n, K, k, k, h, w\), got \(2, 3, 5\)"):
        KernelField.from_tensor(np.zeros((2, 3, 5)))
    swapped = (
        field.crop(top=0, left=0, height_px=5, width_px=5).tensor().transpose(0, 1, 4, 3, 2, 5)
    )
    with pytest.raises(InputError, match="changes its shape between pixels"):
        KernelField.from_tensor(swapped)


def test_the_tensor_of_a_whole_image_is_refused_with_its_size() -> None:
    kernels = np.broadcast_to(np.float32(1 / 1089), (1, 25, 33, 33))
    masks = np.broadcast_to(np.float32(1 / 25), (1, 25, 256, 256))
    field = KernelField(kernels, masks)
    with pytest.raises(InputError) as caught:
        field.tensor()
    assert str(caught.value) == (
        "kernel tensor (n, K, k, k, h, w): expected at most 1024 MB, got 7137 MB for "
        "(1, 25, 33, 33, 256, 256) in float32 (KernelField); crop the field, ask for single pixels "
        "with `at`, or raise limit_mb"
    )
    with pytest.raises(InputError, match="got 285 MB for"):
        field.per_pixel(limit_mb=200)
    crop = field.crop(top=0, left=200, height_px=8, width_px=8)
    assert crop.tensor().shape == (1, 25, 33, 33, 8, 8)


@pytest.mark.parametrize(
    ("border", "mode"),
    [
        ("symmetric", "symmetric"),
        ("reflect", "reflect"),
        ("replicate", "edge"),
        ("wrap", "wrap"),
        ("zeros", "constant"),
    ],
)
def test_blur_is_a_correlation_with_the_kernel_of_each_pixel(border: str, mode: str) -> None:
    field = _field(height=4, width=6)
    image = np.random.default_rng(5).random((2, 3, 4, 6))
    padded = np.pad(image, [(0, 0), (0, 0), (2, 2), (2, 2)], mode=mode)  # type: ignore[call-overload]
    found = field.blur(image, border=border)
    for sample, channel, row, column in np.ndindex(image.shape):
        window = padded[sample, channel, row : row + 5, column : column + 5]
        expected = (_pixel(field, sample, row, column) * window).sum()
        assert found[sample, channel, row, column] == pytest.approx(expected, rel=1e-12)


def test_flipping_changes_between_correlation_and_convolution() -> None:
    """A point of light leaves the flipped kernel behind, and two flips are none."""
    field = _field(n=1, count=1)
    point = np.zeros((1, 1, 9, 11))
    point[0, 0, 4, 5] = 1
    trace = field.blur(point)[0, 0, 2:7, 3:8]
    np.testing.assert_allclose(trace, field.flipped().kernels[0, 0], atol=1e-15)
    assert np.array_equal(field.flipped().flipped().kernels, field.kernels)


def test_blur_takes_one_filtered_image_at_a_time() -> None:
    """25 kernels of 33 x 33 on 256 x 256 pixels: 7.1 GB as a tensor, 285 MB as pixels' kernels."""
    rng = np.random.default_rng(6)
    kernels = rng.random((1, 25, 33, 33)).astype(np.float32)
    field = KernelField(kernels, np.full((1, 25, 256, 256), 1 / 25, np.float32))
    image = rng.random((1, 3, 256, 256)).astype(np.float32)
    tracemalloc.start()
    blurred = field.blur(image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert blurred.dtype == np.float32
    assert peak < 30e6


@pytest.mark.parametrize(
    ("kernels", "masks", "text"),
    [
        ((2, 3, 4, 4), (2, 3, 8, 8), r"kernels: expected shape \(n, K, k, k\) with an odd k"),
        ((2, 3, 5, 3), (2, 3, 8, 8), r"got \(2, 3, 5, 3\)"),
        ((2, 3, 5, 5), (2, 4, 8, 8), r"masks: expected shape \(2, 3, h, w\), got \(2, 4, 8, 8\)"),
        ((2, 3, 5, 5), (2, 3, 8), r"got \(2, 3, 8\)"),
    ],
)
def test_shapes_that_do_not_belong_together(
    kernels: tuple[int, ...], masks: tuple[int, ...], text: str
) -> None:
    with pytest.raises(InputError, match=text):
        KernelField(np.zeros(kernels), np.zeros(masks))


def test_sums_are_checked() -> None:
    field = _field()
    field.require_sums()
    scaled = field.kernels.copy()
    scaled[1, 2] *= 1.01
    with pytest.raises(InputError, match=r"kernels: .*got a sum of 1\.01 at \(1, 2\).*softmax"):
        KernelField(scaled, field.masks).require_sums()
    negative = field.masks.copy()
    negative[0, :2, 3, 4] = [-0.25, negative[0, :2, 3, 4].sum() + 0.25]
    with pytest.raises(InputError, match=r"masks: .*got a weight of -0\.25"):
        KernelField(field.kernels, negative).require_sums()
    negative[0, 0, 3, 4] = np.nan
    with pytest.raises(InputError, match=r"masks: .*got a sum of nan at \(0, 3, 4\)"):
        KernelField(field.kernels, negative).require_sums()


def test_places_and_borders_that_do_not_exist() -> None:
    field = _field()
    with pytest.raises(InputError, match=r"rows 0 to 8, columns 0 to 10, got 0 to 9, 0 to 0"):
        field.at(np.array([0, 9]), np.array([0, 0]))
    with pytest.raises(InputError, match="expected a part of 9x11 pixels, got 4x6 at row 6"):
        field.crop(top=6, left=0, height_px=4, width_px=6)
    with pytest.raises(InputError, match=r"expected shape \(2, c, 9, 11\), got \(1, 3, 9, 11\)"):
        field.blur(np.zeros((1, 3, 9, 11)))
    with pytest.raises(InputError, match=r"got 'edge'.*known: reflect, replicate, symm"):
        field.blur(np.zeros((2, 3, 9, 11)), border="edge")


@pytest.mark.parametrize(("style", "stored"), [("red", "grid"), ("plain", "grid_plain")])
def test_the_grid_is_the_authors(style: str, stored: str) -> None:
    content = load_file(GOLDEN)
    image, kernels, masks = (
        content[f"inputs/{name}"][None] for name in ("image", "kernels", "masks")
    )
    found = draw_grid(image, KernelField(kernels, masks), style=style)[0].transpose(1, 2, 0)
    np.testing.assert_allclose(found, content[f"outputs/{stored}"], rtol=0, atol=1e-12)


def test_the_green_grid_darkens_and_lights_up() -> None:
    """The remaining style, at a kernel of one tap: above the center in the field, below drawn."""
    kernel = np.zeros((1, 1, 5, 5))
    kernel[0, 0, 1, 2] = 1
    image = np.random.default_rng(7).random((1, 3, 9, 13))
    found = draw_grid(image, KernelField(kernel, np.ones((1, 1, 9, 13))), style="green")
    expected = image.copy()
    expected[..., 3:8, 3:13] *= 0.5
    expected[0, 1, 6, [5, 10]] += 0.5
    np.testing.assert_allclose(found, expected, atol=1e-15)


def test_a_constant_kernel_is_drawn_as_if_empty() -> None:
    field = KernelField(np.full((1, 1, 5, 5), 1 / 25), np.ones((1, 1, 9, 9)))
    image = np.random.default_rng(8).random((1, 3, 9, 9))
    with np.errstate(all="raise"):
        assert np.array_equal(
            draw_grid(image, field, style="plain")[..., 3:8, 3:8], np.zeros((1, 3, 5, 5))
        )
        assert np.isfinite(draw_grid(image, field)).all()
        assert draw_kernels(field)[0, 0, 2:7, 2:7].max() == 0


def test_an_image_without_room_for_a_kernel_is_refused() -> None:
    """With 33 taps the smallest side is 50."""
    field = KernelField(np.full((1, 1, 33, 33), 1 / 1089), np.ones((1, 1, 49, 60)))
    with pytest.raises(
        InputError, match="expected sides of at least 50, to draw one kernel of 33x33, got 49x60"
    ):
        draw_grid(np.zeros((1, 3, 49, 60)), field)
    field = KernelField(field.kernels, np.ones((1, 1, 50, 60)))
    with pytest.raises(InputError, match=r"expected shape \(1, 3, 50, 60\), the size of the masks"):
        draw_grid(np.zeros((1, 3, 50, 61)), field)
    with pytest.raises(InputError, match="did you mean 'red'"):
        draw_grid(np.zeros((1, 3, 50, 60)), field, style="reds")
    assert draw_grid(np.zeros((1, 3, 50, 60)), field).shape == (1, 3, 50, 60)


def test_strips() -> None:
    """Tiles with two white pixels around; kernels stretched and turned, masks as they are."""
    field = _field(n=1, count=2, size=3, height=4, width=5)
    strip = draw_kernels(field)[0]
    assert strip.shape == (3, 7, 2 + 2 * 5)
    kernel = field.kernels[0, 1][::-1, ::-1]
    expected = (kernel - kernel.min()) / (kernel.max() - kernel.min())
    np.testing.assert_allclose(strip[2, 2:5, 7:10], expected, atol=1e-15)
    assert strip[:, 2:5, 5:7].min() == strip[:, :2].min() == strip[:, :, -2:].min() == 1
    masks = draw_masks(field)[0]
    assert masks.shape == (3, 8, 2 + 2 * 7)
    np.testing.assert_array_equal(masks[0, 2:6, 9:14], field.masks[0, 1])
    # A span below 1e-5 is not stretched to the full range.
    faint = KernelField(np.full((1, 1, 3, 3), 0.1), np.ones((1, 1, 4, 4)))
    faint.kernels[0, 0, 1, 1] += 1e-6
    assert draw_kernels(faint)[0, 0, 3, 3] == pytest.approx(0.1)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A photograph and its kernels, in both formats."""
    image = sample_inputs.photograph("cat", height_px=40, width_px=52)
    images.write_image(tmp_path / "my.cat.png", images.Image(image))
    field = _field(n=1, size=7, height=40, width=52)
    arrays = {"kernels": field.kernels.astype(np.float32), "masks": field.masks.astype(np.float32)}
    save_file(arrays, tmp_path / "field.safetensors")
    np.savez(tmp_path / "field.npz", **{name: array[0] for name, array in arrays.items()})
    return tmp_path


@pytest.mark.parametrize("kernels", ["field.safetensors", "field.npz"])
def test_the_command_writes_three_pictures(
    files: Path, kernels: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = files / "new" / "folder"
    command = [str(files / "my.cat.png"), "--kernels", str(files / kernels), "--output", str(out)]
    assert main(command) == ExitCode.OK
    names = ["my.cat_kernels.png", "my.cat_masks.png", "my.cat_kernels_grid.png"]
    assert capsys.readouterr().out.split() == [str(out / name) for name in names]
    grid = images.read_image(out / names[2]).pixels
    image = images.read_image(files / "my.cat.png").pixels
    field = read_field(files / kernels)
    np.testing.assert_allclose(grid, draw_grid(image, field), atol=0.5 / 255 + 1e-6)
    assert main([*command, "--convolution", "--style", "green"]) == ExitCode.OK
    turned = images.read_image(out / names[2]).pixels
    expected = draw_grid(image, field.flipped(), style="green")
    np.testing.assert_allclose(turned, expected, atol=0.5 / 255 + 1e-6)


def test_the_command_takes_a_sample(files: Path) -> None:
    pixels = images.read_image(files / "my.cat.png").pixels[0].transpose(1, 2, 0)
    sample: Any = {"img_blur": np.rint(pixels * 255).astype(np.uint8)}
    np.save(files / "cat.npy", sample)
    for name in ("my.cat.png", "cat.npy"):
        command = [str(files / name), "--kernels", str(files / "field.npz")]
        assert main([*command, "--output", str(files)]) == ExitCode.OK
    one, other = (files / f"{name}_kernels_grid.png" for name in ("my.cat", "cat"))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("none.png field.npz out", "image file: expected an existing file, got nothing"),
        ("my.cat.png none.npz out", "expected a safetensors or .npz file with the arrays"),
        ("my.cat.png my.cat.png out", "expected a safetensors or .npz file with the arrays"),
        ("my.cat.png damaged.npz out", "expected a safetensors or .npz file with the arrays"),
        ("my.cat.png two.npz out", "expected the kernels of one image, got of 2"),
        ("my.cat.png empty.npz out", "KeyError: "),
        ("my.cat.png small.npz out", "the size of the masks"),
        ("my.cat.png field.npz my.cat.png", "--output: expected a folder"),
    ],
)
def test_bad_input_of_the_command_is_one_line(
    files: Path, names: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    two, small = _field(size=7, height=40, width=52), _field(n=1, size=3)
    np.savez(files / "two.npz", kernels=two.kernels, masks=two.masks)
    np.savez(files / "small.npz", kernels=small.kernels, masks=small.masks)
    np.savez(files / "empty.npz", kernels=two.kernels)
    (files / "damaged.npz").write_bytes((files / "field.npz").read_bytes()[:-9])
    image, kernels, output = (str(files / name) for name in names.split())
    assert main([image, "--kernels", kernels, "--output", output]) == ExitCode.BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("restoration.blur.pictures: ")
    assert text in line
