"""What the names of a file mean: imports and their aliases, through scopes and assignments.

`nn.relu` means "jittor.nn.relu" after `from jittor import nn`; so does `act` after `act = nn.relu`.
A name that may mean several things means none.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = {*FUNCTIONS, ast.ClassDef, *_COMPREHENSIONS}
_BINDING = {
    *(ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr, ast.For, ast.AsyncFor),
    *(ast.comprehension, ast.withitem, ast.ExceptHandler),
}
_EMPTY = {ast.Load, ast.Store, ast.Del}
_DEPTH = 20  # of aliases of aliases; more is a circle

# The places where frameworks keep a thing, and the one under which people know it.
_PLACES = (
    (
        r"mindspore\.ops\.(functional|operations|auto_generate|function|composite|primitive)\.",
        "mindspore.ops.",
    ),
    (r"mindspore\.ops\.\w+_(func|ops)\.", "mindspore.ops."),
    (r"mindspore\.nn\.(layer|optim|cell|loss)\.((\w+)\.)?(?=[A-Z])", "mindspore.nn."),
    (r"mindspore\.(common|train)\.((tensor|parameter|api|serialization)\.)?(?=\w+$)", "mindspore."),
    (r"mindspore\.context\.(?=\w+$)", "mindspore."),
    (r"jittor\.(misc|contrib|core|ops)\.", "jittor."),
    (r"jittor\.(?=(Module|Sequential|ModuleList|Conv|Linear|BatchNorm|Pool)$)", "jittor.nn."),
    (r"torch\.nn\.modules\.(\w+\.)?(?=[A-Z])", "torch.nn."),
)
_CANONICAL = tuple((re.compile(f"^{place}"), name) for place, name in _PLACES)


def canonical(dotted: str) -> str:
    """The name under which the documentation has a thing."""
    for place, name in _CANONICAL:
        dotted = place.sub(name, dotted)
    return dotted


@dataclass(frozen=True)
class Import:
    """What an import gives a name: "jittor.nn", or ".layers.conv" where it is relative."""

    dotted: str
    node: ast.AST


@dataclass(frozen=True)
class Value:
    """What an assignment gives a name; `is_part` where it is an element of the value."""

    node: ast.expr
    is_part: bool = False


@dataclass(frozen=True)
class Parameter:
    """What a call gives a name."""

    function: ast.AST
    annotation: ast.expr | None
    default: ast.expr | None
    is_first: bool


@dataclass(frozen=True)
class Definition:
    """A function or class of the file."""

    node: ast.AST


Binding = Import | Value | Parameter | Definition


@dataclass
class Scope:
    """A module, class or function, and what its names are bound to."""

    node: ast.AST
    parent: Scope | None
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)

    def bind(self, name: str, binding: Binding) -> None:
        self.bindings.setdefault(name, []).append(binding)

    def lookup(self, name: str) -> tuple[list[Binding], Scope]:
        """The bindings of a name and the scope that has them; methods do not see their class."""
        scope: Scope | None = self
        while scope:
            is_seen = scope is self or not isinstance(scope.node, ast.ClassDef)
            if is_seen and name in scope.bindings:
                return scope.bindings[name], scope
            scope = scope.parent
        return [], self

    def all_stars(self) -> Iterator[str]:
        """Modules of which everything was imported."""
        scope: Scope | None = self
        while scope:
            yield from scope.stars
            scope = scope.parent


class Names:
    """The scopes of a tree: `scope_of` and `parent_of` every node, in the order of the text."""

    def __init__(self, tree: ast.Module, follow: Callable[[str], str | None]):
        """follow: what an imported name means that a file nearby may have imported itself."""
        self.module = Scope(tree, None)
        self.scope_of: dict[ast.AST, Scope] = {}
        self.parent_of: dict[ast.AST, ast.AST] = {}
        self.imports: list[Import] = []
        self._follow = follow
        self._visit(tree)

    def resolve(self, node: ast.AST | None, depth: int = 0) -> str | None:
        """The dotted name of an expression, as "jittor.nn.relu"; none for what is no name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or depth > _DEPTH:
            return None
        start = self._meaning(node, depth)
        return canonical(".".join([start, *reversed(parts)])) if start else None

    def _meaning(self, node: ast.Name, depth: int) -> str | None:
        bindings, _ = self.scope_of[node].lookup(node.id)
        if not bindings:
            stars = list(self.scope_of[node].all_stars())
            return canonical(f"{stars[0]}.{node.id}") if len(stars) == 1 else None
        meanings = {self.of_binding(binding, depth) for binding in bindings}
        return meanings.pop() if len(meanings) == 1 else None

    def of_binding(self, binding: Binding, depth: int = 0) -> str | None:
        """What a binding gives a name."""
        if isinstance(binding, Import):
            return self._follow(binding.dotted) or canonical(binding.dotted)
        if isinstance(binding, Value) and not binding.is_part:
            return self.resolve(binding.node, depth + 1)
        if isinstance(binding, Parameter):
            return self.resolve(binding.default, depth + 1)
        return None

    def _visit(self, tree: ast.Module) -> None:
        todo: list[tuple[ast.AST, Scope]] = [(tree, self.module)]
        while todo:
            node, scope = todo.pop()
            self.scope_of[node] = scope
            kind = type(node)
            if kind in _BINDING:
                self._bind(node, scope)
            children = [one for one in ast.iter_child_nodes(node) if type(one) not in _EMPTY]
            children.reverse()
            self.parent_of.update(dict.fromkeys(children, node))
            if kind not in _SCOPES:
                todo += [(child, scope) for child in children]
                continue
            inner = Scope(node, scope)
            if isinstance(node, FUNCTIONS):
                self._bind_parameters(node, inner)
            for child in children:
                todo.append((child, scope if self._is_outside(node, child) else inner))

    @staticmethod
    def _is_outside(node: ast.AST, child: ast.AST) -> bool:
        """Whether a part of a definition belongs to the scope around it."""
        if isinstance(node, ast.ClassDef):
            return not isinstance(child, ast.stmt)
        if isinstance(node, ast.Lambda):
            return isinstance(child, ast.arguments)
        return isinstance(node, FUNCTIONS) and not isinstance(child, ast.stmt)

    def _bind(self, node: ast.AST, scope: Scope) -> None:
        match node:
            case ast.Import() | ast.ImportFrom():
                self._bind_imports(node, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                scope.bind(node.name, Definition(node))
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._bind_target(target, value, scope)
            case ast.AnnAssign(target=target, value=value) if value:
                self._bind_target(target, value, scope)
            case ast.AugAssign(target=target, value=value):
                self._bind_target(target, value, scope, is_part=True)
            case ast.NamedExpr(target=target, value=value):
                self._bind_target(target, value, scope)
            case (
                ast.For(target=target, iter=value)
                | ast.AsyncFor(target=target, iter=value)
                | ast.comprehension(target=target, iter=value)
            ):
                self._bind_target(target, value, scope, is_part=True)
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                self._bind_target(target, value, scope, is_part=True)
            case ast.ExceptHandler(name=str(name)):
                scope.bind(name, Definition(node))

    def _bind_imports(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        for alias in node.names:
            if isinstance(node, ast.Import):
                dotted = alias.name if alias.asname else alias.name.partition(".")[0]
                scope.bind(alias.asname or dotted, Import(dotted, node))
                self.imports.append(Import(alias.name, node))
                continue
            start = "." * node.level + (node.module or "")
            dotted = start + ("" if start.endswith(".") else ".") + alias.name
            if alias.name == "*":
                scope.stars.append(start)
                self.imports.append(Import(start, node))
            else:
                scope.bind(alias.asname or alias.name, Import(dotted, node))
                self.imports.append(Import(dotted, node))

    def _bind_target(
        self, target: ast.expr, value: ast.expr, scope: Scope, *, is_part: bool = False
    ) -> None:
        if isinstance(target, ast.Name):
            scope.bind(target.id, Value(value, is_part))
        elif isinstance(target, ast.Starred):
            self._bind_target(target.value, value, scope, is_part=True)
        elif isinstance(target, ast.Tuple | ast.List):
            values: list[ast.expr] = []
            if isinstance(value, ast.Tuple | ast.List) and not is_part:
                values = value.elts if len(value.elts) == len(target.elts) else []
            for position, part in enumerate(target.elts):
                of_part = values[position] if values else value
                self._bind_target(part, of_part, scope, is_part=not values)

    def _bind_parameters(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope
    ) -> None:
        arguments = node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
        pairs = [*zip(positional, defaults, strict=True)]
        pairs += [*zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
        for number, (one, default) in enumerate(pairs):
            scope.bind(one.arg, Parameter(node, one.annotation, default, number == 0))
        for rest in (arguments.vararg, arguments.kwarg):
            if rest:
                scope.bind(rest.arg, Definition(node))
