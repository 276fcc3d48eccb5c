"""The parts of a run put together: data, engine, network, trainer, and where it goes on from."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from restoration.arrays import Arrays
from restoration.data.loader import Loader
from restoration.data.task import Fault, Task
from restoration.data.tasks import open_task
from restoration.engine.contract import Engine, Network, Trainer
from restoration.errors import InputError, writing_to
from restoration.models.spec import Spec
from restoration.training import checkpoints
from restoration.training import recipe as recipes
from restoration.training.checkpoints import Progress
from restoration.training.initialization import initial_weights
from restoration.training.loop import Devices, Observer, Parts, Run
from restoration.training.recipe import Recipe

RECIPE = "recipe.yaml"
_RUN = "run.jsonl"
_SHOWN_FAULTS = 50


class DataError(InputError):
    """All that is wrong with the data of a recipe."""

    def __init__(self, faults: Sequence[Fault]):
        super().__init__(
            "data",
            expected="no fault",
            got="one fault" if len(faults) == 1 else f"{len(faults)} faults",
            where="below, each with its split and path",
            next_step="repair or remove what is listed, or see docs/training.md, Data of one's own",
        )
        self._faults = faults

    def lines(self) -> list[str]:
        shown = [f"  {one.split}: {one.path}: {one.problem}" for one in self._faults]
        more = len(shown) - _SHOWN_FAULTS
        return shown if more <= 0 else [*shown[:_SHOWN_FAULTS], f"  and {more} more"]


def open_data(recipe: Recipe) -> Task:
    """The data of a recipe.

    Raises:
        DataError: all that is wrong with them.
    """
    task = open_task(recipe.the_model(), recipe.the_spec(), recipe.data, seed=recipe.seed)
    faults = task.faults()
    if faults:
        raise DataError(faults)
    return task


def make_loader(recipe: Recipe, *, workers: int, rank: int = 0, world: int = 1) -> Loader:
    """The batches of a recipe."""
    return Loader(
        recipe.the_model(),
        recipe.the_spec(),
        recipe.data,
        batch=recipe.batch,
        accumulate=recipe.accumulate,
        seed=recipe.seed,
        workers=workers,
        rank=rank,
        world=world,
    )


def with_vgg(recipe: Recipe, file: Path) -> Recipe:
    """The recipe with VGG weights of its perceptual term."""
    return replace(recipe, loss=replace(recipe.loss, vgg=str(file)))


def check_spec(recipe: Recipe, spec: Spec, file: Path) -> None:
    """Raise InputError unless weights are of the recipe's hyper-parameters."""
    wanted = recipe.the_spec()
    differing = [
        f"{one.name}={getattr(spec, one.name, None)!r}"
        for one in dataclasses.fields(wanted)
        if getattr(spec, one.name, None) != getattr(wanted, one.name)
    ]
    if type(spec) is not type(wanted) or differing:
        raise InputError(
            "weights to start from",
            expected=f"{type(wanted).__name__} as the recipe has it",
            got=f"{type(spec).__name__} with {', '.join(differing) or 'others'}",
            where=str(file),
            next_step="set these in the recipe: settings.NAME=VALUE",
        )


def make_trainer(engine: Engine, recipe: Recipe, init: Arrays | None) -> tuple[Network, Trainer]:
    """A network with its first weights, and its trainer.

    init: weights to start from, drawn by the model's law if None, alike in each framework.
    """
    network = engine.build(recipe.the_spec(), recipe.execution())
    if init is None:
        init = initial_weights(
            recipe.the_model(),
            network.spec,
            engine.state(network),
            seed=recipe.seed,
            law=recipe.initialization,
        )
    engine.load(network, init)
    return network, engine.trainer(network, recipe.trainer_settings())


def begin(
    package: str,
    device: str,
    recipe: Recipe,
    task: Task,
    folder: Path,
    *,
    resume: str | None,
    init: Arrays | None,
    quiet: bool,
    origin: Mapping[str, str],
    observer: Observer,
) -> Run:
    """A run ready to be trained, new or resumed.

    resume: "auto", or a checkpoint or the folder of a run; None for a new one.

    Raises:
        InputError: the folder holds a run already and nothing says to resume it, or the checkpoint
            does not fit.
    """
    distributed = importlib.import_module(f"{package}.distributed")
    distributed.start(device)
    devices = Devices(distributed.rank(), distributed.world(), distributed.total)
    engine = importlib.import_module(f"{package}.engine").ENGINE(device=device)
    network, trainer = make_trainer(engine, recipe, init)
    plain = recipes.to_plain(recipe)
    progress = Progress(step=0, recipe=plain, origin=origin)
    source = _resumed_from(folder, resume)
    if source is not None:
        found, state = checkpoints.load(source, model=recipe.model, spec=network.spec)
        trainer.load(state)
        progress = replace(found, recipe=plain, origin=origin)
    if devices.rank == 0:
        _prepare_folder(folder, plain, origin, progress.step)
    loader = make_loader(recipe, workers=recipe.workers, rank=devices.rank, world=devices.world)
    return Run(
        Parts(recipe, engine, network, trainer, task, loader, devices, observer),
        folder,
        progress=progress,
        quiet=quiet,
    )


def _resumed_from(folder: Path, resume: str | None) -> Path | None:
    """Which checkpoint a run goes on from."""
    last = checkpoints.find(folder)
    if resume is None:
        if last is not None:
            raise InputError(
                "training",
                expected="a folder without a run",
                got=f"one at {last.name}",
                where=str(folder),
                next_step="go on with --resume auto, or choose another --output",
            )
        return None
    return last if resume == "auto" else Path(resume)


def _prepare_folder(
    folder: Path, plain: Mapping[str, Any], origin: Mapping[str, str], step: int
) -> None:
    """The recipe and the record of how the run was started, in its folder."""
    import yaml

    with writing_to(
        folder,
        "folder of the run",
        expected="one that can be written",
        next_step="choose another --output, or make space",
    ):
        folder.mkdir(parents=True, exist_ok=True)
        checkpoints.clean(folder)
        (folder / RECIPE).write_text(yaml.safe_dump(dict(plain), sort_keys=False))
        with (folder / _RUN).open("a") as record:
            record.write(json.dumps({"from_step": step, **origin}) + "\n")
