"""Converts a checkpoint: another format, another layout of names, or both."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from restoration.errors import InputError, unknown_name
from weights_convert import limits
from weights_convert.checkpoints import manifest
from weights_convert.checkpoints.checkpoint import Checkpoint, open_checkpoint
from weights_convert.checkpoints.detect import Candidate
from weights_convert.checkpoints.manifest import Move
from weights_convert.checkpoints.recognize import (
    BFLOAT16_OF_JITTOR,
    NO_SETTINGS,
    recognize,
    with_bfloat16,
    with_settings,
)
from weights_convert.checkpoints.writing import NonFinite, Report, write_verified
from weights_convert.errors import quoted
from weights_convert.files.integrity import Fingerprint
from weights_convert.files.tensors import Tensor, from_numpy
from weights_convert.formats import Format, format_to_write
from weights_convert.naming.suffixes import to_mindspore, to_torch
from weights_convert.pickles.writer import is_plain
from weights_convert.published import layouts

NAMES = ("ours", "published", "kept")
SUFFIXES = ("torch", "mindspore")
UINT16 = ("bfloat16", "uint16")

Moves = dict[str, Move]
"""Tensors by the name that they get."""


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

    names: whose names the result has, "ours", "published" or "kept". missing, unexpected,
    misshapen: what did not fit and was left out, with `partial` only. settings: hyper-parameters
    that no shape tells, as they were taken. kept, left_out: keys of what stood beside the weights.
    nonfinite: NaN and infinite elements by name, and shapes: of those tensors. manifest_file: where
    the
    manifest lies if not in the file itself.
    """

    source: Path
    target: Path
    source_format: str
    target_format: str
    names: str
    tensors: int
    nbytes: int
    fingerprint: Fingerprint
    model: str | None = None
    score: float | None = None
    spec: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    nonfinite: Mapping[str, NonFinite] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    manifest_file: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        files = {"source": self.source, "target": self.target, "manifest_file": self.manifest_file}
        return asdict(self) | {name: path and str(path) for name, path in files.items()}


def convert(
    source: Path,
    target: Path,
    *,
    to: str | None = None,
    suffixes: str | None = None,
    embeddings: Collection[str] = (),
    model: str | None = None,
    target_format: str | None = None,
    key: str | None = None,
    prefix: str | None = None,
    uint16: str | None = None,
    allowed: Collection[str] = (),
    partial: bool = False,
    keep_rest: bool = False,
    with_sha256: bool | None = None,
    settings: Mapping[str, Any] = NO_SETTINGS,
    report: Report = lambda done, total: None,
) -> Conversion:
    """Convert a checkpoint. Nothing is lost, and the target is replaced only by a proven file.

    to: whose names the result gets, "ours", "published" or "kept"; by default ours if the file is
    of a known model. suffixes: whose layers the last part of the names follows, "torch" or
    "mindspore" (see `suffixes.py`). embeddings: entries that belong to embeddings. model: take this
    one instead of detecting it. target_format: of the result, if the target's suffix does not tell.
    key: where the weights are, if the file holds several. prefix: take only names that begin so.
    uint16: what 16-bit integers of Jittor are, "bfloat16" or "uint16". allowed: modules of which a
    pickle may name anything, which is data all the same. partial: convert what fits. keep_rest:
    keep what stands beside the weights, as optimizer state. with_sha256: take the source's SHA-256
    for the manifest; by default if it is small enough to cost little. settings: hyper-parameters
    that no shape tells, as {"value_range": 1}, instead of what the file or a rule says.

    Raises:
        InputError: the source cannot be read, or does not fit: `MismatchError` lists the entries.
        OutputError: the result could not be written.
    """
    _check_choice("to", to, NAMES)
    _check_choice("suffixes", suffixes, SUFFIXES)
    written_format = format_to_write(target, target_format)
    _check_choice("uint16", uint16, UINT16)
    checkpoint = open_checkpoint(source, key=key, prefix=prefix, allowed=allowed)
    if uint16 == "bfloat16":
        checkpoint = with_bfloat16(checkpoint)
    candidate = None
    if to != "kept":
        checkpoint, candidate = _fitting(
            checkpoint, model, to, settings, partial=partial, uint16=uint16
        )
    names = (to or "ours") if candidate else "kept"
    moves = _renamed(checkpoint, candidate, names)
    if suffixes:
        moves = _with_suffixes(moves, suffixes, embeddings)
    _check_format(written_format, moves, target)
    notes = _notes(checkpoint, candidate, names, to)
    moves, widened = _stored(moves, written_format)
    kept = _kept(checkpoint, written_format) if keep_rest else ()
    tensors = {name: move.tensor for name, move in moves.items()}
    document: object = tensors
    if kept:
        document = checkpoint.with_weights(tensors, kept)
    elif candidate and names == "published" and written_format.nests:
        document = layouts()[candidate.model].container(candidate.spec, tensors)
    if kept:
        document = _with_stored(document, written_format)
    if with_sha256 is None:
        with_sha256 = checkpoint.nbytes <= limits.SHA256_UP_TO_BYTES
    written = write_verified(
        checkpoint,
        target,
        written_format,
        document,
        make_manifest=lambda fingerprint: manifest.build(
            checkpoint, fingerprint, candidate, names=names, moves=moves
        ),
        with_sha256=with_sha256,
        report=report,
    )
    result = Conversion(
        source=source,
        target=target,
        source_format=checkpoint.format.name,
        target_format=written_format.name,
        names=names,
        tensors=len(moves),
        nbytes=target.stat().st_size,
        fingerprint=written.fingerprint,
        kept=kept,
        left_out=tuple(name for name in checkpoint.extra if name not in kept),
        nonfinite=written.nonfinite,
        shapes={name: tensors[name].shape for name in written.nonfinite if name in tensors},
        notes=(*_notes_of_kept(kept), *notes, *widened),
        manifest_file=written.manifest_file,
    )
    return _with_model(result, candidate) if candidate else result


def _check_choice(argument: str, value: str | None, choices: Collection[str]) -> None:
    if value is not None and value not in choices:
        raise unknown_name(argument, value, choices, where="weights_convert.convert(...)")


def _fitting(
    opened: Checkpoint,
    model: str | None,
    to: str | None,
    settings: Mapping[str, Any],
    *,
    partial: bool,
    uint16: str | None,
) -> tuple[Checkpoint, Candidate | None]:
    """The weights of a model, without a prefix, and which; None if there is none and none is
    needed."""
    recognized = recognize(opened, model)
    checkpoint, candidate = recognized.checkpoint, recognized.choose()
    candidate = with_settings(candidate, settings)
    if candidate is None:
        checkpoint = opened
    if candidate is None and to is not None:
        raise InputError(
            "model",
            expected="weights of " + ", ".join(layouts()),
            got="weights of none of them",
            where=str(checkpoint.path),
            next_step="--to kept keeps the names and checks no model, --model NAME takes one",
        )
    if candidate:
        candidate.check_constants(where=str(checkpoint.path))
    if candidate and not partial:
        candidate.check_fits(where=str(checkpoint.path), next_step="--partial converts what fits")
    hidden = [name for name, one in checkpoint.tensors.items() if one.dtype.name == "uint16"]
    if candidate is None and hidden and uint16 is None and checkpoint.format.name == "jittor":
        raise checkpoint.file.error(
            expected="weights of types that are known",
            got=f"{len(hidden)} uint16 tensors, as Jittor stores bfloat16",
            where=f"{quoted(hidden[0])} and others",
            next_step="say what they are: --uint16 bfloat16, or --uint16 uint16",
        )
    return checkpoint, candidate


def _stored(moves: Moves, written_format: Format) -> tuple[Moves, list[str]]:
    """The tensors as a format holds them, and what that changes."""
    result: Moves = {}
    for name, move in moves.items():
        tensor = written_format.stores(move.tensor)
        changed = (tensor.moved,) if tensor is not move.tensor else ()
        result[name] = replace(move, tensor=tensor, rules=(*move.rules, *changed))
    count = sum(result[name].tensor is not move.tensor for name, move in moves.items())
    note = f"{count} bfloat16 tensors were widened to float32, exactly: Jittor can load no bfloat16"
    return result, [note] if count else []


def _with_stored(document: object, written_format: Format) -> object:
    """What stands beside the weights, likewise."""
    if isinstance(document, Tensor):
        return written_format.stores(document)
    if isinstance(document, Mapping):
        return {key: _with_stored(one, written_format) for key, one in document.items()}
    if isinstance(document, list | tuple):
        return type(document)(_with_stored(one, written_format) for one in document)
    return document


def _renamed(checkpoint: Checkpoint, candidate: Candidate | None, names: str) -> Moves:
    """The tensors to write. One to one: `detect` lists a name once, and the table leads back."""
    if candidate is None:
        return {
            name: Move(name, tensor, ("name kept", tensor.moved))
            for name, tensor in checkpoint.tensors.items()
        }
    layout = layouts()[candidate.model]
    table = layout.table_of(candidate.spec)
    moves: Moves = {}
    for name, ours in candidate.ours.items():
        if name in candidate.misshapen:
            continue
        new = ours if names == "ours" else table.theirs(ours)
        if new is None or new in moves or (names == "published" and table.ours(new) != ours):
            raise InputError(
                f"names of {candidate.model}",
                expected="a published name for each entry, each once, that leads back",
                got=f"{new} for {ours}",
                where="weights_convert/published",
                next_step="correct the table",
            )
        tensor = checkpoint.tensors[name]
        rule = "name kept" if new == name else f"table of {candidate.model}"
        move = Move(name, tensor, (rule, tensor.moved))
        shape = candidate.shapes[name]
        if names == "published":
            shape = layout.their_shape(ours, shape)
        moves[new] = _reshaped(move, shape)
    if names == "published":
        for name, array in layout.constants(candidate.spec).items():
            moves[name] = Move(name, from_numpy(array), ("constant of the published layout",))
    if not moves:
        raise checkpoint.file.error(expected="entries that fit", got="none", where="names")
    return moves


def _with_suffixes(moves: Moves, suffixes: str, embeddings: Collection[str]) -> Moves:
    """The tensors as the layers of a framework call and shape them."""
    shapes = {name: move.tensor.shape for name, move in moves.items()}
    is_there = suffixes == "mindspore"
    new = to_mindspore(shapes, embeddings=embeddings) if is_there else to_torch(shapes)
    result: Moves = {}
    for name, move in moves.items():
        rules = move.rules if new[name].name == name else (*move.rules, f"suffix of {suffixes}")
        result[new[name].name] = _reshaped(replace(move, rules=rules), new[name].shape)
    return result


def _reshaped(move: Move, shape: tuple[int, ...]) -> Move:
    """The same elements in the same order, in another shape."""
    if move.tensor.shape == shape:
        return move
    rule = f"shape {move.tensor.shape} to {shape}"
    return Move(move.old, move.tensor.reshaped(shape), (*move.rules, rule))


def _check_format(written_format: Format, moves: Moves, target: Path) -> None:
    for name, move in moves.items():
        objection = written_format.objection(name, move.tensor)
        if objection:
            raise InputError(
                f"tensor {quoted(name)}",
                expected=f"one that {written_format.title} can hold",
                got=f"{move.tensor.dtype.name} {move.tensor.shape}: {objection}",
                where=str(target),
                next_step="write another format",
            )


def _kept(checkpoint: Checkpoint, written_format: Format) -> tuple[str, ...]:
    """Keys of what stands beside the weights and can be written."""
    plain = {name: value for name, value in checkpoint.extra.items() if is_plain(value)}
    is_flat = not checkpoint.key_path and all(isinstance(value, Tensor) for value in plain.values())
    if plain and not written_format.nests and not is_flat:
        raise InputError(
            "--keep-rest",
            expected="a format that holds more than tensors by name",
            got=f"{written_format.title} for {quoted(', '.join(plain))}",
            where=str(checkpoint.path),
            next_step="write a .pth or .pkl file, or leave --keep-rest out",
        )
    return tuple(plain)


def _notes(
    checkpoint: Checkpoint, candidate: Candidate | None, names: str, to: str | None
) -> tuple[str, ...]:
    notes = []
    if checkpoint.inside:
        notes.append(f"the checkpoint is {quoted(checkpoint.inside)} in the archive")
    if checkpoint.prefix:
        notes.append(f"the prefix {quoted(checkpoint.prefix)} of all names was removed")
    if any(one.moved == BFLOAT16_OF_JITTOR for one in checkpoint.tensors.values()):
        notes.append("uint16 tensors were read as bfloat16, as Jittor stores it")
    elif checkpoint.format.name == "jittor" and any(
        one.dtype.name == "uint16" for one in checkpoint.tensors.values()
    ):
        notes.append("uint16 tensors may be bfloat16, as Jittor stores it: --uint16 bfloat16")
    if candidate and candidate.constants and names == "ours":
        notes.append(
            f"{len(candidate.constants)} constants were left out, as {candidate.constants[0]}; "
            "--to published writes them again"
        )
    if candidate is None and to is None:
        notes.append("the weights are of no known model: their names were kept")
    if candidate and not candidate.is_known:
        notes.append(
            f"nobody here knows the entries of {candidate.model} of this size (no framework could "
            "build it): names were checked, shapes were not"
        )
    return tuple(notes)


def _notes_of_kept(kept: Collection[str]) -> list[str]:
    is_optimizer = any("optim" in name for name in kept)
    note = "optimizer state was kept as it is, in the order of the source's parameters"
    return [note] if is_optimizer else []


def _with_model(result: Conversion, candidate: Candidate) -> Conversion:
    return replace(
        result,
        model=candidate.model,
        score=candidate.score,
        spec=candidate.spec.to_dict(),
        settings=candidate.settings,
        missing=candidate.missing,
        unexpected=candidate.unexpected,
        misshapen=candidate.misshapen,
    )
