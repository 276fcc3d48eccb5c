"""Finds the weights in what a file holds: out of containers, modules and prefixes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from weights_convert import limits
from weights_convert.errors import quoted
from weights_convert.files.mapped import MappedFile
from weights_convert.files.tensors import Tensor
from weights_convert.formats import Format, identify, mindspore_ckpt
from weights_convert.formats.contents import Checksum, Contents
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

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a file.

    tensors: by name, without `prefix`, which all names have in the file. place: the keys that lead
    to them. beside: what else the file holds, by key. tree: all of it. checksums and metadata: of
    the whole file.
    """

    path: Path
    format: Format
    file: MappedFile
    checksums: tuple[Checksum, ...]
    metadata: Mapping[str, str]
    tensors: Mapping[str, Tensor]
    place: Place
    prefix: str
    beside: Mapping[str, object]
    tree: object

    @property
    def config(self) -> dict[str, object]:
        """What stands beside the weights in their own container: name and arguments, in some."""
        container = self.tree
        for key in self.place[:-1]:
            container = container[key]  # type: ignore[index]
        if not isinstance(container, dict) or not self.place:
            return {}
        return {str(key): value for key, value in container.items() if key != self.place[-1]}

    def with_weights(self, tensors: Mapping[str, Tensor], keep: Collection[str]) -> object:
        """The content with other weights in place of those it had, and of what stood beside them
        only what has one of these keys of `beside`."""
        return _rebuilt(self.tree, self.place, (), tensors, {key: self.beside[key] for key in keep})


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
    place = _named_place(file, tree, key) if key is not None else _find(file, tree)
    weights = _at(tree, place)
    tensors = {str(name): value for name, value in weights.items() if isinstance(value, Tensor)}
    beside = _beside(tree, place)
    if len({str(name) for name in weights}) != len(weights):
        raise file.error(expected="each name once", got="a number and a text that are the same")
    if found.name == "mindspore":
        for name in mindspore_ckpt.optimizer_entries(tensors):
            beside[name] = tensors.pop(name)
    _check_amount(file, tensors)
    prefix = _wrapper(tensors)
    return Checkpoint(
        path=shown_as or path,
        format=found,
        file=file,
        checksums=contents.checksums,
        metadata=contents.metadata,
        tensors={name.removeprefix(prefix): tensor for name, tensor in tensors.items()},
        place=place,
        prefix=prefix,
        beside=beside,
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


def _find(file: MappedFile, tree: object) -> Place:
    """Where the weights are: the one dictionary that holds tensors and is no training state."""
    places = list(_weight_places(tree))
    preferred = [place for place in places if place and CONTAINERS.issuperset(place)]
    if len(places) > 1 and len(preferred) == 1:
        places = preferred
    if len(places) == 1:
        return places[0]
    if not places:
        raise file.error(
            expected="tensors with names",
            got=_outline(tree),
            next_step="save a dictionary of tensors, as a state_dict",
        )
    listing = ", ".join(_dotted(place) or "the top level" for place in places[:8])
    raise file.error(
        expected="one set of weights",
        got=f"{len(places)}: {quoted(listing)}",
        next_step="choose one with --key",
    )


def _weight_places(
    tree: object, place: Place = (), seen: set[int] | None = None
) -> Iterator[Place]:
    """The places of dictionaries that hold tensors, outside of training state; each once."""
    seen = set() if seen is None else seen
    if id(tree) in seen:
        return
    seen.add(id(tree))
    if isinstance(tree, dict):
        if any(isinstance(value, Tensor) for value in tree.values()):
            yield place
        for key, value in tree.items():
            if isinstance(key, str) and not any(word in key.lower() for word in _TRAINING):
                yield from _weight_places(value, (*place, key), seen)
    elif isinstance(tree, list | tuple):
        for index, value in enumerate(tree):
            yield from _weight_places(value, (*place, index), seen)


def _named_place(file: MappedFile, tree: object, key: str) -> Place:
    """The place that a user means by a path of keys, which may have dots in them."""
    found = [place for place in _weight_places(tree) if _dotted(place) == key]
    if not found:
        known = ", ".join(_dotted(place) for place in _weight_places(tree))
        raise file.error(
            expected=f"weights under {quoted(key)}",
            got="none",
            where="--key",
            next_step=f"there are weights under: {quoted(known) or 'no key'}",
        )
    return found[0]


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))


def _at(tree: object, place: Place) -> dict[object, object]:
    for key in place:
        tree = tree[key]  # type: ignore[index]
    assert isinstance(tree, dict)
    return tree


def _rebuilt(
    tree: object, place: Place, at: Place, weights: Mapping[str, Tensor], kept: Mapping[str, object]
) -> object:
    result: dict[object, object] = {}
    if not place:
        result.update(weights)
    else:
        inner = tree[place[0]]  # type: ignore[index]
        result[place[0]] = _rebuilt(inner, place[1:], (*at, place[0]), weights, kept)
    for key, _ in _items(tree):
        name = _dotted((*at, str(key)))
        if name in kept and key not in result:
            result[key] = kept[name]
    return result


def _beside(tree: object, place: Place, at: Place = ()) -> dict[str, object]:
    """What is not the weights, by the keys that lead to it."""
    result: dict[str, object] = {}
    for key, value in _items(tree):
        if place and key == place[0]:
            result |= _beside(value, place[1:], (*at, place[0]))
        elif place or not isinstance(value, Tensor):
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
