"""What PyTorch writes for other programs: TorchScript, `torch.export`, ONNX, a form for phones.

`restoration/inference/export.py` calls this by name
and judges what is computed by what was written.
"""

from __future__ import annotations

import copy
import linecache
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from restoration.arrays import Arrays
from restoration.engine.calls import name_outputs
from restoration.errors import RestorationError, UnavailableError
from restoration.inference import serving
from restoration.process import arrays
from restoration.process.serve import Session
from torch_impl.compiling import known_runs
from torch_impl.continuous import Continuous

_OPSET = 18
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_HERE = re.escape(str(Path(__file__).resolve().parent))
_LINE = re.compile(rf'File "({_HERE}/(?!exporting|compiling|engine)[^"]+)", line (\d+)')
"""A line of a network or of its layers, as traces of PyTorch's have it."""
_OPERATOR = re.compile(r"translating node .*?\[target=torch\.ops\.([\w.]+)\]")
"""The operator that no form of ONNX was found for."""
_NODE = re.compile(r"for node '([\w.]+)' \([\w.:]*::(\w+)\)")
"""The node that the exporter itself failed at, and its kind."""


def truth(_session: Session, *, slot: str, sources: list[str], targets: list[str]) -> None:
    """Outputs in float64 as "truth/NAME", and in float32 in every legitimate way as "N/NAME"."""
    opened = serving.opened(slot)
    engine: Any = opened.engine
    for source, target in zip(sources, targets, strict=True):
        found = known_runs(engine, opened.original or opened.network, read(source))
        save(target, found)


def export(
    session: Session,
    *,
    slot: str,
    form: str,
    path: str,
    sources: list[str],
    targets: list[str],
    is_dynamic: bool,
) -> list[str]:
    """Write a network and run what was written on every case; why not, for each, "" if it ran.

    With `is_dynamic`, axes that differ between cases are left open. Without, the first case of each
    size is exported, and the first one's file stays.
    """
    opened = serving.opened(slot)
    module = opened.network.module
    cases = [arguments_of(opened, source) for source in sources]
    write_form, run = _FORMS[form]
    if form == "mobile":
        from torch_impl.shrinking import with_int8_linear

        module, _ = with_int8_linear(module, cases[0])
    if is_dynamic and opened.spec.decisions:
        raise RestorationError(
            "open sizes beside those that the network decides by its picture: PyTorch's exporters "
            "had not come to an end after five minutes"
        )
    if isinstance(module, Continuous):
        module = _in_one_piece(module)
    problems: list[str] = []
    names = list(opened.spec.outputs)
    if is_dynamic:
        # An axis of length 1 would be taken for one that is always so.
        largest = max(cases, key=lambda case: case[0].shape[0])
        try:
            write_form(module, largest, Path(path), _open_axes(cases), names)
        except Exception as problem:
            raise RestorationError(_construct(problem, Path(path))) from problem
    files: dict[Any, Path] = {}
    for number, (case, target) in enumerate(zip(cases, targets, strict=True)):
        sizes = () if is_dynamic else tuple(one.shape for one in case if one is not None)
        place = Path(path)
        try:
            if sizes not in files:
                files[sizes] = place if not files else place.with_name(f"{number}-{place.name}")
                if not is_dynamic:
                    write_form(module, case, files[sizes], None, names)
            place = files[sizes]
            result = run(place, case)
        except Exception as problem:
            if number == 0:
                raise RestorationError(_construct(problem, place)) from problem
            problems.append(_construct(problem, place))
            continue
        outputs = name_outputs(opened.spec, result)
        save(target, {name: _array(value) for name, value in outputs.items()})
        problems.append("")
    for place in list(files.values())[1:]:
        place.unlink(missing_ok=True)
    return problems


def _in_one_piece(module: Continuous) -> Continuous:
    """The network, all queries at once: what is written would keep the number of its chunks."""
    found = copy.copy(module)
    found.chunk = sys.maxsize
    return found


def _script(module: nn.Module, case: list[Any], path: Path, _axes: Any, _names: list[str]) -> None:
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # sizes become constants, which is judged
        module(*case)
        torch.jit.trace(module, tuple(case), check_trace=False, strict=False).save(path)


def _run_script(path: Path, case: list[Any]) -> Any:
    with torch.inference_mode():
        return torch.jit.load(path)(*case)


def _program(module: nn.Module, case: list[Any], path: Path, axes: Any, _names: list[str]) -> None:
    with torch.no_grad():
        torch.export.save(
            torch.export.export(module, tuple(case), dynamic_shapes=axes, strict=False), path
        )


def _run_program(path: Path, case: list[Any]) -> Any:
    with torch.no_grad():
        return torch.export.load(path).module()(*case)


def _onnx(module: nn.Module, case: list[Any], path: Path, axes: Any, names: list[str]) -> None:
    try:
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as problem:
        raise _without_onnx(problem) from problem
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(case),
            path,
            dynamo=True,
            opset_version=_OPSET,
            dynamic_shapes=axes,
            output_names=names,
            external_data=False,
            verbose=False,
        )


def _run_onnx(path: Path, case: list[Any]) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as problem:
        raise _without_onnx(problem) from problem
    running = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = [value.numpy() for value in case if value is not None]
    names = [one.name for one in running.get_inputs()]
    return running.run(None, dict(zip(names, given, strict=True)))


_FORMS: dict[str, tuple[Callable[..., None], Callable[..., Any]]] = {
    "torchscript": (_script, _run_script),
    "torch-export": (_program, _run_program),
    "onnx": (_onnx, _run_onnx),
    "mobile": (_script, _run_script),
}


def _construct(problem: Exception, file: Path) -> str:
    """What stands in the way: the line of the network where an export or a run of it failed, and
    the reason in a line."""
    chain = [problem]
    while chain[-1].__cause__ or chain[-1].__context__:
        chain.append(chain[-1].__cause__ or chain[-1].__context__)  # type: ignore[arg-type]
    texts = [_COLORS.sub("", str(one)) for one in chain[::-1]]
    reason = next(
        (line.strip() for text in texts for line in text.splitlines() if line.strip()), ""
    )
    places = [place for text in [*texts, _trace_of_node(texts[-1], file)] for place in
              _LINE.findall(text)]  # fmt: skip
    places += [
        (frame.filename, str(frame.lineno))
        for one in chain
        for frame in traceback.extract_tb(one.__traceback__)
        if _LINE.match(f'File "{frame.filename}", line {frame.lineno}')
    ]
    if not places:
        operators = [found[1] for found in map(_OPERATOR.search, texts) if found]
        operators += [f"{found[1]}, {found[2]}" for found in map(_NODE.search, texts) if found]
        return f"{next(iter(operators), type(chain[-1]).__name__)}: {reason}"
    name, number = places[-1]
    line = linecache.getline(name, int(number)).strip()
    place = Path(name).relative_to(Path(__file__).resolve().parents[1])
    return f"{place}:{number} `{line}`: {reason}"


def _trace_of_node(text: str, file: Path) -> str:
    """Where a node that onnxruntime complains of comes from, as PyTorch notes it in the file."""
    named = re.search(r"Name:'([^']+)'", text)
    if not named or file.suffix != ".onnx":
        return ""
    import onnx

    for node in onnx.load(file).graph.node:
        if node.name == named.group(1):
            return "\n".join(one.value for one in node.metadata_props)
    return ""


def _without_onnx(problem: ModuleNotFoundError) -> UnavailableError:
    return UnavailableError(
        f"ONNX: expected the package {problem.name}, got none; "
        "pip install 'restoration-suite[onnx]' brings it"
    )


def _open_axes(cases: Sequence[list[Any]]) -> tuple[Any, ...]:
    """For each argument, the axes whose length differs between cases, to be left open."""
    auto = torch.export.Dim.AUTO
    return tuple(
        None
        if values[0] is None
        else {
            axis: auto
            for axis in range(values[0].ndim)
            if len({value.shape[axis] for value in values}) > 1
        }
        for values in zip(*cases, strict=True)
    )


def arguments_of(opened: serving.Opened, source: str) -> list[Any]:
    """A network's arguments of a file."""
    engine: Any = opened.engine
    return engine.arguments(opened.spec, read(source))


def _array(value: Tensor | np.ndarray) -> np.ndarray:
    return value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)


def read(source: str) -> Arrays:
    """The arrays of a file."""
    with arrays.reading(Path(source)) as reader:
        return {name: reader[name] for name in reader.names}


def save(target: str, outputs: Arrays) -> None:
    """Write arrays to a file."""
    arrays.write(Path(target), outputs)
