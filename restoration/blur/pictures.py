"""Pictures of a blur that changes from pixel to pixel: `python -m restoration.blur.pictures`.

Every kernel is drawn as the trace that a point of light leaves: as a convolution kernel, which is
the flipped correlation kernel of a field. Pictures are (n, 3, h, w) float64.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from restoration import console, images
from restoration.blur.kernel_field import KernelField
from restoration.data import npy
from restoration.errors import ExitCode, InputError, unknown_name, writing_to

STYLES = ("red", "green", "plain")
_LUMA = np.array([0.2125, 0.7154, 0.0721])
_GAP_PX = 2
_SMALLEST_RANGE = 1e-5


def draw_kernels(field: KernelField) -> np.ndarray:
    """The basis kernels in a row, each from its smallest (black) to its largest value (white)."""
    kernels = field.flipped().kernels.astype(np.float64)
    lowest = kernels.min((2, 3), keepdims=True)
    span = kernels.max((2, 3), keepdims=True) - lowest
    return _strip((kernels - lowest) / np.maximum(span, _SMALLEST_RANGE))


def draw_masks(field: KernelField) -> np.ndarray:
    """The masks in a row, in the order of the kernels: black where one is not used, white for 1."""
    return _strip(field.masks.astype(np.float64))


def draw_grid(image: np.ndarray, field: KernelField, *, style: str = "red") -> np.ndarray:
    """Kernels drawn over an image, each where it acts, (n, 3, h, w) -> (n, 3, h, w).

    style: "red" on a pale gray image, "green" over a darkened part of the image, or "plain", the
    kernels alone, at every other place. Each kernel goes from its smallest to its largest value; a
    constant one is drawn as if empty.

    Raises:
        InputError: an unknown style, an image of another size than the field, or one too small for
            a single kernel.
    """
    if style not in STYLES:
        raise unknown_name("style", style, STYLES, where="restoration.blur.pictures.draw_grid")
    n, _, height, width = field.masks.shape
    if image.shape != (n, 3, height, width):
        raise InputError(
            "image",
            expected=f"shape {(n, 3, height, width)}, the size of the masks",
            got=str(image.shape),
            where="restoration.blur.pictures.draw_grid",
            next_step="give the image that the kernels were predicted from",
        )
    size = field.size_px
    reach = size // 2
    if min(height, width) <= size + reach:
        raise InputError(
            "image",
            expected=f"sides of at least {size + reach + 1}, to draw one kernel of {size}x{size}",
            got=f"{height}x{width}",
            where="restoration.blur.pictures.draw_grid",
            next_step="take a larger image, or `draw_kernels`, which draws them in a row",
        )
    canvas = image.astype(np.float64)
    if style == "red":
        gray = np.einsum("c,nchw->nhw", _LUMA, canvas)[:, None]
        canvas = np.repeat(0.4 + 0.6 * gray, 3, axis=1)
    step = 2 * size if style == "plain" else size
    rows, columns = np.meshgrid(
        np.arange(size, height - reach, step), np.arange(size, width - reach, step), indexing="ij"
    )
    traces = _stretched(field.flipped().at(rows.ravel(), columns.ravel()))
    for place, (row, column) in enumerate(zip(rows.ravel(), columns.ravel(), strict=True)):
        tile = canvas[:, :, row - reach : row + reach + 1, column - reach : column + reach + 1]
        trace = traces[:, place]
        if style == "red":
            tile *= 1 - trace[:, None]
            tile[:, 0] += 0.5 * trace
        elif style == "green":
            tile *= 0.5
            tile[:, 1] += 0.5 * trace
        else:
            tile[:] = trace[:, None]
    return canvas if style == "plain" else canvas.clip(0, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code says what came of it (see --help)."""
    return console.run("restoration.blur.pictures", lambda: _write_pictures(arguments))


def _write_pictures(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    image = npy.read_blurred(options.image)
    field = read_field(options.kernels)
    field = field.flipped() if options.convolution else field
    field.require_sums()
    pictures = {
        "kernels": draw_kernels(field),
        "masks": draw_masks(field),
        "kernels_grid": draw_grid(image.pixels, field, style=options.style),
    }
    _make_folder(options.output)
    for name, picture in pictures.items():
        path = options.output / f"{options.image.stem}_{name}.png"
        images.write_image(path, images.Image(picture))
        print(path)
    return ExitCode.OK


def _make_folder(folder: Path) -> None:
    expected = "a folder, or a place where one can be made"
    with writing_to(folder, "--output", expected=expected, next_step="choose another folder"):
        folder.mkdir(parents=True, exist_ok=True)


def read_field(path: Path) -> KernelField:
    """The arrays "kernels" (K, k, k) and "masks" (K, h, w), or with n = 1 in front, of a file.

    Raises:
        InputError: the file is neither safetensors nor .npz, lacks one of them, or has another n.
    """
    try:
        content = dict(np.load(path)) if path.suffix == ".npz" else load_file(path)
        arrays = [content["kernels"], content["masks"]]
    except (OSError, ValueError, KeyError, BadZipFile, SafetensorError) as problem:
        raise InputError(
            "kernel file",
            expected="a safetensors or .npz file with the arrays 'kernels' and 'masks'",
            got=f"{type(problem).__name__}: {problem}",
            where=str(path),
            next_step="save what kernel prediction gives under these names",
        ) from problem
    kernels, masks = (array if array.ndim == 4 else array[None] for array in arrays)
    field = KernelField(kernels, masks)
    if len(kernels) != 1:
        raise InputError(
            "kernel file",
            expected="the kernels of one image",
            got=f"of {len(kernels)}",
            where=str(path),
            next_step="save one file per image",
        )
    return field


def _stretched(kernels: np.ndarray) -> np.ndarray:
    """Each kernel (..., k, k) from its smallest value, 0, to its largest, 1; a constant one 0."""
    lowest = kernels.min((-2, -1), keepdims=True)
    span = kernels.max((-2, -1), keepdims=True) - lowest
    return (kernels - lowest) / np.where(span > 0, span, 1)


def _strip(tiles: np.ndarray) -> np.ndarray:
    """Tiles (n, K, h, w) in a row with white between and around them."""
    amounts = [(0, 0), (0, 0), (_GAP_PX, _GAP_PX), (0, _GAP_PX)]
    n, _, height, _ = tiles.shape
    framed = np.pad(tiles, amounts, constant_values=1.0)
    row = framed.transpose(0, 2, 1, 3).reshape(n, 1, height + 2 * _GAP_PX, -1)
    row = np.pad(row, [(0, 0), (0, 0), (0, 0), (_GAP_PX, 0)], constant_values=1.0)
    return np.repeat(row, 3, axis=1)


def _parser() -> argparse.ArgumentParser:
    parser = console.Parser(
        prog="python -m restoration.blur.pictures",
        description="Draw predicted blur kernels: all of them in a row, their masks in a row, and "
        "the kernels over the image where they act.",
        epilog="Prints the names of the files. Exit codes: 0 written, 3 bad input or wrong "
        "options.",
    )
    parser.add_argument("image", type=Path, help="image file, or .npy sample with 'img_blur'")
    parser.add_argument(
        "--kernels",
        type=Path,
        required=True,
        metavar="FILE",
        help="safetensors or .npz with 'kernels' and 'masks', as kernel prediction gives them",
    )
    parser.add_argument(
        "--convolution",
        action="store_true",
        help="the kernels in FILE are convolution kernels already, as NIMBUSR takes them",
    )
    parser.add_argument("--style", choices=STYLES, default="red", help="of the grid (default: red)")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
