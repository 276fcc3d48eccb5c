"""Writes the table of exports into docs/exporting.md: `python docs/make_export_table.py [FILE...]`.

FILE: what `python -m X_impl.export --table --json FILE` wrote; models of it take the place of those
kept in docs/exports.json, from which the page is made.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("exporting.md")
KEPT = Path(__file__).with_name("exports.json")
_PLACE = re.compile(r"(<!-- exports: [^\n]*-->\n).*?(<!-- end of exports -->)", re.DOTALL)
_HEADINGS = ("model", "form", "sizes", "worst", "what stands in the way")
_LONGEST = 160

Row = dict[str, Any]


def merged(kept: list[Row], files: Iterable[Path]) -> list[Row]:
    """Rows kept before, with those of files in the place of the same model and form."""
    found = {_key(row): row for row in kept}
    for file in files:
        rows = json.loads(file.read_text("utf-8"))
        found |= {_key(row): row | {"file": ""} for row in rows}
    return [found[key] for key in sorted(found)]


def table(rows: list[Row]) -> str:
    """The rows as Markdown: the worst ratio of errors, or the least PSNR of layers in 8 bits."""
    lines = [f"| {' | '.join(_HEADINGS)} |", "|---|---|---|---:|---|"]
    for row in rows:
        values = row["cases"].values()
        worst = ""
        if values:
            worst = f"{min(values):.1f} dB" if row["is_reduced"] else f"{max(values):.2f}"
        reason = row["problem"].replace("|", "\\|")
        shown = reason if len(reason) <= _LONGEST else reason[:_LONGEST] + " ..."
        sizes = "open" if row["is_dynamic"] else "fixed"
        lines.append(f"| {row['model']} | {row['form']} | {sizes} | {worst} | {shown} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page with the table of what is kept."""
    rows = json.loads(KEPT.read_text("utf-8"))
    return _PLACE.sub(lambda found: found[1] + table(rows) + found[2], PAGE.read_text("utf-8"))


def _key(row: Row) -> tuple[str, str, bool]:
    return row["model"], row["form"], row["is_dynamic"]


if __name__ == "__main__":
    before = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else []
    kept = merged(before, map(Path, sys.argv[1:]))
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(), "utf-8")
