"""A process of its own that has a framework build networks, and tells their entries.

`python -m weights_convert.checkpoints.ask FRAMEWORK BYTES`: specs as a JSON list in, and for each
a list of [name, dtype, shape] out, or null. BYTES is the memory that it may take.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
from typing import Any

from restoration.models.registry import spec_from_dict
from weights_convert.checkpoints.schemas import with_tuples


def main() -> None:
    """Answer one question."""
    framework, may_take_bytes = sys.argv[1], int(sys.argv[2])
    answers_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what frameworks print is no answer
    runtime = importlib.import_module(f"{framework}_impl.runtime")
    runtime.prepare("cpu", report=lambda text: None, warn=lambda text: None)
    engine = importlib.import_module(f"{framework}_impl.engine").ENGINE()
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = may_take_bytes if most == resource.RLIM_INFINITY else min(may_take_bytes, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
    json.dump([_entries(engine, values) for values in json.load(sys.stdin)], answers_to)
    answers_to.flush()


def _entries(engine: Any, values: dict[str, Any]) -> list[tuple[str, str, tuple[int, ...]]] | None:
    try:
        state = engine.state(engine.build(spec_from_dict(with_tuples(values))))
    except Exception:
        return None  # a network that cannot be built has no entries
    return [(name, str(array.dtype), array.shape) for name, array in state.items()]


if __name__ == "__main__":
    main()
