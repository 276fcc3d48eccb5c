"""The command `parity`: `run`, `compare`, `train`, what shows their results, `lint`, `doctor`."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from parity import arguments
from parity.cases import goldens, sources
from parity.cases.case import Case
from parity.commands import (
    compare_cli,
    doctor,
    lint,
    report_cli,
    selftest_cli,
    train_compare_cli,
)
from parity.commands.run import run
from parity.commands.train import recipe_of, train
from parity.report import saved, writers
from parity.report.progress import Progress
from parity.report.result import Run
from parity.report.table import print_result
from restoration import console
from restoration.data.photographs import PHOTOGRAPHS
from restoration.errors import ExitCode, InputError, unknown_name
from restoration.models import registry
from restoration.process.frameworks import DEVICES, FRAMEWORKS, REFERENCE
from restoration.process.launch import Worker

_DEFAULT_PHOTOGRAPHS = ("astronaut", "coffee", "cat")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; the exit code says what came of it (see --help)."""

    def command() -> int:
        options = _parser().parse_args(words)
        code: int = options.command(options)
        return code

    return console.run("parity", command, interrupted="interrupted; the workers were ended")


def _run(options: argparse.Namespace) -> int:
    writers.check(options.report)
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
            kept=arguments.kept(options),
        )
    _finish(result, options)
    return result.exit_code


def _train(options: argparse.Namespace) -> int:
    writers.check(options.report)
    models = options.models or list(registry.MODELS)
    plans = {model: recipe_of(model, options.recipe, options.set) for model in models}
    if options.recipe and len(plans) != 1:
        raise InputError(
            "--recipe",
            expected="one model",
            got=f"{len(plans)}",
            where="command line",
            next_step="name the model that the recipe trains",
        )
    reference, *ports = _workers(options)
    with Progress(quiet=options.quiet) as progress:
        result = train(
            plans,
            reference,
            ports,
            steps=options.steps,
            runs_folder=options.runs,
            progress=progress,
            keep_arrays=options.keep,
            parallel=options.parallel,
        )
    _finish(result, options)
    return result.exit_code


def _doctor(options: argparse.Namespace) -> int:
    with Progress(quiet=options.quiet) as progress:
        findings = doctor.examine(
            _workers(options), progress, runs=options.runs, parallel=options.parallel
        )
    if options.json:
        print(json.dumps(doctor.to_json(findings), indent=1))
    else:
        doctor.print_findings(findings, console.results_console(160))
    return ExitCode.OK if all(finding.ok for finding in findings) else ExitCode.INCOMPLETE


def _finish(result: Run, options: argparse.Namespace) -> None:
    """Print a result, and write the reports that were asked for."""
    if options.report:
        writers.write(saved.read(result.file), options.report)
    if options.json:
        with open(result.file, encoding="utf-8") as file:
            shutil.copyfileobj(file, sys.stdout)
        return
    print_result(result, console.results_console(160))


def _cases(options: argparse.Namespace) -> Iterable[Case]:
    """What was asked for. Whatever is wrong shows in the cases of the first seed, which are made at
    once; those of the others are made when they are needed."""
    if options.golden:
        if options.models or options.weights or options.image or options.seeds:
            raise InputError(
                "options",
                expected="either models or --golden files, which name their own model and weights",
                got="both",
                where="command line",
                next_step="leave one out",
            )
        return [case for path in options.golden for case in goldens.golden_cases(path)]
    models = options.models or list(registry.MODELS)
    if options.weights and len(models) != 1:
        raise InputError(
            "--weights",
            expected="one model",
            got=f"{len(models)}",
            where="command line",
            next_step="name the model that the weights belong to",
        )
    if not options.seeds:
        return _cases_of_seed(options, models, options.seed)
    first, *others = options.seeds
    return itertools.chain(
        _cases_of_seed(options, models, first),
        (case for seed in others for case in _cases_of_seed(options, models, seed)),
    )


def _cases_of_seed(options: argparse.Namespace, models: Sequence[str], seed: int) -> list[Case]:
    """A case for each model, or for each model and image."""
    if options.image:
        cases = [
            sources.image_case(
                model,
                image,
                spec_name=options.spec,
                seed=seed,
                weights_file=options.weights,
                settings=dict(options.set),
            )
            for model in models
            for image in options.image
        ]
    else:
        cases = [
            sources.photograph_case(
                model,
                spec_name=options.spec,
                photographs=options.photographs,
                size_px=options.size,
                gradient_size_px=options.gradient_size,
                seed=seed,
                weights_file=options.weights,
                settings=dict(options.set),
            )
            for model in models
        ]
    if not options.seeds:
        return cases
    return [dataclasses.replace(case, name=f"{case.name}-seed{seed}") for case in cases]


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
    parser = console.Parser(
        prog="parity",
        description="Proves by measurement that implementations of one network agree.",
        epilog="Exit codes: 0 agree (doctor: all is there), 1 differ (lint: findings), 2 "
        "incomplete or could not run, 3 bad input or wrong options.",
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
    seeds = command.add_mutually_exclusive_group()
    seeds.add_argument(
        "--seed",
        type=arguments.count(least=0),
        default=0,
        metavar="N",
        help="of weights and degradation",
    )
    seeds.add_argument(
        "--seeds",
        type=arguments.seeds,
        default=(),
        metavar="N-M,N,...",
        help="every case for each of these seeds, summed up by model and framework",
    )
    command.add_argument(
        "--photographs",
        type=arguments.names(PHOTOGRAPHS, "photograph"),
        default=_DEFAULT_PHOTOGRAPHS,
        metavar="NAME,...",
        help=f"of {', '.join(PHOTOGRAPHS)} (default: {','.join(_DEFAULT_PHOTOGRAPHS)})",
    )
    command.add_argument(
        "--size",
        type=arguments.size,
        default=(96, 128),
        metavar="HxW",
        help="of them, rounded up to what the network takes (default: 96x128)",
    )
    command.add_argument(
        "--gradient-size",
        type=arguments.size,
        default=(32, 48),
        metavar="HxW",
        help="of their middle, for gradients (default: 32x48)",
    )
    command.add_argument(
        "--image", type=Path, action="append", metavar="FILE", help="use this image instead"
    )
    command.add_argument(
        "--weights", type=Path, metavar="FILE", help="a checkpoint of any kind, instead of drawn"
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        type=arguments.assignment,
        metavar="NAME=VALUE",
        help="a hyper-parameter that no shape of --weights tells, as value_range=1",
    )
    command.add_argument(
        "--golden",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="run on weights, inputs and float64 results that the authors' code wrote",
    )
    command.add_argument("--keep", action="store_true", help="keep the arrays of agreeing cases")
    arguments.add_kept(command)
    writers.add_option(command)
    _add_worker_options(command)

    compare_cli.add_parser(commands)
    compare_cli.add_record_parser(commands)
    train_compare_cli.add_parser(commands)
    report_cli.add_parsers(commands)
    selftest_cli.add_parser(commands)

    command = commands.add_parser(
        "train",
        help="compare steps of training in all frameworks",
        description="Train the same steps of one recipe in every framework, from the same weights "
        "on the same batches. Losses, parameters, averaged weights and the optimizer's moments "
        "after each step are judged by the drift of the reference between float32 and float64.",
    )
    command.set_defaults(command=_train)
    command.add_argument("models", nargs="*", metavar="MODEL", help="default: all")
    command.add_argument(
        "--recipe", metavar="RECIPE", help="default: the model's demo with its tiny spec"
    )
    command.add_argument(
        "--steps", type=arguments.count(least=1), default=20, metavar="N", help="default: 20"
    )
    command.add_argument(
        "--set", action="append", default=[], metavar="key.sub=VALUE", help="of the recipe"
    )
    command.add_argument("--keep", action="store_true", help="keep the arrays of all steps")
    writers.add_option(command)
    _add_worker_options(command)

    command = commands.add_parser(
        "doctor",
        help="say what is installed, what is missing and how to fix it",
        description="Say what is installed, which devices each framework can use, what is missing, "
        "and the command that fixes it.",
    )
    command.set_defaults(command=_doctor)
    _add_worker_options(command)

    lint.add_arguments(
        commands.add_parser(
            "lint",
            help="say where a port's source falls into known traps, without running it",
            description="Look at the source of a port for what Jittor and MindSpore mean otherwise "
            "than PyTorch (docs/porting), and for calls that were removed. `# noqa: CODE` in a "
            "line suppresses a finding there. Exit codes: 0 none, 1 findings, 3 a file that is no "
            "Python 3.",
        )
    )
    return parser


def _add_worker_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--frameworks",
        type=arguments.names(FRAMEWORKS, "framework"),
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
        type=arguments.assignment,
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="another interpreter for a framework",
    )
    command.add_argument(
        "--engine",
        type=arguments.assignment,
        action="append",
        default=[],
        metavar="NAME=PACKAGE",
        help="another implementation: a package with runtime.py and engine.py, as jittor_impl",
    )
    command.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="default: runs"
    )
    command.add_argument(
        "--parallel",
        type=arguments.count(least=1),
        default=2,
        metavar="N",
        help="ports at a time (default: 2)",
    )
    command.add_argument(
        "--timeout",
        type=arguments.seconds,
        default=600.0,
        metavar="S",
        help="end a worker that says nothing for so long (default: 600)",
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.add_argument("--quiet", action="store_true", help="show no progress")


if __name__ == "__main__":
    sys.exit(main())
