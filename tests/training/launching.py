"""Commands that start a program on two processes of this machine, as users type them."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from tests.backends import ROOT

PROCESSES = 2


def launched(framework: str, words: list[str], logs: Path) -> list[str]:
    """The command for a program, without its interpreter: a file or `-m MODULE`, and arguments.

    logs: where msrun puts what each process says.
    """
    count = str(PROCESSES)
    if framework == "torch":
        run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", count]
        return [sys.executable, *run, *words]
    if framework == "jittor":
        return ["mpirun", "--oversubscribe", "-np", count, sys.executable, *words]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    msrun = ["msrun", "--worker_num", count, "--local_worker_num", count, "--master_port", port]
    return [*msrun, "--join", "True", "--log_dir", str(logs), "python", *words]


def environment() -> dict[str, str]:
    """What these commands need; the last two are for users that are root."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }


def said_by(framework: str, printed: str, logs: Path) -> str:
    """What the processes said: msrun puts it into files, and prints some of it in between."""
    if framework != "mindspore":
        return printed
    return "".join(log.read_text() for log in sorted(logs.glob("worker_*.log")))
