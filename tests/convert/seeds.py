"""Small files of every format, made without our writers or a framework in this process."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from restoration.models import registry
from weights_convert import convert
from weights_convert.checkpoints.schemas import registered

ARRAYS = {
    "head.weight": np.full((2, 3), 0.7310586, np.float32),
    "head.bias": np.arange(2, dtype=np.float32),
    "body.0.weight": np.arange(12, dtype=np.float16).reshape(3, 4),
    "count": np.array(7, np.int64),
    "flag": np.array([True, False]),
}
_KINDS = {"float32": "Float", "float16": "Half", "int64": "Long", "bool": "Bool"}
_PROTOBUF = {"float32": b"Float32", "float16": b"Float16", "int64": b"Int64", "bool": b"Bool"}


def make_seeds(folder: Path) -> dict[str, bytes]:
    """The same weights in every format, by a file's name."""
    pickled = pickle.dumps(OrderedDict(ARRAYS), protocol=4)
    compressed, plain = io.BytesIO(), io.BytesIO()
    np.savez(plain, **ARRAYS)
    np.savez_compressed(compressed, **ARRAYS)
    save_file(ARRAYS, folder / "x.safetensors")
    message = b"".join(_mindspore_value(name, array) for name, array in ARRAYS.items())
    crc = b"crc_num" + zlib.crc32(message).to_bytes(10, "big")
    result = {
        "x.pth": _torch_zip(),
        "old.pth": _torch_legacy(),
        "x.pkl": pickled + hashlib.sha1(pickled).digest() + b"HCAJSLHD",
        "numpy.pkl": pickled,
        "protocol0.pkl": pickle.dumps(ARRAYS, protocol=0),
        "x.npz": plain.getvalue(),
        "deflated.npz": compressed.getvalue(),
        "x.ckpt": message,
        "crc.ckpt": message + crc,
        "x.safetensors": (folder / "x.safetensors").read_bytes(),
        "x.npy": _npy_of_objects(),
        "object.npz": _object_npz(),
        "dumped.pkl": _dumped(),
        "download.zip": _zipped({"README.txt": b"weights", "release/x.pth": _torch_zip()}),
        "download.tar": _tarred({"README.txt": b"weights", "release/x.npz": plain.getvalue()}),
        "x.index.json": json.dumps(
            {"metadata": {}, "weight_map": dict.fromkeys(ARRAYS, "part.safetensors")}
        ).encode(),
    }
    (folder / "part.safetensors").write_bytes(result["x.safetensors"])
    for name, content in result.items():
        (folder / name).write_bytes(content)
        # Each is right, and the same, before anything is done to it.
        convert(folder / name, folder / "out.npz", to="kept")
        with np.load(folder / "out.npz") as found:
            assert all(np.array_equal(found[key], array) for key, array in ARRAYS.items()), name
    return result


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _torch_pickle(key_of_view: bytes) -> bytes:
    """What `torch.save` pickles of the arrays: references to storages, and how they are viewed."""
    content = b"\x80\x02}q\x00("
    for number, (name, array) in enumerate(ARRAYS.items()):
        shape = b"".join(map(_number, array.shape))
        strides = b"".join(_number(step // array.itemsize) for step in array.strides)
        content += _text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(("
        content += _text("storage") + f"ctorch\n{_KINDS[array.dtype.name]}Storage\n".encode()
        content += _text(str(number)) + _text("cpu") + _number(array.size) + key_of_view + b"tQ"
        content += _number(0) + b"(" + shape + b"t(" + strides + b"t\x89"
        content += b"ccollections\nOrderedDict\n)RtR"
    return content + b"u."


def _torch_zip() -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        archive.writestr("archive/data.pkl", _torch_pickle(b""))
        for number, array in enumerate(ARRAYS.values()):
            archive.writestr(f"archive/data/{number}", array.tobytes())
        archive.writestr("archive/version", "3\n")
    return result.getvalue()


def _npy_of_objects() -> bytes:
    result = io.BytesIO()
    np.save(result, np.array(ARRAYS, dtype=object))
    return result.getvalue()


def _object_npz() -> bytes:
    result = io.BytesIO()
    np.savez(result, state=np.array(ARRAYS, dtype=object))
    return result.getvalue()


def _zipped(members: dict[str, bytes]) -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return result.getvalue()


def _tarred(members: dict[str, bytes]) -> bytes:
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return result.getvalue()


def _dumped() -> bytes:
    """What `pickle.dump` makes of tensors: each storage is a file of PyTorch before 1.6."""
    content = b"\x80\x03}("
    for name, array in ARRAYS.items():
        kind = _KINDS[array.dtype.name]
        storage = b"\x80\x02(" + _text("storage") + f"ctorch\n{kind}Storage\n".encode()
        storage += _text("7") + _text("cpu") + _number(array.size) + b"NtQ."
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
        parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
        bytes_of = struct.pack("<q", array.size) + array.tobytes()
        inner = b"".join([*parts, storage, pickle.dumps(["7"], 2), bytes_of])
        shape = b"".join(map(_number, array.shape))
        strides = b"".join(_number(step // array.itemsize) for step in array.strides)
        content += _text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n("
        content += b"ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(inner)) + inner
        content += b"\x85R" + _number(0) + b"(" + shape + b"t(" + strides + b"t\x89"
        content += b"ccollections\nOrderedDict\n)RtR"
    return content + b"u."


def _torch_legacy() -> bytes:
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    keys = pickle.dumps([str(number) for number in range(len(ARRAYS))], 2)
    storages = [struct.pack("<q", array.size) + array.tobytes() for array in ARRAYS.values()]
    return b"".join([*parts, _torch_pickle(b"N"), keys, *storages])


def _mindspore_value(name: str, array: np.ndarray) -> bytes:
    kind = _PROTOBUF[array.dtype.name]
    tensor = b"".join(b"\x08" + bytes([length]) for length in array.shape)
    tensor += b"\x12" + bytes([len(kind)]) + kind
    tensor += b"\x1a" + bytes([array.nbytes]) + array.tobytes()
    value = b"\x0a" + bytes([len(name)]) + name.encode() + b"\x12" + bytes([len(tensor)]) + tensor
    return b"\x0a" + bytes([len(value)]) + value


def mean_layers(config: Mapping[str, Any], names: Iterable[str]) -> dict[str, np.ndarray]:
    """What EDSR's files hold for the mean color, if these are its names.

    Whoever trained for pictures of 0 to 255 has it so large; LMF's copy says 1.
    """
    if "sub_mean.bias" not in set(names):
        return {}
    mean = np.float32(config.get("rgb_range", 1)) * np.array([0.4488, 0.4371, 0.4040], np.float32)
    eye = np.eye(3, dtype=np.float32)[:, :, None, None]
    layers = {"sub_mean": -mean, "add_mean": mean}
    return {f"{layer}.weight": eye for layer in layers} | {
        f"{layer}.bias": bias for layer, bias in layers.items()
    }


def said(model: str) -> str | None:
    """The model, where it has to be said because another one has the same names and shapes."""
    own = list(registered(model).values())
    others = (
        schema
        for other in registry.MODELS
        if other != model
        for schema in registered(other).values()
    )
    return model if any(schema in own for schema in others) else None
