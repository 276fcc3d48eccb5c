"""Hostile and broken files: one clear error each, soon, and nothing happens."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from restoration.errors import InputError
from restoration.process.memory import peak_mb
from weights_convert import convert, diff, inspect, scan, verify
from weights_convert.checkpoints.checkpoint import open_checkpoint

WITHIN_S = 15.0  # half of what limits.py allows a pickle
SMALL = {"weight": np.ones((2, 3), np.float32)}


class Call:
    """Pickles as the call of a function, as an attacker's object would."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None):
        self._parts = (function, arguments, state)

    def __reduce__(self) -> Any:
        function, arguments, state = self._parts
        return (function, arguments) if state is None else (function, arguments, state)


WITNESS = Path(tempfile.gettempdir()) / f"witness-of-a-hostile-pickle-{os.getpid()}"
SLOW = ("a million keys", "marks", "deep tuples", "deep lists")


def _hostile() -> dict[str, bytes]:
    """Pickles that would create the witness, or exhaust the machine, if they were loaded."""
    touch = f"touch {WITNESS}"
    code = f"open({str(WITNESS)!r}, 'w')"
    proto, stop = b"\x80\x02", b"."
    make = b"cposix\nsystem\n"
    argument = pickle.BINUNICODE + struct.pack("<I", len(touch)) + touch.encode()
    return {
        "os.system": pickle.dumps({"weight": Call(os.system, touch)}),
        "builtins.eval": pickle.dumps({"weight": Call(eval, code)}),
        "builtins.exec": pickle.dumps(Call(exec, code)),
        "builtins.__import__": pickle.dumps(Call(__import__, "antigravity")),
        "importlib": proto + b"cimportlib\nimport_module\n(X\4\0\0\0thistR" + stop,
        "nested reduce": pickle.dumps(Call(getattr, Call(__import__, "os"), "system")),
        "result that is called": proto
        + b"c__builtin__\ngetattr\n(c__builtin__\n__import__\n(X\2\0\0\0ostRX\6\0\0\0systemtR("
        + argument
        + b"tR"
        + stop,
        "memo": proto + make + b"q\x00" + b"0" + b"h\x00(" + argument + b"tR" + stop,
        "setstate": pickle.dumps(Call(Path, "x", state={"__setstate__": os.system})),
        "state for a function": proto + make + b"}X\1\0\0\0aK\1sb" + stop,
        "inst": b"(" + argument + b"iposix\nsystem\n" + stop,
        "obj": proto + b"(" + make + argument + b"o" + stop,
        "newobj": proto + make + argument + b"\x85\x81" + stop,
        "stack global": b"\x80\x04\x8c\x05posix\x8c\x06system\x93(" + argument + b"tR" + stop,
        "reduce of a listed class's attribute": proto + b"ctorch.serialization\nload\n)R" + stop,
        "torch.hub": proto + b"ctorch.hub\nload\n(X\1\0\0\0atR" + stop,
        "numpy.load": proto + b"cnumpy\nload\n(X\1\0\0\0atR" + stop,
        "codecs.decode": proto + b"c_codecs\ndecode\n(X\1\0\0\0atR" + stop,
        "dots in a name": b"\x80\x04\x8c\x08builtins\x8c\x0cdict.fromkeys\x93)R" + stop,
        "dots through a listed class": b"\x80\x04\x8c\x0bcollections\x8c\x1d"
        b"OrderedDict.__init__.__class__\x93)R" + stop,
        "class of a package that only looks listed": proto + b"ctorch.nnx\nevil\n)R" + stop,
        "extension registry": proto + b"\x82\x01" + stop,
        "buffer from outside": b"\x80\x05\x97" + stop,
        "persistent id": proto + b"X\1\0\0\0aQ" + stop,
        "range of listed argument": pickle.dumps(Call(bytearray, 1 << 40)),
        "list of a number": pickle.dumps(Call(list, range(10))),
        "keyword arguments": b"\x80\x04}}}\x92" + stop,
        "a list in itself": proto + b"]q\x00h\x00a" + stop,
        "a dictionary in itself": proto + b"}q\x00X\1\0\0\0ah\x00s" + stop,
        "deep tuples": proto + b")" + b"\x85" * 500_000 + stop,
        "deep lists": proto + b"]" * 100_000 + b"a" * 99_999 + stop,
        "doubling": proto + b"]q\x00" + b"".join(
            b"]h" + bytes([n]) + b"ah" + bytes([n]) + b"aq" + bytes([n + 1]) for n in range(90)
        ) + stop,
        "marks": proto + b"(" * 3_000_000 + stop,
        "a million keys": proto
        + b"}("
        + b"".join(b"J" + struct.pack("<i", n) + b"N" for n in range(1_100_000))
        + b"u"
        + stop,
        "a long integer": proto + b"\x8b" + struct.pack("<I", 1 << 20) + b"\xff" * (1 << 20) + stop,
        "a long decimal": b"L" + b"9" * 4000 + b"L\n" + stop,
        "absurd length": proto + b"X\xff\xff\xff\xff" + stop,
        "absurd length in 64 bits": b"\x80\x04\x8d" + b"\xff" * 8 + stop,
        "absurd frame": b"\x80\x04\x95" + b"\xff" * 8 + stop,
        "key that is a list": proto + b"}]Ns" + stop,
        "key that is a tuple": proto + b"}" + b")\x85\x85Ns" + stop,
        "keys that hash alike": proto + b"}" + b"".join(
            b"\x8a\x09" + (n * ((1 << 61) - 1)).to_bytes(9, "little", signed=True) + b"Ns"
            for n in range(1, 99)
        ) + stop,
        "nothing on the stack": proto + b"R" + stop,
        "no mark": proto + b"K\1t" + stop,
        "get of nothing": proto + b"h\x07" + stop,
        "unknown operation": proto + b"\xff" + stop,
        "no end": proto + b"K\1",
        "later protocol": b"\x80\x09K\1.",
        "array of objects": pickle.dumps({"weight": np.array([{}, []], dtype=object)})[:-1] + b"0.",
        "a class as the weights": proto + b"ccollections\nOrderedDict\n" + stop,
    }  # fmt: skip


HOSTILE = _hostile()


def _plain(content: bytes) -> bytes:
    return content


def _jittor(content: bytes) -> bytes:
    import hashlib

    return content + hashlib.sha1(content).digest() + b"HCAJSLHD"


def _torch_zip(content: bytes) -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3\n")
    return result.getvalue()


def _torch_legacy(content: bytes) -> bytes:
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    parts = [0x1950A86A20F9469CFC6C, 1001, system]
    return b"".join(pickle.dumps(part, 2) for part in parts) + content + pickle.dumps([], 2)


_RUNS_CODE = ("compile", "exec", "import", "marshal", "os.", "pickle", "shutil", "subprocess")
_HEARD: list[str] | None = None


def _hear(event: str, arguments: object) -> None:
    if _HEARD is not None and event.startswith(_RUNS_CODE):
        _HEARD.append(f"{event} {arguments}")


sys.addaudithook(_hear)


@contextmanager
def _nothing_runs() -> Iterator[None]:
    """Python itself tells whatever is imported, compiled, unpickled or started."""
    global _HEARD  # noqa: PLW0603
    heard: list[str] = []
    _HEARD = heard
    try:
        yield
    finally:
        _HEARD = None
    assert heard == []


def test_the_guard_hears() -> None:
    with pytest.raises(AssertionError, match=r"os\.system"), _nothing_runs():
        os.system("true")
    with pytest.raises(AssertionError, match=r"pickle\.find_class"), _nothing_runs():
        pickle.loads(pickle.dumps(Path("x")))


@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        (name, wrap)
        for name in HOSTILE
        for wrap in (_torch_zip, _plain, _jittor, _torch_legacy)
        # A second for each of the slow ones, and the container makes no difference to them.
        if name not in SLOW or wrap is _torch_zip
    ],
)
def test_hostile_pickles_are_refused_and_do_nothing(
    tmp_path: Path, name: str, wrap: Callable[[bytes], bytes]
) -> None:
    source, target = tmp_path / "x.pth", tmp_path / "out.npz"
    source.write_bytes(wrap(HOSTILE[name]))
    started = time.process_time()
    with pytest.raises(InputError) as caught, _nothing_runs():
        convert(source, target)
    assert time.process_time() - started < WITHIN_S
    text = str(caught.value)
    assert text.startswith(f"checkpoint {source}: expected ")
    assert len(text) < 1000
    assert text.isprintable()
    assert sorted(tmp_path.iterdir()) == [source]
    assert not WITNESS.exists()


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in SLOW])
def test_scan_does_nothing_either(tmp_path: Path, name: str) -> None:
    source = tmp_path / "x.pth"
    source.write_bytes(_torch_zip(HOSTILE[name]))
    started = time.process_time()
    with _nothing_runs():
        scan(source).to_json()
    assert time.process_time() - started < WITHIN_S
    assert sorted(tmp_path.iterdir()) == [source]
    assert not WITNESS.exists()


def test_scan_says_what_a_pickle_would_do(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    for name, expected in (
        ("os.system", f"call posix.system('touch {WITNESS}')"),
        ("nested reduce", "call builtins.getattr(builtins.__import__(...), 'system')"),
        ("result that is called", f"call __builtin__.getattr(...)('touch {WITNESS}')"),
        ("setstate", "state for pathlib.Path"),
        ("state for a function", "state for posix.system"),
    ):
        path.write_bytes(HOSTILE[name])
        found = scan(path)
        assert not found.is_harmless, name
        if name != "setstate":
            assert expected in [finding.what for finding in found.findings if not finding.is_listed]
    path.write_bytes(pickle.dumps(SMALL))
    assert scan(path).is_harmless
    assert scan(path).pickles == 1
    np.savez(tmp_path / "x.npz", weight=np.array([{"a": 1}], dtype=object))
    assert scan(tmp_path / "x.npz").pickles == 1


def test_objects_of_own_classes_are_data_on_request(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    content = b"\x80\x02cmy_project.options\nOptions\n)\x81}X\1\0\0\0aK\1sb."
    path.write_bytes(b"\x80\x02}(X\6\0\0\0weight" + pickle.dumps(SMALL["weight"], 2)[2:-1]
                     + b"X\1\0\0\0o" + content[2:-1] + b"u.")  # fmt: skip
    for allowed in ([], ["my_project"]):
        found = open_checkpoint(path, allowed=allowed)
        assert list(found.tensors) == ["weight"]
        assert list(found.extra) == ["o"]


def test_objects_are_never_in_the_place_of_a_weight(tmp_path: Path) -> None:
    """Neither without an option nor with one: they would be lost."""
    path = tmp_path / "x.pkl"
    weight = pickle.dumps(SMALL["weight"], 2)[2:-1]
    own = b"\x80\x02cmy_project.layers\nPacked\n)\x81}X\1\0\0\0a" + weight + b"sb."
    for name in (b"X\6\0\0\0a.bias", b"X\1\0\0\0o"):
        path.write_bytes(b"\x80\x02}(X\x08\0\0\0a.weight" + weight + name + own[2:-1] + b"u.")
        for allowed in ([], ["my_project"]):
            with pytest.raises(InputError, match=r"is an object of my_project\.layers\.Packed"):
                open_checkpoint(path, allowed=allowed)


def test_harmful_names_are_refused_beside_weights_too_and_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({
        "state_dict": SMALL,
        "a": Call(os.system, "true"),
        "b": Call(eval, "1"),
        "c": Path("x"),
    }))  # fmt: skip
    with (
        pytest.raises(InputError, match=r"got posix\.system, builtins\.eval") as caught,
        _nothing_runs(),
    ):
        open_checkpoint(path)
    for never in ("--allow", "pathlib", "typing"):
        assert never not in str(caught.value)


def test_streams_inside_of_a_pickle_have_the_same_limits(tmp_path: Path) -> None:
    """`_load_from_bytes` is read by the reader of the format; what it would run is refused."""
    load = (b"ctorch.storage\n_load_from_bytes\n", b"\x85R")
    path = tmp_path / "x.pkl"
    inner = _torch_legacy(b"\x80\x02cposix\nsystem\n(X\4\0\0\0truetR.")
    held = b"B" + struct.pack("<I", len(inner)) + inner
    weight = pickle.dumps(SMALL["weight"], 2)[2:-1]
    start = b"\x80\x03}(X\6\0\0\0weight" + weight
    path.write_bytes(start + b"X\1\0\0\0o" + held.join(load) + b"u.")
    with pytest.raises(InputError, match=r"got posix\.system"), _nothing_runs():
        open_checkpoint(path)
    assert not scan(path).is_harmless
    assert "call posix.system('true')" in [one.what for one in scan(path).findings]
    # A million times the same stream, and streams inside each other.
    again = held.join(load) + b"0" + b"cbuiltins\nlist\n0"
    many = b"q\0".join((held, b"")) + b"0" + (load[0] + b"h\0" + load[1] + b"0") * 100_000
    path.write_bytes(start + b"X\1\0\0\0oN" + many + again + b"u.")
    started = time.process_time()
    with pytest.raises(InputError):
        open_checkpoint(path)
    assert time.process_time() - started < WITHIN_S
    for _ in range(6):
        content = b"\x80\x03" + held.join(load) + b"."
        inner = _torch_legacy(content)
        held = b"B" + struct.pack("<I", len(inner)) + inner
    path.write_bytes(start + b"X\3\0\0\0a.b" + held.join(load) + b"u.")
    with pytest.raises(InputError):
        open_checkpoint(path)
    assert not scan(path).is_harmless


# Broken and deceiving containers.


def _safetensors(header: Any, content: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


def _entry(start: int, stop: int, shape: Any = (1,), dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


SAFETENSORS = {
    "overlap": _safetensors({"a": _entry(0, 8, [2]), "b": _entry(4, 12, [2])}, bytes(12)),
    "hole": _safetensors({"a": _entry(0, 4), "b": _entry(8, 12)}, bytes(12)),
    "bytes after the end": _safetensors({"a": _entry(0, 4)}, bytes(8)),
    "outside": _safetensors({"a": _entry(0, 400, [100])}, bytes(8)),
    "negative": _safetensors({"a": _entry(-4, 0)}, bytes(8)),
    "backwards": _safetensors({"a": _entry(4, 0)}, bytes(8)),
    "absurd shape": _safetensors({"a": _entry(0, 4, [1 << 61, 1 << 61])}, bytes(4)),
    "shape of floats": _safetensors({"a": _entry(0, 4, [1.0])}, bytes(4)),
    "shape of truth": _safetensors({"a": _entry(0, 4, [True])}, bytes(4)),
    "many axes": _safetensors({"a": _entry(0, 4, [1] * 99)}, bytes(4)),
    "unknown type": _safetensors({"a": _entry(0, 4, [1], "F99")}, bytes(4)),
    "name twice": _safetensors(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        bytes(4),
    ),
    "deep header": _safetensors(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "header that is no JSON": _safetensors(b'{"a"'),
    "header that is a number": _safetensors(b'{"a":1}'),
    "length of the header": (1 << 62).to_bytes(8, "little") + b'{"a":1}',
    "longer header than the file": (1 << 20).to_bytes(8, "little") + b'{"a":1}',
    "huge integer": _safetensors(
        b'{"a":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,4]}}', bytes(4)
    ),
    "metadata that is a list": _safetensors({"__metadata__": [1]}),
    "half a surrogate": _safetensors(b'{"\\ud800":1}'),
}


def _value(tag: bytes, tensor: bytes) -> bytes:
    inner = b"\x0a" + bytes([len(tag)]) + tag + b"\x12" + bytes([len(tensor)]) + tensor
    return b"\x0a" + bytes([len(inner)]) + inner


_TENSOR = b"\x08\x02\x12\x07Float32\x1a\x08" + bytes(8)
MINDSPORE = {
    "length past the end": b"\x0a\x7f\x0a\x01a",
    "absurd length": b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x0a\x01a",
    "endless varint": b"\x0a" + b"\xff" * 20 + b"\x0a\x01a",
    "tag past the value": b"\x0a\x05\x0a\x7fabc",
    "absurd dims": _value(b"a", b"\x08" + b"\xff" * 8 + b"\x7f\x12\x07Float32\x1a\x04" + bytes(4)),
    "negative dims": _value(
        b"a", b"\x08" + b"\xff" * 9 + b"\x01\x12\x07Float32\x1a\x04" + bytes(4)
    ),
    "too few bytes": _value(b"a", b"\x08\x05\x12\x07Float32\x1a\x08" + bytes(8)),
    "many dims": _value(b"a", b"\x08\x01" * 40 + b"\x12\x07Float32\x1a\x04" + bytes(4)),
    "unknown type": _value(b"a", b"\x08\x02\x12\x07Float99\x1a\x08" + bytes(8)),
    "no tag": b"\x0a\x13\x12\x11" + _TENSOR[:17],
    "name twice": _value(b"a", _TENSOR) + _value(b"b", _TENSOR) + _value(b"a", _TENSOR),
    "slices of several": _value(b"a", _TENSOR) + _value(b"a", _TENSOR.replace(b"32", b"64")),
    "name not in UTF-8": _value(b"\xff\xfe", _TENSOR),
    "wire type": b"\x0a\x04\x0a\x01a\x2d",
    "wrong checksum": _value(b"a", _TENSOR) + b"crc_num" + (12345).to_bytes(10, "big"),
    "group": b"\x0a\x03\x0a\x01a\x0b",
}


def _npz(save: Callable[[zipfile.ZipFile], None]) -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        save(archive)
    return result.getvalue()


def _npy(array: np.ndarray, **fields: Any) -> bytes:
    result = io.BytesIO()
    np.lib.format.write_array(result, array)
    if not fields:
        return result.getvalue()
    text = repr({"descr": "<f4", "fortran_order": False, "shape": (2,)} | fields).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + array.tobytes()


def _bomb(archive: zipfile.ZipFile) -> None:
    """1 MB that unpacks to 1 GB."""
    header = _npy(np.zeros(0, np.float32), shape=(1 << 28,))
    with archive.open("a.npy", "w", force_zip64=True) as record:
        record.write(header)
        for _ in range(1 << 6):
            record.write(bytes(1 << 24))


def _edited(content: bytes, mark: bytes, offset: int, new: bytes) -> bytes:
    """Bytes with some replaced after the last occurrence of a mark."""
    at = content.rindex(mark) + offset
    return content[:at] + new + content[at + len(new) :]


_ONE = _npz(lambda archive: archive.writestr("a.npy", _npy(SMALL["weight"])))
_TWO = _npz(
    lambda archive: [archive.writestr(f"{name}.npy", _npy(SMALL["weight"])) for name in "ab"]
)
_CENTRAL = b"PK\1\2"
ZIPS = {
    "bomb": _npz(_bomb),
    "outside of the archive": _npz(lambda archive: archive.writestr("../../a.npy", b"x")),
    "absolute path": _npz(lambda archive: archive.writestr("/etc/a.npy", b"x")),
    "name twice": _TWO.replace(b"b.npy", b"a.npy"),
    "overlap": _edited(_TWO, _CENTRAL, 42, bytes(4)),
    "record past the end": _edited(_ONE, _CENTRAL, 42, b"\xff\xff\xff\x7f"),
    "size past the end": _edited(_ONE, _CENTRAL, 20, b"\xff\xff\xff\x7f"),
    "size of nothing": _edited(_ONE, _CENTRAL, 24, bytes(4)),
    "wrong checksum": _edited(_ONE, _CENTRAL, 16, b"abcd"),
    "encrypted": _edited(_ONE, _CENTRAL, 8, b"\1"),
    "other compression": _edited(_ONE, _CENTRAL, 10, b"\x0c"),
    "many records": _edited(_ONE, b"PK\5\6", 8, b"\xff\x7f\xff\x7f"),
    "comment past the end": _edited(_ONE, b"PK\5\6", 20, b"\x10\x00"),
    "no table": _ONE[:-22],
    "array of objects": _npz(lambda archive: archive.writestr("a.npy", _npy(np.array([{}])))),
    "structured array": _npz(
        lambda archive: archive.writestr("a.npy", _npy(np.zeros(2, [("a", "<f4")])))
    ),
    "text array": _npz(lambda archive: archive.writestr("a.npy", _npy(np.array(["text"])))),
    "header that is code": _npz(
        lambda archive: archive.writestr("a.npy", b"\x93NUMPY\1\0\x16\0__import__('os').name ")
    ),
    "deep header": _npz(
        lambda archive: archive.writestr("a.npy", b"\x93NUMPY\1\0\x00\x20" + b"(" * 0x2000)
    ),
    "absurd shape": _npz(
        lambda archive: archive.writestr(
            "a.npy", _npy(np.zeros(2, np.float32), shape=(1 << 40, 1 << 40))
        )
    ),
    "negative shape": _npz(
        lambda archive: archive.writestr("a.npy", _npy(np.zeros(2, np.float32), shape=(-2,)))
    ),
    "no array": _npz(lambda archive: archive.writestr("a.npy", b"hello")),
    "nothing": _npz(lambda archive: None),
}
OTHERS = {
    "empty": b"",
    "web page": b"<!DOCTYPE html><html>quota exceeded</html>",
    "pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "gzip": b"\x1f\x8b\x08" + bytes(20),
    "one array": _npy(SMALL["weight"]),
    "noise": bytes(range(1, 200)),
    "one byte": b"\x80",
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(50),
    "tar": bytes(257) + b"ustar" + bytes(300),
    "a single number": pickle.dumps(3),
    "no tensors": pickle.dumps({"epoch": 3}),
    "several sets": pickle.dumps({"params": SMALL, "params_ema": {"weight": np.zeros(2)}}),
    "number and text": pickle.dumps({1: SMALL["weight"], "1": SMALL["weight"]}),
    "jittor with a wrong hash": pickle.dumps(SMALL) + bytes(20) + b"HCAJSLHD",
    "after the pickle": pickle.dumps(SMALL) + b"x",
}
BROKEN = [
    pytest.param(content, id=f"{kind}: {name}")
    for kind, files in (
        ("safetensors", SAFETENSORS),
        ("mindspore", MINDSPORE),
        ("zip", ZIPS),
        ("other", OTHERS),
    )
    for name, content in files.items()
]


@pytest.mark.parametrize("content", BROKEN)
def test_broken_files_are_one_error(tmp_path: Path, content: bytes) -> None:
    source, target = tmp_path / "x.pth", tmp_path / "out.npz"
    source.write_bytes(content)
    target.write_bytes(b"what was there before")
    started, peak = time.process_time(), peak_mb()
    with pytest.raises(InputError) as caught:
        convert(source, target)
    text = str(caught.value)
    assert text.startswith(f"checkpoint {source}: expected ")
    assert text.isprintable()
    assert time.process_time() - started < WITHIN_S
    assert peak_mb() - peak < 150
    assert target.read_bytes() == b"what was there before"
    assert sorted(tmp_path.iterdir()) == [target, source]
    for verb in (inspect, verify):
        with pytest.raises(InputError):
            verb(source)
    with pytest.raises(InputError):
        diff(source, source)


def test_strided_views_cannot_explode(tmp_path: Path) -> None:
    """A tensor of 2^40 elements that are all the same one."""
    meaning = (
        b"\x80\x02}X\1\0\0\0actorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storage"
        b"ctorch\nFloatStorage\nX\1\0\0\0" + b"0" + b"X\3\0\0\0cpuK\1tQK\0"
        b"J\0\0\0\x40J\0\0\0\x40\x86K\0K\0\x86\x89ccollections\nOrderedDict\n)RtRs."
    )
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", meaning)
        archive.writestr("archive/data/0", bytes(4))
        archive.writestr("archive/version", "3\n")
    with pytest.raises(InputError, match="expected tensors of at most 16 times the file"):
        open_checkpoint(path)


def test_tensors_outside_of_their_storage(tmp_path: Path) -> None:
    meaning = (
        b"\x80\x02}X\1\0\0\0actorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storage"
        b"ctorch\nFloatStorage\nX\1\0\0\0" + b"0" + b"X\3\0\0\0cpuK\1tQK\1"
        b"K\1\x85K\1\x85\x89ccollections\nOrderedDict\n)RtRs."
    )
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", meaning)
        archive.writestr("archive/data/0", bytes(4))
    with pytest.raises(InputError, match="expected a tensor inside its storage of 1 elements"):
        open_checkpoint(path)


@pytest.mark.parametrize("name", ["x.pth", "old.pth", "x.pkl", "x.npz", "x.ckpt", "x.safetensors"])
def test_files_that_were_cut_off(tmp_path: Path, seeds: dict[str, bytes], name: str) -> None:
    source = tmp_path / name
    content = seeds[name]
    cuts = {0, 1, 7, 8, len(content) - 1, *range(0, len(content), max(len(content) // 40, 1))}
    for stop in sorted(cuts - {len(content)}):
        source.write_bytes(content[:stop])
        try:
            found = open_checkpoint(source)
        except InputError:
            continue
        # A MindSpore file without a checksum may end after any of its tensors.
        assert name == "x.ckpt", stop
        assert len(found.tensors) < 5


@pytest.mark.parametrize("name", ["x.pth", "x.npz", "x.pkl", "crc.ckpt"])
def test_a_flipped_bit_in_the_weights_is_found(
    tmp_path: Path, seeds: dict[str, bytes], name: str
) -> None:
    """In every format that has a checksum."""
    content = bytearray(seeds[name])
    at = content.index(np.float32(0.7310586).tobytes())
    content[at] ^= 1
    source = tmp_path / name
    source.write_bytes(content)
    with pytest.raises(InputError, match=r"CRC-32|SHA-1"):
        convert(source, tmp_path / "out.safetensors")
    assert sorted(tmp_path.iterdir()) == [source]


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small file of each format."""
    from tests.convert.seeds import make_seeds

    return make_seeds(tmp_path_factory.mktemp("seeds"))


def test_nan_is_reported_and_kept(tmp_path: Path) -> None:
    array = np.array([[np.nan, 1], [np.inf, -np.inf]], np.float32)
    np.savez(tmp_path / "x.npz", weight=array, fine=SMALL["weight"])
    result = convert(tmp_path / "x.npz", tmp_path / "y.safetensors", to="kept")
    assert {name: (one.nan, one.infinite) for name, one in result.nonfinite.items()} == {
        "weight": (1, 2)
    }
    assert (
        "weight: 1 NaN, 2 infinite, first at 0, 0" in inspect(tmp_path / "y.safetensors").anomalies
    )


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected an existing file, got nothing"):
        convert(tmp_path / "x.pth", tmp_path / "y.npz")
    with pytest.raises(InputError, match="expected a file, got a folder"):
        convert(tmp_path, tmp_path / "y.npz")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="expected a regular file"):
        open_checkpoint(tmp_path / "pipe")


def test_crc_of_zlib_is_what_is_compared() -> None:
    from weights_convert.files.integrity import combine_crc32

    for size in (0, 1, 7, 4096):
        first, second = b"first part", bytes(range(256)) * 16
        whole = zlib.crc32(first + second[:size])
        assert combine_crc32(zlib.crc32(first), zlib.crc32(second[:size]), size) == whole
