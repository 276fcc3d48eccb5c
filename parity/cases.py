"""What a parity run is about: a network, its inputs, and where its weights come from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from parity import arrays
from restoration import catalog, images, tiling
from restoration.errors import InputError
from restoration.specs import Spec
from weights_convert.published import layout_of_class, layouts

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One network on one set of inputs.

    gradient_inputs: where gradients are taken, if elsewhere: on small inputs, few ReLUs are so near
    to zero that rounding decides. weights: under the suite's names; empty to draw them by `seed`.
    objective: what weights the outputs whose gradient is compared; empty to draw it. expected:
    outputs ("output/NAME") and gradients ("gradient/input/NAME", "gradient/parameter/NAME") in
    float64 by independent code.
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
    """A model of the catalogue on photographs that scikit-image ships, of sizes (height, width).

    Sizes are rounded up to what the network takes.

    Raises:
        InputError: unknown model, spec or photograph, a size larger than a photograph, or weights
            that do not belong to the model.
    """
    model = catalog.find(model_name)
    spec, weights = _spec_and_weights(model, spec_name, weights_file)
    inputs, gradient_inputs = (
        model.example(
            spec,
            height_px=tiling.rounded_up(height, spec.size_multiple),
            width_px=tiling.rounded_up(width, spec.size_multiple),
            names=tuple(names),
            seed=seed,
        )
        for (height, width), names in ((size_px, photographs), (gradient_size_px, photographs[:1]))
    )
    name = f"{model_name}-{spec_name}"
    return Case(name, model_name, spec, inputs, seed, gradient_inputs, weights)


def image_case(
    model_name: str, image: Path, *, spec_name: str, seed: int, weights_file: Path | None = None
) -> Case:
    """A model of the catalogue on a user's image, mirrored to a size the network takes."""
    model = catalog.find(model_name)
    spec, weights = _spec_and_weights(model, spec_name, weights_file)
    pixels = tiling.pad_to_multiple(images.read_image(image).pixels, spec.size_multiple)
    name = f"{model_name}-{spec_name}-{image.stem}"
    return Case(name, model_name, spec, {"image": pixels}, seed, weights=weights)


def golden_case(path: Path) -> Case:
    """A tiny model made by running the authors' code, with what it computed in float64.

    Raises:
        InputError: the file cannot be read, or its class belongs to no published layout.
    """
    metadata, content = _read_arrays(path)
    model_name, layout = layout_of_class(metadata.get("class", ""))
    config = json.loads(metadata.get("config", "{}"))
    spec, weights = layout.read(_group(content, "weights"), config, where=str(path))
    gradients = layout.table.to_ours(_group(content, "grads"), where=str(path))
    inputs = layout.adapted(_group(content, "inputs"))
    expected = {f"output/{name}": array for name, array in _group(content, "outputs").items()}
    expected |= {f"gradient/parameter/{name}": array for name, array in gradients.items()}
    expected |= {
        f"gradient/input/{layout.inputs.get(name, name)}": array
        for name, array in _group(content, "grads_inputs").items()
    }
    return Case(
        name=path.stem,
        model=model_name,
        spec=spec,
        inputs={layout.inputs.get(name, name): array for name, array in inputs.items()},
        weights=weights,
        objective=_group(content, "probes"),
        expected=expected,
    )


def _spec_and_weights(
    model: catalog.Model, spec_name: str, weights_file: Path | None
) -> tuple[Spec, Arrays]:
    """A named spec with weights to be drawn, or what a file of weights tells."""
    if weights_file is None:
        return model.spec(spec_name), {}
    _, state = _read_arrays(weights_file)
    return layouts()[model.name].read(state, {}, where=str(weights_file))


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
