"""The weights of a file: found in its containers, without the prefix that all names have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from weights_convert import limits
from weights_convert.checkpoints.find import KeyPath, at, dotted, find, find_named
from weights_convert.checkpoints.reading import read_path
from weights_convert.checkpoints.tree import items
from weights_convert.errors import quoted
from weights_convert.files.integrity import Checksum, Part
from weights_convert.files.mapped import MappedFile
from weights_convert.files.tensors import Tensor
from weights_convert.formats import Format, mindspore_ckpt
from weights_convert.pickles.meanings import holds_data
from weights_convert.pickles.objects import Instance, Refused

WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes of all names that DataParallel and torch.compile add."""

_LISTED = 5


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a file.

    tensors: by name, without `prefix`, which all of them have in the file. is_chosen: whether a
    user chose that prefix. key_path: the keys that lead to them. extra: what else the file holds,
    by key. tree: all of it. parts: the file, or files, with their checksums. metadata: of the whole
    file. inside: the name of the checkpoint in an archive.
    """

    path: Path
    format: Format
    file: MappedFile
    parts: tuple[Part, ...]
    metadata: Mapping[str, str]
    tensors: Mapping[str, Tensor]
    key_path: KeyPath
    prefix: str
    extra: Mapping[str, object]
    tree: object
    is_chosen: bool = False
    inside: str = ""

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(part.file.size for part in self.parts)

    @property
    def checksums(self) -> tuple[Checksum, ...]:
        """Of the first file."""
        return self.parts[0].checksums

    @property
    def config(self) -> dict[str, object]:
        """What stands beside the weights in their own container, and the arguments among it."""
        container = self.tree
        for key in self.key_path[:-1]:
            container = container[key]  # type: ignore[index]
        if not isinstance(container, dict) or not self.key_path:
            return {}
        found = {str(key): value for key, value in container.items() if key != self.key_path[-1]}
        arguments = found.get("args")  # of the class, as {"name": ..., "args": ..., "sd": state}
        if isinstance(arguments, dict):
            found |= {str(key): value for key, value in arguments.items()}
        return found

    def with_weights(self, tensors: Mapping[str, Tensor], keep: Collection[str]) -> object:
        """The content with other weights in place of those it had, and of what stood beside them
        only what has one of these keys of `extra`."""
        return _rebuilt(
            self.tree, self.key_path, (), tensors, {key: self.extra[key] for key in keep}
        )

    def below(self, prefix: str) -> Checkpoint:
        """Only the weights whose names begin so, without that; the others stand beside them."""
        inside = {
            name.removeprefix(prefix): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }
        others = [name for name in self.tensors if not name.startswith(prefix)]
        return replace(self.without(others), tensors=inside, prefix=self.prefix + prefix)

    def without(self, names: Iterable[str]) -> Checkpoint:
        """The weights but for some, which stand beside them instead."""
        left = {name: self.tensors[name] for name in names}
        beside = {dotted((*self.key_path, self.prefix + name)): left[name] for name in left}
        kept = {name: tensor for name, tensor in self.tensors.items() if name not in left}
        return replace(self, tensors=kept, extra={**self.extra, **beside})


def open_checkpoint(
    path: Path,
    *,
    key: str | None = None,
    prefix: str | None = None,
    allowed: Collection[str] = (),
    shown_as: Path | None = None,
) -> Checkpoint:
    """Read where the weights of a file are; their bytes stay there.

    path: a file, the index of a checkpoint in several files, or their folder. key: the path of keys
    to the weights, as "params_ema" or "model.sd", where a file holds several. prefix: take only the
    weights whose names begin so, as "generator.". allowed: modules of which a pickle may name
    anything; it is data all the same.

    Raises:
        InputError: the file is damaged, hostile or no checkpoint, or holds several sets of weights,
            or something else among them.
    """
    read = read_path(path, allowed=allowed, shown_as=shown_as)
    file, tree = read.file, read.tree
    key_path = find_named(file, tree, key) if key is not None else find(file, tree)
    weights = at(tree, key_path)
    tensors = {str(name): value for name, value in weights.items() if isinstance(value, Tensor)}
    extra = _extra(tree, key_path)
    if len({str(name) for name in weights}) != len(weights):
        raise file.error(expected="each name once", got="a number and a text that are the same")
    _check_others(file, weights)
    if read.format.name == "mindspore":
        for name in mindspore_ckpt.optimizer_entries(tensors):
            extra[name] = tensors.pop(name)
    found = Checkpoint(
        path=shown_as or path,
        format=read.format,
        file=file,
        parts=read.parts,
        metadata=read.metadata,
        tensors=tensors,
        key_path=key_path,
        prefix="",
        extra=extra,
        tree=tree,
        inside=read.inside,
    )
    _check_amount(found)
    if prefix is not None:
        found = replace(_chosen(found, prefix), is_chosen=True)
    return found.below(_wrapper(found.tensors))


def _chosen(checkpoint: Checkpoint, prefix: str) -> Checkpoint:
    """The weights below a prefix that a user named, with or without its last dot."""
    wrapper = _wrapper(checkpoint.tensors)
    for one in (f"{prefix}.", prefix, f"{wrapper}{prefix}.", wrapper + prefix):
        if not prefix or any(name.startswith(one) for name in checkpoint.tensors):
            return checkpoint.below(one if prefix else "")
    begin = sorted({name.split(".")[0] for name in checkpoint.tensors})
    raise checkpoint.file.error(
        expected=f"names that begin with {quoted(prefix)}",
        got=f"{len(checkpoint.tensors)} that begin with {quoted(', '.join(begin))}",
        where="--prefix",
        next_step="weights-convert inspect FILE lists the names",
    )


def _check_others(file: MappedFile, weights: Mapping[object, object]) -> None:
    """Refuse what is no tensor in the place of one: it would be lost.

    An object in the dictionary of the weights stands for one if it holds tensors or bytes, if it
    was to be a tensor, or if its name is that of a part of a network.
    """
    modules = {str(name).rpartition(".")[0] for name in weights if "." in str(name)}
    modules = {module.split(".")[0] for module in modules if module}
    found: dict[str, Instance] = {}
    for key, value in weights.items():
        name = str(key)
        is_part = "." in name and name.split(".", maxsplit=1)[0] in modules
        if isinstance(value, Refused):
            found[name] = value
        elif isinstance(value, Instance):
            text = f"{value.cls.module}.{value.cls.name}".lower()
            is_like_one = "rebuild" in text or "tensor" in text or "parameter" in text
            if is_part or is_like_one or holds_data(value):
                found[name] = value
    if not found:
        return
    problems = {one.problem for one in found.values() if isinstance(one, Refused)}
    if len(found) == 1 and None not in problems and problems:
        (problem,) = problems
        assert problem
        raise problem
    listing = "; ".join(
        f"{quoted(name)} is {_reason(one)}" for name, one in list(found.items())[:_LISTED]
    )
    more = len(found) - _LISTED
    raise file.error(
        expected="only tensors among the weights",
        got=f"{len(found)} other objects: {listing}" + (f"; and {more} more" if more > 0 else ""),
        where="dictionary of the weights",
        next_step="load the file where these classes are at hand, make ordinary tensors of them, "
        "and save a dictionary of those",
    )


def _reason(one: Instance) -> str:
    if isinstance(one, Refused) and one.problem is not None:
        return str(one.problem).split(", got ", 1)[-1].split("; ")[0]
    return f"an object of {one.cls}"


def _rebuilt(
    tree: object,
    key_path: KeyPath,
    at: KeyPath,
    weights: Mapping[str, Tensor],
    kept: Mapping[str, object],
) -> object:
    result: dict[object, object] = {}
    if not key_path:
        result.update(weights)
    else:
        inner = tree[key_path[0]]  # type: ignore[index]
        result[key_path[0]] = _rebuilt(inner, key_path[1:], (*at, key_path[0]), weights, kept)
    for key, _ in items(tree):
        name = dotted((*at, str(key)))
        if name in kept and key not in result:
            result[key] = kept[name]
    return result


def _extra(tree: object, key_path: KeyPath, at: KeyPath = ()) -> dict[str, object]:
    """What is not the weights, by the keys that lead to it."""
    result: dict[str, object] = {}
    for key, value in items(tree):
        if key_path and key == key_path[0]:
            result |= _extra(value, key_path[1:], (*at, key_path[0]))
        elif key_path or not isinstance(value, Tensor):
            result[dotted((*at, str(key)))] = value
    return result


def _wrapper(tensors: Mapping[str, Tensor]) -> str:
    """The wrappers' prefix that all names have."""
    prefix = ""
    while tensors:
        longer = [
            prefix + wrapper
            for wrapper in WRAPPERS
            if all(name.startswith(prefix + wrapper) for name in tensors)
        ]
        if not longer:
            break
        prefix = longer[0]
    return prefix


def _check_amount(checkpoint: Checkpoint) -> None:
    """Refuse what would take far more space than the file."""
    file, tensors = checkpoint.file, checkpoint.tensors
    total = sum(tensor.nbytes for tensor in tensors.values())
    if total > limits.FREE_EXPANSION_BYTES + limits.MAX_EXPANSION * checkpoint.nbytes:
        raise file.error(
            expected=f"tensors of at most {limits.MAX_EXPANSION} times the file",
            got=f"{total} bytes out of {checkpoint.nbytes}",
            where="shapes",
        )
    if len(tensors) > limits.MAX_ENTRIES:
        raise file.error(expected=f"at most {limits.MAX_ENTRIES} tensors", got=f"{len(tensors)}")
    for name in tensors:
        if len(name) > limits.MAX_NAME_BYTES:
            raise file.error(expected="names of plausible length", got=f"{len(name)} characters")
