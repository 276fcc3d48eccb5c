"""Trained weights that come with the suite: `restoration/weights/<model>.safetensors`.

They are small, made by the recipes `<model>:small` on little data. They show that a program works
and what a model does; numbers of papers come from published weights.
"""

from __future__ import annotations

from pathlib import Path

from restoration.errors import InputError

FOLDER = Path(__file__).resolve().parents[1] / "weights"
SMALL = ("mimo_unet", "phaseformer", "lm_liif")
"""The models that have a recipe for such weights."""

DEFAULT = "mimo_unet"
"""The model that restores where none is named."""


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
