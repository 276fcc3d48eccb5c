"""Which files a worker's process has imported or read, inside that process."""

from __future__ import annotations

import os
import sys
from typing import Any

from parity.adapters.lines import is_library
from parity.measure.kept import digests
from restoration.process.serve import Session

_opened: set[str] = set()
_watching: list[bool] = []


def watch(_session: Session) -> None:
    """From now on remember which files are opened for reading."""
    if _watching:
        return
    _watching.append(True)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str):
            return
        mode, flags = arguments[1], arguments[2]
        if (mode or "r").startswith("r") and not flags & (os.O_WRONLY | os.O_RDWR):
            _opened.add(os.path.abspath(arguments[0]))

    sys.addaudithook(hook)


def sources(_session: Session) -> dict[str, str]:
    """Digests of the files that were imported or read, but those of libraries, by path."""
    imported = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    read = {os.path.abspath(path) for path in imported if path} | _opened
    return digests(sorted(filter(_counts, read)))


def _counts(path: str) -> bool:
    return (
        os.path.isfile(path)
        and not is_library(path)
        and not path.endswith(".pyc")
        and not path.startswith(("/proc/", "/sys/"))
    )
