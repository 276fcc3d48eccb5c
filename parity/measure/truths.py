"""The truth and the noise of the reference on a case, kept from run to run (`kept.py`)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.measure.kept import Kept, circumstances, digest_of_file
from parity.worker import Measurer
from restoration.errors import RestorationError
from restoration.process import arrays

_FILES = (arrays.PROBLEM_FILE, arrays.TRUTH_FILE)


class KeptTruths:
    """What a reference measured of cases: taken from a cache, and put into it."""

    def __init__(self, kept: Kept, reference: Measurer):
        self._kept, self._reference = kept, reference
        self._circumstances: list[Any] | None = None
        self._sources: Mapping[str, str] = {}

    def take(self, job: Mapping[str, Any]) -> bool:
        """Put what was kept of a case where its measurement would be; whether there was any."""
        name = self._name(job)
        entry = self._kept.find(name) if name else None
        if entry is None:
            return False
        try:
            for file in _FILES:
                entry.link(file, Path(job["folder"]) / file)
        except OSError:
            return False
        outcome = self._reference.outcome
        outcome.results[job["name"]] = entry.answer["result"]
        outcome.engine = outcome.engine or entry.answer["engine"]
        outcome.warnings += entry.answer["warnings"]
        outcome.kept += 1
        return True

    def keep(self, job: Mapping[str, Any]) -> None:
        """Keep what the reference has just measured of a case, if it has."""
        outcome, case = self._reference.outcome, job["name"]
        name = self._name(job)
        if case not in outcome.results or not name:
            return
        try:
            sources = self._reference.call("parity.measure.sources:sources", {})
        except RestorationError:
            return
        answer = {
            "result": outcome.results[case],
            "engine": outcome.engine,
            "warnings": list(outcome.warnings),
        }
        files = {file: Path(job["folder"]) / file for file in _FILES}
        self._kept.put(name, answer, files, sources)

    def _name(self, job: Mapping[str, Any]) -> str:
        """Of an entry; "" where nothing can be kept."""
        if self._circumstances is None:
            try:
                self._circumstances = circumstances(self._reference.worker)
            except (OSError, ValueError, subprocess.SubprocessError):
                self._circumstances = []
        if not self._circumstances:
            return ""
        given = digest_of_file(Path(job["folder"]) / arrays.GIVEN_FILE)
        spec = json.dumps(job["spec"], sort_keys=True)
        return self._kept.name_of("case", self._circumstances, spec, job["seed"], given)
