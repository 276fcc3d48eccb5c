"""`python -m X_impl.evaluate`: numbers by each paper's rule, of any weights, in any framework."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from restoration import console
from restoration.errors import ExitCode, InputError
from restoration.evaluation import explaining, protocols, report
from restoration.evaluation.pairs import Pair, find_pairs, of_data_set
from restoration.evaluation.protocols import Protocol
from restoration.evaluation.scoring import Feed, Run, feed_of, feeding, fill, read
from restoration.inference import cli, progress
from restoration.inference.restorer import Restorer

_BY_MODEL = {
    "mimo_unet": "mimo_unet-gopro",
    "mimo_unet_plus": "mimo_unet-gopro",
    "lmd_vit": "lmd_vit",
    "phaseformer": "lsui",
    "spectroformer": "lsui",
    "self_blind_vsr": "self_blind_vsr",
    "edsr": "edsr-benchmark",
    "swinir": "swinir-sr",
    "liif": "liif-benchmark",
    "lte": "lte-benchmark",
    "ciaosr": "ciaosr",
    "lm_liif": "lmf-benchmark",
    "lm_lte": "lmf-benchmark",
    "lm_ciaosr": "lmf-benchmark",
}
"""The protocol of each model's paper, which is used where none is named."""


def main(framework: str, words: Sequence[str] | None = None) -> int:
    """The program of a framework; its exit code."""
    program = f"{framework}_impl.evaluate"
    given = cli.dashed(sys.argv[1:] if words is None else words)
    return console.run(program, lambda: _run(framework, _parser(program).parse_args(given)))


def score_all(
    framework: str,
    words: Sequence[str],
    *,
    limit: int = 0,
    is_graph: bool = False,
    on_restored: Callable[[Pair, np.ndarray], None] | None = None,
) -> list[Run]:
    """What the program scores by these words, for programs with a surface of their own.

    limit: how many pairs are taken, the first by name; 0 for all. is_graph: see `Settings`.
    on_restored: is told of each restored picture, (1, 3, h, w), not clamped.

    Raises:
        InputError: as the program.
    """
    options = _parser(f"{framework}_impl.evaluate").parse_args(cli.dashed(words))
    options.framework, options.on_restored = framework, on_restored
    options.is_graph = is_graph
    return list(_all_runs(_pairs(options)[: limit or None], options))


def _parser(program: str) -> argparse.ArgumentParser:
    options = console.Parser(
        prog=f"python -m {program}",
        description="Score restored pictures by the rule of a paper.",
        epilog="Exit codes: 0 all scored; 2 some failed, and are listed; 3 bad input.",
    )
    options.add_argument("data", nargs="?", type=Path, metavar="ROOT", help="a data set's folder")
    options.add_argument(
        "-i", "--input", "--input-path", "--input-dir", type=Path, help="what networks get"
    )
    options.add_argument(
        "--truth", "--gt-path", "--gt", type=Path, metavar="DIR", help="sharp or large pictures"
    )
    options.add_argument(
        "--restored", type=Path, metavar="DIR", help="score these, without a network"
    )
    options.add_argument("--template", default="{}", help="an input's name for a truth's, as {}x4")
    options.add_argument(
        "-p", "--protocol", action="append", default=[], metavar="NAME",
        help="may be given several times (default: of the model's paper); --list shows all",
    )  # fmt: skip
    options.add_argument("--list", action="store_true", help="show the protocols")
    cli.add_model(options)
    cli.add_quality(options)
    options.set_defaults(on_restored=None)
    options.add_argument("--json", type=Path, metavar="FILE", help="all numbers")
    options.add_argument("--csv", type=Path, metavar="FILE", help="a row for each picture")
    options.add_argument(
        "--worst", type=Path, metavar="DIR", help=f"the {report.WORST} worst, as pictures"
    )
    options.add_argument(
        "--explain", nargs="?", const="", metavar="NUMBER",
        help="the first pair under every rule; with a number, the rules that give it",
    )  # fmt: skip
    return options


def _run(framework: str, options: argparse.Namespace) -> int:
    if options.list:
        report.show_protocols()
        return ExitCode.OK
    options.framework = framework
    pairs = _pairs(options)
    if options.explain is not None:
        return _explain(pairs[0], options)
    runs = list(_all_runs(pairs, options))
    report.show(runs)
    if options.json:
        text = json.dumps({"runs": [run.to_json() for run in runs]}, indent=1, allow_nan=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.csv:
        report.write_csv(options.csv, runs)
    return ExitCode.INCOMPLETE if any(run.failed for run in runs) else ExitCode.OK


def _pairs(options: argparse.Namespace) -> list[Pair]:
    given, truths = options.restored or options.input, options.truth
    if options.data:
        found, truth = of_data_set(options.data)
        given, truths = given or found, truths or truth
    if truths is None:
        raise InputError(
            "evaluate",
            expected="a data set's folder, or --truth with --input or --restored",
            got="no truths",
            where="command line",
            next_step="--help shows all options",
        )
    return find_pairs(given, truths, template=options.template)


def _all_runs(pairs: Sequence[Pair], options: argparse.Namespace) -> Iterator[Run]:
    if options.restored:
        for protocol in _chosen(options, "", float(options.scale or 1)):
            run = Run(str(options.restored), "", "", protocol, options.scale or 1.0)
            yield from _filled([run], pairs, lambda pair: read(pair.image), options)
        return
    nimbusr = options.nimbusr_model
    groups = [options.weights] if nimbusr else [[one] for one in options.weights] or [[]]
    for files in groups:
        options.weights = files
        with cli.open_restorer(options, warn=progress.say) as restorer:
            yield from _runs_of(restorer, pairs, options)


def _runs_of(
    restorer: Restorer, pairs: Sequence[Pair], options: argparse.Namespace
) -> Iterator[Run]:
    """Every protocol of one set of weights: pictures are restored once for those that feed the
    network alike."""
    known = restorer.spec.magnification
    scale = float(options.scale or known or 1)
    alike: dict[tuple[Any, ...], list[Run]] = {}
    for protocol in _chosen(options, restorer.model.name, scale):
        run = Run(
            str(restorer.files[0]), restorer.model.name, restorer.framework.name, protocol, scale
        )
        alike.setdefault(feeding(protocol), []).append(run)
    for runs in alike.values():
        feed = feed_of(restorer, pairs, runs[0].protocol, scale)
        yield from _filled(runs, pairs, feed, options)


def _filled(
    runs: Sequence[Run], pairs: Sequence[Pair], feed: Feed, options: argparse.Namespace
) -> Sequence[Run]:
    """Runs with their scores; the worst pictures are drawn, if that was asked for."""
    fill(runs, pairs, _told(feed, options.on_restored) if options.on_restored else feed)
    if options.worst:
        for run in runs:
            report.draw_worst(options.worst / run.protocol.name, run, pairs, feed)
    return runs


def _told(feed: Feed, on_restored: Callable[[Pair, np.ndarray], None]) -> Feed:
    """As `feed`, and somebody is told."""

    def restored(pair: Pair) -> np.ndarray | None:
        found = feed(pair)
        if found is not None:
            on_restored(pair, found)
        return found

    return restored


def _chosen(options: argparse.Namespace, model: str, scale: float) -> list[Protocol]:
    """The protocols; where pictures are cut to a multiple, truths are to that of their size."""
    names = options.protocol or [_BY_MODEL.get(model, "rgb")]
    found = [protocols.find(name) for name in names]
    if options.size_must_mode == 1:
        return found
    multiple = round(options.size_must_mode * scale)
    return [replace(one, multiple=math.lcm(one.multiple, multiple)) for one in found]


def _explain(pair: Pair, options: argparse.Namespace) -> int:
    if options.restored:
        return explaining.explain(pair, read(pair.image), options.scale or 1.0, options.explain)
    with cli.open_restorer(options, warn=progress.say) as restorer:
        scale = float(options.scale or restorer.spec.magnification or 1)
        restored = feed_of(restorer, [pair], protocols.find("rgb"), scale)(pair)
    assert restored is not None
    return explaining.explain(pair, restored, scale, options.explain)
