"""RDN as the LMF repository published it: `{"model": {"name": ..., "args": ..., "sd": state}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restoration.models.rdn import RDNSpec
from weights_convert.naming.tables import NameTable
from weights_convert.published.encoder import ENCODER, upsampler_scale
from weights_convert.published.layout import Layout, Shapes, count_members

TABLE = NameTable(
    [
        ("head1", "SFENet1"),
        ("head2", "SFENet2"),
        ("blocks.{block}.convs.{place}", "RDBs.{block}.convs.{place}.conv.0"),
        ("blocks.{block}.merge", "RDBs.{block}.LFF"),
        ("merge1", "GFF.0"),
        ("merge2", "GFF.1"),
    ]
)
_TAIL = NameTable([(f"upsampler.{i}", f"UPNet.{2 * i}") for i in range(3)])


def read_spec(shapes: Shapes, _config: Mapping[str, Any]) -> RDNSpec:
    """Sizes from the shapes."""
    growth = shapes["blocks.0.convs.0.weight"][0]
    steps = max(count_members(shapes, "upsampler") - 1, 0)
    return RDNSpec(
        width=shapes["head2.weight"][0],
        growth=growth,
        blocks=count_members(shapes, "blocks"),
        convolutions=count_members(shapes, "blocks.0.convs"),
        scale=upsampler_scale([shapes[f"upsampler.{i}.weight"][0] for i in range(steps)], growth),
    )


LAYOUTS = {
    "rdn": Layout(
        classes=("rdn", "models.rdn.RDN", "models.rdn.RDN with UPNet"),
        table=TABLE + _TAIL,
        spec=read_spec,
        **ENCODER,
    )
}
