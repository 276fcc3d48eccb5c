"""Where the suite keeps what survives from run to run, away from everybody else's caches."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

VARIABLE = "RESTORATION_CACHE"


def home() -> Path:
    """Where the cache should lie: in $RESTORATION_CACHE, else in the user's cache folder."""
    base = os.environ.get(VARIABLE)
    if base:
        return Path(base).absolute()
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return user / "restoration-suite"


def folder(name: str) -> Path:
    """A writable folder of the suite's cache, made when missing.

    It lies in `home`. Where the user's cache folder cannot be written, it lies in a temporary
    folder of this user, which the system may empty.

    Raises:
        OSError: $RESTORATION_CACHE cannot be written, or nothing can.
    """
    try:
        return _made(home() / name)
    except OSError:
        if os.environ.get(VARIABLE):
            raise
        return _made(Path(tempfile.gettempdir()) / f"restoration-suite-{os.getuid()}" / name)


def trim(place: Path, most_bytes: int) -> None:
    """Remove files of a folder until the others fit, first those that were written, or touched by
    who used them, longest ago."""
    files = []
    for path in place.iterdir():
        with contextlib.suppress(OSError):  # another process was faster
            if path.is_file():
                files.append((path.stat().st_mtime, path.stat().st_size, path))
    for path in oldest(files, most_bytes):
        with contextlib.suppress(OSError):
            path.unlink()


def oldest(entries: Iterable[tuple[float, int, Path]], most_bytes: int) -> Iterator[Path]:
    """Which of some entries, each when it was used, its bytes and its place, have to go for the
    others to fit: those that were used longest ago, in this order."""
    ordered = sorted(entries)
    left = sum(size for _, size, _ in ordered)
    for _, size, path in ordered:
        if left <= most_bytes:
            break
        yield path
        left -= size


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
