"""Training in processes that have imported PyTorch already: each is a fork of one that has done
nothing else, and takes a fraction of the time of a new one."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.training.runs import command

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "torch_impl.train",
        "torch_impl.engine",
        "torch_impl.training",
        "torch._dynamo",  # which optimizers import
        "tensorboardX",
        "skimage.data",
        "skimage.metrics",
    ]
)


def started(output: Path, *words: str) -> ForkServerProcess:
    """A process that trains, see `runs.command`; what it says goes into OUTPUT.txt."""
    program = command(output, *words)
    given = program[program.index("mimo_unet:demo") :]
    process = _FORKS.Process(target=_train, args=(given, output.with_suffix(".txt")))
    process.start()
    return process


def _train(words: list[str], said: Path) -> None:
    with said.open("a") as sink, contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        sys.exit(importlib.import_module("torch_impl.train").main(words))
