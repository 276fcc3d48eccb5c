"""The options of `parity train-compare`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity import arguments
from parity.adapters import inputs as given
from parity.adapters.sides import BOTH, Side, add_options, parse_side, sides_of
from parity.commands.train_compare import TrainOptions, train_compare
from parity.report.progress import Progress
from restoration import console
from restoration.errors import InputError, UnavailableError
from restoration.training.settings import OptimizerSettings

_OPTIMIZER = "NAME[:KEY=VALUE,...]"


def add_parser(commands: Any) -> None:
    """Add the command to those of `parity`."""
    command = commands.add_parser(
        "train-compare",
        help="compare steps of a stranger's training with its reference: where they part, and why",
        description="Train two networks of any framework from the same weights on the same "
        "batches, and compare losses, parameters and buffers after each step. A step is the "
        "author's function of the network that gives the step, batch in and loss out; with "
        "--optimizer it is a function of the network and a batch that gives the loss.",
        epilog="Exit codes: 0 agree, 1 differ, 2 incomplete or could not run, 3 bad input.",
    )
    command.set_defaults(command=_train_compare)
    add_options(command)
    for side in BOTH:
        command.add_argument(
            f"--{side}-step",
            required=True,
            metavar="[FILE.py:]FUNCTION",
            help="or PACKAGE.MODULE:FUNCTION; without a file, in the side's own",
        )
    command.add_argument(
        "--optimizer",
        metavar=_OPTIMIZER,
        help="adam, adamw or sgd, as adamw:learning_rate=1e-3,weight_decay=1e-2; the same rules in "
        "every framework",
    )
    command.add_argument(
        "--batches",
        type=Path,
        metavar="FILE",
        help=".npz of arrays whose first axis are the steps, in the order of the step's arguments",
    )
    command.add_argument(
        "--batch",
        action="append",
        default=[],
        metavar="NAME=SHAPE[:LOW,HIGH]",
        help="an array that is drawn anew for each step, as image=2x3x16x20:0,1",
    )
    command.add_argument(
        "--steps", type=arguments.count(least=1), default=5, metavar="K", help="default: 5"
    )
    command.add_argument(
        "--weights", type=Path, metavar="FILE", help="of any format, to start from"
    )
    command.add_argument(
        "--rules", type=Path, metavar="FILE", help="regular expressions for names of weights (JSON)"
    )
    command.add_argument(
        "--seed", type=arguments.count(least=0), default=0, metavar="N", help="of what is drawn"
    )
    command.add_argument("--timeout", type=arguments.seconds, default=600.0, metavar="S")
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.add_argument("--quiet", action="store_true", help="show no progress")


def _train_compare(options: argparse.Namespace) -> int:
    reference, port = sides_of(options)
    steps = (
        step_of(options.reference_step, reference, "--reference-step"),
        step_of(options.port_step, port, "--port-step"),
    )
    chosen = TrainOptions(
        batches=batches(options.batches, options.batch, options.steps, options.seed),
        optimizer=None if options.optimizer is None else settings_of(options.optimizer),
        weights=options.weights,
        rules=options.rules,
        seed=options.seed,
        silence_s=options.timeout,
    )
    with Progress(quiet=options.quiet) as progress:
        result = train_compare((reference, port), steps, chosen, progress.show)
    if options.json:
        print(json.dumps(result.to_json(), indent=1))
    else:
        shown = console.results_console(160)
        for line in result.in_words():
            shown.print(line, highlight=False, markup=False, soft_wrap=True)
    return result.exit_code


def step_of(text: str, side: Side, where: str) -> Side:
    """Where a function is that makes a side's steps.

    Raises:
        InputError: there is no such file.
    """
    if ":" not in text:
        return Side(side.framework, side.source, text, python=side.python)
    return parse_side(f"{side.framework}:{text}", where=where)


def batches(
    path: Path | None, asked: Sequence[str], steps: int, seed: int
) -> list[list[np.ndarray]]:
    """The arrays of each step, from a file or drawn.

    Raises:
        InputError: neither is given, or the file does not hold as many steps.
    """
    if path is None:
        if not asked:
            raise InputError(
                "batches",
                expected="--batches FILE or --batch NAME=SHAPE",
                got="neither",
                where="command line",
                next_step="for example --batch image=2x3x16x20 --batch target=2x3x16x20",
            )
        return [list(given.drawn(asked, seed + 1000 * step).values()) for step in range(steps)]
    found = given.read(path, ())
    for name, array in found.items():
        if array.ndim < 1 or len(array) < steps:
            raise InputError(
                "--batches",
                expected=f"arrays whose first axis are at least {steps} steps",
                got=f"{name} {array.shape}",
                where=str(path),
                next_step="np.stack the batches, or ask for fewer --steps",
            )
    return [[array[step] for array in found.values()] for step in range(steps)]


def settings_of(text: str) -> Mapping[str, Any]:
    """The settings of an optimizer: "adamw:learning_rate=1e-3,betas=0.9/0.99".

    Raises:
        InputError: there is no such optimizer or setting, or a value cannot be.
        UnavailableError: what reads settings is not installed.
    """
    try:
        import pydantic
    except ModuleNotFoundError as problem:
        raise UnavailableError(
            "--optimizer: expected the package pydantic, got none; "
            "pip install 'restoration-suite[train]' brings it"
        ) from problem
    name, _, rest = text.partition(":")
    found: dict[str, Any] = {"name": name}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        found[key] = value.split("/") if "/" in value else value
    try:
        settings = pydantic.TypeAdapter(OptimizerSettings).validate_python(found)
    except pydantic.ValidationError as problem:
        first = problem.errors()[0]
        raise InputError(
            "--optimizer",
            expected=_OPTIMIZER,
            got=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            where=repr(text),
            next_step="for example sgd:learning_rate=0.1,momentum=0.9",
        ) from problem
    plain = {key: getattr(settings, key) for key in found}
    return {key: list(one) if isinstance(one, tuple) else one for key, one in plain.items()}
