"""The command `parity`: `parity run`, `parity doctor`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from rich.console import Console

from parity.cases import case
from parity.commands import doctor
from parity.commands.run import Run, run
from parity.report.progress import Progress
from parity.report.table import print_table
from restoration.data.photographs import PHOTOGRAPHS
from restoration.errors import ExitCode, InputError, RestorationError, suggest, unknown_name
from restoration.models import registry
from restoration.process.frameworks import DEVICES, FRAMEWORKS, REFERENCE
from restoration.process.launch import Worker

_DEFAULT_PHOTOGRAPHS = ("astronaut", "coffee", "cat")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code says what came of it (see --help)."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except RestorationError as problem:
        print(f"parity: {problem}", file=sys.stderr)
        code = problem.exit_code
    except KeyboardInterrupt:
        print("parity: interrupted; the workers were ended", file=sys.stderr)
        code = 130
    return code


def _run(options: argparse.Namespace) -> int:
    chosen = _cases(options)
    workers = _workers(options)
    reference, *ports = workers
    with Progress(quiet=options.quiet) as progress:
        result = run(
            chosen,
            reference,
            ports,
            runs_folder=options.runs,
            progress=progress,
            keep_arrays=options.keep,
            parallel=options.parallel,
        )
    _print(result, as_json=options.json)
    return result.exit_code


def _doctor(options: argparse.Namespace) -> int:
    with Progress(quiet=options.quiet) as progress:
        findings = doctor.examine(_workers(options), progress)
    if options.json:
        print(json.dumps(doctor.to_json(findings), indent=1))
    else:
        doctor.print_findings(findings, Console())
    return ExitCode.AGREE if all(finding.is_right for finding in findings) else ExitCode.INCOMPLETE


def _print(result: Run, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result.to_json(), indent=1))
        return
    # Where there is no terminal, a log or a file has no width to fit into.
    console = Console()
    print_table(result, console if console.is_terminal else Console(width=160))


def _cases(options: argparse.Namespace) -> list[case.Case]:
    if options.golden:
        if options.models or options.weights or options.image:
            raise InputError(
                "options",
                expected="either models or --golden files, which name their own model and weights",
                got="both",
                where="command line",
                next_step="leave one out",
            )
        return [case for path in options.golden for case in case.golden_cases(path)]
    models = options.models or list(registry.MODELS)
    if options.weights and len(models) != 1:
        raise InputError(
            "--weights",
            expected="one model",
            got=f"{len(models)}",
            where="command line",
            next_step="name the model that the weights belong to",
        )
    if options.image:
        return [
            case.image_case(
                model,
                image,
                spec_name=options.spec,
                seed=options.seed,
                weights_file=options.weights,
            )
            for model in models
            for image in options.image
        ]
    return [
        case.photograph_case(
            model,
            spec_name=options.spec,
            photographs=options.photographs,
            size_px=options.size,
            gradient_size_px=options.gradient_size,
            seed=options.seed,
            weights_file=options.weights,
        )
        for model in models
    ]


def _workers(options: argparse.Namespace) -> list[Worker]:
    """The reference first, then the ports that were asked for."""
    pythons, packages = dict(options.python), dict(options.engine)
    names = [name for name in options.frameworks if name != REFERENCE]
    names += [name for name in packages if name not in (*names, REFERENCE)]
    for name in pythons:
        if name not in (REFERENCE, *names):
            raise unknown_name(
                "framework of --python", name, (REFERENCE, *names), where="command line"
            )
    return [
        Worker(
            framework=name,
            package=packages[name] if name in packages else FRAMEWORKS[name].package,
            device=options.device if name != REFERENCE else "cpu",
            python=pythons.get(name, sys.executable),
            silence_s=options.timeout,
        )
        for name in (REFERENCE, *names)
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="parity",
        description="Proves by measurement that implementations of one network agree.",
        epilog="Exit codes: 0 agree (doctor: all is there), 1 differ, 2 incomplete or could not "
        "run, 3 bad input.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser(
        "run",
        help="compare outputs, modules and gradients of models in all frameworks",
        description="Compare models in all frameworks on the same weights and inputs: outputs, "
        "what enters and leaves every module, and the gradient of every parameter and input. "
        "The truth is the PyTorch reference in float64.",
    )
    command.set_defaults(command=_run)
    command.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"default: all ({', '.join(registry.MODELS)})"
    )
    command.add_argument("--spec", default="tiny", help="hyper-parameters (default: tiny)")
    command.add_argument("--seed", type=int, default=0, help="of weights and degradation")
    command.add_argument(
        "--photographs",
        type=_names(PHOTOGRAPHS, "photograph"),
        default=_DEFAULT_PHOTOGRAPHS,
        metavar="NAME,...",
        help=f"of {', '.join(PHOTOGRAPHS)} (default: {','.join(_DEFAULT_PHOTOGRAPHS)})",
    )
    command.add_argument(
        "--size",
        type=_size,
        default=(96, 128),
        metavar="HxW",
        help="of them, rounded up to what the network takes (default: 96x128)",
    )
    command.add_argument(
        "--gradient-size",
        type=_size,
        default=(32, 48),
        metavar="HxW",
        help="of their middle, for gradients (default: 32x48)",
    )
    command.add_argument(
        "--image", type=Path, action="append", metavar="FILE", help="use this image instead"
    )
    command.add_argument(
        "--weights", type=Path, metavar="FILE", help="safetensors, instead of drawn"
    )
    command.add_argument(
        "--golden",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="run on weights, inputs and float64 results that the authors' code wrote",
    )
    command.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="default: runs"
    )
    command.add_argument("--keep", action="store_true", help="keep the arrays of agreeing cases")
    command.add_argument(
        "--parallel", type=int, default=2, metavar="N", help="ports at a time (default: 2)"
    )
    _add_worker_options(command)

    command = commands.add_parser(
        "doctor",
        help="say what is installed, what is missing and how to mend it",
        description="Say what is installed, which devices each framework can use, what is missing, "
        "and the command that mends it.",
    )
    command.set_defaults(command=_doctor)
    _add_worker_options(command)
    return parser


def _add_worker_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--frameworks",
        type=_names(FRAMEWORKS, "framework"),
        default=tuple(FRAMEWORKS),
        metavar="NAME,...",
        help=f"that take part beside the reference, {REFERENCE} (default: all)",
    )
    command.add_argument(
        "--device",
        choices=DEVICES,
        default="cpu",
        help="of the ports; the reference runs on the CPU. Only cpu is tested by us",
    )
    command.add_argument(
        "--python",
        type=_assignment,
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="another interpreter for a framework",
    )
    command.add_argument(
        "--engine",
        type=_assignment,
        action="append",
        default=[],
        metavar="NAME=PACKAGE",
        help="another implementation: a package with runtime.py and engine.py, as jittor_impl",
    )
    command.add_argument(
        "--timeout",
        type=float,
        default=600.0,
        metavar="S",
        help="end a worker that says nothing for so long (default: 600)",
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.add_argument("--quiet", action="store_true", help="show no progress")


def _names(known: Collection[str], kind: str) -> Callable[[str], tuple[str, ...]]:
    """An argument type: names separated by commas, all of them known."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(name.strip() for name in text.split(",") if name.strip())
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no {kind} {name!r}; {suggest(name, known)}")
        return names

    return parse


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH, as 96x128, got {text!r}")
    return int(height), int(width)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
