"""The golden files of the tests, by what their metadata says; see docs/golden-files.md.

`python -m tests.parity.goldens nightly outputs` prints those that `make goldens` compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors import safe_open

FOLDER = Path(__file__).parents[1] / "golden"
COMPARE = ("everything", "outputs", "nightly", "elsewhere")


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, framework="np") as file:
        return dict(file.metadata())


def compared(*ways: str) -> list[Path]:
    """The files that are compared in one of some ways, sorted."""
    unknown = set(ways) - set(COMPARE)
    assert not unknown, f"unknown {unknown}, known: {COMPARE}"
    files = sorted(FOLDER.glob("*.safetensors"))
    return [path for path in files if metadata_of(path)["compare"] in ways]


def names_of_cases(path: Path) -> list[str]:
    """The cases that a run makes of a file: one, or one for each of an encoder's pictures."""
    if metadata_of(path)["kind"] != "pictures":
        return [path.stem]
    with safe_open(path, framework="np") as file:
        inputs = [name for name in file.keys() if name.startswith("inputs/")]  # noqa: SIM118
    return [f"{path.stem}-{name.removeprefix('inputs/')}" for name in inputs]


if __name__ == "__main__":
    print(*(path.relative_to(Path.cwd()) for path in compared(*sys.argv[1:])), sep="\n")
