"""A progress bar on a terminal, and lines that do not break it; lines alone elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from restoration.errors import picture_packages


class Status:
    """What is done within one of many things: behind a bar on a terminal, on lines elsewhere."""

    bar: Any = None

    def tell(self, text: str) -> None:
        """Show a line of progress."""
        if not sys.stderr.isatty():
            say(text)
        elif self.bar is not None:
            self.bar.set_postfix_str(text)


def bar(total: int, unit: str) -> Any:
    """A bar of tqdm's for so many things, on stderr; hidden where that is no terminal."""
    with picture_packages():
        from tqdm import tqdm
    return tqdm(total=total, unit=unit, disable=not sys.stderr.isatty())


def say(text: str) -> None:
    """A line on stderr, above a bar if there is one."""
    if "tqdm" in sys.modules and sys.stderr.isatty():
        sys.modules["tqdm"].tqdm.write(text, file=sys.stderr)
    else:
        print(text, file=sys.stderr)
