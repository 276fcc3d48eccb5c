"""The command `weights-convert`."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from restoration import console
from restoration.errors import ExitCode
from weights_convert.checkpoints.writing import Report
from weights_convert.commands.conversion import NAMES, SUFFIXES, UINT16, Conversion, convert
from weights_convert.commands.difference import Difference, diff
from weights_convert.commands.inspection import Inspection, inspect
from weights_convert.commands.scanning import Scan, scan
from weights_convert.commands.verification import Verification, verify
from weights_convert.errors import quoted
from weights_convert.files.tensors import place
from weights_convert.formats import FORMATS, WRITABLE
from weights_convert.published import layouts

_BAR_FROM_BYTES = 64 << 20
_LISTED_DIFFERENCES = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code says what came of it (see --help)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return console.run(
        "weights-convert", lambda: _run(given), interrupted="interrupted; nothing was written"
    )


def _run(given: list[str]) -> int:
    parser, verbs = _parser()
    if given and given[0] not in (*verbs, "-h", "--help"):
        given.insert(0, "convert")
    options = parser.parse_args(given)
    code: int = options.command(options)
    return code


def _convert(options: argparse.Namespace) -> int:
    with _bar(options, "converting") as report:
        result = convert(
            options.source,
            options.target,
            to=options.to,
            suffixes=options.suffixes,
            embeddings=options.embedding,
            model=options.model,
            target_format=options.format,
            key=options.key,
            prefix=options.prefix,
            uint16=options.uint16,
            allowed=options.allow,
            partial=options.partial,
            keep_rest=options.keep_rest,
            with_sha256=options.sha256,
            settings=dict(options.set),
            report=report,
        )
    _print(options, result, _show_conversion)
    return ExitCode.OK


def _inspect(options: argparse.Namespace) -> int:
    with _bar(options, "reading") as report:
        result = inspect(options.file, **_where(options), report=report)
    _print(options, result, _show_inspection)
    return ExitCode.OK


def _diff(options: argparse.Namespace) -> int:
    with _bar(options, "comparing") as report:
        result = diff(options.first, options.second, **_where(options), report=report)
    _print(options, result, _show_difference)
    return ExitCode.OK if result.is_equal else ExitCode.DIFFERENT


def _verify(options: argparse.Namespace) -> int:
    with _bar(options, "through every format") as report:
        result = verify(options.file, **_where(options), report=report)
    _print(options, result, _show_verification)
    if not result.ok:
        return ExitCode.DIFFERENT
    return ExitCode.OK if result.is_complete else ExitCode.INCOMPLETE


def _where(options: argparse.Namespace) -> dict[str, Any]:
    return {"key": options.key, "prefix": options.prefix, "allowed": options.allow}


def _scan(options: argparse.Namespace) -> int:
    result = scan(options.file, allowed=options.allow)
    _print(options, result, _show_scan)
    return ExitCode.OK if result.is_harmless else ExitCode.DIFFERENT


def _show_conversion(result: Conversion) -> None:
    model = f", {result.model} (score {result.score:.3f})" if result.model else ""
    print(
        f"{result.target}: {result.tensors} tensors, {result.target_format} from "
        f"{result.source_format}, names {result.names}{model}; read back, bit for bit the same"
    )
    entries = (("-", result.missing), ("+", result.unexpected))
    for sign, names in entries:
        for name in names:
            print(f"{sign} {quoted(name)}")
    for name, problem in result.misshapen.items():
        print(f"! {quoted(name)}: {problem}")
    for name, count in result.nonfinite.items():
        first = place(count.first, result.shapes.get(name, ()))
        print(f"warning: {quoted(name)}: {count}, first at {first}")
    if result.kept:
        print(f"kept: {_list(result.kept)}")
    if result.left_out:
        print(f"left out: {_list(result.left_out)} (--keep-rest keeps it)")
    if result.settings:
        print(f"taken: {_settings(result.settings)}; --set NAME=VALUE changes them")
    for note in result.notes:
        print(f"note: {note}")
    if result.manifest_file:
        print(f"manifest: {result.manifest_file}")


def _show_inspection(result: Inspection) -> None:
    print(f"file      {result.path}: {FORMATS[result.format].title}, {result.nbytes} bytes")
    under = f" under {quoted(result.key_path)}" if result.key_path else ""
    prefix = f", prefix {quoted(result.prefix)} removed" if result.prefix else ""
    types = ", ".join(f"{count} {dtype}" for dtype, count in result.dtypes.items())
    elements = sum(math.prod(tensor.shape) for tensor in result.tensors)
    print(f"weights   {len(result.tensors)} tensors ({types}), {elements} elements{under}{prefix}")
    if result.extra:
        print(f"extra     {_list(result.extra)}")
    scores = ", ".join(f"{model} {score:.3f}" for model, score in result.scores.items())
    print(f"model     {result.model or 'none'} (scores: {scores or 'no model knows these names'})")
    if result.spec:
        print("spec      " + ", ".join(f"{key}={value}" for key, value in result.spec.items()))
    if result.settings:
        print(f"taken     {_settings(result.settings)}; `convert --set NAME=VALUE` changes them")
    for line in result.differences:
        print(f"          {line}")
    print(f"content   {result.content}")
    for anomaly in result.anomalies:
        print(f"anomaly   {anomaly}")
    table = Table("tensor", "type", "shape", box=None, pad_edge=False)
    for tensor in result.tensors:
        shape = "x".join(map(str, tensor.shape)) or "scalar"
        table.add_row(escape(quoted(tensor.name)), tensor.dtype, shape)
    console.results_console(200, highlight=False, soft_wrap=True).print(table)


def _show_difference(result: Difference) -> None:
    layout = f"by the names of {result.model}" if result.model else "by the names in the files"
    print(
        f"{result.equal} equal, {len(result.differing)} differ (most {result.most:.6g}), "
        f"{len(result.only_first)} only in the first, {len(result.only_second)} only in the second "
        f"({layout})"
    )
    for one in result.differing[:_LISTED_DIFFERENCES]:
        most = "" if one.most is None else f", most {one.most:.6g} in {one.elements} elements"
        print(f"! {quoted(one.name)}: {one.problem}{most}")
    if len(result.differing) > _LISTED_DIFFERENCES:
        print(f"! and {len(result.differing) - _LISTED_DIFFERENCES} more (--json lists all)")
    for sign, names in (("-", result.only_first), ("+", result.only_second)):
        for name in names:
            print(f"{sign} {quoted(name)}")


def _show_verification(result: Verification) -> None:
    print(f"{'source':<14}{result.content}")
    for trip in result.round_trips:
        verdict = "the same" if trip.content == trip.expected else "DIFFERENT"
        if trip.content == trip.expected != result.content:
            verdict += " numbers, bfloat16 as float32"
        shown = f"{trip.content}  {verdict}" if trip.content else f"not possible: {trip.problem}"
        print(f"{trip.format:<14}{shown}")


def _show_scan(result: Scan) -> None:
    if not result.pickles and not result.problem:
        print(f"{result.path}: {FORMATS[result.format].title}, holds no pickle")
    for finding in result.findings:
        mark = "data  " if finding.is_listed else "object"
        mark = "REFUSE" if finding.is_harmful else mark
        print(f"{mark}  {finding.pickle}: {finding.what} (x{finding.times})")
    if result.problem:
        print(f"ended early: {result.problem}")
    print("harmless" if result.is_harmless else "not harmless: loading it could run code")


def _settings(settings: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{name} {value}" for name, value in settings.items())
    return f"{shown}, which no shape tells"


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(quoted(name) for name in names[:_LISTED_DIFFERENCES])
    more = len(names) - _LISTED_DIFFERENCES
    return f"{shown} and {more} more" if more > 0 else shown


def _print(options: argparse.Namespace, result: Any, show: Any) -> None:
    if options.json:
        print(json.dumps(_plain(result.to_json()), indent=1))
    else:
        show(result)


def _plain(value: Any) -> Any:
    """What JSON can hold: it has no NaN."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, Path) else value


@contextmanager
def _bar(options: argparse.Namespace, what: str) -> Iterator[Report]:
    """A progress bar on stderr, for work on large files at a terminal."""
    errors = console.Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    is_shown = errors.is_terminal and not options.quiet
    with Progress(*columns, console=errors, transient=True, disable=not is_shown) as progress:
        tasks: list[Any] = []

        def report(done: int, total: int) -> None:
            if is_shown and total >= _BAR_FROM_BYTES:
                if not tasks:
                    tasks.append(progress.add_task(what, total=total))
                progress.update(tasks[0], completed=done)

        yield report


def _parser() -> tuple[argparse.ArgumentParser, list[str]]:
    """The parser and the names of its commands."""
    parser = console.Parser(
        prog="weights-convert",
        description="Converts checkpoints between PyTorch, Jittor, MindSpore, NumPy and "
        "safetensors, and between published and the suite's own names. Needs no framework, and "
        "never runs what is in a file. `weights-convert IN OUT` is short for `convert IN OUT`.",
        epilog="Exit codes: 0 done, equal, harmless; 1 differs (diff, verify), not harmless "
        "(scan); 2 could not be written, or not by every format (verify); 3 bad input: damaged, "
        "hostile, unknown, or does not fit the model; or wrong options.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser(
        "convert",
        help="write a checkpoint in another format, or under other names (the default)",
        description="Write a checkpoint in another format, or under other names. The result is "
        "read back and compared bit for bit before it takes its place.",
    )
    command.set_defaults(command=_convert)
    command.add_argument("source", type=Path, metavar="IN")
    command.add_argument("target", type=Path, metavar="OUT", help="its suffix tells the format")
    command.add_argument(
        "--to",
        choices=NAMES,
        help="whose names: the suite's own, the authors', or those of the file without any check "
        "of a model (default: ours, if the model is known)",
    )
    command.add_argument("--format", metavar="NAME", help=f"of OUT: {', '.join(WRITABLE)}")
    command.add_argument(
        "--model", metavar="NAME", help=f"instead of detecting it: {', '.join(layouts())}"
    )
    command.add_argument(
        "--suffixes",
        choices=SUFFIXES,
        help="end names as the layers of a framework do (MindSpore: gamma, beta, moving_mean, ...)",
    )
    command.add_argument(
        "--embedding",
        action="append",
        default=[],
        metavar="NAME",
        help="an entry that belongs to an embedding, for --suffixes mindspore",
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        type=_assignment,
        metavar="NAME=VALUE",
        help="a hyper-parameter that no shape tells, as value_range=1 or residual_scale=0.1",
    )
    command.add_argument("--partial", action="store_true", help="convert what fits")
    command.add_argument(
        "--keep-rest", action="store_true", help="keep what stands beside, as optimizer state"
    )
    command.add_argument(
        "--uint16",
        choices=UINT16,
        help="what 16-bit integers are: Jittor stores bfloat16 as such",
    )
    command.add_argument(
        "--sha256",
        action=argparse.BooleanOptionalAction,
        help="take the SHA-256 of IN for the manifest (default: up to 256 MB)",
    )
    _add_common(command)

    for name, function, text in (
        ("inspect", _inspect, "say what a file holds: format, model, tensors, anomalies"),
        ("verify", _verify, "write it in every format, read it again, and compare hashes"),
        ("scan", _scan, "say what its pickles would do if they were loaded, without doing it"),
    ):
        command = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        command.set_defaults(command=function)
        command.add_argument("file", type=Path, metavar="FILE")
        _add_common(command)

    text = "compare the weights of two files, across formats and layouts"
    command = commands.add_parser("diff", help=text, description=text.capitalize() + ".")
    command.set_defaults(command=_diff)
    command.add_argument("first", type=Path, metavar="A")
    command.add_argument("second", type=Path, metavar="B")
    _add_common(command)
    return parser, list(commands.choices)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--key", metavar="KEY", help="where the weights are, if a file holds several: params_ema"
    )
    command.add_argument(
        "--prefix", help="take only names that begin so, if there are several copies: generator."
    )
    command.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="MODULE",
        help="do not refuse a pickle because it names this module; it is data all the same",
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.add_argument("--quiet", action="store_true", help="show no progress")


if __name__ == "__main__":
    sys.exit(main())
