"""What a layout of published checkpoints is: one model's names, shapes and containers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from restoration.arrays import Arrays
from restoration.models.spec import Spec
from weights_convert.naming import suffixes
from weights_convert.naming.tables import NameTable

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """How the authors' code names a model.

    classes: their classes that have this layout. table: names of weights; tables: the one of these
    by which a network of a spec was published, where there are several. spec: hyper-parameters from
    the shapes, under the suite's names and those of constants, and from what else is known of the
    configuration; among it, by our names, the values of the few small entries that `telling` lists
    with their shapes.
    untold: hyper-parameters that no shape tells, which are taken by a rule and can be set.
    modules: of their code, as pickles of whole models name them; with all modules below.
    inputs, outputs: their names of inputs and outputs, where they differ from ours. adapt_inputs:
    gives inputs of a golden file the form that ours have. constants: what their files hold beside
    the weights and the suite has not, by their names. conv1x1_weights: beginnings of our names of
    weights that are (out, in) here and (out, in, 1, 1) there. container: what their checkpoint
    holds, from the spec and the weights by their names. foreign_keys: names that occur only in
    another model's checkpoints, though most of the others are the same, and the model they belong
    to.
    """

    classes: tuple[str, ...]
    table: NameTable
    spec: Callable[[Shapes, Mapping[str, Any]], Spec]
    tables: Callable[[Any], NameTable] | None = None
    telling: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    untold: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    adapt_inputs: Callable[[Arrays], Arrays] = lambda inputs: inputs
    constants: Callable[[Any], Mapping[str, np.ndarray]] = lambda spec: {}
    conv1x1_weights: tuple[str, ...] = ()
    container: Callable[[Any, Mapping[str, Any]], object] = lambda spec, weights: dict(weights)
    foreign_keys: Mapping[str, str] = field(default_factory=dict)

    def table_of(self, spec: Spec) -> NameTable:
        """The names by which a network was published."""
        return self.tables(spec) if self.tables else self.table

    def our_names(self, shapes: Shapes) -> tuple[dict[str, str], bool]:
        """The suite's names of a file's entries, and whether the file has the authors' names.

        The file may have our names already, and MindSpore's suffixes. Entries that the layout does
        not know are left out, and so are those of which several would get one name.
        """
        plain = {name: new.name for name, new in suffixes.to_torch(shapes).items()}
        ours, theirs = self.table.ours, self.table.theirs
        published = {name: new for name in shapes if (new := ours(name) or ours(plain[name]))}
        own = {name: new for name in shapes for new in (name, plain[name]) if theirs(new)}
        is_published = len(published) >= len(own)
        names = published if is_published else own
        times = Counter(names.values())
        return {name: new for name, new in names.items() if times[new] == 1}, is_published

    def to_ours(self, state: Mapping[str, np.ndarray], *, where: str) -> Arrays:
        """A published state, or gradients by it, under our names and in our shapes."""
        return {
            name: array.reshape(self.our_shape(name, array.shape))
            for name, array in self.table.to_ours(state, where=where).items()
        }

    def to_theirs(self, spec: Spec, state: Mapping[str, np.ndarray], *, where: str) -> Arrays:
        """A state as it was published, with the entries that are not learned."""
        shaped = {
            name: array.reshape(self.their_shape(name, array.shape))
            for name, array in state.items()
        }
        return {**self.constants(spec), **self.table_of(spec).to_theirs(shaped, where=where)}

    def our_shape(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that an entry, by our name, has in the suite, from the one in their files."""
        return shape[:2] if len(shape) == 4 and self._is_conv1x1(name) else shape

    def their_shape(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that an entry, by our name, has in their files, from the one in the suite."""
        return (*shape, 1, 1) if len(shape) == 2 and self._is_conv1x1(name) else shape

    def _is_conv1x1(self, name: str) -> bool:
        return name.startswith(self.conv1x1_weights)


def count_members(shapes: Shapes, container: str) -> int:
    """How many numbered members a container has: 2 for "stage.0.weight" and "stage.1.weight"."""
    start = container + "."
    return len({name[len(start) :].split(".")[0] for name in shapes if name.startswith(start)})
