"""The options of `parity compare`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from parity import arguments
from parity.adapters import inputs as given
from parity.adapters.sides import FORM, Side, add_options, parse_side, sides_of
from parity.commands.compare import compare
from parity.commands.record import record
from parity.commands.watch import Watch
from parity.compare.state import Options
from parity.report import saved, writers
from parity.report.comparison import Comparison
from parity.report.progress import Progress
from restoration import console
from restoration.errors import ExitCode, RestorationError


def add_parser(commands: Any) -> None:
    """Add the command to those of `parity`."""
    command = commands.add_parser(
        "compare",
        help="compare a stranger's port with its reference: where it differs, and why",
        description="Compare two networks of any framework without a change to either: outputs, "
        "every stretch of code between two modules, gradients, moving statistics and weights. "
        "Where they differ, the lines on both sides and the cause are named.",
        epilog="Exit codes: 0 agree, 1 differ, 2 incomplete or could not run, 3 bad input.",
    )
    command.set_defaults(command=_compare)
    add_options(command)
    command.add_argument(
        "--weights", type=Path, metavar="FILE", help="of any format, for the reference"
    )
    command.add_argument(
        "--port-weights",
        type=Path,
        metavar="FILE",
        help="the port's own, converted ones (default: the reference's, moved)",
    )
    command.add_argument(
        "--rules", type=Path, metavar="FILE", help="regular expressions for names of weights (JSON)"
    )
    command.add_argument(
        "--write-rules", type=Path, metavar="FILE", help="write the map of weights that was taken"
    )
    command.add_argument(
        "--write-converted",
        type=Path,
        metavar="FILE",
        help="write the reference's weights by the port's names (.npz, .safetensors)",
    )
    command.add_argument(
        "--alignment",
        type=Path,
        metavar="FILE",
        help="which module of the port is which of the reference's (JSON), where it was guessed "
        "wrongly",
    )
    command.add_argument(
        "--write-alignment", type=Path, metavar="FILE", help="write what was taken for what"
    )
    command.add_argument(
        "--show-alignment", action="store_true", help="print it as a table, with ratios"
    )
    command.add_argument(
        "--inputs",
        type=Path,
        metavar="FILE",
        help="arrays by the arguments' names (.npz), or a picture",
    )
    command.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=SHAPE[:LOW,HIGH]",
        help="an input that is drawn, as x=1x3x32x40:0,1",
    )
    command.add_argument(
        "--seed", type=arguments.count(least=0), default=0, metavar="N", help="of what is drawn"
    )
    command.add_argument(
        "--reproductions",
        type=Path,
        default=Path("runs") / "reproductions",
        metavar="DIR",
        help="for the smallest reproduction of each difference without a known cause "
        "(default: runs/reproductions)",
    )
    command.add_argument(
        "--train",
        action="store_true",
        help="in training mode: masks of dropout and random numbers come from one stream",
    )
    command.add_argument(
        "--timeout",
        type=arguments.seconds,
        default=600.0,
        metavar="S",
        help="end a side that says nothing for so long (default: 600)",
    )
    arguments.add_kept(command)
    command.add_argument(
        "--watch", action="store_true", help="compare again whenever a file of the port changes"
    )
    command.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="default: runs"
    )
    writers.add_option(command)
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.add_argument("--quiet", action="store_true", help="show no progress")


def add_record_parser(commands: Any) -> None:
    """Add `parity record`."""
    command = commands.add_parser(
        "record",
        help="write what a network gives to a file, to be compared elsewhere as arrays:FILE",
        description="Run a network where its framework or device is, and write outputs, what "
        "enters and leaves every module, inputs and weights to a file.",
        epilog="Exit codes: 0 written, 2 could not run, 3 bad input.",
    )
    command.set_defaults(command=_record)
    command.add_argument("side", metavar="SIDE", help=FORM)
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    command.add_argument("--args", default="", metavar="JSON", help="of the factory")
    command.add_argument("--weights", type=Path, metavar="FILE", help="its own, of any format")
    command.add_argument("--inputs", type=Path, metavar="FILE", help="as for compare")
    command.add_argument(
        "--input", action="append", default=[], metavar="NAME=SHAPE[:LOW,HIGH]", help="drawn"
    )
    command.add_argument(
        "--seed", type=arguments.count(least=0), default=0, metavar="N", help="of what is drawn"
    )
    command.add_argument("--python", default="", metavar="PATH", help="its interpreter")
    command.add_argument("--timeout", type=arguments.seconds, default=600.0, metavar="S")
    command.add_argument("--quiet", action="store_true", help="show no progress")


def _record(options: argparse.Namespace) -> int:
    side = parse_side(options.side, arguments=options.args, python=options.python, where="side")
    inputs = given.drawn(options.input, options.seed) if options.input else {}
    chosen = Options(
        inputs=inputs,
        inputs_file=options.inputs,
        weights=options.weights,
        seed=options.seed,
        silence_s=options.timeout,
    )
    with Progress(quiet=options.quiet) as progress:
        arrays = record(side, chosen, options.output, progress.show)
    print(f"{options.output}: {arrays} arrays of {side.title}")
    return ExitCode.OK


def _compare(options: argparse.Namespace) -> int:
    reference, port = sides_of(options)
    writers.check(options.report)
    chosen = Options(
        inputs=given.drawn(options.input, options.seed) if options.input else {},
        inputs_file=options.inputs,
        weights=options.weights,
        port_weights=options.port_weights,
        rules=options.rules,
        alignment=options.alignment,
        write_rules=options.write_rules,
        write_converted=options.write_converted,
        write_alignment=options.write_alignment,
        reproductions=options.reproductions,
        is_training=options.train,
        seed=options.seed,
        silence_s=options.timeout,
        kept=arguments.kept(options),
    )
    if not options.watch:
        return _compare_once(reference, port, chosen, options).exit_code
    watch = Watch(port)
    while True:
        watch.begin()
        files: set[str] = set()
        try:
            files = _compare_once(reference, port, chosen, options).port_files
        except RestorationError as problem:  # the next edit may put it right
            print(f"parity: {problem}", file=sys.stderr, flush=True)
        watch.wait(files)


def _compare_once(
    reference: Side, port: Side, chosen: Options, options: argparse.Namespace
) -> Comparison:
    """Compare, and print what was found."""
    with Progress(quiet=options.quiet) as progress:
        result = compare(reference, port, chosen, progress.show)
    kept = saved.save(result, options.runs)
    writers.write(kept, options.report)
    if options.json:
        print(json.dumps(result.to_json(), indent=1), flush=True)
    else:
        print_comparison(result, with_alignment=options.show_alignment)
        print(f"details in {kept.folder}", flush=True)
    return result


def print_comparison(result: Comparison, *, with_alignment: bool = False) -> None:
    """The result for a person: the verdict, then what was found, then what was assumed."""
    shown = console.results_console(160)
    if with_alignment:
        shown.print(_alignment_table(result))
    for line in result.lines():
        shown.print(line, highlight=False, markup=False, soft_wrap=True)


def _alignment_table(result: Comparison) -> Table:
    table = Table(header_style="bold")
    for heading in ("reference", "port", "taken for each other by"):
        table.add_column(heading, overflow="fold")
    table.add_column("worst ratio", justify="right")
    for row in result.alignment:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
        table.add_row(escape(row.reference or "-"), escape(row.port or "-"), row.how, ratio)
    return table
