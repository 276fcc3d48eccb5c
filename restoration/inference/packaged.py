"""Trained weights that come with the suite: `restoration/weights/<model>.safetensors`.

They are small, made by the recipes `<model>:small` on little data. They show that a program works
and what a model does; numbers of papers come from published weights. A finished run becomes one by
`python -m restoration.inference.packaged DIR`, in a checkout.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from restoration import console
from restoration.errors import ExitCode, InputError

FOLDER = Path(__file__).resolve().parents[1] / "weights"
SMALL = {
    "mimo_unet": "the blur of a camera that turned sideways by 5 to 11 px",
    "phaseformer": "the color cast and haze of water, of a simple model of it",
    "lm_liif": "reduction to as little as a quarter by Pillow's bicubic filter",
}
"""The models that have a recipe for such weights, and what these were trained to undo."""

DEFAULT = "mimo_unet"
"""The model that restores where none is named."""

MADE_BY = "made_by"
"""Key in the metadata of such a file: {"recipe", "steps", "data", "psnr_db", "framework"}."""


def names() -> list[str]:
    """The models whose weights come with the suite."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def weights_of(model: str) -> Path:
    """The file of a model's packaged weights.

    Raises:
        InputError: there are none; the text says which there are.
    """
    path = FOLDER / f"{model}.safetensors"
    if not path.is_file():
        raise InputError(
            f"weights of {model}",
            expected="-w FILE, or weights that come with the suite",
            got="neither: the suite has " + (", ".join(names()) or "none") + " here",
            where=str(FOLDER),
            next_step="give the authors' file"
            + (f", or train: python -m torch_impl.train {model}:small" if model in SMALL else ""),
        )
    return path


def is_packaged(path: Path) -> bool:
    """Whether a file is one of these."""
    return path.resolve().parent == FOLDER


def pack(run: Path) -> Path:
    """Make the averaged weights of a finished run a model's packaged ones; the file.

    Raises:
        InputError: the folder holds no finished run of such a model that keeps averages.
    """
    from safetensors import safe_open
    from safetensors.numpy import save_file

    from restoration.training import checkpoints, recipe

    checkpoint = checkpoints.find(run)
    if checkpoint is None or not (checkpoint / checkpoints.AVERAGES).is_file():
        raise _not_one(run, "none, or no averaged weights")
    state = json.loads((checkpoint / checkpoints.STATE).read_text("utf-8"))
    model = state["model"]
    made = recipe.read(f"{model}:small") if model in SMALL else None
    if made is None or state["step"] != made.steps:
        raise _not_one(run, f"one of {model} at step {state['step']}")
    with safe_open(checkpoint / checkpoints.AVERAGES, "np") as file:
        metadata = dict(file.metadata())
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata[MADE_BY] = json.dumps(
        {
            "recipe": f"{model}:small",
            "steps": made.steps,
            "data": made.about,
            "psnr_db": {made.validation.protocol: round(state["scores_db"][-1], 2)},
            "framework": state["origin"]["framework"],
        }
    )
    FOLDER.mkdir(exist_ok=True)
    target = FOLDER / f"{model}.safetensors"
    partial = target.with_suffix(".partial")
    save_file(weights, partial, metadata=metadata)
    partial.chmod(0o644)
    os.replace(partial, target)
    return target


def _not_one(run: Path, got: str) -> InputError:
    return InputError(
        "weights to come with the suite",
        expected="a finished run of " + ", ".join(f"{name}:small" for name in SMALL),
        got=got,
        where=str(run),
        next_step="python -m torch_impl.train mimo_unet:small --output DIR makes one",
    )


def main(words: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    parser = console.Parser(
        prog="python -m restoration.inference.packaged",
        description="Make the averaged weights of a finished run those that come with the suite.",
    )
    parser.add_argument("run", type=Path, metavar="DIR", help="the run's folder")
    options = parser.parse_args(words)

    def run() -> int:
        print(pack(options.run))
        return ExitCode.OK

    return console.run(parser.prog, run)


if __name__ == "__main__":
    sys.exit(main())
