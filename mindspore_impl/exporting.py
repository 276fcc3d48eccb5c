"""What MindSpore writes for other programs: MINDIR, loaded back.

Called by name from `restoration/inference/export.py`, which judges what was written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import nn

from mindspore_impl.arrays import to_arguments, to_outputs
from restoration.inference import serving
from restoration.process import arrays
from restoration.process.serve import Session


def export(
    session: Session,
    *,
    slot: str,
    form: str,
    path: str,
    sources: list[str],
    targets: list[str],
    is_dynamic: bool,
) -> list[str]:
    """Write a network for the sizes of each case and run what was written; why not, for each, ""
    if it ran. The first case's file stays."""
    opened = serving.opened(slot)
    blocked = opened.spec.graph_unsupported.get("mindspore")
    if blocked:
        raise RuntimeError(f"its graph cannot be compiled: {blocked}")
    problems: list[str] = []
    for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
        place = Path(path) if number == 0 else Path(path).with_name(f"{number}-{Path(path).name}")
        with arrays.reading(Path(source)) as reader:
            inputs = {name: reader[name] for name in reader.names}
        values = [one for one in to_arguments(opened.spec, inputs) if one is not None]
        try:
            ms.export(opened.network.module, *values, file_name=str(place), file_format="MINDIR")
            result: Any = nn.GraphCell(ms.load(str(place)))(*values)
        finally:
            if number:
                place.unlink(missing_ok=True)
        arrays.write(Path(target), to_outputs(opened.spec, result))
        problems.append("")
    return problems
