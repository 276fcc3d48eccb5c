"""What a value is, as far as the text says: a tensor, an array of NumPy, a layer, an optimizer.

One value at a time and without running anything, so much is unknown, which is a kind of its own.
"""

from __future__ import annotations

import ast
import functools
from enum import Enum
from typing import TYPE_CHECKING

from parity.lint.names import Definition, Parameter, Value

if TYPE_CHECKING:
    from parity.lint.source import Source


class Kind(Enum):
    """What a value is."""

    TENSOR = "tensor"
    COMPLEX = "complex tensor"
    NUMPY = "array of NumPy"
    MODULE = "layer or network"
    OPTIMIZER = "optimizer"
    PYTHON = "value of Python"
    UNKNOWN = "unknown"


FOREIGN = (Kind.NUMPY, Kind.PYTHON)
"""What no method of a tensor is called on."""

MODULES = ("jittor.nn.Module", "mindspore.nn.Cell", "torch.nn.Module")
_OF_NUMPY = ("numpy", "cv2", "scipy", "skimage", "PIL", "imageio", "pandas", "tifffile")
_OF_PYTHON = (
    *("os", "sys", "re", "json", "math", "time", "random"),
    *("pathlib", "argparse", "logging", "string", "itertools", "datetime"),
)
_TO_NUMPY = ("numpy", "asnumpy", "fetch_sync")
_TO_PYTHON = ("item", "tolist", "numel", "size", "dim", "format", "join", "strip", "lower")
_OPTIMIZERS = ("Adam", "AdamW", "AdamWeightDecay", "SGD", "Momentum", "RMSprop", "RMSProp")
_COMPLEX = (
    *("fft", "fft2", "fftn", "rfft", "rfft2", "rfftn", "ifft"),
    *("ifft2", "ifftn", "Complex", "complex", "view_as_complex", "polar"),
)
_NO_TENSORS = (
    *("grad", "value_and_grad", "sync_all", "load", "save", "no_grad", "device", "jit"),
    *(
        "load_checkpoint",
        "load_param_into_net",
        "save_checkpoint",
        "set_context",
        "set_global_seed",
    ),
)
_VERBS = ("execute", "construct", "forward")
_LITERALS = (
    ast.Constant,
    ast.JoinedStr,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.DictComp,
    ast.SetComp,
    ast.Compare,
)
_BUILTINS = ("len", "int", "float", "str", "bool", "list", "dict", "range", "open", "tuple")
_DEPTH = 12


class Kinds:
    """Finds the kinds of the values of a file."""

    def __init__(self, source: Source):
        self._source = source
        self._known: dict[ast.AST, Kind] = {}
        self._tables: dict[ast.AST, dict[str, list[ast.expr]]] = {}

    def of(self, node: ast.AST | None, depth: int = 0) -> Kind:
        """What an expression gives."""
        if node is None or depth > _DEPTH:
            return Kind.UNKNOWN
        if node not in self._known:
            self._known[node] = Kind.UNKNOWN  # while it is looked for: circles end here
            self._known[node] = self._find(node, depth + 1)
        return self._known[node]

    def _find(self, node: ast.AST, depth: int) -> Kind:
        match node:
            case ast.Name():
                found = self._of_name(node, depth)
            case ast.Call():
                found = self._of_call(node, depth)
            case ast.Attribute():
                found = self._of_attribute(node, depth)
            case ast.Subscript(value=value) | ast.UnaryOp(operand=value):
                found = self.of(value, depth)
                found = Kind.UNKNOWN if found in (Kind.PYTHON, Kind.MODULE) else found
            case ast.BinOp(left=left, right=right):
                found = _joined(self.of(left, depth), self.of(right, depth))
            case ast.IfExp(body=left, orelse=right):
                found = _only({self.of(left, depth), self.of(right, depth)})
            case _:
                found = Kind.PYTHON if isinstance(node, _LITERALS) else Kind.UNKNOWN
        return found

    def _of_name(self, node: ast.Name, depth: int) -> Kind:
        dotted = self._source.names.resolve(node)
        if dotted:
            return Kind.PYTHON if dotted.partition(".")[0] in _OF_PYTHON else Kind.UNKNOWN
        bindings, _ = self._source.names.scope_of[node].lookup(node.id)
        kinds = set()
        for binding in bindings:
            if isinstance(binding, Parameter):
                kinds.add(self._of_parameter(binding))
            elif isinstance(binding, Value):
                found = self.of(binding.node, depth)
                is_lost = binding.is_part and found is Kind.PYTHON
                kinds.add(Kind.UNKNOWN if is_lost else found)
            elif isinstance(binding, Definition):
                kinds.add(Kind.UNKNOWN)
        return _only(kinds)

    def _of_parameter(self, parameter: Parameter) -> Kind:
        source, function = self._source, parameter.function
        name = source.names.resolve(parameter.annotation) or ""
        if name.startswith("numpy."):
            return Kind.NUMPY
        if name in ("jittor.Var", "mindspore.Tensor", "torch.Tensor"):
            return Kind.TENSOR
        if isinstance(parameter.annotation, ast.Name):
            is_plain = parameter.annotation.id in ("int", "float", "str", "bool", "list", "dict")
            return Kind.PYTHON if is_plain else Kind.UNKNOWN
        is_network = isinstance(function, ast.FunctionDef) and function.name in _VERBS
        is_plain = isinstance(parameter.default, ast.Constant)
        return (
            Kind.TENSOR if is_network and not parameter.is_first and not is_plain else Kind.UNKNOWN
        )

    def _of_call(self, node: ast.Call, depth: int) -> Kind:
        name = self._source.names.resolve(node.func)
        if name:
            return self._of_named_call(name)
        if isinstance(node.func, ast.Attribute) and not is_own(node.func.value):
            return self._of_method(node.func, depth)
        if isinstance(node.func, ast.Name) and node.func.id in _BUILTINS:
            return Kind.PYTHON
        if self.of(node.func, depth) is Kind.MODULE:
            return Kind.TENSOR
        return Kind.MODULE if self._is_class_of_network(node.func) else Kind.UNKNOWN

    def _of_method(self, method: ast.Attribute, depth: int) -> Kind:
        """Of a call of a method of something else than `self`."""
        if method.attr in _TO_NUMPY:
            return Kind.NUMPY
        if method.attr in _TO_PYTHON:
            return Kind.PYTHON
        found = self.of(method.value, depth)
        if found in (Kind.MODULE, Kind.OPTIMIZER):
            return found if method.attr in ("train", "eval", "set_train") else Kind.UNKNOWN
        return found

    @staticmethod
    def _of_named_call(name: str) -> Kind:
        first, _, rest = name.partition(".")
        if first in (*_OF_NUMPY, *_OF_PYTHON):
            return Kind.NUMPY if first in _OF_NUMPY else Kind.PYTHON
        place, _, last = rest.rpartition(".")
        if first not in ("jittor", "mindspore", "torch"):
            return Kind.UNKNOWN
        if "optim" in place or last in _OPTIMIZERS:
            return Kind.OPTIMIZER
        if last in _COMPLEX:
            return Kind.COMPLEX
        is_place = not place or place.startswith(("ops", "nn", "mint", "numpy"))
        is_function = is_place and last[:1].islower() and last not in _NO_TENSORS
        if is_function or last in ("Tensor", "Var", "Parameter"):
            return Kind.TENSOR
        return Kind.MODULE if place.startswith("nn") else Kind.UNKNOWN

    def _of_attribute(self, node: ast.Attribute, depth: int) -> Kind:
        """Of what every tensor has, and of `self.NAME`: what the methods of its class give it."""
        if node.attr in ("shape", "ndim", "dtype", "size", "device", "name"):
            return Kind.PYTHON
        if node.attr in ("data", "T", "grad"):
            found = self.of(node.value, depth)
            is_array = node.attr == "data" and self._source.framework == "jittor"
            return Kind.NUMPY if is_array and found is Kind.TENSOR else found
        if not is_own(node.value):
            return Kind.UNKNOWN
        values = self._given(node)
        kinds = {self.of(value, depth) for value in values}
        return _only(kinds)

    def _given(self, node: ast.Attribute) -> list[ast.expr]:
        around = self._source.parent(node)
        while around and not isinstance(around, ast.ClassDef):
            around = self._source.parent(around)
        return self._attributes(around).get(node.attr, []) if around else []

    def _attributes(self, node: ast.AST) -> dict[str, list[ast.expr]]:
        table = self._tables.get(node)
        if table is None:
            table = self._tables[node] = {}
            for one in ast.walk(node):
                if isinstance(one, ast.Assign):
                    for target in one.targets:
                        if isinstance(target, ast.Attribute) and is_own(target.value):
                            table.setdefault(target.attr, []).append(one.value)
        return table

    def _is_class_of_network(self, node: ast.expr) -> bool:
        if not isinstance(node, ast.Name):
            return False
        bindings, _ = self._source.names.scope_of[node].lookup(node.id)
        return any(isinstance(one, Definition) and one.node in self._networks for one in bindings)

    @functools.cached_property
    def _networks(self) -> set[ast.AST]:
        return set(self._source.classes(*MODULES))


def is_own(node: ast.AST | None) -> bool:
    """Whether an expression is `self`, or `super()`, whose methods are the class's."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "super"
    return isinstance(node, ast.Name) and node.id == "self"


def _joined(left: Kind, right: Kind) -> Kind:
    """The kind of what an operator makes of two."""
    for kind in (Kind.COMPLEX, Kind.TENSOR, Kind.NUMPY):
        if kind in (left, right):
            return kind
    return left if left is right else Kind.UNKNOWN


def _only(kinds: set[Kind]) -> Kind:
    """The kind that all have."""
    return kinds.pop() if len(kinds) == 1 else Kind.UNKNOWN
