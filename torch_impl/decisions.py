"""Calls of PyTorch that decide: how clear each decision is, and the call that decides otherwise.

A decision is a comparison, a rounding, the place of a largest number, or which numbers are among
the k largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_COMPARISONS = ("gt", "lt", "ge", "le")
_ROUNDINGS = ("round", "floor", "ceil", "trunc")
_PLACES = ("argmax", "argmin")


def is_decision(name: str) -> bool:
    return _plain(name) in (*_COMPARISONS, *_ROUNDINGS, *_PLACES, "sign", "topk")


def operand(arguments: Any) -> Any:
    """What a decision is taken from."""
    return arguments[0]


def margins(name: str, arguments: Any, keywords: Any) -> Tensor:
    """How far each decision is from being another, (number of decisions,)."""
    kind, x = _plain(name), arguments[0].double()
    if kind in _COMPARISONS:
        other = keywords.get("other", arguments[1] if len(arguments) > 1 else 0)
        return (x - other).abs().reshape(-1)
    if kind == "sign":
        return x.abs().reshape(-1)
    if kind == "round":
        return ((x - x.floor()) - 0.5).abs().reshape(-1)
    if kind in _ROUNDINGS:
        return (x - x.round()).abs().reshape(-1)
    moved, count = _along(kind, x, arguments, keywords)
    largest = moved.topk(min(count + 1, moved.shape[-1]), -1).values
    if largest.shape[-1] <= count:
        return torch.full((largest[..., 0].numel(),), float("inf"), dtype=torch.float64)
    return (largest[..., count - 1] - largest[..., count]).reshape(-1)


def flipped(name: str, places: Sequence[int]) -> Any:
    """The call with some of its decisions taken otherwise, as a change (`tape.py`)."""
    kind, index = _plain(name), list(places)

    def changed(function: Any, args: Any, kwargs: Any) -> Any:
        if kind in (*_PLACES, "topk"):
            x = args[0]
            for place in index:
                x = _swapped(kind, (x, *args[1:]), kwargs, place)
            return function(x, *args[1:], **kwargs)
        result = function(*args, **kwargs).clone()
        flat, x = result.view(-1), args[0].reshape(-1)
        if kind in _COMPARISONS:
            flat[index] = ~flat[index]
        elif kind == "sign":
            flat[index] = -flat[index]
        elif kind == "round":
            flat[index] = x[index].floor() + x[index].ceil() - flat[index]
        else:
            near = x[index].round()
            flat[index] = near + (near - 1 if kind == "floor" else near + 1) - flat[index]
        return result

    return changed


def enforced(name: str, results: list[Tensor]) -> Any:
    """The call with all its decisions as they were, as a change. results: what it gave then."""

    def changed(function: Any, args: Any, kwargs: Any) -> Any:
        if _plain(name) == "topk":
            names = ("k", "dim", "largest", "sorted")
            dim = (dict(zip(names, args[1:], strict=False)) | kwargs).get("dim", -1)
            return args[0].gather(dim, results[1]), results[1]
        (result,) = results
        return result.to(args[0].dtype) if result.is_floating_point() else result

    return changed


def _plain(name: str) -> str:
    return name.strip("_")


def _along(kind: str, x: Tensor, arguments: Any, keywords: Any) -> tuple[Tensor, int]:
    """What is searched, along its last axis and largest first, and for how many."""
    names = ("k", "dim", "largest") if kind == "topk" else ("dim", "keepdim")
    found = dict(zip(names, arguments[1:], strict=False)) | keywords
    dim = found.get("dim", -1 if kind == "topk" else None)
    moved = x.reshape(-1) if dim is None else x.movedim(dim, -1)
    is_least = kind == "argmin" or not found.get("largest", True)
    return (-moved if is_least else moved), int(found.get("k", 1))


def _swapped(kind: str, arguments: Any, keywords: Any, place: int) -> Tensor:
    """The operand with the last number that is chosen and the first that is not, swapped."""
    x = arguments[0].clone()
    moved, count = _along(kind, x, arguments, keywords)
    flat = moved.reshape(-1, moved.shape[-1])
    order = flat[place].argsort(descending=True)
    inside, outside = int(order[count - 1]), int(order[count])
    # `moved` may be a copy: the swap is done where the numbers are.
    index = torch.arange(x.numel()).reshape(x.shape)
    places = _along(kind, index, arguments, keywords)[0].abs().reshape(-1, moved.shape[-1])[place]
    one, other = int(places[inside]), int(places[outside])
    values = x.reshape(-1)
    values[one], values[other] = values[other].clone(), values[one].clone()
    return values.reshape(x.shape)
