"""Which model a set of weights belongs to, judged by all of its names, shapes and types.

A model's layout reads what a file's names and shapes tell (`read`). Each reading is judged by the
schemas of the model's registered specs, and by that of the spec that the shapes tell (`judge`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np

from restoration.errors import InputError, unknown_name
from restoration.models.spec import Spec
from weights_convert.checkpoints.schemas import Schema, ask_schemas, registered
from weights_convert.errors import MismatchError, quoted
from weights_convert.files.tensors import DTYPES, Tensor, from_bfloat16
from weights_convert.naming import suffixes
from weights_convert.published import layouts
from weights_convert.published.layout import Layout

MIN_KNOWN = 0.5
"""A model that knows less of a file's names than this is no candidate."""

LEAST_SCORE = 0.5
"""A model that fits worse than this is no candidate: names as "head.weight" are everybody's."""

AMBIGUOUS_WITHIN = 0.1
"""Models whose scores are nearer than this cannot be told apart, unless one fits perfectly."""

_BFLOAT16_STEP = 2.0**-8
_BUILD_BYTES = 4 << 30  # to build a network whose schema is not listed, beside its weights
_BUILD_TIMES = 8


@dataclass(frozen=True)
class Candidate:
    """How well a file fits a model.

    score: entries that fit over all that the network or the file has, so 1 only if they are the
    same, one to one. spec: the hyper-parameters that the shapes tell. ours: the suite's name of
    each of the file's names that the model has. shapes: the network's own, by the file's name.
    missing: what only the network has, by the name that the file would give it. unexpected: the
    file's names that only the file has. misshapen: what does not fit, by the file's name. is_known:
    whether the network's schema was known; without, only names could be judged.
    constants: the file's names of entries that are not learned and that no network of ours has.
    numbers: the file's names of single numbers that the network has no place for, as counters of
    tools and of training; they are no part of the score.
    foreign: the file's names that only another model has, and which. wrong_constants: those of
    `constants` that have other values than the network computes with.
    """

    model: str
    score: float
    spec: Spec
    ours: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: Mapping[str, str]
    is_known: bool
    constants: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    foreign: Mapping[str, str] = field(default_factory=dict)
    wrong_constants: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, object]:
        """The hyper-parameters that no shape tells, as they were taken."""
        return {name: getattr(self.spec, name) for name in layouts()[self.model].untold}

    @property
    def fits(self) -> bool:
        """Whether file and network have the same entries, one to one."""
        return not (self.missing or self.unexpected or self.misshapen)

    def check_fits(self, *, where: str, next_step: str) -> None:
        """Raise unless file and network have the same entries, one to one.

        Raises:
            InputError: the file has an entry that only another model has.
            MismatchError: lists every missing, unexpected and misshapen entry.
        """
        for name, owner in self.foreign.items():
            raise InputError(
                f"weights of {self.model}",
                expected=f"no entry {name!r}, which only {owner} has",
                got=f"a checkpoint of {owner}; most names and shapes of the two are the same",
                where=where,
                next_step=f"use the model {owner!r}",
            )
        self.check_constants(where=where)
        if not self.fits:
            raise MismatchError(
                f"{self.model} (score {self.score:.3f})",
                missing=self.missing,
                unexpected=self.unexpected,
                misshapen=self.misshapen,
                where=where,
                next_step=next_step,
            )

    def check_constants(self, *, where: str) -> None:
        """Raise if a constant has other values than the network computes with.

        Raises:
            MismatchError: lists them.
        """
        if self.wrong_constants:
            raise MismatchError(
                f"constants of {self.model}",
                missing=(),
                unexpected=(),
                misshapen={name: self.misshapen[name] for name in self.wrong_constants},
                where=where,
                next_step="the suite's network computes with the published values, so these "
                "weights cannot be converted for it; --to kept changes the format alone",
            )


@dataclass(frozen=True)
class Reading:
    """What a model's layout makes of a file.

    names: the suite's names by the file's. spec: what the shapes tell, None if they tell nothing,
    and then why. constants: the file's names of entries that no network of that spec learns, each
    with what is wrong about it, or nothing.
    """

    model: str
    layout: Layout
    names: Mapping[str, str]
    is_published: bool
    spec: Spec | None
    problem: str = ""
    constants: Mapping[str, str] = field(default_factory=dict)


def detect(
    tensors: Mapping[str, Tensor],
    config: Mapping[str, object],
    *,
    model: str | None = None,
    hint: str | None = None,
    recorded: Spec | None = None,
    where: str,
) -> Candidate | None:
    """The model that the weights belong to, None if none of those that are known comes near.

    config: what else is known of the configuration. model: take this one, however badly it fits.
    hint: decides between models that fit equally well. recorded: the hyper-parameters that the
    file itself states of the model `hint`; they also tell what has no shape.

    Raises:
        InputError: several fit, and the text lists them with their scores; or there is no `model`
            of that name, or none of the names are its own.
    """
    if model is not None:
        found = [forced(model, tensors, config, where=where)]
    else:
        found = candidates(tensors, config)
    return choose(found, hint=hint, recorded=recorded, where=where)


def choose(
    found: Sequence[Candidate], *, hint: str | None, recorded: Spec | None = None, where: str
) -> Candidate | None:
    """The one candidate that fits best; see `detect`."""
    if not found:
        return None
    best = found[0]
    is_perfect = best.score == 1 and best.is_known
    rivals = [
        other
        for other in found
        if (other.score == best.score and len(other.numbers) <= len(best.numbers))
        or (not is_perfect and other.score > best.score - AMBIGUOUS_WITHIN)
    ]
    if len(rivals) > 1:
        rivals = _by_hint(rivals, hint) or _by_registry(rivals) or rivals
    if len(rivals) > 1:
        raise InputError(
            "model",
            expected="weights that fit one model best",
            got=describe(rivals),
            where=where,
            next_step="say which with --model " + "|".join(other.model for other in rivals),
        )
    (chosen,) = rivals
    if recorded and chosen.model == hint and type(recorded) is type(chosen.spec):
        told = {name: getattr(recorded, name) for name in chosen.settings}
        # The shapes are right whatever a manifest says; it only adds what they do not tell.
        return replace(chosen, spec=replace(chosen.spec, **told) if told else recorded)
    return chosen


def candidates(tensors: Mapping[str, Tensor], config: Mapping[str, object]) -> list[Candidate]:
    """Every model that knows most of the names and fits half of the entries, the best first."""
    readings = [read(model, layout, tensors, config) for model, layout in layouts().items()]
    near = [
        one
        for one in readings
        if one.names
        and len(one.names)
        >= MIN_KNOWN
        * sum(
            name in one.names or (tensor.size > 1 and not one.layout.table.is_constant(name))
            for name, tensor in tensors.items()
        )
    ]
    return [one for one in _best(near, tensors) if one.score >= LEAST_SCORE]


def describe(found: Sequence[Candidate]) -> str:
    """Models and scores in a line."""
    return ", ".join(f"{one.model} (score {one.score:.3f})" for one in found[:5])


@overload
def forced(
    model: str, tensors: Mapping[str, Tensor], config: Mapping[str, object], *, where: str
) -> Candidate: ...


@overload
def forced(
    model: str,
    tensors: Mapping[str, Tensor],
    config: Mapping[str, object],
    *,
    where: str,
    may_be_none: bool,
) -> Candidate | None: ...


def forced(
    model: str,
    tensors: Mapping[str, Tensor],
    config: Mapping[str, object],
    *,
    where: str,
    may_be_none: bool = False,
) -> Candidate | None:
    """How well a file fits a model that was named. may_be_none: give None if none of the names are
    its own.

    Raises:
        InputError: there is no such model; or none of the names are its own.
    """
    known = layouts()
    if model not in known:
        raise unknown_name("model", model, known, where="--model")
    reading = read(model, known[model], tensors, config)
    found = _best([reading], tensors) if reading.names else []
    if found:
        return found[0]
    if may_be_none:
        return None
    raise InputError(
        f"weights of {model}",
        expected="names of its entries",
        got=f"{len(tensors)} others, as {quoted(', '.join(list(tensors)[:3]) or 'none')}",
        where=where,
        next_step="check that the file belongs to this model",
    )


def read(
    model: str, layout: Layout, tensors: Mapping[str, Tensor], config: Mapping[str, object]
) -> Reading:
    """The weights by the suite's names, and the hyper-parameters that their shapes tell."""
    names, is_published = layout.our_names({name: tensor.shape for name, tensor in tensors.items()})
    shapes = {ours: tensors[name].shape for name, ours in names.items()}
    if is_published:
        is_constant = layout.table.is_constant
        shapes |= {name: tensor.shape for name, tensor in tensors.items() if is_constant(name)}
    values = {
        ours: _numbers(tensors[name])
        for name, ours in names.items()
        if layout.telling.get(ours) == tensors[name].shape and tensors[name].dtype.is_float
    }
    spec, problem = None, ""
    # Where an entry is not there or has an absurd shape, a spec cannot be made in many ways.
    try:
        told = layout.spec(shapes, dict(config) | values)
        json.dumps(told.to_dict())  # a configuration may hold anything; a spec holds plain values
        spec = told
    except KeyError as missing:
        problem = f"no entry {missing}, which tells the size of the network"
    except (
        InputError,
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        AttributeError,
    ) as error:
        problem = str(error)
    constants = _constants(layout, spec, tensors, known={}) if spec and is_published else {}
    return Reading(model, layout, names, is_published, spec, problem, constants)


def _constants(
    layout: Layout, spec: Spec, tensors: Mapping[str, Tensor], known: Mapping[str, str]
) -> dict[str, str]:
    """The constants of a spec that a file has, each with what is wrong about it, or nothing.

    Those that are known already are left out.
    """
    return {
        name: "" if _equals(tensors[name], array) else "other values than the constant has"
        for name, array in layout.constants(spec).items()
        if name in tensors and name not in known
    }


def _equals(tensor: Tensor, array: np.ndarray) -> bool:
    """Whether a tensor has an array's values, as its own precision has them."""
    if tensor.shape != array.shape:
        return False
    found = _numbers(tensor)
    if tensor.dtype.name == "bfloat16":
        return bool(np.allclose(found, array, rtol=_BFLOAT16_STEP, atol=0))
    return np.array_equal(found, array.astype(found.dtype) if found.dtype.kind == "f" else array)


def _numbers(tensor: Tensor) -> np.ndarray:
    array = tensor.to_numpy()
    return from_bfloat16(array) if tensor.dtype.name == "bfloat16" else array


def _best(readings: Sequence[Reading], tensors: Mapping[str, Tensor]) -> list[Candidate]:
    """The best that each reading can be: of the spec that its shapes tell, and of the registered
    ones, which serve where an entry that tells the size is missing or damaged."""
    found = [
        judge(reading, spec, tensors, schema)
        for reading in readings
        for spec, schema in _listed(reading).items()
    ]
    if not any(one.fits for one in found):
        others = [
            (reading, reading.spec)
            for reading in readings
            if reading.spec and reading.spec not in list(registered(reading.model))
        ]
        nbytes = _BUILD_TIMES * sum(tensor.nbytes for tensor in tensors.values())
        nbytes += _BUILD_BYTES - nbytes % _BUILD_BYTES
        schemas = ask_schemas([spec for _, spec in others], may_take_bytes=nbytes)
        found += [
            judge(reading, spec, tensors, schema)
            for (reading, spec), schema in zip(others, schemas, strict=True)
        ]
    told = {reading.model: reading.spec for reading in readings}
    best: dict[str, Candidate] = {}
    for one in sorted(found, key=lambda one: (-one.score, len(one.numbers), not one.is_known)):
        best.setdefault(one.model, one)
    # Shapes do not tell a registered spec from one that differs in what has no shape; the reading
    # does, because it also knows what else the file says of the configuration.
    return [
        replace(one, spec=told[one.model] or one.spec) if one.fits else one for one in best.values()
    ]


def _listed(reading: Reading) -> Mapping[Spec, Schema]:
    """The registered specs that a file may be of: the one that it tells if it is among them."""
    listed = registered(reading.model)
    same = [spec for spec in listed if spec == reading.spec]
    return {spec: listed[spec] for spec in same} or listed


def judge(
    reading: Reading, spec: Spec, tensors: Mapping[str, Tensor], schema: Schema | None
) -> Candidate:
    """How well a file fits a network of which the schema is known, or only the names."""
    layout = reading.layout
    constants = dict(reading.constants)
    if reading.is_published and spec != reading.spec:
        constants |= _constants(layout, spec, tensors, known=constants)
    missing: list[str] = []
    misshapen: dict[str, str] = {}
    if schema is None:
        fitting = {name: ours for name, ours in reading.names.items() if name not in constants}
        shapes = {name: tensors[name].shape for name in fitting}
        if reading.is_published:
            shapes = {
                name: layout.our_shape(fitting[name], shape) for name, shape in shapes.items()
            }
    else:
        fitting = {
            name: ours
            for name, ours in reading.names.items()
            if ours in schema and name not in constants
        }
        shapes = {name: schema[ours].shape for name, ours in fitting.items()}
        found = set(fitting.values())
        missing = [name for name in schema if name not in found]
        misshapen = _misshapen(layout, fitting, tensors, schema)
    wrong = {name: problem for name, problem in constants.items() if problem}
    misshapen |= wrong
    others = [name for name in tensors if name not in fitting and name not in constants]
    numbers = tuple(name for name in others if tensors[name].size <= 1)
    unexpected = tuple(name for name in others if tensors[name].size > 1)
    matched = len(fitting) + len(constants) - len(misshapen)
    theirs = layout.table_of(spec).theirs if reading.is_published else str
    return Candidate(
        model=reading.model,
        score=matched / (len(fitting) + len(constants) + len(unexpected) + len(missing)),
        spec=spec,
        ours=fitting,
        shapes=shapes,
        missing=tuple(theirs(name) or name for name in missing),
        unexpected=unexpected,
        misshapen=misshapen,
        is_known=schema is not None,
        constants=tuple(constants),
        wrong_constants=tuple(wrong),
        numbers=numbers,
        foreign={name: owner for name, owner in layout.foreign_keys.items() if name in others},
    )


def _misshapen(
    layout: Layout, fitting: Mapping[str, str], tensors: Mapping[str, Tensor], schema: Schema
) -> dict[str, str]:
    """What is wrong with entries that both have. Floating-point numbers may have any precision."""
    result = {}
    for name, ours in fitting.items():
        tensor, entry = tensors[name], schema[ours]
        dtype = DTYPES.get(entry.dtype)
        shapes = {
            entry.shape,
            suffixes.for_conv1d(entry.shape),
            layout.their_shape(ours, entry.shape),
        }
        if tensor.shape not in shapes:
            result[name] = f"shape {tensor.shape}, the network's is {entry.shape}"
        elif tensor.dtype != dtype and not (tensor.dtype.is_float and dtype and dtype.is_float):
            result[name] = f"{tensor.dtype.name}, the network's is {entry.dtype}"
    return result


def _by_hint(rivals: Sequence[Candidate], hint: str | None) -> list[Candidate]:
    return [rival for rival in rivals if rival.model == hint]


def _by_registry(rivals: Sequence[Candidate]) -> list[Candidate]:
    """Those whose hyper-parameters are exactly a registered configuration of the model."""
    return [rival for rival in rivals if rival.spec in list(registered(rival.model))]
