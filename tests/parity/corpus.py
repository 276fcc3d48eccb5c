"""Runs `parity compare` over the corpus of strangers' ports, and says how much of it was right:

    python -m tests.parity.corpus [NETWORK/PORT ...]

The corpus is `tests/ports`; nothing in it is known to the tool. A fault is located if a finding's
module is one of the truth's, or its lines overlap the truth's; its cause is named if such a finding
names it. A cause that no fault of the port has there is wrong.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.adapters.sides import parse_side
from parity.commands.compare import compare
from parity.compare.state import Options
from parity.report.comparison import Comparison, Finding, Place

ROOT = Path(__file__).resolve().parents[1] / "ports"

WORDS = {
    "BGR for RGB": "channel order",
    "LeakyReLU slope": "slope",
    "batch norm statistics of other layers": "statistics of other layers",
    "float16 cast": "half precision",
    "kernel not flipped": "kernel flipped",
    "spectral norm not folded": "norm of weights not folded",
    "split order of queries, keys and values": "split order",
}
"""Our word for a kind of the corpus, where it is another."""


@dataclass
class Score:
    """What came of a port. faults: kind, found, located, named. wrong: findings that name a cause
    that is not there, or that a port without faults has."""

    port: str
    result: Comparison
    seconds: float
    faults: list[tuple[str, bool, bool, bool]] = field(default_factory=list)
    wrong: list[Finding] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return not self.wrong and all(all(fault[1:]) for fault in self.faults)


def ports() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every port of the corpus, "NETWORK/FILE", with its truth."""
    for file in sorted(ROOT.glob("*/truth.json")):
        truth = json.loads(file.read_text())
        for port, about in truth["ports"].items():
            yield f"{file.parent.name}/{port}", {**about, **truth}


def run(port: str, truth: Mapping[str, Any]) -> Score:
    """Compare a port with its reference, and the findings with the truth."""
    folder = ROOT / port.partition("/")[0]
    reference, _, factory = truth["reference"].partition(":")
    checkpoint = truth["checkpoint"]
    started = time.monotonic()
    result = compare(
        parse_side(f"torch:{folder / reference}:{factory}", where="reference"),
        parse_side(
            f"{truth['framework']}:{ROOT / port}:{truth['factory']}",
            where="port",
        ),
        Options(
            {},
            inputs_file=folder / truth["inputs"],
            weights=folder / truth["weights"],
            port_weights=folder / checkpoint if checkpoint else None,
        ),
        lambda _who, _text: None,
    )
    return scored(port, truth["faults"], result, time.monotonic() - started)


def scored(
    port: str, faults: Sequence[Mapping[str, Any]], result: Comparison, seconds: float
) -> Score:
    """Findings against the truth."""
    score = Score(port, result, seconds)
    explained: set[int] = set()
    for fault in faults:
        word = WORDS.get(fault["kind"], fault["kind"])
        there = [
            number
            for number, finding in enumerate(result.findings)
            if _is_there(finding, fault["where"])
        ]
        named = [number for number in there if result.findings[number].cause == word]
        explained.update(named)
        score.faults.append((fault["kind"], result.verdict == "DIFFER", bool(there), bool(named)))
    score.wrong = [
        finding
        for number, finding in enumerate(result.findings)
        if number not in explained and (finding.cause or not faults)
    ]
    return score


def _is_there(finding: Finding, where: Mapping[str, Any]) -> bool:
    return any(
        place.module in where[side]["modules"] or _overlaps(place, where[side]["lines"])
        for side, place in (("reference", finding.reference), ("port", finding.port))
    )


def _overlaps(place: Place, lines: Mapping[str, Sequence[Sequence[int]]]) -> bool:
    ranges = [(place.file, place.first_line, place.last_line)] if place.file else []
    return any(
        Path(str(file)).name == name and first <= stop and start <= last
        for file, first, last in [*ranges, *place.lines]
        for name, known in lines.items()
        for start, stop in known
        if first is not None and last is not None
    )


def show(score: Score) -> None:
    """What was found of a port."""
    print(
        f"{score.port}: {score.result.verdict} in {score.seconds:.1f} s, "
        f"{len(score.result.findings)} findings"
    )
    for kind, found, located, named in score.faults:
        words = "found, located, named" if named else "found, located" if located else ""
        print(f"    {kind}: {words or ('found' if found else 'missed')}", flush=True)
    for finding in score.wrong:
        print(f"    wrong: {finding.in_words}", flush=True)


def report(scores: Sequence[Score]) -> None:
    """The rates of all."""
    faults = [fault for score in scores for fault in score.faults]
    honest = [score for score in scores if not score.faults]
    total = len(faults) or 1
    for place, word in enumerate(("found", "located", "cause named"), 1):
        count = sum(fault[place] for fault in faults)
        print(f"{word}: {count} of {len(faults)} ({100 * count / total:.1f} %)")
    print(
        f"honest ports without a finding: {sum(not one.wrong for one in honest)} of {len(honest)}"
    )
    print(f"wrong causes: {sum(len(one.wrong) for one in scores if one.faults)}")


def main(words: Sequence[str]) -> int:
    scores = []
    for port, truth in ports():
        if not words or port in words:
            scores.append(run(port, truth))
            show(scores[-1])
    report(scores)
    return 0 if all(score.is_right for score in scores) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
