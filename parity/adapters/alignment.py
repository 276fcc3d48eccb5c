"""Which module of a port is which of the reference, as a file: `--alignment` reads it,
`--write-alignment` writes it.

JSON: {"modules": [["head.0", "conv_first"], ["head.1", null], ...]}, the reference's module and the
port's; null where it has no partner.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from parity.report.comparison import Partners
from restoration.errors import InputError, unknown_name

Alignment = Mapping[str, str | None]


def read(path: Path, reference: Sequence[str], port: Sequence[str]) -> Alignment:
    """The port's module by the reference's.

    reference, port: the names of all modules.

    Raises:
        InputError: the file holds no alignment, names a module that is not there, or names one
            twice.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["modules"]
        found = [(str(one), None if other is None else str(other)) for one, other in rows]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise InputError(
            "--alignment",
            expected='JSON as {"modules": [["head.0", "conv_first"], ["head.1", null]]}',
            got=f"{type(problem).__name__}: {problem}",
            where=str(path),
            next_step="--write-alignment FILE writes one",
        ) from problem
    for place, known in enumerate((reference, port)):
        names = [row[place] for row in found if row[place] is not None]
        side = ("reference", "port")[place]
        for name in names:
            if name not in known:
                raise unknown_name(f"module of the {side}", name, known, where=str(path))
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise InputError(
                "--alignment",
                expected="every module once",
                got=f"{twice[0]!r} of the {side} twice",
                where=str(path),
                next_step="leave one row out",
            )
    return dict(found)


def write(path: Path, rows: Sequence[Partners]) -> None:
    """The rows of a comparison whose module is the reference's."""
    modules = [[row.reference, row.port] for row in rows if row.reference is not None]
    path.write_text(json.dumps({"modules": modules}, indent=1) + "\n", encoding="utf-8")
