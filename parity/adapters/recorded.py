"""What a side gave elsewhere, in a file: `parity record` writes it, `arrays:FILE` reads it.

A `.safetensors` file with the arrays of a recording, the inputs ("input/NUMBER/NAME"), the weights
("weight/NAME") and, in its metadata, what else `serving.py` says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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
            "events": recording.events,
            "lines": recording.lines,
            "files": recording.files,
            "modules": recording.modules,
        },
    }
    save_file(
        {name: np.ascontiguousarray(array) for name, array in held.items()},
        path,
        {_KEY: json.dumps(about)},
    )


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
        self._recording = Recording(path, **found["recording"])

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
        """Its own weights stay."""

    def record(
        self,
        inputs: Mapping[str, np.ndarray],
        name: str,
        *,
        training: bool = False,
        seed: int = 0,
    ) -> Recording:
        """What was recorded.

        Raises:
            InputError: it was of other inputs.
        """
        given = list(inputs.values())
        held = list(self._inputs.values())
        if len(given) != len(held) or not all(map(np.array_equal, given, held)):
            raise InputError(
                "inputs",
                expected="those of the recording",
                got="others",
                where=self.side.source,
                next_step="leave --inputs and --input out",
            )
        return self._recording
