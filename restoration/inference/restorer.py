"""Restores pictures of any size by any network, in any framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from restoration.engine import calls
from restoration.engine.contract import Engine, Network
from restoration.images.resize import fit_within
from restoration.models.model import Model


def restore(
    engine: Engine,
    network: Network,
    model: Model,
    image: np.ndarray,
    *,
    scale: float | None = None,
    given: Mapping[str, np.ndarray] | None = None,
    report: Callable[[str], None] = lambda _text: None,
) -> np.ndarray:
    """Restore pictures (n, 3, h, w) in [0, 1] of any size, -> (n, 3, h s, w s) in [0, 1].

    They are reduced if they are larger than the network's mode of execution allows, which `report`
    is told. scale: how much larger the result is, for networks that enlarge by any factor. given:
    what the network needs beside the picture.

    Raises:
        InputError: the network gives no picture, has not that scale, or needs more than a picture.
    """
    spec, largest_px = network.spec, network.execution.max_side_px
    reduced = fit_within(image, largest_px)
    if reduced.shape != image.shape:
        report(
            f"reduced from {image.shape[2]}x{image.shape[3]} to "
            f"{reduced.shape[2]}x{reduced.shape[3]}: the longest side may have "
            f"{largest_px} pixels"
        )
    model.check_gives_picture(spec)
    inputs = model.to_inputs(spec, reduced, scale=scale, given=given)
    height, width = model.result_size(spec, *reduced.shape[2:], scale=scale)
    outputs = calls.run(engine, network, inputs)
    return model.to_image(spec, outputs, height=height, width=width)
