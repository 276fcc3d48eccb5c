"""Makes docs/pictures/kernel_grid.png: `python docs/make_kernel_picture.py`.

A photograph blurred as by a camera that turns about its optical axis and slides a little during the
exposure, and the kernels of that blur drawn where they act: arcs, longer towards the border.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from restoration import images
from restoration.blur.kernel_field import KernelField
from restoration.blur.pictures import draw_grid
from restoration.data import sample_inputs

PICTURE = Path(__file__).resolve().parent / "pictures" / "kernel_grid.png"
SIZE_PX = 300
KERNEL_PX = 33
ANCHORS = 7  # basis kernels per side; between them the masks mix
TURN_RAD = 0.085
SLIDE_PX = 3.0
GAP_PX = 6


def main() -> None:
    sharp = sample_inputs.photograph("astronaut", height_px=SIZE_PX, width_px=SIZE_PX)
    field = shaken_camera()
    field.require_sums()
    blurred = field.blur(sharp)
    gap = np.ones((1, 3, SIZE_PX, GAP_PX))
    panels = np.concatenate([blurred, gap, draw_grid(blurred, field)], axis=3)
    images.write_image(PICTURE, images.Image(panels))


def shaken_camera() -> KernelField:
    """Kernels at a lattice of points, and masks that interpolate linearly between them."""
    places = np.linspace(0, SIZE_PX - 1, ANCHORS)
    spacing = places[1]
    hats = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(SIZE_PX)) / spacing)
    masks = np.einsum("ay,bx->abyx", hats, hats).reshape(1, -1, SIZE_PX, SIZE_PX)
    kernels = np.stack([_trace(row, column) for row in places for column in places])
    # A trace of light is a convolution kernel; a field is applied by correlation.
    return KernelField(kernels[None], masks).flipped()


def _trace(row: float, column: float) -> np.ndarray:
    """Where the light of one point falls during the exposure, (k, k)."""
    time = np.linspace(-1, 1, 4000)
    angle = TURN_RAD / 2 * time
    slide = SLIDE_PX * (time**2 - 1 / 3)
    y, x = row - SIZE_PX / 2, column - SIZE_PX / 2
    moved_y = np.cos(angle) * y - np.sin(angle) * x - y + slide
    moved_x = np.sin(angle) * y + np.cos(angle) * x - x
    edges = np.arange(KERNEL_PX + 1) - KERNEL_PX / 2
    trace, _, _ = np.histogram2d(moved_y, moved_x, bins=(edges, edges))
    return trace / trace.sum()


if __name__ == "__main__":
    main()
