"""Proves on a file that nothing is lost: through every format and back."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from restoration.errors import InputError
from weights_convert.checkpoints.checkpoint import open_checkpoint
from weights_convert.checkpoints.writing import Report
from weights_convert.commands.conversion import convert
from weights_convert.commands.inspection import content_hash
from weights_convert.files.integrity import check_parts
from weights_convert.formats import WRITABLE


@dataclass(frozen=True)
class RoundTrip:
    """A file written in a format and read again.

    content: its hash, see `Inspection.content`; None if the format cannot hold it, and why.
    expected: what it has to be; that of the file, but where a format holds the same numbers in
    another type.
    """

    format: str
    content: str | None
    problem: str = ""
    expected: str = ""


@dataclass(frozen=True)
class Verification:
    """Round trips of a file. content: its hash, which those have that change no type."""

    path: Path
    content: str
    round_trips: tuple[RoundTrip, ...]

    @property
    def ok(self) -> bool:
        """Whether every format that can hold the file gave back the same."""
        return all(trip.content in (trip.expected, None) for trip in self.round_trips)

    @property
    def is_complete(self) -> bool:
        """Whether every format could hold the file."""
        return all(trip.content for trip in self.round_trips)

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        verdict = {"ok": self.ok, "is_complete": self.is_complete}
        return asdict(self) | {"path": str(self.path)} | verdict


def verify(
    path: Path,
    *,
    key: str | None = None,
    prefix: str | None = None,
    allowed: Collection[str] = (),
    report: Report = lambda done, total: None,
) -> Verification:
    """Write a file in every format, read it again and compare; see `convert` for the arguments.

    The copies lie in a temporary folder, one at a time.

    Raises:
        InputError: the file is damaged, hostile or no checkpoint.
        OutputError: a copy could not be written.
    """
    checkpoint = open_checkpoint(path, key=key, prefix=prefix, allowed=allowed)
    check_parts(checkpoint.parts, with_sha256=False)
    content = content_hash(checkpoint.tensors)
    trips = []
    for number, (name, held) in enumerate(WRITABLE.items()):

        def report_part(done: int, total: int, number: int = number) -> None:
            report(number * total + done, len(WRITABLE) * total)

        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "copy"
            try:
                convert(
                    path,
                    target,
                    to="kept",
                    target_format=name,
                    key=key,
                    prefix=prefix,
                    allowed=allowed,
                    report=report_part,
                )
            except InputError as problem:
                trips.append(RoundTrip(name, None, str(problem)))
                continue
            stored = {key: held.stores(tensor) for key, tensor in checkpoint.tensors.items()}
            is_same = all(stored[key] is tensor for key, tensor in checkpoint.tensors.items())
            expected = content if is_same else content_hash(stored)
            found = content_hash(open_checkpoint(target, prefix="").tensors)
            trips.append(RoundTrip(name, found, expected=expected))
    return Verification(path, content, tuple(trips))
