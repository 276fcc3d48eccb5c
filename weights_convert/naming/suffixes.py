"""What MindSpore's own layers call differently, and how their shapes differ. Lossless both ways.

| layer | PyTorch, Jittor, this suite | MindSpore |
|---|---|---|
| LayerNorm, GroupNorm, BatchNorm | weight, bias | gamma, beta |
| BatchNorm | running_mean, running_var | moving_mean, moving_variance |
| PReLU | weight | w |
| Embedding | weight | embedding_table |
| Conv1d | weight (out, in, k) | weight (out, in, 1, k) |

Names and shapes tell the layers apart but for two: an embedding has the shape of a linear layer
without bias, so embeddings have to be named; and MindSpore's Conv1d has the shape of a Conv2d, so
its way back needs the network's own shapes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from restoration.errors import InputError

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

_MOVING = {"running_mean": "moving_mean", "running_var": "moving_variance"}
_RUNNING = {theirs: ours for ours, theirs in _MOVING.items()}


@dataclass(frozen=True)
class Renamed:
    """An entry's other name and shape."""

    name: str
    shape: Shape


def to_mindspore(shapes: Shapes, *, embeddings: Collection[str] = ()) -> dict[str, Renamed]:
    """What MindSpore's layers call entries, by the names that PyTorch's layers have.

    embeddings: names of entries that belong to embeddings.

    Raises:
        InputError: an embedding is not there, or names would not be the same after the way back.
    """
    absent = [name for name in embeddings if name not in shapes]
    if absent:
        raise InputError(
            "--embedding",
            expected="the name of an entry",
            got=", ".join(absent),
            where="names of the weights",
            next_step="weights-convert inspect FILE lists them",
        )
    result = {
        name: _to_mindspore(name, shape, shapes, name in embeddings)
        for name, shape in shapes.items()
    }
    _check_way_back(shapes, result)
    return result


def to_torch(shapes: Shapes, *, like: Shapes | None = None) -> dict[str, Renamed]:
    """What PyTorch's layers call entries, by the names that MindSpore's layers have.

    like: the network's own shapes by PyTorch's names, which tell Conv1d from Conv2d.
    """
    result = {name: _to_torch(name, shape, shapes) for name, shape in shapes.items()}
    for name, new in result.items():
        wanted = (like or {}).get(new.name)
        if wanted is not None and new.shape == for_conv1d(wanted):
            result[name] = Renamed(new.name, wanted)
    return result


def for_conv1d(shape: Shape) -> Shape:
    """A shape as MindSpore has it: (out, in, k) becomes (out, in, 1, k), others stay."""
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else shape


def _to_mindspore(name: str, shape: Shape, shapes: Shapes, is_embedding: bool) -> Renamed:
    module, dot, leaf = name.rpartition(".")
    start = module + dot
    bias = shapes.get(start + "bias")
    if is_embedding:
        leaf = "embedding_table"
    elif leaf in ("weight", "bias") and bias is not None and bias == shapes.get(start + "weight"):
        leaf = {"weight": "gamma", "bias": "beta"}[leaf]
    elif leaf == "weight" and len(shape) == 1 and bias is None:
        leaf = "w"
    elif leaf == "weight" and len(shape) == 3:
        shape = for_conv1d(shape)
    return Renamed(start + _MOVING.get(leaf, leaf), shape)


def _to_torch(name: str, shape: Shape, shapes: Shapes) -> Renamed:
    module, dot, leaf = name.rpartition(".")
    start = module + dot
    beta = shapes.get(start + "beta")
    new = _RUNNING.get(leaf, leaf)
    if leaf in ("gamma", "beta") and beta is not None and beta == shapes.get(start + "gamma"):
        new = {"gamma": "weight", "beta": "bias"}[leaf]
    elif leaf == "embedding_table" or (leaf == "w" and len(shape) == 1):
        new = "weight"
    is_taken = new != leaf and start + new in shapes
    return Renamed(name if is_taken else start + new, shape)


def _check_way_back(shapes: Shapes, there: Mapping[str, Renamed]) -> None:
    back = to_torch({new.name: new.shape for new in there.values()}, like=shapes)
    wrong = [name for name, new in there.items() if back[new.name] != Renamed(name, shapes[name])]
    if wrong or len(back) != len(shapes):
        raise InputError(
            "names for MindSpore",
            expected="names that lead back to the ones they came from",
            got=f"{len(wrong)} that do not, as {', '.join(wrong[:3])}",
            where="weights_convert/naming/suffixes.py",
            next_step="keep the names as they are (without --suffixes)",
        )
