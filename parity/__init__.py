"""Proves by measurement that implementations of one network agree, and finds where they do not.

The process that runs the command imports no framework: each one works in a process of its own
(`worker.py`), which measures and writes arrays; this side judges them (`judge/`). What stands here
is looked up when it is first used, so a worker loads only what it needs.

    case = parity.image_case("mimo_unet", Path("blurred.png"), spec_name="tiny", seed=0)
    torch = parity.Worker("torch", "torch_impl")
    jittor = parity.Worker("jittor", "jittor_impl")
    with parity.Progress() as progress:
        run = parity.run([case], torch, [jittor], runs_folder=Path("runs"), progress=progress)
    print({row.framework: row.verdict for row in run.rows})
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity.asserting import ParityError, assert_parity
    from parity.cases.case import Case
    from parity.cases.goldens import golden_cases
    from parity.cases.sources import image_case, photograph_case
    from parity.commands.run import run
    from parity.judge.verdicts import BOUND, Verdict
    from parity.report.progress import Progress
    from parity.report.result import Row, Run
    from restoration.process.launch import Worker

__all__ = [
    "BOUND",
    "Case",
    "ParityError",
    "Progress",
    "Row",
    "Run",
    "Verdict",
    "Worker",
    "assert_parity",
    "golden_cases",
    "image_case",
    "photograph_case",
    "run",
]

_HOMES = {
    "parity.asserting": ("ParityError", "assert_parity"),
    "parity.cases.case": ("Case",),
    "parity.cases.goldens": ("golden_cases",),
    "parity.cases.sources": ("image_case", "photograph_case"),
    "parity.commands.run": ("run",),
    "parity.judge.verdicts": ("BOUND", "Verdict"),
    "parity.report.progress": ("Progress",),
    "parity.report.result": ("Row", "Run"),
    "restoration.process.launch": ("Worker",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
