"""From a picture to a network's inputs and back: right in size, range and place, for all models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from parity.measure.weights import seeded_weights
from restoration.arrays import Arrays
from restoration.data import sample_inputs
from restoration.data.photographs import photograph
from restoration.engine.contract import Network
from restoration.errors import InputError
from restoration.inference.restorer import restore
from restoration.models.continuous import ContinuousSpec
from restoration.models.model import Model
from restoration.models.registry import MODELS, find
from restoration.models.spec import Spec
from tests.backends import Backend
from tests.kinds import by_kind

SIZES = ((1, 1), (2, 3), (17, 33))
SCALE = 2.5
TINY = [
    (model, name) for model in MODELS.values() for name in model.specs if name.startswith("tiny")
]
ALIKE = [
    *((name, "tiny") for name in ("mimo_unet", "lm_lte", "edsr", "self_blind_vsr")),
    *(("edsr", name) for name in ("tiny-official", "tiny-basicsr")),
    *(("swinir", name) for name in ("tiny-real", "tiny-denoise-gray", "tiny-jpeg-color")),
]
GIVING = [(model, name) for model, name in TINY if not model.no_picture_of(model.spec(name))]


def _scale(spec: Spec) -> float | None:
    return SCALE if spec.magnification is None else None


def _picture(height: int, width: int) -> np.ndarray:
    return photograph("cat", height_px=height, width_px=width)


class _Echo:
    """Stands for an engine: a perfect network, whose result is its input, enlarged."""

    def __init__(self, model: Model, spec: Spec):
        self._model, self._spec = model, spec

    def run(self, _network: object, inputs: Mapping[str, np.ndarray]) -> Arrays:
        image = inputs["frames"][:, 0] if "frames" in inputs else inputs["image"]
        if isinstance(self._spec, ContinuousSpec):
            return {"rgb": self._interpolated(image, inputs)}
        factor = self._spec.magnification or 1
        return {self._model.picture: image.repeat(factor, 2).repeat(factor, 3)}

    def _interpolated(self, image: np.ndarray, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """What the four last pixels that a query is told give, or else the nearest one."""
        rows = image.transpose(0, 2, 3, 1).reshape(-1, 3)
        count = 4 if self._spec.has_skip else 1  # type: ignore[attr-defined]
        index, weight = inputs["index"][:, -count:], inputs["weight"][:, -count:]
        weight = weight / weight.sum(1, keepdims=True)
        return np.einsum("nkqc,nkq->nqc", rows[index], weight)


@pytest.mark.parametrize(("model", "name"), GIVING, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("size", SIZES)
def test_a_perfect_network_gives_the_picture_back(
    model: Model, name: str, size: tuple[int, int]
) -> None:
    """Where it is enlarged, bilinearly or by whole pixels, by SciPy's or NumPy's own means."""
    spec, image = model.spec(name), _picture(*size)
    given = sample_inputs.beside(model, spec, image, seed=0)
    found = restore(
        _Echo(model, spec),  # type: ignore[arg-type]
        Network(None, spec),
        model,
        image,
        scale=_scale(spec),
        given=given,
    )
    height, width = (round((_scale(spec) or spec.magnification or 1) * side) for side in size)
    assert found.shape == (1, 3, height, width)
    if not isinstance(spec, ContinuousSpec):
        factor = spec.magnification or 1
        expected = image.repeat(factor, 2).repeat(factor, 3)
        np.testing.assert_allclose(found, expected, atol=2e-6)
    elif spec.has_skip:  # others are told no weights of a bilinear interpolation
        expected = _enlarged(image, height, width)
        np.testing.assert_allclose(found, expected, atol=2e-6)


def _enlarged(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resized bilinearly with half-pixel centers and a replicated border."""
    rows = (np.arange(height) + 0.5) * image.shape[2] / height - 0.5
    columns = (np.arange(width) + 0.5) * image.shape[3] / width - 0.5
    places = np.meshgrid(rows, columns, indexing="ij")
    planes = [map_coordinates(plane, places, order=1, mode="nearest") for plane in image[0]]
    return np.stack(planes)[None]


@pytest.mark.parametrize("name", ["ciaosr", "lm_lte", "lte"])
def test_a_picture_smaller_than_the_encoder_takes_is_enlarged_in_place(name: str) -> None:
    """SwinIR's windows need more pixels than there are; what is added stays outside the result."""
    model = find(name)
    spec = model.spec("published-swinir")
    image = _picture(3, 2)
    found = restore(_Echo(model, spec), Network(None, spec), model, image, scale=4)  # type: ignore[arg-type]
    inside = (slice(None), slice(None), slice(0, 10), slice(0, 6))
    np.testing.assert_allclose(found[inside], _enlarged(image, 12, 8)[inside], atol=2e-6)


@pytest.mark.parametrize(("model", "name"), TINY, ids=lambda value: getattr(value, "name", value))
def test_pictures_of_every_size_are_restored_or_refused(
    model: Model, name: str, backends: Callable[[str], Backend]
) -> None:
    spec = model.spec(name)
    weights = seeded_weights(backends("torch").call("state", spec), (0, 0))
    reason = model.no_picture_of(spec)
    for size in SIZES:
        image = _picture(*size)
        given = sample_inputs.beside(model, spec, image, seed=0)
        options: dict[str, Any] = {"scale": _scale(spec), "given": given}
        if reason:
            with pytest.raises(InputError, match="expected a network that gives one, got"):
                model.to_image(spec, {}, height=1, width=1)
            inputs = model.to_inputs(spec, image, **options)
            outputs = backends("torch").call("run", spec, weights, inputs)
            assert all(np.isfinite(array).all() for array in outputs.values())
            continue
        found = backends("torch").call("restore", model.name, spec, weights, image, options)
        assert found.shape[2:] == model.result_size(spec, *size, scale=_scale(spec))
        assert np.isfinite(found).all()
        assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize(
    ("name", "spec_name"),
    [*by_kind(ALIKE), pytest.param("lmd_vit", "tiny", marks=pytest.mark.goldens)],
)
def test_every_framework_restores_alike(
    name: str, spec_name: str, backends: Callable[[str], Backend]
) -> None:
    model = find(name)
    spec, image = model.spec(spec_name), _picture(17, 33)
    weights = seeded_weights(backends("torch").call("state", spec), (0, 0))
    options = {"scale": _scale(spec)}
    expected, *others = (
        backends(framework).call("restore", name, spec, weights, image, options)
        for framework in ("torch", "jittor", "mindspore")
    )
    for found in others:
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_kernel_prediction_sees_light(backends: Callable[[str], Backend]) -> None:
    """A picture goes in as the photographs of a parity run do: [-0.5, 0.5], not [0, 1]."""
    model = find("kernel_prediction")
    image = _picture(40, 50)
    inputs = model.to_inputs(model.spec("tiny"), image)
    np.testing.assert_allclose(inputs["image"], image.astype(np.float64) ** 2.2 - 0.5, atol=1e-6)


def test_what_is_missing_is_said() -> None:
    image = _picture(4, 4)
    nimbusr, edsr, liif = find("nimbusr"), find("edsr"), find("liif")
    with pytest.raises(InputError, match=r"expected kernels, .*, got a picture alone"):
        nimbusr.to_inputs(nimbusr.spec("tiny"), image)
    with pytest.raises(InputError, match="scale of edsr: expected 2, or none given, got 3"):
        edsr.to_inputs(edsr.spec("tiny"), image, scale=3)
    with pytest.raises(InputError, match="expected a number of at least 1, got none"):
        liif.to_inputs(liif.spec("tiny"), image)
    with pytest.raises(InputError, match=r"expected a number of at least 1, got 0\.5"):
        liif.to_inputs(liif.spec("tiny"), image, scale=0.5)
    with pytest.raises(InputError, match=r"expected shape \(n, 3, h, w\).*got \(3, 4, 4\)"):
        edsr.to_inputs(edsr.spec("tiny"), image[0])
