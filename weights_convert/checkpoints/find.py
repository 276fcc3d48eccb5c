"""Where the weights are in what a file holds: the one dictionary of tensors that is no training
state. Several are a question, never a silent choice."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from restoration.errors import InputError
from weights_convert.checkpoints.tree import items
from weights_convert.errors import quoted
from weights_convert.files.mapped import MappedFile
from weights_convert.files.tensors import Tensor
from weights_convert.pickles.objects import Instance, Name, Refused

CONTAINERS = frozenset(
    {
        "ema",
        "model",
        "model_ema",
        "model_state_dict",
        "net",
        "network",
        "params",
        "params_ema",
        "sd",
        "state_dict",
    }
)
"""Keys under which checkpoints keep the weights; others are searched too, these are preferred."""

_TRAINING = ("optim", "sched", "scaler")  # in the keys of training state
_SAME_SHARE = 0.5  # of the names of the smaller of two sets, from which on they are a choice
_LISTED = 8

KeyPath = tuple[str | int, ...]


def find(file: MappedFile, tree: object) -> KeyPath:
    """The keys that lead to the weights.

    Raises:
        InputError: there are none, and the text says what there is instead; or there are several.
    """
    key_paths = _without_numbers(tree, list(weight_paths(tree)))
    if len(key_paths) == 1:
        return key_paths[0]
    if not key_paths:
        raise _nothing(file, tree)
    preferred = [path for path in key_paths if path and CONTAINERS.issuperset(path)]
    if len(preferred) == 1:
        names = _names(tree, preferred[0])
        others = [_names(tree, path) for path in key_paths if path != preferred[0]]
        if not any(_are_a_choice(names, other) for other in others):
            return preferred[0]
    raise file.error(
        expected="one set of weights",
        got=f"{len(key_paths)}: " + ", ".join(_shown(path) for path in key_paths[:_LISTED]),
        next_step="choose one with " + " or ".join(map(_option, key_paths[:3])),
    )


def find_named(file: MappedFile, tree: object, key: str) -> KeyPath:
    """The key path that a user means by a text, whose keys may have dots in them.

    Raises:
        InputError: there are no weights there, or it could mean two places.
    """
    every = list(weight_paths(tree))
    found = [key_path for key_path in every if dotted(key_path) == key]
    if len(found) != 1:
        known = ", ".join(_shown(key_path) for key_path in every[:_LISTED])
        raise file.error(
            expected=f"weights under {quoted(key)}",
            got=f"{len(found)} sets under keys that read so" if found else "none",
            where="--key",
            next_step=f"there are weights under: {known or 'no key'}",
        )
    return found[0]


def weight_paths(
    tree: object, key_path: KeyPath = (), seen: set[int] | None = None
) -> Iterator[KeyPath]:
    """The key paths of dictionaries that hold tensors, outside of training state; each once."""
    seen = set() if seen is None else seen
    if id(tree) in seen or is_optimizer(tree):
        return
    seen.add(id(tree))
    if isinstance(tree, dict):
        if any(isinstance(value, Tensor) for value in tree.values()):
            yield key_path
        for key, value in tree.items():
            if isinstance(key, str) and not any(word in key.lower() for word in _TRAINING):
                yield from weight_paths(value, (*key_path, key), seen)
    elif isinstance(tree, list | tuple):
        for index, value in enumerate(tree):
            yield from weight_paths(value, (*key_path, index), seen)


def is_optimizer(value: object) -> bool:
    """Whether a dictionary is the state of an optimizer of PyTorch."""
    return isinstance(value, dict) and {"state", "param_groups"} <= value.keys()


def dotted(key_path: tuple[object, ...]) -> str:
    """Keys in a row, with dots."""
    return ".".join(map(str, key_path))


def _shown(key_path: KeyPath) -> str:
    return quoted(dotted(key_path)) if key_path else "the top level"


def _option(key_path: KeyPath) -> str:
    text = quoted(dotted(key_path))
    return f"--key {text}" if text and text.isascii() and " " not in text else f"--key '{text}'"


def _without_numbers(tree: object, key_paths: list[KeyPath]) -> list[KeyPath]:
    """Only the sets with more than single numbers, which training keeps too; all if none is."""
    large = [path for path in key_paths if any(one.size > 1 for one in _tensors(tree, path))]
    return large or key_paths


def _tensors(tree: object, key_path: KeyPath) -> list[Tensor]:
    return [one for one in at(tree, key_path).values() if isinstance(one, Tensor)]


def _names(tree: object, key_path: KeyPath) -> set[str]:
    """The names of a set, without what all of them begin with."""
    names = [
        str(name)
        for name, value in at(tree, key_path).items()
        if isinstance(value, Tensor) and value.size > 1
    ]
    length = common_beginning(names).rfind(".") + 1
    return {name[length:] for name in names}


def _are_a_choice(first: set[str], second: set[str]) -> bool:
    """Whether two sets of names are of the same network, or of two that look alike."""
    return len(first & second) >= _SAME_SHARE * max(min(len(first), len(second)), 1)


def common_beginning(names: Collection[str]) -> str:
    """What all names begin with."""
    if not names:
        return ""
    first, last = min(names), max(names)
    apart = (place for place, sign in enumerate(first) if last[place : place + 1] != sign)
    return first[: next(apart, len(first))]


def at(tree: object, key_path: KeyPath) -> dict[object, object]:
    """The dictionary that keys lead to."""
    for key in key_path:
        tree = tree[key]  # type: ignore[index]
    assert isinstance(tree, dict)
    return tree


def _nothing(file: MappedFile, tree: object) -> InputError:
    """The error for a tree without weights: what it is instead."""
    refused = next(_refused(tree), None)
    if refused is not None and refused.problem is not None:
        return refused.problem
    what, next_step = _outline(tree), "save a dictionary of tensors, as a state_dict"
    if _is_training(tree):
        what = "an optimizer's state" if is_optimizer(tree) else "training state, of an optimizer"
        next_step = "the weights are in another file, which lies beside it as a rule: give that one"
    elif isinstance(tree, Instance) and tree.cls.module.startswith("torch.distributed.checkpoint"):
        what = "the table of contents of a distributed run's checkpoint"
        next_step = (
            "python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER OUT.pth"
        )
    elif isinstance(tree, Tensor):
        next_step = "save a dictionary, np.savez(FILE, **state)"
    return file.error(expected="tensors with names", got=what, next_step=next_step)


def _refused(tree: object, depth: int = 3) -> Iterator[Refused]:
    """What could not be read, near the top."""
    if isinstance(tree, Refused):
        yield tree
    elif depth:
        for _, value in items(tree)[:1000]:
            yield from _refused(value, depth - 1)


def _is_training(tree: object, depth: int = 3) -> bool:
    if is_optimizer(tree):
        return True
    return depth > 0 and any(_is_training(value, depth - 1) for _, value in items(tree)[:100])


def _outline(tree: object) -> str:
    """What a tree is, in a few words."""
    if isinstance(tree, dict):
        return f"a dictionary with the keys {quoted(', '.join(map(str, list(tree)[:5])))}"
    if isinstance(tree, Tensor):
        return "a single tensor without a name"
    if isinstance(tree, Instance):
        return f"an object of {tree.cls}"
    if isinstance(tree, Name):
        return f"the name {tree}"
    if isinstance(tree, list | tuple) and any(isinstance(one, Tensor) for one in tree[:100]):
        return f"{len(tree)} tensors without names"
    return f"a {type(tree).__name__}"
