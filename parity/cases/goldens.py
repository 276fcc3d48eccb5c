"""Golden files: weights, inputs, and what other code computed of them in float64.

docs/golden-files.md describes the format.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from parity.cases import continuous_goldens
from parity.cases.case import Case, GradientSummary, white_noise
from parity.judge.measurement import ArrayKey
from restoration.arrays import Arrays
from restoration.errors import InputError
from weights_convert.checkpoints.loading import read_state
from weights_convert.published import layout_of_class, layouts
from weights_convert.published.layout import Layout

_PAGE = "docs/golden-files.md"
_SUMMARY_SEED = 900_000
"""Golden files add a weight's number to it, for the projection of its gradient."""


@dataclass(frozen=True)
class Golden:
    """A file's metadata, and its arrays by "GROUP/NAME"."""

    path: Path
    metadata: Mapping[str, str]
    content: Arrays

    def group(self, prefix: str) -> Arrays:
        """All arrays under "prefix/", by the rest of their names."""
        start = prefix + "/"
        return {
            name.removeprefix(start): array
            for name, array in self.content.items()
            if name.startswith(start)
        }

    @property
    def kind(self) -> str:
        """What the file says it holds, else what its content looks like."""
        if "kind" in self.metadata:
            return self.metadata["kind"]
        if any(name.startswith("inputs/coord_") for name in self.content):
            return "calls"
        inputs = self.group("inputs")
        has_pictures = {_picture_of(name) for name in self.group("outputs")} == inputs.keys()
        return "pictures" if has_pictures and len(inputs) > 1 else "model"


def golden_cases(path: Path) -> list[Case]:
    """Tiny models made by running the authors' code, with what it computed in float64.

    One case, or one per image where an encoder's file has several of different sizes.

    Raises:
        InputError: the file cannot be read, holds no run of a network, lacks a group of arrays, or
            its class is neither one of the authors' nor a model's name.
    """
    golden = Golden(path, *_read_file(path))
    if golden.kind not in _READERS:
        raise InputError(
            "golden file",
            expected=f"a run of a network: {', '.join(_READERS)}",
            got=f"kind {golden.kind!r}",
            where=str(path),
            next_step=f"give a file of a network's own results; {_PAGE} says which kinds there are",
        )
    _check_content(golden)
    model_name, layout = layout_of_class(golden.metadata["class"])
    return _READERS[golden.kind](golden, layout, _without_inputs(golden, model_name, layout))


def _check_content(golden: Golden) -> None:
    """What a file of other code's results must have, said all at once."""
    needed = ["inputs", "outputs"]
    if "generated" not in golden.metadata:
        needed.insert(0, "weights")
    lacks = [f"arrays {group}/NAME" for group in needed if not golden.group(group)]
    if not golden.metadata.get("class"):
        lacks.append("the metadata 'class', a model's name")
    if not lacks:
        return
    names = ", ".join(list(golden.content)[:5]) or "none"
    raise InputError(
        "golden file",
        expected="weights, inputs and outputs of a network, and the model that it is of",
        got=f"a file without {', '.join(lacks)}; its arrays: {names}"
        + (", ..." if len(golden.content) > 5 else ""),
        where=str(golden.path),
        next_step=f"write the file as {_PAGE} describes; models: {', '.join(layouts())}",
    )


def _without_inputs(golden: Golden, model_name: str, layout: Layout) -> Case:
    """What every kind has: spec, weights, and gradients by them."""
    where = str(golden.path)
    # The authors' SwinIR gives features of the extended image; no file says so.
    config = {"keep_padding": True} | _read_json(golden.metadata, "config", where=where)
    if golden.metadata.get("mode"):
        config["mode"] = golden.metadata["mode"]
    generated, numbers = _generated_weights(golden.metadata, where=where)
    state = generated | golden.group("weights")
    spec, weights = read_state(layout, state, config, where=where)
    gradients = layout.to_ours(golden.group("grads"), where=where)
    stored = golden.group("grads_summary")
    unknown = [name for name in stored if name not in numbers]
    if unknown:
        raise InputError(
            f"gradient 'grads_summary/{unknown[0]}'",
            expected="its weight's number, 'index' in the metadata 'generated'",
            got="none",
            where=where,
            next_step="store the gradient itself as 'grads/NAME'",
        )
    summaries = layout.table.to_ours(stored, where=where)
    seeds = {layout.table.ours(name): _SUMMARY_SEED + number for name, number in numbers.items()}
    return Case(
        golden.path.stem,
        model_name,
        spec,
        {},
        weights=weights,
        expected={ArrayKey.parameter_gradient(name): array for name, array in gradients.items()},
        summaries={
            ArrayKey.parameter_gradient(name): GradientSummary(seeds[name], array)
            for name, array in summaries.items()
        },
    )


def _model(golden: Golden, layout: Layout, case: Case) -> list[Case]:
    """One run of a network."""
    inputs = layout.adapt_inputs(golden.group("inputs"))

    def output(name: str) -> str:
        return layout.outputs.get(name, name)

    def input_(name: str) -> str:
        return layout.inputs.get(name, name)

    expected = {
        **{ArrayKey.output(output(name)): array for name, array in golden.group("outputs").items()},
        **{
            ArrayKey.input_gradient(input_(name)): array
            for name, array in golden.group("grads_inputs").items()
        },
        **case.expected,
    }
    return [
        dataclasses.replace(
            case,
            inputs={input_(name): array for name, array in inputs.items()},
            cotangents={output(name): array for name, array in golden.group("probes").items()},
            expected=expected,
        )
    ]


def _pictures(golden: Golden, layout: Layout, case: Case) -> list[Case]:
    """Features of several pictures by an encoder, or what it restores of them, a case each.

    The stored gradients are of a sum over all pictures, which no single case has.
    """
    outputs, cotangents = (
        {_picture_of(name): array for name, array in golden.group(group).items()}
        for group in ("outputs", "probes")
    )
    (result,) = case.spec.outputs
    return [
        dataclasses.replace(
            case,
            name=f"{case.name}-{name}",
            inputs={"image": image},
            cotangents={result: cotangents[name]} if cotangents else {},
            expected={ArrayKey.output(result): outputs[name]},
        )
        for name, image in golden.group("inputs").items()
    ]


def _picture_of(output: str) -> str:
    """The picture that an output "feat_NAME" or "restored_NAME" is of."""
    return re.sub("^(feat|restored)_", "", output)


def _calls(golden: Golden, layout: Layout, case: Case) -> list[Case]:
    """Calls of a continuous network, those on images of one size as one batch."""
    batches = continuous_goldens.merge(
        case.spec, golden.content, authors_class=golden.metadata["class"]
    )
    result = []
    for batch in batches:
        height, width = batch.inputs["image"].shape[2:]
        name = f"{case.name}-{height}x{width}" if len(batches) > 1 else case.name
        changed = {"name": name, "expected": {**batch.expected, **case.expected}}
        result.append(dataclasses.replace(case, **vars(batch) | changed))
    return result


_READERS: Mapping[str, Callable[[Golden, Layout, Case], list[Case]]] = {
    "model": _model,
    "pictures": _pictures,
    "calls": _calls,
}


def _generated_weights(metadata: Mapping[str, str], *, where: str) -> tuple[Arrays, dict[str, int]]:
    """Weights that a golden file describes instead of holding, and the number of each.

    Raises:
        InputError: a tensor drawn by the rule is not the one that the file was made with.
    """
    tensors = _read_json(metadata, "generated", where=where).get("tensors", {})
    weights = {}
    for name, rule in tensors.items():
        draw = rule["offset"] + rule["scale"] * white_noise(rule["seed"], rule["shape"])
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


def _read_json(metadata: Mapping[str, str], key: str, *, where: str) -> dict[str, Any]:
    """An entry of the metadata that is a JSON object; empty if there is none."""
    text = metadata.get(key, "{}")
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise InputError(
            f"metadata {key!r} of a golden file",
            expected="a JSON object",
            got=repr(text[:40]),
            where=where,
            next_step="docs/golden-files.md describes the metadata",
        )
    return values


def _read_file(path: Path) -> tuple[dict[str, str], Arrays]:
    """Metadata and arrays of a safetensors file, or of an .npz file: there texts are metadata."""
    try:
        if zipfile.is_zipfile(path):
            return _read_npz(path)
        with safe_open(path, framework="np") as file:
            names = file.keys()
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except (OSError, ValueError, zipfile.BadZipFile, SafetensorError) as problem:
        raise InputError(
            "golden file",
            expected="a readable safetensors file, or an .npz of arrays",
            got=f"{type(problem).__name__}: {problem}",
            where=str(path),
            next_step=f"check the path; {_PAGE} describes the format",
        ) from problem


def _read_npz(path: Path) -> tuple[dict[str, str], Arrays]:
    """By NumPy, which reads no pickles unless it is told to."""
    with np.load(path, allow_pickle=False) as file:
        content = {name: file[name] for name in file.files}
    texts = {name: str(array) for name, array in content.items() if array.dtype.kind == "U"}
    return texts, {name: array for name, array in content.items() if name not in texts}
