"""Batches of a training run, from any step on, prepared by processes that work ahead.

    with Loader(model, spec, data, batch=4, seed=1, workers=2) as loader:
        for batch in loader.batches(first_step=0): ...

A batch depends on the number of its step alone: not on how many processes prepare it, nor on where
a run began. The processes are our own (`worker.py`), not forks of one that runs a framework, and
end with it, whatever ends it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restoration.arrays import Arrays
from restoration.data import streams
from restoration.data.settings import DataSettings
from restoration.data.task import Task
from restoration.data.tasks import open_task
from restoration.errors import InputError, RestorationError
from restoration.models.model import Model
from restoration.models.spec import Spec

_SUITE = Path(__file__).resolve().parents[2]
_AHEAD = 2  # batches that each process may prepare before they are asked for
_LEAVES_WITHIN_S = 5.0


class LoaderError(RestorationError):
    """A process that prepares batches ended or failed. The text says which and why."""


@dataclass(frozen=True)
class Batch:
    """What one device computes a step from.

    parts: the arrays of each part of the accumulation. files: that the samples are made of. step,
    epoch: counted from 0.
    """

    parts: list[Arrays]
    files: tuple[str, ...]
    epoch: int
    step: int

    def digest(self) -> str:
        """A hash of all numbers, names, shapes and types."""
        found = hashlib.blake2b(digest_size=16)
        for part in self.parts:
            for name in sorted(part):
                array = np.ascontiguousarray(part[name])
                found.update(f"{name} {array.dtype} {array.shape}\n".encode())
                found.update(array.tobytes())
        return found.hexdigest()


@dataclass(frozen=True)
class Plan:
    """Which samples a step takes.

    samples: in an epoch. batch: samples of a step, of all devices together; a device takes its
    contiguous part and computes it in `accumulate` parts.
    """

    samples: int
    batch: int
    accumulate: int = 1
    seed: int = 1
    drop_last: bool = False
    rank: int = 0
    world: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """How many batches there are in an epoch."""
        whole, left = divmod(self.samples, self.batch)
        return whole if self.drop_last or not left else whole + 1

    def check(self) -> None:
        """Raise InputError for a plan that leaves a device or a part without samples."""
        pieces = self.accumulate * self.world
        if self.batch % pieces:
            raise _plan_error(
                f"batch {self.batch}", f"a multiple of {pieces}, which is accumulate times devices"
            )
        left = self.samples % self.batch
        if self.steps_per_epoch == 0:
            raise _plan_error(
                f"{self.samples} samples in an epoch, data.drop_last",
                f"at least one batch of {self.batch}",
            )
        if not self.drop_last and left % pieces:
            raise _plan_error(
                f"a last batch of {left} of {self.samples} samples",
                f"a multiple of {pieces}, which is accumulate times devices, or data.drop_last",
            )

    def parts(self, step: int) -> tuple[int, list[list[int]]]:
        """The epoch of a step, and the numbers of the samples of each part of this device."""
        epoch, place = divmod(step, self.steps_per_epoch)
        first = place * self.batch
        taken = _order(self.seed, epoch, self.samples)[first : first + self.batch]
        each = len(taken) // self.world
        own = taken[self.rank * each : (self.rank + 1) * each]
        size = len(own) // self.accumulate
        return epoch, [
            [int(index) for index in own[start : start + size]]
            for start in range(0, len(own), size)
        ]


class Loader:
    """Batches from any step on; close it, or leave its `with` block, to end its processes."""

    def __init__(
        self,
        model: Model,
        spec: Spec,
        data: DataSettings,
        *,
        batch: int,
        accumulate: int = 1,
        seed: int,
        workers: int = 0,
        rank: int = 0,
        world: int = 1,
    ):
        """batch: samples of a step, of all devices together. workers: how many processes prepare
        batches, 0 for none but this one. rank, world: which device of how many.

        Raises:
            InputError: a batch that cannot be divided, or what `open_task` raises.
        """
        self._open_task = functools.partial(open_task, model, spec, data, seed=seed)
        self._task: Task = self._open_task()
        self.plan = Plan(
            len(self._task),
            batch,
            accumulate,
            seed=seed,
            drop_last=self._task.drop_last,
            rank=rank,
            world=world,
        )
        self.plan.check()
        self._workers = workers
        self._processes: list[_Process] = []

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def steps_per_epoch(self) -> int:
        """How many steps an epoch has."""
        return self.plan.steps_per_epoch

    def batches(self, first_step: int = 0) -> Iterator[Batch]:
        """The batches of a step and all after it, without end.

        Raises:
            InputError: a file cannot be read.
            LoaderError: a process ended or failed.
        """
        self.close()
        return self._prefetched(first_step) if self._workers else self._made_here(first_step)

    def close(self) -> None:
        """End the processes; harmless if there are none."""
        while self._processes:
            self._processes.pop().close()

    def _made_here(self, step: int) -> Iterator[Batch]:
        while True:
            yield make_batch(self._task, self.plan, step)
            step += 1

    def _prefetched(self, first_step: int) -> Iterator[Batch]:
        count = self._workers
        content = pickle.dumps((self._open_task, self.plan))
        try:
            for number in range(count):
                process = _Process(number, content)
                self._processes.append(process)
                for ahead in range(_AHEAD):
                    process.ask(first_step + number + ahead * count)
            step = first_step
            while True:
                process = self._processes[(step - first_step) % count]
                batch = process.answer()
                process.ask(step + _AHEAD * count)
                yield batch
                step += 1
        finally:
            self.close()


def make_batch(task: Task, plan: Plan, step: int) -> Batch:
    """The batch of a step, made by whoever calls."""
    epoch, parts = plan.parts(step)
    files = tuple(name for part in parts for index in part for name in task.files(index))
    made = [task.join([task.sample(index, epoch) for index in part]) for part in parts]
    return Batch(made, files, epoch, step)


class _Process:
    """A process that prepares batches; its answers come in the order of the questions."""

    def __init__(self, number: int, content: bytes):
        self._number = number
        self._process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, str(_SUITE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._answers: queue.Queue[Any] = queue.Queue()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self._send(content)

    def ask(self, step: int) -> None:
        self._send(pickle.dumps(step))

    def answer(self) -> Batch:
        """The next batch; raises what went wrong."""
        found = self._answers.get()
        if isinstance(found, Batch):
            return found
        if found is None:
            raise LoaderError(self._end())
        kind, text = found
        if kind == "input":
            raise InputError.quoted(text)
        raise LoaderError(f"preparing batches: expected numbers, got {text}")

    def close(self) -> None:
        """End it, by the end of its input or by force."""
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(OSError):  # what was not yet written has no reader any more
            self._process.stdin.close()
        self._process.kill()  # it holds nothing that could be lost
        self._process.wait()
        self._thread.join(_LEAVES_WITHIN_S)
        self._process.stdout.close()

    def _send(self, content: bytes) -> None:
        assert self._process.stdin
        with contextlib.suppress(OSError):  # it has ended, which is said when its answer is due
            write_message(self._process.stdin, content)

    def _listen(self) -> None:
        assert self._process.stdout
        while True:
            try:
                content = read_message(self._process.stdout)
            except (OSError, ValueError):
                content = None
            self._answers.put(None if content is None else pickle.loads(content))
            if content is None:
                return

    def _end(self) -> str:
        status = self._process.wait()
        why = f"exit status {status}"
        if status < 0:
            why = f"killed by {signal.Signals(-status).name}"
            if status == -signal.SIGKILL:
                why += "; the system kills a process so when memory runs out"
        return (
            f"preparing batches: expected process {self._number} to go on, got its end ({why}); "
            "the last checkpoint is whole: go on with --resume auto, with fewer workers if memory "
            "was short"
        )


# Not -m: this module would be imported twice, and the folder of the caller comes first then.
_COMMAND = """import sys
sys.path.insert(0, sys.argv[1])
from restoration.data import worker
worker.main()"""
_LENGTH_BYTES = 8


def write_message(file: BinaryIO | Any, content: bytes) -> None:
    """Write bytes with their length before them."""
    file.write(len(content).to_bytes(_LENGTH_BYTES, "little"))
    file.write(content)
    file.flush()


def read_message(file: BinaryIO | Any) -> bytes | None:
    """What `write_message` wrote; None at the end, also in the middle of a message."""
    head = file.read(_LENGTH_BYTES)
    if len(head) < _LENGTH_BYTES:
        return None
    length = int.from_bytes(head, "little")
    content: bytes = file.read(length)
    return content if len(content) == length else None


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return streams.order(seed, epoch, count)


def _plan_error(got: str, expected: str) -> InputError:
    return InputError(
        "batches",
        expected=expected,
        got=got,
        where="recipe",
        next_step="change batch, accumulate or data.samples",
    )
