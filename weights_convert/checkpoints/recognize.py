"""Whose weights a checkpoint holds, under whatever prefix its names have.

A prefix is one because a model fits under it, not because it is on a list. Copies of a network
under several prefixes, as a generator and its averaged weights, are a question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from types import MappingProxyType
from typing import Any

from restoration.errors import InputError, unknown_name
from weights_convert.checkpoints import manifest
from weights_convert.checkpoints.checkpoint import Checkpoint
from weights_convert.checkpoints.detect import Candidate, candidates, choose, forced
from weights_convert.checkpoints.find import common_beginning
from weights_convert.errors import quoted
from weights_convert.files.tensors import DTYPES, Tensor
from weights_convert.published import layouts

BFLOAT16_OF_JITTOR = "the bits of bfloat16, as Jittor stores them"
"""How such tensors come about, for manifest and notes."""

NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})

_SAMPLE = 8  # names by which a prefix is judged before all of them are
_KNOWN_SHARE = 0.5  # of the sample, which some layout has to know
_GROUPS = 16  # prefixes of some of the names that are tried, the most frequent first
_LEAST_NAMES = 4
_DEPTH = 16  # of dots
_LENGTH = 256  # of a prefix that ends at no dot
_LISTED = 3


@dataclass(frozen=True)
class Recognized:
    """A checkpoint without the prefix under which a model fits, and the models that come near.

    found: the best first. Single numbers that the best has no place for stand beside the weights.
    """

    checkpoint: Checkpoint
    found: tuple[Candidate, ...]

    def choose(self, hint: str | None = None) -> Candidate | None:
        """The model that fits best, None if none comes near; the manifest decides between several.

        Raises:
            InputError: several fit.
        """
        noted = manifest.recorded(self.checkpoint)
        where = str(self.checkpoint.path)
        return choose(self.found, hint=hint or noted.model, recorded=noted.spec, where=where)


def recognize(checkpoint: Checkpoint, model: str | None = None) -> Recognized:
    """The models that a checkpoint may belong to.

    model: this one, however badly it fits.

    Raises:
        InputError: a model fits under several prefixes, or under one beside other weights; or there
            is no `model` of that name, or none of the names are its own.
    """
    if checkpoint.format.name in ("jittor", "pickle"):
        checkpoint = with_bfloat16(checkpoint)
    found = _candidates(checkpoint, model)
    if not any(one.fits for one in found):
        below = _below_prefix(checkpoint, model)
        if below is not None and (not found or below[1][0].score > found[0].score):
            checkpoint, found = below
    if model is not None and not found:
        forced(model, checkpoint.tensors, checkpoint.config, where=str(checkpoint.path))
    if found and found[0].numbers:
        checkpoint = checkpoint.without(found[0].numbers)
    return Recognized(checkpoint, tuple(found))


def _candidates(checkpoint: Checkpoint, model: str | None) -> list[Candidate]:
    if model is None:
        return candidates(checkpoint.tensors, checkpoint.config)
    where = str(checkpoint.path)
    one = forced(model, checkpoint.tensors, checkpoint.config, where=where, may_be_none=True)
    return [one] if one else []


def _below_prefix(
    checkpoint: Checkpoint, model: str | None
) -> tuple[Checkpoint, list[Candidate]] | None:
    """The part of a checkpoint under a prefix where a model fits, or comes nearest."""
    large = _large(checkpoint.tensors)
    known = [one for one in _prefixes(large) if _knows(checkpoint, one, large, model)]
    fitting: dict[str, tuple[Checkpoint, list[Candidate]]] = {}
    nearest: tuple[Checkpoint, list[Candidate]] | None = None
    for prefix in known:
        if any(prefix.startswith(shorter) for shorter in fitting):
            continue
        part = checkpoint.below(prefix)
        found = _candidates(part, model)
        if found and found[0].fits:
            fitting[prefix] = (part, found)
        elif found and (nearest is None or found[0].score > nearest[1][0].score):
            nearest = (part, found)
    if not fitting:
        return nearest
    outside = [name for name in large if not name.startswith(tuple(fitting))]
    rest = checkpoint.without([name for name in checkpoint.tensors if name not in outside])
    if outside and any(one.fits for one in _candidates(rest, model)):
        if checkpoint.is_chosen:  # the prefix '', of those that have none
            return rest, _candidates(rest, model)
        raise _question(checkpoint, ["", *fitting], fitting)
    if outside or len(fitting) > 1:
        raise _question(checkpoint, list(fitting), fitting, outside)
    return next(iter(fitting.values()))


def _question(
    checkpoint: Checkpoint,
    prefixes: Sequence[str],
    fitting: Mapping[str, tuple[Checkpoint, list[Candidate]]],
    outside: Sequence[str] = (),
) -> InputError:
    models = {found[0].model for _, found in fitting.values()}
    shown = [quoted(checkpoint.prefix + one) if one else "no prefix" for one in prefixes]
    got = f"weights of {', '.join(sorted(models))} under " + " and ".join(shown)
    if outside:
        listing = quoted(", ".join(outside[:_LISTED]))
        got += f", and {len(outside)} others, as {listing}"
    options = " or ".join(f"--prefix {one or repr('')}" for one in prefixes)
    return checkpoint.file.error(
        expected="one set of weights",
        got=got,
        where="names of the weights",
        next_step=f"{options} takes one, and leaves the others out",
    )


def _large(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of what is more than a single number, or all if there is nothing else."""
    return [name for name, tensor in tensors.items() if tensor.size > 1] or list(tensors)


def _prefixes(names: Sequence[str]) -> Iterator[str]:
    """What all names begin with, the shortest first, then what many of them begin with."""
    common = common_beginning(names)
    dots = [place + 1 for place, sign in enumerate(common) if sign == "."][:_DEPTH]
    yield from (common[:stop] for stop in dots)
    yield from (
        common[:stop] for stop in range(1, min(len(common), _LENGTH) + 1) if stop not in dots
    )
    counts: Counter[str] = Counter()
    for name in names:
        parts = name.split(".", _DEPTH)[:-1]
        counts.update(f"{one}." for one in accumulate(parts, "{}.{}".format))
    groups = [
        (prefix, count)
        for prefix, count in counts.items()
        if _LEAST_NAMES <= count < len(names) and not common.startswith(prefix)
    ]
    groups.sort(key=lambda group: (-group[1], len(group[0])))
    yield from (prefix for prefix, _ in groups[:_GROUPS])


def _knows(checkpoint: Checkpoint, prefix: str, names: Sequence[str], model: str | None) -> bool:
    """Whether some layout knows what names become without a prefix, by a sample of them."""
    inside = [name for name in names if name.startswith(prefix) and len(name) > len(prefix)]
    sample = inside[:: max(len(inside) // _SAMPLE, 1)]
    shapes = {name.removeprefix(prefix): checkpoint.tensors[name].shape for name in sample}
    for layout in (layouts()[model],) if model else layouts().values():
        learned = {
            name: shape for name, shape in shapes.items() if not layout.table.is_constant(name)
        }
        if learned and len(layout.our_names(learned)[0]) >= _KNOWN_SHARE * len(learned):
            return True
    return False


def with_bfloat16(checkpoint: Checkpoint) -> Checkpoint:
    """A checkpoint whose uint16 are the bits of bfloat16. Jittor stores it so, because NumPy has
    none; and no network has uint16."""
    brain = DTYPES["bfloat16"]
    tensors = {
        name: replace(tensor, dtype=brain, moved=BFLOAT16_OF_JITTOR)
        if tensor.dtype.name == "uint16"
        else tensor
        for name, tensor in checkpoint.tensors.items()
    }
    return replace(checkpoint, tensors=tensors)


def with_settings(candidate: Candidate | None, settings: Mapping[str, Any]) -> Candidate | None:
    """A candidate whose spec has hyper-parameters that no shape tells as a user says.

    Raises:
        InputError: there is no candidate, or a setting is unknown or cannot be.
    """
    if not settings:
        return candidate
    if candidate is None:
        raise InputError(
            "settings of weights",
            expected="weights of " + ", ".join(layouts()),
            got="weights of none of them",
            where="--set",
            next_step="leave --set out, or say with --model whose weights these are",
        )
    values = {}
    for name, value in settings.items():
        if name not in candidate.settings:
            raise unknown_name(
                f"setting of {candidate.model}", name, candidate.settings, where="--set"
            )
        values[name] = _as(type(candidate.settings[name]), value, name)
    return replace(candidate, spec=replace(candidate.spec, **values))


def _as(kind: type, value: Any, name: str) -> Any:
    """A setting, which may be a text, as its hyper-parameter has it."""
    try:
        if kind is bool:
            return {"true": True, "false": False}[str(value).lower()]
        return kind(value)
    except (TypeError, ValueError, KeyError):
        raise InputError(
            f"setting {name}",
            expected={bool: "true or false", int: "a whole number", float: "a number"}[kind],
            got=repr(value),
            where="--set",
            next_step=f"give it as --set {name}=VALUE",
        ) from None
