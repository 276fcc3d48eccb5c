"""A tiny set of pictures laid out as GOPRO_Large, and prepared."""

from __future__ import annotations

from pathlib import Path

import skimage.data
from PIL import Image
from scipy.ndimage import uniform_filter

from restoration.data import prepare

PICTURES = 4
SIDE_PX = 48


def make(folder: Path) -> Path:
    """The prepared set, made below a folder."""
    photographs = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea()]
    for split, first in (("train", 0), ("test", 120)):
        for number in range(PICTURES):
            start = first + 8 * number
            part = slice(start, start + SIDE_PX)
            sharp = photographs[number % 3][part, part]
            sequence = folder / "GOPRO_Large" / split / f"GOPR0{number // 2:03}_11_00"
            for name, pixels in (
                ("sharp", sharp),
                ("blur", uniform_filter(sharp, (1, 7, 1))),
                ("blur_gamma", uniform_filter(sharp, (1, 5, 1))),
            ):
                (sequence / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(sequence / name / f"{number:06}.png")
    source, target = folder / "GOPRO_Large", folder / "GOPRO"
    words = ["gopro", "--root_src", str(source), "--root_dst", str(target)]
    assert prepare.main(words) == 0
    return target
