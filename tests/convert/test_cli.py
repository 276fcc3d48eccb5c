"""The command weights-convert: what it prints, and its exit codes."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.convert.test_lossless import _published
from weights_convert.checkpoints import schemas
from weights_convert.cli import main


@pytest.fixture(autouse=True)
def _no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "FRAMEWORKS", ())


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "MIMO-UNet.pkl"
    path.write_bytes(pickle.dumps({"model": _published("mimo_unet"), "epoch": 3}))
    return path


def _run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_convert(capsys: pytest.CaptureFixture[str], published: Path, tmp_path: Path) -> None:
    target = tmp_path / "ours.safetensors"
    code, out, err = _run(capsys, published, target)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{target}: 76 tensors, safetensors from pickle, names ours, mimo_unet (score 1.000); "
        "read back, bit for bit the same",
        "left out: epoch (--keep-rest keeps it)",
        "taken: skip_dropout 0.0, resize nearest, which no shape tells; --set NAME=VALUE changes "
        "them",
    ]
    code, out, _ = _run(capsys, "convert", target, tmp_path / "x.pth", "--to=published", "--json")
    assert code == 0
    result = json.loads(out)
    assert (result["model"], result["names"], result["score"]) == ("mimo_unet", "published", 1)


def test_mismatch_lists_entries_and_exits_3(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    state = _published("mimo_unet")
    state["spare.weight"] = state.pop("FAM1.merge.main.0.bias")
    path, target = tmp_path / "x.pkl", tmp_path / "y.npz"
    path.write_bytes(pickle.dumps(state))
    code, out, err = _run(capsys, path, target)
    assert (code, out) == (3, "")
    assert err.splitlines()[1:] == ["- FAM1.merge.main.0.bias", "+ spare.weight"]
    assert not target.exists()
    code, out, _ = _run(capsys, path, target, "--partial")
    assert code == 0
    assert out.splitlines()[1:3] == ["- FAM1.merge.main.0.bias", "+ spare.weight"]


def test_inspect(capsys: pytest.CaptureFixture[str], published: Path) -> None:
    code, out, _ = _run(capsys, "inspect", published)
    assert code == 0
    lines = out.splitlines()
    assert lines[1].startswith("weights   76 tensors (76 float32), ")
    assert lines[1].endswith("elements under model")
    assert lines[2:5] == [
        "extra     epoch",
        "model     mimo_unet (scores: mimo_unet 1.000, mimo_unet_plus 0.760)",
        "spec      type=MIMOUNetSpec, width=8, blocks=1, skip_dropout=0.0, resize=nearest",
    ]
    code, out, _ = _run(capsys, "inspect", published, "--json")
    result = json.loads(out)
    assert result["scores"]["mimo_unet"] == 1
    assert len(result["tensors"]) == 76


def test_diff(capsys: pytest.CaptureFixture[str], published: Path, tmp_path: Path) -> None:
    _run(capsys, published, tmp_path / "ours.ckpt")
    code, out, _ = _run(capsys, "diff", published, tmp_path / "ours.ckpt")
    assert code == 0
    assert out.startswith("76 equal, 0 differ")
    np.savez(tmp_path / "a.npz", x=np.array([1.0, np.nan]), y=np.ones(2))
    np.savez(tmp_path / "b.npz", x=np.array([1.5, 2.0]), z=np.ones(2))
    code, out, _ = _run(capsys, "diff", tmp_path / "a.npz", tmp_path / "b.npz")
    assert code == 1
    assert out.splitlines()[1:] == ["! x: values, most nan in 2 elements", "- y", "+ z"]
    code, out, _ = _run(capsys, "diff", tmp_path / "a.npz", tmp_path / "b.npz", "--json")
    assert json.loads(out)["differing"][0]["most"] == "nan"


def test_verify(capsys: pytest.CaptureFixture[str], published: Path, tmp_path: Path) -> None:
    code, out, _ = _run(capsys, "verify", published)
    assert code == 0
    assert out.count("the same") == 5
    np.savez(tmp_path / "x.npz", a=np.zeros(0))
    code, out, _ = _run(capsys, "verify", tmp_path / "x.npz")
    assert code == 2
    assert "not possible" in out
    assert "MindSpore reads an empty row as a number" in out


def test_scan(capsys: pytest.CaptureFixture[str], published: Path, tmp_path: Path) -> None:
    code, out, _ = _run(capsys, "scan", published)
    assert code == 0
    assert out.splitlines()[-1] == "harmless"
    (tmp_path / "x.pth").write_bytes(b"\x80\x02cposix\nsystem\n(X\2\0\0\0lstR.")
    code, out, _ = _run(capsys, "scan", tmp_path / "x.pth")
    assert code == 1
    assert "REFUSE  pickle: call posix.system('ls') (x1)" in out.splitlines()
    code, out, err = _run(capsys, "inspect", tmp_path / "x.pth")
    assert (code, out) == (3, "")
    assert "nothing was run; weights-convert scan shows what it would do" in err


def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(b"<html>")
    code, out, err = _run(capsys, tmp_path / "x.pth", tmp_path / "y.npz")
    assert (code, out, len(err.splitlines())) == (3, "", 1)
    assert err.endswith("got a web page or XML instead of the file (first bytes); "
                        "download the file itself\n")  # fmt: skip
    code, _, err = _run(capsys, tmp_path / "x.pth", tmp_path / "none" / "y.npz")
    assert code == 3


def test_names_in_files_cannot_write_to_the_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"\x1b[2Jred[bold]": np.array([np.nan])}))
    for arguments in (("inspect", path), (path, tmp_path / "y.npz"), ("scan", path)):
        _, out, err = _run(capsys, *arguments)
        assert "\x1b" not in out + err
    assert "[bold]" in _run(capsys, "inspect", path)[1]


def test_the_command_needs_no_framework(published: Path, tmp_path: Path) -> None:
    """As where none is installed: their imports fail."""
    program = (
        "import sys\n"
        "for name in ('torch', 'jittor', 'mindspore'): sys.modules[name] = None\n"
        "from weights_convert.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    for target in ("x.pth", "x.ckpt"):
        finished = subprocess.run(
            [sys.executable, "-c", program, str(published), str(tmp_path / target)],
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (finished.returncode, finished.stderr) == (0, ""), finished.stderr
        assert "mimo_unet (score 1.000)" in finished.stdout


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for word in ("convert", "inspect", "diff", "verify", "scan", "3 bad input"):
        assert word in text


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("x.pth",),
        ("convert", "x.pth", "y.npz", "--to", "theirs"),
        ("inspect",),
        ("diff", "x.pth"),
        ("scan", "x.pth", "--fast"),
    ],
)
def test_wrong_options_exit_3(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: weights-convert")
