"""What a side gave elsewhere, in a file: `parity record` writes it, `arrays:FILE` reads it.

A `.safetensors` file with the arrays of a recording, the inputs ("input/NUMBER/NAME"), the weights
("weight/NAME") and, in its metadata, what else `serving.py` says. Paths are from the file's
folder, so that it may be kept beside the code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from parity.adapters.networks import Recording, Running
from parity.adapters.sides import Side
from restoration.errors import InputError, UnavailableError

_KEY = "parity.recording"
_FORMAT = 1


def write(
    path: Path, running: Running, inputs: Mapping[str, np.ndarray], recording: Recording
) -> None:
    """Write what a side gave for some inputs."""
    held = {
        f"{group}/{name}": array
        for group in ("output", "tap")
        for name, array in recording.read(group).items()
    }
    held |= {f"input/{n}/{name}": array for n, (name, array) in enumerate(inputs.items())}
    held |= {f"weight/{name}": array for name, array in running.state().items()}
    about = {
        "format": _FORMAT,
        "side": running.side.title,
        "about": running.about,
        "recording": {
            "outputs": recording.outputs,
            "events": _with_paths(recording.events, lambda name: _from(path.parent, name)),
            "lines": recording.lines,
            "files": [_from(path.parent, name) for name in recording.files],
            "modules": recording.modules,
        },
    }
    save_file(
        {name: np.ascontiguousarray(array) for name, array in held.items()},
        path,
        {_KEY: json.dumps(about)},
    )


def _from(folder: Path, name: str) -> str:
    """A path from a folder, in the form that every system reads."""
    return Path(os.path.relpath(name, folder)).as_posix()


def _with_paths(
    events: Sequence[Mapping[str, Any]], changed: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Events whose frames name other paths."""
    return [
        {**event, "frames": [[changed(file), *rest] for file, *rest in event["frames"]]}
        for event in events
    ]


class Recorded(Running):
    """A side that is not run: it gives what was recorded."""

    is_live = False

    def __init__(self, side: Side, folder: Path):
        """Raises InputError: the file is no recording."""
        self.side, self.folder, self.process = side, folder, None
        path = Path(side.source)
        try:
            with safe_open(path, framework="np") as file:
                found = json.loads((file.metadata() or {})[_KEY])
                names = list(file.keys())
                self._inputs = {
                    name.split("/", 2)[2]: file.get_tensor(name)
                    for name in sorted(names)
                    if name.startswith("input/")
                }
                self._weights = {
                    name.partition("/")[2]: file.get_tensor(name)
                    for name in names
                    if name.startswith("weight/")
                }
        except (OSError, KeyError, ValueError, SafetensorError) as problem:
            raise InputError(
                "arrays",
                expected="a file that `parity record` wrote",
                got=f"{type(problem).__name__}: {problem}",
                where=str(path),
                next_step="parity record SIDE -o FILE writes one",
            ) from problem
        self.about = found["about"]
        told = found["recording"]

        def absolute(name: str) -> str:
            return os.path.normpath(path.absolute().parent / name)

        told["events"] = _with_paths(told["events"], absolute)
        told["files"] = [absolute(name) for name in told["files"]]
        self._recording = Recording(path, **told)

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """Those that were recorded."""
        return dict(self._inputs)

    def open(self) -> None:
        """It is."""

    def close(self) -> None:
        """Nothing runs."""

    def set_mode(self, *, training: bool) -> None:
        """It was recorded in one mode."""

    def describe(self) -> None:
        """It is."""

    def ask(self, function: str, **arguments: Any) -> Any:
        if function == "fold":
            return []
        raise UnavailableError(f"a recording cannot be asked for {function}")

    def state(self) -> dict[str, np.ndarray]:
        return {entry["name"]: self._weights[entry["name"]] for entry in self.about["entries"]}

    def load(self, weights: Mapping[str, np.ndarray], name: str = "weights") -> None:
        """Its own weights stay.

        Raises:
            InputError: others are given.
        """
        for entry, array in weights.items():
            held = self._weights[entry]
            if array.size != held.size or not np.array_equal(
                array.astype(held.dtype).reshape(held.shape), held
            ):
                raise self._other("weights", entry)

    def record(
        self,
        inputs: Mapping[str, np.ndarray],
        name: str,
        *,
        training: bool = False,
        seed: int = 0,
        taps: bool = True,
    ) -> Recording:
        """What was recorded.

        Raises:
            InputError: it was of other inputs.
        """
        given = list(inputs.values())
        held = list(self._inputs.values())
        if len(given) != len(held) or not all(map(np.array_equal, given, held)):
            raise self._other("inputs", ", ".join(inputs))
        return self._recording

    def _other(self, what: str, names: str) -> InputError:
        return InputError(
            what,
            expected="those of the recording",
            got=f"others for {names}",
            where=self.side.source,
            next_step="leave them out, or record again",
        )
