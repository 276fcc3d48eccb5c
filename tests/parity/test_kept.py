"""What a reference gave is kept from run to run, and never taken for what it is not."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from parity.measure.kept import Kept, digest_of_arrays, digests
from tests.parity.test_parity import parity


def _file(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def _entry(folder: Path) -> Path:
    (entry,) = (path for path in folder.iterdir() if not path.name.startswith("."))
    return entry


def test_an_answer_and_its_files_come_back(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "cache")
    source = _file(tmp_path / "net.py", "x = 1")
    kept.put("a", {"y": 0.1}, {"t": _file(tmp_path / "t", "12")}, digests([str(source)]))
    entry = kept.find("a")
    assert entry is not None
    assert entry.answer == {"y": 0.1}
    entry.link("t", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "12"
    assert kept.find("b") is None


@pytest.mark.parametrize("change", ["edited", "gone"])
def test_another_source_is_a_miss(tmp_path: Path, change: str) -> None:
    kept = Kept(tmp_path / "cache")
    source = _file(tmp_path / "net.py", "x = 1")
    kept.put("a", 1, {}, digests([str(source)]))
    source.touch()
    assert kept.find("a") is not None  # the contents count, not the time
    if change == "gone":
        source.unlink()
    else:
        source.write_text("x = 2")
    assert kept.find("a") is None
    kept.put("a", 2, {}, digests([str(source)]))
    found = kept.find("a")
    assert found is not None
    assert found.answer == 2


@pytest.mark.parametrize("damage", ["truncated", "gone", "no record", "half a record", "a list"])
def test_a_damaged_entry_is_a_miss(tmp_path: Path, damage: str) -> None:
    kept = Kept(tmp_path / "cache")
    kept.put("a", 1, {"t": _file(tmp_path / "t", "12")}, {})
    entry = _entry(tmp_path / "cache")
    if damage == "truncated":
        (entry / "t").unlink()
        (entry / "t").write_text("1")
    elif damage == "gone":
        (entry / "t").unlink()
    elif damage == "no record":
        (entry / "entry.json").unlink()
    elif damage == "half a record":
        text = (entry / "entry.json").read_text()
        (entry / "entry.json").write_text(text[: len(text) // 2])
    else:
        (entry / "entry.json").write_text("[]")
    assert kept.find("a") is None
    kept.put("a", 3, {"t": tmp_path / "t"}, {})
    found = kept.find("a")
    assert found is not None
    assert found.answer == 3


def test_the_cache_is_bounded_and_the_oldest_go_first(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "cache", most_bytes=4000)
    file = _file(tmp_path / "t", "x" * 1000)
    for number, name in enumerate("abc"):
        kept.put(name, 0, {"t": file}, {})
        os.utime(tmp_path / "cache" / name, (number, number))
    assert kept.find("a") is not None  # which makes it the latest
    kept.put("d", 0, {"t": file}, {})
    assert [name for name in "abcd" if kept.find(name)] == ["a", "c", "d"]
    kept.put("e", 0, {"t": _file(tmp_path / "large", "x" * 3000)}, {})
    assert kept.find("e") is None  # it would drive out all others
    assert kept.find("d") is not None


def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "cache")
    for name, age in ((".1-old", 0), (".1-new", None)):
        (kept.folder / name).mkdir()
        if age is not None:
            os.utime(kept.folder / name, (age, age))
    kept.put("a", 0, {}, {})
    assert sorted(path.name for path in kept.folder.iterdir()) == [".1-new", "a"]


def _use(folder: Path, file: Path, number: int) -> None:
    kept = Kept(folder, most_bytes=20_000)
    for turn in range(60):
        name = str((turn * (number + 1)) % 5)
        entry = kept.find(name)
        if entry is None:
            kept.put(name, {"name": name}, {"t": file}, {})
            continue
        assert entry.answer == {"name": name}
        target = folder.parent / f"{number}-{turn}"
        try:
            entry.link("t", target)
        except FileNotFoundError:  # the other has just renewed it
            continue
        assert target.stat().st_size == 6000


def test_two_processes_share_a_cache(tmp_path: Path) -> None:
    """There is room for three of five entries, so that each removes what the other may use."""
    file = _file(tmp_path / "t", "x" * 6000)
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_use, args=(tmp_path / "cache", file, n)) for n in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert [other.exitcode for other in others] == [0, 0]
    assert not [path for path in (tmp_path / "cache").iterdir() if path.name.startswith(".")]


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    kept = Kept(_file(tmp_path / "file", "") / "cache")
    kept.put("a", 1, {}, {})
    assert kept.find("a") is None


def test_arrays_are_told_apart_by_name_type_shape_and_numbers() -> None:
    array = np.arange(6, dtype=np.float32)
    given = [
        {"x": array},
        {"y": array},
        {"x": array.reshape(2, 3)},
        {"x": array.view(np.int32)},
        {"x": -array},
        {"x": array, "y": array[:0]},
    ]
    assert len({digest_of_arrays(one) for one in given}) == len(given)
    one, other = {"x": array, "y": -array}, {"y": -array, "x": array}
    assert digest_of_arrays(one) == digest_of_arrays(other)


SMALL = ("--size", "16x24", "--gradient-size", "16x24", "--photographs", "cat")


@pytest.mark.frameworks("torch")
def test_a_second_run_takes_the_reference_from_the_first(tmp_path: Path) -> None:
    def rows(*more: str) -> tuple[list[dict[str, object]], str]:
        finished = parity(
            "run", "edsr", *SMALL, "--frameworks", "torch", "--engine", "copy=torch_impl",
            "--cache", str(tmp_path / "cache"), "--json", *more, cwd=tmp_path,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stderr
        found = json.loads(finished.stdout)["rows"]
        return [
            {name: value for name, value in row.items() if name not in ("seconds", "peak_mb")}
            for row in found
        ], finished.stderr

    first, said = rows()
    assert "torch: 1 measured" in said
    again, said = rows()
    assert "torch: 0 measured, 1 kept from an earlier run" in said
    assert again == first
    _, said = rows("--seed", "1")
    assert "torch: 1 measured" in said
    truth = _largest(tmp_path / "cache")
    content = truth.read_bytes()
    truth.unlink()  # a run may hold the same file under another name
    truth.write_bytes(content[:-1])
    again, said = rows()
    assert "torch: 1 measured" in said
    assert again == first


def _largest(folder: Path) -> Path:
    """The file of the entry that was used first."""
    entries = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    return max(entries[0].iterdir(), key=lambda path: path.stat().st_size)
