"""One side of a comparison as the command line names it: `torch:path/file.py:factory`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from restoration.errors import InputError, unknown_name
from restoration.process.frameworks import FRAMEWORKS
from restoration.process.launch import Worker

FORM = "FRAMEWORK:FILE.py:FACTORY, FRAMEWORK:PACKAGE.MODULE:FACTORY, onnx:FILE.onnx or arrays:FILE"
FILES = ("onnx", "arrays")
BOTH = ("reference", "port")
_SIDE = re.compile(r"(?P<framework>\w+):(?P<source>.+):(?P<factory>[A-Za-z_][\w.]*)", re.DOTALL)


@dataclass(frozen=True)
class Side:
    """Who makes a network, and where it runs.

    source: a Python file, or the dotted name of a module. factory: a function or a class in it.
    arguments: of the factory, by name. python: the interpreter.
    """

    framework: str
    source: str
    factory: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    python: str = sys.executable

    @property
    def serving(self) -> str:
        """The module that answers for it in its process."""
        name = "onnx_serving" if self.framework == "onnx" else "serving"
        return f"parity.adapters.{name}"

    @property
    def is_file(self) -> bool:
        return self.source.endswith(".py") or self.framework in FILES

    @property
    def title(self) -> str:
        """For a report: "torch:reference.py:build"."""
        source = Path(self.source).name if self.is_file else self.source
        return ":".join(filter(None, (self.framework, source, self.factory)))

    def worker(self, silence_s: float) -> Worker:
        package = "" if self.framework in FILES else FRAMEWORKS[self.framework].package
        return Worker(self.framework, package, python=self.python, silence_s=silence_s)

    def request(self) -> dict[str, Any]:
        """What the process is told of it."""
        return {
            "source": str(Path(self.source).absolute()) if self.is_file else self.source,
            "factory": self.factory,
            "arguments": dict(self.arguments),
            "folder": str(Path.cwd()),
        }


def parse_side(text: str, *, arguments: str = "", python: str = "", where: str) -> Side:
    """A side from the command line.

    arguments: of the factory, as a JSON object. where: which side, for errors.

    Raises:
        InputError: the text names no side, its framework is unknown or its file is not there, or
            the arguments are no JSON object.
    """
    kind, _, file = text.partition(":")
    if kind in FILES and file:
        if not Path(file).is_file():
            raise _no_file(where, file)
        return Side(kind, file, "", python=python or sys.executable)
    found = _SIDE.fullmatch(text)
    if found is None:
        raise InputError(
            where,
            expected=FORM,
            got=repr(text),
            where="command line",
            next_step="for example torch:network.py:build",
        )
    framework, source, factory = found["framework"], found["source"], found["factory"]
    if framework not in FRAMEWORKS:
        raise unknown_name(f"framework of {where}", framework, FRAMEWORKS, where="command line")
    if source.endswith(".py") and not Path(source).is_file():
        raise _no_file(where, source)
    return Side(framework, source, factory, _object(arguments, where), python or sys.executable)


def _no_file(where: str, path: str) -> InputError:
    return InputError(
        where,
        expected="a file",
        got=f"none at {path}",
        where=str(Path.cwd()),
        next_step="check the path",
    )


def _object(text: str, where: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError as problem:
        value = problem
    if not isinstance(value, dict):
        raise InputError(
            f"arguments of {where}",
            expected="a JSON object",
            got=repr(text),
            where="command line",
            next_step="for example '{\"scale\": 2}'",
        )
    return value


def add_options(command: argparse.ArgumentParser) -> None:
    """Give a command both sides: what they are, arguments of their factories, interpreters."""
    for side, help_text in zip(BOTH, (FORM, "the same form"), strict=True):
        command.add_argument(side, metavar=side.upper(), help=help_text)
    for side in BOTH:
        command.add_argument(f"--{side}-args", default="", metavar="JSON", help="of the factory")
        command.add_argument(f"--{side}-python", default="", metavar="PATH", help="its interpreter")


def sides_of(options: argparse.Namespace) -> tuple[Side, Side]:
    """The sides that options name, the reference first.

    Raises:
        InputError: one is not of the form.
    """
    reference, port = (
        parse_side(
            getattr(options, side),
            arguments=getattr(options, f"{side}_args"),
            python=getattr(options, f"{side}_python"),
            where=side,
        )
        for side in BOTH
    )
    return reference, port
