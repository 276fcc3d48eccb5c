"""Every format: files of the real frameworks are read, and they read what is written."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.backends import Backend
from tests.convert.work import Payload, Raw
from weights_convert import convert, diff, inspect, verify
from weights_convert.checkpoints.checkpoint import open_checkpoint
from weights_convert.formats import WRITABLE, mindspore_ckpt

Backends = Callable[[str], Backend]
KINDS = (
    "state_dict",
    "model",
    "state_dict key",
    "params",
    "sd",
    "module prefix",
    "beside",
    "module",
    "module in a dictionary",
    "data parallel",
)


def read(path: Path, **options: str) -> Payload:
    """The tensors of a file, as `convert_work` tells them."""
    return {
        name: (tensor.dtype.name, tensor.shape, b"".join(map(bytes, tensor.blocks())))
        for name, tensor in open_checkpoint(path, **options).tensors.items()
    }


def call_torch_save(backends: Backends, path: Path, kind: str, *, legacy: bool) -> Payload:
    name = "torch_save_legacy" if legacy else "torch_save"
    return backends("torch").call(f"convert.work.{name}", str(path), kind)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", ["tensors", *KINDS])
def test_what_torch_writes_is_read(
    backends: Backends, tmp_path: Path, kind: str, legacy: bool
) -> None:
    path = tmp_path / "any_name"
    expected = call_torch_save(backends, path, kind, legacy=legacy)
    assert read(path) == expected
    assert open_checkpoint(path).format.name == ("torch-legacy" if legacy else "torch")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_of_torch_is_read(
    backends: Backends, tmp_path: Path, protocol: int
) -> None:
    path = tmp_path / "x.pth"
    expected = backends("torch").call("convert.work.torch_save_protocol", str(path), protocol)
    assert read(path) == expected


@pytest.mark.parametrize("kind", ["vars", "model"])
def test_what_jittor_writes_is_read(backends: Backends, tmp_path: Path, kind: str) -> None:
    for suffix in (".pkl", ".anything"):
        path = tmp_path / f"x{suffix}"
        expected = backends("jittor").call("convert.work.jittor_save", str(path), kind)
        assert read(path) == expected
        assert open_checkpoint(path).format.name == "jittor"


def test_what_jittor_writes_for_torch_is_read(backends: Backends, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    expected = backends("jittor").call("convert.work.jittor_save", str(path), "vars")
    assert read(path) == expected


@pytest.mark.parametrize("crc_check", [False, True])
def test_what_mindspore_writes_is_read(backends: Backends, tmp_path: Path, crc_check: bool) -> None:
    path = tmp_path / "x.ckpt"
    expected = backends("mindspore").call("convert.work.mindspore_save", str(path), crc_check)
    assert read(path) == expected


def test_what_mindspores_optimizers_keep_is_no_weight(backends: Backends, tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    names = backends("mindspore").call("convert.work.mindspore_train", str(path))
    checkpoint = open_checkpoint(path)
    assert list(checkpoint.tensors) == names
    assert {"moment1.0.weight", "learning_rate", "beta1_power"} <= checkpoint.extra.keys()


def test_what_safetensors_writes_is_read(backends: Backends, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    expected = backends("torch").call("convert.work.torch_save_safetensors", str(path))
    assert read(path) == expected


ARRAYS = {
    "a.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "column_major": np.asfortranarray(np.arange(12, dtype=np.float64).reshape(3, 4)),
    "big_endian": np.arange(5, dtype=">f4"),
    "column_major_big_endian": np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
    "strided": np.arange(20, dtype=np.int32)[::3],
    "scalar": np.array(3, np.int64),
    "empty": np.zeros((0, 4), np.float16),
    "flag": np.array([True, False]),
    "large": np.linspace(0, 1, 4000),
}
EXPECTED = {
    name: (array.dtype.name, array.shape, array.astype(array.dtype.newbyteorder("<")).tobytes())
    for name, array in ARRAYS.items()
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "x.npz", **ARRAYS)
    assert read(tmp_path / "x.npz") == EXPECTED


@pytest.mark.parametrize("protocol", range(6))
def test_pickled_arrays_are_read(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "x_numpy.pkl"
    path.write_bytes(pickle.dumps(ARRAYS, protocol=protocol))
    assert read(path) == EXPECTED
    numbers = {"scale": np.float32(2.5), "array": ARRAYS["a.weight"]}
    path.write_bytes(pickle.dumps(numbers, protocol=protocol))
    assert read(path)["scale"] == ("float32", (), np.float32(2.5).tobytes())


def written(backends: Backends, folder: Path, name: str) -> tuple[Path, Payload]:
    """A file of a format that we wrote from torch's, and what it has to hold."""
    source = folder / "source.pth"
    expected = call_torch_save(backends, source, "tensors", legacy=False)
    target = folder / "target"
    convert(source, target, to="kept", target_format=name)
    return target, expected


def test_torch_reads_what_is_written(backends: Backends, tmp_path: Path) -> None:
    target, expected = written(backends, tmp_path, "torch")
    # weights_only: PyTorch's own list of harmless names accepts the file.
    assert backends("torch").call("convert.work.torch_load", str(target)) == expected


def test_safetensors_reads_what_is_written(backends: Backends, tmp_path: Path) -> None:
    target, expected = written(backends, tmp_path, "safetensors")
    assert backends("torch").call("convert.work.torch_load_safetensors", str(target)) == expected


def test_jittor_reads_what_is_written(backends: Backends, tmp_path: Path) -> None:
    target, expected = written(backends, tmp_path, "jittor")
    target = target.rename(tmp_path / "target.pkl")
    # Jittor has no arrays of bfloat16: they are the same numbers as float32.
    widened = {name: _widened(raw) for name, raw in expected.items()}
    assert backends("jittor").call("convert.work.jittor_load", str(target)) == widened


def _widened(raw: Raw) -> Raw:
    """Bfloat16 as float32."""
    dtype, shape, content = raw
    if dtype != "bfloat16":
        return raw
    bits = np.frombuffer(content, "<u2").astype("<u4") << 16
    return "float32", shape, bits.tobytes()


def test_mindspore_reads_what_is_written(backends: Backends, tmp_path: Path) -> None:
    target, expected = written(backends, tmp_path, "mindspore")
    target = target.rename(tmp_path / "target.ckpt")
    assert backends("mindspore").call("convert.work.mindspore_load", str(target)) == expected


def test_mindspore_files_are_the_same_bytes(backends: Backends, tmp_path: Path) -> None:
    """What MindSpore writes and what we write from it are one file."""
    source, target = tmp_path / "x.ckpt", tmp_path / "y.ckpt"
    backends("mindspore").call("convert.work.mindspore_save", str(source), False)
    convert(source, target, to="kept")
    assert target.read_bytes() == source.read_bytes()


def test_large_tensors_are_sliced_as_mindspore_does(
    backends: Backends, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 512 MiB on; here from 1 MiB on."""
    monkeypatch.setattr(mindspore_ckpt, "_SLICE_BYTES", 1 << 20)
    array = np.arange(650_000, dtype=np.float32).reshape(650, 1000)
    np.savez(tmp_path / "x.npz", a=array, b=array[:3])
    convert(tmp_path / "x.npz", tmp_path / "y.ckpt", to="kept")
    assert (tmp_path / "y.ckpt").read_bytes().count(b"\x0a\x01a") == 3
    found = backends("mindspore").call("convert.work.mindspore_load", str(tmp_path / "y.ckpt"))
    assert found == read(tmp_path / "y.ckpt") == read(tmp_path / "x.npz")


def test_numpy_reads_what_is_written(backends: Backends, tmp_path: Path) -> None:
    target, expected = written(backends, tmp_path, "npz")
    with np.load(target, allow_pickle=False) as found:
        arrays = dict(found)
    assert arrays.keys() == expected.keys()
    for name, (dtype, shape, content) in expected.items():
        assert arrays[name].dtype == np.dtype("V2" if dtype == "bfloat16" else dtype)
        assert arrays[name].shape == shape
        assert arrays[name].tobytes() == content


def test_every_format_gives_the_same_content(backends: Backends, tmp_path: Path) -> None:
    source = tmp_path / "source.pth"
    call_torch_save(backends, source, "tensors", legacy=False)
    verification = verify(source)
    assert {trip.format for trip in verification.round_trips} == WRITABLE.keys()
    contents = {trip.format: trip.content for trip in verification.round_trips}
    in_jittor = contents.pop("jittor")  # bfloat16 as float32
    assert set(contents.values()) == {verification.content}
    assert verification.ok
    assert verification.is_complete
    for first in WRITABLE:
        convert(source, tmp_path / first, to="kept", target_format=first)
        for second in WRITABLE:
            target = tmp_path / f"{first}-{second}"
            convert(tmp_path / first, target, to="kept", target_format=second)
            is_widened = "jittor" in (first, second)
            assert inspect(target).content == (in_jittor if is_widened else verification.content)
            found = diff(source, target)
            assert (found.is_equal, found.most) == (not is_widened, 0)
            assert [one.problem for one in found.differing] == (
                ["bfloat16 and float32"] * is_widened
            )


def test_optimizer_state_is_kept_on_request(backends: Backends, tmp_path: Path) -> None:
    source = tmp_path / "source.pth"
    call_torch_save(backends, source, "model", legacy=False)
    original = backends("torch").call("convert.work.torch_load", str(source))
    plain = convert(source, tmp_path / "plain.pth", to="kept")
    assert plain.kept == ()
    assert set(plain.left_out) == {
        "optimizer",
        "scheduler",
        "epoch",
        "options",
        "stamp",
        "size",
    }
    result = convert(source, tmp_path / "kept.pth", to="kept", keep_rest=True)
    assert set(result.kept) == {"optimizer", "scheduler", "epoch", "options", "size"}
    assert result.left_out == ("stamp",)
    again = backends("torch").call("convert.work.torch_load", str(tmp_path / "kept.pth"))
    for key in ("model", "optimizer", "epoch", "options"):
        assert again[key] == original[key]
