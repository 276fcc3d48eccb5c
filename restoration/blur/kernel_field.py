"""Blur that changes from pixel to pixel: K basis kernels and a map that mixes them.

The kernel of a pixel is the sum over i of masks[i, pixel] * kernels[i]. A field keeps those two
and never all kernels of all pixels: for 25 kernels of 33 x 33 on 256 x 256 pixels the tensor
[n, K, k, k, h, w] takes 7.1 GB.

Kernels are applied by correlation, as kernel prediction gives them, unless a field was flipped; who
convolves (as NIMBUSR does) flips them along both axes first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from restoration.errors import InputError, picture_packages
from restoration.images import borders

LIMIT_MB = 1024
"""Largest array that `per_pixel` and `tensor` build unless told otherwise."""

SUM_TOLERANCE = 1e-4
"""How far a sum may be from one; float32 softmaxes over 4225 taps are 5e-6 off at most."""


@dataclass(frozen=True, eq=False)
class KernelField:
    """Basis kernels (n, K, k, k), k odd, and masks (n, K, h, w), floating-point."""

    kernels: np.ndarray
    masks: np.ndarray

    def __post_init__(self) -> None:
        """Raises InputError when the shapes do not belong together."""
        kernels, masks = self.kernels.shape, self.masks.shape
        if len(kernels) != 4 or kernels[2] != kernels[3] or kernels[2] % 2 == 0 or 0 in kernels:
            raise _shape_error("kernels", "(n, K, k, k) with an odd k", kernels)
        if len(masks) != 4 or masks[:2] != kernels[:2] or 0 in masks:
            raise _shape_error("masks", f"({kernels[0]}, {kernels[1]}, h, w)", masks)

    @classmethod
    def from_tensor(cls, tensor: np.ndarray) -> KernelField:
        """The inverse of `tensor`, (n, K, k, k, h, w) -> a field whose kernels sum to one.

        A kernel that is used nowhere cannot be told and comes back as zeros.

        Raises:
            InputError: another shape, or one kernel has different shapes at different pixels.
        """
        if tensor.ndim != 6:
            raise _shape_error("kernel tensor", "(n, K, k, k, h, w)", tensor.shape)
        masks = tensor.sum((2, 3))
        mass = masks.sum((2, 3))[..., None, None]
        sums = tensor.sum((4, 5))
        field = cls(np.divide(sums, mass, out=np.zeros_like(sums), where=mass != 0), masks)
        for i in np.ndindex(masks.shape[:2]):
            product = np.multiply.outer(field.kernels[i], masks[i])
            if not np.allclose(tensor[i], product, rtol=0, atol=SUM_TOLERANCE * product.max()):
                raise InputError(
                    "kernel tensor",
                    expected="each of the K kernels the same everywhere, times a mask",
                    got=f"kernel {i[1]} of sample {i[0]} changes its shape between pixels",
                    where="KernelField.from_tensor",
                    next_step="check the order of the axes: (n, K, k, k, h, w)",
                )
        return field

    @property
    def size_px(self) -> int:
        """Height and width of a kernel."""
        return self.kernels.shape[2]

    def require_sums(self) -> None:
        """Check that weights are not negative and sum to one: taps of a kernel, masks of a pixel.

        Raises:
            InputError: they do not, within SUM_TOLERANCE; the text names the worst place.
        """
        _require_weights("kernels", self.kernels, (2, 3), over="the taps of a kernel")
        _require_weights("masks", self.masks, (1,), over="the masks of a pixel")

    def at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Kernels of some pixels, indices (p,) and (p,) -> (n, p, k, k), float64.

        Raises:
            InputError: a pixel lies outside the masks.
        """
        rows, columns = np.atleast_1d(rows), np.atleast_1d(columns)
        height, width = self.masks.shape[2:]
        if ((rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)).any():
            raise InputError(
                "pixels",
                expected=f"rows 0 to {height - 1}, columns 0 to {width - 1}",
                got=f"{rows.min()} to {rows.max()}, {columns.min()} to {columns.max()}",
                where="KernelField.at",
                next_step="rows come first",
            )
        weights = self.masks[:, :, rows, columns].astype(np.float64)
        return np.einsum("ncp,ncij->npij", weights, self.kernels.astype(np.float64))

    def crop(self, *, top: int, left: int, height_px: int, width_px: int) -> KernelField:
        """The field of a part of the image.

        Raises:
            InputError: the part does not lie inside.
        """
        height, width = self.masks.shape[2:]
        is_inside = 0 <= top < top + height_px <= height and 0 <= left < left + width_px <= width
        if not is_inside:
            raise InputError(
                "crop",
                expected=f"a part of {height}x{width} pixels",
                got=f"{height_px}x{width_px} at row {top}, column {left}",
                where="KernelField.crop",
                next_step="choose a smaller part",
            )
        masks = self.masks[:, :, top : top + height_px, left : left + width_px]
        return KernelField(self.kernels, masks)

    def per_pixel(self, *, limit_mb: float = LIMIT_MB) -> np.ndarray:
        """The kernel of every pixel, (n, k, k, h, w): the sum of `tensor` over K.

        Raises:
            InputError: the array would be larger than `limit_mb`.
        """
        n, count, size, _ = self.kernels.shape
        height, width = self.masks.shape[2:]
        shape = (n, size, size, height, width)
        self._require_memory("kernels of all pixels (n, k, k, h, w)", shape, limit_mb)
        taps = self.kernels.reshape(n, count, size * size).transpose(0, 2, 1)
        return np.matmul(taps, self.masks.reshape(n, count, height * width)).reshape(shape)

    def tensor(self, *, limit_mb: float = LIMIT_MB) -> np.ndarray:
        """Every kernel times its mask at every pixel, (n, K, k, k, h, w); sums to one per pixel.

        Raises:
            InputError: the array would be larger than `limit_mb`.
        """
        shape = (*self.kernels.shape, *self.masks.shape[2:])
        self._require_memory("kernel tensor (n, K, k, k, h, w)", shape, limit_mb)
        return self.kernels[..., None, None] * self.masks[:, :, None, None]

    def flipped(self) -> KernelField:
        """The field with its kernels flipped along both axes: for convolution what was correlation.

        And the other way round.
        """
        return KernelField(np.ascontiguousarray(self.kernels[:, :, ::-1, ::-1]), self.masks)

    def blur(self, image: np.ndarray, *, border: str = "symmetric") -> np.ndarray:
        """Blur an image by correlation with each pixel's kernel, (n, c, h, w) -> the same.

        border: see `restoration.images.borders`; NIMBUSR sees "wrap". Takes one filtered image at a
        time, whatever K is. The dtype is kept.

        Raises:
            InputError: an image of another size, or an unknown border.
        """
        n, _, height, width = self.masks.shape
        if image.ndim != 4 or image.shape[::2] != (n, height) or image.shape[3] != width:
            raise _shape_error("image", f"({n}, c, {height}, {width})", image.shape)
        return self.blur_inside(borders.pad(image, self.size_px // 2, border=border))

    def blur_inside(self, image: np.ndarray) -> np.ndarray:
        """Blur the inner part of an image, (n, c, h + k - 1, w + k - 1) -> (n, c, h, w).

        Raises:
            InputError: an image of another size.
        """
        n, count, height, width = self.masks.shape
        wide = height + self.size_px - 1, width + self.size_px - 1
        if image.ndim != 4 or image.shape[0] != n or image.shape[2:] != wide:
            raise _shape_error("image", f"({n}, c, {wide[0]}, {wide[1]})", image.shape)
        with picture_packages():
            from scipy.signal import oaconvolve
        padded = image.astype(np.float64)
        flipped = self.flipped().kernels.astype(np.float64)
        blurred = np.zeros((*image.shape[:2], height, width))
        for sample in range(n):
            for i in range(count):
                kernel = flipped[sample, i][None]
                filtered = oaconvolve(padded[sample], kernel, mode="valid", axes=(1, 2))
                blurred[sample] += self.masks[sample, i] * filtered
        return blurred.astype(image.dtype)

    def _require_memory(self, subject: str, shape: tuple[int, ...], limit_mb: float) -> None:
        dtype = np.result_type(self.kernels, self.masks)
        needed_mb = float(np.prod(shape, dtype=np.float64)) * dtype.itemsize / 1e6
        if needed_mb > limit_mb:
            raise InputError(
                subject,
                expected=f"at most {limit_mb:g} MB",
                got=f"{needed_mb:.0f} MB for {shape} in {dtype}",
                where="KernelField",
                next_step="crop the field, ask for single pixels with `at`, or raise limit_mb",
            )


def _require_weights(name: str, array: np.ndarray, axes: tuple[int, ...], *, over: str) -> None:
    """Raise unless no number is negative and the sums over the axes are one."""
    sums = array.sum(axes, dtype=np.float64)
    distance = np.abs(sums - 1)
    worst = np.unravel_index(np.argmax(distance), sums.shape)  # a NaN is the largest
    lowest = float(array.min())
    if distance[worst] <= SUM_TOLERANCE and lowest >= 0:
        return
    got = f"a sum of {sums[worst]:.6g} at {tuple(map(int, worst))}"
    if distance[worst] <= SUM_TOLERANCE:
        got = f"a weight of {lowest:.3g}"
    raise InputError(
        name,
        expected=f"weights of at least 0 with a sum of 1, within {SUM_TOLERANCE:g}",
        got=got,
        where=f"sum over {over}",
        next_step="pass them through a softmax over the same axes",
    )


def _shape_error(name: str, expected: str, shape: tuple[int, ...]) -> InputError:
    return InputError(
        name,
        expected=f"shape {expected}",
        got=str(tuple(shape)),
        where="kernel field",
        next_step="kernel prediction gives kernels (n, K, k, k) and masks (n, K, h, w)",
    )
