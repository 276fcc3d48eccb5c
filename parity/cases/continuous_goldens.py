"""Files of continuous networks hold several calls of the authors' code; here they become one.

A file names its arrays by call: images "lr" (or "lr_CALL"), "coord_CALL" (n, q, 2), "cell_CALL" (n,
q, 2), and results "rgb_CALL", or "train_CALL" where the network was in training mode. All calls on
images of one size become one batch: an image that took part in several calls is there several
times, and shorter lists of queries are repeated up to the length of the longest, with factors of
zero in the cotangents. The authors' LM-CiaoSR leaves out the skip in training; ours does not, so
what it is expected to give there is the authors' result and the skip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from parity.judge.measurement import ArrayKey
from restoration.arrays import Arrays
from restoration.errors import InputError
from restoration.models import continuous
from restoration.models.continuous import ContinuousSpec
from restoration.models.spec import Spec

_WITHOUT_SKIP_IN_TRAINING = "models.lmciaosr.LMCiaoSR"


@dataclass(frozen=True)
class Merged:
    """One batch, as the fields of a case; see `parity.cases.case.Case`."""

    inputs: Arrays
    cotangents: Arrays
    expected: dict[ArrayKey, np.ndarray]
    copies: tuple[int, ...]


@dataclass
class _Call:
    """One call: its images' name and their pixels, where it looks, and its results with cotangents.

    results: pairs of a result (n, q, 3) and its cotangent (empty if the file has none), and whether
    the network was in training mode.
    """

    image_name: str
    image: np.ndarray
    place: Arrays
    results: list[tuple[np.ndarray, np.ndarray, bool]] = field(default_factory=list)

    @property
    def queries(self) -> int:
        return self.place["index"].shape[2]


def merge(spec: Spec, content: Mapping[str, np.ndarray], *, authors_class: str) -> list[Merged]:
    """The batches of a file, one for each size of image.

    authors_class: that computed the results.

    Raises:
        InputError: the network takes no places, or a call lacks its places or cells.
    """
    if set(spec.inputs) != set(ContinuousSpec.inputs):
        raise InputError(
            f"calls of {spec.network}",
            expected=f"a continuous network, which takes {', '.join(ContinuousSpec.inputs)}",
            got=f"one that takes {', '.join(spec.inputs)}",
            where="metadata 'kind' and 'class' of a golden file",
            next_step="a file with one run of a network has the kind 'model'",
        )
    looking = cast(ContinuousSpec, spec)
    calls = list(_calls(looking, content))
    sizes = dict.fromkeys(call.image.shape[2:] for call in calls)
    batches = [[call for call in calls if call.image.shape[2:] == size] for size in sizes]
    lacks_skip = authors_class == _WITHOUT_SKIP_IN_TRAINING
    return [_merge(looking, batch, content, lacks_skip_in_training=lacks_skip) for batch in batches]


def _calls(spec: ContinuousSpec, content: Mapping[str, np.ndarray]) -> Iterator[_Call]:
    """The calls of a file, each once, though its result may be there for both modes."""
    outputs = [name.removeprefix("outputs/") for name in content if name.startswith("outputs/")]
    found: dict[str, _Call] = {}
    for output in outputs:
        mode, _, call = output.partition("_")
        call = "train" if output == "train_batch" else call
        if call not in found:
            found[call] = _read_call(spec, content, call)
        result, cotangent = (
            _as_list(content.get(f"{group}/{output}", np.zeros(0)))
            for group in ("outputs", "probes")
        )
        found[call].results.append((result, cotangent, mode == "train"))
    yield from found.values()


def _read_call(spec: ContinuousSpec, content: Mapping[str, np.ndarray], call: str) -> _Call:
    places, cells = f"inputs/coord_{call}", f"inputs/cell_{call}"
    if places not in content or cells not in content:
        raise InputError(
            f"result {call!r} of a golden file",
            expected=f"the arrays {places!r} and {cells!r} that it was rendered with",
            got=", ".join(name for name in content if name.startswith("inputs/")) or "no inputs",
            where="the file's arrays",
            next_step="give a file of a network's own results, not of its parts",
        )
    coord, cell = content[places], content[cells]
    name = f"lr_{call}" if f"inputs/lr_{call}" in content else "lr"
    image = content[f"inputs/{name}"][: len(coord)]
    height, width = image.shape[2:]
    coord = coord.reshape(len(coord), -1, 2)
    cell = cell.reshape(len(cell), -1, 2)
    assert (cell == cell[:, :1]).all(), "a cell per image"
    return _Call(
        name, image, continuous.lookup(spec, coord, cell[:, 0], height=height, width=width)
    )


def _as_list(pixels: np.ndarray) -> np.ndarray:
    """Results as (n, q, 3), also those of a network that gives images."""
    if pixels.ndim != 4:
        return pixels
    return pixels.transpose(0, 2, 3, 1).reshape(len(pixels), -1, 3)


def _merge(
    spec: ContinuousSpec,
    calls: list[_Call],
    content: Mapping[str, np.ndarray],
    *,
    lacks_skip_in_training: bool,
) -> Merged:
    """One batch from calls on images of one size."""
    longest = max(call.queries for call in calls)
    total = sum(len(call.image) for call in calls)
    originals = {name: content[f"inputs/{name}"] for name in {call.image_name: 0 for call in calls}}
    firsts = dict(zip(originals, np.cumsum([0, *map(len, originals.values())]), strict=False))
    slopes = {name: content.get(f"grads_inputs/{name}") for name in originals}
    has_gradients = all(slope is not None for slope in slopes.values())
    by_image = {name: np.array(slope) for name, slope in slopes.items() if slope is not None}
    parts: dict[str, list[np.ndarray]] = {}
    copies: list[int] = []
    for call in calls:
        n, q = len(call.image), call.queries
        pixels = call.image.shape[2] * call.image.shape[3]
        repeated = np.arange(longest) % q
        place = {name: array for name, array in call.place.items() if name != "cell"}
        for name, array in place.items():
            parts.setdefault(name, []).append(array.take(repeated, 2))
        parts["index"][-1] = (parts["index"][-1] + len(copies) * pixels).astype(np.int32)
        parts.setdefault("cell", []).append(call.place["cell"])
        parts.setdefault("image", []).append(call.image)
        first = int(firsts[call.image_name])
        copies += range(first, first + n)
        skip = _Skip(spec, call)
        cotangents = np.zeros((n, longest, 3))
        for result, cotangent, is_training in call.results:
            lacks_skip = is_training and lacks_skip_in_training
            whole = result + skip.apply() if lacks_skip else result
            if cotangent.size:
                # Each result's mean is over itself, the gradients' over the whole batch.
                cotangents[:, :q] += cotangent.astype(np.float64) * (total * longest / (n * q))
                if lacks_skip:
                    by_image[call.image_name][:n] += skip.transposed(
                        cotangent.astype(np.float64) / cotangent.size
                    )
        parts.setdefault("cotangents", []).append(cotangents)
        parts.setdefault("rgb", []).append(whole.take(repeated, 1))
    whole = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    rgb, cotangents = whole.pop("rgb"), whole.pop("cotangents")
    expected = {ArrayKey.output("rgb"): rgb}
    if has_gradients:
        expected[ArrayKey.input_gradient("image")] = np.concatenate(list(by_image.values()))
    return Merged(
        inputs={name: whole[name] for name in spec.inputs},
        cotangents={"rgb": cotangents} if cotangents.any() else {},
        expected=expected,
        copies=tuple(copies),
    )


class _Skip:
    """Bilinear interpolation of a call's images, and its transpose, in NumPy."""

    def __init__(self, spec: ContinuousSpec, call: _Call):
        self._image = call.image.astype(np.float64)
        first = spec.neighbors if spec.has_skip else 0
        self._index = call.place["index"][:, first:]
        self._weight = call.place["weight"][:, first:]

    def apply(self) -> np.ndarray:
        """(n, q, 3)."""
        rows = self._image.transpose(0, 2, 3, 1).reshape(-1, 3)
        return np.einsum("nkqc,nkq->nqc", rows[self._index], self._weight)

    def transposed(self, values: np.ndarray) -> np.ndarray:
        """What a gradient by the interpolated pixels (n, q, 3) is by the images (n, 3, h, w)."""
        n, channels, height, width = self._image.shape
        rows = np.zeros((n * height * width, channels))
        np.add.at(rows, self._index, self._weight[..., None] * values[:, None])
        return rows.reshape(n, height, width, channels).transpose(0, 3, 1, 2)
