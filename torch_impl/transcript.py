"""A stretch of a tape as a program: plain PyTorch, line by line, with the user's lines above."""

from __future__ import annotations

import linecache
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import resolve_name

from torch_impl.tape import Place, Stretch, Tape, double_by_default

_HOMES = ("torch.nn.functional", "torch", "torch.Tensor", "torch.fft", "torch.linalg")


@dataclass(frozen=True)
class Transcript:
    """lines: of a program that computes `result` from `inputs` and `weights`, arrays by name, of
    which it reads those of x["NAME"] and w["NAME"]."""

    lines: list[str]
    result: str
    inputs: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray]

    def run(self) -> np.ndarray:
        """What the program computes, in float64."""
        names: dict[str, Any] = {
            "torch": torch,
            "x": {name: torch.from_numpy(array.copy()) for name, array in self.inputs.items()},
            "w": {name: torch.from_numpy(array.copy()) for name, array in self.weights.items()},
        }
        with double_by_default(), torch.no_grad():
            exec("\n".join(self.lines), names)
        found: np.ndarray = names[self.result].resolve_conj().numpy()
        return found


def transcribe(tape: Tape, stretch: Stretch, network: nn.Module) -> Transcript:
    """A stretch as a program.

    Raises:
        ValueError: a call, or an argument of one, has no text.
    """
    writer = _Writer(tape, stretch, network)
    lines: list[str] = []
    said = ""
    for call in stretch.calls:
        if call.frames:
            file, line, _ = call.frames[0]
            source = f"# {Path(file).name}:{line}: {linecache.getline(file, line).strip()}"
            lines += [source] if source != said else []
            said = source
        lines.append(writer.statement(call))
    return Transcript(lines, writer.name(stretch.slot), writer.inputs, writer.weights)


class _Writer:
    def __init__(self, tape: Tape, stretch: Stretch, network: nn.Module):
        self._tape = tape
        self._known = {id(value): name for name, value in network.named_parameters()}
        self._known |= {id(value): name for name, value in network.named_buffers()}
        self.inputs: dict[str, np.ndarray] = {}
        self.weights: dict[str, np.ndarray] = {}
        self._names: dict[int, str] = {}
        for number, (slot, tap) in enumerate(stretch.sources.items()):
            self.inputs[str(number)] = _array(tape.tapped(tap))
            self._names[slot] = f'x["{number}"]'

    def name(self, slot: int) -> str:
        if slot not in self._names:
            tensor = self._tape.tensors[slot]
            entry = self._known.get(id(tensor), f"constant {slot}")
            self.weights[entry] = _array(tensor)
            self._names[slot] = f'w["{entry}"]'
        return self._names[slot]

    def statement(self, call: Any) -> str:
        arguments = [self._text(part) for part in call.arguments]
        arguments += [f"{name}={self._text(part)}" for name, part in call.keywords.items()]
        text = f"{_function(call)}({', '.join(arguments)})"
        for slot in call.results:
            if slot not in call.written or slot not in self._names:
                self._names[slot] = f"t{slot}"
        targets = [self._names[slot] for slot in call.results]
        if len(targets) > 1:
            return f"{', '.join(targets)} = {text}"
        return f"{targets[0]} = {text}" if targets else text

    def _text(self, value: Any) -> str:
        if isinstance(value, Place):
            text = self.name(value.slot)
        elif isinstance(value, slice):
            text = f"slice{self._text((value.start, value.stop, value.step))}"
        elif isinstance(value, tuple | list):
            text = "".join(f"{self._text(part)}, " for part in value)
            text = f"({text})" if isinstance(value, tuple) else f"[{text}]"
        elif isinstance(value, float) and not math.isfinite(value):
            text = f'float("{value}")'
        elif value is Ellipsis:
            text = "..."
        elif isinstance(value, torch.device):
            text = '"cpu"'
        elif isinstance(value, torch.dtype | torch.memory_format | torch.layout):
            text = str(value)
        elif value is None or isinstance(value, bool | int | float | complex | str):
            text = repr(value)
        else:
            raise ValueError(f"{type(value).__name__} has no text")
        return text


def _function(call: Any) -> str:
    name = resolve_name(call.function)
    if isinstance(name, str) and _found(name) is not None:
        return name
    for home in _HOMES:
        if _found(f"{home}.{call.name}") is call.function:
            return f"{home}.{call.name}"
    raise ValueError(f"{call.name} has no name")


def _found(name: str) -> Any:
    """What a dotted name that begins with torch means, None where it means nothing."""
    value: Any = torch
    for part in name.split(".")[1:]:
        value = getattr(value, part, None)
        if value is None:
            return None
    return value


def _array(tensor: Tensor) -> np.ndarray:
    with torch._C.DisableTorchFunction():
        found: np.ndarray = tensor.detach().resolve_conj().cpu().numpy().copy()
        return found
