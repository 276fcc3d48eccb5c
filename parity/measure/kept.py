"""What a reference gave, kept from run to run: truth, noise, recordings.

An entry is a folder, named by everything that was known before it was measured (`Kept.name_of`):
the network, weights, inputs, versions, threads. It holds `entry.json`: the answer, and the files
that the process had imported or read, each with a digest of its contents; an entry whose sources
have changed is none. It appears by one rename, and so it goes, so that two processes may use one
cache. Whatever is damaged is a miss.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from restoration.process import arrays, cache
from restoration.process.frameworks import FRAMEWORKS
from restoration.process.launch import Worker

MOST_BYTES = 8 * 2**30
"""What a cache holds; then the entries that were used longest ago are removed."""

_FORMAT = 1
_RECORD = "entry.json"
_STALE_S = 24 * 3600.0  # an unfinished entry of a process that was killed
_VARIABLES = ("PYTHONPATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_VERSIONS = """
import importlib.metadata as metadata, json, sys
found = {one.metadata["Name"].lower(): one.version for one in metadata.distributions()}
print(json.dumps([sys.version, *(found.get(name) for name in sys.argv[1:])]))
"""


@dataclass(frozen=True)
class Entry:
    """What was kept. files: by name."""

    answer: Any
    folder: Path

    def link(self, name: str, target: Path) -> None:
        """Put a file of the entry somewhere else, without a copy where that can be.

        Raises:
            OSError: another process has just removed it, or the target cannot be written.
        """
        _link(self.folder / name, target)


class Kept:
    """A cache of answers.

    folder: where; made when it is needed. A folder that cannot be written keeps nothing.
    """

    def __init__(self, folder: Path | None = None, *, most_bytes: int = MOST_BYTES):
        self._given, self._most_bytes = folder, most_bytes
        self._digests: dict[str, str] = {}

    @property
    def folder(self) -> Path:
        """Raises OSError: it cannot be made."""
        if self._given is None:
            return cache.folder("parity")
        self._given.mkdir(parents=True, exist_ok=True)
        return self._given

    def name_of(self, *parts: Any) -> str:
        """The name of an entry: a digest of values as JSON has them."""
        text = json.dumps([_FORMAT, *parts], sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()

    def find(self, name: str) -> Entry | None:
        """An entry that is complete, and whose sources are as they were."""
        try:
            folder = self.folder / name
            record = json.loads((folder / _RECORD).read_text("utf-8"))
            sizes: Mapping[str, int] = record["files"]
            if any((folder / file).stat().st_size != size for file, size in sizes.items()):
                return None
            if digests(record["sources"]) != record["sources"]:
                return None
            os.utime(folder)
            return Entry(record["answer"], folder)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def put(
        self,
        name: str,
        answer: Any,
        files: Mapping[str, Path],
        sources: Mapping[str, str],
    ) -> None:
        """Keep an answer and files, by their names there; without an error where that cannot be.

        sources: what the process had read, see `digests`.
        """
        with contextlib.suppress(OSError):
            sizes = {file: path.stat().st_size for file, path in files.items()}
            if sum(sizes.values()) > self._most_bytes // 2:
                return  # it would drive out all others
            fresh = self._aside()
            try:
                fresh.mkdir()
                for file, path in files.items():
                    _link(path, fresh / file)
                record = {"answer": answer, "files": sizes, "sources": dict(sources)}
                (fresh / _RECORD).write_text(json.dumps(record), "utf-8")
                self._replace(fresh, self.folder / name)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
            self._trim()

    def _aside(self) -> Path:
        return self.folder / f".{os.getpid()}-{secrets.token_hex(4)}"

    def _replace(self, fresh: Path, place: Path) -> None:
        """Rename an entry to its place; one that is there goes."""
        self._remove(place)
        with contextlib.suppress(OSError):  # another process was faster with the same
            os.rename(fresh, place)

    def _remove(self, place: Path) -> None:
        """Rename an entry away, so that none is ever seen in parts, and delete it."""
        aside = self._aside()
        try:
            os.rename(place, aside)
        except FileNotFoundError:
            return
        shutil.rmtree(aside, ignore_errors=True)

    def _trim(self) -> None:
        """Remove entries, the oldest first, until the others fit; and what was left unfinished."""
        found = []
        for path in self.folder.iterdir():
            with contextlib.suppress(OSError):
                used = path.stat().st_mtime
                if path.name.startswith("."):
                    if time.time() - used > _STALE_S:
                        shutil.rmtree(path, ignore_errors=True)
                    continue
                size = sum(file.stat().st_size for file in path.iterdir())
                found.append((used, size, path))
        for path in cache.oldest(found, self._most_bytes):
            self._remove(path)


def circumstances(worker: Worker) -> list[Any]:
    """What numbers depend on beside sources, weights and inputs: versions, machine, threads.

    Raises:
        OSError: the interpreter cannot be started.
        ValueError: it says nothing of the kind.
    """
    row = FRAMEWORKS.get(worker.framework)
    names = ["numpy", row.distribution if row else worker.framework, "restoration-suite"]
    if worker.python == sys.executable:
        versions = [sys.version, *map(_version, names)]
    else:
        command = [worker.python, "-c", _VERSIONS, *names]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        versions = json.loads(said.stdout)
    return [
        worker.framework,
        worker.package,
        worker.device,
        versions,
        platform.platform(),
        _processor(),
        sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        {name: os.environ.get(name) for name in _VARIABLES},
        dict(worker.environment),
        list(worker.path),
    ]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """Its model and what it can do, on which the choice of kernels depends."""
    with contextlib.suppress(OSError):
        for block in Path("/proc/cpuinfo").read_text().split("\n\n"):
            lines = [line for line in block.splitlines() if line.startswith(("model", "flags"))]
            return "\n".join(lines)
    return platform.processor()


def digest_of(path: str | Path) -> str:
    """Of a file's contents, "" where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return ""


def digests(paths: Iterable[str]) -> dict[str, str]:
    """Of the contents of files, by path."""
    return {path: digest_of(path) for path in paths}


def digest_of_arrays(given: Mapping[str, np.ndarray]) -> str:
    """Of arrays with their names, types and shapes, in any order."""
    found = hashlib.blake2b(digest_size=20)
    for name in sorted(given):
        array = np.ascontiguousarray(given[name])
        found.update(repr((name, array.dtype.str, array.shape)).encode())
        found.update(array.view(np.uint8).data if array.size else b"")
    return found.hexdigest()


def digest_of_file(path: Path) -> str:
    """Of the arrays of a file."""
    with arrays.reading(path) as file:
        return digest_of_arrays({name: file[name] for name in file.names})


def _link(source: Path, target: Path) -> None:
    """A second name for a file; a copy where there can be none."""
    with contextlib.suppress(FileNotFoundError):
        target.unlink()
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
