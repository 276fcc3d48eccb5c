"""The suite's cache does not grow without end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from restoration.process import cache


@pytest.mark.parametrize(
    ("most_bytes", "left"), [(100, "abc"), (30, "abc"), (29, "ac"), (10, "a"), (0, "")]
)
def test_what_was_used_longest_ago_leaves_first(most_bytes: int, left: str, tmp_path: Path) -> None:
    for place, name in enumerate("bca"):
        (tmp_path / name).write_bytes(bytes(10))
        os.utime(tmp_path / name, (place, place))
    (tmp_path / "folder").mkdir()
    cache.trim(tmp_path, most_bytes)
    assert "".join(sorted(path.name for path in tmp_path.iterdir() if path.is_file())) == left
    assert (tmp_path / "folder").is_dir()
