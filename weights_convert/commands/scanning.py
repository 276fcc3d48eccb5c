"""What the pickles of a file would do if they were loaded. Nothing of it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from restoration.errors import InputError
from weights_convert.checkpoints.shards import Shards, files_of
from weights_convert.errors import quoted
from weights_convert.files.mapped import MappedFile
from weights_convert.formats import identify, in_archive, streams
from weights_convert.formats.contents import PickleRun
from weights_convert.pickles.harmful import is_harmful
from weights_convert.pickles.machine import Budget, Pickle
from weights_convert.pickles.meanings import LOAD_FROM_BYTES, MAX_STREAMS, held_file, is_listed
from weights_convert.pickles.objects import Blob, Instance, Name

_MOST_FINDINGS = 10_000
_SHOWN_ARGUMENTS = 3


@dataclass(frozen=True)
class Finding:
    """Something that a pickle does.

    what: a name it refers to, or a call of one, in words. times: how often. is_listed: whether it
    is on the list of what checkpoints do, which is read as data. is_harmful: whether a file is
    refused for it; other objects may stand beside the weights.
    """

    pickle: str
    what: str
    times: int
    is_listed: bool
    is_harmful: bool = False


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
    meant = files_of(path, None)
    paths = meant.paths if isinstance(meant, Shards) else (meant,)
    runs = []
    for one in paths:
        file = MappedFile(one)
        inner = in_archive(file)
        file = inner.file if inner else file
        found = identify(file)
        runs += [(file, run) for run in found.pickles(file)] if found.pickles else []
    findings: list[Finding] = []
    problem, pickles = None, 0
    for held, run in runs:
        recorder = _Recorder(allowed, held)
        try:
            pickles += _follow(held, run, recorder)
        except InputError as broken:
            problem = str(broken)
        findings += [
            Finding(run.name, what, times, listed, what in recorder.harmful)
            for (what, listed), times in recorder.done.items()
        ]
    findings.sort(key=lambda finding: finding.is_listed)
    return Scan(path, found.name, pickles, tuple(findings), problem)


def _follow(file: MappedFile, run: PickleRun, recorder: _Recorder) -> int:
    """Run the pickles that lie in a row; how many there were."""
    position = run.start
    for _ in range(run.count):
        machine = Pickle(file, position, run.stop, recorder, recorder.budget)
        machine.load()
        position = machine.position
    return run.count


@dataclass
class _Recorder:
    """Meanings that only write down what is asked, also by files that are held as bytes."""

    allowed: Collection[str]
    file: MappedFile
    depth: int = 0
    budget: Budget = field(default_factory=Budget)
    streams: set[object] = field(default_factory=set)
    harmful: set[str] = field(default_factory=set)
    done: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def find_class(self, name: Name) -> Name:
        self._record(f"name {name}", is_listed(name, self.allowed), name)
        return name

    def reduce(self, function: Name, arguments: tuple[object, ...]) -> object:
        if is_listed(function, self.allowed):
            self._record(f"call {function}", True)
            if function == LOAD_FROM_BYTES:
                self._stream(arguments)
            return Instance(function, arguments)
        shown = [_shown(argument) for argument in arguments[:_SHOWN_ARGUMENTS]]
        shown += ["..."] if len(arguments) > _SHOWN_ARGUMENTS else []
        self._record(f"call {function}({', '.join(shown)})", False, function)
        # What it gives may be called in turn, so it stays a name.
        return Name(function.module, f"{function.name[:100]}(...)")

    def set_state(self, target: object, state: object) -> None:
        if isinstance(target, Name):
            self._record(f"state for {target}", False, target)

    def persistent_load(self, reference: object) -> object:
        return Instance(Name("torch", "storage"))

    def _stream(self, arguments: tuple[object, ...]) -> None:
        """Follow a file that is loaded from bytes."""
        content = arguments[0] if arguments else None
        key = (content.start, content.stop) if isinstance(content, Blob) else content
        if not isinstance(content, Blob | bytes) or key in self.streams:
            return
        self.streams.add(key)
        file = held_file(self.file, content)
        inner = _Recorder(
            self.allowed, file, self.depth + 1, self.budget, harmful=self.harmful, done=self.done
        )
        try:
            if self.depth >= MAX_STREAMS:
                raise file.error(expected="fewer streams inside each other", got="more")
            for run in streams.pickles(file):
                _follow(file, run, inner)
        except InputError as problem:
            self._record(f"bytes that cannot be followed: {quoted(str(problem))}", False)

    def _record(self, what: str, listed: bool, name: Name | None = None) -> None:
        if name is not None and not listed and is_harmful(name):
            self.harmful.add(what)
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
