"""One model of each kind, which `make test` takes; `make goldens` takes the others."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

KINDS = ("mimo_unet", "lmd_vit", "nimbusr", "phaseformer", "self_blind_vsr", "lm_lte")


def by_kind(rows: Iterable[str] | Iterable[tuple]) -> list:
    """Parameters of a test, each a model's name or a tuple that begins with it: the first row of
    each kind, and the others marked `goldens`."""
    found: list = []
    left = set(KINDS)
    for row in rows:
        values = (row,) if isinstance(row, str) else row
        is_first = values[0] in left
        left.discard(values[0])
        found.append(pytest.param(*values, marks=() if is_first else pytest.mark.goldens))
    return found
