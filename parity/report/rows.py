"""The rows of one case: what was measured of it, judged and put into words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from parity.cases.case import Case
from parity.diagnose.locate import first_fault
from parity.judge import authors
from parity.judge.measurement import PortMeasurement, ReferenceMeasurement
from parity.judge.noise import noise_of
from parity.judge.verdicts import CaseVerdict, Verdict, judge_case, judge_reference
from parity.report import notes
from parity.report.order import in_call_order
from parity.report.pictures import pictures_of
from parity.report.result import Picture, Row
from parity.worker import Outcome
from restoration.process import arrays


def rows_of(
    case: Case, folder: Path, reference: str, truth: Outcome, ports: Mapping[str, Outcome]
) -> Iterator[Row]:
    """A row for the reference and one for each port.

    folder: of the case's arrays. reference: its name. truth: what the reference said.
    """
    if case.name not in truth.results:
        yield _failed(case, reference, truth.failures[case.name])
        for framework in ports:
            yield _failed(case, framework, f"no truth: {reference} could not run")
        return
    measured = ReferenceMeasurement.from_json(truth.results[case.name])
    with (
        arrays.reading(folder / arrays.TRUTH_FILE) as exact,
        arrays.reading(folder / arrays.PROBLEM_FILE) as problem,
    ):
        yield _reference_row(case, reference, measured, exact)
        weights = problem.group("weights")
        for framework, outcome in ports.items():
            if case.name not in outcome.results:
                yield _failed(case, framework, outcome.failures[case.name])
                continue
            port = PortMeasurement.from_json(outcome.results[case.name])
            with arrays.reading(folder / f"{framework}.safetensors") as found:
                judged = judge_case(found, exact, weights, measured, port.modes)
                judged = in_call_order(judged, measured.taps)
                made = pictures_of(case, framework, found, exact, folder.parent)
            yield _row(
                case,
                framework,
                port,
                judged,
                fault=first_fault(judged, measured.taps),
                notes=notes.on_refusals(port),
                pictures=made,
            )


def _reference_row(
    case: Case, framework: str, measured: ReferenceMeasurement, exact: arrays.Reader
) -> Row:
    """The reference against its own noise, and against the authors' results where there are any."""
    judged = in_call_order(judge_reference(measured), measured.taps)
    verdict, fault, beside = judged.verdict, first_fault(judged, measured.taps), ""
    distances = authors.distances(exact, case, noise_of(measured)) if case.expected else {}
    if distances:
        worst = max(distances, key=lambda key: distances[key])
        if distances[worst] > authors.AUTHORS_BOUND:
            verdict = Verdict.DIFFER
            beside = f"{worst} differs from the authors' by {distances[worst]:.2g}"
            if math.isinf(distances[worst]):
                beside = (
                    f"{worst} cannot be compared with the authors': one is missing, has another "
                    "shape, or NaN or infinity elsewhere"
                )
    said = notes.on_truth(measured)
    said += notes.on_conditioning(judged)
    said += notes.on_decisions(exact, measured)
    said += notes.on_authors(distances)
    return _row(
        case,
        framework,
        measured,
        judged,
        verdict=verdict,
        fault=beside or fault,
        beside=beside,
        notes=said,
    )


def _row(
    case: Case,
    framework: str,
    measured: ReferenceMeasurement | PortMeasurement,
    judged: CaseVerdict,
    *,
    verdict: Verdict | None = None,
    fault: str,
    notes: list[str],
    beside: str = "",
    pictures: Sequence[Picture] = (),
) -> Row:
    return Row(
        case.name,
        case.model,
        framework,
        verdict or judged.verdict,
        seed=case.seed,
        fault=fault,
        notes=notes,
        judged=judged,
        beside=beside,
        pictures=pictures,
        seconds=measured.seconds,
        peak_mb=measured.peak_mb,
    )


def _failed(case: Case, framework: str, reason: str) -> Row:
    return Row(case.name, case.model, framework, Verdict.FAILED, seed=case.seed, reason=reason)
