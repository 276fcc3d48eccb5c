"""Cases from pictures: the photographs that scikit-image ships, or a user's own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from parity.cases.case import Arrays, Case
from restoration import images
from restoration.data import sample_inputs
from restoration.errors import InputError
from restoration.images import tiling
from restoration.models import registry
from restoration.models.model import Model
from restoration.models.spec import Spec
from weights_convert import load_weights

_ENLARGEMENT = 2.5


def photograph_case(
    model_name: str,
    *,
    spec_name: str,
    photographs: Sequence[str],
    size_px: tuple[int, int],
    gradient_size_px: tuple[int, int],
    seed: int,
    weights_file: Path | None = None,
) -> Case:
    """A model of the registry on photographs that scikit-image ships, of sizes (height, width).

    Sizes are rounded up to what the network takes.

    Raises:
        InputError: unknown model, spec or photograph, a size larger than a photograph, or weights
            that do not belong to the model.
    """
    model = registry.find(model_name)
    spec, weights = _spec_and_weights(model, spec_name, weights_file)
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
    model_name: str, image: Path, *, spec_name: str, seed: int, weights_file: Path | None = None
) -> Case:
    """A model of the registry on a user's image, extended to a size the network takes.

    A network that enlarges by any factor does so `_ENLARGEMENT` times. What a network needs beside
    the image is made up, by the seed.
    """
    model = registry.find(model_name)
    spec, weights = _spec_and_weights(model, spec_name, weights_file)
    pixels = images.read_image(image).pixels
    scale = _ENLARGEMENT if spec.magnification is None else None
    given = sample_inputs.beside(model, spec, pixels, seed=seed)
    inputs = model.to_inputs(spec, pixels, scale=scale, given=given)
    name = f"{model_name}-{spec_name}-{image.stem}"
    return Case(name, model_name, spec, inputs, seed, weights=weights)


def _spec_and_weights(
    model: Model, spec_name: str, weights_file: Path | None
) -> tuple[Spec, Arrays]:
    """A named spec with weights to be drawn, or what a file of weights tells."""
    if weights_file is None:
        return model.spec(spec_name), {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they would say is an error here
        loaded = load_weights(weights_file, model=model.name)
    if loaded.nonfinite:
        raise InputError(
            f"weights {weights_file}",
            expected="finite numbers",
            got=loaded.nonfinite,
            where="weights, before anything was run",
            next_step="no port is to blame: take an earlier checkpoint",
        )
    return loaded.spec, loaded.arrays
