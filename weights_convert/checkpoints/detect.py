"""Which model a set of weights belongs to, judged by all of its names, shapes and types."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from restoration.errors import InputError, unknown_name
from restoration.models.spec import Spec
from weights_convert.checkpoints.schemas import (
    Entries,
    catalogued_specs,
    entries_asked,
    entries_of_catalogued,
)
from weights_convert.errors import quoted
from weights_convert.files.tensors import DTYPES, Tensor
from weights_convert.naming import suffixes
from weights_convert.published import Layout, layouts

MIN_KNOWN = 0.5
"""A model that knows less of a file's names than this is no candidate."""

LEAST_SCORE = 0.5
"""A model that fits worse than this is no candidate: names as "head.weight" are everybody's."""

AMBIGUOUS_WITHIN = 0.1
"""Models whose scores are nearer than this cannot be told apart, unless one fits perfectly."""

_BUILD_BYTES = 4 << 30  # to build a network whose entries are not listed, beside its weights
_BUILD_TIMES = 8


@dataclass(frozen=True)
class Candidate:
    """How well a file fits a model.

    score: entries that fit over all that the network or the file has, so 1 only if they are the
    same, one to one. spec: the hyper-parameters that the shapes tell. ours: the suite's name of
    each of the file's names that the model has. shapes: the network's own, by the file's name.
    missing: what only the network has, by the name that the file would give it. unexpected: the
    file's names that only the file has. misshapen: what does not fit, by the file's name. is_known:
    whether the network's own entries were known; without, only names could be judged.
    constants: the file's names of entries that are not learned and that no network of ours has.
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

    @property
    def fits(self) -> bool:
        """Whether file and network have the same entries, one to one."""
        return not (self.missing or self.unexpected or self.misshapen)


@dataclass(frozen=True)
class _Reading:
    """A file read by the table of a model.

    names: the suite's names by the file's. spec: what the shapes tell, None if they tell nothing.
    """

    model: str
    layout: Layout
    names: Mapping[str, str]
    is_published: bool
    spec: Spec | None


def detect(
    tensors: Mapping[str, Tensor],
    config: Mapping[str, object],
    *,
    model: str | None = None,
    hint: str | None = None,
    where: str,
) -> Candidate | None:
    """The model that the weights belong to, None if none of those that are known comes near.

    config: what else is known of the configuration. model: take this one, however badly it fits.
    hint: decides between models that fit equally well.

    Raises:
        InputError: several fit, and the text lists them with their scores; or there is no `model`
            of that name, or none of the names are its own.
    """
    if model is not None:
        return _forced(model, tensors, config, where)
    return choose(candidates(tensors, config), hint=hint, where=where)


def choose(found: Sequence[Candidate], *, hint: str | None, where: str) -> Candidate | None:
    """The one candidate that fits best; see `detect`."""
    if not found:
        return None
    best = found[0]
    is_perfect = best.score == 1 and best.is_known
    rivals = [
        other
        for other in found
        if other.score == best.score
        or (not is_perfect and other.score > best.score - AMBIGUOUS_WITHIN)
    ]
    if len(rivals) > 1:
        rivals = _by_hint(rivals, hint) or _by_catalogue(rivals) or rivals
    if len(rivals) > 1:
        raise InputError(
            "model",
            expected="weights that fit one model best",
            got=describe(rivals),
            where=where,
            next_step="say which with --model " + "|".join(other.model for other in rivals),
        )
    return rivals[0]


def candidates(tensors: Mapping[str, Tensor], config: Mapping[str, object]) -> list[Candidate]:
    """Every model that knows most of the names and fits half of the entries, the best first."""
    readings = [_read(model, layout, tensors, config) for model, layout in layouts().items()]
    near = [
        one
        for one in readings
        if len(one.names) >= MIN_KNOWN * sum(not one.layout.table.is_constant(n) for n in tensors)
        and one.names
    ]
    return [one for one in _judged(near, tensors) if one.score >= LEAST_SCORE]


def describe(found: Sequence[Candidate]) -> str:
    """Models and scores in a line."""
    return ", ".join(f"{one.model} (score {one.score:.3f})" for one in found[:5])


def _forced(
    model: str, tensors: Mapping[str, Tensor], config: Mapping[str, object], where: str
) -> Candidate:
    known = layouts()
    if model not in known:
        raise unknown_name("model", model, known, where="--model")
    reading = _read(model, known[model], tensors, config)
    found = _judged([reading], tensors) if reading.names else []
    if not found:
        raise InputError(
            f"weights of {model}",
            expected="names of its entries",
            got=f"{len(tensors)} others, as {quoted(', '.join(list(tensors)[:3]) or 'none')}",
            where=where,
            next_step="check that the file belongs to this model",
        )
    return found[0]


def _read(
    model: str, layout: Layout, tensors: Mapping[str, Tensor], config: Mapping[str, object]
) -> _Reading:
    """The weights by the suite's names; MindSpore's suffixes are understood too."""
    file_shapes = {name: tensor.shape for name, tensor in tensors.items()}
    plain = {name: new.name for name, new in suffixes.to_torch(file_shapes).items()}
    theirs, mine = layout.table.ours, layout.table.theirs
    published = {name: ours for name in tensors if (ours := theirs(name) or theirs(plain[name]))}
    own = {name: ours for name in tensors for ours in (name, plain[name]) if mine(ours)}
    is_published = len(published) >= len(own)
    names = published if is_published else own
    times = Counter(names.values())
    names = {name: ours for name, ours in names.items() if times[ours] == 1}
    shapes = {ours: tensors[name].shape for name, ours in names.items()}
    spec = None
    # Where an entry is not there or has an absurd shape, a spec cannot be made in many ways.
    with contextlib.suppress(
        InputError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError
    ):
        spec = layout.spec(shapes, dict(config))
    return _Reading(model, layout, names, is_published, spec)


def _judged(readings: Sequence[_Reading], tensors: Mapping[str, Tensor]) -> list[Candidate]:
    """The best that each reading can be: of the spec that its shapes tell, and of the registered
    ones, which serve where an entry that tells the size is missing or damaged."""
    found = [
        _judge(reading, spec, tensors, entries_of_catalogued(spec))
        for reading in readings
        for spec in catalogued_specs(reading.model)
    ]
    if not any(one.fits for one in found):
        nbytes = _BUILD_TIMES * sum(tensor.nbytes for tensor in tensors.values())
        nbytes += _BUILD_BYTES - nbytes % _BUILD_BYTES
        others = [
            (reading, reading.spec)
            for reading in readings
            if reading.spec and reading.spec not in catalogued_specs(reading.model)
        ]
        answers = entries_asked([spec for _, spec in others], may_take_bytes=nbytes)
        found += [
            _judge(reading, spec, tensors, entries)
            for (reading, spec), entries in zip(others, answers, strict=True)
        ]
    told = {reading.model: reading.spec for reading in readings}
    best: dict[str, Candidate] = {}
    for one in sorted(found, key=lambda one: (-one.score, not one.is_known)):
        best.setdefault(one.model, one)
    # Shapes do not tell a registered spec from one that differs in what has no shape; the reading
    # does, because it also knows what else the file says of the configuration.
    return [
        replace(one, spec=told[one.model] or one.spec) if one.fits else one for one in best.values()
    ]


def _judge(
    reading: _Reading, spec: Spec, tensors: Mapping[str, Tensor], entries: Entries | None
) -> Candidate:
    constants = {
        name: array
        for name, array in reading.layout.constants(spec).items()
        if name in tensors and reading.is_published
    }
    if entries is None:
        fitting, missing = dict(reading.names), list[str]()
        misshapen = dict[str, str]()
    else:
        fitting = {name: ours for name, ours in reading.names.items() if ours in entries}
        found = set(fitting.values())
        missing = [name for name in entries if name not in found]
        misshapen = _misshapen(reading.layout, fitting, tensors, entries)
    misshapen |= {
        name: "other values than the constant has"
        for name, array in constants.items()
        if not _may_be(tensors[name], array)
    }
    unexpected = tuple(name for name in tensors if name not in fitting and name not in constants)
    matched = len(fitting) + len(constants) - len(misshapen)
    theirs = reading.layout.table.theirs if reading.is_published else str
    return Candidate(
        model=reading.model,
        score=matched / (len(fitting) + len(constants) + len(unexpected) + len(missing)),
        spec=spec,
        ours=fitting,
        shapes={name: entries[ours].shape for name, ours in fitting.items()} if entries else {},
        missing=tuple(theirs(name) or name for name in missing),
        unexpected=unexpected,
        misshapen=misshapen,
        is_known=entries is not None,
        constants=tuple(constants),
    )


def _may_be(tensor: Tensor, array: np.ndarray) -> bool:
    """Whether a tensor has an array's values, or another shape: masks of SwinIR have the size of
    the images it was trained on."""
    return tensor.shape != array.shape or np.array_equal(tensor.to_numpy(), array)


def _misshapen(
    layout: Layout, fitting: Mapping[str, str], tensors: Mapping[str, Tensor], entries: Entries
) -> dict[str, str]:
    """What is wrong with entries that both have. Floating-point numbers may have any precision."""
    result = {}
    for name, ours in fitting.items():
        tensor, entry = tensors[name], entries[ours]
        dtype = DTYPES.get(entry.dtype)
        shapes = {entry.shape, suffixes.for_conv1d(entry.shape)}
        if layout.is_flat(ours, entry.shape, 2):
            shapes.add((*entry.shape, 1, 1))
        if tensor.shape not in shapes:
            result[name] = f"shape {tensor.shape}, the network's is {entry.shape}"
        elif tensor.dtype != dtype and not (tensor.dtype.is_float and dtype and dtype.is_float):
            result[name] = f"{tensor.dtype.name}, the network's is {entry.dtype}"
    return result


def _by_hint(rivals: Sequence[Candidate], hint: str | None) -> list[Candidate]:
    return [rival for rival in rivals if rival.model == hint]


def _by_catalogue(rivals: Sequence[Candidate]) -> list[Candidate]:
    """Those whose hyper-parameters are exactly a registered configuration of the model."""
    return [rival for rival in rivals if rival.spec in catalogued_specs(rival.model)]
