"""`python -m mindspore_impl.train RECIPE --output DIR`: train with MindSpore.

With a flag of the model zoo's configuration and no RECIPE: MIMO-UNet by that, see `model_zoo.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mindspore_impl import config, model_zoo
from restoration import console
from restoration.arrays import Arrays
from restoration.models.spec import Spec
from restoration.process.frameworks import FRAMEWORKS
from restoration.training import checkpoints, cli
from restoration.training.loop import Observer
from restoration.training.recipe import Recipe
from weights_convert.checkpoints.loading import load_weights
from weights_convert.commands.conversion import convert

_PROGRAM = "mindspore_impl.train"


def main(words: list[str] | None = None) -> int:
    """Train as the command line says; the exit code."""
    given = sys.argv[1:] if words is None else words
    if config.is_given(given):
        return console.run(_PROGRAM, lambda: _train_by_configuration(given))
    return cli.main(FRAMEWORKS["mindspore"], _load, words)


def _train_by_configuration(words: Sequence[str]) -> int:
    ours = argparse.ArgumentParser(add_help=False)
    ours.add_argument("--resume", metavar="auto|PATH", help="go on from the last checkpoint")
    ours.add_argument("--init", type=Path, metavar="FILE", help="start from weights")
    ours.add_argument("--check", action="store_true", help="check the data without training")
    ours.add_argument("--quiet", action="store_true", help="show no progress")
    found = model_zoo.parse(_PROGRAM, words, ours)
    model_zoo.check_sink(found, "train_use_data_sink")
    recipe = model_zoo.recipe_of(found, model_zoo.world_of(found))
    folder = Path(found.ckpt_save_directory)
    options = argparse.Namespace(
        output=folder,
        resume=found.resume,
        init=found.init,
        check=found.check,
        quiet=found.quiet,
        device=model_zoo.device_of(found),
    )
    return cli.train_recipe(
        FRAMEWORKS["mindspore"],
        _load,
        recipe,
        options,
        Observer(
            after_save=_writer(recipe, folder, found),
            after_step=None if found.quiet else model_zoo.Monitor(recipe.log_every, _show),
        ),
    )


def _show(line: str) -> None:
    """A line for people, above the bar of progress."""
    from tqdm import tqdm  # of the extra `train`

    tqdm.write(line, file=sys.stderr)


def _writer(recipe: Recipe, folder: Path, found: argparse.Namespace) -> Callable[[Path], None]:
    """What writes a .ckpt file of each checkpoint, under the names that the known port has."""
    steps_per_epoch = recipe.log_every

    def write(saved: Path) -> None:
        step = int(saved.name.rpartition("_")[2])
        target = model_zoo.checkpoint_file(folder, step, steps_per_epoch)
        convert(saved / checkpoints.WEIGHTS, target, to="published")
        model_zoo.keep_newest(folder, found.ckpt_keep)

    return write


def _load(path: Path, model: str) -> tuple[Spec, Arrays]:
    found = load_weights(path, model=model)
    return found.spec, found.arrays


if __name__ == "__main__":
    sys.exit(main())
