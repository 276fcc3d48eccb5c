"""What tests have a framework do, inside its own process; see `tests/backends.py`."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from typing import Any

import numpy as np

from parity.measure.weights import seeded_weights
from restoration.arrays import Arrays
from restoration.engine.contract import Gradients, StepResult, TrainingState
from restoration.engine.execution import PLAIN, Execution
from restoration.engine.taps import Tap
from restoration.inference import cmsr, restorer
from restoration.models import registry
from restoration.models.self_blind_vsr import SelfBlindVSRSpec
from restoration.models.spec import Spec
from restoration.training.settings import LossSettings, OptimizerSettings, TrainerSettings

_CHOSEN: list[str] = []  # the framework of this process

LOSS_ARGUMENTS = {
    "MultiScaleLoss": ("quarter", "half", "full", "target"),
    "LocalMotionLoss": ("restored", "target", "mask"),
}
"""What each loss takes of the network's outputs and of the batch, in order."""


def use(framework: str) -> None:
    """Say which framework runs in this process; `restoration.process.serve` has prepared it."""
    _CHOSEN[:] = [framework]


def engine_name() -> str:
    return _engine().name


def devices() -> list[str]:
    return list(_module("engine").devices())


def describe() -> dict[str, str]:
    return dict(_engine().describe())


def make_on(device: str) -> None:
    _module("engine").ENGINE(device=device)


def mindspore_config(device: str) -> dict[str, Any]:
    return dict(_module("engine").read_config(device))


def state(spec: Spec) -> Arrays:
    engine = _engine()
    return engine.state(engine.build(spec))


def shapes(spec: Spec) -> dict[str, tuple[int, ...]]:
    return {name: value.shape for name, value in state(spec).items()}


def entries(spec: Spec) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of each entry."""
    return {name: (str(value.dtype), value.shape) for name, value in state(spec).items()}


def round_trip(spec: Spec, weights: Arrays) -> Arrays:
    """Load weights and read them back."""
    engine = _engine()
    network = engine.build(spec)
    engine.load(network, weights)
    return engine.state(network)


def failed_load_changes(spec: Spec, weights: Arrays) -> bool:
    """Whether a load that raises changed anything."""
    engine = _engine()
    network = engine.build(spec)
    before = engine.state(network)
    try:
        engine.load(network, weights)
    except Exception:
        after = engine.state(network)
        return any(not np.array_equal(before[name], after[name]) for name in before)
    raise AssertionError("the weights were loaded")


def build_as(spec: Spec, execution: Execution) -> None:
    _engine().build(spec, execution)


def training_gradients(spec: Spec, images: np.ndarray, execution: Execution) -> Arrays:
    """Gradients of the mean result in training mode, by PyTorch, dropped paths drawn by a seed."""
    import torch

    engine = _engine()
    network = engine.build(spec, execution)
    engine.load(network, seeded_weights(engine.state(network), (0, 0)))
    network.module.train()
    torch.manual_seed(0)
    outputs = {spec.outputs[0]: np.ones_like(images)}
    return dict(engine.gradients(network, {"image": images}, outputs).parameters)


def calls_in_training(spec: Spec, images: np.ndarray, execution: Execution) -> dict[str, int]:
    """How often each module of PyTorch's is called while gradients are taken in training mode."""
    import torch

    engine = _engine()
    network = engine.build(spec, execution)
    engine.load(network, seeded_weights(engine.state(network), (0, 0)))
    network.module.train()
    torch.manual_seed(0)
    counts = dict.fromkeys((name for name, _ in network.module.named_modules()), 0)

    def count(name: str) -> None:
        counts[name] += 1

    for name, module in network.module.named_modules():
        module.register_forward_pre_hook(lambda _m, _args, name=name: count(name))
    engine.gradients(network, {"image": images}, {spec.outputs[0]: np.ones_like(images)})
    return counts


def attributes(spec: Spec, execution: Execution) -> tuple[list[str], list[str], list[str]]:
    """Attributes of a network that is built by itself, and of the one that the engine builds, both
    in evaluation mode; and classes of the latter's parts that have a method of their own."""
    built = _engine().build(spec, execution).module
    alone = getattr(_module(spec.module), spec.network)(spec)
    if _CHOSEN[-1] == "torch":
        verb = "forward"
        alone.eval()
    elif _CHOSEN[-1] == "jittor":
        verb = "execute"
        _module("training").set_training(alone, False)
    else:
        verb = "construct"
        alone.set_train(False)
    parts = built.cells_and_names() if _CHOSEN[-1] == "mindspore" else built.named_modules()
    changed = [type(part).__name__ for _, part in parts if verb in vars(part)]
    return sorted(vars(alone)), sorted(vars(built)), changed


def autocast_after_an_error(spec: Spec, images: np.ndarray, execution: Execution) -> bool:
    """Whether PyTorch computes at lower precision after a network that raised in its middle."""
    import torch

    def fail(*_: Any) -> None:
        raise RuntimeError("in the middle")

    engine = _engine()
    network = engine.build(spec, execution)
    parts = [part for part in network.module.modules() if type(part).__name__ == spec.float32_block]
    parts[0].norm.register_forward_hook(fail)
    try:
        engine.run(network, {"image": images})
    except RuntimeError:
        return torch.is_autocast_enabled("cpu")
    raise AssertionError("the network ran to its end")


def changed_inputs(spec: Spec, inputs: Arrays) -> list[str]:
    """Names of inputs in which running a network leaves other numbers than it found."""
    before = {name: array.copy() for name, array in inputs.items()}
    engine = _engine()
    engine.run(engine.build(spec), inputs)
    return [name for name, array in inputs.items() if not np.array_equal(array, before[name])]


def run(
    spec: Spec,
    weights: Arrays,
    inputs: Arrays,
    mode: str = "eager",
    execution: Execution = PLAIN,
) -> Arrays:
    engine = _engine()
    network = engine.build(spec, execution)
    engine.load(network, weights)
    return engine.run(network, inputs, mode=mode)


def restore(
    model_name: str, spec: Spec, weights: Arrays, image: np.ndarray, options: dict[str, Any]
) -> np.ndarray:
    """A picture restored by a network."""
    engine = _engine()
    network = engine.build(spec)
    engine.load(network, weights)
    return restorer.restore(engine, network, registry.find(model_name), image, **options)


def run_exactly(spec: Spec, weights: Arrays, inputs: Arrays) -> Arrays:
    """The outputs in float64, which only the reference has."""
    engine = _module("engine").ENGINE(dtype="float64")
    network = engine.build(spec)
    engine.load(network, weights)
    return engine.run(network, inputs)


def exact_gradients(spec: Spec, weights: Arrays, inputs: Arrays, cotangents: Arrays) -> Gradients:
    """Gradients in float64, in PyTorch."""
    engine = _module("engine").ENGINE(dtype="float64")
    network = engine.build(spec)
    engine.load(network, weights)
    return engine.gradients(network, inputs, cotangents)


def multi_scale(
    spec: Spec, weights: Arrays, images: np.ndarray, options: dict[str, Any], is_exact: bool
) -> np.ndarray:
    """Controllable multi-scale cmsr."""
    engine = _module("engine").ENGINE(**({"dtype": "float64"} if is_exact else {}))
    network = engine.build(spec)
    engine.load(network, weights)
    return cmsr.render(engine, network, spec, images, **options)


def tables(
    spec: Spec, weights: Arrays, images: np.ndarray, options: dict[str, Any]
) -> list[dict[float, float]]:
    """Tables for multi-scale rendering after each image."""
    engine = _engine()
    network = engine.build(spec)
    engine.load(network, weights)
    single = [images[i : i + 1] for i in range(len(images))]
    return list(cmsr.build_tables(engine, network, spec, single, **options))


def attention(
    scales: tuple[int, ...], weights: Arrays, x: np.ndarray, probe: np.ndarray, is_exact: bool
) -> tuple[np.ndarray, np.ndarray, Arrays]:
    """`CrossScaleAttention`: its result, and gradients of mean(probe * result) by x and weights."""
    module = _module("cross_scale_attention").CrossScaleAttention(x.shape[1], scales)
    if is_exact:
        module, x, probe = module.double(), x.astype(np.float64), probe.astype(np.float64)
        weights = {name: array.astype(np.float64) for name, array in weights.items()}
    _set_module_state(module, weights)
    names = list(weights)

    def from_weights(tensor: Any, *_: Any) -> Any:
        return module(tensor) / probe.size

    output = _to_numpy(module(_tensor(x)))
    parameters = dict(_module_parameters(module))
    found = _gradients_with(from_weights, x, [parameters[name] for name in names], probe)
    return output, found[0], dict(zip(names, found[1:], strict=True))


def run_tapped_twice(spec: Spec, inputs: Arrays) -> tuple[list[Tap], list[Tap], Arrays]:
    """Taps of two runs, and the outputs of a plain run after them."""
    engine = _engine()
    network = engine.build(spec)
    engine.load(network, seeded_weights(engine.state(network), (0, 0)))
    _, first = engine.run_tapped(network, inputs)
    _, second = engine.run_tapped(network, inputs)
    return first, second, engine.run(network, inputs)


def train(spec: Spec, batch: Arrays, rates: list[float]) -> tuple[list[float], Arrays]:
    """The loss before each step, and the parameters after the last."""
    engine = _engine()
    network = engine.build(spec)
    engine.load(network, seeded_weights(engine.state(network), (0, 0)))
    trainer = engine.trainer(network, _plain_training(rates[0]))
    losses = [trainer.step([batch], rate / rates[0]).loss for rate in rates]
    return losses, engine.state(network)


def train_steps(
    specs: list[Spec], start: Arrays, settings: TrainerSettings, batches: list[Arrays], dtype: str
) -> tuple[list[StepResult], list[Arrays], list[Arrays]]:
    """Results of the steps of a training, their gradients after clipping, and all weights after.

    Gradients are told from the first moments; those of parameters that sat out are left out. Specs
    of steps that differ in a scale have the same weights: each step's network goes on from the
    state of the one before.
    """
    engine = _module("engine").ENGINE(**({"dtype": dtype} if _CHOSEN[-1] == "torch" else {}))
    network = engine.build(specs[0])
    engine.load(network, {name: v for name, v in start.items() if not name.startswith("loss.")})
    trainer = engine.trainer(network, settings)
    trainer.load(dataclasses.replace(trainer.state(), weights=start))
    results, gradients, states = [], [], []
    before = trainer.state()
    for number, (spec, batch) in enumerate(zip(specs, batches, strict=True)):
        if number and spec != specs[number - 1]:
            trainer = engine.trainer(engine.build(spec), settings)
            trainer.load(before)
        results.append(trainer.step([batch]))
        after = trainer.state()
        states.append(dict(after.weights))
        gradients.append(_gradients_of_step(before, after, settings.optimizer.betas[0]))
        before = after
    return results, gradients, states


def _gradients_of_step(before: TrainingState, after: TrainingState, kept: float) -> Arrays:
    found = {}
    for name, count in after.counts.items():
        moment = f"{name}.first"
        if count != before.counts.get(name, 0):
            found[name] = (after.moments[moment] - kept * before.moments.get(moment, 0)) / (
                1 - kept
            )
    return found


def _plain_training(rate: float) -> TrainerSettings:
    loss = LossSettings(name="MultiScaleLoss")
    return TrainerSettings(loss=loss, optimizer=OptimizerSettings(learning_rate=rate))


def training_outputs(spec: Spec, inputs: Arrays) -> Arrays:
    """Outputs in training mode, where dropout acts."""
    engine = _engine()
    network = engine.build(spec)
    engine.load(network, seeded_weights(engine.state(network), (0, 0)))
    _module("training").set_training(network.module, True)
    return engine.run(network, inputs)


def layer(name: str, arrays: list[np.ndarray], options: dict[str, Any]) -> list[np.ndarray]:
    """The results of a function of `layers`, or of a call of the framework itself; see `_call`."""
    return [_to_numpy(result) for result in _results(_apply(name, options), arrays)]


def layer_gradients(
    name: str, arrays: list[np.ndarray], options: dict[str, Any], probes: list[np.ndarray]
) -> list[np.ndarray]:
    """Gradients of sum(probe * result) over the results of a function of `layers`."""
    return _gradients(_apply(name, options), arrays, probes)


def module_layer(
    name: str, arguments: list[Any], options: dict[str, Any], weights: Arrays, x: np.ndarray
) -> tuple[Arrays, np.ndarray]:
    """The initial state of a module of `layers`, and its result with other weights."""
    module = getattr(_module("layers"), name)(*arguments, **options)
    initial = _module_state(module)
    _set_module_state(module, weights)
    return initial, _to_numpy(module(_tensor(x)))


def initial_state(name: str, arguments: list[Any], options: dict[str, Any]) -> Arrays:
    """The initial state of a module of `layers`."""
    return _module_state(getattr(_module("layers"), name)(*arguments, **options))


def module_layer_gradients(
    name: str, arguments: list[Any], options: dict[str, Any], weights: Arrays, arrays: list[Any]
) -> list[np.ndarray]:
    """Gradients of sum(probe * result of x), given (x, probe), by x and by a module's weights."""
    module = getattr(_module("layers"), name)(*arguments, **options)
    _set_module_state(module, weights)
    parameters = [value for _, value in _module_parameters(module)]
    x, probe = arrays
    return _gradients_with(module, x, parameters, probe)


def stopped(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """2 x by `no_grad`, and the gradient of the sum of x + that."""
    layers = _module("layers")

    def double(value: Any) -> Any:
        return layers.no_grad(lambda inner: inner * 2, value)

    (found,) = _results(double, [x])
    (slopes,) = _gradients(lambda value: value + double(value), [x], [np.ones_like(x)])
    return _to_numpy(found), slopes


def training_layer(name: str, arguments: list[Any], x: np.ndarray) -> np.ndarray:
    """The result of a module of `layers` in training mode."""
    module = getattr(_module("layers"), name)(*arguments)
    module.set_train(True) if _CHOSEN[-1] == "mindspore" else module.train()
    return _to_numpy(module(_tensor(x)))


def as_indices(array: np.ndarray) -> np.ndarray:
    """Whole numbers after `to_indices` of `layers`."""
    return _to_numpy(_module("layers").to_indices(array, _tensor(np.zeros(3, np.float32))))


def as_tensor(array: np.ndarray) -> np.ndarray:
    """Numbers after `tensor_like` of `layers`."""
    return _to_numpy(_module("layers").tensor_like(array, _tensor(np.zeros(3, np.float32))))


def nimbusr_operators(arrays: list[np.ndarray], probes: list[np.ndarray]) -> list[np.ndarray]:
    """What the operators of `nimbusr.py` make of image, masks and kernels, and the gradients of
    sum(probe * result) by the three."""
    results = [_to_numpy(result) for result in _results(_nimbusr_operators, arrays)]
    return results + _gradients(_nimbusr_operators, arrays, probes)


def nimbusr_blur(arrays: list[np.ndarray]) -> np.ndarray:
    """NIMBUSR's blur of an image by masks and kernels."""
    return _to_numpy(_nimbusr_operators(*map(_tensor, arrays))[0])


def nimbusr_spectra(kernels: np.ndarray, height: int, width: int) -> list[np.ndarray]:
    """The half spectra of kernels that NIMBUSR works with."""
    found = _module("nimbusr").kernel_spectra(_tensor(kernels), height, width)
    return [_to_numpy(part) for part in found]


def saturated(x: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """NIMBUSR's saturation, its slope, and their argument afterwards."""
    nimbusr, argument = _module("nimbusr"), _tensor(x)
    results = nimbusr.saturate(argument, limit), nimbusr.saturation_slope(argument, limit)
    return _to_numpy(results[0]), _to_numpy(results[1]), _to_numpy(argument)


def _nimbusr_operators(image: Any, masks: Any, kernels: Any) -> list[Any]:
    nimbusr = _module("nimbusr")
    height, width = image.shape[2], image.shape[3]
    spectra = nimbusr.kernel_spectra(kernels, height, width)
    first = nimbusr.kernel_spectra(kernels[:, :1], height, width)
    everywhere = 0 * masks[:, :1] + 1
    return [
        nimbusr.blur(image, masks, spectra),
        nimbusr.blur_adjoint(image, masks, spectra),
        nimbusr.blur(image, everywhere, first),
        nimbusr.blur_adjoint(image, everywhere, first),
        nimbusr.saturate(3 * image - 1, 1.0),
        nimbusr.saturation_slope(3 * image - 1, 1.0),
    ]


def loss(
    name: str, arrays: list[np.ndarray], options: dict[str, Any] | None = None
) -> list[np.ndarray]:
    """The result of a loss, a class or a function of `losses.py`."""
    return [_to_numpy(result) for result in _results(_loss(name, options), arrays)]


def loss_terms(
    name: str, spec: Spec | None, settings: dict[str, Any], outputs: Arrays, batch: Arrays
) -> Arrays:
    """What a loss gives for outputs of a network and a batch, by name."""
    made = getattr(_module("losses"), name)(spec, **settings)
    given = [{key: _tensor(array) for key, array in part.items()} for part in (outputs, batch)]
    if _CHOSEN[-1] == "torch":
        made.to(next(iter(given[0].values())).dtype)
    return {key: _to_numpy(value) for key, value in made(*given).items()}


def pruning_entropy(scores: list[np.ndarray], mask: np.ndarray) -> list[np.ndarray]:
    found = _module("losses").pruning_entropy([_tensor(score) for score in scores], _tensor(mask))
    return [_to_numpy(found)]


def stage_gradients(spec: Spec, inputs: Arrays, cotangents: Arrays) -> Gradients:
    """Gradients of a network with seeded weights."""
    engine = _engine()
    network = engine.build(spec)
    engine.load(network, seeded_weights(engine.state(network), (0, 0)))
    return engine.gradients(network, inputs, cotangents)


def stage_outputs(spec: Spec, inputs: Arrays) -> Arrays:
    """Outputs of a network with seeded weights."""
    engine = _engine()
    network = engine.build(spec)
    engine.load(network, seeded_weights(engine.state(network), (0, 0)))
    return engine.run(network, inputs)


def vgg_maps(
    stages: list[list[tuple[np.ndarray, np.ndarray]]], image: np.ndarray, is_activated: bool
) -> list[np.ndarray]:
    """The maps of VGG's stages."""
    network = _module("vgg").VGG(stages, is_activated=is_activated)
    return [_to_numpy(found) for found in network(_tensor(image))]


def loss_gradients(name: str, arrays: list[np.ndarray], factor: float) -> list[np.ndarray]:
    """Gradients of factor * loss by each argument."""
    return _gradients(_loss(name), arrays, [np.full(1, factor, np.float32)])


def function(
    file: str, name: str, arrays: list[np.ndarray], options: dict[str, Any]
) -> list[np.ndarray]:
    """The results of a function of a model's file."""
    return [_to_numpy(result) for result in _results(_function(file, name, options), arrays)]


def function_gradients(
    file: str,
    name: str,
    arrays: list[np.ndarray],
    options: dict[str, Any],
    probes: list[np.ndarray],
) -> list[np.ndarray]:
    """Gradients of sum(probe * result) over the results of a function of a model's file."""
    return _gradients(_function(file, name, options), arrays, probes)


def cost_volumes_on_gpus(arrays: list[np.ndarray], probe: np.ndarray) -> list[list[np.ndarray]]:
    """PyTorch's compiled cost volume and its gradients by the two maps, on each GPU there is."""
    import torch

    found = []
    for number in range(torch.cuda.device_count()):
        maps = [torch.from_numpy(array).to(f"cuda:{number}").requires_grad_() for array in arrays]
        volume = _module("cost_volume").cost_volume(*maps, method="compiled")
        slopes = torch.autograd.grad((volume * torch.from_numpy(probe).to(volume)).sum(), maps)
        found.append([_to_numpy(tensor) for tensor in (volume.cpu(), *(s.cpu() for s in slopes))])
    return found


def self_blind_vsr_colors(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x through the two last convolutions of Self-Blind-VSR, joined, and one after the other."""
    spec = SelfBlindVSRSpec(width=x.shape[1], feature_blocks=1, blocks=1)
    network = _module("self_blind_vsr").SelfBlindVSR(spec)
    features = _tensor(x)
    apart = network.head2(network.head1(features))
    return _to_numpy(network.colors(features)), _to_numpy(apart)


def part(
    file: str,
    name: str,
    options: dict[str, Any],
    weights: Arrays,
    point: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """The result of a module of a model's file, and the gradient of sum(probe * result) by x.

    point: x and the probe; it is computed in their precision, where the framework has it.
    """
    x, probe = point
    module = getattr(_module(file), name)(**options)
    if _CHOSEN[-1] == "torch":
        module.to(_tensor(x).dtype)
    _set_module_state(module, weights)
    (result,) = _results(module, [x])
    (gradient,) = _gradients(module, [x], [probe])
    return _to_numpy(result), gradient


def _function(file: str, name: str, options: dict[str, Any]) -> Any:
    found = getattr(_module(file), name)
    return lambda *tensors: found(*tensors, **options)


def weighted_loss_gradients(
    name: str, arrays: list[np.ndarray], probe: np.ndarray, options: dict[str, Any]
) -> list[np.ndarray]:
    """Gradients of sum(probe * loss) by each argument."""
    return _gradients(_loss(name, options), arrays, [probe])


def native(program: str, arrays: Arrays) -> Any:
    """What a program in the framework's own words leaves in `result`, as NumPy arrays.

    It sees the framework under the names that its users give it, np, `layers`, `engine`, `arrays`
    and `training` of this suite, and tensors of the arrays under their names.
    """
    ours = {name: _module(name) for name in ("layers", "engine", "arrays", "training")}
    names = _native_names() | ours | {"np": np}
    names |= {"__name__": "native"} | {name: _tensor(array) for name, array in arrays.items()}
    exec(program, names)
    return _plain(names["result"])


def _plain(value: Any) -> Any:
    """Tensors in nested lists as NumPy arrays."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return _to_numpy(value) if hasattr(value, "numpy") or hasattr(value, "asnumpy") else value


def _loss(name: str, options: dict[str, Any] | None = None) -> Any:
    found = getattr(_module("losses"), name)
    given = options or {}
    if not isinstance(found, type):
        return functools.partial(found, **given)
    loss, names = found(None, **given), LOSS_ARGUMENTS[name]
    outputs = names.index("target")

    def called(*tensors: Any) -> Any:
        pairs = list(zip(names, tensors, strict=False))
        return loss(dict(pairs[:outputs]), dict(pairs[outputs:]))["loss"]

    return called


def _apply(name: str, options: dict[str, Any]) -> Any:
    if "(" in name:
        return _call(name)
    function = getattr(_module("layers"), name)
    given = {
        option: _tensor(value) if isinstance(value, np.ndarray) else value
        for option, value in options.items()
    }
    return lambda *tensors: function(*tensors, **given)


def _call(call: str) -> Any:
    """A call of the framework itself, of x and `more`, in PyTorch's words where others differ."""
    names = _native_names()
    if _CHOSEN[-1] == "torch":
        names |= {"detach": names["torch"].detach}
    elif _CHOSEN[-1] == "jittor":
        names |= {"torch": names["jt"], "F": names["nn"], "detach": names["jt"].detach}
    else:
        names |= {"torch": names["ops"], "F": names["ops"], "detach": names["ops"].stop_gradient}
    return eval(f"lambda x, *more: {call}", names)


def _results(function: Any, arrays: list[np.ndarray]) -> list[Any]:
    results = function(*map(_tensor, arrays))
    return list(results) if isinstance(results, tuple | list) else [results]


def _module(name: str) -> Any:
    return importlib.import_module(f"{_CHOSEN[-1]}_impl.{name}")


def _engine() -> Any:
    return _module("engine").ENGINE()


# What each framework calls the same thing. Tests use double precision where the framework has it.


def _native_names() -> dict[str, Any]:
    if _CHOSEN[-1] == "torch":
        import torch

        return {"torch": torch, "nn": torch.nn, "F": torch.nn.functional}
    if _CHOSEN[-1] == "jittor":
        import jittor

        return {"jt": jittor, "nn": jittor.nn}
    import mindspore

    return {"ms": mindspore, "nn": mindspore.nn, "ops": mindspore.ops}


def _tensor(array: np.ndarray) -> Any:
    if _CHOSEN[-1] == "torch":
        import torch

        return torch.from_numpy(array)
    if _CHOSEN[-1] == "jittor":
        import jittor

        return jittor.array(array)
    from mindspore import Tensor

    return Tensor(array)


def _to_numpy(tensor: Any) -> np.ndarray:
    if _CHOSEN[-1] == "torch":
        return tensor.detach().numpy().copy()
    return tensor.numpy().copy() if _CHOSEN[-1] == "jittor" else tensor.asnumpy().copy()


def _gradients(
    function: Any, arrays: list[np.ndarray], probes: list[np.ndarray]
) -> list[np.ndarray]:
    def total(*tensors: Any) -> Any:
        results = function(*tensors)
        results = results if isinstance(results, tuple | list) else [results]
        terms = [(r * _tensor(p)).sum() for r, p in zip(results, probes, strict=True)]
        return sum(terms[1:], terms[0])

    tensors = [_tensor(array) for array in arrays]
    if _CHOSEN[-1] == "torch":
        import torch

        tensors = [tensor.requires_grad_() for tensor in tensors]
        found = torch.autograd.grad(total(*tensors), tensors)
    elif _CHOSEN[-1] == "jittor":
        import jittor

        found = jittor.grad(total(*tensors), tensors)
    else:
        import mindspore

        found = mindspore.grad(total, grad_position=tuple(range(len(tensors))))(*tensors)
        found = found if isinstance(found, tuple) else (found,)
    return [_to_numpy(gradient) for gradient in found]


def _module_state(module: Any) -> Arrays:
    if _CHOSEN[-1] == "mindspore":
        return {name: _to_numpy(value) for name, value in module.parameters_and_names()}
    return {name: _to_numpy(value) for name, value in module.state_dict().items()}


def _set_module_state(module: Any, weights: Arrays) -> None:
    if _CHOSEN[-1] == "torch":
        module.load_state_dict({name: _tensor(array) for name, array in weights.items()})
    elif _CHOSEN[-1] == "jittor":
        for name, value in module.state_dict().items():
            value.assign(_tensor(weights[name]))
    else:
        for name, value in module.parameters_and_names():
            value.set_data(_tensor(weights[name]))


def _module_parameters(module: Any) -> list[tuple[str, Any]]:
    if _CHOSEN[-1] == "mindspore":
        return list(module.parameters_and_names())
    return list(module.named_parameters())


def _gradients_with(
    function: Any, x: np.ndarray, parameters: list[Any], probe: np.ndarray
) -> list[np.ndarray]:
    """Gradients of sum(probe * function(x)) by x and by parameters of what it calls."""
    tensor = _tensor(x)
    if _CHOSEN[-1] == "torch":
        import torch

        tensor = tensor.requires_grad_()
        found = torch.autograd.grad(
            (function(tensor) * _tensor(probe)).sum(), [tensor, *parameters]
        )
    elif _CHOSEN[-1] == "jittor":
        import jittor

        found = jittor.grad((function(tensor) * _tensor(probe)).sum(), [tensor, *parameters])
    else:
        import mindspore

        def objective(value: Any) -> Any:
            return (function(value) * _tensor(probe)).sum()

        weights = mindspore.ParameterTuple(parameters)
        by_x, by_weight = mindspore.grad(objective, grad_position=0, weights=weights)(tensor)
        found = [by_x, *by_weight]
    return [_to_numpy(gradient) for gradient in found]
