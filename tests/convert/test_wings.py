"""The folders of `weights_convert` stand on floors: none imports from a higher one."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "weights_convert"
FLOORS = (
    ("errors", "limits", "naming"),
    ("files", "published"),
    ("pickles",),
    ("formats",),
    ("checkpoints",),
    ("commands", "build_schemas"),
    ("cli", "__init__"),
    ("__main__",),
)


def test_no_import_runs_upward() -> None:
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    for file in sorted(ROOT.rglob("*.py")):
        own = file.relative_to(ROOT).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            package, *rooms = node.module.split(".")
            if package == "weights_convert":
                for room in rooms[:1] or [alias.name for alias in node.names]:
                    assert room == own or floor[room] < floor[own], f"{file} imports {room}"
