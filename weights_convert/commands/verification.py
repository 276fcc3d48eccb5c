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
from weights_convert.files.integrity import check
from weights_convert.formats import WRITABLE


@dataclass(frozen=True)
class RoundTrip:
    """A file written in a format and read again.

    content: its hash, see `Inspection.content`; None if the format cannot hold it, and why.
    """

    format: str
    content: str | None
    problem: str = ""


@dataclass(frozen=True)
class Verification:
    """Round trips of a file. content: the hash that all of them must have."""

    path: Path
    content: str
    round_trips: tuple[RoundTrip, ...]

    @property
    def ok(self) -> bool:
        """Whether every format that can hold the file gave back the same."""
        return all(trip.content in (self.content, None) for trip in self.round_trips)

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
    allowed: Collection[str] = (),
    report: Report = lambda done, total: None,
) -> Verification:
    """Write a file in every format, read it again and compare; see `convert` for the arguments.

    The copies lie in a temporary folder, one at a time.

    Raises:
        InputError: the file is damaged, hostile or no checkpoint.
        OutputError: a copy could not be written.
    """
    checkpoint = open_checkpoint(path, key=key, allowed=allowed)
    check(checkpoint.file, checkpoint.checksums, with_sha256=False)
    content = content_hash(checkpoint.tensors)
    trips = []
    for number, name in enumerate(WRITABLE):

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
                    allowed=allowed,
                    report=report_part,
                )
            except InputError as problem:
                trips.append(RoundTrip(name, None, str(problem)))
                continue
            trips.append(RoundTrip(name, content_hash(open_checkpoint(target).tensors)))
    return Verification(path, content, tuple(trips))
