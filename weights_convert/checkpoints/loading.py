"""The one way to weights as arrays: any file, the suite's names, checked against the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from restoration.errors import InputError, unknown_name
from restoration.models.spec import Spec
from weights_convert.checkpoints import manifest
from weights_convert.checkpoints.checkpoint import Checkpoint, open_checkpoint
from weights_convert.checkpoints.detect import Candidate, detect, judge, read
from weights_convert.files.integrity import check
from weights_convert.files.tensors import Tensor, from_bfloat16, from_numpy
from weights_convert.published import layouts
from weights_convert.published.layout import Arrays, Layout

NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class LoadedWeights:
    """Weights of a known model.

    arrays: by the suite's names, one for each entry of the network, in the network's own shapes;
    numbers as the file has them, half precision widened to float32 without loss.
    """

    model: str
    spec: Spec
    arrays: Arrays


def load_weights(
    path: Path,
    *,
    model: str | None = None,
    key: str | None = None,
    allowed: Collection[str] = (),
    settings: Mapping[str, Any] = NO_SETTINGS,
) -> LoadedWeights:
    """Weights from a file of any format and layout that is read: published, or the suite's own.

    Containers, wrappers' prefixes and MindSpore's suffixes are understood, checksums and the
    layout's constants are checked. Hyper-parameters come from the shapes; those that have no shape
    from what else the file holds, as the manifest of a converted file. model: whose weights these
    must be; detected if None. key: where they are, if the file holds several. allowed: modules
    whose classes a pickle may name. settings: hyper-parameters that no shape tells, as
    {"value_range": 1}, instead of what the file or a rule says.

    Raises:
        InputError: the file is damaged, hostile or no checkpoint; it is of no known model or
            another one, or several fit; a setting is unknown or cannot be; or entries do not fit:
            `MismatchError` lists every missing, unexpected and misshapen one.
    """
    checkpoint = open_checkpoint(path, key=key, allowed=allowed)
    check(checkpoint.file, checkpoint.checksums, with_sha256=False)
    candidate = recognize(checkpoint, model, settings)
    if candidate is None:
        raise InputError(
            "model",
            expected="weights of " + ", ".join(layouts()),
            got="weights of none of them",
            where=str(path),
            next_step="weights-convert inspect FILE shows what the file holds",
        )
    candidate.check_fits(
        where=str(path),
        next_step=f"weights-convert FILE OUT --model {candidate.model} lists all of them",
    )
    return LoadedWeights(candidate.model, candidate.spec, _arrays(candidate, checkpoint.tensors))


def recognize(
    checkpoint: Checkpoint, model: str | None = None, settings: Mapping[str, Any] = NO_SETTINGS
) -> Candidate | None:
    """The model that a checkpoint belongs to, see `detect`; its manifest decides between several.

    Raises:
        InputError: several fit, or there is no `model` of that name, or no name is its own; or a
            setting is unknown or cannot be.
    """
    noted = manifest.recorded(checkpoint)
    candidate = detect(
        checkpoint.tensors,
        checkpoint.config,
        model=model,
        hint=noted.model,
        recorded=noted.spec,
        where=str(checkpoint.path),
    )
    if not settings:
        return candidate
    if candidate is None:
        raise InputError(
            "settings of weights",
            expected="weights of " + ", ".join(layouts()),
            got="weights of none of them",
            where="--set",
            next_step="leave --set out, or say with --model whose weights these are",
        )
    return dataclasses.replace(candidate, spec=_with_settings(candidate, settings))


def _with_settings(candidate: Candidate, settings: Mapping[str, Any]) -> Spec:
    values = {}
    for name, value in settings.items():
        if name not in candidate.settings:
            raise unknown_name(
                f"setting of {candidate.model}", name, candidate.settings, where="--set"
            )
        values[name] = _as(type(candidate.settings[name]), value, name)
    return dataclasses.replace(candidate.spec, **values)


def _as(kind: type, value: Any, name: str) -> Any:
    """A setting, which may be a text, as its hyper-parameter has it."""
    try:
        if kind is bool:
            return {"true": True, "false": False}[str(value).lower()]
        return kind(value)
    except (TypeError, ValueError, KeyError):
        raise InputError(
            f"setting {name}",
            expected={bool: "true or false", int: "a whole number", float: "a number"}[kind],
            got=repr(value),
            where="--set",
            next_step=f"give it as --set {name}=VALUE",
        ) from None


def read_state(
    layout: Layout, state: Mapping[str, np.ndarray], config: Mapping[str, Any], *, where: str
) -> tuple[Spec, Arrays]:
    """Hyper-parameters and weights of a state whose layout is known, of any size.

    For golden files. Names and constants are checked as `load_weights` does; shapes are not, since
    no schema of the network is at hand.

    Raises:
        InputError: the state is another model's, or what tells the size of the network is missing.
    """
    tensors = {name: from_numpy(array) for name, array in state.items()}
    reading = read(layout.classes[0], layout, tensors, config)
    if reading.spec is None:
        raise InputError(
            f"weights of {layout.classes[0]}",
            expected="the entries that tell the size of the network",
            got=f"{reading.problem} among {len(state)}, as {', '.join(list(state)[:3]) or 'none'}",
            where=where,
            next_step="check that the file belongs to this model",
        )
    candidate = judge(reading, reading.spec, tensors, None)
    candidate.check_fits(where=where, next_step="check that the file belongs to this model")
    return reading.spec, _arrays(candidate, tensors)


def _arrays(candidate: Candidate, tensors: Mapping[str, Tensor]) -> Arrays:
    return {
        ours: _array(tensors[name]).reshape(candidate.shapes[name])
        for name, ours in candidate.ours.items()
    }


def _array(tensor: Tensor) -> np.ndarray:
    array = tensor.to_numpy()
    if tensor.dtype.name == "bfloat16":
        return from_bfloat16(array)
    return array.astype(np.float32) if tensor.dtype.name == "float16" else array
