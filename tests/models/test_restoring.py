"""The published networks of SwinIR and EDSR: pictures of any kind, range and mean color."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from parity.cases.goldens import golden_cases
from parity.judge.measurement import ArrayKey
from parity.measure.weights import seeded_weights
from restoration.errors import InputError
from restoration.models.edsr import EDSRSpec
from restoration.models.lmf import LMLIIFSpec
from restoration.models.registry import find
from restoration.models.swinir import SwinIRSpec
from tests.backends import Backend

GOLDEN = Path(__file__).parents[1] / "golden"
ROUNDED = 1e-7
"""What rounding k/255 and the mean to float32 may change; see `edsr_official-basicsr-x2`."""


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize("name", ["x2", "x4-res_scale"])
def test_both_forms_of_edsr_restore_the_same(backends: Callable[[str], Backend], name: str) -> None:
    """The authors' network of 0 to 255 on a picture in [0, 1] gives what BasicSR's computed."""
    (case,) = golden_cases(GOLDEN / f"edsr_official-{name}.safetensors")
    basicsr = load_file(GOLDEN / f"edsr_official-basicsr-{name}.safetensors")
    spec = dataclasses.replace(case.spec, value_range=255.0)  # type: ignore[call-arg]
    image = basicsr["inputs/lr"]
    found = backends("torch").call("run_exactly", spec, case.weights, {"image": image})["restored"]
    for expected in (
        basicsr["outputs/restored_lr"],
        case.expected[ArrayKey.output("restored")] / 255,
    ):
        assert np.abs(found - expected).max() <= ROUNDED * np.abs(expected).max()


@pytest.mark.frameworks("torch")
def test_a_gray_network_restores_each_channel(backends: Callable[[str], Backend]) -> None:
    model = find("swinir")
    spec = model.spec("tiny-denoise-gray")
    weights = seeded_weights(backends("torch").call("state", spec), (0, 0))
    image = np.random.default_rng(0).random((2, 3, 9, 6), np.float32)
    found = backends("torch").call("restore", "swinir", spec, weights, image, {})
    for channel in range(3):
        chosen = [channel] * 3
        gray = image[:, chosen]
        alone = backends("torch").call("restore", "swinir", spec, weights, gray, {})
        np.testing.assert_allclose(
            alone, np.repeat(found[:, channel : channel + 1], 3, 1), atol=1e-6
        )


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize("name", ["tiny-classical", "tiny-jpeg-color"])
def test_no_side_gives_nan(backends: Callable[[str], Backend], name: str) -> None:
    """The authors' program leaves pixels that no tile covers, 0/0, where a side is below 32."""
    spec = find("swinir").spec(name)
    weights = seeded_weights(backends("torch").call("state", spec), (0, 0))
    for size in ((16, 40), (32, 8), (5, 3)):
        image = np.random.default_rng(1).random((1, 3, *size), np.float32)
        found = backends("torch").call("restore", "swinir", spec, weights, image, {})
        assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SwinIRSpec(head="bicubic"), "one of features, pixelshuffle"),
        (lambda: SwinIRSpec(head="nearest+conv", scale=3), "2 or 4 with 'nearest+conv', got 3"),
        (lambda: SwinIRSpec(head="residual", scale=2), "1 with 'residual', got 2"),
        (lambda: SwinIRSpec(scale=2), "1 with 'features', got 2"),
        (lambda: SwinIRSpec(image_channels=1), "3 with 'features', got 1"),
        (lambda: SwinIRSpec(head="residual", image_channels=4), "3, or 1 for gray"),
        (lambda: SwinIRSpec(value_range=255), "1 with 'features', got 255"),
        (lambda: SwinIRSpec(head="residual", value_range=0), "a number above 0"),
        (lambda: SwinIRSpec(head="residual", keep_padding=True), "False with 'residual'"),
        (lambda: EDSRSpec(mean="mine", scale=2), "one of none, layers, fixed"),
        (lambda: EDSRSpec(mean="layers"), "2, 3 or 4 with a mean, got 1"),
        (lambda: EDSRSpec(value_range=255), "1 without mean, got 255"),
        (
            lambda: LMLIIFSpec(encoder=SwinIRSpec(head="residual")),
            "an encoder's spec, scale 1",
        ),
    ],
)
def test_what_cannot_be_is_explained(make: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert words in str(caught.value)


def test_a_gray_network_takes_one_channel() -> None:
    spec = find("swinir").spec("denoise-gray")
    with pytest.raises(InputError, match=r"expected shape \(n, 1, h, w\)"):
        spec.check_inputs({"image": np.zeros((1, 3, 16, 16), np.float32)})
