"""Padding and tiles, for any size."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

from restoration.errors import InputError
from restoration.images.tiling import pad_to_multiple, restore_tiled

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
    scale=st.integers(1, 3),
)
def test_pointwise_restoration_is_the_same_in_tiles(
    *, height: int, width: int, tile: int, overlap: int, multiple: int, scale: int
) -> None:
    tile_px = 4 * tile
    overlap_px = min(overlap, (tile_px - 1) // 2)
    image = np.random.default_rng(1).random((1, 3, height, width)).astype(np.float32)
    seen = []

    def restore(x: np.ndarray) -> np.ndarray:
        assert x.shape[2] % multiple == x.shape[3] % multiple == 0
        assert max(x.shape[2:]) <= tile_px
        return (2 * x).repeat(scale, 2).repeat(scale, 3)

    found = restore_tiled(
        restore,
        image,
        tile_px=tile_px,
        overlap_px=overlap_px,
        multiple=multiple,
        scale=scale,
        progress=lambda done, total: seen.append((done, total)),
    )
    expected = (2 * image).repeat(scale, 2).repeat(scale, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert [done for done, _ in seen] == list(range(1, seen[0][1] + 1))


def test_what_sees_less_than_half_the_overlap_has_no_seams() -> None:
    image = np.random.default_rng(2).random((1, 1, 64, 96)).astype(np.float32)

    def smooth(x: np.ndarray) -> np.ndarray:
        return uniform_filter(x, size=(1, 1, 3, 3))

    found = restore_tiled(smooth, image, tile_px=32, overlap_px=8)
    # The ramp gives the outermost pixel of a tile, the only wrong one, a sixteenth of the weight.
    assert np.abs(found - smooth(image)).max() < 0.1
    assert np.abs(found - smooth(image)).mean() < 1e-3


@pytest.mark.parametrize(("tile", "overlap", "multiple"), [(30, 4, 4), (16, 8, 4), (0, 0, 1)])
def test_impossible_tiles_are_refused(tile: int, overlap: int, multiple: int) -> None:
    with pytest.raises(InputError, match=f"got tile {tile}, overlap {overlap}"):
        restore_tiled(
            lambda x: x,
            np.zeros((1, 3, 64, 64), np.float32),
            tile_px=tile,
            overlap_px=overlap,
            multiple=multiple,
        )


def test_a_network_that_sees_the_whole_image_says_so() -> None:
    """Where the result of a tile depends on the rest of the image."""
    image = np.random.default_rng(0).random((1, 3, 40, 24), np.float32)
    with pytest.warns(UserWarning, match="2 tiles differ from the whole image: it sees the mean"):
        restore_tiled(
            lambda tile: tile, image, tile_px=24, overlap_px=4, tiling_caveat="it sees the mean"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        restore_tiled(
            lambda tile: tile, image, tile_px=40, overlap_px=4, tiling_caveat="it sees the mean"
        )
