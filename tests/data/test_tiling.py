"""Padding and tiles, for any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

from restoration.errors import InputError
from restoration.images.tiling import Part, Tiles, pad_to_multiple, restore_tiled

sizes = st.integers(1, 70)


@given(height=sizes, width=sizes, multiple=st.integers(1, 32))
def test_padding(height: int, width: int, multiple: int) -> None:
    image = np.random.default_rng(0).random((1, 2, height, width))
    padded = pad_to_multiple(image, multiple)
    assert padded.shape[2] % multiple == padded.shape[3] % multiple == 0
    assert padded.shape[2] - height < multiple
    assert np.array_equal(padded[..., :height, :width], image)
    if padded.shape[2] > height:
        assert np.array_equal(padded[..., height, :width], image[..., height - 1, :])


@settings(deadline=None)
@given(
    height=sizes,
    width=sizes,
    tile=st.integers(1, 8),
    overlap=st.integers(0, 15),
    multiple=st.sampled_from([1, 2, 4]),
    scale=st.sampled_from([1.0, 2.0, 3.0, 1.7, 2.25]),
)
def test_pointwise_restoration_is_the_same_in_tiles(
    *, height: int, width: int, tile: int, overlap: int, multiple: int, scale: float
) -> None:
    """At any scale: each pixel of the result is asked for by its place."""
    tile_px = 4 * tile
    overlap_px = min(overlap, (tile_px - 1) // 2) // multiple * multiple
    tiles = Tiles(tile_px, overlap_px, max((overlap_px - 1) // 4, 0), multiple)
    result_size = round(height * scale), round(width * scale)
    expected = np.random.default_rng(1).random((1, 3, *result_size)).astype(np.float32)
    seen = []

    def restore(part: Part, result: Part) -> np.ndarray:
        for axis, length, longer in zip((0, 1), (height, width), result_size, strict=True):
            assert part[axis].start % multiple == 0
            assert part[axis].stop - part[axis].start < tile_px + multiple
            centers = (np.arange(longer)[result[axis]] + 0.5) * length / longer
            assert ((centers > part[axis].start - 1e-9) & (centers < part[axis].stop)).all()
        return expected[..., result[0], result[1]]

    found, seam = restore_tiled(
        restore,
        (height, width),
        tiles,
        result_size=result_size,
        progress=lambda done, total: seen.append((done, total)),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert [done for done, _ in seen] == list(range(1, seen[0][1] + 1))
    assert seam.largest < 1e-6


def test_what_sees_no_further_than_the_margin_has_no_seams() -> None:
    image = np.random.default_rng(2).random((1, 1, 64, 96)).astype(np.float32)

    def smooth(x: np.ndarray) -> np.ndarray:
        return uniform_filter(x, size=(1, 1, 7, 7))

    def restore(part: Part, _result: Part) -> np.ndarray:
        return smooth(image[..., part[0], part[1]])

    found, seam = restore_tiled(restore, (64, 96), Tiles(32, 8, margin_px=3))
    np.testing.assert_allclose(found, smooth(image), atol=1e-6)
    assert seam.largest < 1e-6
    found, seam = restore_tiled(restore, (64, 96), Tiles(32, 8))
    assert np.abs(found - smooth(image)).max() > 0.01
    assert seam.largest > 0.01
    assert 20 < seam.psnr_db < 60


@pytest.mark.parametrize(
    ("tile", "overlap", "margin", "multiple"),
    [(30, 4, 0, 4), (16, 8, 0, 4), (0, 0, 0, 1), (32, 8, 4, 1), (32, 6, 0, 4)],
)
def test_impossible_tiles_are_refused(tile: int, overlap: int, margin: int, multiple: int) -> None:
    with pytest.raises(InputError, match=f"got tile {tile}, overlap {overlap}, margin {margin}"):
        Tiles(tile, overlap, margin, multiple)
