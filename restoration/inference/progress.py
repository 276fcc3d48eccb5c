"""A progress bar on a terminal, and lines that do not break it; lines alone elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from restoration.errors import picture_packages


def bar(total: int, unit: str, *, is_shown: bool = True) -> Any:
    """A bar of tqdm's for so many things, on stderr; hidden where that is no terminal."""
    with picture_packages():
        from tqdm import tqdm
    return tqdm(total=total, unit=unit, disable=not (is_shown and sys.stderr.isatty()))


def say(text: str) -> None:
    """A line on stderr, above a bar if there is one."""
    if "tqdm" in sys.modules and sys.stderr.isatty():
        sys.modules["tqdm"].tqdm.write(text, file=sys.stderr)
    else:
        print(text, file=sys.stderr)
