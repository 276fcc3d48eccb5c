"""The one way to weights as arrays: any file, the suite's names, checked against the model."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from restoration.arrays import Arrays
from restoration.errors import InputError
from restoration.models.spec import Spec
from weights_convert.checkpoints.checkpoint import open_checkpoint
from weights_convert.checkpoints.detect import Candidate, judge, read
from weights_convert.checkpoints.recognize import NO_SETTINGS, recognize, with_settings
from weights_convert.errors import quoted
from weights_convert.files.integrity import check_parts
from weights_convert.files.tensors import Tensor, from_bfloat16, from_numpy
from weights_convert.published import layouts
from weights_convert.published.layout import Layout


@dataclass(frozen=True)
class LoadedWeights:
    """Weights of a known model.

    arrays: by the suite's names, one for each entry of the network, in the network's own shapes;
    numbers as the file has them, half precision widened to float32 without loss. nonfinite: what is
    NaN or infinite, in words, "1 NaN in head1.weight (first at 0, 2, 1, 1)"; None if nothing is.
    """

    model: str
    spec: Spec
    arrays: Arrays
    nonfinite: str | None = None


def load_weights(
    path: Path,
    *,
    model: str | None = None,
    key: str | None = None,
    prefix: str | None = None,
    allowed: Collection[str] = (),
    settings: Mapping[str, Any] = NO_SETTINGS,
) -> LoadedWeights:
    """Weights from a file of any format and layout that is read: published, or the suite's own.

    Containers, wrappers' prefixes and MindSpore's suffixes are understood, checksums and the
    layout's constants are checked. Hyper-parameters come from the shapes; those that have no shape
    from what else the file holds, as the manifest of a converted file. model: whose weights these
    must be; detected if None. key: where they are, if the file holds several. prefix: what their
    names begin with, if there are several copies. allowed: see `convert`. settings:
    hyper-parameters that no shape tells, as {"value_range": 1}, instead of what the file or a rule
    says.

    Warns if weights are NaN or infinite.

    Raises:
        InputError: the file is damaged, hostile or no checkpoint; it is of no known model or
            another one, or several fit; a setting is unknown or cannot be; or entries do not fit:
            `MismatchError` lists every missing, unexpected and misshapen one.
    """
    opened = open_checkpoint(path, key=key, prefix=prefix, allowed=allowed)
    check_parts(opened.parts, with_sha256=False)
    recognized = recognize(opened, model)
    checkpoint, candidate = recognized.checkpoint, recognized.choose()
    candidate = with_settings(candidate, settings)
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
    arrays = _arrays(candidate, checkpoint.tensors)
    nonfinite = _nonfinite(arrays)
    if nonfinite:
        warnings.warn(f"weights {path}: {nonfinite}", stacklevel=2)
    return LoadedWeights(candidate.model, candidate.spec, arrays, nonfinite)


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


def _nonfinite(arrays: Arrays) -> str | None:
    """What is NaN or infinite, counted, with the first of it."""
    wrong = {
        name: array
        for name, array in arrays.items()
        if array.dtype.kind == "f" and not np.isfinite(array).all()
    }
    if not wrong:
        return None
    nan = sum(int(np.isnan(array).sum()) for array in wrong.values())
    infinite = sum(int(np.isinf(array).sum()) for array in wrong.values())
    counts = [f"{count} {kind}" for count, kind in ((nan, "NaN"), (infinite, "infinite")) if count]
    name, array = next(iter(wrong.items()))
    first = ", ".join(map(str, np.argwhere(~np.isfinite(array))[0])) or "its only element"
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return f"{' and '.join(counts)} in {quoted(name)}{more} (first at {first})"


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
