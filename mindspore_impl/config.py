"""The configuration of the MindSpore model zoo's users: a file of up to three YAML documents.

The first holds values, the second help texts, the third choices. Every value that is no list or
mapping is also a flag of the programs, `--KEY VALUE`, parsed by the type of its default. What a
file leaves out has the default of `configs/`, which has a file for each device.
"""

from __future__ import annotations

import argparse
import ast
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from restoration.errors import InputError, suggest

FILES = {"cpu": "cpu_config", "cuda": "gpu_config", "ascend": "ascend_config"}
"""The file of each device, by the suite's names."""

DEVICES = {"CPU": "cpu", "GPU": "cuda", "Ascend": "ascend"}
"""What MindSpore calls the devices."""

_FOLDER = Path(__file__).parent / "configs"
_CONFIG_PATH = "config_path"
_MISSPELLED = 0.9  # difflib's ratio; flags of recipes are less like any key


@dataclass(frozen=True)
class Configuration:
    """What a file says: values, help texts and choices by key."""

    values: Mapping[str, Any]
    helps: Mapping[str, str]
    choices: Mapping[str, Sequence[Any]]


def read_config(device: str) -> dict[str, Any]:
    """The values of a device's file in `configs`."""
    return dict(read(path_of(device)).values)


def path_of(device: str) -> Path:
    """The file of a device, by the suite's name of it."""
    return _FOLDER / f"{FILES[device]}.yaml"


def read(path: Path) -> Configuration:
    """A file as it is.

    Raises:
        InputError: it cannot be read, or is not up to three YAML documents of keys.
    """
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise _bad(path, "a YAML file", " ".join(str(problem).split())) from problem
    documents = [document or {} for document in documents]
    if not 1 <= len(documents) <= 3 or not all(isinstance(one, dict) for one in documents):
        raise _bad(path, "one to three documents of keys", f"{len(documents)} documents")
    values, helps, choices = (*documents, {}, {})[:3]
    return Configuration(values, helps, choices)


def is_given(words: Sequence[str], *, apart_from: Sequence[str] = ()) -> bool:
    """Whether a command line has one of these flags, apart from those that mean something else.

    One that is misspelled counts, for its error to name the nearest.
    """
    known = {*read(path_of("cpu")).values, _CONFIG_PATH} - set(apart_from)
    flags = [word[2:].partition("=")[0] for word in words if word.startswith("--")]
    return any(difflib.get_close_matches(flag, known, 1, _MISSPELLED) for flag in flags)


def parse(
    program: str, words: Sequence[str], *, device: str, more: argparse.ArgumentParser | None = None
) -> argparse.Namespace:
    """All keys as one name space: the file's values, and what flags say instead.

    device: whose file is taken where no `--config_path` names one. more: flags that a program has
    beside the keys.

    Raises:
        InputError: an unknown key or flag, or a value that cannot be.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument(f"--{_CONFIG_PATH}", type=Path, default=path_of(device))
    path = first.parse_known_args(words)[0].config_path
    config = _complete(path, read(path_of(device)))
    from restoration import console  # engines read a device's file without one

    parser = console.Parser(
        prog=f"python -m {program}",
        description="MIMO-UNet, by the model zoo's configuration.",
        parents=[first, *([more] if more else [])],
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for key, default in config.values.items():
        if not isinstance(default, list | dict):
            parser.add_argument(
                f"--{key}", default=default, metavar="VALUE", help=_help(config, key)
            )
    found, left = parser.parse_known_args(words)
    if left:
        raise _unknown(left[0], [*config.values, _CONFIG_PATH])
    for key, default in config.values.items():
        if not isinstance(default, list | dict):
            value = _typed(key, getattr(found, key), default, path)
            _check_choice(key, value, config.choices, path)
            setattr(found, key, value)
        else:
            setattr(found, key, default)
    return found


def _help(config: Configuration, key: str) -> str:
    text = str(config.helps.get(key, "")).replace("%", "%%")
    choices = config.choices.get(key)
    return f"{text} ({', '.join(map(str, choices))})" if choices else text or " "


def _complete(path: Path, own: Configuration) -> Configuration:
    """A file with all keys: ours where it has none."""
    given = read(path)
    for key, value in given.values.items():
        if key not in own.values:
            raise InputError(
                f"configuration {path}",
                expected="known keys",
                got=repr(key),
                where=str(path),
                next_step=suggest(str(key), own.values),
            )
        if isinstance(value, list | dict):
            raise _bad(path, f"one value for {key}", repr(value))
    return Configuration(
        {**own.values, **{k: _typed(k, v, own.values[k], path) for k, v in given.values.items()}},
        {**own.helps, **given.helps},
        {**own.choices, **given.choices},
    )


def _typed(key: str, value: Any, default: Any, path: Path) -> Any:
    """A value by the type of its default; words of a command line are read as such."""
    kind = type(default)
    if isinstance(value, kind) and not (kind is not bool and isinstance(value, bool)):
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    try:
        if kind is bool:
            found = ast.literal_eval(str(value).capitalize())
            if isinstance(found, bool):
                return found
        elif not isinstance(value, bool):
            return kind("" if value is None else value)
    except (ValueError, SyntaxError, TypeError):
        pass
    names = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}
    raise InputError(
        key,
        expected=names.get(kind, kind.__name__),
        got=repr(value),
        where=f"command line, or {path}",
        next_step=f"as --{key} {default}",
    )


def _check_choice(key: str, value: Any, choices: Mapping[str, Sequence[Any]], path: Path) -> None:
    if key in choices and value not in choices[key]:
        raise InputError(
            key,
            expected="one of " + ", ".join(map(str, choices[key])),
            got=repr(value),
            where=f"command line, or {path}",
            next_step=suggest(str(value), map(str, choices[key])),
        )


def _unknown(word: str, known: Sequence[str]) -> InputError:
    if not word.startswith("--"):
        return InputError(
            "command line",
            expected="flags, as --dataset_root D; a RECIPE takes none of the configuration's",
            got=repr(word),
            where="command line",
            next_step="leave out the word, or give the recipe's keys as key=value",
        )
    flag = word[2:].partition("=")[0]
    near = suggest(flag, known)
    return InputError(
        "command line",
        expected="a flag of the configuration",
        got=f"--{flag}",
        where="command line",
        next_step=near,
    )


def _bad(path: Path, expected: str, got: str) -> InputError:
    return InputError(
        f"configuration {path}",
        expected=expected,
        got=got,
        where=str(path),
        next_step="see those in mindspore_impl/configs",
    )
