"""Faults planted into copies of the ports' own files, found again by `parity compare`:

    python -m tests.parity.planted [FRAMEWORK]

Each is one change of text, as a person would write it; the rest of the port is as it is.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from parity.adapters.sides import parse_side
from parity.commands.compare import compare
from parity.compare.state import Options
from parity.report.comparison import Comparison, Finding
from restoration.models.registry import MODELS
from tests.backends import ROOT
from tests.conftest import example


@dataclass(frozen=True)
class Planted:
    """A change of a model's file. old: a pattern, of which the first place is changed. causes: the
    words that name it rightly. modules: of the reference, where it is (beginnings of their
    names)."""

    model: str
    old: str
    new: str
    causes: tuple[str, ...]
    modules: tuple[str, ...]


_BODY = ("en", "de", "re")  # encoders, decoders, refinement
FAULTS = tuple(
    Planted(model, old, new, tuple(causes.split("|")), modules)
    for model, causes, modules, old, new in (
        ("mimo_unet", "skip missing", _BODY, r"(return self\.conv2\(.*\)) \+ x", r"\1"),
        ("mimo_unet", "sum for product", ("attention",), r"x \* shallow", "x + shallow"),
        ("mimo_unet", "concatenation order", ("shallow",), r"\[image, x\]", "[x, image]"),
        (
            *("mimo_unet", "resize mode|align_corners", ("fusion",)),
            *(r"x, 2, mode=self\.resize", 'x, 2, mode="align_corners"'),
        ),
        ("mimo_unet", "sign", ("",), r"self\.head2\(x\) \+ image2", "self.head2(x) - image2"),
        (
            *("mimo_unet", "residual scale", ("",)),
            *(r"self\.head3\(x\) \+ image3", "self.head3(x) + 0.9 * image3"),
        ),
        ("swinir", "window shift sign", ("groups",), r"\(-shift, -shift\)", "(shift, shift)"),
        ("swinir", "eps", ("groups",), r"(norm1 = LayerNorm\(channels, eps=)1e-5", r"\g<1>1e-3"),
        (
            *("swinir", "attention scale", ("groups",)),
            *(r"\(channels // heads\) \*\* -0\.5", "channels**-0.5"),
        ),
        (
            *("swinir", "order of queries, keys and values", ("groups",)),
            *(r"q, k, v = ", "k, q, v = "),
        ),
        ("swinir", "attention mask missing", ("groups",), r"logits = mask_shifted", "mask_shifted"),
        ("swinir", "softmax axis", ("groups",), r"softmax\(logits, dim=3", "softmax(logits, dim=2"),
        ("kernel_prediction", "slope", ("",), r"SLOPE = 0\.01", "SLOPE = 0.2"),
        (
            *("kernel_prediction", "concatenation order", ("mask", "kernel")),
            *(r"\[skip, (pad_to\(.*\))\], ", r"[\1, skip], "),
        ),
        (
            *("kernel_prediction", "softmax axis", ("",)),
            *(r"softmax\(self\.mask_head\(x\), dim=1", "softmax(self.mask_head(x), dim=2"),
        ),
        ("phaseformer", "sum for product", _BODY, r"gelu\(x\) \* gate", "gelu(x) + gate"),
        (
            "phaseformer",
            "softmax axis",
            _BODY,
            r"self\.temperature, dim=3",
            "self.temperature, dim=2",
        ),
    )
)


def run(fault: Planted, framework: str, folder: Path) -> Comparison:
    """Compare the reference with a port in which a fault is planted.

    Raises:
        ValueError: the port's file has no such text.
    """
    chosen = MODELS[fault.model]
    spec = chosen.spec("tiny")
    text = (ROOT / f"{framework}_impl" / f"{spec.module}.py").read_text()
    changed, count = re.subn(fault.old, fault.new, text, count=1)
    if not count:
        raise ValueError(f"{fault.old} is not in {framework}_impl/{spec.module}.py")
    file = folder / f"{spec.module}.py"
    file.write_text(changed)
    inputs = example(chosen, spec)
    factory = f"{ROOT / 'tests' / 'parity' / 'own.py'}:build"
    reference = {"model": fault.model, "package": "torch_impl"}
    port = {"model": fault.model, "package": f"{framework}_impl", "file": str(file)}
    return compare(
        parse_side(f"torch:{factory}", arguments=json.dumps(reference), where="reference"),
        parse_side(f"{framework}:{factory}", arguments=json.dumps(port), where="port"),
        Options({name: inputs[name] for name in spec.inputs if name in inputs}),
        lambda _who, _text: None,
    )


def located(fault: Planted, findings: Sequence[Finding]) -> list[Finding]:
    return [
        finding
        for finding in findings
        if any(finding.reference.module.startswith(module) for module in fault.modules)
    ]


def main(words: Sequence[str]) -> int:
    right = 0
    for framework in words or ("jittor", "mindspore"):
        for fault in FAULTS:
            started = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                result = run(fault, framework, Path(folder))
            there = located(fault, result.findings)
            named = [finding for finding in there if finding.cause in fault.causes]
            wrong = [one for one in result.findings if one.cause and one.cause not in fault.causes]
            right += bool(named) and not wrong
            print(
                f"{framework} {fault.model} {fault.causes[0]}: {result.verdict}, "
                f"{'located' if there else 'not located'}, {'named' if named else 'not named'}, "
                f"{time.monotonic() - started:.0f} s",
                flush=True,
            )
            for finding in [*wrong[:3], *([] if named else result.findings[:3])]:
                print(f"    {finding.in_words}", flush=True)
    print(f"{right} right")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
