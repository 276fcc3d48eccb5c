"""Writes the table of a recipe's keys into docs/training.md: `python docs/make_recipe_keys.py`."""

from __future__ import annotations

import re
from pathlib import Path

from restoration.training import recipe

PAGE = Path(__file__).with_name("training.md")
_PLACE = re.compile(r"(<!-- keys: [^\n]*-->\n).*?(<!-- end of keys -->)", re.DOTALL)


def table() -> str:
    """The keys and their help as Markdown."""
    rows = ["| key | what it is |", "|---|---|"]
    rows += [
        f"| `{key}` | {text.replace('|', chr(92) + '|')} |" for key, text in recipe.helps().items()
    ]
    return "\n".join(rows) + "\n"


def page() -> str:
    """The page with the table of today."""
    return _PLACE.sub(lambda found: found[1] + table() + found[2], PAGE.read_text("utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
