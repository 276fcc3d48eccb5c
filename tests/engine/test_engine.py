"""The engine contract, in each framework."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from parity.measure.weights import seeded_weights
from restoration.data.photographs import sharp_and_blurred
from restoration.models.mimo_unet import MIMOUNetSpec
from restoration.models.registry import MODELS
from restoration.process.frameworks import FRAMEWORKS
from tests.backends import Backend, RaisedError
from tests.conftest import example
from tests.kinds import by_kind

SPEC = MIMOUNetSpec(width=4, blocks=1)
SHARP, BLURRED = sharp_and_blurred(("cat",), height_px=16, width_px=24, seed=0)


@pytest.fixture
def weights(backend: Backend) -> dict[str, np.ndarray]:
    return seeded_weights(backend.call("state", SPEC), (0, 0))


def test_names_and_shapes_are_the_same_everywhere(backends: Callable[[str], Backend]) -> None:
    reference, *ports = (backends(framework).call("shapes", SPEC) for framework in FRAMEWORKS)
    for port in ports:
        assert port == reference


def test_loading_is_exact(backend: Backend, weights: dict[str, np.ndarray]) -> None:
    back = backend.call("round_trip", SPEC, weights)
    assert back.keys() == weights.keys()
    for name, array in weights.items():
        assert back[name].dtype == np.float32
        assert np.array_equal(back[name], array)


def test_bad_weights_are_listed_and_nothing_changes(
    backend: Backend, weights: dict[str, np.ndarray]
) -> None:
    bad = dict(weights)
    bad["stem.bios"] = bad.pop("stem.bias")
    bad["up2.weight"] = bad["up2.weight"][:, :-1]
    with pytest.raises(RaisedError) as caught:
        backend.call("round_trip", SPEC, bad)
    assert caught.value.kind == "InputError"
    for entry in ("-stem.bias", "+stem.bios", "~up2.weight (8, 3, 4, 4) for (8, 4, 4, 4)"):
        assert entry in caught.value.text
    assert backend.call("failed_load_changes", SPEC, bad) is False


def test_taps_are_named_and_ordered_alike_and_hooks_removed(
    backends: Callable[[str], Backend],
) -> None:
    found = {}
    for framework in FRAMEWORKS:
        backend = backends(framework)
        first, second, outputs = backend.call("run_tapped_twice", SPEC, {"image": BLURRED})
        assert [tap.key for tap in first] == [tap.key for tap in second]
        assert np.array_equal(first[-1].array, outputs["full"])
        found[framework] = [tap.key for tap in first]
    assert found["jittor"] == found["torch"]
    assert found["mindspore"] == found["torch"]
    assert found["torch"][:3] == ["(network)#0.in0", "stem#0.in0", "stem#0.out0"]
    assert found["torch"][-1] == "(network)#0.out2"


def test_every_mode_gives_the_same(backends: Callable[[str], Backend]) -> None:
    backend = backends("mindspore")
    weights = seeded_weights(backend.call("state", SPEC), (0, 0))
    eager = backend.call("run", SPEC, weights, {"image": BLURRED})
    graph = backend.call("run", SPEC, weights, {"image": BLURRED}, "graph")
    assert list(eager) == ["quarter", "half", "full"]
    for name, array in eager.items():
        np.testing.assert_allclose(graph[name], array, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"image": np.zeros((1, 3, 17, 33), np.float32)}, "multiples of 4, got 17x33"),
        ({"image": np.zeros((1, 1, 16, 16), np.float32)}, "(n, 3, h, w), none of them 0"),
        ({"image": np.zeros((3, 16, 16), np.float32)}, "got (3, 16, 16)"),
        ({"picture": np.zeros((1, 3, 16, 16), np.float32)}, "missing ['image']"),
    ],
)
def test_bad_inputs_are_explained(
    backends: Callable[[str], Backend], inputs: dict[str, np.ndarray], text: str
) -> None:
    backend = backends("torch")
    weights = seeded_weights(backend.call("state", SPEC), (0, 0))
    with pytest.raises(RaisedError) as caught:
        backend.call("run", SPEC, weights, inputs)
    assert caught.value.kind == "InputError"
    assert text in caught.value.text


@pytest.mark.parametrize("name", by_kind(MODELS))
def test_running_leaves_the_inputs_alone(backends: Callable[[str], Backend], name: str) -> None:
    """PyTorch's engine works in the caller's memory."""
    spec = MODELS[name].spec("tiny")
    inputs = example(MODELS[name], spec)
    assert backends("torch").call("changed_inputs", spec, inputs) == []


def test_absent_device_is_one_clear_error(backend: Backend) -> None:
    present = backend.call("devices")
    assert "cpu" in present
    absent = next(device for device in ("ascend", "cuda") if device not in present)
    with pytest.raises(RaisedError) as caught:
        backend.call("make_on", absent)
    assert caught.value.kind == "UnavailableError"
    assert f"cannot use '{absent}' here" in caught.value.text
    assert ", ".join(present) in caught.value.text


def test_describe_tells_version_device_and_precision(backend: Backend) -> None:
    described = backend.call("describe")
    assert described["device"] == "cpu"
    assert described["precision"] == "float32"
    assert any(digit in described["framework"] for digit in "0123456789")


def test_jittor_uses_onednn(backends: Callable[[str], Backend]) -> None:
    assert backends("jittor").call("describe")["oneDNN"] == "2.2"


def test_training_steps_agree(backends: Callable[[str], Backend]) -> None:
    """Adam on MIMO-UNet's loss: the same losses and parameters after steps at falling rates."""
    batch = {"image": BLURRED, "target": SHARP}
    rates = [1e-3, 5e-4, 1e-4, 1e-4]
    losses, states = {}, {}
    for framework in FRAMEWORKS:
        losses[framework], states[framework] = backends(framework).call("train", SPEC, batch, rates)
    assert losses["torch"][-1] < losses["torch"][0]
    for framework in ("jittor", "mindspore"):
        np.testing.assert_allclose(losses[framework], losses["torch"], rtol=1e-5)
        for name, array in states["torch"].items():
            moved = np.abs(states[framework][name] - array).max()
            assert moved < 0.02 * sum(rates), f"{framework}: {name} is off by {moved}"


def test_channel_dropout_acts_in_training_only(backend: Backend) -> None:
    spec = MIMOUNetSpec(width=4, blocks=1, skip_dropout=0.5)
    weights = seeded_weights(backend.call("state", spec), (0, 0))
    still = backend.call("run", spec, weights, {"image": BLURRED})
    again = backend.call("run", spec, weights, {"image": BLURRED})
    assert np.array_equal(still["full"], again["full"])
    dropped = [backend.call("training_outputs", spec, {"image": BLURRED}) for _ in range(2)]
    assert not np.allclose(dropped[0]["full"], dropped[1]["full"])
    # The coarsest output sees no skip.
    np.testing.assert_allclose(dropped[0]["quarter"], still["quarter"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("device", ["cpu", "cuda", "ascend"])
def test_every_device_of_mindspore_has_a_configuration(
    backends: Callable[[str], Backend], device: str
) -> None:
    config = backends("mindspore").call("mindspore_config", device)
    assert config["device_target"] == {"cpu": "CPU", "cuda": "GPU", "ascend": "Ascend"}[device]
    assert config["amp_level"] == "O0"
    assert config["allow_hf32"] is False
