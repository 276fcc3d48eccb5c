"""Pictures of the kinds that the world has, each with what a viewer shows of it.

Files are made by seeded code: by the definition of their format (`picture_bytes.py`), or by a
library. The right answer is the array that was written, never what our readers make of the file.

    python -m tests.zoo.pictures           # the table of docs/images.md
    python -m tests.zoo.pictures FOLDER    # writes the files
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from restoration import images
from restoration.errors import InputError
from tests.zoo import picture_files, picture_tiffs
from tests.zoo.picture_base import Picture

_FAMILIES: tuple[Callable[[], Iterator[Picture]], ...] = (
    picture_files.pngs,
    picture_files.jpegs,
    picture_files.webps_and_gifs,
    picture_files.bmps,
    picture_tiffs.tiffs,
    picture_files.orientations,
    picture_files.damaged,
)


def zoo() -> list[Picture]:
    """All pictures; their names are different."""
    return [picture for family in _FAMILIES for picture in family()]


def read_as(picture: Picture, folder: Path) -> tuple[str, bool]:
    """What our reader makes of it, in words, and whether that is right."""
    path = folder / picture.name
    path.write_bytes(picture.content)
    try:
        found = images.read_image(path)
    except InputError as problem:
        text = str(problem).replace(f"{path}", picture.name)
        is_right = bool(picture.error) and "\n" not in text and bool(re.search(picture.error, text))
        return "refused: " + text.split(", got ")[-1].split(f" ({picture.name}")[0], is_right
    height, width = found.pixels.shape[2:]
    said = f"{width}x{height} {'gray' if found.is_gray else 'RGB'}, {found.bits} bits"
    said += ", alpha" if found.alpha is not None else ""
    return said, not picture.error and not differences(picture, found)


def differences(picture: Picture, found: images.Image) -> list[str]:
    """In what an image differs from the right answer."""
    step = 1 / (2**picture.bits - 1)
    wrong = []
    if found.pixels.shape != picture.pixels.shape:
        return [f"shape {found.pixels.shape}, not {picture.pixels.shape}"]
    off = float(np.abs(found.pixels - picture.pixels).max())
    if not off <= (picture.bound or step * 1.001):
        wrong.append(f"off by {off:.4f}")
    if (found.alpha is None) != (picture.alpha is None):
        wrong.append(f"alpha {found.alpha is not None}")
    elif found.alpha is not None and not np.abs(found.alpha - picture.alpha).max() <= step * 1.001:
        wrong.append("alpha is off")
    if (found.bits, found.is_gray) != (picture.bits, picture.is_gray):
        wrong.append(f"{found.bits} bits, gray {found.is_gray}")
    return wrong


def table() -> list[str]:
    """Rows of Markdown; the last column says whether reading gave the right answer."""
    rows = ["| file | what it is | read as | right |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        for picture in zoo():
            said, is_right = read_as(picture, Path(folder))
            cells = (picture.name, picture.what, said, "yes" if is_right else "NO")
            rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return rows


def main() -> int:
    """Print the table, or write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="where to write the files")
    folder = parser.parse_args().folder
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        for picture in zoo():
            (folder / picture.name).write_bytes(picture.content)
        return 0
    rows = table()
    print("\n".join(rows))
    return int(any(row.endswith("| NO |") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
