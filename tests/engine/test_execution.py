"""Execution where memory is short: sizes, single images, half precision, recomputation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from parity.measure.weights import seeded_weights
from restoration.engine.calls import run
from restoration.engine.contract import Network
from restoration.engine.execution import LOW_MEMORY, PLAIN, Execution
from restoration.engine.state import load_partial
from restoration.errors import InputError
from restoration.images.resize import fit_within
from restoration.images.tiling import crop_centered, pad_centered
from restoration.inference.restorer import restore
from restoration.models import registry
from tests.backends import Backend, RaisedError

MODEL = registry.find("lmd_vit")
SPEC = MODEL.spec("tiny")
RNG = np.random.default_rng(0)
IMAGES = RNG.random((2, 3, 64, 128), np.float32)


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((1436, 2152), 256, (171, 256)),
        ((17, 33), 256, (17, 33)),
        ((33, 17), 16, (16, 8)),
        ((1, 400), 10, (1, 10)),
        ((5, 5), None, (5, 5)),
    ],
)
def test_images_are_reduced_to_the_longest_side(
    size: tuple[int, int], longest: int | None, expected: tuple[int, int]
) -> None:
    image = np.full((1, 3, *size), 0.25, np.float32)
    found = fit_within(image, longest)
    assert found.shape == (1, 3, *expected)
    assert found.dtype == np.float32
    assert np.allclose(found, 0.25)


def test_reduction_does_not_alias() -> None:
    """Stripes finer than the result can show become gray, not other stripes."""
    stripes = np.tile(np.array([0.0, 1.0], np.float32), 128).reshape(1, 1, 1, 256)
    image = np.broadcast_to(stripes, (1, 3, 64, 256))
    assert np.abs(fit_within(image, 50)[..., 5:-5] - 0.5).max() < 0.05


def test_padding_is_centered() -> None:
    image = RNG.random((1, 3, 17, 33), np.float32)
    padded = pad_centered(image, 16)
    assert padded.shape == (1, 3, 32, 48)
    assert np.array_equal(padded[..., 7:24, 7:40], image)
    assert np.array_equal(crop_centered(padded, 17, 33), image)
    assert padded.sum() == pytest.approx(image.sum())


class _Doubling:
    """Stands for an engine: brightens what it gets, and remembers how much came at once."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(self, network: Network, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.batches.append(len(inputs["image"]))
        return {"restored": 2 * inputs["image"]}


def test_images_go_one_by_one() -> None:
    engine = _Doubling()
    network = Network(None, SPEC, Execution(per_sample=True))
    found = run(engine, network, {"image": IMAGES})  # type: ignore[arg-type]
    assert engine.batches == [1, 1]
    assert np.array_equal(found["restored"], 2 * IMAGES)


def test_restoring_says_what_it_reduced_and_gives_the_image_back() -> None:
    told: list[str] = []
    image = RNG.random((1, 3, 100, 60), np.float32)
    network = Network(None, SPEC, Execution(max_side_px=50))
    engine = _Doubling()
    found = restore(engine, network, MODEL, image, report=told.append)  # type: ignore[arg-type]
    assert found.shape == (1, 3, 50, 30)
    assert found.max() <= 1
    assert told == ["reduced from 100x60 to 50x30: the longest side may have 50 pixels"]
    assert np.allclose(found, (2 * fit_within(image, 50)).clip(0, 1))
    told.clear()
    restore(engine, Network(None, SPEC), MODEL, image, report=told.append)  # type: ignore[arg-type]
    assert told == []


def test_batches_and_single_images_agree(backend: Backend) -> None:
    """The authors' code cannot run a pruned batch at all."""
    weights = seeded_weights(backend.call("state", SPEC), (0, 0))
    together = backend.call("run", SPEC, weights, {"image": IMAGES})
    for place in range(2):
        alone = backend.call("run", SPEC, weights, {"image": IMAGES[place : place + 1]})
        for name, array in alone.items():
            other = together[name][place : place + 1]
            assert np.abs(other - array).max() <= 2e-5 * max(np.abs(array).max(), 1), name


@pytest.mark.parametrize(
    ("framework", "precision"), [("torch", "bfloat16"), ("mindspore", "float16")]
)
def test_half_precision_keeps_decisions(
    backends: Callable[[str], Backend], framework: str, precision: str
) -> None:
    """Results are float32, near the exact ones under the same decisions, and not the same."""
    backend = backends(framework)
    weights = seeded_weights(backend.call("state", SPEC), (0, 0))
    exact = backend.call("run", SPEC, weights, {"image": IMAGES})
    given = {"image": IMAGES, **SPEC.enforced(exact)}
    mode = Execution(precision=precision)
    half = backend.call("run", SPEC, weights, given, "eager", mode)
    assert all(array.dtype == np.float32 for array in half.values())
    size = np.abs(exact["restored"]).max()
    error = np.abs(half["restored"] - exact["restored"]).max() / size
    assert 1e-6 < error < 0.1
    # The first predictor sees features of half precision, but computes in float32.
    assert np.abs(half["score00"] - exact["score00"]).max() < 0.02
    flips = sum(int((half[name] != exact[name]).sum()) for name in SPEC.decisions)
    assert flips < 0.05 * given["decisions"].size


@pytest.mark.parametrize(
    ("framework", "mode", "text"),
    [
        ("jittor", Execution(precision="float16"), "no kernels for float16 on CPU"),
        ("jittor", Execution(checkpointing=True), "cannot compute activations again"),
        ("mindspore", Execution(precision="bfloat16"), "choose the precision float16"),
        ("mindspore", Execution(checkpointing=True), "only in Graph mode"),
    ],
    ids=str,
)
def test_what_a_framework_cannot_do_is_said(
    backends: Callable[[str], Backend], framework: str, mode: Execution, text: str
) -> None:
    with pytest.raises(RaisedError, match=text) as caught:
        backends(framework).call("build_as", SPEC, mode)
    assert caught.value.kind == "UnavailableError"


def test_recomputation_gives_the_same_gradients(backends: Callable[[str], Backend]) -> None:
    """Also with dropped paths, which are drawn alike both times."""
    torch = backends("torch")
    plain = torch.call("training_gradients", SPEC, IMAGES, PLAIN)
    again = torch.call("training_gradients", SPEC, IMAGES, Execution(checkpointing=True))
    assert plain.keys() == again.keys()
    for name, array in plain.items():
        np.testing.assert_allclose(again[name], array, rtol=1e-4, atol=1e-6, err_msg=name)


def test_recomputation_is_of_blocks_and_renames_nothing(
    backends: Callable[[str], Backend],
) -> None:
    torch = backends("torch")
    plain = torch.call("calls_in_training", SPEC, IMAGES, PLAIN)
    again = torch.call("calls_in_training", SPEC, IMAGES, Execution(checkpointing=True))
    assert plain.keys() == again.keys()
    inside = {name for name in plain if name.endswith(".norm1") and plain[name]}
    assert {(plain[name], again[name]) for name in inside} == {(1, 2)}
    assert again[""] == plain[""] == 1


@pytest.mark.parametrize(
    ("framework", "mode"),
    [
        ("torch", PLAIN),
        ("torch", Execution(precision="bfloat16", checkpointing=True)),
        ("jittor", PLAIN),
        ("mindspore", PLAIN),
        ("mindspore", Execution(precision="float16")),
    ],
    ids=str,
)
def test_nothing_is_glued_onto_a_network(
    backends: Callable[[str], Backend], framework: str, mode: Execution
) -> None:
    alone, built = backends(framework).call("attributes", SPEC, mode)
    assert built == alone


def test_precision_ends_with_a_network_that_raises(backends: Callable[[str], Backend]) -> None:
    mode = Execution(precision="bfloat16")
    assert backends("torch").call("autocast_after_an_error", SPEC, IMAGES, mode) is False


def test_partial_weights_are_listed() -> None:
    own = {"a": np.zeros(2), "b": np.zeros(3), "c": np.ones(1)}
    filled, differences = load_partial(own, {"a": np.ones(2), "b": np.ones(4), "d": np.ones(1)})
    assert differences == ["~b (4,) for (3,)", "-c", "+d"]
    assert {name: array.tolist() for name, array in filled.items()} == {
        "a": [1, 1],
        "b": [0, 0, 0],
        "c": [1],
    }


def test_unknown_modes_are_refused() -> None:
    with pytest.raises(InputError, match="expected float32, bfloat16, float16, got 'int8'"):
        Execution(precision="int8")
    with pytest.raises(InputError, match="max_side_px: expected a number of pixels of at least 1"):
        Execution(max_side_px=0)


def test_every_framework_has_a_low_memory_mode(backend: Backend) -> None:
    spec = registry.find("lmd_vit").spec("low_memory")
    weights = seeded_weights(backend.call("state", spec), (0, 0))
    image = RNG.random((1, 3, 128, 128), np.float32)
    mode = LOW_MEMORY[backend.call("engine_name")]
    found = backend.call("run", spec, weights, {"image": image}, "eager", mode)
    assert found["restored"].shape == image.shape
    assert np.isfinite(found["restored"]).all()
