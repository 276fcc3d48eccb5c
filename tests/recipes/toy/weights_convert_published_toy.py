"""Toy as a test publishes it: the bare state, its convolutions counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restoration.models.toy import ToySpec

from weights_convert.naming.tables import NameTable
from weights_convert.published.layout import Layout, Shapes


def _spec(shapes: Shapes, _config: Mapping[str, Any]) -> ToySpec:
    return ToySpec(width=shapes["first.weight"][0])


LAYOUTS = {
    "toy": Layout(
        classes=("toys.Toy",),
        table=NameTable([("first", "convs.0"), ("last", "convs.1")]),
        spec=_spec,
    )
}
