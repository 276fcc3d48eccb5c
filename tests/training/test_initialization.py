"""First weights against what was measured on fresh networks of the authors' code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from restoration.arrays import Arrays
from restoration.errors import InputError
from restoration.models.lmd_vit import LMDViTSpec
from restoration.models.registry import MODELS
from restoration.models.spec import Spec
from restoration.training.initialization import initial_weights
from tests.backends import Backend
from tests.kinds import by_kind

MEASURED = json.loads(
    (Path(__file__).parents[1] / "golden" / "training" / "init_statistics.json").read_text()
)
TORCH_DEFAULT = {
    "mimo_unet": ("published", "mimo_unet"),
    "phaseformer": ("published", "phaseformer (torch default)"),
    "nimbusr": ("published", "nimbusr (J-MKPD, torch default)"),
}


@pytest.fixture(scope="module")
def torch(backends: Callable[[str], Backend]) -> Backend:
    return backends("torch")


def _drawn(torch: Backend, model: str, spec: Spec, law: str = "") -> Arrays:
    return initial_weights(MODELS[model], spec, torch.call("state", spec), seed=0, law=law)


def _scaled(weights: Arrays, kind: str, *, axes: int) -> np.ndarray:
    """All weights or biases of layers whose weight has some axes, times sqrt(fan-in)."""
    found = []
    for name, array in weights.items():
        layer = weights.get(f"{name.rpartition('.')[0]}.weight")
        if name.endswith(f".{kind}") and layer is not None and layer.ndim == axes:
            found.append(array.ravel() * np.sqrt(np.prod(layer.shape[1:])))
    return np.concatenate(found)


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize("model", TORCH_DEFAULT)
def test_layers_are_uniform_by_their_fan_in(torch: Backend, model: str) -> None:
    spec_name, title = TORCH_DEFAULT[model]
    weights = _drawn(torch, model, MODELS[model].spec(spec_name))
    scaled = _scaled(weights, "weight", axes=4)
    measured = MEASURED[title]["Conv2d 3x3 weight"]
    assert np.abs(scaled).max() == pytest.approx(measured["max_times_sqrt_fan_in"], abs=1e-3)
    assert scaled.std() == pytest.approx(measured["std_times_sqrt_fan_in"], abs=0.01)
    assert abs(scaled.mean()) < 5 * scaled.std() / np.sqrt(scaled.size)


@pytest.mark.frameworks("torch")
def test_biases_are_uniform_by_their_layer(torch: Backend) -> None:
    scaled = _scaled(
        _drawn(torch, "mimo_unet", MODELS["mimo_unet"].spec("published")), "bias", axes=4
    )
    assert np.abs(scaled).max() == pytest.approx(1, abs=1e-2)
    assert scaled.std() == pytest.approx(3**-0.5, abs=0.02)


@pytest.mark.frameworks("torch")
def test_transformers_have_narrow_linear_layers(torch: Backend) -> None:
    spec = LMDViTSpec(width=16, depths=(1,) * 9, heads=(1, 2, 4, 8, 8, 8, 4, 2, 1))
    weights = _drawn(torch, "lmd_vit", spec)
    linear = {
        name: array
        for name, array in weights.items()
        if name.endswith(".weight") and array.ndim == 2 and "modulator" not in name
    }
    numbers = np.concatenate([array.ravel() for array in linear.values()])
    assert numbers.std() == pytest.approx(MEASURED["lmd_vit"]["Linear weight"]["std"], rel=0.01)
    assert np.abs(numbers).max() <= 0.08  # and no outlier of 2.0, see the sheet
    for name in linear:
        bias = weights.get(name.replace(".weight", ".bias"))
        assert bias is None or not bias.any()
    tables = [array for name, array in weights.items() if "modulator" in name]
    assert np.concatenate([t.ravel() for t in tables]).std() == pytest.approx(1, abs=0.05)
    convolutions = _scaled(weights, "weight", axes=4)
    assert convolutions.std() == pytest.approx(3**-0.5, abs=0.01)


@pytest.mark.frameworks("torch")
def test_a_transformer_inside_another_network_keeps_its_law(torch: Backend) -> None:
    spec = next(one for name, one in MODELS["lm_lte"].specs.items() if "swinir" in name)
    state = {
        "encoder.groups.0.blocks.0.linear1.weight": np.zeros((240, 60), np.float32),
        "encoder.groups.0.blocks.0.linear1.bias": np.ones(240, np.float32),
        "encoder.groups.0.blocks.0.norm1.weight": np.ones(60, np.float32),
        "render_network.layers.0.weight": np.zeros((256, 64), np.float32),
    }
    weights = initial_weights(MODELS["lm_lte"], spec, state, seed=1)
    linear, bias, norm, decoder = weights.values()
    assert linear.std() == pytest.approx(0.02, rel=0.02)
    assert not bias.any()
    assert (norm == 1).all()
    assert np.abs(decoder).max() == pytest.approx(1 / 8, rel=0.01)


@pytest.mark.frameworks("torch")
def test_xavier_is_that_of_the_users_script(torch: Backend) -> None:
    spec = MODELS["phaseformer"].spec("published")
    weights = _drawn(torch, "phaseformer", spec, "xavier")
    plain = _drawn(torch, "phaseformer", spec)
    for name, array in weights.items():
        if array.ndim == 4 and name.endswith(".weight"):
            bound = np.sqrt(6 / ((array.shape[0] + array.shape[1]) * np.prod(array.shape[2:])))
            assert np.abs(array).max() <= bound * (1 + 1e-6)
            if array.size > 1000:
                assert array.std() == pytest.approx(bound / 3**0.5, rel=0.1), name
        else:  # one-dimensional convolutions, norms and temperatures are untouched
            np.testing.assert_array_equal(array, plain[name])


@pytest.mark.frameworks("torch")
def test_flow_by_he_starts_from_no_flow_and_features_that_last(torch: Backend) -> None:
    spec = MODELS["pwc_flow"].spec("tiny")
    weights = _drawn(torch, "pwc_flow", spec, "he")
    for name, array in weights.items():
        if name.endswith(".bias") or ".flow." in name or name == "refiner.conv7.weight":
            assert not array.any(), name
        elif array.size > 1000:
            bound = np.sqrt(6 / np.prod(array.shape[1:]))
            assert np.abs(array).max() == pytest.approx(bound, rel=0.01), name
            assert array.std() == pytest.approx(bound / 3**0.5, rel=0.1), name


@pytest.mark.frameworks("torch")
def test_orthogonal_weights_have_singular_values_of_a_fifth(torch: Backend) -> None:
    weights = _drawn(torch, "nimbusr", MODELS["nimbusr"].spec("tiny"), "orthogonal")
    for name, array in weights.items():
        if array.ndim == 4:
            values = np.linalg.svd(array.reshape(len(array), -1), compute_uv=False)
            np.testing.assert_allclose(values, 0.2, rtol=1e-5)
        else:
            assert not array.any(), name


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize("model", by_kind(MODELS))
def test_what_no_law_draws_starts_as_a_constant(torch: Backend, model: str) -> None:
    """So that it is the same in every framework."""
    spec = MODELS[model].spec("tiny")
    state = torch.call("state", spec)
    weights = initial_weights(MODELS[model], spec, state, seed=0)
    for name, array in weights.items():
        if array is state[name]:
            assert np.ptp(array) == 0, name
        assert array.dtype == state[name].dtype


def test_all_frameworks_keep_the_same_constants(backends: Callable[[str], Backend]) -> None:
    for model in ("phaseformer", "lm_ciaosr"):
        spec = MODELS[model].spec("tiny")
        torch, jittor, mindspore = (
            initial_weights(MODELS[model], spec, backends(name).call("state", spec), seed=5)
            for name in ("torch", "jittor", "mindspore")
        )
        for name, array in torch.items():
            np.testing.assert_array_equal(jittor[name], array)
            np.testing.assert_array_equal(mindspore[name], array)


def test_an_unknown_law_is_an_error_with_those_there_are() -> None:
    spec = MODELS["phaseformer"].spec("tiny")
    with pytest.raises(InputError, match="did you mean 'xavier'"):
        initial_weights(MODELS["phaseformer"], spec, {}, seed=0, law="xavir")
