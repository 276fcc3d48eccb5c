"""Every program on every console: results and exit codes are the same, what it cannot show is
escaped, and who leaves early gets no traceback."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.table import Table
from safetensors.numpy import load_file, save_file

from parity.report.progress import Progress
from restoration import console
from restoration.console import Console
from restoration.errors import ExitCode
from restoration.models.registry import MODELS
from tests.parity.goldens import FOLDER as GOLDENS

ROOT = Path(__file__).resolve().parents[2]
NAME = "权重"
CONSOLES = {
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    "no locale": {"LC_ALL": "C", "PYTHONUTF8": "0"},
    "latin-1": {"PYTHONUTF8": "1", "PYTHONIOENCODING": "latin-1"},
    "cp936": {"PYTHONUTF8": "1", "PYTHONIOENCODING": "cp936"},
}
UTF8 = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}
PROGRAMS = {
    "parity": ("-m", "parity"),
    "weights-convert": ("-m", "weights_convert"),
    "restoration.blur.pictures": ("-m", "restoration.blur.pictures"),
    "benchmarks/convert.py": (str(ROOT / "benchmarks" / "convert.py"),),
    "benchmarks/efficiency.py": (str(ROOT / "benchmarks" / "efficiency.py"),),
    "benchmarks/models.py": (str(ROOT / "benchmarks" / "models.py"),),
    "benchmarks/restoring.py": (str(ROOT / "benchmarks" / "restoring.py"),),
}


def _run(
    program: str, *arguments: str | bytes, on: str = "utf-8", cwd: Path = ROOT, **options: int
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *PROGRAMS[program], *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | CONSOLES.get(on, UTF8),
        check=False,
        **(options or {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}),
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights whose name is Chinese, and the same one with a byte that is no text."""
    folder = tmp_path_factory.mktemp("console") / NAME
    folder.mkdir()
    content = load_file(GOLDENS / "mimo_unet.safetensors")
    start = "weights/"
    state = {n.removeprefix(start): a for n, a in content.items() if n.startswith(start)}
    save_file(state, folder / "模型.safetensors")
    shutil.copy(folder / "模型.safetensors", os.fsencode(folder) + b"/\xff.safetensors")
    return folder / "模型.safetensors"


@pytest.mark.parametrize("on", CONSOLES)
def test_weights_convert_is_the_same_on_every_console(
    weights: Path, tmp_path: Path, on: str
) -> None:
    model = ("--model", "mimo_unet")
    for number, name in enumerate((weights.name.encode(), b"\xff.safetensors")):
        source = os.fsencode(weights.parent) + b"/" + name
        target = os.fsencode(tmp_path) + f"/出{number}.npz".encode()
        for command in (("inspect", source), (source, target, *model)):
            finished = _run("weights-convert", *command, on=on)
            assert (finished.returncode, finished.stderr) == (0, b""), finished.stderr
        with np.load(target.decode()) as written:
            assert len(written.files) == len(load_file(weights))
    missing = _run("weights-convert", "inspect", weights.parent / "没有", on=on)
    assert missing.returncode == ExitCode.BAD_INPUT
    assert b"expected an existing file" in missing.stderr


def test_what_cannot_be_shown_is_escaped(weights: Path) -> None:
    def first_line(on: str, encoding: str) -> str:
        finished = _run("weights-convert", "inspect", str(weights), on=on)
        return finished.stdout.decode(encoding).splitlines()[0]

    assert f"/{NAME}/模型.safetensors:" in first_line("utf-8", "utf-8")
    assert f"/{NAME}/模型.safetensors:" in first_line("cp936", "cp936")
    assert r"/\u6743\u91cd/\u6a21\u578b.safetensors:" in first_line("latin-1", "latin-1")


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize("on", ["ascii", "latin-1"])
def test_parity_runs_on_every_console(weights: Path, tmp_path: Path, on: str) -> None:
    """A golden file, weights and a folder of runs with Chinese names; the table fits."""
    golden = tmp_path / "金[red].safetensors"
    shutil.copy(GOLDENS / "mimo_unet.safetensors", golden)
    finished = _run(
        "parity", "run", "--golden", golden, "--frameworks", "torch", "--runs", "结果",
        on=on, cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == ExitCode.OK, finished.stderr
    printed = finished.stdout.decode("latin-1")
    assert "all implementations agree" in printed
    table = [line for line in printed.splitlines() if line.startswith(("|", "+"))]
    assert len({len(line) for line in table}) == 1
    assert any("[red]" in line for line in table)
    (run,) = (tmp_path / "结果").iterdir()
    assert json.loads((run / "result.json").read_text("utf-8"))["exit_code"] == 0


@pytest.mark.parametrize("on", ["ascii", "cp936"])
def test_pictures_of_kernels_are_drawn_on_every_console(tmp_path: Path, on: str) -> None:
    rng = np.random.default_rng(0)
    kernels = rng.random((2, 5, 5), np.float32)
    kernels /= kernels.sum((1, 2), keepdims=True)
    masks = np.full((2, 24, 32), 0.5, np.float32)
    np.save(tmp_path / "猫.npy", {"img_blur": rng.random((24, 32, 3), np.float32)})
    np.savez(tmp_path / "核.npz", kernels=kernels, masks=masks)
    finished = _run(
        "restoration.blur.pictures", "猫.npy", "--kernels", "核.npz", "--output", "图",
        on=on, cwd=tmp_path,
    )  # fmt: skip
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert len(finished.stdout.splitlines()) == 3
    assert len(list((tmp_path / "图").glob("猫_*.png"))) == 3


@pytest.mark.parametrize("program", PROGRAMS)
def test_wrong_options_of_every_program_exit_3(program: str) -> None:
    finished = _run(program, "--不是", on="ascii")
    assert finished.returncode == ExitCode.BAD_INPUT, finished.stderr
    assert finished.stdout == b""
    assert finished.stderr.startswith(b"usage: ")


@pytest.mark.parametrize("program", PROGRAMS)
def test_who_reads_may_leave(program: str) -> None:
    """Help into a pipe that nobody reads any more, as of `| head -0`."""
    read, write = os.pipe()
    os.close(read)
    finished = _run(program, "--help", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert finished.stderr == b""


def test_results_that_nobody_reads_are_incomplete(weights: Path) -> None:
    """Printed by `print`, by rich, and as an error."""
    read, write = os.pipe()
    os.close(read)
    for command in (("verify", str(weights)), ("inspect", str(weights)), ("inspect", "/nowhere")):
        streams = {"stdout": write, "stderr": write if "/nowhere" in command else subprocess.PIPE}
        finished = _run("weights-convert", *command, **streams)
        assert (finished.returncode, finished.stderr or b"") == (ExitCode.INCOMPLETE, b"")
    os.close(write)


def test_output_that_cannot_be_written_is_said(weights: Path) -> None:
    with open("/dev/full", "wb") as full:
        finished = _run(
            "weights-convert", "verify", str(weights), stdout=full.fileno(), stderr=subprocess.PIPE
        )
    assert finished.returncode == ExitCode.INCOMPLETE
    assert set(finished.stderr.splitlines()) == {
        b"weights-convert: [Errno 28] No space left on device"
    }


def test_tables_fit_although_their_text_is_escaped() -> None:
    sink = io.BytesIO()
    file = io.TextIOWrapper(sink, encoding="ascii")
    table = Table("name", "shape")
    table.add_row("权重", "4")
    table.add_row("weights", "16")
    Console(file=file, width=60).print(table)
    file.flush()
    lines = sink.getvalue().decode("ascii").splitlines()
    assert len({len(line) for line in lines}) == 1
    assert r"| \u6743\u91cd | 4" in "\n".join(lines)


def _everything(leader: int) -> bytes:
    """All that was written to a terminal which nobody writes to any more; it comes in pieces."""
    printed = b""
    with contextlib.suppress(OSError):  # the end, on Linux
        while piece := os.read(leader, 100_000):
            printed += piece
    return printed


@pytest.mark.parametrize("encoding", ["ascii", "cp936", "utf-8"])
def test_progress_moves_on_every_terminal(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = pty.openpty()
    with open(follower, "w", encoding=encoding) as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        with Progress() as progress:
            progress.show("torch", "权重")
            progress._live and progress._live.refresh()
            progress.finish("torch", "完")
        terminal.flush()
    printed = _everything(leader).decode(encoding)
    os.close(leader)
    assert ("权重" if encoding != "ascii" else r"\u6743\u91cd") in printed
    has_dots = any(0x2800 <= ord(character) < 0x2900 for character in printed)
    assert has_dots == (encoding == "utf-8")


def test_progress_that_nobody_sees_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", encoding="utf-8", closefd=False) as errors:
        monkeypatch.setattr(sys, "stderr", errors)
        with Progress() as progress:
            progress.show("torch", "outputs")
            progress.show("torch", "gradients")
        monkeypatch.undo()
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), write)
    os.close(write)


def test_details_of_an_error_are_lines_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    """The list of every entry that does not fit comes from the error itself."""
    from weights_convert.errors import MismatchError

    def fail() -> int:
        raise MismatchError(
            MODELS["mimo_unet"].name, missing=["a"], unexpected=["b"], misshapen={},
            where="x.pth", next_step="check it",
        )  # fmt: skip

    assert console.run("weights-convert", fail) == ExitCode.BAD_INPUT
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.startswith("weights-convert: weights of mimo_unet")
    assert rest == ["- a", "+ b"]


def test_pages_are_written_on_every_console(tmp_path: Path) -> None:
    """A program that reads and writes texts that are no ASCII: a README in Chinese."""
    before = (ROOT / "README.zh-CN.md").read_bytes()
    for name in ("benchmarks", "docs"):
        (tmp_path / name).mkdir()
    for page in ("docs/speed.md", "docs/restoring.md", "README.md", "README.zh-CN.md"):
        shutil.copy(ROOT / page, tmp_path / page)
    program = (
        f"import sys; sys.path[:0] = [{str(ROOT / 'benchmarks')!r}]\n"
        "from pathlib import Path; import speed_page; speed_page.write(Path.cwd())\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | CONSOLES["ascii"],
        capture_output=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert (tmp_path / "README.zh-CN.md").read_bytes() == before
