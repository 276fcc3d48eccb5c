"""Checkpoints by NumPy, pickle and safetensors, and files that are none, by their first bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import struct
import tarfile
import zipfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.zoo.checkpoint_base import SMALL, Arrays, Case, averaged, bfloat16, state
from tests.zoo.picture_base import SMOOTH, saved

NET = state()
BEYOND = {"epoch": np.int64(3), "note": np.array("run 7"), "lr": np.float64(1e-4)}


def write(folder: Path) -> Iterator[Case]:
    """Writes the files, and says what they have to give."""
    yield from _by_numpy(folder)
    yield from _by_pickle(folder)
    yield from _by_safetensors(folder)
    yield from _archives(folder)
    yield from _folders(folder)
    yield from _no_checkpoints(folder)


def _by_numpy(folder: Path) -> Iterator[Case]:
    np.savez(folder / "plain.npz", **NET)
    yield Case("plain.npz", "np.savez", "numpy", NET)
    np.savez_compressed(folder / "packed.npz", **NET)
    yield Case("packed.npz", "np.savez_compressed", "numpy", NET)
    np.savez(folder / "numbers.npz", **NET, **BEYOND)
    yield Case("numbers.npz", "numbers and a text", "numpy", NET, left_out=frozenset(BEYOND))
    np.savez(folder / "object.npz", model=np.array(NET, dtype=object))
    yield Case("object.npz", "a dictionary as an object", "numpy", NET)
    np.savez_compressed(folder / "packed_object.npz", model=np.array(NET, dtype=object))
    yield Case("packed_object.npz", "the same, compressed", "numpy", NET)
    np.save(folder / "dictionary.npy", np.array(NET, dtype=object))
    yield Case("dictionary.npy", "np.save of a dictionary", "numpy", NET)
    np.save(folder / "nested.npy", np.array({"params": NET, "epoch": 3}, dtype=object))
    yield Case("nested.npy", "np.save of a checkpoint", "numpy", NET, left_out=frozenset({"epoch"}))
    np.save(folder / "one.npy", NET["FAM1.merge.main.0.bias"])
    yield Case("one.npy", "one array", "numpy", error="a single tensor without a name.*np.savez")
    np.savez(folder / "fortran.npz", **{n: np.asfortranarray(a) for n, a in NET.items()})
    yield Case("fortran.npz", "column-major", "numpy", NET)
    np.savez(folder / "big_endian.npz", **{n: a.astype(">f4") for n, a in NET.items()})
    yield Case("big_endian.npz", "big-endian", "numpy", NET)
    np.savez(folder / "bfloat16.npz", **bfloat16(NET))
    yield Case("bfloat16.npz", "bfloat16 as two bytes", "numpy", bfloat16(NET))
    np.savez(folder / "complex.npz", **SMALL, **{"x.weight": np.ones(2, np.complex64)})
    yield Case("complex.npz", "complex numbers", "numpy", error="elements of type <?c8")


def _jittor(content: object) -> bytes:
    pickled = pickle.dumps(content, protocol=4)
    return pickled + hashlib.sha1(pickled).digest() + b"HCAJSLHD"


def _by_pickle(folder: Path) -> Iterator[Case]:
    for protocol in (0, 1, 2, 5):
        name = f"arrays_{protocol}.pkl"
        (folder / name).write_bytes(pickle.dumps(NET, protocol))
        yield Case(name, f"pickled arrays, protocol {protocol}", "pickle", NET)
    beside = {"epoch": 3, "args": Namespace(lr=1e-4), "best": np.float32(31.5), 3: (1, {2})}
    (folder / "beside.pkl").write_bytes(pickle.dumps({"state_dict": NET, **beside}))
    left_out = frozenset({"epoch", "args", "best", "3"})
    yield Case("beside.pkl", "arrays, options, a set", "pickle", NET, left_out=left_out)
    (folder / "jittor.pkl").write_bytes(_jittor(NET))
    yield Case("jittor.pkl", "jt.save", "bytes", NET)
    bits = {name: array.view("<u2") for name, array in bfloat16(NET).items()}
    (folder / "jittor_bfloat16.pkl").write_bytes(_jittor(bits))
    yield Case("jittor_bfloat16.pkl", "jt.save of bfloat16", "bytes", bfloat16(NET))
    small = {name: array.view("<u2") for name, array in bfloat16(SMALL).items()}
    (folder / "jittor_unknown.pkl").write_bytes(_jittor(small))
    asked = "3 uint16 tensors, as Jittor stores bfloat16.*--uint16 bfloat16"
    yield Case("jittor_unknown.pkl", "the same, of no known model", "bytes", is_model=False,
               error=asked)  # fmt: skip
    for name, right in (("bfloat16", bfloat16(SMALL)), ("uint16", small)):
        yield Case(f"jittor_unknown.pkl, {name}", "the same, said", "bytes", right, is_model=False,
                   options={"uint16": name}, file="jittor_unknown.pkl")  # fmt: skip


def _by_safetensors(folder: Path) -> Iterator[Case]:
    save_file(NET, folder / "plain.safetensors", metadata={"format": "pt"})
    yield Case("plain.safetensors", "safetensors", "safetensors", NET)
    two = {f"a.{n}": x for n, x in NET.items()} | {f"b.{n}": x for n, x in averaged(NET).items()}
    save_file(two, folder / "two.safetensors")
    yield Case("two.safetensors", "two copies by prefix", "safetensors", error="--prefix a. or --p")
    yield Case("two.safetensors, b", "two copies by prefix", "safetensors", averaged(NET),
               file="two.safetensors", options={"prefix": "b."}, left_out=None)  # fmt: skip


def _shards(folder: Path, *, numbers: tuple[int, ...], with_index: bool) -> None:
    folder.mkdir()
    names, weight_map = list(NET), {}
    for number, part in enumerate((names[:40], names[40:]), start=1):
        file = f"model-{number:05}-of-00002.safetensors"
        weight_map |= dict.fromkeys(part, file)
        if number in numbers:
            save_file({name: NET[name] for name in part}, folder / file)
    if with_index:
        text = json.dumps({"metadata": {}, "weight_map": weight_map})
        (folder / "model.safetensors.index.json").write_text(text)


def _folders(folder: Path) -> Iterator[Case]:
    by = "safetensors"
    _shards(folder / "sharded", numbers=(1, 2), with_index=True)
    yield Case("sharded", "shards with an index", by, NET)
    yield Case("sharded/model-00002-of-00002.safetensors", "a shard", by, error="part 2 of 2")
    _shards(folder / "numbered", numbers=(1, 2), with_index=False)
    yield Case("numbered", "shards without an index", by, NET)
    _shards(folder / "incomplete", numbers=(2,), with_index=True)
    yield Case("incomplete", "a missing shard", by, error="no model-00001-of-00002")
    _shards(folder / "lone", numbers=(2,), with_index=False)
    yield Case("lone/model-00002-of-00002.safetensors", "a shard alone", by,
               error=r"part 2 of 2 .*1 are missing")  # fmt: skip
    (folder / "outside").mkdir()
    index = {"weight_map": {"head.weight": "../plain.safetensors"}}
    (folder / "outside" / "x.index.json").write_text(json.dumps(index))
    yield Case("outside/x.index.json", "an index that points outside", "bytes", error="at most")
    (folder / "hub").mkdir()
    save_file(NET, folder / "hub" / "model.safetensors")
    (folder / "hub" / "config.json").write_text("{}")
    yield Case("hub", "a folder with one checkpoint", by, NET)
    save_file(NET, folder / "hub" / "other.safetensors")
    (folder / "two").mkdir()
    for name in ("a", "b"):
        save_file(NET, folder / "two" / f"{name}.safetensors")
    yield Case("two", "a folder with two", by, error=r"a folder with a\.safetensors, b\.safe")
    (folder / "hub" / "other.safetensors").unlink()
    (folder / "saved_model").mkdir()
    (folder / "saved_model" / "saved_model.pb").write_bytes(b"\x08\x01")
    yield Case("saved_model", "SavedModel", "bytes", error="a SavedModel of TensorFlow")


def _npz(arrays: Arrays) -> bytes:
    sink = io.BytesIO()
    np.savez(sink, **arrays)
    return sink.getvalue()


def _archives(folder: Path) -> Iterator[Case]:
    inner = {"release/README.txt": b"\nthe weights\n", "release/MIMO-UNet.npz": _npz(NET)}
    for name, kind in (("download.zip", zipfile.ZIP_STORED), ("packed.zip", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(folder / name, "w", kind) as archive:
            for path, content in inner.items():
                archive.writestr(path, content)
        yield Case(name, "a checkpoint in a zip", "zipfile", NET)
    with zipfile.ZipFile(folder / "two.zip", "w") as archive:
        for name in ("a.npz", "b.npz"):
            archive.writestr(name, inner["release/MIMO-UNet.npz"])
    yield Case("two.zip", "two of them", "zipfile", error=r"2: a\.npz, b\.npz.*unpack it")
    with zipfile.ZipFile(folder / "none.zip", "w") as archive:
        archive.writestr("README.txt", inner["release/README.txt"])
    yield Case("none.zip", "no checkpoint in a zip", "zipfile", error="none among README.txt")
    with tarfile.open(folder / "download.tar", "w") as tar:
        for path, content in inner.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    yield Case("download.tar", "a checkpoint in a tar", "tarfile", NET)
    packed = gzip.compress((folder / "download.tar").read_bytes())
    (folder / "download.tar.gz").write_bytes(packed)
    yield Case("download.tar.gz", "packed tar", "gzip", error="a compressed file.*gzip -d")


def _zip_of(*names: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name in names:
            archive.writestr(name, b"x" * 64)
    return sink.getvalue()


def _no_checkpoints(folder: Path) -> Iterator[Case]:
    whole = (folder / "plain.npz").read_bytes()
    mindir = b"\x0a\x050.1.1\x12\x09MindSpore\x1a\x062.8.0\x00"
    onnx = b"\x08\x08\x12\x07pytorch\x1a\x052.6.0:\x10"
    for name, what, content, error in (
        ("empty.pth", "empty", b"", "an empty file"),
        ("cut.npz", "cut off", whole[: len(whole) // 2], "cut off"),
        ("cut.safetensors", "cut off", (folder / "plain.safetensors").read_bytes()[:-1000],
         "where the last tensor ends"),
        ("cut.pkl", "cut off", (folder / "arrays_5.pkl").read_bytes()[:-1000], "to the end"),
        ("pointer.pth", "Git LFS pointer",
         b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
        ("quota.pth", "web page", b"\n<!DOCTYPE html><html>quota</html>", "a web page"),
        ("denied.pth", "answer of a server", b'{"error": "not found"}', "JSON: .*not found"),
        ("denied.txt", "text", b"404: Not Found\n", "a text: 404: Not Found"),
        ("graph.onnx", "ONNX", onnx + bytes(64), "an ONNX graph"),
        ("model.tflite", "TFLite", b"\x1c\0\0\0TFL3" + bytes(64), "a TFLite model"),
        ("mobile.ptl", "mobile flatbuffer", b"\x20\0\0\0PTMF" + bytes(64), "mobile PyTorch"),
        ("program.pte", "ExecuTorch", b"\x20\0\0\0ET12" + bytes(64), "ExecuTorch"),
        ("graph.mindir", "MINDIR", mindir + bytes(64), "a graph of MindSpore"),
        ("model.ms", "MindSpore Lite", b"\x20\0\0\0MSL2" + bytes(64), "MindSpore Lite"),
        ("keras.h5", "Keras HDF5", b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5, as Keras"),
        ("model.keras", "Keras zip", _zip_of("config.json", "model.weights.h5"), "a Keras model"),
        ("exported.pt2", "exported program", _zip_of("a/archive_format", "a/data/weights/x"),
         r"\(\.pt2\)"),
        ("x.ckpt.index", "TensorFlow index", bytes(40) + struct.pack("<Q", 0xDB4775248B80FB57),
         "index of a TensorFlow checkpoint"),
        ("checkpoint", "TensorFlow text", b'model_checkpoint_path: "x.ckpt"\n', "TensorFlow"),
        ("model.gguf", "GGUF", b"GGUF\3\0\0\0" + bytes(64), "GGUF"),
        ("ncnn.param", "ncnn", b"7767517\n75 83\n", "an ncnn graph"),
        ("model.7z", "7z", b"7z\xbc\xaf\x27\x1c" + bytes(64), "a 7z archive"),
        ("picture.pth", "picture", saved(SMOOTH, "PNG"), "a picture"),
        ("noise.pth", "noise", bytes(range(1, 255)), "none of these"),
        *((f"encrypted_{kind}.ckpt", f"MindSpore, {mode}", bytes([first]) + b"\x5e\x3a\x7f"
           + bytes(64), rf"encrypted \({mode}\).*dec_key=KEY")
          for kind, mode, first in (("gcm", "AES-GCM", 0xD8), ("cbc", "AES-CBC", 0xD9),
                                    ("sm4", "SM4-CBC", 0xDA))),
    ):  # fmt: skip
        (folder / f"no_{name}").write_bytes(content)
        yield Case(f"no_{name}", what, "bytes", error=error)
