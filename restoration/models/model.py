"""A model of the suite: its paper, its specs, its published weights, and its way to pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from restoration.arrays import Arrays
from restoration.errors import InputError, unknown_name
from restoration.images import tiling
from restoration.models.spec import Spec


@dataclass(frozen=True)
class PublishedWeights:
    """A checkpoint that the authors distribute.

    file: its name on their download page. spec: which of the model's specs it belongs to.
    layout: the key of its table in `tests/golden/full/<model>.json`.
    """

    file: str
    spec: str
    layout: str
    parameters: int
    entries: int


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model that the suite implements in every framework.

    specs: named hyper-parameters; every model has "tiny" (tests, quick parity) and "published".
    sample_inputs: the function of `restoration/data/sample_inputs.py` that makes its inputs from
    photographs. picture: which output is the restored picture, empty if none is; `no_picture` then
    says what the outputs are instead. needs: inputs that no picture tells, by what they are.

    A network whose input is more than one picture in [0, 1] has a subclass of this in its file.
    """

    name: str
    title: str
    source: str
    specs: Mapping[str, Spec]
    sample_inputs: str
    published: tuple[PublishedWeights, ...] = ()
    picture: str = ""
    no_picture: str = ""
    needs: Mapping[str, str] = field(default_factory=dict)

    def spec(self, name: str) -> Spec:
        """A spec of this model by its name.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self.specs:
            raise unknown_name(f"spec of {self.name}", name, self.specs, where="--spec")
        return self.specs[name]

    def result_size(
        self, spec: Spec, height: int, width: int, *, scale: float | None = None
    ) -> tuple[int, int]:
        """Height and width of the result for a picture of a size.

        scale: how much larger it is; a network that enlarges by any factor needs it, others know.

        Raises:
            InputError: a scale that the network has not, or none where it needs one.
        """
        known = spec.magnification
        if (scale is None if known is None else scale not in (None, known)) or (scale or 1) < 1:
            raise InputError(
                f"scale of {self.name}",
                expected="a number of at least 1" if known is None else f"{known}, or none given",
                got="none" if scale is None else f"{scale:g}",
                where=type(spec).__name__,
                next_step="continuous networks (as lm_liif) enlarge by any factor"
                if known is not None
                else "say how much larger the result shall be: --scale 4, or scale=4 in Python",
            )
        factor = scale if known is None else known
        assert factor is not None
        return round(height * factor), round(width * factor)

    def to_inputs(
        self,
        spec: Spec,
        image: np.ndarray,
        *,
        scale: float | None = None,
        given: Mapping[str, np.ndarray] | None = None,
    ) -> Arrays:
        """The network's inputs for pictures (n, 3, h, w), RGB in [0, 1], of any size from 1x1.

        scale: see `result_size`. given: what the network needs beside the picture, see `needs`.

        Raises:
            InputError: no pictures, a scale that the network has not, or something is not given.
        """
        self.check_picture(image)
        self.result_size(spec, *image.shape[2:], scale=scale)
        for name, meaning in self.needs.items():
            if name not in (given or {}):
                raise InputError(
                    f"inputs of {self.name}",
                    expected=f"{name}, {meaning}",
                    got="a picture alone",
                    where=f"restoration/models, {type(self).__name__}",
                    next_step="give it beside the picture, as kernel_prediction estimates it",
                )
        return self._inputs(spec, image, scale, dict(given or {}))

    def to_image(
        self,
        spec: Spec,
        outputs: Mapping[str, np.ndarray],
        *,
        height: int,
        width: int,
        is_clipped: bool = True,
    ) -> np.ndarray:
        """The restored pictures (n, 3, height, width) in [0, 1] from the network's outputs.

        height, width: as `result_size` says. is_clipped: cut off what lies outside of [0, 1].

        Raises:
            InputError: the network gives no picture; the text says what it gives.
        """
        self.check_gives_picture(spec)
        pictures = self._image(spec, outputs, height, width)
        return pictures.clip(0, 1) if is_clipped else pictures

    def check_gives_picture(self, spec: Spec) -> None:
        """Raise InputError if the network gives no picture; the text says what it gives."""
        reason = self.no_picture_of(spec)
        if reason:
            raise InputError(
                f"picture by {self.name}",
                expected="a network that gives one",
                got=reason,
                where=type(spec).__name__,
                next_step="choose another model or spec; README lists them",
            )

    def no_picture_of(self, spec: Spec) -> str:
        """Why the network gives no picture, empty if it gives one."""
        return self.no_picture

    @staticmethod
    def check_picture(image: np.ndarray) -> None:
        """Raise unless an array is pictures (n, 3, h, w)."""
        if image.ndim != 4 or image.shape[1] != 3 or 0 in image.shape:
            raise InputError(
                "pictures",
                expected="shape (n, 3, h, w), none of them 0, RGB in [0, 1]",
                got=str(tuple(image.shape)),
                where="restoration.models.Model.to_inputs",
                next_step="restoration.images.read_image gives (1, 3, h, w)",
            )

    def _inputs(self, spec: Spec, image: np.ndarray, scale: float | None, given: Arrays) -> Arrays:
        """What the network's subclass makes of a checked picture."""
        return {"image": tiling.pad_to_multiple(image, spec.size_multiple, spec.smallest_side_px)}

    def _image(
        self, spec: Spec, outputs: Mapping[str, np.ndarray], height: int, width: int
    ) -> np.ndarray:
        """The picture among the outputs, without what `_inputs` added at its border."""
        return outputs[self.picture][..., :height, :width]
