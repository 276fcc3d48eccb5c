"""Cases from pictures: the photographs that scikit-image ships, or a user's own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parity.cases.case import Case
from restoration import images
from restoration.arrays import Arrays
from restoration.data import sample_inputs
from restoration.errors import InputError
from restoration.images import tiling
from restoration.models import registry
from restoration.models.model import Model
from restoration.models.spec import Spec
from weights_convert import load_weights
from weights_convert.checkpoints.recognize import NO_SETTINGS

_ENLARGEMENT = 2.5

Settings = Mapping[str, Any]


def photograph_case(
    model_name: str,
    *,
    spec_name: str,
    photographs: Sequence[str],
    size_px: tuple[int, int],
    gradient_size_px: tuple[int, int],
    seed: int,
    weights_file: Path | None = None,
    settings: Settings = NO_SETTINGS,
) -> Case:
    """A model of the registry on photographs that scikit-image ships, of sizes (height, width).

    Sizes are rounded up to what the network takes.

    Raises:
        InputError: unknown model, spec or photograph, a size larger than a photograph, or weights
            that do not belong to the model.
    """
    model = registry.find(model_name)
    spec, weights = _spec_and_weights(model, spec_name, weights_file, settings)
    inputs, gradient_inputs = (
        sample_inputs.build(
            model,
            spec,
            height_px=tiling.rounded_up(height, spec.size_multiple),
            width_px=tiling.rounded_up(width, spec.size_multiple),
            names=names,
            seed=seed,
        )
        for (height, width), names in ((size_px, photographs), (gradient_size_px, photographs[:1]))
    )
    name = f"{model_name}-{spec_name}"
    return Case(name, model_name, spec, inputs, seed, gradient_inputs, weights)


def image_case(
    model_name: str,
    image: Path,
    *,
    spec_name: str,
    seed: int,
    weights_file: Path | None = None,
    settings: Settings = NO_SETTINGS,
) -> Case:
    """A model of the registry on a user's image, extended to a size the network takes.

    A network that enlarges by any factor does so `_ENLARGEMENT` times. What a network needs beside
    the image is made up, by the seed.
    """
    model = registry.find(model_name)
    spec, weights = _spec_and_weights(model, spec_name, weights_file, settings)
    pixels = images.read_image(image).pixels
    scale = _ENLARGEMENT if spec.magnification is None else None
    given = sample_inputs.beside(model, spec, pixels, seed=seed)
    inputs = model.to_inputs(spec, pixels, scale=scale, given=given)
    name = f"{model_name}-{spec_name}-{image.stem}"
    size = model.result_size(spec, *pixels.shape[2:], scale=scale)
    return Case(name, model_name, spec, inputs, seed, weights=weights, picture_size=size)


def _spec_and_weights(
    model: Model, spec_name: str, weights_file: Path | None, settings: Settings
) -> tuple[Spec, Arrays]:
    """A named spec with weights to be drawn, or what a file of weights tells."""
    if settings and weights_file is None:
        raise InputError(
            "--set",
            expected="a file of weights, of which it says what no shape tells",
            got="no --weights",
            where="--set",
            next_step="name the file with --weights, or choose a spec with --spec",
        )
    if weights_file is None:
        return model.spec(spec_name), {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numbers that are not finite are an error of a case
        loaded = load_weights(weights_file, model=model.name, settings=settings)
    return loaded.spec, loaded.arrays
