"""`restore --explain`: the pictures of what a network did, and the page."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from restoration.errors import ExitCode
from restoration.inference import cli, explain
from restoration.inference.restorer import Restorer
from tests.inference.conftest import MIMO

pytestmark = pytest.mark.frameworks("torch")


def test_the_page_shows_every_picture_and_asks_nothing_of_anybody(
    tmp_path: Path, photograph: np.ndarray
) -> None:
    Pillow.fromarray(photograph).save(tmp_path / "a & b.png")
    words = [str(tmp_path / "a & b.png"), "-m", "mimo_unet", "-w", str(MIMO)]
    words += ["-o", str(tmp_path / "restored")]  # who asks for both gets both
    assert cli.main([*words, "--explain", str(tmp_path / "out")]) == ExitCode.OK
    assert (tmp_path / "restored" / "a & b.png").exists()
    page = (tmp_path / "out" / "index.html").read_text()
    shown = re.findall(r"<img src='([^']+)'", page)
    written = sorted(path.name for path in (tmp_path / "out" / "a & b").iterdir())
    assert sorted(Path(name).name for name in shown) == written
    assert {"before_after.png", "difference.png", "features_1.png"} <= set(written)
    assert "http" not in page
    assert "<script" not in page
    assert "a &amp; b.png" in page
    pair = np.asarray(Pillow.open(tmp_path / "out" / "a & b" / "before_after.png"))
    assert np.array_equal(pair[:, : photograph.shape[1]], photograph)


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("lmd_vit", {"gate", "kept_00"}),
        ("phaseformer", {"phase", "attention_1"}),
        ("self_blind_vsr", {"flow_1", "kernel"}),
        ("kernel_prediction", {"kernels", "masks", "kernels_grid"}),
        ("lm_lte", {"before_after", "features_1"}),
    ],
)
def test_each_model_shows_what_it_has_of_its_own(
    model: str, wanted: set[str], tiny_weights: Callable[..., Path], photograph: np.ndarray
) -> None:
    picture = photograph[:64, :80].transpose(2, 0, 1)[None].astype(np.float32) / 255
    with Restorer(model, tiny_weights(model)) as restorer:
        panels = {panel.name: panel.pixels for panel in explain.panels_of(restorer, picture)}
    assert wanted <= set(panels)
    for pixels in panels.values():
        assert pixels.shape[:2] == (1, 3)
        assert 0 <= pixels.min() <= pixels.max() <= 1 + 1e-6
    if model == "lmd_vit":  # a window is kept or dark
        ratio = panels["kept_00"].sum() / picture.sum()
        assert 0.24 < ratio <= 1.001


def test_of_a_clip_the_middle_frame_is_explained_with_the_flow_to_its_neighbors(
    tmp_path: Path, tiny_weights: Callable[..., Path], photograph: np.ndarray
) -> None:
    (tmp_path / "clip").mkdir()
    for number in range(3):
        shown = np.roll(photograph[:32, :40], 2 * number, axis=1)
        Pillow.fromarray(shown).save(tmp_path / "clip" / f"{number}.png")
    words = [str(tmp_path / "clip"), "-w", str(tiny_weights("self_blind_vsr"))]
    more = ["-m", "self_blind_vsr", "--explain", str(tmp_path / "out")]
    assert cli.main([*words, *more]) == ExitCode.OK
    names = {path.name for path in (tmp_path / "out" / "clip").iterdir()}
    assert {"flow_1.png", "flow_4.png", "kernel.png", "before_after.png"} <= names
    pair = np.asarray(Pillow.open(tmp_path / "out" / "clip" / "before_after.png"))
    large = np.asarray(Pillow.open(tmp_path / "clip" / "1.png").resize((160, 128)))
    assert np.abs(pair[:, :160].astype(float) - large).mean() < 8


def test_kernels_alone_are_drawn_beside_the_target(
    tmp_path: Path, tiny_weights: Callable[..., Path], photograph: np.ndarray
) -> None:
    np.save(tmp_path / "x.npy", {"img_blur": photograph})  # type: ignore[arg-type]
    weights = str(tiny_weights("kernel_prediction"))
    words = [str(tmp_path / "x.npy"), "-o", str(tmp_path / "out"), "-w", weights]
    assert cli.main([*words, "-m", "kernel_prediction"]) == ExitCode.OK
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["x_kernels.png", "x_kernels_grid.png", "x_masks.png"]


@pytest.mark.parametrize(
    ("shape", "count", "size"),
    [
        ((1, 6, 16, 24), 6, (16, 24)),
        ((1, 16, 24, 6), 6, (16, 24)),  # as transformers have them
        ((1, 6, 8, 12), 6, (8, 12)),
        ((1, 6, 11, 16), 6, (11, 16)),  # alone; a part is left out beside a whole one
        ((1, 24, 24, 24), None, None),  # of neither kind
        ((9, 6, 8, 12), None, None),  # windows
        ((1, 6, 4, 6), None, None),  # too small to show anything
    ],
)
def test_maps_are_known_by_the_pictures_sides(
    shape: tuple[int, ...], count: int | None, size: tuple[int, int] | None
) -> None:
    found = _maps_of([shape])
    assert [one.array.shape for one in found] == ([] if size is None else [(count, *size)])


def test_parts_of_a_picture_are_no_maps_of_it() -> None:
    shapes = [(1, 6, 11, 16), (1, 6, 32, 48), (1, 6, 8, 12), (1, 6, 9, 13)]
    assert [one.array.shape[1:] for one in _maps_of(shapes)] == [(32, 48), (8, 12)]


def _maps_of(shapes: list[tuple[int, ...]]) -> list[explain._Map]:
    """Maps that are found of a picture of 16x24, among what left modules."""
    rng = np.random.default_rng(0)
    arrays = {f"tap/{place}": rng.random(shape, np.float32) for place, shape in enumerate(shapes)}
    rows = [[f"module{place}", 0, 0, list(shape)] for place, shape in enumerate(shapes)]
    return explain._maps(rows, arrays, (16, 24), 1)


@pytest.mark.parametrize(
    ("model", "words", "shown"),
    [
        ("pwc_flow", "picture by pwc_flow: expected a network that gives one", "flow_1"),
        ("lm_lte", "--scale 4", "before_after"),
    ],
)
def test_a_network_that_can_give_no_picture_is_told_of_at_once(
    model: str, words: str, shown: str, tiny_weights: Callable[..., Path], tmp_path: Path
) -> None:
    Pillow.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "photo.png")
    given = [str(tmp_path / "photo.png"), "-m", model, "-w", str(tiny_weights(model))]
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        assert cli.main([*given, "-o", str(tmp_path / "out")]) == ExitCode.BAD_INPUT
    assert words in errors.getvalue()
    assert cli.main([*given, "--explain", str(tmp_path / "page")]) == ExitCode.OK
    assert shown in (tmp_path / "page" / "index.html").read_text()
