"""Writes networks for other programs, and proves what was written.

It is loaded back and run, at three sizes, for one picture and two, and on another picture than it
was written with, of which a network that decides by its picture may decide otherwise. Its error
against the float64 run of PyTorch is compared with the error that PyTorch's own float32 runs have,
as `parity` judges ports; a form with layers in 8 bits is judged by the PSNR against the float
network.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from restoration.data import sample_inputs
from restoration.engine.noise import BOUND, worst_ratio
from restoration.errors import RestorationError
from restoration.images.tiling import rounded_up
from restoration.models.model import Model
from restoration.models.registry import find, spec_from_dict
from restoration.models.spec import Spec
from restoration.process import arrays
from restoration.process.frameworks import FRAMEWORKS, REFERENCE
from restoration.process.launch import Process, Worker

FORMS: Mapping[str, tuple[str, ...]] = {
    "torch": ("onnx", "torchscript", "torch-export", "mobile"),
    "jittor": (),
    "mindspore": ("mindir",),
}
"""What each framework writes, its default first."""

SUFFIX = {"onnx": ".onnx", "torchscript": ".pt", "torch-export": ".pt2", "mobile": ".ptl",
           "mindir": ".mindir"}  # fmt: skip
_SLOT = "main"
_MOBILE_AT_LEAST_DB = 35.0


@dataclass
class Judged:
    """What came of an export.

    is_reduced: whether layers are in 8 bits. cases: "SIZE, batch N" with the ratio of errors, or
    the PSNR where layers are in 8 bits. problem: the construct that stands in the way, or where it
    is wrong; empty if it is proven.
    """

    model: str
    form: str
    is_dynamic: bool
    is_reduced: bool = False
    file: str = ""
    megabytes: float = 0.0
    cases: dict[str, float] = field(default_factory=dict)
    problem: str = ""


class Exporter:
    """A framework that writes, and PyTorch that knows the truth."""

    model: Model
    spec: Spec
    is_reduced = False  # whether layers were quantized

    def __init__(self, framework: str, device: str = "cpu"):
        self._framework = framework
        self._folder = tempfile.TemporaryDirectory(prefix="export-")
        self._place = Path(self._folder.name)
        self._writer = _process(framework, device)
        self._reference = self._writer if framework == REFERENCE else _process(REFERENCE)
        self._package = FRAMEWORKS[framework].package

    def __enter__(self) -> Exporter:
        return self

    def __exit__(self, *_: object) -> None:
        for process in {self._writer, self._reference}:
            process.close()
        self._folder.cleanup()

    def load(self, weights: Path, model: str | None, settings: Mapping[str, Any]) -> None:
        """Weights of a file, into both; settings: what no shape of them tells."""
        for framework, process in self._both():
            found = process.call(
                f"{FRAMEWORKS[framework].package}.restore:load",
                {
                    "slot": _SLOT,
                    "weights": str(Path(weights).absolute()),
                    "model": model,
                    "settings": dict(settings),
                    "execution": {},
                },
            )
        self.model, self.spec = find(found["model"]), spec_from_dict(found["spec"])

    def begin(self, model: str, spec_name: str) -> None:
        """First weights of PyTorch's, into both."""
        call = "restoration.inference.serving"
        start = {"slot": _SLOT, "model": model, "spec": spec_name}
        self._reference.call(f"{call}:open_untrained", start)
        self.model, self.spec = find(model), find(model).spec(spec_name)
        if self._writer is not self._reference:
            path = self._place / "first.safetensors"
            self._reference.call(f"{call}:state", {"slot": _SLOT, "target": str(path)})
            self._writer.call(f"{call}:open_with", {**start, "source": str(path)})

    def export(
        self,
        form: str,
        target: Path,
        size: tuple[int, int],
        *,
        is_dynamic: bool,
        batch: int | None = None,
    ) -> Judged:
        """Write a form, run it on every case, and judge it; a file that is wrong is removed."""
        is_reduced = form == "mobile" or self.is_reduced
        judged = Judged(self.model.name, form, is_dynamic, is_reduced, str(target))
        if is_dynamic and form not in ("onnx", "torch-export"):
            judged.problem = f"{form} has fixed sizes: one file for each size"
            return judged
        cases = self.cases(size, batch)
        found = self.paths("found", len(cases))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            problems = self._write(form, target, list(cases.values()), found, is_dynamic=is_dynamic)
        except RestorationError as problem:
            target.unlink(missing_ok=True)
            judged.problem = str(problem)
            return judged
        judged.megabytes = round(target.stat().st_size / 1e6, 3)
        self._judge(judged, cases, found, problems)
        if judged.problem:
            target.unlink(missing_ok=True)
            judged.file = ""
        return judged

    def _write(
        self,
        form: str,
        target: Path,
        sources: Sequence[Path],
        targets: Sequence[str],
        *,
        is_dynamic: bool,
    ) -> list[str]:
        """Write a form and run it on files; why it does not run, for each."""
        return self._writer.call(
            f"{self._package}.exporting:export",
            {
                "slot": _SLOT,
                "form": form,
                "path": str(target.absolute()),
                "sources": [str(path) for path in sources],
                "targets": list(targets),
                "is_dynamic": is_dynamic,
            },
        )

    def _judge(
        self, judged: Judged, cases: Mapping[str, Path], found: list[str], problems: list[str]
    ) -> None:
        exact = self.paths("truth", len(cases))
        self._reference.call(
            "torch_impl.exporting:truth",
            {"slot": _SLOT, "sources": [str(path) for path in cases.values()], "targets": exact},
        )
        for name, path, right, problem in zip(cases, found, exact, problems, strict=True):
            if problem:
                judged.problem = judged.problem or f"fails at {name}: {problem}"
                continue
            outputs, known = read(path), read(right)
            wrong = _misshapen(outputs, known)
            if wrong:
                judged.problem = judged.problem or f"wrong at {name}: {wrong}"
                continue
            if judged.is_reduced:
                value = worst_psnr(outputs, known, self.model.picture)
                is_right = value >= _MOBILE_AT_LEAST_DB
            else:
                value = worst_ratio(outputs, known)
                is_right = value <= BOUND
            judged.cases[name] = round(value, 3) if math.isfinite(value) else 9999.0
            if not is_right:
                unit = (
                    f"dB, at least {_MOBILE_AT_LEAST_DB:g}"
                    if judged.is_reduced
                    else f"times the noise, at most {BOUND:g}"
                )
                judged.problem = judged.problem or f"wrong at {name}: {value:.4g} {unit}"

    def cases(self, size: tuple[int, int], batch: int | None = None) -> dict[str, Path]:
        """Inputs at three sizes for one picture and two, or at one for `batch`; at the first size
        also of another picture."""
        multiple = self.spec.size_multiple
        least = max(self.spec.smallest_side_px, multiple)
        found: dict[str, Path] = {}
        factors = (1.0, 1.5, 0.75) if batch is None else (1.0,)
        batches = [("cat",), ("cat", "coffee")] if batch is None else [_pictures(batch)]
        other = ("coffee", *batches[0][1:])
        for number, factor in enumerate(factors):
            sides = [max(rounded_up(round(side * factor), multiple), least) for side in size]
            for names in [batches[0], *([other] if number == 0 else []), *batches[1:]]:
                inputs = sample_inputs.build(
                    self.model, self.spec, height_px=sides[0], width_px=sides[1], names=names,
                    seed=number,
                )  # fmt: skip
                path = self._place / f"case-{len(found)}.safetensors"
                arrays.write(path, inputs)
                what = "another picture" if names is other else f"batch {len(names)}"
                found[f"{sides[0]}x{sides[1]}, {what}"] = path
        return found

    def paths(self, kind: str, count: int) -> list[str]:
        return [str(self._place / f"{kind}-{number}.safetensors") for number in range(count)]

    def shrinking(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """What a function of the writer's module `shrinking` gives."""
        return self._writer.call(
            f"{self._package}.shrinking:{function}", {"slot": _SLOT, **arguments}
        )

    def megabytes(self, form: str, case: Path) -> float:
        """How large the network's file is now, for the inputs of one file."""
        target = self._place / f"size{SUFFIX[form]}"
        self._write(form, target, [case], self.paths("size", 1), is_dynamic=False)
        return target.stat().st_size / 1e6

    def _both(self) -> list[tuple[str, Process]]:
        pairs = [(self._framework, self._writer)]
        return pairs if self._writer is self._reference else [*pairs, (REFERENCE, self._reference)]


def worst_psnr(
    outputs: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray], picture: str
) -> float:
    """The least PSNR of an output against the float network, by the range of the latter; of one
    that is the same everywhere by its size.

    picture: the output that counts alone, "" for all: scores and margins say how a picture came
    about, and what they are off by is seen in it.
    """
    found = [math.inf]
    for name, array in outputs.items():
        if picture and name != picture:
            continue
        exact = known[f"truth/{name}"]
        if exact.dtype.kind != "f":  # a decision: what it changes shows in the picture
            continue
        error = float(np.mean((array - exact) ** 2))
        if error:
            span = float(np.ptp(exact)) or float(np.abs(exact).max()) or 1.0
            found.append(20 * math.log10(span) - 10 * math.log10(error))
    return min(found)


def _misshapen(outputs: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]) -> str:
    """Which output has another shape than it should have, in words."""
    for name, array in outputs.items():
        expected = known[f"truth/{name}"].shape
        if array.shape != expected:
            return f"{name} has shape {array.shape}, expected {expected}"
    return ""


def _pictures(count: int) -> tuple[str, ...]:
    """Names of so many pictures of sample inputs."""
    return tuple(("cat", "coffee")[place % 2] for place in range(count))


def _process(framework: str, device: str = "cpu") -> Process:
    return Process(Worker(framework, FRAMEWORKS[framework].package, device=device))


def read(path: str) -> dict[str, np.ndarray]:
    """The arrays of a file."""
    with arrays.reading(Path(path)) as reader:
        return {name: np.array(reader[name]) for name in reader.names}
