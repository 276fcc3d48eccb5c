"""Prints again what programs say in pages: `python -m docs.make_guide [PAGE...]`.

Every block of a page that begins with "$ " is run in the folder of its examples, and what follows
in the block is replaced by what was printed.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"porting/guide.md": "porting", "pytest.md": "pytest"}
"""Pages, each with its folder of examples."""
_SECONDS = re.compile(r" in [\d.]+s( \([\d:]+\))?$", re.MULTILINE)  # of pytest
_BLOCK = re.compile(r"```console\n\$ (?P<command>[^\n]*)\n.*?```", re.DOTALL)


def printed(command: str, folder: Path) -> str:
    """What a command prints in a folder."""
    program, *words = shlex.split(command)
    finished = subprocess.run(
        [sys.executable, "-m", program, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return _SECONDS.sub("", finished.stdout + finished.stderr)


def main(pages: Sequence[str]) -> None:
    for page in pages or PAGES:
        path, folder = ROOT / "docs" / page, ROOT / "examples" / PAGES[page]

        def again(found: re.Match[str], folder: Path = folder) -> str:
            command = found["command"]
            return f"```console\n$ {command}\n{printed(command, folder)}```"

        path.write_text(_BLOCK.sub(again, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
