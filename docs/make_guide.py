"""Prints again what the tool says in `porting/guide.md`: `python -m docs.make_guide`.

Every block that begins with "$ " is run in `examples/porting`, and what follows in the block is
replaced by what was printed.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "porting" / "guide.md"
EXAMPLES = ROOT / "examples" / "porting"
_BLOCK = re.compile(r"```console\n\$ (?P<command>[^\n]*)\n.*?```", re.DOTALL)


def printed(command: str) -> str:
    """What a command of the guide prints."""
    program, *words = shlex.split(command)
    finished = subprocess.run(
        [sys.executable, "-m", program, *words],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.stdout + finished.stderr


def main() -> None:
    text = GUIDE.read_text(encoding="utf-8")

    def again(found: re.Match[str]) -> str:
        return f"```console\n$ {found['command']}\n{printed(found['command'])}```"

    GUIDE.write_text(_BLOCK.sub(again, text), encoding="utf-8")


if __name__ == "__main__":
    main()
