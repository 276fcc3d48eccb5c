"""`python -m X_impl.train RECIPE [key.sub=value ...] --output DIR`, the same for each framework."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from restoration import __version__, console
from restoration.arrays import Arrays
from restoration.errors import ExitCode, InputError
from restoration.models.spec import Spec
from restoration.process.frameworks import Framework
from restoration.training import recipe as recipes
from restoration.training.loop import Observer
from restoration.training.recipe import Recipe

LoadWeights = Callable[[Path, str], tuple[Spec, Arrays]]
"""Weights of a model from any file that weights_convert reads."""


def main(
    framework: Framework, load_weights: LoadWeights, words: Sequence[str] | None = None
) -> int:
    """The program of a framework; its exit code."""
    program = f"{framework.package}.train"
    return console.run(program, lambda: _run(framework, load_weights, program, words))


def train_recipe(
    framework: Framework,
    load_weights: LoadWeights,
    recipe: Recipe,
    options: argparse.Namespace,
    observer: Observer,
) -> int:
    """Train a recipe that was not read from a file; the exit code.

    options: by the names of the program's flags, those that are not there as if not given.
    """
    given = _parser(framework, f"{framework.package}.train").parse_args([])
    vars(given).update(vars(options))
    return _train(framework, load_weights, recipe, given, observer)


def _run(
    framework: Framework, load_weights: LoadWeights, program: str, words: Sequence[str] | None
) -> int:
    options = _parser(framework, program).parse_intermixed_args(words)
    if options.list:
        print("\n".join(recipes.names()))
        return ExitCode.OK
    if options.schema:
        print(json.dumps(recipes.json_schema(), indent=1))
        return ExitCode.OK
    if options.recipe is None:
        raise InputError(
            program,
            expected="a recipe",
            got="none",
            where="command line",
            next_step=f"python -m {program} --list shows those of the suite",
        )
    recipe = recipes.read(options.recipe, options.overrides)
    if options.show:
        print(described(recipe))
        return ExitCode.OK
    return _train(framework, load_weights, recipe, options, Observer())


def _parser(framework: Framework, program: str) -> argparse.ArgumentParser:
    parser = console.Parser(
        prog=f"python -m {program}",
        description=f"Train a model of the suite with {framework.title}.",
        epilog="Exit codes: 0 done; 2 could not go on; 3 bad input; 130 ended by Ctrl-C or "
        "SIGTERM, with a checkpoint to go on from.",
    )
    parser.add_argument(
        "recipe", nargs="?", metavar="RECIPE", help="a file, or one of --list, as mimo_unet:demo"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key.sub=value", help="instead of what the recipe says"
    )
    parser.add_argument("--output", "-o", type=Path, metavar="DIR", help="the run's folder")
    parser.add_argument(
        "--resume",
        metavar="auto|PATH",
        help="go on from the last checkpoint in DIR (a new run where there is none), or from a "
        "checkpoint of any framework",
    )
    parser.add_argument(
        "--init", type=Path, metavar="FILE", help="start from weights of any kind that are read"
    )
    parser.add_argument(
        "--vgg", type=Path, metavar="FILE", help="VGG weights for a recipe with a perceptual term"
    )
    parser.add_argument("--device", choices=framework.devices, default="cpu")
    parser.add_argument("--list", action="store_true", help="name the recipes of the suite")
    parser.add_argument(
        "--show", action="store_true", help="print the recipe, complete, with each key's help"
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of recipes")
    parser.add_argument(
        "--check", action="store_true", help="check recipe, data and network without training"
    )
    parser.add_argument(
        "--probe-memory", action="store_true", help="print the largest batch that fits"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    return parser


def described(recipe: Recipe) -> str:
    """A complete recipe as YAML with the help of each key, which reads back the same."""
    helps = recipes.helps()

    def lines(plain: dict[str, Any], path: str, indent: str) -> list[str]:
        found = []
        for key, value in plain.items():
            help_text = helps.get(path + key, "")
            if help_text:
                found.append(f"{indent}# {help_text}")
            if (
                isinstance(value, dict)
                and value
                and any(h.startswith(f"{path}{key}.") for h in helps)
            ):
                found += [f"{indent}{key}:", *lines(value, f"{path}{key}.", indent + "  ")]
            else:
                found.append(f"{indent}{key}: {json.dumps(value, ensure_ascii=False)}")
        return found

    return "\n".join(lines(recipes.to_plain(recipe), "", ""))


def _train(
    framework: Framework,
    load_weights: LoadWeights,
    recipe: Recipe,
    options: argparse.Namespace,
    observer: Observer,
) -> int:
    from restoration.training import session

    if options.output is None and not (options.check or options.probe_memory):
        raise InputError(
            "training",
            expected="a folder for the run",
            got="none",
            where="--output",
            next_step="as --output runs/mimo_unet",
        )
    if options.vgg:
        recipe = session.with_vgg(recipe, options.vgg)
    task = session.open_data(recipe)
    if options.check:
        print(f"{recipe.model}: recipe and data are fine: {len(task)} samples an epoch")
        return ExitCode.OK
    runtime = importlib.import_module(f"{framework.package}.runtime")
    runtime.prepare(options.device, report=_note, warn=_note)
    package = framework.package
    if options.probe_memory:
        from restoration.training import probe

        print(probe.table(framework, options.device, recipe))
        return ExitCode.OK
    init = None
    if options.init:
        spec, init = load_weights(options.init, recipe.model)
        session.check_spec(recipe, spec, options.init)
    begun = session.begin(
        package,
        options.device,
        recipe,
        task,
        options.output,
        resume=options.resume,
        init=init,
        quiet=options.quiet,
        origin=_origin(framework),
        observer=observer,
    )
    result = begun.train()
    importlib.import_module(f"{package}.distributed").finish()
    if not begun.is_first:
        return ExitCode.OK
    again = (
        f"python -m {package}.train {options.output / session.RECIPE} "
        f"--output {options.output} --resume auto"
    )
    if not result.is_finished:
        print(
            f"stopped after step {result.step} of {result.steps}, saved in {result.checkpoint}; "
            f"go on: {again}",
            file=sys.stderr,
        )
        return console.INTERRUPTED
    scored = (
        "" if result.psnr_db is None else f", {recipe.validation.protocol} {result.psnr_db:.2f} dB"
    )
    print(f"trained {recipe.model}: {result.steps} steps{scored}: {result.checkpoint}")
    return ExitCode.OK


def _note(text: str) -> None:
    print(text, file=sys.stderr)


def _origin(framework: Framework) -> dict[str, str]:
    """What a run is made by, for its folder."""
    import importlib.metadata

    found = {
        "command": " ".join(sys.argv),
        "restoration-suite": __version__,
        "framework": framework.name,
        framework.distribution: importlib.metadata.version(framework.distribution),
        "python": sys.version.split()[0],
    }
    suite = Path(__file__).resolve().parents[2]
    if (suite / ".git").exists():
        git = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=suite,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
        found["git"] = git.stdout.strip()
    return found
