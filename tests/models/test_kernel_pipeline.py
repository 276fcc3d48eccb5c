"""Deblurring with both networks in a row: predict kernels, turn them, restore."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from parity.judge.authors import AUTHORS_BOUND
from parity.judge.verdicts import BOUND
from restoration.blur.kernel_field import KernelField
from restoration.models.spec import Spec
from tests.backends import Backend
from tests.parity.judging import Arrays, distance, perturbed_by_an_ulp, worst_ratio
from weights_convert.checkpoints.loading import read_state
from weights_convert.published import layouts

GOLDEN = Path(__file__).parents[1] / "golden" / "kernel_prediction-pipeline.safetensors"
PORTS = ("jittor", "mindspore")
GAMMA = 2.2
SIGMA = 0.01


@dataclasses.dataclass(frozen=True)
class Network:
    spec: Spec
    weights: Arrays


@dataclasses.dataclass(frozen=True)
class Pipeline:
    predict: Network
    restore: Network
    image: np.ndarray
    stored: Arrays


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    content = load_file(GOLDEN)
    with safe_open(GOLDEN, framework="np") as file:
        config = json.loads(file.metadata()["config"])

    def group(prefix: str) -> Arrays:
        return {
            name.removeprefix(prefix): array
            for name, array in content.items()
            if name.startswith(prefix)
        }

    def network(model: str, prefix: str, config: dict[str, Any]) -> Network:
        weights = group(f"weights/{prefix}.")
        return Network(*read_state(layouts()[model], weights, config, where=GOLDEN.name))

    return Pipeline(
        network("kernel_prediction", "kernels_network", config["kernels_network"]),
        network("nimbusr", "restoration", config["restoration"]),
        content["inputs/image"],
        group("outputs/"),
    )


def _deblur(
    backend: Backend, function: str, predict: Network, restore: Network, image: np.ndarray
) -> Arrays:
    """The whole recipe; only the network of kernels sees the gamma."""
    linear = {"image": image**GAMMA - image.dtype.type(0.5)}
    predicted = backend.call(function, predict.spec, predict.weights, linear)
    field = KernelField(predicted["kernels"], predicted["masks"]).flipped()
    inputs = {
        "image": image,
        "masks": field.masks,
        "kernels": field.kernels,
        "sigma": np.full((1, 1, 1, 1), SIGMA, image.dtype),
    }
    restored = backend.call(function, restore.spec, restore.weights, inputs)["restored"]
    again = backend.call("nimbusr_blur", [image, field.masks, field.kernels])
    return predicted | {
        "restored": restored,
        "restored_clipped": restored.clip(0, 1),
        "blurred_again": again,
    }


def test_both_networks_in_a_row(backends: Callable[[str], Backend], pipeline: Pipeline) -> None:
    """PyTorch in float64 gives what the authors' code gave; the ports are as exact as PyTorch."""
    torch = backends("torch")
    predict, restore, image = pipeline.predict, pipeline.restore, pipeline.image
    truth = _deblur(torch, "run_exactly", predict, restore, image.astype(np.float64))
    assert truth.keys() == pipeline.stored.keys()
    for name, array in truth.items():
        assert distance(array, pipeline.stored[name]) <= AUTHORS_BOUND, name

    def perturbed(network: Network, seed: int) -> Network:
        return Network(network.spec, perturbed_by_an_ulp(network.weights, seed))

    float32_runs = [_deblur(torch, "run", predict, restore, image)] + [
        _deblur(
            torch,
            "run",
            perturbed(predict, seed),
            perturbed(restore, seed),
            perturbed_by_an_ulp({"image": image}, seed)["image"],
        )
        for seed in range(3)
    ]
    for framework in PORTS:
        found = _deblur(backends(framework), "run", predict, restore, image)
        ratio, where = worst_ratio(found, truth, float32_runs)
        assert ratio <= BOUND, f"{framework}: {where}"


def test_the_field_blurs_as_the_restoration_network_does(pipeline: Pipeline) -> None:
    """Correlation with the predicted kernels is convolution with the turned ones."""
    field = KernelField(pipeline.stored["kernels"], pipeline.stored["masks"])
    found = field.blur(pipeline.image.astype(np.float64), border="wrap")
    assert distance(found, pipeline.stored["blurred_again"]) <= AUTHORS_BOUND


def test_predicted_kernels_are_weights(pipeline: Pipeline, backend: Backend) -> None:
    linear = {"image": pipeline.image**GAMMA - np.float32(0.5)}
    found = backend.call("run", pipeline.predict.spec, pipeline.predict.weights, linear)
    KernelField(found["kernels"], found["masks"]).require_sums()
