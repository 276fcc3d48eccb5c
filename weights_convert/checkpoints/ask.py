"""What a framework's own process does to tell the entries of networks, for `schemas.py`."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from typing import Any

from restoration.models.registry import spec_from_dict
from restoration.process.serve import Session
from weights_convert.checkpoints.schemas import with_tuples

Answer = list[tuple[str, str, tuple[int, ...]]] | None


def entries(
    session: Session, *, specs: Sequence[dict[str, Any]], may_take_bytes: int
) -> list[Answer]:
    """For each spec a list of (name, dtype, shape), or None if its network cannot be built.

    may_take_bytes: memory that this process may take from now on.
    """
    engine = session.make_engine()
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = may_take_bytes if most == resource.RLIM_INFINITY else min(may_take_bytes, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
    return [_entries(engine, values) for values in specs]


def _entries(engine: Any, values: dict[str, Any]) -> Answer:
    try:
        state = engine.state(engine.build(spec_from_dict(with_tuples(values))))
    except Exception:
        return None  # a network that cannot be built has no entries
    return [(name, str(array.dtype), array.shape) for name, array in state.items()]
