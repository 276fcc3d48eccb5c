"""Reads all that a user means by a path: a file, the checkpoint in an archive, or several files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from weights_convert import limits
from weights_convert.checkpoints.shards import Shards, files_of
from weights_convert.checkpoints.tree import Resolver
from weights_convert.errors import quoted
from weights_convert.files.integrity import Checksum, Part
from weights_convert.files.mapped import MappedFile
from weights_convert.files.tensors import Tensor
from weights_convert.formats import Format, identify, in_archive
from weights_convert.formats.contents import Contents


@dataclass(frozen=True)
class Read:
    """What was read. file: the first, for errors. format: of the weights, not of an archive around
    them. parts: every file with the checksums that it holds of itself. inside: the name of the
    checkpoint in an archive."""

    file: MappedFile
    format: Format
    tree: object
    metadata: Mapping[str, str]
    parts: tuple[Part, ...]
    inside: str = ""


def read_path(path: Path, *, allowed: Collection[str] = (), shown_as: Path | None = None) -> Read:
    """All that is there, with every tensor in its place.

    Raises:
        InputError: something is damaged, hostile or no checkpoint.
    """
    meant = files_of(path, shown_as)
    if isinstance(meant, Shards):
        return _read_shards(meant, allowed)
    file = MappedFile(meant, shown_as=shown_as)
    return _read_file(file, allowed)


def read_tree(
    path: Path, *, allowed: Collection[str] = (), shown_as: Path | None = None
) -> tuple[MappedFile, Format, Contents]:
    """As `read_path`, of a single file."""
    found = read_path(path, allowed=allowed, shown_as=shown_as)
    checksums = found.parts[0].checksums
    return found.file, found.format, Contents(found.file, found.tree, checksums, found.metadata)


def _read_file(file: MappedFile, allowed: Collection[str]) -> Read:
    inner = in_archive(file)
    held = inner.file if inner else file
    found = identify(held)
    contents = found.read(held, allowed)
    checksums: tuple[Checksum, ...] = contents.checksums
    if inner:
        checksums = inner.checksums or (_moved(checksums, held) if held.offset else ())
    tree = Resolver(held).resolve(contents.tree)
    name = inner.name if inner else ""
    return Read(file, found, tree, contents.metadata, (Part(file, checksums),), name)


def _moved(checksums: tuple[Checksum, ...], inner: MappedFile) -> tuple[Checksum, ...]:
    """Checksums of a part of a file, by their places in the file."""
    return tuple(
        replace(one, start=one.start + inner.offset, stop=one.stop + inner.offset)
        for one in checksums
    )


def _read_shards(shards: Shards, allowed: Collection[str]) -> Read:
    """Shards as one dictionary.

    Raises:
        InputError: one is no dictionary of tensors, holds others than the index says, or one that
            another holds too.
    """
    found = [_read_file(MappedFile(path), allowed) for path in shards.paths]
    tree: dict[object, object] = {}
    for path, one in zip(shards.paths, found, strict=True):
        held = one.tree if isinstance(one.tree, dict) else {}
        tensors = {name for name, value in held.items() if isinstance(value, Tensor)}
        expected = shards.names.get(path, frozenset(map(str, tensors)))
        problem = ""
        if not tensors:
            problem = "no tensors with names"
        elif tensors != expected:
            apart = sorted(map(str, tensors ^ expected))
            problem = f"others, or fewer ({quoted(', '.join(apart[:3]))})"
        elif not tree.keys().isdisjoint(held):
            problem = "some that another file holds too"
        if problem:
            raise one.file.error(
                expected="the tensors of this part, each in one file",
                got=problem,
                where="names in a part of the checkpoint",
                next_step="get all files of the checkpoint again",
            )
        tree |= held
    if len(tree) > limits.MAX_ENTRIES:
        raise found[0].file.error(expected=f"at most {limits.MAX_ENTRIES} tensors", got="more")
    parts = tuple(part for one in found for part in one.parts)
    first = found[0]
    if shards.index:
        parts = (Part(shards.index, ()), *parts)
        first = replace(first, file=shards.index)
    return replace(first, tree=tree, parts=parts)
