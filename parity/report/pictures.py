"""What a framework made of a user's picture, beside what the reference makes of it in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from parity.cases.case import Case
from parity.judge.measurement import ArrayKey
from parity.report.result import Picture
from restoration import images
from restoration.evaluation import metrics
from restoration.models import registry
from restoration.process.arrays import Reader

FOLDER = "pictures"
BORDER_PX = 16
"""How far from an edge what is wrong about a border shows: a few convolutions' reach."""
_GRAY = 0.5


def pictures_of(
    case: Case, framework: str, found: Reader, exact: Reader, run: Path
) -> list[Picture]:
    """The picture among a port's outputs compared with the truth's; none where the case is not
    about a user's picture, the network gives none, or the port gave none.

    found, exact: the arrays of the port and of the truth. run: the folder of the run, for files.
    """
    model = registry.MODELS.get(case.model)
    if case.picture_size is None or model is None or model.no_picture_of(case.spec):
        return []
    height, width = case.picture_size
    outputs = [_outputs(reader) for reader in (exact, found)]
    if {name: array.shape for name, array in outputs[0].items()} != {
        name: array.shape for name, array in outputs[1].items()
    }:
        return []
    truth, port = (
        model.to_image(case.spec, arrays, height=height, width=width).astype(np.float64)
        for arrays in outputs
    )
    if not np.isfinite(port).all():
        return []
    return [compared(truth, port, f"{case.name}-{framework}", run)]


def compared(truth: np.ndarray, port: np.ndarray, name: str, run: Path) -> Picture:
    """Two pictures (n, 3, h, w) in [0, 1] with their measures; of films, n are the frames, and the
    one with the largest difference is shown."""
    difference = port - truth
    largest = float(np.abs(difference).max(initial=0.0))
    gain = _GRAY / largest if largest else 1.0
    frame = int(np.abs(difference).reshape(len(difference), -1).max(axis=1).argmax())
    files = {}
    (run / FOLDER).mkdir(exist_ok=True)
    shown = {"truth": truth, "found": port, "difference": _GRAY + gain * difference}
    for kind, pixels in shown.items():
        files[kind] = f"{FOLDER}/{name}-{kind}.png"
        images.write_image(run / files[kind], images.Image(_float32(pixels[frame : frame + 1])))
    levels = [np.rint(255 * pixels).astype(np.int16) for pixels in (truth, port)]
    inside = np.zeros(difference.shape[-2:], bool)
    inside[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = True
    return Picture(
        name,
        **files,
        gain=gain,
        psnr_db=_db(truth, port),
        changed=int(np.count_nonzero(levels[0] != levels[1])),
        samples=truth.size,
        border_px=BORDER_PX,
        border_error=_root_mean_square(difference[..., ~inside]),
        interior_error=_root_mean_square(difference[..., inside]),
        frames_db=[_db(*pair) for pair in zip(truth, port, strict=True)] if len(truth) > 1 else [],
    )


def _outputs(reader: Reader) -> Mapping[str, np.ndarray]:
    keys = [ArrayKey.parse(name) for name in reader.names if name.startswith("output/")]
    return {key.name: reader[str(key)] for key in keys}


def _float32(pixels: np.ndarray) -> np.ndarray:
    return pixels.clip(0, 1).astype(np.float32)


def _db(truth: np.ndarray, port: np.ndarray) -> float | None:
    """Over all channels and frames together; None where they are equal."""
    truth, port = (array.reshape(-1, *array.shape[-2:]) for array in (truth, port))
    found = metrics.psnr_db(truth, port)
    return found if math.isfinite(found) else None


def _root_mean_square(numbers: np.ndarray) -> float:
    return float(np.sqrt(np.mean(numbers**2))) if numbers.size else 0.0
