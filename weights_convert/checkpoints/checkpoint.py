"""Finds the weights in what a file holds: out of containers, modules and prefixes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from weights_convert import limits
from weights_convert.errors import quoted
from weights_convert.files.integrity import Checksum
from weights_convert.files.mapped import MappedFile
from weights_convert.files.tensors import Tensor
from weights_convert.formats import Format, identify, mindspore_ckpt
from weights_convert.formats.contents import Contents
from weights_convert.pickles.objects import Instance, Name
from weights_convert.pickles.stubs import Array, TensorView

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

WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes of all names that DataParallel and torch.compile add."""

_TRAINING = ("optim", "sched", "scaler")  # in the keys of training state

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a file.

    tensors: by name, without `prefix`, which all names have in the file. key_path: the keys that
    lead to them. extra: what else the file holds, by key. tree: all of it. checksums and metadata:
    of the whole file.
    """

    path: Path
    format: Format
    file: MappedFile
    checksums: tuple[Checksum, ...]
    metadata: Mapping[str, str]
    tensors: Mapping[str, Tensor]
    key_path: KeyPath
    prefix: str
    extra: Mapping[str, object]
    tree: object

    @property
    def config(self) -> dict[str, object]:
        """What stands beside the weights in their own container, and the arguments among it."""
        container = self.tree
        for key in self.key_path[:-1]:
            container = container[key]  # type: ignore[index]
        if not isinstance(container, dict) or not self.key_path:
            return {}
        found = {str(key): value for key, value in container.items() if key != self.key_path[-1]}
        arguments = found.get("args")  # of the class, as {"name": ..., "args": ..., "sd": state}
        if isinstance(arguments, dict):
            found |= {str(key): value for key, value in arguments.items()}
        return found

    def with_weights(self, tensors: Mapping[str, Tensor], keep: Collection[str]) -> object:
        """The content with other weights in place of those it had, and of what stood beside them
        only what has one of these keys of `extra`."""
        return _rebuilt(
            self.tree, self.key_path, (), tensors, {key: self.extra[key] for key in keep}
        )


def open_checkpoint(
    path: Path,
    *,
    key: str | None = None,
    allowed: Collection[str] = (),
    shown_as: Path | None = None,
) -> Checkpoint:
    """Read where the weights of a file are; their bytes stay there.

    key: the path of keys to them, as "params_ema" or "model.sd", where a file holds several.
    allowed: further modules whose classes a pickle may name; their objects are read as data.

    Raises:
        InputError: the file is damaged, hostile or no checkpoint, or holds several sets of weights.
    """
    file, found, contents = read_tree(path, allowed=allowed, shown_as=shown_as)
    tree = contents.tree
    key_path = _named_path(file, tree, key) if key is not None else _find(file, tree)
    weights = _at(tree, key_path)
    tensors = {str(name): value for name, value in weights.items() if isinstance(value, Tensor)}
    extra = _extra(tree, key_path)
    if len({str(name) for name in weights}) != len(weights):
        raise file.error(expected="each name once", got="a number and a text that are the same")
    if found.name == "mindspore":
        for name in mindspore_ckpt.optimizer_entries(tensors):
            extra[name] = tensors.pop(name)
    _check_amount(file, tensors)
    prefix = _wrapper(tensors)
    return Checkpoint(
        path=shown_as or path,
        format=found,
        file=file,
        checksums=contents.checksums,
        metadata=contents.metadata,
        tensors={name.removeprefix(prefix): tensor for name, tensor in tensors.items()},
        key_path=key_path,
        prefix=prefix,
        extra=extra,
        tree=tree,
    )


def read_tree(
    path: Path, *, allowed: Collection[str] = (), shown_as: Path | None = None
) -> tuple[MappedFile, Format, Contents]:
    """All that a file holds, with every tensor in its place.

    Raises:
        InputError: the file is damaged, hostile or no checkpoint.
    """
    file = MappedFile(path, shown_as=shown_as)
    found = identify(file)
    contents = found.read(file, allowed)
    return file, found, replace(contents, tree=_Resolver(file).resolve(contents.tree))


class _Resolver:
    """Copies a tree: what stands for tensors becomes tensors, modules become dictionaries."""

    def __init__(self, file: MappedFile):
        self._file = file
        self._done: dict[int, object] = {}
        self._under_way: set[int] = set()
        self._modules = 0

    def resolve(self, value: object, depth: int = 0) -> object:
        """The copy. What the tree holds twice is copied once."""
        if not isinstance(value, dict | list | tuple | Instance | Array | TensorView):
            return value
        if id(value) in self._under_way or depth > limits.MAX_DEPTH:
            raise self._file.error(
                expected=f"containers at most {limits.MAX_DEPTH} deep, none inside itself",
                got="deeper ones" if depth > limits.MAX_DEPTH else "one inside itself",
            )
        if id(value) not in self._done:
            self._under_way.add(id(value))
            self._done[id(value)] = self._copy(value, depth + 1)
            self._under_way.discard(id(value))
        return self._done[id(value)]

    def _copy(self, value: object, depth: int) -> object:
        if isinstance(value, Array) and isinstance(value.content, list):
            return None  # an array of objects
        if isinstance(value, Array | TensorView):
            return value.tensor(self._file)
        if isinstance(value, dict):
            return {key: self.resolve(item, depth) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.resolve(item, depth) for item in value)
        state: dict[str, object] = {}
        if isinstance(value, Instance) and _is_module(value):
            self._collect(value, "", state, depth)
            return state
        return value

    def _collect(self, module: Instance, prefix: str, into: dict[str, object], depth: int) -> None:
        """The state of a module as PyTorch orders it: parameters, lasting buffers, submodules."""
        state = module.state
        assert isinstance(state, dict)
        self._modules += 1
        if depth > limits.MAX_DEPTH or self._modules > limits.MAX_ENTRIES:
            raise self._file.error(
                expected=f"modules at most {limits.MAX_DEPTH} deep, at most {limits.MAX_ENTRIES}",
                got="more",
            )
        passing = state.get("_non_persistent_buffers_set")
        for kind in ("_parameters", "_buffers"):
            for name, value in _items(state.get(kind)):
                is_passing = kind == "_buffers" and isinstance(passing, set) and name in passing
                if value is not None and not is_passing:
                    into[prefix + str(name)] = self.resolve(value, depth)
        for name, child in _items(state.get("_modules")):
            if isinstance(child, Instance) and _is_module(child):
                self._collect(child, f"{prefix}{name}.", into, depth + 1)


def _is_module(value: Instance) -> bool:
    return isinstance(value.state, dict) and "_parameters" in value.state


def _find(file: MappedFile, tree: object) -> KeyPath:
    """Where the weights are: the one dictionary that holds tensors and is no training state."""
    key_paths = list(_weight_paths(tree))
    preferred = [path for path in key_paths if path and CONTAINERS.issuperset(path)]
    if len(key_paths) > 1 and len(preferred) == 1:
        key_paths = preferred
    if len(key_paths) == 1:
        return key_paths[0]
    if not key_paths:
        raise file.error(
            expected="tensors with names",
            got=_outline(tree),
            next_step="save a dictionary of tensors, as a state_dict",
        )
    listing = ", ".join(_dotted(key_path) or "the top level" for key_path in key_paths[:8])
    raise file.error(
        expected="one set of weights",
        got=f"{len(key_paths)}: {quoted(listing)}",
        next_step="choose one with --key",
    )


def _weight_paths(
    tree: object, key_path: KeyPath = (), seen: set[int] | None = None
) -> Iterator[KeyPath]:
    """The key paths of dictionaries that hold tensors, outside of training state; each once."""
    seen = set() if seen is None else seen
    if id(tree) in seen:
        return
    seen.add(id(tree))
    if isinstance(tree, dict):
        if any(isinstance(value, Tensor) for value in tree.values()):
            yield key_path
        for key, value in tree.items():
            if isinstance(key, str) and not any(word in key.lower() for word in _TRAINING):
                yield from _weight_paths(value, (*key_path, key), seen)
    elif isinstance(tree, list | tuple):
        for index, value in enumerate(tree):
            yield from _weight_paths(value, (*key_path, index), seen)


def _named_path(file: MappedFile, tree: object, key: str) -> KeyPath:
    """The key path that a user means by a text, whose keys may have dots in them."""
    found = [key_path for key_path in _weight_paths(tree) if _dotted(key_path) == key]
    if not found:
        known = ", ".join(_dotted(key_path) for key_path in _weight_paths(tree))
        raise file.error(
            expected=f"weights under {quoted(key)}",
            got="none",
            where="--key",
            next_step=f"there are weights under: {quoted(known) or 'no key'}",
        )
    return found[0]


def _dotted(key_path: KeyPath) -> str:
    return ".".join(map(str, key_path))


def _at(tree: object, key_path: KeyPath) -> dict[object, object]:
    for key in key_path:
        tree = tree[key]  # type: ignore[index]
    assert isinstance(tree, dict)
    return tree


def _rebuilt(
    tree: object,
    key_path: KeyPath,
    at: KeyPath,
    weights: Mapping[str, Tensor],
    kept: Mapping[str, object],
) -> object:
    result: dict[object, object] = {}
    if not key_path:
        result.update(weights)
    else:
        inner = tree[key_path[0]]  # type: ignore[index]
        result[key_path[0]] = _rebuilt(inner, key_path[1:], (*at, key_path[0]), weights, kept)
    for key, _ in _items(tree):
        name = _dotted((*at, str(key)))
        if name in kept and key not in result:
            result[key] = kept[name]
    return result


def _extra(tree: object, key_path: KeyPath, at: KeyPath = ()) -> dict[str, object]:
    """What is not the weights, by the keys that lead to it."""
    result: dict[str, object] = {}
    for key, value in _items(tree):
        if key_path and key == key_path[0]:
            result |= _extra(value, key_path[1:], (*at, key_path[0]))
        elif key_path or not isinstance(value, Tensor):
            result[_dotted((*at, str(key)))] = value
    return result


def _items(container: object) -> list[tuple[object, object]]:
    if isinstance(container, dict):
        return list(container.items())
    return list(enumerate(container)) if isinstance(container, list | tuple) else []


def _wrapper(tensors: Mapping[str, Tensor]) -> str:
    """The wrappers' prefix that all names have."""
    prefix = ""
    while tensors:
        longer = [
            prefix + wrapper
            for wrapper in WRAPPERS
            if all(name.startswith(prefix + wrapper) for name in tensors)
        ]
        if not longer:
            break
        prefix = longer[0]
    return prefix


def _check_amount(file: MappedFile, tensors: Mapping[str, Tensor]) -> None:
    """Refuse what would take far more space than the file."""
    total = sum(tensor.nbytes for tensor in tensors.values())
    if total > limits.FREE_EXPANSION_BYTES + limits.MAX_EXPANSION * file.size:
        raise file.error(
            expected=f"tensors of at most {limits.MAX_EXPANSION} times the file",
            got=f"{total} bytes out of {file.size}",
            where="shapes",
        )
    if len(tensors) > limits.MAX_ENTRIES:
        raise file.error(expected=f"at most {limits.MAX_ENTRIES} tensors", got=f"{len(tensors)}")
    for name in tensors:
        if len(name) > limits.MAX_NAME_BYTES:
            raise file.error(expected="names of plausible length", got=f"{len(name)} characters")


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
    return f"a {type(tree).__name__}"
