"""The loop of training: batches to steps, validations, checkpoints; the same for each framework.

A run goes on from its checkpoint as if it had never been interrupted: batches, rates and random
masks depend on the number of the step alone, and the checkpoint holds all that steps changed.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from restoration import images
from restoration.data.loader import Batch, Loader
from restoration.data.task import HeldOut, Task
from restoration.engine.contract import Engine, Network, StepResult, Trainer
from restoration.errors import RestorationError, UnavailableError
from restoration.evaluation.protocols import score
from restoration.training import checkpoints
from restoration.training.checkpoints import Progress
from restoration.training.loggers import Loggers
from restoration.training.recipe import Recipe

PICTURES = "pictures"
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "allocate memory fail", "alloc failed")


class TrainingError(RestorationError):
    """A run cannot go on. The text says why, and what of it is kept."""


@dataclass(frozen=True)
class Result:
    """How a run ended: at which step, and the score of the last validation."""

    step: int
    steps: int
    psnr_db: float | None
    checkpoint: Path | None

    @property
    def is_finished(self) -> bool:
        return self.step >= self.steps


@dataclass(frozen=True)
class Devices:
    """Which of several devices a process trains on.

    total: the sums of numbers of all of them, which each is told.
    """

    rank: int = 0
    world: int = 1
    total: Callable[[np.ndarray], np.ndarray] = lambda numbers: numbers

    def any_of(self, flag: bool) -> bool:
        """Whether any of them says so."""
        return bool(self.total(np.array([float(flag)]))[0] > 0)


@dataclass(frozen=True)
class Observer:
    """Who is told of what a run does, in the first process alone.

    after_save: of each checkpoint, when it is whole. after_step: of the number, the loss and the
    seconds of each step.
    """

    after_save: Callable[[Path], None] | None = None
    after_step: Callable[[int, float, float], None] | None = None


@dataclass(frozen=True)
class Parts:
    """What a run is put together from."""

    recipe: Recipe
    engine: Engine
    network: Network
    trainer: Trainer
    task: Task
    loader: Loader
    devices: Devices = Devices()
    observer: Observer = Observer()


class Run:
    """A run of training in one process; only the first of several devices writes."""

    def __init__(
        self,
        parts: Parts,
        folder: Path,
        *,
        progress: Progress,
        quiet: bool = False,
    ):
        """progress: where it goes on from; step 0 for a new run."""
        self.recipe, self.folder = parts.recipe, folder
        self.steps = self.recipe.total_steps(parts.loader.steps_per_epoch)
        self.is_first = parts.devices.rank == 0
        self._engine, self._network, self._trainer = parts.engine, parts.network, parts.trainer
        self._task, self._loader = parts.task, parts.loader
        self._devices, self._observer = parts.devices, parts.observer
        self._progress, self._quiet = progress, quiet
        self._saved: Path | None = None

    def train(self) -> Result:
        """Train to the end, or until the user or the system asks to stop.

        Raises:
            TrainingError: the loss is not finite, or memory does not suffice.
            CheckpointError: a checkpoint could not be written.
        """
        title = f"{self.recipe.model} ({self._engine.name})"
        logs = (
            Loggers(
                self.folder,
                title=title,
                first_step=self._progress.step,
                steps=self.steps,
                quiet=self._quiet,
            )
            if self.is_first
            else None
        )
        batches = self._loader.batches(self._progress.step)
        try:
            with _stop_requests() as requests:
                if self._progress.step == 0:  # what a run starts from
                    self._score(logs)
                try:
                    while self._progress.step < self.steps:
                        if self._devices.any_of(bool(requests)):
                            break
                        started = time.perf_counter()
                        batch, factor = next(batches), self._factor()
                        result = self._step(batch, factor, logs)
                        seconds = time.perf_counter() - started
                        self._advance(batch, result, factor, seconds, logs)
                except UnavailableError:  # another process was lost; no step is half done
                    self._save(logs)
                    raise
                self._save(logs)
        finally:
            self._loader.close()
            if logs:
                logs.close()
        last = self._progress.scores_db[-1] if self._progress.scores_db else None
        return Result(self._progress.step, self.steps, last, self._saved)

    def _step(self, batch: Batch, factor: float, logs: Loggers | None) -> StepResult:
        """One update, or an error in words."""
        try:
            result = self._trainer.step(batch.parts, factor)
        except (RuntimeError, MemoryError) as problem:
            if isinstance(problem, MemoryError) or any(
                words in str(problem).lower() for words in _OUT_OF_MEMORY
            ):
                raise self._out_of_memory(batch) from problem
            raise
        overflow = not result.updated and self.recipe.loss_scale is not None
        if not result.updated and not (overflow and np.isfinite(result.loss)):
            message = self._nonfinite(batch, result)
            if self.recipe.nonfinite == "stop":
                self._save(None)
                self._devices.any_of(True)  # all wait: launchers end the others with the first
                raise TrainingError(
                    f"{message}; the run is saved before this step: lower "
                    "optimizer.learning_rate, set optimizer.clip_norm, or go on with "
                    "nonfinite=skip"
                )
            if logs:
                logs.say(f"{message}; skipped")
        return result

    def _advance(
        self, batch: Batch, result: StepResult, factor: float, seconds: float, logs: Loggers | None
    ) -> None:
        """What follows a step: log, validation, checkpoint."""
        rate = self.recipe.optimizer.learning_rate * factor
        step = self._progress.step + 1
        self._progress = replace(self._progress, step=step)
        is_last = step == self.steps
        if logs:
            is_logged = step % self.recipe.log_every == 0 or step == 1 or is_last
            logs.step(step, batch.epoch, result, rate=rate, seconds=seconds, log=is_logged)
            if self._observer.after_step:
                self._observer.after_step(step, result.loss, seconds)
        if is_last or step % self.recipe.validation.every == 0:
            self._validate(logs)
        if is_last or step % self.recipe.checkpoints.every == 0:
            self._save(logs)

    def _factor(self) -> float:
        return self.recipe.schedule.factor(
            self._progress.step,
            steps=self.steps,
            steps_per_epoch=self._loader.steps_per_epoch,
            scores_db=self._progress.scores_db,
        )

    def _score(self, logs: Loggers | None) -> float:
        """The mean PSNR of held-out pictures, of which each device scores its share."""
        settings = self.recipe.validation
        averages = self._trainer.averages() if settings.averaged else {}
        weights = averages or self._engine.state(self._network)
        # Compiled anew for each validation and size, it would take longer.
        execution = replace(self._network.execution, is_graph=False)
        network = self._engine.build(self._network.spec.scored, execution)
        names = self._engine.state(network)
        self._engine.load(network, {name: weights[name] for name in names})
        folder = self.folder / PICTURES / f"step_{self._progress.step:08d}"
        held_out = self._task.held_out()
        scores_db = np.zeros(len(held_out))
        for place in range(len(held_out)):
            is_kept = place < settings.pictures
            if self._devices.rank != (0 if is_kept else place % self._devices.world):
                continue
            item = held_out[place]
            picture = self._task.picture(item, self._engine.run(network, item.inputs))
            found = score(settings.protocol, item.truth[0], picture[0], scale=item.scale)
            scores_db[place] = found.psnr_db
            if is_kept:
                _write_strip(folder / f"{item.name}.png", item, picture)
        scores_db = self._devices.total(scores_db)
        mean = float(scores_db.mean()) if len(scores_db) else float("nan")
        if logs:
            named = {self._task.name(place): float(one) for place, one in enumerate(scores_db)}
            logs.validated(self._progress.step, named, mean, settings.protocol)
        return mean

    def _validate(self, logs: Loggers | None) -> None:
        """Score held-out pictures, and keep the run if it was never better."""
        mean = self._score(logs)
        is_best = self._progress.best_db is None or mean > self._progress.best_db
        self._progress = replace(
            self._progress,
            scores_db=(*self._progress.scores_db, mean),
            best_db=mean if is_best else self._progress.best_db,
            best_step=self._progress.step if is_best else self._progress.best_step,
        )
        if is_best and self._progress.step % self.recipe.checkpoints.every != 0:
            self._save(logs)  # the best is kept wherever it falls

    def _save(self, logs: Loggers | None) -> None:
        if not self.is_first or self._saved == self._target():
            return
        if logs:
            logs.flush()
        self._saved = checkpoints.save(
            self.folder,
            self._progress,
            self._trainer.state(),
            model=self.recipe.model,
            spec=self._network.spec,
            keep=self.recipe.checkpoints.keep,
        )
        if self._observer.after_save:
            self._observer.after_save(self._saved)

    def _target(self) -> Path:
        return self.folder / checkpoints.FOLDER / f"step_{self._progress.step:08d}"

    def _nonfinite(self, batch: Batch, result: StepResult) -> str:
        """What is known of a step whose loss or gradients are not finite."""
        files = ", ".join(batch.files) or "synthetic data"
        inputs = self._network.spec.inputs
        part = {name: array for name, array in batch.parts[0].items() if name in inputs}
        _, taps = self._engine.run_tapped(self._network, part)
        first = next(
            (
                tap.module or "the network itself"
                for tap in taps
                if tap.kind == "out" and not np.isfinite(tap.array).all()
            ),
            None,
        )
        where = (
            f"first not finite: what leaves {first}"
            if first
            else "all modules' outputs are finite: the loss or a gradient is not"
        )
        return (
            f"step {self._progress.step + 1}: expected a finite loss and gradients, got loss "
            f"{result.loss} and norm {result.gradient_norm} (batch of {files}; {where})"
        )

    def _out_of_memory(self, batch: Batch) -> TrainingError:
        shapes = {name: array.shape for name, array in batch.parts[0].items() if array.ndim >= 4}
        largest = max(shapes.items(), key=lambda one: np.prod(one[1]), default=("batch", ()))
        return TrainingError(
            f"step {self._progress.step + 1}: expected memory for a part of "
            f"{self.recipe.batch // self.recipe.accumulate} samples, {largest[0]} {largest[1]}, "
            f"got none (batch {self.recipe.batch}, crop {self.recipe.data.crop_px} px); "
            "accumulate=N computes it in N parts, data.crop_px=N takes smaller crops, and "
            "--probe-memory says what fits"
        )


def _write_strip(path: Path, item: HeldOut, picture: np.ndarray) -> None:
    """The degraded, the restored and the true picture side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = item.truth.shape[2:]
    parts = [picture.clip(0, 1), item.truth]
    if item.degraded is not None:
        y = np.arange(height) * item.degraded.shape[2] // height
        x = np.arange(width) * item.degraded.shape[3] // width
        parts.insert(0, item.degraded[:, :, y][..., x])
    strip = np.concatenate(parts, axis=3).clip(0, 1).astype(np.float32)
    images.write_image(path, images.Image(strip))


@contextlib.contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Note Ctrl-C and SIGTERM, for the loop to end after its step; a second one ends it at once."""
    received: list[int] = []

    def note(number: int, _frame: Any) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before: Mapping[int, Any] = {number: signal.signal(number, note) for number in numbers}
    try:
        yield received
    except UnavailableError:
        raise  # the launcher of the processes is about to end this one: it shall still say why
    except BaseException:
        _restore(before)
        raise
    else:
        _restore(before)


def _restore(handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
