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
    """Write a network for the first case of each size and run what was written on all; why not, for
    each, "" if it ran. The first case's file stays."""
    opened = serving.opened(slot)
    blocked = opened.spec.graph_unsupported.get("mindspore")
    if blocked:
        raise RuntimeError(f"its graph cannot be compiled: {blocked}")
    problems: list[str] = []
    files: dict[Any, Path] = {}
    try:
        for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
            with arrays.reading(Path(source)) as reader:
                inputs = {name: reader[name] for name in reader.names}
            values = [one for one in to_arguments(opened.spec, inputs) if one is not None]
            sizes = tuple(one.shape for one in values)
            if sizes not in files:
                name = f"{number}-{Path(path).name}" if files else Path(path).name
                files[sizes] = Path(path).with_name(name)
                ms.export(
                    opened.network.module,
                    *values,
                    file_name=str(files[sizes]),
                    file_format="MINDIR",
                )
            result: Any = nn.GraphCell(ms.load(str(files[sizes])))(*values)
            arrays.write(Path(target), to_outputs(opened.spec, result))
            problems.append("")
    finally:
        for place in list(files.values())[1:]:
            place.unlink(missing_ok=True)
    return problems
