"""A call in a file: what is called, and which arguments it is given."""

from __future__ import annotations

import ast
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """A call of a known name, or of a method of something.

    name: "jittor.nn.relu", or the method's.
    receiver: of a method; of a function that takes a tensor first, that tensor.
    arguments: by position, after the receiver. is_open: more may come by `*` and `**`.
    """

    node: ast.Call
    name: str
    receiver: ast.expr | None
    arguments: tuple[ast.expr, ...]
    keywords: dict[str, ast.expr]
    is_open: bool

    def get(self, keyword: str, position: int | None = None) -> ast.expr | None:
        """The argument of that name or position."""
        if keyword in self.keywords:
            return self.keywords[keyword]
        if position is not None and position < len(self.arguments):
            return self.arguments[position]
        return None

    def lacks(self, keyword: str, position: int | None = None) -> bool:
        """Whether an argument is surely not given."""
        return not self.is_open and self.get(keyword, position) is None

    def after_first(self) -> Call:
        """The same call, its first argument taken for the receiver."""
        first = self.arguments[0] if self.arguments else None
        rest = self.arguments[1:]
        return Call(self.node, self.name, first, rest, self.keywords, self.is_open)


def of(node: ast.Call, name: str, receiver: ast.expr | None = None, *, skip: int = 0) -> Call:
    """The call of a node; `skip` arguments at its start are not the callee's."""
    given = node.args[skip:]
    arguments = []
    for one in given:
        if isinstance(one, ast.Starred):
            break
        arguments.append(one)
    keywords = {one.arg: one.value for one in node.keywords if one.arg}
    is_open = len(arguments) < len(given) or len(keywords) < len(node.keywords)
    return Call(node, name, receiver, tuple(arguments), keywords, is_open)


def constant(node: ast.expr | None) -> object:
    """The value of a literal, also a negative number or a tuple of literals; None for others."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = constant(node.operand)
        return -value if isinstance(value, int | float) else None
    if isinstance(node, ast.Tuple | ast.List):
        values = tuple(constant(one) for one in node.elts)
        return None if None in values else values
    return None


def number(node: ast.expr | None) -> float | None:
    """The value of a literal number."""
    value = constant(node)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
