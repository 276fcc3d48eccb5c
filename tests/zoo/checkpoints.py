"""Checkpoints of the kinds that the world has, each with the weights that it really holds.

Files are made by seeded code: by the framework or library that writes them, or by the definition of
their format. The right answer is what was given to the writer, never what our readers make of it.

    python -m tests.zoo.checkpoints           # the table of docs/weights.md
    python -m tests.zoo.checkpoints FOLDER    # writes the files
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from restoration.errors import InputError
from tests.backends import Backend
from tests.zoo import checkpoint_cases, checkpoint_files
from tests.zoo.checkpoint_base import Case
from tests.zoo.checkpoint_frameworks import CASES
from weights_convert import convert

FRAMEWORKS = ("torch", "jittor", "mindspore")


def zoo(folder: Path, call: Callable[[str], Backend], frameworks: tuple[str, ...]) -> list[Case]:
    """All cases, their files written into a folder; their names are different."""
    cases = list(checkpoint_files.write(folder))
    if "torch" in frameworks:
        call("torch").call("zoo.checkpoint_torch.write", str(folder))
        cases += checkpoint_cases.cases()
    for framework in frameworks:
        if framework in CASES:
            call(framework).call(f"zoo.checkpoint_frameworks.{framework}", str(folder))
            cases += CASES[framework]()
    return cases


def read_as(case: Case, folder: Path) -> tuple[str, bool]:
    """What our converter makes of it, in words, and whether that is right."""
    target = folder / "out.npz"
    options: dict[str, Any] = dict(case.options)
    if case.is_model:
        options["to"] = "published"
    try:
        result = convert(folder / case.path, target, **options)
    except InputError as problem:
        text = str(problem).replace(f"{folder}/", "")
        is_right = bool(case.error) and text.isprintable() and bool(re.search(case.error, text))
        return "refused: " + re.split(r", got ", text, maxsplit=1)[-1].split(" (")[0], is_right
    with np.load(target) as found:
        arrays = dict(found)
    said = f"{len(arrays)} tensors" + (f" of {result.model}" if result.model else "")
    if result.left_out:
        said += f", {len(result.left_out)} left out"
    is_right = case.right is not None and not differences(case, arrays)
    is_said = case.left_out is None or set(result.left_out) == case.left_out
    return said, is_right and is_said


def differences(case: Case, arrays: dict[str, np.ndarray]) -> list[str]:
    """Names of what is not bit for bit the right answer."""
    right = case.right or {}
    return sorted(arrays.keys() ^ right.keys()) + [
        name
        for name in arrays.keys() & right.keys()
        if (arrays[name].dtype, arrays[name].shape) != (right[name].dtype, right[name].shape)
        or arrays[name].tobytes() != right[name].tobytes()
    ]


def main() -> int:
    """Print the table, or write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="where to write the files")
    parser.add_argument("--frameworks", nargs="*", default=FRAMEWORKS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = options.folder or Path(place) / "zoo"
        folder.mkdir(parents=True, exist_ok=True)
        backends: dict[str, Backend] = {}

        def call(framework: str) -> Backend:
            if framework not in backends:
                work = Path(place) / framework
                work.mkdir()
                backends[framework] = Backend(framework, work)
            return backends[framework]

        cases = zoo(folder, call, tuple(options.frameworks))
        for backend in backends.values():
            backend.close()
        return 0 if options.folder else _table(cases, folder)


def _table(cases: list[Case], folder: Path) -> int:
    print("| file | what it is | by | becomes | right |\n|---|---|---|---|---|")
    all_right = True
    for case in cases:
        said, is_right = read_as(case, folder)
        all_right &= is_right
        verdict = "yes" if is_right else "NO"
        print(f"| {case.name} | {case.what} | {case.by} | {said} | {verdict} |".replace("`", ""))
    return 0 if all_right else 1


if __name__ == "__main__":
    sys.exit(main())
