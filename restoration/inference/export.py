"""`python -m X_impl.export`: networks for other programs, each proven by what it computes.

What is written is loaded back and run, at three sizes, for one picture and two. Its error against
the float64 run of PyTorch is compared with the error that PyTorch's own float32 runs have, as
`parity` judges ports; a form with 8-bit layers is judged by the PSNR against the float network.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from restoration import console
from restoration.data import sample_inputs
from restoration.errors import ExitCode, InputError, RestorationError
from restoration.images.tiling import rounded_up
from restoration.inference import cli
from restoration.inference.restorer import files_of
from restoration.models.model import Model
from restoration.models.registry import MODELS, find, spec_from_dict
from restoration.models.spec import Spec
from restoration.process import arrays
from restoration.process.frameworks import FRAMEWORKS, REFERENCE
from restoration.process.launch import Process, Worker

BOUND = 16.0
"""The largest ratio of errors that still counts as the same; parity's, and a test compares."""

FORMS: Mapping[str, tuple[str, ...]] = {
    "torch": ("onnx", "torchscript", "torch-export", "mobile"),
    "jittor": (),
    "mindspore": ("mindir",),
}
"""What each framework writes, its default first."""

_SUFFIX = {"onnx": ".onnx", "torchscript": ".pt", "torch-export": ".pt2", "mobile": ".ptl",
           "mindir": ".mindir"}  # fmt: skip
_SLOT = "main"
_HALF_ULP = 2.0**-24
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


def main(framework: str, words: Sequence[str] | None = None) -> int:
    """The program of a framework; its exit code."""
    program = f"{framework}_impl.export"
    given = cli.dashed(sys.argv[1:] if words is None else words)
    return console.run(program, lambda: _run(framework, _parser(program, framework, given)))


def _parser(program: str, framework: str, words: Sequence[str]) -> argparse.Namespace:
    options = console.Parser(
        prog=f"python -m {program}",
        description="Write a network for other programs, and prove what was written.",
        epilog="Exit codes: 0 proven; 1 written but wrong, and removed; 2 cannot be exported; "
        "3 bad input.",
    )
    cli.add_model(options)
    options.add_argument("-o", "--output", type=Path, metavar="FILE")
    every = [form for forms in FORMS.values() for form in forms]
    options.add_argument("--to", choices=every, help="the form")
    options.add_argument("--size", default="64x96", metavar="HxW", help="of the input")
    options.add_argument("--batch", type=int, metavar="N",
                         help="pictures of the input; proven at that size alone")  # fmt: skip
    options.add_argument("--dynamic", action="store_true", help="leave sizes and batch open")
    options.add_argument("--by", choices=[name for name, forms in FORMS.items() if forms],
                         help="the framework that writes, from the same weights")  # fmt: skip
    options.add_argument("--table", nargs="*", metavar="MODEL",
                         help="try all models, or these, in every form, small")  # fmt: skip
    options.add_argument("--prune", type=float, default=0.0, metavar="SHARE",
                         help="set this share of the smallest weights to 0 for good")  # fmt: skip
    options.add_argument("--structured", action="store_true", help="--prune whole channels")
    options.add_argument("--quantize", choices=("dynamic", "static"),
                         help="8 bits: linear layers, or convolutions by calibration")  # fmt: skip
    options.add_argument("--calibrate", type=Path, metavar="DIR",
                         help="pictures for --quantize static")  # fmt: skip
    options.add_argument("--json", type=Path, metavar="FILE")
    found = options.parse_args(words)
    found.framework = found.by or framework
    return found


def _run(framework: str, options: argparse.Namespace) -> int:
    writer = options.framework
    forms = FORMS[writer]
    if not forms:
        raise InputError(
            f"export from {FRAMEWORKS[framework].title}",
            expected="a framework with an exporter",
            got=f"{FRAMEWORKS[framework].title}, which has none of its own",
            where=f"{framework}_impl.export",
            next_step="--by torch writes what PyTorch exports from the same weights",
        )
    if options.table is not None:
        return _table(writer, options)
    form = options.to or forms[0]
    if form not in forms:
        raise InputError(
            "--to",
            expected=", ".join(forms),
            got=form,
            where=f"{FRAMEWORKS[writer].title}",
            next_step="choose another form, or another framework by --by",
        )
    weights = files_of(options.model, options.weights)  # errors before a framework starts
    if (options.prune or options.quantize) and writer != "torch":
        raise InputError(
            "--prune and --quantize",
            expected="PyTorch",
            got=FRAMEWORKS[writer].title,
            where="command line",
            next_step="--by torch does it from the same weights",
        )
    with _Exporter(writer, options.device) as exporter:
        exporter.load(weights[0], options.model, cli.model_settings(options))
        if options.prune or options.quantize:
            _shrink(exporter, options)
        target = options.output or Path(exporter.model.name + _SUFFIX[form])
        judged = exporter.export(
            form, target, _size(options.size), batch=options.batch, is_dynamic=options.dynamic
        )
    _show([judged])
    if options.json:
        options.json.write_text(json.dumps([asdict(judged)], indent=1) + "\n")
    if not judged.problem:
        return ExitCode.OK
    return ExitCode.DIFFERENT if judged.cases else ExitCode.INCOMPLETE


def _table(writer: str, options: argparse.Namespace) -> int:
    """Every model in every form, small, with first weights: what can be exported, and what stands
    in the way."""
    rows = []
    for name in options.table or MODELS:
        model = find(name)
        spec_name = next((one for one in model.specs if one.startswith("tiny")), "tiny")
        for form in [options.to] if options.to else FORMS[writer]:
            for is_dynamic in (False, True) if form in ("onnx", "torch-export") else (False,):
                with _Exporter(writer) as exporter, tempfile.TemporaryDirectory() as folder:
                    target = Path(folder) / f"{name}{_SUFFIX[form]}"
                    try:
                        exporter.begin(model.name, spec_name)
                        found = exporter.export(form, target, (64, 96), is_dynamic=is_dynamic)
                    except RestorationError as problem:
                        found = Judged(name, form, is_dynamic, problem=str(problem))
                rows.append(found)
                print(f"{name}, {form}: {found.problem or 'proven'}", file=sys.stderr)
    _show(rows)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return ExitCode.OK


class _Exporter:
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

    def __enter__(self) -> _Exporter:
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
        cases = self._cases(size, batch)
        found = self.paths("found", len(cases))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            problems = self._writer.call(
                f"{self._package}.exporting:export",
                {
                    "slot": _SLOT,
                    "form": form,
                    "path": str(target.absolute()),
                    "sources": [str(path) for path in cases.values()],
                    "targets": found,
                    "is_dynamic": is_dynamic,
                },
            )
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
            outputs, known = _read(path), _read(right)
            if judged.is_reduced:
                value = _worst_psnr(outputs, known)
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

    def _cases(self, size: tuple[int, int], batch: int | None = None) -> dict[str, Path]:
        """Inputs at three sizes for one picture and two, or at one for `batch`."""
        multiple = self.spec.size_multiple
        least = max(self.spec.smallest_side_px, multiple)
        found = {}
        factors = (1.0, 1.5, 0.75) if batch is None else (1.0,)
        batches = [("cat",), ("cat", "coffee")] if batch is None else [_pictures(batch)]
        for number, factor in enumerate(factors):
            sides = [max(rounded_up(round(side * factor), multiple), least) for side in size]
            for names in batches:
                inputs = sample_inputs.build(
                    self.model, self.spec, height_px=sides[0], width_px=sides[1], names=names,
                    seed=number,
                )  # fmt: skip
                path = self._place / f"case-{number}-{len(names)}.safetensors"
                arrays.write(path, inputs)
                found[f"{sides[0]}x{sides[1]}, batch {len(names)}"] = path
        return found

    def paths(self, kind: str, count: int) -> list[str]:
        return [str(self._place / f"{kind}-{number}.safetensors") for number in range(count)]

    def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """Something of the writer's module `exporting`."""
        return self._writer.call(
            f"{self._package}.exporting:{function}", {"slot": _SLOT, **arguments}
        )

    def _both(self) -> list[tuple[str, Process]]:
        pairs = [(self._framework, self._writer)]
        return pairs if self._writer is self._reference else [*pairs, (REFERENCE, self._reference)]


def worst_ratio(outputs: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]) -> float:
    """The largest ratio of an output's error to that of float32 itself, in both norms.

    known: "truth/NAME", and "0/NAME", "1/NAME", ... of legitimate float32 runs.
    """
    worst = 0.0
    ways = {name.partition("/")[0] for name in known} - {"truth"}
    for name, array in outputs.items():
        exact = known[f"truth/{name}"].astype(np.float64)
        if array.shape != exact.shape or not np.isfinite(array).all():
            return math.inf
        for norm in (np.linalg.norm, lambda x: np.abs(x).max(initial=0)):
            error = float(norm((array - exact).ravel()))
            noise = max(float(norm((known[f"{way}/{name}"] - exact).ravel())) for way in ways)
            floor = _HALF_ULP * float(norm(exact.ravel()))
            worst = max(worst, error / max(noise, floor, 1e-30))
    return worst


def _worst_psnr(outputs: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]) -> float:
    """The least PSNR of an output against the float network, by the range of the latter."""
    found = [math.inf]
    for name, array in outputs.items():
        exact = known[f"truth/{name}"]
        error = float(np.mean((array - exact) ** 2))
        if error:
            found.append(20 * math.log10(max(float(np.ptp(exact)), 1e-12)) - 10 * math.log10(error))
    return min(found)


def _shrink(exporter: _Exporter, options: argparse.Namespace) -> None:
    """Prune and quantize, and print quality, size and time before and after."""
    case = next(iter(exporter._cases(_size(options.size)).values()))
    before, after = exporter.paths("shrunk", 2)
    seconds = [exporter.call("timed", {"source": str(case), "target": before})]
    pictures = _calibration(exporter, options, case)
    found = exporter.call(
        "shrink",
        {
            "prune_share": options.prune,
            "is_structured": options.structured,
            "quantize": options.quantize or "",
            "calibration": pictures,
        },
    )
    exporter.is_reduced = bool(options.quantize)
    seconds.append(exporter.call("timed", {"source": str(case), "target": after}))
    known = {f"truth/{name}": array for name, array in _read(before).items()}
    quality = _worst_psnr(_read(after), known)
    share = found.get("zeros", 0) / found["parameters"]
    table = Table("", "before", "after")
    table.add_row("zero weights", "", f"{share:.1%} of {found['parameters']}")
    table.add_row(
        "layers in 8 bits (dynamic), or rounded as if (static)", "0", str(found.get("layers", 0))
    )
    table.add_row("seconds", *(f"{value:.4f}" for value in seconds))
    table.add_row("PSNR against before", "", f"{quality:.2f} dB")
    console.results_console(120).print(table)


def _calibration(exporter: _Exporter, options: argparse.Namespace, case: Path) -> list[str]:
    """Files of inputs on which layers and ranges are found."""
    if options.quantize != "static":
        return [str(case)] if options.quantize else []
    if options.calibrate is None:
        raise InputError(
            "--quantize static",
            expected="--calibrate DIR, pictures on which ranges are measured",
            got="none",
            where="command line",
            next_step="give a few pictures of the kind that will be restored",
        )
    from restoration.evaluation.pairs import find_pairs
    from restoration.images import read_image
    from restoration.images.resize import fit_within

    paths = [pair.truth for pair in find_pairs(None, options.calibrate)][:16]
    found = exporter.paths("calibration", len(paths))
    free = exporter.spec.magnification is None
    for source, target in zip(paths, found, strict=True):
        pixels = fit_within(read_image(source).pixels, 256)
        inputs = exporter.model.to_inputs(exporter.spec, pixels, scale=2.0 if free else None)
        arrays.write(Path(target), inputs)
    return found


def _show(rows: Sequence[Judged]) -> None:
    table = Table("model", "form", "sizes", "MB", "worst", "what stands in the way")
    for row in rows:
        worst = ""
        if row.cases:
            worst = (
                f"{min(row.cases.values()):.1f} dB"
                if row.is_reduced
                else f"{max(row.cases.values()):.2f}"
            )
        sizes = "open" if row.is_dynamic else "fixed"
        table.add_row(row.model, row.form, sizes, f"{row.megabytes:g}", worst, row.problem)
    console.results_console(160).print(table)


def _pictures(count: int) -> tuple[str, ...]:
    """Names of so many pictures of sample inputs."""
    return tuple(("cat", "coffee")[place % 2] for place in range(count))


def _process(framework: str, device: str = "cpu") -> Process:
    return Process(Worker(framework, FRAMEWORKS[framework].package, device=device))


def _read(path: str) -> dict[str, np.ndarray]:
    with arrays.reading(Path(path)) as reader:
        return {name: np.array(reader[name]) for name in reader.names}


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise InputError(
            "--size",
            expected="HxW, as 256x320",
            got=repr(text),
            where="command line",
            next_step="give the height and the width of the input",
        )
    return int(height), int(width)
