"""Runs the rules over files and folders."""

from __future__ import annotations

import ast
import gc
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from parity.lint.registry import RULES
from parity.lint.rule import Rule
from parity.lint.source import Project, Source
from restoration.errors import InputError, unknown_name

_LEFT_OUT = ("__pycache__", "node_modules", "build", "dist", "venv", "site-packages")


@dataclass(frozen=True, order=True)
class Finding:
    """A place where a rule says something; columns are counted from 1."""

    path: str
    line: int
    column: int
    code: str
    message: str
    happens: str
    write: str
    link: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}:{self.column}"
        return f"{where}: {self.code} {self.message} ({self.link})"


@dataclass(frozen=True)
class Report:
    """What was found, in how many files, and which files could not be looked at."""

    findings: list[Finding]
    files: int
    problems: list[InputError]


def chosen(select: Sequence[str], ignore: Sequence[str]) -> list[Rule]:
    """The rules whose code begins with one of `select` (none: all) and with none of `ignore`; of
    two that fit, the longer one counts.

    Raises:
        InputError: no rule begins so.
    """
    for prefix in (*select, *ignore):
        if not any(code.startswith(prefix.upper()) for code in RULES):
            raise unknown_name("code of a rule", prefix, RULES, where="command line")

    def longest(prefixes: Sequence[str], code: str) -> int:
        fitting = [len(one) for one in prefixes if code.startswith(one.upper())]
        return max(fitting, default=-1)

    return [
        rule
        for code, rule in RULES.items()
        if max(longest(select, code), -1 if select else 0) > longest(ignore, code)
    ]


def lint(paths: Iterable[Path], rules: Sequence[Rule]) -> Report:
    """Look at files, and at the files of Python in folders.

    Raises:
        InputError: a path is not there, or is a folder without any.
    """
    project = Project()
    findings: list[Finding] = []
    problems: list[InputError] = []
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    is_collecting = gc.isenabled()
    gc.disable()  # trees are large and stay, which it would look for again and again
    try:
        for file in files:
            try:
                findings += check(project.source(file), rules)
            except InputError as problem:
                problems.append(problem)
    finally:
        if is_collecting:
            gc.enable()
    return Report(sorted(findings), len(files) - len(problems), problems)


def check(source: Source, rules: Sequence[Rule]) -> list[Finding]:
    """What the rules say of a file, without what it suppresses by `# noqa`."""
    found = {}
    for rule in rules:
        for node in rule.check(source):
            line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
            if _is_suppressed(source, rule.code, node):
                continue
            found[line, column, rule.code] = Finding(
                path=str(source.path),
                line=line,
                column=column + 1,
                code=rule.code,
                message=rule.message,
                happens=rule.happens,
                write=rule.write,
                link=rule.link,
            )
    return list(found.values())


def _is_suppressed(source: Source, code: str, node: ast.AST) -> bool:
    """Whether the first or the last line of what is found has a `# noqa` for it."""
    first = getattr(node, "lineno", 1)
    is_long = isinstance(node, ast.FunctionDef | ast.ClassDef)
    last = first if is_long else getattr(node, "end_lineno", first)
    for line in (first, last):
        if line in source.suppressions:
            codes = source.suppressions[line]
            if codes is None or code in codes:
                return True
    return False


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        found = list(_walk(path))
        if not found:
            raise _bad(path, "a folder with files of Python", "one without")
        yield from found
    elif not path.exists():
        raise _bad(path, "a file or folder that exists", "none")
    else:
        yield path


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            one for one in folders if not one.startswith(".") and one not in _LEFT_OUT
        )
        yield from (Path(place, name) for name in sorted(names) if name.endswith(".py"))


def _bad(path: Path, expected: str, got: str) -> InputError:
    next_step = "name the port's file or folder"
    return InputError("PATH", expected=expected, got=got, where=str(path), next_step=next_step)
