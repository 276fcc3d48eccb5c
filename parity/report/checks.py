"""What of a saved result passes or fails: a check for each module of each case and framework.

JUnit, the summary and annotations of CI show these; `worst_first` says in which order.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from parity.judge.measurement import ArrayKey, ArrayKind
from parity.judge.verdicts import ArrayVerdict, Verdict
from parity.report.comparison import Comparison, Finding, Place
from parity.report.result import Row
from parity.report.saved import Saved
from restoration.models.registry import MODELS
from restoration.process.frameworks import FRAMEWORKS

NETWORK = "(network)"
SEVERITY = (Verdict.AGREE, Verdict.INCOMPLETE, Verdict.FAILED, Verdict.DIFFER)
"""Verdicts from the best to the worst."""


@dataclass(frozen=True)
class Check:
    """One module, or one step of training.

    ratio: its worst array's, infinite where something cannot be compared. noise: of the reference,
    there. arrays: of the module, in call order. message: why it is no agreement, "" if it is one.
    detail: more, in lines. file, line: of the port's code, where known; of a model of the suite the
    file alone.
    """

    case: str
    framework: str
    module: str
    verdict: Verdict
    ratio: float = 0.0
    noise: float = 0.0
    message: str = ""
    detail: Sequence[str] = ()
    file: str | None = None
    line: int | None = None
    seconds: float = 0.0
    arrays: Sequence[ArrayVerdict] = field(default=(), repr=False)


def checks_of(saved: Saved) -> list[Check]:
    """All checks, case by case in call order. Every row that is no agreement has one that is
    none."""
    if saved.comparison:
        return _of_comparison(saved.rows[0], saved.comparison)
    return [check for row in saved.rows for check in _of_row(row)]


def worst_first(checks: Iterable[Check]) -> list[Check]:
    """What differs, could not run and has gaps, each by ratio; then what agrees."""
    return sorted(checks, key=rank, reverse=True)


def rank(one: Check | ArrayVerdict) -> tuple[int, float]:
    """By which the worst is the largest: the verdict, then the ratio."""
    return SEVERITY.index(one.verdict), one.ratio


def module_of(key: ArrayKey) -> str:
    """What an array is of: a module, the whole network, or a step of training."""
    if key.kind is ArrayKind.STEP:
        return f"step {key.name.partition('/')[0]}"
    if key.kind is ArrayKind.TAP:
        return key.place.module or NETWORK
    if key.kind in (ArrayKind.PARAMETER, ArrayKind.PARAMETER_GRADIENT):
        return key.name.rpartition(".")[0] or NETWORK
    return NETWORK


def _of_row(row: Row) -> list[Check]:
    if row.judged is None:
        return [Check(row.case, row.framework, NETWORK, row.verdict, message=row.reason)]
    groups: dict[str, list[ArrayVerdict]] = {}
    for array in row.judged.arrays:
        groups.setdefault(module_of(array.key), []).append(array)
    found = [_of_arrays(row, module, arrays) for module, arrays in groups.items()]
    if found and not math.isnan(row.seconds):
        # The whole case was measured at once; no module has a time of its own.
        found[0] = dataclasses.replace(found[0], seconds=row.seconds)
    if row.beside or (row.verdict is not Verdict.AGREE and _all_agree(found)):
        message = row.beside or row.fault or row.reason or "not everything could be compared"
        found.append(Check(row.case, row.framework, "(case)", row.verdict, message=message))
    return found


def _all_agree(checks: Sequence[Check]) -> bool:
    return all(check.verdict is Verdict.AGREE for check in checks)


def _of_arrays(row: Row, module: str, arrays: Sequence[ArrayVerdict]) -> Check:
    worst = max(arrays, key=rank)
    bad = [one for one in arrays if one.verdict is not Verdict.AGREE]
    bad.sort(key=rank, reverse=True)
    lines = [f"{one.key.in_words}: {one.why}" for one in bad]
    return Check(
        row.case,
        row.framework,
        module,
        worst.verdict,
        max(one.ratio for one in arrays),
        worst.noise,
        lines[0] if lines else "",
        lines,
        file=_file_of(row),
        arrays=arrays,
    )


def _file_of(row: Row) -> str | None:
    """Where the suite's own network of a row is written."""
    model, framework = MODELS.get(row.model), FRAMEWORKS.get(row.framework)
    if model is None or framework is None:
        return None
    return f"{framework.package}/{next(iter(model.specs.values())).module}.py"


def _of_comparison(row: Row, comparison: Comparison) -> list[Check]:
    """Modules by what was compared, then findings; a module with a finding has it as its check."""
    places: dict[str, Place] = {}
    for one in comparison.aligned:
        if one.port.file and one.reference.module:
            places.setdefault(one.reference.module or NETWORK, one.port)
    found = []
    for check in _of_row(dataclasses.replace(row, fault=row.fault or "outputs differ")):
        place = places.get(check.module, Place())
        found.append(dataclasses.replace(check, file=place.file, line=place.first_line))
    by_module = {check.module: number for number, check in enumerate(found)}
    # What was compared at the end of a stretch need not be of the module whose code it is.
    ends = {one.ratio: one.reference.module or NETWORK for one in comparison.aligned}
    for finding in comparison.findings:
        check = _of_finding(row, finding)
        module = ends.get(finding.ratio, finding.reference.module or NETWORK)
        number = by_module.pop(module, None)
        if number is None:
            found.append(check)
        else:
            found[number] = dataclasses.replace(
                check, module=module, arrays=found[number].arrays, noise=found[number].noise
            )
    return [check for check in found if check.module != "(case)" or not comparison.findings]


def _of_finding(row: Row, finding: Finding) -> Check:
    sides = (("reference", finding.reference), ("port", finding.port))
    source = [f"{side} {line}" for side, place in sides for line in place.source()]
    return Check(
        row.case,
        row.framework,
        finding.reference.module or finding.port.module or NETWORK,
        Verdict.INCOMPLETE if finding.is_gap else Verdict.DIFFER,
        finding.ratio,
        message=finding.in_words,
        detail=[finding.in_words, *source],
        file=finding.port.file,
        line=finding.port.first_line,
    )
