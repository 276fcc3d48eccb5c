"""The result of `parity compare`, as text and as JSON (`comparison.schema.json`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from restoration.errors import ExitCode, printable


@dataclass(frozen=True)
class Place:
    """Where something is on a side. module: dotted path, "" for the network. lines: all ranges that
    ran, (file, first, last). entry: the name of a weight."""

    module: str = ""
    file: str | None = None
    first_line: int | None = None
    last_line: int | None = None
    lines: tuple[tuple[str, int, int], ...] = ()
    entry: str = ""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Place:
        lines = tuple((file, line, line) for file, line, _ in values.get("frames", ()))
        return cls(
            values["module"], values["file"], values["first_line"], values["last_line"], lines
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "module": self.module,
            "file": self.file,
            "first_line": self.first_line,
            "last_line": self.last_line,
            "lines": [list(one) for one in self.lines],
            "entry": self.entry or None,
        }

    def source(self, most: int = 6) -> list[str]:
        """The lines themselves, "FILE:12: x = x + y", where they can be read."""
        if self.file is None or self.first_line is None or self.last_line is None:
            return []
        try:
            text = Path(self.file).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return []
        # Those that ran, where that is known: between them are functions that did not.
        ran = [
            number
            for file, first, last in self.lines
            if file == self.file
            for number in range(first, last + 1)
            if self.first_line <= number <= self.last_line
        ]
        chosen = sorted(set(ran or range(self.first_line, self.last_line + 1)))[:most]
        name = Path(self.file).name
        return [f"{name}:{n}: {text[n - 1].strip()}" for n in chosen if 0 < n <= len(text)]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Place:
        """The inverse of `to_json`."""
        return cls(
            values["module"],
            values["file"],
            values["first_line"],
            values["last_line"],
            tuple((str(file), int(first), int(last)) for file, first, last in values["lines"]),
            values["entry"] or "",
        )

    @property
    def in_words(self) -> str:
        name = self.entry or self.module or "the network"
        if self.file is None:
            return name
        lines = (
            f"{self.first_line}"
            if self.first_line == self.last_line
            else f"{self.first_line}-{self.last_line}"
        )
        return f"{name} ({Path(self.file).name}:{lines})"


@dataclass(frozen=True)
class Aligned:
    """Something that both sides have, and how far apart they are.

    array: its name, as of a run's arrays, by the reference's modules. ratio: in units of float32's
    own rounding. times: what the bound is taken times, 2 for a stretch between two modules. error,
    unit: relative to the largest value, the port's error and the one that has the ratio 1; 0 where
    that is not known.
    """

    array: str
    reference: Place
    port: Place
    ratio: float
    times: float = 1.0
    error: float = 0.0
    unit: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values; an infinite ratio as null."""
        return {
            "array": self.array,
            "reference": self.reference.to_json(),
            "port": self.port.to_json(),
            "ratio": _finite(self.ratio),
            "times": self.times,
            "error": _finite(self.error),
            "unit": _finite(self.unit),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Aligned:
        """The inverse of `to_json`."""
        numbers = (values[name] for name in ("ratio", "times", "error", "unit"))
        return cls(
            values["array"],
            Place.from_json(values["reference"]),
            Place.from_json(values["port"]),
            *(math.inf if number is None else float(number) for number in numbers),
        )


@dataclass(frozen=True)
class Finding:
    """One difference. kind: "module", "code", "weights" or "gradient". cause: one of
    `parity.diagnose.causes.CAUSES`, "" where none is known. is_gap: something that could not be
    compared, no difference. reproduction: a folder that shows it alone. times: what the bound is
    taken times to judge the ratio; 0 where it is no question of a bound."""

    kind: str
    reference: Place
    port: Place
    ratio: float
    inherited: bool = False
    cause: str = ""
    detail: str = ""
    ratio_before: float = 0.0
    ratio_after: float | None = None
    is_gap: bool = False
    reproduction: Path | None = None
    times: float = 0.0

    def exceeds(self, bound: float) -> bool:
        """Whether it is a difference by a bound."""
        return not self.is_gap and (not self.times or self.ratio > self.times * bound)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Finding:
        """The inverse of `to_json`; `is_gap` and `times` where a saved result has them."""
        cause = values["cause"] or {}

        def number(value: float | None) -> float:
            return math.inf if value is None else value

        return cls(
            values["kind"],
            Place.from_json(values["reference"]),
            Place.from_json(values["port"]),
            number(values["ratio"]),
            values["inherited"],
            cause.get("name", ""),
            values["detail"],
            number(cause.get("ratio_before", 0.0)),
            cause.get("ratio_after"),
            is_gap=values.get("is_gap", False),
            reproduction=Path(values["reproduction"]) if values["reproduction"] else None,
            times=values.get("times", 0.0),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "reference": self.reference.to_json(),
            "port": self.port.to_json(),
            "ratio": _finite(self.ratio),
            "inherited": self.inherited,
            "detail": self.detail,
            "cause": {
                "name": self.cause,
                "detail": self.detail,
                "ratio_before": _finite(self.ratio_before),
                "ratio_after": None if self.ratio_after is None else _finite(self.ratio_after),
            }
            if self.cause
            else None,
            "reproduction": None if self.reproduction is None else str(self.reproduction),
        }

    @property
    def in_words(self) -> str:
        text = f"{self.kind}: {self.reference.in_words} / {self.port.in_words}: "
        if self.is_gap:
            return text + self.detail
        text += f"{self.ratio:.3g} times rounding; "
        if not self.cause:
            return text + (self.detail or "no known cause")
        text += f"{self.cause}: {self.detail}"
        if self.ratio_after is not None:
            text += f" (with it {self.ratio_after:.2g})"
        return text


@dataclass(frozen=True)
class Partners:
    """Modules that stand for each other; None where one has no partner. how: what tells so. ratio:
    the worst of the taps that were compared, None where there were none."""

    reference: str | None
    port: str | None
    how: str = ""
    ratio: float | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Partners:
        """The inverse of `to_json`, but for ratios that are not finite."""
        return cls(values["reference"], values["port"], values["how"], values["ratio"])

    def to_json(self) -> dict[str, Any]:
        ratio = None if self.ratio is None else _finite(self.ratio)
        return {"reference": self.reference, "port": self.port, "how": self.how, "ratio": ratio}


@dataclass
class Comparison:
    """What is known of a port. outputs: the port's by the number of the reference's. alignment: of
    modules, in the order of the reference, then those of the port that have no partner. aligned:
    what was compared, in the order of calls. framework: the port's. port_files: the user's files
    that the port was made of."""

    reference: str
    port: str
    findings: list[Finding] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    outputs: dict[int, str] = field(default_factory=dict)
    alignment: list[Partners] = field(default_factory=list)
    aligned: list[Aligned] = field(default_factory=list)
    framework: str = ""
    port_files: set[str] = field(default_factory=set)
    compared: int = 0
    expected: int = 0
    output_ratio: float = 0.0
    outputs_differ: bool = False
    verdict: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found so far."""
        return not self.findings and not self.outputs_differ

    @property
    def worst_ratio(self) -> float:
        """The largest, in units of the bound on outputs."""
        measured = (one.ratio / one.times for one in self.aligned)
        return max([self.output_ratio, *(one.ratio for one in self.findings), *measured])

    def conclude(self) -> None:
        """Differences outweigh gaps, gaps outweigh agreement."""
        if self.outputs_differ or any(not one.is_gap for one in self.findings):
            self.verdict = "DIFFER"
        elif self.compared < self.expected or self.findings or not self.compared:
            self.verdict = "INCOMPLETE"
        else:
            self.verdict = "AGREE"

    @property
    def exit_code(self) -> ExitCode:
        return {
            "AGREE": ExitCode.OK,
            "DIFFER": ExitCode.DIFFERENT,
            "INCOMPLETE": ExitCode.INCOMPLETE,
        }[self.verdict]

    def lines(self) -> list[str]:
        """What a person is told: the verdict, then what was found, then what was assumed."""
        own = [finding for finding in self.findings if not finding.inherited]
        told = [
            f"{self.verdict}: {self.port} against {self.reference}, "
            f"{self.compared} of {self.expected} compared"
        ]
        if self.outputs_differ and not own:
            told.append(f"outputs: {self.worst_ratio:.3g} times rounding, no stretch stands out")
        for finding in own:
            told.append(finding.in_words)
            for side, place in (("reference", finding.reference), ("port", finding.port)):
                told += [f"    {side} {text}" for text in place.source()]
            if finding.reproduction is not None:
                told.append(f"    reproduction: {finding.reproduction}")
        if len(own) < len(self.findings):
            told.append(
                f"and {len(self.findings) - len(own)} that are inherited (--json lists them)"
            )
        told += [f"assumed: {text}" for text in dict.fromkeys(self.assumptions)]
        told += [f"warning: {text}" for text in dict.fromkeys(self.warnings)]
        return [printable(line) for line in told]

    def to_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "reference": self.reference,
            "port": self.port,
            "output_ratio": _finite(self.output_ratio),
            "coverage": {"compared": self.compared, "expected": self.expected},
            "findings": [finding.to_json() for finding in self.findings],
            "alignment": [row.to_json() for row in self.alignment],
            "assumptions": self.assumptions,
            "warnings": self.warnings,
        }

    def to_saved(self) -> dict[str, Any]:
        """All that is known, for `result.json`."""
        findings = [
            one.to_json() | {"is_gap": one.is_gap, "times": one.times} for one in self.findings
        ]
        return self.to_json() | {
            "framework": self.framework,
            "outputs_differ": self.outputs_differ,
            "findings": findings,
            "aligned": [one.to_json() for one in self.aligned],
        }

    @classmethod
    def from_saved(cls, values: Mapping[str, Any]) -> Comparison:
        """The inverse of `to_saved`."""
        ratio = values["output_ratio"]
        return cls(
            values["reference"],
            values["port"],
            [Finding.from_json(one) for one in values["findings"]],
            values["assumptions"],
            values["warnings"],
            alignment=[Partners.from_json(one) for one in values["alignment"]],
            aligned=[Aligned.from_json(one) for one in values["aligned"]],
            framework=values["framework"],
            compared=values["coverage"]["compared"],
            expected=values["coverage"]["expected"],
            output_ratio=math.inf if ratio is None else ratio,
            outputs_differ=values["outputs_differ"],
            verdict=values["verdict"],
        )


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
