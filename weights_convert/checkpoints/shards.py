"""One checkpoint in several files: an index in JSON that says which file has which tensor, files
that are numbered ("-00001-of-00002"), and folders of either."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from restoration.errors import InputError
from weights_convert import limits
from weights_convert.errors import broken, quoted
from weights_convert.files.mapped import MappedFile
from weights_convert.formats import WRITABLE

MAX_FILES = 1000
_NUMBERED = re.compile(r"(.*?)[-_.](\d+)[-_]of[-_](\d+)(\.\w+)")
_INDEX = ".index.json"
_LISTED = 5
_MOMENTS = "moments.safetensors"  # of a checkpoint of the suite: the optimizer's
_SUFFIXES = frozenset(
    suffix for found in WRITABLE.values() for suffix in found.suffixes
) | {".npy", ".tar"}  # fmt: skip
_DISTRIBUTED = (
    "a checkpoint folder of a distributed run of PyTorch",
    "python -m torch.distributed.checkpoint.format_utils dcp_to_torch {folder} OUT.pth",
)


@dataclass(frozen=True)
class Shards:
    """The files of a checkpoint in their order. names: the tensors that each must hold, by its
    path; empty where nobody says. index: the file that does."""

    paths: tuple[Path, ...]
    names: Mapping[Path, frozenset[str]]
    index: MappedFile | None = None


def files_of(path: Path, shown_as: Path | None) -> Path | Shards:
    """The files that a user means by a path: one, or the shards of a checkpoint.

    Raises:
        InputError: a folder with no checkpoint, with several, or of a program that has its own way;
            a shard alone; an index that does not fit its files.
    """
    if path.is_dir():
        return _in_folder(path)
    if shown_as is None:
        _refuse_distributed(path.parent, path)
        _refuse_part(path)
        if path.suffix == ".json" and path.is_file():
            return _by_index(path)
    return path


def _in_folder(folder: Path) -> Path | Shards:
    _refuse_distributed(folder, folder)
    names = _names(folder)
    for name, what, advice in (
        ("zero_to_fp32.py", "a checkpoint folder of DeepSpeed", f"python {folder}/zero_to_fp32.py "
         f"{folder} OUT"),
        ("saved_model.pb", "a SavedModel of TensorFlow", "in TensorFlow: np.savez(OUT, **{one.name:"
         f" one.numpy() for one in tf.saved_model.load({str(folder)!r}).variables}})"),
    ):  # fmt: skip
        if name in names:
            raise _folder_error(folder, what, advice)
    indexes = [name for name in names if name.endswith(_INDEX)]
    if len(indexes) == 1 and len(_whole_files(names)) == 0:
        return _by_index(folder / indexes[0])
    series = {found[1] + found[4] for name in names if (found := _NUMBERED.fullmatch(name))}
    whole = _whole_files(names)
    if not indexes and not whole and len(series) == 1:
        return _by_numbers(folder, names)
    if len(whole) == 1 and not indexes and not series:
        return folder / whole[0]
    choice = [*indexes, *whole] or sorted(series)
    if choice:
        got = ", ".join(map(quoted, choice[:_LISTED]))
        raise _folder_error(
            folder, f"a folder with {got}", f"name one of them, as {folder / choice[0]}"
        )
    below = (one / name for one in _folders_below(folder) for name in _whole_files(_names(one)))
    first = next(below, None)
    raise _folder_error(
        folder,
        "a folder with no checkpoint in it",
        f"name a file below it, as {first}" if first else "name the file with the weights",
    )


def _names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def _folders_below(folder: Path) -> list[Path]:
    """Folders in a folder, and in those, as a run of training has its checkpoints; `best` first."""
    below = [one for pattern in ("*", "*/*") for one in folder.glob(pattern) if one.is_dir()]
    return sorted(below, key=lambda one: (one.name != "best", one))


def _whole_files(names: list[str]) -> list[str]:
    return [
        name
        for name in names
        if Path(name).suffix.lower() in _SUFFIXES
        and not _NUMBERED.fullmatch(name)
        and "optim" not in name.lower()
        and name != _MOMENTS
        and not name.startswith(".")
    ]


def _folder_error(folder: Path, got: str, next_step: str) -> InputError:
    return broken(folder, expected="a file", got=got, where="path", next_step=next_step)


def _refuse_distributed(folder: Path, path: Path) -> None:
    is_its = path == folder or path.name == ".metadata" or path.suffix == ".distcp"
    if (is_its and (folder / ".metadata").is_file()) or path.suffix == ".distcp":
        got, advice = _DISTRIBUTED
        got = got if path == folder else f"a part of {got}"
        raise _folder_error(path, got, advice.format(folder=folder))


def _refuse_part(path: Path) -> None:
    found = _NUMBERED.fullmatch(path.name)
    if not found or int(found[3]) < 2 or not path.is_file():
        return
    parts = [one.name for one in path.parent.iterdir() if _series(one.name) == _series(path.name)]
    indexes = [one for one in path.parent.iterdir() if one.name.endswith(_INDEX)]
    missing = int(found[3]) - len(parts)
    advice = f"give the folder, {path.parent}"
    if len(indexes) == 1:
        advice = f"give the index, {indexes[0]}"
    if missing > 0:
        advice = f"get the other files beside it ({missing} are missing), and give the folder"
    raise broken(
        path,
        expected="a whole checkpoint",
        got=f"part {int(found[2])} of {int(found[3])}",
        where="name of the file",
        next_step=advice,
    )


def _series(name: str) -> tuple[str, ...]:
    found = _NUMBERED.fullmatch(name)
    return (found[1], found[3], found[4]) if found else ()


def _by_numbers(folder: Path, names: list[str]) -> Shards:
    """Numbered files without an index: all of them have to be there."""
    parts = {int(found[2]): found for name in names if (found := _NUMBERED.fullmatch(name))}
    count = {int(found[3]) for found in parts.values()}
    expected = max(count)
    numbers = sorted(parts)
    if len(count) != 1 or numbers not in (list(range(1, expected + 1)), list(range(expected))):
        raise broken(
            folder,
            expected=f"parts 1 to {expected}",
            got=", ".join(map(str, numbers[:20])),
            where="names of the files",
            next_step="get the missing files",
        )
    return Shards(tuple(folder / parts[number][0] for number in numbers), {})


def _by_index(path: Path) -> Shards:
    file = MappedFile(path)
    if file.size > limits.MAX_HEADER_BYTES:
        raise file.error(expected="an index of plausible size", got=f"{file.size} bytes")
    try:
        content = json.loads(file.read(0, file.size))
        weight_map = content["weight_map"]
        is_map = all(isinstance(one, str) for one in weight_map.values()) and weight_map
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        is_map = False
    if not is_map:
        raise file.error(
            expected="an index of shards, with a weight_map",
            got="JSON of another kind, or none",
            where="JSON",
            next_step="name the file with the weights",
        )
    by_file: dict[str, list[str]] = {}
    for name, where in weight_map.items():
        by_file.setdefault(where, []).append(name)
    outside = [one for one in by_file if Path(one).name != one or one in ("", ".", "..")]
    if outside or len(by_file) > MAX_FILES or len(weight_map) > limits.MAX_ENTRIES:
        raise file.error(
            expected=f"at most {MAX_FILES} files beside the index",
            got=quoted(outside[0]) if outside else f"{len(by_file)}",
            where="weight_map",
        )
    missing = [one for one in by_file if not (path.parent / one).is_file()]
    if missing:
        raise file.error(
            expected=f"{len(by_file)} files beside the index",
            got=f"no {', '.join(map(quoted, missing[:_LISTED]))}",
            where="weight_map",
            next_step="get the missing files",
        )
    names = {path.parent / one: frozenset(listed) for one, listed in by_file.items()}
    return Shards(tuple(sorted(names)), names, file)
