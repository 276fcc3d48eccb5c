"""Checkpoints of a run: folders that appear by one rename, whole or not at all.

    DIR/checkpoints/step_00001000/
        weights.safetensors    parameters and buffers under the suite's names
        averages.safetensors   averaged weights, where the recipe keeps them
        moments.safetensors    the optimizer's, and learned parameters of the loss
        state.json             the step, scores, counts, recipe, versions; written last

Every framework reads every other's. The weights' files say which model and hyper-parameters they
are of, so whatever reads weights takes them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from restoration.arrays import Arrays
from restoration.engine.contract import TrainingState
from restoration.engine.state import RECORD
from restoration.errors import InputError, RestorationError
from restoration.models.spec import Spec
from restoration.process.cache import link

VERSION = 1
FOLDER = "checkpoints"
WEIGHTS, AVERAGES, MOMENTS = "weights.safetensors", "averages.safetensors", "moments.safetensors"
STATE = "state.json"
_NAME = re.compile(r"step_(\d{8,})")
_LOSS = "loss."  # what names of learned parameters of a loss begin with


class CheckpointError(RestorationError):
    """A checkpoint could not be written. The text says why; the ones before it are whole."""


@dataclass(frozen=True)
class Progress:
    """How far a run is, apart from what its trainer knows.

    step: how many steps were taken. scores_db: PSNR of the validations so far; best_db: the best,
    at best_step; None before the first. recipe: complete, as plain values. origin: framework and
    versions that wrote it.
    """

    step: int
    recipe: Mapping[str, Any]
    scores_db: tuple[float, ...] = ()
    best_db: float | None = None
    best_step: int | None = None
    origin: Mapping[str, str] | None = None


def save(
    run: Path, progress: Progress, state: TrainingState, *, model: str, spec: Spec, keep: int
) -> Path:
    """Write a checkpoint, point `last` and `best` at theirs, and remove old ones.

    Raises:
        CheckpointError: no space, no permission; no checkpoint that was there is touched.
    """
    folder = run / FOLDER
    target = folder / f"step_{progress.step:08d}"
    partial = folder / f".partial_{secrets.token_hex(4)}"
    try:
        partial.mkdir(parents=True)
        _write(partial, progress, state, model, spec)
        if target.exists():  # of the same step, as after a resumed run that was not needed
            _remove(target)
        os.replace(partial, target)
        _sync(folder)
    except OSError as problem:
        raise CheckpointError(
            f"checkpoint {target}: expected a folder with space, got {problem.strerror or problem} "
            f"(step {progress.step}); earlier checkpoints are whole: make space, then go on with "
            f"--resume auto"
        ) from problem
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    link(folder / "last", Path(target.name))
    if progress.best_step == progress.step:
        link(folder / "best", Path(target.name))
    kept = {progress.step, progress.best_step}
    for step in sorted(set(_steps(folder)) - kept)[: -(keep - 1) or None]:
        _remove(folder / f"step_{step:08d}")
    return target


def find(run: Path) -> Path | None:
    """The newest checkpoint of a run, None if it has none."""
    folder = run / FOLDER
    steps = _steps(folder)
    return folder / f"step_{max(steps):08d}" if steps else None


def load(path: Path, *, model: str, spec: Spec) -> tuple[Progress, TrainingState]:
    """A checkpoint of a model: its folder, or the folder of a run.

    Raises:
        InputError: there is none; it is damaged, of another model, other hyper-parameters, or of a
            newer version of the suite.
    """
    folder = path if (path / STATE).is_file() else find(path)
    if folder is None:
        raise _bad(path, f"a checkpoint, with {STATE}", "none", "give a folder below checkpoints/")
    content = _read_state(folder)
    if content["model"] != model:
        raise _bad(
            folder,
            f"a checkpoint of {model}",
            f"one of {content['model']}",
            "resume with the recipe of that model, or start from its weights with --init",
        )
    if content["spec"] != json.loads(json.dumps(spec.to_dict())):
        differing = ", ".join(
            f"{key} {content['spec'].get(key)!r} for {value!r}"
            for key, value in json.loads(json.dumps(spec.to_dict())).items()
            if content["spec"].get(key) != value
        )
        raise _bad(
            folder,
            "the recipe's hyper-parameters",
            differing or "others",
            "resume with the recipe that the run was started with: recipe.yaml in its folder",
        )
    moments = _read(folder, MOMENTS, content)
    learned = {name: array for name, array in moments.items() if name.startswith(_LOSS)}
    learned = {name: one for name, one in learned.items() if not name.endswith(_KINDS)}
    state = TrainingState(
        weights={**_read(folder, WEIGHTS, content), **learned},
        averages=_read(folder, AVERAGES, content) if AVERAGES in content["bytes"] else {},
        moments={name: array for name, array in moments.items() if name not in learned},
        counts=content["counts"],
        step=content["trainer_step"],
        loss_scale=content["loss_scale"],
    )
    progress = Progress(
        step=content["step"],
        recipe=content["recipe"],
        scores_db=tuple(content["scores_db"]),
        best_db=content["best_db"],
        best_step=content["best_step"],
        origin=content["origin"],
    )
    return progress, state


_KINDS = (".first", ".second")


def _write(folder: Path, progress: Progress, state: TrainingState, model: str, spec: Spec) -> None:
    metadata = {
        "format": "pt",
        RECORD: json.dumps({"model": model, "spec": spec.to_dict()}, separators=(",", ":")),
    }
    learned = {name: one for name, one in state.weights.items() if name.startswith(_LOSS)}
    weights = {name: one for name, one in state.weights.items() if name not in learned}
    files: dict[str, Arrays] = {WEIGHTS: weights, MOMENTS: {**state.moments, **learned}}
    if state.averages:
        files[AVERAGES] = state.averages
    for name, arrays in files.items():
        save_file(arrays, folder / name, metadata=metadata)
        _sync(folder / name)
    content = {
        "version": VERSION,
        "model": model,
        "spec": spec.to_dict(),
        "step": progress.step,
        "scores_db": list(progress.scores_db),
        "best_db": progress.best_db,
        "best_step": progress.best_step,
        "trainer_step": state.step,
        "loss_scale": state.loss_scale,
        "counts": dict(state.counts),
        "origin": dict(progress.origin or {}),
        "recipe": dict(progress.recipe),
        "bytes": {name: (folder / name).stat().st_size for name in files},
    }
    (folder / STATE).write_text(json.dumps(content, indent=1))
    _sync(folder / STATE)
    _sync(folder)


def _read_state(folder: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((folder / STATE).read_text())
        version = content["version"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise _bad(
            folder / STATE, "the state of a run", str(problem), "take an earlier checkpoint"
        ) from problem
    if version != VERSION:
        raise _bad(folder, f"version {VERSION}", str(version), "update the suite")
    return content


def _read(folder: Path, name: str, content: Mapping[str, Any]) -> Arrays:
    path = folder / name
    try:
        size = path.stat().st_size
        if size != content["bytes"][name]:
            raise _bad(
                path, f"{content['bytes'][name]} bytes", str(size), "take an earlier checkpoint"
            )
        arrays: Arrays = load_file(path)
    except (OSError, KeyError, SafetensorError) as problem:
        raise _bad(path, "arrays", str(problem), "take an earlier checkpoint") from problem
    return arrays


def _steps(folder: Path) -> list[int]:
    """The steps of all checkpoints of a run."""
    with contextlib.suppress(OSError):
        return [
            int(found[1])
            for entry in folder.iterdir()
            if (found := _NAME.fullmatch(entry.name)) and (entry / STATE).is_file()
        ]
    return []


def _remove(folder: Path) -> None:
    """Remove a checkpoint; halfway it no longer has its name."""
    gone = folder.with_name(f".removed_{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        os.replace(folder, gone)
        shutil.rmtree(gone, ignore_errors=True)


def clean(run: Path) -> None:
    """Remove what a killed process left of checkpoints that it was writing or removing."""
    for left in _leftovers(run / FOLDER):
        shutil.rmtree(left, ignore_errors=True)


def _leftovers(folder: Path) -> Iterator[Path]:
    yield from folder.glob(".partial_*")
    yield from folder.glob(".removed_*")


def _sync(path: Path) -> None:
    """Have the system write a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _bad(path: Path, expected: str, got: str, next_step: str) -> InputError:
    return InputError(
        "checkpoint", expected=expected, got=got, where=str(path), next_step=next_step
    )
