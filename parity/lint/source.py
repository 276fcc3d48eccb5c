"""A file of Python: its tree, what its names mean, what it calls, which framework it is for."""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from parity.lint import calls, kinds
from parity.lint.calls import Call
from parity.lint.names import Definition, Names
from restoration.errors import InputError

Node = TypeVar("Node", bound=ast.AST)

FRAMEWORKS = ("torch", "jittor", "mindspore")
_NOQA = re.compile(r"#\s*noqa(?::\s*(?P<codes>[A-Z]+\d+(?:[\s,]+[A-Z]+\d+)*))?", re.IGNORECASE)


class Source:
    """A file that could be read and parsed."""

    def __init__(self, path: Path, tree: ast.Module, text: str, project: Project):
        self.path, self.tree, self.text = path, tree, text
        self._project = project
        self.names = Names(tree, self._follow)
        self.kinds = kinds.Kinds(self)

    # What it is for

    @functools.cached_property
    def framework(self) -> str | None:
        """The one framework that it imports, or that the files nearby do which it imports; none
        where there are several, as in a converter."""
        found = self._frameworks(set())
        return found.pop() if len(found) == 1 else None

    def _frameworks(self, seen: set[Path]) -> set[str]:
        seen.add(self.path)
        names = {one.dotted.partition(".")[0] for one in self.names.imports}
        found = names & set(FRAMEWORKS)
        if found:
            return found
        for one in self.names.imports:
            near = self._project.module(self.path, one.dotted)
            if near and near.path not in seen:
                found |= near._frameworks(seen)
        return found

    def _follow(self, dotted: str) -> str | None:
        """What a name means that was imported from a file nearby, which imported it itself."""
        if not dotted.startswith(".") and dotted.partition(".")[0] in FRAMEWORKS:
            return None
        return self._project.meaning(self.path, dotted)

    # What it does

    @functools.cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes, in the order of the text."""
        return list(self.names.scope_of)

    def of_type(self, *types: type[Node]) -> Iterator[Node]:
        """All nodes of these types."""
        for one in types:
            yield from self._by_type.get(one, ())

    @functools.cached_property
    def _by_type(self) -> dict[type, list[Any]]:
        found: dict[type, list[Any]] = {}
        for node in self.nodes:
            found.setdefault(type(node), []).append(node)
        return found

    @functools.cached_property
    def _by_name(self) -> tuple[dict[str, list[Call]], dict[str, list[Call]]]:
        """Calls of known names, and of methods of anything else, by name."""
        functions: dict[str, list[Call]] = {}
        methods: dict[str, list[Call]] = {}
        for node in self._by_type.get(ast.Call, ()):
            name = self.names.resolve(node.func)
            if name == "functools.partial" and node.args:
                name = self.names.resolve(node.args[0])
                if name:
                    functions.setdefault(name, []).append(calls.of(node, name, skip=1))
            elif name:
                functions.setdefault(name, []).append(calls.of(node, name))
            elif isinstance(node.func, ast.Attribute):
                call = calls.of(node, node.func.attr, node.func.value)
                methods.setdefault(call.name, []).append(call)
        return functions, methods

    @property
    def called(self) -> list[str]:
        """The dotted names of all that is called."""
        return list(self._by_name[0])

    @property
    def called_methods(self) -> list[str]:
        """The names of all methods that are called."""
        return list(self._by_name[1])

    def calls(self, *names: str) -> Iterator[Call]:
        """Calls of these, by their dotted names."""
        for name in names:
            yield from self._by_name[0].get(name, ())

    def all_methods(self, name: str) -> list[Call]:
        """Calls of methods of this name, whatever they are called on."""
        return self._by_name[1].get(name, [])

    def methods(self, framework: str, *names: str) -> Iterator[Call]:
        """Calls of these methods on what may be the framework's: where a file is for one, that is
        all but what is known to be something else."""
        if self.framework != framework:
            return
        for name in names:
            for call in self.all_methods(name):
                if self.kinds.of(call.receiver) not in kinds.FOREIGN:
                    yield call

    def operations(
        self, framework: str, *names: str, places: tuple[str, ...] = ("",)
    ) -> Iterator[Call]:
        """Calls of a function that takes a tensor first, or of the tensor's method of that name."""
        for name in names:
            for place in places:
                dotted = ".".join(part for part in (framework, place, name) if part)
                yield from (call.after_first() for call in self.calls(dotted))
        for call in self.methods(framework, *names):
            if not kinds.is_own(call.receiver):
                yield call

    @functools.cached_property
    def _dotted(self) -> dict[str, list[ast.AST]]:
        found: dict[str, list[ast.AST]] = {}
        for node in self.of_type(ast.Attribute):
            name = self.names.resolve(node)
            if name:
                found.setdefault(name, []).append(node)
        for one in self.names.imports:
            found.setdefault(one.dotted, []).append(one.node)
        return found

    def mentions(self, *names: str) -> Iterator[ast.AST]:
        """Where these dotted names are written, imports included; not their uses after an import
        of the name itself, which that import stands for."""
        for name in names:
            yield from self._dotted.get(name, ())

    def classes(self, *bases: str) -> Iterator[ast.ClassDef]:
        """Classes of the file that are made from one of these, or from one that is."""
        yield from (node for node in self.of_type(ast.ClassDef) if self._has_base(node, bases, 0))

    def _has_base(self, node: ast.ClassDef, bases: tuple[str, ...], depth: int) -> bool:
        for base in node.bases:
            if self.names.resolve(base) in bases:
                return True
            if isinstance(base, ast.Name) and depth < 10:
                found, _ = self.names.scope_of[node].lookup(base.id)
                for one in found:
                    near = one.node if isinstance(one, Definition) else None
                    if isinstance(near, ast.ClassDef) and self._has_base(near, bases, depth + 1):
                        return True
        return False

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node around a node."""
        return self.names.parent_of.get(node)

    def function_of(self, node: ast.AST) -> ast.AST:
        """The function around a node, or the module."""
        around = self.names.parent_of.get(node)
        while around and not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
            around = self.names.parent_of.get(around)
        return around or self.tree

    @functools.cached_property
    def suppressions(self) -> dict[int, frozenset[str] | None]:
        """The lines with `# noqa`: the codes that it names, or None for all."""
        if "noqa" not in self.text.lower():
            return {}
        found: dict[int, frozenset[str] | None] = {}
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT and (match := _NOQA.search(token.string)):
                codes = re.findall(r"[A-Z]+\d+", (match["codes"] or "").upper())
                found[token.start[0]] = frozenset(codes) if codes else None
        return found


class Project:
    """Files, each read once."""

    def __init__(self) -> None:
        self._sources: dict[Path, Source | InputError] = {}
        self._asked: set[tuple[Path, str]] = set()
        self._near: dict[tuple[Path, str], Path | None] = {}

    def source(self, path: Path) -> Source:
        """A file.

        Raises:
            InputError: it cannot be read, or is no Python.
        """
        key = path.absolute()
        if key not in self._sources:
            try:
                self._sources[key] = _parsed(path, self)
            except InputError as problem:
                self._sources[key] = problem
        found = self._sources[key]
        if isinstance(found, InputError):
            raise found
        return found

    def module(self, path: Path, dotted: str) -> Source | None:
        """The file nearby that an import in a file names, or that has the name it gives."""
        key = (path.parent, dotted)
        if key not in self._near:
            self._near[key] = self._find(path.parent, dotted)
        file = self._near[key]
        try:
            return self.source(file) if file and file != path else None
        except InputError:
            return None

    @staticmethod
    def _find(folder: Path, dotted: str) -> Path | None:
        stripped = dotted.lstrip(".")
        level = len(dotted) - len(stripped)
        for _ in range(level - 1):
            folder = folder.parent
        parts = stripped.split(".") if stripped else []
        for count in (len(parts), len(parts) - 1):
            place = folder.joinpath(*parts[: max(count, 0)])
            for file in (place.with_suffix(".py"), place / "__init__.py"):
                if count > 0 and file.is_file():
                    return file
        return None

    def meaning(self, path: Path, dotted: str) -> str | None:
        """What the last part of a dotted name means in the file nearby that has it."""
        if (path, dotted) in self._asked:  # in a circle
            return None
        self._asked.add((path, dotted))
        try:
            near = self.module(path, dotted)
            name = dotted.rpartition(".")[2]
            bindings = near.names.module.bindings.get(name, []) if near else []
            if not near or not bindings:
                return None
            meanings = {near.names.of_binding(one) for one in bindings}
            return meanings.pop() if len(meanings) == 1 else None
        finally:
            self._asked.discard((path, dotted))


def _parsed(path: Path, project: Project) -> Source:
    def refused(got: str, next_step: str) -> InputError:
        return InputError(
            "source", expected="a file of Python 3", got=got, where=str(path), next_step=next_step
        )

    try:
        content = path.read_bytes()
    except OSError as problem:
        raise refused(problem.strerror or str(problem), "name a file that can be read") from problem
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = io.TextIOWrapper(io.BytesIO(content), encoding).read()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        line = getattr(problem, "lineno", None)
        said = getattr(problem, "msg", None) or str(problem) or "nesting that is too deep"
        got = f"{said} in line {line}" if line else said
        raise refused(got, "put it right, or leave it out") from problem
    return Source(path, tree, text, project)
