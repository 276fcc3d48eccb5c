"""What PyTorch writes for other programs: TorchScript, `torch.export`, ONNX, a form for phones.

Networks with pruned or quantized weights too. `restoration/inference/export.py` calls this by name
and judges what is computed by what was written.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from restoration.arrays import Arrays
from restoration.engine.calls import name_outputs
from restoration.errors import UnavailableError
from restoration.inference import serving
from restoration.process import arrays
from restoration.process.serve import Session
from torch_impl.compiling import known_runs

_OPSET = 18


def truth(_session: Session, *, slot: str, sources: list[str], targets: list[str]) -> None:
    """Outputs in float64 as "truth/NAME", and in float32 in every legitimate way as "N/NAME"."""
    opened = serving.opened(slot)
    engine: Any = opened.engine
    for source, target in zip(sources, targets, strict=True):
        found = known_runs(engine, opened.original or opened.network, _read(source))
        arrays.write(Path(target), found)


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

    With `is_dynamic`, axes that differ between cases are left open. Without, every case is exported
    by itself, and the first one's file stays.
    """
    opened = serving.opened(slot)
    module = opened.network.module
    cases = [_arguments(opened, source) for source in sources]
    write, run = _FORMS[form]
    if form == "mobile":
        module, _ = _with_int8_linear(module, cases[0])
    problems: list[str] = []
    names = list(opened.spec.outputs)
    if is_dynamic:
        # An axis of length 1 would be taken for one that is always so.
        largest = max(cases, key=lambda case: case[0].shape[0])
        write(module, largest, Path(path), _open_axes(cases), names)
    for number, (case, target) in enumerate(zip(cases, targets, strict=True)):
        place = Path(path)
        try:
            if not is_dynamic:
                place = place if number == 0 else place.with_name(f"{number}-{place.name}")
                write(module, case, place, None, names)
            result = run(place, case)
        except Exception as problem:
            if number == 0:
                raise
            problems.append(f"{type(problem).__name__}: {(str(problem).splitlines() or [''])[0]}")
            continue
        finally:
            if number and not is_dynamic:
                place.unlink(missing_ok=True)
        outputs = name_outputs(opened.spec, result)
        arrays.write(Path(target), {name: _array(value) for name, value in outputs.items()})
        problems.append("")
    return problems


def shrink(
    _session: Session,
    *,
    slot: str,
    prune_share: float,
    is_structured: bool,
    quantize: str,
    calibration: list[str],
) -> dict[str, Any]:
    """Prune and quantize the network that is kept under a name; sizes before and after.

    Pruned weights are 0 for good; whole channels if `is_structured`. quantize: "dynamic" for linear
    layers in 8 bits, "static" for weights and activations of convolutions as if in 8 bits, the
    latter within what was seen on calibration files; "" for none.
    """
    opened = serving.opened(slot)
    module = opened.network.module
    cases = [_arguments(opened, source) for source in calibration]
    found: dict[str, Any] = {"parameters": sum(p.numel() for p in module.parameters())}
    if prune_share:
        _prune(module, prune_share, is_structured)
        zeros = sum(int((p == 0).sum()) for p in module.parameters())
        found["zeros"] = zeros
    if quantize == "dynamic":
        reduced, found["layers"] = _with_int8_linear(module, cases[0])
        serving.keep(slot, reduced)
    elif quantize == "static":
        found["layers"] = _quantize_static(module, cases)
    return found


def timed(_session: Session, *, slot: str, source: str, target: str) -> float:
    """Seconds of the second of two runs; the outputs of it."""
    opened = serving.opened(slot)
    inputs = _read(source)
    opened.engine.run(opened.network, inputs)
    started = time.perf_counter()
    outputs = opened.engine.run(opened.network, inputs)
    seconds = time.perf_counter() - started
    arrays.write(Path(target), outputs)
    return seconds


def _prune(module: nn.Module, share: float, is_structured: bool) -> None:
    """Set the smallest weights of convolutions and linear layers to 0, over all of them; or in each
    layer the output channels of the least sum of magnitudes. Layers of a fixed mean are left."""
    layers = [
        (part, "weight")
        for name, part in module.named_modules()
        if isinstance(part, nn.Conv2d | nn.Linear) and "mean" not in name
    ]
    module.to(memory_format=torch.contiguous_format)  # which PyTorch's pruning needs
    if is_structured:
        for part, name in layers:
            if part.weight.shape[0] > 3:  # a picture's own channels stay
                prune.ln_structured(part, name, amount=share, n=1, dim=0)
                prune.remove(part, name)
        return
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=share)
    for part, name in layers:
        prune.remove(part, name)


def _quantize_static(module: nn.Module, cases: Sequence[list[Any]]) -> int:
    """Weights of convolutions to 8 bits by channel, their inputs by the range that was seen."""
    layers = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    seen: dict[nn.Module, tuple[float, float]] = {}

    def watch(part: nn.Module, inputs: Any) -> None:
        low, high = seen.get(part, (0.0, 0.0))
        seen[part] = min(low, float(inputs[0].min())), max(high, float(inputs[0].max()))

    hooks = [part.register_forward_pre_hook(watch) for part in layers]
    with torch.inference_mode():
        for case in cases:
            module(*case)
    for hook in hooks:
        hook.remove()
    for part in layers:
        with torch.no_grad():
            largest = part.weight.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
            part.weight.copy_((part.weight / largest * 127).round() / 127 * largest)
        low, high = seen.get(part, (0.0, 1.0))
        step = max((high - low) / 255, 1e-12)
        zero = round(-low / step)
        part.register_forward_pre_hook(
            lambda _part, inputs, step=step, zero=zero: (
                torch.fake_quantize_per_tensor_affine(inputs[0], step, zero, 0, 255),
                *inputs[1:],
            )
        )
    return len(layers)


def _with_int8_linear(module: nn.Module, case: list[Any]) -> tuple[nn.Module, int]:
    """A copy with its linear layers in 8 bits, and how many: before anything is traced, since later
    it would do nothing. Layers of which a network reads the weights itself stay as they are."""
    if torch.backends.quantized.engine == "none":
        raise UnavailableError(
            "quantization: expected a build of PyTorch with quantized kernels, got none; "
            "leave out --quantize, or export another form"
        )
    plain = copy.deepcopy(module).to(memory_format=torch.contiguous_format)
    called: set[str] = set()
    hooks = [
        part.register_forward_pre_hook(lambda _part, _inputs, name=name: called.add(name))
        for name, part in plain.named_modules()
        if isinstance(part, nn.Linear)
    ]
    with torch.inference_mode():
        plain(*case)
    for hook in hooks:
        hook.remove()
    for name in called:  # PyTorch replaces its own class alone
        ours = plain.get_submodule(name)
        theirs = nn.Linear(ours.in_features, ours.out_features, bias=ours.bias is not None)
        theirs.load_state_dict(ours.state_dict())
        parent, _, leaf = name.rpartition(".")
        setattr(plain.get_submodule(parent), leaf, theirs.eval())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated for a package that is not installed
        quantized = torch.ao.quantization.quantize_dynamic(plain, called, dtype=torch.qint8)
    return quantized, len(called)


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


def _arguments(opened: serving.Opened, source: str) -> list[Any]:
    engine: Any = opened.engine
    return engine.arguments(opened.spec, _read(source))


def _array(value: Tensor | np.ndarray) -> np.ndarray:
    return value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)


def _read(source: str) -> Arrays:
    with arrays.reading(Path(source)) as reader:
        return {name: reader[name] for name in reader.names}
