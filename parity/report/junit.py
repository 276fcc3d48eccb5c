"""A saved result as JUnit, which GitLab, Jenkins and GitHub show.

A suite is a case in a framework, a test case one of its modules. What differs, could not run or
could not be compared is a failure; nothing is ever skipped.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from parity.judge.verdicts import Verdict
from parity.report.checks import Check, checks_of
from parity.report.names import shown
from parity.report.saved import Saved

_MOST_LINES = 30  # of a failure; a network of which everything differs has thousands


def write(saved: Saved, path: Path) -> None:
    """Write the file."""
    checks = checks_of(saved)
    root = ElementTree.Element("testsuites", _counts("parity", checks))
    for (case, framework), members in itertools.groupby(
        checks, key=lambda check: (check.case, check.framework)
    ):
        group = list(members)
        name = shown(f"{case}, {framework}")
        suite = ElementTree.SubElement(root, "testsuite", _counts(name, group))
        for check in group:
            _add(suite, check, saved.bound)
    tree = ElementTree.ElementTree(root)
    ElementTree.indent(tree)
    path.parent.mkdir(parents=True, exist_ok=True)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _counts(name: str, checks: Sequence[Check]) -> dict[str, str]:
    failures = sum(check.verdict is not Verdict.AGREE for check in checks)
    return {
        "name": name,
        "tests": str(len(checks)),
        "failures": str(failures),
        "errors": "0",
        "skipped": "0",
        "time": f"{sum(check.seconds for check in checks):.3f}",
    }


def _add(suite: ElementTree.Element, check: Check, bound: float) -> None:
    # Jenkins makes packages of what is before the last dot of a class's name.
    classname = shown(check.case).replace(".", "_") + "." + shown(check.framework)
    given = {"name": shown(check.module), "classname": classname, "time": f"{check.seconds:.3f}"}
    if check.file:
        given["file"] = shown(check.file, 1000)
    if check.line:
        given["line"] = str(check.line)
    case = ElementTree.SubElement(suite, "testcase", given)
    properties = ElementTree.SubElement(case, "properties")
    for name, value in (("ratio", check.ratio), ("bound", bound), ("noise", check.noise)):
        text = f"{value:.6g}" if math.isfinite(value) else "inf"
        ElementTree.SubElement(properties, "property", {"name": name, "value": text})
    if check.verdict is Verdict.AGREE:
        return
    message = shown(check.message, 1000)
    failure = ElementTree.SubElement(
        case, "failure", {"message": message, "type": str(check.verdict)}
    )
    lines = [shown(line, 1000) for line in check.detail[:_MOST_LINES]] or [message]
    if len(check.detail) > _MOST_LINES:
        lines.append(f"and {len(check.detail) - _MOST_LINES} more")
    failure.text = "\n".join(lines)
