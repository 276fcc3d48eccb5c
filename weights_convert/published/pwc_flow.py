"""PWC-Net as the widespread PyTorch version published it, alone or inside another network."""

from __future__ import annotations

from restoration.models.pwc_flow import PWCFlowSpec
from weights_convert.naming.tables import NameTable
from weights_convert.published.layout import Layout

_NUMBERS = ("One", "Two", "Thr", "Fou", "Fiv", "Six")
_DECODERS = {2: "Two", 3: "Thr", 4: "Fou", 5: "Fiv"}
_ESTIMATOR = [(f"conv{i}", f"module{_NUMBERS[i - 1]}.0") for i in range(1, 6)]
_ESTIMATOR += [("flow", "moduleSix.0")]

PAIRS = [
    (f"pyramid.level{level}.conv{i}", f"moduleExtractor.module{_NUMBERS[level - 1]}.{2 * i - 2}")
    for level in range(1, 7)
    for i in (1, 2, 3)
]
PAIRS += [(f"decoder6.{ours}", f"moduleSix.{theirs}") for ours, theirs in _ESTIMATOR]
PAIRS += [
    (f"decoder{level}.{ours}", f"module{word}.{theirs}")
    for level, word in _DECODERS.items()
    for ours, theirs in (
        ("up_flow", "moduleUpflow"),
        ("up_features", "moduleUpfeat"),
        *((f"estimator.{ours}", theirs) for ours, theirs in _ESTIMATOR),
    )
]
PAIRS += [(f"refiner.conv{i}", f"moduleRefiner.moduleMain.{2 * i - 2}") for i in range(1, 8)]

LAYOUTS = {
    "pwc_flow": Layout(
        classes=("model.flow_pwc.Flow_PWC",),
        modules=("model",),
        table=NameTable(PAIRS, optional_prefix="moduleNetwork."),
        spec=lambda shapes, config: PWCFlowSpec(align_corners=config.get("align_corners", True)),
    )
}
