"""Controllable multi-scale rendering, against what the authors' code gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from restoration.errors import InputError
from restoration.inference import cmsr
from restoration.inference.cmsr import Level
from restoration.models import continuous
from restoration.models.lmf import ModulatedSpec
from restoration.models.registry import MODELS
from tests.backends import Backend
from weights_convert.checkpoints.loading import read_state
from weights_convert.published import layout_of_class

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = ["lm_liif-cmsr", "lm_liif-cmsr-ensemble", "lm_lte-cmsr", "lm_ciaosr-cmsr"]


def _read(golden: str) -> tuple[dict[str, str], dict[str, np.ndarray], ModulatedSpec, Any]:
    path = GOLDEN / f"{golden}.safetensors"
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    content = load_file(path)
    _, layout = layout_of_class(metadata["class"])
    start = "weights/"
    published = {
        name.removeprefix(start): array for name, array in content.items() if name.startswith(start)
    }
    spec, weights = read_state(layout, published, json.loads(metadata["config"]), where=golden)
    assert isinstance(spec, ModulatedSpec)
    return metadata, content, spec, weights


def _tables(metadata: dict[str, str], case: str) -> dict[float, dict[float, float]]:
    return {
        float(target): {float(scale): float(bound) for scale, bound in table.items()}
        for target, table in json.loads(metadata["s2m_tables"])[case].items()
    }


@pytest.mark.parametrize("golden", CASES)
def test_multi_scale_rendering_is_the_authors(
    backends: Callable[[str], Backend], golden: str
) -> None:
    """In PyTorch to the last digits of float64; in the others in float32.

    With the local ensemble the authors' border is decided by rounding, and left out.
    """
    metadata, content, spec, weights = _read(golden)
    for case in json.loads(metadata["s2m_tables"]):
        options = {
            "coord": content[f"inputs/coord_{case}"][0].astype(np.float64),
            "cell": content[f"inputs/cell_{case}"][0, 0].astype(np.float64),
            "tables": _tables(metadata, case),
            "is_clamped": True,
        }
        expected = content[f"outputs/rgb_{case}"][0]
        inside = content.get(f"taps/interior_{case}", np.ones(len(expected))).astype(bool)
        for framework, tolerance in (("torch", 1e-11), ("jittor", 1e-5), ("mindspore", 1e-5)):
            (found,) = backends(framework).call(
                "multi_scale", spec, weights, content["inputs/lr"], options, framework == "torch"
            )
            atol = tolerance * np.abs(expected).max()
            np.testing.assert_allclose(found[inside], expected[inside], rtol=0, atol=atol)


@pytest.mark.parametrize("golden", ["lm_liif-cmsr-table", "lm_lte-cmsr-table"])
def test_tables_are_the_authors(backend: Backend, golden: str) -> None:
    metadata, content, spec, weights = _read(golden)
    keys = [float(key) for key in json.loads(metadata["keys"])]
    initial = json.loads(metadata["initial_table"])
    options = {
        "scale": float(metadata["scale"]),
        "largest_error": float(metadata["mse_threshold"]),
        "table": {float(scale): float(bound) for scale, bound in initial.items()},
        "keeps_unfit": True,
    }
    found = backend.call("tables", spec, weights, content["inputs/lr_images"], options)
    expected = content["outputs/table_after_image"]
    np.testing.assert_allclose([[table[key] for key in keys] for table in found], expected)
    # The corrected rule never lets through what the authors' keeps back.
    options["keeps_unfit"] = False
    safe = backend.call("tables", spec, weights, content["inputs/lr_images"], options)
    assert (np.array([[table[key] for key in keys] for table in safe]) <= expected).all()
    assert safe[-1] != found[-1]


def test_levels_of_a_published_table() -> None:
    tables = {4: {1: 0.33, 4: 1}, 6: {1: 0.32, 2: 0.41, 4: 0.55, 6: 1}}
    assert cmsr.levels(tables, 5.0) == [
        Level(1.0, 0.0, 0.32),
        Level(2.0, 0.32, 0.41),
        Level(4.0, 0.41, 0.55),
        Level(5.0, 0.55, 1.0),
    ]
    assert cmsr.levels(tables, 7.0)[-1] == Level(6.0, 0.55, 1.0)
    assert cmsr.levels({6: {0.5: 0.2, 1: 1, 6: 1}}, 6.0) == [Level(1.0, 0.2, 1.0)]


def test_any_size_and_batch(backends: Callable[[str], Backend]) -> None:
    """Sizes that no one scale gives, and more images than one; everything weak but nothing left
    out: where all is rendered at the full scale the result is that of plain cmsr."""
    spec = MODELS["lm_liif"].spec("tiny")
    torch = backends("torch")
    weights = torch.call("state", spec)
    images = np.random.default_rng(2).uniform(-1, 1, (2, 3, 6, 8)).astype(np.float32)
    plain = continuous.enlarge(spec, images, height=31, width=43)
    expected = torch.call("run", spec, weights, plain)["rgb"]
    options: dict[str, Any] = {
        "coord": continuous.make_coord(31, 43),
        "cell": continuous.output_cell(31, 43, scale=np.sqrt(31 * 43 / 48)),
        "tables": {6: {6: 1}},
    }
    found = torch.call("multi_scale", spec, weights, images, options, False)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    for tables in ({6: {1: 0.0, 6: 1}}, {6: {1: 1, 6: 1}}, {6: {1: 0.99, 6: 1}}):
        found = torch.call(
            "multi_scale", spec, weights, images, options | {"tables": tables}, False
        )
        assert found.shape == expected.shape
        assert np.isfinite(found).all()


def test_tables_survive_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tables.yaml"
    cmsr.write_tables(path, {8: {1: 0.33, 1.5: 0.4, 8: 1}})
    cmsr.write_tables(path, {4: {1: 0.2, 4: 1}})
    assert cmsr.read_tables(path) == {4: {1: 0.2, 4: 1}, 8: {1: 0.33, 1.5: 0.4, 8: 1}}
    assert list(cmsr.read_tables(path)) == [4, 8]
    path.write_text("- nothing\n")
    with pytest.raises(InputError, match="tables of scales: expected YAML as"):
        cmsr.read_tables(path)
