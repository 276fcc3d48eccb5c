"""Where the suite keeps what survives from run to run, away from everybody else's caches."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

VARIABLE = "RESTORATION_CACHE"


def folder(name: str) -> Path:
    """A writable folder of the suite's cache, made when missing.

    It lies in $RESTORATION_CACHE, else in the user's cache folder; where that cannot be written, in
    a temporary folder of this user, which the system may empty.
    """
    base = os.environ.get(VARIABLE)
    if base:
        return _made(Path(base).absolute() / name)
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        return _made(user / "restoration-suite" / name)
    except OSError:
        return _made(Path(tempfile.gettempdir()) / f"restoration-suite-{os.getuid()}" / name)


def link(place: Path, target: Path) -> None:
    """Make or renew a symbolic link; other processes see the old one or the new one."""
    if place.is_symlink() and Path(os.readlink(place)) == target:
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    fresh.symlink_to(target)
    os.replace(fresh, place)


def _made(path: Path) -> Path:
    """Make a folder and check that files can be written in it."""
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path):
        return path
