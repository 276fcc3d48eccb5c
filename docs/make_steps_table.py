"""Writes the table of steps of training into docs/how-parity-is-judged.md:
`python docs/make_steps_table.py [FILE...]`.

FILE: what `parity train --report json=FILE` wrote; models of it take the place of those kept in
docs/steps.json, from which the page is made.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from restoration.process.frameworks import FRAMEWORKS, REFERENCE

PAGE = Path(__file__).with_name("how-parity-is-judged.md")
KEPT = Path(__file__).with_name("steps.json")
PORTS = {name: row.title for name, row in FRAMEWORKS.items() if name != REFERENCE}
_PLACE = re.compile(r"(<!-- steps: [^\n]*-->\n).*?(<!-- end of steps -->)", re.DOTALL)

Kept = dict[str, dict[str, Any]]


def merged(kept: Kept, files: Iterable[Path]) -> Kept:
    """What was kept before, with models of files in the place of the same ones."""
    found = dict(kept)
    for file in files:
        for row in json.loads(file.read_text("utf-8"))["rows"]:
            steps = {int(array["name"].split("/")[1]) for array in row["arrays"]}
            model = found.get(row["model"], {})
            found[row["model"]] = model | {
                row["framework"]: {
                    "verdict": row["verdict"],
                    "ratio": round(row["worst_ratio"], 2),
                    "where": row["worst_array"].removeprefix("step/"),
                    "steps": max(steps),
                    "arrays": row["compared"],
                }
            }
    return dict(sorted(found.items()))


def table(kept: Kept) -> str:
    """The models as Markdown: the worst ratio of each port, and at which step and array."""
    lines = [
        f"| model | steps | arrays | {' | '.join(PORTS.values())} |",
        f"|---|---:|---:|{'---|' * len(PORTS)}",
    ]
    for model, ports in kept.items():
        cells = [_cell(ports[port]) if port in ports else "" for port in PORTS]
        steps = min(one["steps"] for one in ports.values())
        arrays = min(one["arrays"] for one in ports.values())
        lines.append(f"| `{model}` | {steps} | {arrays} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page(kept: Kept) -> str:
    """The page with the table."""
    return _PLACE.sub(lambda found: found[1] + table(kept) + found[2], PAGE.read_text("utf-8"))


def read() -> Kept:
    kept: Kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    return kept


def _cell(one: dict[str, Any]) -> str:
    step, _, name = one["where"].partition("/")
    verdict = "" if one["verdict"] == "agree" else f"{one['verdict']}: "
    return f"{verdict}{one['ratio']:.2f}, step {step}, {name.replace('/', ' ')}"


if __name__ == "__main__":
    kept = merged(read(), map(Path, sys.argv[1:]))
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(kept), "utf-8")
