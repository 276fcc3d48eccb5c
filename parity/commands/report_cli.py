"""The options of `parity show`, `recheck`, `diff` and `report`: all about saved results."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from parity import arguments
from parity.commands.compare_cli import print_comparison
from parity.report import change, saved, writers
from parity.report.saved import Saved
from parity.report.table import print_result
from restoration import console
from restoration.errors import ExitCode, InputError

_RUN = "a folder of the runs, a path, or latest"
_MOST = 40  # changes that are printed; --json has them all


def add_parsers(commands: Any) -> None:
    """Add the commands to those of `parity`."""
    command = _command(
        commands,
        "show",
        _show,
        "show a saved result",
        "Show a saved result of run, train or compare, as it was shown when it was made. Exit "
        "codes as those of the command that made it.",
    )
    _add_run(command, "run")

    command = _command(
        commands,
        "recheck",
        _recheck,
        "judge saved numbers again by another bound, without running anything",
        "Judge the saved numbers by another bound. Nothing is run, and nothing saved is changed. "
        "Exit codes: 0 agree, 1 differ, 2 incomplete, 3 bad input.",
    )
    _add_run(command, "run")
    command.add_argument(
        "--bound", type=arguments.seconds, required=True, metavar="X", help="largest ratio"
    )
    writers.add_option(command)

    command = _command(
        commands,
        "diff",
        _diff,
        "say what got better or worse from one saved result to another",
        "Say what got better or worse from one saved result to another, module by module. Exit "
        "codes: 0 no verdict got worse, 1 one did, 2 something is gone, 3 bad input.",
    )
    _add_run(command, "before")
    _add_run(command, "after")

    command = _command(
        commands,
        "report",
        _report,
        "write a saved result as a page, JUnit, JSON or Markdown",
        "Write a saved result for people and CI. Exit codes: 0 written, 3 bad input.",
    )
    _add_run(command, "run")
    writers.add_option(command)


def _command(
    commands: Any, name: str, function: Any, brief: str, description: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=brief, description=description
    )
    command.set_defaults(command=function)
    command.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="default: runs"
    )
    if name != "report":
        command.add_argument("--json", action="store_true", help="print it as JSON")
    return command


def _add_run(command: argparse.ArgumentParser, name: str) -> None:
    command.add_argument(name, metavar=name.upper(), help=_RUN)


def _read(options: argparse.Namespace, name: str = "run") -> Saved:
    return saved.read(saved.find(getattr(options, name), options.runs))


def _show(options: argparse.Namespace) -> int:
    found = _read(options)
    _print(found, options)
    return found.exit_code


def _recheck(options: argparse.Namespace) -> int:
    found = saved.recheck(_read(options), options.bound)
    writers.write(found, options.report)
    _print(found, options)
    return found.exit_code


def _diff(options: argparse.Namespace) -> int:
    before, after = (_read(options, name) for name in ("before", "after"))
    found = change.changes(before, after)
    code = change.exit_code(found)
    if options.json:
        values = {"exit_code": int(code), "changes": [one.to_json() for one in found]}
        print(json.dumps(values, indent=1))
        return code
    lines = [one.in_words for one in found[:_MOST]]
    lines += [f"and {len(found) - _MOST} more (--json lists them)"] if len(found) > _MOST else []
    counts = {kind: sum(one.kind == kind for one in found) for kind in _KINDS}
    said = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    lines.append(f"{before.name} -> {after.name}: {said or 'nothing changed'}")
    console.results_console(160).print(
        "\n".join(lines), highlight=False, markup=False, soft_wrap=True
    )
    return code


_KINDS = ("worse", "gone", "new", "better")


def _report(options: argparse.Namespace) -> int:
    if not options.report:
        raise InputError(
            "--report",
            expected=f"KIND=FILE, with a kind of {', '.join(writers.WRITERS)}",
            got="none",
            where="command line",
            next_step="say what to write: --report html=parity.html",
        )
    writers.write(_read(options), options.report)
    for kind, path in options.report:
        print(f"{path}: {kind}, {path.stat().st_size:,} bytes")
    return ExitCode.OK


def _print(found: Saved, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(found.to_json(), indent=1))
    elif found.comparison:
        print_comparison(found.comparison)
    else:
        print_result(found.run, console.results_console(160), bound=found.bound)
