"""Imports a stranger's file as its author would: siblings, relative imports, files beside it.

Runs inside a worker's process.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from restoration.errors import InputError


def load_factory(source: str, factory: str) -> Callable[..., Any]:
    """The function or class `factory` of a file or a module.

    Raises:
        InputError: there is no such module, or nothing of that name in it.
    """
    module = _import_file(Path(source)) if source.endswith(".py") else _import_module(source)
    value: Any = module
    for part in factory.split("."):
        if not hasattr(value, part):
            raise InputError(
                "factory",
                expected="a function or class that makes the network",
                got=f"no {factory!r}",
                where=source,
                next_step="name one of "
                + ", ".join(name for name in vars(module) if not name.startswith("_")),
            )
        value = getattr(value, part)
    return value


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name is None or not name.startswith(problem.name):
            raise
        raise InputError(
            "module",
            expected="one that can be imported",
            got=f"no {problem.name}",
            where=name,
            next_step="put the folder that holds it on PYTHONPATH, or name the file",
        ) from problem


def _import_file(path: Path) -> ModuleType:
    """A file as a module of its own, or of its package where it imports relatively.

    The folder of the file comes first on the path, as for a script.
    """
    sys.argv = [str(path)]
    sys.path.insert(0, str(path.parent))
    root, name = root_of(path)
    if root != path.parent:
        sys.path.insert(1, str(root))
        return importlib.import_module(name)
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses and pickles look there
    spec.loader.exec_module(module)
    return module


def root_of(path: Path) -> tuple[Path, str]:
    """The folder that a file is imported from, and its dotted name there: beside it, or above its
    outermost package where it imports relatively."""
    return _package(path) if _imports_relatively(path) else (path.parent, path.stem)


def _imports_relatively(path: Path) -> bool:
    import ast

    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))


def _package(path: Path) -> tuple[Path, str]:
    """The folder above the outermost package of a file, and the file's dotted name in it."""
    parts, folder = [path.stem, path.parent.name], path.parent
    while (folder.parent / "__init__.py").is_file():
        folder = folder.parent
        parts.append(folder.name)
    return folder.parent, ".".join(reversed(parts))


def enter_folder(folder: str) -> None:
    """Work where the user does, so that relative paths in the file lead somewhere."""
    os.chdir(folder)
