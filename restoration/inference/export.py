"""`python -m X_impl.export`: networks for other programs, smaller ones too; see `exporter.py`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from restoration import console
from restoration.errors import ExitCode, InputError, RestorationError
from restoration.inference import cli
from restoration.inference.exporter import FORMS, SUFFIX, Exporter, Judged, read, worst_psnr
from restoration.inference.restorer import files_of
from restoration.models.registry import MODELS, find
from restoration.process import arrays
from restoration.process.frameworks import FRAMEWORKS


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
    with Exporter(writer, options.device) as exporter:
        exporter.load(weights[0], options.model, cli.model_settings(options))
        table = _shrink(exporter, form, options) if options.prune or options.quantize else None
        target = options.output or Path(exporter.model.name + SUFFIX[form])
        judged = exporter.export(
            form, target, _size(options.size), batch=options.batch, is_dynamic=options.dynamic
        )
    if table:
        console.results_console(120).print(table)
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
        tried = [
            (form, is_dynamic)
            for form in ([options.to] if options.to else FORMS[writer])
            for is_dynamic in ((False, True) if form in ("onnx", "torch-export") else (False,))
        ]
        with Exporter(writer) as exporter, tempfile.TemporaryDirectory() as folder:
            exporter.begin(model.name, spec_name)
            for form, is_dynamic in tried:
                target = Path(folder) / f"{name}{SUFFIX[form]}"
                try:
                    found = exporter.export(form, target, (64, 96), is_dynamic=is_dynamic)
                except RestorationError as problem:
                    found = Judged(name, form, is_dynamic, problem=str(problem))
                rows.append(found)
                print(f"{name}, {form}: {found.problem or 'proven'}", file=sys.stderr)
                if options.json:  # now: all of them take an hour
                    options.json.write_text(
                        json.dumps([asdict(row) for row in rows], indent=1) + "\n"
                    )
    _show(rows)
    return ExitCode.OK


def _shrink(exporter: Exporter, form: str, options: argparse.Namespace) -> Table:
    """Prune and quantize; a table of quality, size and time before and after."""
    cases = _calibration(exporter, options)
    before, after = (exporter.paths(kind, len(cases)) for kind in ("before", "after"))
    sources = [str(case) for case in cases]
    megabytes = exporter.megabytes(form, cases[0])
    seconds = [exporter.shrinking("timed", {"sources": sources, "targets": before})]
    found = exporter.shrinking(
        "shrink",
        {
            "prune_share": options.prune,
            "is_structured": options.structured,
            "quantize": options.quantize or "",
            "calibration": sources,
        },
    )
    exporter.is_reduced = bool(options.quantize)
    seconds.append(exporter.shrinking("timed", {"sources": sources, "targets": after}))
    quality = min(
        worst_psnr(
            read(new),
            {f"truth/{name}": array for name, array in read(old).items()},
            exporter.model.picture,
        )
        for new, old in zip(after, before, strict=True)
    )
    table = Table("", "before", "after")
    table.add_row("parameters", str(found["parameters"]), str(found["kept"]))
    table.add_row("of these not 0", "", str(found["left"]))
    if "channels" in found:
        table.add_row("channels taken away", "", str(found["channels"]))
    if "layers" in found:
        table.add_row(f"layers in 8 bits, {options.quantize}", "0", str(found["layers"]))
    table.add_row(
        "file MB", *(f"{one:.3f}" for one in (megabytes, exporter.megabytes(form, cases[0])))
    )
    table.add_row("CPU seconds", *(f"{value:.4f}" for value in seconds))
    table.add_row(f"PSNR against before, {len(cases)} pictures", "", f"{quality:.2f} dB")
    return table


def _calibration(exporter: Exporter, options: argparse.Namespace) -> list[Path]:
    """Files of inputs on which layers and ranges are found, and quality is measured."""
    if options.calibrate is None:
        if options.quantize != "static":
            return list(exporter.cases(_size(options.size)).values())[:1]
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
    return [Path(one) for one in found]


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
