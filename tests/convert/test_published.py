"""Published checkpoints: every name maps, one to one, onto a network of the published size."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from restoration.errors import InputError
from restoration.models import registry
from restoration.models.model import PublishedWeights
from restoration.models.swinir import SwinIRSpec
from tests.convert.seeds import mean_layers
from weights_convert.checkpoints.loading import read_state
from weights_convert.checkpoints.schemas import registered
from weights_convert.published import layout_of_class, layouts

FULL = Path(__file__).parents[1] / "golden" / "full"
CASES = [(model.name, weights) for model in registry.MODELS.values() for weights in model.published]


def _table(layout: str) -> dict[str, np.ndarray]:
    """A published checkpoint's names with arrays of its shapes that take no memory.

    Only what tells the configuration has values.
    """
    files = [json.loads(path.read_text()) for path in sorted(FULL.glob("*.json"))]
    (table,) = (
        file[layout] for file in (file.get("configs", file) for file in files) if layout in file
    )
    found = {
        name: np.broadcast_to(np.zeros((), kind), shape)
        for name, shape, kind, *_ in table["tensors"]
    }
    return found | mean_layers(table["config"], found)


@pytest.mark.parametrize(
    ("model", "weights"), CASES, ids=[f"{model}-{weights.layout}" for model, weights in CASES]
)
def test_every_published_name_maps_one_to_one(model: str, weights: PublishedWeights) -> None:
    """Names and sizes are the schema's, which `test_detect.py` compares with the real networks."""
    published = _table(weights.layout)
    layout = layouts()[model]
    # The values of constants are seen in the golden files.
    learned = {name: a for name, a in published.items() if not layout.table.is_constant(name)}
    spec, ours = read_state(layout, learned, {}, where="table")
    known = registry.find(model).specs[weights.spec]
    # The masks, which are left out here, have the size of the pictures trained on.
    assert spec == (
        dataclasses.replace(known, trained_px=spec.trained_px)
        if isinstance(spec, SwinIRSpec) and isinstance(known, SwinIRSpec)
        else known
    )
    spec = known
    expected = {name: entry.shape for name, entry in registered(model)[spec].items()}
    assert {name: array.shape for name, array in ours.items()} == expected
    constants = layout.constants(spec)
    assert len(ours) + len(constants) == len(published) == weights.entries
    # The authors count EDSR's two fixed layers, which they never call, as parameters.
    fixed = sum(array.size for name, array in constants.items() if "_mean." in name)
    assert sum(int(np.prod(shape)) for shape in expected.values()) + fixed == weights.parameters
    back = layout.to_theirs(spec, ours, where="table")
    assert {name: (array.shape, array.dtype) for name, array in back.items()} == {
        name: (array.shape, array.dtype) for name, array in published.items()
    }


def test_every_model_has_a_layout_and_a_table() -> None:
    assert layouts().keys() == registry.MODELS.keys()
    for model in registry.MODELS.values():
        assert model.published, f"{model.name} names no published weights"


def test_names_of_another_model_are_listed() -> None:
    state = {"stem.weight": np.zeros((4, 3, 3, 3)), "down.body.0.weight": np.zeros(3)}
    with pytest.raises(InputError, match=r"1 unknown of 2: stem\.weight"):
        layouts()["mimo_unet"].table.to_ours(
            {
                "feat_extract.0.main.0.weight": state["stem.weight"],
                "stem.weight": state["stem.weight"],
            },
            where="x.safetensors",
        )
    with pytest.raises(InputError, match=r"got no entry 'stem\.weight'.*as down\.body"):
        read_state(
            layouts()["mimo_unet"],
            {"down.body.0.weight": state["down.body.0.weight"]},
            {},
            where="x.safetensors",
        )


def test_unknown_class_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"known: .*MIMO-UNet, "):
        layout_of_class("Uformer")
