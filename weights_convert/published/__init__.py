"""The layouts in which the authors published their checkpoints, one module per model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from restoration.errors import InputError, unknown_name
from restoration.models.spec import Spec
from weights_convert.naming.tables import NameTable

Arrays = dict[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """How the authors' code names a model.

    classes: their classes that have this layout. table: names of weights. spec: hyper-parameters
    from the shapes under the suite's names and from what else is known of the configuration.
    inputs, outputs: their names of inputs and outputs, where they differ from ours. adapted: inputs
    of a golden file in the form that ours has. constants: what their files hold beside the weights
    and the suite has not, by their names. flat: beginnings of our names of weights that are
    (out, in) here and (out, in, 1, 1) there. container: what their checkpoint holds, from the spec
    and the weights by their names.
    strangers: names that occur only in another model's checkpoints, though most of the others are
    the same, and the model they belong to.
    """

    classes: tuple[str, ...]
    table: NameTable
    spec: Callable[[Shapes, Mapping[str, Any]], Spec]
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    adapted: Callable[[Arrays], Arrays] = lambda inputs: inputs
    constants: Callable[[Any], Mapping[str, np.ndarray]] = lambda spec: {}
    flat: tuple[str, ...] = ()
    container: Callable[[Spec, Mapping[str, Any]], object] = lambda spec, weights: dict(weights)
    strangers: Mapping[str, str] = field(default_factory=dict)

    def read(
        self, state: Mapping[str, np.ndarray], config: Mapping[str, Any], *, where: str
    ) -> tuple[Spec, dict[str, np.ndarray]]:
        """Hyper-parameters and weights of a checkpoint, under published names or already ours.

        Raises:
            InputError: the names are not this model's, those that tell its size are missing, or an
                entry that follows from others does not.
        """
        for name, owner in self.strangers.items():
            if name in state:
                raise InputError(
                    f"weights of {self.classes[0]}",
                    expected=f"no entry {name!r}, which only {owner} has",
                    got=f"a checkpoint of {owner}; most names and shapes of the two are the same",
                    where=where,
                    next_step=f"use the model {owner!r}",
                )
        is_published = any(self.table.ours(name) for name in state)
        weights = self.to_ours(state, where=where) if is_published else dict(state)
        shapes = {name: tuple(array.shape) for name, array in weights.items()}
        try:
            spec = self.spec(shapes, config)
        except KeyError as missing:
            raise InputError(
                f"weights of {self.classes[0]}",
                expected=f"an entry {missing}, which tells the size of the network",
                got=f"{len(weights)} entries, as {', '.join(list(weights)[:3]) or 'none'}",
                where=where,
                next_step="check that the file belongs to this model",
            ) from missing
        for name, array in self.constants(spec).items():
            # Masks of SwinIR have the size of the images it was trained on, which no weight tells.
            is_comparable = name in state and state[name].shape == array.shape
            if is_comparable and not np.array_equal(array, state[name]):
                raise InputError(
                    f"entry {name!r}",
                    expected="the constant that follows from the network's size",
                    got="other values",
                    where=where,
                    next_step="check that the file belongs to this model and is not damaged",
                )
        return spec, weights

    def to_ours(self, state: Mapping[str, np.ndarray], *, where: str) -> Arrays:
        """A published state, or gradients by it, under our names and in our shapes."""
        return {
            name: array.reshape(array.shape[:2]) if self.is_flat(name, array.shape, 4) else array
            for name, array in self.table.to_ours(state, where=where).items()
        }

    def to_theirs(self, spec: Spec, state: Mapping[str, np.ndarray], *, where: str) -> Arrays:
        """A state as it was published, with the entries that are not learned."""
        wide = {
            name: array.reshape(*array.shape, 1, 1) if self.is_flat(name, array.shape, 2) else array
            for name, array in state.items()
        }
        return {**self.constants(spec), **self.table.to_theirs(wide, where=where)}

    def is_flat(self, name: str, shape: tuple[int, ...], axes: int) -> bool:
        """Whether an entry of ours, with so many axes, has two more at the end in their files."""
        return bool(self.flat) and len(shape) == axes and name.startswith(self.flat)


def count_members(shapes: Shapes, container: str) -> int:
    """How many numbered members a container has: 2 for "stage.0.weight" and "stage.1.weight"."""
    start = container + "."
    return len({name[len(start) :].split(".")[0] for name in shapes if name.startswith(start)})


def layouts() -> Mapping[str, Layout]:
    """All layouts by the model they belong to."""
    from weights_convert.published import (
        continuous,
        kernel_prediction,
        lmd_vit,
        mimo_unet,
        nimbusr,
        phaseformer,
        pwc_flow,
        self_blind_vsr,
        spectroformer,
    )

    return {
        "mimo_unet": mimo_unet.LAYOUT,
        "mimo_unet_plus": mimo_unet.LAYOUT_PLUS,
        "kernel_prediction": kernel_prediction.LAYOUT,
        "lmd_vit": lmd_vit.LAYOUT,
        "nimbusr": nimbusr.LAYOUT,
        "nimbusr_saturated": nimbusr.LAYOUT_SATURATED,
        "phaseformer": phaseformer.LAYOUT,
        "spectroformer": spectroformer.LAYOUT,
        "pwc_flow": pwc_flow.LAYOUT,
        "self_blind_vsr": self_blind_vsr.LAYOUT,
        **continuous.LAYOUTS,
    }


def layouts_of_parts() -> Mapping[str, Layout]:
    """Layouts of parts of models, of which golden files exist."""
    from weights_convert.published import lmd_vit

    return {"lmd_vit_stage": lmd_vit.STAGE}


def layout_of_class(name: str) -> tuple[str, Layout]:
    """The model, or part of one, and layout of one of the authors' classes.

    Raises:
        InputError: no layout has a class of that name.
    """
    every = {**layouts(), **layouts_of_parts()}
    known = {found: model for model, layout in every.items() for found in layout.classes}
    if name not in known:
        raise unknown_name(
            "class of the authors' code", name, known, where="weights_convert/published"
        )
    return known[name], every[known[name]]
