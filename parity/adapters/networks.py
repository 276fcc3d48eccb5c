"""The networks of both sides, as the comparing process sees them: asked through their processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from parity.adapters import serving
from parity.adapters.sides import FILES, Side
from restoration.errors import InputError
from restoration.process import arrays
from restoration.process.launch import Process
from weights_convert.checkpoints.checkpoint import open_checkpoint


@dataclass
class Recording:
    """A run of a side. file: with its arrays. The rest as `serving.tapped` says."""

    file: Path
    outputs: list[str]
    events: list[dict[str, Any]]
    lines: list[list[int]]
    files: list[str]
    modules: list[str]
    draws: int = 0
    overwritten: int | None = None

    def read(self, group: str) -> dict[str, np.ndarray]:
        with arrays.reading(self.file) as file:
            return file.group(group)


@dataclass
class Running:
    """A side's network in its process. folder: for files to and from it."""

    side: Side
    process: Process | None
    folder: Path
    about: dict[str, Any] = field(default_factory=dict)

    is_live: ClassVar[bool] = True

    def ask(self, function: str, **arguments: Any) -> Any:
        return self.call(f"{self.side.serving}:{function}", **arguments)

    def call(self, function: str, **arguments: Any) -> Any:
        """The result of "package.module:function" in its process."""
        assert self.process
        return self.process.call(function, arguments)

    def close(self) -> None:
        if self.process:
            self.process.close()

    def open(self) -> None:
        self.about = self.ask("open_network", **self.side.request())

    def renew(self) -> None:
        """Make the network anew, with the weights that it has."""
        self.ask("renew")

    def set_mode(self, *, training: bool) -> None:
        """Compare in training mode from here on, or not."""
        self.ask("set_mode", training=training)

    def describe(self) -> None:
        self.about = self.ask("describe")

    @property
    def has_own_weights(self) -> bool:
        """Whether its weights belong to it: none are drawn for it, none moved into it."""
        return self.side.framework in FILES

    @property
    def kinds(self) -> dict[str, str]:
        return {module["name"]: module["kind"] for module in self.about["modules"]}

    @property
    def attributes(self) -> dict[str, dict[str, Any]]:
        return {module["name"]: module["attributes"] for module in self.about["modules"]}

    @property
    def trained(self) -> dict[str, bool]:
        return {entry["name"]: entry["trained"] for entry in self.about["entries"]}

    def state(self) -> dict[str, np.ndarray]:
        path = self.folder / "state.safetensors"
        self.ask("write_state", path=str(path))
        with arrays.reading(path) as file:
            return {entry["name"]: file[entry["name"]] for entry in self.about["entries"]}

    def load(self, weights: Mapping[str, np.ndarray], name: str = "weights") -> None:
        self.ask("load", path=str(self.write_weights(weights, name)))

    def write_weights(self, weights: Mapping[str, np.ndarray], name: str) -> Path:
        path = self.folder / f"{name}.safetensors"
        arrays.write(path, {key: np.asarray(value) for key, value in weights.items()})
        return path

    def record(
        self,
        inputs: Mapping[str, np.ndarray],
        name: str,
        *,
        training: bool = False,
        seed: int = 0,
        taps: bool = True,
    ) -> Recording:
        given, found = self.write_inputs(inputs, name), self.folder / f"{name}.safetensors"
        options = {"inputs": str(given), "path": str(found), "training": training, "seed": seed}
        if not taps:
            options["taps"] = False
        result = self.ask("tapped", **options)
        return Recording(found, **result)

    def run(self, inputs: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
        return self.outputs(inputs, name).read("output")

    def outputs(self, inputs: Mapping[str, np.ndarray], name: str, *, seed: int = 0) -> Recording:
        """A run of which the outputs alone are recorded."""
        given, found = self.write_inputs(inputs, name), self.folder / f"{name}.safetensors"
        names = self.ask("run", inputs=str(given), path=str(found), seed=seed)
        return Recording(found, names, [], [], [], [])

    def gradients(
        self, inputs: Mapping[str, np.ndarray], cotangents: Mapping[int, np.ndarray]
    ) -> dict[str, np.ndarray]:
        given, found = self.write_inputs(inputs, "backward"), self.folder / "gradients.safetensors"
        factors = self.folder / "cotangents.safetensors"
        arrays.write(factors, {str(number): array for number, array in cotangents.items()})
        self.ask("gradients", inputs=str(given), cotangents=str(factors), path=str(found))
        with arrays.reading(found) as file:
            return {name: file[name] for name in file.names}

    def write_inputs(self, inputs: Mapping[str, np.ndarray], name: str) -> Path:
        path = self.folder / f"{name}-inputs.safetensors"
        serving.write_inputs(path, inputs)
        return path


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """The weights of a file of any format that is read."""
    found = open_checkpoint(path)
    return {name: tensor.to_numpy() for name, tensor in found.tensors.items()}


def fitted(
    weights: Mapping[str, np.ndarray], running: Running, file: Path
) -> dict[str, np.ndarray]:
    """Weights of a file for the entries of a network that have the same names and sizes.

    A prefix that all names of one side have is no difference. Integer entries may be missing.

    Raises:
        InputError: entries of the network are missing in the file, or have another size.
    """
    entries = {entry["name"]: entry for entry in running.about["entries"]}
    names = _matched(list(weights), list(entries))
    result, wrong = {}, []
    for name, entry in entries.items():
        source = names.get(name)
        if source is None:
            if entry["trained"]:
                wrong.append(f"-{name}")
            continue
        array = weights[source]
        if array.size != int(np.prod(entry["shape"])):
            wrong.append(f"~{name} {array.shape} for {tuple(entry['shape'])}")
            continue
        result[name] = np.ascontiguousarray(array).reshape(entry["shape"])
    if wrong:
        raise InputError(
            f"weights of {running.side.title}",
            expected=f"its {len(entries)} entries",
            got=f"{len(wrong)} that do not fit: {', '.join(wrong[:5])}",
            where=str(file),
            next_step="- network only, ~ other shape; give the file that belongs to this side",
        )
    return result


def _matched(given: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """The name in the file of each entry: the same, or the same behind a prefix."""
    found = {name: name for name in wanted if name in set(given)}
    if found or not given:
        return found
    for shorter, longer, flip in ((wanted, given, False), (given, wanted, True)):
        for name in longer:
            for other in shorter:
                if name.endswith("." + other):
                    prefix = name[: -len(other)]
                    return {
                        (prefix + one if flip else one): (one if flip else prefix + one)
                        for one in shorter
                        if prefix + one in set(longer)
                    }
    return {}
