"""What a parity run is about: a network, its inputs, and where its weights come from."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from parity.cases import continuous_goldens
from restoration import images
from restoration.data import sample_inputs
from restoration.errors import InputError
from restoration.images import tiling
from restoration.models import registry
from restoration.models.continuous import ContinuousSpec
from restoration.models.encoder import EncoderSpec
from restoration.models.model import Model
from restoration.models.spec import Spec
from restoration.process import arrays
from weights_convert import load_weights
from weights_convert.checkpoints.loading import read_state
from weights_convert.published import layout_of_class

Arrays = dict[str, np.ndarray]
_ENLARGEMENT = 2.5
_SUMMARY_SEED = 900_000
"""Golden files add a weight's number to it, for the projection of its gradient."""


@dataclass(frozen=True)
class GradientSummary:
    """What a golden file keeps of a gradient: its 2-norm, its projection on white noise of a seed,
    divided by the root of its size, and its largest absolute value."""

    seed: int
    numbers: np.ndarray

    def distance(self, gradient: np.ndarray) -> tuple[float, float]:
        """By how much a gradient's numbers differ: the worse of the first two, and the third."""
        noise = _white_noise(self.seed, gradient.shape)
        numbers = (
            np.linalg.norm(gradient),
            (gradient * noise).sum() / np.sqrt(gradient.size),
            np.abs(gradient).max(),
        )
        norm, projection, largest = np.abs(np.array(numbers) - self.numbers)
        return max(norm, projection), largest


@dataclass(frozen=True)
class Case:
    """One network on one set of inputs.

    gradient_inputs: where gradients are taken, if elsewhere: on small inputs, few ReLUs are so near
    to zero that rounding decides. weights: under the suite's names; empty to draw them by `seed`.
    objective: what weights the outputs whose gradient is compared; empty to draw it. expected:
    outputs ("output/NAME") and gradients ("gradient/input/NAME", "gradient/parameter/NAME") in
    float64 by independent code. summaries: of further gradients that are too large to keep. copies:
    where the batch holds some images several times, which of the expected gradients' images each
    one is; they are the sums over its copies.
    """

    name: str
    model: str
    spec: Spec
    inputs: Arrays
    seed: int = 0
    gradient_inputs: Arrays = field(default_factory=dict)
    weights: Arrays = field(default_factory=dict)
    objective: Arrays = field(default_factory=dict)
    expected: Arrays = field(default_factory=dict)
    summaries: Mapping[str, GradientSummary] = field(default_factory=dict)
    copies: tuple[int, ...] = ()

    def write(self, folder: Path) -> None:
        """Put what the case brings into a folder, for the reference's worker."""
        for inputs in filter(None, (self.inputs, self.gradient_inputs)):
            self.spec.check_inputs(inputs)
        folder.mkdir(parents=True)
        groups = {
            "inputs": self.inputs,
            "gradient_inputs": self.gradient_inputs,
            "weights": self.weights,
            "objective": self.objective,
        }
        given = {
            f"{group}/{name}": array
            for group, members in groups.items()
            for name, array in members.items()
        }
        arrays.write(folder / arrays.GIVEN_FILE, given)


def photograph_case(
    model_name: str,
    *,
    spec_name: str,
    photographs: Sequence[str],
    size_px: tuple[int, int],
    gradient_size_px: tuple[int, int],
    seed: int,
    weights_file: Path | None = None,
) -> Case:
    """A model of the registry on photographs that scikit-image ships, of sizes (height, width).

    Sizes are rounded up to what the network takes.

    Raises:
        InputError: unknown model, spec or photograph, a size larger than a photograph, or weights
            that do not belong to the model.
    """
    model = registry.find(model_name)
    spec, weights = _spec_and_weights(model, spec_name, weights_file)
    inputs, gradient_inputs = (
        sample_inputs.build(
            model,
            spec,
            height_px=tiling.rounded_up(height, spec.size_multiple),
            width_px=tiling.rounded_up(width, spec.size_multiple),
            names=names,
            seed=seed,
        )
        for (height, width), names in ((size_px, photographs), (gradient_size_px, photographs[:1]))
    )
    name = f"{model_name}-{spec_name}"
    return Case(name, model_name, spec, inputs, seed, gradient_inputs, weights)


def image_case(
    model_name: str, image: Path, *, spec_name: str, seed: int, weights_file: Path | None = None
) -> Case:
    """A model of the registry on a user's image, extended to a size the network takes.

    A network that enlarges by any factor does so `_ENLARGEMENT` times. What a network needs beside
    the image is made up, by the seed.
    """
    model = registry.find(model_name)
    spec, weights = _spec_and_weights(model, spec_name, weights_file)
    pixels = images.read_image(image).pixels
    scale = _ENLARGEMENT if spec.magnification is None else None
    given = sample_inputs.beside(model, spec, pixels, seed=seed)
    inputs = model.to_inputs(spec, pixels, scale=scale, given=given)
    name = f"{model_name}-{spec_name}-{image.stem}"
    return Case(name, model_name, spec, inputs, seed, weights=weights)


def golden_cases(path: Path) -> list[Case]:
    """Tiny models made by running the authors' code, with what it computed in float64.

    One case, or one per image where an encoder's file has several of different sizes.

    Raises:
        InputError: the file cannot be read, or its class belongs to no published layout.
    """
    metadata, content = _read_arrays(path)
    model_name, layout = layout_of_class(metadata.get("class", ""))
    # The authors' SwinIR gives features of the extended image; no file says so.
    config = {"keep_padding": True} | json.loads(metadata.get("config", "{}"))
    config |= {"mode": metadata.get("mode", "")}
    generated, numbers = _generated_weights(metadata, where=str(path))
    state = generated | _group(content, "weights")
    spec, weights = read_state(layout, state, config, where=str(path))
    gradients = layout.to_ours(_group(content, "grads"), where=str(path))
    summaries = layout.table.to_ours(_group(content, "grads_summary"), where=str(path))
    seeds = {layout.table.ours(name): _SUMMARY_SEED + number for name, number in numbers.items()}
    case = Case(
        path.stem,
        model_name,
        spec,
        {},
        weights=weights,
        summaries={
            f"gradient/parameter/{name}": GradientSummary(seeds[name], array)
            for name, array in summaries.items()
        },
    )
    by_parameter = {f"gradient/parameter/{name}": array for name, array in gradients.items()}
    if isinstance(spec, ContinuousSpec):
        calls = continuous_goldens.merge(spec, content)
        result = []
        for merged in calls:
            height, width = merged.inputs["image"].shape[2:]
            name = f"{path.stem}-{height}x{width}" if len(calls) > 1 else path.stem
            changed = {"name": name, "expected": merged.expected | by_parameter}
            result.append(dataclasses.replace(case, **vars(merged) | changed))
        return result
    inputs = layout.adapt_inputs(_group(content, "inputs"))
    outputs = _group(content, "outputs")
    probes, by_input = _group(content, "probes"), _group(content, "grads_inputs")
    if len(inputs) > 1 and isinstance(spec, EncoderSpec):
        # The stored gradients are of a sum over all images, which no single case has.
        return [
            dataclasses.replace(
                case,
                name=f"{path.stem}-{name}",
                inputs={"image": image},
                objective={"features": probes[f"feat_{name}"]},
                expected={"output/features": outputs[f"feat_{name}"]},
            )
            for name, image in inputs.items()
        ]
    our_output = {name: layout.outputs.get(name, name) for name in outputs}
    our_input = {name: layout.inputs.get(name, name) for name in inputs}
    expected = {f"output/{our_output[name]}": array for name, array in outputs.items()}
    expected |= {f"gradient/input/{our_input[name]}": array for name, array in by_input.items()}
    return [
        dataclasses.replace(
            case,
            inputs={our_input[name]: array for name, array in inputs.items()},
            objective={our_output[name]: array for name, array in probes.items()},
            expected=expected | by_parameter,
        )
    ]


def _generated_weights(metadata: Mapping[str, str], *, where: str) -> tuple[Arrays, dict[str, int]]:
    """Weights that a golden file describes instead of holding, and the number of each.

    Raises:
        InputError: a tensor drawn by the rule is not the one that the file was made with.
    """
    tensors = json.loads(metadata.get("generated", "{}")).get("tensors", {})
    weights = {}
    for name, rule in tensors.items():
        draw = rule["offset"] + rule["scale"] * _white_noise(rule["seed"], rule["shape"])
        weights[name] = draw.astype("<f4")
        found = hashlib.sha256(weights[name].tobytes()).hexdigest()
        if not found.startswith(rule["sha256"]):
            raise InputError(
                f"generated weight {name!r}",
                expected=f"SHA-256 {rule['sha256']}...",
                got=found[: len(rule["sha256"])],
                where=where,
                next_step="use the NumPy that constraints.txt pins: its generator draws as stated",
            )
    return weights, {name: rule["index"] for name, rule in tensors.items()}


def _white_noise(seed: int, shape: Sequence[int]) -> np.ndarray:
    """Normally distributed numbers, the same on every machine."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape)


def _spec_and_weights(
    model: Model, spec_name: str, weights_file: Path | None
) -> tuple[Spec, Arrays]:
    """A named spec with weights to be drawn, or what a file of weights tells."""
    if weights_file is None:
        return model.spec(spec_name), {}
    loaded = load_weights(weights_file, model=model.name)
    return loaded.spec, loaded.arrays


def _read_arrays(path: Path) -> tuple[dict[str, str], Arrays]:
    """Metadata and arrays of a safetensors file."""
    try:
        with safe_open(path, framework="np") as file:
            names = file.keys()
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as problem:
        raise InputError(
            "file of arrays",
            expected="a readable safetensors file",
            got=f"{type(problem).__name__}: {problem}",
            where=str(path),
            next_step="check the path, or convert the file with weights-convert",
        ) from problem


def _group(content: Arrays, prefix: str) -> Arrays:
    start = prefix + "/"
    return {
        name.removeprefix(start): array for name, array in content.items() if name.startswith(start)
    }
