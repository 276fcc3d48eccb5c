"""What the pickles of a file would do if they were loaded. Nothing of it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from restoration.errors import InputError
from weights_convert.errors import quoted
from weights_convert.files.mapped import MappedFile
from weights_convert.formats import identify
from weights_convert.pickles.machine import Pickle
from weights_convert.pickles.meanings import is_listed
from weights_convert.pickles.objects import Blob, Instance, Name

_MOST_FINDINGS = 10_000
_SHOWN_ARGUMENTS = 3


@dataclass(frozen=True)
class Finding:
    """Something that a pickle does.

    what: a name it refers to, or a call of one, in words. times: how often. is_listed: whether it
    is on the list of what a checkpoint may do, which is read as data.
    """

    pickle: str
    what: str
    times: int
    is_listed: bool


@dataclass(frozen=True)
class Scan:
    """What the pickles of a file would do. problem: why the scan ended early, if it did."""

    path: Path
    format: str
    pickles: int
    findings: tuple[Finding, ...]
    problem: str | None

    @property
    def is_harmless(self) -> bool:
        """Whether all was scanned, and all is listed."""
        return self.problem is None and all(finding.is_listed for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        return asdict(self) | {"path": str(self.path), "is_harmless": self.is_harmless}


def scan(path: Path, *, allowed: Collection[str] = ()) -> Scan:
    """Follow the pickles of a file without doing anything that they ask for.

    Raises:
        InputError: the file is no checkpoint, or damaged before its pickles.
    """
    file = MappedFile(path)
    found = identify(file)
    runs = list(found.pickles(file)) if found.pickles else []
    findings: list[Finding] = []
    problem, pickles = None, 0
    for run in runs:
        recorder = _Recorder(allowed)
        try:
            position = run.start
            for _ in range(run.count):
                machine = Pickle(file, position, run.stop, recorder)
                machine.load()
                position = machine.position
                pickles += 1
        except InputError as broken:
            problem = str(broken)
        findings += [
            Finding(run.name, what, times, listed)
            for (what, listed), times in recorder.done.items()
        ]
    findings.sort(key=lambda finding: finding.is_listed)
    return Scan(path, found.name, pickles, tuple(findings), problem)


@dataclass
class _Recorder:
    """Meanings that only write down what is asked."""

    allowed: Collection[str]
    done: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def find_class(self, name: Name) -> Name:
        self._record(f"name {name}", is_listed(name, self.allowed))
        return name

    def reduce(self, function: Name, arguments: tuple[object, ...]) -> object:
        if is_listed(function, self.allowed):
            self._record(f"call {function}", True)
            return Instance(function, arguments)
        shown = [_shown(argument) for argument in arguments[:_SHOWN_ARGUMENTS]]
        shown += ["..."] if len(arguments) > _SHOWN_ARGUMENTS else []
        self._record(f"call {function}({', '.join(shown)})", False)
        # What it gives may be called in turn, so it stays a name.
        return Name(function.module, f"{function.name[:100]}(...)")

    def set_state(self, target: object, state: object) -> None:
        if isinstance(target, Name):
            self._record(f"state for {target}", False)

    def persistent_load(self, reference: object) -> object:
        return Instance(Name("torch", "storage"))

    def _record(self, what: str, listed: bool) -> None:
        if len(self.done) < _MOST_FINDINGS or (what, listed) in self.done:
            self.done[what, listed] += 1


def _shown(argument: object) -> str:
    if isinstance(argument, Name):
        return str(argument)
    if isinstance(argument, Blob):
        return f"{argument.stop - argument.start} bytes"
    if isinstance(argument, Instance):
        return f"an object of {argument.cls}"
    return quoted(repr(argument) if isinstance(argument, str | bytes) else argument)
