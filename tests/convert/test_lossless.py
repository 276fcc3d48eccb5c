"""Conversions of known models: names both ways, nothing lost, nothing left half done."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from restoration.errors import InputError
from restoration.models import registry
from restoration.models.mimo_unet import MIMOUNetSpec
from tests.backends import Backend
from tests.convert.seeds import said
from tests.convert.test_formats import read
from tests.kinds import by_kind
from weights_convert import MismatchError, OutputError, convert, diff, inspect
from weights_convert.checkpoints import detect, schemas
from weights_convert.commands import conversion
from weights_convert.files.output import Output, Sink
from weights_convert.files.tensors import Tensor
from weights_convert.formats import WRITABLE
from weights_convert.naming.tables import NameTable
from weights_convert.published import layouts
from weights_convert.published.layout import Layout

ROOT = Path(__file__).resolve().parents[2]
Arrays = dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def _no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where none is installed; `test_detect.py` asks them."""
    monkeypatch.setattr(schemas, "FRAMEWORKS", ())


def _weights(model: str) -> Arrays:
    """Weights of the tiny model under the suite's names."""
    random = np.random.default_rng(0)
    listed = schemas.registered(model).get(registry.find(model).spec("tiny"))
    assert listed, f"{model}: python -m weights_convert.build_schemas"
    return {
        name: random.standard_normal(entry.shape).astype(entry.dtype)
        for name, entry in listed.items()
    }


def _published(model: str) -> Arrays:
    spec = registry.find(model).spec("tiny")
    return layouts()[model].to_theirs(spec, _weights(model), where="test")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file as the authors' code writes it, in a container, with a prefix and training state."""
    path = tmp_path / "source.pkl"
    state = {f"module.{name}": array for name, array in _published("mimo_unet").items()}
    path.write_bytes(pickle.dumps({"model": state, "epoch": 7, "optimizer": {"lr": 0.1}}))
    return path


def _without_place(path: Path, **changes: np.ndarray | None) -> Path:
    """A file under published names with some entries replaced, or removed for None."""
    state = _published("mimo_unet") | changes
    path.write_bytes(pickle.dumps({k: value for k, value in state.items() if value is not None}))
    return path


@pytest.mark.parametrize("model", by_kind(registry.MODELS))
def test_authors_names_and_back(
    backends: Callable[[str], Backend], tmp_path: Path, model: str
) -> None:
    """Published to ours to published: the same bits, and every framework loads ours."""
    published, weights = _published(model), _weights(model)
    np.savez(tmp_path / "published.npz", **published)
    ours = convert(tmp_path / "published.npz", tmp_path / "ours.safetensors", model=said(model))
    assert (ours.model, ours.score, ours.names) == (model, 1.0, "ours")
    assert ours.spec == registry.find(model).spec("tiny").to_dict()
    found = read(tmp_path / "ours.safetensors")
    assert {name: content for name, (_, _, content) in found.items()} == {
        name: array.tobytes() for name, array in weights.items()
    }
    loaded = backends("torch").call("round_trip", registry.find(model).spec("tiny"), weights)
    assert all(np.array_equal(loaded[name], weights[name]) for name in weights)
    for target_format in WRITABLE:
        target = tmp_path / f"back.{target_format}"
        back = convert(
            tmp_path / "ours.safetensors", target, to="published", target_format=target_format
        )
        assert (back.model, back.names) == (model, "published")
        again = read(target)
        assert {name: content for name, (_, _, content) in again.items()} == {
            name: array.tobytes() for name, array in published.items()
        }
        assert diff(tmp_path / "ours.safetensors", target).is_equal
        assert diff(tmp_path / "ours.safetensors", target).model == model
    plain = backends("torch").call("convert.work.torch_load", str(tmp_path / "back.torch"))
    container = layouts()[model].container(registry.find(model).spec("tiny"), again)
    assert plain.keys() == container.keys()


@pytest.mark.parametrize("model", by_kind(registry.MODELS))
def test_what_one_framework_saves_another_loads(
    backends: Callable[[str], Backend], tmp_path: Path, model: str
) -> None:
    spec = registry.find(model).spec("tiny")
    for first, second in (("torch", "jittor"), ("jittor", "mindspore"), ("mindspore", "torch")):
        source, target = tmp_path / f"{first}.ckpt", tmp_path / f"{first}.safetensors"
        saved = backends(first).call("convert.work.save_network", str(source), spec)
        result = convert(source, target, model=said(model))
        assert (result.model, result.source_format) == (model, first)
        loaded = backends(second).call("round_trip", spec, load_file(target))
        assert loaded.keys() == saved.keys()
        assert all(np.array_equal(loaded[name], saved[name]) for name in saved)


def test_container_prefix_and_rest(source: Path, tmp_path: Path) -> None:
    result = convert(source, tmp_path / "ours.pth")
    assert (result.model, result.tensors) == ("mimo_unet", len(_weights("mimo_unet")))
    assert result.left_out == ("epoch", "optimizer")
    kept = convert(source, tmp_path / "kept.pth", keep_rest=True)
    assert kept.kept == ("epoch", "optimizer")
    assert "optimizer state was kept as it is" in kept.notes[0]
    found = inspect(tmp_path / "kept.pth")
    assert (found.key_path, found.extra) == ("model", ("epoch", "optimizer"))
    with pytest.raises(InputError, match="expected a format that holds more than tensors by name"):
        convert(source, tmp_path / "kept.npz", keep_rest=True)


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    extra, missing = np.zeros(3, np.float32), "FAM1.merge.main.0.bias"
    changes = {
        missing: None,
        "epoch_loss": extra,
        "AFFs.0.conv.0.main.0.weight": np.zeros((8, 56, 1, 2), np.float32),
        "AFFs.0.conv.0.main.0.bias": np.zeros(8, np.int64),
    }
    source, target = _without_place(tmp_path / "x.pkl", **changes), tmp_path / "y.safetensors"
    with pytest.raises(MismatchError) as caught:
        convert(source, target)
    problem = caught.value
    assert problem.exit_code == 3
    assert problem.lines() == [
        f"- {missing}",
        "+ epoch_loss",
        "! AFFs.0.conv.0.main.0.weight: shape (8, 56, 1, 2), the network's is (8, 56, 1, 1)",
        "! AFFs.0.conv.0.main.0.bias: int64, the network's is float32",
    ]
    assert "1 missing (FAM1.merge.main.0.bias), 1 unexpected (epoch_loss)" in str(problem)
    assert not target.exists()
    result = convert(source, target, partial=True)
    assert (result.missing, result.unexpected) == ((missing,), ("epoch_loss",))
    assert list(result.misshapen) == [name for name in changes if name.startswith("AFFs")]
    assert len(read(target)) == len(_weights("mimo_unet")) - 3 == result.tensors
    found = inspect(source)
    assert found.model == "mimo_unet"
    assert list(found.differences) == problem.lines()


def test_an_entry_that_tells_the_size_may_be_missing_too(tmp_path: Path) -> None:
    stem = "feat_extract.0.main.0.weight"
    with pytest.raises(MismatchError) as caught:
        convert(_without_place(tmp_path / "x.pkl", **{stem: None}), tmp_path / "y.npz")
    assert caught.value.lines() == [f"- {stem}"]


def test_half_precision_fits(tmp_path: Path) -> None:
    weights = {name: array.astype(np.float16) for name, array in _weights("mimo_unet").items()}
    np.savez(tmp_path / "x.npz", **weights)
    result = convert(tmp_path / "x.npz", tmp_path / "y.ckpt", to="published")
    assert result.model == "mimo_unet"
    assert {dtype for dtype, _, _ in read(tmp_path / "y.ckpt").values()} == {"float16"}


def test_names_of_no_known_model_are_kept_and_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **{"layer1.0.conv.weight": np.ones((2, 2), np.float32)})
    result = convert(tmp_path / "x.npz", tmp_path / "y.safetensors")
    assert (result.names, result.model) == ("kept", None)
    assert result.notes == ("the weights are of no known model: their names were kept",)
    with pytest.raises(InputError, match="expected weights of mimo_unet"):
        convert(tmp_path / "x.npz", tmp_path / "z.safetensors", to="published")


def test_manifest_in_safetensors_and_beside_others(source: Path, tmp_path: Path) -> None:
    result = convert(source, tmp_path / "y.safetensors")
    assert result.manifest_file is None
    with safe_open(tmp_path / "y.safetensors", "np") as opened:
        inside = json.loads(opened.metadata()["weights_convert"])
    convert(source, tmp_path / "y.npz")
    beside = json.loads((tmp_path / "y.npz.manifest.json").read_text())
    assert inside == beside
    content = source.read_bytes()
    assert inside["source"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert inside["source"]["bytes"] == len(content)
    assert inside["source"]["key_path"] == "model"
    assert inside["model"] == "mimo_unet"
    assert inside["tensors"]["stem.weight"] == {
        "from": "module.feat_extract.0.main.0.weight",
        "rule": "table of mimo_unet, copied",
    }
    assert inside["tensors"].keys() == _weights("mimo_unet").keys()
    assert inside["versions"].keys() == {"restoration-suite", "python", "numpy"}


def test_mindspore_suffixes_of_a_known_model_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = {
        "norm.weight": schemas.Entry("float32", (6,)),
        "norm.bias": schemas.Entry("float32", (6,)),
        "conv.weight": schemas.Entry("float32", (6, 4, 3)),
    }
    table = NameTable([("norm", "net.norm"), ("conv", "net.conv")])
    known = {"small": Layout(("Small",), table, lambda shapes, config: MIMOUNetSpec(width=100))}
    for module in (detect, conversion):
        monkeypatch.setattr(module, "layouts", lambda: known)
    monkeypatch.setattr(detect, "registered", lambda model: {MIMOUNetSpec(width=100): network})
    weights = {name: np.ones(one.shape, np.float32) for name, one in network.items()}
    native = {
        "net.norm.gamma": weights["norm.weight"],
        "net.norm.beta": weights["norm.bias"],
        "net.conv.weight": weights["conv.weight"].reshape(6, 4, 1, 3),
    }
    for name, arrays in (("ours", weights), ("native", native)):
        np.savez(tmp_path / f"{name}.npz", **arrays)
        result = convert(tmp_path / f"{name}.npz", tmp_path / f"{name}.safetensors")
        assert (result.model, result.score) == ("small", 1.0)
    assert read(tmp_path / "native.safetensors") == read(tmp_path / "ours.safetensors")
    assert diff(tmp_path / "ours.npz", tmp_path / "native.npz").is_equal
    there = tmp_path / "there.ckpt"
    convert(tmp_path / "ours.safetensors", there, to="published", suffixes="mindspore")
    assert {name: shape for name, (_, shape, _) in read(there).items()} == {
        name: array.shape for name, array in native.items()
    }


def test_mindspore_suffixes_without_a_model(tmp_path: Path) -> None:
    weights = {"norm.weight": np.ones(4, np.float32), "norm.bias": np.zeros(4, np.float32)}
    np.savez(tmp_path / "x.npz", **weights)
    convert(tmp_path / "x.npz", tmp_path / "y.ckpt", suffixes="mindspore")
    assert list(read(tmp_path / "y.ckpt")) == ["norm.gamma", "norm.beta"]
    assert diff(tmp_path / "x.npz", tmp_path / "y.ckpt").is_equal
    rules = json.loads((tmp_path / "y.ckpt.manifest.json").read_text())["tensors"]
    assert rules["norm.gamma"]["rule"] == "name kept, copied, suffix of mindspore"


def test_differences_are_measured(tmp_path: Path) -> None:
    a = {"same": np.ones(3, np.float32), "moved": np.arange(70_000.0), "int": np.array([1 << 60])}
    b = a | {"moved": a["moved"].copy(), "int": a["int"] + 1, "more": np.ones(1)}
    b["moved"][66_000] += 0.5
    b["moved"][5] -= 0.25
    np.savez(tmp_path / "a.npz", **a, shape=np.ones((2, 3)), kind=np.ones(2, np.float32))
    np.savez(tmp_path / "b.npz", **b, shape=np.ones((3, 2)), kind=np.ones(2, np.float16))
    found = diff(tmp_path / "a.npz", tmp_path / "b.npz")
    assert not found.is_equal
    assert (found.equal, found.only_first, found.only_second) == (1, (), ("more",))
    moved, whole, shape, kind = found.differing
    assert (moved.name, moved.problem, moved.most, moved.elements) == ("moved", "values", 0.5, 2)
    assert (whole.name, whole.problem) == ("int", "values")  # beyond what float64 can tell
    assert (shape.problem, shape.most) == ("shape (2, 3) and (3, 2)", None)
    assert (kind.problem, kind.most) == ("float32 and float16", 0.0)
    assert found.most == 0.5


def test_nan_is_equal_to_itself_and_to_nothing_else(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([np.nan, 1]))
    np.savez(tmp_path / "b.npz", x=np.array([2, 1.0]))
    assert diff(tmp_path / "a.npz", tmp_path / "a.npz").is_equal
    assert np.isnan(diff(tmp_path / "a.npz", tmp_path / "b.npz").most)


def test_anomalies_are_named(tmp_path: Path) -> None:
    weight = np.ones((2, 2), np.float32)
    np.savez(tmp_path / "x.npz", a=weight, half=weight.astype(np.float16), none=weight[:0])
    assert set(inspect(tmp_path / "x.npz").anomalies) == {
        "none: empty, shape (0, 2)",
        "floating-point numbers of several precisions: float16, float32",
    }


# The target is replaced by a proven file, or stays as it was.


@pytest.mark.parametrize("when", [0.0, 0.1, 0.3])
def test_a_killed_run_leaves_nothing(tmp_path: Path, when: float) -> None:
    source, target = tmp_path / "x.npz", tmp_path / "y.safetensors"
    np.savez(source, a=np.zeros((40, 1 << 20), np.float32))
    target.write_bytes(b"what was there before")
    command = [sys.executable, "-m", "weights_convert", str(source), str(target)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as running:
        started = time.monotonic()
        fd = Path(f"/proc/{running.pid}/fd")
        while running.poll() is None and time.monotonic() - started < 20:
            # Until the process has its nameless file open, and then a little.
            if any(name.startswith(str(tmp_path / "#")) for name in _open_files(fd)):
                time.sleep(when)
                break
        running.send_signal(signal.SIGKILL)
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["x.npz", "y.safetensors"]
    if target.read_bytes()[:4] != b"what":
        assert diff(source, target).is_equal  # it had finished


def _open_files(folder: Path) -> list[str]:
    """What a process has open; files without a name are called "folder/#number (deleted)"."""
    found = []
    for one in (*folder.glob("*"),) if folder.exists() else ():
        with contextlib.suppress(OSError):
            found.append(os.readlink(one))
    return found


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "x.npz", tmp_path / "y.safetensors"
    np.savez(source, a=np.zeros(1000, np.float32))
    target.write_bytes(b"what was there before")

    def full(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OutputError, match=r"got No space left on device; free some space"):
        convert(source, target)
    monkeypatch.undo()
    assert target.read_bytes() == b"what was there before"
    assert sorted(tmp_path.iterdir()) == [source, target]


def test_a_disk_that_loses_bits_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "x.npz", tmp_path / "y.ckpt"
    np.savez(source, a=np.arange(1000, dtype=np.float32))
    write = os.write

    def worn(descriptor: int, content: memoryview) -> int:
        damaged = bytearray(content)
        damaged[len(damaged) // 2] ^= 16
        return write(descriptor, damaged)

    monkeypatch.setattr(os, "write", worn)
    with pytest.raises(OutputError, match="expected the bytes that were written, got others"):
        convert(source, target)
    monkeypatch.undo()
    assert sorted(tmp_path.iterdir()) == [source]


def test_a_writer_with_a_fault_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof does not trust our own writers: one that writes a tensor twice is found out."""
    source = tmp_path / "x.npz"
    np.savez(source, a=np.zeros(4, np.float32), b=np.ones(4, np.float32))
    copy = Output.copy
    for target_format in WRITABLE:
        first: list[Tensor] = []

        def always_the_first(
            self: Output,
            tensor: Tensor,
            through: Sink | None = None,
            first: list[Tensor] = first,
        ) -> None:
            first.append(tensor)
            copy(self, first[0], through)

        monkeypatch.setattr(Output, "copy", always_the_first)
        with pytest.raises(OutputError, match="expected the bytes that were written, got others"):
            convert(source, tmp_path / "y", to="kept", target_format=target_format)
        monkeypatch.undo()
    assert sorted(tmp_path.iterdir()) == [source]


def test_links_stay_links(tmp_path: Path) -> None:
    source, real, link = tmp_path / "x.npz", tmp_path / "real.npz", tmp_path / "link.npz"
    np.savez(source, a=np.zeros(4, np.float32))
    link.symlink_to(real)
    convert(source, link)
    assert link.is_symlink()
    assert read(real) == read(source)


def test_a_file_may_be_converted_onto_itself(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.arange(4, dtype=np.float32))
    before = read(path)
    convert(path, path, target_format="safetensors")
    assert read(path) == before


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    source = tmp_path / "x.npz"
    np.savez(source, a=np.zeros(4, np.float32))
    with pytest.raises(OutputError, match="expected an existing folder, got none"):
        convert(source, tmp_path / "none" / "y.npz")
    with pytest.raises(OutputError, match="expected a file to write, got a folder or device"):
        convert(source, tmp_path, target_format="npz")
    with pytest.raises(InputError, match=r"expected a suffix of \.pth.*--format torch\|jittor"):
        convert(source, tmp_path / "y.h5")
    with pytest.raises(InputError, match="did you mean 'safetensors'"):
        convert(source, tmp_path / "y", target_format="safetensor")
    np.savez(source, __metadata__=np.zeros(4, np.float32))
    with pytest.raises(InputError, match="the format keeps this name for itself"):
        convert(source, tmp_path / "y.safetensors")


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    source = tmp_path / "x.npz"
    np.savez(source, a=np.zeros(1 << 20, np.float32), b=np.ones(3, np.float32))
    for target in ("y.pth", "y.npz", "y.pkl", "y.ckpt", "y.safetensors"):
        heard: list[tuple[int, int]] = []
        convert(source, tmp_path / target, report=lambda *heard_now, to=heard: to.append(heard_now))
        assert heard == sorted(heard)
        assert heard[-1] == (4 * (1 << 20) + 12,) * 2


PROGRAM = """
import sys
from pathlib import Path
from restoration.process import memory
from weights_convert import convert
from tests.kinds import by_kind
memory.reset_peak()
before = memory.peak_mb()
convert(Path(sys.argv[1]), Path(sys.argv[2]), to="kept")
print(memory.peak_mb() - before)
"""


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_stays_below_the_largest_tensor_and_64_mb(tmp_path: Path, order: str) -> None:
    """Three tensors of 40 MB, row-major or to be gathered."""
    array = np.ones((2560, 4096), np.float32, order=order)
    np.savez(tmp_path / "x.npz", a=array, b=array, c=array)
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "x.npz"), str(tmp_path / "y.safetensors")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(finished.stdout) <= 40 + 64
