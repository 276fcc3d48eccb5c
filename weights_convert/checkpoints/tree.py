"""What a file holds, as plain containers: tensors in their places, modules as dictionaries."""

from __future__ import annotations

from restoration.errors import InputError
from weights_convert import limits
from weights_convert.files.mapped import MappedFile
from weights_convert.files.tensors import is_text
from weights_convert.pickles.objects import Instance, Name, Refused
from weights_convert.pickles.stubs import Array, TensorView


class Resolver:
    """Copies a tree: what stands for tensors becomes tensors, modules become dictionaries, and what
    cannot be read becomes `Refused`: it may stand beside the weights."""

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
            is_deep = depth > limits.MAX_DEPTH
            return self._refused(
                self._file.error(
                    expected=f"containers at most {limits.MAX_DEPTH} deep, none inside itself",
                    got="deeper ones" if is_deep else "one inside itself",
                ),
            )
        if id(value) not in self._done:
            self._under_way.add(id(value))
            self._done[id(value)] = self._copy(value, depth + 1)
            self._under_way.discard(id(value))
        return self._done[id(value)]

    def _copy(self, value: object, depth: int) -> object:
        if isinstance(value, Array | TensorView):
            return self._tensor(value, depth)
        if isinstance(value, list | tuple):
            return type(value)(self.resolve(item, depth) for item in value)
        if isinstance(value, Instance) and is_module(value):
            state: dict[str, object] = {}
            self._collect(value, "", state, depth)
            return state
        # A dictionary of somebody's own class is one, too.
        held = value.items if isinstance(value, Instance) else value
        assert isinstance(held, dict)
        copied = {key: self.resolve(item, depth) for key, item in held.items()}
        return copied if copied or not isinstance(value, Instance) else value

    def _tensor(self, value: Array | TensorView, depth: int) -> object:
        """A tensor, or what else an array of NumPy may hold."""
        if isinstance(value, Array) and isinstance(value.content, list):
            found = [self.resolve(item, depth) for item in value.content]
            return found[0] if found and not value.shape else found
        if isinstance(value, Array) and value.type and is_text(value.type.code):
            return "a text"
        try:
            return value.tensor(self._file)
        except InputError as problem:
            is_number = isinstance(value, Array) and not value.shape
            return "a number of another kind" if is_number else self._refused(problem)

    def _refused(self, problem: InputError) -> Refused:
        return Refused(Name("numpy", "ndarray"), problem=problem)

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
            for name, value in items(state.get(kind)):
                is_passing = kind == "_buffers" and isinstance(passing, set) and name in passing
                if value is not None and not is_passing:
                    into[prefix + str(name)] = self.resolve(value, depth)
        for name, child in items(state.get("_modules")):
            if isinstance(child, Instance) and is_module(child):
                self._collect(child, f"{prefix}{name}.", into, depth + 1)


def is_module(value: Instance) -> bool:
    """Whether an object is a module of PyTorch: it has parameters."""
    return isinstance(value.state, dict) and "_parameters" in value.state


def items(container: object) -> list[tuple[object, object]]:
    """Keys and values of a dictionary, places and values of a list, nothing of anything else."""
    if isinstance(container, dict):
        return list(container.items())
    return list(enumerate(container)) if isinstance(container, list | tuple) else []
