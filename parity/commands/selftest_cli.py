"""The options of `parity selftest`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from parity import arguments
from parity.report.progress import Progress
from parity.selftest import trials
from restoration import console


def add_parser(commands: Any) -> None:
    """Add the command to those of `parity`."""
    command = commands.add_parser(
        "selftest",
        help="show that the judge sees every fault and blames nothing honest",
        description="Judge planted faults, all of which must be seen, and honest variations of a "
        "small network, none of which may be blamed. Needs no framework.",
        epilog="Exit codes: 0 all seen and none blamed, 1 otherwise.",
    )
    command.set_defaults(command=_selftest)
    command.add_argument(
        "--trials",
        type=arguments.count(least=1),
        default=1000,
        metavar="N",
        help="honest ones, each with a seed of its own (default: 1000)",
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.add_argument("--quiet", action="store_true", help="show no progress")


def _selftest(options: argparse.Namespace) -> int:
    with Progress(quiet=options.quiet) as progress:
        result = trials.run(
            options.trials, min(options.trials, 20), lambda text: progress.show("selftest", text)
        )
    if options.json:
        print(json.dumps(result.to_json(), indent=1))
        return result.exit_code
    shown = console.results_console(160)
    seen = sum(one for one, _ in result.killed.values())
    tried = sum(one for _, one in result.killed.values())
    lines = [
        f"{name}: {one} of {all_} seen" for name, (one, all_) in result.killed.items() if one < all_
    ]
    lines.append(
        f"faults: {seen} of {tried} seen ({100 * seen / tried:.4g} %), {len(result.killed)} kinds"
    )
    lines += [f"blamed: {what} (seed {seed})" for seed, what in result.alarms]
    lines.append(
        f"honest trials: {len(result.alarms)} of {result.trials} blamed, "
        f"the largest ratio {result.worst:.3g}"
    )
    lines.append(f"{result.seconds:.1f} s")
    for line in lines:
        shown.print(line, highlight=False, markup=False, soft_wrap=True)
    return result.exit_code
