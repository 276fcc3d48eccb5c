"""The programs of a reproduction, as text: they need NumPy and the framework, nothing of the suite.

A side's program makes the network by its author's own file, gives one module what entered it, and
writes one array. The program of a part of a PyTorch reference is written out line by line instead.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from parity.adapters.sides import Side

MOST = 4
"""Reproductions of a comparison, since the programs of each are run."""

_IMPORTS = {
    "torch": """import torch

torch.manual_seed(0)""",
    "jittor": """try:  # where the suite is there, it makes Jittor start where it does not by itself
    from jittor_impl import runtime

    runtime.prepare("cpu", report=print, warn=print)
except ModuleNotFoundError:
    pass
import jittor

jittor.flags.use_cuda = 0""",
    "mindspore": """import mindspore

mindspore.set_context(mode=mindspore.PYNATIVE_MODE)""",
}
_SETUP = {
    "torch": """network.eval()
entries = dict(network.named_parameters()) | dict(network.named_buffers())
modules = dict(network.named_modules())


def assign(entry, array):
    with torch.no_grad():
        entry.copy_(torch.from_numpy(array).reshape(entry.shape))


def to_tensor(array):
    return torch.from_numpy(array)


def to_numpy(tensor):
    return tensor.detach().float().numpy()""",
    "jittor": """network.eval()
entries = network.state_dict()
modules = dict(network.named_modules())


def assign(entry, array):
    entry.assign(jittor.array(array.reshape(entry.shape)))


def to_tensor(array):
    return jittor.array(array)


def to_numpy(tensor):
    return tensor.float32().numpy()""",
    "mindspore": """network.set_train(False)
entries = dict(network.parameters_and_names())
modules = dict(network.cells_and_names())


def assign(entry, array):
    entry.set_data(mindspore.Tensor(array.reshape(entry.shape), dtype=entry.dtype))


def to_tensor(array):
    return mindspore.Tensor(array)


def to_numpy(tensor):
    return tensor.astype(mindspore.float32).asnumpy()""",
}
_WATCH = {
    "torch": ("register_forward_pre_hook", "register_forward_hook"),
    "jittor": ("register_pre_forward_hook", "register_forward_hook"),
    "mindspore": ("register_forward_pre_hook", "register_forward_hook"),
}


_GRADIENT = {
    "torch": "torch.autograd.grad(total(*inputs), entry)[0]",
    "jittor": "jittor.grad(total(*inputs), entry)",
    "mindspore": "mindspore.grad(total, 0, mindspore.ParameterTuple([entry]))(*inputs)[1][0]",
}


@dataclass(frozen=True)
class Part:
    """What a side's program runs and writes.

    module: that is run. watched: the module whose array is written. side: "in" for what enters it.
    call: which of its calls within the run. leaf: where the array is in what passes, "0" or
    "image.1", "" for all of it. start: the event at which the module that is run was entered.
    count: of arrays that enter it.
    """

    module: str
    watched: str
    side: str
    call: int
    leaf: str
    start: int
    count: int


@dataclass(frozen=True)
class Backward:
    """What a side's program differentiates: a sum of a module's outputs times given numbers, by an
    entry of the network. leaves: where the outputs are in what the module gives. count: of arrays
    that enter it."""

    module: str
    entry: str
    leaves: Sequence[str]
    start: int
    count: int


def side_script(side: Side, part: Part, name: str) -> str:
    """The program of a side, whose file is named as it is below the folder NAME.

    name: "reference" or "port", the beginning of its files' names.
    """
    pre, post = _WATCH[side.framework]
    hook = (
        f"watched.{pre}(lambda module, args, *_: passed.append(args))"
        if part.side == "in"
        else f"watched.{post}(lambda module, args, result, *_: passed.append(result))"
    )
    where = part.module or "the network"
    title = f"Gives {where} of {side.source} what entered it, and writes {name}.npy."
    return f"""{_head(side, name, title, part.count)}
passed = []
watched = modules[{part.watched!r}]
{hook}
modules[{part.module!r}](*inputs)
value = passed[{part.call}]
for key in {_keys(part.leaf)!r}:
    value = getattr(value, key) if isinstance(key, str) and hasattr(value, key) else value[key]
np.save(HERE / "{name}.npy", to_numpy(value))
"""


def gradient_script(side: Side, asked: Backward, name: str) -> str:
    """As `side_script`, of a gradient."""
    where = asked.module or "the network"
    title = f"Writes the gradient of {where} of {side.source} by {asked.entry} as {name}.npy."
    return f"""{_head(side, name, title, asked.count)}
with np.load(HERE / "{name}_factors.npz") as file:
    factors = [to_tensor(file[str(number)]) for number in range({len(asked.leaves)})]


def total(*inputs):
    result, found = modules[{asked.module!r}](*inputs), 0
    for keys, factor in zip({[_keys(leaf) for leaf in asked.leaves]!r}, factors):
        value = result
        for key in keys:
            value = getattr(value, key) if hasattr(value, str(key)) else value[key]
        found = found + (value * factor).sum()
    return found


entry = entries[{asked.entry!r}]
gradient = {_GRADIENT[side.framework]}
np.save(HERE / "{name}.npy", to_numpy(gradient))
"""


def _keys(leaf: str) -> list[int | str]:
    return [int(key) if key.isdigit() else key for key in leaf.split(".")] if leaf else []


def _head(side: Side, name: str, title: str, count: int) -> str:
    """The beginning of a side's program: its network with weights, and what enters it."""
    source, factory = side.source, side.factory
    if source.endswith(".py"):
        make = f'sys.path.insert(0, str(HERE / "{name}"))\n' + _import_line(source, factory)
    else:
        make = f"from {source} import {factory.split('.', maxsplit=1)[0]}"
    return f'''"""{title}"""

import json
import sys
from pathlib import Path

import numpy as np
{_IMPORTS[side.framework]}

HERE = Path(__file__).resolve().parent
{make}

network = {factory}(**json.loads({json.dumps(json.dumps(dict(side.arguments)))}))
{_SETUP[side.framework]}


with np.load(HERE / "{name}_weights.npz") as weights:
    for entry in weights.files:
        assign(entries[entry], weights[entry])
with np.load(HERE / "{name}_inputs.npz") as file:
    inputs = [to_tensor(file[str(number)]) for number in range({count})]'''


def _import_line(source: str, factory: str) -> str:
    module = source.removesuffix(".py").replace("/", ".")
    return f"from {module} import {factory.split('.', maxsplit=1)[0]}"


def transcript_script(lines: Sequence[str], result: str, where: str) -> str:
    """The program of a part of a PyTorch network, line by line."""
    body = "\n".join(f"    {line}" for line in lines)
    return f'''"""Computes {where} in PyTorch, in float64, and writes reference.npy.

Line by line what the network does there, of what the port had; above, the line that says so.
"""

from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
torch.set_default_dtype(torch.float64)


def read(name):
    with np.load(HERE / name) as file:
        return {{name: torch.from_numpy(file[name]) for name in file.files}}


x, w = read("reference_inputs.npz"), read("reference_weights.npz")
with torch.no_grad():
{body}
np.save(HERE / "reference.npy", {result}.resolve_conj().numpy())
'''


COMPARE = '''"""Compares reference.npy with port.npy, which the other two programs write."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
reference = np.load(HERE / "reference.npy").astype(np.float64)
port = np.load(HERE / "port.npy").astype(np.float64)
with np.load(HERE / "layout.npz") as file:  # where the port keeps each number of the reference
    port = port.ravel()[file["places"]].reshape(reference.shape)
error = np.abs(port - reference).max()
print(f"largest difference: {error:.3g}, of numbers up to {np.abs(reference).max():.3g}")
'''


def readme(title: Sequence[str], finding: str, files: Sequence[str], said: Sequence[str]) -> str:
    """What the folder is. title: both sides. files: of the authors, copied. said: what else."""
    copied = "".join(f"\n- `{file}`" for file in files)
    return f"""# {title[1]} against {title[0]}

{finding}

```
python reference.py
python port.py
python compare.py
```

The first two write `reference.npy` and `port.npy`, the third prints how far they are apart. Each
needs NumPy and its framework alone.

`*_inputs.npz` is what enters the part, `*_weights.npz` are its weights. The authors' files:
{copied or " none; the modules must be on PYTHONPATH"}
{"".join(chr(10) + text + chr(10) for text in said)}"""
