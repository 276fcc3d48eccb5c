"""What a run shows and writes of itself: progress, lines, JSONL and TensorBoard.

Each line of `log.jsonl` is one step: {"step", "epoch", "loss", "terms", "rate", "gradient_norm",
"seconds"}, or one validation: {"step", "psnr_db", "protocol", "pictures"}. Numbers are those of
that step, not means, so that a resumed run writes what the uninterrupted one would have written.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from restoration.engine.contract import StepResult
from restoration.errors import UnavailableError

LOG = "log.jsonl"
_TENSORBOARD = "tensorboard"


class Loggers:
    """Progress on stderr, and the files of a run."""

    def __init__(self, run: Path, *, title: str, first_step: int, steps: int, quiet: bool = False):
        """first_step: how many steps were taken before; what files say of later ones is dropped."""
        try:
            from tensorboardX import SummaryWriter
            from tqdm import tqdm
        except ModuleNotFoundError as problem:
            raise UnavailableError(
                f"training: expected the package {problem.name}, got none; "
                "pip install 'restoration-suite[train]' brings it"
            ) from problem
        # A run that begins anew scores what it begins with, at step 0, once more.
        kept = first_step or -1
        self._log = _reopened(run / LOG, kept)
        self._writer = SummaryWriter(str(run / _TENSORBOARD), purge_step=kept + 1)
        is_terminal = sys.stderr.isatty()
        self._quiet, self._lines = quiet, not is_terminal and not quiet
        self._bar = tqdm(
            total=steps,
            initial=first_step,
            desc=title,
            unit="step",
            disable=quiet or not is_terminal,
            file=sys.stderr,
            dynamic_ncols=True,
            ascii=None if (sys.stderr.encoding or "").lower().startswith("utf") else True,
        )
        self._title, self._steps, self._psnr = title, steps, ""
        self._first, self._begun = first_step, time.monotonic()

    def step(
        self, step: int, epoch: int, result: StepResult, *, rate: float, seconds: float, log: bool
    ) -> None:
        """One step was taken; `log`: write it."""
        self._bar.update()
        if not log:
            return
        row = {
            "step": step,
            "epoch": epoch,
            "loss": result.loss,
            "terms": dict(result.terms),
            "rate": rate,
            "gradient_norm": result.gradient_norm,
            "seconds": round(seconds, 4),
        }
        if not result.updated:
            row["updated"] = False
        self._write(row)
        scalars = {"loss": result.loss, "rate": rate, "gradient_norm": result.gradient_norm}
        scalars |= {f"terms/{name}": value for name, value in result.terms.items()}
        self._scalars(step, scalars)
        terms = " ".join(f"{name} {value:.4g}" for name, value in result.terms.items())
        text = f"loss {result.loss:.5g} rate {rate:.3g} {terms}{self._psnr}".strip()
        self._bar.set_postfix_str(text)
        if self._lines:
            left_s = (time.monotonic() - self._begun) / (step - self._first) * (self._steps - step)
            print(
                f"{self._title}: step {step} of {self._steps}, {text}, {_duration(left_s)} left",
                file=sys.stderr,
                flush=True,
            )

    def validated(
        self, step: int, scores_db: Mapping[str, float], mean_db: float, protocol: str
    ) -> None:
        """Held-out pictures were scored."""
        self._psnr = f" PSNR {mean_db:.2f} dB"
        row = {"step": step, "psnr_db": mean_db, "protocol": protocol, "pictures": dict(scores_db)}
        self._write(row)
        self._scalars(step, {f"psnr_db/{protocol}": mean_db})
        self.say(f"step {step}: {protocol}: {mean_db:.3f} dB over {len(scores_db)} pictures")

    def say(self, text: str) -> None:
        """A line for people."""
        if self._quiet:
            return
        if self._bar.disable:
            print(f"{self._title}: {text}", file=sys.stderr, flush=True)
        else:
            self._bar.write(f"{self._title}: {text}", file=sys.stderr)

    def flush(self) -> None:
        """Have everything on the disk that was logged, before a checkpoint that counts on it."""
        self._log.flush()
        os.fsync(self._log.fileno())
        self._writer.flush()

    def close(self) -> None:
        self._bar.close()
        with contextlib.suppress(OSError):  # what it is closed for, as a full disk, was said
            self._log.close()
            self._writer.close()

    def _write(self, row: Mapping[str, Any]) -> None:
        self._log.write(json.dumps(row) + "\n")

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The rows of a log; a last line that a killed process left unfinished is left out."""
    rows = []
    for line in path.read_text().splitlines():
        with contextlib.suppress(ValueError):
            rows.append(json.loads(line))
    return rows


def _reopened(path: Path, step: int) -> TextIO:
    """The log, with the rows up to a step, to be written on."""
    rows = [row for row in read_log(path) if row["step"] <= step] if path.exists() else []
    fresh = path.with_name(f".{path.name}")
    fresh.write_text("".join(json.dumps(row) + "\n" for row in rows))
    os.replace(fresh, path)
    return path.open("a")


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
